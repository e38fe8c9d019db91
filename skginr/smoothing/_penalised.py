"""Penalised least squares on a graph: many systems at once, by conjugate gradients."""

import contextlib
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import (
    conjugate_gradients,
    factor_positive_definite,
    positive_definite_solver,
    solve_refined,
)
from skginr.smoothing._penalty import Penalty

# Iterations with the diagonal, which take no time to prepare; more on large graphs, whose
# factors fill in.
_DIAGONAL, _DIAGONAL_LARGE, _LARGE = 150, 1200, 100_000
# And up to how many where multigrid is at hand, of which one step takes as long as six.
_DIAGONAL_BEFORE_MULTIGRID = 60
# Cycles of multigrid, which of higher orders are near only where most nodes were observed.
_CYCLES, _CYCLES_OF_HIGHER_ORDER = 200, 60
# And iterations with a factor of the first-order system.
_FACTORED = 300
# Unknowns of the system without such products: as many are no work at all, and up to how many it is
# solved for the sake of its digits.
_NO_WORK, _MOST_CHAINED = 3_000, 40_000
# Tolerance of what is shown, and not only compared.
_EXACT = 1e-9
# Error of a solution that is looked at, as a share of values, beyond which rounding has decided.
_WRONG = 1e-6
# Numbers to be found, entries of an inverse, that take seconds.
_MUCH_WORK = 500_000_000
# Draws that stand for them where there are more: standard deviations have an error of about 6%.
_N_DRAWS = 128
# Right-hand sides of one system from which on a factor pays, and nodes up to which it fits.
_MANY_SIDES, _MOST_WITH_SIDES = 16, 100_000
# Of its diagonal, added for such a factor.
_LITTLE = 1e-12
_BLOCK = 64

_Operator = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def solve_penalised(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    owners: NDArray[np.intp],
    *,
    tolerance: float = 1e-10,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve ``(diag(counts of j) + alpha Q) x_j = right_j`` for all columns j together.

    By conjugate gradients. Where most nodes were observed, the diagonal is nearly all of the
    system for any small ``alpha``, and as a preconditioner lets tens of iterations do for all
    folds of a cross-validation at once, in the time that a factorisation takes for one. Where
    ``alpha`` is large it is ``T (M^-1 T)^(order - 1)``, with T the system of first order whose
    power is nearest, that does; it fills in as little as the graph itself. What is left over,
    with holes in the observations that neither knows of, is factored, and so are systems with many
    right-hand sides.

    Where weights are graded, or nodes few and the tolerance small, the system is solved without
    its products, and refined.

    Parameters
    ----------
    penalty : Penalty
    alpha : float
        Strength, above 0.
    counts : ndarray of shape (n_nodes, n_systems)
        Observations of each node, which may be parts.
    right : ndarray of shape (n_nodes, n_columns)
    owners : ndarray of int, shape (n_columns,)
        Whose right-hand side each column is: a column of ``counts``.
    tolerance : float
        Error reached, in the norm of the system relative to that of the solution, about.

    Returns
    -------
    x : ndarray of shape (n_nodes, n_columns)
    doubtful : ndarray of bool, shape (n_nodes,)
        Where rounding has decided.

    Raises
    ------
    RuntimeError
        If a system is singular: a component without an observation.
    """
    n_unknowns = penalty.order * len(right)
    exact = tolerance <= _EXACT
    small = penalty.chains and n_unknowns <= _NO_WORK
    graded = penalty.graded and exact
    if (small and (penalty.graded or exact)) or (graded and n_unknowns <= _MOST_CHAINED):
        return _solve_chained(penalty, alpha, counts, right, owners, tolerance)
    doubtful = np.full(len(right), graded)
    many = len(owners) >= _MANY_SIDES * counts.shape[1] and len(right) <= _MOST_WITH_SIDES
    if many and not penalty.graded:
        solution = _solve_by_factors(penalty, alpha, counts, right, owners, tolerance)
        if solution is not None:
            return solution, doubtful
    return _solve_iteratively(penalty, alpha, counts, right, owners, tolerance), doubtful


def diagonal_of_inverse(
    penalty: Penalty, alpha: float, counts: NDArray[np.float64], nodes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the entries at ``nodes`` of the diagonal of ``(diag(counts) + alpha Q)^-1``.

    One by one where that is work for seconds, with a factor for many; of many nodes of large
    graphs they are estimated by draws, their roots to about 6%, always by the same ones.

    Parameters
    ----------
    penalty : Penalty
    alpha : float
    counts : ndarray of shape (n_nodes,)
    nodes : ndarray of int
        Distinct.
    """
    many = len(nodes) > _N_DRAWS
    if many and len(nodes) * len(counts) > _MUCH_WORK:
        return _diagonal_by_draws(penalty, alpha, counts)[nodes]
    solve = _solver_for_many(penalty, alpha, counts) if many else None
    values = np.empty(len(nodes))
    for start in range(0, len(nodes), _BLOCK):
        block = nodes[start : start + _BLOCK]
        columns = np.arange(len(block))
        right = np.zeros((len(counts), len(block)))
        right[block, columns] = 1.0
        if solve is not None:
            solved = solve(right)
        else:
            owners = np.zeros(len(block), dtype=np.intp)
            solved, _ = solve_penalised(penalty, alpha, counts[:, None], right, owners)
        values[start : start + _BLOCK] = solved[block, columns]
    return values


def _solver_for_many(
    penalty: Penalty, alpha: float, counts: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """Return what solves for block after block by one factor, where that is right."""
    if penalty.graded:
        return None
    system = alpha * penalty.matrix() + sp.diags_array(counts)
    try:
        return positive_definite_solver(system)
    except (RuntimeError, ValueError):
        return None


def _diagonal_by_draws(
    penalty: Penalty, alpha: float, counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return about the diagonal of the inverse A^-1, as the variances of draws of precision A.

    The variance of ``x_i`` is ``1 / A_ii``, that given all others, and the variance of its mean
    given these, ``x_i - (A x)_i / A_ii``: only the second is left to chance [1]_.

    References
    ----------
    .. [1] P. Siden, F. Lindgren, D. Bolin and M. Villani, "Efficient covariance approximations for
       large sparse precision matrices", Journal of Computational and Graphical Statistics, 2018.
    """
    random = np.random.RandomState(0)
    given_others = 1 / (counts + alpha * penalty.matrix().diagonal())
    squares = np.zeros(len(counts))
    for start in range(0, _N_DRAWS, _BLOCK):
        n_draws = min(_BLOCK, _N_DRAWS - start)
        right = np.sqrt(counts)[:, None] * random.standard_normal((len(counts), n_draws))
        right += np.sqrt(alpha) * penalty.rough_noise(random, n_draws)
        owners = np.zeros(n_draws, dtype=np.intp)
        x, _ = solve_penalised(penalty, alpha, counts[:, None], right, owners, tolerance=1e-5)
        squares += ((x - given_others[:, None] * right) ** 2).sum(axis=1)
    return given_others + squares / _N_DRAWS


def _solve_chained(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    owners: NDArray[np.intp],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve without products, with a factor for each system, and refine."""
    n_nodes = len(right)
    exact = tolerance <= _EXACT
    solution, doubtful = np.empty_like(right), np.zeros(n_nodes, dtype=bool)
    for system, observed in enumerate(counts.T):
        chosen = np.flatnonzero(owners == system)
        padded = np.zeros((penalty.order * n_nodes, len(chosen)))
        padded[:n_nodes] = right[:, chosen]
        x, change = solve_refined(penalty.chain(alpha, observed), padded)
        x, change = x[:n_nodes].astype(np.float64), change[:n_nodes]
        # Values far from all that was observed may be huge, and others must be right all the same.
        size = np.abs(x) + np.abs(x[observed > 0]).max(axis=0)
        lost = ~(change <= _WRONG * size).all(axis=1)
        if penalty.graded and exact:
            again, _ = solve_refined(penalty.chain(alpha, observed, shaken=True), padded)
            lost |= ~(np.abs(again[:n_nodes] - x) <= _WRONG * size).all(axis=1)
        unreached = penalty.lost(alpha, observed > 0) if penalty.graded else lost[:0]
        if unreached.any():
            # What is continued to them at higher orders depends on them, too.
            lost |= unreached | (penalty.order > 1)
        if lost.any():
            doubtful |= lost
            # Which settles at least what was observed.
            with contextlib.suppress(RuntimeError):
                alone = np.zeros(len(chosen), dtype=np.intp)
                x = _solve_iteratively(
                    penalty, alpha, observed[:, None], right[:, chosen], alone, tolerance
                )
        solution[:, chosen] = x
    return solution, doubtful


def _solve_iteratively(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    owners: NDArray[np.intp],
    tolerance: float,
) -> NDArray[np.float64]:
    systems, counts = counts, counts[:, owners]
    diagonal = counts + alpha * penalty.diagonal[:, None]
    if not (diagonal > 0).all():
        raise RuntimeError("a node has neither an observation nor an edge")

    # Between the observations the system is only alpha large, and so are its residuals.
    tolerance *= min(1.0, alpha) ** 0.5
    solution, left = np.zeros_like(right), np.arange(right.shape[1])

    def multiply(x: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        return counts[:, columns] * x + alpha * (penalty @ x)

    def nearer(precondition: _Operator, max_iterations: int) -> NDArray[np.intp]:
        """Take the columns that are left nearer to their solutions, and return which still are."""
        correction, converged = conjugate_gradients(
            partial(multiply, columns=left),
            right[:, left] - multiply(solution[:, left], left),
            precondition,
            reference=right[:, left],
            tolerance=tolerance,
            max_iterations=max_iterations,
        )
        solution[:, left] += correction
        return left[~converged]

    by_multigrid = not penalty.has_factor_near(alpha) and penalty.suits_multigrid()
    n_iterations = _DIAGONAL_LARGE if len(right) > _LARGE else _DIAGONAL
    if by_multigrid:
        n_iterations = _DIAGONAL_BEFORE_MULTIGRID
    # About as many as are needed.
    if 10 * alpha**0.5 <= n_iterations:
        left = nearer(lambda residual: residual / diagonal, n_iterations)
    if len(left) and by_multigrid:
        cycle = penalty.multigrid_preconditioner(alpha, counts[:, left].mean(axis=1))
        left = nearer(cycle, _CYCLES if penalty.order == 1 else _CYCLES_OF_HIGHER_ORDER)
    while len(left):
        factored = penalty.preconditioner(alpha, counts[:, left].mean(axis=1))
        left = nearer(factored, _FACTORED)
        if penalty.factored_at == alpha:
            break
        if len(left):
            # Another strength's factor would not do.
            penalty.forget()
    if len(left):
        _factor_and_solve(penalty, alpha, systems, right, owners, left, solution)
    return solution


def _solve_by_factors(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    owners: NDArray[np.intp],
    tolerance: float,
) -> NDArray[np.float64] | None:
    """Return solutions by a factor for each system, or None where that does not reach them."""
    weighted, solution = alpha * penalty.matrix(), np.empty_like(right)
    for system, observed in enumerate(counts.T):
        chosen = owners == system
        matrix = weighted + sp.diags_array(observed)
        wanted = right[:, chosen]
        try:
            # A little more than it is, which is definite whatever rounding has made of it.
            solve = positive_definite_solver(matrix + sp.diags_array(_LITTLE * matrix.diagonal()))
        except (RuntimeError, ValueError):
            return None
        x = solve(wanted)
        left = wanted - matrix @ x
        if tolerance <= _EXACT:
            x += solve(left)
            left = wanted - matrix @ x
        close = np.linalg.norm(left, axis=0) <= tolerance * np.linalg.norm(wanted, axis=0)
        if not close.all():
            return None
        solution[:, chosen] = x
    return solution


def _factor_and_solve(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    owners: NDArray[np.intp],
    columns: NDArray[np.intp],
    solution: NDArray[np.float64],
) -> None:
    """Solve the given columns with a factor for each system, in place."""
    weighted = alpha * penalty.matrix()
    for system in np.unique(owners[columns]):
        chosen = columns[owners[columns] == system]
        matrix = weighted + sp.diags_array(counts[:, system])
        factor = factor_positive_definite(matrix)
        x = factor.solve(right[:, chosen])
        solution[:, chosen] = x + factor.solve(right[:, chosen] - matrix @ x)
