"""A signal to turn around with the mouse, in a file for any browser."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skginr._core import require, write_whole
from skginr.graphs import Graph, check_graph
from skginr.plotting._canvas import MOST_EDGES, edges_of, face_values, in_order
from skginr.plotting._colours import Scale, Values
from skginr.plotting._layout import spectral_layout, view_matrix

_GREY = "rgb(217, 217, 217)"
# A little shine, so that shapes are seen; much would change colours.
_LIGHT = {"ambient": 0.65, "diffuse": 0.5, "specular": 0.05, "roughness": 0.9}
# Distance of the eye, in sizes of the picture.
_EYE = 1.7


def plot_signal_html(
    graph: Graph,
    values: ArrayLike,
    path: str | os.PathLike,
    *,
    label: str = "signal",
    cmap: str | None = None,
    clim: tuple[float, float] | None = None,
    right: Sequence[float] | None = None,
    up: Sequence[float] | None = None,
) -> Path:
    """Write a signal on a mesh or on points to an HTML file, to turn, zoom and point at.

    The file holds all that it needs, about 5 MB of it plotly's own code, and works without a
    network. Pointing at a node shows its label and value.

    Parameters
    ----------
    graph : Graph
        With faces, or else positions in two or three dimensions; other graphs are laid out in the
        plane, as by :func:`plot_signal`.
    values : array-like of shape (n_nodes,)
        In the order of ``graph.labels``, as for :func:`plot_signal`. Colours run smoothly over a
        face whose three corners are known; others are grey. A face of classes has one colour.
    path : str or path
        Of the file, replaced where it is there.
    label : str, default "signal"
        What the signal is, with its unit.
    cmap : str, optional
        A colour scale that plotly has, by default "viridis"; not for classes.
    clim : pair of floats, optional
        Values of the first and last colour. Default: the 1st and 99th percentile.
    right, up : three floats, optional
        Directions of space that point right and up at the start, as for :func:`plot_signal`.

    Returns
    -------
    pathlib.Path
        Of the file.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or the values of no kind that has colours.
    ValueError
        If there is not one value per node, or no value is known.
    ModuleNotFoundError
        If plotly is not installed (extra ``interactive``).

    See Also
    --------
    plot_signal : A still picture by matplotlib, for print.
    plot_mesh : A still picture of a mesh, with every keyword of matplotlib.

    Examples
    --------
    >>> import tempfile
    >>> from skginr import Graph
    >>> from skginr.plotting import plot_signal_html
    >>> corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    >>> tetrahedron = Graph.from_mesh(corners, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_signal_html(tetrahedron, [0.0, 3.0, 6.0, 9.0], f"{folder}/signal.html").name
    'signal.html'
    """
    check_graph(graph)
    path = Path(path)
    read = Values.read("values", in_order("values", values, graph), graph.n_nodes)
    view = view_matrix(right, up, graph.positions)
    figure = require("plotly.graph_objects", extra="interactive", purpose="plot_signal_html")
    _check_cmap(cmap)
    colours = None if read.classes else Scale.of(read, cmap=cmap, clim=clim)
    picture = _Picture(graph, read, colours, label)
    hidden = {"visible": False}
    shown = figure.Figure(
        data=picture.surface() if picture.has_surface else picture.dots(),
        layout={
            "title": _escaped(label),
            "margin": {"l": 0, "r": 0, "t": 50, "b": 0},
            "legend": {"itemsizing": "constant"},
            "scene": {
                "xaxis": hidden,
                "yaxis": hidden,
                "zaxis": hidden,
                "aspectmode": "data",
                "camera": {"up": _point(view[1]), "eye": _point(_EYE * view[2])},
            },
        },
    )
    page = shown.to_html(include_plotlyjs=True, config={"displaylogo": False})
    write_whole(page.encode(), path)
    return path


def _check_cmap(cmap: str | None) -> None:
    colours = require("plotly.colors", extra="interactive", purpose="plot_signal_html")
    known = colours.named_colorscales()
    if cmap is not None and (
        not isinstance(cmap, str) or cmap.lower().removesuffix("_r") not in known
    ):
        raise ValueError(
            f"cmap must be a colour scale of plotly: {', '.join(known)}; got {cmap!r}."
        )


class _Picture:
    """Traces of plotly that draw a signal."""

    def __init__(self, graph: Graph, values: Values, scale: Scale | None, label: str) -> None:
        self.graph = graph
        self.values = values
        self.scale = scale
        self.label = label
        self.places = _places(graph)

    @property
    def has_surface(self) -> bool:
        return self.graph.faces is not None

    def surface(self) -> list[dict[str, Any]]:
        """Return a mesh for each class, or one with a scale of colours, and a grey one."""
        faces, numbers = np.asarray(self.graph.faces), self.values.numbers
        of_face = face_values(numbers, faces, are_classes=self.values.classes is not None)
        if self.scale is not None:
            # Colours run from corner to corner, so that all of them have to have one.
            of_face[~self.values.known[faces].all(axis=1)] = np.nan
        known = np.isfinite(of_face)
        traces = []
        if self.scale is not None:
            mesh, nodes = self._mesh(faces[known])
            traces.append(mesh | {"intensity": numbers[nodes]} | self._bar())
        else:
            for code, (name, colour) in enumerate(self._classes()):
                mesh, _ = self._mesh(faces[of_face == code])
                traces.append(mesh | {"color": colour, "name": name, "showlegend": True})
        if not known.all():
            mesh, _ = self._mesh(faces[~known])
            traces.append(mesh | {"color": _GREY, "name": "unknown", "showlegend": True})
        return traces

    def dots(self) -> list[dict[str, Any]]:
        """Return points for each class, or all with a scale of colours, hollow ones, and edges."""
        size = float(np.clip(150 / self.graph.n_nodes**0.5, 2, 9))
        known, numbers = self.values.known, self.values.numbers
        traces = []
        edges = edges_of(self.graph)
        if 0 < len(edges) <= MOST_EDGES:
            traces.append(self._lines(edges))
        if self.scale is not None:
            marker = {"size": size, "color": numbers[known]} | self._bar()
            traces.append(self._points(known, marker))
        else:
            for code, (name, colour) in enumerate(self._classes()):
                marker = {"size": size, "color": colour}
                points = self._points(numbers == code, marker)
                traces.append(points | {"name": name, "showlegend": True})
        if not known.all():
            marker = {"size": size, "color": "rgb(150, 150, 150)", "symbol": "circle-open"}
            points = self._points(~known, marker)
            traces.append(points | {"name": "unknown", "showlegend": True})
        return traces

    def _mesh(self, faces: NDArray[np.int64]) -> tuple[dict[str, Any], NDArray[np.intp]]:
        nodes, corners = np.unique(faces, return_inverse=True)
        corners = corners.reshape(-1, 3).T
        mesh = {"type": "mesh3d", "lighting": _LIGHT, "flatshading": False}
        mesh |= dict(zip("ijk", corners, strict=True)) | self._at(nodes)
        return mesh, nodes

    def _points(self, chosen: NDArray[np.bool_], marker: dict[str, Any]) -> dict[str, Any]:
        points = {"type": "scatter3d", "mode": "markers", "marker": marker, "showlegend": False}
        return points | self._at(np.flatnonzero(chosen))

    def _at(self, nodes: NDArray[np.intp]) -> dict[str, Any]:
        at = dict(zip("xyz", self.places[nodes].T, strict=True))
        return at | {"text": self._texts(nodes), "hovertemplate": "%{text}<extra></extra>"}

    def _lines(self, edges: NDArray[np.int64]) -> dict[str, Any]:
        # A line ends where a number is missing.
        ends = np.full((len(edges), 3, 3), np.nan)
        ends[:, :2] = self.places[edges]
        line = {"color": "rgb(170, 170, 170)", "width": 1}
        lines = {"type": "scatter3d", "mode": "lines", "line": line, "hoverinfo": "skip"}
        return lines | dict(zip("xyz", ends.reshape(-1, 3).T, strict=True)) | {"showlegend": False}

    def _texts(self, nodes: NDArray[np.intp]) -> list[str]:
        numbers, classes = self.values.numbers[nodes], self.values.classes
        words = [
            "unknown" if np.isnan(n) else str(classes[int(n)]) if classes else f"{n:.5g}"
            for n in numbers
        ]
        pairs = zip(self.graph.labels[nodes], words, strict=True)
        return [f"{_escaped(name)}<br>{_escaped(self.label)}: {_escaped(w)}" for name, w in pairs]

    def _bar(self) -> dict[str, Any]:
        scale = self.scale
        assert scale is not None
        return {
            "colorscale": scale.cmap,
            "cmin": scale.low,
            "cmax": scale.high,
            "showscale": True,
            "colorbar": {"title": _escaped(self.label), "thickness": 16, "len": 0.7},
        }

    def _classes(self) -> list[tuple[str, str]]:
        """Return the name and colour of each class."""
        colours = require("plotly.colors", extra="interactive", purpose="plot_signal_html")
        names = [_escaped(name) for name in self.values.classes or ()]
        if len(names) <= 10:
            return list(zip(names, colours.qualitative.D3, strict=False))
        spread = np.linspace(0, 1, len(names)).tolist()
        return list(zip(names, colours.sample_colorscale("turbo", spread), strict=True))


def _places(graph: Graph) -> NDArray[np.float64]:
    """Return where nodes are in space, in the plane z = 0 where there are but two dimensions."""
    positions = graph.positions
    if positions is not None and positions.shape[1] == 3:
        return positions
    if positions is None or positions.shape[1] != 2:
        positions = spectral_layout(graph)
    return np.column_stack([positions, np.zeros(graph.n_nodes)])


def _point(vector: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip("xyz", vector.tolist(), strict=True))


def _escaped(word: object) -> str:
    """Return a word that plotly does not read as markup."""
    return str(word).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
