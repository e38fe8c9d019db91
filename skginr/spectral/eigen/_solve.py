"""The smallest eigenpairs of a Laplacian outside its kernel, complete and to a tolerance.

The kernel is known: one vector per connected component. It is deflated, and every
component is solved by itself, so that no eigenvalue of one hides behind an equal
eigenvalue of another.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import (
    QUIET,
    Progress,
    check_option,
    check_real,
    one_blas_thread,
    positive,
    scaled,
    warn,
)
from skginr.graphs import Laplacian, components_by_size
from skginr.spectral.eigen._basis import Basis, Keep, equal_to_next, homes_of, make_canonical
from skginr.spectral.eigen._connected import (
    LEAST_TOL,
    SOLVERS,
    Pairs,
    Problem,
    accuracy_of,
    choose_solver,
    gershgorin_bound,
    solve_connected,
)
from skginr.spectral.eigen._lanczos import Start

# Up to so many nodes, blocks of a few vectors are no work for several threads; nor is a full
# matrix of so many rows.
_ONE_THREAD_NODES = 100_000
_ONE_THREAD_ROWS = 1_000
# Share of an eigenvalue that its error may be before a warning.
_LOST = 1e-2


def check_solver(eigen_solver: object, eigen_tol: object) -> None:
    """Raise unless ``eigen_solver`` has a name and ``eigen_tol`` can be reached."""
    check_option("eigen_solver", eigen_solver, SOLVERS)
    check_real("eigen_tol", eigen_tol, minimum=LEAST_TOL)


class Ordinary(NamedTuple):
    """``K u = lambda M u`` as an ordinary problem in v = M^1/2 u.

    Attributes
    ----------
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node, the largest first.
    root : ndarray of shape (n_nodes,)
        Of the mass.
    matrix : sparse array of shape (n_nodes, n_nodes)
        In a unit near its bound, a power of two, since squares of numbers far from 1 leave the
        range of floats.
    kernel : ndarray of shape (n_nodes,)
        The null vectors, each of unit length on its component.
    bound : float
        On the eigenvalues of the matrix: one for all components.
    exponent : int
        Of the unit.
    """

    components: NDArray[np.intp]
    root: NDArray[np.float64]
    matrix: sp.csr_array
    kernel: NDArray[np.float64]
    bound: float
    exponent: int


def ordinary_problem(operator: Laplacian) -> Ordinary:
    """Return what is solved in place of ``operator``."""
    components = components_by_size(operator.stiffness)
    root = np.sqrt(positive(operator.mass))
    matrix = scaled(operator.stiffness, 1 / root, 1 / root)
    kernel = root * operator.kernel
    kernel /= np.sqrt(np.bincount(components, kernel**2))[components]
    bound, exponent = np.frexp(gershgorin_bound(matrix))
    matrix.data = np.ldexp(matrix.data, -exponent)
    return Ordinary(components, root, matrix, kernel, float(bound), int(exponent))


def solve(
    operator: Laplacian,
    n_vectors: int,
    *,
    eigen_solver: str = "auto",
    eigen_tol: float = 1e-8,
    progress: Progress = QUIET,
    known: Basis | None = None,
    keep: Keep = None,
) -> Basis:
    """Compute the first ``n_vectors`` eigenpairs outside the kernel of ``operator``.

    Parameters
    ----------
    operator : Laplacian
        Its connected components are those of the stiffness.
    n_vectors : int
        Eigenpairs wanted; fewer come back where there are fewer.
    eigen_solver : {"auto", "dense", "shift_invert", "multigrid", "iterative"}, default "auto"
        LAPACK on the full matrix; block Lanczos on the inverse, by a sparse factorisation or
        by multigrid; or block Lanczos without it, for graphs on which a factorisation fills in,
        and coarser matrices too. "auto" chooses for every
        component; one too small for an iteration is solved by LAPACK in any case.
    eigen_tol : float, default 1e-8
        Largest residual ||K u - lambda M u||, in the norm of M^-1, as a share of Gershgorin's
        bound on the largest eigenvalue; and 100 times that, or 1e-6 if that is more, as a share of
        the eigenvalue itself, as far as rounding lets it.
    progress : Progress, optional
        Shows pairs that have converged. Nothing depends on it.
    known : Basis, optional
        The first eigenpairs of the operator, to the tolerance: an iteration sets out from them.
    keep : callable, optional
        Called with the first pairs that a long iteration on the largest component has found.

    Raises
    ------
    RuntimeError
        If the iteration fails on a component too large for a dense solver, or so many pairs
        are wanted of a large component that no iteration has room.

    Warns
    -----
    UserWarning
        If weights differ so much that eigenvalues are lost in rounding.
    """
    check_solver(eigen_solver, eigen_tol)
    ordinary = ordinary_problem(operator)
    components, n_nodes = ordinary.components, len(ordinary.root)
    n_available = n_nodes - int(components.max()) - 1
    n_wanted = min(n_vectors, n_available)
    parts: list[tuple[NDArray[np.intp], Pairs]] = []
    iterated, n_done = False, 0
    progress.expect(int(np.minimum(n_vectors, np.bincount(components) - 1).sum()))
    starts = _starts_of(known, ordinary)

    def basis_of(merged: Pairs) -> Basis:
        # Back to the units and the unknowns of the operator.
        values = np.ldexp(merged.values, ordinary.exponent)
        vectors = merged.vectors
        vectors /= ordinary.root[:, None]
        equal = equal_to_next(merged.values, merged.errors)
        tol = eigen_tol if iterated else 0.0
        return Basis(values, vectors, operator.mass.copy(), components, n_available, equal, tol)

    def keep_first(keep: Callable[[Basis], None], pairs: Pairs) -> None:
        make_canonical(pairs.vectors, equal_to_next(pairs.values, pairs.errors))
        found = [(largest, pairs), *parts[::-1]]
        n_found = sum(int((own.values <= pairs.values[-1]).sum()) for _, own in found)
        keep(basis_of(merge_pairs(found, n_nodes, min(n_found, n_wanted))))

    # The largest comes last: what is found of it are the first of all, with those of the others.
    largest, *_ = nodes_of_each = nodes_by_component(components)
    for i, nodes in reversed(list(enumerate(nodes_of_each))):
        k = min(n_vectors, len(nodes) - 1)
        if k == 0:
            continue
        problem = replace(
            problem_on(nodes, ordinary, k, eigen_tol),
            report=partial(_show, progress, n_done),
            start=starts.get(i),
            keep=partial(keep_first, keep) if keep is not None and i == 0 else None,
        )
        solver = choose_solver(problem, eigen_solver)
        iterated |= solver != "dense"
        parts.append((nodes, _solve_canonically(problem, solver)))
        n_done += k
        progress.reach(n_done)
    merged = merge_pairs(parts[::-1], n_nodes, n_wanted)
    _warn_lost(merged.values, merged.errors)
    return basis_of(merged)


def _starts_of(known: Basis | None, ordinary: Ordinary) -> dict[int, Start]:
    """Return what is known of every component, by its number."""
    if known is None:
        return {}
    values, vectors = np.ldexp(known.eigenvalues, -ordinary.exponent), known.eigenvectors
    if not (ordinary.root == 1).all():
        vectors = vectors * ordinary.root[:, None]
    if ordinary.components.max() == 0:
        return {0: Start(values, vectors)}
    homes, nodes = homes_of(known), nodes_by_component(ordinary.components)
    return {
        int(home): Start(values[homes == home], vectors[np.ix_(nodes[home], homes == home)])
        for home in np.unique(homes)
    }


def nodes_by_component(components: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the nodes of every component, in the order of their numbers."""
    sizes = np.bincount(components)
    return np.split(np.argsort(components, kind="stable"), sizes.cumsum()[:-1])


def problem_on(nodes: NDArray[np.intp], ordinary: Ordinary, k: int, eigen_tol: float) -> Problem:
    """Return the problem of the first k pairs of one component."""
    whole = len(nodes) == len(ordinary.root)
    matrix = ordinary.matrix if whole else ordinary.matrix[nodes][:, nodes]
    kernel = ordinary.kernel[nodes]
    accuracy = accuracy_of(matrix, kernel, eigen_tol, ordinary.bound)
    return Problem(matrix, kernel, k, accuracy)


def _solve_canonically(problem: Problem, solver: str) -> Pairs:
    """Return the pairs, each eigenspace in the one basis that its nodes determine."""
    most = _ONE_THREAD_ROWS if solver == "dense" else _ONE_THREAD_NODES
    with one_blas_thread() if problem.n <= most else nullcontext():
        pairs = solve_connected(problem, solver)
        make_canonical(pairs.vectors, equal_to_next(pairs.values, pairs.errors))
    return pairs


def _warn_lost(values: NDArray[np.float64], errors: NDArray[np.float64]) -> None:
    """Warn of eigenvalues that rounding beside larger weights leaves nothing of."""
    n_lost = int((errors > _LOST * values).sum())
    if n_lost:
        warn(
            f"{n_lost} of {len(values)} eigenvalues have no two digits: weights differ so much "
            f"that rounding decides, and the coordinates are an arbitrary mixture. Leave out edges "
            f"that are next to nothing beside others, or cap the weights of those that are huge."
        )


def _show(progress: Progress, n_before: int, word: str, n_converged: int) -> None:
    progress.note(word)
    progress.reach(n_before + n_converged)


def merge_pairs(parts: list[tuple[NDArray[np.intp], Pairs]], n_nodes: int, n_vectors: int) -> Pairs:
    """Return the first pairs of all components, each zero outside its own."""
    if len(parts) == 1 and len(parts[0][0]) == n_nodes:
        pairs = parts[0][1]
        return pairs._replace(values=np.maximum(pairs.values, 0.0))
    values = np.array([value for _, own in parts for value in own.values])
    errors = np.array([error for _, own in parts for error in own.errors])
    order = np.argsort(values, kind="stable")
    values, errors = np.maximum(values[order], 0.0), errors[order]
    # Whatever rounding makes of them, equal values are in the order of their components.
    equal = equal_to_next(values, errors)
    runs: NDArray[np.intp] = np.cumsum(~equal) - ~equal
    owners = [(i, j) for i, (_, own) in enumerate(parts) for j in range(len(own.values))]
    merged = np.zeros((n_nodes, n_vectors), order="F")
    for column, owner in enumerate(order[np.lexsort((order, runs))][:n_vectors]):
        i, j = owners[owner]
        nodes, pairs = parts[i]
        merged[nodes, column] = pairs.vectors[:, j]
    return Pairs(values[:n_vectors], merged, errors[:n_vectors])
