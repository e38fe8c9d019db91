"""Times as numbers: hours, months where a table is monthly, or the numbers that they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from skginr._core._checks import check_real

_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.2425 / 12, "year": 365.2425}
_DATETIMES = ("datetime", "datetime64", "date")
_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
# Integers above are not told apart as floats.
_EXACT = 2**53


@dataclass(frozen=True, eq=False)
class TimeScale:
    """How the times of a table become numbers, as its first rows decided.

    Attributes
    ----------
    unit : {"number", "hour", "month"}
        Of the numbers: that of numeric times; of datetimes hours since 1970, or, where all are of
        the same day of the month and time of day (or of its last day), months since 1970. A year
        is then 12, and a time in between is a fraction of the way to the next month's.
    origin : DatetimeIndex of length 1, or None
        One time from which months are counted. Its dtype has the time zone.
    """

    unit: str
    origin: pd.DatetimeIndex | None = None

    @classmethod
    def of(cls, values: ArrayLike | pd.Series, name: str = "X") -> TimeScale:
        """Return the scale that suits some times.

        Parameters
        ----------
        values : array-like of shape (n,)
            Numbers, datetimes (with a time zone or without), periods (their starts) or dates.
        name : str
            What to call them in an error.

        Raises
        ------
        TypeError
            If they are neither numbers nor datetimes.
        ValueError
            If there are none, one is missing or infinite, or some datetimes have a time zone and
            others none.
        """
        times = _checked(values, name)
        if len(times) == 0:
            raise ValueError(f"{name} must hold at least one time; got none.")
        if not isinstance(times, pd.DatetimeIndex):
            return cls("number")
        wall = times.tz_localize(None)
        monthly = cls("month", times[[int(np.argmax(wall.day))]])
        months = wall.to_numpy().astype("M8[M]")
        if (monthly._beginnings(months) == wall).all() and (months != months[0]).any():
            return monthly
        return cls("hour", times[:1])

    def numbers(self, values: ArrayLike | pd.Series, name: str = "X") -> NDArray[np.float64]:
        """Return times as numbers, of shape (n,).

        Parameters
        ----------
        values : array-like of shape (n,)
            Times of the kind that the scale was made of.
        name : str
            What to call them in an error.

        Raises
        ------
        TypeError
            If they are neither numbers nor datetimes.
        ValueError
            If one is missing or infinite, or they are of another kind: numbers for datetimes, or
            datetimes with a time zone for ones without.
        """
        times = _checked(values, name)
        if not isinstance(times, pd.DatetimeIndex):
            if self.origin is not None and len(times):
                raise ValueError(
                    f"{name} must hold datetimes, as in fit; got numbers, {times[0]:g} first. "
                    f"Make datetimes of them, pd.to_datetime, or fit to numbers."
                )
            return times
        if self.origin is None:
            raise ValueError(
                f"{name} must hold numbers, as in fit; got datetimes, {times[0]} first. Fit to "
                f"datetimes too."
            )
        if (times.tz is None) != (self.origin.tz is None):
            had, have, method = (
                ("none", times.tz, "tz_convert('UTC').dt.tz_localize(None)")
                if self.origin.tz is None
                else (self.origin.tz, "none", f"tz_localize({str(self.origin.tz)!r})")
            )
            raise ValueError(
                f"{name} must have a time zone where the times of fit had one, and only there; fit "
                f"had {had}, here it is {have}. Say which it is: times.dt.{method}."
            )
        if self.unit == "hour":
            per_hour = int(pd.Timedelta("1h").as_unit(times.unit).asm8.astype(np.int64))
            # Whole hours apart, so that they come out whole however long ago.
            hours, rest = np.divmod(times.asi8, per_hour)
            return hours + rest / per_hour
        if times.tz is not None:
            times = times.tz_convert(self.origin.tz).tz_localize(None)
        wall = times.as_unit(self.origin.unit).to_numpy()
        months = wall.astype("M8[M]")
        months = months - (wall < self._beginnings(months)).astype("m8[M]")
        begins, ends = self._beginnings(months), self._beginnings(months + 1)
        return months.astype(np.int64) + (wall - begins) / (ends - begins)

    def times(self, numbers: ArrayLike) -> NDArray[np.float64] | pd.DatetimeIndex:
        """Return numbers as the times that they stand for; datetimes to the millisecond."""
        numbers = np.asarray(numbers, dtype=np.float64)
        if self.origin is None:
            return numbers
        unit, zone = self.origin.unit, self.origin.tz
        if self.unit == "hour":
            times = pd.DatetimeIndex(_milliseconds(numbers, 3.6e6).astype("M8[ms]"))
            times = times if unit == "s" else times.as_unit(unit)
            return times if zone is None else times.tz_localize("UTC").tz_convert(zone)
        whole = np.floor(numbers)
        months = whole.astype(np.int64).astype("M8[M]")
        begins = self._beginnings(months)
        lengths = (self._beginnings(months + 1) - begins) / np.timedelta64(1, "ms")
        wall = pd.DatetimeIndex(begins + _milliseconds(numbers - whole, lengths))
        if zone is None:
            return wall
        # The hour that clocks repeat is the first, the hour that they leave out the next.
        first = np.ones(len(wall), dtype=bool)
        return wall.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")

    def length(self, period: Any, name: str) -> float:
        """Return a length of time in the unit of the numbers.

        Parameters
        ----------
        period : float, str, timedelta or offset
            A number where times are numbers. For datetimes "hour", "day", "week", "month" or
            "year" (365.2425 days), what pandas reads, such as "36h", "7D" or "3MS", or a timedelta
            or an offset.
        name : str
            Of the argument, for errors.

        Raises
        ------
        TypeError
            If it is a number and times are datetimes, or the other way round.
        ValueError
            If it is not positive, or no length of time.
        """
        if self.origin is None:
            check_real(name, period, minimum=0, strict=True)
            return float(period)
        days = _days(period, name)
        if not days > 0:
            raise ValueError(f"{name} must be a positive length of time; got {period!r}.")
        # A year of twelve months to the last digit.
        return round(days / _DAYS[self.unit], 12)

    def _beginnings(self, months: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """Return when each of some months begins, in the time zone: on the day of the origin.

        On its last day where it is too short to have that.
        """
        assert self.origin is not None
        wall = self.origin.tz_localize(None)
        first = months.astype("M8[D]")
        days = np.minimum(wall.day[0], ((months + 1).astype("M8[D]") - first).astype(np.int64))
        # By pandas, which says where nanoseconds end, in 2262.
        midnight = pd.DatetimeIndex(first + (days - 1)).as_unit(self.origin.unit)
        return midnight.to_numpy() + (wall - wall.normalize()).to_numpy()


def are_datetimes(column: pd.Series) -> bool:
    """Say whether a column holds datetimes, periods or dates."""
    column = column.infer_objects()
    if isinstance(column.dtype, pd.PeriodDtype):
        return True
    return column.dtype.kind == "M" or _held(column) in _DATETIMES


def _held(column: pd.Series) -> str:
    """Return what pandas calls that which a column of objects holds."""
    return pd.api.types.infer_dtype(column) if column.dtype == object else ""


def _checked(values: Any, name: str) -> NDArray[np.float64] | pd.DatetimeIndex:
    """Return times as datetimes or as numbers, none missing, or raise."""
    if np.ndim(values) != 1:
        raise ValueError(f"{name} must be one column of times; got {np.ndim(values)} dimensions.")
    column = pd.Series(values).infer_objects().reset_index(drop=True)
    if len(column) == 0:
        return np.empty(0)
    if are_datetimes(column):
        times: Any = _datetimes(column, name)
        missing = times.isna()
    elif column.dtype.kind in "iuf" or _held(column) in _NUMBERS:
        times = column.to_numpy(dtype=np.float64, na_value=np.nan)
        missing = np.isnan(times)
        if column.dtype.kind in "iu" and (np.abs(times) > _EXACT).any():
            raise ValueError(
                f"{name} must hold numbers that floats tell apart, up to 2**53; got "
                f"{column.max()}. If they count from 1970, make datetimes of them: pd.to_datetime."
            )
    else:
        example = next((value for value in column if not pd.isna(value)), None)
        raise TypeError(
            f"{name} must hold times, numbers or datetimes; got dtype {column.dtype}, such as "
            f"{example!r}. Make datetimes of words, pd.to_datetime(times), and numbers of "
            f"durations, times / pd.Timedelta('1h')."
        )
    if missing.any():
        raise ValueError(
            f"{name} must have a time in every row; {missing.sum()} have none, the first is row "
            f"{int(np.argmax(missing))}. Drop such rows, table.dropna(subset=['time'])."
        )
    if not isinstance(times, pd.DatetimeIndex) and not np.isfinite(times).all():
        row = int(np.argmin(np.isfinite(times)))
        raise ValueError(f"{name} must hold finite times; row {row} is {times[row]}.")
    return times


def _datetimes(column: pd.Series, name: str) -> pd.DatetimeIndex:
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.start_time
    if column.dtype == object:
        zoned = {getattr(v, "tzinfo", None) is not None for v in column if not pd.isna(v)}
        if len(zoned) > 1:
            raise ValueError(
                f"{name} must hold datetimes that all have a time zone, or none; got both. Give "
                f"those without one theirs: time.tz_localize('UTC')."
            )
        # Of several zones.
        column = pd.to_datetime(column, utc=zoned == {True})
    return pd.DatetimeIndex(column)


def _days(period: Any, name: str) -> float:
    """Return the days of a length of time; months and years have their mean length."""
    if isinstance(period, str) and period in _DAYS:
        return _DAYS[period]
    rule = (
        f"{name} must be a length of time, as times are datetimes: 'day', 'year', '36h', '7D', "
        f"'3MS' or a timedelta; got {period!r}."
    )
    if not isinstance(period, str | timedelta | np.timedelta64 | BaseOffset):
        raise TypeError(rule)
    try:
        offset = _offset(period) if isinstance(period, str) else period
        if not isinstance(offset, BaseOffset):
            return pd.Timedelta(offset) / pd.Timedelta(days=1)
    except ValueError as error:
        raise ValueError(rule) from error
    # After 400 years the calendar repeats itself.
    begin = offset.base.rollforward(pd.Timestamp(2000, 1, 1))
    end = begin + 4800 * offset.base
    return offset.n * ((end - begin).total_seconds() / 86400 / 4800)


def _offset(period: str) -> Any:
    if not period.strip("+-. 0123456789"):
        raise ValueError("without a unit, nanoseconds to pandas")
    try:
        # First, as to a Timedelta "3MS" is three milliseconds.
        return to_offset(period)
    except ValueError:
        return pd.Timedelta(period)


def _milliseconds(numbers: NDArray[np.float64], per_unit: Any) -> NDArray[np.timedelta64]:
    return np.round(numbers * per_unit).astype(np.int64).astype("m8[ms]")
