"""A model trained on one random graph and used on others: stochastic block models.

    python examples/block_model.py           # 300 nodes, nine kinds of graph, in seconds
    python examples/block_model.py --full    # 1,000 nodes, a hundred kinds, in about five minutes

Two groups of equal size; two nodes of one group are joined with probability intra, of different
groups with probability inter. A classifier learns the groups from three spectral coordinates of one
graph, at intra .5 and inter .1, and is then asked for those of graphs it has not seen, whose
probabilities are others. Beside it stands spectral clustering, run afresh on each. Both see the
walk of two steps, whose graph joins nodes of one group more often whichever probability is the
larger. Groups have no names, so accuracy is up to their exchange. Below a threshold of
detectability (dashed) no method can do better than chance, as the number of nodes grows [1].

[1] E. Mossel, J. Neeman and A. Sly, "Reconstruction and estimation in the planted partition
    model", Probability Theory and Related Fields 162, 2015.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.cluster import SpectralClustering

from skginr import Graph, SIRENClassifier, SpectralEmbedder

TRAINED_AT = 0.5, 0.1


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw accuracy over the two probabilities."""
    n_nodes = 1_000 if full else 300
    probabilities = np.arange(0.05, 1, 0.1) if full else np.array([0.1, 0.3, 0.5])
    walks, groups = two_steps(n_nodes, *TRAINED_AT, seed=0)
    classifier = SIRENClassifier("train", random_state=0).fit(coordinates(walks), groups)
    scores = []
    for seed, (intra, inter) in enumerate(
        [(intra, inter) for intra in probabilities for inter in probabilities], start=1
    ):
        walks, groups = two_steps(n_nodes, intra, inter, seed)
        clusters = SpectralClustering(2, affinity="precomputed", random_state=0)
        scores.append(
            {
                "intra": intra,
                "inter": inter,
                "detectability": n_nodes * (intra - inter) ** 2 / (2 * (intra + inter)),
                "transferred": accuracy(groups, classifier.predict(coordinates(walks))),
                "clustering": accuracy(groups, clusters.fit_predict(walks.toarray())),
            }
        )
        print("\r", f"{seed} of {len(probabilities) ** 2} graphs", end="", flush=True)
    print()
    draw(pd.DataFrame(scores), n_nodes, output)
    return report(pd.DataFrame(scores))


def two_steps(n_nodes, intra, inter, seed):
    """Return the affinity of nodes by walks of two steps, a sparse matrix, and their groups."""
    random = np.random.default_rng(seed)
    groups = np.repeat([0, 1], n_nodes // 2)
    chance = np.where(groups[:, None] == groups, intra, inter)
    upper = np.triu(random.random(chance.shape) < chance, 1)
    adjacency = (upper | upper.T).astype(float)
    walks = adjacency @ (adjacency / np.maximum(adjacency.sum(axis=1), 1)[:, None])
    np.fill_diagonal(walks, 0)
    return Graph.from_adjacency((walks + walks.T) / 2).adjacency, groups


def coordinates(walks):
    """Return three spectral coordinates of the nodes."""
    graph = Graph.from_adjacency(walks)
    # The combinatorial Laplacian would tell single nodes of low degree from all others.
    embedder = SpectralEmbedder(
        3, graph=graph, laplacian="random_walk", scaling="unit", component_features=False
    )
    return embedder.fit_transform(graph.labels.to_frame())


def accuracy(groups, found):
    """Return the share of nodes in their group, whatever the groups are called."""
    share = np.mean(groups == found)
    return max(share, 1 - share)


def report(scores):
    """Return the rows of the table, and print them."""
    possible = scores[scores["detectability"] > 1]
    short = (possible["clustering"] - possible["transferred"]).idxmax()
    common = {"experiment": "block model", "paper": None, "baseline_name": "clustering afresh"}
    what = {
        f"mean accuracy on {len(possible)} graphs above the threshold": possible.mean(),
        f"farthest below clustering: intra {possible['intra'][short]:.2f}, inter "
        f"{possible['inter'][short]:.2f}": possible.loc[short],
    }
    rows = []
    for text, row in what.items():
        print(f"{text}: {row['transferred']:.4f}, clustering {row['clustering']:.4f}", flush=True)
        found = {"ours": float(row["transferred"]), "baseline": float(row["clustering"])}
        rows.append(common | {"data": "two groups", "what": text} | found)
    return rows


def draw(scores, n_nodes, output):
    """Save two maps of accuracy, and the threshold on both."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
    for axis, name in zip(axes, ("transferred", "clustering"), strict=True):
        table = scores.pivot_table(index="inter", columns="intra", values=name)
        shown = axis.pcolormesh(table.columns, table.index, table, vmin=0.5, vmax=1)
        # (intra - inter)² n = 2 (intra + inter), by the half sum of the two.
        half_sum = np.linspace(0, 1, 200)
        half_difference = np.sqrt(half_sum / n_nodes)
        for side in (-1, 1):
            intra, inter = half_sum + side * half_difference, half_sum - side * half_difference
            axis.plot(intra, inter, "w--", linewidth=1)
        axis.set(xlabel="intra", xlim=(0, 1), ylim=(0, 1))
    axes[0].plot(*TRAINED_AT, "r*", markersize=12, label="trained here")
    axes[0].legend(loc="lower right")
    axes[0].set(title="trained on one graph", ylabel="inter")
    axes[1].set_title("spectral clustering of each graph")
    figure.colorbar(shown, ax=axes, label="accuracy")
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "block_model.png", dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="1,000 nodes, a hundred graphs")
    main(parser.parse_args().full)
