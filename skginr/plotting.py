"""Pictures of signals on maps and meshes, and of the spectrum of an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skginr._checks import check_numeric, require
from skginr.embeddings import SpectralEmbedder
from skginr.graphs import Graph, check_graph
from skginr.inspection import inspect_spectrum

if TYPE_CHECKING:
    import geopandas
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

# Colours end at these shares of the values, so that a few extremes do not
# leave the rest of the map in one tone; the colour bar's arrows say so.
_COLOUR_RANGE = (1, 99)
# Gaps that a picture of a spectrum points at.
_N_GAPS = 3
_MISSING = {"color": "0.85", "edgecolor": "none"}


def plot_prediction(
    frame: geopandas.GeoDataFrame,
    observed: ArrayLike,
    predicted: ArrayLike,
    *,
    label: str = "signal",
    axes: Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Draw three maps: the observed signal, the predicted one, and their difference.

    The first two share one scale of colours; the third is centred on zero.

    Parameters
    ----------
    frame : GeoDataFrame of n_rows
        Its geometries are what is drawn, in its own CRS.
    observed, predicted : array-like of shape (n_rows,)
        In the order of ``frame``; NaN is grey.
    label : str, default "signal"
        What the signal is, with its unit.
    axes : three matplotlib Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    three matplotlib Axes

    Raises
    ------
    ValueError
        If the lengths differ, no row is known in both, or ``axes`` are not three.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely.geometry import box
    >>> fields = gpd.GeoDataFrame(geometry=[box(i, 0, i + 1, 1) for i in range(3)])
    >>> axes = plot_prediction(fields, [1.0, 2.0, float("nan")], [1.2, 1.9, 2.5])
    >>> [axis.get_title() for axis in axes]
    ['observed', 'predicted', 'error: predicted - observed']
    """
    pyplot = require("matplotlib.pyplot", extra="plot", purpose="plot_prediction")
    if not hasattr(frame, "geometry"):
        raise TypeError(f"frame must be a geopandas.GeoDataFrame; got {type(frame).__name__}.")
    values = [check_numeric(n, v) for n, v in (("observed", observed), ("predicted", predicted))]
    for name, array in zip(("observed", "predicted"), values, strict=True):
        if array.shape != (len(frame),):
            raise ValueError(
                f"{name} must have one value per row of frame, shape ({len(frame)},); "
                f"got shape {array.shape}."
            )
    error = values[1] - values[0]
    if not np.isfinite(error).any():
        raise ValueError("observed and predicted must both be known in some row; none is.")
    if axes is None:
        _, axes = pyplot.subplots(1, 3, figsize=(18, 4.5), layout="constrained")
    axes = _checked_axes(axes, 3)
    known = values[0][np.isfinite(values[0])]
    low, high = np.percentile(known, _COLOUR_RANGE)
    widest = np.percentile(np.abs(error[np.isfinite(error)]), _COLOUR_RANGE[1])
    for axis, title, array, scale in (
        (axes[0], "observed", values[0], {"cmap": "viridis", "vmin": low, "vmax": high}),
        (axes[1], "predicted", values[1], {"cmap": "viridis", "vmin": low, "vmax": high}),
        (
            axes[2],
            "error: predicted - observed",
            error,
            {"cmap": "RdBu_r", "vmin": -widest, "vmax": widest},
        ),
    ):
        _draw_map(frame, array, axis, label=label, **scale)
        axis.set_title(title)
    return axes


def _checked_axes(axes: Any, n_axes: int) -> list[Axes]:
    axes = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(axes) != n_axes:
        raise ValueError(f"axes must be {n_axes} matplotlib Axes; got {len(axes)}.")
    return axes


def _draw_map(
    frame: geopandas.GeoDataFrame, values: np.ndarray, axis: Axes, *, label: str, **scale: Any
) -> None:
    known = np.isfinite(values)
    if not known.all():
        frame[~known].plot(ax=axis, **_MISSING)
    frame[known].plot(
        values[known],
        ax=axis,
        legend=True,
        # A hairline in the face's own colour closes the seams between neighbours.
        edgecolor="face",
        linewidth=0.2,
        legend_kwds={"label": label, "shrink": 0.6, "extend": "both"},
        **scale,
    )
    axis.set_axis_off()


def plot_spectrum(
    embedder: SpectralEmbedder, *, axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """Draw hints at the size of an embedding: its eigenvalues, their gaps, what they leave.

    The picture of :func:`~skginr.inspect_spectrum`: the three widest relative gaps
    are marked, the widest first in the legend, and eigenvalues after which an embedding would cut
    an eigenspace are hollow.

    Parameters
    ----------
    embedder : SpectralEmbedder
        Fitted, with at least two components.
    axes : two matplotlib Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    two matplotlib Axes

    Raises
    ------
    TypeError
        If ``embedder`` is no SpectralEmbedder.
    ValueError
        If it has one component only, or ``axes`` are not two.
    NotFittedError
        If it is not fitted.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, SpectralEmbedder
    >>> caves = Graph.from_networkx(nx.connected_caveman_graph(5, 12))
    >>> embedder = SpectralEmbedder(9, graph=caves).fit(caves.labels.to_frame())
    >>> axes = plot_spectrum(embedder)
    >>> axes[0].get_legend().get_texts()[-1].get_text()
    'widest relative gaps: k = 4, 2, 7'
    """
    pyplot = require("matplotlib.pyplot", extra="plot", purpose="plot_spectrum")
    table = inspect_spectrum(embedder)
    if len(table) < 2:
        raise ValueError("embedder must have at least 2 components for a gap; it has 1.")
    if axes is None:
        _, axes = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    axes = _checked_axes(axes, 2)
    _draw_eigenvalues(table, axes[0])
    _draw_residual_energy(table, axes[1])
    return axes


def _draw_eigenvalues(table: pd.DataFrame, axis: Axes) -> None:
    value, cuts = table["eigenvalue"], table["cuts_eigenspace"]
    axis.plot(value[~cuts], "o", color="C0", markersize=4)
    if cuts.any():
        label = "cuts an eigenspace"
        axis.plot(value[cuts], "o", color="C0", markersize=4, fillstyle="none", label=label)
    gaps = table.loc[~cuts, "relative_gap"].dropna().nlargest(_N_GAPS).index
    label = "widest relative gaps: k = " + ", ".join(map(str, gaps))
    for k in gaps:
        # One entry in the legend is enough: those with an underscore are left out.
        axis.axvline(k + 0.5, color="C1", linewidth=1, label=label)
        label = "_"
    axis.legend(loc="best")
    axis.set(xlabel="component", ylabel="eigenvalue")


def _draw_residual_energy(table: pd.DataFrame, axis: Axes) -> None:
    energy = table["residual_energy"]
    axis.set(xlabel="n_components", ylabel="residual energy of positions and attributes")
    if energy.isna().all():
        axis.text(
            0.5,
            0.5,
            "the graph has no positions or attributes",
            ha="center",
            transform=axis.transAxes,
        )
        return
    axis.plot(energy, "o-", color="C0", markersize=3)
    axis.set_ylim(0, None)


def plot_mesh(
    graph: Graph,
    values: ArrayLike,
    *,
    axis: Axes | None = None,
    right: Sequence[float] = (1, 0, 0),
    up: Sequence[float] = (0, 1, 0),
    **scale: Any,
) -> PolyCollection:
    """Draw a signal on a triangle mesh, as seen from far away.

    Parameters
    ----------
    graph : Graph
        With faces and positions in space, as from :meth:`Graph.from_mesh`.
    values : array-like of shape (n_nodes,)
        In the order of ``graph.labels``. A face shows the mean of its corners; where one of them
        is NaN, it is not drawn.
    axis : matplotlib Axes, optional
        Where to draw. Default: a new figure.
    right, up : three floats, defaults (1, 0, 0) and (0, 1, 0)
        Directions of space that point right and up in the picture.
    **scale : keyword arguments
        ``cmap``, ``clim`` and whatever else :class:`matplotlib.collections.PolyCollection` takes.

    Returns
    -------
    PolyCollection
        What was drawn, for a colour bar.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If it has no faces, or ``values`` do not have one value per node.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    Examples
    --------
    >>> from skginr import Graph
    >>> corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    >>> tetrahedron = Graph.from_mesh(corners, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> drawn = plot_mesh(tetrahedron, [0.0, 3.0, 6.0, 9.0])
    >>> drawn.get_array().tolist()
    [3.0, 4.0, 5.0, 6.0]
    """
    collections = require("matplotlib.collections", extra="plot", purpose="plot_mesh")
    pyplot = require("matplotlib.pyplot", extra="plot", purpose="plot_mesh")
    check_graph(graph)
    if graph.faces is None:
        raise ValueError("graph must have faces, as Graph.from_mesh makes them; it has none.")
    values = check_numeric("values", values)
    if values.shape != (graph.n_nodes,):
        raise ValueError(
            f"values must have one value per node, shape ({graph.n_nodes},); got {values.shape}."
        )
    if axis is None:
        _, axis = pyplot.subplots(layout="constrained")
    view = np.array([right, up, np.cross(right, up)], dtype=float)
    corners = (graph.positions @ view.T)[graph.faces]
    colour = values[graph.faces].mean(axis=1)
    # The nearest last: they hide what is behind them.
    order = np.argsort(corners[..., 2].mean(axis=1))
    order = order[np.isfinite(colour[order])]
    drawn = collections.PolyCollection(
        corners[order, :, :2],
        array=colour[order],
        **{"edgecolor": "face", "linewidth": 0.2} | scale,
    )
    axis.add_collection(drawn)
    axis.set_aspect("equal")
    axis.autoscale_view()
    axis.set_axis_off()
    return drawn
