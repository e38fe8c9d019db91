import numpy as np
import pandas as pd
import pytest

from skginr.datasets import (
    fetch_coads,
    fetch_colorado_climate,
    fetch_era5_uk,
    fetch_era_interim,
    fetch_mpi_esm,
    fetch_navy_winds,
)


@pytest.mark.parametrize(
    "fetch",
    [
        fetch_navy_winds,
        fetch_era5_uk,
        fetch_era_interim,
        fetch_mpi_esm,
        fetch_coads,
        fetch_colorado_climate,
    ],
)
def test_without_the_folder_the_error_says_what_to_set(fetch, monkeypatch):
    monkeypatch.delenv("SKGINR_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=f"{fetch.__name__} .* SKGINR_DATA names, but"):
        fetch()


def test_winds_are_those_of_the_file(data_root):
    data = fetch_navy_winds()
    assert data.frame.shape == (48 * 71 * 144, 4)
    assert (data.graph.n_nodes, data.graph.n_components) == (10_226, 1)
    with np.load(data_root / "weather_navy_winds" / "navy_winds_monthly.npz") as stored:
        u = stored["u"][17, 30, 100] * 0.01
    places = data.graph.attributes
    node = places.index[(places["latitude"] == -15) & (places["longitude"] == 250)]
    row = (data.frame["node"] == node[0]) & (data.frame["time"] == pd.Timestamp("1983-06-01"))
    assert data.frame.loc[row, "u"].to_list() == [pytest.approx(u)]
    # Trade winds blow from the east, those of the middle latitudes from the west.
    mean = data.frame.groupby("node")["u"].mean()
    assert mean[places["latitude"].between(5, 20)].mean() < -2
    assert mean[places["latitude"].between(-55, -40)].mean() > 4


def test_temperature_is_that_of_the_file(data_root):
    data = fetch_era5_uk()
    assert data.frame.shape == (240 * 33 * 49, 3)
    assert (data.graph.n_nodes, data.graph.n_components) == (33 * 49, 1)
    with np.load(data_root / "weather_era5_uk_hourly" / "era5_t2m_uk_2019-03.npz") as stored:
        first = stored["t2m"][5, 0] * 0.01
    at_five = data.frame[data.frame["time"] == pd.Timestamp("2019-03-01 05:00")]
    assert np.allclose(at_five["temperature"][:49], first)
    # Neighbours on the mesh are neighbours on the grid, at most a diagonal apart.
    places = data.graph.attributes.to_numpy()
    rows, columns = data.graph.adjacency.nonzero()
    assert np.abs(places[rows] - places[columns]).max() == 0.25


def at(data, latitude, longitude, **moment):
    """The row of a place and moment."""
    places = data.graph.attributes
    (node,) = places.index[(places["latitude"] == latitude) & (places["longitude"] == longitude)]
    rows = data.frame[data.frame["node"] == node]
    for name, value in moment.items():
        rows = rows[rows[name] == value]
    return rows.iloc[0]


def test_levels_of_the_atmosphere_are_those_of_the_file(data_root):
    data = fetch_era_interim()
    assert data.frame.shape == (2 * 2 * 119 * 240, 6)
    assert (data.graph.n_nodes, data.graph.n_components) == (119 * 240 + 2, 1)
    with np.load(data_root / "weather_era_interim" / "era_interim_uvz_1p5deg.npz") as stored:
        u, z = (stored[name][1, 0, 40, 33] for name in ("u", "z"))
    row = at(data, 30, -130.5, month=7, level=200)
    assert (row["u"], row["height"]) == (pytest.approx(u * 0.01), z)
    # 200 hPa is higher everywhere, and the jet streams are there.
    by_level = data.frame.groupby("level")
    assert by_level["height"].min()[200] > by_level["height"].max()[850] + 8_000
    assert by_level["u"].max()[200] > 2 * by_level["u"].max()[850]


def test_the_climate_model_is_that_of_the_file(data_root):
    data = fetch_mpi_esm()
    assert data.frame.shape == (12 * 96 * 192, 5)
    assert (data.graph.n_nodes, data.graph.n_components) == (96 * 192, 1)
    with np.load(data_root / "climate_mpi_esm" / "mpi_esm_2005_monthly.npz") as stored:
        latitude, longitude = float(stored["lat"][70]), float(stored["lon"][5])
        expected = [stored[name][6, 70, 5] for name in ("tas", "uas", "vas")]
    row = at(data, latitude, longitude, month=7)
    np.testing.assert_allclose(row[["temperature", "u", "v"]], expected, rtol=1e-6)
    # Summer comes to the north in July, and to the south in January.
    months = data.frame.pivot_table(index="node", columns="month", values="temperature")
    warmer, latitude = months[7] - months[1], data.graph.attributes["latitude"]
    assert warmer[latitude > 40].mean() > 15
    assert warmer[latitude < -30].mean() < -5


def test_oceans_have_the_gaps_of_the_file(data_root):
    data = fetch_coads()
    with np.load(data_root / "climate_coads" / "coads_climatology.npz") as stored:
        sst = stored["sst"][3, 45, 100]
        n_known = {name: np.isfinite(stored[name]).sum() for name in ("sst", "wind_speed")}
    row = at(data, 1, 201, month=4)
    assert row["sea_surface_temperature"] == pytest.approx(sst)
    known = data.frame.notna().sum()
    assert known["sea_surface_temperature"] == n_known["sst"]
    assert known["wind_speed"] == n_known["wind_speed"]
    # No node without any value, and none without a row in each month.
    assert set(data.frame["node"]) == set(data.graph.labels)
    assert (data.frame.groupby("node").size() == 12).all()
    assert data.frame["sea_surface_temperature"].isna().mean() > 0.2
    # No continent: Kansas is not there, and the mid Atlantic is.
    places = data.graph.attributes.round()
    assert not ((places["latitude"] == 39) & (places["longitude"] == 261)).any()
    assert ((places["latitude"] == 31) & (places["longitude"] == 321)).any()


def test_stations_have_the_records_of_the_file(data_root):
    data = fetch_colorado_climate()
    frame, graph, places = data.frame, data.graph, data.graph.attributes
    with np.load(data_root / "colorado_climate" / "colorado_tmax_monthly.npz") as stored:
        wide = np.where(stored["tmax"] == -32768, np.nan, stored["tmax"] * stored["scale"])
        np.testing.assert_array_equal(graph.labels, stored["station"])
        np.testing.assert_array_equal(places["elevation"], stored["elevation"])
    assert frame.shape == (178_337, 3)
    assert frame.notna().all(axis=None)
    found = frame.pivot_table(index="time", columns="station", values="temperature")
    np.testing.assert_allclose(found[graph.labels], wide, rtol=1e-6)
    assert (found.index[0], found.index[-1]) == (pd.Timestamp("1895-01"), pd.Timestamp("1997-12"))
    # Labels of the table are those of the graph, with their leading zeros.
    assert graph.locate(frame["station"]).max() == graph.n_nodes - 1
    assert "050109" in graph.labels
    assert graph.n_components == 1
    # Neighbours are near: a degree is 111 km.
    assert np.median(graph.edge_lengths.data) * 6371 < 50
    # July is warmer than January, and the mountains are colder than the plains.
    july = frame[frame["time"].dt.month == 7].groupby("station")["temperature"].mean()
    january = frame[frame["time"].dt.month == 1].groupby("station")["temperature"].mean()
    assert (july - january).min() > 10
    assert np.corrcoef(july, places["elevation"][july.index])[0, 1] < -0.9
