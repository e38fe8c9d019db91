"""How often the smoother's intervals hold: signals drawn from its own prior.

    python benchmarks/interval_coverage.py            # docs/models.md's, five minutes
    python benchmarks/interval_coverage.py --draws 5  # a look
    python benchmarks/interval_coverage.py --ways     # ways to allow for an unknown strength

Nominal 90% intervals, ``mean +- 1.645 std``, of the signal at nodes that were not observed. Prior
of unit mean variance, noise .3, graphs of 400 nodes.
"""

import argparse
import warnings

import networkx as nx
import numpy as np
import pandas as pd
from scipy.spatial import Delaunay

from skginr import Graph, GraphSmoother

NODES, NOISE, WIDTH = 400, 0.3, 1.645
ROWS = (40, 70, 100, 300)
STRENGTHS = 10.0 ** np.arange(-6, 8.01, 0.5)


def lattice():
    return nx.to_numpy_array(nx.grid_2d_graph(20, 20))


def ring():
    return nx.to_numpy_array(nx.cycle_graph(NODES))


def tree():
    """Every node hangs on one that was there before, drawn at random."""
    rng, adjacency = np.random.default_rng(0), np.zeros((NODES, NODES))
    for node in range(1, NODES):
        parent = rng.integers(0, node)
        adjacency[node, parent] = adjacency[parent, node] = 1
    return adjacency


def mesh():
    """Delaunay's triangles of random points in a square."""
    adjacency = np.zeros((NODES, NODES))
    for corners in Delaunay(np.random.default_rng(0).random((NODES, 2))).simplices:
        adjacency[np.ix_(corners, corners)] = 1
    np.fill_diagonal(adjacency, 0)
    return adjacency


GRAPHS = {"lattice": lattice, "ring": ring, "tree": tree, "mesh": mesh}


def prior(adjacency, order):
    """Return a root of the covariance, scaled to unit mean variance, and the strength it means."""
    values, vectors = np.linalg.eigh(np.diag(adjacency.sum(axis=1)) - adjacency)
    root = vectors[:, 1:] * values[1:] ** (-order / 2)
    variance = (root**2).sum() / len(root)
    return root / variance**0.5, NOISE**2 * variance


def draw(root, n_rows, seed):
    rng = np.random.default_rng(seed)
    truth = root @ rng.standard_normal(root.shape[1])
    order = rng.permutation(len(root))
    observed, others = order[:n_rows], order[n_rows:]
    y = truth[observed] + NOISE * rng.standard_normal(n_rows)
    return truth, observed, others, y


def holds(mean, std, truth):
    return float((np.abs(mean - truth) <= WIDTH * std).mean())


def of_smoother(adjacency, order, n_rows, n_draws):
    """Return the coverage of each draw: of the default strength, chosen, and of the true one."""
    root, strength = prior(adjacency, order)
    graph = Graph.from_adjacency(adjacency)
    rows = []
    for seed in range(n_draws):
        truth, observed, others, y = draw(root, n_rows, seed)
        chosen = GraphSmoother(graph=graph, order=order).fit(observed[:, None], y)
        known = GraphSmoother(graph=graph, order=order, alpha=strength)
        models = {
            "default": chosen,
            "chosen, taken for known": chosen.tuned_clone().fit(observed[:, None], y),
            "true strength": known.fit(observed[:, None], y),
        }
        rows.append(
            {
                name: holds(*model.predict(others[:, None], return_std=True), truth[others])
                for name, model in models.items()
            }
        )
    return pd.DataFrame(rows)


def of_ways(adjacency, order, n_rows, n_draws):
    """Return the coverage and squared error of each draw by ways to allow for the strength."""
    root, _ = prior(adjacency, order)
    return pd.DataFrame(
        [ways(root @ root.T, *draw(root, n_rows, seed), seed) for seed in range(n_draws)]
    )


def ways(covariance, truth, observed, others, y, seed):
    """Dense, and independent of the smoother: everything in the basis of contrasts of y."""
    n = len(y)
    contrasts = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    within = covariance[np.ix_(observed, observed)]
    across = covariance[np.ix_(others, observed)]
    variances, turn = np.linalg.eigh(contrasts.T @ within @ contrasts)
    variances, basis = np.maximum(variances, 0), contrasts @ turn
    z, gain = basis.T @ y, (across - within.mean(axis=0)) @ basis
    free = covariance.diagonal()[others] - 2 * across.mean(axis=1) + within.mean()
    folds = np.array_split(np.random.default_rng(seed).permutation(n), 10)
    means, spreads, restricted, errors = [], [], [], []
    for alpha in STRENGTHS:
        loss = (z**2 / (1 + variances / alpha)).sum()
        means.append(y.mean() + gain @ (z / (variances + alpha)))
        spread = (free - (gain**2 / (variances + alpha)).sum(axis=1)) / alpha + 1 / n
        spreads.append(np.maximum(spread, 0) * loss / (n - 1))
        restricted.append(-0.5 * (np.log1p(variances / alpha).sum() + (n - 1) * np.log(loss)))
        precision = (basis / (1 + variances / alpha)) @ basis.T
        left = [np.linalg.solve(precision[np.ix_(f, f)], (precision @ y)[f]) for f in folds]
        errors.append(sum(part @ part for part in left))
    means, spreads = np.array(means), np.array(spreads)
    by_folds = -0.5 * n * np.log(errors)
    best = int(np.argmin(errors))
    chosen, likeliest = means[best], int(np.argmax(restricted))
    results = {
        "folds: best": (chosen, spreads[best]),
        "restricted likelihood: best": (means[likeliest], spreads[likeliest]),
    }
    for name, logs in (("folds", by_folds), ("restricted likelihood", np.array(restricted))):
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        mean = weights @ means
        results[f"{name}: mean of all"] = mean, weights @ (spreads + (means - mean) ** 2)
        results[f"{name}: about the best of folds"] = (
            chosen,
            weights @ (spreads + (means - chosen) ** 2),
        )
    row = {}
    for name, (mean, variance) in results.items():
        row[f"{name} | coverage"] = holds(mean, variance**0.5, truth[others])
        row[f"{name} | squared error"] = ((mean - truth[others]) ** 2).mean()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--ways", action="store_true")
    arguments = parser.parse_args()
    measure = of_ways if arguments.ways else of_smoother
    warnings.simplefilter("error")
    table = {}
    for name, make in GRAPHS.items():
        for order in (1, 2):
            for n_rows in arguments.rows:
                draws = measure(make(), order, n_rows, arguments.draws)
                row = draws.mean()
                if not arguments.ways:
                    row["spread of default"] = draws["default"].std()
                table[f"{name}, order {order}", n_rows] = row
    table = pd.DataFrame(table).T
    print(table.round(3).to_string())
    print("\nmean over graphs and orders")
    print(table.groupby(level=1).mean().round(3).T.to_string())


if __name__ == "__main__":
    main()
