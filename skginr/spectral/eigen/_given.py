"""A basis from vectors that were computed elsewhere: put into the one form, and made exact.

They may be in any order, sign, scale and precision, turned among themselves, with the kernel in
them or without, and on several components at once. Nothing is believed of them.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh

from skginr.graphs import Laplacian
from skginr.spectral.eigen._basis import Basis, equal_to_next, errors_of, make_canonical
from skginr.spectral.eigen._connected import (
    LEAST_TOL,
    Pairs,
    Problem,
    accuracy_of,
    choose_solver,
    inverse_of,
    rayleigh_ritz,
    residuals_of,
    solve_connected,
    sparse_solver,
)
from skginr.spectral.eigen._iterative import iterative_operator
from skginr.spectral.eigen._lanczos import Operator, Start
from skginr.spectral.eigen._operators import Accuracy, shift_of
from skginr.spectral.eigen._solve import (
    Ordinary,
    merge_pairs,
    nodes_by_component,
    ordinary_problem,
    problem_on,
)
from skginr.spectral.eigen._subspace import multiply_in_place
from skginr.spectral.eigen._verify import doubt_of, is_countable

# Columns of which one differs from the span of others by less are dependent.
_DEPENDENT = 1e-4
# Of an eigenspace that is cut, a component gets a vector that had this share of its length there.
_PIECE = 0.1
# Steps that make vectors exact, and how far one may take them: what is farther off was no
# eigenvector.
_STEPS, _NEAR = 3, 1e-2
# Tolerance of a look at what is beside given vectors, and share of an eigenvalue by which another
# is below it.
_GLANCE, _EQUAL = 1e-4, 1e-3
# Of the diagonal; see shift_of.
_SHIFT = 1e-8
_COLUMNS = 16


class GivenError(ValueError):
    """What is wrong with vectors that should be eigenvectors, to be said of the argument.

    Attributes
    ----------
    are_others : bool
        Whether they may be those of another operator.
    """

    def __init__(self, reason: str, *, are_others: bool = False) -> None:
        super().__init__(reason)
        self.are_others = are_others


class Eigenproblem(NamedTuple):
    """What an engine elsewhere is to solve.

    Attributes
    ----------
    ordinary : Ordinary
    shift : float
        That makes the matrix definite, and changes its small eigenvalues little.
    accuracy : Accuracy
        Wanted of its pairs.
    n_vectors : int
        Pairs wanted outside the kernel.
    eigen_tol : float
    """

    ordinary: Ordinary
    shift: float
    accuracy: Accuracy
    n_vectors: int
    eigen_tol: float


def eigenproblem(operator: Laplacian, n_vectors: int, eigen_tol: float) -> Eigenproblem:
    """Return the problem of the first ``n_vectors`` of an operator, or as many as there are."""
    ordinary = ordinary_problem(operator)
    matrix, kernel = ordinary.matrix, ordinary.kernel
    accuracy = accuracy_of(matrix, kernel, eigen_tol, ordinary.bound)
    most = len(kernel) - int(ordinary.components.max()) - 1
    shift = shift_of(matrix, kernel, _SHIFT)
    return Eigenproblem(ordinary, shift, accuracy, min(n_vectors, most), eigen_tol)


def basis_of_given(operator: Laplacian, vectors: NDArray[np.float64], eigen_tol: float) -> Basis:
    """Return the basis that vectors from elsewhere span, as a solver would have given it.

    Parameters
    ----------
    operator : Laplacian
    vectors : ndarray of shape (n_nodes, n_vectors)
        By column in memory, finite; overwritten.
    eigen_tol : float
        As of :func:`skginr.spectral.eigen.solve`.

    Raises
    ------
    GivenError
        If they are not the first eigenvectors, complete and to the tolerance.
    """
    ordinary = ordinary_problem(operator)
    vectors = _outside_kernel(ordinary, vectors)
    parts = [
        (nodes, _pairs(problem_on(nodes, ordinary, own.shape[1], eigen_tol), own))
        for nodes, own in _on_components(ordinary, vectors)
    ]
    n_nodes, components = len(ordinary.root), ordinary.components
    n_vectors = sum(len(pairs.values) for _, pairs in parts)
    values, found, errors = merge_pairs(parts, n_nodes, n_vectors)
    found /= ordinary.root[:, None]
    basis = Basis(
        np.ldexp(values, ordinary.exponent),
        found,
        operator.mass.copy(),
        components,
        n_nodes - int(components.max()) - 1,
        equal_to_next(values, errors),
        eigen_tol,
    )
    doubt = doubt_of(operator, basis, eigen_tol)
    if doubt is not None:
        raise GivenError(
            f"must be the first, with none left out; got {n_vectors} outside the kernel, and "
            f"{doubt}. Solvers may overlook some of equal eigenvalues: ask yours for more vectors, "
            f"a larger subspace or a stricter tolerance, and count those that it returns."
        )
    if not is_countable(ordinary):
        for nodes, pairs in parts:
            _look_again(problem_on(nodes, ordinary, len(pairs.values), _GLANCE), pairs)
    return basis


def _look_again(problem: Problem, pairs: Pairs) -> None:
    """Raise if a vector that was left out turns up beside those of a component.

    Where no factorisation can count: by an iteration for one more, to few digits.
    """
    k = len(pairs.values)
    if k + 1 >= problem.n:
        return
    more = dataclasses.replace(problem, k=k + 1, start=Start(pairs.values, pairs.vectors))
    found = solve_connected(more, choose_solver(more, "auto")).values
    # As many as were given are no larger than theirs, or there are others.
    n_below = int((found[:k] < pairs.values * (1 - _EQUAL)).sum())
    if n_below:
        raise GivenError(
            "must be the first, with none left out; an eigenvector was found beside them whose "
            "eigenvalue is below the last. Ask your solver for more vectors, a larger subspace or "
            "a stricter tolerance, and count those that it returns."
        )


def misfit(operator: Laplacian, vectors: NDArray[np.float64]) -> float:
    """Return the largest residual of the best pairs of a span, as a share of their eigenvalues.

    ``vectors`` are overwritten.
    """
    ordinary = ordinary_problem(operator)
    vectors = _outside_kernel(ordinary, vectors)
    problem = problem_on(np.arange(len(vectors)), ordinary, vectors.shape[1], LEAST_TOL)
    values = rayleigh_ritz(problem.matrix, vectors)
    residuals, *_ = residuals_of(problem, values, vectors)
    return float((residuals / values).max())


def _outside_kernel(ordinary: Ordinary, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of the part of a span that is orthogonal to the kernel."""
    vectors *= ordinary.root[:, None]
    # First by the largest entry: squares of numbers far from 1 leave the range of floats.
    largest = np.abs(vectors).max(axis=0)
    if (largest == 0).any():
        raise GivenError(f"must not be zero; column {int(largest.argmin())} is.")
    vectors /= largest
    vectors /= np.linalg.norm(vectors, axis=0)
    least, mixture = eigh(vectors.T @ vectors, subset_by_index=(0, 0))
    if least[0] < _DEPENDENT**2:
        column = int(np.abs(mixture[:, 0]).argmax())
        raise GivenError(
            f"must be linearly independent; of {vectors.shape[1]} columns, column {column} is a "
            f"combination of others. Leave out what your solver has not found."
        )
    where = ordinary.components, np.arange(len(vectors))
    kernel = sp.csr_array((ordinary.kernel, where))
    for start in range(0, vectors.shape[1], _COLUMNS):
        some = vectors[:, start : start + _COLUMNS]
        some -= kernel.T @ (kernel @ some)
    vectors = _orthonormal(vectors, _DEPENDENT)
    if vectors.shape[1] == 0:
        raise GivenError("must hold more than the kernel: they are constant on every component.")
    return vectors


def _orthonormal(vectors: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return an orthonormal basis of a span, without what is shorter than ``least``; in place."""
    squares, rotation = eigh(vectors.T @ vectors)
    kept = squares > least**2
    multiply_in_place(vectors, vectors.shape[1], rotation[:, kept] / np.sqrt(squares[kept]))
    return vectors[:, : int(kept.sum())]


def _on_components(
    ordinary: Ordinary, vectors: NDArray[np.float64]
) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Return the nodes of every component that vectors lie on, and what they span there.

    Solvers mix components whose eigenvalues are equal. The span of whole eigenspaces falls into
    those of the components.
    """
    each = nodes_by_component(ordinary.components)
    if len(each) == 1:
        return [(each[0], vectors)]
    squares = np.bincount(ordinary.components, np.einsum("ij,ij->i", vectors, vectors))
    parts = []
    for i in np.flatnonzero(squares > _PIECE**2):
        own = _orthonormal(np.asfortranarray(vectors[each[i]]), _PIECE)
        if own.shape[1]:
            parts.append((each[i], own))
    return parts


def _pairs(problem: Problem, vectors: NDArray[np.float64]) -> Pairs:
    """Return the pairs of a span, by a few steps of inverse iteration where it is not exact.

    Numbers of single precision are not: their rounding lies in all eigenvectors alike.
    """
    matrix, inverse = problem.matrix, None
    values = rayleigh_ritz(matrix, vectors)
    for step in range(_STEPS + 1):
        residuals, least, rounding = residuals_of(problem, values, vectors)
        excess = residuals / problem.accuracy.at(values, least)
        if (excess <= 1).all():
            errors = errors_of(values, rounding=rounding, residual=residuals)
            make_canonical(vectors, equal_to_next(values, errors))
            return Pairs(values, vectors, errors)
        if step == _STEPS:
            break
        if inverse is None:
            first_residuals, inverse = residuals / values, _inverse(problem)
        nearer = inverse(vectors)
        nearer /= np.linalg.norm(nearer, axis=0)
        values = rayleigh_ritz(matrix, nearer)
        moved = np.linalg.norm(nearer - vectors @ (vectors.T @ nearer), axis=0)
        if not moved.max() <= _NEAR:
            raise GivenError(
                f"must be those of the graph and the operator that embedder names, with rows in "
                f"the order of graph.labels; their residuals are up to "
                f"{first_residuals.max():.2g} times their eigenvalues.",
                are_others=True,
            )
        vectors = nearer
    n_exact = int(np.argmax(excess > 1))
    raise GivenError(
        f"must be exact; after {_STEPS} steps of inverse iteration on them residuals are still "
        f"{excess.max():.2g} times what eigen_tol allows"
        + (f", but not those of the first {n_exact}" if n_exact else "")
        + ". If they are those of another graph, name theirs. Else compute them to a stricter "
        "tolerance, with some more vectors than you need, of which you leave out the last, or "
        "raise eigen_tol.",
        are_others=True,
    )


def _inverse(problem: Problem) -> Operator:
    """Return an operator that leaves little of what is not of the first eigenvectors."""
    solver, accuracy = sparse_solver(problem.matrix), problem.accuracy
    if solver != "iterative":
        return inverse_of(problem, solver, accuracy)
    return iterative_operator(
        problem.matrix, problem.kernel, problem.k, accuracy, problem.bound, 0.0
    )
