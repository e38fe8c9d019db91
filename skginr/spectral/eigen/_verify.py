"""Whether a basis that was read is one of this operator: looked at, and not believed.

To look takes products with the matrix, and where a factorisation is cheap one of them; to solve
takes hundreds.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigvalsh

from skginr._core import can_count_eigenvalues, count_eigenvalues_below
from skginr.graphs import Laplacian
from skginr.spectral.eigen._basis import Basis, equal_to_next, errors_of, homes_of, make_canonical
from skginr.spectral.eigen._connected import (
    Problem,
    accuracy_of,
    fills_in,
    residuals_of,
)
from skginr.spectral.eigen._solve import Ordinary, ordinary_problem

# How far products of vectors may be from 0 or 1, and vectors from those of the one form.
_ORTHONORMAL, _CANONICAL = 1e-7, 1e-6
# How much larger residuals may be than a solver was asked for: vectors of equal eigenvalues turn.
_TURNED = 4.0
# Masses are sums, and sums round differently from machine to machine.
_SAME_MASS = 1e-12
# Up to so many nodes all eigenvalues are counted by LAPACK, which has always an answer.
_DENSE_NODES = 500
_COLUMNS = 16


def doubt_of(
    operator: Laplacian, basis: Basis, eigen_tol: float, *, counted: bool = True
) -> str | None:
    """Say what is wrong with a basis as the first eigenvectors of ``operator``, or None.

    Parameters
    ----------
    operator : Laplacian
    basis : Basis
        Arrays of any shape and dtype.
    eigen_tol : float
        Tolerance wanted; see :func:`skginr.eigen.solve`.
    counted : bool, default True
        Whether to count eigenvalues, which takes a factorisation: a solver's own need none.

    Returns
    -------
    str or None
        None for the first pairs, none left out, orthonormal and with small residuals, in the form
        that a solver gives them. Where a factorisation fills in, or takes more than 4 GB, it is not
        counted whether some are left out.
    """
    problem = ordinary_problem(operator)
    doubt = _doubt_of_parts(basis, problem.components, operator.mass)
    if doubt is not None or basis.n_vectors == 0:
        return doubt
    values = np.ldexp(basis.eigenvalues, -problem.exponent)
    if (np.diff(values) < 0).any() or values[0] < 0:
        return "eigenvalues do not ascend from 0"
    vectors = basis.eigenvectors
    if not (problem.root == 1).all():
        vectors = vectors * problem.root[:, None]
    if not _are_orthonormal(problem, vectors):
        return "eigenvectors are not orthonormal, each on one component"
    accuracy = accuracy_of(problem.matrix, problem.kernel, eigen_tol, problem.bound)
    checked = Problem(problem.matrix, problem.kernel, len(values), accuracy)
    residuals, least, rounding = residuals_of(checked, values, vectors)
    if not (residuals <= _TURNED * accuracy.at(values, least)).all():
        return "they are no eigenvectors of this graph"
    errors = errors_of(values, rounding=rounding, residual=residuals)
    if not _is_cut_so(basis.cuts_eigenspace, values, errors):
        return "eigenvalues that are equal are not marked so"
    if not _are_canonical(problem, basis, values, vectors, errors):
        return "eigenvectors are turned"
    if counted and not _none_is_missing(problem, values, errors):
        return "eigenvectors are missing"
    return None


def _doubt_of_parts(
    basis: Basis, components: NDArray[np.intp], mass: NDArray[np.float64]
) -> str | None:
    """Say what is wrong with shapes, dtypes and all that is known beforehand, or None."""
    n, k = len(components), len(basis.eigenvalues)
    for array, shape, dtype in (
        (basis.eigenvalues, (k,), np.float64),
        (basis.eigenvectors, (n, k), np.float64),
        (basis.mass, (n,), np.float64),
        (basis.components, (n,), np.intp),
        (basis.cuts_eigenspace, (k,), np.bool_),
    ):
        if array.shape != shape or array.dtype != dtype:
            return "arrays are of another shape or dtype"
    if not np.isfinite(basis.eigenvalues).all() or not np.isfinite(basis.eigenvectors).all():
        return "numbers are not finite"
    if not np.array_equal(basis.components, components):
        return "components are those of another graph"
    if not np.allclose(basis.mass, mass, rtol=_SAME_MASS, atol=0):
        return "masses are those of another graph"
    if k > basis.n_available or not basis.tol >= 0:
        return "there are more eigenvectors than there can be"
    if basis.n_available != n - int(components.max()) - 1:
        return "the number of eigenvectors in all is that of another graph"
    return None


def _are_orthonormal(problem: Ordinary, vectors: NDArray[np.float64]) -> bool:
    """Say whether vectors are, in themselves and to the kernel, each on one component."""
    n, k = vectors.shape
    whose = sp.csr_array((np.ones(n), (problem.components, np.arange(n))))
    kernel = sp.csr_array((problem.kernel, (problem.components, np.arange(n))))
    for start in range(0, k, _COLUMNS):
        some = vectors[:, start : start + _COLUMNS]
        products = vectors.T @ some
        products[np.arange(start, start + some.shape[1]), np.arange(some.shape[1])] -= 1
        if np.abs(products).max() > _ORTHONORMAL or np.abs(kernel @ some).max() > _ORTHONORMAL:
            return False
        if ((whose @ np.abs(some) > 0).sum(axis=0) != 1).any():
            return False
    return True


def _is_cut_so(
    cuts: NDArray[np.bool_], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> bool:
    """Say whether eigenvalues are marked as equal to the next that are, and no others."""
    surely, perhaps = (equal_to_next(values, factor * errors) for factor in (1 / _TURNED, _TURNED))
    return bool((surely <= cuts).all() and (cuts <= perhaps).all())


def _are_canonical(
    problem: Ordinary,
    basis: Basis,
    values: NDArray[np.float64],
    vectors: NDArray[np.float64],
    errors: NDArray[np.float64],
) -> bool:
    """Say whether vectors have the sign, and those of equal eigenvalues the turn, that all have."""
    several = problem.components.max() > 0
    homes = homes_of(basis) if several else np.zeros(len(values), dtype=np.intp)
    # Of an eigenspace that was cut in several components, one may hold a part.
    last = values >= values[-1] - _TURNED * errors[-1]
    for home in np.unique(homes):
        own = np.flatnonzero(homes == home)
        equal = equal_to_next(values[own], errors[own])
        for space in np.split(np.arange(len(own)), np.flatnonzero(~equal[:-1]) + 1):
            columns = own[space]
            if several and last[columns].any():
                continue
            given = vectors[:, columns]
            turned = given.copy()
            make_canonical(turned, equal[space])
            if np.linalg.norm(turned - given, axis=0).max() > _CANONICAL:
                return False
    return True


def is_countable(problem: Ordinary) -> bool:
    """Say whether eigenvalues are counted, to see that none is missing."""
    if problem.matrix.shape[0] <= _DENSE_NODES:
        return True
    return not any(map(fills_in, _large_parts(problem))) and can_count_eigenvalues(problem.matrix)


def _none_is_missing(
    problem: Ordinary, values: NDArray[np.float64], errors: NDArray[np.float64]
) -> bool:
    """Say whether as many eigenvalues as there should be are below the last gap between values."""
    gaps = np.diff(values, prepend=0.0)
    last = int(np.flatnonzero(gaps > 2 * errors).max(initial=0))
    bound = values[last] - gaps[last] / 2
    wanted = last + int(problem.components.max()) + 1
    if problem.matrix.shape[0] <= _DENSE_NODES:
        found: int | None = int((eigvalsh(problem.matrix.toarray()) < bound).sum())
    elif not is_countable(problem):
        return True
    else:
        found = count_eigenvalues_below(problem.matrix, bound)
    return found is None or found == wanted


def _large_parts(problem: Ordinary) -> Iterator[sp.csr_array]:
    """Yield the matrices of components that a factorisation could fill in."""
    sizes = np.bincount(problem.components)
    for i in np.flatnonzero(sizes > _DENSE_NODES):
        nodes = np.flatnonzero(problem.components == i)
        whole = len(nodes) == len(problem.root)
        yield problem.matrix if whole else problem.matrix[nodes][:, nodes]
