"""What a picture needs to know of a fitted model: its graph, its network."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MetaEstimatorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skginr.graphs import Graph, locate_column

# Where meta-estimators of scikit-learn keep what they fitted.
_INNER = ("best_estimator_", "regressor_", "estimator_")


def graph_of(model: Any) -> Graph:
    """Return the one graph that the steps of a model hold.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    parameters = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    found: list[Graph] = []
    for value in parameters.values():
        if isinstance(value, Graph) and value not in found:
            found.append(value)
    if len(found) != 1:
        raise ValueError(
            f"graph=None takes the graph that a step of the model holds, such as "
            f"SpectralEmbedder(graph=...); {type(model).__name__} holds {len(found) or 'none'}. "
            f"Give graph=."
        )
    return found[0]


def network_of(model: Any) -> Any:
    """Return the network at the end of a model: the estimator with a ``history_``.

    Raises
    ------
    TypeError
        If there is none.
    """
    inner = model
    while not hasattr(type(inner), "history_"):
        names = [name for name in _INNER if hasattr(inner, name)]
        if isinstance(inner, Pipeline):
            inner = inner[-1]
        elif isinstance(inner, FrozenEstimator):
            inner = inner.estimator
        elif names:
            inner = getattr(inner, names[0])
        else:
            if isinstance(inner, MetaEstimatorMixin):
                check_is_fitted(inner, list(_INNER), all_or_any=any)
            raise TypeError(
                f"model must be a SIRENRegressor or SIRENClassifier, or end in one, as a Pipeline "
                f"does; this one ends in {type(inner).__name__}. Give the fitted network itself."
            )
    return inner


def named_nodes(X: Any, graph: Graph, node: Any) -> NDArray[np.intp]:
    """Return the node that each row of X names, no two the same.

    Raises
    ------
    ValueError
        If ``node`` is no column of X, or a label is unknown or repeated.
    """
    nodes, _ = locate_column(X, graph, node, owner="SignalDisplay")
    if len(np.unique(nodes)) < len(nodes):
        repeated = graph.labels[nodes[pd.Index(nodes).duplicated()][0]]
        raise ValueError(
            f"X must have one row per node, since a node has one colour; {repeated!r} is repeated. "
            f"Select one time or signal: X[X['time'] == ...]."
        )
    return nodes


def spread_over(nodes: NDArray[np.intp], values: ArrayLike, graph: Graph) -> pd.Series:
    """Return values at all nodes of a graph, indexed by label, missing where there is no row."""
    series = pd.Series(np.asarray(values) if not isinstance(values, pd.Series) else values.array)
    return series.set_axis(nodes).reindex(range(graph.n_nodes)).set_axis(graph.labels)
