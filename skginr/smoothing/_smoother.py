"""GraphSmoother: a signal smoothed over the graph, in closed form."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_real, check_splits, check_verbose, unchanged_on_error, warn_once
from skginr.graphs import Graph, as_table, check_graph, components_by_size, with_observations
from skginr.smoothing._generalised import SmoothProblem
from skginr.smoothing._node_regressor import (
    NodeRegressor,
    PenaltyMixin,
    centre_and_spread,
    pairs_of_rows,
    warn_of_no_edges,
)
from skginr.smoothing._strength import check_strength, choose_strength, training_weights

# So many values of a covariate at a node, on average, are those of something like time.
_MANY_VALUES = 3


class GraphSmoother(PenaltyMixin, NodeRegressor):
    """Smoothing of a signal over a graph: harmonic, biharmonic, Tikhonov or Matérn.

    Finds the signal f on all nodes, the intercept b and the coefficients c that minimise::

        sum_i (y_i - b - c'x_i - f(node_i))**2 + alpha f' Q f,   Q = B (M^-1 B)^(order - 1)

    with ``B = K + kappa**2 M``, the sum over rows, and K and M the stiffness and the mass of the
    graph's Laplacian: near the observations, and smooth along the edges between and beyond them.
    It is the mean of a Gaussian process with precision Q and flat priors of b and c, which are
    hence found by generalised least squares. As ``alpha`` goes to 0 the observations are
    interpolated: harmonically with ``order=1``, biharmonically with 2.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, \
default "combinatorial"
        As in :class:`~skginr.SpectralEmbedder`.
    order : int, default 1
        Power of the Laplacian: 1 pulls each node to the mean of its neighbours, 2
        continues slopes too, 3 curvature.
    alpha : float or "cv", default "cv"
        Strength of the smoothing. "cv" takes the one whose predictions of held-out rows have
        the least squared error, to half a power of ten; standard deviations then allow for
        others that may be right as well. A number is taken for known.
    kappa : float, default 0.0
        Inverse of the distance at which nodes no longer tell of each other, in the units of
        the square root of an eigenvalue: the Matérn covariance. 0 has no such distance.
    cv : int, splitter or iterable, optional
        Folds of ``alpha="cv"``, as in scikit-learn; by default ten, at random. With
        :class:`~skginr.GraphBlockKFold` the strength is the best to predict whole regions.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes.
    verbose : {0, 1}, default 0
        Whether to show the strengths that ``alpha="cv"`` tries.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    alpha_ : float
        The strength used.
    cv_results_ : pandas.DataFrame or None
        With ``alpha="cv"``, the strengths tried, the R² of held-out rows, pooled, and what each
        counts in standard deviations: 0 away from the best.
    signal_ : ndarray of shape (n_nodes,)
        b + f at every node of the graph. In a component without an observation, b, which is
        the mean of y where the Laplacian leaves it open.
    coef_ : ndarray of shape (n_covariates,)
        c; 0 for a column that the others and f explain.
    noise_variance_ : float
        Estimated variance of a row about the signal; infinite, as are standard deviations, where
        there are no more rows than the intercept, the covariates and a constant in every
        component fit by themselves.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If a label is unknown, another column than the first could name nodes and ``node`` is not
        given, a hyper-parameter is out of range, or y is not finite or of another length.

    Warns
    -----
    UserWarning
        If a covariate has many values at a node, as time does, the graph has no edges, or a row to
        be predicted is in a component in which nothing was observed (with ``return_std`` the
        standard deviation says so), or weights differ so much that rounding decides.

    Notes
    -----
    Where weights differ by many powers of ten the system is solved without powers of B, up to
    40,000 nodes by ``order``, and a warning names nodes at which rounding decides all the same. On
    larger graphs weights beyond 1e9 times the median (the root of that by ``order``) count as so
    much, with that warning.

    Solved by conjugate gradients, all folds at once, with a sparse factorisation where those are
    slow. Time and memory go with the number of edges. ``predict(X, return_std=True)`` solves one
    system for each distinct node asked for and each strength that counts.

    With ``alpha="cv"`` the variance is the expectation of ``(f - mean)**2`` over strengths, each
    weighted by its likelihood as held-out rows tell it: their squared errors to the power of minus
    half their number. The mean is that of ``alpha_`` alone.

    References
    ----------
    M. Belkin, I. Matveeva and P. Niyogi, "Regularization and semi-supervised learning
    on large graphs", COLT 2004. V. Borovitskiy et al., "Matérn Gaussian Processes on Graphs",
    AISTATS 2021.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, GraphSmoother
    >>> path = Graph.from_networkx(nx.path_graph(5))
    >>> smoother = GraphSmoother(graph=path, alpha=1e-5).fit([[0], [4]], [0.0, 8.0])
    >>> smoother.predict([[1], [2], [3]]).round(2)
    array([2., 4., 6.])
    """

    def __init__(
        self,
        *,
        graph: Graph,
        laplacian: str = "combinatorial",
        order: int = 1,
        alpha: float | str = "cv",
        kappa: float = 0.0,
        cv: int | Iterable | None = None,
        node: Hashable = None,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.laplacian = laplacian
        self.order = order
        self.alpha = alpha
        self.kappa = kappa
        self.cv = cv
        self.node = node
        self.verbose = verbose

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Smooth the signal observed at the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, which may repeat, and covariates, which enter linearly: time too.
        y : array-like of shape (n_rows,)
            One signal; for several, wrap in ``MultiOutputRegressor``.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        self._check_penalty(forgets=False)
        check_real("alpha", self.alpha, minimum=0, strict=True, word="cv")
        check_verbose(self.verbose)
        nodes, covariates, y = self._rows_of_fit(graph, X, y)
        warn_of_no_edges(graph)
        self._warn_of_times(as_table(X), graph, nodes, covariates)
        self._centre, self._spread = centre_and_spread(covariates)
        problem = self._problem(graph, nodes, self._scaled(covariates), y)
        with problem.penalty.at_hand():
            if self.alpha == "cv":
                alpha, results = self._choose(problem, X, y)
            else:
                alpha, results = float(self.alpha) * problem.penalty.scale, None
            check_strength(alpha, self.alpha)
            fit = problem.fit(alpha, np.ones((len(y), 1)), tolerance=1e-10)[0]
        _warn_doubtful(graph, fit.doubtful, self.order)
        self.graph_ = graph
        self.alpha_ = alpha / problem.penalty.scale
        self.cv_results_ = results
        self.coef_ = fit.coefficients / self._spread
        self.signal_ = fit.signal - self._centre @ self.coef_
        self.noise_variance_ = problem.noise_variance(fit)
        self._problem_, self._fit, self._relative_alpha = problem, fit, alpha
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.
        return_std : bool, default False
            Whether to also return standard deviations of the signal (the noise of a row not
            included), which takes a solve per distinct node and likely strength; infinite where
            nothing is known, and everywhere if no row is left to tell the noise by.

        Returns
        -------
        mean : ndarray of shape (n_rows,)
        std : ndarray of shape (n_rows,), if ``return_std``
        """
        nodes, covariates = self._rows_to_predict(X, return_std=return_std)
        mean = self._fit.signal[nodes] + covariates @ self._fit.coefficients
        if not return_std:
            return mean
        variance = np.zeros(len(mean))
        with self._problem_.penalty.at_hand():
            for alpha, weight in self._likely_strengths():
                variance += weight * self._deviations(alpha, nodes, covariates, mean)
        return mean, np.sqrt(variance)

    def _likely_strengths(self) -> list[tuple[float, float]]:
        """Return the strengths that may be right, relative to the penalty, and their weights."""
        if self.cv_results_ is None or "weight" not in self.cv_results_:
            # A strength that was given, or a file of an earlier version.
            return [(self._relative_alpha, 1.0)]
        counts = self.cv_results_[self.cv_results_["weight"] > 0]
        relative = counts["alpha"] * self._problem_.penalty.scale
        return list(zip(relative, counts["weight"], strict=True))

    def _deviations(
        self,
        alpha: float,
        nodes: NDArray[np.intp],
        covariates: NDArray[np.float64],
        mean: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the expected squares of the signal's deviations from ``mean`` at one strength."""
        problem, fit = self._problem_, self._fit
        if alpha != self._relative_alpha:
            fit = problem.fit(alpha, np.ones((len(problem.y), 1)), tolerance=1e-10)[0]
        distinct, of_row = np.unique(nodes, return_inverse=True)
        variance = problem.node_variances(alpha, distinct)[of_row]
        variance += problem.effect_variances(fit, nodes, covariates)
        noise = problem.noise_variance(fit)
        # What nothing is known of, it is not even where there is no noise.
        known = np.isfinite(variance)
        variance[known] = noise * variance[known] if np.isfinite(noise) else np.inf
        return variance + (fit.signal[nodes] + covariates @ fit.coefficients - mean) ** 2

    def _warn_of_times(
        self,
        frame: pd.DataFrame,
        graph: Graph,
        nodes: NDArray[np.intp],
        covariates: NDArray[np.float64],
    ) -> None:
        """Warn of covariates that vary at a node, of which time is one: they enter linearly."""
        n_nodes = len(np.unique(nodes))
        if len(nodes) < _MANY_VALUES * n_nodes:
            return
        node, names = frame.columns[self._node_column], frame.columns.delete(self._node_column)
        varying = [
            name
            for name, values in zip(names, covariates.T, strict=True)
            if len(np.unique(np.column_stack([nodes, values]), axis=0)) >= _MANY_VALUES * n_nodes
        ]
        if varying:
            warn_once(
                f"time {graph.digest} {varying}",
                f"X has columns with many values at a node, {varying}, which enter linearly: of a "
                f"signal that rises and falls with time, only a trend is kept. A network follows "
                f"it: make_column_transformer((SpectralEmbedder(graph=graph), [{node!r}]), "
                f"(StandardScaler(), {varying})) before SIRENRegressor().",
            )

    def predict_out_of_fold(
        self, splits: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]]
    ) -> NDArray[np.float64]:
        """Return predictions of the rows of ``fit``, each made from the folds without it.

        What ``cross_val_predict`` returns at ``alpha=alpha_``, all folds solved at once.

        Parameters
        ----------
        splits : iterable of (train, test)
            As by ``cv.split(X, y)``; every row in one test set.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        problem = self._problem_
        pairs = pairs_of_rows(splits)
        splits = check_splits(pairs, problem.y, problem.y, name="splits", partition=True)
        weights, held_out = training_weights(splits, len(problem.y))
        with problem.penalty.at_hand():
            fits = problem.fit(self._relative_alpha, weights, tolerance=1e-7)
        predictions = np.empty(len(problem.y))
        for fit, rows in zip(fits, held_out, strict=True):
            predictions[rows] = problem.predict(fit)[rows]
        return predictions

    def tuned_clone(self) -> Self:
        """Return an unfitted copy whose ``alpha`` is the one that ``fit`` has chosen.

        Returns
        -------
        GraphSmoother
        """
        check_is_fitted(self)
        return clone(self).set_params(alpha=self.alpha_)

    @property
    def _scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Two attributes in every file.
        return self._centre, self._spread

    @property
    def _observed(self) -> NDArray[np.bool_]:
        return with_observations(self.graph_, self._problem_.nodes)

    def _choose(
        self, problem: SmoothProblem, X: ArrayLike | pd.DataFrame, y: NDArray[np.float64]
    ) -> tuple[float, pd.DataFrame]:
        """Return the relative strength that predicts held-out rows best, and what was tried."""
        if len(y) < 2:
            raise ValueError(
                "alpha='cv' needs at least 2 rows; got n_samples = 1. Give alpha as a number."
            )
        splits = check_splits(10 if self.cv is None else self.cv, X, y)
        return choose_strength(problem, splits, verbose=self.verbose)

    def _problem(
        self,
        graph: Graph,
        nodes: NDArray[np.intp],
        covariates: NDArray[np.float64],
        y: NDArray[np.float64],
    ) -> SmoothProblem:
        penalty, operator = self._penalty(graph)
        # Where constants are smooth for free, an intercept would be one more of them.
        flat = self.kappa == 0 and self.laplacian != "symmetric"
        intercept = np.ones((len(y), 0 if flat else 1))
        return SmoothProblem(
            penalty=penalty,
            # Those of the operator: a mesh need not be joined where its adjacency is.
            components=components_by_size(operator.stiffness) if self.kappa == 0 else None,
            nodes=nodes,
            y=y,
            design=np.hstack([intercept, covariates]),
            n_intercepts=intercept.shape[1],
        )


def _warn_doubtful(graph: Graph, doubtful: NDArray[np.bool_] | None, order: int) -> None:
    if doubtful is not None and doubtful.any():
        name = graph.labels[doubtful].tolist()[0]
        warn_once(
            f"doubtful {graph.digest} {order}",
            f"weights of the graph differ so much that with order={order} rounding decides what is "
            f"predicted at {int(doubtful.sum())} of {len(doubtful)} nodes, such as {name!r}. Leave "
            f"out edges that are negligible, or lower order.",
        )
