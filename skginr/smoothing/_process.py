"""What Gaussian processes of nodes share: their covariance chosen, conditioned and asked."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Sum, WhiteKernel
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    SignalsMixin,
    check_count,
    check_drawn,
    check_flag,
    check_signals,
    check_splits,
    check_weights,
    check_with_noise,
    drawn,
    unchanged_on_error,
    warn,
)
from skginr.graphs import Graph, as_table, check_graph, locate_rows
from skginr.smoothing._kernels import CovariateKernel, LinearKernel
from skginr.smoothing._likelihood import (
    JITTER,
    NOISE_BOUNDS,
    Rows,
    fitted_process,
    sizes_to_start_from,
)
from skginr.smoothing._node_predictor import (
    NodePredictor,
    centre_and_spread,
    pairs_of_rows,
)
from skginr.smoothing._signal_process import Observations, SignalProcess, scaled

# A dense covariance of as many nodes takes 3 GB, and minutes.
MOST_NODES = 20_000
BOUNDS = (1e-3, 1e3)


class NodeProcess(SignalsMixin, NodePredictor, ABC):
    """A Gaussian process of nodes, whose covariance a subclass makes.

    It adds ``s_x**2 exp(-sum_j (x_j - x'_j)**2 / (2 l_j**2)) + s_l**2 sum_j x_j x'_j`` of
    covariates, and noise. Built on
    :class:`sklearn.gaussian_process.GaussianProcessRegressor`.
    """

    n_tune: int
    normal_scores: bool
    kernel: Kernel | list[Kernel] | None
    noise_variance_: float | NDArray[np.float64]
    random_state: int | np.random.RandomState | None

    # What else has to be the same for a kernel to fit, in words.
    _source_words = ""
    # Not everywhere does one climb lead to the top.
    _one_climb = False
    # Not in the files of earlier versions.
    _observed: NDArray[np.bool_] | None = None
    _signals: list[SignalProcess] | None = None

    @abstractmethod
    def _check_parameters(self, graph: Graph) -> None:
        """Raise unless parameters make a covariance of the graph's nodes."""

    @abstractmethod
    def _covariance(self, graph: Graph) -> Kernel:
        """Return the covariance of nodes."""

    @abstractmethod
    def _source(self, graph: Graph) -> tuple[Any, ...]:
        """Return what makes a covariance of nodes what it is."""

    @abstractmethod
    def _resize(self, kernel: Kernel, size: float) -> None:
        """Set the size of the covariance of nodes, in variances of y."""

    @abstractmethod
    def _warn_of_kernel(self, kernel: Kernel, rows: Rows, likelihood: float, name: str) -> None:
        """Warn if what was chosen sees nothing of a signal, or as much as may be."""

    @abstractmethod
    def _nodes_told_of(self, graph: Graph, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which nodes rows at ``nodes`` say anything about."""

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Choose the covariance and condition on the rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, which may repeat, and covariates.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
            Each signal gets a covariance of its own. Of several, values may be NaN: a signal does
            without such rows.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, such as populations, give those divided by their mean.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        self._check_parameters(graph)
        check_count("n_tune", self.n_tune, minimum=2)
        check_flag("normal_scores", self.normal_scores)
        if self.kernel is not None:
            n_features = len(as_table(X).columns)
            for kernel in self._kernels_given():
                self._check_kernel(kernel, graph, n_features=n_features)
        nodes, covariates = locate_rows(self, X, graph, reset=True)
        weights = check_weights(sample_weight, len(nodes))
        columns = check_signals(y, len(nodes), gaps=True, weights=weights).T
        table = np.column_stack([nodes, covariates])
        known = [
            Observations.of(table, column, weights, ranked=self.normal_scores) for column in columns
        ]
        rows = [one.rows() for one in known]
        most = max(len(one.X) for one in rows)
        if most > MOST_NODES:
            raise ValueError(
                f"X has {most} distinct rows; a Gaussian process is for at most "
                f"{MOST_NODES}, since its time goes with their cube. Rows that differ in nothing "
                f"count as one: leave out columns with many values at a node, or use GraphSmoother."
            )
        self.graph_ = graph
        told = [self._nodes_told_of(graph, nodes[one.weights > 0]) for one in known]
        self._observed = np.all(told, axis=0)
        kernels = self._kernels(graph, rows)
        self._signals = [
            SignalProcess.conditioned(*parts) for parts in zip(kernels, known, rows, strict=True)
        ]
        processes = [one.process for one in self._signals]
        noises = [one.noise_variance(part) for one, part in zip(self._signals, rows, strict=True)]
        for former in ("process_", "processes_"):
            self.__dict__.pop(former, None)
        self._single = np.ndim(y) < 2
        self._weighed = sample_weight is not None
        if self._single:
            self.process_, self.noise_variance_ = processes[0], noises[0]
        else:
            self.processes_, self.noise_variance_ = processes, np.array(noises)
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included. With ``normal_scores``
            noise is not the same everywhere, and the two variances do not differ by one number.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals)
        std : ndarray of the same shape, if ``return_std``
        """
        check_with_noise(with_noise, return_std)
        rows, of_row = _distinct(*self._rows_to_predict(X, return_std=return_std))
        found = [
            one.predict(rows, std=return_std, with_noise=with_noise) for one in self._of_signals()
        ]
        mean = self._joined([mean[of_row] for mean, _ in found])
        if not return_std:
            return mean
        return mean, self._joined([np.asarray(std)[of_row] for _, std in found])

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> NDArray[np.float64]:
        """Return draws of the signal at the rows of X, given what was observed.

        Before ``fit``, draws of what the covariance would be if nothing were chosen, about 0 and in
        standard deviations of y (with ``normal_scores``, of scores); with ``kernel=``, of that one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Rows that are alike get one value in each draw, apart from noise.
        n_samples : int, default 1
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of the signal.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)

        Raises
        ------
        ValueError
            If more than 5,000 rows of X differ.
        """
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        if not hasattr(self, "graph_"):
            return self._sample_prior(X, n_samples, random, with_noise=with_noise)
        rows, of_row = _distinct(*self._rows_to_predict(X, return_std=True))
        check_drawn(len(rows))
        draws = [
            one.sample(rows, of_row, n_samples, random, with_noise=with_noise)
            for one in self._of_signals()
        ]
        return self._joined(draws)

    def _sample_prior(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int,
        random_state: np.random.RandomState,
        *,
        with_noise: bool,
    ) -> NDArray[np.float64]:
        graph = check_graph(self.graph)
        self._check_parameters(graph)
        # What is learned of X here is forgotten.
        nodes, covariates = locate_rows(clone(self), X, graph, reset=True)
        table = np.column_stack([nodes, covariates])
        rows, of_row = _distinct(nodes, scaled(table, centre_and_spread(covariates))[:, 1:])
        check_drawn(len(rows))
        kernels = self._kernels_given() or [self._kernel(graph, covariates.shape[1])]
        draws = []
        for kernel in kernels:
            self._check_kernel(kernel, graph, n_features=table.shape[1])
            covariance = kernel.k1(rows)
            jitter = JITTER * float(covariance.diagonal().max())
            draw = drawn(covariance, jitter, n_samples, random_state)[of_row]
            if with_noise:
                noise = kernel.k2.noise_level
                draw += noise**0.5 * random_state.standard_normal(draw.shape)
            draws.append(draw)
        return self._joined(draws)

    def predict_out_of_fold(
        self,
        splits: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
        return_std: bool = False,
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return predictions of the rows of ``fit``, each made from the folds without it.

        What ``cross_val_predict`` returns for :meth:`tuned_clone`, but for the scale of
        covariates. Where no rows are alike all folds have one inverse.

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
        """
        return self.predict_out_of_folds([splits], return_std)[0]

    def predict_out_of_folds(self, parts: list[Any], return_std: bool = False) -> list[Any]:
        """Return the same for several partitions into folds, by one inverse.

        Parameters
        ----------
        parts : list of iterables of (train, test)
        return_std : bool, default False
            Whether to also return standard deviations of rows of weight 1, noise included, as
            ``predict`` does with ``with_noise=True``.

        Returns
        -------
        list of ndarray of shape (n_rows,) or (n_rows, n_signals), or of pairs of them
            Means, and with ``return_std`` standard deviations.
        """
        check_is_fitted(self)
        check_flag("return_std", return_std)
        signals = self._of_signals()
        y = signals[0].observations().y
        checked = [
            check_splits(pairs_of_rows(splits), y, y, name="splits", once=True) for splits in parts
        ]
        found = []
        for of_part in zip(*(one.held_out(checked) for one in signals), strict=True):
            mean, std = (self._joined(list(values)) for values in zip(*of_part, strict=True))
            found.append((mean, std) if return_std else mean)
        return found

    def tuned_clone(self) -> Self:
        """Return an unfitted copy that uses the covariance that ``fit`` has chosen.

        Returns
        -------
        estimator
        """
        check_is_fitted(self)
        kernels = [one.process.kernel_ for one in self._of_signals()]
        return clone(self).set_params(kernel=kernels[0] if self._single else kernels)

    def _scaled(self, covariates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return covariates as they are: every signal scales them by the rows that know it."""
        return covariates

    def _of_signals(self) -> list[SignalProcess]:
        if self._signals is not None:
            return self._signals
        # A file of an earlier version knows of one signal.
        return [SignalProcess(self.process_, vars(self).get("_scores"), self._scaling, None)]

    def _joined(self, columns: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return what was found for every signal, of one without an axis for them if y had none."""
        single = self._single and len(columns) == 1
        return columns[0] if single else np.stack(columns, axis=1)

    def _kernels_given(self) -> list[Kernel]:
        if self.kernel is None:
            return []
        return list(self.kernel) if isinstance(self.kernel, list | tuple) else [self.kernel]

    def _kernels(self, graph: Graph, rows: list[Rows]) -> list[Kernel]:
        """Return the covariance of every signal: those that were given, or the likeliest."""
        given = self._kernels_given()
        if self.kernel is not None and len(given) != len(rows):
            raise ValueError(
                f"kernel must be one for each signal of y, as a list if there are several; got "
                f"{len(given)} for {len(rows)}. Leave kernel out to choose again."
            )
        if given:
            return given
        for one in rows:
            if len(one.X) < 2:
                raise ValueError(
                    f"a covariance is chosen by at least 2 distinct rows; got 1, n_samples = "
                    f"{one.counts.sum():g}. Give kernel=, or more rows."
                )
        # Covariances of nodes are the same for all signals, and take long.
        start = self._kernel(graph, rows[0].X.shape[1] - 1)
        names = ["y"] if len(rows) == 1 else [f"column {i} of y" for i in range(len(rows))]
        return [self._chosen(start, *pair) for pair in zip(rows, names, strict=True)]

    def _chosen(self, start: Kernel, rows: Rows, name: str) -> Kernel:
        """Return the likeliest covariance of rows drawn at random."""
        draw = check_random_state(self.random_state).permutation(len(rows.X))[: self.n_tune]
        rows, n_covariates = rows.some(draw), rows.X.shape[1] - 1
        best, likelihood = self._tuned(start, rows)
        if n_covariates > 1:
            apart, higher = _with_lengths(best, n_covariates, rows)
            # Schwarz's criterion: on few rows lengths of their own fit noise.
            if higher - likelihood > 0.5 * (n_covariates - 1) * np.log(len(rows.X)):
                best, likelihood = apart, higher
        if np.ptp(rows.y) > 0:
            self._warn_of_kernel(best, rows, likelihood, name)
        return best

    def _tuned(self, kernel: Kernel, rows: Rows) -> tuple[Kernel, float]:
        """Return the kernel with its likeliest hyper-parameters, and how likely it is."""
        likeliest = max(
            (self._started(kernel, *start) for start in sizes_to_start_from(rows)),
            key=lambda start: fitted_process(start, rows, climb=False)[1],
        )
        first = clone(kernel)
        first.k2.noise_level *= rows.unit_weight
        starts = [likeliest] if self._one_climb else [first, likeliest]
        return max((_climbed(start, rows) for start in starts), key=lambda pair: pair[1])

    def _kernel(self, graph: Graph, n_covariates: int) -> Kernel:
        kernel = self._covariance(graph)
        if n_covariates:
            kernel += ConstantKernel(0.5, BOUNDS) * CovariateKernel(3.0, BOUNDS)
            kernel += ConstantKernel(0.5 / n_covariates, BOUNDS) * LinearKernel(n_covariates)
        return kernel + WhiteKernel(0.2, NOISE_BOUNDS)

    def _started(self, kernel: Kernel, size: float, noise: float) -> Kernel:
        """Return the kernel with another size of the covariance of nodes, and of the noise."""
        started = clone(kernel)
        self._resize(started, size)
        started.k2.noise_level = noise
        return started

    def _check_kernel(self, kernel: object, graph: Graph, n_features: int) -> None:
        parts = kernel.get_params().values() if isinstance(kernel, Kernel) else []
        sources = [part.source for part in parts if hasattr(part, "source")]
        noisy = isinstance(kernel, Sum) and isinstance(kernel.k2, WhiteKernel)
        if not (sources and noisy):
            raise TypeError(
                f"kernel must be process_.kernel_ of a fitted {type(self).__name__}, or a list of "
                f"such, one for each signal; got {kernel!r}."
            )
        if sources[0] != self._source(graph):
            raise ValueError(
                f"kernel must be of a {type(self).__name__} on the same graph{self._source_words}; "
                f"this one is of another. Leave kernel out to choose again."
            )
        linear = [part.n_columns for part in parts if isinstance(part, LinearKernel)]
        # The only part of covariates in earlier versions.
        lengths = [np.size(p.length_scale) for p in parts if isinstance(p, CovariateKernel)]
        n_covariates = [*linear, *lengths, 0][0]
        if n_covariates != n_features - 1:
            raise ValueError(
                f"kernel must be of a process with X's {n_features - 1} covariates; this one has "
                f"{n_covariates}. Leave kernel out to choose again."
            )


def _climbed(start: Kernel, rows: Rows) -> tuple[Kernel, float]:
    """Return the likeliest kernel that climbing leads to, and how likely it is."""
    with warnings.catch_warnings():
        # A length scale at its upper bound is how a covariate is left out, and a noise at its
        # lower one is none.
        warnings.filterwarnings("ignore", "The optimal value", ConvergenceWarning)
        process, likelihood = fitted_process(start, rows, climb=True)
    return process.kernel_, likelihood


def _with_lengths(kernel: Kernel, n_lengths: int, rows: Rows) -> tuple[Kernel, float]:
    """Return the kernel, and its likelihood, after its one length has become several."""
    name, part = next(
        (name, part)
        for name, part in kernel.get_params().items()
        if isinstance(part, CovariateKernel)
    )
    lengths = np.full(n_lengths, part.length_scale)
    return _climbed(clone(kernel).set_params(**{f"{name}__length_scale": lengths}), rows)


def covariance_of_nodes(kernel: Kernel) -> Kernel:
    """Return the part of a kernel that is left of the covariates, left of the noise."""
    part = kernel
    while hasattr(part, "k1"):
        part = part.k1
    return part


def has_covariates(kernel: Kernel) -> bool:
    return any(isinstance(part, CovariateKernel) for part in kernel.get_params().values())


def warn_of_nothing(name: str, where: str, way: str) -> None:
    warn(f"{name} goes with {where} no more than noise would: what is predicted is the mean. {way}")


def _distinct(
    nodes: NDArray[np.intp], covariates: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return rows that differ, and which of them each row is."""
    rows, of_row = np.unique(np.column_stack([nodes, covariates]), axis=0, return_inverse=True)
    return rows, of_row.ravel()
