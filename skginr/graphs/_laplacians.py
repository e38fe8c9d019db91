"""Laplacians of an adjacency matrix as a pair of stiffness and mass."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import check_option, positive, warn_once
from skginr.graphs._cotangent import cotangent_laplacian
from skginr.graphs._graph import Graph

# Of an adjacency; a graph with faces has one more.
LAPLACIANS = ("combinatorial", "symmetric", "random_walk")


class Laplacian(NamedTuple):
    """The operator ``K u = lambda M u`` with diagonal M.

    Attributes
    ----------
    stiffness : sparse array of shape (n_nodes, n_nodes)
        K, symmetric and positive semi-definite.
    mass : ndarray of shape (n_nodes,)
        The positive diagonal of M.
    kernel : ndarray of shape (n_nodes,)
        A vector whose restriction to any connected component solves ``K u = 0``.
    """

    stiffness: sp.csr_array
    mass: NDArray[np.float64]
    kernel: NDArray[np.float64]


def laplacian(adjacency: sp.csr_array, kind: str = "combinatorial") -> Laplacian:
    """Return a Laplacian of a symmetric, non-negative adjacency matrix.

    With degrees D (row sums of A) and L = D - A:

    ================ ===================== ====== ==========
    kind             stiffness             mass   kernel
    ================ ===================== ====== ==========
    combinatorial    L                     1      1
    symmetric        D^-1/2 L D^-1/2       1      sqrt(D)
    random_walk      L                     D      1
    ================ ===================== ====== ==========

    The random-walk pair has the eigenvectors of I - D^-1 A. A node without an
    edge has degree 0 and counts with mass 1.

    Parameters
    ----------
    adjacency : sparse array of shape (n_nodes, n_nodes)
    kind : {"combinatorial", "symmetric", "random_walk"}, default "combinatorial"

    Raises
    ------
    ValueError
        If weights are so large that their sum is not finite.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> laplacian(sp.csr_array([[0.0, 2.0], [2.0, 0.0]])).stiffness.toarray()
    array([[ 2., -2.],
           [-2.,  2.]])
    """
    check_option("laplacian", kind, LAPLACIANS)
    degrees = degrees_of(adjacency)
    if not np.isfinite(degrees).all() or degrees.max() > np.finfo(float).max / len(degrees):
        raise ValueError(
            f"the weights of the graph are too large to compute with, up to "
            f"{adjacency.data.max():.3g}: scale them. A common factor changes no eigenvector."
        )
    ones = np.ones(adjacency.shape[0])
    stiffness = sp.csr_array(sp.diags_array(degrees) - adjacency)
    counted = positive(degrees)
    if kind == "symmetric":
        scale = sp.diags_array(counted**-0.5)
        return Laplacian(sp.csr_array(scale @ stiffness @ scale), ones, np.sqrt(counted))
    return Laplacian(stiffness, counted if kind == "random_walk" else ones, ones)


def check_laplacian(kind: object) -> None:
    """Raise ``ValueError`` unless ``kind`` is one of those of a graph."""
    check_option("laplacian", kind, (*LAPLACIANS, "cotangent"))


def laplacian_of(graph: Graph, kind: str) -> Laplacian:
    """Return a Laplacian of a graph: one of its adjacency, or the cotangent one of its mesh.

    Parameters
    ----------
    graph : Graph
    kind : {"combinatorial", "symmetric", "random_walk", "cotangent"}

    Raises
    ------
    ValueError
        If ``kind="cotangent"`` and the graph has no faces.

    Warns
    -----
    UserWarning
        If ``kind="cotangent"`` and vertices are in no face.
    """
    if kind != "cotangent":
        return laplacian(graph.adjacency, kind)
    if graph.positions is None or graph.faces is None:
        raise ValueError(
            "laplacian='cotangent' needs the faces of a mesh; the graph has none. Build it with "
            "Graph.from_mesh(...), or choose another laplacian."
        )
    stiffness, mass = cotangent_laplacian(graph.positions, graph.faces)
    bare = mass == 0
    if bare.any():
        _warn_bare(graph, graph.labels[bare].tolist())
        # As of a node without an edge: it counts as others do.
        mass = np.where(bare, mass[~bare].mean(), mass)
    return Laplacian(stiffness, mass, np.ones(graph.n_nodes))


def _warn_bare(graph: Graph, names: list[Any]) -> None:
    named = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    warn_once(
        f"{graph.digest}-bare",
        f"{len(names)} of {graph.n_nodes} vertices are in no face ({named}), and "
        f"laplacian='cotangent' knows nothing of where they are: coordinates there are 0, their "
        f"mean, and smoothers predict the mean. Leave them out, "
        f"graph.subgraph(graph.labels[np.unique(graph.faces)]), or choose another laplacian.",
    )


def degrees_of(adjacency: sp.csr_array) -> NDArray[np.float64]:
    """Return the row sums of ``adjacency``, shape (n_nodes,); inf beyond the range of floats."""
    with np.errstate(over="ignore"):
        return np.asarray(adjacency.sum(axis=1), dtype=np.float64).ravel()
