"""Where to measure next: rows whose values would tell most of all the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_count

# Draws that stand for the covariance: that of two rows is known to about 1 / sqrt of as many.
_N_DRAWS = 500
# Of the signal's variance: that of a row is known to no more digits.
_LEAST_NOISE = 1e-6


def suggest_measurements(
    model: Any,
    X: ArrayLike | pd.DataFrame,
    n_rows: int = 1,
    *,
    random_state: int | np.random.RandomState | None = 0,
) -> NDArray[np.intp]:
    """Return the rows of a table to be measured next, the most informative one first.

    Rows are chosen one after the other: each time the one that lowers the variances of all rows
    most, given those before it. Measured values count only through the strength and the noise that
    the model has found from them.

    Parameters
    ----------
    model : estimator
        Fitted, with ``sample_y`` and ``noise_variance_``: a smoother, or a process.
    X : array-like or DataFrame of shape (n_rows_of_X, n_features)
        Rows that may be measured, and are to be predicted.
    n_rows : int, default 1
        How many to suggest.
    random_state : int, RandomState instance or None, default 0
        Of the draws by which rows vary together; 500 of them.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        Positions in X, each once.

    Raises
    ------
    TypeError
        If the model draws no signals.
    ValueError
        If the model is not fitted, X has fewer rows, or a row of X is in a component of the graph
        in which nothing was observed.

    See Also
    --------
    GraphSmoother : A model for it, on large graphs too.
    SpatialGaussianProcessRegressor : A model for it, for places on a map.
    predict_frame : Puts predictions and intervals of all rows into a table.

    References
    ----------
    A. Krause, A. Singh and C. Guestrin, "Near-optimal sensor placements in Gaussian processes",
    Journal of Machine Learning Research 9, 2008.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, GraphSmoother, suggest_measurements
    >>> path = Graph.from_networkx(nx.path_graph(9))
    >>> smoother = GraphSmoother(graph=path, alpha=0.1).fit([[0], [1], [2]], [0.0, 1.0, 1.5])
    >>> suggest_measurements(smoother, [[i] for i in range(9)])
    array([7])
    """
    check_count("n_rows", n_rows, minimum=1)
    if not hasattr(model, "sample_y"):
        raise TypeError(
            f"model must have sample_y, as GraphSmoother and CorrectedSmoother do; got "
            f"{type(model).__name__}."
        )
    check_is_fitted(model)
    if not hasattr(model, "noise_variance_"):
        raise TypeError(
            f"model must have noise_variance_, of one noise for all rows; {type(model).__name__} "
            f"has none."
        )
    noise = np.ravel(model.noise_variance_)
    draws = model.sample_y(X, _N_DRAWS, check_random_state(random_state))
    if n_rows > len(draws):
        raise ValueError(f"n_rows={n_rows} is more than X has rows, {len(draws)}.")
    if np.isnan(draws).any():
        bad = int(np.flatnonzero(np.isnan(draws).reshape(len(draws), -1).any(axis=1))[0])
        raise ValueError(
            f"X has rows in components of the graph in which nothing was observed, the first is "
            f"row {bad}: measure there first, or leave them out."
        )
    signals = draws.reshape(len(draws), len(noise), _N_DRAWS)
    # Of each signal in units of its noise, so that none counts for more by its units alone.
    known = [_Known(signals[:, i], one) for i, one in enumerate(noise)]
    chosen: list[int] = []
    for _ in range(n_rows):
        gains = np.sum([one.gains() for one in known], axis=0)
        gains[chosen] = -np.inf
        chosen.append(int(gains.argmax()))
        for one in known:
            one.observe(chosen[-1])
    return np.array(chosen)


class _Known:
    """Covariance of one signal by its draws, in variances of the noise if there is any.

    Rows a of numbers whose products ``a_i' P a_j`` are the covariance; P changes as rows are
    observed, and is of the size of the draws.
    """

    def __init__(self, draws: NDArray[np.float64], noise: float) -> None:
        centred = draws - draws.mean(axis=1, keepdims=True)
        variance = float(np.mean(centred**2))
        unit = max(noise, _LEAST_NOISE * variance) or 1.0
        self._rows = centred / (unit * (draws.shape[1] - 1)) ** 0.5
        self._products = self._rows.T @ self._rows
        self._left = np.eye(draws.shape[1])

    def gains(self) -> NDArray[np.float64]:
        """Return by how much an observation of each row would lower the sum of variances."""
        seen = self._rows @ self._left
        variances = np.einsum("ij,ij->i", seen, self._rows)
        squares = np.einsum("ij,ij->i", seen @ self._products, seen)
        return squares / (np.maximum(variances, 0) + 1)

    def observe(self, row: int) -> None:
        """Take a row for observed."""
        seen = self._left @ self._rows[row]
        self._left -= np.outer(seen, seen) / (self._rows[row] @ seen + 1)
