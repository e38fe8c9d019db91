"""From a table with one column of labels to nodes of a graph, for estimators."""

from collections.abc import Hashable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from skginr._checks import check_numeric
from skginr.graphs._graph import Graph
from skginr.graphs._labels import is_rounded, kind_of


def locate_nodes(
    estimator: Any, X: ArrayLike | pd.DataFrame, graph: Graph, *, reset: bool
) -> NDArray[np.intp]:
    """Return the nodes that the one column of X names, and keep the estimator's book.

    Parameters
    ----------
    estimator : estimator
        Gets, or with ``reset=False`` is checked by, ``n_features_in_`` and
        ``feature_names_in_``.
    X : array-like or DataFrame of shape (n_rows, 1)
        Node labels.
    graph : Graph
    reset : bool
        True in ``fit``.

    Raises
    ------
    ValueError
        If X is not one column, has no rows, or names an unknown node.
    """
    frame = as_table(X)
    if frame.shape[1] != 1:
        raise ValueError(
            f"X must have one column, the node labels; got columns {list(frame.columns)}. "
            f"Select it, table[['label']], and join other columns with a ColumnTransformer."
        )
    if len(frame) == 0:
        raise ValueError("X must have at least one row; got an empty table.")
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    name = f"X[{frame.columns[0]!r}]" if isinstance(X, pd.DataFrame) else "X"
    return graph.locate(frame.iloc[:, 0], name=name)


def locate_rows(
    estimator: Any, X: ArrayLike | pd.DataFrame, graph: Graph, *, reset: bool
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the nodes that the first column of X names, and the other columns as numbers.

    Parameters
    ----------
    estimator : estimator
        Gets, or with ``reset=False`` is checked by, ``n_features_in_`` and
        ``feature_names_in_``.
    X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
    graph : Graph
    reset : bool
        True in ``fit``.

    Raises
    ------
    ValueError
        If X has no column or no rows, names an unknown node, or another column is not finite.
    """
    frame = as_table(X)
    if frame.shape[1] == 0:
        raise ValueError("X must have a column of node labels first; got no columns.")
    if len(frame) == 0:
        raise ValueError("X must have at least one row; got an empty table.")
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    name = f"X[{frame.columns[0]!r}]" if isinstance(X, pd.DataFrame) else "X"
    mixed = not isinstance(X, pd.DataFrame) and frame.shape[1] > 1
    nodes = graph.locate(_labels_of(frame.iloc[:, 0], graph, mixed=mixed), name=name)
    covariates = np.empty((len(frame), frame.shape[1] - 1))
    for i in range(1, frame.shape[1]):
        name = f"X[{frame.columns[i]!r}]"
        values = check_numeric(name, frame.iloc[:, i].infer_objects())
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite; fill or drop what is missing.")
        covariates[:, i - 1] = values
    return nodes, covariates


def as_table(X: Any) -> pd.DataFrame:
    """Return a table of labels as a DataFrame, or say how to make it one."""
    if isinstance(X, pd.DataFrame):
        return X
    if sp.issparse(X):
        raise TypeError("X must be a table that names nodes; got a sparse matrix.")
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError("X must not be a masked array; fill it, or drop masked rows.")
    try:
        n_dimensions = np.ndim(X)
    except ValueError as error:
        raise ValueError(f"X must be a table with rows of one length; {error}.") from error
    if isinstance(X, pd.Series) or n_dimensions != 2:
        raise ValueError(
            f"X must be a table with a column of node labels; got {type(X).__name__} with "
            f"{n_dimensions} dimension(s). Use double brackets, table[['label']] (in a "
            f"ColumnTransformer a list, ['label']), or array.reshape(-1, 1)."
        )
    # A list may hold words beside numbers, which an array would make words of.
    return pd.DataFrame([list(row) for row in X] if isinstance(X, list | tuple) else np.asarray(X))


def locate_column(X: Any, graph: Graph, node: Hashable) -> NDArray[np.intp]:
    """Return the nodes that one column of a table names.

    Raises
    ------
    ValueError
        If ``node`` is not a column of X, or a label is unknown.
    """
    frame = as_table(X)
    mixed = not isinstance(X, pd.DataFrame) and frame.shape[1] > 1
    labels = _labels_of(column_of(frame, node), graph, mixed=mixed)
    return graph.locate(labels, name=f"the column node={node!r} of X")


def column_of(X: pd.DataFrame, node: Hashable) -> pd.Series:
    """Return the column that names nodes, by its name or else its position."""
    if isinstance(node, Hashable) and node in X.columns:
        return X[node]
    if isinstance(node, Integral) and -X.shape[1] <= node < X.shape[1]:
        return X.iloc[:, int(node)]
    raise ValueError(
        f"node={node!r} is not a column of X, which names the nodes; X has {list(X.columns)}."
    )


def _labels_of(column: pd.Series, graph: Graph, *, mixed: bool) -> pd.Series:
    """Return a column as the labels that were meant; ``mixed``: from an array with others."""
    # A mixed table has no type: what its labels are, they say themselves.
    labels = column.infer_objects()
    return labels.astype("int64") if mixed and _hides_integers(labels, graph) else labels


def _hides_integers(labels: pd.Series, graph: Graph) -> bool:
    """Return whether covariates, in an array, have made floats of labels that are integers."""
    if labels.dtype.kind != "f" or kind_of(graph.labels) != "integer":
        return False
    whole = np.isfinite(labels).all() and (labels == np.round(labels)).all()
    return bool(whole and not is_rounded(labels))
