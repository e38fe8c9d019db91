"""Locally linear embedding: coordinates in which nodes lie among neighbours as they do in features.

Every node is a weighted mean of its neighbours, by the weights that come nearest to its
features; the smoothest coordinates are those that the same weights reproduce best.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from sklearn.utils import gen_batches

# Share of the trace that is added to a Gram matrix of neighbours: more neighbours than
# features leave the weights undetermined otherwise.
_REGULARISATION = 1e-3
# Numbers worked on at once, 32 MiB.
_BATCH_NUMBERS = 2**22


def barycentric_weights(
    targets: NDArray[np.float64], points: NDArray[np.float64], neighbors: sp.csr_array
) -> sp.csr_array:
    """Return the weights with which each target is nearest to the mean of its neighbours.

    Parameters
    ----------
    targets : ndarray of shape (n_targets, n_features)
    points : ndarray of shape (n_points, n_features)
    neighbors : sparse array of shape (n_targets, n_points)
        Its pattern tells which points are neighbours of which target.

    Returns
    -------
    sparse array of shape (n_targets, n_points)
        Rows sum to 1, or are empty where there is no neighbour.

    References
    ----------
    L. Saul and S. Roweis, "Think globally, fit locally: unsupervised learning of low
    dimensional manifolds", JMLR 4, 2003.
    """
    weights = np.empty(neighbors.nnz)
    degrees = np.diff(neighbors.indptr)
    for degree in np.unique(degrees[degrees > 0]):
        rows = np.flatnonzero(degrees == degree)
        per_batch = max(_BATCH_NUMBERS // int(degree * points.shape[1]), 1)
        for batch in gen_batches(len(rows), per_batch):
            entries = neighbors.indptr[rows[batch], None] + np.arange(degree)
            offsets = points[neighbors.indices[entries]] - targets[rows[batch], None]
            weights[entries] = _weights(offsets)
    return sp.csr_array((weights, neighbors.indices, neighbors.indptr), shape=neighbors.shape)


def _weights(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of shape (n_targets, degree) from offsets (n_targets, degree, n_features)."""
    # Weights depend on no scale, and squares of tiny numbers vanish.
    size = np.abs(offsets).max(axis=(1, 2), keepdims=True)
    offsets = offsets / np.where(size > 0, size, 1.0)
    added = _REGULARISATION * (offsets**2).sum(axis=(1, 2))
    added = np.where(added > 0, added, 1.0)[:, None, None]
    ones = np.ones((*offsets.shape[:2], 1))
    if offsets.shape[1] <= offsets.shape[2]:
        gram = offsets @ offsets.mT + added * np.eye(offsets.shape[1])
        weights = np.linalg.solve(gram, ones)
    else:
        # The same by Woodbury's identity: more neighbours than features.
        small = offsets.mT @ offsets + added * np.eye(offsets.shape[2])
        weights = ones - offsets @ np.linalg.solve(small, offsets.mT @ ones)
    weights = weights[..., 0]
    return weights / weights.sum(axis=1, keepdims=True)


def reconstruction_operator(weights: sp.csr_array) -> sp.csr_array:
    """Return (I - W)' (I - W), whose quadratic form is the error of reconstruction.

    A node without neighbours has no error: its row is empty.
    """
    linked = (np.diff(weights.indptr) > 0).astype(np.float64)
    errors = sp.csr_array(sp.diags_array(linked) - weights)
    return sp.csr_array(errors.T @ errors)


def extend_lle(
    coordinates: NDArray[np.float64], weights: sp.csr_array, n_nodes: int
) -> NDArray[np.float64]:
    """Return coordinates of new nodes, each the weighted mean of its neighbours' coordinates.

    Parameters
    ----------
    coordinates : ndarray of shape (n_nodes, n_components)
    weights : sparse array of shape (n_new, n_nodes + n_new)
        Barycentric weights of old neighbours, then of new ones. A path leads from every
        new node to an old one.
    n_nodes : int

    Returns
    -------
    ndarray of shape (n_new, n_components)
    """
    known, among = weights[:, :n_nodes] @ coordinates, sp.csc_array(weights[:, n_nodes:])
    if among.nnz == 0:
        return known
    return splu(sp.csc_array(sp.eye_array(len(known)) - among)).solve(known)
