"""Inputs of a network: numbers, and indexed columns left as they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, check_array, check_X_y, validate_data
from torch.nn.functional import embedding

from skginr._core import IndexedArray, IndexedDtype, check_no_words

# Odd, and far from any pattern: multiplied by it, numbers of 64 bits are stirred.
_STIR = 0x9E3779B97F4A7C15
# Between weights of rows that are solved for.
_LARGEST_RATIO = 1e8


class Inputs:
    """Blocks of columns side by side, as one table that is never built.

    Blocks are arrays at the door, and tensors where a network is given them: the rows that are
    asked for become one tensor.

    Parameters
    ----------
    blocks : list of ndarray or Tensor
        Each of shape (n_rows, n_columns), or of indices of shape (n_rows,).
    tables : list of ndarray or Tensor of shape (n_entries, n_columns), or None; optional
        Of each block, the rows that its indices name; None where it has numbers, as all by default.
    """

    def __init__(self, blocks: list[Any], tables: list[Any] | None = None) -> None:
        self.blocks = blocks
        self.tables = [None] * len(blocks) if tables is None else tables

    @classmethod
    def of(cls, X: Any) -> Inputs:
        """Return X, an array or tensor as its only block."""
        return X if isinstance(X, Inputs) else cls([X])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of columns of all blocks."""
        return len(self), sum(numbers.shape[1] for numbers in self._numbers)

    @property
    def device(self) -> torch.device:
        """Where all tensors are."""
        return self.blocks[0].device

    @property
    def dense(self) -> Any:
        """The only block where it has numbers, else None."""
        return self.blocks[0] if len(self.tables) == 1 and self.tables[0] is None else None

    @property
    def _numbers(self) -> list[Any]:
        pairs = zip(self.blocks, self.tables, strict=True)
        return [block if table is None else table for block, table in pairs]

    def __len__(self) -> int:
        return len(self.blocks[0])

    def __getitem__(self, rows: Any) -> torch.Tensor:
        parts = [
            block[rows] if table is None else embedding(block[rows], table)
            for block, table in zip(self.blocks, self.tables, strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def select(self, rows: Any) -> Inputs:
        """Return some rows, over the same tables."""
        return Inputs([block[rows] for block in self.blocks], self.tables)

    def converted(self, convert: Callable[[Any], Any]) -> Inputs:
        """Return it with all blocks and tables as ``convert`` returns them."""
        tables = [None if table is None else convert(table) for table in self.tables]
        return Inputs([convert(block) for block in self.blocks], tables)

    def to(self, device: torch.device | str) -> Inputs:
        """Return it on ``device``."""
        return self.converted(lambda tensor: tensor.to(device))

    @property
    def last(self) -> NDArray:
        """The last column of arrays, the numbers of signals."""
        if self.tables[-1] is not None:
            raise ValueError(
                "X must have the number of the signal last, with latent_dim; got an indexed column."
            )
        return self.blocks[-1][:, -1]

    def with_last(self, values: NDArray) -> Inputs:
        """Return it with other values in the last column."""
        block = np.column_stack([self.blocks[-1][:, :-1], values])
        return Inputs([*self.blocks[:-1], block], self.tables)

    def hashes(self, salt: int = 0) -> NDArray[np.uint64]:
        """Return a number of 64 bits for the content of each row of tensors, however it is kept.

        Those of another ``salt`` have nothing to do with each other.
        """
        total = np.zeros(len(self), dtype=np.uint64)
        for block, table, numbers in zip(self.blocks, self.tables, self._numbers, strict=True):
            for column in numbers.unbind(dim=1):
                # -0.0 is 0.0. Order counts: what two columns hold may be exchanged.
                hashed = pd.util.hash_array(column.cpu().numpy() + 0)
                hashed = hashed if table is None else hashed[block.cpu().numpy()]
                total = total * np.uint64(_STIR) + hashed
        return total * np.uint64(pow(_STIR, salt, 1 << 64))


def validate_inputs(
    estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **check_params: Any
) -> Any:
    """Return X as Inputs, with y where it is given, as scikit-learn's ``validate_data`` does.

    Parameters
    ----------
    estimator, X, y, reset, **check_params
        As for ``validate_data``.

    Raises
    ------
    ValueError
        As there, if X or y holds words, or if an entry of an indexed column is missing.
    """
    check_params |= {"dtype": [np.float64, np.float32]}
    try:
        return _validated(estimator, X, y, reset, check_params)
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        raise ValueError(
            f"X and y must hold numbers: {error}. Node labels become numbers in a pipeline: "
            f"make_pipeline(SpectralEmbedder(graph=...), {type(estimator).__name__}())."
        ) from error


def _validated(estimator: Any, X: Any, y: Any, reset: bool, check_params: dict[str, Any]) -> Any:
    indexed, alone = _is_indexed(X), isinstance(y, str)
    check_numbers(estimator, X)
    if not any(indexed):
        checked = validate_data(estimator, X, y, reset=reset, **check_params)
        return Inputs.of(checked) if alone else (Inputs.of(checked[0]), checked[1])
    validate_data(estimator, X, y, reset=reset, skip_check_array=True)
    check_params |= {"estimator": estimator, "ensure_min_features": 0}
    numbers = X.iloc[:, np.flatnonzero(np.logical_not(indexed))]
    # pandas finds no type for no columns.
    numbers = numbers if numbers.shape[1] else np.empty((len(X), 0))
    if alone:
        return _inputs(X, indexed, check_array(numbers, input_name="X", **check_params))
    numbers, y = check_X_y(numbers, y, **check_params)
    return _inputs(X, indexed, numbers), y


def check_numbers(estimator: Any, X: Any) -> None:
    """Raise where X has words or times, which scikit-learn would make numbers of."""
    if isinstance(X, pd.DataFrame):
        # A long table is not copied for it: numbers, and indices of an indexed column, are none.
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


def _inputs(X: pd.DataFrame, indexed: list[bool], numbers: NDArray) -> Inputs:
    """Return the columns of X in their order, those of numbers from ``numbers``."""
    blocks: list[NDArray] = []
    tables: list[NDArray | None] = []
    n_seen = 0
    for is_indexed, places in groupby(range(X.shape[1]), indexed.__getitem__):
        if is_indexed:
            for place in places:
                column = _known(X.columns[place], X.iloc[:, place].array)
                blocks.append(column.indices)
                tables.append(column.table)
        else:
            n_columns = len(list(places))
            blocks.append(numbers[:, n_seen : n_seen + n_columns])
            tables.append(None)
            n_seen += n_columns
    return Inputs(blocks, tables)


def _known(name: Any, column: IndexedArray) -> IndexedArray:
    n_missing = int(column.isna().sum())
    if n_missing:
        raise ValueError(
            f"X[{name!r}] must have coordinates in every row; {n_missing} are missing, as where "
            f"tables with different rows were joined. Drop such rows."
        )
    return column


def check_weight(
    sample_weight: Any, X: Inputs
) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Return which rows have a weight above zero, these weights, of mean 1, and what 1 became."""
    check_no_words("sample_weight", sample_weight)
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weight.any():
        raise ValueError("sample_weight must be positive for some row; all are zero.")
    used = weight > 0
    # Divided by the largest first: their sum may be beyond all numbers.
    largest = weight.max()
    weight = weight[used] / largest
    mean = weight.mean()
    with np.errstate(over="ignore", under="ignore"):
        seen_once = float(1 / largest / mean)
    return used, weight / mean, seen_once


def check_ratio(weight: NDArray[np.float64]) -> None:
    """Refuse weights of which the least are lost in rounding beside the largest."""
    if weight.max() > _LARGEST_RATIO * weight.min():
        raise ValueError(
            f"sample_weight must be within a factor of {_LARGEST_RATIO:.0e}, apart from 0, which "
            f"leaves a row out; the largest is {weight.max() / max(weight.min(), 1e-300):.3g} "
            f"times the least. Bring the least up or to 0, or give preset='train'."
        )
