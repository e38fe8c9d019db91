"""What predictors of counts and of classes share: a smooth signal, found by Laplace's method."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skginr._core import Splits, check_real, check_verbose, open_progress, splits_of_rows, within
from skginr.graphs import Graph, check_graph, locate_rows
from skginr.smoothing._held_out import Likelihood, Trials
from skginr.smoothing._laplace import Family, LaplaceProblem
from skginr.smoothing._node_predictor import (
    FlatMixin,
    NodePredictor,
    centre_and_spread,
    warn_of_no_edges,
)
from skginr.smoothing._penalty import Penalty
from skginr.smoothing._strength import check_strength


class LaplaceNodes(FlatMixin, NodePredictor):
    """A predictor whose signal is the sum of an intercept, covariates and what is smooth."""

    graph: Graph
    alpha: float | str
    cv: int | Iterable | None
    verbose: int

    def _check_parameters(self) -> Graph:
        """Return the graph, or raise unless parameters are within their ranges."""
        graph = check_graph(self.graph)
        self._check_penalty(forgets=False)
        check_real("alpha", self.alpha, minimum=0, strict=True, word="cv")
        check_verbose(self.verbose)
        return graph

    def _located(
        self, X: ArrayLike | pd.DataFrame, graph: Graph
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return nodes and covariates of the rows of ``fit``."""
        warn_of_no_edges(graph)
        return locate_rows(self, X, graph, reset=True)

    def _learn_scaling(self, covariates: NDArray[np.float64]) -> None:
        self._scaling = centre_and_spread(covariates)

    def _problem(
        self,
        penalty: Penalty,
        components: NDArray[np.intp] | None,
        nodes: NDArray[np.intp],
        covariates: NDArray[np.float64],
        family: Family,
    ) -> LaplaceProblem:
        design = self._design(self._scaled(covariates))
        return LaplaceProblem(penalty, components, nodes, design, family)

    def _strength_given(self, penalty: Penalty) -> float | None:
        """Return the relative strength that ``alpha`` means, None where it is to be chosen."""
        if isinstance(self.alpha, str):
            return None
        relative = float(self.alpha) * penalty.scale
        check_strength(relative, self.alpha)
        return relative

    def _splits(self, X: ArrayLike | pd.DataFrame, rows: NDArray[np.intp], n_rows: int) -> Splits:
        """Return folds of some rows of X, by their numbers among these."""
        splits = splits_of_rows(10 if self.cv is None else self.cv, X, np.zeros(n_rows), rows)
        return within(splits, rows)

    def _choose(
        self,
        problem: LaplaceProblem,
        y: NDArray[np.float64],
        weights: NDArray[np.float64],
        splits: Splits,
        unit: float,
        likelihood: Likelihood,
        given: tuple[float | None, float | None],
    ) -> tuple[float, float, pd.DataFrame]:
        """Return the strength, the variance of what nodes have alone, and what was tried."""
        with open_progress("smoothing", unit="strengths", verbose=self.verbose) as progress:
            trials = Trials(problem, y, weights, splits, unit, likelihood, given, progress)
            alpha, own = trials.best()
        return alpha, own, trials.table()
