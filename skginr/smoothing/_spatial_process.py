"""A Gaussian process through space and over node covariates, beside the graph."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Kernel

from skginr.graphs import Graph
from skginr.smoothing._kernels import N_AMPLITUDES, Places, SpaceKernel
from skginr.smoothing._likelihood import Rows, fitted_process
from skginr.smoothing._process import (
    NodeProcess,
    covariance_of_nodes,
    has_covariates,
    warn_of_nothing,
)

# Of each amplitude, in variances of y.
_BOUNDS = (1e-5, 1e2)
# Of the logarithm of the likelihood, that a covariance has to gain over noise.
_SOMETHING = 2.0


class SpatialGaussianProcessRegressor(NodeProcess):
    """Gaussian process of positions and covariates: kriging with a learned covariance.

    ``k = sum_r a_r exp(-d / r) + b_r (1 + 3**.5 d / r) exp(-3**.5 d / r) + k_x + noise``, with d
    the distance of two nodes in space and r four ranges, .1, .3, 1 and 3 times the median
    distance of nodes from their middle: rough and smooth parts of short and long range, each with
    its own amplitude. ``k_x`` is the covariance of covariates, as in
    :class:`~skginr.GraphGaussianProcessRegressor`. Amplitudes, length scales and noise maximise the
    marginal likelihood of ``n_tune`` rows; predictions use all. Far from all observations it falls
    back to their mean.

    For signals that are fields in space, as those of most maps are; edges are not used. Places to
    be predicted are nodes of the graph: put them into the table that makes the graph
    (``Graph.from_points``, ``Graph.from_geodataframe``), and leave them out of X and y of ``fit``.

    For up to some thousands of rows: time goes with the cube of the number of distinct rows.

    Parameters
    ----------
    graph : Graph
        With positions of its nodes.
    n_tune : int, default 500
        Distinct rows, drawn at random, by which the hyper-parameters of the covariance are chosen.
    normal_scores : bool, default False
        As in :class:`~skginr.GraphGaussianProcessRegressor`: for heavy tails.
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
        If the graph has no positions, X more than 20,000 distinct rows or only one, a label is
        unknown, another column than the first could name nodes and ``node`` is not given, y is
        not finite or of another length, a signal is known nowhere, or weights are negative or all
        zero.

    Warns
    -----
    UserWarning
        If y goes with positions no more than noise would.

    See Also
    --------
    GraphGaussianProcessRegressor : For signals that follow edges, or a graph without positions.
    CorrectedSmoother : Blends this process with other models; takes much longer.
    ThinPlateSplineRegressor : For more rows than this can take, without standard deviations.
    suggest_measurements : Says which nodes to measure next; it comes after ``fit``.

    Notes
    -----
    Weights and normal scores are as in :class:`~skginr.GraphGaussianProcessRegressor`.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import Graph, SpatialGaussianProcessRegressor
    >>> points = np.random.default_rng(0).random((100, 2))
    >>> graph = Graph.from_points(points)
    >>> X, y = np.arange(100)[:, None], np.sin(3 * points[:, 0])
    >>> model = SpatialGaussianProcessRegressor(graph=graph).fit(X[30:], y[30:])
    >>> model.score(X[:30], y[:30]) > 0.97
    True
    """

    def __init__(
        self,
        *,
        graph: Graph,
        n_tune: int = 500,
        normal_scores: bool = False,
        kernel: Kernel | list[Kernel] | None = None,
        node: Hashable = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.graph = graph
        self.n_tune = n_tune
        self.normal_scores = normal_scores
        self.kernel = kernel
        self.node = node
        self.random_state = random_state

    # Amplitudes alone are found from anywhere.
    _one_climb = True

    def _check_parameters(self, graph: Graph) -> None:
        if graph.positions is None:
            raise ValueError(
                "graph must have positions, for a process through space; it has none. "
                "GraphGaussianProcessRegressor needs only its edges."
            )
        if not has_places(graph):
            raise ValueError(
                f"graph must have positions that differ; its {graph.n_nodes} nodes are at one "
                f"place. GraphGaussianProcessRegressor needs only its edges."
            )

    def _covariance(self, graph: Graph) -> Kernel:
        # Divided by the largest first, as squares of very large or small ones are not numbers.
        positions = np.asarray(graph.positions, dtype=float)
        positions = positions / np.abs(positions).max()
        centred = positions - np.median(positions, axis=0)
        centred /= np.abs(centred).max()
        distances = np.linalg.norm(centred, axis=1)
        # One far node says nothing of how far the others are apart.
        places = centred / (np.median(distances) or distances.mean())
        return SpaceKernel(
            Places(places, self._source(graph)),
            np.full(N_AMPLITUDES, 0.8 / N_AMPLITUDES),
            _BOUNDS,
        )

    def _source(self, graph: Graph) -> tuple[Any, ...]:
        return graph.digest, "space"

    def _resize(self, kernel: Kernel, size: float) -> None:
        covariance_of_nodes(kernel).amplitudes = np.full(N_AMPLITUDES, size / N_AMPLITUDES)

    def _warn_of_kernel(self, kernel: Kernel, rows: Rows, likelihood: float, name: str) -> None:
        if has_covariates(kernel):
            return
        # What is as short as the distance of neighbours is noise too: only likelihood tells.
        noise = self._started(kernel, _BOUNDS[0], rows.unit_weight)
        if likelihood - fitted_process(noise, rows, climb=False)[1] < _SOMETHING:
            warn_of_nothing(name, "positions", "More rows may show more; so may a larger n_tune.")

    def _nodes_told_of(self, graph: Graph, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
        return np.ones(graph.n_nodes, dtype=bool)


def has_places(graph: Graph) -> bool:
    """Return whether the nodes are at more than one place."""
    return graph.positions is not None and bool(np.ptp(graph.positions, axis=0).max() > 0)
