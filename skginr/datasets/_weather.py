"""Weather and climate on grids of latitude and longitude and at stations, read from disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from sklearn.utils import Bunch

from skginr.datasets._files import data_path
from skginr.graphs import Graph, sphere_points

# What a month without a record is in the file of Colorado's stations.
_NO_RECORD = -32768


def fetch_navy_winds() -> Bunch:
    """Return monthly surface winds of the whole globe, every 2.5 degrees, 1982 to 1985.

    Read from ``weather_navy_winds/`` in the folder that the environment variable
    ``SKGINR_DATA`` names; analyses of the US Navy (FNOC), as distributed with Ferret.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 490,752 rows, 10,224 nodes in each of 48 months: ``node``,
        ``time`` (the first of the month), ``u`` and ``v`` (m/s, towards east and north).
        ``graph`` : Graph of 10,226 nodes, the triangulated sphere, with ``latitude`` and
        ``longitude`` as attributes. Each pole is one node, and has no rows in ``frame``: the
        values stored there are not those of one vector seen from different longitudes.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If the file is not the one expected.

    See Also
    --------
    fetch_era_interim : Winds on a finer grid, at two levels, in two months.
    fetch_mpi_esm : Smooth winds and temperatures from a model of the climate.
    skginr.Graph.from_sphere : Makes the graph of points on a globe of your own.

    Examples
    --------
    >>> from skginr.datasets import fetch_navy_winds
    >>> winds = fetch_navy_winds()
    >>> winds.graph
    <Graph: 10,226 nodes, 30,672 edges, 1 component, from a sphere of 20,448 faces>
    >>> january = winds.frame[winds.frame["time"] == "1982-01-01"]
    >>> january.shape
    (10224, 4)
    """
    path = data_path("weather_navy_winds", "navy_winds_monthly.npz", owner="fetch_navy_winds")
    with np.load(path) as data:
        latitude, longitude = _grid(data["lat"], data["lon"])
        times = {"time": pd.to_datetime(data["month"])}
        winds = {name: _by_node(data[name], data["scale"]) for name in ("u", "v")}
    return _on_globe(latitude, longitude, times, winds)


def fetch_era_interim() -> Bunch:
    """Return winds and heights of two pressure levels over the globe, every 1.5 degrees.

    Means of all Januaries and of all Julies. Read from ``weather_era_interim/`` in the folder that
    the environment variable ``SKGINR_DATA`` names; ECMWF's reanalysis ERA-Interim, as in
    github.com/pydata/xarray-data.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 114,240 rows, 28,560 nodes at each of two levels in each of two
        months: ``node``, ``month`` (1 or 7), ``level`` (hPa: 200 or 850), ``u`` and ``v`` (m/s,
        towards east and north) and ``height`` (m).
        ``graph`` : Graph of 28,562 nodes, the triangulated sphere, with ``latitude`` and
        ``longitude`` as attributes. Each pole is one node, and has no rows in ``frame``.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If the file is not the one expected.

    See Also
    --------
    fetch_navy_winds : Winds on a coarser grid, in 48 months.
    fetch_mpi_esm : Smooth winds and temperatures from a model of the climate, month by month.
    skginr.Graph.from_sphere : Makes the graph of points on a globe of your own.

    Examples
    --------
    >>> from skginr.datasets import fetch_era_interim
    >>> climate = fetch_era_interim()
    >>> climate.graph
    <Graph: 28,562 nodes, 85,680 edges, 1 component, from a sphere of 57,120 faces>
    >>> july = climate.frame.query("month == 7 and level == 850")
    >>> july.shape
    (28560, 6)
    """
    path = data_path("weather_era_interim", "era_interim_uvz_1p5deg.npz", owner="fetch_era_interim")
    with np.load(path) as data:
        latitude, longitude = _grid(data["lat"], data["lon"])
        months, levels, scale = data["month"], data["level"], data["uv_scale"]
        times = {"month": np.repeat(months, len(levels)), "level": np.tile(levels, len(months))}
        signals = {
            name: _by_node(np.concatenate(data[stored]), unit)
            for name, stored, unit in (("u", "u", scale), ("v", "v", scale), ("height", "z", 1))
        }
    return _on_globe(latitude, longitude, times, signals)


def fetch_mpi_esm() -> Bunch:
    """Return monthly temperature and wind of the globe in 2005, by a model of the climate.

    Smooth, and known everywhere: output of MPI-ESM-LR (CMIP5, historical), no observations. Read
    from ``climate_mpi_esm/`` in the folder that the environment variable ``SKGINR_DATA`` names; as
    in github.com/NCAR/geocat-datafiles (Apache-2.0; the terms of CMIP5 apply).

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 221,184 rows, 18,432 nodes in each of 12 months: ``node``,
        ``month`` (1 to 12), ``temperature`` (K, 2 m above ground), ``u`` and ``v`` (m/s, towards
        east and north, 10 m above ground).
        ``graph`` : Graph, the triangulated sphere, on a Gaussian grid without poles, with
        ``latitude`` and ``longitude`` as attributes.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If the file is not the one expected.

    See Also
    --------
    fetch_navy_winds : Monthly winds from analyses of observations.
    fetch_coads : Monthly climate of the oceans from ships' reports, with gaps.

    Examples
    --------
    >>> from skginr.datasets import fetch_mpi_esm
    >>> climate = fetch_mpi_esm()
    >>> climate.graph
    <Graph: 18,432 nodes, 55,290 edges, 1 component, from a sphere of 36,860 faces>
    >>> climate.frame.groupby("month").size().iloc[0]
    np.int64(18432)
    """
    path = data_path("climate_mpi_esm", "mpi_esm_2005_monthly.npz", owner="fetch_mpi_esm")
    return _twelve_months(path, {"temperature": "tas", "u": "uas", "v": "vas"})


def fetch_coads() -> Bunch:
    """Return a monthly climatology of the oceans, every 2 degrees, with gaps.

    From ships' reports: where none sailed nothing is known. Read from ``climate_coads/`` in the
    folder that the environment variable ``SKGINR_DATA`` names; the Comprehensive Ocean-Atmosphere
    Data Set, as distributed with Ferret.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 132,432 rows, 11,036 nodes in each of 12 months: ``node``,
        ``month`` (1 to 12), ``sea_surface_temperature`` and ``air_temperature`` (degrees Celsius)
        and ``wind_speed`` (m/s), NaN where there is none.
        ``graph`` : Graph of the nodes where anything was ever observed, a sphere with holes for the
        continents, with ``latitude`` and ``longitude`` as attributes.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If the file is not the one expected.

    See Also
    --------
    fetch_mpi_esm : A year of the globe without gaps, from a model of the climate.
    fetch_colorado_climate : Records of stations, with gaps in time.

    Examples
    --------
    >>> from skginr.datasets import fetch_coads
    >>> ocean = fetch_coads()
    >>> ocean.graph
    <Graph: 11,036 nodes, 31,614 edges, 8 components, from part of a sphere of 32,396 faces>
    >>> known = ocean.frame.dropna(subset="sea_surface_temperature")
    >>> len(known) < len(ocean.frame)
    True
    """
    path = data_path("climate_coads", "coads_climatology.npz", owner="fetch_coads")
    names = {"sea_surface_temperature": "sst"}
    names |= {name: name for name in ("air_temperature", "wind_speed")}
    whole = _twelve_months(path, names)
    frame = whole.frame
    nodes = frame.loc[frame[list(names)].notna().any(axis=1), "node"].unique()
    observed = frame[frame["node"].isin(nodes)].reset_index(drop=True)
    return Bunch(frame=observed, graph=whole.graph.subgraph(observed["node"].unique()))


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
    ValueError
        If the file is not the one expected.

    See Also
    --------
    fetch_colorado_climate : Records of stations, with gaps.
    skginr.SpaceTimeSmoother : Predicts signals that change in time.
    skginr.SignalDistribution : Learns from the maps of many hours, to complete one from a few
        places.

    Examples
    --------
    >>> from skginr.datasets import fetch_era5_uk
    >>> weather = fetch_era5_uk()
    >>> weather.graph
    <Graph: 1,617 nodes, 4,688 edges, 1 component, from a mesh of 3,072 faces>
    >>> weather.frame.head(2)
       node       time  temperature
    0     0 2019-03-01         9.27
    1     1 2019-03-01         9.16
    """
    path = data_path("weather_era5_uk_hourly", "era5_t2m_uk_2019-03.npz", owner="fetch_era5_uk")
    with np.load(path) as data:
        latitude, longitude = _grid(data["lat"], data["lon"])
        times = pd.to_datetime(data["time"])
        temperature = _by_node(data["t2m"], data["scale"])
    faces = Delaunay(np.column_stack([longitude, latitude])).simplices
    mesh = Graph.from_mesh(sphere_points(latitude, longitude), faces)
    return Bunch(
        frame=_long({"time": times}, {"temperature": temperature}),
        graph=_with_places(mesh, latitude, longitude),
    )


def fetch_colorado_climate() -> Bunch:
    """Return monthly temperature at 376 stations in and around Colorado, 1895 to 1997, with gaps.

    Stations open, close and pause: 62% of their months have no record. Read from
    ``colorado_climate/`` in the folder that the environment variable ``SKGINR_DATA`` names;
    "Colorado Monthly Meteorological Data" of NCAR's Geophysical Statistics Project, as in the R
    package fields (``COmonthlyMet``).

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 178,337 rows, one per record, months in turn: ``station`` (six
        digits, as text), ``time`` (the first of the month) and ``temperature`` (degrees Celsius,
        the month's mean of daily maxima). Months without a record have no row;
        ``frame.pivot(index="time", columns="station", values="temperature")`` has them as NaN.
        ``graph`` : Graph of the 10 nearest neighbours on the unit sphere, near ones weighing more,
        with ``latitude``, ``longitude`` and ``elevation`` (metres) as attributes.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If the file is not the one expected.

    See Also
    --------
    fetch_era5_uk : An hourly signal without gaps.
    skginr.GraphImputer : Fills the gaps of the wide table.
    skginr.plotting.plot_record : Draws the record of a station beside what a model predicts.

    Examples
    --------
    >>> from skginr.datasets import fetch_colorado_climate
    >>> climate = fetch_colorado_climate()
    >>> climate.graph
    <Graph: 376 nodes, 2,655 edges, 1 component, from points by 10 nearest neighbours>
    >>> table = climate.frame.pivot(index="time", columns="station", values="temperature")
    >>> table.shape
    (1236, 376)
    """
    name, owner = "colorado_tmax_monthly.npz", "fetch_colorado_climate"
    with np.load(data_path("colorado_climate", name, owner=owner)) as data:
        latitude, longitude, stored = data["lat"], data["lon"], data["tmax"]
        graph = Graph.from_points(sphere_points(latitude, longitude), labels=data["station"])
        graph = _with_places(graph, latitude, longitude, elevation=data["elevation"])
        month, station = np.nonzero(stored != _NO_RECORD)
        frame = pd.DataFrame(
            {
                "station": graph.labels[station],
                "time": pd.to_datetime(data["month"])[month],
                "temperature": stored[month, station] * float(data["scale"]),
            }
        )
    return Bunch(frame=frame, graph=graph)


def _grid(
    latitude: NDArray[np.float32], longitude: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return latitude and longitude of every point of a grid, latitude by latitude."""
    rows, columns = np.meshgrid(latitude, longitude, indexing="ij")
    return rows.ravel().astype(np.float64), columns.ravel().astype(np.float64)


def _by_node(
    stored: NDArray[np.generic], scale: NDArray[np.float32] | float = 1
) -> NDArray[np.float64]:
    return stored.reshape(len(stored), -1).astype(np.float64) * float(scale)


def _on_globe(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    times: dict[str, Any],
    signals: dict[str, NDArray[np.float64]],
) -> Bunch:
    """Return the table of signals on a grid around the globe, and its graph."""
    # The row at a pole is one point, its first, and there is no direction to the east.
    at_pole = np.abs(latitude) == 90
    distinct = ~at_pole | (longitude == longitude[0])
    latitude, longitude = latitude[distinct], longitude[distinct]
    graph = _with_places(Graph.from_sphere(latitude, longitude), latitude, longitude)
    frame = _long(times, {name: values[:, distinct] for name, values in signals.items()})
    poles = graph.labels[at_pole[distinct]]
    return Bunch(frame=frame[~frame["node"].isin(poles)].reset_index(drop=True), graph=graph)


def _twelve_months(path: Path, names: dict[str, str]) -> Bunch:
    """Return the table and graph of arrays in a file, by the names that they are to have."""
    with np.load(path) as data:
        latitude, longitude = _grid(data["lat"], data["lon"])
        signals = {name: _by_node(data[stored]) for name, stored in names.items()}
    return _on_globe(latitude, longitude, {"month": np.arange(1, 13)}, signals)


def _with_places(
    graph: Graph,
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    **others: NDArray[np.float64],
) -> Graph:
    places = {"latitude": latitude, "longitude": longitude} | others
    return graph.with_attributes(pd.DataFrame(places, index=graph.labels))


def _long(times: dict[str, Any], signals: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Return a row per time and node, from signals of shape (n_times, n_nodes)."""
    n_times, n_nodes = next(iter(signals.values())).shape
    columns = {"node": np.tile(np.arange(n_nodes), n_times)}
    columns |= {name: np.repeat(values, n_nodes) for name, values in times.items()}
    return pd.DataFrame(columns | {name: values.ravel() for name, values in signals.items()})
