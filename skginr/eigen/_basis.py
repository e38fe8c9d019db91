"""The basis: eigenpairs in the one form that does not depend on how they were found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Eigenvalues nearer than this share of the largest are one eigenspace.
DEGENERATE = 1e-9


@dataclass(frozen=True)
class Basis:
    """The first coordinates of a graph, in order of importance.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_vectors,)
        Of a Laplacian, ascending, without the kernel.
    eigenvectors : ndarray of shape (n_nodes, n_vectors)
        Mass-orthonormal, with a fixed sign; each lives on one connected component.
    mass : ndarray of shape (n_nodes,)
        What the eigenvectors are orthonormal in.
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node, the largest first.
    n_available : int
        How many there are in all: nodes less components.
    tol : float
        Tolerance they were computed to; 0 for a direct method.
    """

    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    mass: NDArray[np.float64]
    components: NDArray[np.intp]
    n_available: int
    tol: float = 0.0

    @property
    def n_vectors(self) -> int:
        """Number of eigenpairs held."""
        return len(self.eigenvalues)

    def suffices(self, n_vectors: int, tol: float) -> bool:
        """Say whether ``n_vectors`` are held to ``tol``, or all there are."""
        return self.n_vectors >= min(n_vectors, self.n_available) and self.tol <= tol

    def cuts_eigenspace(self, k: int) -> bool:
        """Say whether eigenvalue k + 1 equals eigenvalue k, counted from 1."""
        if not 0 < k < self.n_vectors:
            return False
        gap = abs(self.eigenvalues[k] - self.eigenvalues[k - 1])
        largest = np.abs(self.eigenvalues).max()
        return bool(gap <= DEGENERATE * max(largest, np.finfo(float).tiny))


def make_canonical(
    values: NDArray[np.float64], vectors: NDArray[np.float64], tol: float = DEGENERATE
) -> None:
    """Replace ``vectors`` by the one basis of each eigenspace that follows from its projector.

    Solvers, and one solver asked for more or fewer vectors, return any rotation. Works in
    place, since the vectors of a million nodes are large.

    Parameters
    ----------
    values : ndarray of shape (n_vectors,)
        Sorted.
    vectors : ndarray of shape (n_nodes, n_vectors)
        Orthonormal.
    tol : float, default 1e-9
        Tolerance of the vectors; above 1e-9 counts as 1e-9. Eigenvalues that differ by less,
        as a share of the largest, are one: to turn their vectors adds as much to a residual.
    """
    gaps = np.abs(np.diff(values))
    equal = min(tol, DEGENERATE) * np.abs(values).max(initial=0.0)
    edges = np.flatnonzero(gaps > equal) + 1
    for space in np.split(np.arange(len(values)), edges):
        if len(space) == 1:
            fix_sign(vectors[:, space[0]])
        elif len(space) > 1:
            vectors[:, space] = _rotate(vectors[:, space])


def fix_sign(vector: NDArray[np.float64]) -> None:
    """Turn ``vector`` into its negative, or not, by a rule that relabelling does not change."""
    # The sum of cubes is zero only for a distribution as heavy on either side,
    # where no rule without the order of the nodes can tell the two apart.
    size = np.abs(vector)
    square = size * size
    skewness = float(square @ vector)
    if abs(skewness) <= 1e-8 * float(square @ size):
        skewness = float(vector[_first_greatest(size)])
    if skewness < 0:
        # Not np.negative(vector, out=vector): NumPy 2.4.6 gets that wrong on strided columns.
        vector *= -1


def _rotate(space: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of ``space`` made from its projector alone.

    One by one, the projection of the node that lies most in what is left.
    """
    left, columns = space, []
    for _ in range(space.shape[1]):
        node = _first_greatest((left**2).sum(axis=1))
        direction = left[node] / np.linalg.norm(left[node])
        columns.append(left @ direction)
        left = left - np.outer(columns[-1], direction)
    return np.column_stack(columns)


def _first_greatest(size: NDArray[np.float64]) -> int:
    """Return the first position whose value is the greatest but for rounding."""
    return int(np.argmax(size >= size.max() * (1 - 1e-6)))
