"""What edges cannot tell: of a graph without any, and of parts in which nothing was observed."""

from __future__ import annotations

import contextlib
import contextvars
import sys
from collections.abc import Iterator
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from skginr._core import warn, warn_once
from skginr.graphs._graph import Graph

# Where rows are predicted to be compared with what was observed: the score says how good that is.
# A module, and a function of it where others are for rows that are not held out.
_HELD_OUT = (
    ("sklearn.model_selection._validation", ""),
    ("mapie.estimator.regressor", "predict_calib"),
)
_held_out: contextvars.ContextVar[bool] = contextvars.ContextVar("skginr_held_out", default=False)


def warn_without_edges(graph: Graph, consequence: str) -> None:
    """Warn if a graph has no edges, with what follows from it."""
    if graph.n_edges == 0 and graph.n_nodes > 1:
        warn_once(
            f"no edges {graph.digest}",
            f"graph has {graph.n_nodes} nodes and no edges, so that {consequence}. Areas that are "
            f"near without touching are joined by Graph.from_geodataframe(..., tolerance=...), or "
            f"method='knn'.",
        )


def with_observations(graph: Graph, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether a path joins each node of a graph to one of ``nodes``, shape (n_nodes,)."""
    observed = np.zeros(graph.n_components, dtype=bool)
    observed[graph.components[nodes]] = True
    return observed[graph.components]


def warn_unobserved(
    graph: Graph, nodes: NDArray[np.intp], observed: NDArray[np.bool_] | None
) -> None:
    """Warn if rows name nodes that no path joins to any that ``fit`` had.

    Nothing is said of rows that are held out to score a model.

    Parameters
    ----------
    graph : Graph
    nodes : ndarray of int of shape (n_rows,)
        Of the rows.
    observed : ndarray of bool of shape (n_nodes,) or None
        As by :func:`with_observations`; None where it is not known.
    """
    alone = nodes[:0] if observed is None else nodes[~observed[nodes]]
    if len(alone) == 0 or _is_held_out():
        return
    n_parts = len(np.unique(graph.components[alone]))
    parts = "component" if n_parts == 1 else "components"
    warn(
        f"{len(alone)} of {len(nodes)} rows of X name nodes of {n_parts} connected {parts} of the "
        f"graph in which fit had no row, such as {graph.labels[alone[:1]].tolist()[0]!r}: nothing "
        f"is known there, and what is predicted is a guess. Leave them out, or join them by edges."
    )


@contextlib.contextmanager
def held_out() -> Iterator[None]:
    """Say that rows are predicted in here to be compared with what was observed."""
    token = _held_out.set(True)
    try:
        yield
    finally:
        _held_out.reset(token)


def _is_held_out() -> bool:
    if _held_out.get():
        return True
    caller: FrameType | None = sys._getframe()
    while caller is not None:
        module, function = caller.f_globals.get("__name__", ""), caller.f_code.co_name
        if (module, "") in _HELD_OUT or (module, function) in _HELD_OUT:
            return True
        caller = caller.f_back
    return False
