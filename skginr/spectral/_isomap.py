"""Isomap: coordinates whose distances are those along the edges of a graph."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from sklearn.utils import gen_batches

from skginr._core import eigh_subset, with_short_indices
from skginr.spectral.eigen import fix_sign

# Eigenvalues below this share of their component's largest are rounding.
_NEGLIGIBLE = 1e-9
# Lengths of paths that differ by less than this share are equal but for rounding.
_TIE = 1e-9
# Edges of the walks whose number tells nodes apart: enough on irregular meshes, and few
# enough to count them without rounding where all lengths are 1.
_WALK_STEPS = 10
# Entries of distance matrices worked on at once, 32 MiB.
_BATCH_ENTRIES = 2**22


class Landmarks(NamedTuple):
    """Nodes from which the distance to every node is known.

    Attributes
    ----------
    nodes : ndarray of int of shape (n_landmarks,)
    distances : ndarray of shape (n_landmarks, n_nodes)
        Lengths of the shortest paths, inf between components.
    """

    nodes: NDArray[np.intp]
    distances: NDArray[np.float64]


def landmark_distances(
    lengths: sp.csr_array, components: NDArray[np.intp], n_landmarks: int
) -> Landmarks:
    """Choose landmarks that cover the graph evenly, and find the distances from them.

    Each component has landmarks in proportion to its size, and two at least: the farthest
    from a node that walks single out, then always the node farthest from the landmarks so
    far. Single nodes have none, nor has any but the ``n_landmarks // 2`` largest
    components, so that there are at most about twice ``n_landmarks``.

    Labels decide only between nodes that are as far and from which as many walks of up to
    10 edges start (weighted by edge length): symmetric nodes, or all those of a regular
    graph of equal lengths. Relabelling may then change the choice.

    Parameters
    ----------
    lengths : sparse array of shape (n_nodes, n_nodes)
        Positive lengths of the edges, symmetric.
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node.
    n_landmarks : int
        At least ``n_nodes`` to have all nodes that have an edge.

    Returns
    -------
    Landmarks
        Grouped by component, the largest first.
    """
    lengths = with_short_indices(lengths)
    allotted = _allot(np.bincount(components), n_landmarks)
    nodes = np.empty(sum(allotted.values()), dtype=np.intp)
    distances = np.full((len(nodes), len(components)), np.inf)
    rows = iter(range(len(nodes)))
    for component, count in allotted.items():
        members = np.flatnonzero(components == component)
        for node, found in _farthest_points(lengths[members][:, members], count):
            row = next(rows)
            nodes[row] = members[node]
            distances[row, members] = found
    return Landmarks(nodes, distances)


def _allot(sizes: NDArray[np.intp], n_landmarks: int) -> dict[int, int]:
    """Return the number of landmarks of each component that has any, the largest first."""
    linked = [int(i) for i in np.argsort(-sizes, kind="stable") if sizes[i] > 1]
    n_linked = sum(int(sizes[i]) for i in linked)
    # Two each in all the components of a graph of dust would fill the memory.
    largest = linked[: max(n_landmarks // 2, 1)]
    return {i: int(np.clip(round(n_landmarks * sizes[i] / n_linked), 2, sizes[i])) for i in largest}


def _farthest_points(
    lengths: sp.csr_array, count: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield ``count`` nodes of a connected graph, each with its distances to all nodes."""
    # Lengths are symmetric: directed=False would read them twice, for the same distances
    # in twice the time.
    if count == lengths.shape[0]:
        yield from enumerate(dijkstra(lengths))
        return
    rank = _rank(lengths)
    chosen = _farthest(dijkstra(lengths, indices=rank.argmin()), rank)
    nearest = np.full(len(rank), np.inf)
    for _ in range(count):
        distances = dijkstra(lengths, indices=chosen)
        yield chosen, distances
        nearest = np.minimum(nearest, distances)
        chosen = _farthest(nearest, rank)


def _farthest(distances: NDArray[np.float64], rank: NDArray[np.intp]) -> int:
    """Return the node of the greatest distance, of equal ones the first by rank."""
    farthest = np.flatnonzero(distances >= (1 - _TIE) * distances.max())
    return int(farthest[rank[farthest].argmin()])


def _rank(lengths: sp.csr_array) -> NDArray[np.intp]:
    """Return each node's place in an order that does not depend on how nodes are labelled.

    That is by their weighted number of walks, most first; equal ones as they are labelled.
    """
    weights = lengths / (lengths.max() or 1.0)
    walks = np.ones(lengths.shape[0])
    for _ in range(_WALK_STEPS):
        walks = walks + weights @ walks
    rank = np.empty(len(walks), dtype=np.intp)
    rank[np.argsort(-walks, kind="stable")] = np.arange(len(walks))
    return rank


def isomap(
    landmarks: Landmarks, components: NDArray[np.intp], n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates in which Euclidean distances come nearest to those of the graph.

    By classical scaling of each component's landmarks, and of other nodes by their
    distances to them. With all nodes landmarks it is Isomap [1]_, else Landmark Isomap
    [2]_.

    Parameters
    ----------
    landmarks : Landmarks
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node.
    n_components : int
        How many coordinates to return, if so many have a positive eigenvalue.

    Returns
    -------
    eigenvalues : ndarray of shape (n_coordinates,)
        Of the centred matrices of -1/2 times squared distances, descending: the sum of
        squares of each coordinate or, with fewer landmarks than nodes, an estimate of
        it, the sum over landmarks times nodes per landmark.
    coordinates : ndarray of shape (n_nodes, n_coordinates)
        In units of length. Each is zero outside one component.

    Notes
    -----
    Coordinates that share an eigenvalue, as those of a square do, are an arbitrary
    basis of their space.

    References
    ----------
    .. [1] J. B. Tenenbaum, V. de Silva and J. C. Langford, "A global geometric framework
       for nonlinear dimensionality reduction", Science 290, 2000.
    .. [2] V. de Silva and J. B. Tenenbaum, "Sparse multidimensional scaling using landmark
       points", Stanford University, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> path = sp.csr_array(np.array([[0.0, 2, 0], [2, 0, 1], [0, 1, 0]]))
    >>> components = np.array([0, 0, 0])
    >>> eigenvalues, coordinates = isomap(landmark_distances(path, components, 3), components, 2)
    >>> np.abs(np.diff(coordinates.ravel())).round(6)
    array([2., 1.])
    """
    home = components[landmarks.nodes]
    eigenvalues, at_landmarks = [np.empty(0)], [np.empty((len(home), 0))]
    for component in np.unique(home):
        own = np.flatnonzero(home == component)
        between = landmarks.distances[np.ix_(own, landmarks.nodes[own])]
        values, coordinates = _classical_scaling(between, n_components)
        # A sum over landmarks, as if over all nodes.
        eigenvalues.append(values * np.count_nonzero(components == component) / len(own))
        at_landmarks.append(np.zeros((len(home), len(values))))
        at_landmarks[-1][own] = coordinates
    merged = np.concatenate(eigenvalues)
    order = np.argsort(-merged, kind="stable")[:n_components]
    coordinates = _place(
        landmarks, merged[order], np.hstack(at_landmarks)[:, order], landmarks.distances.T
    )
    for column in coordinates.T:
        fix_sign(column)
    return merged[order], coordinates


def _classical_scaling(
    distances: NDArray[np.float64], n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the greatest eigenvalues, if positive, and coordinates of points from distances."""
    gram = distances**2
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1)[:, None]
    gram *= -0.5
    # Centred, it has an eigenvalue 0, which is no coordinate.
    size = len(gram)
    last = max(size - n_components, 1)
    eigenvalues, eigenvectors = eigh_subset(gram, last, size - 1)
    kept = eigenvalues > _NEGLIGIBLE * eigenvalues[-1]
    return eigenvalues[kept], eigenvectors[:, kept] * np.sqrt(eigenvalues[kept])


def distances_of_new_nodes(
    landmarks: Landmarks, links: sp.csr_array, among: sp.csr_array | None
) -> NDArray[np.float64]:
    """Return the distances from landmarks to nodes that were not in the graph.

    Paths may pass through other new nodes, but shorten none between old ones: the old
    distances stay.

    Parameters
    ----------
    landmarks : Landmarks
    links : sparse array of shape (n_new, n_nodes)
        Lengths of the edges from new nodes to old ones. Stored zeros are edges.
    among : sparse array of shape (n_new, n_new) or None
        Symmetric lengths of the edges between new nodes. Stored zeros are edges.

    Returns
    -------
    ndarray of shape (n_new, n_landmarks)
        inf where there is no path.
    """
    distances = np.full((len(landmarks.nodes), links.shape[0]), np.inf)
    # reduceat gives an empty row the first entry of the next.
    linked = np.flatnonzero(np.diff(links.indptr))
    # A landmark at a time: paths to all at once would not fit into memory.
    for row, known in zip(distances, landmarks.distances, strict=True):
        paths = links.data + known[links.indices]
        row[linked] = np.minimum.reduceat(paths, links.indptr[linked])
    if among is not None and among.nnz:
        _relax(distances, among)
    return distances.T


def _relax(distances: NDArray[np.float64], lengths: sp.csr_array) -> None:
    """Shorten each row of distances by paths along the edges of a graph, in place."""
    # As one more node, with an edge to every other as long as its distance so far, the
    # landmark is an end of Dijkstra's paths.
    n_nodes = lengths.shape[0]
    indices = np.concatenate([lengths.indices, np.arange(n_nodes)]).astype(np.int32)
    indptr = np.append(lengths.indptr, lengths.nnz + n_nodes).astype(np.int32)
    for row in distances:
        data = np.concatenate([lengths.data, row])
        graph = sp.csr_array((data, indices, indptr), shape=(n_nodes + 1, n_nodes + 1))
        row[:] = dijkstra(graph, indices=n_nodes)[:n_nodes]


def extend_isomap(
    landmarks: Landmarks,
    eigenvalues: NDArray[np.float64],
    coordinates: NDArray[np.float64],
    distances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the Isomap coordinates of nodes from their distances to the landmarks.

    Parameters
    ----------
    landmarks : Landmarks
    eigenvalues : ndarray of shape (n_coordinates,)
        As :func:`isomap` returns them.
    coordinates : ndarray of shape (n_nodes, n_coordinates)
        As :func:`isomap` returns them, or times any factor, which the result then has too.
    distances : ndarray of shape (n_new, n_landmarks)
        inf where there is no path.

    Returns
    -------
    ndarray of shape (n_new, n_coordinates)
        The old coordinates for the distances of an old node. Zero, the mean of the
        landmarks, in the coordinates of components that a node has no path to.
    """
    return _place(landmarks, eigenvalues, coordinates[landmarks.nodes], distances)


def _place(
    landmarks: Landmarks,
    eigenvalues: NDArray[np.float64],
    at_landmarks: NDArray[np.float64],
    distances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return coordinates of nodes from those of the landmarks and the distances to them."""
    placed = np.zeros((len(distances), len(eigenvalues)))
    if not len(eigenvalues):
        return placed
    between = landmarks.distances[:, landmarks.nodes]
    joined = np.isfinite(between)
    n_joined = joined.sum(axis=1)
    mean = np.where(joined, between**2, 0.0).sum(axis=1) / n_joined
    # Where a coordinate is not zero is the component that it belongs to.
    home = np.abs(at_landmarks).argmax(axis=0)
    nodes_per_landmark = np.isfinite(landmarks.distances[home]).sum(axis=1) / n_joined[home]
    weights = 0.5 * at_landmarks * (nodes_per_landmark / eigenvalues)
    for batch in gen_batches(len(distances), max(_BATCH_ENTRIES // len(between), 1)):
        closeness = mean - distances[batch] ** 2
        closeness[np.isinf(closeness)] = 0.0
        placed[batch] = closeness @ weights
    return placed
