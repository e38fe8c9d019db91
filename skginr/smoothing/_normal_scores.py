"""A signal as normal scores: its ranks, laid out as a normal distribution has them."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

# Rows whose expectations are found at once.
_BLOCK = 256
# Values that the way back knows.
_MOST = 1_000


class NormalScores:
    """From values to normal scores and back; values that are alike have one score.

    The way back is linear between values, and level over the scores that rows of one value share,
    so that what is expected of a score of which nothing is known is the mean.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        What the ranks are of. Nothing beyond the least and the largest comes back.
    weights : ndarray of shape (n_rows,), optional
        How often each row counts, above 0.
    """

    def __init__(
        self, values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
    ) -> None:
        self.values, of_row = np.unique(values, return_inverse=True)
        counts = np.bincount(of_row, weights=weights)
        last = counts.cumsum()
        self.scores = ndtri((last - counts / 2) / last[-1])
        # Where each value begins and ends: the middle of its first and of its last row.
        half = np.minimum(counts, min(1.0, counts.mean())) / 2
        ends = np.column_stack([last - counts + half, last - half]) / last[-1]
        some = np.arange(len(last))
        if len(last) > _MOST:
            # Equally many rows apart, the least and the largest among them.
            some = np.unique(np.searchsorted(last, np.linspace(0, last[-1], _MOST)))
        self._knots, self._levels = ndtri(ends[some]), self.values[some]

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value."""
        return float(self.values[0]), float(self.values[-1])

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores."""
        return np.interp(values, self.values, self.scores)

    def at(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of scores."""
        return np.interp(scores, self._knots.ravel(), np.repeat(self._levels, 2))

    def averaged(self, std: float) -> NormalScores:
        """Return the same with another way back: to what is expected of a score with that error."""
        reach = 6 * std
        knots = np.linspace(self._knots[0, 0] - reach, self._knots[-1, 1] + reach, _MOST)
        other = copy.copy(self)
        other._levels, _ = self.expected(knots, np.full(_MOST, std))
        other._knots = np.column_stack([knots, knots])
        return other

    def expected(
        self, mean: NDArray[np.float64], std: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of values whose scores are normal."""
        centre, spread = np.empty(len(mean)), np.empty(len(mean))
        for start in range(0, len(mean), _BLOCK):
            rows = slice(start, start + _BLOCK)
            centre[rows], spread[rows] = self._expected(mean[rows], std[rows])
        return centre, spread

    def _expected(
        self, mean: NDArray[np.float64], std: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the same, for a few rows.

        The mean of g(s) is g at the left end plus the integral of g' times the chance to be beyond,
        and that of g(s)**2 likewise: linear pieces of g have integrals in closed form.
        """
        levels = self._levels
        if len(levels) == 1:
            return np.full(len(mean), levels[0]), np.zeros(len(mean))
        std = np.maximum(std, 1e-9)[:, None]
        # Each piece goes from the end of a value to the beginning of the next.
        starts, ends = self._knots[:-1, 1], self._knots[1:, 0]
        left, right = (starts - mean[:, None]) / std, (ends - mean[:, None]) / std
        base = levels[:-1] - levels[0]
        slopes = np.diff(levels) / (ends - starts) * std
        first = _beyond(right) - _beyond(left)
        second = _beyond_times(right) - _beyond_times(left)
        centre = (slopes * first).sum(axis=1)
        squares = (2 * slopes * ((base - slopes * left) * first + slopes * second)).sum(axis=1)
        return levels[0] + centre, np.sqrt(np.maximum(squares - centre**2, 0))


def _beyond(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the integral of the chance to be beyond z."""
    return z * ndtr(-z) - _density(z)


def _beyond_times(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the integral of z times the chance to be beyond it."""
    return 0.5 * (z**2 * ndtr(-z) + ndtr(z) - z * _density(z))


def _density(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
