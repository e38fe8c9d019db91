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
JITTER = 1e-8
# Of the logarithm of a likelihood, that a step has to gain.
_ENOUGH = 1e-6


class Rows(NamedTuple):
    """Rows that differ, as means of those that do not.

    Attributes
    ----------
    X : ndarray of shape (n_distinct_rows, 1 + n_covariates)
    y : ndarray of shape (n_distinct_rows,)
        Weighted means.
    counts : ndarray of shape (n_distinct_rows,)
        Of how many rows: sums of weights.
    n_alike : float
        How many rows there are more than distinct ones; below 0 where weights sum to less.
    squares : float
        Weighted sum of squared deviations of rows from the means.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    counts: NDArray[np.float64]
    n_alike: float
    squares: float

    @property
    def unit_weight(self) -> float:
        """Weight of what counts as a row: 1 where rows alike tell of noise, else the mean."""
        return 1.0 if self.tells_noise else float(self.counts.mean())

    @property
    def tells_noise(self) -> bool:
        """Whether rows that are alike differ, and are not fewer than their weights say.

        Rows that are alike in y too are no sign that there is no noise: of a weight that says how
        sure a row is, there are no others.
        """
        return self.squares > 0 and self.n_alike >= 0

    def some(self, chosen: NDArray[np.intp]) -> Rows:
        """Return some of them, with their share of what differences say in all."""
        share = len(chosen) / len(self.X)
        return Rows(
            *(self.X[chosen], self.y[chosen], self.counts[chosen]),
            *(share * self.n_alike, share * self.squares),
        )


def distinct_rows(
    X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> Rows:
    """Return rows that differ, in order of X, with what is to be known of those that do not.

    Parameters
    ----------
    X : ndarray of shape (n_rows, 1 + n_covariates)
    y : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,)
        Above 0.
    """
    distinct, first, of_row = np.unique(X, axis=0, return_index=True, return_inverse=True)
    of_row = of_row.ravel()
    counts = np.bincount(of_row, weights=weights).astype(float)
    # From one of them on, so that the mean of equal values is that value to the last digit.
    means = y[first] + np.bincount(of_row, weights=weights * (y - y[first][of_row])) / counts
    squares = float((weights * (y - means[of_row]) ** 2).sum())
    return Rows(distinct, means, counts, float(counts.sum() - len(distinct)), squares)


def fitted_process(
    kernel: Kernel, rows: Rows, *, climb: bool
) -> tuple[GaussianProcessRegressor, float]:
    """Return a process of all rows by their means, and the logarithm of its likelihood.

    ``climb`` looks for a likelier kernel. Every row has noise of its own, which their mean has a
    share of and their differences tell by themselves. A weight is the power of a row's density, so
    that whole ones are as many rows. Where rows that are alike do not differ, or weights sum to
    less than there are distinct rows, weights tell by their ratios alone.
    """
    n_alike, differences = rows.n_alike if rows.tells_noise else 0.0, rows.squares / _unit(rows)
    low, high = (bound * rows.unit_weight for bound in NOISE_BOUNDS)
    # In units of what differs from row to row, of which noise may be many times as much.
    high = max(high, 10 * _noise_within(rows))
    of_means = kernel.k1 + MeanNoise(rows.counts, min(kernel.k2.noise_level, high), (low, high))

    def within(log_noise: float) -> tuple[float, float]:
        """Return minus the log likelihood of differences between rows that are alike, and slope."""
        squares = differences * np.exp(-log_noise)
        return 0.5 * (n_alike * log_noise + squares), 0.5 * (n_alike - squares)

    def climber(
        of_rows: Callable[..., tuple[float, NDArray]], start: NDArray, bounds: NDArray
    ) -> tuple[NDArray, float]:
        def both(theta: NDArray) -> tuple[float, NDArray]:
            (value, slope), (more, steeper) = of_rows(theta), within(theta[-1])
            return value + more, np.append(slope[:-1], slope[-1] + steeper)

        return _descend(both, start, bounds)

    process = GaussianProcessRegressor(
        of_means, alpha=JITTER, normalize_y=True, optimizer=climber if climb else None
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


def _noise_within(rows: Rows) -> float:
    """Return the noise that differences between rows that are alike show, in those variances."""
    return rows.squares / max(rows.n_alike, 1.0) / _unit(rows)


def sizes_to_start_from(rows: Rows) -> list[tuple[float, float]]:
    """Return sizes of signal and noise to start from, with what rows that are alike tell of it."""
    starts, within = [(s, rows.unit_weight * noise) for s, noise in _STARTS], _noise_within(rows)
    if within == 0:
        return starts
    return starts + [(s, max(within, NOISE_BOUNDS[0])) for s, _ in _STARTS[::4]]


def inverse_of_factored(lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of the matrix whose Cholesky factor is given."""
    # A third of the time of solving for the identity.
    inverse, _ = dpotri(lower, lower=1)
    below = np.tril(inverse, -1)
    return below + below.T + np.diag(inverse.diagonal())
