"""GraphSmoother: a signal smoothed over the graph, in closed form."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from skginr._checks import check_count, check_real, unchanged_on_error
from skginr._linalg import factor_positive_definite
from skginr.graphs import Graph, check_graph, locate_nodes
from skginr.laplacians import laplacian


class GraphSmoother(RegressorMixin, BaseEstimator):
    """Tikhonov smoothing of a signal over a graph: the baseline for any signal.

    Finds the signal f on all nodes that minimises ``sum_i (f_i - y_i)**2 + alpha
    f' L^order f``, with the first sum over rows and L = D - A: near the observations,
    and smooth along the edges between and beyond them.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    order : int, default 1
        Power of the Laplacian: 1 pulls each node to the mean of its neighbours, 2
        continues slopes too.
    alpha : float, default 1.0
        Strength of the smoothing; towards 0 the observations are interpolated.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    signal_ : ndarray of shape (n_nodes,)
        The smoothed signal at every node of the graph. In a component without an
        observation, the mean of y.
    n_features_in_ : int
        Number of columns of X, 1.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If a label is unknown, or y is not finite or of another length.

    References
    ----------
    M. Belkin, I. Matveeva and P. Niyogi, "Regularization and semi-supervised learning
    on large graphs", COLT 2004.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, GraphSmoother
    >>> path = Graph.from_networkx(nx.path_graph(5))
    >>> smoother = GraphSmoother(graph=path, alpha=1e-5).fit([[0], [4]], [0.0, 8.0])
    >>> smoother.predict([[1], [2], [3]]).round(2)
    array([2., 4., 6.])
    """

    def __init__(self, *, graph: Graph, order: int = 1, alpha: float = 1.0) -> None:
        self.graph = graph
        self.order = order
        self.alpha = alpha

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Smooth the signal observed at the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1)
            Node labels, which may repeat.
        y : array-like of shape (n_rows,)
            One signal; for several, wrap in ``MultiOutputRegressor``.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        check_count("order", self.order, minimum=1)
        check_real("alpha", self.alpha, minimum=0, strict=True)
        nodes = locate_nodes(self, X, graph, reset=True)
        y = column_or_1d(y, dtype=np.float64, warn=True)
        check_consistent_length(nodes, y)
        if not np.isfinite(y).all():
            raise ValueError(
                f"y must be finite; {int((~np.isfinite(y)).sum())} rows are not. Leave them out: "
                f"their nodes are predicted all the same."
            )
        with np.errstate(over="ignore"):
            mean = y.mean()
        if not np.isfinite(mean):
            raise ValueError(f"y is too large to compute with: up to {np.abs(y).max():.3g}.")
        # Nothing is known of a component without an observation but the mean.
        reached = np.flatnonzero(np.isin(graph.components, graph.components[nodes]))
        stiffness = laplacian(graph.adjacency).stiffness[reached][:, reached]
        penalty = stiffness
        for _ in range(self.order - 1):
            penalty = penalty @ stiffness
        n_rows = np.bincount(nodes, minlength=graph.n_nodes)[reached]
        deviation = np.bincount(nodes, y - mean, minlength=graph.n_nodes)[reached]
        system = self.alpha * penalty + sp.diags_array(n_rows.astype(float))
        try:
            solution = factor_positive_definite(system).solve(deviation)
        except RuntimeError as error:
            raise ValueError(
                f"alpha={self.alpha} is too small for the weights of the graph to be told from "
                f"zero ({error}). Raise it."
            ) from error
        self.graph_ = graph
        self.signal_ = np.full(graph.n_nodes, mean)
        self.signal_[reached] += solution
        return self

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the smoothed signal at the nodes that X names, shape (n_rows,)."""
        check_is_fitted(self)
        return self.signal_[locate_nodes(self, X, self.graph_, reset=False)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags
