"""An orthonormal basis that grows, and the projection of a matrix onto it."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, qr
from scipy.linalg.blas import dtrsm

from skginr._core import deflate, eigh_subset, subtract_product

# A direction shorter than this share of what was multiplied is rounding.
_VANISHED = 1e-13
# Below this share, orthogonalising once more is needed.
_SHORT = 1e-8
# Rows that are multiplied at a time where the result takes the place of a factor.
_CHUNK = 8192


class Subspace:
    """Orthonormal vectors, orthogonal to a kernel too, and the projection of an operator onto them.

    Parameters
    ----------
    kernel : ndarray of shape (n,)
        Unit vector.
    max_size : int
        Most vectors.
    """

    def __init__(self, kernel: NDArray[np.float64], max_size: int) -> None:
        self.kernel = kernel
        self.basis = np.empty((len(kernel), max_size), order="F")
        self.projection = np.zeros((max_size, max_size))
        self.size = 0
        self.rng = np.random.default_rng(0)

    def ritz_pairs(self, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the k largest eigenpairs of the projection, descending."""
        projection = self.projection[: self.size, : self.size]
        symmetric = (projection + projection.T) / 2
        theta, ritz = eigh_subset(symmetric, self.size - k, self.size - 1)
        return theta[::-1], ritz[:, ::-1]

    def compress(self, n_kept: int) -> None:
        """Keep the ``n_kept`` vectors of the largest eigenvalues of the projection."""
        theta, ritz = self.ritz_pairs(n_kept)
        multiply_in_place(self.basis, self.size, ritz)
        self.projection[:] = 0
        self.projection[range(n_kept), range(n_kept)] = theta
        self.size = n_kept

    def remove(self, image: NDArray[np.float64], start: int) -> NDArray[np.float64]:
        """Subtract from ``image`` what lies in the basis from ``start`` on, and return how much."""
        basis = self.basis[:, start : self.size]
        inside = basis.T @ image
        subtract_product(image, basis, inside)
        return inside

    def orthonormal(
        self, image: NDArray[np.float64], scale: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return an orthonormal block Q, and R, with ``image`` = Q R but for rounding.

        Columns of Q are random where ``image`` has not the rank, and R is zero there.
        """
        try:
            block, coupling = _cholesky_qr(image)
            if coupling.diagonal().min() > _SHORT * scale:
                return block, coupling
        except LinAlgError:
            pass
        block, coupling, order = qr(image, mode="economic", pivoting=True, check_finite=False)
        coupling[:, order] = coupling.copy()
        vanished = np.abs(np.linalg.norm(coupling, axis=1)) <= _VANISHED * scale
        block[:, vanished] = self.rng.standard_normal((len(image), int(vanished.sum())))
        coupling[vanished] = 0
        for _ in range(2):
            deflate(block, self.kernel)
            self.remove(block, 0)
            block = np.asfortranarray(qr(block, mode="economic", check_finite=False)[0])
        return block, coupling


def _cholesky_qr(
    image: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Q and R of ``image``: its columns are few, and multiplying blocks is fast."""
    coupling = np.eye(image.shape[1])
    for _ in range(2):
        factor = cholesky(image.T @ image, check_finite=False)
        image = dtrsm(1.0, factor, image, side=1)
        coupling = factor @ coupling
    return image, coupling


def multiply_in_place(basis: NDArray[np.float64], size: int, factor: NDArray[np.float64]) -> None:
    """Let the first columns of ``basis`` be its first ``size`` columns times ``factor``."""
    n_columns = factor.shape[1]
    for start in range(0, len(basis), _CHUNK):
        rows = basis[start : start + _CHUNK]
        rows[:, :n_columns] = rows[:, :size] @ factor
