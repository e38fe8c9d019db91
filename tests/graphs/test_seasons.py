import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skginr import SeasonalFeatures

HOURS = pd.DataFrame({"hour": pd.date_range("2023-01-01", periods=3 * 365 * 24, freq="h")})


def test_waves_of_the_day_and_the_year():
    of_day = 2 * np.pi * HOURS["hour"].dt.hour / 24
    # Of mean years, since 1970.
    since = (HOURS["hour"] - pd.Timestamp("1970-01-01")) / pd.Timedelta("365.2425D")
    columns = {}
    for period, angle in (("day", of_day), ("year", 2 * np.pi * since)):
        for wave in (1, 2, 3):
            columns[f"hour_{period}_sin{wave}"] = np.sin(wave * angle)
            columns[f"hour_{period}_cos{wave}"] = np.cos(wave * angle)
    made = SeasonalFeatures().set_output(transform="pandas").fit_transform(HOURS)
    pd.testing.assert_frame_equal(made, pd.DataFrame(columns), atol=1e-9, rtol=0)
    assert SeasonalFeatures().fit_transform(HOURS).dtype == np.float64


def test_a_daily_cycle_is_linear_in_them():
    rng = np.random.default_rng(0)
    cycle = np.cos(2 * np.pi * (HOURS["hour"].dt.hour - 15) / 24)
    y = 3 * cycle + 0.5 * np.arange(len(HOURS)) / len(HOURS) + 0.01 * rng.normal(size=len(HOURS))
    columns = make_column_transformer((SeasonalFeatures(["day"], trend=True), ["hour"]))
    # At random hours a day shows, however far apart they are.
    train = rng.random(len(HOURS)) < 0.01
    model = make_pipeline(columns, LinearRegression()).fit(HOURS[train], y[train])
    assert model.score(HOURS[~train], y[~train]) > 0.9999


def test_the_trend_goes_from_minus_one_to_one():
    model = SeasonalFeatures([10], n_harmonics=1, trend=True).fit([[0.0], [4.0], [20.0]])
    np.testing.assert_allclose(model.transform([[0], [10], [20], [30]])[:, 0], [-1, 0, 1, 2])
    assert SeasonalFeatures([10], trend=True).fit_transform([[3.0]]).shape == (1, 7)


def test_what_steps_cannot_tell_is_left_out():
    def names(freq, periods=None, n=2000, **arguments):
        times = pd.DataFrame({"t": pd.date_range("2020-01-01", periods=n, freq=freq)})
        model = SeasonalFeatures(periods, **arguments).fit(times)
        return [name.removeprefix("t_") for name in model.get_feature_names_out()[::2]]

    assert names("6h") == ["day_sin1", "year_sin1", "year_sin2", "year_sin3"]
    assert names("D") == ["year_sin1", "year_sin2", "year_sin3"]
    assert names("MS", n=600) == ["year_sin1", "year_sin2", "year_sin3"]
    assert names("MS", n=600, n_harmonics=9) == [f"year_sin{wave}" for wave in range(1, 6)]
    # Not yet a year.
    assert names("h", n=300) == ["day_sin1", "day_sin2", "day_sin3"]
    # Where it is asked for.
    assert "year_sin1" in names("h", ["day", "year"], n=300)
    assert names("h", ["week", "12h"], n_harmonics=1) == ["week_sin1", "12h_sin1"]
    with pytest.raises(
        ValueError, match=r"'day' is 0\.0328\d* months, and the shortest step .* 1 m"
    ):
        names("MS", ["day"])


def test_months_have_a_year_of_twelve():
    months = pd.DataFrame({"month": pd.date_range("1990-01-01", periods=60, freq="MS")})
    made = SeasonalFeatures(n_harmonics=1).fit_transform(months)
    np.testing.assert_allclose(made[:, 0], np.sin(2 * np.pi * np.arange(60) / 12), atol=1e-9)


def test_zones_count_by_utc_and_clocks_do_not():
    times = pd.DataFrame({
        "t": pd.date_range("2021-03-20", "2021-04-10", freq="h", tz="Europe/Berlin")
    })  # fmt: skip
    model = SeasonalFeatures(["day"]).fit(times)
    utc = times.assign(t=times["t"].dt.tz_convert("UTC"))
    np.testing.assert_array_equal(model.transform(times), model.transform(utc))
    clocks = times.assign(t=times["t"].dt.tz_localize(None))
    by_clock = SeasonalFeatures(["day"], n_harmonics=1).fit_transform(clocks)
    hour = clocks["t"].dt.hour
    np.testing.assert_allclose(by_clock[:, 0], np.sin(2 * np.pi * hour / 24), atol=1e-9)


def test_every_column_is_one_of_times_in_any_container():
    table = pd.DataFrame({"begin": HOURS["hour"][:9999], "end": HOURS["hour"][1:10000].to_numpy()})
    model = SeasonalFeatures(n_harmonics=1).fit(table)
    np.testing.assert_array_equal(model.get_feature_names_out()[[0, 4]], [
        "begin_day_sin1", "end_day_sin1"
    ])  # fmt: skip
    made = model.transform(table)
    assert made.shape == (9999, 8)
    for array in (
        table.to_numpy(),
        table.to_numpy(dtype=object),
        table[:99].to_numpy(dtype=object).tolist(),
    ):
        model = SeasonalFeatures(["day", "year"], n_harmonics=1).fit(array)
        np.testing.assert_allclose(model.transform(array), made[: len(array)], atol=1e-9)
    assert model.get_feature_names_out()[0] == "x0_day_sin1"
    assert model.get_feature_names_out(["a", "b"])[-1] == "b_year_cos1"
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(array), model.transform(array))
    assert clone(model).periods == ["day", "year"]


DAYS = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=9)})


@pytest.mark.parametrize(
    ("arguments", "X", "error", "message"),
    [
        ({}, [[1.0], [2.0]], ValueError, "periods must be given where times are numbers"),
        ({}, DAYS, ValueError, "go through no whole day or year"),
        ({"periods": "day"}, DAYS, TypeError, "periods must be a sequence"),
        ({"periods": []}, DAYS, ValueError, "at least one"),
        ({"periods": ["week", "week"]}, DAYS, ValueError, "none twice"),
        ({"periods": [24]}, DAYS, TypeError, "periods must be a length of time.*got 24"),
        ({"periods": ["day"]}, [[1.0], [2.0]], TypeError, "periods must be a number"),
        (
            {"periods": ["day"]},
            DAYS,
            ValueError,
            "'day' is 24 hours, and the shortest step of .*24",
        ),
        ({"n_harmonics": 0}, DAYS, ValueError, "n_harmonics must be at least 1"),
        ({"trend": 1}, DAYS, TypeError, "trend must be True or False"),
        ({}, pd.DataFrame({"t": ["noon"]}), TypeError, r"X\['t'\] must hold times"),
        ({}, [["2024-01-01"]], ValueError, "X must hold numbers; got '2024-01-01'"),
        ({}, DAYS["day"], ValueError, "got Series. Use double brackets"),
        ({}, DAYS[:0], ValueError, "must have rows and columns"),
        ({}, DAYS.assign(day=DAYS["day"].where(DAYS.index > 1)), ValueError, "2 have none"),
    ],
)
def test_unfit_arguments_and_times_are_refused(arguments, X, error, message):
    with pytest.raises(error, match=message):
        SeasonalFeatures(**arguments).fit(X)


def test_times_of_another_kind_are_refused():
    model = SeasonalFeatures(["week"]).fit(DAYS)
    with pytest.raises(ValueError, match="must hold datetimes, as in fit"):
        model.transform(pd.DataFrame({"day": [3.0]}))
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(DAYS.rename(columns={"day": "night"}))
