"""CorrectedSmoother: several smoothers of a signal on a graph, and a network that corrects them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Hashable, Iterable, Iterator
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    Progress,
    SignalsMixin,
    Splits,
    are_datetimes,
    check_count,
    check_flag,
    check_signals,
    check_verbose,
    check_weights,
    check_with_noise,
    open_progress,
    saying_all_once,
    unchanged_on_error,
    within,
)
from skginr.graphs import (
    Graph,
    NodeEstimator,
    as_table,
    check_graph,
    locate_rows,
    structural_columns,
)
from skginr.smoothing import SpaceTimeSmoother
from skginr.stacking._blend import shrunk_weights
from skginr.stacking._residual_corrector import ResidualCorrector
from skginr.stacking._rows import (
    Rows,
    columns_of,
    of_signal,
    residuals_of,
    scores_of,
    warn_of_nothing,
)
from skginr.stacking._smoothers import (
    MOST_NODES_OF_PROCESS,
    PROCESSES,
    check_regressor,
    check_takes_weights,
    default_smoothers,
    for_signals,
    out_of_folds,
    partitions,
    prior_weights,
)
from skginr.stacking._uncertainty import Spread, find_spread


class CorrectedSmoother(SignalsMixin, NodeEstimator, _BaseComposition):
    """Several smoothers of a signal on a graph, and a network that corrects them.

    Each smoother chooses its strength once. It then predicts rows that are held out, fold by fold.
    A :class:`ResidualCorrector` blends these predictions and learns to correct the blend.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    smoothers : list of (str, estimator), optional
        Regressors on X; by default :func:`default_smoothers` of the graph, without the Gaussian
        process where more than 5,000 rows of X differ; and where X has a column of datetimes, a
        :class:`~skginr.SpaceTimeSmoother`. Where times are numbers, name one here.
    corrector : estimator, optional
        Final estimator; by default ``ResidualCorrector()``.
    structural_features : bool, default True
        Whether the corrector also sees the surroundings of a node: the square root of its degree,
        and that averaged over neighbours up to three times.
    cv : int, splitter or iterable, default 10
        Folds of the smoothers' predictions. To predict whole regions, a
        :class:`~skginr.GraphBlockKFold`; defaults of smoothers and corrector then choose by its
        folds too.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes. The default smoothers take the same.
    random_state : int, default 0
        Of the default folds.
    verbose : {0, 1}, default 0
        Whether to show progress over smoothers, their folds and those of the default corrector.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    smoothers_ : dict of str to estimator
        Fitted on all rows.
    corrector_ : estimator, or list of estimators
        Fitted on out-of-fold predictions; of several signals, one for each.
    out_of_fold_ : pandas.DataFrame of shape (n_rows, n_smoothers)
        What each smoother predicts at the rows of ``fit`` from folds without them; of several
        partitions into regions, the first. Of rows that count, by their numbers; of several
        signals, one such table after the other.
    scores_ : pandas.Series
        R² of each of its columns.
    noise_variance_ : float, or ndarray of shape (n_signals,)
        Variance of a row of weight 1 about the signal; found when it is asked for.
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
        given, or y is not finite or of another length.

    Warns
    -----
    UserWarning
        If no default smoother predicts held-out rows better than the mean of y.

    See Also
    --------
    GraphSmoother : One smoother alone, in a fraction of the time; for very large graphs.
    SpatialGaussianProcessRegressor : For a map, nearly as good alone and much faster.
    default_smoothers : The list of smoothers, to change and give as ``smoothers``.
    predict_frame : Puts predictions and intervals into a table; it comes after ``fit``.

    References
    ----------
    D. H. Wolpert, "Stacked generalization", Neural Networks 1992.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from skginr import CorrectedSmoother, Graph
    >>> graph = Graph.from_networkx(nx.grid_2d_graph(12, 12))
    >>> nodes = np.array(graph.labels.to_list(), dtype=float)
    >>> X, y = graph.labels.to_frame(), np.sin(nodes[:, 0] / 2) * nodes[:, 1]
    >>> model = CorrectedSmoother(graph=graph).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.9
    True
    """

    def __init__(
        self,
        *,
        graph: Graph,
        smoothers: list[tuple[str, Any]] | None = None,
        corrector: Any = None,
        structural_features: bool = True,
        cv: int | Iterable = 10,
        node: Hashable = None,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.smoothers = smoothers
        self.corrector = corrector
        self.structural_features = structural_features
        self.cv = cv
        self.node = node
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    @saying_all_once()
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the smoothers and their corrector.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, then covariates.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Of several signals, NaN where one was not observed and others were: that row is left
            out for that signal.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, such as populations, give those divided by their mean. Smoothers and
            corrector have to take them too, as the default ones do.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        check_flag("structural_features", self.structural_features)
        check_verbose(self.verbose)
        nodes, covariates = locate_rows(self, X, graph, reset=True, datetimes=True)
        counts = check_weights(sample_weight, len(nodes))
        signals = check_signals(y, len(nodes), gaps=True, weights=counts)
        known = ~np.isnan(signals) & (counts > 0)[:, None]
        used = np.flatnonzero(known.any(axis=1))
        parts = partitions(self.cv, X, signals, used, self.random_state)
        rows = Rows(
            X=_safe_indexing(X, used),
            nodes=nodes[used],
            signals=signals[used],
            single=np.ndim(y) < 2,
            known=known[used],
            counts=counts[used],
            weighed=sample_weight is not None,
        )
        smoothers = self._chosen_smoothers(graph, rows, covariates[used], parts)
        total, verbose = 2 * len(smoothers) + 1, self.verbose
        with (
            open_progress("smoothers", unit="parts", total=total, verbose=verbose) as progress,
            self._saying_what_holds_for_all(dict(smoothers)),
        ):
            fitted, predictions = self._fit_smoothers(smoothers, rows, parts, progress)
            self.graph_, self.smoothers_ = graph, fitted
            self._structural = (
                structural_columns(graph.adjacency) if self.structural_features else None
            )
            progress.note("corrector")
            pairs = [
                self._fitted_corrector(signal, rows, predictions, parts)
                for signal in range(rows.n_signals)
            ]
            progress.advance()
        self._single, self._weighed = rows.single, rows.weighed
        self._counts, self._folds = rows.counts, parts[0]
        self._blends = [blend for _, blend in pairs]
        self._spreads: list[Spread] | None = None
        self.corrector_ = pairs[0][0] if rows.single else [corrector for corrector, _ in pairs]
        self._residuals = np.column_stack(
            [
                residuals_of(corrector, blend, predictions, rows, signal)
                for signal, (corrector, blend) in enumerate(pairs)
            ]
        )
        names = y.columns if isinstance(y, pd.DataFrame) else range(rows.n_signals)
        tables = [
            pd.DataFrame(
                {name: found[0][:, signal] for name, found in predictions.items()}, index=used
            )
            for signal in range(rows.n_signals)
        ]
        scores = [scores_of(table, rows, signal) for signal, table in enumerate(tables)]
        self.out_of_fold_ = tables[0] if rows.single else pd.concat(tables, axis=1, keys=names)
        self.scores_ = scores[0] if rows.single else pd.concat(scores, keys=names)
        if self.smoothers is None:
            warn_of_nothing(predictions, rows, names)
        return self

    @saying_all_once()
    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the prediction at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            As for :meth:`fit`.
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise. They are made
            of those of the two smoothers that count most among those that know theirs, and of how
            far smoothers differ, times a factor. With it, intervals ``mean +- 1.645 std`` of new
            observations hold for 90% of the rows that were held out in the folds of ``cv``. The
            first call finds the factor.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        std : ndarray of the same shape, if ``return_std``
        """
        check_is_fitted(self)
        check_flag("return_std", return_std)
        check_with_noise(with_noise, return_std)
        nodes, _ = locate_rows(self, X, self.graph_, reset=False, datetimes=True)
        found = self._predictions(X)
        mean = self._corrected(found, nodes)
        if not return_std:
            return self._one(mean)
        spreads = self._found_spreads()
        asked = {name for spread in spreads for name in spread.names}
        deviations = {
            name: columns_of(self.smoothers_[name].predict(X, return_std=True)[1], len(spreads))
            for name in asked
        }
        variance = np.column_stack(
            [
                spread.variance(of_signal(found, signal), of_signal(deviations, signal))
                for signal, spread in enumerate(spreads)
            ]
        )
        if with_noise:
            variance += [spread.noise for spread in spreads]
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

        Draws of the smoothers that tell standard deviations, each as often as it counts, about the
        prediction.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            As for :meth:`fit`.
        n_samples : int, default 1
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of the signal.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        nodes, _ = locate_rows(self, X, self.graph_, reset=False, datetimes=True)
        found, spreads = self._predictions(X), self._found_spreads()
        mean = self._corrected(found, nodes)
        draws = np.empty((*mean.shape, n_samples))
        for signal, spread in enumerate(spreads):
            middle = spread.middle(of_signal(found, signal))
            drawn = random.choice(len(spread.names), n_samples, p=spread.weights)
            for number, name in enumerate(spread.names):
                mine = np.flatnonzero(drawn == number)
                if len(mine) == 0:
                    continue
                of_it = self.smoothers_[name].sample_y(X, len(mine), random)
                of_it = of_it if self._single else of_it[:, signal]
                draws[:, signal, mine] = spread.factor * (of_it - middle[:, None])
            if with_noise:
                noise = random.standard_normal((len(mean), n_samples))
                draws[:, signal] += spread.noise**0.5 * noise
        draws += mean[:, :, None]
        return draws[:, 0] if self._single else draws

    @property
    def noise_variance_(self) -> float | NDArray[np.float64]:
        """Variance of a row of weight 1 about the signal."""
        return self._one(np.array([spread.noise for spread in self._found_spreads()]))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default True
            Whether those of the smoothers too, by their names.

        Returns
        -------
        dict of str to object
        """
        return self._get_params("smoothers", deep=deep and self.smoothers is not None)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, or a smoother or its parameters by name.

        Parameters
        ----------
        **params : object

        Returns
        -------
        self
        """
        return self._set_params("smoothers", **params)

    @contextlib.contextmanager
    def _saying_what_holds_for_all(self, names: Iterable[str]) -> Iterator[None]:
        """Hold back what default smoothers say of themselves alone: another may know better."""
        with warnings.catch_warnings():
            if self.smoothers is None:
                warnings.filterwarnings("ignore", ".*y goes with", UserWarning)
                if "space" in names:
                    warnings.filterwarnings("ignore", "graph has .* no edges", UserWarning)
                    warnings.filterwarnings("ignore", ".*nothing is known there", UserWarning)
            yield

    def _chosen_smoothers(
        self,
        graph: Graph,
        rows: Rows,
        covariates: NDArray[np.float64],
        parts: list[Splits],
    ) -> list[tuple[str, Any]]:
        """Return the smoothers that were given, or the default ones for these rows; checked."""
        smoothers = self.smoothers
        if smoothers is None:
            folds = [fold for part in parts for fold in part]
            frame = as_table(rows.X)
            node = frame.columns[self._node_column]
            given = None if isinstance(self.cv, Integral) else folds
            others = frame.columns.delete(self._node_column)
            times = [name for name in others if are_datetimes(frame[name])]
            if times:
                in_time = SpaceTimeSmoother(graph=graph, cv=given, node=node, time=times[0])
                return self._checked([("space_time", in_time)], rows)
            smoothers = default_smoothers(graph, given, node=node)
            n_distinct = len(np.unique(np.column_stack([rows.nodes, covariates]), axis=0))
            if not 2 <= n_distinct <= MOST_NODES_OF_PROCESS:
                smoothers = [pair for pair in smoothers if pair[0] not in PROCESSES]
        return self._checked(smoothers, rows)

    def _checked(self, smoothers: Any, rows: Rows) -> list[tuple[str, Any]]:
        """Return smoothers, or say what is wrong with them or the corrector."""
        self._check_smoothers(smoothers)
        if self.corrector is not None:
            check_regressor("corrector", self.corrector)
        if rows.weighed:
            for name, smoother in smoothers:
                check_takes_weights(f"smoothers[{name!r}]", smoother)
            if self.corrector is not None:
                check_takes_weights("corrector", self.corrector)
        return smoothers

    def _fit_smoothers(
        self,
        smoothers: list[tuple[str, Any]],
        rows: Rows,
        parts: list[Splits],
        progress: Progress,
    ) -> tuple[dict[str, Any], dict[str, list[NDArray[np.float64]]]]:
        """Return fitted smoothers, and what they predict of rows held out, by partition."""
        fitted, predictions = {}, {}
        for name, smoother in smoothers:
            progress.note(f"{name}")
            try:
                weighed = {"sample_weight": rows.counts} if rows.weighed else {}
                model = for_signals(smoother, rows.n_signals).fit(rows.X, rows.y, **weighed)
                progress.advance()
                progress.note(f"{name}, out of fold")
                found = out_of_folds(
                    model, rows.X, rows.y, parts, rows.counts if rows.weighed else None
                )
            except ValueError:
                if self.smoothers is None and name == "spline":
                    # Rows in one plane determine no spline through space.
                    continue
                raise
            fitted[name] = model
            if not all(np.isfinite(of_part).all() for of_part in found):
                raise ValueError(
                    f"smoothers[{name!r}] predicts values that are not finite on rows held "
                    f"out. Leave it out."
                )
            predictions[name] = [columns_of(of_part, rows.n_signals) for of_part in found]
            progress.advance()
        return fitted, predictions

    def _fitted_corrector(
        self,
        signal: int,
        rows: Rows,
        predictions: dict[str, list[NDArray[np.float64]]],
        parts: list[Splits],
    ) -> tuple[Any, NDArray[np.float64]]:
        """Return the corrector of one signal, and the blend that it was told."""
        known = np.flatnonzero(rows.known[:, signal])
        y, counts = rows.signals[known, signal], rows.counts[known]
        by_part = [
            np.column_stack([found[part][known, signal] for found in predictions.values()])
            for part in range(len(parts))
        ]
        blend = shrunk_weights(
            np.concatenate(by_part),
            np.tile(y, len(parts)),
            len(parts),
            prior_weights(list(predictions)) if self.smoothers is None else None,
            np.tile(counts, len(parts)),
        )
        corrector = self._new_corrector(within(parts[0], known), blend)
        weighed = {"sample_weight": counts} if rows.weighed else {}
        first = {name: found[0] for name, found in predictions.items()}
        table = self._columns(first, signal, rows.nodes)
        return corrector.fit(table[known], y, **weighed), blend

    def _new_corrector(self, folds: Splits, blend: NDArray[np.float64]) -> Any:
        """Return the corrector, told how many columns are predictions and how to blend them."""
        n_columns = len(blend)
        settings: dict[str, Any] = {"n_prediction_columns": n_columns, "blend": blend}
        if self.corrector is None:
            # What predicts whole regions is judged on whole regions too.
            cv = 5 if isinstance(self.cv, Integral) else folds
            return ResidualCorrector(cv=cv, verbose=self.verbose, **settings)
        corrector = clone(self.corrector)
        parameters = corrector.get_params()
        owners = [
            name.removesuffix("n_prediction_columns")
            for name in parameters
            if name.rpartition("__")[2] == "n_prediction_columns"
        ]
        still_open: dict[str, Any] = {
            f"{owner}n_prediction_columns": n_columns
            for owner in owners
            if parameters[f"{owner}n_prediction_columns"] is None
        }
        # Behind other steps predictions may be in other units, for which weights are others.
        takes_all = (parameters | still_open).get("n_prediction_columns") == n_columns
        if takes_all and parameters.get("blend", "") is None:
            still_open["blend"] = blend
        return corrector.set_params(**still_open)

    def _predictions(self, X: ArrayLike | pd.DataFrame) -> dict[str, NDArray[np.float64]]:
        """Return what every smoother predicts, of shape (n_rows, n_signals)."""
        with self._saying_what_holds_for_all(self.smoothers_):
            return {
                name: columns_of(smoother.predict(X), len(self._correctors()))
                for name, smoother in self.smoothers_.items()
            }

    def _corrected(
        self, found: dict[str, NDArray[np.float64]], nodes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return what correctors make of predictions, of shape (n_rows, n_signals)."""
        columns = [
            corrector.predict(self._columns(found, signal, nodes))
            for signal, corrector in enumerate(self._correctors())
        ]
        return np.column_stack(columns)

    def _correctors(self) -> list[Any]:
        return [self.corrector_] if self._single else self.corrector_

    def _found_spreads(self) -> list[Spread]:
        """Return how far predictions of each signal are off, found by the first call."""
        check_is_fitted(self)
        if not hasattr(self, "_residuals"):
            raise ValueError(
                "this smoother is from a file of an earlier version, and does nothing but predict: "
                "fit it again first."
            )
        if self._spreads is None:
            tables = np.split(self.out_of_fold_.to_numpy(), len(self._blends), axis=1)
            self._spreads = [
                find_spread(
                    self.smoothers_,
                    signal,
                    self._blends[signal],
                    dict(zip(self.smoothers_, table.T, strict=True)),
                    self._residuals[:, signal],
                    self._counts,
                    self._folds,
                )
                for signal, table in enumerate(tables)
            ]
        return self._spreads

    def _check_smoothers(self, smoothers: Any) -> None:
        pairs = isinstance(smoothers, list) and all(
            isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
            for pair in smoothers
        )
        if not pairs or not smoothers:
            raise ValueError(
                f"smoothers must be a list of (name, regressor), at least one; got {smoothers!r}. "
                f"default_smoothers(graph) makes one to start from."
            )
        for name, smoother in smoothers:
            check_regressor(f"smoothers[{name!r}]", smoother)
        self._validate_names([name for name, _ in smoothers])

    def _columns(
        self, found: dict[str, NDArray[np.float64]], signal: int, nodes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return what the corrector of a signal sees of rows."""
        columns = np.column_stack([of_all[:, signal] for of_all in found.values()])
        if self._structural is None:
            return columns
        return np.hstack([columns, self._structural[nodes]])
