"""ArchiveRegressor: a signal of which few nodes are known, from an archive of others."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import (
    SignalsMixin,
    check_count,
    check_flag,
    check_signals,
    check_weights,
    check_with_noise,
    unchanged_on_error,
    warn,
)
from skginr.fields._archive import phase_numbers
from skginr.fields._covariance import Conditioned, alike
from skginr.fields._signal_model import SignalModel
from skginr.graphs import NodeEstimator, as_table, check_has_rows, locate_column

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Rows whose covariance is factored.
_MOST_ROWS = 20_000
# Standard deviations that signals are hardly ever from their mean.
_FAR = 8.0


class ArchiveRegressor(SignalsMixin, NodeEstimator):
    """Completes a signal of which some nodes are known, by the distribution of an archive.

    It is what :meth:`SignalDistribution.condition` returns: nothing is trained, one linear system
    of the size of the rows is solved.

    Parameters
    ----------
    distribution : FrozenEstimator of a fitted SignalDistribution
        ``FrozenEstimator(distribution)`` of :mod:`sklearn.frozen`, so that clones keep it.

    Attributes
    ----------
    phase_ : object
        The phase of the signal; None without phases.
    noise_variance_ : float
        Variance of a row of weight 1 about the signal, the mean over the rows of ``fit``. Of
        normal scores in units of these.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``distribution`` is no fitted SignalDistribution.
    ValueError
        If X lacks a column, names an unknown node or phase or more than one signal or phase, or
        has more than 20,000 rows; y is not finite or of another length; or weights are negative or
        all zero.

    Warns
    -----
    UserWarning
        If a value is more than eight standard deviations from the archive's mean at its node.

    See Also
    --------
    SignalDistribution : What is learned from the archive; it comes before.
    GraphSmoother : For a signal without an archive of others like it.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skginr import ArchiveRegressor, Graph, SignalDistribution
    >>> ring = Graph.from_networkx(nx.cycle_graph(12))
    >>> X = pd.DataFrame({"day": np.repeat(range(30), 12), "node": np.tile(range(12), 30)})
    >>> y = np.sin(X["day"]) * np.cos(X["node"] * np.pi / 6) + np.cos(X["day"])
    >>> distribution = SignalDistribution(graph=ring, signal="day").fit(X, y)
    >>> today = pd.DataFrame({"node": [0, 3, 6]})
    >>> model = ArchiveRegressor(FrozenEstimator(distribution)).fit(today, [2.0, 1.0, 0.0])
    >>> model.predict(pd.DataFrame({"node": [9]})).round(1)
    array([1.])
    """

    _single = True

    def __init__(self, distribution: FrozenEstimator) -> None:
        self.distribution = distribution

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Take what is known of the signal.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Nodes, and where the distribution has phases the phase of the signal, the same in all
            rows. Of a DataFrame the columns that had these in ``SignalDistribution.fit``, in any
            order, with that of the signal or without; of an array those columns in their order,
            without the signal's.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Several columns are several signals of one phase, known at the same nodes; NaN where
            one is not.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there.

        Returns
        -------
        self
        """
        model = self._fitted_model()
        nodes, phase = self._read(X, model, reset=True)
        weights = check_weights(sample_weight, len(nodes))
        signals = check_signals(y, len(nodes), gaps=True, weights=weights)
        used = weights > 0
        nodes, weights, values = nodes[used], weights[used], signals[used].T
        if len(nodes) > _MOST_ROWS:
            raise ValueError(
                f"X has {len(nodes)} rows; at most {_MOST_ROWS} can be taken together. Where a "
                f"signal is known almost everywhere use GraphSmoother."
            )
        fields = model.fields_of(values, np.full(len(values), phase), nodes)
        far = float(np.nanmax(np.abs(fields)))
        if far > _FAR:
            warn(
                f"y is {far:.3g} standard deviations from the mean of the archive at one of its "
                f"nodes, and what is predicted goes as far. Is it in the same unit, of the same "
                f"phase, without errors?"
            )
        self._parts = []
        for mine, seen in alike(np.isfinite(fields)):
            part = Conditioned.on(model.covariance, nodes[seen], weights[seen])
            self._parts.append((mine, part, part.weights(fields[np.ix_(mine, seen)].T)))
        self._model, self._phase, self._n_signals = model, phase, len(values)
        self._single = np.ndim(y) < 2
        self._weighed = sample_weight is not None
        self.phase_ = model.phases.tolist()[phase] if model.has_phases else None
        self.noise_variance_ = model.noise_variance(phase, nodes)
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> _Numbers | tuple[_Numbers, _Numbers]:
        """Return the signal at nodes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Any nodes of the graph, in columns as of ``fit``.
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        std : ndarray of the same shape, if ``return_std``
        """
        check_with_noise(with_noise, return_std)
        nodes = self._nodes_to_predict(X)
        mean, std = np.empty((2, len(nodes), self._n_signals))
        model, plain = self._model, self._model.scores is None and not return_std
        for signals, part, weights in self._parts:
            if plain:
                fields = part.mean(nodes, weights)
                phases = np.full(len(signals), self._phase)
                mean[:, signals] = model.signals_of(fields.T, phases, nodes, with_noise=True).T
                continue
            fields, variance = part.mean_and_variance(nodes, weights)
            deviations = model.scaled(variance, nodes) * np.sqrt(variance)
            for signal, field in zip(signals, fields.T, strict=True):
                mean[:, signal], std[:, signal] = model.moments(
                    field, deviations, self._phase, nodes, with_noise=with_noise
                )
        return (self._one(mean), self._one(std)) if return_std else self._one(mean)

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> _Numbers:
        """Return signals that may be the true one, drawn at random: conditional simulation.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Any nodes of the graph, in the columns of ``fit``. They vary together, as they do.
        n_samples : int, default 1
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of the signal.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)
        """
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        nodes, random = self._nodes_to_predict(X), check_random_state(random_state)
        distinct, of_row = np.unique(nodes, return_inverse=True)
        model = self._model
        draws = np.empty((len(nodes), self._n_signals, n_samples))
        for signals, part, weights in self._parts:
            means, variance = part.mean_and_variance(distinct, weights)
            factors = model.scaled(variance, distinct)[:, None]
            for signal, mean in zip(signals, means.T, strict=True):
                off = part.deviations(distinct, n_samples, random)
                fields = (mean[:, None] + factors * off)[of_row]
                if with_noise:
                    fields = fields + model.noise**0.5 * random.standard_normal(fields.shape)
                phases = np.full(n_samples, self._phase)
                drawn = model.signals_of(fields.T, phases, nodes, with_noise=with_noise)
                draws[:, signal] = drawn.T
        return draws[:, 0] if self._single else draws

    def _fitted_model(self) -> SignalModel:
        """Return what the distribution has learned, or say that it has not."""
        frozen = isinstance(self.distribution, FrozenEstimator)
        model = getattr(self.distribution.estimator, "_model", None) if frozen else None
        if not isinstance(model, SignalModel):
            raise TypeError(
                f"distribution must be FrozenEstimator(d) of a fitted SignalDistribution d; got "
                f"{self.distribution!r}. Fit it first, or call d.condition(X, y)."
            )
        return model

    def _nodes_to_predict(self, X: ArrayLike | pd.DataFrame) -> _Indices:
        check_is_fitted(self)
        nodes, phase = self._read(X, self._model, reset=False)
        if phase != self._phase:
            other = self._model.phases.tolist()[phase]
            raise ValueError(
                f"X must be of phase {self.phase_!r}, as the signal is; got {other!r}. Condition "
                f"the distribution on rows of that."
            )
        return nodes

    def _read(
        self, X: ArrayLike | pd.DataFrame, model: SignalModel, *, reset: bool
    ) -> tuple[_Indices, int]:
        """Return the nodes of rows, and the number of their phase."""
        frame = as_table(X)
        check_has_rows(frame)
        wanted = {what: name for what, name in model.columns.items() if what != "signal"}
        if not (isinstance(X, pd.DataFrame) or hasattr(X, "get_columns")):
            if frame.shape[1] != len(wanted):
                raise ValueError(
                    f"X must have {len(wanted)} columns, {list(wanted)}, in the order of the "
                    f"archive; got {frame.shape[1]}."
                )
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = frame.set_axis(list(wanted.values()), axis=1)
        else:
            frame = _without_signal(frame, model.columns["signal"])
            if sorted(map(str, frame.columns)) != sorted(map(str, wanted.values())):
                raise ValueError(
                    f"X must have the columns {list(wanted.values())} of the archive, and no "
                    f"others; got {list(frame.columns)}."
                )
            frame = frame[list(wanted.values())]
            validate_data(self, frame, reset=reset, skip_check_array=True)
        nodes, _ = locate_column(frame, model.graph, wanted["node"], owner="X")
        if not model.has_phases:
            return nodes, 0
        phases = np.unique(phase_numbers(frame[wanted["phase"]], model.phases))
        if len(phases) > 1:
            raise ValueError(
                f"X must be of one phase; it has {model.phases[phases].tolist()}. Condition on one "
                f"signal at a time."
            )
        return nodes, int(phases[0])


def _without_signal(frame: pd.DataFrame, name: Hashable) -> pd.DataFrame:
    """Return a table without the column that names the signal, of which there is one."""
    if name not in frame.columns:
        return frame
    n_signals = len(frame[name].drop_duplicates())
    if n_signals > 1:
        raise ValueError(
            f"X must be of one signal; the column {name!r} names {n_signals}. Condition on one "
            f"at a time."
        )
    return frame.drop(columns=name)
