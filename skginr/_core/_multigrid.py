"""Multigrid: about the inverse of a large sparse matrix, in the memory of some copies of it."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core._checks import require
from skginr._core._linalg import positive_definite_solver, row_parts, scaled

# The coarsest matrix is factored.
_COARSEST = 500
# A hierarchy of so many times the entries of the matrix costs more than it gains: hubs make coarse
# matrices dense.
_MOST_COMPLEXITY = 3.0
# Of the smoothing of what goes between levels: the least iterations on meshes of four kinds.
_OMEGA = 1.5
# Share of the spectrum, from the top, of what is rough. Of polynomials of degrees 1 to 3 that of 2
# took the least time.
_SMOOTHED = 1 / 8


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
    complexity : float
        Entries of all matrices as a multiple of those of the first: 1.2 for meshes, and more where
        hubs make coarser ones dense.

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
            # By sums of rows: the usual weights draw from NumPy's global random numbers.
            smooth=("jacobi", {"omega": _OMEGA, "weighting": "local"}),
            improve_candidates=None,
            presmoother=None,
            postsmoother=None,
        )
        self.complexity = hierarchy.operator_complexity()
        self._levels = [
            _Level(sp.csr_array(level.A), sp.csr_array(level.P), np.ravel(level.B))
            for level in hierarchy.levels[:-1]
        ]
        self._coarsest = sp.csr_array(hierarchy.levels[-1].A)
        self._last_kernel = np.ravel(hierarchy.levels[-1].B)

    @property
    def pays(self) -> bool:
        """Whether coarser matrices are small beside the first."""
        return self.complexity <= _MOST_COMPLEXITY

    def cycle(self, strength: float, counts: NDArray[np.float64]) -> Cycle:
        """Return about the inverse of ``diag(counts) + strength K``, ``counts`` of shape (n,)."""
        kernels = [*(level.kernel for level in self._levels), self._last_kernel]
        matrices = [*(level.matrix for level in self._levels), self._coarsest]
        scales, shifted = [], []
        for depth, matrix in enumerate(matrices):
            diagonal = counts + strength * matrix.diagonal()
            # Nothing but rounding holds a component in its place that has no counts.
            diagonal += np.finfo(float).eps * np.maximum(diagonal, np.finfo(float).tiny)
            scales.append(1 / np.sqrt(diagonal))
            shifted.append(sp.csr_array(strength * matrix + sp.diags_array(counts)))
            if depth < len(self._levels):
                # As diagonal there too: the same for the kernel, about the same for what is smooth.
                coarser = kernels[depth + 1]
                counts = self._levels[depth].up.T @ (counts * kernels[depth])
                counts = np.maximum(counts / np.where(coarser == 0, 1.0, coarser), 0.0)
        smoothed = [
            _Smoothed(shifted[i], level.up, scales[i], scales[i + 1])
            for i, level in enumerate(self._levels)
        ]
        return Cycle(smoothed, scaled(shifted[-1], scales[-1], scales[-1]), scales[0])


class _Smoothed:
    """One level: what takes rough errors away, by Chebyshev's polynomial of degree 2.

    In unknowns for which the diagonal of the matrix is 1: blocks of few columns are multiplied by
    numbers much faster than by diagonals. And by some rows at a time: what is between a product
    and its last use stays in the cache, and vectors of gigabytes are not written and read again.
    """

    def __init__(
        self,
        matrix: sp.csr_array,
        up: sp.csr_array,
        scale: NDArray[np.float64],
        coarser: NDArray[np.float64],
    ) -> None:
        own = scaled(matrix, scale, scale)
        high = float(np.asarray(abs(own).sum(axis=1)).max())
        centre, half = high * (1 + _SMOOTHED) / 2, high * (1 - _SMOOTHED) / 2
        ratio = 1 / (2 * centre / half - half / centre)
        # Of the first step, and of the second: the step before it again, and the residual.
        self._first, self._again, self._second = 1 / centre, ratio * half / centre, 2 * ratio / half
        own.data *= -1
        self._negative = row_parts(own)
        up = scaled(up, 1 / scale, coarser)
        self._up, self._down = row_parts(up), up.T
        self._arrays: dict[str, NDArray[np.float64]] = {}

    def smooth(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a solution, begun from 0, whose error is smooth."""
        first, x = self._array("first", right), self._array("x", right)
        np.multiply(right, self._first, out=first)
        for rows, negative in self._negative:
            residual = negative @ first
            residual += right[rows]
            residual *= self._second
            residual += (1 + self._again) * first[rows]
            x[rows] = residual
        return x

    def correct(
        self, right: NDArray[np.float64], x: NDArray[np.float64], coarse: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return a solution by that of the coarser level and two more steps, in place of ``x``."""
        for rows, up in self._up:
            x[rows] += up @ coarse
        step, first = self._array("step", right), self._array("first", right)
        for rows, negative in self._negative:
            residual = negative @ x
            residual += right[rows]
            residual *= self._first
            step[rows] = residual
            residual += x[rows]
            first[rows] = residual
        for rows, negative in self._negative:
            residual = negative @ first
            residual += right[rows]
            residual *= self._second
            residual += self._again * step[rows]
            residual += first[rows]
            x[rows] = residual
        return x

    def coarser(self, right: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is left of the right-hand side, on the coarser level."""
        return self._down @ self._left(right, x, "step")

    def left(self, right: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is left of the right-hand side."""
        return self._left(right, x, "left")

    def _left(
        self, right: NDArray[np.float64], x: NDArray[np.float64], name: str
    ) -> NDArray[np.float64]:
        left = self._array(name, right)
        for rows, negative in self._negative:
            residual = negative @ x
            residual += right[rows]
            left[rows] = residual
        return left

    def _array(self, name: str, like: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an array to work in: of gigabytes, new ones take as long as the work."""
        array = self._arrays.get(name)
        if array is None or array.shape != like.shape:
            array = self._arrays[name] = np.empty(like.shape)
        return array


class Cycle:
    """One W-cycle as an operator on blocks: symmetric, and positive definite.

    Every coarser level is solved for twice, which costs little, since it is small. Errors of all
    levels add up in a V-cycle, so that it takes more iterations with every level.
    """

    def __init__(
        self,
        levels: list[_Smoothed],
        coarsest: sp.csr_array,
        scale: NDArray[np.float64],
    ) -> None:
        self._levels, self._scale = levels, scale[:, None]
        self._solve = positive_definite_solver(coarsest)
        self._right: NDArray[np.float64] | None = None

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return about the inverse times ``block``, shape (n, n_columns).

        What is returned is overwritten by the next call.
        """
        if self._right is None or self._right.shape != block.shape:
            self._right = np.empty(block.shape)
        solved = self._descend(np.multiply(self._scale, block, out=self._right), 0)
        solved *= self._scale
        return solved

    def _descend(self, right: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
        if depth == len(self._levels):
            return np.ascontiguousarray(self._solve(right))
        level = self._levels[depth]
        x = level.smooth(right)
        return level.correct(right, x, self._twice(level.coarser(right, x), depth + 1))

    def _twice(self, right: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
        solved = self._descend(right, depth)
        if depth == len(self._levels):
            return solved
        first = solved.copy()
        again = self._descend(self._levels[depth].left(right, solved), depth)
        again += first
        return again
