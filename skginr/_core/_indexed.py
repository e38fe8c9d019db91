"""A pandas column whose entries are rows of one shared table, kept as their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take
from pandas.api.indexers import check_array_indexer

# The index of an entry that is missing.
_MISSING = -1


class TableRow:
    """One entry of an indexed column.

    Attributes
    ----------
    index : int
        Its row number in the table.
    dtype : IndexedDtype
    """

    __slots__ = ("dtype", "index")

    def __init__(self, index: int, dtype: IndexedDtype) -> None:
        self.index = index
        self.dtype = dtype

    @property
    def numbers(self) -> NDArray:
        """The row of the table, an array of shape (n_columns,)."""
        return self.dtype.table[self.index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TableRow):
            return NotImplemented
        return self.index == other.index and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.index)

    def __float__(self) -> NoReturn:
        raise _not_numbers()

    def __repr__(self) -> str:
        return f"row {self.index}"


class IndexedDtype(ExtensionDtype):
    """Type of a column whose entries are rows of ``table``.

    Columns of equal tables are of equal type. The table is neither copied nor to be changed.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
    """

    type = TableRow

    def __init__(self, table: NDArray) -> None:
        self.table = table.view()
        self.table.flags.writeable = False

    @property
    def name(self) -> str:
        """What pandas shows."""
        n_rows, n_columns = self.table.shape
        return f"indexed[{n_rows} x {n_columns}]"

    @classmethod
    def construct_from_string(cls, string: str) -> Self:
        """Refuse: no word stands for a table."""
        if not isinstance(string, str):
            raise TypeError(f"'construct_from_string' expects a string, got {type(string)}")
        raise TypeError(f"Cannot construct a '{cls.__name__}' from '{string}'")

    def construct_array_type(self) -> type[IndexedArray]:  # type: ignore[valid-type]
        """Return the type of arrays."""
        return IndexedArray

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other == self.name
        if not isinstance(other, IndexedDtype):
            return False
        return self.table is other.table or np.array_equal(self.table, other.table)

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple:
        # Through the constructor: an array forgets in a pickle that it is read-only.
        return IndexedDtype, (self.table,)


class IndexedArray(ExtensionArray):
    """Entries of an indexed column: their row numbers in a table.

    Slices, copies and selections have indices of their own and share the table.

    Parameters
    ----------
    indices : ndarray of int32 of shape (n_entries,)
        Row numbers, -1 where an entry is missing.
    dtype : IndexedDtype
        With the table.
    """

    # pandas sets it on the views that it hands out; before version 3 it does not know it.
    _readonly = False

    def __init__(self, indices: NDArray[np.int32], dtype: IndexedDtype) -> None:
        self.indices = indices
        self._dtype = dtype

    @property
    def dtype(self) -> IndexedDtype:
        """The type, which has the table."""
        return self._dtype

    @property
    def table(self) -> NDArray:
        """The shared table, an array of shape (n_rows, n_columns)."""
        return self._dtype.table

    @property
    def nbytes(self) -> int:
        """Bytes of the indices; the table belongs to no column."""
        return self.indices.nbytes

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: Any) -> Any:
        item = check_array_indexer(self, item)
        indices = self.indices[item]
        if np.ndim(indices):
            part = IndexedArray(indices, self._dtype)
            part._readonly = self._readonly and np.may_share_memory(indices, self.indices)
            return part
        return self._dtype.na_value if indices == _MISSING else TableRow(int(indices), self._dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._readonly:
            raise ValueError("Cannot modify read-only array")
        key = check_array_indexer(self, key)
        if pd.api.types.is_list_like(value):
            self.indices[key] = self._from_sequence(value, dtype=self._dtype).indices
        else:
            self.indices[key] = _index_of(value, self._dtype)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, pd.Series | pd.Index | pd.DataFrame):
            return NotImplemented
        if isinstance(other, IndexedArray) and len(other) == len(self):
            return (self.indices == other.indices) & ~self.isna() & (self._dtype == other.dtype)
        if pd.api.types.is_list_like(other):
            entries = list(other)  # type: ignore[call-overload]
            if len(entries) != len(self):
                raise ValueError(f"Lengths must match to compare; got {len(self)}, {len(entries)}.")
            return np.array([a == b for a, b in zip(self, entries, strict=True)], dtype=bool)
        if isinstance(other, TableRow) and other.dtype == self._dtype:
            return self.indices == other.index
        return np.zeros(len(self), dtype=bool)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.object_]:
        if dtype is not None and np.dtype(dtype) != object:
            raise _not_numbers()
        if copy is False:
            raise ValueError("An indexed column becomes an array of objects only by a copy.")
        array = np.empty(len(self), dtype=object)
        array[:] = list(self)
        return array

    def isna(self) -> NDArray[np.bool_]:
        """Return which entries are missing."""
        return self.indices == _MISSING

    def take(
        self, indices: ArrayLike, *, allow_fill: bool = False, fill_value: Any = None
    ) -> IndexedArray:
        """Return the entries at ``indices``, where -1 means missing with ``allow_fill``."""
        fill = _index_of(fill_value, self._dtype)
        taken = take(self.indices, np.asarray(indices), allow_fill=allow_fill, fill_value=fill)
        return IndexedArray(taken, self._dtype)

    def copy(self) -> IndexedArray:
        """Return a copy that shares the table."""
        return IndexedArray(self.indices.copy(), self._dtype)

    def view(self, dtype: Any = None) -> Any:
        """Return another column over the same indices."""
        return super().view(dtype) if dtype is not None else self[:]

    @classmethod
    def _from_sequence(
        cls, scalars: Iterable, *, dtype: Any = None, copy: bool = False
    ) -> IndexedArray:
        if isinstance(scalars, pd.Series | pd.Index):
            scalars = scalars.array
        if isinstance(scalars, IndexedArray) and dtype in (None, scalars.dtype):
            return scalars.copy() if copy else scalars
        scalars = list(scalars)
        if dtype is None:
            dtype = next((s.dtype for s in scalars if isinstance(s, TableRow)), None)
        if dtype is None:
            raise TypeError("An indexed column needs rows of a table; got none.")
        return cls(np.array([_index_of(s, dtype) for s in scalars], dtype=np.int32), dtype)

    @classmethod
    def _from_factorized(cls, values: NDArray, original: IndexedArray) -> IndexedArray:
        return cls(values, original.dtype)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[IndexedArray]) -> IndexedArray:
        return cls(np.concatenate([part.indices for part in to_concat]), to_concat[0].dtype)

    def _values_for_factorize(self) -> tuple[NDArray[np.int32], int]:
        return self.indices, _MISSING

    def _values_for_argsort(self) -> NDArray[np.int32]:
        return self.indices


def _index_of(entry: Any, dtype: IndexedDtype) -> int:
    if isinstance(entry, TableRow) and entry.dtype == dtype:
        return entry.index
    if entry is None or entry is pd.NA or entry is pd.NaT or entry != entry:
        return _MISSING
    raise TypeError(f"An entry of the column must be a row of its table; got {entry!r}.")


def _not_numbers() -> TypeError:
    return TypeError(
        "an indexed column is no array of numbers. SIRENRegressor reads it, in a DataFrame; for "
        "other estimators use SpectralEmbedder(output='array'), and between the two of them "
        "set_output(transform='pandas') on every step. Columns of two embedders are not one: rows "
        "that were joined must be transformed together."
    )
