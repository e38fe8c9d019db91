"""The graphs of the benchmarks: all connected, with positions where nodes have some.

Run as a script it makes one and saves it: large hulls take memory, which the process
that starts the measurements should not carry.
"""

import sys

import numpy as np
import scipy.sparse as sp


def bunny(resolution=1):
    """Edges of the Stanford bunny, largest component."""
    from skginr.datasets import fetch_bunny

    graph = fetch_bunny(resolution)
    return graph.adjacency, graph.positions


def sphere(n):
    """Triangulated Fibonacci sphere of n points."""
    from scipy.spatial import ConvexHull

    i = np.arange(n) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / n), np.pi * (1 + 5**0.5) * i
    ring = np.sin(polar)
    points = np.column_stack([np.cos(azimuth) * ring, np.sin(azimuth) * ring, np.cos(polar)])
    return mesh_edges(ConvexHull(points).simplices, n), points


def geodesic(v):
    """Positions and faces of an icosahedron whose edges are cut in v: 10 v**2 + 2 vertices.

    Five panels from pole to pole, of v x 2v vertices each, make it; the poles are the last two.
    No hull and no search: ten million vertices take seconds and little more than they are.
    """
    height = 5**-0.5
    ring = 2 * np.pi / 5 * np.arange(5)
    upper = np.column_stack([2 * height * np.cos(ring), 2 * height * np.sin(ring), [height] * 5])
    lower = -np.roll(upper, 2, axis=0)
    north, south = np.array([0, 0, 1.0]), np.array([0, 0, -1.0])
    positions = np.empty((10 * v**2 + 2, 3))
    positions[-2:] = north, south
    faces = np.empty((5, v, 2 * v, 2, 3), dtype=np.int32)
    here = np.arange(v)[:, None], np.arange(1, v + 1)
    for panel in range(5):
        after = (panel + 1) % 5
        squares = (
            (north, upper[panel], upper[after], lower[panel]),
            (upper[panel], lower[panel - 1], lower[panel], south),
        )
        whole = positions[:-2].reshape(5, v, 2, v, 3)[panel]
        for half, corners in enumerate(squares):
            whole[:, half] = _flat_square(*corners, *here, v)
        whole /= np.linalg.norm(whole, axis=-1, keepdims=True)
        # Its rim in numbers of the next panel: the top row is that one's first column.
        grid = np.empty((v + 1, 2 * v + 1), dtype=np.int32)
        grid[:-1, 1:] = np.arange(2 * v**2).reshape(v, 2 * v) + 2 * v**2 * panel
        first = np.arange(2 * v) + 2 * v**2 * after
        grid[0, 0] = 10 * v**2
        grid[1:, 0] = first[:v]
        grid[-1, : v + 1] = first[v - 1 :]
        grid[-1, v:-1] = first[-1] + 2 * v * np.arange(v)
        grid[-1, -1] = 10 * v**2 + 1
        a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
        faces[panel] = np.stack([np.stack([a, b, c], -1), np.stack([d, c, b], -1)], axis=-2)
    return positions, faces.reshape(-1, 3)


def _flat_square(origin, along, across, opposite, a, b, v):
    """Points of two flat triangles that meet between ``along`` and ``across``."""
    a, b = a[..., None] / v, b[..., None] / v
    near = origin + a * (across - origin) + b * (along - origin)
    far = opposite + (1 - a) * (along - opposite) + (1 - b) * (across - opposite)
    return np.where(a + b <= 1, near, far)


def barabasi_albert(n, m=5):
    """Preferential attachment: a few nodes of very high degree."""
    import networkx as nx

    return sp.csr_array(nx.to_scipy_sparse_array(nx.barabasi_albert_graph(n, m, seed=0))), None


def preferential(n, m=5):
    """As :func:`barabasi_albert`, in the seconds and bytes that a million nodes leave."""
    rng = np.random.default_rng(0)
    # Every node as often as it has edges: a pick of one is a pick by degree.
    ends = np.empty(2 * m * n, dtype=np.int32)
    ends[:m] = np.arange(m)
    count, shares = m, rng.random((n, m))
    for node in range(m, n):
        picked = ends[(shares[node] * count).astype(np.int64)]
        ends[count : count + m], ends[count + m : count + 2 * m] = picked, node
        count += 2 * m
    a = ends[m:count].reshape(-1, 2, m)
    return pairs(a[:, 0].ravel(), a[:, 1].ravel(), n), None


def communities(n, size=1000, inside=8, across=2):
    """Groups of nodes, with so many edges a node within and to any other."""
    rng = np.random.default_rng(0)
    first = np.repeat(np.arange(n), (inside + across) // 2)
    near = first - first % size + rng.integers(size, size=len(first))
    far = rng.integers(n, size=len(first))
    second = np.where(rng.random(len(first)) < inside / (inside + across), near, far)
    return pairs(first, np.minimum(second, n - 1), n), None


def pairs(first, second, n):
    """Return the largest component of the graph of these edges."""
    from scipy.sparse.csgraph import connected_components

    kept = first != second
    a = np.concatenate([first[kept], second[kept]])
    b = np.concatenate([second[kept], first[kept]])
    edges = sp.csr_array((np.ones(len(a)), (a, b)), shape=(n, n))
    edges.data[:] = 1.0
    _, component = connected_components(edges, directed=False)
    largest = np.flatnonzero(component == np.bincount(component).argmax())
    return edges[largest][:, largest]


def mesh_edges(faces, n):
    a, b = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    edges = sp.coo_array((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()
    edges = edges + edges.T
    edges.data[:] = 1.0
    return edges


GRAPHS = {
    "bunny": bunny,
    "bunny-small": lambda: bunny(2),
    "sphere-3000": lambda: sphere(3_000),
    "sphere-16384": lambda: sphere(16_384),
    "sphere-65536": lambda: sphere(65_536),
    "sphere-262144": lambda: sphere(262_144),
    "sphere-1048576": lambda: sphere(1_048_576),
    "barabasi-albert-3000": lambda: barabasi_albert(3_000),
    "barabasi-albert-30000": lambda: barabasi_albert(30_000),
    "preferential-30000": lambda: preferential(30_000),
    "preferential-1000000": lambda: preferential(1_000_000),
    "communities-30000": lambda: communities(30_000),
    "communities-1000000": lambda: communities(1_000_000),
}


def save(name, file):
    adjacency, positions = GRAPHS[name]()
    adjacency = sp.csr_array(adjacency, dtype=float)
    adjacency.sort_indices()
    arrays = {key: getattr(adjacency, key) for key in ("data", "indices", "indptr")}
    if positions is not None:
        arrays["positions"] = positions
    np.savez(file, **arrays)


def load(file):
    """Return (adjacency, positions or None)."""
    with np.load(file) as kept:
        # 32 bits for the indices: some peers take no others.
        indices, indptr = kept["indices"].astype(np.int32), kept["indptr"].astype(np.int32)
        n = len(indptr) - 1
        adjacency = sp.csr_array((kept["data"], indices, indptr), shape=(n, n))
        return adjacency, kept.get("positions")


if __name__ == "__main__":
    save(sys.argv[1], sys.argv[2])
