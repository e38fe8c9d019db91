"""The smoothers of a stack: which by default, and what they predict of rows held out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from skginr._core import Splits
from skginr.graphs import Graph, check_graph
from skginr.smoothing import GraphGaussianProcessRegressor, GraphSmoother

# Or distinct rows: a Gaussian process takes minutes beyond.
MOST_NODES_OF_PROCESS = 5_000


def default_smoothers(
    graph: Graph, cv: int | Iterable | None = None, *, node: Hashable = None
) -> list[tuple[str, Any]]:
    """Return the smoothers of a :class:`CorrectedSmoother`, to change and pass on.

    Orders 1 and 2 of the symmetric Laplacian and order 2 of the combinatorial one. On a mesh
    order 3 of the random walk and orders 2 and 3 of the cotangent Laplacian too; elsewhere, up to
    5,000 nodes, a :class:`~skginr.GraphGaussianProcessRegressor`.

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

    Examples
    --------
    >>> from skginr import Graph
    >>> from skginr import default_smoothers
    >>> [name for name, _ in default_smoothers(Graph.from_adjacency([[0, 1], [1, 0]]))]
    ['process', 'symmetric_1', 'symmetric_2', 'combinatorial_2']
    """
    kinds = [("symmetric", 1), ("symmetric", 2), ("combinatorial", 2)]
    smoothers: list[tuple[str, Any]] = []
    if check_graph(graph).faces is not None:
        kinds += [("random_walk", 3), ("cotangent", 2), ("cotangent", 3)]
    elif graph.n_nodes <= MOST_NODES_OF_PROCESS:
        smoothers.append(("process", GraphGaussianProcessRegressor(graph=graph, node=node)))
    for kind, order in kinds:
        smoother = GraphSmoother(graph=graph, laplacian=kind, order=order, cv=cv, node=node)
        smoothers.append((f"{kind}_{order}", smoother))
    return smoothers


def check_regressor(name: str, given: Any) -> None:
    if isinstance(given, type) or not (hasattr(given, "predict") and hasattr(given, "get_params")):
        raise TypeError(f"{name} must be a regressor, an instance; got {given!r}.")


def out_of_fold(
    fitted: Any, X: ArrayLike | pd.DataFrame, y: NDArray[np.float64], splits: Splits
) -> NDArray[np.float64]:
    """Return predictions of rows held out, by what has been chosen for all rows together."""
    if hasattr(fitted, "predict_out_of_fold"):
        return fitted.predict_out_of_fold(splits)
    tuned = fitted.tuned_clone() if hasattr(fitted, "tuned_clone") else clone(fitted)
    return np.ravel(cross_val_predict(tuned, X, y, cv=splits))
