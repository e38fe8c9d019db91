"""Smooth signals behind counts and classes: their most likely values, and how sure these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotri
from scipy.special import expit, logit

from skginr._core import warn
from skginr.smoothing._generalised import pseudo_inverse
from skginr.smoothing._penalised import diagonal_of_inverse, solve_penalised
from skginr.smoothing._penalty import Penalty

_Numbers = NDArray[np.float64]

# Newton's steps, and halvings of one.
_MOST_STEPS, _MOST_HALVINGS = 100, 30
# Gain of the logarithm of the likelihood that a step promises, per event, at which it is the last:
# of what is compared, and of what is kept.
CLOSE, EXACT = 1e-7, 1e-15
# Error of a step, which the next one repairs.
_OF_STEP = {CLOSE: 1e-3, EXACT: 1e-8}
_OF_DRAWS = 1e-6
# Share of what a step promises that it has to keep.
_KEPT = 1e-4
# Nodes up to which the variances of all are found, and not estimated; numbers in the draws by which
# they are, and the fewest of these.
_FEW = 300
_NUMBERS, _FEWEST = 1_000_000, 16
# Nodes of a large graph, and how many of it, from which on they are estimated when asked for, too.
_LARGE, _MANY, _FEWEST_SHOWN = 10_000, 64, 32
# Numbers in a block of right-hand sides.
_MOST_NUMBERS = 50_000_000


class Family(Protocol):
    """How observations vary about a mean that is a function of a smooth signal."""

    def average(self, total: _Numbers, seen: _Numbers) -> _Numbers:
        """Return the mean that all observations have, by their sum and by how much was seen."""

    def once(self, average: _Numbers) -> _Numbers:
        """Return how much has to be seen for one observation."""

    def link(self, mean: _Numbers) -> _Numbers:
        """Return the signal of a mean."""

    def mean(self, signal: _Numbers) -> _Numbers:
        """Return the mean that a signal makes."""

    def curvature(self, mean: _Numbers) -> _Numbers:
        """Return minus the second derivative of the logarithm of the likelihood."""

    def log_likelihood(self, y: _Numbers, signal: _Numbers) -> _Numbers:
        """Return it but for what the signal has no part in."""


class Poisson:
    """Counts, whose mean is the exponential of the signal."""

    def average(self, total: _Numbers, seen: _Numbers) -> _Numbers:
        return total / seen

    def once(self, average: _Numbers) -> _Numbers:
        return 1 / average

    def link(self, mean: _Numbers) -> _Numbers:
        return np.log(mean)

    def mean(self, signal: _Numbers) -> _Numbers:
        return np.exp(signal)

    def curvature(self, mean: _Numbers) -> _Numbers:
        return mean

    def log_likelihood(self, y: _Numbers, signal: _Numbers) -> _Numbers:
        return y * signal - np.exp(signal)


class Bernoulli:
    """Yes or no, whose log odds are the signal."""

    def average(self, total: _Numbers, seen: _Numbers) -> _Numbers:
        # A class that is in no row may be in others.
        return (total + 0.5) / (seen + 1)

    def once(self, average: _Numbers) -> _Numbers:
        return np.ones_like(average)

    def link(self, mean: _Numbers) -> _Numbers:
        return logit(mean)

    def mean(self, signal: _Numbers) -> _Numbers:
        return expit(signal)

    def curvature(self, mean: _Numbers) -> _Numbers:
        return mean * (1 - mean)

    def log_likelihood(self, y: _Numbers, signal: _Numbers) -> _Numbers:
        return y * signal - np.logaddexp(0.0, signal)


class Mode(NamedTuple):
    """The most likely signals, a column each.

    Attributes
    ----------
    smooth : ndarray of shape (n_nodes, n_columns)
        f, deviations from the offsets.
    own : ndarray of shape (n_nodes, n_columns)
        u, what a node has to itself.
    coefficients : ndarray of shape (n_effects, n_columns)
    offsets : ndarray of shape (n_columns,)
    information : ndarray of shape (n_nodes, n_columns)
        Sum over the rows of a node of their curvatures.
    moments : ndarray of shape (n_nodes, n_columns, n_effects)
        The same of the design.
    squares : ndarray of shape (n_columns, n_effects, n_effects)
    lone : ndarray of bool, shape (n_nodes, n_columns)
        Nodes of components without a row.
    """

    smooth: _Numbers
    own: _Numbers
    coefficients: _Numbers
    offsets: _Numbers
    information: _Numbers
    moments: _Numbers
    squares: _Numbers
    lone: NDArray[np.bool_]

    def of(self, columns: NDArray[np.intp]) -> Mode:
        """Return some columns."""
        return Mode(
            self.smooth[:, columns],
            self.own[:, columns],
            self.coefficients[:, columns],
            self.offsets[columns],
            self.information[:, columns],
            self.moments[:, columns],
            self.squares[columns],
            self.lone[:, columns],
        )

    def node_signal(self) -> _Numbers:
        """Return the signal at nodes of effects 0, of shape (n_nodes, n_columns)."""
        return self.offsets + self.smooth + self.own


class Spread(NamedTuple):
    """How sure signals are about their mode, as a normal distribution about it.

    Attributes
    ----------
    smooth : ndarray of shape (n_nodes, n_columns)
        Variance of f for known coefficients; infinite where there is no row.
    own : ndarray of shape (n_nodes, n_columns)
        Variance of u for known f and coefficients.
    kept : ndarray of shape (n_nodes, n_columns)
        Share of f's errors that u does not make good.
    slopes : ndarray of shape (n_nodes, n_columns, n_effects)
        What f + u loses by as much more of a coefficient.
    effects : ndarray of shape (n_columns, n_effects, n_effects)
        Covariance of coefficients.
    """

    smooth: _Numbers
    own: _Numbers
    kept: _Numbers
    slopes: _Numbers
    effects: _Numbers

    def of(self, columns: NDArray[np.intp]) -> Spread:
        """Return some columns."""
        return Spread(
            self.smooth[:, columns],
            self.own[:, columns],
            self.kept[:, columns],
            self.slopes[:, columns],
            self.effects[columns],
        )

    def at(self, nodes: NDArray[np.intp], design: _Numbers) -> _Numbers:
        """Return the variance of the signal at rows, of shape (n_rows, n_columns)."""
        left = design[:, None] - self.slopes[nodes]
        found = np.einsum("ijk,jkl,ijl->ij", left, self.effects, left)
        return found + self.own[nodes] + self.kept[nodes] ** 2 * self.smooth[nodes]


@dataclass(frozen=True)
class LaplaceProblem:
    """Maximise ``sum_i w_i l(y_i, s_i) - alpha f'Qf / 2 - u'u / (2 v)``, Laplace's way.

    With ``s_i = o + h_i'b + f(node_i) + u(node_i)`` and l the logarithm of the likelihood. Columns
    of y and of weights are problems of their own which are solved together.

    So that every signal is finite, whatever was or was not counted: each component counts as if it
    had been seen once more, as the average of all is, spread over its rows by their weights.

    Attributes
    ----------
    penalty : Penalty
        Q.
    components : ndarray of int, shape (n_nodes,), or None
        Connected components, where f is 0 if there is no row; None if Q is positive definite.
    nodes : ndarray of int, shape (n_rows,)
    design : ndarray of shape (n_rows, n_effects)
        h.
    family : Family
    """

    penalty: Penalty
    components: NDArray[np.intp] | None
    nodes: NDArray[np.intp]
    design: _Numbers
    family: Family

    def fit(
        self,
        alpha: float,
        own: float,
        y: _Numbers,
        weights: _Numbers,
        *,
        start: Mode | None = None,
        tolerance: float = EXACT,
    ) -> Mode:
        """Return the mode of every column, by Newton's method.

        Parameters
        ----------
        alpha : float
            Strength, relative to the scaled penalty.
        own : float
            Variance v; 0 leaves u out.
        y, weights : ndarray of shape (n_rows, n_columns)
            Some weight of every column is positive, and its mean of y within what the family can.
        start : Mode, optional
            Of the same columns.
        tolerance : {CLOSE, EXACT}
        """
        n_nodes, (n_columns, n_effects) = len(self.penalty.mass), (y.shape[1], self.design.shape[1])
        seen = weights.sum(axis=0)
        means = self.family.average((weights * y).sum(axis=0), seen)
        once = self.family.once(means)
        y, weights, lone = self._seen_once_more(y, weights, means, once)
        scale = 1 + seen / once
        nothing = np.zeros((n_nodes, n_columns))
        mode = Mode(
            nothing.copy() if start is None else start.smooth.copy(),
            nothing if start is None or own == 0 else start.own.copy(),
            np.zeros((n_effects, n_columns)) if start is None else start.coefficients.copy(),
            self.family.link(means),
            np.zeros((n_nodes, n_columns)),
            np.zeros((n_nodes, n_columns, n_effects)),
            np.zeros((n_columns, n_effects, n_effects)),
            lone,
        )
        left = np.arange(n_columns)
        reached = np.full(n_columns, -np.inf)
        for _ in range(_MOST_STEPS):
            some = mode.of(left)
            steps, promised = self._newton(
                some, alpha, own, y[:, left], weights[:, left], tolerance
            )
            mode.information[:, left], mode.moments[:, left] = some.information, some.moments
            mode.squares[left] = some.squares
            going = promised > tolerance * scale[left]
            if not going.any():
                return mode
            left = left[going]
            steps = [step[:, going] for step in steps]
            self._go(mode, steps, promised[going], left, alpha, own, y, weights, reached)
        warn(
            f"the most likely signal was not found in {_MOST_STEPS} steps; predictions may be off. "
            f"Raise alpha, or look at rows whose values are far from those of all others."
        )
        return mode

    def in_units_of_graph(self, alpha: float) -> float:
        """Return a strength, relative to the scaled penalty, as the user gives it."""
        return alpha / self.penalty.scale

    def signal(self, mode: Mode) -> _Numbers:
        """Return the signal at the rows of the problem, of shape (n_rows, n_columns)."""
        return mode.node_signal()[self.nodes] + self.design @ mode.coefficients

    def spread(
        self,
        mode: Mode,
        alpha: float,
        own: float,
        nodes: NDArray[np.intp] | None = None,
    ) -> Spread:
        """Return how sure the signals are: at ``nodes`` alone, or about at all."""
        counts, kept, slopes, effects = self._conditional(mode, alpha, own)
        distinct = np.unique([] if nodes is None else nodes)
        if nodes is None and len(counts) <= _FEW:
            smooth = self._dense_variances(counts, alpha)
        elif nodes is None or (len(counts) > _LARGE and len(distinct) > _MANY):
            fewest = _FEWEST if nodes is None else _FEWEST_SHOWN
            smooth = self._estimated_variances(counts, alpha, fewest)
        else:
            smooth = np.full(counts.shape, np.nan)
            for column, seen in enumerate(counts.T):
                found = diagonal_of_inverse(self.penalty, alpha, seen, distinct)
                smooth[distinct, column] = found
        smooth[mode.lone] = np.inf
        return Spread(smooth, own * kept, kept, slopes, effects)

    def draw(
        self, mode: Mode, alpha: float, own: float, n_draws: int, random: np.random.RandomState
    ) -> tuple[_Numbers, _Numbers]:
        """Return draws of the only column: its signal at nodes, and coefficients.

        Of shape (n_nodes, n_draws), NaN where there is no row, and (n_effects, n_draws).
        """
        counts, kept, slopes, covariance = self._conditional(mode, alpha, own)
        values, vectors = np.linalg.eigh(covariance[0])
        root = vectors * np.sqrt(np.maximum(values, 0))
        effects = root @ random.standard_normal((len(root), n_draws))
        smooth, _ = self._draws_and_noise(counts, alpha, n_draws, random, _OF_DRAWS)
        drawn = mode.node_signal() - slopes[:, 0] @ effects
        drawn += kept * smooth[:, 0]
        drawn += np.sqrt(own * kept) * random.standard_normal(drawn.shape)
        drawn[mode.lone[:, 0]] = np.nan
        return drawn, mode.coefficients + effects

    def _seen_once_more(
        self, y: _Numbers, weights: _Numbers, means: _Numbers, once: _Numbers
    ) -> tuple[_Numbers, _Numbers, NDArray[np.bool_]]:
        """Return y and weights with a part more of each row, and nodes without any."""
        n_nodes = len(self.penalty.mass)
        components = np.zeros(n_nodes, np.intp) if self.components is None else self.components
        shape = (components.max() + 1, len(self.nodes))
        rows = np.arange(len(self.nodes))
        of_component = sp.csr_array((np.ones(len(rows)), (components[self.nodes], rows)), shape)
        seen = of_component @ weights
        more = once / np.where(seen > 0, seen, 1.0)
        more = more[components[self.nodes]]
        return (y + more * means) / (1 + more), weights * (1 + more), seen[components] == 0

    def _rows_of_node(self) -> sp.csr_array:
        rows = np.arange(len(self.nodes))
        shape = (len(self.penalty.mass), len(rows))
        return sp.csr_array((np.ones(len(rows)), (self.nodes, rows)), shape)

    def _newton(
        self,
        mode: Mode,
        alpha: float,
        own: float,
        y: _Numbers,
        weights: _Numbers,
        tolerance: float,
    ) -> tuple[list[_Numbers], _Numbers]:
        """Return Newton's steps of f, u and b, and what they promise; fills in curvatures."""
        n_nodes, n_columns = mode.smooth.shape
        n_effects = self.design.shape[1]
        rows_of_node = self._rows_of_node()
        mean = self.family.mean(self.signal(mode))
        curvature = weights * self.family.curvature(mean)
        residual = weights * (y - mean)
        mode.information[:] = rows_of_node @ curvature
        products = curvature[..., None] * self.design[:, None]
        flat = products.reshape(len(products), n_columns * n_effects)
        mode.moments[:] = (rows_of_node @ flat).reshape(n_nodes, n_columns, n_effects)
        mode.squares[:] = np.einsum("ijk,il->jkl", products, self.design)
        # Each node by itself first: u is no unknown of the large system.
        at_node = rows_of_node @ residual
        kept = 1 / (1 + own * mode.information)
        of_smooth = at_node - alpha * (self.penalty @ mode.smooth)
        of_own = at_node - (mode.own / own if own else 0.0)
        right = of_smooth - kept * own * mode.information * of_own
        solved, covariance, shapes = self._solve(mode, alpha, own, right, _OF_STEP[tolerance])
        of_effects = self.design.T @ residual
        pulled = of_effects - np.einsum("ijk,ij->kj", mode.moments, own * kept * of_own)
        pulled -= np.einsum("ijk,ij->kj", mode.moments, kept * solved)
        effects = np.einsum("jkl,lj->kj", covariance, pulled)
        smooth = solved - np.einsum("ijk,kj->ij", shapes, effects)
        moved = mode.information * smooth + np.einsum("ijk,kj->ij", mode.moments, effects)
        alone = own * kept * (of_own - moved)
        promised = (smooth * of_smooth + alone * of_own).sum(axis=0)
        promised += (effects * of_effects).sum(axis=0)
        return [smooth, alone, effects], promised

    def _solve(
        self, mode: Mode, alpha: float, own: float, right: _Numbers, tolerance: float
    ) -> tuple[_Numbers, _Numbers, _Numbers]:
        """Return f for known b, the covariance of b, and how f answers to b."""
        n_nodes, n_columns, n_effects = mode.moments.shape
        kept = 1 / (1 + own * mode.information)
        shrunk = np.where(mode.lone, 1.0, kept * mode.information)
        moments = kept[..., None] * mode.moments
        sides = np.concatenate([right[..., None], moments], axis=2)
        owners = np.repeat(np.arange(n_columns), 1 + n_effects)
        solved, _ = solve_penalised(
            self.penalty,
            alpha,
            shrunk,
            sides.reshape(n_nodes, n_columns * (1 + n_effects)),
            owners,
            tolerance=tolerance,
        )
        solved = solved.reshape(sides.shape)
        shapes = solved[..., 1:]
        energy = mode.squares - np.einsum("ijk,ijl->jkl", own * moments, mode.moments)
        energy -= np.einsum("ijk,ijl->jkl", moments, shapes)
        covariance = np.zeros_like(energy)
        for column, matrix in enumerate(energy):
            # What f can make by itself at no cost has no coefficient.
            least = max(1e-10, 10 * tolerance**2) * np.diag(mode.squares[column])
            covariance[column] = pseudo_inverse((matrix + matrix.T) / 2, least)
        return solved[..., 0], covariance, shapes

    def _conditional(
        self, mode: Mode, alpha: float, own: float
    ) -> tuple[_Numbers, _Numbers, _Numbers, _Numbers]:
        """Return the weights of nodes beside f; and ``kept``, ``slopes``, ``effects`` of Spread."""
        kept = 1 / (1 + own * mode.information)
        counts = np.where(mode.lone, 1.0, kept * mode.information)
        nothing = np.zeros_like(mode.smooth)
        _, covariance, shapes = self._solve(mode, alpha, own, nothing, _OF_DRAWS)
        slopes = kept[..., None] * (shapes + own * mode.moments)
        return counts, kept, slopes, covariance

    def _dense_variances(self, counts: _Numbers, alpha: float) -> _Numbers:
        rough = alpha * self.penalty.matrix().toarray()
        least = 1e-13 * rough.diagonal()
        factors = [np.linalg.cholesky(rough + np.diag(c + least)) for c in counts.T]
        return np.column_stack([dpotri(root, lower=True)[0].diagonal() for root in factors])

    def _estimated_variances(self, counts: _Numbers, alpha: float, fewest: int) -> _Numbers:
        """Return variances of f for known b: given all other nodes, and of what that says [1]_.

        .. [1] P. Sidén et al., "Efficient covariance approximations for large sparse precision
           matrices", JCGS 2018.
        """
        n_nodes, n_columns = counts.shape
        n_draws = max(fewest, _NUMBERS // (n_nodes * n_columns))
        diagonal = counts + alpha * self._diagonal()[:, None]
        found = np.empty(counts.shape)
        width = max(1, _MOST_NUMBERS // (n_nodes * n_draws))
        for start in range(0, n_columns, width):
            some = slice(start, start + width)
            random = np.random.RandomState(0)
            draws, noise = self._draws_and_noise(counts[:, some], alpha, n_draws, random, 1e-3)
            told = draws - noise / diagonal[:, some, None]
            found[:, some] = 1 / diagonal[:, some] + (told**2).mean(axis=2)
        return found

    def _draws_and_noise(
        self,
        counts: _Numbers,
        alpha: float,
        n_draws: int,
        random: np.random.RandomState,
        tolerance: float,
    ) -> tuple[_Numbers, _Numbers]:
        """Return draws of f for known b, (n_nodes, n_columns, n_draws), and what they solve for."""
        n_nodes, n_columns = counts.shape
        rough = np.sqrt(alpha) * self.penalty.rough_noise(random, n_draws)
        of_rows = random.standard_normal((n_nodes, 1, n_draws))
        noise = rough[:, None] + np.sqrt(counts)[..., None] * of_rows
        owners = np.repeat(np.arange(n_columns), n_draws)
        solved, _ = solve_penalised(
            self.penalty, alpha, counts, noise.reshape(n_nodes, -1), owners, tolerance=tolerance
        )
        return solved.reshape(noise.shape), noise

    def _diagonal(self) -> _Numbers:
        if self.penalty.order == 1:
            return self.penalty.diagonal
        return self.penalty.matrix().diagonal()

    def _go(
        self,
        mode: Mode,
        steps: list[_Numbers],
        promised: _Numbers,
        columns: NDArray[np.intp],
        alpha: float,
        own: float,
        y: _Numbers,
        weights: _Numbers,
        reached: _Numbers,
    ) -> None:
        """Go as far along each step as gains what it has promised, in place."""
        size = np.ones(len(columns))
        start = [part[:, columns] for part in mode[:3]]
        if not np.isfinite(reached[columns]).all():
            reached[columns] = self._objective(
                mode.of(columns), alpha, own, y[:, columns], weights[:, columns]
            )
        trying = np.arange(len(columns))
        for _ in range(_MOST_HALVINGS):
            chosen = columns[trying]
            for part, at, step in zip(mode[:3], start, steps, strict=True):
                part[:, chosen] = at[:, trying] + size[trying] * step[:, trying]
            found = self._objective(mode.of(chosen), alpha, own, y[:, chosen], weights[:, chosen])
            wanted = reached[chosen] + _KEPT * size[trying] * promised[trying]
            # Nothing is gained by less than rounding.
            enough = found >= wanted - 1e-13 * (1 + np.abs(wanted))
            reached[chosen[enough]] = found[enough]
            trying = trying[~enough]
            if not len(trying):
                return
            size[trying] /= 2
        for part, at in zip(mode[:3], start, strict=True):
            part[:, columns[trying]] = at[:, trying]

    def _objective(
        self, mode: Mode, alpha: float, own: float, y: _Numbers, weights: _Numbers
    ) -> _Numbers:
        with np.errstate(over="ignore", invalid="ignore"):
            likely = weights * self.family.log_likelihood(y, self.signal(mode))
            rough = np.einsum("ij,ij->j", mode.smooth, self.penalty @ mode.smooth)
            found = likely.sum(axis=0) - 0.5 * alpha * rough
        if own:
            found -= (mode.own**2).sum(axis=0) / (2 * own)
        return np.where(np.isfinite(found), found, -np.inf)
