"""From matrices, edge tables and graph objects to one clean adjacency matrix."""

import hashlib
import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from skginr._checks import require

# Two halves of a symmetric matrix that differ by less than this share of its
# largest weight differ by rounding, not by meaning.
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
    n_loops = np.count_nonzero(matrix.diagonal())
    if n_loops:
        warnings.warn(
            f"{name} has {n_loops} self-loops, which were dropped: an edge joins two different "
            f"nodes. Set the diagonal to zero to silence this.",
            UserWarning,
            stacklevel=4,
        )
        matrix.setdiag(0.0)
    matrix = sp.csr_array((matrix + matrix.T) / 2)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _check_symmetric(matrix: sp.csr_array, *, name: str) -> None:
    difference = sp.coo_array(abs(matrix - matrix.T))
    if difference.nnz == 0 or difference.max() <= _SYMMETRY_TOLERANCE * matrix.max():
        return
    entry = int(difference.data.argmax())
    i, j = (int(axis[entry]) for axis in difference.coords)
    raise ValueError(
        f"{name} must be symmetric (an edge has one weight); got weight {matrix[i, j]:g} at "
        f"({i}, {j}) but {matrix[j, i]:g} at ({j}, {i}). Choose what you mean: "
        f"A.maximum(A.T), A.minimum(A.T) or (A + A.T) / 2."
    )


def to_csr(matrix: ArrayLike | sp.sparray | sp.spmatrix, *, name: str) -> sp.csr_array:
    """Return a canonical float64 CSR copy of a dense or sparse matrix."""
    try:
        result = sp.csr_array(matrix, dtype=np.float64, copy=True)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be a matrix of numbers, scipy sparse or dense; "
            f"got {type(matrix).__name__}."
        ) from error
    if result.ndim != 2:
        raise ValueError(f"{name} must have two dimensions; got {result.ndim}.")
    result.sum_duplicates()
    result.eliminate_zeros()
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


def adjacency_digest(*arrays: NDArray[Any] | None) -> str:
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
    frame: pd.DataFrame, source: Hashable, target: Hashable, weight: Hashable | None
) -> tuple[sp.csr_array, pd.Index]:
    """Return (adjacency, labels) of an undirected edge table; labels in sorted order.

    A pair listed twice, in either direction, is one edge and must carry one weight.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"frame must be a pandas DataFrame with a row per edge; got {type(frame).__name__}."
        )
    wanted = {"source": source, "target": target} | ({} if weight is None else {"weight": weight})
    for name, column in wanted.items():
        if column not in frame.columns:
            raise ValueError(
                f"{name}={column!r} is not a column of frame; it has {list(frame.columns)}."
            )
    ends = pd.concat([frame[source], frame[target]], ignore_index=True)
    if ends.isna().any():
        row = int(ends.isna().to_numpy().argmax()) % len(frame)
        raise ValueError(
            f"frame has an edge without a {source!r} or {target!r} in row {row}; drop such rows."
        )
    kinds = {pd.api.types.infer_dtype(frame[c], skipna=False) for c in (source, target)}
    if len(kinds) > 1 and "categorical" not in kinds:
        raise ValueError(
            f"{source!r} and {target!r} must hold labels of one kind; got {sorted(kinds)}. "
            f"Convert one with frame.astype."
        )
    codes, labels = pd.factorize(ends, sort=True)
    pairs = codes.reshape(2, -1).T
    weights = None if weight is None else _edge_weights(frame, weight, pairs, labels)
    return adjacency_from_pairs(pairs, len(labels), weights), pd.Index(labels)


def _edge_weights(
    frame: pd.DataFrame, weight: Hashable, pairs: NDArray[np.integer], labels: pd.Index
) -> NDArray[np.float64]:
    try:
        weights = frame[weight].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"weight={weight!r} must be a numeric column; {error}.") from error
    wrong = ~(weights >= 0) | ~np.isfinite(weights)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"weight={weight!r} must be finite and non-negative; got {weights[row]:g} in row "
            f"{row}, one of {int(wrong.sum())}. Weights are similarities: zero means no edge."
        )
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    spread = pd.Series(weights).groupby([low, high]).agg(["min", "max"])
    conflict = spread.index[spread["min"] < spread["max"]]
    if len(conflict):
        a, b = (labels[[end]].tolist()[0] for end in conflict[0])
        least, most = spread.loc[conflict[0]]
        raise ValueError(
            f"the edge between {a!r} and {b!r} is listed with different weights "
            f"({least:g} and {most:g}), one of {len(conflict)} such edges. An edge has one weight: "
            f"aggregate the table first."
        )
    return weights


def adjacency_from_networkx(graph: Any, weight: str | None) -> tuple[Any, pd.Index]:
    """Return (adjacency, labels) of a networkx graph, nodes in its own order."""
    nx = require("networkx", extra="networkx", purpose="Graph.from_networkx")
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"graph must be a networkx graph; got {type(graph).__name__}.")
    if graph.number_of_nodes() == 0:
        raise ValueError("graph must have at least one node; got an empty networkx graph.")
    if graph.is_directed():
        raise ValueError("graph must be undirected; got a directed one. Use graph.to_undirected().")
    nodes = list(graph)
    adjacency = nx.to_scipy_sparse_array(graph, nodelist=nodes, weight=weight, dtype=float)
    return adjacency, pd.Index(nodes, tupleize_cols=False)


def adjacency_from_libpysal(weights: Any) -> tuple[Any, pd.Index]:
    """Return (adjacency, labels) of a libpysal ``Graph`` or ``W``."""
    from libpysal.graph import Graph as PysalGraph
    from libpysal.weights import W

    if isinstance(weights, PysalGraph):
        return weights.sparse, pd.Index(weights.unique_ids)
    if isinstance(weights, W):
        return weights.sparse, pd.Index(weights.id_order)
    raise TypeError(
        f"weights must be a libpysal.graph.Graph or libpysal.weights.W; "
        f"got {type(weights).__name__}."
    )
