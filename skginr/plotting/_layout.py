"""Places in the plane for nodes: seen from a direction, on a map, or by their spectrum."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skginr._core import check_numeric
from skginr.graphs import Graph
from skginr.spectral import SpectralEmbedder

# Distances from the centre that differ by a smaller share are those of points on a sphere.
_ROUND = 1e-4
# Thickness beside width of what is seen as flat, and the height of it that is seen all the same,
# below which it would be a line.
_THIN, _EDGE_ON = 0.02, 0.1
#: A map of the globe is cut at 180 degrees, or in a gap so many degrees wide.
LEAST_GAP = 90.0
# Parts of an abstract graph are laid side by side, apart by this share of the largest and smaller
# one's sides, in a box about so wide by its height.
_APART = 0.06, 0.15
_WIDTH = 1.5

#: Of the picture, in space; None leaves it open.
Direction = Sequence[float] | None


def check_directions(right: Direction, up: Direction) -> tuple[NDArray, NDArray]:
    """Return the directions as arrays, where there is none (1, 0, 0) and (0, 1, 0).

    Raises
    ------
    ValueError
        If ``right`` and ``up`` are not three numbers each that span a plane.
    """
    for name, direction in (("right", right), ("up", up)):
        if isinstance(direction, str):
            raise TypeError(f"{name} must be three numbers, such as (0, -1, 0); got {direction!r}.")
    rows = (
        check_numeric("right", (1, 0, 0) if right is None else right),
        check_numeric("up", (0, 1, 0) if up is None else up),
    )
    if any(row.shape != (3,) for row in rows) or not np.isfinite(rows).all():
        raise ValueError(f"right and up must be three numbers each; got {right!r} and {up!r}.")
    towards = np.cross(*rows)
    if not np.linalg.norm(towards) > 1e-9 * np.linalg.norm(rows[0]) * np.linalg.norm(rows[1]):
        raise ValueError(f"right and up must span a plane; got {right!r} and {up!r}.")
    return rows


def view_matrix(
    right: Direction, up: Direction, positions: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the rows right, up and towards the viewer, at right angles and of unit length.

    Parameters
    ----------
    right, up : three floats, or None
    positions : ndarray of shape (n, n_dimensions), optional
        What is seen. Where no direction was given, and the usual ones would show it as a line, it
        is seen from its side, the third axis up.
    """
    first, second = check_directions(right, up)
    if right is None and up is None and positions is not None and positions.shape[1] == 3:
        normal = _edge_on(positions)
        if normal is not None:
            second = np.array([0.0, 0.0, 1.0])
            first = np.cross(second, normal)
            # Numbers grow to the right.
            first *= np.sign(first[np.abs(first).argmax()])
    towards = np.cross(first, second)
    # The picture's up is at a right angle to right.
    return np.array(
        [row / np.linalg.norm(row) for row in (first, np.cross(towards, first), towards)]
    )


def places_seen(
    positions: NDArray[np.float64], right: Direction, up: Direction
) -> NDArray[np.float64]:
    """Return places to the right, up, and towards the viewer, shape (n, 3)."""
    if positions.shape[1] == 2:
        return np.column_stack([positions, np.zeros(len(positions))])
    return positions @ view_matrix(right, up, positions).T


def _edge_on(positions: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the normal of what is flat, if it is at about a right angle to the third axis."""
    centred = positions - positions.mean(axis=0)
    centred = centred / (np.abs(centred).max() or 1.0)
    squares, directions = np.linalg.eigh(centred.T @ centred)
    normal = directions[:, 0]
    is_thin = squares[0] <= _THIN**2 * squares[1]
    return normal if is_thin and abs(normal[2]) <= _EDGE_ON else None


def is_sphere(positions: NDArray[np.float64]) -> bool:
    """Say whether positions are on a sphere around the origin."""
    if positions.shape[1] != 3:
        return False
    radius = np.linalg.norm(positions, axis=1)
    return bool(np.ptp(radius) <= _ROUND * radius.mean())


def is_flat(positions: NDArray[np.float64]) -> bool:
    """Say whether positions in space are in one plane."""
    spread = np.linalg.svd(positions - positions.mean(axis=0), compute_uv=False)
    return bool(spread[-1] <= _ROUND * spread[0])


def longitudes_latitudes(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return degrees, shape (n, 2), of points on a sphere; longitudes start behind a gap."""
    x, y, z = (positions / np.linalg.norm(positions, axis=1)[:, None]).T
    longitude = np.degrees(np.arctan2(y, x))
    ordered = np.unique(longitude)
    gaps = np.diff(ordered, append=ordered[0] + 360)
    widest = int(gaps.argmax())
    if gaps[widest] >= LEAST_GAP and widest < len(ordered) - 1:
        longitude = np.where(longitude > ordered[widest], longitude - 360, longitude)
    return np.column_stack([longitude, np.degrees(np.arcsin(np.clip(z, -1, 1)))])


def spectral_layout(graph: Graph) -> NDArray[np.float64]:
    """Return places in the plane by the first two spectral coordinates of each component.

    Components lie side by side, the largest first, with areas in proportion to their nodes.

    Returns
    -------
    ndarray of shape (n_nodes, 2)
    """
    places = np.zeros((graph.n_nodes, 2))
    members = np.split(
        np.argsort(graph.components, kind="stable"), np.bincount(graph.components).cumsum()[:-1]
    )
    sides = [np.sqrt(len(nodes)) for nodes in members]
    apart = [_APART[0] * sides[0] + _APART[1] * side for side in sides]
    area = sum((side + gap) ** 2 for side, gap in zip(sides, apart, strict=True))
    width = max(sides[0], (_WIDTH * area) ** 0.5)
    left = top = row_height = 0.0
    for nodes, side, gap in zip(members, sides, apart, strict=True):
        if left > 0 and left + side > width:
            left, top, row_height = 0.0, top - row_height, 0.0
        places[nodes] = [left, top - side] + side * _unit_layout(graph, nodes)
        left, row_height = left + side + gap, max(row_height, side + gap)
    return places


def _unit_layout(graph: Graph, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the places of the nodes of one component in the unit square."""
    if len(nodes) < 3:
        return np.column_stack([np.linspace(0.2, 0.8, len(nodes)), np.full(len(nodes), 0.5)])
    part = graph if len(nodes) == graph.n_nodes else graph.subgraph(graph.labels[nodes])
    # By the random walk: hubs do not draw all else into one point.
    embedder = SpectralEmbedder(2, graph=part, laplacian="random_walk", max_components=2)
    with warnings.catch_warnings():
        # Where symmetry leaves more than two directions, any two of them will do.
        warnings.filterwarnings("ignore", message=".*cuts an eigenspace")
        places = embedder.fit(part.labels[:1].to_frame()).embedding_
    size = np.ptp(places, axis=0).max()
    return 0.5 + (places - (places.max(axis=0) + places.min(axis=0)) / 2) / (size or 1.0)
