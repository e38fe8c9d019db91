"""Places in the plane for nodes: seen from a direction, on a map, or by their spectrum."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skginr._checks import check_numeric
from skginr.embeddings import SpectralEmbedder
from skginr.graphs import Graph

# Distances from the centre that differ by a smaller share are those of points on a sphere.
_ROUND = 1e-4
#: A map of the globe is cut at 180 degrees, or in a gap so many degrees wide.
LEAST_GAP = 90.0
# Parts of an abstract graph are laid side by side, apart by this share of the largest and smaller
# one's sides, in a box about so wide by its height.
_APART = 0.06, 0.15
_WIDTH = 1.5


def view_matrix(right: Sequence[float], up: Sequence[float]) -> NDArray[np.float64]:
    """Return the rows right, up and towards the viewer, at right angles and of unit length.

    Raises
    ------
    ValueError
        If ``right`` and ``up`` are not three numbers each that span a plane.
    """
    for name, direction in (("right", right), ("up", up)):
        if isinstance(direction, str):
            raise TypeError(f"{name} must be three numbers, such as (0, -1, 0); got {direction!r}.")
    rows = [check_numeric("right", right), check_numeric("up", up)]
    if any(row.shape != (3,) for row in rows) or not np.isfinite(rows).all():
        raise ValueError(f"right and up must be three numbers each; got {right!r} and {up!r}.")
    towards = np.cross(rows[0], rows[1])
    if not np.linalg.norm(towards) > 1e-9 * np.linalg.norm(rows[0]) * np.linalg.norm(rows[1]):
        raise ValueError(f"right and up must span a plane; got {right!r} and {up!r}.")
    # The picture's up is at a right angle to right.
    return np.array(
        [row / np.linalg.norm(row) for row in (rows[0], np.cross(towards, rows[0]), towards)]
    )


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
