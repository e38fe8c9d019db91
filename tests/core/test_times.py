"""Times as numbers, against what pandas says of the same times."""

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest

from skginr._core import TimeScale
from skginr.persistence._codec import Decoder, Encoder

EPOCH = pd.Timestamp("1970-01-01")
UTC1, UTC2 = (dt.timezone(dt.timedelta(hours=hours)) for hours in (1, 2))


def hours(times):
    """Of pandas: since 1970."""
    times = pd.DatetimeIndex(times)
    times = times if times.tz is None else times.tz_convert("UTC").tz_localize(None)
    return np.array([(time - EPOCH) / pd.Timedelta("1h") for time in times])


def months(times):
    """Of pandas: since 1970, with the part of the month that has passed."""
    whole = 12 * (times.year - 1970) + times.month - 1
    starts = times.to_period("M").to_timestamp()
    return np.asarray(whole + (times - starts) / (starts + pd.offsets.MonthBegin() - starts))


KINDS = {
    "minutes": pd.date_range("2021-03-01 00:07", periods=50, freq="13min"),
    "days": pd.date_range("1899-12-25", periods=40, freq="D"),
    "long ago": pd.date_range("1700-01-01", periods=40, freq="7min"),
    "nanoseconds": pd.date_range("2021-03-01", periods=50, freq="1h").as_unit("ns"),
    "microseconds": pd.date_range("2021-03-01 00:00:00.123", periods=50, freq="90us").as_unit("us"),
    "zone": pd.date_range("2021-03-27", periods=60, freq="h", tz="Europe/Berlin"),
    "back": pd.date_range("2021-10-30 20:00", periods=20, freq="30min", tz="America/New_York"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_datetimes_are_hours_and_back(kind):
    times = KINDS[kind]
    for given in (times, times.to_series(), times.to_series().astype(object), list(times)):
        scale = TimeScale.of(given)
        assert scale.unit == "hour"
        numbers = scale.numbers(given)
        assert numbers.dtype == np.float64
        np.testing.assert_allclose(numbers, hours(times), rtol=0, atol=1e-9)
    back = TimeScale.of(times).times(numbers)
    pd.testing.assert_index_equal(back, times.round("ms"), exact="equiv", check_names=False)
    assert back.dtype == times.dtype


def test_whole_hours_are_whole():
    for unit in ("s", "ms", "us", "ns"):
        times = pd.DatetimeIndex(np.arange(-2_366_831, 2_000_000, 8767).astype("M8[h]")).as_unit(
            unit
        )
        numbers = TimeScale.of(times).numbers(times)
        np.testing.assert_array_equal(numbers, np.round(numbers))


@pytest.mark.parametrize("unit", ["Y", "M", "D", "h", "ms", "ns"])
def test_datetimes_of_any_unit(unit):
    times = np.array(["2001-01-01", "2003-01-01"], dtype=f"M8[{unit}]")
    scale = TimeScale.of(times)
    np.testing.assert_array_equal(scale.numbers(times), [12 * 31, 12 * 33])
    later = pd.date_range("2001-01-01", periods=4, freq="D")
    np.testing.assert_allclose(scale.numbers(later), months(later))


def test_no_hour_is_twice_and_none_is_left_out():
    wall = pd.date_range("2021-10-31", periods=30, freq="h", tz="Europe/Berlin")
    assert len(set(wall.tz_localize(None))) == 29
    np.testing.assert_array_equal(np.diff(TimeScale.of(wall).numbers(wall)), 1)
    wall = pd.date_range("2021-03-28", periods=30, freq="h", tz="Europe/Berlin")
    np.testing.assert_array_equal(np.diff(TimeScale.of(wall).numbers(wall)), 1)


def test_zones_are_the_same_instants():
    times = KINDS["zone"]
    scale = TimeScale.of(times)
    np.testing.assert_array_equal(scale.numbers(times.tz_convert("Asia/Kathmandu")), hours(times))
    # Python's own, of two offsets in one column, as a clock that changes is written down.
    mixed = [dt.datetime(2021, 10, 31, 2, tzinfo=UTC2), dt.datetime(2021, 10, 31, 2, tzinfo=UTC1)]
    np.testing.assert_array_equal(np.diff(scale.numbers(mixed)), 1)
    assert str(TimeScale.of(mixed).times([0.0]).tz) == "UTC"


MONTHLY = {
    "first": pd.date_range("1901-01-01", periods=200, freq="MS"),
    "years": pd.date_range("1901-01-01", periods=20, freq="YS"),
    "last": pd.date_range("2001-01-31", periods=50, freq="ME"),
    "last nanosecond": pd.period_range("2001-01", periods=50, freq="M").to_timestamp(how="end"),
    "the 15th": pd.date_range("2001-01-01", periods=50, freq="MS") + pd.Timedelta("14D12h"),
    "the 30th": pd.DatetimeIndex(["2001-01-30", "2001-02-28", "2001-03-30"]),
    "zone": pd.date_range("2001-01-01", periods=50, freq="MS", tz="Europe/Berlin"),
    "gaps": pd.date_range("1901-01-01", periods=200, freq="MS")[[3, 77, 78, 199]],
}  # fmt: skip


@pytest.mark.parametrize("kind", MONTHLY)
def test_monthly_tables_count_months(kind):
    times = MONTHLY[kind]
    # In any order: the first may be of a month that is too short.
    for order in (slice(None), slice(None, None, -1), [1, 0, *range(2, len(times))]):
        scale = TimeScale.of(times[order])
        assert scale.unit == "month"
        numbers = scale.numbers(times)
        np.testing.assert_array_equal(numbers, 12 * (times.year - 1970) + times.month - 1)
        pd.testing.assert_index_equal(scale.times(numbers), pd.DatetimeIndex(times, freq=None))
        assert scale.length("year", "period") == 12


def test_within_a_month_a_time_is_a_part_of_it():
    scale = TimeScale.of(MONTHLY["first"])
    times = pd.date_range("1999-12-20 03:00", "2000-03-05", freq="7h")
    np.testing.assert_allclose(scale.numbers(times), months(times), rtol=1e-14)
    np.testing.assert_array_equal(scale.times(scale.numbers(times)), times)
    # From the 15th, at noon, to the next.
    scale = TimeScale.of(MONTHLY["the 15th"])
    between = scale.numbers(pd.DatetimeIndex(["2001-02-15 11:59:59", "2001-03-01 12:00"]))
    np.testing.assert_allclose(between, [373, 373.5], atol=1e-6)
    assert between[0] < 373


def test_what_only_looks_monthly():
    for times in (["2001-01-01"] * 3, ["2001-01-01", "2001-02-02"], ["2001-02-27", "2001-03-30"]):
        assert TimeScale.of(pd.DatetimeIndex(times)).unit == "hour"
    noon = pd.DatetimeIndex(["2001-01-01 00:00", "2001-02-01 12:00"])
    assert TimeScale.of(noon).unit == "hour"


def test_periods_are_their_starts_and_dates_their_midnights():
    periods = pd.Series(pd.period_range("2001-01", periods=30, freq="M"))
    scale = TimeScale.of(periods)
    np.testing.assert_array_equal(scale.numbers(periods), np.arange(30) + 12 * 31)
    np.testing.assert_array_equal(scale.numbers(list(periods)), np.arange(30) + 12 * 31)
    np.testing.assert_array_equal(scale.numbers([dt.date(2001, 3, 1)]), [12 * 31 + 2])
    quarters = pd.period_range("2001Q1", periods=9, freq="Q")
    np.testing.assert_array_equal(np.diff(TimeScale.of(quarters).numbers(quarters)), 3)
    weeks = pd.period_range("2001-01-01", periods=9, freq="W")
    np.testing.assert_array_equal(np.diff(TimeScale.of(weeks).numbers(weeks)), 24 * 7)


@pytest.mark.parametrize(
    "numbers",
    [
        [3, 1, 2],
        np.array([0.5, -1e300], dtype=np.float64),
        np.array([1, 250], dtype=np.uint8),
        pd.Series([2, 1], index=[7, 7], dtype="Int64"),
        pd.Series([1, 2.5], dtype=object),
        pd.RangeIndex(4),
    ],
)
def test_numbers_stay_themselves(numbers):
    scale = TimeScale.of(numbers)
    assert scale.unit == "number"
    np.testing.assert_array_equal(scale.numbers(numbers), np.asarray(numbers, dtype=float))
    np.testing.assert_array_equal(scale.times([1.0, 2.0]), [1.0, 2.0])
    assert scale.length(3, "length") == 3


@pytest.mark.parametrize(
    ("period", "length"),
    [
        ("hour", 1),
        ("day", 24),
        ("week", 168),
        ("month", 24 * 365.2425 / 12),
        ("year", 24 * 365.2425),
        ("36h", 36),
        ("7D", 168),
        ("365.25D", 24 * 365.25),
        ("12MS", 24 * 365.2425),
        ("ME", 24 * 365.2425 / 12),
        ("2YS", 48 * 365.2425),
        ("31D", 24 * 31),
        ("90 min", 1.5),
        ("01:30:00", 1.5),
        (pd.Timedelta("90min"), 1.5),
        (dt.timedelta(days=2), 48),
        (np.timedelta64(45, "m"), 0.75),
        (pd.offsets.MonthBegin(3), 6 * 365.2425),
        (pd.DateOffset(months=3), 6 * 365.2425),
        (pd.offsets.Day(31), 24 * 31),
    ],
)
def test_lengths(period, length):
    np.testing.assert_allclose(TimeScale.of(KINDS["zone"]).length(period, "length"), length)
    monthly = TimeScale.of(MONTHLY["last"]).length(period, "length")
    np.testing.assert_allclose(monthly, length / 24 / 30.436875)


def test_months_are_whole_to_the_last_digit():
    scale = TimeScale.of(MONTHLY["first"])
    for n_months in range(1, 600):
        assert scale.length(f"{n_months}MS", "length") == n_months


@pytest.mark.parametrize(
    ("times", "error", "message"),
    [
        (["2021-01-01"], TypeError, "got dtype str|got dtype object, such as '2021-01-01'"),
        (pd.Series(["a"], dtype="category"), TypeError, "got dtype category"),
        ([True, False], TypeError, "got dtype bool"),
        ([True, 2], TypeError, "got dtype object, such as True"),
        (np.array([1j]), TypeError, "got dtype complex128"),
        ([pd.Timedelta("1h")], TypeError, r"durations, times / pd.Timedelta\('1h'\)"),
        ([dt.datetime(2021, 1, 1), 3], TypeError, "such as datetime.datetime"),
        ([dt.datetime(2021, 1, 1), dt.datetime(2021, 1, 1, tzinfo=UTC1)], ValueError, "got both"),
        ([1.0, np.nan, np.nan], ValueError, "2 have none, the first is row 1"),
        (pd.Series([1, None], dtype="Int64"), ValueError, "1 have none, the first is row 1"),
        (pd.DatetimeIndex(["2021", None]), ValueError, "the first is row 1"),
        ([dt.datetime(2021, 1, 1), None], ValueError, "the first is row 1"),
        (pd.PeriodIndex(["2021-01", None], freq="M"), ValueError, "the first is row 1"),
        ([1.0, -np.inf], ValueError, "row 1 is -inf"),
        ([2**53 + 2], ValueError, "pd.to_datetime"),
        ([], ValueError, "at least one time"),
        ([[1.0]], ValueError, "got 2 dimensions"),
        (pd.DataFrame({"time": [1.0]}), ValueError, "got 2 dimensions"),
        (None, ValueError, "got 0 dimensions"),
        (4.0, ValueError, "got 0 dimensions"),
    ],
)
def test_what_is_no_time_is_refused(times, error, message):
    with pytest.raises(error, match=message) as caught:
        TimeScale.of(times, name="X['when']")
    assert str(caught.value).startswith("X['when'] must")


@pytest.mark.parametrize(
    ("fitted", "times", "message"),
    [
        (KINDS["days"], [3.0], "must hold datetimes, as in fit; got numbers, 3 first"),
        ([3.0], KINDS["days"], "must hold numbers, as in fit; got datetimes, 1899-12-25"),
        (KINDS["zone"], KINDS["days"], r"times.dt.tz_localize\('Europe/Berlin'\)"),
        (KINDS["days"], KINDS["zone"], r"fit had none, here it is Europe/Berlin.*tz_convert"),
        (KINDS["days"], [pd.NaT, dt.datetime(2021, 1, 1)], "the first is row 0"),
    ],
)
def test_later_times_are_of_the_kind_of_fit(fitted, times, message):
    with pytest.raises(ValueError, match=message):
        TimeScale.of(fitted).numbers(times)


@pytest.mark.parametrize(
    ("fitted", "period", "error", "message"),
    [
        ("days", 24, TypeError, "'36h'.*got 24"),
        ("days", None, TypeError, "got None"),
        ("days", "24", ValueError, "got '24'"),
        ("days", "fortnight", ValueError, "got 'fortnight'"),
        ("days", "-2D", ValueError, "must be a positive length of time; got '-2D'"),
        ("days", np.timedelta64("NaT"), ValueError, "positive"),
        ("days", np.timedelta64(1, "Y"), ValueError, "must be a length of time"),
        (None, "day", TypeError, "must be a number"),
        (None, 0, ValueError, "greater than 0"),
        (None, np.inf, ValueError, "finite"),
    ],
)
def test_unfit_lengths_are_refused(fitted, period, error, message):
    scale = TimeScale.of([1.0] if fitted is None else KINDS[fitted])
    with pytest.raises(error, match=f"length.*{message}"):
        scale.length(period, "length")


def test_what_datetimes_cannot_hold_is_refused():
    for times in (KINDS["nanoseconds"], MONTHLY["first"].as_unit("ns")):
        scale = TimeScale.of(times)
        with pytest.raises(pd.errors.OutOfBoundsDatetime):
            scale.times(scale.numbers(times[:1]) + scale.length("5000YS", "length"))


def test_nothing_becomes_nothing():
    assert TimeScale.of(KINDS["days"]).numbers([]).shape == (0,)
    assert TimeScale.of(KINDS["days"]).times([]).shape == (0,)


@pytest.mark.parametrize("times", [*KINDS.values(), *MONTHLY.values(), [1.0]])
def test_it_pickles_and_is_kept_in_files(times):
    scale = TimeScale.of(times)
    encoder = Encoder()
    encoder.encode(scale, "scale")
    stored = Decoder(encoder.nodes, encoder.arrays).decode({"node": 0})
    for copy in (pickle.loads(pickle.dumps(scale)), stored):
        np.testing.assert_array_equal(copy.numbers(times), scale.numbers(times))
        pd.testing.assert_index_equal(
            pd.Index(copy.times([3.0, 7.25])), pd.Index(scale.times([3.0, 7.25]))
        )
