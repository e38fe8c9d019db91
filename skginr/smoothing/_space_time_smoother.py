"""SpaceTimeSmoother: a signal of nodes and times, smoothed over both."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    Progress,
    SignalsMixin,
    Splits,
    TimeScale,
    check_count,
    check_flag,
    check_signals,
    check_splits,
    check_verbose,
    check_weights,
    check_with_noise,
    open_progress,
    unchanged_on_error,
    warn,
)
from skginr.graphs import (
    Graph,
    NodeEstimator,
    SpaceTimeKFold,
    check_graph,
    check_laplacian,
    locate_rows_in_time,
)
from skginr.smoothing._node_predictor import centre_and_spread, warn_of_no_edges
from skginr.smoothing.spacetime import (
    Block,
    FieldFit,
    FieldModel,
    Rows,
    Strengths,
    Table,
    TimeGrid,
    Waves,
    choose_strengths,
    draw_blocks,
    grid_of,
    seasons_of,
)

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Ways to hold out rows by which strengths are chosen, and folds of each.
_HOLD_OUT, _N_FOLDS = ("entries", "runs", "nodes", "times"), 8
_N_BLOCKS = 12
# Waves of a period that a covariate's coefficient may have.
_OF_EFFECTS = 2
# Variance of such coefficients before, in those of y.
_FREE = 10.0
# Harmonics of a period.
_N_HARMONICS = 12
# Of the variance of y: the least noise.
_NOISE_FLOOR = 1e-4
# Draws that standard deviations are of, which then have an error of 9%; and of large grids, where
# each takes most of a minute: 18%.
_N_DRAWS, _FEW_DRAWS, _LARGE = 64, 16, 1_000_000
# Times the record, that a grid may be long.
_REACH = 4
_PERIODS = ("day", "week", "year")


class SpaceTimeSmoother(SignalsMixin, NodeEstimator):
    """Smoothing of a signal over the nodes of a graph and over time.

    The signal is a Gaussian process: a sum of parts, each the product of a covariance in space and
    one in time, and noise. In space a part is common to all nodes, smooth over the graph (a Matérn
    covariance), or a node's own; in time it is a constant level, a wave that repeats with a period,
    or something that fades within few or many steps. The size of each part, and how far it reaches
    in space and time, are chosen so that held-out rows are most probable. Held out are entries,
    runs in time at a node, whole nodes and whole times, unless ``cv`` says what is going to be
    predicted.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, \
default "combinatorial"
        As in :class:`~skginr.SpectralEmbedder`.
    order : {1, 2, 3}, default 2
        Smoothness over the graph, as in :class:`~skginr.GraphSmoother`.
    time_order : {1, 2, 3}, default 2
        Smoothness in time of what fades fast: a Matérn covariance of smoothness
        ``time_order - 1/2``, once differentiable with 2.
    periods : "auto" or sequence, default "auto"
        Lengths of what repeats: numbers in the unit of times, or for datetimes "day", "24h", "7D",
        "year" and so on. For datetimes "auto" takes a day, a week and a year, each if the record
        covers it twice, in steps of less than half of it. For numbers it takes none.
    cv : int, splitter or iterable, optional
        Folds by which strengths are chosen, as in scikit-learn. Where you know what will be
        predicted, give folds like it, such as ``SpaceTimeKFold(hold_out="nodes", ...)``.
    strengths : Strengths or list of them, optional
        ``strengths_`` of a fitted smoother, to be used as they are, without choosing; of several
        signals a list, one for each.
    n_waves : int, optional
        Eigenvectors of the Laplacian that covariances in space are made of. Default: all, on graphs
        of up to 3,000 nodes, and else 1,000; finer detail then counts as a node's own.
    node, time : int or column name, optional
        The columns of X that hold node labels and times: positions, or names where X is a
        DataFrame. Default: the first that names nodes, and the one of datetimes, or the only other.
    random_state : int, RandomState instance or None, default 0
        Of rows by which strengths are chosen, and of draws behind standard deviations.
    verbose : {0, 1}, default 0
        Whether to show progress.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    periods_ : tuple of float
        Periods used, in the unit of times: hours, months where all times are of the same day of a
        month, or that of numbers.
    strengths_ : Strengths or list of them
        Variances of parts, the inverse reach of each in space (kappa) and the reach in time.
    noise_variance_ : float or ndarray of shape (n_signals,)
        Variance of a row of weight 1 about the signal.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or times are neither numbers nor datetimes.
    ValueError
        If ``strengths`` are of another ``order``, ``time_order``, ``periods`` or unit of times, a
        label is unknown, a time is missing or of another kind than those of ``fit`` (with a
        time zone, and without), rows are of one time only, a period is no length of time, y is not
        finite or of another length, or a time to be predicted is farther from those of ``fit`` than
        three times these reach.

    Warns
    -----
    UserWarning
        If the graph has no edges, a period is longer than the record, or times are so unevenly
        spread that most are nearer each other than what they are moved to.

    See Also
    --------
    GraphImputer : Fills a wide table, a row per time and a column per node.
    SpaceTimeKFold : Folds of such tables, made of what will be missing in use.
    GraphSmoother : For signals that do not change in time.
    skginr.plotting.plot_record : Draws observations and predictions of a few nodes against time.

    Notes
    -----
    Other columns of X are covariates: each enters linearly, with a coefficient that may change with
    the seasons. Rows of the same node and time are repeated observations.

    Strengths are chosen on blocks of 400 rows, near each other and far, so that the time it takes
    does not grow with the table. The field is then found on the whole grid of observed nodes by
    times by conjugate gradients, in modes of space (eigenvectors) and time (cosines), in which the
    covariance is diagonal; time and memory go with the size of that grid and the number of observed
    nodes. Nothing of the size of all rows by all rows is formed. Times that are on no regular grid
    are moved to one with a quarter of their mean step, or less.

    ``predict(X, return_std=True)`` and ``sample_y`` draw from the posterior, a solve each. They
    take strengths for known. Variances, the noise among them, are scaled alike until 90% intervals
    hold 90% of entries held out at random, if by the strengths chosen they would hold fewer; not
    where nodes by times are more than a million.

    A trend is a covariate: the time once more, as a number.

    References
    ----------
    A. E. Gelfand, P. J. Diggle, M. Fuentes and P. Guttorp, "Handbook of Spatial Statistics", 2010,
    chapter 23. P. Whittle, "Stochastic processes in several dimensions", 1963.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, SpaceTimeSmoother
    >>> ring = Graph.from_networkx(nx.cycle_graph(12))
    >>> hours = pd.date_range("2024-05-01", periods=72, freq="h")
    >>> X = pd.MultiIndex.from_product([range(12), hours], names=["sensor", "time"]).to_frame(False)
    >>> hour = X["time"].dt.hour + X["sensor"] / 2
    >>> y = 10 + 3 * np.sin(hour * np.pi / 12)
    >>> known = np.random.default_rng(0).random(len(X)) < 0.8
    >>> smoother = SpaceTimeSmoother(graph=ring).fit(X[known], y[known])
    >>> round(smoother.score(X[~known], y[~known]), 2)
    1.0
    """

    strengths_: Strengths | list[Strengths]

    _time_scale: TimeScale

    def __init__(
        self,
        *,
        graph: Graph,
        laplacian: str = "combinatorial",
        order: int = 2,
        time_order: int = 2,
        periods: str | Sequence[Any] = "auto",
        cv: int | Iterable | None = None,
        strengths: Strengths | list[Strengths] | None = None,
        n_waves: int | None = None,
        node: Hashable = None,
        time: Hashable = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.laplacian = laplacian
        self.order = order
        self.time_order = time_order
        self.periods = periods
        self.cv = cv
        self.strengths = strengths
        self.n_waves = n_waves
        self.node = node
        self.time = time
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Choose the strengths, and find the field.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 2 + n_covariates)
            Node labels, times, and covariates.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Each signal gets strengths of its own. Of several, values may be NaN: a signal does
            without such rows.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        self._check_parameters()
        nodes, times, covariates = locate_rows_in_time(self, X, graph, reset=True)
        weights = check_weights(sample_weight, len(nodes))
        signals = check_signals(y, len(nodes), gaps=True, weights=weights)
        given = self._given(signals.shape[1])
        warn_of_no_edges(graph)
        if given is None:
            self._set_periods(times[weights > 0])
        else:
            times = self._in_unit_of(given[0].model, times)
            self._take_periods(given[0].model)
        self._centre, self._spread = centre_and_spread(covariates[weights > 0])
        rows = Rows(nodes, times, self._effects(times, covariates))
        known = [(weights > 0) & np.isfinite(signal) for signal in signals.T]
        if given is None:
            for signal in known:
                _check_times(times[signal])
        random = check_random_state(self.random_state)
        folds = self._folds(X, signals[:, 0], random) if given is None else []
        each = [
            _Signal.of(rows, signal, weights, mine)
            for signal, mine in zip(signals.T, known, strict=True)
        ]
        with open_progress("space and time", unit="steps", verbose=self.verbose) as progress:
            self._waves = Waves(graph, self.laplacian, self.n_waves, progress)
            if given is None:
                fits = [
                    self._chosen(graph, signal, [fold[mine] for fold in folds], random, progress)
                    for signal, mine in zip(each, known, strict=True)
                ]
            else:
                fits = [
                    signal.fit(strengths, self._waves, progress)
                    for signal, strengths in zip(each, given, strict=True)
                ]
        centres = [signal.centre for signal in each]
        self.graph_, self._fits, self._centres = graph, fits, np.array(centres)
        self._single = np.ndim(y) < 2
        self._weighed = sample_weight is not None
        used = [fit.strengths for fit in fits]
        self.strengths_ = used[0] if self._single else used
        self.noise_variance_ = self._one(np.array([one.noise for one in used]))
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> _Numbers | tuple[_Numbers, _Numbers]:
        """Return the signal at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Any nodes of the graph, any times, and the covariates of ``fit``.
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise. They are those
            of 64 draws, or of 16 where nodes by times are more than a million.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        std : ndarray of the same shape, if ``return_std``
        """
        check_with_noise(with_noise, return_std)
        rows, fits = self._rows_to_predict(X)
        mean = np.stack([fit.mean(self._waves, rows) for fit in fits], axis=1) + self._centres
        if not return_std:
            return self._one(mean)
        random = check_random_state(self.random_state)
        n_draws = _FEW_DRAWS if max(fit.weights.size for fit in fits) > _LARGE else _N_DRAWS
        spread = [
            np.mean((draws - (m - c)[:, None]) ** 2, axis=1)
            for draws, m, c in zip(
                self._draws(fits, rows, n_draws, random), mean.T, self._centres, strict=True
            )
        ]
        variance = np.stack(spread, axis=1)
        if with_noise:
            variance = variance + self.noise_variance_
        return self._one(mean), self._one(np.sqrt(variance))

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> _Numbers:
        """Return signals that may be the true one, drawn at random, at the rows of X.

        Nodes and times vary together, as they do: the spread of a mean over a region or a year is
        that of the means of draws.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Any nodes of the graph, any times, and the covariates of ``fit``.
        n_samples : int, default 1
            Each takes one solve.
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of the signal.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)
        """
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        rows, fits = self._rows_to_predict(X)
        draws = np.stack(list(self._draws(fits, rows, n_samples, random)), axis=1)
        draws += self._centres[:, None]
        if with_noise:
            noise = np.sqrt(np.reshape(self.noise_variance_, (-1, 1)))
            draws += noise * random.standard_normal(draws.shape)
        return draws[:, 0] if self._single else draws

    def tuned_clone(self) -> Self:
        """Return an unfitted copy that uses the strengths that ``fit`` has chosen.

        Returns
        -------
        estimator
        """
        check_is_fitted(self)
        return clone(self).set_params(strengths=self.strengths_)

    def _check_parameters(self) -> None:
        check_laplacian(self.laplacian)
        for name in ("order", "time_order"):
            if getattr(self, name) not in (1, 2, 3):
                raise ValueError(f"{name} must be 1, 2 or 3; got {getattr(self, name)!r}.")
        if self.n_waves is not None:
            check_count("n_waves", self.n_waves, minimum=1)
        check_verbose(self.verbose)

    def _given(self, n_signals: int) -> list[Strengths] | None:
        """Return the strengths that are given, one for each signal."""
        given = self.strengths
        if given is None:
            return None
        each = list(given) if isinstance(given, list | tuple) else [given]
        if not all(isinstance(one, Strengths) for one in each) or len(each) != n_signals:
            raise ValueError(
                f"strengths must be strengths_ of a fitted SpaceTimeSmoother, one for each of "
                f"{n_signals} signals; got {given!r}."
            )
        return each

    def _set_periods(self, times: _Numbers) -> None:
        """Keep the periods that there are, given the times of fit."""
        scale, distinct = self._time_scale, np.unique(times)
        span = np.ptp(distinct)
        if isinstance(self.periods, str) and self.periods == "auto":
            lengths = (
                [] if scale.unit == "number" else [scale.length(p, "periods") for p in _PERIODS]
            )
            step = np.median(np.diff(distinct)) if len(distinct) > 1 else np.inf
            self.periods_ = tuple(p for p in lengths if 2 * step < p <= span / 2)
            return
        self.periods_ = self._lengths(self.periods)
        longer = [p for p, length in zip(self.periods, self.periods_, strict=True) if length > span]
        if longer:
            warn(
                f"periods {longer} are longer than the record: what repeats is not told from what "
                f"fades."
            )

    def _lengths(self, periods: Any) -> tuple[float, ...]:
        if isinstance(periods, str):
            raise ValueError(
                f"periods must be 'auto' or a list of periods; got {periods!r}. Give [{periods!r}]."
            )
        if not isinstance(periods, list | tuple | np.ndarray | pd.Index):
            raise TypeError(f"periods must be 'auto' or a list of periods; got {periods!r}.")
        return tuple(self._time_scale.length(period, "periods") for period in periods)

    def _in_unit_of(self, model: FieldModel, times: _Numbers) -> _Numbers:
        """Return times in the unit of strengths: a month alone tells of no months."""
        scale = self._time_scale
        if scale.unit == model.unit or "number" in (scale.unit, model.unit):
            return times
        self._time_scale = dataclasses.replace(scale, unit=model.unit)
        return self._time_scale.numbers(scale.times(times))

    def _take_periods(self, model: FieldModel) -> None:
        """Keep the periods of strengths, which must be of such fields as are asked for."""
        auto = isinstance(self.periods, str) and self.periods == "auto"
        self.periods_ = model.periods if auto else self._lengths(self.periods)
        for name, now, then in (
            ("unit of times", self._time_scale.unit, model.unit),
            ("order", self.order, model.order),
            ("time_order", self.time_order, model.time_order),
            ("periods", self.periods_, model.periods),
        ):
            if now != then:
                raise ValueError(
                    f"strengths were chosen for another {name}, {then!r}; got {now!r}. Choose them "
                    f"anew, strengths=None."
                )

    def _effects(self, times: _Numbers, covariates: _Numbers) -> _Numbers:
        """Return scaled covariates, and each times the first waves of periods."""
        scaled = (covariates - self._centre) / self._spread
        seasons = seasons_of(times, self.periods_, _OF_EFFECTS)
        return (scaled[:, :, None] * seasons[:, None, :]).reshape(len(times), -1)

    def _folds(
        self, X: ArrayLike | pd.DataFrame, y: _Numbers, random: np.random.RandomState
    ) -> list[_Indices]:
        """Return fold numbers of rows, -1 where one is not held out, by way of holding out."""
        if self.cv is not None:
            return _numbered(check_splits(self.cv, X, y, random_state=random), len(y))
        found = []
        for hold_out in _HOLD_OUT:
            folds = SpaceTimeKFold(
                _N_FOLDS,
                hold_out=hold_out,
                graph=self.graph,
                node=self._node_column,
                time=self._time_column,
                random_state=random.randint(np.iinfo(np.int32).max),
            )
            try:
                splits = [(train, test) for train, test in folds.split(X)]
            except ValueError:
                # Fewer nodes or times than folds.
                continue
            found += _numbered(splits, len(y))
        if not found:
            found += _numbered(check_splits(2, X, y, random_state=random), len(y))
        return found

    def _chosen(
        self,
        graph: Graph,
        signal: _Signal,
        folds: list[_Indices],
        random: np.random.RandomState,
        progress: Progress,
    ) -> FieldFit:
        """Return the fit by the strengths that make rows held out of blocks most probable."""
        # What is drawn depends on the table, and not on the order of its rows.
        order = np.lexsort((signal.y, signal.rows.times, signal.rows.nodes))
        signal, folds = signal[order], [fold[order] for fold in folds]
        distinct, of_time = np.unique(signal.rows.times, return_inverse=True)
        model = self._model(signal, distinct)
        table = Table(signal.rows.nodes, of_time)
        drawn = draw_blocks(table, graph.adjacency, _N_BLOCKS, random)
        blocks = [signal.block(rows, self._waves, folds, _FREE * model.variance) for rows in drawn]
        strengths = choose_strengths(model, self._waves, blocks, progress)
        fit = signal.fit(strengths, self._waves, progress)
        if fit.weights.size > _LARGE:
            return fit
        return fit.with_deviations(fit.deviation_factor(self._waves, random, progress))

    def _model(self, signal: _Signal, distinct: _Numbers) -> FieldModel:
        step, span = float(np.median(np.diff(distinct))), float(np.ptp(distinct))
        variance = float(np.average(signal.y**2, weights=signal.weights))
        # Shorter waves are others' aliases.
        harmonics = tuple(
            max(min(_N_HARMONICS, int(period / (2 * step))), 1) for period in self.periods_
        )
        variance = variance or 1.0
        return FieldModel(
            self.order,
            self.time_order,
            self.periods_,
            harmonics,
            step,
            span,
            variance,
            _NOISE_FLOOR * variance,
            self._time_scale.unit,
        )

    def _rows_to_predict(self, X: ArrayLike | pd.DataFrame) -> tuple[Rows, list[FieldFit]]:
        """Return rows, and fits that reach as far in time."""
        check_is_fitted(self)
        nodes, times, covariates = locate_rows_in_time(self, X, self.graph_, reset=False)
        rows = Rows(nodes, times, self._effects(times, covariates))
        for fit in self._fits:
            self._check_reach(fit, times)
        with open_progress("space and time", unit="steps", verbose=self.verbose) as progress:
            return rows, [fit.reaching(self._waves, times, progress) for fit in self._fits]

    def _check_reach(self, fit: FieldFit, times: _Numbers) -> None:
        first, last = fit.grid.times[[0, -1]]
        low, high = min(first, times.min()), max(last, times.max())
        if high - low > _REACH * (last - first + fit.grid.step):
            far = times.min() if first - low > high - last else times.max()
            raise ValueError(
                f"X has times too far from those of fit: {self._time_scale.times([far])[0]}, where "
                f"these are from {self._time_scale.times([first])[0]} to "
                f"{self._time_scale.times([last])[0]}. Nothing is known so far away but the mean."
            )

    def _draws(
        self, fits: list[FieldFit], rows: Rows, n_draws: int, random: np.random.RandomState
    ) -> Iterator[_Numbers]:
        with open_progress(
            "draws", unit="draws", total=n_draws * len(fits), verbose=self.verbose
        ) as progress:
            for fit in fits:
                yield fit.draws(self._waves, rows, n_draws, random, progress)


@dataclasses.dataclass(frozen=True, eq=False)
class _Signal:
    """Rows where a signal is known, its values about their mean, and weights."""

    rows: Rows
    y: _Numbers
    weights: _Numbers
    centre: float

    @classmethod
    def of(cls, rows: Rows, y: _Numbers, weights: _Numbers, known: NDArray[np.bool_]) -> Self:
        centre = float(np.average(y[known], weights=weights[known]))
        return cls(rows[known], y[known] - centre, weights[known], centre)

    def __getitem__(self, which: _Indices) -> _Signal:
        return _Signal(self.rows[which], self.y[which], self.weights[which], self.centre)

    def fit(self, strengths: Strengths, waves: Waves, progress: Progress) -> FieldFit:
        """Return the field given all rows."""
        grid = _grid_of(np.unique(self.rows.times))
        return FieldFit.of(strengths, waves, self.rows, self.y, self.weights, grid, progress)

    def block(self, which: _Indices, waves: Waves, folds: list[_Indices], free: float) -> Block:
        """Return some rows as a block, with the folds that hold out a part of it."""
        rows = self.rows[which]
        nodes, of_node = np.unique(rows.nodes, return_inverse=True)
        times, of_time = np.unique(rows.times, return_inverse=True)
        held_out = [
            np.flatnonzero(fold[which] == number)
            for fold in folds
            for number in np.unique(fold[which])
            if number >= 0
        ]
        return Block(
            waves.vectors[nodes],
            of_node,
            of_time,
            np.subtract.outer(times, times),
            self.y[which, None],
            self.weights[which],
            free * rows.effects @ rows.effects.T,
            [fold for fold in held_out if len(fold) < len(which)],
        )


def _grid_of(times: _Numbers) -> TimeGrid:
    """Return the grid of distinct ascending times, and say so if it is too coarse for them."""
    grid = grid_of(times)
    if len(times) > 1 and grid.step > np.median(np.diff(times)):
        warn(
            f"most times of X are nearer each other than what they are moved to, steps of "
            f"{grid.step:.3g}: the record is so long that what changes faster is lost. Fit parts "
            f"of it that are far from each other by themselves."
        )
    return grid


def _check_times(times: _Numbers) -> None:
    if len(np.unique(times)) < 2:
        raise ValueError(
            "X must have rows of two times at least, of every signal; got one time. Of a signal at "
            "one time use GraphSmoother."
        )


def _numbered(splits: Splits, n_rows: int) -> list[_Indices]:
    """Return the number of the fold that holds out each row, -1 where none does.

    Of folds that overlap several such arrays.
    """
    found: list[_Indices] = []
    for number, (_, test) in enumerate(splits):
        free = next((each for each in found if (each[test] < 0).all()), None)
        if free is None:
            free = np.full(n_rows, -1)
            found.append(free)
        free[test] = number
    return found
