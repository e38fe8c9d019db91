"""Checks at the door, shared by every module: what is wrong, and what to do about it."""

import functools
import importlib
from collections.abc import Callable, Collection
from datetime import date, timedelta
from numbers import Integral, Real
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skginr._core._interrupts import held_back

# What scikit-learn reads as a number, and is none.
_WORDS = (str, bytes, date, timedelta, np.datetime64, np.timedelta64)

_P = ParamSpec("_P")
_R = TypeVar("_R")


def check_option(name: str, value: object, options: Collection[str]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``options``."""
    if not isinstance(value, str) or value not in options:
        choices = ", ".join(repr(option) for option in options)
        raise ValueError(f"{name} must be one of {choices}; got {value!r}.")


def check_count(name: str, value: object, *, minimum: int, word: str | None = None) -> None:
    """Raise unless ``value`` is an integer of at least ``minimum``, or the ``word``."""
    if word is not None and isinstance(value, str) and value == word:
        return
    if isinstance(value, bool) or not isinstance(value, Integral):
        choices = "an integer" if word is None else f"an integer or {word!r}"
        raise TypeError(f"{name} must be {choices}; got {value!r} of type {_type_name(value)}.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {value}.")


def check_flag(name: str, value: object) -> None:
    """Raise ``TypeError`` unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r} of type {_type_name(value)}.")


def check_with_noise(with_noise: Any, return_std: Any) -> None:
    """Raise unless noise is asked for together with the standard deviations that it is part of."""
    check_flag("with_noise", with_noise)
    if with_noise and not return_std:
        raise ValueError(
            "with_noise=True needs return_std=True: a prediction is the same with noise and "
            "without."
        )


def check_verbose(value: object) -> None:
    """Raise unless ``value`` is a whole number of at least 0, or a flag."""
    if not isinstance(value, bool | np.bool_):
        check_count("verbose", value, minimum=0)


def check_real(
    name: str, value: object, *, minimum: float, strict: bool = False, word: str | None = None
) -> None:
    """Raise unless ``value`` is a finite number of at least (or above) ``minimum``, or the word."""
    if word is not None and isinstance(value, str) and value == word:
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        choices = "a number" if word is None else f"a number or {word!r}"
        raise TypeError(f"{name} must be {choices}; got {value!r} of type {_type_name(value)}.")
    if not _is_finite(value) or value < minimum or (strict and value == minimum):
        rule = f"{'greater than' if strict else 'at least'} {minimum:g} and finite"
        raise ValueError(f"{name} must be {rule}; got {value}.")


def check_numeric(name: str, values: Any) -> NDArray[np.float64]:
    """Return dense ``values`` as a float64 array, converting nothing but numbers."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array; fill it, or drop masked entries.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be a table with rows of one length; {error}.") from error
    if array.dtype == object:
        # Nullable columns come as objects; what is missing in them is NaN.
        array = _from_objects(name, array)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} must hold real numbers; got dtype {array.dtype}. Convert it first."
        )
    return array.astype(np.float64)


def _from_objects(name: str, array: NDArray[np.object_]) -> NDArray[np.float64]:
    numbers = np.full(array.shape, np.nan)
    for place, value in np.ndenumerate(array):
        number = as_number(value)
        if number is None:
            where = f"row {place[0]}" if len(place) == 1 else f"{place}"
            raise TypeError(
                f"{name} must hold real numbers; got {value!r} of type {_type_name(value)} at "
                f"{where}."
                + (" Select other columns: table[['label']]." if is_geometry(value) else "")
            )
        numbers[place] = number
    return numbers


def told_apart(first: float, second: float) -> tuple[str, str]:
    """Return two different numbers with as many digits as it takes to see that they are."""
    for digits in range(6, 18):
        words = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if words[0] != words[1]:
            break
    return words


def as_number(value: object) -> float | None:
    """Return a real number as a float, NaN for what is missing, and None for anything else."""
    if value is None or value is pd.NA or value is pd.NaT:
        return np.nan
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    # NumPy's times are numbers to Python.
    if isinstance(value, Real) and not isinstance(value, _WORDS):
        return float(value)
    return None


def check_frame(name: str, frame: object, *, what: str = "a pandas DataFrame") -> None:
    """Raise ``TypeError`` unless ``frame`` is a DataFrame of pandas."""
    if isinstance(frame, pd.DataFrame):
        return
    package = type(frame).__module__.partition(".")[0]
    got = _type_name(frame) if package == "builtins" else f"{package}.{_type_name(frame)}"
    advice = f" Use {name}.to_pandas()." if hasattr(frame, "to_pandas") else ""
    raise TypeError(f"{name} must be {what}; got {got}.{advice}")


def check_no_words(name: str, table: Any, advice: str = "") -> None:
    """Raise ``ValueError`` if a table holds words, dates, geometries or masked entries.

    scikit-learn reads the words "01003" and dates as numbers, and what is behind a mask.
    """
    if isinstance(table, np.ma.MaskedArray):
        raise ValueError(f"{name} must not be a masked array; fill it, or drop masked entries.")
    if isinstance(table, pd.DataFrame):
        arrays = [table.iloc[:, j].to_numpy() for j in range(table.shape[1])]
    elif isinstance(table, list | tuple):
        arrays = [np.array(table, dtype=object)]
    elif hasattr(table, "get_columns"):  # of polars
        arrays = [column.to_numpy() for column in table.get_columns()]
    elif isinstance(table, pd.Series):
        arrays = [table.to_numpy()]
    elif isinstance(table, np.ndarray):
        arrays = [table]
    else:  # tables of others, such as pyarrow's
        arrays = [] if hasattr(table, "dtype") or np.isscalar(table) else [np.asarray(table)]
    for array in arrays:
        values = [] if array.dtype.kind in "biufc" else array.flat
        word = next((v for v in values if isinstance(v, _WORDS) or is_geometry(v)), None)
        if is_geometry(word):
            raise ValueError(
                f"{name} must hold numbers; got geometries. Build the graph of the map, graph = "
                f"Graph.from_geodataframe(gdf, labels='label'), and have the column name its "
                f"nodes: SpectralEmbedder(graph=graph) takes gdf[['label']]."
            )
        if word is not None:
            raise ValueError(
                f"{name} must hold numbers; got {word!r} of type {_type_name(word)}.{advice}"
            )


def is_geometry(value: object) -> bool:
    """Say whether something is a geometry of shapely, without importing that."""
    return type(value).__module__.partition(".")[0] == "shapely"


def check_points(name: str, points: ArrayLike) -> NDArray[np.float64]:
    """Return ``points`` as a finite float array of shape (n_points, n_dimensions)."""
    array = check_numeric(name, points)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name} must have shape (n_points, n_dimensions) with at least one of each; "
            f"got shape {array.shape}."
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {bad.sum()} rows hold NaN or infinity, the first is row "
            f"{int(bad.argmax())}. Drop or fill them."
        )
    return array


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional ``module``, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f"{purpose} needs {error.name}, which is not installed: "
            f"pip install 'skginr[{extra}]' brings it.",
            name=error.name,
        ) from error


def unchanged_on_error(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a method of an estimator: where it fails, the attributes are as they were.

    scikit-learn's validation sets ``n_features_in_`` before anything else can fail, and would
    leave a model that does not fit its own description, or one that looks fitted.
    """

    @functools.wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        attributes = vars(args[0])
        before = dict(attributes)
        try:
            return method(*args, **kwargs)
        except BaseException:
            with held_back():
                attributes.clear()
                attributes.update(before)
            raise

    return guarded


def _is_finite(value: Real) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # an integer beyond the range of floats
        return False


def _type_name(value: object) -> str:
    return type(value).__name__
