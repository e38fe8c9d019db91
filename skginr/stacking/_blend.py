"""Weights of predictions of one signal, by rows held out and shrunk to a prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

# Variance of a weight about its prior, before anything is seen: errors of few rows decide little.
_SPREAD = 1 / 3
# What makes weights sum to one, beside all else.
_HEAVY = 1e6
# Squared errors, as a share of the signal's variation, below which they are rounding.
_ROUNDING = 1e-20


def shrunk_weights(
    predictions: NDArray[np.float64],
    signal: NDArray[np.float64],
    n_repeats: int = 1,
    prior: NDArray[np.float64] | None = None,
    counts: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return weights of predictions, which with that of the mean are positive and sum to one.

    The likeliest, for errors as those of the best column, among weights that are about those of the
    prior: of many rows errors decide, of few the prior does. What no prediction deserves goes to
    the mean of the signal.

    Parameters
    ----------
    predictions : ndarray of shape (n_rows, n_columns)
        Of rows held out.
    signal : ndarray of shape (n_rows,)
    n_repeats : int
        How often each row is in the table.
    prior : ndarray of shape (1 + n_columns,), optional
        Weights of the mean and the columns before anything is seen; by default equal ones.
    counts : ndarray of shape (n_rows,), optional
        How often each row counts; by default once.

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    n_columns = predictions.shape[1]
    # Of weights that sum to one, the error is the same combination of errors.
    counts = np.ones(len(signal)) if counts is None else counts
    mean = np.average(signal, weights=counts)
    errors = np.column_stack([mean - signal, predictions - signal[:, None]])
    squares = errors.T @ (counts[:, None] * errors) / n_repeats
    variation = squares[0, 0]
    if np.ptp(signal) == 0:
        return np.zeros(n_columns)
    # Predictions without any error are told apart by rounding, and should not be.
    unit = max(squares.diagonal().min(), _ROUNDING * variation) / (counts.sum() / n_repeats)
    matrix = squares / unit + np.eye(n_columns + 1) / _SPREAD
    right = (np.full(n_columns + 1, 1 / (n_columns + 1)) if prior is None else prior) / _SPREAD
    heavy = _HEAVY * matrix.diagonal().min()
    root = np.linalg.cholesky(matrix + heavy)
    weights, _ = nnls(root.T, np.linalg.solve(root, right + heavy))
    return weights[1:] / weights.sum()
