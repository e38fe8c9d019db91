"""Generalised least squares on a graph: smooth signals plus a linear model, fitted together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr.smoothing._penalised import diagonal_of_inverse, solve_penalised
from skginr.smoothing._penalty import Penalty

# Numbers in a block of right-hand sides: 400 MB.
_MOST_NUMBERS = 50_000_000


class SmoothFit(NamedTuple):
    """The minimisers of some signals, for one choice of rows to train on.

    Attributes
    ----------
    signal : ndarray of shape (n_nodes, n_signals)
        Intercept and smooth part at every node.
    coefficients : ndarray of shape (n_covariates, n_signals)
    loss : ndarray of shape (n_signals,)
        The minimum: squared errors plus penalty.
    shapes : ndarray of shape (n_patterns, n_nodes, n_columns)
        What the smooth part would make of each column of the design.
    precision : ndarray of shape (n_patterns, n_columns, n_columns)
        Pseudo-inverse of the covariance of the linear model's coefficients, in units of the
        noise.
    doubtful : ndarray of bool, shape (n_nodes,), or None
        Where rounding has decided the signal.
    """

    signal: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    loss: NDArray[np.float64]
    shapes: NDArray[np.float64]
    precision: NDArray[np.float64]
    doubtful: NDArray[np.bool_] | None = None


class Smoothed(NamedTuple):
    """The minimisers of signals, each at a strength of its own.

    Attributes
    ----------
    signal : ndarray of shape (n_nodes, n_signals)
    coefficients : ndarray of shape (n_covariates, n_signals)
    noise : ndarray of shape (n_signals,)
        Variance of a row of weight 1.
    doubtful : ndarray of bool, shape (n_nodes,)
    """

    signal: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    noise: NDArray[np.float64]
    doubtful: NDArray[np.bool_]


class _System(NamedTuple):
    """The rows of one pattern, in one fit: what has one matrix.

    Attributes
    ----------
    fit, pattern : int
    signals : ndarray of int
        Which of those asked for have this pattern.
    weights : ndarray of shape (n_rows,)
    means : ndarray of shape (n_signals,)
    targets : ndarray of shape (n_rows, n_signals + n_columns)
        Deviations of y from its means, and the columns of the design.
    """

    fit: int
    pattern: int
    signals: NDArray[np.intp]
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    targets: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class SmoothProblem:
    """Minimise ``sum_i w_i (y_i - h_i'b - f(node_i))**2 + alpha f' Q f`` over b and f.

    Of every signal by itself; signals that are known in the same rows share their systems.

    Attributes
    ----------
    penalty : Penalty
        Q.
    components : ndarray of int, shape (n_nodes,), or None
        Connected components, where f is 0 if there is no observation; None if Q is positive
        definite.
    nodes : ndarray of int, shape (n_rows,)
    y : ndarray of shape (n_rows, n_signals)
        Any number where it has no weight.
    weights : ndarray of shape (n_rows, n_patterns)
        How often a row counts, in units of ``unit``; 0 where it does not.
    patterns : ndarray of int, shape (n_signals,)
        Which weights are those of a signal.
    unit : float
        Of the weights.
    design : ndarray of shape (n_rows, n_columns)
        h: the intercept, if there is one, and covariates.
    n_intercepts : {0, 1}
    """

    penalty: Penalty
    components: NDArray[np.intp] | None
    nodes: NDArray[np.intp]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    patterns: NDArray[np.intp]
    unit: float
    design: NDArray[np.float64]
    n_intercepts: int

    @property
    def n_signals(self) -> int:
        return self.y.shape[1]

    def in_units_of_graph(self, relative: Any) -> Any:
        """Return strengths, relative to the scaled penalty, as the user gives them."""
        return relative * (self.unit / self.penalty.scale)

    def relative(self, alphas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return strengths that the user gives relative to the scaled penalty."""
        return alphas / (self.unit / self.penalty.scale)

    def fit(
        self,
        alpha: float,
        tolerance: float,
        *,
        training: NDArray[np.float64] | None = None,
        signals: NDArray[np.intp] | None = None,
        pull: NDArray[np.float64] | None = None,
    ) -> list[SmoothFit]:
        """Return a fit for each column of ``training``; a signal without a row in it is NaN.

        Parameters
        ----------
        alpha : float
            Strength, relative to the scaled penalty and the unit of weights.
        tolerance : float
            As in :func:`~skginr.smoothing._penalised.solve_penalised`.
        training : ndarray of shape (n_rows, n_fits), optional
            1 where a row is used, else 0; by default one fit of all rows.
        signals : ndarray of int, optional
            Those wanted; by default all.
        pull : ndarray of shape (n_nodes, n_signals), optional
            What draws f: ``- 2 f' pull`` is minimised, too.
        """
        training = np.ones((len(self.y), 1)) if training is None else training
        signals = np.arange(self.n_signals) if signals is None else signals
        fits = [self._nothing(len(signals)) for _ in range(training.shape[1])]
        for systems in self._blocks(training, signals):
            for system, shapes, doubtful in self._solve(systems, alpha, tolerance, signals, pull):
                pulled = None if pull is None else pull[:, signals[system.signals]]
                fits[system.fit] = self._with(
                    fits[system.fit], system, shapes, doubtful, alpha, pulled
                )
        return fits

    def without(self, training: NDArray[np.float64]) -> SmoothProblem:
        """Return the problem of the rows of which ``training`` is 1."""
        return dataclasses.replace(self, weights=self.weights * training[:, None])

    def fit_each(self, alphas: NDArray[np.float64]) -> Smoothed:
        """Return every signal at its own strength, to all digits."""
        n_nodes, n_covariates = len(self.penalty.mass), self.design.shape[1] - self.n_intercepts
        found = Smoothed(
            np.empty((n_nodes, self.n_signals)),
            np.empty((n_covariates, self.n_signals)),
            np.empty(self.n_signals),
            np.zeros(n_nodes, dtype=bool),
        )
        for alpha in np.unique(alphas):
            signals = np.flatnonzero(alphas == alpha)
            fit = self.fit(float(alpha), 1e-10, signals=signals)[0]
            found.signal[:, signals] = fit.signal
            found.coefficients[:, signals] = fit.coefficients
            found.noise[signals] = self.noise_variances(fit, signals)
            if fit.doubtful is not None:
                found.doubtful[fit.doubtful] = True
        return found

    def predict(self, fit: SmoothFit) -> NDArray[np.float64]:
        """Return predictions at the rows of the problem, of shape (n_rows, n_signals)."""
        return fit.signal[self.nodes] + self.design[:, self.n_intercepts :] @ fit.coefficients

    def noise_variances(self, fit: SmoothFit, signals: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the variance of a row of weight 1 about each of the signals of a fit.

        Infinite if no row is left to tell by. Weights that sum to fewer rows than there are tell by
        their ratios alone.
        """
        n_rows = np.maximum(self.unit * self.weights.sum(axis=0), (self.weights > 0).sum(axis=0))
        n_left = (n_rows - self._n_free(fit))[self.patterns[signals]]
        return np.where(n_left > 0, self.unit * fit.loss / np.where(n_left > 0, n_left, 1), np.inf)

    def node_variances(
        self, alpha: float, nodes: NDArray[np.intp], pattern: int
    ) -> NDArray[np.float64]:
        """Return the variance of f at distinct nodes in units of the noise, for known b."""
        known = self._counts(self._rows_of_node() @ self.weights[:, [pattern]])[:, 0]
        variances = diagonal_of_inverse(self.penalty, alpha, known, nodes)
        return np.where(self.unobserved(pattern)[nodes], np.inf, variances / self.unit)

    def effect_variances(
        self,
        fit: SmoothFit,
        nodes: NDArray[np.intp],
        covariates: NDArray[np.float64],
        pattern: int,
    ) -> NDArray[np.float64]:
        """Return what not knowing b adds to the variance, in units of the noise."""
        design = np.hstack([np.ones((len(nodes), self.n_intercepts)), covariates])
        left = design - fit.shapes[pattern, nodes]
        return np.einsum("ij,jk,ik->i", left, fit.precision[pattern], left) / self.unit

    def unobserved(self, pattern: int) -> NDArray[np.bool_]:
        """Return which nodes are in components without an observation."""
        counts = self._rows_of_node() @ self.weights[:, [pattern]]
        return (self._counts(counts) != counts)[:, 0]

    def _n_free(self, fit: SmoothFit) -> NDArray[np.intp]:
        """Return how many dimensions of y are fitted at no cost: constants and the linear model.

        Of each pattern. A component that was observed has one smooth signal without any roughness.
        """
        free = np.zeros(self.weights.shape[1], dtype=np.intp)
        for pattern, weights in enumerate(self.weights.T):
            if self.components is not None:
                free[pattern] = len(np.unique(self.components[self.nodes[weights > 0]]))
            precision = fit.precision[pattern]
            # numpy has no rank of nothing before 2.1.
            if precision.size:
                free[pattern] += int(np.linalg.matrix_rank(precision, hermitian=True))
        return free

    def _nothing(self, n_signals: int) -> SmoothFit:
        n_nodes, n_columns, n_patterns = (
            len(self.penalty.mass),
            self.design.shape[1],
            self.weights.shape[1],
        )
        return SmoothFit(
            np.full((n_nodes, n_signals), np.nan),
            np.full((n_columns - self.n_intercepts, n_signals), np.nan),
            np.full(n_signals, np.nan),
            np.zeros((n_patterns, n_nodes, n_columns)),
            np.zeros((n_patterns, n_columns, n_columns)),
        )

    def _blocks(
        self, training: NDArray[np.float64], signals: NDArray[np.intp]
    ) -> Iterator[list[_System]]:
        """Yield systems, as many at once as memory is for."""
        block: list[_System] = []
        n_columns, most = 0, _MOST_NUMBERS // len(self.penalty.mass)
        for system in self._systems(training, signals):
            width = system.targets.shape[1]
            if block and n_columns + width > most:
                yield block
                block, n_columns = [], 0
            block.append(system)
            n_columns += width
        if block:
            yield block

    def _systems(
        self, training: NDArray[np.float64], signals: NDArray[np.intp]
    ) -> Iterator[_System]:
        patterns = self.patterns[signals]
        for fit, used in enumerate(training.T):
            for pattern in np.unique(patterns):
                mine = np.flatnonzero(patterns == pattern)
                weights = used * self.weights[:, pattern]
                if not weights.any():
                    continue
                y = self.y[:, signals[mine]]
                means = weights @ y / weights.sum()
                targets = np.hstack([y - means, self.design])
                yield _System(fit, int(pattern), mine, weights, means, targets)

    def _solve(
        self,
        systems: list[_System],
        alpha: float,
        tolerance: float,
        signals: NDArray[np.intp],
        pull: NDArray[np.float64] | None,
    ) -> Iterator[tuple[_System, NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield what the smooth part makes of the targets of each system."""
        rows_of_node = self._rows_of_node()
        owners = np.repeat(np.arange(len(systems)), [s.targets.shape[1] for s in systems])
        right = rows_of_node @ np.hstack([s.weights[:, None] * s.targets for s in systems])
        counts = self._counts(rows_of_node @ np.column_stack([s.weights for s in systems]))
        starts = np.searchsorted(owners, np.arange(len(systems)))
        if pull is not None:
            for start, system in zip(starts, systems, strict=True):
                columns = slice(start, start + len(system.signals))
                right[:, columns] += pull[:, signals[system.signals]]
        solved, doubtful = solve_penalised(
            self.penalty, alpha, counts, right, owners, tolerance=tolerance
        )
        for number, system in enumerate(systems):
            yield system, solved[:, owners == number], doubtful

    def _with(
        self,
        fit: SmoothFit,
        system: _System,
        solved: NDArray[np.float64],
        doubtful: NDArray[np.bool_],
        alpha: float,
        pull: NDArray[np.float64] | None,
    ) -> SmoothFit:
        """Return the fit with the signals of one system, once their linear model is known."""
        n = len(system.signals)
        of_y, of_design = solved[:, :n], solved[:, n:]
        roots = np.sqrt(system.weights)[:, None]
        residuals = roots * (system.targets - solved[self.nodes])
        rough = alpha * (self.penalty @ solved)
        # As energies, whose errors are the squares of the solver's.
        energy = residuals[:, n:].T @ residuals + of_design.T @ rough
        losses = (residuals[:, :n] ** 2).sum(axis=0) + np.einsum("ij,ij->j", of_y, rough[:, :n])
        squares = ((roots * system.targets[:, n:]) ** 2).sum(axis=0)
        precision = pseudo_inverse(energy[:, n:], 1e-10 * min(1.0, alpha) * squares)
        moments = energy[:, :n] if pull is None else energy[:, :n] - of_design.T @ pull
        b = precision @ moments
        fit.shapes[system.pattern], fit.precision[system.pattern] = of_design, precision
        intercepts = system.means + b[: self.n_intercepts].sum(axis=0)
        fit.signal[:, system.signals] = intercepts + of_y - of_design @ b
        fit.coefficients[:, system.signals] = b[self.n_intercepts :]
        fit.loss[system.signals] = np.maximum(0.0, losses - (moments * b).sum(axis=0))
        known = doubtful if fit.doubtful is None else fit.doubtful | doubtful
        return fit._replace(doubtful=known)

    def _rows_of_node(self) -> sp.csr_array:
        ones = np.ones(len(self.nodes))
        entries = (ones, (self.nodes, np.arange(len(self.nodes))))
        return sp.csr_array(entries, shape=(len(self.penalty.mass), len(self.nodes)))

    def _counts(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``counts`` with 1 in components that have none, where f is then 0."""
        if self.components is None:
            return counts
        ones = np.ones(len(self.components))
        entries = (ones, (self.components, np.arange(len(ones))))
        in_component = sp.csr_array(entries) @ counts
        return np.where(in_component[self.components] > 0, counts, 1.0)


def pseudo_inverse(
    matrix: NDArray[np.float64], negligible: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Invert a positive semi-definite matrix but for columns of negligible diagonal.

    Those are columns of the design that the smooth part can make by itself at no cost.
    """
    kept = np.flatnonzero(np.diag(matrix) > negligible)
    inverse = np.zeros_like(matrix)
    scale = np.diag(matrix)[kept] ** -0.5
    correlations = scale[:, None] * matrix[np.ix_(kept, kept)] * scale
    inverse[np.ix_(kept, kept)] = (
        scale[:, None] * np.linalg.pinv(correlations, rcond=1e-8, hermitian=True) * scale
    )
    return inverse
