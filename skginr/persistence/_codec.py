"""From objects to numbers and words, and back, without running anything that a file says.

An object becomes a list of nodes, JSON values that name each other by number, and arrays. What is
met twice is one node, so that a graph that three steps share is one graph again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr.persistence._bounds import check_nodes, check_words
from skginr.persistence._classes import (
    class_named,
    give_state,
    in_todays_words,
    name_of,
    take_state,
)
from skginr.persistence._random import generator_of, random_state_of

_SPARSE = {
    name: getattr(sp, name)
    for name in (
        *["csr_array", "csc_array", "coo_array"],
        *["csr_matrix", "csc_matrix", "coo_matrix"],
    )
}
_UNITS = ("s", "ms", "us", "ns")
# Zones of the world, and offsets from UTC: pandas would open a file for others, such as dateutil's.
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*|(UTC)?[+-]\d\d:\d\d(:\d\d)?")
# Columns of text as pandas names them.
_TEXT = re.compile(r"(str|string)(\[[a-z_]+\])?")
# Widest of a dtype that stands alone: predictions may be of it.
_WIDEST = 1 << 12
# Types of pandas that know missing numbers.
_NULLABLE = {
    *["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"],
    *["Float32", "Float64", "boolean"],
}
_ADVICE = (
    "Make it numbers, words or times of numpy, or leave it out; joblib keeps it, in a file that "
    "runs code when it is loaded."
)


class Encoder:
    """Takes an object apart.

    Attributes
    ----------
    nodes : list of dict
        The first is the object.
    arrays : dict of str to ndarray
        By the number of their node.
    """

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray] = {}
        self._numbers: dict[int, int] = {}
        # An id is an object's own for as long as it lives.
        self._alive: list[Any] = []

    def encode(self, value: Any, path: str) -> Any:
        """Return ``value`` as it stands in a node: itself, or the number of a node of its own.

        Parameters
        ----------
        value : object
        path : str
            What to call it in an error.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"float": repr(value)}
        if id(value) not in self._numbers:
            number = len(self.nodes)
            self._numbers[id(value)] = number
            self._alive.append(value)
            self.nodes.append({})
            self.nodes[number] = self._node(value, path, number)
        return {"node": self._numbers[id(value)]}

    def _node(self, value: Any, path: str, number: int) -> dict[str, Any]:
        kind = type(value)
        if kind in (list, tuple, set, frozenset):
            # A set has no order, and a file should not depend on the day.
            items = sorted(value, key=repr) if kind in (set, frozenset) else value
            parts = [self.encode(item, f"{path}[{i}]") for i, item in enumerate(items)]
            return {"kind": kind.__name__, "items": parts}
        if isinstance(value, dict) and kind.__name__ in ("dict", "OrderedDict", "defaultdict"):
            return {"kind": "dict", "items": self._pairs(value, path)}
        for types, write in self._writers():
            if isinstance(value, types):
                return write(value, path, number)
        name = name_of(kind)
        if name is None:
            raise TypeError(
                f"model must hold numbers, words and estimators that skginr.save knows, "
                f"nothing else; {path} is a {kind.__module__}.{kind.__qualname__}. {_ADVICE}"
            )
        state = take_state(value, name)
        if isinstance(state, tuple):
            return {"kind": "tuple object", "class": name, "items": self._items(state, path)}
        parts = [[key, self.encode(part, f"{path}.{key}")] for key, part in state.items()]
        return {"kind": "object", "class": name, "state": parts}

    def _writers(self) -> list[tuple[Any, Callable[[Any, str, int], dict[str, Any]]]]:
        return [
            (np.ma.MaskedArray, self._masked),
            (np.ndarray, self._array),
            (np.generic, self._scalar),
            (np.dtype, self._dtype),
            (slice, self._slice),
            (PurePath, lambda value, path, number: {"kind": "path", "path": str(value)}),
            (bytes, lambda value, path, number: {"kind": "bytes", "hex": value.hex()}),
            (type, self._type),
            (pd.Index, self._index),
            (pd.Series, self._series),
            (pd.DataFrame, self._frame),
            (sp.sparray | sp.spmatrix, self._sparse),
            (np.random.RandomState, self._random_state),
            (np.random.Generator, self._generator),
            *([(sys.modules["torch"].Tensor, self._tensor)] if "torch" in sys.modules else []),
        ]

    def _items(self, values: Any, path: str) -> list[Any]:
        return [self.encode(value, f"{path}[{i}]") for i, value in enumerate(values)]

    def _pairs(self, values: dict[Any, Any], path: str) -> list[list[Any]]:
        return [
            [self.encode(key, f"a key of {path}"), self.encode(value, f"{path}[{key!r}]")]
            for key, value in values.items()
        ]

    def _array(self, value: NDArray, path: str, number: int) -> dict[str, Any]:
        kind, shape = value.dtype.kind, list(value.shape)
        if kind in "OUS":
            try:
                check_words(value.dtype, value.ravel().tolist())
            except ValueError as error:
                raise TypeError(
                    f"{path} is an array whose dtype is far wider than what it holds ({error}), "
                    f"which cannot be kept. Make it narrower, with .astype(str) of its .tolist()."
                ) from error
            items = self._items(value.ravel().tolist(), path)
            return {"kind": "words", "dtype": value.dtype.str, "shape": shape, "items": items}
        if kind in "mM":
            stored = value.view(np.int64)
        elif kind in "biufc" and value.real.itemsize <= 8:
            stored = value
        else:
            raise TypeError(f"{path} is an array of {value.dtype}, which cannot be kept. {_ADVICE}")
        # The order in memory is kept: products round differently in another.
        transposed = value.flags.f_contiguous and not value.flags.c_contiguous
        stored = np.ascontiguousarray(stored.T if transposed else stored)
        # Complex numbers are pairs: not every reader of the format knows them.
        stored = stored.view(stored.real.dtype) if kind == "c" else stored
        self.arrays[str(number)] = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        return {
            "kind": "array",
            "dtype": value.dtype.newbyteorder("=").str,
            "shape": shape,
            "transposed": transposed,
            "writeable": value.flags.writeable,
        }

    def _masked(self, value: np.ma.MaskedArray, path: str, number: int) -> dict[str, Any]:
        parts = [value.data, np.ma.getmaskarray(value)]
        return {"kind": "masked", "items": self._items(parts, path)}

    def _scalar(self, value: np.generic, path: str, number: int) -> dict[str, Any]:
        return {"kind": "scalar", "array": self.encode(np.asarray(value), path)}

    def _dtype(self, value: np.dtype, path: str, number: int) -> dict[str, Any]:
        if value.itemsize > _WIDEST:
            raise TypeError(f"{path} is a dtype of {value.itemsize} bytes, more than {_WIDEST}.")
        return {"kind": "dtype", "dtype": value.str}

    def _slice(self, value: slice, path: str, number: int) -> dict[str, Any]:
        return {"kind": "slice", "items": self._items((value.start, value.stop, value.step), path)}

    def _type(self, value: type, path: str, number: int) -> dict[str, Any]:
        number_of_numpy = issubclass(value, np.generic) and _is_number_type(value)
        if not number_of_numpy and value not in (bool, int, float, str):
            raise TypeError(f"{path} is the class {value.__qualname__}. {_ADVICE}")
        numpy_or_python = "type" if issubclass(value, np.generic) else "python type"
        return {"kind": numpy_or_python, "name": value.__name__}

    def _index(self, value: pd.Index, path: str, number: int) -> dict[str, Any]:
        if isinstance(value, pd.RangeIndex):
            limits = [value.start, value.stop, value.step]
            return {"kind": "range", "limits": limits, "name": self.encode(value.name, path)}
        if isinstance(value, pd.MultiIndex):
            levels = [value.get_level_values(i) for i in range(value.nlevels)]
            return {"kind": "multi-index", "levels": self._items(levels, path)}
        column = self._column(value, path)
        return {"kind": "index", "column": column, "name": self.encode(value.name, path)}

    def _series(self, value: pd.Series, path: str, number: int) -> dict[str, Any]:
        return {
            "kind": "series",
            "column": self._column(value, path),
            "index": self.encode(value.index, f"{path}.index"),
            "name": self.encode(value.name, path),
        }

    def _frame(self, value: pd.DataFrame, path: str, number: int) -> dict[str, Any]:
        if type(value) is not pd.DataFrame:
            raise TypeError(f"{path} is a {type(value).__name__}, which cannot be kept. {_ADVICE}")
        places = range(value.shape[1])
        return {
            "kind": "frame",
            "columns": [self._column(value.iloc[:, i], f"{path}[{i}]") for i in places],
            "names": self.encode(value.columns, f"{path}.columns"),
            "index": self.encode(value.index, f"{path}.index"),
        }

    def _column(self, column: pd.Series | pd.Index, path: str) -> dict[str, Any]:
        """Return the values of a column, not a node but part of one."""
        dtype, values = column.dtype, column.array
        if isinstance(dtype, pd.CategoricalDtype):
            categories = self.encode(pd.Index(dtype.categories), path)
            codes = self.encode(np.asarray(values.codes), path)
            return {"categories": categories, "codes": codes, "ordered": bool(dtype.ordered)}
        if isinstance(dtype, np.dtype) and dtype.kind in "biufmMc":
            return {"array": self.encode(column.to_numpy(), path)}
        if isinstance(dtype, np.dtype | pd.StringDtype):
            items = [None if _is_missing(item) else item for item in values]
            missing = "nan" if any(map(_is_nan, values)) else "none"
            words = self.encode(items, path)
            return {"words": words, "dtype": str(dtype), "missing": missing}
        if str(dtype) in _NULLABLE:
            absent = np.asarray(column.isna())
            zero = False if str(dtype) == "boolean" else 0
            plain = values.to_numpy(dtype=dtype.numpy_dtype, na_value=zero)
            parts = self.encode(plain, path), self.encode(absent, path)
            return {"nullable": parts[0], "missing": parts[1], "dtype": str(dtype)}
        if isinstance(dtype, pd.DatetimeTZDtype) and _is_known_by_name(dtype):
            plain = self.encode(np.asarray(values.asi8), path)
            return {"times": plain, "unit": dtype.unit, "zone": str(dtype.tz)}
        raise TypeError(f"{path} is a column of {dtype}, which cannot be kept. {_ADVICE}")

    def _sparse(self, value: Any, path: str, number: int) -> dict[str, Any]:
        name = type(value).__name__
        if name not in _SPARSE:
            raise TypeError(f"{path} is a {name}, which cannot be kept; convert it with .tocsr().")
        rows = value.coords if value.format == "coo" else (value.indices, value.indptr)
        parts = self._items([value.data, *rows], path)
        return {"kind": "sparse", "class": name, "parts": parts, "shape": list(value.shape)}

    def _random_state(self, value: np.random.RandomState, path: str, number: int) -> dict[str, Any]:
        return {"kind": "random state", "state": self.encode(value.get_state(legacy=False), path)}

    def _generator(self, value: np.random.Generator, path: str, number: int) -> dict[str, Any]:
        return {"kind": "generator", "state": self.encode(value.bit_generator.state, path)}

    def _tensor(self, value: Any, path: str, number: int) -> dict[str, Any]:
        return {"kind": "tensor", "array": self.encode(value.detach().cpu().numpy(), path)}


class Decoder:
    """Puts an object together again, from nodes and arrays alone.

    Parameters
    ----------
    nodes : list of dict
    arrays : dict of str to ndarray

    Raises
    ------
    ValueError
        If nodes stand for much more than they are.
    """

    def __init__(self, nodes: list[dict[str, Any]], arrays: dict[str, NDArray]) -> None:
        check_nodes(nodes)
        self._nodes = nodes
        self._arrays = arrays
        self._made: dict[int, Any] = {}

    def decode(self, value: Any) -> Any:
        """Return what stands in a node as ``value``."""
        if not isinstance(value, dict):
            return value
        if "float" in value:
            return float(value["float"])
        number = value["node"]
        if number not in self._made:
            node = self._nodes[number]
            self._made[number] = _READERS[node["kind"]](self, node, number)
        return self._made[number]

    def _all(self, values: list[Any]) -> list[Any]:
        return [self.decode(value) for value in values]

    def _list(self, node: dict[str, Any], number: int) -> list[Any]:
        made = self._made[number] = []
        made.extend(self._all(node["items"]))
        return made

    def _tuple(self, node: dict[str, Any], number: int) -> tuple[Any, ...]:
        return tuple(self._all(node["items"]))

    def _set(self, node: dict[str, Any], number: int) -> set[Any]:
        return set(self._all(node["items"]))

    def _frozenset(self, node: dict[str, Any], number: int) -> frozenset[Any]:
        return frozenset(self._all(node["items"]))

    def _dict(self, node: dict[str, Any], number: int) -> dict[Any, Any]:
        made = self._made[number] = {}
        made.update((self.decode(key), self.decode(value)) for key, value in node["items"])
        return made

    def _object(self, node: dict[str, Any], number: int) -> Any:
        name, kind = node["class"], class_named(node["class"])
        if hasattr(kind, "from_state"):
            # A network and a graph are built, not filled.
            return kind.from_state(self._state(name, node))
        made = self._made[number] = kind.__new__(kind)
        give_state(made, name, self._state(name, node))
        return made

    def _state(self, name: str, node: dict[str, Any]) -> dict[str, Any]:
        state = {str(key): value for key, value in node["state"]}
        decoded = {key: self.decode(value) for key, value in state.items()}
        return in_todays_words(name, decoded)

    def _tuple_object(self, node: dict[str, Any], number: int) -> Any:
        kind = class_named(node["class"])
        items = self._all(node["items"])
        if len(items) != len(kind._fields):
            raise ValueError(f"{node['class']} has {len(kind._fields)} parts, and not {len(items)}")
        return tuple.__new__(kind, items)

    def _array(self, node: dict[str, Any], number: int) -> NDArray:
        dtype, shape = _number_type(node["dtype"]), tuple(node["shape"])
        array = self._arrays[str(number)].view(dtype)
        array = array.reshape(shape[::-1]).T if node["transposed"] else array.reshape(shape)
        array.flags.writeable = bool(node["writeable"])
        return array

    def _words(self, node: dict[str, Any], number: int) -> NDArray:
        made = np.empty(len(node["items"]), dtype=object)
        made[:] = self._all(node["items"])
        dtype = np.dtype(str(node["dtype"]))
        check_words(dtype, made.tolist())
        return made.astype(dtype, copy=False).reshape(node["shape"])

    def _masked(self, node: dict[str, Any], number: int) -> np.ma.MaskedArray:
        data, mask = self._all(node["items"])
        return np.ma.MaskedArray(data, mask)

    def _scalar(self, node: dict[str, Any], number: int) -> Any:
        return self.decode(node["array"])[()]

    def _dtype(self, node: dict[str, Any], number: int) -> np.dtype:
        dtype = np.dtype(str(node["dtype"]))
        if dtype.itemsize > _WIDEST:
            raise ValueError(f"a dtype of {dtype.itemsize} bytes")
        return dtype

    def _slice(self, node: dict[str, Any], number: int) -> slice:
        return slice(*self._all(node["items"]))

    def _bytes(self, node: dict[str, Any], number: int) -> bytes:
        return bytes.fromhex(node["hex"])

    def _path(self, node: dict[str, Any], number: int) -> Path:
        return Path(str(node["path"]))

    def _type(self, node: dict[str, Any], number: int) -> type:
        return _number_type(node["name"]).type

    def _python_type(self, node: dict[str, Any], number: int) -> type:
        return {"bool": bool, "int": int, "float": float, "str": str}[node["name"]]

    def _range(self, node: dict[str, Any], number: int) -> pd.RangeIndex:
        return pd.RangeIndex(*node["limits"], name=self.decode(node["name"]))

    def _multi_index(self, node: dict[str, Any], number: int) -> pd.MultiIndex:
        levels = self._all(node["levels"])
        return pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])

    def _index(self, node: dict[str, Any], number: int) -> pd.Index:
        return pd.Index(self._column(node["column"]), name=self.decode(node["name"]))

    def _series(self, node: dict[str, Any], number: int) -> pd.Series:
        index, name = self.decode(node["index"]), self.decode(node["name"])
        column = self._column(node["column"])
        _check_length(column, index)
        return pd.Series(column, index=index, name=name)

    def _frame(self, node: dict[str, Any], number: int) -> pd.DataFrame:
        names, index = self.decode(node["names"]), self.decode(node["index"])
        columns = dict(enumerate(map(self._column, node["columns"])))
        for column in columns.values():
            _check_length(column, index)
        return pd.DataFrame(columns, index=index).set_axis(names, axis=1)

    def _column(self, column: dict[str, Any]) -> Any:
        if "categories" in column:
            return pd.Categorical.from_codes(
                self.decode(column["codes"]),
                categories=self.decode(column["categories"]),
                ordered=column["ordered"],
            )
        if "words" in column:
            missing = np.nan if column["missing"] == "nan" else None
            items = [missing if item is None else item for item in self.decode(column["words"])]
            made = np.empty(len(items), dtype=object)
            made[:] = items
            if column["dtype"] == "object":
                return made
            if not _TEXT.fullmatch(column["dtype"]):
                raise ValueError(f"words cannot be of {column['dtype']}")
            return pd.array(made, dtype=column["dtype"])
        if "nullable" in column:
            if column["dtype"] not in _NULLABLE:
                raise ValueError(f"a column cannot be of {column['dtype']}")
            kind = pd.api.types.pandas_dtype(column["dtype"]).construct_array_type()
            parts = self.decode(column["nullable"]), self.decode(column["missing"])
            return kind(*(part.copy() for part in parts))
        if "times" in column:
            unit, zone = column["unit"], column["zone"]
            if unit not in _UNITS or not _is_zone(zone):
                raise ValueError(f"times cannot be of {unit} in the zone {zone!r}")
            times = self.decode(column["times"]).view(f"M8[{unit}]")
            return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).array
        return self.decode(column["array"])

    def _sparse(self, node: dict[str, Any], number: int) -> Any:
        data, *rows = self._all(node["parts"])
        kind, shape = _SPARSE[node["class"]], tuple(node["shape"])
        if kind.__name__.startswith("coo"):
            return kind((data, tuple(rows)), shape=shape)
        made = kind((data, *rows), shape=shape)
        # What points beyond the arrays would be read by compiled code.
        made.check_format(full_check=True)
        return made

    def _random_state(self, node: dict[str, Any], number: int) -> np.random.RandomState:
        return random_state_of(self.decode(node["state"]))

    def _generator(self, node: dict[str, Any], number: int) -> np.random.Generator:
        return generator_of(self.decode(node["state"]))

    def _tensor(self, node: dict[str, Any], number: int) -> Any:
        import torch

        return torch.from_numpy(np.array(self.decode(node["array"])))


# Named one by one: a file chooses among these, and not among the methods of the class.
_READERS: dict[str, Callable[[Decoder, dict[str, Any], int], Any]] = {
    "array": Decoder._array,
    "bytes": Decoder._bytes,
    "dict": Decoder._dict,
    "dtype": Decoder._dtype,
    "frame": Decoder._frame,
    "frozenset": Decoder._frozenset,
    "generator": Decoder._generator,
    "index": Decoder._index,
    "list": Decoder._list,
    "masked": Decoder._masked,
    "multi-index": Decoder._multi_index,
    "object": Decoder._object,
    "path": Decoder._path,
    "python type": Decoder._python_type,
    "random state": Decoder._random_state,
    "range": Decoder._range,
    "scalar": Decoder._scalar,
    "series": Decoder._series,
    "set": Decoder._set,
    "slice": Decoder._slice,
    "sparse": Decoder._sparse,
    "tensor": Decoder._tensor,
    "tuple": Decoder._tuple,
    "tuple object": Decoder._tuple_object,
    "type": Decoder._type,
    "words": Decoder._words,
}


def _number_type(name: Any) -> np.dtype:
    dtype = np.dtype(str(name))
    if dtype.kind not in "biufcmM":
        raise ValueError(f"an array cannot be of {dtype}")
    return dtype


def _is_number_type(kind: type[np.generic]) -> bool:
    """Say whether a class of numpy is what its name means, and not a family of such."""
    try:
        return _number_type(kind.__name__).type is kind
    except (TypeError, ValueError):
        return False


def _is_known_by_name(dtype: pd.DatetimeTZDtype) -> bool:
    """Say whether a time zone is again what its name says."""
    try:
        return _is_zone(str(dtype.tz)) and pd.DatetimeTZDtype(dtype.unit, str(dtype.tz)) == dtype
    except (KeyError, TypeError, ValueError, OSError):
        return False


def _is_zone(name: Any) -> bool:
    """Say whether a name is of a time zone, and not of a file."""
    return isinstance(name, str) and bool(_ZONE.fullmatch(name)) and "dateutil" not in name


def _check_length(column: Any, index: pd.Index) -> None:
    # pandas would repeat a single value as often as an index counts, however far.
    if np.ndim(column) != 1 or len(column) != len(index):
        raise ValueError("a column must have a value for every row of its index")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or _is_nan(value)
