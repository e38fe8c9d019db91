"""Coordinates at nodes that were not in the graph, from their edges to it."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from skginr._core import factor_positive_definite, positive, positive_definite_solver
from skginr.graphs import Graph, degrees_of, laplacian

# Steps of inverse iteration towards the ground state of a group of new nodes. From
# constants they converge fast, and the value only says where a singularity is near.
_GROUND_STATE_STEPS = 20
#: A coordinate is placed that gets so much of what its equation says.
PLACED = 0.5
# Shares of the square of an eigenvector at which its nodes are looked at, in order of their degree.
_WHERE = 0.05, 0.5, 0.95
# Residual of the smoothest continuation, as a share of its right side, beyond which the system
# was singular to rounding.
_SINGULAR = 1e-6


def extend_eigenvectors(
    links: sp.csr_array,
    eigenvalues: NDArray[np.float64],
    eigenvectors: NDArray[np.float64],
    *,
    kind: str,
    degrees: NDArray[np.float64],
    among: sp.csr_array | None = None,
    own: NDArray[np.float64] | None = None,
    least: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return eigenvectors at new nodes by Nystrom's method.

    The values solve the eigenvector equations at the new nodes, those of old nodes known:
    ``(d_x - lambda) u_x = sum_j a_xj u_j`` for the combinatorial Laplacian,
    ``(1 - lambda) u_x = sum_j a_xj u_j / d_x`` for the random walk, and for the symmetric
    one the latter through u = sqrt(d) v. Neighbours j may be new too, and the equations
    of new nodes that edges connect are solved at once.

    So what comes from old nodes is amplified, by 1 / (1 - t) with t = lambda / lambda_0, where
    lambda_0 is the smallest eigenvalue of the equations' matrix: d_x, or 1, for a node
    without new neighbours. At t = 1 that is singular: beyond t = 1/2, where it is 2, lambda
    is replaced by the value whose amplification is 1 + 1 / (2 t), which returns to 1. With
    ``least``, where affinities are those of a kernel, the equation holds down to that.

    With ``own`` the equation of a walk is ``(1 - t) u_x = sum_j a_xj u_j / d_x``, where
    t = lambda (1 - a_xx / d_x), so that in the place of an old node it is that node's own.

    Parameters
    ----------
    links : sparse array of shape (n_new, n_nodes)
        Weights of the edges from new nodes to those of the graph.
    eigenvalues : ndarray of shape (n_vectors,)
    eigenvectors : ndarray of shape (n_nodes, n_vectors)
        In any scale.
    kind : {"combinatorial", "symmetric", "random_walk"}
        Whose eigenvectors they are.
    degrees : ndarray of shape (n_nodes,)
        Row sums of the graph's adjacency.
    among : sparse array of shape (n_new, n_new), optional
        Symmetric weights of the edges between new nodes.
    own : ndarray of shape (n_new,), optional
        Affinity of each new node with itself, where ``links`` are those of a kernel, in which old
        nodes have it too but not in their ``degrees``: a new node in the place of an old one has
        it in its link to that. Without new neighbours.
    least : ndarray of shape (n_vectors,), optional
        Smallest difference of t and 1 that is divided by.

    Returns
    -------
    ndarray of shape (n_new, n_vectors)
        Zeros, the mean of every eigenvector, for nodes that no path joins to the graph.

    References
    ----------
    Y. Bengio et al., "Out-of-sample extensions for LLE, Isomap, MDS, eigenmaps, and
    spectral clustering", NeurIPS 2003.

    Examples
    --------
    A fourth node at the end of a path of three:

    >>> import scipy.sparse as sp
    >>> extend_eigenvectors(
    ...     sp.csr_array([[0.0, 0.0, 4.0]]), np.array([1.0]), np.array([[-1.0], [0.0], [1.0]]),
    ...     kind="combinatorial", degrees=np.array([1.0, 2.0, 1.0]))
    array([[1.333...]])
    """
    new_degrees = degrees_of(links)
    if among is not None:
        new_degrees = new_degrees + degrees_of(among)
    if not np.isfinite(new_degrees).all():
        row = int(np.isfinite(new_degrees).argmin())
        raise ValueError(
            f"affinities of a new node must have a finite sum; those of row {row} have not."
        )
    new_degrees = positive(new_degrees)
    if kind == "symmetric":
        eigenvectors = eigenvectors / np.sqrt(positive(degrees))[:, None]
    inflow = links @ eigenvectors
    mass = np.ones(len(inflow)) if kind == "combinatorial" else new_degrees
    if among is None or among.nnz == 0:
        load = eigenvalues / (new_degrees / mass)[:, None]
        if own is not None and kind != "combinatorial":
            load = load * (1 - own / new_degrees)[:, None]
        values = inflow * _used(load, least) / new_degrees[:, None]
    else:
        stiffness = sp.csr_array(sp.diags_array(new_degrees) - among)
        values = _solve_jointly(stiffness, mass, eigenvalues, inflow, reached(links, among))
    if kind == "symmetric":
        counted = new_degrees if own is None else np.maximum(new_degrees - own, 0.0)
        values = values * np.sqrt(counted)[:, None]
    return values


def placed_share(
    loads: NDArray[np.float64], least: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return how much of what their equations say new nodes get in each eigenvector.

    Parameters
    ----------
    loads : ndarray of shape (3, n_vectors)
        t, see :func:`extend_eigenvectors`, of nodes that new ones are like: as :func:`loads_of`
        returns it.
    least : ndarray of shape (n_vectors,), optional
        As there.

    Returns
    -------
    ndarray of shape (n_vectors,)
        1 down to less than 0, where they get the opposite, at most nodes.
    """
    if least is None:
        share = _amplification(loads[1]) * (1 - loads[1])
        # But for rounding.
        return np.where(share > 1 - 1e-9, 1.0, share)
    left = 1 - loads
    # Between two nodes on either side of a singularity the equation says anything.
    smallest = np.where(left[0] * left[2] > 0, np.abs(left).min(axis=0), 0.0)
    return np.minimum(smallest / least, 1.0)


def loads_of(
    eigenvalues: NDArray[np.float64],
    eigenvectors: NDArray[np.float64],
    factors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return t where an eigenvector is: at the node in the middle of its square, and near the ends.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_vectors,)
    eigenvectors : ndarray of shape (n_nodes, n_vectors)
    factors : ndarray of shape (n_nodes,)
        Of an eigenvalue in t, by node.

    Returns
    -------
    ndarray of shape (3, n_vectors)
    """
    order = np.argsort(factors)
    # Squares of coordinates that have faded leave the range of floats.
    sizes = np.abs(eigenvectors[order]) / positive(np.abs(eigenvectors).max(axis=0))
    below = np.cumsum(sizes**2, axis=0)
    below /= positive(below[-1])
    places = [np.minimum((below < share).sum(axis=0), len(order) - 1) for share in _WHERE]
    return eigenvalues * factors[order][np.array(places)]


def extend_membership(
    links: sp.csr_array, membership: NDArray[np.float64], among: sp.csr_array | None = None
) -> NDArray[np.float64]:
    """Return how each new node's edges, and those of its new neighbours, are shared among groups.

    Parameters
    ----------
    links, among
        As for :func:`extend_eigenvectors`.
    membership : ndarray of shape (n_nodes, n_groups)
        1 where a node belongs to a group, else 0.

    Returns
    -------
    ndarray of shape (n_new, n_groups)
    """
    # Indicators of components are eigenvectors too, of eigenvalue zero.
    zeros = np.zeros(membership.shape[1])
    return extend_eigenvectors(
        links, zeros, membership, kind="combinatorial", degrees=np.empty(0), among=among
    )


def continue_smoothly(
    graph: Graph, nodes: NDArray[np.intp], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the smoothest signals on a graph that have given values at some nodes.

    Biharmonic ones: of all that agree there, they have the least sum of squares of L u, where L is
    the combinatorial Laplacian and the sum is over all nodes. Constants go on as constants, and
    slopes as slopes, but no further than to the least and largest of the given values.

    Parameters
    ----------
    graph : Graph
    nodes : ndarray of int of shape (n_known,)
        Distinct positions in the graph.
    values : ndarray of shape (n_known, n_signals)

    Returns
    -------
    ndarray of shape (n_nodes, n_signals)
        Zeros at nodes that no path joins to those known.

    Raises
    ------
    ValueError
        If weights are so different that rounding decides.

    Examples
    --------
    >>> from skginr import Graph
    >>> path = Graph.from_adjacency(np.eye(5, k=1) + np.eye(5, k=-1))
    >>> continue_smoothly(path, np.array([0, 1, 3, 4]), np.array([[0.0], [1], [3], [4]])).ravel()
    array([0., 1., 2., 3., 4.])
    """
    result = np.zeros((graph.n_nodes, values.shape[1]))
    result[nodes] = values
    joined = np.isin(graph.components, graph.components[nodes])
    new = np.setdiff1d(np.flatnonzero(joined), nodes)
    if len(new) == 0:
        return result
    stiffness = laplacian(graph.adjacency).stiffness
    rows = stiffness[new]
    right = -(rows @ (stiffness[:, nodes] @ values))
    matrix = sp.csr_array(rows @ rows.T)
    try:
        solved = positive_definite_solver(matrix)(right)
    except (RuntimeError, ValueError):  # SuperLU's and CHOLMOD's word for a singular matrix
        solved = np.full_like(right, np.nan)
    if not np.abs(matrix @ solved - right).max() <= _SINGULAR * np.abs(right).max():
        raise ValueError(
            "weights of the graph differ so much around its new nodes that rounding decides what "
            "follows from them. Leave out edges that are negligible, or weigh all by 1."
        )
    result[new] = np.clip(solved, values.min(axis=0), values.max(axis=0))
    return result


def reached(links: sp.csr_array, among: sp.csr_array | None) -> NDArray[np.bool_]:
    """Say which new nodes a path of edges joins to the graph, shape (n_new,)."""
    linked = np.diff(links.indptr) > 0
    if among is None:
        return linked
    n_groups, groups = connected_components(among, directed=False)
    return (np.bincount(groups, weights=linked, minlength=n_groups) > 0)[groups]


def _used(load: NDArray[np.float64], least: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return what is used in place of 1 / (1 - load)."""
    if least is None:
        return _amplification(load)
    return np.where(load > 1, -1.0, 1.0) / np.maximum(np.abs(1 - load), least)


def _amplification(load: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(load <= 0.5, 1 / (1 - np.minimum(load, 0.5)), 1 + 0.5 / np.maximum(load, 0.5))


def _solve_jointly(
    stiffness: sp.csr_array,
    mass: NDArray[np.float64],
    eigenvalues: NDArray[np.float64],
    inflow: NDArray[np.float64],
    joined: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Solve (K - lambda M) u = inflow for every eigenvalue, lambda tempered near singularities."""
    # Where nothing flows in, the matrix is singular, and the solution zero.
    stiffness = stiffness + sp.diags_array(np.where(joined, 0.0, mass))
    n_groups, groups = connected_components(stiffness, directed=False)
    ground = _ground_states(stiffness, mass, groups, n_groups)
    values = np.empty_like(inflow)
    for eigenvalue in np.unique(eigenvalues):
        columns = np.flatnonzero(eigenvalues == eigenvalue)
        tempered = ground * (1 - 1 / _amplification(eigenvalue / ground))
        matrix = stiffness - sp.diags_array(tempered[groups] * mass)
        values[:, columns] = factor_positive_definite(matrix).solve(inflow[:, columns])
    return values


def _ground_states(
    stiffness: sp.csr_array, mass: NDArray[np.float64], groups: NDArray[np.int32], n_groups: int
) -> NDArray[np.float64]:
    """Return the smallest eigenvalue of (K, M) on each group, all by one inverse iteration."""
    factor = factor_positive_definite(stiffness)
    state = np.ones(len(mass))
    for _ in range(_GROUND_STATE_STEPS):
        before, state = state, factor.solve(mass * state)
        across, square = (
            np.bincount(groups, weights=mass * state * other, minlength=n_groups)
            for other in (before, state)
        )
        state /= np.sqrt(square)[groups]
    # The Rayleigh quotient, since K times the state is M times the one before.
    return across / square
