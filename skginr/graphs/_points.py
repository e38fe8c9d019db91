"""Neighbours among points, and the affinity between them."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from skginr._checks import warn_once
from skginr.graphs._mesh import face_pairs

# How far a point reaches beyond the distance to its first non-neighbour, as a share
# of the spread of those distances: points at equal distances (a grid, one-hot
# columns) have an edge, and a far query does not reach them all.
_REACH = 0.05
# What columns of degrees are called.
_LATITUDES = ("lat", "latitude")
_LONGITUDES = ("lon", "long", "lng", "longitude")
# Degrees from the equator, from where on one to the east is shorter than one to the north by 6%.
_DISTORTED = 20
# Squares of numbers beyond are too large for floats.
_FARTHEST = 1e150


class NeighborKernel:
    """Affinity of any query point to fixed points, in the reach of either.

    The affinity of x and y at distance d is the mean of phi(d / r(x)) and phi(d / r(y)),
    with phi(t) = (1 - t**2)**2 up to t = 1 and 0 beyond (Tukey's biweight). The reach
    r(x) is d_q + 0.05 (d_q - d_1), with d_j the distance from x to its j-th nearest of
    the fixed points and q = ``n_neighbors`` + 2. For one of the points themselves, d_1 is
    0 and d_q the distance to the first that is not among its nearest neighbours. The
    affinity is symmetric, continuous in x, and indifferent to units.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        Distinct points.
    n_neighbors : int
        Nearest points of each, not counting itself; at most ``n_points - 1``.
    """

    def __init__(self, points: NDArray[np.float64], n_neighbors: int) -> None:
        self.points = points
        self.n_neighbors = n_neighbors
        # Squares of distances must neither overflow nor vanish.
        self._unit = np.abs(points).max() or 1.0
        self._scaled = points / self._unit
        self._tree = cKDTree(self._scaled)
        self._reach = self._reach_of(self._scaled)
        if not self._reach.all():
            raise ValueError(
                f"coordinates must be of comparable size; row {int(self._reach.argmin())} is at no "
                f"distance from its neighbours beside coordinates up to {self._unit:g}. Drop "
                f"outliers or rescale."
            )

    def __call__(self, queries: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities, shape (n_queries, n_points), the query itself included."""
        queries = queries / self._unit
        far = np.abs(queries).max(axis=1) > _FARTHEST
        if far.any():
            raise ValueError(
                f"rows must be less than {_FARTHEST:g} times as large as those of the graph, up to "
                f"{self._unit:g}; row {int(far.argmax())} is not, one of {int(far.sum())}."
            )
        reach = self._reach_of(queries)
        forward = self._tree.query_ball_point(queries, reach)
        backward = cKDTree(queries).query_ball_point(self._scaled, self._reach)
        rows, columns = _union(_flatten(forward), _flatten(backward)[::-1], len(self.points))
        distances = np.linalg.norm(queries[rows] - self._scaled[columns], axis=1)
        weights = _biweight(distances / reach[rows]) + _biweight(distances / self._reach[columns])
        shape = (len(queries), len(self.points))
        matrix = sp.csr_array((weights / 2, (rows, columns)), shape=shape)
        matrix.eliminate_zeros()
        return matrix

    def _reach_of(self, queries: NDArray[np.float64]) -> NDArray[np.float64]:
        # The same rule for points and queries: a rule that told them apart would
        # make the affinity jump where a query becomes a point.
        rank = min(self.n_neighbors + 2, len(self.points))
        distances, _ = self._tree.query(queries, k=[1, rank])
        return _reach(*distances.T)


class DistanceKernel:
    """The affinity of :class:`NeighborKernel`, where distances are known and points are not.

    Parameters
    ----------
    distances : ndarray of shape (n_points, n_points)
        Symmetric, zero on the diagonal.
    n_neighbors : int
        Nearest points of each, not counting itself; at most ``n_points - 1``.
    """

    def __init__(self, distances: NDArray[np.float64], n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors
        self._reach = self._reach_of(distances)

    def __call__(self, distances: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities of queries at ``distances``, shape (n_queries, n_points)."""
        reach = self._reach_of(distances)
        if not reach.all():
            row = int(reach.argmin())
            raise ValueError(
                f"distances to different points must not all be 0; row {row} is at distance 0 from "
                f"{int((distances[row] == 0).sum())} of {distances.shape[1]}."
            )
        rows, columns = np.nonzero(distances < np.maximum(reach[:, None], self._reach))
        between = distances[rows, columns]
        weights = _biweight(between / reach[rows]) + _biweight(between / self._reach[columns])
        return sp.csr_array((weights / 2, (rows, columns)), shape=distances.shape)

    def _reach_of(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        rank = min(self.n_neighbors + 2, distances.shape[1])
        nearest, last = np.partition(distances, [0, rank - 1], axis=1)[:, [0, rank - 1]].T
        return _reach(nearest, last)


def _reach(nearest: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
    # With every point equally far there is no spread, and still a neighbour.
    return last + _REACH * (last - nearest) + 1e-9 * last


def _biweight(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1 - t**2, 0) ** 2


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


def warn_of_degrees(name: str, table: Any) -> None:
    """Warn if two columns are latitude and longitude: by their names, or as a grid of both."""
    if hasattr(table, "columns"):
        words = [str(column).strip().lower() for column in table.columns]
        places = [i for i, word in enumerate(words) if word in (*_LATITUDES, *_LONGITUDES)]
        if (
            len(words) != 2
            or len(places) != 2
            or (words[0] in _LATITUDES) == (words[1] in _LATITUDES)
        ):
            return
        x, y = (repr(column) for column in table.columns)
        if words[0] in _LATITUDES:
            x, y = y, x
        what, silence = f"has the columns {y} and {x}", "Columns of other names silence this."
    else:
        order = _degrees_of_grid(table)
        if order is None:
            return
        y, x = (f":, {column}" for column in order)
        what = "is a grid such as that of latitudes and longitudes"
        silence = f"If it is none, pd.DataFrame({name}, columns=['x', 'y']) says so."
    warn_once(
        f"degrees {what}",
        f"{name} {what}: away from the equator a degree east is shorter than one north, so that "
        f"neighbours to the east are missed. Give Graph.from_geodataframe(gdf, method='knn') a "
        f"gdf = gpd.GeoDataFrame(geometry=gpd.points_from_xy({name}[{x}], {name}[{y}]), "
        f"crs='EPSG:4326'). {silence}",
    )


def _degrees_of_grid(table: Any) -> tuple[int, int] | None:
    """Return the columns of latitudes and longitudes, of a grid of both away from the equator."""
    points = np.asarray(table)
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "iuf":
        return None
    points = points.astype(np.float64)
    for latitude, longitude in ((0, 1), (1, 0)):
        north, east = np.abs(points[:, latitude]), points[:, longitude]
        inside = north.min() >= _DISTORTED and north.max() <= 90
        if inside and east.min() >= -180 and east.max() <= 360 and _has_one_step(points):
            return latitude, longitude
    return None


def _has_one_step(points: NDArray[np.float64]) -> bool:
    """Say whether most places of a grid with the same step along both axes are there."""
    axes = [np.unique(column.round(6)) for column in points.T]
    if min(map(len, axes)) < 3 or 2 * len(points) < len(axes[0]) * len(axes[1]):
        return False
    steps = [np.diff(axis) for axis in axes]
    least = [step.min() for step in steps]
    whole = (np.allclose(step / least[0], np.round(step / least[0]), atol=0.01) for step in steps)
    return bool(np.isclose(least[0], least[1], rtol=1e-3)) and all(whole)


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
