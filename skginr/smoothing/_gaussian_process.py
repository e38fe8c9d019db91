"""A Gaussian process over a graph and node covariates together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, WhiteKernel
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_count, unchanged_on_error, warn
from skginr.graphs import (
    Graph,
    as_table,
    check_graph,
    with_observations,
)
from skginr.smoothing._kernels import (
    Covariance,
    CovariateKernel,
    MeanNoise,
    NodeKernel,
    matern_covariance,
)
from skginr.smoothing._node_regressor import NodeRegressor, centre_and_spread

# A dense covariance of as many nodes takes 3 GB, and minutes.
_MOST_NODES = 20_000
_BOUNDS = (1e-3, 1e3)
_NOISE_BOUNDS = (1e-6, 10.0)
# Signal and noise, in variances of y, from which the search for the likeliest may start.
_STARTS = [(signal, noise) for signal in (0.1, 0.5, 5.0, 100.0) for noise in (1e-3, 0.03, 0.2, 0.8)]
# Of the variance of y, on the diagonal: far below the noise of any data, above rounding.
_JITTER = 1e-8


class GraphGaussianProcessRegressor(NodeRegressor):
    """Gaussian process whose covariance adds one over the graph and one over covariates.

    ``k = s_g**2 k_graph(node, node') + s_x**2 exp(-sum_j (x_j - x'_j)**2 / (2 l_j**2)) + noise``,
    with k_graph the Matérn covariance ``(kappa**2 M + K)^-order`` of the graph, scaled to unit
    mean variance in every component, and a length scale for each covariate, so that those without
    use are left out. Amplitudes, length scales and noise maximise the marginal likelihood of
    ``n_tune`` rows; predictions use all. Built on
    :class:`sklearn.gaussian_process.GaussianProcessRegressor`.

    For graphs of up to some thousands of nodes: time goes with the cube of the number of distinct
    rows (rows that are alike count as one, and as often as there are of them), and memory with the
    square of the number of nodes.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, default "symmetric"
        As in :class:`~skginr.GraphSmoother`.
    order : int, default 2
        Smoothness of the covariance over the graph.
    kappa : float, default 0.3
        Inverse of the distance at which nodes no longer tell of each other, in the units of
        the square root of an eigenvalue; above 0.
    n_tune : int, default 500
        Distinct rows, drawn at random, by which the hyper-parameters of the covariance are chosen.
    kernel : sklearn.gaussian_process.kernels.Kernel, optional
        ``process_.kernel_`` of a fitted process on this graph, to be used as it is, without
        choosing.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes.
    random_state : int, RandomState instance or None, default 0
        Of that draw.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    process_ : sklearn.gaussian_process.GaussianProcessRegressor
        The fitted process; ``process_.kernel_`` shows what was chosen.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If the graph has more than 20,000 nodes or X as many distinct rows, or only one, a label is
        unknown, another column than the first could name nodes and ``node`` is not given, a
        hyper-parameter is out of range, or y is not finite or of another length.

    Warns
    -----
    UserWarning
        If the graph has no edges, y goes with the graph no more than noise would or more than the
        covariance allows, or a row to be predicted is in a component in which nothing was
        observed (with ``return_std`` the standard deviation says so).

    References
    ----------
    V. Borovitskiy et al., "Matérn Gaussian Processes on Graphs", AISTATS 2021.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from skginr import Graph, GraphGaussianProcessRegressor
    >>> ring = Graph.from_networkx(nx.cycle_graph(20))
    >>> X, y = np.arange(20)[:, None], np.sin(np.arange(20) * np.pi / 10)
    >>> process = GraphGaussianProcessRegressor(graph=ring).fit(X[::2], y[::2])
    >>> process.predict([[5]]).round(1)
    array([1.])
    """

    def __init__(
        self,
        *,
        graph: Graph,
        laplacian: str = "symmetric",
        order: int = 2,
        kappa: float = 0.3,
        n_tune: int = 500,
        kernel: Kernel | None = None,
        node: Hashable = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.graph = graph
        self.laplacian = laplacian
        self.order = order
        self.kappa = kappa
        self.n_tune = n_tune
        self.kernel = kernel
        self.node = node
        self.random_state = random_state

    # Which nodes a path joins to a row of ``fit``; not in the files of earlier versions.
    _observed: NDArray[np.bool_] | None = None

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
        self._check_penalty(forgets=True)
        check_count("n_tune", self.n_tune, minimum=2)
        if graph.n_nodes > _MOST_NODES:
            raise ValueError(
                f"graph has {graph.n_nodes} nodes; a Gaussian process is for at most "
                f"{_MOST_NODES}. Use GraphSmoother."
            )
        if self.kernel is not None:
            _check_kernel(self.kernel, self._source(graph), n_features=len(as_table(X).columns))
        nodes, covariates, y = self._rows_of_fit(graph, X, y)
        self._scaling = centre_and_spread(covariates)
        rows = _distinct(np.column_stack([nodes, self._scaled(covariates)]), y)
        if len(rows.X) > _MOST_NODES:
            raise ValueError(
                f"X has {len(rows.X)} distinct rows; a Gaussian process is for at most "
                f"{_MOST_NODES}, since its time goes with their cube. Rows that differ in nothing "
                f"count as one: leave out columns with many values at a node, or use GraphSmoother."
            )
        self.graph_ = graph
        self._observed = with_observations(graph, nodes)
        kernel = self.kernel or self._tuned(self._kernel(graph, covariates.shape[1]), rows)
        self.process_, _ = _fitted(kernel, rows, climb=False)
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
        return self.process_.predict(rows, return_std=return_std)

    def tuned_clone(self) -> Self:
        """Return an unfitted copy that uses the covariance that ``fit`` has chosen.

        Returns
        -------
        GraphGaussianProcessRegressor
        """
        check_is_fitted(self)
        return clone(self).set_params(kernel=self.process_.kernel_)

    def _tuned(self, kernel: Kernel, rows: _Rows) -> Kernel:
        if len(rows.X) < 2:
            raise ValueError(
                f"a covariance is chosen by at least 2 distinct rows; got 1, n_samples = "
                f"{int(rows.counts.sum())}. Give kernel=, or more rows."
            )
        draw = check_random_state(self.random_state).permutation(len(rows.X))[: self.n_tune]
        rows = _Rows(*(part[draw] for part in rows))
        likeliest = max(
            (_started(kernel, *start) for start in _starts(rows)),
            key=lambda start: _fitted(start, rows, climb=False)[1],
        )
        with warnings.catch_warnings():
            # A length scale at its upper bound is how a covariate is left out, and a noise at its
            # lower one is none.
            warnings.filterwarnings("ignore", "The optimal value", ConvergenceWarning)
            # Not everywhere does one climb lead to the top.
            fitted = [_fitted(start, rows, climb=True) for start in (kernel, likeliest)]
        best = max(fitted, key=lambda pair: pair[1])[0].kernel_
        if np.ptp(rows.y) > 0 and self.graph.n_edges:
            _warn_at_bound(best)
        return best

    def _source(self, graph: Graph) -> tuple[Any, ...]:
        """Return what makes a covariance of nodes what it is."""
        return graph.digest, self.laplacian, self.order, self.kappa

    def _kernel(self, graph: Graph, n_covariates: int) -> Kernel:
        covariance = matern_covariance(*self._penalty(graph), self.kappa, self._source(graph))
        if not covariance.tells_nodes_apart():
            raise ValueError(
                f"kappa={self.kappa} and order={self.order} let all nodes of this graph vary as "
                f"one, to the precision of numbers. Raise kappa, or lower order."
            )
        kernel = ConstantKernel(0.5, _BOUNDS) * NodeKernel(covariance)
        if n_covariates:
            lengths = np.full(n_covariates, 3.0)
            kernel += ConstantKernel(0.5, _BOUNDS) * CovariateKernel(lengths, _BOUNDS)
        return kernel + WhiteKernel(0.2, _NOISE_BOUNDS)


class _Rows(NamedTuple):
    """Rows that differ, as means of those that do not.

    Attributes
    ----------
    X : ndarray of shape (n_distinct, 1 + n_covariates)
    y : ndarray of shape (n_distinct,)
        Means.
    counts : ndarray of shape (n_distinct,)
        Of how many rows.
    squares : ndarray of shape (n_distinct,)
        Sums of their squared deviations from their mean.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    counts: NDArray[np.float64]
    squares: NDArray[np.float64]


def _distinct(X: NDArray[np.float64], y: NDArray[np.float64]) -> _Rows:
    """Return rows that differ, with what is to be known of those that do not."""
    distinct, of_row = np.unique(X, axis=0, return_inverse=True)
    if len(distinct) == len(X):
        return _Rows(X, y, np.ones(len(y)), np.zeros(len(y)))
    of_row = of_row.ravel()
    counts = np.bincount(of_row).astype(float)
    means = np.bincount(of_row, weights=y) / counts
    squares = np.bincount(of_row, weights=(y - means[of_row]) ** 2).astype(float)
    return _Rows(distinct, means, counts, squares)


def _fitted(kernel: Kernel, rows: _Rows, *, climb: bool) -> tuple[GaussianProcessRegressor, float]:
    """Return a process of all rows by their means, and the logarithm of its likelihood.

    ``climb`` looks for a likelier kernel. Rows that are alike have noise of their own, which their
    mean has a share of and their differences tell by themselves.
    """
    n_alike = rows.counts.sum() - len(rows.X)
    if n_alike == 0:
        optimizer = "fmin_l_bfgs_b" if climb else None
        process = GaussianProcessRegressor(
            kernel, alpha=_JITTER, normalize_y=True, optimizer=optimizer
        ).fit(rows.X, rows.y)
        return process, process.log_marginal_likelihood_value_
    unit = _unit(rows)
    noise = kernel.k2.noise_level
    low, high = _NOISE_BOUNDS
    # In units of what differs from row to row, of which noise may be many times as much.
    high = max(high, 10 * rows.squares.sum() / n_alike / unit)
    of_means = kernel.k1 + MeanNoise(rows.counts, min(noise, high), (low, high))

    def within(log_noise: float) -> tuple[float, float]:
        """Return minus the log likelihood of differences between rows that are alike, and slope."""
        squares = rows.squares.sum() / unit * np.exp(-log_noise)
        return 0.5 * (n_alike * log_noise + squares), 0.5 * (n_alike - squares)

    def climber(
        of_rows: Callable[..., tuple[float, NDArray]], start: NDArray, bounds: NDArray
    ) -> tuple[NDArray, float]:
        def both(theta: NDArray) -> tuple[float, NDArray]:
            (value, slope), (more, steeper) = of_rows(theta), within(theta[-1])
            return value + more, np.append(slope[:-1], slope[-1] + steeper)

        found = minimize(both, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return found.x, found.fun

    process = GaussianProcessRegressor(
        of_means, alpha=_JITTER, normalize_y=True, optimizer=climber if climb else None
    ).fit(rows.X, rows.y)
    likelihood = process.log_marginal_likelihood_value_
    noise = process.kernel_.k2.noise_level
    if not climb:
        likelihood -= within(np.log(noise))[0]
    # New rows are rows, and not means of some.
    process.kernel_ = process.kernel_.k1 + WhiteKernel(noise, (low, high))
    return process.set_params(kernel=process.kernel_, optimizer=None), likelihood


def _unit(rows: _Rows) -> float:
    """Return the variance that scikit-learn divides by."""
    return float(rows.y.var()) or 1.0


def _starts(rows: _Rows) -> list[tuple[float, float]]:
    """Return sizes of signal and noise to start from, with what rows that are alike tell of it."""
    n_alike = rows.counts.sum() - len(rows.X)
    if n_alike == 0:
        return _STARTS
    noise = max(rows.squares.sum() / n_alike / _unit(rows), _NOISE_BOUNDS[0])
    return _STARTS + [(signal, noise) for signal, _ in _STARTS[::4]]


def _started(kernel: Kernel, signal: float, noise: float) -> Kernel:
    """Return the kernel with another size of what goes over the graph, and of the noise."""
    started = clone(kernel)
    _over_graph(started).constant_value = signal
    started.k2.noise_level = noise
    return started


def _over_graph(kernel: Kernel) -> ConstantKernel:
    """Return the size of what goes over the graph: left of the covariates, left of the noise."""
    part = kernel.k1
    while not isinstance(part, ConstantKernel):
        part = part.k1
    return part


def _warn_at_bound(kernel: Kernel) -> None:
    """Warn if what was chosen for the graph is as little, or as much, as may be."""
    size, low, high = _over_graph(kernel).constant_value, *_BOUNDS
    # Covariates may tell all that there is to tell.
    alone = isinstance(kernel.k1.k1, ConstantKernel)
    if size <= 1.01 * low and alone:
        warn(
            "y goes with the graph no more than noise would: what is predicted is the mean. "
            "Another order, kappa or laplacian may see more, or a larger n_tune."
        )
    elif size >= 0.99 * high:
        warn(
            f"y varies along edges more than the covariance allows at its largest size, {high:g} "
            f"variances of y, and is smoothed too much. Raise kappa, or lower order."
        )


def _check_kernel(kernel: object, source: tuple[Any, ...], n_features: int) -> None:
    parts = kernel.get_params().values() if isinstance(kernel, Kernel) else []
    covariances = [part for part in parts if isinstance(part, Covariance)]
    if not covariances:
        raise TypeError(
            f"kernel must be process_.kernel_ of a fitted GraphGaussianProcessRegressor; got "
            f"{kernel!r}."
        )
    if covariances[0].source != source:
        raise ValueError(
            "kernel must be of a process on the same graph, with the same laplacian, order and "
            "kappa; this one is of another. Leave kernel out to choose again."
        )
    lengths = [part.length_scale for part in parts if isinstance(part, CovariateKernel)]
    n_covariates = np.size(lengths[0]) if lengths else 0
    if n_covariates != n_features - 1:
        raise ValueError(
            f"kernel must be of a process with X's {n_features - 1} covariates; this one has "
            f"{n_covariates}. Leave kernel out to choose again."
        )
