"""From a map of polygons, lines or points to node positions and neighbour pairs."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skginr._core import warn

if TYPE_CHECKING:
    import geopandas

# Mean radius of the Earth (IUGG), metres.
_EARTH_RADIUS = 6_371_008.8
# Of the size of a polygon: so far apart, those that share a corner may be for rounding.
_ROUNDING = 1e-6
# Of the tolerance: borders that run beside each other for less only come near at a corner, where
# rounding is forgiven and where the user gave one.
_ALONG, _ALONG_GIVEN = 100, 4
# Of a full circle: angles that differ by less are the same.
_SAME_ANGLE = 1e-9
# shapely's numbers of the types of geometries.
_POINTS, _LINES, _POLYGONS, _COLLECTION = (0,), (1, 2, 5), (3, 6), 7


def check_geometry(gdf: Any) -> None:
    """Raise unless ``gdf`` is a GeoDataFrame whose every row has a geometry where one can be."""
    import geopandas

    if not isinstance(gdf, geopandas.GeoDataFrame):
        advice = "Use Graph.from_points for a table of coordinates."
        if isinstance(gdf, geopandas.GeoSeries):
            advice = "Use gdf.set_geometry(...), or gpd.GeoDataFrame(geometry=...), of it."
        raise TypeError(f"gdf must be a geopandas.GeoDataFrame; got {type(gdf).__name__}. {advice}")
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
    _check_angles(gdf)


def full_circle(crs: Any) -> float | None:
    """Return 360 in the angular unit of a CRS, or None where its coordinates are no angles."""
    if crs is None or not crs.is_geographic:
        return None
    return 2 * np.pi / crs.axis_info[0].unit_conversion_factor


def _check_angles(gdf: "geopandas.GeoDataFrame") -> None:
    circle = full_circle(gdf.crs)
    if circle is None:
        return
    west, south, east, north = np.abs(gdf.bounds.to_numpy()).T
    angles = np.column_stack([np.maximum(west, east), np.maximum(south, north)])
    swap = f"gdf[{gdf.geometry.name!r}] = gdf.geometry.transform(lambda xy: xy[:, ::-1])"
    check_angles(angles, circle, gdf.crs.name, "gdf", swap)


def check_angles(
    angles: NDArray[np.float64], circle: float, crs: str, name: str, swap: str
) -> None:
    """Raise ``ValueError`` where longitudes and latitudes are none, with the likely cause.

    Parameters
    ----------
    angles : ndarray of shape (n_rows, 2)
        Longitude and latitude.
    circle : float
        360, in their unit.
    crs, name, swap : str
        What says that they are angles, what holds them, and how to swap the two, for the error.
    """
    longitude, latitude = np.abs(angles).T
    most = circle * (1 + _SAME_ANGLE)
    wrong = (latitude > most / 4) | (longitude > most)
    if not wrong.any():
        return
    row = int(wrong.argmax())
    cause = ""
    if longitude.max() <= most / 4 and latitude.max() <= most:
        cause = f"Latitude and longitude look swapped, of which longitude comes first: {swap}."
    elif np.abs(angles).max() > most:
        cause = (
            "They look like lengths, in a CRS that is to be named first: gdf.set_crs(that_crs, "
            "allow_override=True), then gdf.to_crs(...) for degrees."
        )
    raise ValueError(
        f"{name} must have latitudes up to {circle / 4:g} and longitudes up to {circle:g}, as its "
        f"CRS says ({crs}); row {row} has a latitude of {latitude[row]:g} and a longitude of "
        f"{longitude[row]:g}, one of {int(wrong.sum())} such rows. {cause}"
    )


def shapes_of(gdf: "geopandas.GeoDataFrame") -> NDArray[np.object_]:
    """Return the geometries of a checked map, whole where they cross the 180th meridian.

    Longitudes go on beyond 180 degrees there. Of collections only the polygons are kept, if they
    have any: a spike of an outline that was repaired is a line, and has no area.

    Raises
    ------
    ValueError
        If a side of half a circle or more may be meant either way round.
    """
    import shapely

    shapes = gdf.geometry.to_numpy().copy()
    for row in np.flatnonzero(shapely.get_type_id(shapes) == _COLLECTION):
        parts = shapely.get_parts(shapes[row])
        polygons = parts[np.isin(shapely.get_type_id(parts), _POLYGONS)]
        if len(polygons):
            shapes[row] = shapely.union_all(polygons)
    circle = full_circle(gdf.crs)
    if circle is None:
        return shapes
    west, _, east, _ = shapely.bounds(shapes).T
    for row in np.flatnonzero(east - west > circle / 2):
        shapes[row] = _whole(shapes[row], circle, (int(row), gdf.geometry.name))
    # From half a circle west of 0 on, so that whoever counts from 0 to 360 meets the others.
    turns = np.floor((shapely.bounds(shapes)[:, 0] + circle / 2) / circle + _SAME_ANGLE)
    for row in np.flatnonzero(turns):
        shapes[row] = _moved(shapes[row], -circle * turns[row])
    return shapes


def _moved(shapes: Any, east: float) -> Any:
    import shapely

    return shapely.transform(shapes, lambda xy: xy + np.array([east, 0.0]))


def _whole(shape: Any, circle: float, place: tuple[int, str]) -> Any:
    """Return a geometry whose long sides go the short way round, if it has any."""
    import shapely

    kind = shapely.get_type_id(shape)
    if kind in (1, 2):
        path = _short_way(shapely.get_coordinates(shape), circle, place)
        return shapely.linestrings(path)
    if kind == 3:
        shell, *holes = (
            _short_way(shapely.get_coordinates(ring), circle, place)
            for ring in shapely.get_rings(shape)
        )
        turned = abs(shell[-1, 0] - shell[0, 0])
        if abs(turned - circle) < _SAME_ANGLE * circle:
            # Around a pole, up to which it goes.
            pole = np.copysign(circle / 4, shell[:, 1].mean())
            shell = np.concatenate([shell, [[shell[-1, 0], pole], [shell[0, 0], pole]]])
        middle = (shell[:, 0].min() + shell[:, 0].max()) / 2
        for hole in holes:
            hole[:, 0] += circle * np.round((middle - hole[:, 0].mean()) / circle)
        return shapely.Polygon(shell, holes)
    parts = [_whole(part, circle, place) for part in shapely.get_parts(shape)]
    return type(shape)(parts) if kind in (5, 6) else shape


def _short_way(
    corners: NDArray[np.float64], circle: float, place: tuple[int, str]
) -> NDArray[np.float64]:
    """Return corners, each at the longitude that is near the one before.

    ``place`` is the row and the column of geometries, for an error.
    """
    row, name = place
    steps = np.diff(corners, axis=0)
    size = np.abs(steps[:, 0])
    # A side of a full circle is what it says, as in a belt around the globe.
    long = (size > circle / 2) & (size < circle * (1 - _SAME_ANGLE))
    if long.any() and not steps[long, 1].any():
        # As a box would have it.
        side = int(long.argmax())
        start, end = corners[side : side + 2, 0]
        raise ValueError(
            f"gdf has in row {row} a side along a parallel from longitude {start:g} to {end:g}, "
            f"which is {size[side]:g} wide, or {circle - size[side]:g} across the "
            f"{circle / 2:g}th meridian. If it crosses that, split the shape there, or count "
            f"longitudes of such rows up to {circle:g}: wide = gdf.bounds.maxx - gdf.bounds.minx > "
            f"{circle / 2:g}, then gdf.loc[wide, {name!r}] = gdf.geometry[wide].transform(lambda "
            f"xy: np.column_stack([xy[:, 0] % {circle:g}, xy[:, 1]])). If it is so wide, give it "
            f"corners between: gdf = gdf.set_geometry(gdf.segmentize({circle / 4:g}))."
        )
    # Whole turns, so that the last corner is exactly the first.
    turns = np.cumsum(np.where(long, -np.sign(steps[:, 0]), 0.0))
    whole = corners.copy()
    whole[1:, 0] += circle * turns
    return whole


def contiguity_pairs(
    shapes: NDArray[np.object_], *, rook: bool, tolerance: float | None, circle: float | None
) -> NDArray[np.intp]:
    """Return the pairs of polygons, or of lines, that meet.

    Polygons meet in a point (queen), or along a line (rook). Those that overlap meet either way,
    and need not share vertices; nor do those that are within ``tolerance`` of each other, by
    default one for errors of rounding. Lines meet at a vertex of either, such as an end: a bridge
    over a road has none there.

    Parameters
    ----------
    shapes : ndarray of geometries
    rook : bool
    tolerance : float or None
    circle : float or None
        How many units a full circle of longitudes has, across which shapes meet too.

    Returns
    -------
    ndarray of int of shape (n_pairs, 2)
        Distinct nodes; a pair may be there more than once.
    """
    import shapely

    kinds = shapely.get_type_id(shapes)
    if np.isin(kinds, _LINES).all() and not rook:
        rounding = _ROUNDING * float(np.median(shapely.length(shapes)))
        corners, owners = shapely.get_coordinates(shapes, return_index=True)
        distance = rounding if tolerance is None else tolerance
        _, _, pairs = _near(shapely.points(corners), shapes, distance, circle)
        return _apart(np.column_stack([owners[pairs[:, 0]], pairs[:, 1]]))
    if not np.isin(kinds, _POLYGONS).all():
        names = sorted({shape.geom_type for shape in shapes})
        advice = "Use method='knn' or 'delaunay' for points."
        if np.isin(kinds, _LINES).all():
            advice = "Lines meet in points: use method='queen'."
        raise ValueError(
            f"method='queen' and 'rook' need polygons, or 'queen' lines alone; gdf holds {names}. "
            f"{advice}"
        )
    invalid = ~shapely.is_valid(shapes)
    if invalid.any():
        raise ValueError(
            f"gdf must hold valid polygons; {int(invalid.sum())} cross themselves or the like, the "
            f"first in row {int(invalid.argmax())}. Repair them: gdf = "
            f"gdf.set_geometry(gdf.make_valid())."
        )
    rounding = _ROUNDING * float(np.median(np.sqrt(shapely.area(shapes))))
    distance = rounding if tolerance is None else tolerance
    first, second, pairs = _near(shapes, shapes, distance, circle)
    once = pairs[:, 0] < pairs[:, 1]
    first, second, pairs = first[once], second[once], pairs[once]
    if not rook:
        return pairs
    along = distance * (_ALONG if tolerance is None else _ALONG_GIVEN)
    return pairs[_share_a_line(first, second, min(rounding, distance), distance, along)]


def _apart(pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    return pairs[pairs[:, 0] != pairs[:, 1]]


def _near(
    shapes: NDArray[np.object_],
    others: NDArray[np.object_],
    distance: float,
    circle: float | None,
) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.intp]]:
    """Return which are within a distance of which: both as they are there, and their numbers.

    Across a full circle of longitudes too, where each pair is found in both directions.
    """
    import shapely

    tree = shapely.STRtree(others)
    found = [tree.query(shapes, predicate="dwithin", distance=distance)]
    near = [shapes[found[0][0]]]
    if circle is not None:
        bounds = shapely.bounds(others)
        west, east = bounds[:, 0].min(), bounds[:, 2].max()
        own = shapely.bounds(shapes)
        for turn, reaches in (
            (-circle, own[:, 2] - circle >= west - distance),
            (circle, own[:, 0] + circle <= east + distance),
        ):
            rows = np.flatnonzero(reaches)
            moved = _moved(shapes[rows], turn)
            met = tree.query(moved, predicate="dwithin", distance=distance)
            near.append(moved[met[0]])
            found.append(np.stack([rows[met[0]], met[1]]))
    pairs = np.concatenate(found, axis=1).T
    return np.concatenate(near), others[pairs[:, 1]], pairs


def _share_a_line(
    first: NDArray[np.object_],
    second: NDArray[np.object_],
    shortest: float,
    distance: float,
    along: float,
) -> NDArray[np.bool_]:
    """Return which pairs meet along a line, or nearly, and not only in a point.

    They share a line longer than ``shortest``, or run within ``distance`` for more than ``along``.
    """
    import shapely

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


def inner_points(
    shapes: NDArray[np.object_], crs: Any, *, height: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return one position inside every geometry, so that distances mean something.

    In the CRS's units where it is projected or unknown, shape (n, 2), or (n, 3) with heights; for
    longitude and latitude on the sphere in metres, shape (n, 3): neighbours across the 180th
    meridian are near, and a chord between neighbours is as good as an arc.

    Parameters
    ----------
    shapes : ndarray of geometries
    crs : pyproj.CRS or None
    height : ndarray of shape (n,), optional
        In metres where coordinates are angles, else in their unit.
    """
    import shapely

    inside = shapely.point_on_surface(shapes)
    # Of a line of two vertices that would be one of its ends, which are where others begin.
    lines = np.isin(shapely.get_type_id(shapes), _LINES)
    inside[lines] = shapely.line_interpolate_point(shapes[lines], 0.5, normalized=True)
    planar = shapely.get_coordinates(inside)
    circle = full_circle(crs)
    if circle is not None:
        return on_globe(2 * np.pi / circle * planar, height)
    return planar if height is None else np.column_stack([planar, height])


def on_globe(
    radians: NDArray[np.float64], height: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return longitudes and latitudes, shape (n, 2), as points in space in metres."""
    longitude, latitude = radians.T
    radius = _EARTH_RADIUS + (0.0 if height is None else height)
    return np.column_stack(
        [
            radius * np.cos(latitude) * np.cos(longitude),
            radius * np.cos(latitude) * np.sin(longitude),
            radius * np.sin(latitude),
        ]
    )


def heights_of(gdf: "geopandas.GeoDataFrame", method: str) -> NDArray[np.float64] | None:
    """Return the z of the points of a map, or None where there is none to tell them apart by.

    Raises
    ------
    ValueError
        If only some have one.

    Warns
    -----
    UserWarning
        If the method works in the plane.
    """
    import shapely

    shapes = gdf.geometry.to_numpy()
    if not np.isin(shapely.get_type_id(shapes), _POINTS).all() or not shapely.has_z(shapes).any():
        return None
    height = shapely.get_z(shapes)
    unknown = ~np.isfinite(height)
    if unknown.all() or (np.ptp(height[~unknown]) == 0 and not unknown.any()):
        return None
    if unknown.any():
        raise ValueError(
            f"gdf must have a z for all of its points or for none; {int(unknown.sum())} have none, "
            f"the first in row {int(unknown.argmax())}. Drop them, or leave z out with "
            f"gdf.set_geometry(gdf.force_2d())."
        )
    if method == "delaunay":
        warn(
            "gdf has points with a z, which method='delaunay' leaves out: it works in the plane. "
            "method='knn' goes by all three coordinates; gdf.set_geometry(gdf.force_2d()) silences "
            "this."
        )
        return None
    return height
