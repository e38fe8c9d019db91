"""Block Lanczos: the largest eigenpairs of an operator that can be applied to blocks."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skginr._core import deflate, subtract_product
from skginr.spectral.eigen._subspace import Subspace

# Steps between two checks where nothing is known of how fast residuals fall.
_LEAST_WAIT = 3
# Steps without progress, at least, after which an iteration is given up.
_PATIENCE = 40
# A tolerance below this share of the largest theta is lost in rounding, with room for rough
# estimates.
_ROUNDING = 1e-19


# Takes a word on what is going on, and how many pairs have converged.
Report = Callable[[str, int], None]


def silent(word: str, n_converged: int) -> None:
    """Report nothing."""


class Operator(Protocol):
    """A symmetric operator whose largest eigenvalues theta tell wanted eigenvalues lambda."""

    def __call__(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the operator times ``block``, shape (n, n_columns)."""
        ...

    def theta(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the eigenvalues theta that tell of ``values``."""
        ...

    def tolerance(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual at which each pair is accurate enough, in units of theta."""
        ...


class Start(NamedTuple):
    """The first eigenpairs, known to the tolerance: what an iteration sets out from."""

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]


class Keeper(Protocol):
    """Keeps what a long iteration has found so far."""

    def is_due(self, n_first: int) -> bool:
        """Say whether so many pairs from the first on, all that have converged, are to be kept."""
        ...

    def __call__(self, vectors: NDArray[np.float64]) -> None:
        """Keep the pairs of the span of ``vectors``, which may be overwritten."""
        ...


def largest_eigenvectors(
    operator: Operator,
    kernel: NDArray[np.float64],
    k: int,
    *,
    n_block: int,
    max_size: int,
    max_steps: int,
    start: Start | None = None,
    keeper: Keeper | None = None,
    report: Report = silent,
) -> NDArray[np.float64] | None:
    """Return vectors that span the eigenspaces of the k largest eigenvalues.

    Full orthogonalisation keeps ghosts away; a direction that vanishes, because the
    Krylov space is exhausted, is replaced by a random one, so that a multiplicity larger
    than the block is found where the space has room; a basis that outgrows ``max_size`` is
    compressed to its best vectors (thick restart). Pairs that are known are such vectors.

    Parameters
    ----------
    operator : Operator
        On vectors orthogonal to ``kernel``.
    kernel : ndarray of shape (n,)
        Unit vector.
    k : int
    n_block : int
        Vectors that the operator is applied to at once.
    max_size : int
        Most columns of the basis, at least ``k + 2 * n_block``.
    max_steps : int
        Most applications of the operator.
    start : Start, optional
        Fewer than k.
    keeper : Keeper, optional
    report : callable, optional
        Called with a word on what is going on, and how many pairs have converged.

    Returns
    -------
    ndarray of shape (n, k) or None
        Nearly orthonormal; None if ``max_steps`` were not enough, or the tolerance of small
        theta is lost in the rounding of large ones.

    References
    ----------
    R. Grimes, J. Lewis and H. Simon, "A shifted block Lanczos algorithm for solving sparse
    symmetric generalized eigenproblems", SIAM J. Matrix Anal. Appl. 15, 1994.

    K. Wu and H. Simon, "Thick-restart Lanczos method for large symmetric eigenvalue
    problems", SIAM J. Matrix Anal. Appl. 22, 2000.
    """
    space = KrylovSpace(operator, kernel, n_block, max_size, start)
    # On graphs of all kinds it takes two to three times as many steps as to hold k vectors.
    schedule = CheckSchedule(first_check=-(3 * (space.size - k) // (2 * n_block)) + 2)
    n_converged = 0
    for step in range(1, max_steps + 1):
        report(f"step {step}", n_converged)
        space.multiply()
        full = space.size + n_block > max_size
        if full or step >= schedule.next_check:
            theta, ritz = space.ritz_pairs(k)
            ends = space.coupling @ ritz[-n_block:]
            tolerance = operator.tolerance(theta)
            ratios = np.linalg.norm(ends, axis=0) / tolerance
            n_converged, excess = int((ratios <= 1).sum()), float(ratios.max())
            if excess <= 1:
                return space.refined(theta, ritz, ends)
            first = slice(int((ratios > 1).argmax()))
            if keeper is not None and keeper.is_due(first.stop):
                keeper(space.refined(theta[first], ritz[:, first], ends[:, first]))
            lost = tolerance.min() < _ROUNDING * theta[0]
            if lost or schedule.has_stalled(step, excess):
                return None
            schedule.record(step, excess)
        if full:
            space.restart(max(k + n_block, (k + space.size) // 2))
        space.append()
    return None


class CheckSchedule:
    """When to look at the residuals again: every look costs a dense eigenproblem."""

    def __init__(self, first_check: int) -> None:
        self.next_check = first_check
        self._last: tuple[int, float] | None = None
        self._best = 0, np.inf

    def has_stalled(self, step: int, excess: float) -> bool:
        """Say whether the excess has not halved for as long as it took to fall so far."""
        if excess < self._best[1] / 2:
            self._best = step, excess
        return not np.isfinite(excess) or step - self._best[0] > max(_PATIENCE, self._best[0])

    def record(self, step: int, excess: float) -> None:
        """Set the next check where residuals, falling twice as fast, meet their tolerance.

        ``excess`` is the largest residual over its tolerance. Convergence comes late and
        then quickly, so a wait is never long beside the steps already done.
        """
        wait = longest = max(_LEAST_WAIT, step // 4)
        to_go = np.log10(excess)
        if self._last is not None:
            fallen = (self._last[1] - to_go) / (step - self._last[0])
            wait = max(int(min(to_go / (2 * fallen), longest)), 1) if fallen > 0 else longest
        self.next_check = step + wait
        self._last = step, to_go


class KrylovSpace(Subspace):
    """An orthonormal basis that grows by blocks, and the operator's projection onto it."""

    def __init__(
        self,
        operator: Operator,
        kernel: NDArray[np.float64],
        n_block: int,
        max_size: int,
        start: Start | None = None,
    ) -> None:
        super().__init__(kernel, max_size)
        self.operator, self.n_block = operator, n_block
        # Where the vectors begin that the newest block is coupled to.
        self._coupled = 0
        if start is not None:
            self.size = len(start.values)
            self.basis[:, : self.size] = start.vectors
            known = range(self.size)
            self.projection[known, known] = operator.theta(start.values)
        rough, _ = self.orthonormal(np.zeros((len(kernel), n_block)), 1.0)
        # Smooth from the start: what rounding leaves of a rough vector is nothing to a node of
        # ordinary mass, and all to one of next to none.
        smooth, scale = self._image(rough)
        self.remove(smooth, 0)
        self.block, self.coupling = self.orthonormal(smooth, scale)
        self.append()

    def fill(self) -> None:
        """Let the basis grow to its largest size."""
        self.multiply()
        while self.size + self.n_block <= len(self.projection):
            self.append()
            self.multiply()

    def append(self) -> None:
        """Add the next block to the basis."""
        self.basis[:, self.size : self.size + self.n_block] = self.block
        self.size += self.n_block

    def multiply(self) -> None:
        """Apply the operator to the newest block; what is new in the result is the next block."""
        newest = slice(self.size - self.n_block, self.size)
        image, scale = self._image(self.basis[:, newest])
        # First what is large, then all: the second pass takes the rounding of the first.
        first = self.remove(image, self._coupled)
        inside = self.remove(image, 0)
        inside[self._coupled :] += first
        # The operator need not know the kernel, and rounding that grows in it would be found.
        deflate(image, self.kernel)
        self.projection[: self.size, newest] = inside
        self.projection[newest, : self.size] = inside.T
        self.block, self.coupling = self.orthonormal(image, scale)
        self._coupled = newest.start

    def _image(self, block: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return the operator times ``block``, and the length of the longest column."""
        image = np.asfortranarray(self.operator(block))
        return image, float(np.linalg.norm(image, axis=0).max())

    def refined(
        self, theta: NDArray[np.float64], ritz: NDArray[np.float64], ends: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return Ritz vectors after half a step more, for nothing: residuals lie in the next block.

        ``ends`` is what they have of the newest block, times the coupling.
        """
        vectors = (ritz.T @ self.basis[:, : self.size].T).T
        subtract_product(vectors, self.block, -ends / theta)
        return vectors

    def restart(self, n_kept: int) -> None:
        """Compress the basis to its best ``n_kept`` vectors."""
        self.compress(n_kept)
        self._coupled = 0
