"""What a signal is drawn on: polygons, a surface, or points joined by edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import require
from skginr.graphs import Graph, check_graph, rows_of
from skginr.plotting._colours import MISSING, Scale
from skginr.plotting._layout import (
    LEAST_GAP,
    check_directions,
    is_flat,
    is_sphere,
    longitudes_latitudes,
    places_seen,
    spectral_layout,
)

if TYPE_CHECKING:
    import geopandas
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection

#: With more edges, those between nodes would be one grey.
MOST_EDGES = 10_000
# Share of the picture that dots cover, and their smallest and largest area, in square points.
_COVERED, _SMALLEST, _LARGEST = 0.25, 1.5, 80.0
# Area of a hollow dot beside the others.
_HOLLOW = 0.4
# Dots of such an area have rims.
_RIM_FROM = 12.0
# A hairline in the face's own colour closes the seams between neighbours.
_SEAMS = {"edgecolor": "face", "linewidth": 0.2}
# Where the light of a surface comes from, in the picture, and how bright a face across it is.
_LIGHT, _DARKEST = np.array([-0.4, 0.5, 1.0]), 0.7


class Canvas(Protocol):
    """Places of nodes, on which values can be drawn."""

    @property
    def n_nodes(self) -> int:
        """Number of values that it takes."""
        ...

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height, in one unit."""
        ...

    def draw(self, ax: Axes, numbers: NDArray[np.float64], scale: Scale) -> ScalarMappable:
        """Draw numbers, NaN in grey, and return what a colour bar is made of."""
        ...


def canvas_of(
    graph: Any,
    geometry: Any = None,
    *,
    right: Sequence[float] | None = None,
    up: Sequence[float] | None = None,
) -> Canvas:
    """Return what a graph or geometries are drawn on.

    Raises
    ------
    TypeError
        If ``graph`` is neither a Graph nor geometries, or ``geometry`` are none.
    ValueError
        If ``geometry`` has not one row per node, by label or in their order.
    """
    if geometry is None and hasattr(graph, "geometry"):
        return Map(graph.geometry)
    check_graph(graph)
    if geometry is not None:
        return Map(_by_node(geometry, graph))
    check_directions(right, up)
    positions = np.empty((0, 0)) if graph.positions is None else graph.positions
    n_dimensions = positions.shape[1]
    # A flat mesh, such as a disc of six triangles, is no globe, though it lies on a sphere.
    if is_sphere(positions) and (graph.faces is None or not is_flat(positions)):
        return _map_of_sphere(graph, positions)
    if n_dimensions in (2, 3):
        placed = places_seen(positions, right, up)
    else:
        placed = np.column_stack([spectral_layout(graph), np.zeros(graph.n_nodes)])
    if graph.faces is not None and n_dimensions in (2, 3):
        return Surface(placed[graph.faces], graph.faces, graph.n_nodes)
    return Dots(placed, edges_of(graph))


def _by_node(geometry: Any, graph: Graph) -> geopandas.GeoSeries:
    if not hasattr(geometry, "geometry"):
        raise TypeError(
            f"geometry must be a geopandas.GeoDataFrame or GeoSeries; got "
            f"{type(geometry).__name__}."
        )
    return in_order("geometry", geometry.geometry, graph)


def in_order(name: str, rows: Any, graph: Any) -> Any:
    """Return rows in the order of a graph's nodes, where they have an index to say which is whose.

    Raises
    ------
    ValueError
        If the index neither holds the labels nor just counts rows.
    """
    if not isinstance(rows, pd.Series | pd.DataFrame):
        return rows
    if isinstance(graph, Graph):
        return rows.iloc[rows_of(rows.index, graph.labels, name=name)]
    return rows.iloc[rows_of(rows.index, graph.index, name=name, order="graph.index")]


@dataclass(frozen=True)
class Map:
    """Polygons, lines or points, in their own CRS."""

    shapes: geopandas.GeoSeries

    @property
    def n_nodes(self) -> int:
        """Number of geometries."""
        return len(self.shapes)

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height, in one unit."""
        west, south, east, north = self.shapes.total_bounds
        return east - west, self._aspect * (north - south)

    @property
    def _aspect(self) -> float:
        if self.shapes.crs is None or not self.shapes.crs.is_geographic:
            return 1.0
        return _aspect_of_degrees(*self.shapes.total_bounds[[1, 3]])

    def draw(self, ax: Axes, numbers: NDArray[np.float64], scale: Scale) -> ScalarMappable:
        """Draw the map."""
        geopandas = require("geopandas", extra="plot", purpose="plotting maps")
        known = np.isfinite(numbers)
        if not known.all():
            self.shapes[~known].plot(ax=ax, color=MISSING, edgecolor="none", aspect=None)
        # Of moving pictures one may show nothing known.
        if known.any():
            geopandas.GeoDataFrame(geometry=self.shapes[known]).plot(
                numbers[known],
                ax=ax,
                cmap=scale.cmap,
                vmin=scale.low,
                vmax=scale.high,
                aspect=None,
                **_SEAMS,
            )
        # Of the whole map, so that it is the same whatever is known.
        ax.set_aspect(self._aspect)
        ax.set_axis_off()
        return ax.collections[-1]


@dataclass(frozen=True)
class Surface:
    """Faces of a mesh in the plane, and how near each corner is.

    Attributes
    ----------
    corners : ndarray of shape (n_faces, 3, 3)
        To the right, up, and towards the viewer.
    faces : ndarray of int of shape (n_faces, 3)
        Nodes whose mean a face shows.
    n_nodes : int
    in_degrees : bool
        Whether right and up are longitude and latitude.
    """

    corners: NDArray[np.float64]
    faces: NDArray[np.int64]
    n_nodes: int
    in_degrees: bool = False

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height, in one unit."""
        return _extent(self.corners.reshape(-1, 3), self.in_degrees)

    def draw(self, ax: Axes, numbers: NDArray[np.float64], scale: Scale) -> ScalarMappable:
        """Draw the faces, the nearest last: they hide what is behind them."""
        values = face_values(numbers, self.faces, are_classes=scale.classes is not None)
        order = np.argsort(self.corners[..., 2].mean(axis=1), kind="stable")
        # One collection, so that unknown faces hide what is behind them too.
        drawn = lit_faces(
            self.corners[order, :, :2],
            None if self.in_degrees else _brightness(self.corners[order]),
            array=np.ma.masked_invalid(values[order]),
            cmap=scale.cmap,
            clim=(scale.low, scale.high),
            # On a map no seam may show, and no outline need be smooth.
            edgecolor="face",
            linewidth=0.0 if self.in_degrees else 0.5,
            antialiased=not self.in_degrees,
        )
        drawn.set_cmap(drawn.cmap.with_extremes(bad=MISSING))
        ax.add_collection(drawn)
        if self.in_degrees:
            ax.margins(0)
        _fit_view(ax, self.in_degrees)
        return drawn


@dataclass(frozen=True)
class Dots:
    """Points joined by edges, where those are few enough to be told apart.

    Attributes
    ----------
    places : ndarray of shape (n_nodes, 3)
        To the right, up, and towards the viewer.
    edges : ndarray of int of shape (n_edges, 2)
    in_degrees : bool
        Whether right and up are longitude and latitude.
    """

    places: NDArray[np.float64]
    edges: NDArray[np.int64]
    in_degrees: bool = False

    @property
    def n_nodes(self) -> int:
        """Number of points."""
        return len(self.places)

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height, in one unit."""
        return _extent(self.places, self.in_degrees)

    def draw(self, ax: Axes, numbers: NDArray[np.float64], scale: Scale) -> ScalarMappable:
        """Draw edges, then hollow dots where nothing is known, then the others."""
        collections = require("matplotlib.collections", extra="plot", purpose="plotting")
        if 0 < len(self.edges) <= MOST_EDGES:
            lines = collections.LineCollection(
                self.places[self.edges, :2], colors="0.6", linewidths=0.4, alpha=0.6, zorder=1
            )
            ax.add_collection(lines)
        size = self._size(ax)
        known = np.isfinite(numbers)
        if not known.all():
            ax.scatter(
                self.places[~known, 0],
                self.places[~known, 1],
                # Smaller, or one whose value has the colour of the paper looks the same.
                s=_HOLLOW * size,
                facecolors="white",
                edgecolors="0.6",
                linewidths=min(0.6, 0.15 * size**0.5),
                zorder=2,
            )
        order = np.flatnonzero(known)
        order = order[np.argsort(self.places[order, 2], kind="stable")]
        drawn = ax.scatter(
            self.places[order, 0],
            self.places[order, 1],
            c=numbers[order],
            s=size,
            cmap=scale.cmap,
            vmin=scale.low,
            vmax=scale.high,
            # A rim, or what has the colour of the paper is lost.
            edgecolors="0.4",
            linewidths=0.3 if size > _RIM_FROM else 0.0,
            zorder=3,
        )
        _fit_view(ax, self.in_degrees)
        return drawn

    def _size(self, ax: Axes) -> float:
        box = ax.get_window_extent()
        # From pixels to points.
        area = box.width * box.height * (72 / ax.figure.dpi) ** 2
        return float(np.clip(_COVERED * area / self.n_nodes, _SMALLEST, _LARGEST))


def lit_faces(corners: NDArray[np.float64], brightness: Any, **style: Any) -> PolyCollection:
    """Return faces whose colours say their values, darker where the light falls at an angle."""
    collections = require("matplotlib.collections", extra="plot", purpose="plotting")

    class LitFaces(collections.PolyCollection):  # type: ignore[name-defined]
        def to_rgba(self, x: Any, *args: Any, **kwargs: Any) -> Any:
            colours = super().to_rgba(x, *args, **kwargs)
            if brightness is not None and np.shape(x) == brightness.shape:
                colours[:, :3] *= brightness[:, None]
            return colours

    return LitFaces(corners, **style)


def _brightness(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(_LIGHT)
    # Which side of a face is outside is not said.
    facing = np.abs(normals @ _LIGHT) / np.where(lengths > 0, lengths, 1.0)
    return _DARKEST + (1 - _DARKEST) * facing


def face_values(
    numbers: NDArray[np.float64], faces: NDArray[np.int64], *, are_classes: bool = False
) -> NDArray[np.float64]:
    """Return the mean of each face's known corners, or the class of most; NaN where none is."""
    corners = np.sort(numbers[faces], axis=1)
    n_known = np.isfinite(corners).sum(axis=1)
    if are_classes:
        # Of three the one in the middle is that of two, if two are the same; unknown ones are last.
        return np.where(n_known == 3, corners[:, 1], corners[:, 0])
    total = np.where(np.isfinite(corners), corners, 0.0).sum(axis=1)
    return np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)


def edges_of(graph: Graph) -> NDArray[np.int64]:
    """Return the two nodes of each edge, shape (n_edges, 2)."""
    upper = sp.triu(graph.adjacency, k=1, format="coo")
    return np.column_stack(upper.coords).astype(np.int64)


def _fit_view(ax: Axes, in_degrees: bool) -> None:
    ax.autoscale_view()
    if not in_degrees:
        ax.set_aspect("equal")
        ax.set_axis_off()
        return
    if np.ptp(ax.get_xlim()) > 360:
        ax.set(xlim=(-180, 180), xticks=range(-180, 181, 60), yticks=range(-90, 91, 30))
    ax.set_aspect(_aspect_of_degrees(*ax.get_ylim()))
    ax.set(xlabel="longitude", ylabel="latitude")
    ax.xaxis.set_major_formatter(lambda degrees, _: f"{_turned(degrees):g}°")
    ax.yaxis.set_major_formatter("{x:g}°")


def _aspect_of_degrees(low: float, high: float) -> float:
    """Return how long a degree to the north is beside one to the east, in the middle; at most 2."""
    return min(1 / np.cos(np.radians(np.clip((low + high) / 2, -89, 89))), 2.0)


def _extent(places: NDArray[np.float64], in_degrees: bool) -> tuple[float, float]:
    wide, high = np.ptp(places[:, :2], axis=0)
    if in_degrees:
        high *= _aspect_of_degrees(places[:, 1].min(), places[:, 1].max())
        wide = min(wide, 360.0)
    return float(wide), float(high)


def _turned(longitude: float) -> float:
    """Return the longitude between -180 and 180 degrees."""
    return longitude - 360 * round(longitude / 360) if abs(longitude) > 180 else longitude


def _map_of_sphere(graph: Graph, positions: NDArray[np.float64]) -> Canvas:
    places = longitudes_latitudes(positions)
    if graph.faces is not None:
        corners, faces = _faces_on_map(places, graph.faces)
        return Surface(corners, faces, graph.n_nodes, in_degrees=True)
    edges = edges_of(graph)
    # An edge across the rim of the map would cross all of it.
    edges = edges[np.abs(np.diff(places[edges, 0], axis=1)[:, 0]) < 180]
    return Dots(np.column_stack([places, np.zeros(len(places))]), edges, in_degrees=True)


def _faces_on_map(
    places: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return corners of faces in degrees, shape (n_faces, 3, 3), and the faces they are of.

    A face across the rim of the map is drawn on both sides, one at a pole up to the rim, and one
    around a pole not at all.
    """
    corners = places[faces]
    at_pole = np.abs(corners[..., 1]) > 90 - 1e-6
    polar = at_pole.any(axis=1)
    # A pole comes last, at the longitude of the corner before it, and again at that of the first:
    # two triangles.
    turned = (np.argmax(at_pole[polar], axis=1)[:, None] + np.arange(1, 4)) % 3
    first, second, pole = np.moveaxis(
        np.take_along_axis(corners[polar], turned[..., None], axis=1), 1, 0
    )
    nearer = [np.column_stack([end[:, 0], pole[:, 1]]) for end in (second, first)]
    halves = np.stack([first, second, nearer[0]], 1), np.stack([first, *nearer], 1)
    corners = np.concatenate([corners[~polar], *halves])
    faces = np.concatenate([faces[~polar], faces[polar], faces[polar]])
    longitude = corners[..., 0]
    # From corner to corner the short way; all the way around a pole this does not close.
    steps = (np.diff(longitude, axis=1, append=longitude[:, :1]) + 180) % 360 - 180
    closes = np.abs(steps.sum(axis=1)) < 1
    corners[:, 1:, 0] = longitude[:, :1] + steps[:, :2].cumsum(axis=1)
    corners, faces = corners[closes], faces[closes]
    west, east = corners[..., 0].min(axis=1) < -180, corners[..., 0].max(axis=1) > 180
    if np.ptp(places[:, 0]) > 360 - LEAST_GAP:
        # The axes cut off what is beyond the rim.
        copies = [corners, corners[west] + [360, 0], corners[east] - [360, 0]]
        corners, faces = np.concatenate(copies), np.concatenate([faces, faces[west], faces[east]])
    return np.concatenate([corners, np.zeros((*corners.shape[:2], 1))], axis=2), faces
