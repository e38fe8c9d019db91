"""Weather on grids of latitude and longitude, read from disk."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from sklearn.utils import Bunch

from skginr.datasets._files import data_path
from skginr.graphs import Graph, sphere_points


def fetch_navy_winds() -> Bunch:
    """Return monthly surface winds of the whole globe, every 2.5 degrees, 1982 to 1985.

    Read from ``weather_navy_winds/`` in the folder that the environment variable
    ``SKGINR_DATA`` names; analyses of the US Navy (FNOC), as distributed with Ferret.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 490,848 rows, 10,226 nodes in each of 48 months: ``node``,
        ``time`` (the first of the month), ``u`` and ``v`` (m/s, towards east and north).
        ``graph`` : Graph, the triangulated sphere, with ``latitude`` and ``longitude`` as
        attributes. Each pole is one node, at longitude 0: its u and v are as seen from there.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    """
    path = data_path("weather_navy_winds", "navy_winds_monthly.npz", owner="fetch_navy_winds")
    with np.load(path) as data:
        latitude, longitude = _grid(data["lat"], data["lon"])
        times = pd.to_datetime(data["month"])
        winds = {name: _by_node(data[name], data["scale"]) for name in ("u", "v")}
    # Both rows at the poles are one point, their first.
    distinct = (np.abs(latitude) < 90) | (longitude == 0)
    latitude, longitude = latitude[distinct], longitude[distinct]
    graph = _with_places(Graph.from_sphere(latitude, longitude), latitude, longitude)
    return Bunch(
        frame=_long(times, {name: values[:, distinct] for name, values in winds.items()}),
        graph=graph,
    )


def fetch_era5_uk() -> Bunch:
    """Return hourly temperature over the British Isles, every 0.25 degrees, in March 2019.

    Read from ``weather_era5_uk_hourly/`` in the folder that the environment variable
    ``SKGINR_DATA`` names; ECMWF's reanalysis ERA5, as in github.com/pydata/xarray-data.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 388,080 rows, 1,617 nodes in each of 240 hours: ``node``,
        ``time`` (UTC), ``temperature`` (degrees Celsius, 2 m above ground).
        ``graph`` : Graph, a mesh on the unit sphere, with ``latitude`` and ``longitude`` as
        attributes.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    """
    path = data_path("weather_era5_uk_hourly", "era5_t2m_uk_2019-03.npz", owner="fetch_era5_uk")
    with np.load(path) as data:
        latitude, longitude = _grid(data["lat"], data["lon"])
        times = pd.to_datetime(data["time"])
        temperature = _by_node(data["t2m"], data["scale"])
    faces = Delaunay(np.column_stack([longitude, latitude])).simplices
    mesh = Graph.from_mesh(sphere_points(latitude, longitude), faces)
    return Bunch(
        frame=_long(times, {"temperature": temperature}),
        graph=_with_places(mesh, latitude, longitude),
    )


def _grid(
    latitude: NDArray[np.float32], longitude: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitude and longitude of every point of a grid, latitude by latitude."""
    rows, columns = np.meshgrid(latitude, longitude, indexing="ij")
    return rows.ravel().astype(np.float64), columns.ravel().astype(np.float64)


def _by_node(stored: NDArray[np.int16], scale: float) -> NDArray[np.float64]:
    return stored.reshape(len(stored), -1).astype(np.float64) * float(scale)


def _with_places(
    graph: Graph, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> Graph:
    return graph.with_attributes(pd.DataFrame({"latitude": latitude, "longitude": longitude}))


def _long(times: pd.DatetimeIndex, signals: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Return a row per time and node, from signals of shape (n_times, n_nodes)."""
    n_nodes = next(iter(signals.values())).shape[1]
    columns = {"node": np.tile(np.arange(n_nodes), len(times)), "time": times.repeat(n_nodes)}
    return pd.DataFrame(columns | {name: values.ravel() for name, values in signals.items()})
