"""Multigrid: about the inverse of a large sparse matrix, in memory that grows as the matrix does."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core._checks import require
from skginr._core._linalg import positive_definite_solver

# The coarsest matrix is factored.
_COARSEST = 500
# A hierarchy of so many times the entries of the matrix costs more than it gains: hubs make coarse
# matrices dense.
_MOST_COMPLEXITY = 3.0
# Degree of the polynomial that smooths errors, and the share of the spectrum, from the top, that it
# is for: of degrees 1 to 3 this took the least time.
_DEGREE, _SMOOTHED = 2, 1 / 8


def has_multigrid() -> bool:
    """Say whether pyamg is installed."""
    return importlib.util.find_spec("pyamg") is not None


class _Level(NamedTuple):
    """A matrix, and the way to the next coarser one.

    Attributes
    ----------
    matrix : sparse array of shape (n, n)
    up : sparse array of shape (n, n_coarse)
        Values on the coarser level to values here.
    kernel : ndarray of shape (n,)
    """

    matrix: sp.csr_array
    up: sp.csr_array
    kernel: NDArray[np.float64]


class Multigrid:
    """Coarser and coarser versions of a matrix, by smoothed aggregation.

    Parameters
    ----------
    matrix : sparse array of shape (n, n)
        K, symmetric, positive semi-definite.
    kernel : ndarray of shape (n,)
        What it takes to 0, or nearly, in every connected component.

    Attributes
    ----------
    pays : bool
        Whether coarser matrices are small beside the first; of graphs with hubs they are not.

    References
    ----------
    P. Vanek, J. Mandel and M. Brezina, "Algebraic multigrid by smoothed aggregation for second and
    fourth order elliptic problems", Computing 56, 1996.
    """

    def __init__(self, matrix: sp.csr_array, kernel: NDArray[np.float64]) -> None:
        pyamg = require("pyamg", extra="multigrid", purpose="Multigrid")
        hierarchy = pyamg.smoothed_aggregation_solver(
            sp.csr_matrix(matrix),
            B=kernel[:, None],
            symmetry="symmetric",
            max_coarse=_COARSEST,
            improve_candidates=None,
            presmoother=None,
            postsmoother=None,
        )
        self.pays = hierarchy.operator_complexity() <= _MOST_COMPLEXITY
        self._levels = [
            _Level(sp.csr_array(level.A), sp.csr_array(level.P), np.ravel(level.B))
            for level in hierarchy.levels[:-1]
        ]
        self._coarsest = sp.csr_array(hierarchy.levels[-1].A)
        self._last_kernel = np.ravel(hierarchy.levels[-1].B)

    def cycle(self, strength: float, counts: NDArray[np.float64]) -> Cycle:
        """Return about the inverse of ``diag(counts) + strength K``, ``counts`` of shape (n,)."""
        levels, diagonal = [], counts
        kernels = [*(level.kernel for level in self._levels[1:]), self._last_kernel]
        for level, coarser in zip(self._levels, kernels, strict=True):
            levels.append(_Smoothed(level.matrix, level.up, strength, diagonal))
            # As diagonal there too: the same for the kernel, and about the same for what is smooth.
            diagonal = level.up.T @ (diagonal * level.kernel)
            diagonal = np.maximum(diagonal / np.where(coarser == 0, 1.0, coarser), 0.0)
        coarsest = strength * self._coarsest + sp.diags_array(diagonal)
        # Nothing but rounding holds a component in its place that has no counts.
        tiny = np.finfo(float).eps * np.maximum(coarsest.diagonal(), np.finfo(float).tiny)
        return Cycle(levels, coarsest + sp.diags_array(tiny))


class _Smoothed:
    """One level at a strength: what takes rough errors away, by Chebyshev's polynomial."""

    def __init__(
        self, matrix: sp.csr_array, up: sp.csr_array, strength: float, counts: NDArray[np.float64]
    ) -> None:
        self._matrix, self._strength, self._counts = matrix, strength, counts[:, None]
        self.up, self.down = up, up.T
        diagonal = counts + strength * matrix.diagonal()
        self._inverse = 1 / np.where(diagonal > 0, diagonal, 1.0)[:, None]
        sums = counts + strength * np.asarray(abs(matrix).sum(axis=1)).ravel()
        high = float((sums * self._inverse[:, 0]).max())
        self._centre, self._half = high * (1 + _SMOOTHED) / 2, high * (1 - _SMOOTHED) / 2

    def residual(
        self, right: NDArray[np.float64], x: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        left = self._matrix @ x
        left *= -self._strength
        left -= self._counts * x
        left += right
        return left

    def smooth(
        self, right: NDArray[np.float64], x: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return a solution whose error is smooth, from ``x`` or from 0."""
        residual = right if x is None else self.residual(right, x)
        step = residual * (self._inverse / self._centre)
        x = step.copy() if x is None else x + step
        ratio = self._half / self._centre
        for _ in range(1, _DEGREE):
            before, ratio = ratio, 1 / (2 * self._centre / self._half - ratio)
            step *= before * ratio
            step += (2 * ratio / self._half * self._inverse) * self.residual(right, x)
            x += step
        return x


class Cycle:
    """One V-cycle as an operator on blocks: symmetric, and positive definite."""

    def __init__(self, levels: list[_Smoothed], coarsest: sp.csr_array) -> None:
        self._levels = levels
        self._solve = positive_definite_solver(coarsest)

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return about the inverse times ``block``, shape (n, n_columns)."""
        return self._descend(np.ascontiguousarray(block), 0)

    def _descend(self, right: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
        if depth == len(self._levels):
            return np.ascontiguousarray(self._solve(right))
        level = self._levels[depth]
        x = level.smooth(right)
        x += level.up @ self._descend(level.down @ level.residual(right, x), depth + 1)
        return level.smooth(right, x)
