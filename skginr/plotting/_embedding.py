"""Coordinates of an embedding: each on the graph, or two against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_count, check_points
from skginr.graphs import Graph, check_graph, rows_of
from skginr.plotting._axes import axes_of, figure_size
from skginr.plotting._canvas import Canvas, Dots, canvas_of, in_order
from skginr.plotting._colours import Scale, Values, check_cmap
from skginr.spectral import SpectralEmbedder

if TYPE_CHECKING:
    import geopandas
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# Pictures in a row.
_COLUMNS = 3


def plot_embedding(
    embedding: SpectralEmbedder | ArrayLike,
    values: ArrayLike | None = None,
    *,
    components: int | Sequence[int] | None = None,
    graph: Graph | None = None,
    geometry: geopandas.GeoDataFrame | geopandas.GeoSeries | None = None,
    label: str | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    cmap: Colormap | str | None = None,
    right: Sequence[float] | None = None,
    up: Sequence[float] | None = None,
) -> NDArray[Any]:
    """Draw the coordinates of an embedding on the graph, or two of them against each other.

    Parameters
    ----------
    embedding : SpectralEmbedder or array-like of shape (n_nodes, n_components)
        A fitted embedder, or coordinates in the order of the nodes of ``graph``, or of a DataFrame
        whose index holds their labels.
    values : array-like of shape (n_nodes,), optional
        A signal: then one picture, nodes placed by two coordinates and coloured by it. Default:
        a picture of the graph for each coordinate, all with one scale of colours about zero.
    components : int or sequence of int, optional
        How many, or which, counted from 1. Default: the first six, with ``values`` the first two.
    graph : Graph, optional
        Of an array. Default: the embedder's.
    geometry : GeoDataFrame or GeoSeries, optional
        The map of the graph, as for :func:`plot_signal`.
    label : str, optional
        What ``values`` are, with their unit.
    ax : matplotlib Axes, as many as there are pictures, optional
        Where to draw. Default: a new figure.
    cmap : str or Colormap, optional
        As for :func:`plot_signal`; of coordinates "RdBu_r" by default.
    right, up : three floats, optional
        As for :func:`plot_signal`.

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    TypeError
        If an array comes without a graph that is to be drawn.
    ValueError
        If there are no such components, or not two of them with ``values``.
    NotFittedError
        If the embedder is not fitted.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    skginr.SpectralEmbedder : Makes the coordinates; it comes before.
    plot_spectrum : Draws how many of them to keep.
    plot_signal : Draws a signal on the graph, one picture.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, SpectralEmbedder
    >>> from skginr.plotting import plot_embedding
    >>> grid = Graph.from_networkx(nx.grid_2d_graph(9, 5))
    >>> embedder = SpectralEmbedder(5, graph=grid).fit(grid.labels.to_frame())
    >>> [ax.get_title() for ax in plot_embedding(embedder, components=[1, 5])]
    ['component 1', 'component 5']
    """
    check_cmap(cmap)
    if isinstance(embedding, SpectralEmbedder):
        check_is_fitted(embedding)
        graph = embedding.graph_ if graph is None else graph
        embedding = embedding.embedding_
    embedding, values = _in_one_order(embedding, values, graph)
    coordinates = check_points("embedding", embedding)
    if values is not None and components is None and coordinates.shape[1] < 2:
        raise ValueError(
            "values are drawn over two components; the embedding has one. Leave values out."
        )
    count: int | Sequence[int] = 2 if values is not None else min(6, coordinates.shape[1])
    which = _which(count if components is None else components, coordinates.shape[1])
    if values is not None:
        return _scatter(coordinates, which, values, label, ax, cmap)
    canvas = canvas_of(check_graph(graph), geometry, right=right, up=up)
    if canvas.n_nodes != len(coordinates):
        raise ValueError(
            f"embedding must have one row per node of graph, {canvas.n_nodes}; got "
            f"{len(coordinates)}."
        )
    return _maps(canvas, coordinates, which, ax, cmap)


def _in_one_order(embedding: Any, values: Any, graph: Graph | None) -> tuple[Any, Any]:
    """Return both in the order of the graph's nodes, or, without one, of the embedding's index."""
    if graph is not None:
        embedding = in_order("embedding", embedding, check_graph(graph))
        return embedding, in_order("values", values, graph)
    if isinstance(embedding, pd.DataFrame) and isinstance(values, pd.Series):
        order = rows_of(values.index, embedding.index, name="values", order="embedding.index")
        values = values.iloc[order]
    return embedding, values


def _maps(
    canvas: Canvas, coordinates: NDArray[np.float64], which: list[int], ax: Any, cmap: Any
) -> NDArray[Any]:
    """Draw the coordinates on the graph, all with one scale of colours."""
    n_columns = min(_COLUMNS, len(which))
    shape = n_columns, -(-len(which) // n_columns)
    size = figure_size(canvas.extent, 4.5 * n_columns, *shape)
    axes = axes_of(ax, len(which), purpose="plot_embedding", n_columns=n_columns, figsize=size)
    columns = [Values.read("embedding", coordinates[:, i - 1], canvas.n_nodes) for i in which]
    common = Scale.of(*columns, cmap=cmap, centred=True)
    for one, i, column in zip(axes, which, columns, strict=True):
        drawn = canvas.draw(one, column.numbers, common)
        one.set_title(f"component {i}")
    axes[0].figure.colorbar(
        drawn, ax=axes, extend=common.extend, shrink=0.7, aspect=30, pad=0.02
    ).outline.set_visible(False)
    return np.array(axes, dtype=object)


def _which(components: int | Sequence[int], n_available: int) -> list[int]:
    """Return the numbers of the components, from 1."""
    if not isinstance(components, Iterable):
        check_count("components", components, minimum=1)
        components = range(1, int(components) + 1)
    which = list(components)
    for i in which:
        check_count("components", i, minimum=1)
    if not which or max(which) > n_available:
        raise ValueError(
            f"components must be among the {n_available} of the embedding, counted from 1; got "
            f"{which}."
        )
    return which


def _scatter(
    coordinates: NDArray[np.float64],
    which: list[int],
    values: ArrayLike,
    label: str | None,
    ax: Any,
    cmap: Any,
) -> NDArray[Any]:
    if len(which) != 2:
        raise ValueError(f"components must be two where values are given; got {which}.")
    read = Values.read("values", values, len(coordinates))
    scale = Scale.of(read, cmap=cmap)
    (one,) = axes_of(ax, 1, purpose="plot_embedding", figsize=(6.4, 4.8))
    x, y = (coordinates[:, i - 1] for i in which)
    places = np.column_stack([x, y, np.zeros(len(x))])
    drawn = Dots(places, np.empty((0, 2), dtype=np.int64)).draw(one, read.numbers, scale)
    one.set_axis_on()
    # Directions of an embedding have one unit, but not all the same spread.
    one.set_aspect("auto")
    one.set(xlabel=f"component {which[0]}", ylabel=f"component {which[1]}")
    scale.explain(one, drawn, label)
    return np.array([one], dtype=object)
