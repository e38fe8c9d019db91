"""Generalised least squares on a graph: a smooth signal plus a linear model, fitted together."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr.smoothing._penalised import diagonal_of_inverse, solve_penalised
from skginr.smoothing._penalty import Penalty


class SmoothFit(NamedTuple):
    """The minimiser for one set of row weights.

    Attributes
    ----------
    signal : ndarray of shape (n_nodes,)
        Intercept and smooth part at every node.
    coefficients : ndarray of shape (n_covariates,)
    loss : float
        The minimum: squared errors plus penalty.
    shapes : ndarray of shape (n_nodes, n_columns)
        What the smooth part would make of each column of the design.
    precision : ndarray of shape (n_columns, n_columns)
        Pseudo-inverse of the covariance of the linear model's coefficients, in units of the
        noise.
    doubtful : ndarray of bool, shape (n_nodes,), or None
        Where rounding has decided the signal.
    """

    signal: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    loss: float
    shapes: NDArray[np.float64]
    precision: NDArray[np.float64]
    doubtful: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class SmoothProblem:
    """Minimise ``sum_i w_i (y_i - h_i'b - f(node_i))**2 + alpha f' Q f`` over b and f.

    Attributes
    ----------
    penalty : Penalty
        Q.
    components : ndarray of int, shape (n_nodes,), or None
        Connected components, where f is 0 if there is no observation; None if Q is positive
        definite.
    nodes : ndarray of int, shape (n_rows,)
    y : ndarray of shape (n_rows,)
    design : ndarray of shape (n_rows, n_columns)
        h: the intercept, if there is one, and covariates.
    n_intercepts : {0, 1}
    """

    penalty: Penalty
    components: NDArray[np.intp] | None
    nodes: NDArray[np.intp]
    y: NDArray[np.float64]
    design: NDArray[np.float64]
    n_intercepts: int

    def fit(self, alpha: float, weights: NDArray[np.float64], tolerance: float) -> list[SmoothFit]:
        """Return a fit for each column of the weights, shape (n_rows, n_fits), of 0 or 1.

        Parameters
        ----------
        alpha : float
            Strength, relative to the scaled penalty.
        weights : ndarray of shape (n_rows, n_fits)
        tolerance : float
            As in :func:`~skginr.smoothing._penalised.solve_penalised`.
        """
        n_fits, width = weights.shape[1], 1 + self.design.shape[1]
        means = (weights * self.y[:, None]).sum(axis=0) / weights.sum(axis=0)
        # For each fit, deviations of y and the columns of the design: of shape (n_rows, n_fits,
        # width), as a block of columns for the solver.
        targets = np.empty((len(self.y), n_fits, width))
        targets[..., 0] = self.y[:, None] - means
        targets[..., 1:] = self.design[:, None]
        weighted = (weights[..., None] * targets).reshape(len(self.y), -1)
        rows_of_node = self._rows_of_node()
        counts = np.repeat(self._counts(rows_of_node @ weights), width, axis=1)
        shapes, doubtful = solve_penalised(
            self.penalty, alpha, counts, rows_of_node @ weighted, tolerance=tolerance
        )
        rough = alpha * (self.penalty @ shapes)
        residuals = weighted - np.repeat(weights, width, axis=1) * shapes[self.nodes]
        fits = []
        for i in range(n_fits):
            columns = slice(i * width, (i + 1) * width)
            # As an energy, whose error is the square of the solver's.
            energy = residuals[:, columns].T @ residuals[:, columns]
            energy += shapes[:, columns].T @ rough[:, columns]
            squares = (weighted[:, columns] ** 2).sum(axis=0)
            fits.append(self._combine(shapes[:, columns], energy, squares, alpha, means[i]))
        return [fit._replace(doubtful=doubtful) for fit in fits]

    def predict(self, fit: SmoothFit) -> NDArray[np.float64]:
        """Return the prediction at the rows of the problem."""
        return fit.signal[self.nodes] + self.design[:, self.n_intercepts :] @ fit.coefficients

    def n_free(self, fit: SmoothFit) -> int:
        """Return how many dimensions of y are fitted at no cost: constants and the linear model.

        A component that was observed has one smooth signal without any roughness.
        """
        n_smooth = 0 if self.components is None else len(np.unique(self.components[self.nodes]))
        # numpy has no rank of nothing before 2.1.
        n_linear = np.linalg.matrix_rank(fit.precision, hermitian=True) if fit.precision.size else 0
        return n_smooth + int(n_linear)

    def noise_variance(self, fit: SmoothFit) -> float:
        """Return the variance of a row about the signal; infinite if none is left to tell by."""
        n_left = len(self.y) - self.n_free(fit)
        return fit.loss / n_left if n_left > 0 else np.inf

    def node_variances(self, alpha: float, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the variance of f at distinct nodes in units of the noise, for known b."""
        counts = self._rows_of_node() @ np.ones((len(self.y), 1))
        unknown = self._counts(counts) != counts
        variances = np.where(unknown[nodes, 0], np.inf, 0.0)
        known = self._counts(counts)[:, 0]
        return variances + diagonal_of_inverse(self.penalty, alpha, known, nodes)

    def effect_variances(
        self, fit: SmoothFit, nodes: NDArray[np.intp], covariates: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what not knowing b adds to the variance, in units of the noise."""
        design = np.hstack([np.ones((len(nodes), self.n_intercepts)), covariates])
        left = design - fit.shapes[nodes]
        return np.einsum("ij,jk,ik->i", left, fit.precision, left)

    def _combine(
        self,
        shapes: NDArray[np.float64],
        energy: NDArray[np.float64],
        squares: NDArray[np.float64],
        alpha: float,
        mean: float,
    ) -> SmoothFit:
        precision = _pseudo_inverse(energy[1:, 1:], 1e-10 * min(1.0, alpha) * squares[1:])
        b = precision @ energy[1:, 0]
        intercept = mean + b[: self.n_intercepts].sum()
        return SmoothFit(
            signal=intercept + shapes[:, 0] - shapes[:, 1:] @ b,
            coefficients=b[self.n_intercepts :],
            loss=max(0.0, float(energy[0, 0] - energy[0, 1:] @ b)),
            shapes=shapes[:, 1:],
            precision=precision,
        )

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


def _pseudo_inverse(
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
