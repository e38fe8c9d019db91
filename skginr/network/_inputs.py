"""Inputs of a network at the door: numbers, and indexed columns left as they are."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_X_y, validate_data

from skginr._core import IndexedArray, IndexedDtype, check_no_words


class Columns:
    """Blocks of columns side by side, as one table that is never built.

    Parameters
    ----------
    blocks : list of ndarray
        Each of shape (n_rows, n_columns), or of codes of shape (n_rows,).
    tables : list of ndarray of shape (n_codes, n_columns), or None
        Of each block, the rows that its codes name; None where it has numbers.
    """

    def __init__(self, blocks: list[NDArray], tables: list[NDArray | None]) -> None:
        self.blocks = blocks
        self.tables = tables

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of columns of all blocks."""
        wide = (
            block if table is None else table
            for block, table in zip(self.blocks, self.tables, strict=True)
        )
        return len(self), sum(block.shape[1] for block in wide)

    def __len__(self) -> int:
        return len(self.blocks[0])

    def __getitem__(self, rows: NDArray) -> Columns:
        return Columns([block[rows] for block in self.blocks], self.tables)


def last_of(X: NDArray | Columns) -> NDArray:
    """Return the last column, the numbers of signals."""
    block = X.blocks[-1] if isinstance(X, Columns) else X
    if block.ndim == 1:
        raise ValueError(
            "X must have the number of the signal last, with latent_dim; got an indexed column."
        )
    return block[:, -1]


def with_last(X: NDArray | Columns, values: NDArray) -> NDArray | Columns:
    """Return X with other values in its last column."""
    block = X.blocks[-1] if isinstance(X, Columns) else X
    block = np.column_stack([block[:, :-1], values])
    return Columns([*X.blocks[:-1], block], X.tables) if isinstance(X, Columns) else block


def validate_inputs(
    estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **check_params: Any
) -> Any:
    """Return what scikit-learn's ``validate_data`` does, and X with indexed columns as Columns.

    Parameters
    ----------
    estimator, X, y, reset, **check_params
        As for ``validate_data``.

    Raises
    ------
    ValueError
        As there, or if an entry of an indexed column is missing.
    """
    indexed = _is_indexed(X)
    check_numbers(estimator, X)
    if not any(indexed):
        return validate_data(estimator, X, y, reset=reset, **check_params)
    validate_data(estimator, X, y, reset=reset, skip_check_array=True)
    check_params |= {"estimator": estimator, "ensure_min_features": 0}
    numbers = X.iloc[:, np.flatnonzero(np.logical_not(indexed))]
    # pandas finds no type for no columns.
    numbers = numbers if numbers.shape[1] else np.empty((len(X), 0))
    if isinstance(y, str):
        return _columns(X, indexed, check_array(numbers, input_name="X", **check_params))
    numbers, y = check_X_y(numbers, y, **check_params)
    return _columns(X, indexed, numbers), y


def check_numbers(estimator: Any, X: Any) -> None:
    """Raise where X has words or times, which scikit-learn would make numbers of."""
    if isinstance(X, pd.DataFrame):
        # A long table is not copied for it: numbers, and codes of an indexed column, are none.
        none = [pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes]
        X = X.iloc[:, np.flatnonzero(np.logical_not(np.logical_or(none, _is_indexed(X))))]
    check_no_words(
        "X",
        X,
        f" Node labels become numbers in a pipeline: make_pipeline(SpectralEmbedder(graph=...), "
        f"{type(estimator).__name__}()); times by (t - t.min()) / (t.max() - t.min()).",
    )


def _is_indexed(X: Any) -> list[bool]:
    if not isinstance(X, pd.DataFrame):
        return []
    return [isinstance(dtype, IndexedDtype) for dtype in X.dtypes]


def _columns(X: pd.DataFrame, indexed: list[bool], numbers: NDArray) -> Columns:
    """Return the columns of X in their order, those of numbers from ``numbers``."""
    blocks: list[NDArray] = []
    tables: list[NDArray | None] = []
    n_seen = 0
    for is_indexed, places in groupby(range(X.shape[1]), indexed.__getitem__):
        if is_indexed:
            for place in places:
                column = _known(X.columns[place], X.iloc[:, place].array)
                blocks.append(column.codes)
                tables.append(column.table)
        else:
            n_columns = len(list(places))
            blocks.append(numbers[:, n_seen : n_seen + n_columns])
            tables.append(None)
            n_seen += n_columns
    return Columns(blocks, tables)


def _known(name: Any, column: IndexedArray) -> IndexedArray:
    n_missing = int(column.isna().sum())
    if n_missing:
        raise ValueError(
            f"X[{name!r}] must have coordinates in every row; {n_missing} are missing, as where "
            f"tables with different rows were joined. Drop such rows."
        )
    return column
