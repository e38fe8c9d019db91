"""A signal as normal scores: its ranks, laid out as a normal distribution has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

# Points of the quadrature over what a score may be.
_POINTS, _SHARES = np.polynomial.hermite_e.hermegauss(15)
_SHARES = _SHARES / _SHARES.sum()


class NormalScores:
    """From values to normal scores and back; values that are alike have one score.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        What the ranks are of. Nothing beyond the least and the largest comes back.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values, counts = np.unique(values, return_counts=True)
        self.scores = ndtri((counts.cumsum() - counts / 2) / counts.sum())

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores."""
        return np.interp(values, self.values, self.scores)

    def expected(
        self, mean: NDArray[np.float64], std: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of values whose scores are normal."""
        scores = mean[:, None] + std[:, None] * _POINTS
        values = np.interp(scores, self.scores, self.values)
        centre = values @ _SHARES
        return centre, np.sqrt((values - centre[:, None]) ** 2 @ _SHARES)
