"""What an embedder warns of."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skginr._core import warn, warn_once
from skginr.graphs import Graph
from skginr.spectral._extension import PLACED
from skginr.spectral.eigen import Basis


def warn_of_labels(X: Any) -> None:
    """Warn of one column of whole numbers: they are labels more often than places."""
    column = X.iloc[:, 0] if isinstance(X, pd.DataFrame) and X.shape[1] == 1 else np.asarray(X)
    if np.size(column) == len(column) and pd.api.types.is_integer_dtype(column.dtype):
        warn_once(
            "one column of whole numbers",
            "X has one column of whole numbers, which graph=None takes for places on a line. If "
            "they name nodes, name their graph: SpectralEmbedder(graph=...). If they are places, "
            "say so with X.astype(float).",
        )


def warn_faded(graph: Graph, method: str) -> None:
    """Warn that a method takes in full what has faded out."""
    warn_once(
        f"{graph.digest}-faded",
        f"method={method!r} reads no weights, and takes in full the edges that Graph.from_points "
        f"has faded out to next to nothing, beyond the nearest neighbours: build the graph with "
        f"Graph.from_points(..., weighted=False).",
    )


def warn_cut(key: str, basis: Basis, n_components: int) -> None:
    """Warn that the first ``n_components`` of a basis cut an eigenspace."""
    whole = np.flatnonzero(~basis.cuts_eigenspace[: n_components - 1]) + 1
    advice = f"; n_components={whole[-1]} does not" if len(whole) else ""
    warn_once(
        f"{key}-cut",
        f"n_components={n_components} cuts an eigenspace: eigenvalues {n_components} and "
        f"{n_components + 1} are both {basis.eigenvalues[n_components]:.6g}, so which of their "
        f"eigenvectors are kept is arbitrary{advice}.",
    )


def warn_unplaced(
    key: str, parameters: dict[str, object], share: NDArray[np.float64], *, affinities: bool
) -> None:
    """Warn of coordinates that new rows get too small a ``share`` of, shape (n_components,)."""
    lost = np.flatnonzero(share < PLACED)
    name, k = parameters["method"], int(lost[0])
    runs = np.split(lost + 1, np.flatnonzero(np.diff(lost) > 1) + 1)
    named = ", ".join(
        f"{name}{run[0]}" + (f" to {name}{run[-1]}" if len(run) > 1 else "") for run in runs
    )
    remedies = [f"n_components={k}"] if k else []
    if affinities and parameters.get("laplacian") == "combinatorial":
        remedies.append("laplacian='random_walk'")
    warn_once(
        f"{key}-unplaced",
        f"{len(lost)} of {len(share)} coordinates cannot be placed for new rows, which are "
        f"nearer to 0, the mean, there than they should be: {named}, whose equations are "
        f"nearly singular. Fit with {' or '.join(remedies) or 'a narrower kernel'}.",
    )


def warn_alone(names: Any, what: str) -> None:
    """Warn of new nodes, or rows, that nothing joins to what was embedded."""
    if len(names) == 0:
        return
    named = ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
    warn(
        f"{len(names)} {what} have no affinity to any that was embedded, nor a path of edges, and "
        f"were placed at the mean of all coordinates: {named}."
    )


def warn_moved(before: Graph, after: Graph, nodes: NDArray[np.intp]) -> None:
    """Warn if nodes of a graph are elsewhere in another that has the same labels.

    Vertices of every mesh are numbered from 0: labels alone do not say that they are the same.

    Parameters
    ----------
    before, after : Graph
    nodes : ndarray of int of shape (before.n_nodes,)
        Where in ``after`` the nodes of ``before`` are, by label.
    """
    if before.positions is None or after.positions is None:
        return
    if before.positions.shape[1] != after.positions.shape[1] or before.n_edges == 0:
        return
    # A neighbour's place is as far as a node may have moved: a finer surface bulges a little.
    rows, columns = before.adjacency.nonzero()
    apart = np.linalg.norm(before.positions[rows] - before.positions[columns], axis=1)
    moved = np.linalg.norm(after.positions[nodes] - before.positions, axis=1)
    far = moved > np.median(apart)
    if far.any():
        name = before.labels[far].tolist()[0]
        warn(
            f"{int(far.sum())} of {len(far)} nodes that are embedded are elsewhere in graph, "
            f"farther from where they were than neighbours are from each other ({name!r} by "
            f"{moved[far][0]:.3g}). If labels number the vertices of another mesh, the coordinates "
            f"are those of other nodes: give both graphs labels that name the same ones. If the "
            f"nodes were moved or are in another unit, give both the same positions."
        )
