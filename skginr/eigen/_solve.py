"""The smallest eigenpairs of a Laplacian outside its kernel, complete and to a tolerance.

The kernel is known: one vector per connected component. It is deflated, and every
component is solved by itself, so that no eigenvalue of one hides behind an equal
eigenvalue of another.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components, dijkstra

from skginr._checks import check_option, check_real
from skginr._linalg import count_eigenvalues_below, eigh_subset
from skginr.eigen._basis import Basis, make_canonical
from skginr.eigen._iterative import iterative_operator
from skginr.eigen._lanczos import Operator, largest_eigenvectors, multiply_in_place
from skginr.eigen._operators import FactoredInverse, IndefiniteError
from skginr.laplacians import Laplacian, positive

SOLVERS = ("auto", "dense", "shift_invert", "iterative")

# Up to this many nodes LAPACK on the full matrix is fastest, and complete.
_DENSE_NODES = 500
# Up to so many LAPACK is cheaper than a second iteration with larger blocks.
_CHEAP_DENSE_NODES = 4_000
# Beyond so many the full matrix takes gigabytes, and minutes.
_MAX_DENSE_NODES = 12_000
# A factorisation fills in with the square of the widest level of a breadth-first
# search: on twelve graphs of all kinds, iterations won beyond about this width.
_WIDEST_LEVEL = 4_000
# Trees are cut back by so many nodes: a path has a narrow level, however long it is.
_MAX_PRUNINGS = 50
# Vectors per step of the Lanczos iteration; more, and multiplying them is not faster.
_BLOCK = 8
# Columns that residuals are computed for at a time.
_COLUMNS = 16
# The basis of an iteration outgrows k by so many vectors before it is compressed.
_MOST_VECTORS = 4
_SPARE_BLOCKS = 24
_MAX_STEPS = 2_000
# How much stricter an iteration is made whose pairs fell short of the tolerance.
_STRICTER = 1e-2
_ATTEMPTS = 3
# How near to the first eigenvalue an inexact inverse is shifted; 0 cannot fail.
_NEARNESS = (0.97, 0.8, 0.0)
# Tolerances below this are lost in the rounding of the operator itself.
_LEAST_TOL = 1e-14

Pairs = tuple[NDArray[np.float64], NDArray[np.float64]]


def check_solver(eigen_solver: object, eigen_tol: object) -> None:
    """Raise unless ``eigen_solver`` has a name and ``eigen_tol`` can be reached."""
    check_option("eigen_solver", eigen_solver, SOLVERS)
    check_real("eigen_tol", eigen_tol, minimum=_LEAST_TOL)


def solve(
    operator: Laplacian, n_vectors: int, *, eigen_solver: str = "auto", eigen_tol: float = 1e-8
) -> Basis:
    """Compute the first ``n_vectors`` eigenpairs outside the kernel of ``operator``.

    Parameters
    ----------
    operator : Laplacian
        Its connected components are those of the stiffness.
    n_vectors : int
        Eigenpairs wanted; fewer come back where there are fewer.
    eigen_solver : {"auto", "dense", "shift_invert", "iterative"}, default "auto"
        LAPACK on the full matrix; block Lanczos on the inverse, by a sparse factorisation;
        or block Lanczos without one, for graphs on which it fills in. "auto" chooses for every
        component; one too small for an iteration is solved by LAPACK in any case.
    eigen_tol : float, default 1e-8
        Largest residual ||K u - lambda M u||, in the norm of M^-1, as a share of Gershgorin's
        bound on the largest eigenvalue.

    Raises
    ------
    RuntimeError
        If the iteration fails on a component too large for a dense solver.
    """
    check_solver(eigen_solver, eigen_tol)
    components = _components_by_size(operator.stiffness)
    n_nodes = len(components)
    n_available = n_nodes - int(components.max()) - 1
    # K u = lambda M u becomes an ordinary problem in v = M^1/2 u.
    root = np.sqrt(positive(operator.mass))
    scale = sp.diags_array(1 / root)
    matrix = sp.csr_array(scale @ operator.stiffness @ scale)
    kernel = root * operator.kernel
    # Rows of Gershgorin's discs: one bound for all components, as for one matrix.
    bound = float(abs(matrix).sum(axis=1).max())
    sizes = np.bincount(components)
    found: list[tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]] = []
    iterated = False
    for nodes in np.split(np.argsort(components, kind="stable"), sizes.cumsum()[:-1]):
        k = min(n_vectors, len(nodes) - 1)
        if k == 0:
            continue
        part = matrix if len(nodes) == n_nodes else matrix[nodes][:, nodes]
        solver = _solver_for(part, k, eigen_solver)
        iterated |= solver != "dense"
        values, vectors = _solve_connected(part, kernel[nodes], k, solver, eigen_tol * bound)
        make_canonical(values, vectors, eigen_tol)
        found.append((values, nodes, vectors))
    values, vectors = _merge(found, n_nodes, min(n_vectors, n_available))
    vectors /= root[:, None]
    for array in (values, vectors, operator.mass, components):
        array.flags.writeable = False
    tol = eigen_tol if iterated else 0.0
    return Basis(values, vectors, operator.mass, components, n_available, tol)


def _components_by_size(stiffness: sp.csr_array) -> NDArray[np.intp]:
    n_components, labels = connected_components(stiffness, directed=False)
    by_size = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(n_components, dtype=np.intp)
    rank[by_size] = np.arange(n_components)
    return rank[labels]


def _merge(
    found: list[tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]],
    n_nodes: int,
    n_vectors: int,
) -> Pairs:
    """Return the first pairs of all components, each zero outside its own."""
    if len(found) == 1 and len(found[0][1]) == n_nodes:
        values, _, vectors = found[0]
        return values, vectors
    owners = [(value, i, j) for i, (own, *_) in enumerate(found) for j, value in enumerate(own)]
    # Equal values stay in the order of their components, which come by size.
    owners = sorted(owners, key=lambda owner: owner[0])[:n_vectors]
    merged = np.zeros((n_nodes, n_vectors), order="F")
    for column, (_, i, j) in enumerate(owners):
        _, nodes, vectors = found[i]
        merged[nodes, column] = vectors[:, j]
    return np.array([value for value, *_ in owners]), merged


def _solver_for(matrix: sp.csr_array, k: int, eigen_solver: str) -> str:
    """Return how a component is solved."""
    n = matrix.shape[0]
    if not _has_room(n, k, _BLOCK) or eigen_solver == "dense":
        return "dense"
    if eigen_solver != "auto":
        return eigen_solver
    if n <= _DENSE_NODES or k > n // 4:
        return "dense"
    return "shift_invert" if _widest_level(matrix) <= _WIDEST_LEVEL else "iterative"


def _has_room(n: int, k: int, n_block: int) -> bool:
    """Say whether an iteration has vectors to look at beyond those wanted."""
    return k + 4 * n_block < n


def _widest_level(matrix: sp.csr_array) -> int:
    """Return the most nodes at one distance from an end of a connected graph's core."""
    core = _core(matrix)
    n = core.shape[0]
    if n <= _WIDEST_LEVEL:
        return n
    indices, indptr = core.indices.astype(np.int32), core.indptr.astype(np.int32)
    edges = sp.csr_array((np.ones(core.nnz), indices, indptr), shape=core.shape)
    end = int(dijkstra(edges, indices=0, unweighted=True).argmax())
    hops = dijkstra(edges, indices=end, unweighted=True)
    return int(np.bincount(hops.astype(np.intp)).max())


def _core(matrix: sp.csr_array) -> sp.csr_array:
    """Return ``matrix`` without its trees, which a factorisation eliminates without fill."""
    for _ in range(_MAX_PRUNINGS):
        if matrix.shape[0] <= _WIDEST_LEVEL:
            break
        # The diagonal counts.
        inner = np.diff(matrix.indptr) > 2
        if inner.all():
            break
        matrix = matrix[inner][:, inner]
    return matrix


def _solve_connected(
    matrix: sp.csr_array, kernel: NDArray[np.float64], k: int, solver: str, residual: float
) -> Pairs:
    """Return the k smallest eigenpairs orthogonal to ``kernel``."""
    kernel = kernel / np.linalg.norm(kernel)
    pairs = None if solver == "dense" else _iterate(matrix, kernel, k, solver, residual)
    if pairs is None:
        n = matrix.shape[0]
        if solver != "dense" and n > _MAX_DENSE_NODES:
            raise RuntimeError(
                f"the iteration did not find all of the first {k} eigenvectors of a component of "
                f"{n} nodes, too many for a dense solver. Ask for a few more, or fewer, raise "
                f"eigen_tol, or name another eigen_solver."
            )
        pairs = _dense(matrix, kernel, k)
    values, vectors = pairs
    return np.maximum(values, 0.0), vectors


def _dense(matrix: sp.csr_array, kernel: NDArray[np.float64], k: int) -> Pairs:
    bound = float(abs(matrix).sum(axis=1).max())
    # The kernel is moved above everything else.
    lifted = matrix.toarray() + 2 * bound * np.outer(kernel, kernel)
    return eigh_subset(lifted, 0, k - 1)


def _iterate(
    matrix: sp.csr_array, kernel: NDArray[np.float64], k: int, solver: str, residual: float
) -> Pairs | None:
    """Return the pairs by Lanczos iteration, or None if it failed.

    An iteration finds no more copies of an eigenvalue than its block has vectors, and every
    residual looks perfect. So where it found that many, larger blocks have a look, unless
    a count says that none is missing.
    """
    n_block = _BLOCK
    while _has_room(len(kernel), k, n_block):
        found = _accurate_pairs(matrix, kernel, k, solver, residual, n_block)
        if found is None:
            return None
        values, vectors, reached = found
        # Two computed eigenvalues may be one that is a residual away from either.
        nearly_equal = 2 * max(reached, _LEAST_TOL * float(values[-1]))
        if not _fills_block(values, n_block, nearly_equal):
            return values, vectors
        if solver == "shift_invert" and _is_complete(matrix, values, nearly_equal):
            return values, vectors
        if len(kernel) <= _CHEAP_DENSE_NODES:
            return None
        n_block *= 2
    return None


def _fills_block(values: NDArray[np.float64], n_block: int, nearly_equal: float) -> bool:
    """Say whether as many eigenvalues as a block has vectors are nearly equal.

    Those nearly equal to the last do not count: copies missing among them would change nothing.
    """
    inner = values[values < values[-1] - nearly_equal]
    spans = inner[n_block - 1 :] - inner[: max(len(inner) - n_block + 1, 0)]
    return bool((spans <= nearly_equal).any())


def _is_complete(
    matrix: sp.csr_array, values: NDArray[np.float64], nearly_equal: float
) -> bool | None:
    """Say whether no eigenvalue is missing below the last gap between ``values``."""
    gaps = np.diff(values, prepend=0.0)
    last = int(np.flatnonzero(gaps > nearly_equal).max(initial=0))
    count = count_eigenvalues_below(matrix, values[last] - gaps[last] / 2)
    # The kernel is below too.
    return None if count is None else count == last + 1


def _accurate_pairs(
    matrix: sp.csr_array,
    kernel: NDArray[np.float64],
    k: int,
    solver: str,
    residual: float,
    n_block: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return pairs, and the largest residual, computed with ``matrix`` itself."""
    wanted = residual
    for _ in range(_ATTEMPTS):
        vectors = _lanczos(matrix, kernel, k, solver, wanted, n_block)
        if vectors is None:
            return None
        values, reached = _rayleigh_ritz(matrix, vectors)
        if reached <= residual:
            return values, vectors, reached
        wanted *= _STRICTER
    return None


def _lanczos(
    matrix: sp.csr_array,
    kernel: NDArray[np.float64],
    k: int,
    solver: str,
    residual: float,
    n_block: int,
) -> NDArray[np.float64] | None:
    n = len(kernel)
    size = min(max(_MOST_VECTORS * k, k + _SPARE_BLOCKS * n_block), n - n_block - 1)

    def largest(operator: Operator) -> NDArray[np.float64] | None:
        return largest_eigenvectors(
            operator, kernel, k, n_block=n_block, max_size=size, max_steps=_MAX_STEPS
        )

    if solver == "shift_invert":
        return largest(FactoredInverse(matrix, kernel, residual))
    bound = float(abs(matrix).sum(axis=1).max())
    for nearness in _NEARNESS:
        try:
            return largest(iterative_operator(matrix, kernel, k, residual, bound, nearness))
        except IndefiniteError:
            continue
    return None


def _rayleigh_ritz(
    matrix: sp.csr_array, vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Turn ``vectors`` into the best orthonormal ones of their span, in place.

    Return their eigenvalues, ascending, and the largest residual.
    """
    k = vectors.shape[1]
    chunks = [slice(start, start + _COLUMNS) for start in range(0, k, _COLUMNS)]
    projected = np.hstack([vectors.T @ (matrix @ vectors[:, chunk]) for chunk in chunks])
    values, rotation = eigh((projected + projected.T) / 2, vectors.T @ vectors)
    multiply_in_place(vectors, k, rotation)
    residual = max(
        np.linalg.norm(matrix @ vectors[:, chunk] - vectors[:, chunk] * values[chunk], axis=0).max()
        for chunk in chunks
    )
    return values, float(residual)
