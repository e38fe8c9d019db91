"""Rows that are alike as one, and processes of them that are likely."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel, WhiteKernel

from skginr.smoothing._kernels import MeanNoise

NOISE_BOUNDS = (1e-6, 10.0)
# Signal and noise, in variances of y, from which the search for the likeliest may start.
_STARTS = [(signal, noise) for signal in (0.1, 0.5, 5.0, 100.0) for noise in (1e-3, 0.03, 0.2, 0.8)]
# Of the variance of y, on the diagonal: far below the noise of any data, above rounding.
_JITTER = 1e-8
# Of the logarithm of a likelihood, that a step has to gain.
_ENOUGH = 1e-6


class Rows(NamedTuple):
    """Rows that differ, as means of those that do not.

    Attributes
    ----------
    X : ndarray of shape (ndistinct_rows, 1 + n_covariates)
    y : ndarray of shape (ndistinct_rows,)
        Means.
    counts : ndarray of shape (ndistinct_rows,)
        Of how many rows.
    squares : ndarray of shape (ndistinct_rows,)
        Sums of their squared deviations from their mean.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    counts: NDArray[np.float64]
    squares: NDArray[np.float64]


def distinct_rows(X: NDArray[np.float64], y: NDArray[np.float64]) -> Rows:
    """Return rows that differ, with what is to be known of those that do not."""
    distinct, of_row = np.unique(X, axis=0, return_inverse=True)
    if len(distinct) == len(X):
        return Rows(X, y, np.ones(len(y)), np.zeros(len(y)))
    of_row = of_row.ravel()
    counts = np.bincount(of_row).astype(float)
    means = np.bincount(of_row, weights=y) / counts
    squares = np.bincount(of_row, weights=(y - means[of_row]) ** 2).astype(float)
    return Rows(distinct, means, counts, squares)


def fitted_process(
    kernel: Kernel, rows: Rows, *, climb: bool
) -> tuple[GaussianProcessRegressor, float]:
    """Return a process of all rows by their means, and the logarithm of its likelihood.

    ``climb`` looks for a likelier kernel. Rows that are alike have noise of their own, which their
    mean has a share of and their differences tell by themselves.
    """
    n_alike = rows.counts.sum() - len(rows.X)
    if n_alike == 0:
        process = GaussianProcessRegressor(
            kernel, alpha=_JITTER, normalize_y=True, optimizer=_descend if climb else None
        ).fit(rows.X, rows.y)
        return process, process.log_marginal_likelihood_value_
    unit = _unit(rows)
    noise = kernel.k2.noise_level
    low, high = NOISE_BOUNDS
    # In units of what differs from row to row, of which noise may be many times as much.
    high = max(high, 10 * rows.squares.sum() / n_alike / unit)
    of_means = kernel.k1 + MeanNoise(rows.counts, min(noise, high), (low, high))

    def within(log_noise: float) -> tuple[float, float]:
        """Return minus the log likelihood of differences between rows that are alike, and slope."""
        squares = rows.squares.sum() / unit * np.exp(-log_noise)
        return 0.5 * (n_alike * log_noise + squares), 0.5 * (n_alike - squares)

    def climber(
        of_rows: Callable[..., tuple[float, NDArray]], start: NDArray, bounds: NDArray
    ) -> tuple[NDArray, float]:
        def both(theta: NDArray) -> tuple[float, NDArray]:
            (value, slope), (more, steeper) = of_rows(theta), within(theta[-1])
            return value + more, np.append(slope[:-1], slope[-1] + steeper)

        return _descend(both, start, bounds)

    process = GaussianProcessRegressor(
        of_means, alpha=_JITTER, normalize_y=True, optimizer=climber if climb else None
    ).fit(rows.X, rows.y)
    likelihood = process.log_marginal_likelihood_value_
    noise = process.kernel_.k2.noise_level
    if not climb:
        likelihood -= within(np.log(noise))[0]
    # New rows are rows, and not means of some.
    process.kernel_ = process.kernel_.k1 + WhiteKernel(noise, (low, high))
    return process.set_params(kernel=process.kernel_, optimizer=None), likelihood


def _descend(
    objective: Callable[..., tuple[float, NDArray]], start: NDArray, bounds: NDArray
) -> tuple[NDArray, float]:
    """Return where a function of logarithms is least, and that, as scikit-learn asks for it."""
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": _ENOUGH}
    )
    return found.x, found.fun


def _unit(rows: Rows) -> float:
    """Return the variance that scikit-learn divides by."""
    return float(rows.y.var()) or 1.0


def sizes_to_start_from(rows: Rows) -> list[tuple[float, float]]:
    """Return sizes of signal and noise to start from, with what rows that are alike tell of it."""
    n_alike = rows.counts.sum() - len(rows.X)
    if n_alike == 0:
        return _STARTS
    noise = max(rows.squares.sum() / n_alike / _unit(rows), NOISE_BOUNDS[0])
    return _STARTS + [(signal, noise) for signal, _ in _STARTS[::4]]


def inverse_of_factored(lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of the matrix whose Cholesky factor is given."""
    # A third of the time of solving for the identity.
    inverse, _ = dpotri(lower, lower=1)
    below = np.tril(inverse, -1)
    return below + below.T + np.diag(inverse.diagonal())
