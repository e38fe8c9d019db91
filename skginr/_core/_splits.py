"""Folds at the door: as row numbers, or an error that names cv."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing

from skginr._core._checks import check_count

Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def check_splits(
    cv: Any,
    X: Any,
    y: ArrayLike,
    *,
    name: str = "cv",
    random_state: Any = 0,
    partition: bool = False,
    once: bool = False,
) -> Splits:
    """Return the training and test rows of every fold.

    Parameters
    ----------
    cv : int, splitter or iterable
        An int means that many folds at random, or as many as there are rows.
    X : array-like or DataFrame of n_rows
    y : array-like of shape (n_rows,)
    name : str
        Of the argument, for errors.
    random_state : int, RandomState instance or None
        Of random folds.
    partition : bool
        Whether every row has to be held out once, by folds that do not train on it.
    once : bool
        Whether this holds for rows that are held out; others may never be.

    Raises
    ------
    TypeError, ValueError
        If ``cv`` is none of these, or a fold is empty or names no rows of X.
    """
    n_rows = len(np.asarray(y))
    if n_rows < 2:
        raise ValueError(f"{name} needs at least 2 rows to make folds; got n_samples = 1.")
    if isinstance(cv, int | np.integer):
        check_count(name, cv, minimum=2)
        cv = KFold(min(int(cv), n_rows), shuffle=True, random_state=random_state)
    is_splitter = hasattr(cv, "split")
    if isinstance(cv, type | str | bytes) or not (is_splitter or isinstance(cv, Iterable)):
        raise TypeError(f"{name} must be a number of folds, a splitter or splits; got {cv!r}.")
    splits = [_rows(name, split, n_rows) for split in (cv.split(X, y) if is_splitter else cv)]
    if not splits:
        raise ValueError(f"{name} must have at least one fold; it has none (an iterator used up?).")
    held_out = np.sort(np.concatenate([test for _, test in splits]))
    n_different = len(np.unique(held_out))
    repeats = n_different < len(held_out)
    if (partition and (repeats or n_different < n_rows)) or (once and repeats):
        raise ValueError(
            f"{name} must hold out every row once; its {len(splits)} folds hold out "
            f"{n_different} of {n_rows} rows, {len(held_out)} times in all."
        )
    if partition or once:
        for fold, (train, test) in enumerate(splits):
            if np.intersect1d(train, test).size:
                raise ValueError(
                    f"{name} must train on other rows than it holds out; fold {fold} shares some."
                )
    return splits


def splits_of_rows(
    cv: Any,
    X: Any,
    y: NDArray,
    used: NDArray[np.intp],
    *,
    random_state: Any = 0,
    partition: bool = False,
) -> Splits:
    """Return folds as those of a table that has the rows ``used`` alone, by their numbers in X.

    Parameters
    ----------
    cv : int, splitter or iterable
        Of row numbers of X; as for :func:`check_splits`.
    X : array-like or DataFrame of n_rows
    y : ndarray of n_rows
    used : ndarray of int
        Row numbers, ascending.
    random_state, partition
        As there.
    """
    settings = {"random_state": random_state, "partition": partition}
    if len(used) == len(y):
        return check_splits(cv, X, y, **settings)
    if not (isinstance(cv, int | np.integer) or hasattr(cv, "split")):
        whole = check_splits(cv, X, y, **settings)
        parts = [tuple(np.intersect1d(rows, used) for rows in split) for split in whole]
        return [(train, test) for train, test in parts if train.size and test.size]
    splits = check_splits(cv, _safe_indexing(X, used), y[used], **settings)
    return [(used[train], used[test]) for train, test in splits]


def within(splits: Splits, rows: NDArray[np.intp]) -> Splits:
    """Return folds as those of the table that has some rows alone, by their numbers in that.

    Without folds of which nothing is left to train on, or to hold out.
    """
    parts = [tuple(np.intersect1d(side, rows) for side in split) for split in splits]
    return [
        (np.searchsorted(rows, train), np.searchsorted(rows, test))
        for train, test in parts
        if train.size and test.size
    ]


def _rows(name: str, split: Any, n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    try:
        train, test = split
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold pairs of training and test rows; got {split!r}."
        ) from error
    return _row_numbers(name, "trains on", train, n_rows), _row_numbers(
        name, "holds out", test, n_rows
    )


def _row_numbers(name: str, what: str, rows: ArrayLike, n_rows: int) -> NDArray[np.intp]:
    numbers = np.asarray(rows)
    if numbers.dtype == bool and numbers.shape == (n_rows,):
        numbers = np.flatnonzero(numbers)
    if numbers.size == 0:
        raise ValueError(f"a fold of {name} {what} no rows.")
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must hold row numbers, or masks of {n_rows} rows; got an array of dtype "
            f"{numbers.dtype} and shape {numbers.shape}."
        )
    if numbers.min() < 0 or numbers.max() >= n_rows:
        raise ValueError(
            f"{name} must name rows 0 to {n_rows - 1}; a fold {what} rows {numbers.min()} to "
            f"{numbers.max()}."
        )
    return numbers.astype(np.intp)
