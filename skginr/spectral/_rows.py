"""Rows of a table without a graph: the graph they make, and how new rows join it."""

import hashlib
from typing import Any, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_non_negative, validate_data

from skginr._core import check_no_words, told_apart
from skginr.graphs import (
    DistanceKernel,
    Graph,
    NeighborKernel,
    clean_adjacency,
    symmetry_tolerance,
    to_csr,
)
from skginr.spectral._embedding import Kernel, NewNodes

_EMPTY = b""
_DIGEST_SIZE = 16


class Rows(Protocol):
    """Training rows as a graph.

    Attributes
    ----------
    graph : Graph
    nodes : ndarray of int of shape (n_rows,)
        Node of each training row.
    kernel : Kernel
    """

    graph: Graph
    nodes: NDArray[np.intp]
    kernel: Kernel

    def find(self, X: NDArray[np.float64] | sp.csr_array) -> NDArray[np.intp]:
        """Return the node that each row is, or -1."""
        ...

    def join(self, X: NDArray[np.float64] | sp.csr_array) -> NewNodes:
        """Return rows as nodes with edges to the training rows."""
        ...


def make_rows(X: Any, dtype: Any, *, affinity: str, n_neighbors: int, faded: bool) -> Rows:
    """Return training rows of X, which holds what ``affinity`` says.

    Parameters
    ----------
    X, dtype
        As :func:`check_rows` returns them.
    affinity : {"nearest_neighbors", "precomputed", "precomputed_distances"}
    n_neighbors : int
    faded : bool
        Whether edges fade out beyond the nearest neighbours.
    """
    if affinity == "precomputed":
        return AffinityRows(X, dtype)
    if affinity == "precomputed_distances":
        return DistanceRows(X, dtype, n_neighbors, faded=faded)
    return PointRows(X, n_neighbors, faded=faded)


def check_rows(
    estimator: Any, X: ArrayLike | pd.DataFrame, affinity: str, *, reset: bool
) -> tuple[Any, Any]:
    """Return X as rows of float64, and its dtype, and keep the estimator's book."""
    if affinity == "precomputed_distances" and sp.issparse(X):
        raise TypeError(
            "X must be the whole matrix of distances, dense; got a sparse one, whose absent "
            "entries are no distances of 0. Lengths of edges go into a graph: "
            "SpectralEmbedder(graph=Graph(adjacency, edge_lengths=X))."
        )
    advice = " If they are node labels, name the graph: SpectralEmbedder(graph=...)."
    check_no_words("X, where graph=None,", X, advice)
    X = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr" if affinity == "precomputed" else False,
        dtype=[np.float64, np.float32],
        ensure_min_samples=2 if reset else 1,
    )
    if affinity == "precomputed":
        check_non_negative(X, "affinity='precomputed', where zero means no affinity")
        return to_csr(X, name="X"), X.dtype
    if affinity == "precomputed_distances":
        check_non_negative(X, "affinity='precomputed_distances'")
    return X.astype(np.float64), X.dtype


class PointRows:
    """Coordinates or features: near rows have an edge, equal rows are one node."""

    def __init__(self, X: NDArray[np.float64], n_neighbors: int, *, faded: bool) -> None:
        _, first, nodes = np.unique(X, axis=0, return_index=True, return_inverse=True)
        # In the order of the rows, not sorted. Some releases of NumPy 2 return a column.
        self.nodes = np.argsort(np.argsort(first))[nodes.ravel()]
        points = X[np.sort(first)]
        if len(points) < 2:
            raise ValueError("X must have at least 2 distinct rows; all rows are the same.")
        self._kernel, adjacency = NeighborKernel.with_adjacency(
            points, min(n_neighbors, len(points) - 1), faded=faded
        )
        self.graph = Graph(
            adjacency,
            positions=points,
            source=f"points by {self._kernel.n_neighbors} nearest neighbours",
        )
        self.kernel = Kernel(np.ones(len(points)))
        self._index = _RowIndex(points)

    def find(self, X: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the node that each row is, or -1."""
        return self._index.find(X)

    def join(self, X: NDArray[np.float64]) -> NewNodes:
        """Return points as nodes with edges to those in reach."""
        affinity = self._kernel(X)
        new = np.repeat(np.arange(len(X)), np.diff(affinity.indptr))
        between = np.linalg.norm(X[new] - self._kernel.points[affinity.indices], axis=1)
        return NewNodes(affinity, _like(affinity, between), has_lengths=True, positions=X)


class AffinityRows:
    """Rows of affinities to the training rows."""

    def __init__(self, X: sp.csr_array, dtype: np.dtype) -> None:
        _check_square(X, "precomputed")
        own = X.diagonal()
        adjacency = clean_adjacency(X - sp.diags_array(own), name="X", precision=dtype)
        self.graph = Graph(adjacency, source="an affinity matrix")
        # Without a diagonal it is a graph, in which no row is like another to the full.
        self.kernel = Kernel(own, float(np.finfo(dtype).eps)) if own.any() else Kernel()
        self.nodes = np.arange(X.shape[0])
        self._index = _RowIndex(X)

    def find(self, X: sp.csr_array) -> NDArray[np.intp]:
        """Return the node that each row is, or -1."""
        return self._index.find(X)

    def join(self, X: sp.csr_array) -> NewNodes:
        """Return rows as nodes; their edges have no lengths but 1."""
        return NewNodes(X, _like(X, np.ones(X.nnz)), has_lengths=False)


class DistanceRows:
    """Rows of distances to the training rows: near ones have an edge."""

    def __init__(
        self, X: NDArray[np.float64], dtype: np.dtype, n_neighbors: int, *, faded: bool
    ) -> None:
        _check_square(X, "precomputed_distances")
        _check_distances(X, symmetry_tolerance(dtype))
        self._index = _RowIndex(X)
        # Weights at the end of the reach are tiny, and tell apart what rounding did not.
        X = (X + X.T) / 2
        self._kernel = DistanceKernel(X, min(n_neighbors, len(X) - 1), faded=faded)
        adjacency = self._kernel.adjacency(X)
        self.graph = Graph(
            adjacency,
            edge_lengths=_lengths(adjacency, X),
            source=f"distances by {self._kernel.n_neighbors} nearest neighbours",
        )
        self.nodes = np.arange(len(X))
        self.kernel = Kernel(np.ones(len(X)))

    def find(self, X: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the node that each row is, or -1."""
        return self._index.find(X)

    def join(self, X: NDArray[np.float64]) -> NewNodes:
        """Return rows as nodes with edges to those in reach."""
        affinity = self._kernel(X)
        return NewNodes(affinity, _lengths(affinity, X), has_lengths=True)


def _like(matrix: sp.csr_array, data: NDArray[np.float64]) -> sp.csr_array:
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _lengths(affinity: sp.csr_array, distances: NDArray[np.float64]) -> sp.csr_array:
    rows = np.repeat(np.arange(affinity.shape[0]), np.diff(affinity.indptr))
    return _like(affinity, distances[rows, affinity.indices])


def _check_square(X: NDArray[np.float64] | sp.csr_array, affinity: str) -> None:
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            f"X must be square, one row and column per training row, with "
            f"affinity={affinity!r}; got shape {X.shape}. Cross-validation slices both "
            f"ways only where it sees the pairwise tag: Pipeline and GridSearchCV pass it on, "
            f"TransformedTargetRegressor and ColumnTransformer do not."
        )


def _check_distances(X: NDArray[np.float64], tolerance: float) -> None:
    i, j = np.unravel_index(np.abs(X - X.T).argmax(), X.shape)
    # Distances are roots of differences of squares, whose rounding is that of the largest.
    if abs(X[i, j] - X[j, i]) > tolerance * X.max():
        first, second = told_apart(X[i, j], X[j, i])
        raise ValueError(
            f"X must be symmetric with affinity='precomputed_distances'; got {first} at "
            f"({i}, {j}) but {second} at ({j}, {i}). Give (X + X.T) / 2 if you mean the mean."
        )
    if X.diagonal().any():
        raise ValueError(
            "X must be zero on the diagonal with affinity='precomputed_distances': a row's "
            "distance to itself. For similarities, use affinity='precomputed'."
        )
    apart = X + np.eye(len(X))
    if (apart == 0).any():
        i, j = np.argwhere(apart == 0)[0]
        raise ValueError(
            f"X must have distances above zero between different rows; rows {i} and {j} are at "
            f"distance 0. Merge them: they are one node."
        )


class _RowIndex:
    """Finds rows of a matrix among those it was made of, by their content.

    Rows that are alike, or empty, are not told apart: they are found nowhere.
    """

    def __init__(self, matrix: NDArray[np.float64] | sp.csr_array) -> None:
        self._position: dict[bytes, int] = {}
        for row, key in enumerate(self._keys(matrix)):
            self._position[key] = -1 if key in self._position or key == _EMPTY else row

    def find(self, matrix: NDArray[np.float64] | sp.csr_array) -> NDArray[np.intp]:
        """Return the row number of each row of ``matrix``, or -1."""
        return np.array([self._position.get(key, -1) for key in self._keys(matrix)], dtype=np.intp)

    def __getstate__(self) -> dict[str, Any]:
        # Two arrays, and not an object for every row.
        found = {key: row for key, row in self._position.items() if key != _EMPTY}
        keys = np.frombuffer(b"".join(found), dtype=np.uint8).reshape(len(found), _DIGEST_SIZE)
        return {"keys": keys, "rows": np.array(list(found.values()), dtype=np.intp)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        keys = map(bytes, state["keys"])
        self._position = dict(zip(keys, state["rows"].tolist(), strict=True))

    @staticmethod
    def _keys(matrix: NDArray[np.float64] | sp.csr_array) -> list[bytes]:
        if isinstance(matrix, np.ndarray):
            # Adding zero makes -0.0 and 0.0 the same bytes.
            return [_digest(row.tobytes()) for row in np.ascontiguousarray(matrix) + 0.0]
        ends = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        parts = ((matrix.indices[a:b].tobytes(), matrix.data[a:b].tobytes()) for a, b in ends)
        return [_digest(where + what) if what else _EMPTY for where, what in parts]


def _digest(content: bytes) -> bytes:
    # As safe as the row itself, and as small for a row of distances as for a point.
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()
