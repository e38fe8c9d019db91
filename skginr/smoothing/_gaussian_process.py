"""A Gaussian process over a graph and node covariates together."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel

from skginr._core import warn
from skginr.graphs import Graph, with_observations
from skginr.smoothing._kernels import NodeKernel, matern_covariance
from skginr.smoothing._likelihood import Rows
from skginr.smoothing._node_predictor import PenaltyMixin, warn_of_no_edges
from skginr.smoothing._process import (
    BOUNDS,
    MOST_NODES,
    NodeProcess,
    covariance_of_nodes,
    has_covariates,
    warn_of_nothing,
)


class GraphGaussianProcessRegressor(PenaltyMixin, NodeProcess):
    """Gaussian process whose covariance adds one over the graph and one over covariates.

    ``k = s_g**2 k_graph(node, node') + k_x + noise``, with k_graph the Matérn covariance
    ``(kappa**2 M + K)^-order`` of the graph, scaled to unit mean variance in every component, and
    ``k_x = s_x**2 exp(-sum_j (x_j - x'_j)**2 / (2 l_j**2)) + s_l**2 sum_j x_j x'_j`` of scaled
    covariates: a non-linear and a linear part. Where there are rows enough to support it (Schwarz's
    criterion), every covariate has its own length scale, so that useless ones are left out; else
    all share one. Amplitudes, length scales and noise maximise the marginal likelihood of
    ``n_tune`` rows; predictions use all. Built on
    :class:`sklearn.gaussian_process.GaussianProcessRegressor`.

    For graphs of up to some thousands of nodes: time goes with the cube of the number of distinct
    rows (equal rows count as one row of larger weight), and memory with the square of the number of
    nodes.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, default "symmetric"
        As in :class:`~skginr.GraphSmoother`.
    order : int, default 2
        Smoothness of the covariance over the graph.
    kappa : float, default 0.3
        Inverse of the distance beyond which nodes have little to do with each other, in the units
        of the square root of an eigenvalue; above 0.
    n_tune : int, default 500
        Distinct rows, drawn at random, by which the hyper-parameters of the covariance are chosen.
    normal_scores : bool, default False
        Whether to replace y by its normal scores: values of a normal distribution with the same
        ranks. For heavy tails. Predictions are expectations of y itself, never beyond its least and
        largest value; a value that is wrong by a factor of ten is better left out.
    kernel : sklearn.gaussian_process.kernels.Kernel or list of them, optional
        ``process_.kernel_`` of a fitted process on this graph, to be used as it is, without
        choosing again; for several signals a list, one for each.
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
        The fitted process; ``process_.kernel_`` shows what was chosen. Of one signal only.
    processes_ : list of sklearn.gaussian_process.GaussianProcessRegressor
        Those of several signals, in order. Of several only.
    noise_variance_ : float or ndarray of shape (n_signals,)
        Variance of a row of weight 1 about the signal, in units of y squared. With
        ``normal_scores``, where it is not the same everywhere, its mean over the rows of ``fit``,
        each with the signal that is expected there.
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
        hyper-parameter is out of range, y is not finite or of another length, a signal is known
        nowhere, or weights are negative or all zero.

    Warns
    -----
    UserWarning
        If the graph has no edges, y goes with the graph no more than noise would or more than the
        covariance allows, or a row to be predicted is in a component in which nothing was
        observed (with ``return_std`` the standard deviation says so).

    See Also
    --------
    SpatialGaussianProcessRegressor : By distance in space instead of edges; the first choice on a
        map.
    GraphSmoother : For large graphs: time goes with the number of edges.
    CorrectedSmoother : Blends this process with other models.
    suggest_measurements : Says which nodes to measure next; it comes after ``fit``.

    Notes
    -----
    A row of weight w has the noise of one row, divided by w, and its density counts in the
    likelihood to the power of w: whole weights are as many rows, and others lie between. If weights
    sum to less than the number of distinct rows, only their ratios count. Larger weights say that
    rows were seen again, and with the same value.

    With ``normal_scores`` the signal is what is expected of a row of weight 1, given the score
    without noise: of this are standard deviations and draws.

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
        normal_scores: bool = False,
        kernel: Kernel | list[Kernel] | None = None,
        node: Hashable = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.graph = graph
        self.laplacian = laplacian
        self.order = order
        self.kappa = kappa
        self.n_tune = n_tune
        self.normal_scores = normal_scores
        self.kernel = kernel
        self.node = node
        self.random_state = random_state

    _source_words = ", with the same laplacian, order and kappa"

    def _check_parameters(self, graph: Graph) -> None:
        self._check_penalty(forgets=True)
        if graph.n_nodes > MOST_NODES:
            raise ValueError(
                f"graph has {graph.n_nodes} nodes; a Gaussian process is for at most "
                f"{MOST_NODES}. Use GraphSmoother."
            )
        warn_of_no_edges(graph)

    def _covariance(self, graph: Graph) -> Kernel:
        covariance = matern_covariance(*self._penalty(graph), self.kappa, self._source(graph))
        if not covariance.tells_nodes_apart():
            raise ValueError(
                f"kappa={self.kappa} and order={self.order} let all nodes of this graph vary as "
                f"one, to the precision of numbers. Raise kappa, or lower order."
            )
        return ConstantKernel(0.5, BOUNDS) * NodeKernel(covariance)

    def _source(self, graph: Graph) -> tuple[Any, ...]:
        return graph.digest, self.laplacian, self.order, self.kappa

    def _resize(self, kernel: Kernel, size: float) -> None:
        covariance_of_nodes(kernel).constant_value = size

    def _warn_of_kernel(self, kernel: Kernel, rows: Rows, likelihood: float, name: str) -> None:
        size, low, high = covariance_of_nodes(kernel).constant_value, *BOUNDS
        if not self.graph.n_edges:
            return
        # Covariates may tell all that there is to tell.
        if size <= 1.01 * low and not has_covariates(kernel):
            warn_of_nothing(
                name,
                "the graph",
                "Another order, kappa or laplacian may see more, or a larger n_tune.",
            )
        elif size >= 0.99 * high:
            warn(
                f"{name} varies along edges more than the covariance allows at its largest size, "
                f"{high:g} variances of y, and is smoothed too much. Raise kappa, or lower order."
            )

    def _nodes_told_of(self, graph: Graph, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
        return with_observations(graph, nodes)
