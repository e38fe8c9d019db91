"""The tables of the benchmarks: a signal at the nodes of a graph, with what else an expert has."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from libpysal.examples import get_path

from skginr import Graph, NeighborMeans
from skginr.datasets import (
    fetch_bunny,
    fetch_us_election,
    load_us_unemployment,
    make_reaction_diffusion,
)

GEORGIA = ["PctRural", "PctBach", "PctEld", "PctFB", "PctBlack"]
HOUSES = [
    *("NROOM", "DWELL", "NBATH", "PATIO", "FIREPL", "AC", "BMENT", "NSTOR", "GAR", "AGE"),
    *("CITCOU", "LOTSZ", "SQFT"),
]
# Not among the first five proteins, on which the smoothers were chosen.
PROTEINS = ("1Q5H_B", "1XPJ_A", "2HEK_A")


@dataclass(frozen=True)
class Table:
    """A signal; the first column of X names the node, the others are covariates."""

    name: str
    graph: Graph
    X: pd.DataFrame
    y: np.ndarray
    # Of every row. The graph's own may be others: of nodes, or on the globe.
    positions: np.ndarray | None = None

    @property
    def label(self):
        return self.X.columns[0]

    @property
    def covariates(self):
        return self.X.iloc[:, 1:].to_numpy(float)

    @property
    def nodes(self):
        return self.graph.locate(self.X[self.label])


def map_table(name, frame, label, signal, covariates=(), graph=None, method="queen"):
    """Return the table of a GeoDataFrame, positions in the units of a plane."""
    graph = graph or Graph.from_geodataframe(frame, labels=label, method=method)
    known = frame.dropna(subset=[signal])
    geographic = known.crs is not None and known.crs.is_geographic
    centres = (known.to_crs(5070) if geographic else known).geometry.representative_point()
    X = pd.DataFrame(known[[label, *covariates]]).reset_index(drop=True)
    y = known[signal].to_numpy(float)
    return Table(name, graph, X, y, np.column_stack([centres.x, centres.y]))


def georgia(covariates=()):
    return map_table(
        "georgia", gpd.read_file(get_path("G_utm.shp")), "AreaKey", "PctPov", covariates
    )


def tokyo():
    frame = gpd.read_file(get_path("tokyomet262.shp"))
    rates = pd.read_csv(get_path("Tokyomortality.csv"))
    frame = frame.merge(rates, left_on="AreaID", right_on="IDnum0")
    frame["geometry"] = frame.geometry.make_valid()
    return map_table("tokyo", frame, "AreaID", "OWNH")


def baltimore(covariates=()):
    frame = gpd.read_file(get_path("baltim.shp")).set_crs(3857, allow_override=True)
    return map_table("baltimore", frame, "STATION", "PRICE", covariates, method="delaunay")


def columbus(covariates=()):
    frame = gpd.read_file(get_path("columbus.shp")).reset_index(names="tract")
    return map_table("columbus", frame, "tract", "CRIME", covariates)


def colorado(covariates=()):
    """Return stations with a value for July 1990, in kilometres of UTM zone 13."""
    file = Path(os.environ["SKGINR_DATA"], "colorado_climate", "colorado_tmax_monthly.npz")
    with np.load(file) as kept:
        values = kept["tmax"][list(kept["month"]).index("1990-07")]
        known = values != -32768
        y = values[known] * float(kept["scale"])
        places = gpd.GeoSeries.from_xy(kept["lon"], kept["lat"], crs=4326).to_crs(26913)[known]
        X = pd.DataFrame({"station": kept["station"][known], "elevation": kept["elevation"][known]})
    positions = np.column_stack([places.x, places.y]) / 1000
    graph = Graph.from_points(positions, labels=X["station"])
    return Table("colorado", graph, X[["station", *covariates]], y, positions)


def unemployment():
    return map_table("unemployment", load_us_unemployment(), "fips", "unemployment")


def election(year, covariates=False):
    """Return the Republican lead; the graph of friendships has no positions, counties have."""
    data = fetch_us_election(year)
    table = map_table(f"election {year}", data.frame, "fips", "election", graph=data.graph)
    if not covariates:
        return table
    described = pd.DataFrame(data.frame.drop(columns=["name", "election", "geometry"]))
    graph = data.graph.with_attributes(described.set_index("fips").astype(float))
    X = NeighborMeans(graph=graph).set_output(transform="pandas").fit_transform(table.X)
    return replace(table, X=X.infer_objects())


def bunny(laplacian, seed=1234):
    """Return a texture of the paper, grown with one of two Laplacians."""
    graph = fetch_bunny()
    y = make_reaction_diffusion(graph, laplacian=laplacian, random_state=seed)["v"].to_numpy()
    return mesh_table(f"bunny, {laplacian}", graph, y)


def protein(name):
    """Return the electrostatic potential of a protein's surface."""
    file = Path(os.environ["SKGINR_DATA"], "protein_surfaces", f"{name}.npz")
    with np.load(file) as kept:
        graph = Graph.from_mesh(kept["vertices"].astype(float), kept["faces"])
        return mesh_table(f"protein {name}", graph, kept["charge"].astype(float))


def mesh_table(name, graph, y):
    return Table(name, graph, graph.labels.to_frame(index=False, name="node"), y, graph.positions)


def described(make, covariates):
    """Return the table with covariates, called so."""
    table = make(covariates=covariates)
    return replace(table, name=f"{table.name}, covariates")


SMALL = {
    "georgia": georgia,
    "tokyo": tokyo,
    "baltimore": baltimore,
    "columbus": columbus,
    "georgia, covariates": partial(described, georgia, GEORGIA),
    "baltimore, covariates": partial(described, baltimore, HOUSES),
    "columbus, covariates": partial(described, columbus, ["INC", "HOVAL"]),
}
COUNTIES = {"unemployment": unemployment}
MESHES = {}
if "SKGINR_DATA" in os.environ:
    SMALL |= {
        "colorado": colorado,
        "colorado, covariates": partial(described, colorado, ["elevation"]),
    }
    for year in (2012, 2016):
        COUNTIES[f"election {year}"] = partial(election, year)
        with_them = partial(described, partial(election, year), True)
        COUNTIES[f"election {year}, covariates"] = with_them
    MESHES |= {f"protein {name}": partial(protein, name) for name in PROTEINS}
    MESHES |= {f"bunny, {kind}": partial(bunny, kind) for kind in ("symmetric", "random_walk")}
TABLES: dict[str, Callable[[], Table]] = SMALL | COUNTIES | MESHES


@cache
def load(name):
    return TABLES[name]()


def maps():
    """Yield every map without covariates."""
    for name in [*SMALL, *COUNTIES]:
        if "," not in name and name != "colorado":
            yield load(name)
