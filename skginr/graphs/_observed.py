"""What edges cannot tell: of a graph without any, and of parts in which nothing was observed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skginr._core import are_held_out, warn, warn_once
from skginr.graphs._graph import Graph


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
    if len(alone) == 0 or are_held_out():
        return
    n_parts = len(np.unique(graph.components[alone]))
    parts = "component" if n_parts == 1 else "components"
    warn(
        f"{len(alone)} of {len(nodes)} rows of X name nodes of {n_parts} connected {parts} of the "
        f"graph in which fit had no row, such as {graph.labels[alone[:1]].tolist()[0]!r}: nothing "
        f"is known there, and what is predicted is a guess. Leave them out, or join them by edges."
    )
