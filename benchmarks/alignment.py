"""How many coordinates travel between the Stanford bunny and what is left of it.

Vertices are deleted at random; edges between those left stay, and of the pieces the largest is
kept. Prints correlations of coordinates with those of the whole bunny: the median and the
least of the first k, by signs alone and aligned, over three samples.

    SKGINR_DATA=... python benchmarks/alignment.py
"""

import numpy as np

from skginr import Graph, SpectralEmbedder, align
from skginr.datasets import fetch_bunny

K, SPARE, SAMPLES = 100, 30, 3


def fitted(graph, k):
    return SpectralEmbedder(k, graph=graph, max_components=K + SPARE).fit([[graph.labels[0]]])


def deleted(graph, share, seed):
    kept = np.random.default_rng(seed).random(graph.n_nodes) >= share
    left = graph.subgraph(graph.labels[kept])
    return left.subgraph(left.labels[left.components == 0])


def by_signs(a, b, left):
    """Correlation of each coordinate with its namesake, whichever sign it has."""
    first, second = a.embedding_[left.labels, :K], b.embedding_[:, :K]
    products = (first - first.mean(0)) * (second - second.mean(0))
    return np.abs(products.mean(0)) / (first.std(0) * second.std(0))


def main():
    whole = fetch_bunny()
    # Triangles do not count here: an edge stays as long as its ends do.
    whole = Graph(whole.adjacency, positions=whole.positions)
    print("| deleted | signs only | aligned | travel | aligned with 30 more |")
    print("|---|---|---|---|---|")
    for share in (0.01, 0.1, 0.2):
        rows = []
        for seed in range(SAMPLES):
            left = deleted(whole, share, seed)
            a, b = fitted(whole, K), fitted(left, K)
            alignment = align(a, b)
            more = align(fitted(whole, K + SPARE), fitted(left, K + SPARE)).quality[:K]
            signs = by_signs(a, b, left)
            rows.append(
                [
                    *(f(q) for q in (signs, alignment.quality) for f in (np.median, np.min)),
                    alignment.n_components,
                    np.median(more),
                    np.min(more),
                ]
            )
        s, s0, q, q0, n, m, m0 = np.median(rows, axis=0)
        print(
            f"| {share:.0%} | {s:.3f}, {s0:.3f} | {q:.3f}, {q0:.3f} | {n:.0f} | {m:.3f}, {m0:.3f} |"
        )


if __name__ == "__main__":
    main()
