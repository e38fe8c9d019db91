"""Refinement: a fitted model on a finer graph."""

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from skginr.graphs import Graph, check_graph
from skginr.spectral._embedder import SpectralEmbedder, continued_on

_Model = TypeVar("_Model", bound=BaseEstimator)


def refine_model(model: _Model, graph: Graph) -> _Model:
    """Return a fitted model that names the nodes of a finer graph, without training again.

    The nodes that it knows keep their coordinates, and so their predictions; between them
    coordinates continue as smoothly as possible, by one sparse linear system and no eigenproblem.
    So a signal learned on a coarse mesh is predicted on a fine one: super-resolution.

    Parameters
    ----------
    model : estimator
        Fitted: a :class:`~skginr.SpectralEmbedder` with a graph, or a Pipeline, a
        ColumnTransformer, a search or whatever else holds one. Stays as it is.
    graph : Graph
        With all nodes of the model's graph, by label, and new ones between them, such as
        :meth:`Graph.refine` makes.

    Returns
    -------
    estimator
        A copy of ``model``. Where it is fitted again, it embeds ``graph``; folds that hold a graph
        of their own, as a search's ``cv``, stay as they are.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or a step other than a SpectralEmbedder holds a graph.
    ValueError
        If there is no SpectralEmbedder, it has no graph or is not fitted (a ``NotFittedError``),
        or ``graph`` lacks one of its nodes.

    Warns
    -----
    UserWarning
        If a new node has no path of edges to any that was fitted (its coordinates are then 0,
        their mean), or nodes that were fitted are elsewhere by their positions, as those of another
        mesh with the same numbers are.

    See Also
    --------
    Graph.refine : Makes a finer mesh; it comes before.
    SpectralEmbedder.extend : For a graph that has grown and whose edges are still there, as when a
        road is built. The edges of a coarse mesh are not those of a fine one, and the equations of
        its coordinates do not hold there.
    align : For graphs that have only some of their nodes in common.

    Notes
    -----
    Coordinates of every method are continued alike: as biharmonic functions of the combinatorial
    Laplacian of ``graph``, which have the least sum of squares of its values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from skginr import Graph, SpectralEmbedder, refine_model
    >>> square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    >>> coarse, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(3)
    >>> model = make_pipeline(SpectralEmbedder(30, graph=coarse), Ridge(1e-6))
    >>> model = model.fit(coarse.labels.to_frame(), np.sin(3 * coarse.positions[:, 0]))
    >>> fine, _ = coarse.refine()
    >>> finer = refine_model(model, fine)
    >>> finer.score(fine.labels.to_frame(), np.sin(3 * fine.positions[:, 0])) > 0.99
    True
    """
    check_graph(graph)
    embedders = list(_embedders(model))
    if not embedders:
        raise ValueError(
            f"model must hold a SpectralEmbedder, which is what moves; {type(model).__name__} does "
            f"not. A smoother is fitted on the finer graph itself, with the labels that are known."
        )
    if not any(map(_is_fitted, embedders)):
        check_is_fitted(embedders[0], msg="model must be fitted; its %(name)s is not.")
    # In place of what it meets again, deepcopy takes what it remembers.
    memory = {id(embedder): _moved(embedder, graph) for embedder in embedders}
    return copy.deepcopy(model, memory)


def _embedders(part: Any, owner: Any = None) -> Iterator[SpectralEmbedder]:
    """Yield every SpectralEmbedder in an estimator, fitted or not."""
    if isinstance(part, SpectralEmbedder):
        yield part
        return
    if isinstance(part, Graph):
        raise TypeError(
            f"model must hold no graph but that of its SpectralEmbedder; "
            f"{type(owner).__name__} has one, and would not know the nodes of another."
        )
    if isinstance(part, BaseEstimator):
        part, owner = vars(part), part
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part:
            yield from _embedders(each, owner)


def _is_fitted(embedder: SpectralEmbedder) -> bool:
    return hasattr(embedder, "embedding_")


def _moved(embedder: SpectralEmbedder, graph: Graph) -> SpectralEmbedder:
    if embedder.graph is None:
        raise ValueError(
            "refine_model needs an embedder of a graph; this one has graph=None, and transform "
            "places new rows."
        )
    if not _is_fitted(embedder):
        return clone(embedder).set_params(graph=graph)
    return continued_on(graph, embedder)
