"""The smallest eigenpairs of one connected component: which solver, and whether to believe it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh

from skginr._core import (
    check_fits,
    count_eigenvalues_below,
    deflate,
    eigh_subset,
    factor_bytes,
    fits,
    graded_eigenvectors,
    has_multigrid,
    level_sizes,
)
from skginr.spectral.eigen._basis import errors_of
from skginr.spectral.eigen._davidson import basis_size, smallest_eigenvectors
from skginr.spectral.eigen._iterative import iterative_operator
from skginr.spectral.eigen._lanczos import (
    Operator,
    Report,
    Start,
    largest_eigenvectors,
    silent,
)
from skginr.spectral.eigen._operators import (
    Accuracy,
    FactoredInverse,
    IndefiniteError,
    MultigridCycle,
    MultigridInverse,
    by_columns,
    shift_of,
)
from skginr.spectral.eigen._subspace import multiply_in_place

SOLVERS = ("auto", "dense", "shift_invert", "multigrid", "iterative")
#: Residuals below this share of the bound are lost in the rounding of the operator itself.
LEAST_TOL = 1e-14

# Up to this many nodes LAPACK on the full matrix is fastest, and complete.
_DENSE_NODES = 500
# Up to so many LAPACK is cheaper than a second iteration with larger blocks.
_CHEAP_DENSE_NODES = 1_500
# Beyond so many the full matrix takes gigabytes, and minutes.
_MAX_DENSE_NODES = 12_000
# Up to so many Jacobi's method takes seconds, where entries are so different that LAPACK's usual
# one loses the small eigenvalues in the rounding of the largest.
_MAX_GRADED_NODES = 1_500
# Pairs are exact to so many digits too, or what ``eigen_tol`` leaves of them, and what rounding
# does: these are shares of the sizes that a residual and an eigenvalue are sums of.
_DIGITS = 1e-6
_LEAST, _ROUNDING = 1e-12, 1e-14
# Of a breadth-first search, the widest level is about what a factorisation fills in, so its time
# goes with the cube of that, and the number of levels is the degree of polynomial that reaches
# across, so the time of an iteration goes with the edges times that. On thirty graphs of all
# kinds iterations won where the ratio was beyond this; a narrower level is no work.
_ITERATE_FROM = 15
_NARROW = 1_000
# A factor of more bytes takes as long as an iteration with multigrid, or longer. Nodes up to which
# none has so many.
_MOST_FACTOR_BYTES, _FACTORED_NODES = 4e9, 200_000
# Trees are cut back by so many nodes, since a factorisation eliminates them without fill.
_MAX_PRUNINGS = 50
# Vectors per step of the Lanczos iteration; more, and multiplying them is not faster. But where
# many are wanted, most of the time goes to keeping them orthogonal, and wide blocks are faster at
# that, unless the graph is so small that the projected problem is what takes time.
_BLOCK, _WIDE_BLOCK = 8, 16
_MANY, _NODES_PER_VECTOR = 200, 30
# Columns that residuals are computed for at a time.
_COLUMNS = 16
# The basis of an iteration outgrows k by so many vectors before it is compressed.
_MOST_VECTORS = 4
_SPARE_BLOCKS = 24
_MAX_STEPS = 2_000
# Copies of the matrix that multigrid holds, with what is coarser.
_MATRICES = 4
# Bytes that a basis may have beyond the room that an iteration needs, and blocks beside it.
_BASIS_BYTES, _BLOCKS_AT_WORK = 5e9, 4
# Share of the tolerance that Davidson's method keeps to: what is believed is computed anew.
_ROOM = 0.5
# How much stricter an iteration is made whose pairs fell short of the tolerance.
_STRICTER = 1e-2
# Shift and power of a factored inverse, by attempt. A small shift tells the eigenvalues of long,
# thin graphs apart, and applying the inverse twice between two orthogonalisations takes a tenth
# to a fifth less time on meshes than once, and three times is no better. But where some
# eigenvalues are next to nothing and others are not, as of weakly joined clusters, the ones
# drown the others in rounding.
_FACTORED = ((1e-8, 2), (1e-4, 1), (1e-4, 1))
# How near to the first eigenvalue an inexact inverse is shifted; 0 cannot fail.
_NEARNESS = (0.9, 0.5, 0.0)
# What an iteration has found is kept where so many seconds have passed, and so many times what it
# takes to keep it, and there are so many more pairs.
_KEEP_EVERY, _KEEP_SHARE, _FEW_MORE = 60.0, 10.0, 8


@dataclass(frozen=True)
class Problem:
    """The k smallest eigenpairs of a connected matrix, orthogonal to its kernel.

    Attributes
    ----------
    matrix : sparse array of shape (n, n)
        Symmetric, positive semi-definite.
    kernel : ndarray of shape (n,)
        Its unit null vector.
    k : int
        At most n - 1.
    accuracy : Accuracy
        Wanted.
    report : callable
        Called with a word on what is going on, and how many pairs have converged.
    start : Start or None
        The first pairs, fewer than k, where they are known.
    keep : callable or None
        Called with the first pairs that a long iteration has found, from time to time.
    """

    matrix: sp.csr_array
    kernel: NDArray[np.float64]
    k: int
    accuracy: Accuracy
    report: Report = silent
    start: Start | None = None
    keep: "Callable[[Pairs], None] | None" = None

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.kernel)

    @cached_property
    def bound(self) -> float:
        """Gershgorin's bound on the largest eigenvalue."""
        return gershgorin_bound(self.matrix)

    def has_room(self, n_block: int) -> bool:
        """Say whether an iteration has vectors to look at beyond those wanted."""
        return self.k + 4 * n_block < self.n


class Pairs(NamedTuple):
    """Eigenvalues, ascending; orthonormal vectors as columns; how far values may be off."""

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    errors: NDArray[np.float64]

    def first(self, n: int) -> "Pairs":
        """Return the first n of them."""
        return Pairs(self.values[:n], self.vectors[:, :n], self.errors[:n])


def gershgorin_bound(matrix: sp.csr_array) -> float:
    """Return a bound on the size of the eigenvalues of ``matrix``."""
    return float(abs(matrix).sum(axis=1).max())


def accuracy_of(
    matrix: sp.csr_array, kernel: NDArray[np.float64], eigen_tol: float, bound: float
) -> Accuracy:
    """Return the accuracy to which pairs are computed.

    Half of ``eigen_tol`` is left for turning the vectors of equal eigenvalues.
    """
    least = _LEAST * float(matrix.diagonal() @ kernel**2)
    return Accuracy(eigen_tol * bound / 2, max(_DIGITS, 100 * eigen_tol), least)


def choose_solver(problem: Problem, eigen_solver: str) -> str:
    """Return how a component is solved: by what was named, if that is not "auto".

    Raises
    ------
    RuntimeError
        If so many pairs are wanted of so many nodes that only a dense solver is left, and that
        was not named.
    """
    if eigen_solver == "dense":
        return "dense"
    if not problem.has_room(_BLOCK):
        if problem.n > _MAX_DENSE_NODES:
            raise RuntimeError(
                f"{problem.k} eigenvectors of a component of {problem.n} nodes are nearly all: too "
                f"many for an iteration. Ask for fewer, or name eigen_solver='dense', which takes "
                f"{8e-9 * problem.n**2:.0f} GB for the matrix alone."
            )
        return "dense"
    if eigen_solver != "auto":
        return eigen_solver
    most = problem.k > problem.n // 4 and problem.n <= _MAX_DENSE_NODES
    if problem.n <= _DENSE_NODES or most:
        return "dense"
    return sparse_solver(problem.matrix)


def sparse_solver(matrix: sp.csr_array) -> str:
    """Return by which operator an iteration on a large matrix takes least."""
    if fills_in(matrix):
        return "iterative"
    return "multigrid" if is_too_large(matrix) and has_multigrid() else "shift_invert"


def is_too_large(matrix: sp.csr_array) -> bool:
    """Say whether a factor takes more memory than is good, or than there is."""
    if matrix.shape[0] <= _FACTORED_NODES:
        return False
    n_bytes = factor_bytes(matrix)
    return n_bytes > _MOST_FACTOR_BYTES or not fits(n_bytes)


def fills_in(matrix: sp.csr_array) -> bool:
    """Say whether a factorisation takes longer than an iteration without one."""
    core = _core(matrix)
    if core.shape[0] <= _NARROW:
        return False
    levels = level_sizes(core)
    widest = int(levels.max())
    return widest > _NARROW and widest**3 > _ITERATE_FROM * core.nnz * len(levels)


def _core(matrix: sp.csr_array) -> sp.csr_array:
    """Return a connected ``matrix`` without its trees."""
    for _ in range(_MAX_PRUNINGS):
        if matrix.shape[0] <= _NARROW:
            break
        # The diagonal counts.
        inner = np.diff(matrix.indptr) > 2
        if inner.all():
            break
        matrix = matrix[inner][:, inner]
    return matrix


def solve_connected(problem: Problem, solver: str) -> Pairs:
    """Return the pairs, by another solver where the named one fails.

    Raises
    ------
    RuntimeError
        If no solver finds them all, or the component is too large for what is left.
    """
    solvers = [solver, "dense", "shift_invert"] if problem.n <= _MAX_DENSE_NODES else [solver]
    for name in dict.fromkeys(solvers):
        pairs = _dense(problem) if name == "dense" else _iterate(problem, name)
        if pairs is not None:
            return pairs
    raise RuntimeError(
        f"the first {problem.k} eigenvectors of a component of {problem.n} nodes were not found to "
        f"the accuracy wanted. Ask for a few more, or fewer, raise eigen_tol, name another "
        f"eigen_solver, or leave out edges whose weights are next to nothing beside others."
    )


def _dense(problem: Problem) -> Pairs | None:
    """Return the pairs by LAPACK on the full matrix, or None if they are not accurate."""
    problem.report("dense", 0)
    # The kernel is moved above everything else.
    lifted = np.outer(2 * problem.bound * problem.kernel, problem.kernel)
    entries = problem.matrix.tocoo()
    np.add.at(lifted, entries.coords, entries.data)
    pairs = _accurate(problem, eigh_subset(lifted, 0, problem.k - 1)[1])
    if pairs is None and problem.n <= _MAX_GRADED_NODES:
        pairs = _graded(problem)
    return pairs


def _graded(problem: Problem) -> Pairs | None:
    """Return the pairs where the small ones are lost in the rounding of the largest, or None."""
    shift = shift_of(problem.matrix, problem.kernel, _FACTORED[0][0])
    shifted = problem.matrix.toarray()
    shifted[np.diag_indices(problem.n)] += shift
    vectors = graded_eigenvectors(shifted)
    if vectors is None:
        return None
    # All but the one that is the kernel.
    vectors = np.delete(vectors, np.abs(problem.kernel @ vectors).argmax(), axis=1)
    vectors = np.asfortranarray(vectors[:, : problem.k])
    deflate(vectors, problem.kernel)
    vectors /= np.linalg.norm(vectors, axis=0)
    values = np.einsum("ij,ij->j", vectors, problem.matrix @ vectors)
    order = np.argsort(values, kind="stable")
    values, vectors = values[order], vectors[:, order]
    residuals, _, rounding = residuals_of(problem, values, vectors)
    return Pairs(values, vectors, errors_of(values, rounding=rounding, residual=residuals))


def _iterate(problem: Problem, solver: str) -> Pairs | None:
    """Return the pairs by Lanczos iteration, or None if it failed.

    An iteration finds no more copies of an eigenvalue than its block has vectors, and every
    residual looks perfect. So where it found that many, larger blocks have a look, unless
    a count says that none is missing.
    """
    wide = problem.k >= _MANY and problem.n >= _NODES_PER_VECTOR * problem.k
    n_block, start = _WIDE_BLOCK if wide else _BLOCK, problem.start
    while problem.has_room(n_block):
        pairs = _accurate_pairs(problem, solver, n_block, start)
        if pairs is None:
            return None
        # Two computed eigenvalues may be one that is an error away from either.
        nearly_equal = 2 * pairs.errors
        if not _fills_block(pairs.values, n_block, nearly_equal):
            return pairs
        if solver == "shift_invert" and is_complete(problem.matrix, pairs.values, nearly_equal):
            return pairs
        if problem.n <= _CHEAP_DENSE_NODES:
            return None
        # The next has so many copies beside those that were found.
        n_block, start = 2 * n_block, Start(pairs.values, pairs.vectors)
    return None


def _fills_block(
    values: NDArray[np.float64], n_block: int, nearly_equal: NDArray[np.float64]
) -> bool:
    """Say whether as many eigenvalues as a block has vectors are nearly equal.

    Those nearly equal to the last do not count: copies missing among them would change nothing.
    """
    n_inner = int((values < values[-1] - nearly_equal).sum())
    last = np.arange(n_block - 1, n_inner)
    spans = values[last] - values[last - n_block + 1]
    return bool((spans <= nearly_equal[last]).any())


def is_complete(
    matrix: sp.csr_array, values: NDArray[np.float64], nearly_equal: NDArray[np.float64]
) -> bool | None:
    """Say whether no eigenvalue is missing below the last gap between ``values``.

    By counting, with a factorisation; None where that has no answer.
    """
    last = _last_gap(values, nearly_equal)
    below = values[last - 1] if last > 0 else 0.0
    count = count_eigenvalues_below(matrix, (below + values[last]) / 2)
    # The kernel is below too.
    return None if count is None else count == last + 1


def _last_gap(values: NDArray[np.float64], nearly_equal: NDArray[np.float64]) -> int:
    """Return the position of the first value beyond the last gap between values, from 0 on."""
    gaps = np.diff(values, prepend=0.0)
    return int(np.flatnonzero(gaps > nearly_equal).max(initial=0))


def _accurate_pairs(
    problem: Problem, solver: str, n_block: int, start: Start | None
) -> Pairs | None:
    """Return pairs whose residuals, computed with the matrix itself, are small enough."""
    if start is not None:
        vectors = _vectors(problem, solver, n_block, problem.accuracy, 0, start)
        pairs = None if vectors is None else _accurate(problem, vectors)
        if pairs is not None:
            return pairs
    wanted = problem.accuracy
    for attempt in range(len(_FACTORED)):
        vectors = _vectors(problem, solver, n_block, wanted, attempt)
        if vectors is not None:
            pairs = _accurate(problem, vectors)
            if pairs is not None:
                return pairs
            wanted = wanted.times(_STRICTER)
        elif solver == "iterative" or attempt > 0:
            return None
    return None


class _Keeper:
    """Hands on the first pairs of a long iteration, from time to time.

    Those before the last gap: no eigenspace is cut, and of none of them a copy is missing.
    """

    def __init__(
        self, problem: Problem, keep: "Callable[[Pairs], None]", n_block: int, n_known: int
    ) -> None:
        self._problem, self._keep, self._n_block, self._n_kept = problem, keep, n_block, n_known
        self._next = time.monotonic() + _KEEP_EVERY

    def is_due(self, n_first: int) -> bool:
        return time.monotonic() >= self._next and n_first > self._n_kept + _FEW_MORE

    def __call__(self, vectors: NDArray[np.float64]) -> None:
        begun, pairs = time.monotonic(), _accurate(self._problem, vectors)
        if pairs is not None and not _fills_block(pairs.values, self._n_block, 2 * pairs.errors):
            n_whole = _last_gap(pairs.values, 2 * pairs.errors)
            if n_whole > self._n_kept:
                self._n_kept = n_whole
                self._keep(pairs.first(n_whole))
        now = time.monotonic()
        self._next = now + max(_KEEP_EVERY, _KEEP_SHARE * (now - begun))


def _accurate(problem: Problem, vectors: NDArray[np.float64]) -> Pairs | None:
    """Return the pairs of the span of ``vectors``, turned in place, if all are accurate enough."""
    values = rayleigh_ritz(problem.matrix, vectors)
    residuals, least, rounding = residuals_of(problem, values, vectors)
    if (residuals > problem.accuracy.at(values, least)).any():
        return None
    return Pairs(values, vectors, errors_of(values, rounding=rounding, residual=residuals))


def residuals_of(
    problem: Problem, values: NDArray[np.float64], vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the residual of each pair, and what rounding makes of it and of the eigenvalue.

    By the sizes that the sums are of: a node of next to no mass has a huge diagonal, and next to
    no share in a smooth vector.
    """
    matrix, diagonal = problem.matrix, problem.matrix.diagonal()[:, None]
    residuals, least, rounding = np.empty((3, len(values)))
    for start in range(0, len(values), _COLUMNS):
        chunk = slice(start, start + _COLUMNS)
        some, sizes = vectors[:, chunk], diagonal * vectors[:, chunk]
        residuals[chunk] = np.linalg.norm(matrix @ some - some * values[chunk], axis=0)
        least[chunk] = np.linalg.norm(sizes, axis=0)
        rounding[chunk] = np.einsum("ij,ij->j", some, sizes)
    rounding = np.minimum(_ROUNDING * rounding, problem.accuracy.residual)
    return residuals, _LEAST * least, rounding


def _vectors(
    problem: Problem,
    solver: str,
    n_block: int,
    accuracy: Accuracy,
    attempt: int,
    start: Start | None = None,
) -> NDArray[np.float64] | None:
    """Return vectors that span the pairs, about so accurate; None if that fails."""
    matrix, kernel, k = problem.matrix, problem.kernel, problem.k
    n_known = 0 if start is None else len(start.values)
    keep = problem.keep
    keeper = None if keep is None else _Keeper(problem, keep, n_block, n_known)
    if solver == "multigrid" and attempt == 0:
        return _by_davidson(problem, n_block, accuracy, start, keeper)
    size = max(_MOST_VECTORS * k, k + _SPARE_BLOCKS * n_block)
    affordable = max(int(_BASIS_BYTES / (8 * problem.n)), k + 4 * n_block)
    size = min(size, affordable, problem.n - n_block - 1)
    _check_room(problem, 8 * problem.n * (k + (4 + _BLOCKS_AT_WORK) * n_block))

    def largest(operator: Operator) -> NDArray[np.float64] | None:
        return largest_eigenvectors(
            operator,
            kernel,
            k,
            n_block=n_block,
            max_size=size,
            max_steps=_MAX_STEPS,
            start=start,
            keeper=keeper,
            report=problem.report,
        )

    if solver != "iterative":
        return largest(inverse_of(problem, solver, accuracy, attempt))
    for nearness in _NEARNESS:
        try:
            return largest(iterative_operator(matrix, kernel, k, accuracy, problem.bound, nearness))
        except (IndefiniteError, ValueError):
            # Indefinite, or infinite: LAPACK's word for products beyond the range of numbers.
            continue
    return None


def _by_davidson(
    problem: Problem,
    n_block: int,
    accuracy: Accuracy,
    start: Start | None,
    keeper: _Keeper | None,
) -> NDArray[np.float64] | None:
    """Return vectors that span the pairs, by one cycle of multigrid a step; None if that fails."""
    n_columns = basis_size(problem.k, n_block) + _BLOCKS_AT_WORK * n_block
    # The matrix of a level is kept as it is, with the shift, and scaled; and so are all coarser.
    n_bytes = 8 * problem.n * n_columns + _MATRICES * 12 * problem.matrix.nnz
    _check_room(problem, n_bytes)
    problem.report("coarsening", 0)
    cycle = MultigridCycle(problem.matrix, problem.kernel, shift=_FACTORED[0][0])
    return smallest_eigenvectors(
        problem.matrix,
        problem.kernel,
        problem.k,
        lambda block: by_columns(cycle, block),
        accuracy.times(_ROOM),
        n_block=n_block,
        start=start,
        keeper=keeper,
        report=problem.report,
    )


def _check_room(problem: Problem, n_bytes: int) -> None:
    what = f"{problem.k} eigenvectors of {problem.n:,} nodes"
    check_fits(n_bytes, what, "Ask for fewer.")


def inverse_of(problem: Problem, solver: str, accuracy: Accuracy, attempt: int = 0) -> Operator:
    """Return the inverse of a matrix, by a factorisation or by multigrid."""
    shift, power = _FACTORED[attempt]
    if solver == "multigrid":
        problem.report("coarsening", 0)
        return MultigridInverse(problem.matrix, problem.kernel, accuracy, shift=shift)
    problem.report("factorising", 0)
    return FactoredInverse(problem.matrix, problem.kernel, accuracy, shift=shift, power=power)


def rayleigh_ritz(matrix: sp.csr_array, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn ``vectors`` into the best orthonormal ones of their span, in place.

    Return their eigenvalues, ascending.
    """
    k = vectors.shape[1]
    projected = np.zeros((k, k))
    for start in range(0, k, _COLUMNS):
        chunk = slice(start, start + _COLUMNS)
        # It is symmetric: what lies below the diagonal is not looked at.
        projected[: chunk.stop, chunk] = vectors[:, : chunk.stop].T @ (matrix @ vectors[:, chunk])
    values, rotation = eigh(projected, vectors.T @ vectors, lower=False)
    multiply_in_place(vectors, k, rotation)
    return values
