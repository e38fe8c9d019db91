"""From matrices, edge tables and graph objects to one clean adjacency matrix."""

import hashlib
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from skginr._checks import check_numeric, require, warn
from skginr.graphs._labels import join_labels, kind_of, plain_index, same_kind

# Two weights of an edge that differ by less than this share differ by rounding,
# not by meaning.
_SYMMETRY_TOLERANCE = 1e-10


def clean_adjacency(
    adjacency: ArrayLike | sp.sparray | sp.spmatrix, *, name: str = "adjacency"
) -> sp.csr_array:
    """Return a symmetric, non-negative, canonical CSR copy without self-loops.

    NaN, infinite, negative and asymmetric weights are refused. Rounding-size
    asymmetry is averaged away; self-loops are dropped with a warning.
    """
    matrix = to_csr(adjacency, name=name)
    if matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise ValueError(
            f"{name} must be square with at least one row, one row and column per node; "
            f"got shape {matrix.shape}."
        )
    _check_weights(matrix, name=name)
    _check_symmetric(matrix, name=name)
    n_loops = int(np.count_nonzero(matrix.diagonal()))
    if n_loops:
        _warn_loops(name, n_loops)
        matrix.setdiag(0.0)
    matrix = to_csr(matrix / 2 + matrix.T / 2, name=name)
    matrix.sort_indices()
    return matrix


def _warn_loops(name: str, n_loops: int) -> None:
    warn(
        f"{name} has {n_loops} self-loops, which were dropped: an edge joins two different "
        f"nodes. Drop them first to silence this."
    )


def _check_symmetric(matrix: sp.csr_array, *, name: str) -> None:
    other = sp.csr_array(matrix.T)
    excess = sp.coo_array(abs(matrix - other) - _SYMMETRY_TOLERANCE * matrix.maximum(other))
    if excess.nnz == 0 or excess.max() <= 0:
        return
    entry = int(excess.data.argmax())
    i, j = (int(axis[entry]) for axis in excess.coords)
    raise ValueError(
        f"{name} must be symmetric (an edge has one weight); got weight {matrix[i, j]:g} at "
        f"({i}, {j}) but {matrix[j, i]:g} at ({j}, {i}). Choose what you mean: "
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
    # One dtype: the same matrix has the same fingerprint, however it was made.
    index = np.int32 if max(result.nnz, *result.shape) < 2**31 else np.int64
    result.indices = result.indices.astype(index, copy=False)
    result.indptr = result.indptr.astype(index, copy=False)
    return result


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
    pairs: NDArray[np.integer], n_nodes: int, weights: NDArray[np.float64] | None = None
) -> sp.csr_array:
    """Return the symmetric adjacency of undirected ``pairs``; repeated pairs count once."""
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    keep = low != high
    flat, first = np.unique(low[keep].astype(np.int64) * n_nodes + high[keep], return_index=True)
    data = np.ones(flat.size) if weights is None else weights[keep][first]
    upper = sp.coo_array((data, (flat // n_nodes, flat % n_nodes)), shape=(n_nodes, n_nodes))
    return sp.csr_array(upper + upper.T)


def adjacency_from_edges(
    frame: pd.DataFrame,
    source: Hashable,
    target: Hashable,
    weight: Hashable | None,
    length: Hashable | None,
) -> tuple[sp.csr_array, pd.Index, sp.csr_array | None]:
    """Return (adjacency, labels, lengths) of an undirected edge table; labels sorted.

    A pair listed twice, in either direction, is one edge and must carry one weight.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"frame must be a pandas DataFrame with a row per edge; got {type(frame).__name__}."
        )
    wanted = {"source": source, "target": target, "weight": weight, "length": length}
    for name, column in wanted.items():
        if column is None and name in ("weight", "length"):
            continue
        if list(frame.columns).count(column) != 1:
            raise ValueError(
                f"{name}={column!r} is not a column of frame, or not the only one of that name; "
                f"it has {list(frame.columns)}."
            )
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
    codes, labels = pd.factorize(join_labels(first, second), sort=True)
    pairs = codes.reshape(2, -1).T
    n_loops = int((pairs[:, 0] == pairs[:, 1]).sum())
    if n_loops:
        _warn_loops("frame", n_loops)
    weights, lengths = (
        None if column is None else _edge_values(name, frame[column], pairs, labels)
        for name, column in ((f"weight={weight!r}", weight), (f"length={length!r}", length))
    )
    if weights is not None and lengths is not None:
        # No edge, no length.
        lengths = np.where(weights > 0, lengths, 0.0)
    adjacency = adjacency_from_pairs(pairs, len(labels), weights)
    if lengths is None:
        return adjacency, labels, None
    return adjacency, labels, adjacency_from_pairs(pairs, len(labels), lengths)


def _edge_values(
    name: str, column: pd.Series, pairs: NDArray[np.integer], labels: pd.Index
) -> NDArray[np.float64]:
    values = check_numeric(name, column)
    wrong = ~(values >= 0) | ~np.isfinite(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name} must be finite and non-negative; got {values[row]:g} in row {row}, one of "
            f"{int(wrong.sum())}. Weights are similarities: zero means no edge."
        )
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    spread = pd.Series(values).groupby([low, high]).agg(["min", "max"])
    conflict = spread.index[spread["min"] < spread["max"]]
    if len(conflict):
        a, b = (labels[[end]].tolist()[0] for end in conflict[0])
        least, most = spread.loc[conflict[0]]
        raise ValueError(
            f"{name} must be the same wherever an edge is listed; the edge between {a!r} and "
            f"{b!r} has {least:g} and {most:g}, and is one of {len(conflict)} such. Aggregate the "
            f"table first."
        )
    return values


def adjacency_from_networkx(
    graph: Any, weight: str | None, length: str | None
) -> tuple[sp.csr_array, pd.Index, sp.csr_array | None]:
    """Return (adjacency, labels, lengths) of a networkx graph, nodes in its own order."""
    nx = require("networkx", extra="networkx", purpose="Graph.from_networkx")
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"graph must be a networkx graph; got {type(graph).__name__}.")
    if graph.number_of_nodes() == 0:
        raise ValueError("graph must have at least one node; got an empty networkx graph.")
    if graph.is_directed():
        raise ValueError("graph must be undirected; got a directed one. Use graph.to_undirected().")
    named = weight not in (None, "weight") and graph.number_of_edges() > 0
    if named and not any(weight in data for _, _, data in graph.edges(data=True)):
        raise ValueError(f"weight={weight!r} is an attribute of no edge of graph.")
    if length is not None:
        _check_networkx_lengths(graph, length)
    nodes = list(graph)
    labels = pd.Index(nodes, tupleize_cols=False)
    adjacency, lengths = (
        nx.to_scipy_sparse_array(graph, nodelist=nodes, weight=name, dtype=float, format="csr")
        for name in (weight, length)
    )
    if length is None:
        return adjacency, labels, None
    # No edge, no length; a loop is none.
    lengths.setdiag(0.0)
    return adjacency, labels, sp.csr_array(lengths * (adjacency != 0))


def _check_networkx_lengths(graph: Any, length: str) -> None:
    if graph.is_multigraph():
        raise ValueError(
            f"length={length!r} needs one edge between two nodes; got a multigraph, whose "
            f"lengths would add up. Keep the shortest in a networkx.Graph."
        )
    for a, b, data in graph.edges(data=True):
        if length not in data:
            raise ValueError(
                f"length={length!r} must be an attribute of every edge of graph; the edge between "
                f"{a!r} and {b!r} has none."
            )


def positions_from_networkx(graph: Any, position: str) -> list[Any]:
    """Return the attribute of every node that holds its coordinates."""
    for node, data in graph.nodes(data=True):
        if position not in data:
            raise ValueError(
                f"position={position!r} must be an attribute of every node of graph; "
                f"{node!r} has none."
            )
    return [data[position] for _, data in graph.nodes(data=True)]


def adjacency_from_libpysal(weights: Any) -> tuple[Any, pd.Index]:
    """Return (adjacency, labels) of a libpysal ``Graph`` or ``W``."""
    from libpysal.graph import Graph as PysalGraph
    from libpysal.weights import W

    if not isinstance(weights, PysalGraph | W):
        raise TypeError(
            f"weights must be a libpysal.graph.Graph or libpysal.weights.W; "
            f"got {type(weights).__name__}."
        )
    matrix = weights.sparse
    if abs(matrix - matrix.T).max() > _SYMMETRY_TOLERANCE * abs(matrix).max():
        raise ValueError(
            "weights must be symmetric. Row-standardised weights become so by "
            'transform("B"); for k nearest neighbours, which are one-way, use '
            'Graph.from_geodataframe(gdf, method="knn") or symmetrise weights.sparse and use '
            "Graph.from_adjacency."
        )
    names = weights.unique_ids if isinstance(weights, PysalGraph) else weights.id_order
    return matrix, pd.Index(names)
