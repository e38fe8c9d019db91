"""The operator that suits a matrix too costly to factor, from a few Lanczos steps on it."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr.spectral.eigen._lanczos import KrylovSpace, Operator
from skginr.spectral.eigen._operators import (
    Accuracy,
    ChebyshevFilter,
    Complement,
    ConjugateGradientInverse,
)

# A diagonal that varies more than so has hubs: a polynomial would need a degree that grows
# with the root of that, while the preconditioner of conjugate gradients takes it away.
_HUBS = 20.0
# Blocks of the short iterations that look at the ends of the spectrum.
_N_BLOCK = 8
_FILTER_STEPS = 24
_INVERSE_STEPS = 6
# What a filter holds down is beyond the last wanted eigenvalue by this share of their range.
_CLEAR = 0.1
# Accuracy of an inverse, as a multiple of the relative residual wanted of eigenvectors.
_INNER = 5.0


def iterative_operator(
    matrix: sp.csr_array,
    kernel: NDArray[np.float64],
    k: int,
    accuracy: Accuracy,
    bound: float,
    nearness: float,
) -> Operator:
    """Return an operator whose k largest eigenvalues are the k smallest of ``matrix``.

    Parameters
    ----------
    matrix : sparse array of shape (n, n)
    kernel : ndarray of shape (n,)
        Its unit null vector.
    k : int
    accuracy : Accuracy
        Wanted of the eigenpairs.
    bound : float
        On the largest eigenvalue.
    nearness : float
        How near to the first eigenvalue the inverse may be shifted, at most 1.
    """
    diagonal = matrix.diagonal()
    if diagonal.max() <= _HUBS * diagonal.mean():
        return _filter(matrix, kernel, k, accuracy, bound)
    return _inverse(matrix, kernel, accuracy, bound, nearness)


def _filter(
    matrix: sp.csr_array, kernel: NDArray[np.float64], k: int, accuracy: Accuracy, bound: float
) -> Operator:
    complement = Complement(matrix, kernel, accuracy, bound=bound)
    space = _space(complement, kernel, 2 * k + _FILTER_STEPS * _N_BLOCK)
    theta, _ = space.ritz_pairs(space.size)
    values = bound - theta
    # Ritz values lie inside the spectrum: an end may be beyond by what they are coupled to.
    high = min(bound, values[-1] + float(np.linalg.norm(space.coupling, 2)))
    # Of a multiple eigenvalue many of these are copies, and one that is wanted is none to hold
    # down. If that leaves none, the filter only tells the wanted apart.
    low = max(values[k + _N_BLOCK], values[k - 1] + _CLEAR * (values[k - 1] - values[0]))
    high = max(high, low + _CLEAR * (low - values[0]))
    return ChebyshevFilter(matrix, kernel, accuracy, smallest=values[0], low=low, high=high)


def _inverse(
    matrix: sp.csr_array,
    kernel: NDArray[np.float64],
    accuracy: Accuracy,
    bound: float,
    nearness: float,
) -> Operator:
    rough = ConjugateGradientInverse(matrix, kernel, accuracy, shift=0.0, inner=1e-3)
    space = _space(rough, kernel, _INVERSE_STEPS * _N_BLOCK)
    theta, ritz = space.ritz_pairs(1)
    # The first eigenvalue is rather more than this: an inverse is largest there.
    smallest = 1 / (theta[0] + np.linalg.norm(space.coupling @ ritz[-_N_BLOCK:]))
    inner = float(np.clip(_INNER * accuracy.residual / bound, 1e-12, 1e-3))
    return ConjugateGradientInverse(
        matrix, kernel, accuracy, shift=nearness * smallest, inner=inner
    )


def _space(operator: Operator, kernel: NDArray[np.float64], size: int) -> KrylovSpace:
    """Return a Krylov space of ``size`` vectors, or as many as there is room for."""
    space = KrylovSpace(operator, kernel, _N_BLOCK, min(size, len(kernel) - _N_BLOCK - 1))
    space.fill()
    return space
