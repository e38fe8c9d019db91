"""ThinPlateSplineRegressor: a signal interpolated through space, beside the graph."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RBFInterpolator
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    SignalsMixin,
    check_count,
    check_real,
    check_signals,
    check_weights,
    unchanged_on_error,
)
from skginr.graphs import Graph, NodeEstimator, check_graph, locate_rows
from skginr.smoothing._likelihood import distinct_rows


class ThinPlateSplineRegressor(SignalsMixin, NodeEstimator):
    """Thin-plate spline through the nearest observations in space, not along the graph.

    For signals that are fields in space and only sampled on a surface, such as an electrostatic
    potential. There, points that are far apart along the surface but near in space have similar
    values. For signals that live on the surface, use the graph.

    Parameters
    ----------
    graph : Graph
        With positions of its nodes.
    n_neighbors : int, default 60
        Observations that each prediction uses.
    smoothing : float, default 0.0
        With 0 the spline goes through every observation.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If the graph has no positions, a label is unknown, y is not finite or of another length, a
        signal is known at places that span no space, or weights are negative or all zero.

    See Also
    --------
    SpatialGaussianProcessRegressor : Learns how signals vary in space, and has standard deviations;
        for up to some thousands of rows.
    GraphSmoother : For signals that live on the surface or follow edges.
    CorrectedSmoother : On a mesh, blends this spline with smoothers along the surface.

    Notes
    -----
    By :class:`scipy.interpolate.RBFInterpolator`. Rows of one place count as their
    mean, and with ``smoothing`` as one row of their weight.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import Graph, ThinPlateSplineRegressor
    >>> points = np.random.default_rng(0).random((200, 2))
    >>> graph = Graph.from_points(points)
    >>> X, y = np.arange(200)[:, None], np.sin(3 * points[:, 0])
    >>> ThinPlateSplineRegressor(graph=graph).fit(X[50:], y[50:]).score(X[:50], y[:50]) > 0.99
    True
    """

    def __init__(
        self,
        *,
        graph: Graph,
        n_neighbors: int = 60,
        smoothing: float = 0.0,
        node: Hashable = None,
    ) -> None:
        self.graph = graph
        self.n_neighbors = n_neighbors
        self.smoothing = smoothing
        self.node = node

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Keep the observations.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels; other columns are ignored.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Of several signals, values may be NaN: a signal does without such rows.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, such as populations, give those divided by their mean.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        check_count("n_neighbors", self.n_neighbors, minimum=1)
        check_real("smoothing", self.smoothing, minimum=0)
        positions = graph.positions
        if positions is None:
            raise ValueError(
                "graph must have positions to interpolate through; it has none. GraphSmoother "
                "needs only its edges."
            )
        nodes, _ = locate_rows(self, X, graph, reset=True)
        weights = check_weights(sample_weight, len(nodes))
        signals = check_signals(y, len(nodes), gaps=True, weights=weights)
        self._centre = positions.mean(axis=0)
        self._axes = _axes(positions - self._centre)
        counts = ~np.isnan(signals) & (weights > 0)[:, None]
        # Signals that are known at the same rows are interpolated together.
        patterns, of_signal = np.unique(counts, axis=1, return_inverse=True)
        self._splines = []
        for i, used in enumerate(patterns.T):
            columns = np.flatnonzero(of_signal.ravel() == i)
            of_columns = signals[np.ix_(used, columns)]
            observed = self._observations(positions[nodes[used]], of_columns, weights[used])
            self._splines.append((columns, *observed))
        self.graph_, self._positions = graph, positions
        self._single = np.ndim(y) < 2
        self._weighed = sample_weight is not None
        return self

    def _observations(
        self,
        positions: NDArray[np.float64],
        signals: NDArray[np.float64],
        weights: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
        """Return places that differ, means of signals there, and settings of their spline."""
        rows = [distinct_rows(positions, signal, weights) for signal in signals.T]
        places, n_dimensions = (rows[0].X - self._centre) @ self._axes, self._axes.shape[1]
        spanned = np.linalg.matrix_rank(places - places[:1], tol=1e-10)
        if n_dimensions == 0 or spanned < n_dimensions:
            raise ValueError(
                f"X must name nodes whose positions span the {n_dimensions} dimensions of the "
                f"graph's, for a thin-plate spline through them; its {len(places)} distinct "
                f"places span {spanned}."
            )
        settings = {
            "neighbors": min(max(self.n_neighbors, n_dimensions + 1), len(places)),
            "smoothing": self.smoothing / rows[0].counts,
        }
        return places, np.column_stack([one.y for one in rows]), settings

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the signal at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        """
        check_is_fitted(self)
        nodes, _ = locate_rows(self, X, self.graph_, reset=False)
        distinct, of_row = np.unique(nodes, return_inverse=True)
        places = (self._positions[distinct] - self._centre) @ self._axes
        found = np.empty((len(distinct), sum(len(columns) for columns, *_ in self._splines)))
        for columns, observed, means, settings in self._splines:
            # On neighbours, nothing is solved before it is asked for places.
            spline = RBFInterpolator(observed, means, **settings)
            try:
                found[:, columns] = spline(places)
            except np.linalg.LinAlgError as error:
                raise ValueError(
                    f"n_neighbors={self.n_neighbors} nearest observations of a node lie in one "
                    f"plane, which determines no spline through space. Raise it."
                ) from error
        return (found[:, 0] if self._single else found)[of_row]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_observed" in state:
            places, means = self.__dict__.pop("_observed")
            settings = self.__dict__.pop("_spline_settings")
            self._splines = [(np.arange(1), places, means[:, None], settings)]


def _axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the directions in which places differ, as columns: a flat mesh has two.

    Of a length at which distances along them are about 1.
    """
    largest = np.abs(centred).max()
    if largest == 0:
        return np.empty((centred.shape[1], 0))
    _, sizes, directions = np.linalg.svd(centred / largest, full_matrices=False)
    return directions[sizes > 1e-10 * sizes.max()].T / largest
