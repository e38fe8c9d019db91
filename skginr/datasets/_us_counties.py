"""Signals on the counties of the United States."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skginr._core import check_option, require
from skginr.datasets._files import data_path
from skginr.graphs import Graph

if TYPE_CHECKING:
    import geopandas

_SHARED_COLUMNS = {
    "sh050m": "friends_within_50_miles",
    "sh100m": "friends_within_100_miles",
    "sh500m": "friends_within_500_miles",
}


def load_us_unemployment() -> "geopandas.GeoDataFrame":
    """Return the unemployment rate of every US county in 2009, with its outline.

    Both ship in the wheel of ``bokeh-sampledata`` (extra ``data``): nothing is
    downloaded. Outlines are simplified Census TIGER/Line boundaries; rates are from
    the Bureau of Labor Statistics.

    Returns
    -------
    GeoDataFrame of 3,233 rows, EPSG:4269 (NAD83 longitude and latitude)
        ``fips`` (five digits, str), ``name``, ``state`` (postal code), ``unemployment``
        (per cent of the labour force; NaN in 18 counties and territories), ``geometry``.

    Raises
    ------
    ModuleNotFoundError
        If ``bokeh-sampledata`` is not installed.

    See Also
    --------
    skginr.Graph.from_geodataframe : Makes the graph of counties that touch; it comes next.
    fetch_us_election : Another signal of counties, with covariates, on the graph of their
        friendships.

    Examples
    --------
    >>> counties = load_us_unemployment()
    >>> counties.loc[counties["fips"] == "01001", ["name", "unemployment"]]
          name  unemployment
    0  Autauga           9.7
    """
    import geopandas

    owner = {"extra": "data", "purpose": "load_us_unemployment"}
    counties = require("bokeh_sampledata.us_counties", **owner).records()
    rates = require("bokeh_sampledata.unemployment", **owner).by_fips
    frame = geopandas.GeoDataFrame(counties, crs="EPSG:4269")
    frame["unemployment"] = frame["fips"].map(rates)
    return frame[["fips", "name", "state", "unemployment", "geometry"]]


def fetch_us_election(year: int = 2012) -> Bunch:
    """Return the US presidential election by county, on the graph of its friendships.

    The experiment of Grattarola and Vandergheynst (2022) on social networks. Edges
    join counties by Facebook's Social Connectedness Index; the signal is the lead of
    the Republican over the Democratic party, standardised [1]_.

    Edges and signals are read from ``us_county_fb/`` in the folder that the environment variable
    ``SKGINR_DATA`` names, three files as published at www.cs.cornell.edu/~arb/data/US-county-fb;
    outlines are those of :func:`load_us_unemployment` (extra ``data``).

    Parameters
    ----------
    year : {2012, 2016}, default 2012

    Returns
    -------
    Bunch
        ``frame`` : GeoDataFrame of 3,106 rows, EPSG:4269: ``fips`` (five digits, str),
        ``name``, nine standardised covariates, ``election``, ``geometry``.
        ``graph`` : Graph of 3,106 nodes and 22,574 edges of length 1, labelled by ``fips``, with
        positions, a point in each county, on the sphere in metres.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks a file.
    ModuleNotFoundError
        If ``bokeh-sampledata`` is not installed.
    ValueError
        If ``year`` is none of the two, or a file is not the one expected.

    See Also
    --------
    load_us_unemployment : Another signal of counties, which ships in a package.
    skginr.NeighborMeans : Joins covariates with their means over neighbours.

    References
    ----------
    .. [1] J. Jia and A. R. Benson, "A Unifying Generative Model for Graph Learning
       Algorithms: Label Propagation, Graph Convolutions, and Combinations", 2021.

    Examples
    --------
    >>> from skginr.datasets import fetch_us_election
    >>> votes = fetch_us_election(2012)
    >>> votes.graph
    <Graph: 3,106 nodes, 22,574 edges, 1 component, from an edge table>
    >>> columns = ["income", "migration", "birth", "death", "education", "unemployment"]
    >>> covariates = votes.frame.set_index("fips")[columns]
    >>> described = votes.graph.with_attributes(covariates)
    """
    check_option("year", str(year), ("2012", "2016"))
    owner = "fetch_us_election"
    table = pd.read_csv(data_path("us_county_fb", f"US-county-fb-{year}-feats.csv", owner=owner))
    table = table.rename(columns={"FIPS": "fips"} | _SHARED_COLUMNS)
    # The file keeps codes as numbers, without the leading zero.
    table["fips"] = table["fips"].astype(str).str.zfill(5)
    outlines = load_us_unemployment()[["fips", "name", "geometry"]]
    frame = outlines.merge(table, on="fips", validate="1:1").set_index("fips")
    frame = frame.loc[table["fips"]].reset_index()
    frame = frame[["fips", "name", *table.columns[1:], "geometry"]]
    edges = np.loadtxt(data_path("us_county_fb", "US-county-fb-graph.txt", owner=owner), dtype=int)
    # Ids in the file are row numbers of the table, counted from 1.
    ends = pd.DataFrame(table["fips"].to_numpy()[edges - 1], columns=["source", "target"])
    friends = Graph.from_edges(ends, "source", "target")
    counties = Graph.from_geodataframe(frame, labels="fips", method="knn")
    graph = Graph(
        friends.adjacency,
        labels=friends.labels,
        # How far friends live from each other is not how near friends they are.
        edge_lengths=friends.edge_lengths,
        positions=pd.DataFrame(counties.positions, index=counties.labels),
        source="an edge table",
    )
    return Bunch(frame=frame, graph=graph)
