"""The rows of a fit, and what predictions of them that were held out are worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from skginr._core import warn


@dataclass(frozen=True)
class Rows:
    """The rows of a fit that count.

    Attributes
    ----------
    X : array-like or DataFrame of shape (n_rows, n_features)
    nodes : ndarray of int, shape (n_rows,)
    signals : ndarray of shape (n_rows, n_signals)
        NaN where not known.
    single : bool
        Whether y was one signal, and not a table of one.
    known : ndarray of bool, shape (n_rows, n_signals)
    counts : ndarray of shape (n_rows,)
        How often each counts.
    weighed : bool
        Whether this was given.
    """

    X: Any
    nodes: NDArray[np.intp]
    signals: NDArray[np.float64]
    single: bool
    known: NDArray[np.bool_]
    counts: NDArray[np.float64]
    weighed: bool

    @property
    def n_signals(self) -> int:
        return self.signals.shape[1]

    @property
    def y(self) -> NDArray[np.float64]:
        """Signals in the shape in which they were given."""
        return self.signals[:, 0] if self.single else self.signals


def columns_of(values: Any, n_signals: int) -> NDArray[np.float64]:
    """Return values of rows as columns, one for each signal."""
    return np.reshape(values, (-1, n_signals))


def of_signal(found: dict[str, NDArray[np.float64]], signal: int) -> dict[str, NDArray]:
    return {name: values[:, signal] for name, values in found.items()}


def residuals_of(
    corrector: Any,
    blend: NDArray[np.float64],
    predictions: dict[str, list[NDArray[np.float64]]],
    rows: Rows,
    signal: int,
) -> NDArray[np.float64]:
    """Return what corrected predictions of rows held out miss; NaN where y is not known."""
    known, y = rows.known[:, signal], rows.signals[:, signal]
    residuals = np.full(len(y), np.nan)
    if hasattr(corrector, "out_of_fold_"):
        residuals[known] = y[known] - corrector.out_of_fold_
    else:
        first = np.column_stack([found[0][:, signal] for found in predictions.values()])
        mean = np.average(y[known], weights=rows.counts[known])
        blended = (1 - blend.sum()) * mean + first @ blend
        residuals[known] = (y - blended)[known]
    return residuals


def scores_of(table: pd.DataFrame, rows: Rows, signal: int) -> pd.Series:
    """Return the R² of each column of predictions of rows held out."""
    known = rows.known[:, signal]
    y, counts = rows.signals[known, signal], rows.counts[known]
    return table[known].apply(lambda predicted: r2_score(y, predicted, sample_weight=counts))


def warn_of_nothing(
    predictions: dict[str, list[NDArray[np.float64]]], rows: Rows, names: Iterable
) -> None:
    """Warn of signals of which no smoother predicts rows held out better than their mean."""
    worse = []
    for signal, name in enumerate(names):
        known = rows.known[:, signal]
        y, counts = rows.signals[known, signal], rows.counts[known]
        squares = [
            np.mean([np.average((part[known, signal] - y) ** 2, weights=counts) for part in parts])
            for parts in predictions.values()
        ]
        variance = np.average((y - np.average(y, weights=counts)) ** 2, weights=counts)
        if min(squares) >= variance and np.ptp(y) > 0:
            worse.append(name)
    if worse:
        which = "y" if rows.single else f"the columns {worse} of y"
        warn(
            f"no smoother predicts rows that were held out better than the mean of {which} does: "
            f"what is predicted is near the mean. The graph may not be that of the signal, or the "
            f"rows too few."
        )
