"""Counts whose mean is itself unknown: Poisson, of a lognormal mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, ndtri, pdtr

_Numbers = NDArray[np.float64]

# Newton's steps to the most likely logarithm of a mean, from near it.
_STEPS = 10
_KNOTS, _KNOT_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
# Means, each as likely as the next, by which quantiles are found.
_MEANS = ndtri((np.arange(100) + 0.5) / 100)
# Numbers in a block of rows by means.
_BLOCK = 1_000_000


def log_probability(counts: _Numbers, centre: _Numbers, variance: _Numbers) -> _Numbers:
    """Return the logarithm of the probability of counts.

    By Gauss and Hermite's rule about the most likely mean, since a large count says more of it than
    the prior does.

    Parameters
    ----------
    counts : ndarray of shape (n_rows,)
        Which need not be whole.
    centre, variance : ndarray of shape (n_rows,)
        Of the logarithm of the mean.
    """
    precision = 1 / np.maximum(variance, 1e-12)
    seen = counts + 0.5
    at = (seen * np.log(seen) + precision * centre) / (seen + precision)
    # From above the steps are short, from below the first may be too long.
    for _ in range(_STEPS):
        mean = np.exp(at)
        at = at + np.clip((counts - mean - precision * (at - centre)) / (mean + precision), -2, 2)
    width = (np.exp(at) + precision) ** -0.5
    points = at[:, None] + width[:, None] * _KNOTS
    # Of a prior that is wider than all numbers.
    with np.errstate(over="ignore"):
        likely = counts[:, None] * points - np.exp(points)
    likely -= 0.5 * precision[:, None] * (points - centre[:, None]) ** 2
    likely += 0.5 * _KNOTS**2 + np.log(_KNOT_WEIGHTS)
    total = logsumexp(likely, axis=1) + np.log(width) + 0.5 * np.log(precision / (2 * np.pi))
    return total - gammaln(counts + 1)


def quantile(share: float, centre: _Numbers, variance: _Numbers) -> _Numbers:
    """Return the least count up to which at least a share lies, of each row.

    Infinite where the variance is.
    """
    found = np.full(len(centre), np.inf)
    known = np.flatnonzero(np.isfinite(variance))
    n_rows = max(1, _BLOCK // len(_MEANS))
    for start in range(0, len(known), n_rows):
        rows = known[start : start + n_rows]
        means = np.exp(centre[rows, None] + np.sqrt(variance[rows, None]) * _MEANS)
        low, high = np.full(len(rows), -1.0), 2 * means[:, -1] + 50
        # Of counts beyond 1e15 numbers are further apart than 1.
        while (high - low > np.maximum(1, 1e-14 * high)).any():
            middle = np.floor((low + high) / 2)
            reached = pdtr(middle[:, None], means).mean(axis=1) >= share
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
            high = np.ceil(high)
        found[rows] = high
    return found
