"""A signal at the door, or several."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length

from skginr._core._checks import check_numeric
from skginr._core._warnings import warn

# Weights of which the least are lost in rounding beside the largest.
_LARGEST_RATIO = 1e8
# Mean weights that leave digits to squares.
_ORDINARY = 1e-30, 1e30
# Mean weight beyond which a row was hardly seen so often.
_MANY_TIMES = 30


class SignalsMixin(RegressorMixin):
    """A regressor whose y is one signal, or a column for each of several."""

    # Also in files of earlier versions, which knew of one.
    _single = True

    def _one(self, values: NDArray[np.float64]) -> Any:
        """Return values of signals, their last axis, as those of one if y was one."""
        if not self._single:
            return values
        return float(values[0]) if values.ndim == 1 else values[..., 0]

    def _in_one_table(self, tables: list[pd.DataFrame], y: Any) -> pd.DataFrame:
        """Return tables of signals in one, with the names that y gives them if it has columns."""
        if self._single:
            return tables[0]
        names = y.columns if isinstance(y, pd.DataFrame) else range(len(tables))
        named = [table.assign(signal=name) for name, table in zip(names, tables, strict=True)]
        return pd.concat(named, ignore_index=True)[["signal", *tables[0].columns]]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def check_known(y: ArrayLike | pd.Series | pd.DataFrame, *, column: str = "signal") -> None:
    """Raise ``ValueError`` if a value of y is missing: what to do about it, with a likely name."""
    if isinstance(y, np.ma.MaskedArray):
        raise ValueError("y must not be a masked array; fill it, or drop masked entries.")
    n_missing = 0 if y is None else int(np.sum(pd.isna(np.asarray(y))))
    if n_missing:
        raise ValueError(
            f"y must be known in every row; {n_missing} values are NaN or missing. Leave such rows "
            f"out, table.dropna(subset=[{column!r}]): their nodes stay in the graph, and are "
            f"predicted all the same."
        )


def check_signals(
    y: ArrayLike | pd.Series | pd.DataFrame,
    n_rows: int,
    *,
    gaps: bool,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return signals as floats of shape (n_rows, n_signals), or say what is wrong with them.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_signals)
    n_rows : int
        Of X.
    gaps : bool
        Whether values of one of several signals may be NaN.
    weights : ndarray of shape (n_rows,), optional
        Of rows; what y is where they are 0 is not looked at, and comes back as 0.
    """
    if y is None:
        raise ValueError("y must be the signal, one number per row; got None (requires y).")
    numbers = check_numeric("y", y)
    if numbers.ndim not in (1, 2) or 0 in numbers.shape[1:]:
        raise ValueError(
            f"y must have shape (n_rows,), or (n_rows, n_signals) for several; got {numbers.shape}."
        )
    signals = numbers if numbers.ndim == 2 else numbers[:, None]
    check_consistent_length(np.empty(n_rows), signals)
    if weights is not None:
        signals[weights == 0] = 0.0
    missing = np.isnan(signals)
    if not gaps or signals.shape[1] == 1:
        check_known(signals)
    elif missing.all(axis=0).any():
        raise ValueError(
            f"y must be known in some row of every signal; column {int(missing.all(0).argmax())} "
            f"is NaN throughout. Leave it out."
        )
    for signal, unknown in zip(signals.T, missing.T, strict=True):
        _check_size(signal[~unknown])
    return signals


def _check_size(y: NDArray[np.float64]) -> None:
    if not np.isfinite(y).all():
        raise ValueError(
            f"y must be finite; {int((~np.isfinite(y)).sum())} rows are not. Leave such rows out: "
            f"their nodes are predicted all the same."
        )
    if np.abs(y).max() > np.finfo(float).max ** 0.5 / len(y):
        raise ValueError(f"y is too large to compute with: up to {np.abs(y).max():.3g}.")
    if np.ptp(y) > 0 and np.ptp(y) ** 2 < np.finfo(float).tiny:
        raise ValueError(
            f"y differs by too little to compute with: {np.ptp(y):.3g}. Give it in other units."
        )


def check_weights(
    sample_weight: ArrayLike | None, n_rows: int, *, counted: bool = True
) -> NDArray[np.float64]:
    """Return how much each row counts, or say what is wrong with that; ones by default.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or None
    n_rows : int
        Of X.
    counted : bool
        Whether a weight says how often a row was seen, of which too many are worth a warning.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weights = check_numeric("sample_weight", sample_weight)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have shape ({n_rows},), one number per row of X; got "
            f"{weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        bad = int(np.flatnonzero(~np.isfinite(weights) | (weights < 0))[0])
        raise ValueError(
            f"sample_weight must be finite and not negative; got {weights[bad]} in row {bad}. 0 "
            f"leaves a row out."
        )
    positive = weights[weights > 0]
    if len(positive) == 0:
        raise ValueError("sample_weight must be positive for some row; all are zero.")
    if positive.max() > _LARGEST_RATIO * positive.min():
        raise ValueError(
            f"sample_weight must be within a factor of {_LARGEST_RATIO:.0e}, apart from 0, which "
            f"leaves a row out; got {positive.min():.3g} to {positive.max():.3g}."
        )
    if not _ORDINARY[0] <= positive.mean() <= _ORDINARY[1]:
        raise ValueError(
            f"sample_weight must be numbers to compute with; their mean is {positive.mean():.3g}. "
            f"Divide them by it."
        )
    if counted and positive.mean() > _MANY_TIMES:
        warn(
            f"sample_weight counts rows, 2 is as the row twice: these stand for "
            f"{positive.sum():.3g} rows with {len(positive)} values, and noise and standard "
            f"deviations are of so many. Of weights that say how sure a row is, such as "
            f"populations, give sample_weight / sample_weight.mean()."
        )
    return weights
