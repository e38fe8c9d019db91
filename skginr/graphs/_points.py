"""Neighbours among points, and the affinity between them."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from skginr._core import warn_once
from skginr.graphs._adjacency import index_type, with_own_indices
from skginr.graphs._mesh import face_pairs

# How far a point reaches beyond the distance to its first non-neighbour, as a share
# of the spread of those distances: points at equal distances (a grid, one-hot
# columns) have an edge, and a far query does not reach them all.
_REACH = 0.05
# A point is far from all others if one of the nearest reaches less than this share of the way.
_FAR = 0.2
# Distances that differ by less than this share are equal.
_TIE = 1e-9
# Of the points in reach: those that count for how far that is, ties included, and others.
_NEAREST, _OTHER = np.int8(2), np.int8(1)
# So many more are asked for than count. They are all that is in reach nearly everywhere: of a
# lattice in space, too.
_SPARE = 8
# Rows that are worked on at a time.
_CHUNK = 50_000
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
    one of the q nearest reaches less than a fifth of d_q, the point sees these q alone, and those
    as far as the last of them.

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
        self._unit = max(points.max(), -points.min()) or 1.0
        self._scaled = points / self._unit
        self._tree = cKDTree(self._scaled)
        self._reach = self._limit = np.empty(0)

    @classmethod
    def with_adjacency(
        cls, points: NDArray[np.float64], n_neighbors: int, *, faded: bool = True
    ) -> tuple[Self, sp.csr_array]:
        """Return the affinity, and the matrix of it among the points themselves, without loops.

        One search finds what both are made of. Parameters are those of the class.

        Raises
        ------
        ValueError
            If rounding takes all of the distance from a point to its neighbours.
        """
        kernel = cls(points, n_neighbors, faded=faded)
        # Those that follow each other in the tree are near each other: what is read is at hand.
        order = kernel._tree.indices
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        reach, last, sees = kernel._look(kernel._scaled, order, own=True)
        reach, last = reach[place], last[place]
        if not reach.all():
            raise ValueError(
                f"coordinates must be of comparable size; row {int(reach.argmin())} is at no "
                f"distance from its neighbours beside coordinates up to {kernel._unit:g}. Drop "
                f"outliers or rescale."
            )
        sees = sees[place]
        kernel._reach = reach
        kernel._limit = kernel._cut(sees, reach, last)
        seen_by = sp.csr_array(sees.T)
        return kernel, kernel._affinities(
            kernel._scaled, reach, kernel._limit, sees, seen_by, own=True
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
        reach, last, sees = self._look(queries, np.arange(len(queries)), own=False)
        limit = self._cut(sees, reach, last)
        seen_by = sp.csr_array(_in_balls(cKDTree(queries), self._scaled, self._limit).T)
        return self._affinities(queries, reach, limit, sees, seen_by, own=False)

    def _look(
        self, queries: NDArray[np.float64], order: NDArray[np.intp], *, own: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], sp.csr_array]:
        """Return what :meth:`_in_reach` does, of queries in an order, however many."""
        reach, last = np.empty(len(order)), np.empty(len(order))
        listed = _Listed(len(order), len(self.points), np.int8)
        for some in _chunks(len(order)):
            reach[some], last[some], sees = self._in_reach(queries[order[some]], own=own)
            listed.add(some, sees.data, sees.indices, np.diff(sees.indptr))
        return reach, last, listed.matrix()

    def _in_reach(
        self, queries: NDArray[np.float64], *, own: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], sp.csr_array]:
        """Return the reach of queries, how far the nearest that count are, and what is in reach.

        That is a matrix of ``_NEAREST`` for those that count, and 1 for others.
        """
        n_points = len(self.points)
        rank = _rank(self.n_neighbors, n_points, own=own, faded=self._faded)
        n_asked = min(rank + _SPARE, n_points)
        distances, points = self._tree.query(queries, k=range(1, n_asked + 1))
        last = distances[:, rank - 1].copy()
        reach = _reach(distances[:, 0], last, faded=self._faded)
        inside = distances <= reach[:, None]
        # Where the last asked for is inside, so may others be.
        cut_off = np.flatnonzero(inside[:, -1]) if n_asked < n_points else np.empty(0, dtype=int)
        inside[cut_off] = False
        kinds = np.where(distances <= _with_ties(last)[:, None], _NEAREST, _OTHER)[inside]
        sees = _pattern(kinds, points[inside], inside.sum(axis=1), n_points)
        if len(cut_off):
            all_of_them = _in_balls(self._tree, queries[cut_off], reach[cut_off])
            rows = np.repeat(cut_off, np.diff(all_of_them.indptr))
            between = np.linalg.norm(queries[rows] - self._scaled[all_of_them.indices], axis=1)
            all_of_them.data[between <= _with_ties(last)[rows]] = _NEAREST
            place = np.arange(len(queries))
            place[cut_off] = len(queries) + np.arange(len(cut_off))
            sees = _stacked((sees, all_of_them))[place]
        return reach, last, sees

    def _cut(
        self, sees: sp.csr_array, reach: NDArray[np.float64], last: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the distance beyond which each sees no other, and drop from what it sees these."""
        if not self._faded:
            return reach
        limit = reach.copy()
        for some in _chunks(len(reach)):
            ends = sees.indptr[some.start : some.stop + 1]
            entries = slice(ends[0], ends[-1])
            kinds = sees.data[entries]
            nearest = np.where(kinds == _NEAREST, self._reach[sees.indices[entries]], np.inf)
            least = np.minimum.reduceat(nearest, ends[:-1] - ends[0])
            limit[some] = _limit(least, last[some], reach[some])
            is_cut = limit[some] < reach[some]
            if is_cut.any():
                kinds[np.repeat(is_cut, np.diff(ends)) & (kinds != _NEAREST)] = 0
        sees.eliminate_zeros()
        return limit

    def _affinities(
        self,
        queries: NDArray[np.float64],
        reach: NDArray[np.float64],
        limit: NDArray[np.float64],
        sees: sp.csr_array,
        seen_by: sp.csr_array,
        *,
        own: bool,
    ) -> sp.csr_array:
        """Return the affinities of queries that see points or are seen by them."""
        listed = _Listed(len(queries), len(self.points), np.float64)
        for some in _chunks(len(queries)):
            part = _rows(sees, some)
            part.sort_indices()
            part = part + _rows(seen_by, some)
            rows = np.repeat(np.arange(some.start, some.stop), np.diff(part.indptr))
            distances = np.linalg.norm(queries[rows] - self._scaled[part.indices], axis=1)
            weights = _mean(
                _weight(distances, reach[rows], limit[rows], faded=self._faded),
                _weight(
                    distances,
                    self._reach[part.indices],
                    self._limit[part.indices],
                    faded=self._faded,
                ),
                faded=self._faded,
            )
            kept = (weights > 0) & (part.indices != rows) if own else weights > 0
            counts = np.bincount(rows[kept] - some.start, minlength=some.stop - some.start)
            listed.add(some, weights[kept], part.indices[kept], counts)
        return listed.matrix()


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
        first, last = self._nearest(distances, own=True)
        self._reach = _reach(first, last, faded=faded)
        self._limit = self._cut(distances, self._reach, last)

    def __call__(self, distances: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities of queries at ``distances``, shape (n_queries, n_points)."""
        first, last = self._nearest(distances, own=False)
        reach = _reach(first, last, faded=self._faded)
        if not reach.all():
            row = int(reach.argmin())
            raise ValueError(
                f"distances to different points must not all be 0; row {row} is at distance 0 from "
                f"{int((distances[row] == 0).sum())} of {distances.shape[1]}."
            )
        return self._affinities(distances, reach, self._cut(distances, reach, last))

    def adjacency(self, distances: NDArray[np.float64]) -> sp.csr_array:
        """Return the affinities among the points, themselves excluded."""
        matrix = self._affinities(distances, self._reach, self._limit)
        matrix.setdiag(0.0)
        matrix.eliminate_zeros()
        return matrix

    def _affinities(
        self, distances: NDArray[np.float64], reach: NDArray[np.float64], limit: NDArray[np.float64]
    ) -> sp.csr_array:
        rows, columns = np.nonzero(distances <= np.maximum(limit[:, None], self._limit))
        between = distances[rows, columns]
        parts = (
            _weight(between, reach[rows], limit[rows], faded=self._faded),
            _weight(between, self._reach[columns], self._limit[columns], faded=self._faded),
        )
        data = _mean(*parts, faded=self._faded)
        matrix = sp.csr_array((data, (rows, columns)), shape=distances.shape)
        matrix.eliminate_zeros()
        return matrix

    def _nearest(
        self, distances: NDArray[np.float64], *, own: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far the nearest point is, and the last that counts."""
        rank = _rank(self.n_neighbors, distances.shape[1], own=own, faded=self._faded)
        ranked = np.partition(distances, [0, rank - 1], axis=1)
        return ranked[:, 0], ranked[:, rank - 1]

    def _cut(
        self,
        distances: NDArray[np.float64],
        reach: NDArray[np.float64],
        last: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the distance beyond which each sees no other."""
        if not self._faded:
            return reach
        are_nearest = distances <= _with_ties(last)[:, None]
        return _limit(np.where(are_nearest, self._reach, np.inf).min(axis=1), last, reach)


def _rank(n_neighbors: int, n_points: int, *, own: bool, faded: bool) -> int:
    """Return how many of the nearest points say how far a point reaches."""
    # The same rule for points and queries: a rule that told them apart would make a faded affinity
    # jump where a query becomes a point. Neighbours alone are counted without the point itself.
    return min(n_neighbors + (2 if faded else int(own)), n_points)


def _reach(
    first: NDArray[np.float64], last: NDArray[np.float64], *, faded: bool
) -> NDArray[np.float64]:
    """Return the reach by distances to the nearest point, and to the last that counts."""
    # With every point equally far there is no spread, and still a neighbour.
    return last + (_REACH * (last - first) if faded else 0.0) + _TIE * last


def _limit(
    least: NDArray[np.float64], last: NDArray[np.float64], reach: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance beyond which a point sees no other, by the least reach of its nearest."""
    return np.where(least < _FAR * last, _with_ties(last), reach)


def _with_ties(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return distances * (1 + _TIE)


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


def _mean(
    forward: NDArray[np.float64], backward: NDArray[np.float64], *, faded: bool
) -> NDArray[np.float64]:
    """Return what both ends see: the mean where it fades, else whether one does."""
    return (forward + backward) / 2 if faded else np.maximum(forward, backward)


def _chunks(n_rows: int) -> list[slice]:
    """Return rows in parts: what is made of each along the way is small beside the whole."""
    return [slice(i, min(i + _CHUNK, n_rows)) for i in range(0, n_rows, _CHUNK)]


class _Listed:
    """A matrix whose entries are listed row by row, in parts that are not kept one by one.

    Parameters
    ----------
    n_rows, n_columns : int
    dtype : type
        Of the entries.
    """

    def __init__(self, n_rows: int, n_columns: int, dtype: type) -> None:
        self._n_columns = n_columns
        self._counts = np.empty(n_rows, dtype=np.int64)
        self._data: NDArray[Any] = np.empty(0, dtype=dtype)
        self._columns: NDArray[Any] = np.empty(0, dtype=index_type(n_columns))
        self._end = 0

    def add(
        self,
        rows: slice,
        data: NDArray[Any],
        columns: NDArray[np.integer],
        counts: NDArray[np.integer],
    ) -> None:
        """List the entries of some rows, which come after those before."""
        start, self._end = self._end, self._end + len(data)
        if self._end > len(self._data):
            # As if all rows were like these, and some more: what is not written to takes no memory.
            share = (len(self._counts) - rows.start) / (rows.stop - rows.start)
            length = start + math.ceil(1.25 * share * len(data))
            self._data = _longer(self._data, start, length)
            self._columns = _longer(self._columns, start, length)
        self._data[start : self._end], self._columns[start : self._end] = data, columns
        self._counts[rows] = counts

    def matrix(self) -> sp.csr_array:
        """Return the matrix; nothing more can be listed."""
        # In place: nobody else has seen these.
        self._data.resize(self._end, refcheck=False)
        self._columns.resize(self._end, refcheck=False)
        return _pattern(self._data, self._columns, self._counts, self._n_columns)


def _longer(array: NDArray[Any], n_kept: int, length: int) -> NDArray[Any]:
    """Return an array of another length that begins as one does."""
    longer = np.empty(length, dtype=array.dtype)
    longer[:n_kept] = array[:n_kept]
    return longer


def _rows(matrix: sp.csr_array, some: slice) -> sp.csr_array:
    return matrix if some == slice(0, matrix.shape[0]) else matrix[some]


def _pattern(
    data: NDArray[Any], columns: NDArray[np.integer], counts: NDArray[np.integer], n_columns: int
) -> sp.csr_array:
    """Return the matrix of entries listed row by row."""
    # Of one type: SciPy would copy both to the larger one.
    index = index_type(max(len(columns), len(counts), n_columns))
    ends = np.zeros(len(counts) + 1, dtype=index)
    np.cumsum(counts, dtype=index, out=ends[1:])
    entries = (data, columns.astype(index, copy=False), ends)
    return sp.csr_array(entries, shape=(len(counts), n_columns))


def _stacked(parts: Sequence[sp.csr_array]) -> sp.csr_array:
    return parts[0] if len(parts) == 1 else with_own_indices(sp.vstack(parts, format="csr"))


def _in_balls(
    tree: cKDTree, queries: NDArray[np.float64], radii: NDArray[np.float64]
) -> sp.csr_array:
    """Return a matrix of 1 for the points of a tree within a distance of each query."""
    counts, columns = [], []
    for some in _chunks(len(queries)):
        lists = tree.query_ball_point(queries[some], radii[some])
        counts.append(np.fromiter(map(len, lists), dtype=np.intp, count=len(lists)))
        columns.append(np.fromiter(chain.from_iterable(lists), dtype=np.intp))
    points = np.concatenate(columns)
    ones = np.full(len(points), _OTHER)
    return _pattern(ones, points, np.concatenate(counts), tree.n)


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
