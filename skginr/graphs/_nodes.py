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
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
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
