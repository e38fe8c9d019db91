"""Random graphs of the awkward kinds: what the embedder and the smoother say of them.

    python benchmarks/campaign_graphs.py             # 5,000 of each, about five minutes
    python benchmarks/campaign_graphs.py --count 100 # a look
    python benchmarks/campaign_graphs.py --only smoother --seed 4711 --count 1

Every result is compared with an answer of 90 digits and more (mpmath, which comes with torch).
Counts of results that are right; that are not, and were warned of; that were refused by an error
of the library; and that are wrong without a word, of which seeds are printed. Exits with 1 if there
is one.
"""

import argparse
import sys
import warnings
from collections import Counter

import networkx as nx
import numpy as np
from mpmath import eigsy, lu_solve, matrix, mp, mpf

from skginr import Graph, GraphSmoother, SpectralEmbedder

KINDS = ("range", "dust", "star", "barbell", "repeated", "giant", "weak", "tree")
# Errors that count as none, as shares: of the smoother's values, of the embedder's eigenvalues
# (whose first two digits are what it promises) and of the quotients of its vectors.
VALUE, EIGENVALUE, QUOTIENT = 1e-5, 1e-2, 1e-3


def draw(rng):
    """Return the kind and the adjacency of a random graph of 4 to 12 nodes."""
    kind, n = str(rng.choice(KINDS)), int(rng.integers(4, 13))
    if kind == "star":
        weights = nx.to_numpy_array(nx.star_graph(n - 1))
    elif kind == "barbell":
        m = max(3, n // 2)
        weights = nx.to_numpy_array(nx.barbell_graph(m, 0))
        weights[m - 1, m] = weights[m, m - 1] = 10.0 ** rng.uniform(-14, 0)
        return kind, weights
    elif kind == "repeated":
        make = (nx.cycle_graph, nx.complete_graph, nx.empty_graph)[rng.integers(2)]
        weights = nx.to_numpy_array(make(n)) * 10.0 ** rng.integers(-12, 13)
        return kind, np.kron(np.eye(rng.integers(1, 3)), weights)
    elif kind == "tree":
        weights = nx.to_numpy_array(nx.from_prufer_sequence(rng.integers(0, n, n - 2).tolist()))
        return kind, weights * symmetric(10.0 ** rng.uniform(-3, 2.1, (n, n)))
    else:
        weights = symmetric((rng.random((n, n)) < (0.12 if kind == "dust" else 0.35)).astype(float))
    if kind in ("range", "dust", "star"):
        weights = weights * symmetric(10.0 ** rng.uniform(-12, 12, (n, n)))
    if kind in ("giant", "weak") and weights.any():
        edges = np.argwhere(np.triu(weights) > 0)
        low, high = (6, 300) if kind == "giant" else (-25, -5)
        for i, j in edges[rng.permutation(len(edges))[: rng.integers(1, 3)]]:
            weights[i, j] = weights[j, i] = 10.0 ** rng.uniform(low, high)
    return kind, weights


def symmetric(values):
    upper = np.triu(values, k=1)
    return upper + upper.T


def laplacian(weights):
    """Return L in many digits, summed from edges."""
    n = len(weights)
    L = matrix(n, n)
    for i, j in np.argwhere(weights > 0).tolist():
        L[i, j] -= mpf(float(weights[i, j]))
        L[i, i] += mpf(float(weights[i, j]))
    return L


def components(weights):
    groups = np.empty(len(weights), dtype=int)
    for number, nodes in enumerate(nx.connected_components(nx.from_numpy_array(weights))):
        groups[list(nodes)] = number
    return groups


def try_smoother(weights, rng):
    """Return whether a smoother's signal is right; it may raise and warn."""
    n, groups = len(weights), components(weights)
    order, alpha = int(rng.integers(1, 4)), 10.0 ** rng.uniform(-3, 3)
    nodes, y = rng.integers(0, n, rng.integers(1, n + 1)), None
    y = rng.standard_normal(len(nodes)) + 3
    L = laplacian(weights)
    # A strength as the smoother means it, of a penalty of unit size.
    positive = [float(L[i, i]) for i in range(n) if L[i, i] > 0]
    alpha /= np.median(positive) ** order if positive else 1.0
    signal = GraphSmoother(graph=Graph.from_adjacency(weights), order=order, alpha=alpha)
    signal = signal.fit(nodes[:, None], y).signal_
    system, right = mpf(alpha) * L**order, matrix(n, 1)
    for node, value in zip(nodes.tolist(), y.tolist(), strict=True):
        system[node, node] += 1
        right[node] += mpf(value)
    unknown = ~np.isin(groups, groups[nodes])
    for node in np.flatnonzero(unknown).tolist():
        system[node, node] += 1
        right[node] += mpf(float(y.mean()))
    exact = np.array([float(value) for value in lu_solve(system, right)])
    # Components without a row get the mean, but for what solves for it.
    size = np.abs(exact) + np.abs(exact[nodes]).max()
    return bool((np.abs(signal - exact) <= VALUE * size).all())


def try_embedder(weights, rng):
    """Return whether coordinates are eigenvectors, and of the first eigenvalues."""
    n, n_parts = len(weights), components(weights).max() + 1
    k = int(rng.integers(1, max(2, n - n_parts)))
    solver = str(rng.choice(["auto", "iterative", "shift_invert", "dense"]))
    embedder = SpectralEmbedder(
        k, graph=Graph.from_adjacency(weights), eigen_solver=solver, scaling="unit"
    ).fit(np.arange(n)[:, None])
    vectors = embedder.transform(np.arange(n)[:, None])[:, : embedder.n_components_]
    values = np.asarray(embedder.eigenvalues_)
    L = laplacian(weights)
    exact = np.array(sorted(float(value) for value in eigsy(L, eigvals_only=True)))
    exact = exact[n_parts:]
    if not np.allclose(values, exact[: len(values)], rtol=EIGENVALUE, atol=0):
        return False
    # Rayleigh quotients from differences along edges, that lose no digit.
    wide = vectors.T.astype(np.longdouble)
    squares = (wide[:, :, None] - wide[:, None, :]) ** 2
    quotients = (weights.astype(np.longdouble) * squares).sum(axis=(1, 2)) / 2
    quotients = quotients / (wide**2).sum(axis=1)
    if not np.allclose(quotients.astype(float), exact[: len(values)], rtol=QUOTIENT, atol=0):
        return False
    gram = vectors.T @ vectors / n
    return bool(np.abs(gram - np.eye(len(gram))).max() < 1e-6)


CAMPAIGNS = {"smoother": try_smoother, "embedder": try_embedder}


def judge(name, seed):
    """Return the kind of a graph and what became of it."""
    rng = np.random.default_rng(seed)
    kind, weights = draw(rng)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Cubes of weights, and what they leave of others.
            with mp.workdps(1000 if weights.max() > 1e15 else 90):
                right = CAMPAIGNS[name](weights, rng)
        except ValueError as error:
            # An error of ours has a sentence that says what to do.
            return kind, "refused" if str(error).endswith(".") else f"crashed: {error!r}"
        except Exception as error:
            return kind, f"crashed: {error!r}"
    if right:
        return kind, "right"
    # That k cuts an eigenspace is no excuse for what is in it.
    excuses = [w for w in caught if "rounding" in str(w.message) or "precision" in str(w.message)]
    return kind, "warned" if excuses else "silently wrong"


def run(name, seeds):
    """Return counts by kind and outcome, and the seeds that went wrong."""
    counts, wrong = Counter(), {}
    for seed in seeds:
        kind, outcome = judge(name, seed)
        if outcome not in ("right", "warned", "refused"):
            wrong[seed] = kind, outcome
            outcome = outcome.partition(":")[0]
        counts[kind, outcome] += 1
    return counts, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=CAMPAIGNS)
    arguments = parser.parse_args()
    failed = False
    for name in CAMPAIGNS if arguments.only is None else [arguments.only]:
        counts, wrong = run(name, range(arguments.seed, arguments.seed + arguments.count))
        outcomes = ("right", "warned", "refused", "silently wrong", "crashed")
        print(f"{name:12}" + "".join(f"{outcome:>16}" for outcome in outcomes))
        for kind in KINDS:
            print(f"  {kind:10}" + "".join(f"{counts[kind, outcome]:16}" for outcome in outcomes))
        totals = [sum(counts[kind, outcome] for kind in KINDS) for outcome in outcomes]
        print(f"  {'all':10}" + "".join(f"{total:16}" for total in totals), flush=True)
        for seed, (kind, outcome) in list(wrong.items())[:20]:
            print(f"  seed {seed}, {kind}: {outcome}")
        failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
