"""SignalDistribution: what signals of an archive are like, to be sampled and conditioned."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import (
    Splits,
    check_count,
    check_flag,
    check_option,
    check_splits,
    check_verbose,
    open_progress,
    unchanged_on_error,
    warn,
)
from skginr.fields._archive import (
    Archive,
    draw_phases,
    drawn_table,
    fitted_archive,
    names_of,
    read_archive,
    values_of_rows,
)
from skginr.fields._archive_regressor import ArchiveRegressor
from skginr.fields._correlations import Correlations
from skginr.fields._covariance import Conditioned, alike, filled
from skginr.fields._learning import learn
from skginr.fields._signal_model import SignalModel
from skginr.graphs import Graph, NodeEstimator, check_graph, check_laplacian

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

_MARGINALS = ("gaussian", "normal_scores")
# Signals beside phases, for deviations that can be relied on.
_ENOUGH = 15
# Signals that a fold trains on at least.
_LEAST_OF_FOLD = 3
# Share of the signals of a phase that a run may hold out.
_MOST_TAKEN = 0.6
# Rows of a signal whose density is found together.
_MOST_ROWS = 10_000


class SignalDistribution(NodeEstimator):
    """The distribution of signals on a graph, learned from an archive of them.

    A signal is the mean of its phase (what signals have in common, such as the month or the hour)
    and a Gaussian field about that mean. The covariance of the field has two parts. One is a share
    of the covariance of the archive; it is tapered with distance, because few signals say little
    about nodes far apart. The other depends on the graph alone: a Matérn covariance of distances or
    of the graph's eigenvectors, or one whose spectrum is that of the archive. Share, taper, this
    remainder and noise are chosen so that held-out signals are predicted best from some of their
    nodes, by the continuous ranked probability score.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names. Nodes that no signal of the archive has get values too: if
        the archive has only some nodes of a finer graph, signals still get the resolution of that
        graph.
    signal : int or column name, optional
        The column of X that names signals: a position, or a name where X is a DataFrame. Default:
        the one of datetimes, or the one that does not name nodes.
    phase : int or column name, optional
        A column of X that says what signals have in common, such as the month. Default: no such.
    node : int or column name, optional
        The column of X that holds node labels. Default: the first that can.
    marginals : {"gaussian", "normal_scores"}, default "gaussian"
        What is taken for Gaussian: signals less their mean, or the normal scores of that (values of
        a normal distribution with the same ranks). Normal scores are for skewed signals and heavy
        tails; no such difference is then predicted beyond the least and largest of the archive.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, \
default "combinatorial"
        Of the eigenvectors, as in :class:`~skginr.SpectralEmbedder`.
    n_waves : int, optional
        Eigenvectors that remainders are made of. Default: all, on graphs of up to 3,000 nodes, and
        else 1,000.
    n_components : int, default 10
        Principal components of the archive that :meth:`transform` gives; as many as there are,
        where these are fewer.
    cv : int, splitter or iterable, default 5
        Folds of signals (not of rows), which are held out to choose the covariance. A number means
        that many runs of signals in the order of their names, because days that follow each other
        are alike. (Runs are made in each phase separately where they would else take most of a
        phase.) Name signals by numbers or times, so that this order is right. A splitter or pairs
        are of numbers of signals, names ascending.
    random_state : int, RandomState instance or None, default 0
        Chooses the nodes that are known of held-out signals.
    verbose : {0, 1}, default 0
        Whether to show progress.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    signals_ : Index
        Names of the signals of the archive, ascending.
    phases_ : Index or None
        Those of phases.
    means_ : DataFrame of shape (n_phases, n_nodes)
        What signals of a phase have in common, a column for each node.
    components_ : ndarray of shape (n_components, n_nodes)
        Principal components of the archive about these means: orthonormal, the largest first.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Share of the archive's variance that each explains.
    share_ : float
        Share of variance that the covariance of the archive has; the remainder has the rest.
    noise_variance_ : float
        Variance of rows about signals, the mean over nodes. Of normal scores in units of these.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If X has other columns, names an unknown node, a node of a signal twice, or two phases of
        one signal; if signals are fewer than four, no more than phases, have no node in common, or
        do not differ from their mean; or y is not finite or of another length.

    Warns
    -----
    UserWarning
        If there are fewer than some fifteen signals beside phases.

    See Also
    --------
    ArchiveRegressor : What :meth:`condition` returns: a signal of which some nodes are known.
    SignalGenerator : For signals with spots or fronts that may be anywhere.
    SharedCorrector : For signals that each have a graph of their own.
    SpaceTimeSmoother : For one record in time, in which what was just before tells of now.

    Notes
    -----
    The mean of a phase is drawn towards the level of the node and the change common to all nodes,
    the more so the fewer signals it has; standard deviations of new signals are larger by this
    uncertainty.

    Gaps of the archive are filled with expected values: first by the remainder alone, then by the
    covariance chosen.

    Nodes that fewer than four signals have are as nodes without a record. The covariance of the
    archive holds the noise of its rows too: where nearly all nodes are told, standard deviations of
    the signal are somewhat too small.

    Signals count as independent. Those of a record in time are not: the last known one helps to
    predict the next. Where it is known, use :class:`~skginr.SpaceTimeSmoother`.

    References
    ----------
    P. L. Houtekamer and H. L. Mitchell, "A sequential ensemble Kalman filter for atmospheric data
    assimilation", Monthly Weather Review 129, 2001 (tapers). T. M. Hamill and C. Snyder, "A hybrid
    ensemble Kalman filter - 3D variational analysis scheme", Monthly Weather Review 128, 2000
    (shares). T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and
    estimation", JASA 102, 2007.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, SignalDistribution
    >>> ring = Graph.from_networkx(nx.cycle_graph(12))
    >>> X = pd.DataFrame({"day": np.repeat(range(30), 12), "node": np.tile(range(12), 30)})
    >>> y = np.sin(X["day"]) * np.cos(X["node"] * np.pi / 6) + np.cos(X["day"])
    >>> distribution = SignalDistribution(graph=ring, signal="day").fit(X, y)
    >>> distribution.sample(3).shape
    (3, 12)
    >>> today = distribution.condition(pd.DataFrame({"node": [0, 3, 6]}), [2.0, 1.0, 0.0])
    >>> today.predict(pd.DataFrame({"node": [9]})).round(1)
    array([1.])
    """

    def __init__(
        self,
        *,
        graph: Graph,
        signal: Hashable = None,
        phase: Hashable = None,
        node: Hashable = None,
        marginals: str = "gaussian",
        laplacian: str = "combinatorial",
        n_waves: int | None = None,
        n_components: int = 10,
        cv: int | Iterable | Any = 5,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.signal = signal
        self.phase = phase
        self.node = node
        self.marginals = marginals
        self.laplacian = laplacian
        self.n_waves = n_waves
        self.n_components = n_components
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Learn what the signals of an archive have in common.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 2) or (n_rows, 3)
            The signal that a row is of, its node and, with ``phase``, its phase. Nodes that a
            signal was not observed at have no row.
        y : array-like of shape (n_rows,)
            Its value there.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        self._check_parameters()
        archive, phases, columns = fitted_archive(self, X, y, graph)
        _warn_of_few(len(archive.signals), len(phases))
        self._columns = columns
        random = check_random_state(self.random_state)
        splits = self._splits(archive)
        ranked = self.marginals == "normal_scores"
        with open_progress("distribution", unit="steps", verbose=self.verbose) as progress:
            options = Correlations(graph, self.laplacian, self.n_waves, progress)
            learned = learn(
                archive,
                graph,
                len(phases),
                options,
                splits,
                ranked=ranked,
                random=random,
                progress=progress,
            )
        model = SignalModel(graph, phases, *learned, names_of(X, columns))
        self.graph_, self._model = graph, model
        self._frequencies = np.bincount(archive.phases, minlength=len(phases)) / len(archive.values)
        self.signals_ = archive.signals
        self.phases_ = phases if self.phase is not None else None
        self.means_ = pd.DataFrame(model.means.means, index=phases, columns=graph.labels)
        self._set_components(archive)
        self.share_ = model.covariance.share
        every = np.arange(graph.n_nodes)
        self.noise_variance_ = float(
            np.mean([model.noise_variance(phase, every) for phase in range(len(phases))])
        )
        return self

    def condition(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> ArchiveRegressor:
        """Return the regressor of a signal, or of several, of which some nodes are known.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Nodes and, with ``phase``, the phase. The column that names the signal may be left out
            of a DataFrame, and is left out of an array.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
        sample_weight : array-like of shape (n_rows,), optional
            As of :meth:`ArchiveRegressor.fit`.

        Returns
        -------
        ArchiveRegressor
            Fitted: ``predict(X, return_std=True)``, ``sample_y``.
        """
        check_is_fitted(self)
        return ArchiveRegressor(FrozenEstimator(self)).fit(X, y, sample_weight)

    def sample(
        self,
        n_samples: int = 1,
        *,
        phase: Any = None,
        random_state: int | np.random.RandomState | None = 0,
        with_noise: bool = False,
    ) -> pd.DataFrame:
        """Return new signals, drawn at random.

        Parameters
        ----------
        n_samples : int, default 1
        phase : object, optional
            Of these signals. Default: at random, as often as in the archive.
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of signals.

        Returns
        -------
        DataFrame of shape (n_samples, n_nodes)
            A column for each node; the index holds phases, where there are any.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random, model = check_random_state(random_state), self._model
        phases = draw_phases(phase, n_samples, self.phases_, self._frequencies, random)
        every = np.arange(model.graph.n_nodes)
        fields = model.covariance.draws(every, n_samples, random, own=False).T
        if with_noise:
            fields = fields + model.noise**0.5 * random.standard_normal(fields.shape)
        values = model.signals_of(fields, phases, every, with_noise=with_noise)
        return drawn_table(values, phases, self.phases_, model.columns, model.graph)

    def transform(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> pd.DataFrame:
        """Return signals as codes: their coordinates in the archive's principal components.

        Where a signal has no row it is what is expected there, given its rows.

        Parameters
        ----------
        X : array-like or DataFrame, as in ``fit``
        y : array-like of shape (n_rows,)

        Returns
        -------
        DataFrame of shape (n_signals, n_components)
            The index names signals.

        Examples
        --------
        >>> import networkx as nx
        >>> import numpy as np
        >>> import pandas as pd
        >>> from skginr import Graph, SignalDistribution
        >>> ring = Graph.from_networkx(nx.cycle_graph(12))
        >>> X = pd.DataFrame({"day": np.repeat(range(30), 12), "node": np.tile(range(12), 30)})
        >>> y = np.sin(X["day"]) * np.cos(X["node"] * np.pi / 6) + np.cos(X["day"])
        >>> distribution = SignalDistribution(graph=ring, signal="day").fit(X, y)
        >>> distribution.transform(X, y).shape
        (30, 10)
        """
        archive = self._signals(X, y)
        every = np.arange(self.graph_.n_nodes)
        fields = self._model.fields_of(archive.values, archive.phases, every)
        complete = filled(fields, self._model.covariance)
        left = self._model.signals_of(complete, archive.phases, every, with_noise=True)
        left -= self._model.means.means[archive.phases]
        names = [f"component{i}" for i in range(len(self.components_))]
        return pd.DataFrame(left @ self.components_.T, index=archive.signals, columns=names)

    def score_samples(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> pd.Series:
        """Return how probable signals are: the logarithm of their density, as a mean per row.

        Compare only signals that have about as many rows: with few rows, each says less about the
        others, and is less probable for that reason.

        Parameters
        ----------
        X : array-like or DataFrame, as in ``fit``
        y : array-like of shape (n_rows,)

        Returns
        -------
        Series of shape (n_signals,)
            The index names signals.

        Examples
        --------
        >>> import networkx as nx
        >>> import numpy as np
        >>> import pandas as pd
        >>> from skginr import Graph, SignalDistribution
        >>> ring = Graph.from_networkx(nx.cycle_graph(12))
        >>> X = pd.DataFrame({"day": np.repeat(range(30), 12), "node": np.tile(range(12), 30)})
        >>> y = np.sin(X["day"]) * np.cos(X["node"] * np.pi / 6) + np.cos(X["day"])
        >>> distribution = SignalDistribution(graph=ring, signal="day").fit(X, y)

        A day that is unlike the others is less probable:

        >>> odd = y.where(X["day"] != 7, 3.0 * (X["node"] % 2))
        >>> int(distribution.score_samples(X, odd).idxmin())
        7
        """
        archive = self._signals(X, y)
        model, every = self._model, np.arange(self.graph_.n_nodes)
        signals, phases, names = archive
        fields, units = model.fields_of(signals, phases, every), model.means.units(phases, new=True)
        found = np.empty(len(fields))
        for mine, nodes in alike(np.isfinite(fields)):
            if len(nodes) > _MOST_ROWS:
                raise ValueError(
                    f"X has {len(nodes)} rows of a signal; the density of at most {_MOST_ROWS} can "
                    f"be found. Take fewer nodes of each."
                )
            here = Conditioned.on(model.covariance, nodes, np.ones(len(nodes)))
            values = fields[np.ix_(mine, nodes)]
            squares = (values * here.weights(values.T).T).sum(axis=1)
            size = 2 * np.log(np.diagonal(here.factor[0])).sum() + len(nodes) * np.log(2 * np.pi)
            found[mine] = -0.5 * (squares + size) / len(nodes)
            found[mine] -= np.log(units[np.ix_(mine, nodes)]).mean(axis=1)
            slopes = model.log_slopes(signals[np.ix_(mine, nodes)], phases[mine], nodes)
            found[mine] += slopes.mean(axis=1)
        return pd.Series(found, index=names, name="log_density")

    def score(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> float:
        """Return the mean of :meth:`score_samples`, by which distributions can be compared.

        Parameters
        ----------
        X : array-like or DataFrame, as in ``fit``
        y : array-like of shape (n_rows,)

        Returns
        -------
        float
        """
        return float(self.score_samples(X, y).mean())

    def _check_parameters(self) -> None:
        check_option("marginals", self.marginals, _MARGINALS)
        check_laplacian(self.laplacian)
        if self.n_waves is not None:
            check_count("n_waves", self.n_waves, minimum=1)
        check_count("n_components", self.n_components, minimum=1)
        check_verbose(self.verbose)

    def _signals(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Archive:
        """Return signals as those of the archive are."""
        check_is_fitted(self)
        values = values_of_rows(self, X, y)
        validate_data(self, X, reset=False, skip_check_array=True)
        archive, _ = read_archive(X, values, self.graph_, self._columns, self._model.phases)
        return archive

    def _splits(self, archive: Archive) -> Splits:
        """Return folds of signals: those held out have phases that are trained on."""
        cv, n_signals = self.cv, len(archive.values)
        if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
            check_count("cv", cv, minimum=2)
            splits = _runs(archive.phases, min(int(cv), n_signals))
        else:
            names = archive.signals.to_frame(index=False)
            try:
                splits = check_splits(cv, names, np.zeros(n_signals))
            except ValueError as error:
                if "groups" not in str(error):
                    raise
                raise ValueError(
                    "cv must split signals without being told groups; give pairs of training and "
                    "test numbers of signals, list(GroupKFold(3).split(names, groups=patients)), "
                    "with one entry for each signal, names ascending."
                ) from error
        kept = [
            (train, test[np.isin(archive.phases[test], archive.phases[train])])
            for train, test in splits
        ]
        for train, _ in kept:
            if len(train) < _LEAST_OF_FOLD:
                raise ValueError(
                    f"cv must train on {_LEAST_OF_FOLD} signals at least; a fold trains on "
                    f"{len(train)} of {n_signals}. Give fewer folds, or others."
                )
        kept = [(train, test) for train, test in kept if len(test)]
        if not kept:
            raise ValueError(
                "cv must hold out signals of phases that are trained on; all folds hold out whole "
                "phases. Shuffle: KFold(5, shuffle=True)."
            )
        return kept

    def _set_components(self, archive: Archive) -> None:
        """Set the principal components of the archive, what it lacks as it is expected."""
        model = self._model
        fields = model.covariance.fields
        left = fields if model.scores is None else model.scores.at(fields)
        left = left * model.means.units(archive.phases, new=False)
        n_components = min(self.n_components, *left.shape)
        _, sizes, components = randomized_svd(left, n_components, random_state=0)
        self.components_ = components
        self.explained_variance_ratio_ = sizes**2 / (left**2).sum()


def _warn_of_few(n_signals: int, n_phases: int) -> None:
    if n_signals - n_phases < _ENOUGH:
        of_phases = f" in {n_phases} phases" if n_phases > 1 else ""
        warn(
            f"X has {n_signals} signals{of_phases}: of so few, standard deviations are too small. "
            f"From about {_ENOUGH + n_phases} on they can be relied on."
        )


def _runs(phases: _Indices, n_folds: int) -> Splits:
    """Return folds that hold out runs of signals in order.

    Of each phase by itself, where runs of all would take most of a phase.
    """
    fold = np.arange(len(phases)) * n_folds // len(phases)
    taken = np.zeros((phases.max() + 1, n_folds))
    np.add.at(taken, (phases, fold), 1)
    counts = taken.sum(axis=1)
    if (taken.max(axis=1) > _MOST_TAKEN * counts)[counts > 1].any():
        for phase in np.unique(phases):
            mine = np.flatnonzero(phases == phase)
            fold[mine] = np.arange(len(mine)) * n_folds // len(mine)
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]
