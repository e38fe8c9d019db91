"""Neighbours among points, and the locally scaled heat kernel between them."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from skginr.graphs._mesh import face_pairs

# A neighbour at exactly the radius stays one after rounding.
_TIE = 1 + 1e-9


class NeighborKernel:
    """Affinity of any query point to fixed points, in the span of their neighbours.

    The affinity of x and y is ``s exp(-d**2 / (r(x) r(y)))``, where d is their
    distance, r(x) the distance from x to the last of its nearest points, and s
    is 1 if both are among the other's nearest, 1/2 if one is, else 0. It is
    symmetric, it changes smoothly with x, and it needs no bandwidth [1]_.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        Distinct points.
    n_neighbors : int
        Nearest points of each, not counting itself; at most ``n_points - 1``.

    References
    ----------
    .. [1] L. Zelnik-Manor and P. Perona, "Self-tuning spectral clustering",
       NeurIPS 2004.
    """

    def __init__(self, points: NDArray[np.float64], n_neighbors: int) -> None:
        self.points = points
        self.n_neighbors = n_neighbors
        self._tree = cKDTree(points)
        self._radii = self._radii_of(points)

    def __call__(self, queries: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities, shape (n_queries, n_points), the query itself included."""
        radii = self._radii_of(queries)
        forward = self._tree.query_ball_point(queries, radii * _TIE)
        backward = cKDTree(queries).query_ball_point(self.points, self._radii * _TIE)
        rows, columns = _union(_flatten(forward), _flatten(backward)[::-1], len(self.points))
        distances = np.linalg.norm(queries[rows] - self.points[columns], axis=1)
        r_x, r_y = radii[rows], self._radii[columns]
        shared = (distances <= r_x * _TIE) * 0.5 + (distances <= r_y * _TIE) * 0.5
        weights = shared * np.exp(-((distances / r_x) * (distances / r_y)))
        matrix = sp.csr_array((weights, (rows, columns)), shape=(len(queries), len(self.points)))
        matrix.eliminate_zeros()
        return matrix

    def _radii_of(self, queries: NDArray[np.float64]) -> NDArray[np.float64]:
        # One more than n_neighbors: a training point finds itself first. The
        # same rule for every query keeps the kernel continuous.
        distances, _ = self._tree.query(queries, k=[self.n_neighbors + 1])
        return distances[:, 0]


def neighbor_adjacency(kernel: NeighborKernel) -> sp.csr_array:
    """Return the affinities among the kernel's own points, themselves excluded."""
    adjacency = kernel(kernel.points)
    adjacency.setdiag(0.0)
    adjacency.eliminate_zeros()
    return adjacency


def nearest_neighbor_pairs(points: NDArray[np.float64], n_neighbors: int) -> NDArray[np.intp]:
    """Return the (point, neighbour) index pairs, shape (n_points * n_neighbors, 2)."""
    _, neighbors = cKDTree(points).query(points, k=n_neighbors + 1)
    source = np.arange(len(points))[:, None]
    # With coincident points the point itself need not come first, or at all.
    own = neighbors == source
    own[~own.any(axis=1), -1] = True
    targets = neighbors[~own].reshape(len(points), n_neighbors)
    return np.column_stack([np.repeat(source, n_neighbors), targets.ravel()])


def delaunay_pairs(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the sides of the Delaunay triangles of points in the plane, repeated."""
    try:
        triangulation = Delaunay(points)
    except QhullError as error:
        raise ValueError(
            f"a Delaunay triangulation needs at least 3 positions that are not on one line; "
            f"got {len(points)} positions. Use method='knn'."
        ) from error
    if len(triangulation.coplanar):
        point, _, other = triangulation.coplanar[0]
        raise ValueError(
            f"a Delaunay triangulation needs distinct positions; rows {min(point, other)} and "
            f"{max(point, other)} coincide. Merge them, or use method='knn'."
        )
    return face_pairs(triangulation.simplices)


def _flatten(lists: NDArray[np.object_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    lengths = np.fromiter(map(len, lists), dtype=np.intp, count=len(lists))
    values = np.fromiter((i for row in lists for i in row), dtype=np.intp, count=lengths.sum())
    return np.repeat(np.arange(len(lists)), lengths), values


def _union(
    first: tuple[NDArray[np.intp], NDArray[np.intp]],
    second: tuple[NDArray[np.intp], NDArray[np.intp]],
    n_columns: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    flat = np.unique(np.concatenate([rows * n_columns + cols for rows, cols in (first, second)]))
    return flat // n_columns, flat % n_columns
