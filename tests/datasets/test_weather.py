import numpy as np
import pandas as pd
import pytest

from skginr.datasets import fetch_era5_uk, fetch_navy_winds


@pytest.mark.parametrize("fetch", [fetch_navy_winds, fetch_era5_uk])
def test_without_the_folder_the_error_says_what_to_set(fetch, monkeypatch):
    monkeypatch.delenv("SKGINR_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=f"{fetch.__name__} .* SKGINR_DATA names, but"):
        fetch()


def test_winds_are_those_of_the_file(data_root):
    data = fetch_navy_winds()
    assert data.frame.shape == (48 * (71 * 144 + 2), 4)
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
