"""GraphPoissonRegressor: rates of counts, smooth over the graph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import mean_poisson_deviance
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    SignalsMixin,
    check_count,
    check_flag,
    check_numeric,
    check_real,
    check_signals,
    check_weights,
    check_with_noise,
    unchanged_on_error,
    warn,
)
from skginr.graphs import Graph, with_observations
from skginr.smoothing._laplace import LaplaceProblem, Mode, Poisson
from skginr.smoothing._laplace_nodes import LaplaceNodes
from skginr.smoothing._lognormal_counts import log_probability, quantile


class RateFit(NamedTuple):
    """What was found of one signal.

    Attributes
    ----------
    problem : LaplaceProblem
    mode : Mode
    alpha : float
        Relative to the scaled penalty.
    own : float
        Variance of what nodes have to themselves.
    """

    problem: LaplaceProblem
    mode: Mode
    alpha: float
    own: float

    def log_rates(
        self, nodes: NDArray[np.intp], design: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return (self.mode.node_signal()[nodes] + design @ self.mode.coefficients)[:, 0]

    def variances(
        self, nodes: NDArray[np.intp], design: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return variances of logarithms of rates."""
        with self.problem.penalty.at_hand():
            spread = self.problem.spread(self.mode, self.alpha, self.own, nodes)
        return spread.at(nodes, design)[:, 0]


class GraphPoissonRegressor(SignalsMixin, LaplaceNodes):
    """Rates of counts that are smooth over a graph: Poisson regression with a signal on the graph.

    For deaths among births, or crimes among inhabitants. A count is Poisson, and its mean is the
    exposure times a rate whose logarithm is::

        b + c'x + f(node) + u(node)

    with f smooth along the edges, of precision ``alpha Q`` (Q as in
    :class:`~skginr.GraphSmoother`), and u what belongs to each node alone, normal and independent,
    of variance ``overdispersion``: the model of Besag, York and Mollié [1]_. Rates of few events
    are pulled towards those of their neighbours; rates of many events stay nearly as they are.

    As in :class:`~sklearn.linear_model.PoissonRegressor`, y is the rate, ``counts / exposure``, and
    ``sample_weight`` the exposure.

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
        Strength of the smoothing. "cv" takes the one under which counts that were held out are
        likeliest, to half a power of ten.
    overdispersion : float or "cv", default "cv"
        Variance of u; 0 leaves it out. "cv" chooses it together with ``alpha``.
    kappa : float, default 0.0
        Inverse of the distance beyond which nodes have little to do with each other (as in a Matérn
        covariance), in the units of the square root of an eigenvalue. With 0 there is no such
        distance.
    cv : int, splitter or iterable, optional
        Folds of "cv", as in scikit-learn; by default ten, at random. With
        :class:`~skginr.GraphBlockKFold` both are the best to predict whole regions.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes.
    verbose : {0, 1}, default 0
        Whether to show the strengths that are tried.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    alpha_, overdispersion_ : float
        Those used; of several signals one each, shape (n_signals,).
    cv_results_ : pandas.DataFrame or None
        What was tried, and the mean logarithm of the probability of a count that was held out; of
        several signals with a column ``signal``.
    signal_ : ndarray of shape (n_nodes,) or (n_nodes, n_signals)
        b + f + u, the logarithm of the rate, at every node of the graph where covariates are 0.
    coef_ : ndarray of shape (n_covariates,) or (n_signals, n_covariates)
        c; 0 for a column that the others and f explain.
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
        given, a hyper-parameter is out of range, or y is negative, zero throughout, not finite or
        of another length.

    Warns
    -----
    UserWarning
        If the graph has no edges, or a row to be predicted is in a component in which nothing was
        observed (with ``return_std`` the standard deviation says so).

    See Also
    --------
    GraphSmoother : For values that are no counts.
    GraphSmootherClassifier : For classes.
    sklearn.linear_model.PoissonRegressor : For rates that covariates explain, without a graph.

    Notes
    -----
    Found by Laplace's approximation: f, b and c at their most likely values, by Newton's method,
    and a normal distribution about these. Each connected component counts as if one more event had
    been seen there, at the mean rate. So a component without any event gets a small rate, and not
    exactly 0.

    Strengths are chosen by the probability of counts that were held out, Poisson of a lognormal
    mean, so that the uncertainty of f counts. All folds of one strength are solved together; in
    tables of more than 10,000 rows no more folds than hold out as many. On graphs of more than 300
    nodes variances are estimated by draws there, and in predictions of more than 64 nodes on graphs
    of more than 10,000.

    Once chosen, ``overdispersion_`` and ``alpha_`` count as known.

    References
    ----------
    .. [1] J. Besag, J. York and A. Mollié, "Bayesian image restoration, with two applications in
       spatial statistics", Annals of the Institute of Statistical Mathematics 43, 1991.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, GraphPoissonRegressor
    >>> path = Graph.from_networkx(nx.path_graph(4))
    >>> births, rates = [1000, 1000, 1000], [0.008, 0.012, 0.011]
    >>> model = GraphPoissonRegressor(graph=path, alpha=100.0, overdispersion=0.0)
    >>> model.fit([[0], [1], [2]], rates, sample_weight=births).predict([[0], [3]]).round(4)
    array([0.0102, 0.0104])
    >>> model.predict_counts([[3]], exposure=[2000])
    (array([12.]), array([33.]))
    """

    def __init__(
        self,
        *,
        graph: Graph,
        laplacian: str = "combinatorial",
        order: int = 1,
        alpha: float | str = "cv",
        overdispersion: float | str = "cv",
        kappa: float = 0.0,
        cv: int | Iterable | None = None,
        node: Hashable = None,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.laplacian = laplacian
        self.order = order
        self.alpha = alpha
        self.overdispersion = overdispersion
        self.kappa = kappa
        self.cv = cv
        self.node = node
        self.verbose = verbose

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Find the rates behind the counts at the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, which may repeat, and covariates, which enter linearly: time too.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Rates: counts by exposure. Of several signals, NaN where one was not observed and others
            were: that row is left out for that signal.
        sample_weight : array-like of shape (n_rows,), optional
            Exposures: what the counts are counts among. 0 is as not there; by default 1, and y
            counts.

        Returns
        -------
        self
        """
        graph = self._check_parameters()
        check_real("overdispersion", self.overdispersion, minimum=0, word="cv")
        nodes, covariates = self._located(X, graph)
        exposures = check_weights(sample_weight, len(nodes), counted=False)
        rates = check_signals(y, len(nodes), gaps=True, weights=exposures)
        known = ~np.isnan(rates) & (exposures > 0)[:, None]
        _check_rates(rates, known)
        self._learn_scaling(covariates[exposures > 0])
        penalty, components = self._penalty_and_components(graph)
        fits, tables = [], []
        with penalty.at_hand():
            for rate, there in zip(rates.T, known.T, strict=True):
                rows = np.flatnonzero(there)
                problem = self._problem(
                    penalty, components, nodes[rows], covariates[rows], Poisson()
                )
                fit, table = self._fit_one(problem, X, rate, exposures, rows)
                fits.append(fit)
                tables.append(table)
        self.graph_, self._fits, self._single = graph, fits, np.ndim(y) < 2
        self._weighed = sample_weight is not None
        self.cv_results_ = None if tables[0] is None else self._in_one_table(tables, y)
        alphas = [fit.problem.in_units_of_graph(fit.alpha) for fit in fits]
        self.alpha_ = self._one(np.array(alphas))
        self.overdispersion_ = self._one(np.array([fit.own for fit in fits]))
        centre, spread = self._scaling
        effects = np.column_stack([fit.mode.coefficients[:, 0] for fit in fits])
        n_intercepts = len(effects) - len(centre)
        coefficients = effects[n_intercepts:] / spread[:, None]
        signal = np.column_stack([fit.mode.node_signal()[:, 0] for fit in fits])
        signal += effects[:n_intercepts].sum(axis=0) - centre @ coefficients
        self.signal_, self.coef_ = self._one(signal), self._one(coefficients).T
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rate at the rows of X.

        That of the node itself: where it was observed, with its own effect u. The exponential of
        the most likely logarithm: where the node was not observed, as likely too high as too low.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise: here the rate,
            which has a lognormal distribution. This takes a solve per distinct node. They are
            infinite where nothing is known.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included: here a count at
            exposure 1. For intervals of counts see :meth:`predict_counts`.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        std : ndarray of the same shape, if ``return_std``
        """
        check_with_noise(with_noise, return_std)
        nodes, design = self._rows(X, return_std=return_std)
        mean = np.column_stack([np.exp(fit.log_rates(nodes, design)) for fit in self._fits])
        if not return_std:
            return self._one(mean)
        # Of unknown rates it is beyond all numbers.
        with np.errstate(over="ignore"):
            logs = np.column_stack([fit.variances(nodes, design) for fit in self._fits])
            variance = mean**2 * np.exp(logs) * np.expm1(logs)
        return self._one(mean), self._one(np.sqrt(variance + mean if with_noise else variance))

    def predict_counts(
        self,
        X: ArrayLike | pd.DataFrame,
        exposure: ArrayLike | None = None,
        *,
        interval: float = 0.9,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of intervals in which new counts at the rows of X lie.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.
        exposure : array-like of shape (n_rows,), optional
            What the new counts will be counts among; by default 1.
        interval : float, default 0.9
            The probability that a count lies in its interval, ends included, at the least: counts
            are whole numbers. As much is left out on both sides.

        Returns
        -------
        low : ndarray of shape (n_rows,) or (n_rows, n_signals)
            Whole numbers; 0 where nothing is known.
        high : ndarray of the same shape
            Infinite where nothing is known.

        Examples
        --------
        >>> import networkx as nx
        >>> from skginr import Graph, GraphPoissonRegressor
        >>> path = Graph.from_networkx(nx.path_graph(4))
        >>> model = GraphPoissonRegressor(graph=path, alpha=100.0, overdispersion=0.0)
        >>> model = model.fit([[0], [1], [2]], [0.008, 0.012, 0.011], sample_weight=[1000] * 3)
        >>> low, high = model.predict_counts([[3], [3]], exposure=[1000, 2000])
        >>> bool(high[0] < high[1])
        True
        """
        check_real("interval", interval, minimum=0, strict=True)
        if interval >= 1:
            raise ValueError(f"interval must be between 0 and 1, as .9; got {interval}.")
        nodes, design = self._rows(X, return_std=True)
        exposures = _check_exposure(exposure, len(nodes))
        low, high = [], []
        for fit in self._fits:
            centres = fit.log_rates(nodes, design) + np.log(exposures)
            variances = fit.variances(nodes, design)
            lowest = quantile((1 - interval) / 2, centres, variances)
            low.append(np.where(np.isfinite(lowest), lowest, 0.0))
            high.append(quantile((1 + interval) / 2, centres, variances))
        return self._one(np.column_stack(low)), self._one(np.column_stack(high))

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> NDArray[np.float64]:
        """Return rates that may be the true ones, drawn at random, at the rows of X.

        Nodes vary together, as they do: the spread of the mean over a region is that of the means
        of draws, which standard deviations of single nodes cannot tell.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.
        n_samples : int, default 1
            Each takes one solve.
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new counts at exposure 1, and not of the rate.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)
            NaN, with a warning, in components in which nothing was observed.
        """
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        nodes, design = self._rows(X, return_std=False)
        draws = np.empty((len(nodes), len(self._fits), n_samples))
        for signal, fit in enumerate(self._fits):
            problem = fit.problem
            with problem.penalty.at_hand():
                drawn, effects = problem.draw(fit.mode, fit.alpha, fit.own, n_samples, random)
            draws[:, signal] = np.exp(drawn[nodes] + design @ effects)
        if with_noise:
            known = np.isfinite(draws)
            draws[known] = random.poisson(draws[known])
        return draws[:, 0] if self._single else draws

    def score(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return D², the share of the Poisson deviance of rates that is explained.

        1 at best; 0 is that of their mean. Of several signals the mean of theirs.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Rates, without gaps.
        sample_weight : array-like of shape (n_rows,), optional
            Exposures.

        Returns
        -------
        float
            NaN, with a warning, where no row has an event.
        """
        check_is_fitted(self)
        predicted = np.reshape(self.predict(X), (-1, len(self._fits)))
        exposures = check_weights(sample_weight, len(predicted), counted=False)
        rates = check_signals(y, len(predicted), gaps=False, weights=exposures)
        _check_not_negative(rates)
        if not (rates > 0).any(axis=0).all():
            warn(
                "score is not defined where no event was seen: nothing is left to be explained.",
                UndefinedMetricWarning,
            )
            return np.nan
        scores = []
        for rate, found in zip(rates.T, predicted.T, strict=True):
            mean = np.full(len(rate), exposures @ rate / exposures.sum())
            left = mean_poisson_deviance(rate, found, sample_weight=exposures)
            scores.append(1 - left / mean_poisson_deviance(rate, mean, sample_weight=exposures))
        return float(np.mean(scores))

    def _fit_one(
        self,
        problem: LaplaceProblem,
        X: ArrayLike | pd.DataFrame,
        rate: NDArray[np.float64],
        exposures: NDArray[np.float64],
        rows: NDArray[np.intp],
    ) -> tuple[RateFit, pd.DataFrame | None]:
        """Return what is found of one signal, which is known in some rows, and what was tried."""
        y, weights = rate[rows, None], exposures[rows]
        counts = weights * y[:, 0]
        alpha = self._strength_given(problem.penalty)
        own = None if isinstance(self.overdispersion, str) else float(self.overdispersion)
        table = None
        if alpha is None or own is None:
            splits = self._splits(X, rows, len(rate))
            # Of no event no rate is learned.
            splits = [(train, test) for train, test in splits if counts[train].any()]
            if not splits:
                raise ValueError(
                    "cv must train on some positive y; in all of its folds y is zero in every row "
                    "to train on. Give alpha and overdispersion as numbers, or other folds."
                )

            def likelihood(
                held: NDArray[np.intp],
                signal: NDArray[np.float64],
                variance: NDArray[np.float64],
            ) -> float:
                centre = np.log(weights[held]) + signal[:, 0]
                return float(log_probability(counts[held], centre, variance[:, 0]).sum())

            # Exactly as many powers of ten higher, where counts are.
            unit = 10.0 ** np.round(np.log10(counts.mean()))
            alpha, own, table = self._choose(
                problem, y, weights, splits, unit, likelihood, (alpha, own)
            )
            table["alpha"] = problem.in_units_of_graph(table["alpha"])
        mode = problem.fit(alpha, own, y, weights[:, None])
        return RateFit(problem, mode, alpha, own), table

    def _rows(
        self, X: ArrayLike | pd.DataFrame, *, return_std: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        nodes, scaled = self._rows_to_predict(X, return_std=return_std)
        return nodes, self._design(scaled)

    @property
    def _observed(self) -> NDArray[np.bool_]:
        nodes = np.concatenate([fit.problem.nodes for fit in self._fits])
        return with_observations(self.graph_, nodes)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


def _check_rates(rates: NDArray[np.float64], known: NDArray[np.bool_]) -> None:
    """Raise unless rates are rates, some of them of events."""
    _check_not_negative(np.where(known, rates, 0.0))
    nothing = ~(known & (rates > 0)).any(axis=0)
    if nothing.any():
        raise ValueError(
            f"y must be positive in some row of every signal: of column {int(nothing.argmax())} no "
            f"event was seen, which tells that the rate is small, and not how small."
        )


def _check_not_negative(rates: NDArray[np.float64]) -> None:
    bad = rates < 0
    if bad.any():
        row = int(bad.any(axis=1).argmax())
        raise ValueError(
            f"y must not be negative: it is a rate, counts by exposure; got {rates[bad][0]} in row "
            f"{row}. For signals of both signs take GraphSmoother."
        )


def _check_exposure(exposure: ArrayLike | None, n_rows: int) -> NDArray[np.float64]:
    if exposure is None:
        return np.ones(n_rows)
    exposures = check_numeric("exposure", exposure)
    if exposures.shape != (n_rows,) or not (np.isfinite(exposures) & (exposures > 0)).all():
        raise ValueError(
            f"exposure must be finite and positive, one number for each of {n_rows} rows; got "
            f"shape {exposures.shape}, least {exposures.min(initial=np.inf):.3g}, largest "
            f"{exposures.max(initial=-np.inf):.3g}."
        )
    return exposures
