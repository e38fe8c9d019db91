"""From latitudes and longitudes to points on the unit sphere and triangles between them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from skginr._checks import check_points


def sphere_points(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    """Return points on the unit sphere, shape (n_points, 3), from degrees."""
    angles = []
    for name, values in (("latitude", latitude), ("longitude", longitude)):
        if np.ndim(values) != 1:
            raise ValueError(
                f"{name} must have one dimension, one entry per point; got {np.ndim(values)}. "
                f"Of a grid, np.meshgrid makes points: give both raveled."
            )
        angles.append(check_points(name, np.asarray(values)[:, None])[:, 0])
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
            f"{int(beyond.argmax())}."
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
            "point. For a region use Graph.from_geodataframe(..., method='delaunay') or "
            "Graph.from_points."
        )
    if len(hull.vertices) < len(points):
        row = int(np.setdiff1d(np.arange(len(points)), hull.vertices)[0])
        raise ValueError(
            f"points on the sphere must be distinct; row {row} coincides with another, and "
            f"{len(points) - len(hull.vertices)} rows do. The rows of a grid at a pole are one "
            f"point: keep one."
        )
    return hull.simplices.astype(np.int64)
