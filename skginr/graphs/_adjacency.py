"""From matrices, edge tables and graph objects to one clean adjacency matrix."""

import hashlib
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from skginr._core import (
    as_number,
    check_frame,
    check_numeric,
    check_option,
    check_points,
    require,
    told_apart,
    warn,
)
from skginr.graphs._labels import check_labels, join_labels, kind_of, locate, plain_index, same_kind
from skginr.graphs._polygons import check_angles, full_circle, on_globe

# Two weights of an edge that differ by less than this share differ by rounding,
# not by meaning; or by so many times the rounding of their dtype, up to a share.
_SYMMETRY_TOLERANCE = 1e-10
_ROUNDINGS, _MOST_TOLERANCE = 1e3, 1e-3


def clean_adjacency(
    adjacency: ArrayLike | sp.sparray | sp.spmatrix,
    *,
    name: str = "adjacency",
    precision: Any = None,
) -> sp.csr_array:
    """Return a symmetric, non-negative, canonical CSR copy without self-loops.

    NaN, infinite, negative and asymmetric weights are refused. Rounding-size
    asymmetry is averaged away; self-loops are dropped with a warning. ``precision`` is the dtype
    that weights were computed in; by default, that of the matrix.
    """
    tolerance = symmetry_tolerance(precision or getattr(adjacency, "dtype", None))
    matrix = to_csr(adjacency, name=name)
    if matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise ValueError(
            f"{name} must be square with at least one row, one row and column per node; "
            f"got shape {matrix.shape}."
        )
    _check_weights(matrix, name=name)
    is_exact = _check_symmetric(matrix, tolerance, name=name)
    n_loops = int(np.count_nonzero(matrix.diagonal()))
    if n_loops:
        _warn_loops(name, n_loops)
        matrix.setdiag(0.0)
        matrix = to_csr(matrix, name=name)
    return matrix if is_exact else to_csr(matrix / 2 + matrix.T / 2, name=name)


def _warn_loops(name: str, n_loops: int) -> None:
    warn(
        f"{name} has {n_loops} self-loops, which were dropped: an edge joins two different "
        f"nodes. Drop them first to silence this."
    )


def symmetry_tolerance(dtype: Any) -> float:
    """Return the share by which two numbers of a dtype may differ by rounding alone."""
    if dtype is None or np.dtype(dtype).kind != "f":
        return _SYMMETRY_TOLERANCE
    return float(np.clip(_ROUNDINGS * np.finfo(dtype).eps, _SYMMETRY_TOLERANCE, _MOST_TOLERANCE))


def _check_symmetric(matrix: sp.csr_array, tolerance: float, *, name: str) -> bool:
    """Say whether a matrix is symmetric to the bit; raise if it is not even but for rounding."""
    other = sp.csr_array(matrix.T)
    parts = ((matrix.indptr, other.indptr), (matrix.indices, other.indices))
    if all(np.array_equal(*pair) for pair in (*parts, (matrix.data, other.data))):
        return True
    excess = sp.coo_array(abs(matrix - other) - tolerance * matrix.maximum(other))
    if excess.nnz == 0 or excess.max() <= 0:
        return False
    entry = int(excess.data.argmax())
    i, j = (int(axis[entry]) for axis in excess.coords)
    first, second = told_apart(matrix[i, j], matrix[j, i])
    raise ValueError(
        f"{name} must be symmetric (an edge has one weight); got weight {first} at "
        f"({i}, {j}) but {second} at ({j}, {i}). Choose what you mean: "
        f"A.maximum(A.T), A.minimum(A.T) or (A + A.T) / 2."
    )


def to_csr(matrix: Any, *, name: str) -> sp.csr_array:
    """Return a canonical float64 CSR copy of a dense or sparse matrix."""
    if not sp.issparse(matrix):
        matrix = check_numeric(name, matrix)
    elif matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers; got dtype {matrix.dtype}.")
    if matrix.ndim != 2:
        raise ValueError(
            f"{name} must be a matrix, with two dimensions; got {matrix.ndim}. A networkx graph "
            f"goes to Graph.from_networkx, an edge table to Graph.from_edges."
        )
    result = sp.csr_array(matrix, dtype=np.float64, copy=True)
    result.sum_duplicates()
    result.eliminate_zeros()
    return with_own_indices(result)


def with_own_indices(matrix: sp.csr_array) -> sp.csr_array:
    """Return a matrix with indices of 32 bits, or of 64 where it takes these, in place.

    One dtype: the same matrix has the same fingerprint, however it was made.
    """
    index = index_type(max(matrix.nnz, *matrix.shape))
    matrix.indices = matrix.indices.astype(index, copy=False)
    matrix.indptr = matrix.indptr.astype(index, copy=False)
    return matrix


def _check_weights(matrix: sp.csr_array, *, name: str) -> None:
    """Raise ``ValueError`` if a stored weight is NaN, infinite or negative."""
    for wrong, rule, remedy in (
        (~np.isfinite(matrix.data), "finite", "Drop or fill NaN and infinite weights."),
        (matrix.data < 0, "non-negative", "Weights are similarities: zero means no edge."),
    ):
        if wrong.any():
            entry = int(wrong.argmax())
            row = int(np.searchsorted(matrix.indptr, entry, side="right")) - 1
            raise ValueError(
                f"{name} must be {rule}; got {matrix.data[entry]:g} at "
                f"({row}, {int(matrix.indices[entry])}), one of {int(wrong.sum())}. {remedy}"
            )


def components_by_size(matrix: sp.csr_array) -> NDArray[np.intp]:
    """Return the connected component of every row of a symmetric matrix, the largest first."""
    n_components, labels = connected_components(matrix, directed=False)
    by_size = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(n_components, dtype=np.intp)
    rank[by_size] = np.arange(n_components)
    return rank[labels]


def array_digest(*arrays: NDArray[Any] | None) -> str:
    """Return a hexadecimal digest of the shape, dtype and content of ``arrays``."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def adjacency_from_pairs(
    pairs: NDArray[np.integer],
    n_nodes: int,
    weights: NDArray[np.float64] | None = None,
    combine: str = "max",
) -> sp.csr_array:
    """Return the symmetric adjacency of undirected ``pairs``; repeated pairs are one edge.

    Parameters
    ----------
    pairs : ndarray of int of shape (n_pairs, 2)
    n_nodes : int
    weights : ndarray of shape (n_pairs,), optional
        Default: every edge weighs 1, however often it is there.
    combine : {"max", "min", "sum", "mean"}
        What an edge weighs whose pair is repeated.
    """
    if weights is None:
        first, second = pairs.T.astype(index_type(n_nodes), order="C")
        return _joined(first, second, n_nodes)
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    keep = low != high
    flat = low[keep].astype(np.int64) * n_nodes + high[keep]
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1])[: len(flat)])
    data = weights[keep][order]
    if len(starts):
        reduce = {"max": np.maximum, "min": np.minimum}.get(combine, np.add)
        data = reduce.reduceat(data, starts)
    if combine == "mean":
        data = data / np.diff(starts, append=len(flat))
    edges = flat[starts]
    upper = sp.coo_array((data, (edges // n_nodes, edges % n_nodes)), shape=(n_nodes, n_nodes))
    return sp.csr_array(upper + upper.T)


def adjacency_from_faces(faces: NDArray[np.int64], n_nodes: int) -> sp.csr_array:
    """Return the symmetric adjacency of vertices that a side of a triangle joins."""
    corners = faces.astype(index_type(n_nodes))
    return _joined(corners.ravel(), np.roll(corners, -1, axis=1).ravel(), n_nodes)


def _joined(first: NDArray[np.integer], second: NDArray[np.integer], n_nodes: int) -> sp.csr_array:
    """Return the adjacency of pairs of nodes: 1 for each, in whatever direction, but for loops."""
    differ = first != second
    ends = (first, second) if differ.all() else (first[differ], second[differ])
    # Of truth values the sum is whether one is true, and a byte.
    there = np.ones(len(ends[0]), dtype=np.bool_)
    one_way = with_own_indices(sp.csr_array((there, ends), shape=(n_nodes, n_nodes)))
    both = one_way + sp.csr_array(one_way.T)
    return sp.csr_array((np.ones(both.nnz), both.indices, both.indptr), shape=both.shape)


def index_type(largest: int) -> type[np.signedinteger]:
    """Return the type of the numbers of rows and entries of a sparse matrix."""
    return np.int32 if largest < 2**31 else np.int64


class EdgeList:
    """Edges as pairs of nodes: the one door for what a builder is told of each.

    Parameters
    ----------
    pairs : ndarray of int of shape (n_pairs, 2)
        In either direction; an edge may be there more than once.
    labels : pandas.Index
        Of the nodes.
    """

    def __init__(self, pairs: NDArray[np.integer], labels: pd.Index) -> None:
        self.pairs = pairs
        self.labels = labels

    def numbers(self, name: str, values: Sequence[Any] | pd.Series) -> NDArray[np.float64]:
        """Return the weight or length of every pair.

        Raises
        ------
        TypeError
            If one is no number: nothing is made one of.
        ValueError
            If one is missing, infinite or negative.
        """
        plain = isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype)
        if plain and values.dtype.kind in "biuf":  # type: ignore[union-attr]
            numbers = values.to_numpy(dtype=np.float64)  # type: ignore[union-attr]
        else:
            numbers = np.array([self._number(name, i, value) for i, value in enumerate(values)])
        wrong = ~(numbers >= 0) | ~np.isfinite(numbers)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"{name} must be finite and non-negative; got {numbers[row]:g} in row {row}, for "
                f"{self.edge(row)}, one of {int(wrong.sum())}. Weights are similarities: zero "
                f"means no edge."
            )
        return numbers

    def _number(self, name: str, row: int, value: Any) -> float:
        number = as_number(value)
        if number is None:
            raise TypeError(
                f"{name} must hold real numbers; got {value!r} of type {type(value).__name__} in "
                f"row {row}, for {self.edge(row)}. Convert it first: a word with a unit to a "
                f"number, a time to seconds, a list to one of its entries."
            )
        return number

    def warn_of_loops(self, name: str) -> None:
        """Warn if pairs join a node to itself: they are no edges."""
        n_loops = int((self.pairs[:, 0] == self.pairs[:, 1]).sum())
        if n_loops:
            _warn_loops(name, n_loops)

    def edge(self, row: int) -> str:
        """Return what to call an edge in an error."""
        a, b = self.labels[self.pairs[row]].tolist()
        return f"the edge between {a!r} and {b!r}"

    def matrices(
        self,
        weight: tuple[str, NDArray[np.float64] | None],
        length: tuple[str, NDArray[np.float64] | None],
        *,
        combine: str | None,
        parallel: str | None = None,
    ) -> tuple[sp.csr_array, sp.csr_array | None]:
        """Return the adjacency, and the lengths of its edges where there are any.

        Parameters
        ----------
        weight, length : tuple of str and ndarray of shape (n_pairs,) or None
            Their names, for errors, and what :meth:`numbers` returned. Of edges without weights
            all weigh 1.
        combine : {"max", "min", "sum", "mean"} or None
            What an edge weighs that is there more than once; its length is the shortest. None
            where all has to be the same.
        parallel : str or None
            In place of None, for the weights alone.
        """
        (weight_name, weights), (length_name, lengths) = weight, length
        if weights is not None and combine is None and parallel is None:
            self._check_equal(weight_name, weights)
        n_nodes, how = len(self.labels), combine or parallel or "max"
        adjacency = adjacency_from_pairs(self.pairs, n_nodes, weights, how)
        if lengths is None:
            return adjacency, None
        if combine is None:
            self._check_equal(length_name, lengths)
        # No edge, no length.
        there = np.full(len(lengths), True) if weights is None else weights > 0
        shortest = adjacency_from_pairs(self.pairs[there], n_nodes, lengths[there], "min")
        return adjacency, sp.csr_array(shortest * (adjacency != 0))

    def _check_equal(self, name: str, values: NDArray[np.float64]) -> None:
        low, high = self.pairs.min(axis=1), self.pairs.max(axis=1)
        spread = pd.Series(values).groupby([low, high]).agg(["min", "max"])
        conflict = spread.index[spread["min"] < spread["max"]]
        if len(conflict):
            a, b = (self.labels[[end]].tolist()[0] for end in conflict[0])
            least, most = spread.loc[conflict[0]]
            raise ValueError(
                f"{name} must be the same wherever an edge is listed; the edge between {a!r} and "
                f"{b!r} has {least:g} and {most:g}, and is one of {len(conflict)} such. Say what "
                f"it weighs with combine='max', 'min', 'sum' or 'mean'; of lengths the shortest is "
                f"taken then."
            )


def check_combine(combine: str | None) -> None:
    """Raise ``ValueError`` unless ``combine`` says what an edge weighs that is listed twice."""
    if combine is not None:
        check_option("combine", combine, ("max", "min", "sum", "mean"))


def adjacency_from_edges(
    frame: pd.DataFrame,
    source: Hashable,
    target: Hashable,
    weight: Hashable | None,
    length: Hashable | None,
    nodes: Any,
    combine: str | None,
) -> tuple[sp.csr_array, pd.Index, sp.csr_array | None]:
    """Return (adjacency, labels, lengths) of an undirected edge table; labels sorted, or ``nodes``.

    A pair listed twice, in either direction, is one edge and must carry one weight, unless
    ``combine`` says what becomes of several.
    """
    check_combine(combine)
    check_frame("frame", frame, what="a pandas DataFrame with a row per edge")
    numbers = {"weight": weight, "length": length}
    given = {name: column for name, column in numbers.items() if column is not None}
    _check_columns(frame, {"source": source, "target": target} | given)
    first, second = _ends_of(frame, source, target)
    if nodes is None:
        codes, labels = pd.factorize(join_labels(first, second), sort=True)
    else:
        labels = plain_index(nodes, name="nodes")
        labels = check_labels(labels, len(labels), name="nodes")
        codes = np.concatenate(
            [
                locate(ends, labels, name=f"{column!r}, where nodes= is given,")
                for ends, column in ((first, source), (second, target))
            ]
        )
    edges = EdgeList(codes.reshape(2, -1).T, labels)
    edges.warn_of_loops("frame")
    weights, lengths = (
        (name, None if column is None else edges.numbers(name, frame[column]))
        for name, column in ((f"weight={weight!r}", weight), (f"length={length!r}", length))
    )
    adjacency, shortest = edges.matrices(weights, lengths, combine=combine)
    return adjacency, labels, shortest


def _check_columns(frame: pd.DataFrame, wanted: dict[str, Hashable]) -> None:
    """Raise a ValueError unless each of the columns that arguments name is there, once."""
    for name, column in wanted.items():
        if list(frame.columns).count(column) != 1:
            raise ValueError(
                f"{name}={column!r} is not a column of frame, or not the only one of that name; "
                f"it has {list(frame.columns)}."
            )


def _ends_of(frame: pd.DataFrame, source: Hashable, target: Hashable) -> tuple[pd.Index, pd.Index]:
    """Return the labels at both ends of the edges of a table."""
    if source == target or len(frame) == 0:
        raise ValueError(
            f"frame must list edges between two columns; got {len(frame)} rows, "
            f"source={source!r} and target={target!r}."
        )
    first, second = (plain_index(frame[column], name=f"{column!r}") for column in (source, target))
    missing = first.isna() | second.isna()
    if missing.any():
        raise ValueError(
            f"frame has an edge without a {source!r} or {target!r} in row {int(missing.argmax())}, "
            f"one of {int(missing.sum())}; drop such rows."
        )
    if not same_kind(first, second):
        raise ValueError(
            f"{source!r} and {target!r} must hold labels of one kind; got "
            f"{sorted({kind_of(first), kind_of(second)})}. Convert one with frame.astype."
        )
    return first, second


def adjacency_from_networkx(
    graph: Any, weight: str | None, length: str | None, combine: str | None
) -> tuple[sp.csr_array, pd.Index, sp.csr_array | None]:
    """Return (adjacency, labels, lengths) of a networkx graph, nodes in its own order."""
    nx = require("networkx", extra="networkx", purpose="Graph.from_networkx")
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"graph must be a networkx graph; got {type(graph).__name__}.")
    if graph.number_of_nodes() == 0:
        raise ValueError("graph must have at least one node; got an empty networkx graph.")
    check_combine(combine)
    if graph.is_directed() and combine is None:
        raise ValueError(
            "graph must be undirected; got a directed one. Say what an edge weighs that goes both "
            "ways with combine='max', 'min', 'sum' or 'mean'; one that goes one way keeps its "
            "weight."
        )
    labels = pd.Index(list(graph), tupleize_cols=False)
    place = {node: i for i, node in enumerate(graph)}
    listed = list(graph.edges(data=True))
    pairs = [(place[a], place[b]) for a, b, _ in listed]
    edges = EdgeList(np.array(pairs, dtype=np.intp).reshape(-1, 2), labels)
    attributes = [data for _, _, data in listed]
    weights = _weights_of(edges, attributes, weight)
    lengths = None if length is None else _attribute(edges, attributes, "length", length)
    edges.warn_of_loops("graph")
    parallel = "sum" if graph.is_multigraph() else None
    adjacency, given = edges.matrices(
        (f"weight={weight!r}", weights),
        (f"length={length!r}", lengths),
        combine=combine,
        parallel=parallel,
    )
    return adjacency, labels, given


def _weights_of(
    edges: EdgeList, attributes: list[dict[str, Any]], weight: str | None
) -> NDArray[np.float64]:
    """Return the weight of every edge of a networkx graph."""
    if weight is None:
        return np.ones(len(attributes))
    if weight != "weight":
        return _attribute(edges, attributes, "weight", weight)
    # By its own name an edge need not have it: to networkx it weighs 1 then.
    return edges.numbers("weight='weight'", [data.get(weight, 1.0) for data in attributes])


def _attribute(
    edges: EdgeList, attributes: list[dict[str, Any]], name: str, attribute: str
) -> NDArray[np.float64]:
    """Return an attribute that was named, which every edge has to have."""
    missing = [row for row, data in enumerate(attributes) if attribute not in data]
    if missing:
        none = f": {name}={attribute!r} is an attribute of no edge"
        raise ValueError(
            f"{name}={attribute!r} must be an attribute of every edge of graph; "
            f"{edges.edge(missing[0])} has none, one of {len(missing)}"
            f"{none if len(missing) == len(attributes) else ''}."
        )
    return edges.numbers(f"{name}={attribute!r}", [data[attribute] for data in attributes])


def positions_from_networkx(graph: Any, position: str | tuple[str, str]) -> NDArray[np.float64]:
    """Return the coordinates of every node, from one attribute or from two.

    Where the graph says, as osmnx does, that they are longitudes and latitudes, in metres on the
    globe.
    """
    names = [position] if isinstance(position, str) else list(position)
    if len(names) not in (1, 2) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"position must name a node attribute, such as 'pos', or two, such as ('x', 'y'); got "
            f"{position!r}."
        )
    rows = []
    for node, data in graph.nodes(data=True):
        absent = [name for name in names if name not in data]
        if absent:
            raise ValueError(
                f"position={absent[0]!r} must be an attribute of every node of graph; "
                f"{node!r} has none."
            )
        place = [data[name] for name in names]
        row = [as_number(value) for value in (place if len(names) == 2 else np.ravel(place[0]))]
        if None in row:
            raise TypeError(
                f"position={position!r} must hold real numbers; {node!r} has {place!r}. Convert "
                f"them first."
            )
        rows.append(row)
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"position={position!r} must have as many coordinates at every node.")
    positions = check_points(f"position={position!r}", np.array(rows, dtype=np.float64))
    crs = graph.graph.get("crs")
    if crs is None or positions.shape[1] != 2:
        return positions
    from pyproj import CRS

    crs = CRS.from_user_input(crs)
    circle = full_circle(crs)
    if circle is None:
        return positions
    check_angles(positions, circle, crs.name, "position", "name longitude first, as ('x', 'y')")
    return on_globe(2 * np.pi / circle * positions)


def adjacency_from_libpysal(weights: Any, combine: str | None) -> tuple[sp.csr_array, pd.Index]:
    """Return (adjacency, labels) of a libpysal ``Graph`` or ``W``."""
    owner = {"extra": "libpysal", "purpose": "Graph.from_libpysal"}
    PysalGraph = require("libpysal.graph", **owner).Graph
    W = require("libpysal.weights", **owner).W
    if not isinstance(weights, PysalGraph | W):
        raise TypeError(
            f"weights must be a libpysal.graph.Graph or libpysal.weights.W; "
            f"got {type(weights).__name__}."
        )
    check_combine(combine)
    is_w = isinstance(weights, W)
    # Ids may be tuples, which are no levels.
    names = list(weights.id_order if is_w else weights.unique_ids)
    labels = pd.Index(names, tupleize_cols=False)
    if is_w:
        place = {name: i for i, name in enumerate(names)}
        near, given = weights.neighbors, weights.weights
        pairs: Any = [(place[a], place[b]) for a in names for b in near[a]]
        values: Any = [value for a in names for value in given[a]]
    else:
        matrix = sp.coo_array(weights.sparse)
        pairs, values = np.column_stack(matrix.coords), pd.Series(matrix.data)
    edges = EdgeList(np.array(pairs, dtype=np.intp).reshape(-1, 2), labels)
    numbers = edges.numbers("weights", values)
    ends = (edges.pairs[:, 0], edges.pairs[:, 1])
    directed = sp.csr_array((numbers, ends), shape=(len(names), len(names)))
    if combine is None:
        if abs(directed - directed.T).max() > _SYMMETRY_TOLERANCE * abs(directed).max():
            binary = 'weights.transform = "B"' if is_w else 'weights = weights.transform("B")'
            raise ValueError(
                f"weights must be symmetric, each edge with one weight. Row-standardised ones "
                f"become so by {binary}; for others, such as k nearest neighbours, which are "
                f"one-way, say what an edge weighs that goes both ways with combine='max', 'min', "
                f"'sum' or 'mean'."
            )
        return directed, labels
    weighs = numbers > 0
    edges = EdgeList(edges.pairs[weighs], labels)
    edges.warn_of_loops("weights")
    adjacency, _ = edges.matrices(("weights", numbers[weighs]), ("", None), combine=combine)
    return adjacency, labels
