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
    Splits,
    check_count,
    check_flag,
    check_splits,
    unchanged_on_error,
    warn,
)
from skginr.graphs import Graph, as_table, check_graph
from skginr.smoothing._kernels import CovariateKernel, LinearKernel
from skginr.smoothing._likelihood import (
    NOISE_BOUNDS,
    Rows,
    distinct_rows,
    fitted_process,
    inverse_of_factored,
    sizes_to_start_from,
)
from skginr.smoothing._node_regressor import NodeRegressor, centre_and_spread, pairs_of_rows
from skginr.smoothing._normal_scores import NormalScores

# A dense covariance of as many nodes takes 3 GB, and minutes.
MOST_NODES = 20_000
BOUNDS = (1e-3, 1e3)


class NodeProcess(NodeRegressor, ABC):
    """A Gaussian process of nodes, whose covariance a subclass makes.

    It adds ``s_x**2 exp(-sum_j (x_j - x'_j)**2 / (2 l_j**2)) + s_l**2 sum_j x_j x'_j`` of
    covariates, and noise. Built on
    :class:`sklearn.gaussian_process.GaussianProcessRegressor`.
    """

    n_tune: int
    normal_scores: bool
    kernel: Kernel | None
    random_state: int | np.random.RandomState | None

    # What else has to be the same for a kernel to fit, in words.
    _source_words = ""
    # Not everywhere does one climb lead to the top.
    _one_climb = False
    # Not in the files of earlier versions.
    _observed: NDArray[np.bool_] | None = None
    _scores: NormalScores | None = None
    _signal: NDArray[np.float64] | None = None

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
    def _warn_of_kernel(self, kernel: Kernel, rows: Rows, likelihood: float) -> None:
        """Warn if what was chosen sees nothing, or as much as may be."""

    @abstractmethod
    def _nodes_told_of(self, graph: Graph, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which nodes rows at ``nodes`` say anything about."""

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Choose the covariance and condition on the rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, which may repeat, and covariates.
        y : array-like of shape (n_rows,)
            One signal.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        self._check_parameters(graph)
        check_count("n_tune", self.n_tune, minimum=2)
        check_flag("normal_scores", self.normal_scores)
        if self.kernel is not None:
            self._check_kernel(self.kernel, graph, n_features=len(as_table(X).columns))
        nodes, covariates, y = self._rows_of_fit(graph, X, y)
        self._scaling = centre_and_spread(covariates)
        self._table = np.column_stack([nodes, self._scaled(covariates)])
        self._signal = y
        self._scores = NormalScores(y) if self.normal_scores else None
        rows = self._rows(slice(None), self._scores)
        if len(rows.X) > MOST_NODES:
            raise ValueError(
                f"X has {len(rows.X)} distinct rows; a Gaussian process is for at most "
                f"{MOST_NODES}, since its time goes with their cube. Rows that differ in nothing "
                f"count as one: leave out columns with many values at a node, or use GraphSmoother."
            )
        self.graph_ = graph
        self._observed = self._nodes_told_of(graph, nodes)
        kernel = self.kernel or self._chosen(graph, rows)
        self.process_, _ = fitted_process(kernel, rows, climb=False)
        for part in self.process_.kernel_.get_params().values():
            if hasattr(part, "forget"):
                part.forget()
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
        return_std : bool, default False
            Whether to also return standard deviations of new rows, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,)
        std : ndarray of shape (n_rows,), if ``return_std``
        """
        rows = np.column_stack(self._rows_to_predict(X, return_std=return_std))
        if self._scores is None:
            return self.process_.predict(rows, return_std=return_std)
        mean, std = self._scores.expected(*self.process_.predict(rows, return_std=True))
        return (mean, std) if return_std else mean

    def predict_out_of_fold(
        self, splits: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]]
    ) -> NDArray[np.float64]:
        """Return predictions of the rows of ``fit``, each made from the folds without it.

        What ``cross_val_predict`` returns for :meth:`tuned_clone`, but for the scale of
        covariates. Where no rows are alike all folds have one inverse.

        Parameters
        ----------
        splits : iterable of (train, test)
            As by ``cv.split(X, y)``; every row in one test set.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self.predict_out_of_folds([splits])[0]

    def predict_out_of_folds(self, parts: list[Any]) -> list[NDArray[np.float64]]:
        """Return the same for several partitions into folds, by one inverse.

        Parameters
        ----------
        parts : list of iterables of (train, test)

        Returns
        -------
        list of ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        if self._signal is None:
            raise ValueError(
                "this process is from a file of an earlier version: fit it again first."
            )
        y, process = self._signal, self.process_
        checked = [
            check_splits(pairs_of_rows(splits), y, y, name="splits", partition=True)
            for splits in parts
        ]
        alike = len(process.X_train_) < len(y)
        precision = None if alike else inverse_of_factored(process.L_)
        return [self._fold_by_fold(splits, precision) for splits in checked]

    def _fold_by_fold(
        self, splits: Splits, precision: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        y, process = np.asarray(self._signal), self.process_
        predictions = np.empty(len(y))
        for train, test in splits:
            scores = None if self._scores is None else NormalScores(y[train])
            rest = np.delete(np.arange(len(y)), test)
            if precision is None or not np.array_equal(np.sort(train), rest):
                fitted, _ = fitted_process(process.kernel_, self._rows(train, scores), climb=False)
                mean, std = fitted.predict(self._table[test], return_std=True)
            else:
                signal = y[train] if scores is None else scores.of(y[train])
                mean, std = _held_out(precision, train, test, signal)
            predictions[test] = mean if scores is None else scores.expected(mean, std)[0]
        return predictions

    def tuned_clone(self) -> Self:
        """Return an unfitted copy that uses the covariance that ``fit`` has chosen.

        Returns
        -------
        estimator
        """
        check_is_fitted(self)
        return clone(self).set_params(kernel=self.process_.kernel_)

    def _rows(self, chosen: slice | NDArray[np.intp], scores: NormalScores | None) -> Rows:
        """Return distinct rows among those of ``fit``."""
        y = np.asarray(self._signal)[chosen]
        return distinct_rows(self._table[chosen], y if scores is None else scores.of(y))

    def _chosen(self, graph: Graph, rows: Rows) -> Kernel:
        """Return the likeliest covariance of rows drawn at random."""
        if len(rows.X) < 2:
            raise ValueError(
                f"a covariance is chosen by at least 2 distinct rows; got 1, n_samples = "
                f"{int(rows.counts.sum())}. Give kernel=, or more rows."
            )
        draw = check_random_state(self.random_state).permutation(len(rows.X))[: self.n_tune]
        rows, n_covariates = Rows(*(part[draw] for part in rows)), rows.X.shape[1] - 1
        best, likelihood = self._tuned(self._kernel(graph, n_covariates), rows)
        if n_covariates > 1:
            apart, higher = _with_lengths(best, n_covariates, rows)
            # Schwarz's criterion: on few rows lengths of their own fit noise.
            if higher - likelihood > 0.5 * (n_covariates - 1) * np.log(len(rows.X)):
                best, likelihood = apart, higher
        if np.ptp(rows.y) > 0:
            self._warn_of_kernel(best, rows, likelihood)
        return best

    def _tuned(self, kernel: Kernel, rows: Rows) -> tuple[Kernel, float]:
        """Return the kernel with its likeliest hyper-parameters, and how likely it is."""
        likeliest = max(
            (self._started(kernel, *start) for start in sizes_to_start_from(rows)),
            key=lambda start: fitted_process(start, rows, climb=False)[1],
        )
        starts = [likeliest] if self._one_climb else [kernel, likeliest]
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
                f"kernel must be process_.kernel_ of a fitted {type(self).__name__}; got "
                f"{kernel!r}."
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


def warn_of_nothing(where: str, way: str) -> None:
    warn(f"y goes with {where} no more than noise would: what is predicted is the mean. {way}")


def _held_out(
    precision: NDArray[np.float64],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    signal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what rows of ``train`` tell of those of ``test``, by the inverse for all.

    The block of the inverse that belongs to the test rows is the inverse of their covariance given
    the others.

    Parameters
    ----------
    precision : ndarray of shape (n_rows, n_rows)
        Inverse of the covariance of rows, in variances of the signal.
    train, test : ndarray of int
        All rows together.
    signal : ndarray of shape (n_train,)

    Returns
    -------
    mean, std : ndarray of shape (n_test,)
    """
    centre, spread = signal.mean(), signal.std() or 1.0
    given = np.linalg.inv(precision[np.ix_(test, test)])
    mean = -given @ (precision[np.ix_(test, train)] @ (signal - centre))
    return centre + mean, spread * np.sqrt(given.diagonal())
