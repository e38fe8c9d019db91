"""From a table with one column of labels to nodes of a graph, for estimators."""

from typing import Any

import numpy as np
import pandas as pd
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
    if isinstance(X, pd.Series) or np.ndim(X) != 2:
        raise ValueError(
            f"X must be a table with one column of node labels; got {type(X).__name__} with "
            f"{np.ndim(X)} dimension(s). Use double brackets, table[['label']], or "
            f"array.reshape(-1, 1)."
        )
    is_frame = isinstance(X, pd.DataFrame)
    X = X if is_frame else np.asarray(X)
    if X.shape[1] != 1:
        raise ValueError(
            f"X must have one column, the node labels; got "
            f"{list(X.columns) if is_frame else X.shape[1]} columns. Select it, "
            f"table[['label']], and join other columns with a ColumnTransformer."
        )
    if X.shape[0] == 0:
        raise ValueError("X must have at least one row; got an empty table.")
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if is_frame:
        return graph.locate(X.iloc[:, 0], name=f"X[{X.columns[0]!r}]")
    return graph.locate(X[:, 0], name="X")
