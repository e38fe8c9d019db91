"""Neighbours among points, and the affinity between them."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from skginr._core import warn_once
from skginr.graphs._mesh import face_pairs

# How far a point reaches beyond the distance to its first non-neighbour, as a share
# of the spread of those distances: points at equal distances (a grid, one-hot
# columns) have an edge, and a far query does not reach them all.
_REACH = 0.05
# A point is far from all others if one of the nearest reaches less than this share of the way.
_FAR = 0.2
# Distances that differ by less than this share are equal.
_TIE = 1e-9
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

    To a point far from all others they are all at about one distance, and in its reach. So where
    one of the q nearest reaches less than a fifth of d_q, the point sees these q alone.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        Distinct points.
    n_neighbors : int
        Nearest points of each, not counting itself; at most ``n_points - 1``.
    faded : bool, default True
        False makes the affinity 1 where one is among the ``n_neighbors`` nearest of the other, ties
        included, and 0 elsewhere: for methods that read no weights.
    """

    def __init__(
        self, points: NDArray[np.float64], n_neighbors: int, *, faded: bool = True
    ) -> None:
        self.points = points
        self.n_neighbors = n_neighbors
        self._faded = faded
        # Squares of distances must neither overflow nor vanish.
        self._unit = np.abs(points).max() or 1.0
        self._scaled = points / self._unit
        self._tree = cKDTree(self._scaled)
        near = self._nearest(self._scaled, own=True)
        self._reach = _reach(near[0], faded=faded)
        self._limit = _limit(*near, self._reach, self._reach, faded=faded)
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
        near = self._nearest(queries, own=False)
        reach = _reach(near[0], faded=self._faded)
        limit = _limit(*near, reach, self._reach, faded=self._faded)
        return self._affinities(queries, reach, limit)

    def adjacency(self) -> sp.csr_array:
        """Return the affinities among the points, themselves excluded."""
        return _without_loops(self._affinities(self._scaled, self._reach, self._limit))

    def _affinities(
        self, queries: NDArray[np.float64], reach: NDArray[np.float64], limit: NDArray[np.float64]
    ) -> sp.csr_array:
        forward = self._tree.query_ball_point(queries, limit)
        backward = cKDTree(queries).query_ball_point(self._scaled, self._limit)
        rows, columns = _union(_flatten(forward), _flatten(backward)[::-1], len(self.points))
        distances = np.linalg.norm(queries[rows] - self._scaled[columns], axis=1)
        parts = (
            _weight(distances, reach[rows], limit[rows], faded=self._faded),
            _weight(distances, self._reach[columns], self._limit[columns], faded=self._faded),
        )
        shape = len(queries), len(self.points)
        return _joined(*parts, rows, columns, shape, faded=self._faded)

    def _nearest(
        self, queries: NDArray[np.float64], *, own: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        rank = _rank(self.n_neighbors, len(self.points), own=own, faded=self._faded)
        return self._tree.query(queries, k=range(1, rank + 1))


class DistanceKernel:
    """The affinity of :class:`NeighborKernel`, where distances are known and points are not.

    Parameters
    ----------
    distances : ndarray of shape (n_points, n_points)
        Symmetric, zero on the diagonal.
    n_neighbors : int
        Nearest points of each, not counting itself; at most ``n_points - 1``.
    faded : bool, default True
        As for :class:`NeighborKernel`.
    """

    def __init__(
        self, distances: NDArray[np.float64], n_neighbors: int, *, faded: bool = True
    ) -> None:
        self.n_neighbors = n_neighbors
        self._faded = faded
        near = self._nearest(distances, own=True)
        self._reach = _reach(near[0], faded=faded)
        self._limit = _limit(*near, self._reach, self._reach, faded=faded)

    def __call__(self, distances: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities of queries at ``distances``, shape (n_queries, n_points)."""
        near = self._nearest(distances, own=False)
        reach = _reach(near[0], faded=self._faded)
        if not reach.all():
            row = int(reach.argmin())
            raise ValueError(
                f"distances to different points must not all be 0; row {row} is at distance 0 from "
                f"{int((distances[row] == 0).sum())} of {distances.shape[1]}."
            )
        limit = _limit(*near, reach, self._reach, faded=self._faded)
        return self._affinities(distances, reach, limit)

    def adjacency(self, distances: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities among the points, themselves excluded."""
        return _without_loops(self._affinities(distances, self._reach, self._limit))

    def _affinities(
        self, distances: NDArray[np.float64], reach: NDArray[np.float64], limit: NDArray[np.float64]
    ) -> sp.csr_array:
        rows, columns = np.nonzero(distances <= np.maximum(limit[:, None], self._limit))
        between = distances[rows, columns]
        parts = (
            _weight(between, reach[rows], limit[rows], faded=self._faded),
            _weight(between, self._reach[columns], self._limit[columns], faded=self._faded),
        )
        return _joined(*parts, rows, columns, distances.shape, faded=self._faded)

    def _nearest(
        self, distances: NDArray[np.float64], *, own: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        rank = _rank(self.n_neighbors, distances.shape[1], own=own, faded=self._faded)
        nearest = np.argpartition(distances, [0, rank - 1], axis=1)[:, :rank]
        return np.take_along_axis(distances, nearest, axis=1), nearest


def _rank(n_neighbors: int, n_points: int, *, own: bool, faded: bool) -> int:
    """Return how many of the nearest points say how far a point reaches."""
    # The same rule for points and queries: a rule that told them apart would make a faded affinity
    # jump where a query becomes a point. Neighbours alone are counted without the point itself.
    return min(n_neighbors + (2 if faded else int(own)), n_points)


def _reach(distances: NDArray[np.float64], *, faded: bool) -> NDArray[np.float64]:
    """Return the reach by distances to the nearest points, of which the first and last count."""
    nearest, last = distances[:, 0], distances[:, -1]
    # With every point equally far there is no spread, and still a neighbour.
    return last + (_REACH * (last - nearest) if faded else 0.0) + _TIE * last


def _limit(
    distances: NDArray[np.float64],
    nearest: NDArray[np.intp],
    reach: NDArray[np.float64],
    reach_of_points: NDArray[np.float64],
    *,
    faded: bool,
) -> NDArray[np.float64]:
    """Return the distance beyond which a point sees no other."""
    if not faded:
        return reach
    last = distances[:, -1]
    is_far = reach_of_points[nearest].min(axis=1) < _FAR * last
    return np.where(is_far, last * (1 + _TIE), reach)


def _weight(
    distances: NDArray[np.float64],
    reach: NDArray[np.float64],
    limit: NDArray[np.float64],
    *,
    faded: bool,
) -> NDArray[np.float64]:
    """Return the affinities as one of two ends sees them."""
    seen = (distances <= limit).astype(np.float64)
    return seen * np.maximum(1 - (distances / reach) ** 2, 0) ** 2 if faded else seen


def _joined(
    forward: NDArray[np.float64],
    backward: NDArray[np.float64],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    shape: tuple[int, ...],
    *,
    faded: bool,
) -> sp.csr_array:
    """Return the matrix of what both ends see: the mean where it fades, else whether one does."""
    data = (forward + backward) / 2 if faded else np.maximum(forward, backward)
    matrix = sp.csr_array((data, (rows, columns)), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def _without_loops(matrix: sp.csr_array) -> sp.csr_array:
    matrix.setdiag(0.0)
    matrix.eliminate_zeros()
    return matrix


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
