"""SharedCorrector: what is learned of many signals on many graphs, and applied to another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import (
    check_count,
    check_flag,
    check_real,
    check_signals,
    check_splits,
    check_verbose,
    check_with_noise,
    deviation_factor,
    open_progress,
    positive,
    unchanged_on_error,
    warn,
)
from skginr.fields._local_features import (
    N_NEIGHBORS,
    LeftOut,
    Place,
    Seen,
    misfit_of,
    nearest,
    pairs_at,
    place_of,
    see,
    stretch_of,
)
from skginr.fields._local_kernel import LocalKernel, Pairs, fit_kernel
from skginr.graphs import Graph, NodeEstimator, as_table, check_graph, check_has_rows, locate_nodes
from skginr.network import SIRENRegressor
from skginr.smoothing import centre_and_spread
from skginr.spectral import check_graphs, rows_by_graph
from skginr.stacking import check_regressor

# Nodes at which a signal must be known to be learned from, and to be predicted.
_FEWEST, _LEAST = 2 * N_NEIGHBORS, 10
# Nodes of a mask that are predicted, and those of all masks by which the kernel is chosen.
_ROWS, _KERNEL_ROWS = 400, 2_500
# Spacings of observations at which weights are chosen; between them they change evenly.
_KNOTS = 4
# Standardised columns are cut off there: a corrector must not see what it never saw.
_CLIP = 5.0
# Of the nearest, by whose mean it is guessed how large errors will be.
_FIRST = 6
# The misfit of observations left out that is usual, as a quantile over masks; how many times that
# is another kind of signal.
_USUAL, _UNLIKE = 0.9, 2.0
# How much farther from each other observations are than masks ever left them, as a logarithm.
_BEYOND = 0.5


class _Mask(NamedTuple):
    """A signal of which some nodes are taken for observed, and some others are predicted."""

    graph: Hashable
    signal: Hashable
    place: Place
    observed: NDArray[np.intp]
    known: NDArray[np.float64]
    rows: NDArray[np.intp]
    truth: NDArray[np.float64]


class SharedCorrector(BaseEstimator):
    """Interpolation of signals on graphs, learned from signals on other graphs.

    It learns from many signals, each masked at random, in two steps. The first is a covariance of
    values at two places, by their distance in space and by how the surface turns; with it, values
    are predicted from the nearest observations (kriging) and blended with smoothers along edges.
    The second is a regressor that predicts the error that is left, from what is observed around a
    node. Both are local, and the same however the graph is numbered, turned, moved or scaled, so
    they also hold for graphs and resolutions that were never seen. A new signal takes a second or
    two.

    Parameters
    ----------
    graphs : dict of Graph
        By name. With positions; where all have faces, the shape of the surface counts too.
    corrector : estimator, optional
        Regressor of the scaled error, by default ``SIRENRegressor("train", hidden_units=32,
        first_gain=0.1, max_epochs=8)``.
    observed : pair of float, default (0.01, 0.5)
        Least and largest share of nodes that masks leave observed; as far apart as those that it
        will be applied to.
    n_masks : int, default 20
        Of each signal.
    cv : int or splitter, default 5
        Folds over graphs, as in :class:`sklearn.model_selection.GroupKFold`, or over signals if all
        are of one graph. The correction counts as much as it helped on the fold where it was not
        learned, and the mean over folds is used.
    random_state : int, default 0
        Of masks and the default corrector.
    verbose : {0, 1}, default 0
        Whether to show progress over masks and folds.

    Attributes
    ----------
    kernel_ : LocalKernel
        The covariance.
    correctors_ : list of estimators
        One per fold.
    scores_ : pandas.DataFrame
        A row for each mask: ``graph``, ``signal``, the share ``observed``, and R² of ``kriging``,
        ``blend`` and ``corrected`` where it was held out.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graphs`` is not a dict of Graphs.
    ValueError
        If a graph has no positions or edges, a name or label is unknown, y is not finite, a signal
        is constant or known at fewer than 48 nodes, or there is only one.

    See Also
    --------
    SignalDistribution : For many signals on the same graph.
    CorrectedSmoother : For one signal on one graph.
    MultiGraphEmbedder : Coordinates on several graphs, for one network that learns from all.

    Notes
    -----
    Lengths are counted in mean edges: in ``fit``, graphs should be about as fine as each other,
    beside what varies on them. Whether a graph of ``condition`` is finer or coarser than these
    shows in how well observations tell each other.

    References
    ----------
    .. [1] N. Cressie, "Statistics for Spatial Data", Wiley 1993.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, SharedCorrector
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(0)
    >>> graphs = {name: Graph.from_points(rng.random((300, 2))) for name in "abc"}
    >>> a, b, c = (
    ...     pd.DataFrame({"map": name, "node": range(300), "y": np.sin(9 * graph.positions[:, 0])})
    ...     for name, graph in graphs.items()
    ... )
    >>> table = pd.concat([a, b])
    >>> model = SharedCorrector(graphs, corrector=Ridge(), n_masks=2)
    >>> model = model.fit(table[["map", "node"]], table["y"])
    >>> known = model.condition(graphs["c"], c[["node"]][::5], c["y"][::5])
    >>> known.score(c[["node"]], c["y"]) > 0.98
    True
    """

    def __init__(
        self,
        graphs: dict[Hashable, Graph],
        *,
        corrector: Any = None,
        observed: tuple[float, float] = (0.01, 0.5),
        n_masks: int = 20,
        cv: Any = 5,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.graphs = graphs
        self.corrector = corrector
        self.observed = observed
        self.n_masks = n_masks
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Learn from signals.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 2 or 3)
            Name of a graph, label of one of its nodes, and where graphs have several signals the
            name of the signal.
        y : array-like of shape (n_rows,)
            Rows of one node of a signal count as their mean.

        Returns
        -------
        self
        """
        check_graphs(self.graphs)
        check_verbose(self.verbose)
        check_count("n_masks", self.n_masks, minimum=1)
        _check_shares(self.observed)
        _check_folds(self.cv)
        corrector = self.corrector
        if corrector is None:
            # Small and nearly linear: errors are mostly noise.
            corrector = SIRENRegressor(
                "train",
                hidden_units=32,
                first_gain=0.1,
                max_epochs=8,
                random_state=self.random_state,
            )
        check_regressor("corrector", corrector)
        signals = self._signals(X, y)
        self._surface = all(self.graphs[name].faces is not None for name, *_ in signals)
        self._n_dimensions = _dimensions_of(self.graphs[name] for name, *_ in signals)
        masks = self._masks(signals)
        rng = np.random.default_rng(self.random_state)
        total, verbose = len(masks) + 1, self.verbose
        with open_progress("masks", unit="masks", total=total, verbose=verbose) as progress:
            progress.note("kernel")
            self.kernel_ = _learned_kernel(masks, rng)
            progress.advance()
            left_out = [LeftOut.of(mask.place, mask.observed, mask.known) for mask in masks]
            misfits = [misfit_of(each, self.kernel_) for each in left_out]
            self._misfit = float(np.quantile(misfits, _USUAL))
            seen = []
            for mask in masks:
                seen.append(see(mask.place, mask.observed, mask.known, mask.rows, self.kernel_))
                progress.advance()
        self._learn(masks, seen, corrector)
        return self

    def condition(
        self, graph: Graph, X_obs: ArrayLike | pd.DataFrame, y_obs: ArrayLike | pd.Series
    ) -> ConditionedCorrector:
        """Return a regressor on a graph, by what was learned and by observations.

        Parameters
        ----------
        graph : Graph
            Any, with positions, and with faces if those of ``fit`` had them.
        X_obs : array-like or DataFrame of shape (n_rows, 1)
            Labels of its nodes.
        y_obs : array-like of shape (n_rows,)
            Rows of one node count as their mean.

        Returns
        -------
        ConditionedCorrector
        """
        check_is_fitted(self)
        _check_place("graph", graph, surface=self._surface)
        n_dimensions = _dimensions_of([graph])
        if n_dimensions != self._n_dimensions:
            raise ValueError(
                f"graph must have positions of {self._n_dimensions} dimensions, as those of fit; "
                f"got {n_dimensions}."
            )
        conditioned = ConditionedCorrector(graph)
        rows = locate_nodes(conditioned, X_obs, graph, reset=True)
        values = _single_signal("y_obs", y_obs, len(rows))
        observed, values = _by_node(rows, values)
        if len(observed) < _LEAST:
            raise ValueError(
                f"X_obs must name at least {_LEAST} nodes to tell a signal by; got "
                f"{len(observed)}. Observe more."
            )
        if np.ptp(values) == 0:
            raise ValueError(
                f"y_obs must vary; all {len(observed)} nodes have {values[0]:g}, which says "
                f"nothing of how the signal does."
            )
        centre, spread = (float(part[0]) for part in centre_and_spread(values[:, None]))
        scaled, nodes = (values - centre) / spread, np.arange(graph.n_nodes)
        place = place_of(graph, surface=self._surface)
        left_out = LeftOut.of(place, observed, scaled)
        conditioned.stretch_ = stretch_of(left_out, self.kernel_)
        if conditioned.stretch_ != 1:
            place = place_of(graph, surface=self._surface, stretch=conditioned.stretch_)
        seen = see(place, observed, scaled, nodes, self.kernel_)
        if seen.spacing[0] > self._knots[-1] + _BEYOND:
            warn(
                f"X_obs names {len(observed) / graph.n_nodes:.2%} of the nodes. For this signal "
                f"they are farther from each other than the observed nodes of any mask in fit, so "
                f"that what was learned is of little use. Fit with a smaller observed; got "
                f"{self.observed}."
            )
        # Rougher or noisier than what was learned: observations tell each other less well.
        misfit = misfit_of(left_out, self.kernel_, conditioned.stretch_) / self._misfit
        if misfit > _UNLIKE:
            warn(
                f"y_obs is unlike the signals of fit: observations are predicted from those next "
                f"to them with errors {misfit:.2g} times as large as in fit, relative to what was "
                f"expected. Standard deviations are multiplied by that. Check that the signal is "
                f"of the same kind, and that its mesh is as fine."
            )
        known = np.isin(nodes, observed)
        # At what is observed there is nothing to correct, nor was anything learned there.
        unit = _unit(seen.deviation[~known] if not known.all() else seen.deviation)
        hats = self._hats(seen.spacing)
        offset = _blend(seen, hats, self._blend)
        inputs = self._inputs(seen, offset)
        found = np.mean([np.ravel(one.predict(inputs)) for one in self.correctors_], axis=0)
        found = np.where(known, 0.0, found * (hats @ self._worth))
        mean = np.where(known, seen.predictions[:, 0], offset + unit * found)
        deviation = unit * np.exp(self._clues(seen, hats, found, unit) @ self._spread)
        deviation *= max(misfit, 1.0)
        # What was learned covers values held out, noise included: its share is that of the process.
        of_signal, noise = seen.deviation**2, self.kernel_.noise
        total = np.where(known, of_signal + noise, deviation**2)
        share = of_signal / np.maximum(of_signal + noise, np.finfo(float).tiny)
        conditioned.graph_, conditioned._mean = graph, centre + spread * mean
        conditioned._variance = spread**2 * total * share
        conditioned._noise = spread**2 * total * (1 - share)
        return conditioned

    def _signals(
        self, X: Any, y: Any
    ) -> list[tuple[Hashable, Hashable, NDArray[np.intp], NDArray[np.float64]]]:
        """Return every signal: names of the graph and of itself, nodes and values."""
        frame = as_table(X)
        if frame.shape[1] not in (2, 3):
            raise ValueError(
                f"X must have two columns, the name of a graph and the label of a node, or three, "
                f"with the name of the signal; got columns {list(frame.columns)}. Select them, "
                f"table[['graph', 'node']]."
            )
        check_has_rows(frame)
        validate_data(self, X, reset=True, skip_check_array=True)
        values = _single_signal("y", y, len(frame))
        signals = []
        for name, rows in rows_by_graph(frame, self.graphs):
            graph = self.graphs[name]
            _check_place(f"graphs[{name!r}]", graph, surface=False)
            labels = frame.iloc[rows, 1].infer_objects()
            nodes = graph.locate(labels, name=f"X[{frame.columns[1]!r}]")
            if frame.shape[1] == 3:
                column = frame.iloc[rows, 2].infer_objects()
            else:
                column = pd.Series([None] * len(rows))
            numbers, names = pd.factorize(column, use_na_sentinel=False)
            own = names.tolist() if frame.shape[1] == 3 else [None]
            for number, signal in enumerate(own):
                mine = numbers == number
                known, its_values = _by_node(nodes[mine], values[rows][mine])
                _check_signal(name, signal, its_values)
                signals.append((name, signal, known, its_values))
        if len(signals) < 2:
            raise ValueError(
                "X must hold at least two signals, so that what is learned of some can be judged "
                "by others; got one. Add rows of another graph, or a third column that names "
                "signals."
            )
        return signals

    def _masks(self, signals: list[Any]) -> list[_Mask]:
        """Return signals of which some nodes, drawn at random, are taken for observed."""
        rng = np.random.default_rng(self.random_state)
        names = dict.fromkeys(name for name, *_ in signals)
        places = {name: place_of(self.graphs[name], surface=self._surface) for name in names}
        masks = []
        for name, signal, known, values in signals:
            for _ in range(self.n_masks):
                share = np.exp(rng.uniform(*np.log(self.observed)))
                wanted = round(share * len(places[name].points))
                n_observed = int(np.clip(wanted, N_NEIGHBORS, 0.7 * len(known)))
                drawn = rng.permutation(len(known))
                here = np.sort(drawn[:n_observed])
                there = np.sort(drawn[n_observed:][:_ROWS])
                if np.ptp(values[here]) == 0:
                    continue  # Of a signal that is rarely anything but zero.
                centre, spread = centre_and_spread(values[here][:, None])
                scaled = (values - centre) / spread
                masks.append(
                    _Mask(
                        graph=name,
                        signal=signal,
                        place=places[name],
                        observed=known[here],
                        known=scaled[here],
                        rows=known[there],
                        truth=scaled[there],
                    )
                )
        if len({(mask.graph, mask.signal) for mask in masks}) < 2:
            raise ValueError(
                "y must vary among the nodes of a mask; nearly all signals are one value nearly "
                "everywhere. Raise observed or n_masks."
            )
        return masks

    def _learn(self, masks: list[_Mask], seen: list[Seen], corrector: Any) -> None:
        """Learn weights of predictions, how to correct their blend, and how far off that is."""
        sizes = [len(mask.rows) for mask in masks]
        truth = np.concatenate([mask.truth for mask in masks])
        # Errors of masks that leave little observed are large, and no more worth than others.
        unit = np.repeat([_unit(one.deviation) for one in seen], sizes)
        table = Seen(*(np.concatenate(parts) for parts in zip(*seen, strict=True)))
        spacing = table.spacing
        self._knots = np.unique(np.linspace(spacing.min(), spacing.max(), _KNOTS))
        hats = self._hats(spacing)
        columns = (table.predictions[:, :, None] * hats[:, None]).reshape(len(truth), -1)
        weights, _ = nnls(columns / unit[:, None], truth / unit)
        self._blend = weights.reshape(-1, hats.shape[1])
        offset = _blend(table, hats, self._blend)
        raw = _raw_inputs(table, offset)
        self._centre, self._scale = centre_and_spread(raw)
        inputs, target = self._inputs(table, offset), (truth - offset) / unit
        unseen = self._cross_fitted(corrector, inputs, target, _groups(masks, sizes))
        # Its worth, as weights of the blend: at each spacing, of masks of other graphs.
        worth, _ = nnls(unseen[:, None] * hats, target)
        self._worth = np.minimum(worth, 1.0)
        correction = unseen * (hats @ self._worth)
        left = target - correction
        clues = self._clues(table, hats, correction, unit)
        logs = np.log(np.abs(left) + 1e-3)
        self._spread, *_ = np.linalg.lstsq(clues, logs, rcond=None)
        said = np.exp(2 * clues @ self._spread)
        self._spread[: hats.shape[1]] += np.log(deviation_factor(left, said, np.ones(len(left))))
        found = {"kriging": table.predictions[:, 0], "blend": offset}
        found["corrected"] = offset + unit * correction
        self.scores_ = _scores(masks, sizes, truth, **found)

    def _cross_fitted(
        self,
        corrector: Any,
        inputs: NDArray[np.float64],
        target: NDArray[np.float64],
        groups: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Fit correctors, and return what each predicts of groups that it has not seen."""
        cv = self.cv
        if isinstance(cv, int | np.integer):
            cv = GroupKFold(min(int(cv), groups.max() + 1))
        splits = list(cv.split(inputs, target, groups))
        splits = check_splits(splits, inputs, target, partition=True)
        self.correctors_ = []
        unseen = np.zeros(len(target))
        total, verbose = len(splits), self.verbose
        with open_progress("correction", unit="folds", total=total, verbose=verbose) as progress:
            for train, test in splits:
                fitted = clone(corrector).fit(inputs[train], target[train])
                unseen[test] = np.ravel(fitted.predict(inputs[test]))
                self.correctors_.append(fitted)
                progress.advance()
        return unseen

    def _hats(self, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how near spacings, as logarithms, are to each knot: rows sum to 1."""
        return np.column_stack(
            [np.interp(spacing, self._knots, row) for row in np.eye(len(self._knots))]
        )

    def _inputs(self, seen: Seen, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = (_raw_inputs(seen, offset) - self._centre) / self._scale
        return np.clip(scaled, -_CLIP, _CLIP)

    def _clues(
        self,
        seen: Seen,
        hats: NDArray[np.float64],
        correction: NDArray[np.float64],
        unit: NDArray[np.float64] | float,
    ) -> NDArray[np.float64]:
        """Return what tells how large an error is, as logarithms."""
        apart = seen.nearby.std(axis=1)
        logs = [seen.deviation / unit, 0.1 + apart, 0.1 + np.abs(correction)]
        return np.column_stack([hats, *(np.log(one) for one in logs)])


class ConditionedCorrector(RegressorMixin, NodeEstimator):
    """A signal on a graph, by what a :class:`SharedCorrector` learned and by observations.

    Made by its ``condition``; there is nothing to fit.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.

    Attributes
    ----------
    stretch_ : float
        How many mean edges are as one of the graphs that it was learned from: 2 on a mesh of four
        times the nodes, where the signal is the same.
    """

    graph_: Graph
    stretch_: float
    _mean: NDArray[np.float64]
    _variance: NDArray[np.float64]
    _noise: NDArray[np.float64]

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal at the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1)
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included: ``mean +- 1.645 std``
            held for 90% of the values that were held out in ``fit``.

        Returns
        -------
        mean : ndarray of shape (n_rows,)
        std : ndarray of shape (n_rows,), if ``return_std``
        """
        if not hasattr(self, "graph_"):
            raise NotFittedError("this is a copy without observations: use condition(...) again.")
        check_flag("return_std", return_std)
        check_with_noise(with_noise, return_std)
        nodes = locate_nodes(self, X, self.graph_, reset=False)
        if not return_std:
            return self._mean[nodes]
        variance = self._variance + self._noise if with_noise else self._variance
        return self._mean[nodes], np.sqrt(variance[nodes])


def _learned_kernel(masks: list[_Mask], rng: np.random.Generator) -> LocalKernel:
    """Return the covariance by which some rows of every mask are predicted best."""
    n_rows = max(_KERNEL_ROWS // len(masks), 1)
    parts = []
    for mask in masks:
        chosen = rng.permutation(len(mask.rows))[:n_rows]
        rows, truth = mask.rows[chosen], mask.truth[chosen]
        _, near = nearest(mask.place, mask.observed, rows)
        values = mask.known[near]
        # Masks that leave little observed count no more than others.
        error = ((values[:, :_FIRST].mean(axis=1) - truth) ** 2).mean()
        weights = np.full(len(rows), 1 / positive(error))
        pairs = pairs_at(mask.place, rows, mask.observed[near])
        parts.append((*pairs, values, truth, weights))
    *joined, values, truth, weights = (np.concatenate(one) for one in zip(*parts, strict=True))
    return fit_kernel(Pairs(*joined), values, truth, weights)


def _groups(masks: list[_Mask], sizes: list[int]) -> NDArray[np.intp]:
    """Return of which graph each row is, or if there is one graph alone, of which signal."""
    several = len({mask.graph for mask in masks}) > 1
    names = [mask.graph if several else mask.signal for mask in masks]
    return np.repeat(pd.factorize(pd.Series(names, dtype=object))[0], sizes)


def _unit(deviation: NDArray[np.float64]) -> float:
    """Return how far off kriging says that it is, on average."""
    return float(np.sqrt((deviation**2).mean()))


def _blend(
    seen: Seen, hats: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return predictions weighed, by weights of each at each knot of spacings."""
    return (seen.predictions * (hats @ weights.T)).sum(axis=1)


def _raw_inputs(seen: Seen, offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a corrector sees: how all that is there differs from the blend."""
    differences = [part - offset[:, None] for part in (seen.predictions, seen.nearby)]
    return np.column_stack([*differences, offset, seen.columns])


def _scores(
    masks: list[_Mask], sizes: list[int], truth: NDArray[np.float64], **found: NDArray[np.float64]
) -> pd.DataFrame:
    """Return R² of predictions of every mask."""
    rows = []
    parts = np.split(np.arange(len(truth)), np.cumsum(sizes)[:-1])
    for mask, part in zip(masks, parts, strict=True):
        share = len(mask.observed) / len(mask.place.points)
        rows.append({"graph": mask.graph, "signal": mask.signal, "observed": share})
        rows[-1] |= {name: r2_score(truth[part], one[part]) for name, one in found.items()}
    return pd.DataFrame(rows)


def _single_signal(name: str, y: Any, n_rows: int) -> NDArray[np.float64]:
    """Return one signal, or say what is wrong with it."""
    signals = check_signals(y, n_rows, gaps=False)
    if signals.shape[1] != 1:
        raise ValueError(
            f"{name} must be one signal, of shape (n_rows,); got {signals.shape[1]} columns. Give "
            f"one at a time."
        )
    return signals[:, 0]


def _by_node(
    nodes: NDArray[np.intp], values: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the nodes that are named, ascending, and the mean of the rows of each."""
    known, place = np.unique(nodes, return_inverse=True)
    return known, np.bincount(place, weights=values) / np.bincount(place)


def _check_signal(graph: Hashable, signal: Hashable, values: NDArray[np.float64]) -> None:
    name = f"the signal on graph {graph!r}" if signal is None else f"signal {signal!r} on {graph!r}"
    if len(values) < _FEWEST:
        raise ValueError(
            f"X must name at least {_FEWEST} nodes of every signal, to mask some; {name} has "
            f"{len(values)}. Leave it out."
        )
    if np.ptp(values) == 0:
        raise ValueError(
            f"y must vary; {name} is {values[0]:g} throughout, of which nothing is learned. Leave "
            f"it out."
        )


def _check_place(name: str, graph: Any, *, surface: bool) -> None:
    """Raise unless a graph has all that nodes are seen by."""
    check_graph(graph)
    if graph.positions is not None and graph.positions.shape[1] > 3:
        raise ValueError(
            f"{name} must have positions of at most three dimensions; got "
            f"{graph.positions.shape[1]}."
        )
    if graph.positions is None or graph.n_edges == 0:
        raise ValueError(
            f"{name} must have positions and edges, by which it is seen how far nodes are apart; "
            f"it has {'no positions' if graph.positions is None else 'no edges'}. Build it with "
            f"Graph.from_points, Graph.from_mesh or Graph.from_geodataframe."
        )
    if surface and graph.faces is None:
        raise ValueError(
            f"{name} must have faces, as all graphs of fit had; it has none. Build it with "
            f"Graph.from_mesh, or fit on graphs without: Graph.from_points."
        )


def _dimensions_of(graphs: Iterable[Graph]) -> int:
    """Return the number of dimensions that positions of graphs have in common."""
    found = {np.asarray(graph.positions).shape[1] for graph in graphs}
    if len(found) > 1:
        raise ValueError(
            f"graphs must have positions of as many dimensions each; got {sorted(found)}. "
            f"Distances in a plane tell little of those in space."
        )
    return found.pop()


def _check_folds(cv: Any) -> None:
    if isinstance(cv, int | np.integer):
        check_count("cv", cv, minimum=2)
    elif isinstance(cv, type | str) or not hasattr(cv, "split"):
        raise TypeError(
            f"cv must be a number of folds, or a splitter by groups such as LeaveOneGroupOut(); "
            f"got {cv!r}."
        )


def _check_shares(observed: Any) -> None:
    if np.shape(observed) != (2,):
        raise ValueError(
            f"observed must be the least and largest share of nodes, such as (0.01, 0.5); got "
            f"{observed!r}."
        )
    for share in observed:
        check_real("observed", share, minimum=0, strict=True)
    if not observed[0] <= observed[1] <= 1:
        raise ValueError(
            f"observed must be shares of nodes, the smaller one first, at most 1; got {observed!r}."
        )
