"""A pandas column whose entries are rows of one shared table, kept as their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take
from pandas.api.indexers import check_array_indexer

# The code of an entry that is missing.
_MISSING = -1


class TableRow:
    """One entry of an indexed column.

    Attributes
    ----------
    code : int
        Its row number in the table.
    dtype : IndexedDtype
    """

    __slots__ = ("code", "dtype")

    def __init__(self, code: int, dtype: IndexedDtype) -> None:
        self.code = code
        self.dtype = dtype

    @property
    def numbers(self) -> NDArray:
        """The row of the table, an array of shape (n_columns,)."""
        return self.dtype.table[self.code]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TableRow):
            return NotImplemented
        return self.code == other.code and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.code)

    def __float__(self) -> NoReturn:
        raise _not_numbers()

    def __repr__(self) -> str:
        return f"row {self.code}"


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

    Slices, copies and selections have codes of their own and share the table.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n_entries,)
        Row numbers, -1 where an entry is missing.
    dtype : IndexedDtype
        With the table.
    """

    # pandas sets it on the views that it hands out; before version 3 it does not know it.
    _readonly = False

    def __init__(self, codes: NDArray[np.int32], dtype: IndexedDtype) -> None:
        self.codes = codes
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
        """Bytes of the codes; the table belongs to no column."""
        return self.codes.nbytes

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, item: Any) -> Any:
        item = check_array_indexer(self, item)
        codes = self.codes[item]
        if np.ndim(codes):
            part = IndexedArray(codes, self._dtype)
            part._readonly = self._readonly and np.may_share_memory(codes, self.codes)
            return part
        return self._dtype.na_value if codes == _MISSING else TableRow(int(codes), self._dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._readonly:
            raise ValueError("Cannot modify read-only array")
        key = check_array_indexer(self, key)
        if pd.api.types.is_list_like(value):
            self.codes[key] = self._from_sequence(value, dtype=self._dtype).codes
        else:
            self.codes[key] = _code_of(value, self._dtype)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, pd.Series | pd.Index | pd.DataFrame):
            return NotImplemented
        if isinstance(other, IndexedArray) and len(other) == len(self):
            return (self.codes == other.codes) & ~self.isna() & (self._dtype == other.dtype)
        if pd.api.types.is_list_like(other):
            entries = list(other)  # type: ignore[call-overload]
            if len(entries) != len(self):
                raise ValueError(f"Lengths must match to compare; got {len(self)}, {len(entries)}.")
            return np.array([a == b for a, b in zip(self, entries, strict=True)], dtype=bool)
        if isinstance(other, TableRow) and other.dtype == self._dtype:
            return self.codes == other.code
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
        return self.codes == _MISSING

    def take(
        self, indices: ArrayLike, *, allow_fill: bool = False, fill_value: Any = None
    ) -> IndexedArray:
        """Return the entries at ``indices``, where -1 means missing with ``allow_fill``."""
        fill = _code_of(fill_value, self._dtype)
        codes = take(self.codes, np.asarray(indices), allow_fill=allow_fill, fill_value=fill)
        return IndexedArray(codes, self._dtype)

    def copy(self) -> IndexedArray:
        """Return a copy that shares the table."""
        return IndexedArray(self.codes.copy(), self._dtype)

    def view(self, dtype: Any = None) -> Any:
        """Return another column over the same codes."""
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
        return cls(np.array([_code_of(s, dtype) for s in scalars], dtype=np.int32), dtype)

    @classmethod
    def _from_factorized(cls, values: NDArray, original: IndexedArray) -> IndexedArray:
        return cls(values, original.dtype)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[IndexedArray]) -> IndexedArray:
        return cls(np.concatenate([part.codes for part in to_concat]), to_concat[0].dtype)

    def _values_for_factorize(self) -> tuple[NDArray[np.int32], int]:
        return self.codes, _MISSING

    def _values_for_argsort(self) -> NDArray[np.int32]:
        return self.codes


def _code_of(entry: Any, dtype: IndexedDtype) -> int:
    if isinstance(entry, TableRow) and entry.dtype == dtype:
        return entry.code
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
