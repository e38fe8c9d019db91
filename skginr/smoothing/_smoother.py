"""GraphSmoother: a signal smoothed over the graph, in closed form."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    SignalsMixin,
    check_count,
    check_flag,
    check_real,
    check_signals,
    check_splits,
    check_verbose,
    check_weights,
    check_with_noise,
    splits_of_rows,
    unchanged_on_error,
    warn_once,
)
from skginr.graphs import (
    Graph,
    as_table,
    check_graph,
    locate_rows,
    with_observations,
)
from skginr.smoothing._generalised import SmoothProblem
from skginr.smoothing._node_predictor import (
    FlatMixin,
    NodePredictor,
    centre_and_spread,
    pairs_of_rows,
    warn_of_no_edges,
)
from skginr.smoothing._posterior import draw, draw_prior, row_variances, variances
from skginr.smoothing._strength import Choice, check_strength, choose_strength, training_rows

# So many values of a covariate at a node, on average, are those of something like time.
_MANY_VALUES = 3


class GraphSmoother(SignalsMixin, FlatMixin, NodePredictor):
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
        Strength of the smoothing. "cv" takes the one whose predictions of held-out rows have the
        least squared error, to half a power of ten; standard deviations then allow for other
        strengths that may be right as well. A number counts as known.
    kappa : float, default 0.0
        Inverse of the distance beyond which nodes have little to do with each other (as in a Matérn
        covariance), in the units of the square root of an eigenvalue. With 0 there is no such
        distance.
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

    See Also
    --------
    CorrectedSmoother : Blends several smoothers and learns where they are wrong; takes longer.
    SpatialGaussianProcessRegressor : For signals that depend on places more than on edges, as most
        maps do.
    SpaceTimeSmoother : For signals that change in time.
    GraphPoissonRegressor : For counts, such as deaths among births.

    Notes
    -----
    Where weights differ by many powers of ten the system is solved without powers of B, up to
    40,000 nodes by ``order``, and a warning names nodes at which rounding decides all the same. On
    larger graphs weights beyond 1e9 times the median (the root of that by ``order``) count as so
    much, with that warning.

    Solved by conjugate gradients, all folds at once, with a sparse factorisation where those are
    slow. Time and memory go with the number of edges. ``predict(X, return_std=True)`` solves one
    system for each distinct node asked for and each strength that counts.

    A row of weight 2 counts exactly as the row twice at a given ``alpha``, and with folds that hold
    out both copies at once. Random folds of a table with repeated rows do not do that: the copy
    that stays predicts the one held out, and the strength comes out too weak. Give weights instead.

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
        alpha: float | str | ArrayLike = "cv",
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
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Smooth the signals observed at the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, which may repeat, and covariates, which enter linearly: time too.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Of several signals, NaN where one was not observed and others were: that row is left
            out for that signal.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, such as populations, give those divided by their mean.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        self._check_penalty(forgets=False)
        check_verbose(self.verbose)
        nodes, covariates = locate_rows(self, X, graph, reset=True)
        weights = check_weights(sample_weight, len(nodes))
        signals = check_signals(y, len(nodes), gaps=True, weights=weights)
        self._check_alpha(signals.shape[1])
        warn_of_no_edges(graph)
        self._warn_of_times(as_table(X), graph, nodes, covariates)
        self._centre, self._spread = centre_and_spread(covariates[weights > 0])
        problem = self._problem(graph, nodes, self._scaled(covariates), signals, weights)
        with problem.penalty.at_hand():
            choices = self._choose(problem, X) if isinstance(self.alpha, str) else None
            best = self._given(problem) if choices is None else [choice.best for choice in choices]
            fit = problem.fit_each(np.array(best))
        _warn_doubtful(graph, fit.doubtful, self.order)
        self.graph_, self._problem_ = graph, problem
        self._single = np.ndim(y) < 2
        self._weighed = sample_weight is not None
        self._likely = (
            [(np.array([alpha]), np.ones(1)) for alpha in best]
            if choices is None
            else [(choice.likely, choice.weights) for choice in choices]
        )
        self.cv_results_ = (
            None if choices is None else self._in_one_table([choice.tried for choice in choices], y)
        )
        self.alpha_ = self._one(problem.in_units_of_graph(np.array(best)))
        coefficients = fit.coefficients / self._spread[:, None]
        self.signal_ = self._one(fit.signal - self._centre @ coefficients)
        self.coef_ = self._one(coefficients).T
        self.noise_variance_ = self._one(fit.noise)
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise. This takes a
            solve per distinct node and likely strength. They are infinite where nothing is known,
            and everywhere if no row is left to tell the noise by.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        std : ndarray of the same shape, if ``return_std``
        """
        check_with_noise(with_noise, return_std)
        nodes, covariates = self._rows_to_predict(X, return_std=return_std)
        mean = self._means(nodes, covariates)
        if not return_std:
            return self._one(mean)
        problem = self._fitted_problem()
        variance = np.zeros(mean.shape)
        with problem.penalty.at_hand():
            for alpha, signals, weights in self._likely_strengths():
                fit = problem.fit(alpha, 1e-10, signals=signals)[0]
                apart = fit.signal[nodes] + covariates @ fit.coefficients - mean[:, signals]
                spread = variances(problem, fit, alpha, signals, nodes, covariates)
                variance[:, signals] += weights * (spread + apart**2)
        if with_noise:
            variance += self.noise_variance_
        return self._one(mean), self._one(np.sqrt(variance))

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> NDArray[np.float64]:
        """Return signals that may be the true one, drawn at random, at the rows of X.

        Nodes vary together, as they do: the spread of the mean over a region is that of the means
        of draws, which standard deviations of single nodes cannot tell. Before ``fit`` draws are
        from the prior, of mean 0 and in standard deviations of the noise, for which ``kappa`` has
        to be above 0 and ``alpha`` a number.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.
        n_samples : int, default 1
            Each takes one solve.
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of the signal.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)
            NaN, with a warning, in components in which nothing was observed.
        """
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        if not hasattr(self, "graph_"):
            return self._sample_prior(X, n_samples, random, with_noise)
        nodes, covariates = self._rows_to_predict(X, return_std=False)
        problem = self._fitted_problem()
        if not np.isfinite(self.noise_variance_).all():
            raise ValueError(
                "sample_y needs more rows than what is fitted at no cost: no row is left to tell "
                "the noise by."
            )
        draws = np.empty((len(nodes), problem.n_signals, n_samples))
        with problem.penalty.at_hand():
            for signal, alpha, mine in self._strengths_drawn(n_samples, random):
                drawn = draw(problem, alpha, signal, len(mine), random)
                draws[:, signal, mine] = drawn.signal[nodes] + covariates @ drawn.coefficients
        if with_noise:
            spread = np.sqrt(np.reshape(self.noise_variance_, (-1, 1)))
            draws += spread * random.standard_normal(draws.shape)
        return draws[:, 0] if self._single else draws

    def _means(
        self, nodes: NDArray[np.intp], covariates: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return predictions of shape (n_rows, n_signals)."""
        coefficients = np.atleast_2d(self.coef_).T
        signal = self.signal_.reshape(len(self.signal_), -1) + self._centre @ coefficients
        return signal[nodes] + covariates @ (coefficients * self._spread[:, None])

    def _likely_strengths(
        self,
    ) -> Iterator[tuple[float, NDArray[np.intp], NDArray[np.float64]]]:
        """Yield relative strengths that may be right, of which signals, and how likely for each."""
        for alpha in np.unique(np.concatenate([likely for likely, _ in self._likely])):
            weights = np.array([weights[likely == alpha].sum() for likely, weights in self._likely])
            signals = np.flatnonzero(weights > 0)
            yield float(alpha), signals, weights[signals]

    def _strengths_drawn(
        self, n_samples: int, random: np.random.RandomState
    ) -> Iterator[tuple[int, float, NDArray[np.intp]]]:
        """Yield signals, strengths drawn as they are likely, and the numbers of their draws."""
        for signal, (likely, weights) in enumerate(self._likely):
            drawn = random.choice(likely, n_samples, p=weights)
            for alpha in np.unique(drawn):
                yield signal, float(alpha), np.flatnonzero(drawn == alpha)

    def _sample_prior(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int,
        random: np.random.RandomState,
        with_noise: bool,
    ) -> NDArray[np.float64]:
        graph = check_graph(self.graph)
        self._check_penalty(forgets=False)
        if self.kappa == 0 or np.ndim(self.alpha) or isinstance(self.alpha, str):
            raise ValueError(
                f"sample_y before fit draws from the prior, for which kappa must be above 0 and "
                f"alpha a number; got kappa={self.kappa} and alpha={self.alpha!r}. Or fit first."
            )
        self._check_alpha(1)
        # Of a clone, as nothing may look fitted.
        nodes, _ = locate_rows(clone(self), X, graph, reset=True)
        penalty, _ = self._penalty(graph)
        with penalty.at_hand():
            draws = draw_prior(
                penalty, float(np.asarray(self.alpha)) * penalty.scale, n_samples, random
            )
        return draws[nodes] + with_noise * random.standard_normal((len(nodes), n_samples))

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
                f"signal that rises and falls with time, only a trend is kept. If one is a time, "
                f"use SpaceTimeSmoother(graph=graph, node={node!r}, time={varying[0]!r}).",
            )

    def predict_out_of_fold(
        self,
        splits: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
        return_std: bool = False,
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return predictions of the rows of ``fit``, each made from the folds without it.

        What ``cross_val_predict`` returns at ``alpha=alpha_``, all folds solved at once.

        Parameters
        ----------
        splits : iterable of (train, test)
            As by ``cv.split(X, y)``; a row in one test set, or NaN if in none.
        return_std : bool, default False
            Whether to also return standard deviations of rows of weight 1, noise included, as
            ``predict`` does with ``with_noise=True``.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals)
        std : ndarray of the same shape, if ``return_std``

        Examples
        --------
        >>> import networkx as nx
        >>> import numpy as np
        >>> from sklearn.model_selection import KFold
        >>> from skginr import Graph, GraphSmoother
        >>> ring = Graph.from_networkx(nx.cycle_graph(20))
        >>> X, y = np.arange(20)[:, None], np.sin(np.arange(20) * np.pi / 10)
        >>> smoother = GraphSmoother(graph=ring).fit(X, y)
        >>> folds = KFold(4, shuffle=True, random_state=0).split(X)
        >>> smoother.predict_out_of_fold(folds).shape
        (20,)
        """
        check_flag("return_std", return_std)
        problem = self._fitted_problem()
        pairs = pairs_of_rows(splits)
        splits = check_splits(pairs, problem.y, problem.y, name="splits", once=True)
        training, held_out = training_rows(splits, problem.weights > 0)
        mean, variance = np.full((2, *problem.y.shape), np.nan)
        alphas = problem.relative(np.atleast_1d(self.alpha_))
        with problem.penalty.at_hand():
            for alpha in np.unique(alphas):
                signals = np.flatnonzero(alphas == alpha)
                fits = problem.fit(float(alpha), 1e-7, training=training, signals=signals)
                for fold, (fit, rows) in enumerate(zip(fits, held_out, strict=True)):
                    mean[np.ix_(rows, signals)] = problem.predict(fit)[rows]
                    if return_std:
                        left = problem.without(training[:, fold])
                        found = row_variances(left, fit, float(alpha), signals, rows)
                        variance[np.ix_(rows, signals)] = found
        return (self._one(mean), self._one(np.sqrt(variance))) if return_std else self._one(mean)

    def tuned_clone(self) -> Self:
        """Return an unfitted copy whose ``alpha`` is the one that ``fit`` has chosen.

        Returns
        -------
        GraphSmoother

        Examples
        --------
        >>> import networkx as nx
        >>> import numpy as np
        >>> from skginr import Graph, GraphSmoother
        >>> ring = Graph.from_networkx(nx.cycle_graph(20))
        >>> X, y = np.arange(20)[:, None], np.sin(np.arange(20) * np.pi / 10)
        >>> smoother = GraphSmoother(graph=ring).fit(X, y)
        >>> smoother.tuned_clone().alpha == smoother.alpha_
        True
        """
        check_is_fitted(self)
        return clone(self).set_params(alpha=self.alpha_)

    @property
    def _scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Two attributes in every file.
        return self._centre, self._spread

    @property
    def _observed(self) -> NDArray[np.bool_]:
        problem = self._problem_
        # In files of earlier versions every row counts.
        weights = vars(problem).get("weights")
        nodes = problem.nodes if weights is None else problem.nodes[weights.any(axis=1)]
        return with_observations(self.graph_, nodes)

    def _fitted_problem(self) -> SmoothProblem:
        check_is_fitted(self)
        if not hasattr(self, "_likely"):
            raise ValueError(
                "this smoother is from a file of an earlier version, and does nothing but predict: "
                "fit it again first."
            )
        return self._problem_

    def _check_alpha(self, n_signals: int) -> None:
        """Raise unless ``alpha`` is a word, a number, or one for each signal."""
        if np.ndim(self.alpha) == 0:
            check_real("alpha", self.alpha, minimum=0, strict=True, word="cv")
            return
        if np.shape(self.alpha) != (n_signals,):
            raise ValueError(
                f"alpha must be a number, 'cv', or {n_signals} numbers, one for each column of y; "
                f"got shape {np.shape(self.alpha)}."
            )
        for alpha in np.asarray(self.alpha).tolist():
            check_real("alpha", alpha, minimum=0, strict=True)

    def _given(self, problem: SmoothProblem) -> list[float]:
        """Return the relative strengths that ``alpha`` means."""
        alphas = np.broadcast_to(np.asarray(self.alpha, dtype=float), problem.n_signals)
        relative = problem.relative(alphas).tolist()
        for alpha, given in zip(relative, alphas, strict=True):
            check_strength(alpha, given)
        return relative

    def _choose(self, problem: SmoothProblem, X: ArrayLike | pd.DataFrame) -> list[Choice]:
        """Return the strengths that predict held-out rows best."""
        known = problem.weights > 0
        used = np.flatnonzero(known.any(axis=1))
        if known.sum(axis=0).min() < 2:
            raise ValueError(
                "alpha='cv' needs at least 2 rows of every signal; got n_samples = 1. Give alpha "
                "as a number."
            )
        splits = splits_of_rows(10 if self.cv is None else self.cv, X, problem.y, used)
        return choose_strength(problem, splits, verbose=self.verbose)

    def _problem(
        self,
        graph: Graph,
        nodes: NDArray[np.intp],
        covariates: NDArray[np.float64],
        signals: NDArray[np.float64],
        weights: NDArray[np.float64],
    ) -> SmoothProblem:
        penalty, components = self._penalty_and_components(graph)
        design = self._design(covariates)
        known = ~np.isnan(signals) & (weights > 0)[:, None]
        if not known.any(axis=0).all():
            raise ValueError(
                f"sample_weight must be positive for some known row of every signal; column "
                f"{int((~known.any(axis=0)).argmax())} of y has none."
            )
        # As bytes: to sort columns of flags takes longer than to solve for them.
        bits = np.ascontiguousarray(np.packbits(known, axis=0).T)
        keys = bits.view(np.dtype((np.void, bits.shape[1]))).ravel()
        _, of_pattern, patterns = np.unique(keys, return_index=True, return_inverse=True)
        # Strengths are looked for near that of rows that count once; exactly as many powers of ten
        # higher they are the same ones.
        unit = 10.0 ** np.round(np.log10(weights[weights > 0].mean()))
        return SmoothProblem(
            penalty=penalty,
            components=components,
            nodes=nodes,
            y=np.where(known, signals, 0.0),
            weights=known[:, of_pattern] * (weights / unit)[:, None],
            patterns=patterns.ravel(),
            unit=float(unit),
            design=design,
            n_intercepts=design.shape[1] - covariates.shape[1],
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
