"""From a GeoDataFrame of polygons or points to node positions and neighbour pairs."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import geopandas

# Mean radius of the Earth (IUGG), metres.
_EARTH_RADIUS = 6_371_008.8
# Of the size of a polygon: so far apart, those that share a corner may be for rounding.
_ROUNDING = 1e-6
# Of the tolerance: borders that run beside each other for less only come near at a corner, where
# rounding is forgiven and where the user gave one.
_ALONG, _ALONG_GIVEN = 100, 4


def check_geometry(gdf: Any) -> None:
    """Raise unless ``gdf`` is a GeoDataFrame whose every row has a geometry."""
    import geopandas

    if not isinstance(gdf, geopandas.GeoDataFrame):
        raise TypeError(
            f"gdf must be a geopandas.GeoDataFrame; got {type(gdf).__name__}. "
            f"Use Graph.from_points for a table of coordinates."
        )
    if len(gdf) == 0:
        raise ValueError("gdf must have at least one row; got an empty GeoDataFrame.")
    if gdf.active_geometry_name not in gdf.columns:
        raise ValueError("gdf must have an active geometry; choose one with gdf.set_geometry(...).")
    missing = (gdf.geometry.isna() | gdf.geometry.is_empty).to_numpy()
    if missing.any():
        raise ValueError(
            f"gdf must have a geometry in every row; {int(missing.sum())} rows have none or an "
            f"empty one, the first is row {int(missing.argmax())}. Drop them."
        )
    unplaced = ~np.isfinite(gdf.bounds.to_numpy()).all(axis=1)
    if unplaced.any():
        raise ValueError(
            f"gdf must have finite coordinates; {int(unplaced.sum())} rows do not, the first is "
            f"row {int(unplaced.argmax())}. Drop them."
        )


def contiguity_pairs(
    gdf: "geopandas.GeoDataFrame", *, rook: bool, tolerance: float | None
) -> NDArray[np.intp]:
    """Return the pairs of polygons that meet: in a point (queen), or along a line (rook).

    Polygons that overlap meet either way, and need not share vertices; nor do those that are
    within ``tolerance`` of each other, by default one for errors of rounding.
    """
    if not gdf.geom_type.isin(["Polygon", "MultiPolygon"]).all():
        kinds = sorted(set(gdf.geom_type))
        raise ValueError(
            f"method='queen' and 'rook' need polygons; gdf holds {kinds}. "
            f"Use method='knn' or 'delaunay' for points."
        )
    invalid = ~gdf.is_valid.to_numpy()
    if invalid.any():
        raise ValueError(
            f"gdf must hold valid polygons; {int(invalid.sum())} cross themselves or the like, the "
            f"first in row {int(invalid.argmax())}. Repair them: gdf.make_valid()."
        )
    import shapely

    rounding = _ROUNDING * float(np.median(np.sqrt(shapely.area(gdf.geometry))))
    distance = rounding if tolerance is None else tolerance
    first, second = gdf.sindex.query(gdf.geometry, predicate="dwithin", distance=distance)
    once = first < second
    pairs = np.column_stack([first[once], second[once]])
    if not rook:
        return pairs
    along = distance * (_ALONG if tolerance is None else _ALONG_GIVEN)
    return pairs[_share_a_line(gdf, pairs, min(rounding, distance), distance, along)]


def _share_a_line(
    gdf: "geopandas.GeoDataFrame",
    pairs: NDArray[np.intp],
    shortest: float,
    distance: float,
    along: float,
) -> NDArray[np.bool_]:
    """Return which pairs meet along a line, or nearly, and not only in a point.

    They share a line longer than ``shortest``, or run within ``distance`` for more than ``along``.
    """
    import shapely

    first, second = gdf.geometry.to_numpy()[pairs].T
    # Corners that overlap by rounding share a line too, but a short one.
    share = shapely.length(shapely.intersection(first, second)) > shortest
    rest = np.flatnonzero(~share)
    near = shapely.buffer(first[rest], distance)
    beside = shapely.intersection(near, shapely.boundary(second[rest]))
    share[rest] = shapely.length(beside) > along
    return share


def check_metric(gdf: "geopandas.GeoDataFrame", method: str) -> None:
    """Raise ``ValueError`` unless distances between coordinates of ``gdf`` mean something."""
    if gdf.crs is None:
        raise ValueError(
            f"method={method!r} measures distances, but gdf has no CRS to say in which units. "
            f"Set it with gdf.set_crs(...), for instance 'EPSG:4326' for longitude and latitude."
        )
    if method == "delaunay" and gdf.crs.is_geographic:
        raise ValueError(
            f"method='delaunay' works in the plane, but gdf is in degrees ({gdf.crs.name}). "
            f"Project it first: gdf.to_crs(gdf.estimate_utm_crs())."
        )


def positions_of(gdf: "geopandas.GeoDataFrame") -> NDArray[np.float64]:
    """Return one position inside every geometry, so that distances mean something.

    In the CRS's units where it is projected or unknown, shape (n, 2); for longitude
    and latitude on the sphere in metres, shape (n, 3): neighbours across the 180th
    meridian are near, and a chord between neighbours is as good as an arc.
    """
    inside = gdf.geometry.representative_point()
    planar = np.column_stack([inside.x, inside.y])
    if gdf.crs is None or not gdf.crs.is_geographic:
        return planar
    longitude, latitude = np.radians(planar).T
    return _EARTH_RADIUS * np.column_stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
    )
