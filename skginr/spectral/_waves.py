"""Eigenvectors of a graph as they are, kernel included, for what is built of them."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from skginr._core import Progress
from skginr.graphs import Graph, components_by_size
from skginr.spectral._methods import LaplacianEigenmap
from skginr.spectral.eigen import shared_basis

_TOL = 1e-8


def waves_of(
    graph: Graph, kind: str, n_vectors: int, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest eigenvalues of a Laplacian, and mass-orthonormal eigenvectors.

    The basis that a :class:`~skginr.SpectralEmbedder` of this graph has, or is going to use.

    Parameters
    ----------
    graph : Graph
    kind : str
        Of the Laplacian.
    n_vectors : int
        Beside those of the kernel, one for each component.
    progress : Progress
        Shows eigenvectors found.

    Returns
    -------
    eigenvalues : ndarray of shape (n,)
    eigenvectors : ndarray of shape (n_nodes, n)
    """
    method = LaplacianEigenmap("auto", _TOL, kind)
    basis = shared_basis(
        method.key(graph),
        lambda n, known, keep: method.basis(graph, n, progress, known, keep),
        n_vectors=n_vectors,
        tol=method.tol,
        doubt=partial(method.doubt, graph),
    )
    operator = method.operator(graph)
    components = components_by_size(operator.stiffness)
    kernel = np.zeros((graph.n_nodes, int(components.max()) + 1))
    kernel[np.arange(graph.n_nodes), components] = operator.kernel
    kernel /= np.sqrt(operator.mass @ kernel**2)
    values, vectors = basis.eigenvalues[:n_vectors], basis.eigenvectors[:, :n_vectors]
    return (
        np.concatenate([np.zeros(kernel.shape[1]), values]),
        np.concatenate([kernel, vectors], axis=1),
    )
