"""Davidson's method: the smallest eigenpairs of a matrix whose inverse is known roughly."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import deflate
from skginr.spectral.eigen._lanczos import Keeper, Report, Start, silent
from skginr.spectral.eigen._operators import Accuracy
from skginr.spectral.eigen._subspace import Subspace

# Vectors beside those wanted: the nearer the first unwanted eigenvalue, the slower the last wanted
# pairs converge. And room for those of so many steps before the basis is compressed; with twice as
# much it takes as long.
_GUARDS = 16
_STEPS_OF_ROOM = 4
# Cycles that make random vectors smooth.
_SMOOTHINGS = 2
# Steps without an end after which the rough inverse is no good, and more for each pair: it takes a
# quarter of these on meshes, and half on neighbours of points.
_MAX_STEPS, _MORE_STEPS = 100, 6

Precondition = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def smallest_eigenvectors(
    matrix: sp.csr_array,
    kernel: NDArray[np.float64],
    k: int,
    precondition: Precondition,
    accuracy: Accuracy,
    *,
    n_block: int,
    start: Start | None = None,
    keeper: Keeper | None = None,
    report: Report = silent,
) -> NDArray[np.float64] | None:
    """Return vectors that span the eigenspaces of the k smallest eigenvalues.

    The basis grows by what a rough inverse makes of residuals, where Lanczos needs an inverse that
    is nearly exact. It begins with more random vectors than are wanted, so that no copy of a
    multiple eigenvalue is left out.

    Parameters
    ----------
    matrix : sparse array of shape (n, n)
        Symmetric, positive semi-definite.
    kernel : ndarray of shape (n,)
        Its unit null vector.
    k : int
    precondition : callable
        From a block of columns to about the inverse times each.
    accuracy : Accuracy
        Wanted.
    n_block : int
        Most pairs that are improved at once.
    start, keeper, report
        As for :func:`largest_eigenvectors`.

    Returns
    -------
    ndarray of shape (n, k) or None
        None if the rough inverse was too rough.

    References
    ----------
    R. Morgan and D. Scott, "Generalizations of Davidson's method for computing eigenvalues of
    sparse symmetric matrices", SIAM J. Sci. Stat. Comput. 7, 1986.
    """
    n_begun = min(k + _GUARDS, len(kernel) - 1)
    space = RitzSpace(matrix, kernel, min(basis_size(k, n_block), len(kernel) - 1))
    space.begin(precondition, n_begun, n_block, start)
    converged = np.zeros(k, dtype=bool)
    for step in range(1, _MAX_STEPS + _MORE_STEPS * k + 1):
        values, ritz = space.smallest(k)
        tried = np.flatnonzero(~converged)[:n_block]
        residuals = space.residuals(values[tried], ritz[:, tried])
        lengths = np.linalg.norm(residuals, axis=0)
        good = lengths <= accuracy.at(values[tried])
        converged[tried[good]] = True
        if converged.all():
            # A pair that had converged may be another by now, or worse by rounding.
            converged = space.lengths(values, ritz, n_block) <= accuracy.at(values)
            if converged.all():
                return space.vectors(ritz)
        report(f"step {step}", int(converged.sum()))
        n_first = int(converged.argmin())
        if keeper is not None and keeper.is_due(n_first):
            keeper(space.vectors(ritz[:, :n_first]))
        if not good.all():
            if space.size + n_block > len(space.projection):
                space.compress(n_begun)
            space.grow(precondition(residuals[:, ~good] / lengths[~good]))
    return None


def basis_size(k: int, n_block: int) -> int:
    """Return how many vectors a basis for k pairs has."""
    return k + _GUARDS + _STEPS_OF_ROOM * n_block


class RitzSpace(Subspace):
    """A basis, and the projection onto it of a matrix upside down: the smallest are the largest."""

    def __init__(self, matrix: sp.csr_array, kernel: NDArray[np.float64], max_size: int) -> None:
        super().__init__(kernel, max_size)
        self._matrix = matrix

    def begin(
        self, precondition: Precondition, size: int, n_block: int, start: Start | None
    ) -> None:
        """Let the basis be the vectors that are known, and smooth random ones up to ``size``."""
        if start is not None:
            self.size = len(start.values)
            self.basis[:, : self.size] = start.vectors
            known = range(self.size)
            self.projection[known, known] = -start.values
        while self.size < size:
            width = min(n_block, size - self.size)
            block = self.rng.standard_normal((len(self.kernel), width))
            for _ in range(_SMOOTHINGS):
                deflate(block, self.kernel)
                block = precondition(block)
            self.grow(block)

    def smallest(self, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the k smallest eigenvalues of the projection, ascending, and their vectors."""
        theta, ritz = self.ritz_pairs(k)
        return -theta, ritz

    def vectors(self, ritz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return vectors of shape (n, n_columns) from coefficients in the basis."""
        return (ritz.T @ self.basis[:, : self.size].T).T

    def residuals(
        self, values: NDArray[np.float64], ritz: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return M u - lambda u for each pair, shape (n, n_columns)."""
        vectors = np.ascontiguousarray(self.vectors(ritz))
        residuals = self._matrix @ vectors
        vectors *= values
        residuals -= vectors
        return residuals

    def lengths(
        self, values: NDArray[np.float64], ritz: NDArray[np.float64], n_block: int
    ) -> NDArray[np.float64]:
        """Return the lengths of all residuals, so many at a time."""
        parts = [slice(start, start + n_block) for start in range(0, len(values), n_block)]
        return np.concatenate(
            [np.linalg.norm(self.residuals(values[part], ritz[:, part]), axis=0) for part in parts]
        )

    def grow(self, block: NDArray[np.float64]) -> None:
        """Add what of ``block`` is not in the basis."""
        block = np.asfortranarray(block)
        block /= np.linalg.norm(block, axis=0)
        # The second time takes the rounding of the first.
        for _ in range(2):
            self.remove(block, 0)
            deflate(block, self.kernel)
        block, _ = self.orthonormal(block, 1.0)
        new = slice(self.size, self.size + block.shape[1])
        self.basis[:, new] = block
        self.size = new.stop
        image = self._matrix @ np.ascontiguousarray(block)
        inside = -(self.basis[:, : self.size].T @ image)
        self.projection[: self.size, new] = inside
        self.projection[new, : self.size] = inside.T
