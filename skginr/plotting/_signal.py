"""One signal, drawn on whatever its graph has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from numpy.typing import ArrayLike

from skginr.graphs import Graph
from skginr.plotting._axes import axes_of, figure_size
from skginr.plotting._canvas import canvas_of, in_order
from skginr.plotting._colours import Scale, Values, check_cmap

if TYPE_CHECKING:
    import geopandas
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


def plot_signal(
    graph: Graph | geopandas.GeoDataFrame | geopandas.GeoSeries,
    values: ArrayLike,
    *,
    geometry: geopandas.GeoDataFrame | geopandas.GeoSeries | None = None,
    label: str | None = None,
    ax: Axes | None = None,
    cmap: Colormap | str | None = None,
    clim: tuple[float, float] | None = None,
    legend: bool = True,
    right: Sequence[float] | None = None,
    up: Sequence[float] | None = None,
) -> Axes:
    """Draw a signal on whatever its graph has: polygons, a mesh, positions, or nothing but edges.

    The first of these that is there is used:

    - polygons, lines or points of a map: ``geometry``, or in place of the graph;
    - positions on a sphere around the origin, as of :meth:`Graph.from_sphere` or of a map in
      degrees: a map of longitude and latitude (:func:`plot_mesh` draws the sphere round);
    - faces: the surface as seen from far away;
    - positions in two or three dimensions: dots, and edges where there are at most 10,000;
    - edges alone: dots placed by the first two spectral coordinates of each connected component,
      components side by side.

    Parameters
    ----------
    graph : Graph, GeoDataFrame or GeoSeries
    values : array-like of shape (n_nodes,), or the name of a column of a GeoDataFrame
        In the order of ``graph.labels``, or of the rows of a GeoDataFrame; of a Series by its
        index, which holds the labels or counts rows from 0. Numbers have a colour bar; words,
        booleans and categories a legend. What is unknown (NaN, None) is grey, as a dot hollow. A
        face shows the mean of its corners, or the class of most; of those that are known.
    geometry : GeoDataFrame or GeoSeries, optional
        The map of the graph: a row per node, indexed by label, or in the order of the nodes with
        an index that counts them from 0.
    label : str, optional
        What the signal is, with its unit.
    ax : matplotlib Axes, optional
        Where to draw. Default: a new figure.
    cmap : str or Colormap, optional
        Default: "viridis", for classes a list of distinct colours.
    clim : pair of floats, optional
        Values of the first and last colour. Default: the 1st and 99th percentile; the ends of the
        colour bar are arrows where there are values beyond.
    legend : bool, default True
        Whether to add a colour bar, or the legend of classes.
    right, up : three floats, optional
        Directions of space that point right and up in the picture, for positions in space.
        Default: (1, 0, 0) and (0, 1, 0); what is flat and would be a line is seen from its side.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError
        If ``graph`` is neither a Graph nor geometries, ``ax`` no Axes, or the values of no kind
        that has colours.
    ValueError
        If there is not one value, or row of ``geometry``, per node, an index does not say whose
        each is, or no value is known.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    plot_signal_html : A file for the browser, to turn and zoom.
    animate_signal : A signal in time, picture by picture.
    SignalDisplay : A signal beside its prediction and the error.
    plot_mesh : A mesh alone, with every keyword of matplotlib.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph
    >>> from skginr.plotting import plot_signal
    >>> friends = Graph.from_networkx(nx.karate_club_graph())
    >>> ax = plot_signal(friends, friends.adjacency.sum(axis=1), label="degree")
    >>> len(ax.collections[-1].get_offsets())
    34
    """
    check_cmap(cmap)
    canvas = canvas_of(graph, geometry, right=right, up=up)
    if isinstance(values, str) and isinstance(graph, pd.DataFrame) and values in graph:
        label, values = label or values, graph[values]
    read = Values.read("values", in_order("values", values, graph), canvas.n_nodes)
    scale = Scale.of(read, cmap=cmap, clim=clim)
    (ax,) = axes_of(ax, 1, purpose="plot_signal", figsize=figure_size(canvas.extent, 6.4))
    drawn = canvas.draw(ax, read.numbers, scale)
    if legend:
        scale.explain(ax, drawn, label)
    return ax
