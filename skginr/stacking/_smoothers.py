"""The smoothers of a stack: which by default, and what they predict of rows held out."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils.validation import has_fit_parameter

from skginr._core import Splits, check_splits, splits_of_rows, within
from skginr.graphs import Graph, GraphBlockKFold, check_graph, laplacian_of
from skginr.smoothing import (
    GraphGaussianProcessRegressor,
    GraphSmoother,
    SpatialGaussianProcessRegressor,
    ThinPlateSplineRegressor,
    has_places,
)

# Or distinct rows: a Gaussian process takes minutes beyond.
MOST_NODES_OF_PROCESS = 5_000
PROCESSES = frozenset({"process", "process_scores", "space", "space_scores"})
# Of fewer rows a blend cannot tell what order 2 is worth.
_MANY_NODES = 1_000
# A spline through space takes longer than all smoothers beyond.
_MOST_NODES_OF_SPLINE = 20_000
# Laplacians and orders.
_ON_GRAPHS = [("combinatorial", 1), ("symmetric", 1), ("symmetric", 2), ("combinatorial", 2)]
_ON_MESHES = [
    *[("combinatorial", 1), ("symmetric", 2), ("combinatorial", 2)],
    *[("random_walk", 3), ("cotangent", 2), ("cotangent", 3)],
]
# Kappa of orders above 1, in mean edges: without, they go on as steep as they left the last
# observation, however far.
_FORGETTING = 0.15
# Share of the processes in space among all, before anything is seen.
_IN_SPACE = 0.8
# Partitions by which regions are judged, of up to so many rows.
_REPEATS = {1_000: 5, 10_000: 3, float("inf"): 2}


def default_smoothers(
    graph: Graph, cv: int | Iterable | None = None, *, node: Hashable = None
) -> list[tuple[str, Any]]:
    """Return the smoothers of a :class:`CorrectedSmoother`, to change and pass on.

    Order 1 of the combinatorial Laplacian, and from 1,000 nodes on order 1 of the symmetric one and
    order 2 of both, whose influence fades with distance (kappa). Up to 5,000 nodes a
    :class:`~skginr.GraphGaussianProcessRegressor`, and where the graph has positions a
    :class:`~skginr.SpatialGaussianProcessRegressor`; the last of these once more on normal scores,
    for heavy tails.

    On a mesh order 1 of the combinatorial Laplacian; order 2 of the combinatorial, the symmetric
    and the cotangent one and order 3 of the random walk and the cotangent one, whose influence
    fades with distance; and up to 20,000 nodes a :class:`~skginr.ThinPlateSplineRegressor`.

    Parameters
    ----------
    graph : Graph
    cv : int, splitter or iterable, optional
        Folds by which a smoother chooses its strength, as in :class:`~skginr.GraphSmoother`.
    node : int or column name, optional
        The column that names nodes, as there.

    Returns
    -------
    list of (str, estimator)

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.

    See Also
    --------
    CorrectedSmoother : Takes the list as ``smoothers``; it comes next.
    GraphSmoother : What to add for smoothing of another order or Laplacian.

    Examples
    --------
    >>> from skginr import Graph
    >>> from skginr import default_smoothers
    >>> [name for name, _ in default_smoothers(Graph.from_adjacency([[0, 1], [1, 0]]))]
    ['process', 'process_scores', 'combinatorial_1']
    """
    on_mesh = check_graph(graph).faces is not None
    smoothers: list[tuple[str, Any]] = []
    if not on_mesh and graph.n_nodes <= MOST_NODES_OF_PROCESS:
        smoothers += _processes(graph, node)
    kinds = _ON_MESHES if on_mesh else _ON_GRAPHS
    if not on_mesh and graph.n_nodes < _MANY_NODES:
        kinds = kinds[:1]
    for kind, order in kinds:
        kappa = 0.0 if order == 1 else _FORGETTING * _steepest(graph, kind)
        smoother = GraphSmoother(
            graph=graph, laplacian=kind, order=order, kappa=kappa, cv=cv, node=node
        )
        smoothers.append((f"{kind}_{order}", smoother))
    if on_mesh and graph.n_nodes <= _MOST_NODES_OF_SPLINE:
        smoothers.append(("spline", ThinPlateSplineRegressor(graph=graph, node=node)))
    return smoothers


def _steepest(graph: Graph, kind: str) -> float:
    """Return the root of about the largest eigenvalue: the inverse of the length of an edge."""
    operator = laplacian_of(graph, kind)
    return float(np.mean(operator.stiffness.diagonal() / operator.mass)) ** 0.5


def _processes(graph: Graph, node: Hashable) -> list[tuple[str, Any]]:
    kinds: list[tuple[str, Any]] = [
        ("process", GraphGaussianProcessRegressor(graph=graph, node=node))
    ]
    if has_places(graph):
        kinds.append(("space", SpatialGaussianProcessRegressor(graph=graph, node=node)))
    name, last = kinds[-1]
    return [*kinds, (f"{name}_scores", clone(last).set_params(normal_scores=True))]


def check_regressor(name: str, given: Any) -> None:
    if isinstance(given, type) or not (hasattr(given, "predict") and hasattr(given, "get_params")):
        raise TypeError(f"{name} must be a regressor, an instance; got {given!r}.")


def check_takes_weights(name: str, model: Any) -> None:
    if not has_fit_parameter(model, "sample_weight"):
        raise TypeError(
            f"{name} must take sample_weight in fit, as rows have weights; {type(model).__name__} "
            f"does not. Take another, or leave sample_weight out."
        )


def prior_weights(names: list[str]) -> NDArray[np.float64] | None:
    """Return weights of the mean and the default smoothers before anything is seen; None if equal.

    What has a place is most often a field in space, whatever its borders.
    """
    in_space = np.isin(["mean", *names], ["space", "space_scores"])
    if not in_space.any():
        return None
    return np.where(in_space, _IN_SPACE / in_space.sum(), (1 - _IN_SPACE) / (~in_space).sum())


def partitions(
    cv: int | Iterable,
    X: ArrayLike | pd.DataFrame,
    y: NDArray[np.float64],
    used: NDArray[np.intp],
    random_state: Any,
) -> list[Splits]:
    """Return the folds that are asked for, and of regions further ones of the same size.

    A few regions say little of others: which smoother is good at one is chance. Rows are numbered
    as those of the table that has the rows ``used`` alone.
    """
    asked = splits_of_rows(cv, X, y, used, random_state=random_state, partition=True)
    parts = [within(asked, used)]
    if not isinstance(cv, GraphBlockKFold):
        return parts
    X, y = _safe_indexing(X, used), y[used]
    n_parts = next(n_parts for most, n_parts in _REPEATS.items() if len(y) <= most)
    known = {_regions(parts[0])}
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=3 * n_parts)
    for seed in seeds:
        if len(parts) == n_parts:
            break
        another = copy.copy(cv)
        another.random_state = int(seed)
        try:
            part = check_splits(another, X, y, partition=True)
        except ValueError:
            # A buffer may leave nothing to train on in blocks that were not asked for.
            continue
        # Of a small graph there are few ways to cut it.
        if _regions(part) not in known:
            known.add(_regions(part))
            parts.append(part)
    return parts


def _regions(part: Splits) -> frozenset[tuple[int, ...]]:
    return frozenset(tuple(np.sort(test).tolist()) for _, test in part)


def for_signals(smoother: Any, n_signals: int) -> Any:
    """Return an unfitted copy of a smoother that takes so many signals."""
    alone = n_signals > 1 and not get_tags(smoother).target_tags.multi_output
    return MultiOutputRegressor(clone(smoother)) if alone else clone(smoother)


def out_of_folds(
    fitted: Any,
    X: ArrayLike | pd.DataFrame,
    y: NDArray[np.float64],
    parts: list[Splits],
    weights: NDArray[np.float64] | None = None,
) -> list[NDArray[np.float64]]:
    """Return predictions of rows held out by each partition, of the shape of y.

    By what has been chosen for all rows together.
    """
    if hasattr(fitted, "predict_out_of_folds"):
        return fitted.predict_out_of_folds(parts)
    if hasattr(fitted, "predict_out_of_fold"):
        return [fitted.predict_out_of_fold(splits) for splits in parts]
    tuned = fitted.tuned_clone() if hasattr(fitted, "tuned_clone") else clone(fitted)
    weighed = None if weights is None else {"sample_weight": weights}
    return [
        np.reshape(cross_val_predict(tuned, X, y, cv=splits, params=weighed), y.shape)
        for splits in parts
    ]
