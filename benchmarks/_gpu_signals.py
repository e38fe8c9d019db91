"""What is fitted on a GPU: the bunny or a mesh like it, and a million nodes in closed form."""

import itertools
import math
import os

import numpy as np

# Of the mesh that stands in for the bunny, which has 34,834.
N_NODES = 35_000
MADE = "generated mesh"


def surface(mesh, n_nodes):
    """Return a name and a graph: of a file of ``vertices`` and ``faces``, the bunny, or made."""
    from skginr import Graph
    from skginr.datasets import fetch_bunny

    if mesh is not None:
        with np.load(mesh) as arrays:
            graph = Graph.from_mesh(arrays["vertices"], arrays["faces"])
        return mesh.name, graph.subgraph(graph.labels[graph.components == 0])
    if n_nodes == N_NODES and "SKGINR_DATA" in os.environ:
        return "bunny", fetch_bunny()
    return MADE, Graph.from_mesh(*pebble(n_nodes))


def coordinates(graph, k):
    from skginr import SpectralEmbedder

    embedder = SpectralEmbedder(
        k, graph=graph, scaling="unit", max_components=k, component_features=False
    )
    return embedder.fit_transform(graph.labels.to_frame()).astype(np.float32)


def pebble(n_nodes):
    """Return vertices and faces of a convex body of three unequal axes, its points uneven."""
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(0)
    i = np.arange(n_nodes) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / n_nodes), math.pi * (1 + 5**0.5) * i
    ring = np.sin(polar)
    points = np.column_stack([np.cos(azimuth) * ring, np.sin(azimuth) * ring, np.cos(polar)])
    # By a tenth of their distance: degrees are then spread as the bunny's, on which the texture
    # depends (its standard deviation is .122, the bunny's .121).
    points += rng.normal(scale=0.1 * math.sqrt(4 * math.pi / n_nodes), size=points.shape)
    points *= np.array([1.0, 0.7, 0.5]) / np.linalg.norm(points, axis=1, keepdims=True)
    return points, ConvexHull(points).simplices


def torus(side, k):
    """Return the first k eigenvectors of a torus of side x side nodes, of unit mean square.

    With their eigenvalues; the constant is left out. They are products of a wave along each way.
    """
    angle = 2 * math.pi * np.arange(side) / side
    waves = [(0, np.ones(side))]
    for n_periods in range(1, math.isqrt(k) + 2):
        for wave in (np.cos, np.sin):
            waves.append((n_periods, math.sqrt(2) * wave(n_periods * angle)))
    pairs = sorted(itertools.product(waves, waves), key=lambda pair: _eigenvalue(side, *pair))[
        1 : k + 1
    ]
    X = np.empty((side * side, k), dtype=np.float32)
    for column, ((_, down), (_, across)) in enumerate(pairs):
        X[:, column] = np.outer(down, across).ravel()
    return X, np.array([_eigenvalue(side, *pair) for pair in pairs])


def _eigenvalue(side, down, across):
    return sum(4 * math.sin(math.pi * n_periods / side) ** 2 for n_periods, _ in (down, across))


def stripes(side):
    """Return a signal on the torus that no line through its first coordinates comes near."""
    v, u = np.meshgrid(*[2 * math.pi * np.arange(side) / side] * 2, indexing="ij")
    bent = np.sin(18 * u + 3 * np.sin(2 * v)) * np.cos(14 * v + 2 * np.sin(3 * u))
    return np.tanh(3 * bent).ravel()
