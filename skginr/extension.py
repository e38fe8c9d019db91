"""Values of eigenvectors at nodes that were not in the graph, from their edges to it."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr.laplacians import degrees_of, positive


def extend_eigenvectors(
    affinity: sp.csr_array,
    eigenvalues: NDArray[np.float64],
    eigenvectors: NDArray[np.float64],
    *,
    kind: str,
    degrees: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return eigenvectors at new nodes by Nystrom's method.

    Each value solves the eigenvector equation at the new node x, its neighbours'
    values known: ``(d_x - lambda) u_x = sum_j a_xj u_j`` for the combinatorial
    Laplacian, ``(1 - lambda) u_x = sum_j a_xj u_j / d_x`` for the random walk, and
    for the symmetric one the latter through u = sqrt(d) v. So the weighted mean of the
    neighbours is amplified by 1 / (1 - t), with t = lambda / d_x or lambda. At t = 1
    that is singular: beyond t = 1/2, where it is 2, the amplification returns to 1, as
    1 + 1 / (2 t).

    Parameters
    ----------
    affinity : sparse array of shape (n_new, n_nodes)
        Weights of the edges from new nodes to those of the graph.
    eigenvalues : ndarray of shape (n_vectors,)
    eigenvectors : ndarray of shape (n_nodes, n_vectors)
        In any scale.
    kind : {"combinatorial", "symmetric", "random_walk"}
        Whose eigenvectors they are.
    degrees : ndarray of shape (n_nodes,)
        Row sums of the graph's adjacency.

    Returns
    -------
    ndarray of shape (n_new, n_vectors)
        Zeros, the mean of every eigenvector, for nodes without an edge.

    References
    ----------
    Y. Bengio et al., "Out-of-sample extensions for LLE, Isomap, MDS, eigenmaps, and
    spectral clustering", NeurIPS 2003.

    Examples
    --------
    A fourth node at the end of a path of three:

    >>> import scipy.sparse as sp
    >>> extend_eigenvectors(
    ...     sp.csr_array([[0.0, 0.0, 4.0]]), np.array([1.0]), np.array([[-1.0], [0.0], [1.0]]),
    ...     kind="combinatorial", degrees=np.array([1.0, 2.0, 1.0]))
    array([[1.333...]])
    """
    new_degrees = positive(degrees_of(affinity))[:, None]
    if kind == "symmetric":
        eigenvectors = eigenvectors / np.sqrt(positive(degrees))[:, None]
    neighbor_mean = (affinity @ eigenvectors) / new_degrees
    load = eigenvalues / (new_degrees if kind == "combinatorial" else 1.0)
    values = neighbor_mean * np.where(
        load <= 0.5, 1 / (1 - np.minimum(load, 0.5)), 1 + 0.5 / np.maximum(load, 0.5)
    )
    return values * np.sqrt(new_degrees) if kind == "symmetric" else values


def extend_membership(
    affinity: sp.csr_array, membership: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how each new node's edges are shared among groups of nodes.

    Parameters
    ----------
    affinity : sparse array of shape (n_new, n_nodes)
    membership : ndarray of shape (n_nodes, n_groups)
        1 where a node belongs to a group, else 0.

    Returns
    -------
    ndarray of shape (n_new, n_groups)
    """
    return (affinity @ membership) / positive(degrees_of(affinity))[:, None]
