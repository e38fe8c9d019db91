"""From latitudes and longitudes to points on the unit sphere and triangles between them."""

from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError, cKDTree

from skginr._core import check_numeric, check_points
from skginr.graphs._labels import beside

# Of the height of a point: nearer the pole than by this it is there, to rounding.
_AT_POLE = 1e-12


def sphere_points(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    """Return points on the unit sphere, shape (n_points, 3), from degrees."""
    angles = []
    longitude = beside("longitude", longitude, latitude, of="latitude")
    for name, values in (("latitude", latitude), ("longitude", longitude)):
        if np.ndim(values) != 1:
            raise ValueError(
                f"{name} must have one dimension, one entry per point; got {np.ndim(values)}. "
                f"Of a grid, np.meshgrid makes points: give both raveled."
            )
        angles.append(check_points(name, check_numeric(name, values)[:, None])[:, 0])
    latitudes, longitudes = angles
    if len(latitudes) != len(longitudes):
        raise ValueError(
            f"latitude and longitude must have one entry per point; got {len(latitudes)} and "
            f"{len(longitudes)}."
        )
    beyond = np.abs(latitudes) > 90
    if beyond.any():
        raise ValueError(
            f"latitude must be between -90 and 90 degrees; got {latitudes[beyond][0]} in row "
            f"{int(beyond.argmax())}. It comes first, then longitude."
        )
    up, round_ = np.radians(latitudes), np.radians(longitudes)
    return np.column_stack([np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)])


def sphere_faces(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the Delaunay triangles of points on the unit sphere: the faces of their hull."""
    try:
        hull = ConvexHull(points)
    except QhullError as error:
        raise ValueError(
            f"a triangulation of the sphere needs at least 4 points that are not on one circle; "
            f"got {len(points)}."
        ) from error
    # A face that the centre is not behind closes a gap: more than half of the sphere is empty.
    if hull.equations[:, -1].max() >= 0:
        raise ValueError(
            "latitude and longitude must surround the sphere; half of it or more is without a "
            "point. In degrees they are to be, not in radians. For a region use gdf = "
            "gpd.GeoDataFrame(geometry=gpd.points_from_xy(longitude, latitude), crs='EPSG:4326') "
            "and Graph.from_geodataframe(gdf, method='knn')."
        )
    if len(hull.vertices) < len(points):
        _raise_coincident(points, np.setdiff1d(np.arange(len(points)), hull.vertices))
    return hull.simplices.astype(np.int64)


def _raise_coincident(points: NDArray[np.float64], left_out: NDArray[np.intp]) -> NoReturn:
    row = int(left_out[0])
    _, nearest = cKDTree(points).query(points[row], k=2)
    other = int(nearest[nearest != row][0])
    same = "longitudes that differ by 360, as 0 and 360 do, are one"
    at_poles = 1 - np.abs(points[left_out, 2]) < _AT_POLE
    if at_poles.all():
        same = "the rows of a grid at a pole are one point"
    elif at_poles.any():
        same += ", and so are all at a pole"
    raise ValueError(
        f"points on the sphere must be distinct; rows {min(row, other)} and {max(row, other)} "
        f"coincide, and {len(left_out)} rows are not the first of their place. Keep one of each: "
        f"{same}."
    )
