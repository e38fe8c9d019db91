"""A signal on a triangle mesh, as seen from far away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skginr._core import check_numeric, require
from skginr.graphs import Graph, check_graph
from skginr.plotting._axes import axes_of
from skginr.plotting._canvas import in_order
from skginr.plotting._layout import places_seen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection


def plot_mesh(
    graph: Graph,
    values: ArrayLike,
    *,
    ax: Axes | None = None,
    right: Sequence[float] | None = None,
    up: Sequence[float] | None = None,
    **scale: Any,
) -> PolyCollection:
    """Draw a signal on a triangle mesh, as seen from far away.

    The picture alone, with every keyword of matplotlib; :func:`plot_signal` chooses colours, adds
    a colour bar, and draws other graphs too.

    Parameters
    ----------
    graph : Graph
        With faces and positions in the plane or in space, as from :meth:`Graph.from_mesh`.
    values : array-like of shape (n_nodes,)
        In the order of ``graph.labels``, or with an index that holds them. A face shows the mean
        of its corners; where one of them is NaN, it is not drawn.
    ax : matplotlib Axes, optional
        Where to draw. Default: a new figure.
    right, up : three floats, optional
        Directions of space that point right and up in the picture. Default: (1, 0, 0) and
        (0, 1, 0); what is flat and would be a line is seen from its side.
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

    See Also
    --------
    plot_signal : Chooses colours and adds a colour bar; takes any graph.
    plot_signal_html : A file for the browser, to turn and zoom.
    skginr.Graph.from_mesh : Makes the graph of a mesh.

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
    check_graph(graph)
    if graph.faces is None or graph.positions is None:
        raise ValueError("graph must have faces, as Graph.from_mesh makes them; it has none.")
    values = check_numeric("values", in_order("values", values, graph))
    if values.shape != (graph.n_nodes,):
        raise ValueError(
            f"values must have one value per node, shape ({graph.n_nodes},); got {values.shape}."
        )
    placed = places_seen(graph.positions, right, up)
    (ax,) = axes_of(ax, 1, purpose="plot_mesh")
    corners = placed[graph.faces]
    colour = values[graph.faces].mean(axis=1)
    # The nearest last: they hide what is behind them.
    order = np.argsort(corners[..., 2].mean(axis=1))
    order = order[np.isfinite(colour[order])]
    drawn = collections.PolyCollection(
        corners[order, :, :2],
        array=colour[order],
        **{"edgecolor": "face", "linewidth": 0.2} | scale,
    )
    ax.add_collection(drawn)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.set_axis_off()
    return drawn
