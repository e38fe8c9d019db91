"""Sparse linear algebra that SciPy has no short name for."""

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky, eigh
from scipy.linalg.blas import dgemm
from scipy.linalg.lapack import dgejsv
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import SuperLU, splu
from threadpoolctl import ThreadpoolController

from skginr._core._memory import check_fits, fits

# Of all eigenpairs, up to which it is faster to look for some alone.
_FEW = 0.17
# Steps of iterative refinement; each gains at least the digits that the factor has.
_REFINEMENTS = 12
# Orders of elimination that are tried, and the share of a solution that a correction may be for the
# next one to be left alone.
_ORDERINGS = ("COLAMD", "MMD_ATA", "MMD_AT_PLUS_A")
_UNSETTLED = 1e-8
# Columns that CHOLMOD solves for at once.
_AT_ONCE = 16
# Rows that are worked on at a time, which with some columns stay in the cache.
_ROWS = 32_768
# Nodes up to which nobody asks whether a factor fits.
_FITS = 200_000
# Entries of the factor of a surface's mesh of n nodes with six neighbours, as measured from 16,000
# to a million: this times n to the power. And of what is no surface, by the squares of levels.
_FILL, _FILL_POWER, _SIX = 9.7, 1.157, 6
_FILL_OF_LEVELS = 0.6
# Bytes an entry at the peak, of SuperLU and of CHOLMOD.
_SUPERLU_BYTES, _CHOLMOD_BYTES = 45, 15
# Bytes of a factor whose only use is to count.
_MOST_TO_COUNT = 4e9


def factor_positive_definite(matrix: sp.sparray) -> SuperLU:
    """Return a factorisation of a symmetric positive-definite matrix; ``.solve`` uses it.

    SuperLU in its symmetric mode: an ordering of A + A' and pivots on the diagonal
    fill in far less than its defaults, which are for general matrices.

    Raises
    ------
    MemoryError
        If it does not fit, as far as one can tell.
    """
    _check_factor(matrix, _SUPERLU_BYTES)
    return splu(
        sp.csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def with_short_indices(matrix: sp.csr_array) -> sp.csr_array:
    """Return a matrix with indices of 32 bits.

    SciPy's shortest paths and trees take no others, and not every release converts them.
    """
    indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return sp.csr_array((matrix.data, indices, indptr), shape=matrix.shape)


def positive_definite_solver(
    matrix: sp.sparray,
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the function that solves ``matrix @ x = b`` for blocks b of shape (n, n_columns).

    By CHOLMOD where cholespy (the extra ``cholesky``) is installed, which takes about half
    of the time and memory; else by SuperLU.

    Raises
    ------
    MemoryError
        If a factor does not fit, as far as one can tell.
    """
    try:
        from cholespy import CholeskySolverD, MatrixType
    except ModuleNotFoundError:
        factor = factor_positive_definite(matrix)
        return lambda b: factor.solve(np.asfortranarray(b))
    _check_factor(matrix, _CHOLMOD_BYTES)
    entries = with_short_indices(sp.csr_array(matrix))
    solver = CholeskySolverD(
        matrix.shape[0], entries.indptr, entries.indices, entries.data, MatrixType.CSR
    )

    def solve_few(b: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.empty(b.shape)
        solver.solve(np.ascontiguousarray(b), x)
        return x

    def solve(b: NDArray[np.float64]) -> NDArray[np.float64]:
        if b.shape[1] <= _AT_ONCE:
            return solve_few(b)
        # It never gives back what it has worked in: of few columns that is little.
        parts = np.split(b, range(_AT_ONCE, b.shape[1], _AT_ONCE), axis=1)
        return np.hstack([solve_few(part) for part in parts])

    return solve


def conjugate_gradients(
    multiply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    right: NDArray[np.float64],
    precondition: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    reference: NDArray[np.float64] | None = None,
    tolerance: float,
    max_iterations: int,
    euclidean: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve systems, one per column, that share nothing but the time of their products.

    Parameters
    ----------
    multiply, precondition : callable
        From a block of columns to the products of each with its own matrix, or about its inverse.
        What the second returns may be overwritten by its next call.
    right : ndarray of shape (n, n_columns)
    reference : ndarray of shape (n, n_columns), optional
        What residuals are compared with; by default ``right``.
    tolerance : float
        Reduction of the residual at which a column has converged.
    max_iterations : int
    euclidean : bool, default False
        Whether residuals are compared by their length. By default as the preconditioner measures
        them, which is about the error in the norm of the system.

    Returns
    -------
    solution : ndarray of shape (n, n_columns)
    converged : ndarray of shape (n_columns,)
    """
    solution = np.zeros_like(right)
    residual = right.copy()
    preconditioned = precondition(residual)
    direction = preconditioned.copy()
    size = _dot(residual, preconditioned)
    compared = right if reference is None else reference
    if euclidean:
        enough = _dot(compared, compared)
    else:
        enough = size if reference is None else _dot(compared, precondition(compared))
    enough = enough * tolerance**2
    # Of a matrix that rounding has left indefinite, directions grow beyond all numbers.
    with np.errstate(over="ignore", invalid="ignore"):
        for iteration in range(max_iterations + 1):
            error = _dot(residual, residual) if euclidean else size
            # What is not positive is rounding's, of which nothing better comes.
            left = (error > enough) & (size > 0)
            if iteration == max_iterations or not left.any():
                break
            product = multiply(direction)
            # A column that is solved stays as it is: a step of zero.
            step = np.where(left, size / positive(_dot(direction, product)), 0.0)
            for rows in row_slices(len(right)):
                solution[rows] += step * direction[rows]
                residual[rows] -= step * product[rows]
            preconditioned = precondition(residual)
            before, size = size, _dot(residual, preconditioned)
            direction *= size / positive(before)
            direction += preconditioned
    finite = np.isfinite(solution).all(axis=0)
    solution[:, ~finite] = 0.0
    return solution, finite & (error <= enough)


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("ij,ij->j", left, right)


def positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values`` with 1 in place of 0 and less, safe to divide by."""
    return np.where(values > 0, values, 1.0)


def row_slices(n_rows: int) -> list[slice]:
    """Return all rows in parts, of which what is made on the way stays in the cache."""
    return [slice(start, min(start + _ROWS, n_rows)) for start in range(0, n_rows, _ROWS)]


def row_parts(matrix: sp.csr_array) -> list[tuple[slice, sp.csr_array]]:
    """Return a matrix as parts of some rows, in the memory that it has."""
    parts = []
    for rows in row_slices(matrix.shape[0]):
        first, last = matrix.indptr[rows.start], matrix.indptr[rows.stop]
        indptr = matrix.indptr[rows.start : rows.stop + 1] - first
        entries = matrix.data[first:last], matrix.indices[first:last], indptr
        parts.append((rows, sp.csr_array(entries, shape=(len(indptr) - 1, matrix.shape[1]))))
    return parts


def scaled(
    matrix: sp.csr_array, left: NDArray[np.float64], right: NDArray[np.float64]
) -> sp.csr_array:
    """Return a matrix times two diagonals, on the indices that it has."""
    data = matrix.data * np.repeat(left, np.diff(matrix.indptr))
    data *= right[matrix.indices]
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def factor_bytes(matrix: sp.sparray) -> float:
    """Return about how much memory :func:`positive_definite_solver` takes for a large matrix."""
    known = importlib.util.find_spec("cholespy") is not None
    return _entries_of_factor(sp.csr_array(matrix)) * (_CHOLMOD_BYTES if known else _SUPERLU_BYTES)


def _check_factor(matrix: sp.sparray, bytes_of_entry: int) -> None:
    if matrix.shape[0] > _FITS:
        check_fits(
            bytes_of_entry * _entries_of_factor(sp.csr_array(matrix)),
            f"a factor of a matrix of {matrix.shape[0]:,} nodes",
            "Smoothers of order 1, and eigen_solver='multigrid', need none with the extra "
            "'multigrid' (pip install 'skginr[multigrid]'). Or take a coarser graph.",
        )


def _entries_of_factor(matrix: sp.csr_array) -> float:
    """Return about how many entries a factor has: to a third and three times."""
    n_entries = np.diff(matrix.indptr)
    # Ends and middles of paths are eliminated for nothing. The diagonal counts.
    branching = n_entries > 3
    n_branching = int(branching.sum())
    if n_branching == 0:
        return float(matrix.nnz)
    degree = float(n_entries[branching].mean()) - 1
    surface = _FILL * n_branching**_FILL_POWER * min(1.0, degree / _SIX)
    levels = level_sizes(matrix).astype(float)
    share = n_branching / matrix.shape[0]
    volume = _FILL_OF_LEVELS * (levels**2).mean() * np.log2(matrix.shape[0]) * share**2
    volume *= matrix.shape[0] / levels.sum()
    # Eliminated level by level, each fills in with the next, and no more.
    most = 1.5 * float((levels**2).sum()) * matrix.shape[0] / levels.sum()
    return max(min(max(surface, volume), most), matrix.nnz / 2)


def level_sizes(matrix: sp.csr_array) -> NDArray[np.intp]:
    """Return how many rows are so many steps from one end of the largest component, by steps.

    The widest level is about what a factorisation fills in, and their number how far it is across.
    """
    shape = with_short_indices(matrix)
    shape.data = np.ones(shape.nnz, dtype=np.int8)
    _, components = connected_components(shape, directed=False)
    start = int((components == np.bincount(components).argmax()).argmax())
    far = breadth_first_order(shape, start, return_predecessors=False)[-1]
    order, before = breadth_first_order(shape, int(far))
    place = np.empty(matrix.shape[0], dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    # Places of predecessors ascend: a level ends where they leave the one before.
    before = place[before[order[1:]]]
    ends = [0, 1]
    while ends[-1] < len(order):
        ends.append(1 + int(np.searchsorted(before, ends[-1])))
    return np.diff(ends)


def solve_refined(
    matrix: sp.sparray, right: NDArray[np.float64]
) -> tuple[NDArray, NDArray[np.float64]]:
    """Solve ``matrix @ x = right``, its residuals computed in the numbers of ``matrix``.

    A factor in double precision, with rows exchanged, and iterative refinement: with a matrix of
    long doubles the solution has all digits of a double wherever the factor has any.

    Parameters
    ----------
    matrix : sparse array of shape (n, n)
        Of floats, or of long doubles.
    right : ndarray of shape (n, n_columns)

    Returns
    -------
    x : ndarray of shape (n, n_columns), of the type of ``matrix``
    change : ndarray of shape (n, n_columns)
        Size of the last correction, about that of the error before it; infinite if there is no
        factor.
    """
    x, change = _refined(matrix, right, _ORDERINGS[0])
    for ordering in _ORDERINGS[1:]:
        # What one factor has lost in growing entries another may have kept.
        unsettled = np.flatnonzero(change.max(axis=0) > _UNSETTLED * np.abs(x).max(axis=0))
        if len(unsettled) == 0:
            break
        again, moved = _refined(matrix, right[:, unsettled], ordering)
        better = moved.max(axis=0) < change[:, unsettled].max(axis=0)
        x[:, unsettled[better]] = again[:, better]
        change[:, unsettled[better]] = moved[:, better]
    return x, change


def _refined(
    matrix: sp.sparray, right: NDArray[np.float64], ordering: str
) -> tuple[NDArray, NDArray[np.float64]]:
    x = np.zeros(right.shape, dtype=matrix.dtype)
    change = np.full(right.shape, np.inf)
    try:
        factor = splu(sp.csc_array(matrix, dtype=np.float64), permc_spec=ordering)
    except RuntimeError:  # exactly singular
        return x, change
    before = np.full(right.shape[1], np.inf)
    left = np.arange(right.shape[1])
    for _ in range(_REFINEMENTS):
        residual = right[:, left] - matrix @ x[:, left]
        correction = factor.solve(residual.astype(np.float64))
        size = np.abs(correction)
        largest = size.max(axis=0)
        # Where corrections no longer shrink they are what rounding makes of nothing.
        better = np.isfinite(largest) & (largest < before[left])
        x[:, left[better]] += correction[:, better]
        change[:, left[better]] = size[:, better]
        before[left] = largest
        left = left[better & (largest > 0)]
        if len(left) == 0:
            break
    return x, change


def count_eigenvalues_below(matrix: sp.sparray, bound: float) -> int | None:
    """Return how many eigenvalues of a symmetric matrix are below ``bound``, exactly.

    By Sylvester's law of inertia: as many as the factor of ``matrix - bound I`` has
    negative pivots. None if the factorisation had to leave the diagonal, where its
    pivots say nothing, or would take more than some gigabytes, or than there are.
    """
    if not can_count_eigenvalues(matrix):
        return None
    shifted = matrix - bound * sp.eye_array(matrix.shape[0])
    try:
        factor = factor_positive_definite(shifted)
    except RuntimeError:  # exactly singular: bound is an eigenvalue
        return None
    if not np.array_equal(factor.perm_r, factor.perm_c):
        return None
    return int((factor.U.diagonal() < 0).sum())


def can_count_eigenvalues(matrix: sp.sparray) -> bool:
    """Say whether the factor that :func:`count_eigenvalues_below` takes is small enough."""
    if matrix.shape[0] <= _FITS:
        return True
    n_bytes = _SUPERLU_BYTES * _entries_of_factor(sp.csr_array(matrix))
    return n_bytes <= _MOST_TO_COUNT and fits(n_bytes)


def eigh_subset(
    matrix: NDArray[np.float64], first: int, last: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenpairs ``first`` to ``last`` of a dense symmetric matrix, ascending.

    LAPACK's driver for some pairs gives up on some matrices with many equal eigenvalues, or returns
    fewer than it was asked for, and takes longer for many pairs than divide and conquer for all.
    """
    if last - first + 1 <= _FEW * len(matrix):
        try:
            values, vectors = eigh(matrix, subset_by_index=(first, last))
            if len(values) == last - first + 1:
                return values, vectors
        except LinAlgError:
            pass
    values, vectors = eigh(matrix, driver="evd")
    return values[first : last + 1], vectors[:, first : last + 1]


def graded_eigenvectors(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the eigenvectors of a dense positive-definite matrix, ascending.

    By Cholesky's factor and Jacobi's method, which find the small eigenvalues to as many digits as
    the entries of their vectors' places have, however large others are; in about ten times the
    time of the usual methods, whose error is a share of the largest. None where that fails.

    References
    ----------
    J. Demmel and K. Veselic, "Jacobi's method is more accurate than QR", SIAM J. Matrix Anal.
    Appl. 13, 1992.
    """
    try:
        factor = cholesky(matrix)
    except LinAlgError:
        return None
    # Singular values alone, and right singular vectors, of a matrix of badly scaled columns.
    _, _, vectors, _, _, failed = dgejsv(factor, joba=0, jobu=3, jobv=0)
    if failed:
        return None
    # A step of inverse iteration takes away what rotations have left in the largest entries.
    polished = cho_solve((factor, False), vectors[:, ::-1])
    return polished / np.linalg.norm(polished, axis=0)


def subtract_product(
    target: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
) -> None:
    """Subtract ``left @ right`` from the contiguous array ``target``, in place.

    Without the temporary of ``target -= left @ right``, which where ``left`` is long and
    ``right`` small takes as long as the product.
    """
    if left.shape[1] == 0:
        return
    if not target.flags.f_contiguous:
        target, left, right = target.T, right.T, left.T
    dgemm(-1.0, left, right, beta=1.0, c=target, overwrite_c=True)


def deflate(block: NDArray[np.float64], vector: NDArray[np.float64]) -> None:
    """Take what lies along the unit ``vector`` out of the columns of ``block``, in place."""
    subtract_product(block, vector[:, None], (vector @ block)[None])


def one_blas_thread() -> AbstractContextManager:
    """Return a context in which BLAS works in the thread that calls it.

    Between products of long, thin blocks its threads wait for each other longer than they work:
    up to twice as long on idle cores, and thirty times on busy ones.
    """
    return _thread_controller().limit(limits=1, user_api="blas")


@cache
def _thread_controller() -> ThreadpoolController:
    # To look for the libraries that are loaded takes longer than a small problem.
    return ThreadpoolController()
