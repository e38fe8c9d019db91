"""Penalised least squares on a graph: many systems at once, by conjugate gradients."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from skginr._core import factor_positive_definite, positive_definite_solver, solve_refined
from skginr.graphs import Laplacian, positive

# Iterations with the diagonal, which take no time to prepare; more on large graphs, whose
# factors fill in.
_DIAGONAL, _DIAGONAL_LARGE, _LARGE = 150, 1200, 100_000
# Of the diagonal, added to make a preconditioner definite.
_SHIFT = 1e-12
# And with a factor of the first-order system.
_FACTORED = 300
# Strengths that one factor serves. A ratio of 100 takes ten times the iterations, about as long as
# another factorisation.
_SAME_FACTOR = 100
# Times the median of the diagonal, beyond which an entry does not count for the scale of all: that
# of a node of next to no mass, or of two that are as one.
_OUTLIER = 1e3
# Times the median weight of an edge, to the power of the order, beyond which rounding decides.
_GIANT = 1e9
# Typical degree over the weakest edge that holds a component together, to the power of the order,
# beyond which products of the stiffness leave no digit to that edge.
_GRADED = 1e7
# Unknowns of the system without such products: as many are no work at all, and up to how many it is
# solved for the sake of its digits.
_NO_WORK, _MOST_CHAINED = 3_000, 40_000
_SMALL_MASS = 1e-4
# Of a weight, that is changed to see whether answers stay.
_SHAKE = 1e-12
# Of a degree: a weight of as much has no six digits left in the sum.
_DIGITS = 1e6 * float(np.finfo(np.longdouble).eps)
# Tolerance of what is shown, and not only compared.
_EXACT = 1e-9
# Error of a solution that is looked at, as a share of values, beyond which rounding has decided.
_WRONG = 1e-6
# Nodes of which all variances are found by one factor.
_MOST_FACTORED = 10_000
_BLOCK = 64

Columns = slice | NDArray[np.intp]


class Penalty:
    """The roughness f' Q f of a signal, with ``Q = B (M^-1 B)^(order - 1)``.

    Scaled to unit mean diagonal, about and outliers aside, so that strengths mean the same on all
    graphs.

    Parameters
    ----------
    operator : Laplacian
        K, and M, of ``B = K + kappa**2 M``.
    order : int
    kappa : float

    Attributes
    ----------
    scale : float
        What Q was divided by.
    diagonal : ndarray of shape (n_nodes,)
        Of Q, about: that of B to the power of ``order``.
    graded : bool
        Whether edges that matter are so much weaker than others that powers of B lose them.
    """

    # Not in the files of earlier versions.
    graded = False
    _kernel: NDArray[np.float64] | None = None

    def __init__(self, operator: Laplacian, order: int, kappa: float = 0.0) -> None:
        self.order = order
        self.mass = operator.mass
        full = operator.stiffness
        if kappa > 0:
            full = sp.csr_array(full + kappa**2 * sp.diags_array(operator.mass))
        stiffness = _without_giants(full, operator.kernel, kappa**2 * self.mass, order)
        stiff = stiffness.diagonal()
        diagonal = stiff * (stiff / self.mass) ** (order - 1)
        typical = _clipped(stiff) * _clipped(stiff / self.mass) ** (order - 1)
        self.scale = float(typical.mean()) or 1.0
        self.diagonal = diagonal / self.scale
        self._stiffness = stiffness
        self._whole, self._kernel, self._kappa = full, operator.kernel, kappa
        self.graded = stiffness is not full or _gradation(stiffness) ** order > _GRADED
        self._factored: tuple[float, Callable[[NDArray], NDArray]] | None = None

    def __matmul__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``Q @ block`` for a block of shape (n_nodes, n_columns)."""
        product = self._stiffness @ block
        for _ in range(self.order - 1):
            product = self._stiffness @ (product / self.mass[:, None])
        return product / self.scale

    def matrix(self) -> sp.csc_array:
        """Return Q itself, whose rows reach ``order`` edges far."""
        product = self._stiffness
        for _ in range(self.order - 1):
            product = self._stiffness @ sp.diags_array(1 / self.mass) @ product
        return sp.csc_array(product / self.scale)

    @property
    def chains(self) -> bool:
        """Whether :meth:`chain` has what it takes."""
        return self._kernel is not None

    def lost(self, alpha: float, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which nodes no edge joins to an observed one that is more than rounding there."""
        n_nodes = len(observed)
        if self._kappa > 0:
            return np.zeros(n_nodes, dtype=bool)
        stiffness = self._exactly(self._root(alpha))
        edges = sp.coo_array(stiffness)
        rows, columns = edges.coords
        stiff = stiffness.diagonal()
        # Higher orders take it from the other side, too.
        beside = stiff[rows] if self.order == 1 else np.maximum(stiff[rows], stiff[columns])
        seen = np.abs(edges.data) > _DIGITS * beside
        # From a node that stands for all observed ones, along edges to where they are seen.
        known = np.flatnonzero(observed)
        starts = np.concatenate([columns[seen], np.full(len(known), n_nodes)])
        ends = np.concatenate([rows[seen], known])
        shape = (n_nodes + 1, n_nodes + 1)
        paths = sp.csr_array((np.ones(len(starts)), (starts, ends)), shape=shape)
        reached = breadth_first_order(paths, n_nodes, return_predecessors=False)
        return ~np.isin(np.arange(n_nodes), reached)

    def _root(self, alpha: float) -> np.longdouble:
        return np.longdouble(alpha / self.scale) ** (np.longdouble(1) / self.order)

    def chain(
        self, alpha: float, counts: NDArray[np.float64], *, shaken: bool = False
    ) -> sp.csc_array:
        """Return ``diag(counts) + alpha Q`` without its products, in long doubles.

        With ``g_1 = f`` and ``M g_(k + 1) = t B g_k``, t the root of alpha by the order, it is
        ``diag(counts) g_1 + t B g_order``: a sparse matrix of ``order`` blocks a side, whose
        condition is that of B and not of its power. ``shaken`` changes weights in their twelfth
        digit, which changes no answer that can be known.
        """
        root = self._root(alpha)
        stiff, mass = (
            root * self._exactly(root, shaken),
            sp.diags_array(self.mass.astype(np.longdouble)),
        )
        observed = sp.diags_array(counts.astype(np.longdouble))
        if self.order == 1:
            return sp.csc_array(observed + stiff)
        blocks: list[list[Any]] = [[None] * self.order for _ in range(self.order)]
        blocks[0][0], blocks[0][-1] = observed, stiff
        for k in range(1, self.order):
            # Rows in which the mass is small: as pivots its entries would make the products.
            small = np.longdouble(_SMALL_MASS) ** k
            blocks[k][k - 1], blocks[k][k] = small * stiff, -small * mass
        return sp.csc_array(sp.block_array(blocks))

    def _exactly(self, root: np.longdouble, shaken: bool = False) -> sp.csr_array:
        """Return B in long doubles, its diagonal what the other entries and the kernel make of it.

        As a sum that was rounded it would hold nodes back that weak edges alone hold. Edges so
        strong that their ends are one, beside all that else acts on these, are lowered.
        """
        edges = sp.triu(self._whole, k=1, format="coo")
        first, second = edges.coords
        weights = edges.data.astype(np.longdouble)
        if shaken:
            noise = np.random.default_rng(0).uniform(-1, 1, len(weights))
            weights *= 1 + np.longdouble(_SHAKE) * noise
        # An observation, or the mass, in the units of weights.
        alone = np.maximum(self.mass, 1.0) / root
        most = _most(np.maximum(-weights, 0), first, second, alone)
        weights = np.maximum(weights, -most)
        return _closed(first, second, weights, self._kernel, self._kappa**2 * self.mass)

    def preconditioner(
        self, alpha: float, counts: NDArray[np.float64]
    ) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """Return about the inverse of ``diag(counts) + alpha Q``, by a factor of first order.

        As ``(d + a l)^p`` is between ``d^p + a^p l^p`` and 2^(p - 1) times that for numbers. The
        factor is kept for strengths near this one: solve inside :meth:`at_hand`, which lets go.
        """
        kept = self._factored
        if kept is None or not 1 / _SAME_FACTOR <= alpha / kept[0] <= _SAME_FACTOR:
            self.forget()  # Not two at a time.
            share = 1 / self.order
            observed = sp.diags_array(counts**share * self.mass ** (1 - share))
            first_order = observed + (alpha / self.scale) ** share * self._stiffness
            # It is near the system, no more: where nothing but rounding holds nodes in their places
            # it shall still be definite.
            first_order += sp.diags_array(_SHIFT * first_order.diagonal())
            self._factored = kept = alpha, positive_definite_solver(first_order)
        _, solve = kept

        def apply(block: NDArray[np.float64]) -> NDArray[np.float64]:
            solved = solve(block)
            for _ in range(self.order - 1):
                solved = solve(solved * self.mass[:, None])
            return solved

        return apply

    @property
    def factored_at(self) -> float | None:
        """Strength that the factor in hand was made for."""
        return None if self._factored is None else self._factored[0]

    @contextlib.contextmanager
    def at_hand(self) -> Iterator[None]:
        """Keep the factor for as long as systems are solved in here, and no longer."""
        try:
            yield
        finally:
            self.forget()

    def forget(self) -> None:
        """Let go of the factor."""
        self._factored = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_factored": None}


def solve_penalised(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    *,
    tolerance: float = 1e-10,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve ``(diag(counts_j) + alpha Q) x_j = right_j`` for all columns j together.

    By conjugate gradients. Where most nodes were observed, the diagonal is nearly all of the
    system for any small ``alpha``, and as a preconditioner lets tens of iterations do for all
    folds of a cross-validation at once, in the time that a factorisation takes for one. Where
    ``alpha`` is large it is ``T (M^-1 T)^(order - 1)``, with T the system of first order whose
    power is nearest, that does; it fills in as little as the graph itself. What is left over,
    with holes in the observations that neither knows of, is factored.

    Where weights are graded, or nodes few and the tolerance small, the system is solved without
    its products, and refined.

    Parameters
    ----------
    penalty : Penalty
    alpha : float
        Strength, above 0.
    counts : ndarray of shape (n_nodes, n_columns)
        Observations of each node.
    right : ndarray of shape (n_nodes, n_columns)
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
    if penalty.chains and n_unknowns <= _NO_WORK:
        if penalty.graded or exact:
            return _solve_chained(penalty, alpha, counts, right, tolerance)
    elif penalty.graded and exact:
        if n_unknowns <= _MOST_CHAINED:
            return _solve_chained(penalty, alpha, counts, right, tolerance)
        doubtful = np.ones(len(right), dtype=bool)
        return _solve_iteratively(penalty, alpha, counts, right, tolerance), doubtful
    return _solve_iteratively(penalty, alpha, counts, right, tolerance), np.zeros(len(right), bool)


def diagonal_of_inverse(
    penalty: Penalty, alpha: float, counts: NDArray[np.float64], nodes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the entries at ``nodes`` of the diagonal of ``(diag(counts) + alpha Q)^-1``.

    Parameters
    ----------
    penalty : Penalty
    alpha : float
    counts : ndarray of shape (n_nodes,)
    nodes : ndarray of int
        Distinct.
    """
    solve = _solver_for_many(penalty, alpha, counts) if len(nodes) > _BLOCK else None
    values = np.empty(len(nodes))
    for start in range(0, len(nodes), _BLOCK):
        block = nodes[start : start + _BLOCK]
        columns = np.arange(len(block))
        right = np.zeros((len(counts), len(block)))
        right[block, columns] = 1.0
        if solve is not None:
            solved = solve(right)
        else:
            wide = np.repeat(counts[:, None], len(block), axis=1)
            solved, _ = solve_penalised(penalty, alpha, wide, right)
        values[start : start + _BLOCK] = solved[block, columns]
    return values


def _solver_for_many(
    penalty: Penalty, alpha: float, counts: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    """Return what solves for block after block by one factor, where that is right and pays."""
    if penalty.graded or len(counts) > _MOST_FACTORED:
        return None
    system = alpha * penalty.matrix() + sp.diags_array(counts)
    try:
        return positive_definite_solver(system)
    except (RuntimeError, ValueError):
        return None


def _solve_chained(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve without products, with a factor for each distinct matrix, and refine."""
    n_nodes, n_columns = right.shape
    exact = tolerance <= _EXACT
    solution, doubtful = np.empty_like(right), np.zeros(n_nodes, dtype=bool)
    columns = np.arange(n_columns)
    while len(columns):
        same = (counts[:, columns] == counts[:, columns[:1]]).all(axis=0)
        chosen, columns = columns[same], columns[~same]
        observed = counts[:, chosen[0]]
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
                x = _solve_iteratively(
                    penalty, alpha, counts[:, chosen], right[:, chosen], tolerance
                )
        solution[:, chosen] = x
    return solution, doubtful


def _solve_iteratively(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    diagonal = counts + alpha * penalty.diagonal[:, None]
    if not (diagonal > 0).all():
        raise RuntimeError("a node has neither an observation nor an edge")

    def multiply(x: NDArray[np.float64], columns: Columns = slice(None)) -> NDArray[np.float64]:
        return counts[:, columns] * x + alpha * (penalty @ x)

    # Between the observations the system is only alpha large, and so are its residuals.
    tolerance *= min(1.0, alpha) ** 0.5
    solution, left = np.zeros_like(right), np.arange(right.shape[1])
    n_iterations = _DIAGONAL_LARGE if len(right) > _LARGE else _DIAGONAL
    # About as many as are needed.
    if 10 * alpha**0.5 <= n_iterations:
        solution, converged = conjugate_gradients(
            multiply,
            right,
            lambda residual: residual / diagonal,
            tolerance=tolerance,
            max_iterations=n_iterations,
        )
        left = left[~converged]
    while len(left):
        correction, converged = conjugate_gradients(
            partial(multiply, columns=left),
            right[:, left] - multiply(solution[:, left], left),
            penalty.preconditioner(alpha, counts[:, left].mean(axis=1)),
            reference=right[:, left],
            tolerance=tolerance,
            max_iterations=_FACTORED,
        )
        solution[:, left] += correction
        left = left[~converged]
        if penalty.factored_at == alpha:
            break
        if len(left):
            # Another strength's factor would not do.
            penalty.forget()
    if len(left):
        _factor_and_solve(penalty, alpha, counts, right, left, solution)
    return solution


def conjugate_gradients(
    multiply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    right: NDArray[np.float64],
    precondition: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    reference: NDArray[np.float64] | None = None,
    tolerance: float,
    max_iterations: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve systems, one per column, that share nothing but the time of their products.

    Parameters
    ----------
    multiply, precondition : callable
        From a block of columns to the products of each with its own matrix, or about its inverse.
    right : ndarray of shape (n, n_columns)
    reference : ndarray of shape (n, n_columns), optional
        What residuals are compared with; by default ``right``.
    tolerance : float
        Reduction of the preconditioned residual at which a column has converged.
    max_iterations : int

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
    enough = size if reference is None else _dot(reference, precondition(reference))
    enough = enough * tolerance**2
    # Of a matrix that rounding has left indefinite, directions grow beyond all numbers.
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(max_iterations):
            if (size <= enough).all():
                break
            product = multiply(direction)
            # A column that is solved stays as it is: a step of zero.
            step = np.where(size > enough, size / positive(_dot(direction, product)), 0.0)
            solution += step * direction
            residual -= step * product
            preconditioned = precondition(residual)
            before, size = size, _dot(residual, preconditioned)
            direction *= size / positive(before)
            direction += preconditioned
    finite = np.isfinite(solution).all(axis=0)
    solution[:, ~finite] = 0.0
    return solution, finite & (size <= enough)


def _factor_and_solve(
    penalty: Penalty,
    alpha: float,
    counts: NDArray[np.float64],
    right: NDArray[np.float64],
    columns: NDArray[np.intp],
    solution: NDArray[np.float64],
) -> None:
    """Solve the given columns with a factor for each distinct matrix, in place."""
    weighted = alpha * penalty.matrix()
    while len(columns):
        same = (counts[:, columns] == counts[:, columns[:1]]).all(axis=0)
        factor = factor_positive_definite(weighted + sp.diags_array(counts[:, columns[0]]))
        chosen = columns[same]
        solution[:, chosen] = factor.solve(right[:, chosen])
        columns = columns[~same]


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("ij,ij->j", left, right)


def _most(
    sizes: NDArray, first: NDArray[np.intp], second: NDArray[np.intp], alone: NDArray
) -> NDArray:
    """Return what weights of edges are lowered to, shape (n_edges,); infinite where they stay.

    Nodes that stronger edges join than ``_GIANT`` times all that else acts on any of them, edges
    to others and ``alone``, are one, however much stronger these are.
    """
    tree = _strongest_tree(sizes, first, second, len(alone))
    # Groups that join, from the strongest edge on: each has the weight that it is joined by, and
    # that by which it joins another.
    n_nodes = len(alone)
    parent = np.arange(2 * n_nodes)
    joined, leaving = np.full((2, 2 * n_nodes), np.inf, dtype=sizes.dtype)
    leaving[:] = 0
    acting = np.concatenate([alone, np.zeros(n_nodes)])
    top = np.arange(2 * n_nodes)

    def group_of(node: int) -> int:
        while top[node] != node:
            top[node] = node = top[top[node]]
        return node

    new = n_nodes
    for edge in tree[np.argsort(-sizes[tree], kind="stable")].tolist():
        left, right = group_of(int(first[edge])), group_of(int(second[edge]))
        leaving[[left, right]] = joined[new] = sizes[edge]
        acting[new] = max(acting[left], acting[right])
        parent[[left, right]] = top[left] = top[right] = new
        new += 1
    limit = _GIANT * np.maximum(leaving, acting)
    is_one = (joined > limit) & (np.arange(2 * n_nodes) >= n_nodes)
    # The largest group of each node that is one: groups come after their parts.
    outermost = np.full(2 * n_nodes, -1)
    for group in range(new - 1, -1, -1):
        above = outermost[parent[group]] if parent[group] != group else -1
        outermost[group] = above if above >= 0 or not is_one[group] else group
    within = outermost[first]
    same = (within >= 0) & (within == outermost[second])
    return np.where(same, limit[within], np.inf)


def _strongest_tree(
    sizes: NDArray, first: NDArray[np.intp], second: NDArray[np.intp], n_nodes: int
) -> NDArray[np.intp]:
    """Return the edges of a spanning forest that is as strong as there is."""
    there = np.flatnonzero(sizes > 0)
    if len(there) == 0:
        return there
    # The place in order decides: from the strongest on, counted from 1.
    places = np.empty(len(there))
    places[np.argsort(-sizes[there], kind="stable")] = np.arange(1, len(there) + 1)
    graph = sp.csr_array((places, (first[there], second[there])), shape=(n_nodes, n_nodes))
    chosen = minimum_spanning_tree(graph).data.astype(np.intp)
    return there[np.argsort(places)[chosen - 1]]


def _without_giants(
    stiffness: sp.csr_array,
    kernel: NDArray[np.float64],
    shift: NDArray[np.float64],
    order: int,
) -> sp.csr_array:
    """Return B with weights far beyond the median lowered.

    Such a one joins two nodes as one, and powers of larger ones leave no digit to anything else.
    """
    edges = sp.triu(stiffness, k=1, format="coo")
    linked = -edges.data[edges.data < 0]
    most = _GIANT ** (1 / order) * np.median(linked) if len(linked) else np.inf
    if not (linked > most).any():
        return stiffness
    first, second = edges.coords
    return _closed(first, second, np.maximum(edges.data, -most), kernel, shift)


def _closed(
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    values: NDArray,
    kernel: NDArray[np.float64] | None,
    shift: NDArray[np.float64],
) -> sp.csr_array:
    """Return the symmetric matrix of off-diagonal entries whose kernel is given, but for a shift.

    In the type of ``values``.
    """
    shape = (len(shift), len(shift))
    above = sp.coo_array((values, (first, second)), shape=shape)
    off_diagonal = sp.csr_array(above + above.T)
    wide = np.asarray(kernel, dtype=values.dtype)
    diagonal = shift - (off_diagonal @ wide) / wide
    return sp.csr_array(off_diagonal + sp.diags_array(diagonal))


def _gradation(stiffness: sp.csr_array) -> float:
    """Return the median of the diagonal over the weakest edge that holds a component together."""
    edges = sp.triu(stiffness, k=1, format="coo")
    first, second = edges.coords
    sizes = np.maximum(-edges.data, 0)
    tree = _strongest_tree(sizes, first, second, stiffness.shape[0])
    if len(tree) == 0:
        return 1.0
    diagonal = stiffness.diagonal()
    return float(np.median(diagonal[diagonal > 0]) / sizes[tree].min())


def _clipped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values``, those far beyond the median lowered: they say nothing of the others."""
    positive = values[values > 0]
    return np.minimum(values, _OUTLIER * np.median(positive)) if len(positive) else values
