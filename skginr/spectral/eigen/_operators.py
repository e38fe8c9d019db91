"""Operators whose largest eigenvalues tell the smallest of a matrix, for Lanczos.

Four ways to bring the wanted end of the spectrum to the top: the inverse by a factorisation, or by
multigrid where a factor takes too much memory; without either a polynomial of the matrix, or the
inverse by conjugate gradients.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.blas import daxpy, ddot, dscal

from skginr._core import (
    Multigrid,
    conjugate_gradients,
    deflate,
    positive_definite_solver,
    row_parts,
    subtract_product,
)

# An inverse finds small eigenvalues first, and to so many digits for nothing.
_DIGITS = 1e-4
# Share of the mean diagonal that a shift keeps above, or is lost in rounding.
_LEAST_SHIFT = 1e-13
# How far the filter lifts the smallest eigenvalue above what it holds down: less, and more time
# goes to keeping vectors orthogonal; the optimum is flat.
_AMPLIFICATION = 2e4
_MAX_DEGREE = 200
# How far rounding in the kernel may outgrow what is wanted before it is taken away.
_MAX_GROWTH = 1e6
# Share of a residual that may lie far from its eigenvalue, where the filter is flat: up to
# 14 times more was seen than its slope tells.
_FAR = 16.0
_MAX_INNER_STEPS = 2_000
# Residual of a solution by multigrid as a share of the digits wanted of eigenvalues, and how many
# of its steps may be taken: a hierarchy that is any good needs twenty.
_INNER, _MAX_CYCLES = 0.003, 100
# Numbers of a column times columns that are solved for at once: a dozen arrays of so many.
_AT_ONCE = 40_000_000


class IndefiniteError(Exception):
    """A shift beyond the smallest eigenvalue."""


class Accuracy(NamedTuple):
    """How exact eigenpairs are to be.

    Attributes
    ----------
    residual : float
        Largest residual ||M u - lambda u|| wanted of any pair.
    digits : float
        And as a share of its eigenvalue. The largest entries of a matrix, of a node of next to
        no mass or of two that are as one, say nothing of the pairs that are wanted.
    least : float
        What no share of an eigenvalue asks to go below: rounding.
    """

    residual: float
    digits: float
    least: float

    def at(
        self, values: NDArray[np.float64], least: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return the residual wanted of pairs with these eigenvalues."""
        share = self.digits * np.abs(values)
        return np.minimum(self.residual, np.maximum(share, self.least if least is None else least))

    def times(self, factor: float) -> Self:
        """Return an accuracy so many times as loose."""
        return type(self)(*(factor * part for part in self))


class FactoredInverse:
    """x -> (M + shift I)^-power x, by a sparse factorisation of M + shift I.

    Parameters
    ----------
    matrix : sparse array of shape (n, n)
        M, symmetric, positive semi-definite.
    kernel : ndarray of shape (n,)
        Its unit null vector.
    accuracy : Accuracy
        Wanted of eigenpairs of M.
    shift : float
        As a share of the median of the diagonal.
    power : int
        Applications of the inverse a step.
    """

    def __init__(
        self,
        matrix: sp.csr_array,
        kernel: NDArray[np.float64],
        accuracy: Accuracy,
        *,
        shift: float,
        power: int,
    ) -> None:
        self._kernel, self._accuracy, self._power = kernel, accuracy, power
        self._shift = shift_of(matrix, kernel, shift)
        self._solve = positive_definite_solver(matrix + self._shift * sp.eye_array(len(kernel)))

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the operator times ``block``."""
        for _ in range(self._power):
            block = self._solve(block)
            # Rounding brings back the kernel, which the inverse magnifies most.
            deflate(block, self._kernel)
        return block

    def theta(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the operator makes of eigenvalues of M."""
        return (values + self._shift) ** -self._power

    def tolerance(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual wanted, in units of theta = (lambda + shift)^-power."""
        # Rough estimates of the smallest theta may be negative.
        theta = np.maximum(theta, np.finfo(float).tiny)
        values = theta ** (-1 / self._power)
        residual = np.minimum(self._accuracy.at(values), _DIGITS * values)
        return residual * self._power * theta / values


def shift_of(matrix: sp.csr_array, kernel: NDArray[np.float64], share: float) -> float:
    """Return the shift that makes a matrix definite, about ``share`` of its diagonal.

    Of the median, which no single node sets, and above what rounding makes of the kernel.
    """
    diagonal = matrix.diagonal()
    return max(share * float(np.median(diagonal)), _LEAST_SHIFT * float(diagonal @ kernel**2))


class ChebyshevFilter:
    """x -> T_d((c - M) / e) x, a polynomial of at most 1 on [low, high] and large below.

    Parameters
    ----------
    matrix, kernel, accuracy
        As for :class:`FactoredInverse`.
    smallest, low, high : float
        Estimates of the first eigenvalue and of one just beyond the last wanted, and a bound
        on the largest.

    References
    ----------
    Y. Zhou and Y. Saad, "A Chebyshev-Davidson algorithm for large symmetric eigenproblems",
    SIAM J. Matrix Anal. Appl. 29, 2007.
    """

    def __init__(
        self,
        matrix: sp.csr_array,
        kernel: NDArray[np.float64],
        accuracy: Accuracy,
        *,
        smallest: float,
        low: float,
        high: float,
    ) -> None:
        self._kernel, self._accuracy = kernel, accuracy
        growth = float(np.arccosh(_AMPLIFICATION))
        # Where all wanted are nearly equal, no polynomial of that degree tells them apart.
        share = (np.cosh(growth / _MAX_DEGREE) - 1) / 2
        low = max(low, (smallest + share * high) / (1 + share))
        centre, self._half = (low + high) / 2, (high - low) / 2
        self._centre = centre
        rate = np.arccosh((centre - smallest) / self._half)
        self._degree = max(2, int(np.ceil(growth / rate)))
        # The kernel grows faster, from rounding: how many steps it takes to matter.
        excess = np.arccosh(centre / self._half) - rate
        self._period = max(1, int(np.log(_MAX_GROWTH) / max(excess, 1e-3)))
        self._scaled = sp.csr_array((centre * sp.eye_array(len(kernel)) - matrix) / self._half)

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the operator times ``block``, by the recurrence of the polynomials."""
        before = np.ascontiguousarray(block)
        block = self._scaled @ before
        for step in range(1, self._degree):
            after = self._scaled @ block
            after *= 2
            after -= before
            before, block = block, after
            if step % self._period == 0:
                for part in (before, block):
                    deflate(part, self._kernel)
        return block

    def theta(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the operator makes of eigenvalues of M."""
        argument = np.maximum((self._centre - values) / self._half, 1.0)
        return np.cosh(self._degree * np.arccosh(argument))

    def tolerance(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual wanted, in units of theta."""
        argument = np.arccosh(np.maximum(theta, 1.0 + 1e-12)) / self._degree
        slope = self._degree * np.sinh(self._degree * argument) / np.sinh(argument) / self._half
        values = self._centre - self._half * np.cosh(argument)
        # The slope holds nearby; what is left in eigenvectors held down weighs more.
        return self._accuracy.at(values) * slope / _FAR


class ConjugateGradientInverse:
    """x -> (M - shift I)^-1 x, by conjugate gradients on all columns as one vector.

    One step length for all: the columns are alike, so that they need as many steps as with their
    own, and arithmetic on one long vector takes half of the time.

    Preconditioned by the diagonal, which tames graphs with hubs. Where the wanted eigenvalues
    lie close together far from zero, as there, a shift near the first tells them apart.

    Parameters
    ----------
    matrix, kernel, accuracy
        As for :class:`FactoredInverse`.
    shift : float
        Less than the smallest eigenvalue outside the kernel.
    inner : float
        Residual of a block of solutions relative to the right-hand sides.

    Raises
    ------
    IndefiniteError
        When it is applied and ``shift`` turns out to be too large.
    """

    def __init__(
        self,
        matrix: sp.csr_array,
        kernel: NDArray[np.float64],
        accuracy: Accuracy,
        *,
        shift: float,
        inner: float,
    ) -> None:
        self._kernel, self._accuracy, self._inner = kernel, accuracy, inner
        self._shift = shift
        # Out of the way: the kernel gets the eigenvalue that a mean node has.
        self._lift = matrix.diagonal().mean()
        shifted = matrix - shift * sp.eye_array(len(kernel))
        scale = np.maximum(matrix.diagonal() - shift, 1e-3 * matrix.diagonal()) ** -0.5
        self._scale = scale[:, None]
        self._matrix = sp.csr_array(sp.diags_array(scale) @ shifted @ sp.diags_array(scale))
        self._scaled_kernel = scale * kernel

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the operator times ``block``."""
        residual = np.ascontiguousarray(block * self._scale)
        solution, direction = np.zeros_like(residual), residual.copy()
        # The same numbers as vectors.
        r, x, d = (array.reshape(-1) for array in (residual, solution, direction))
        square = ddot(r, r)
        enough = self._inner**2 * square
        for _ in range(_MAX_INNER_STEPS):
            image = self._matrix @ direction
            lifted = self._lift * (self._scaled_kernel @ direction)
            subtract_product(image, -self._scaled_kernel[:, None], lifted[None])
            curvature = ddot(d, image.reshape(-1))
            if curvature <= 0:
                raise IndefiniteError
            step = square / curvature
            daxpy(d, x, a=step)
            daxpy(image.reshape(-1), r, a=-step)
            before, square = square, ddot(r, r)
            if square <= enough:
                break
            dscal(square / before, d)
            daxpy(r, d)
        return self._scale * solution

    def theta(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the operator makes of eigenvalues of M."""
        return 1 / (values - self._shift)

    def tolerance(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual wanted, in units of theta = 1 / (lambda - shift)."""
        values = self._shift + 1 / np.maximum(theta, np.finfo(float).tiny)
        return self._accuracy.at(values) * theta**2


class MultigridCycle:
    """x -> about (M + shift I)^-1 x, by one cycle of multigrid.

    In the memory of some copies of the matrix, and in a time that grows with its size, where a
    factor takes more and more for every node.

    Parameters
    ----------
    matrix, kernel, shift
        As for :class:`FactoredInverse`.
    """

    def __init__(self, matrix: sp.csr_array, kernel: NDArray[np.float64], *, shift: float) -> None:
        self._kernel = kernel
        self.shift = shift_of(matrix, kernel, shift)
        self._cycle = Multigrid(matrix, kernel).cycle(1.0, np.full(len(kernel), self.shift))

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return about the inverse times ``block``, which the next call overwrites."""
        conditioned = self._cycle(block)
        # Rounding in the kernel is what an inverse magnifies most.
        deflate(conditioned, self._kernel)
        return conditioned


def by_columns(
    operation: Callable[[NDArray[np.float64]], NDArray[np.float64]], block: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what an operation makes of ``block``, some columns at a time where they are long."""
    result = np.empty(block.shape, order="F")
    width = max(_AT_ONCE // len(block), 1)
    for start in range(0, block.shape[1], width):
        columns = slice(start, start + width)
        result[:, columns] = operation(np.ascontiguousarray(block[:, columns]))
    return result


class MultigridInverse:
    """x -> (M + shift I)^-1 x, by conjugate gradients with a cycle of multigrid.

    Parameters
    ----------
    matrix, kernel, accuracy, shift
        As for :class:`FactoredInverse`.
    """

    def __init__(
        self,
        matrix: sp.csr_array,
        kernel: NDArray[np.float64],
        accuracy: Accuracy,
        *,
        shift: float,
    ) -> None:
        self._rows, self._kernel, self._accuracy = row_parts(matrix), kernel, accuracy
        self._cycle = MultigridCycle(matrix, kernel, shift=shift)
        self._shift = self._cycle.shift
        self._inner = max(_INNER * accuracy.digits, 1e-12)

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the operator times ``block``; columns that do not converge are as they are."""
        return by_columns(self._solve, block)

    def _solve(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        solution, _ = conjugate_gradients(
            self._multiply,
            block,
            self._cycle,
            tolerance=self._inner,
            max_iterations=_MAX_CYCLES,
            euclidean=True,
        )
        deflate(solution, self._kernel)
        return solution

    def _multiply(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        image = np.empty_like(block)
        for rows, matrix in self._rows:
            part = matrix @ block
            part += self._shift * block[rows]
            image[rows] = part
        return image

    def theta(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the operator makes of eigenvalues of M."""
        return 1 / (values + self._shift)

    def tolerance(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual wanted, in units of theta = 1 / (lambda + shift)."""
        theta = np.maximum(theta, np.finfo(float).tiny)
        return self._accuracy.at(1 / theta) * theta**2


class Complement:
    """x -> (bound I - M) x: the matrix upside down.

    Parameters
    ----------
    matrix, kernel, accuracy
        As for :class:`FactoredInverse`.
    bound : float
        At least the largest eigenvalue.
    """

    def __init__(
        self, matrix: sp.csr_array, kernel: NDArray[np.float64], accuracy: Accuracy, *, bound: float
    ) -> None:
        self._matrix, self._kernel, self._accuracy, self.bound = matrix, kernel, accuracy, bound

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the operator times ``block``."""
        block = np.ascontiguousarray(block)
        return self.bound * block - self._matrix @ block

    def theta(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the operator makes of eigenvalues of M."""
        return self.bound - values

    def tolerance(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual wanted."""
        return self._accuracy.at(self.bound - theta)
