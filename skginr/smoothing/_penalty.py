"""The roughness of a signal over a graph, as a matrix that need not be formed."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from skginr._core import (
    Multigrid,
    check_fits,
    factor_positive_definite,
    has_multigrid,
    positive_definite_solver,
    with_short_indices,
)
from skginr.graphs import Laplacian
from skginr.smoothing._gradation import closed, gradation, most_that_count, without_giants

# Of the diagonal, added to make a preconditioner definite.
_SHIFT = 1e-12
# Bytes of an entry of a product of matrices.
_ENTRY_BYTES = 12
# Strengths that one factor serves. A ratio of 100 takes ten times the iterations, about as long as
# another factorisation.
_SAME_FACTOR = 100
# Nodes from which on multigrid takes less time and memory than a factor, where it is installed.
_MULTIGRID_NODES = 50_000
# Times the median of the diagonal, beyond which an entry does not count for the scale of all: that
# of a node of next to no mass, or of two that are as one.
_OUTLIER = 1e3
# Typical degree over the weakest edge that holds a component together, to the power of the order,
# beyond which products of the stiffness leave no digit to that edge.
_GRADED = 1e7
_SMALL_MASS = 1e-4
# Of a weight, that is changed to see whether answers stay.
_SHAKE = 1e-12
# Of a degree: a weight of as much has no six digits left in the sum.
_DIGITS = 1e6 * float(np.finfo(np.longdouble).eps)


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
    _multigrid: Multigrid | None = None

    def __init__(self, operator: Laplacian, order: int, kappa: float = 0.0) -> None:
        self.order = order
        self.mass = operator.mass
        full = operator.stiffness
        if kappa > 0:
            full = sp.csr_array(full + kappa**2 * sp.diags_array(operator.mass))
        stiffness = without_giants(full, operator.kernel, kappa**2 * self.mass, order)
        stiff = stiffness.diagonal()
        diagonal = stiff * (stiff / self.mass) ** (order - 1)
        typical = _clipped(stiff) * _clipped(stiff / self.mass) ** (order - 1)
        self.scale = float(typical.mean()) or 1.0
        self.diagonal = diagonal / self.scale
        self._stiffness = stiffness
        self._whole, self._kernel, self._kappa = full, operator.kernel, kappa
        self.graded = stiffness is not full or gradation(stiffness) ** order > _GRADED
        self._factored: tuple[float, Callable[[NDArray], NDArray]] | None = None
        self._multigrid: Multigrid | None = None

    def __matmul__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``Q @ block`` for a block of shape (n_nodes, n_columns)."""
        product = self._stiffness @ block
        for _ in range(self.order - 1):
            product = self._stiffness @ (product / self.mass[:, None])
        return product / self.scale

    def matrix(self) -> sp.csc_array:
        """Return Q itself, whose rows reach ``order`` edges far.

        Raises
        ------
        MemoryError
            If hubs make it too large.
        """
        product = self._stiffness
        if self.order > 1:
            # Of a hub, each neighbour with each, at the least.
            check_fits(
                _ENTRY_BYTES * float(np.diff(product.indptr).max()) ** 2,
                f"the matrix of order={self.order}, with a node of "
                f"{int(np.diff(product.indptr).max()) - 1:,} edges,",
                "Use order=1.",
            )
        for _ in range(self.order - 1):
            product = self._stiffness @ sp.diags_array(1 / self.mass) @ product
        return sp.csc_array(product / self.scale)

    def rough_noise(self, random: np.random.RandomState, n_draws: int) -> NDArray[np.float64]:
        """Return draws of mean 0 and covariance Q, of shape (n_nodes, n_draws)."""
        if self.order % 2:
            rough = self._noise_of_first_order(random, n_draws)
        else:
            shape = len(self.mass), n_draws
            rough = np.sqrt(self.mass)[:, None] * random.standard_normal(shape)
        for _ in range(self.order // 2):
            rough = self._stiffness @ (rough / self.mass[:, None])
        return rough / self.scale**0.5

    def _noise_of_first_order(
        self, random: np.random.RandomState, n_draws: int
    ) -> NDArray[np.float64]:
        """Return draws of covariance B, by noise of every edge, and of every node for kappa."""
        n_nodes, kernel = len(self.mass), self._kernel
        edges = sp.triu(self._stiffness, k=1, format="coo")
        first, second = edges.coords
        if kernel is None or (edges.data > 0).any():
            # Between obtuse triangles an edge has no noise of its own.
            return self._noise_by_factor(random, n_draws)
        sizes = np.sqrt(-edges.data * kernel[first] * kernel[second])
        columns = np.arange(len(sizes))
        ends = sp.csr_array((sizes / kernel[first], (first, columns)), (n_nodes, len(sizes)))
        ends -= sp.csr_array((sizes / kernel[second], (second, columns)), (n_nodes, len(sizes)))
        noise = ends @ random.standard_normal((len(sizes), n_draws))
        if self._kappa > 0:
            spread = self._kappa * np.sqrt(self.mass)[:, None]
            noise += spread * random.standard_normal((n_nodes, n_draws))
        return noise

    def _noise_by_factor(self, random: np.random.RandomState, n_draws: int) -> NDArray[np.float64]:
        shift = sp.diags_array(_SHIFT * self._stiffness.diagonal())
        factor = factor_positive_definite(self._stiffness + shift)
        if not np.array_equal(factor.perm_r, factor.perm_c):
            raise ValueError(
                "sample_y cannot draw with this laplacian: its mesh has triangles so thin that "
                "rounding decides. Choose another laplacian."
            )
        roots = np.sqrt(np.maximum(factor.U.diagonal(), 0))[:, None]
        shape = len(self.mass), n_draws
        return (factor.L @ (roots * random.standard_normal(shape)))[factor.perm_r]

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
        reached = breadth_first_order(with_short_indices(paths), n_nodes, return_predecessors=False)
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
        most = most_that_count(np.maximum(-weights, 0), first, second, alone)
        weights = np.maximum(weights, -most)
        return closed(first, second, weights, self._kernel, self._kappa**2 * self.mass)

    def preconditioner(
        self, alpha: float, counts: NDArray[np.float64]
    ) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """Return about the inverse of ``diag(counts) + alpha Q``, by a factor of first order.

        As ``(d + a l)^p`` is between ``d^p + a^p l^p`` and 2^(p - 1) times that for numbers. The
        factor is kept for strengths near this one: solve inside :meth:`at_hand`, which lets go.
        """
        kept = self._factored
        if kept is None or not self.has_factor_near(alpha):
            self.forget()  # Not two at a time.
            strength, observed = self._first_order(alpha, counts)
            first_order = sp.diags_array(observed) + strength * self._stiffness
            # It is near the system, no more: where nothing but rounding holds nodes in their places
            # it shall still be definite.
            first_order += sp.diags_array(_SHIFT * first_order.diagonal())
            self._factored = kept = alpha, positive_definite_solver(first_order)
        return self._of_this_order(kept[1])

    def multigrid_preconditioner(
        self, alpha: float, counts: NDArray[np.float64]
    ) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """Return about the same without a factor, where :meth:`suits_multigrid`.

        Of higher orders it is near where most nodes were observed, and less so the fewer were.
        """
        cycle = self._hierarchy().cycle(*self._first_order(alpha, counts))
        return self._of_this_order(cycle)

    def suits_multigrid(self) -> bool:
        """Say whether multigrid is a gain: on large graphs without hubs."""
        # Where rounding decides, levels differ by more than that.
        if len(self.mass) < _MULTIGRID_NODES or self.graded or not has_multigrid():
            return False
        return self._hierarchy().pays

    def _hierarchy(self) -> Multigrid:
        """Return the one that serves all strengths."""
        if self._multigrid is None:
            kernel = np.ones(len(self.mass)) if self._kernel is None else self._kernel
            self._multigrid = Multigrid(self._stiffness, kernel)
        return self._multigrid

    def _first_order(
        self, alpha: float, counts: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return t and d of the first-order system ``diag(d) + t B`` that is nearest."""
        share = 1 / self.order
        return (alpha / self.scale) ** share, counts**share * self.mass ** (1 - share)

    def _of_this_order(
        self, solve: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        def apply(block: NDArray[np.float64]) -> NDArray[np.float64]:
            solved = solve(block)
            for _ in range(self.order - 1):
                solved = solve(solved * self.mass[:, None])
            return solved

        return apply

    def has_factor_near(self, alpha: float) -> bool:
        """Say whether the factor in hand serves a strength."""
        kept = self._factored
        return kept is not None and 1 / _SAME_FACTOR <= alpha / kept[0] <= _SAME_FACTOR

    @property
    def factored_at(self) -> float | None:
        """Strength that the factor in hand was made for."""
        return None if self._factored is None else self._factored[0]

    @contextlib.contextmanager
    def at_hand(self) -> Iterator[None]:
        """Keep what systems are solved by for as long as they are in here, and no longer."""
        try:
            yield
        finally:
            self.forget()
            self._multigrid = None

    def forget(self) -> None:
        """Let go of the factor."""
        self._factored = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_factored": None, "_multigrid": None}


def _clipped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values``, those far beyond the median lowered: they say nothing of the others."""
    positive = values[values > 0]
    return np.minimum(values, _OUTLIER * np.median(positive)) if len(positive) else values
