"""From a table with one column of labels to nodes of a graph, for estimators."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from skginr.graphs._graph import Graph


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


def as_table(X: Any) -> pd.DataFrame:
    """Return a table of labels as a DataFrame, or say how to make it one."""
    if isinstance(X, pd.DataFrame):
        return X
    if sp.issparse(X):
        raise TypeError("X must be a table that names nodes; got a sparse matrix.")
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
    return pd.DataFrame(np.asarray(X))
