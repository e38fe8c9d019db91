"""What regressors on nodes share: rows of fit, rows to predict, parameters of a penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_count, check_flag, check_real, positive
from skginr.graphs import (
    Graph,
    Laplacian,
    NodeEstimator,
    check_laplacian,
    components_by_size,
    laplacian_of,
    locate_rows,
    warn_unobserved,
    warn_without_edges,
)
from skginr.smoothing._penalty import Penalty


class NodePredictor(NodeEstimator):
    """What predicts from nodes and covariates of rows.

    The ``fit`` of a subclass leaves behind ``graph_``, the ``_scaling`` of covariates, as
    :func:`centre_and_spread` returns it, and which nodes were ``_observed``, as
    :func:`~skginr.graphs.with_observations` does.
    """

    graph_: Graph

    def _rows_to_predict(
        self, X: ArrayLike | pd.DataFrame, *, return_std: Any
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return nodes and scaled covariates, with a warning of nodes that nothing tells of."""
        check_is_fitted(self)
        check_flag("return_std", return_std)
        nodes, covariates = locate_rows(self, X, self.graph_, reset=False)
        # Standard deviations say it too, and of a graph without edges ``fit`` has spoken.
        if not return_std and self.graph_.n_edges:
            warn_unobserved(self.graph_, nodes, self._observed)
        return nodes, self._scaled(covariates)

    def _scaled(self, covariates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return covariates about 0 and of one size: their own sizes and places mean nothing."""
        centre, spread = self._scaling
        return (covariates - centre) / spread


class PenaltyMixin:
    """The parameters ``laplacian``, ``order`` and ``kappa`` of what is rough over a graph."""

    laplacian: str
    order: int
    kappa: float

    def _check_penalty(self, *, forgets: bool) -> None:
        """Raise unless parameters make a penalty: one that ``forgets`` by a kappa above 0."""
        check_laplacian(self.laplacian)
        check_count("order", self.order, minimum=1)
        check_real("kappa", self.kappa, minimum=0, strict=forgets)

    def _penalty(self, graph: Graph) -> tuple[Penalty, Laplacian]:
        """Return the penalty, and the Laplacian that it is made of."""
        operator = laplacian_of(graph, self.laplacian)
        return Penalty(operator, self.order, self.kappa), operator


class FlatMixin(PenaltyMixin):
    """What is left free beside a penalty without kappa: a constant in every component."""

    def _penalty_and_components(self, graph: Graph) -> tuple[Penalty, NDArray[np.intp] | None]:
        """Return the penalty, and components in which a constant is smooth; None with kappa."""
        penalty, operator = self._penalty(graph)
        # Those of the operator: a mesh need not be joined where its adjacency is.
        return penalty, components_by_size(operator.stiffness) if self.kappa == 0 else None

    def _design(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an intercept and scaled covariates.

        Where constants are smooth for free, an intercept would be one more of them.
        """
        flat = self.kappa == 0 and self.laplacian != "symmetric"
        return np.hstack([np.ones((len(scaled), 0 if flat else 1)), scaled])


def warn_of_no_edges(graph: Graph) -> None:
    warn_without_edges(graph, "a node without a row is predicted to be as all others are")


def pairs_of_rows(splits: Any) -> Any:
    """Return ``splits``, or raise if they are still to be made, which takes X."""
    if hasattr(splits, "split") or isinstance(splits, int | np.integer):
        raise TypeError(
            f"splits must be pairs of training and test rows; got {splits!r}. Give "
            f"list(cv.split(X, y))."
        )
    return splits


def centre_and_spread(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and standard deviations down the first axis, 1 where all values are the same.

    With ``weights``, of rows that are there so often.
    """
    weights = np.ones(len(values)) if weights is None else weights
    shares = weights / weights.sum()
    # Of very large or small values squares are not numbers.
    largest = positive(np.abs(values).max(axis=0))
    scaled = values / largest
    # From one of them on, so that the mean of equal values is that value to the last digit.
    centre = scaled[0] + shares @ (scaled - scaled[0])
    spread = (shares @ (scaled - centre) ** 2) ** 0.5
    # Values of which rounding has made several are equal.
    spread = np.where(spread > 4 * np.finfo(float).eps, spread, 0.0) * largest
    return centre * largest, positive(spread)
