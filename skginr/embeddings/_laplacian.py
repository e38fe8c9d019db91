"""Laplacian eigenvectors of a graph as coordinates of its nodes."""

import os
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skginr.eigen import Basis, shared_basis, solve
from skginr.graphs import Graph
from skginr.laplacians import laplacian

if TYPE_CHECKING:
    import joblib

# Solved at once where the user names no number, so that a search over smaller
# embeddings needs no other decomposition.
_SHARED_COMPONENTS = 128


class Embedding(NamedTuple):
    """Coordinates of every node of a graph.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_components,)
    coordinates : ndarray of shape (n_nodes, n_components)
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node, the largest first.
    """

    eigenvalues: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    components: NDArray[np.intp]


def laplacian_embedding(
    graph: Graph,
    *,
    kind: str,
    n_components: int,
    max_components: int | None = None,
    memory: "str | os.PathLike | joblib.Memory | None" = None,
) -> Embedding:
    """Return the first eigenvectors outside the kernel, scaled to unit mean square.

    For the combinatorial and symmetric Laplacians that is sqrt(n) u; with a mass
    matrix (random walk) the mean is weighted by mass.

    Warns
    -----
    UserWarning
        If eigenvalue ``n_components + 1`` equals eigenvalue ``n_components``: the
        eigenvectors kept of that eigenspace are an arbitrary choice.
    """
    if max_components is None:
        max_components = max(n_components, _SHARED_COMPONENTS)
    basis = shared_basis(
        f"{graph.digest}-{kind}",
        lambda n_vectors: solve(laplacian(graph.adjacency, kind), n_vectors),
        # One more, to see whether the last cuts an eigenspace.
        n_vectors=max_components + 1,
        memory=memory,
    )
    if basis.cuts_eigenspace(n_components):
        _warn_cut(basis, n_components)
    total_mass = basis.mass.sum()
    return Embedding(
        basis.eigenvalues[:n_components],
        basis.eigenvectors[:, :n_components] * np.sqrt(total_mass),
        basis.components,
    )


def _warn_cut(basis: Basis, n_components: int) -> None:
    whole = range(n_components - 1, 0, -1)
    smaller = next((k for k in whole if not basis.cuts_eigenspace(k)), None)
    advice = "" if smaller is None else f"; n_components={smaller} does not"
    warnings.warn(
        f"n_components={n_components} cuts an eigenspace: eigenvalues {n_components} and "
        f"{n_components + 1} are both {basis.eigenvalues[n_components]:.6g}, so which of their "
        f"eigenvectors are kept is arbitrary{advice}.",
        UserWarning,
        stacklevel=4,
    )
