"""A signal at the door."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from skginr._core._checks import check_numeric


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


def check_signal(y: ArrayLike | pd.Series, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return one signal as floats, one per row, or say what is wrong with it."""
    if y is None:
        raise ValueError("y must be the signal, one number per row; got None (requires y).")
    numbers = check_numeric("y", y)
    check_known(numbers)
    y = column_or_1d(numbers, dtype=np.float64, warn=True)
    check_consistent_length(nodes, y)
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
    return y
