"""A signal that changes in time, as moving pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skginr._core import check_real, require
from skginr.graphs import Graph
from skginr.plotting._axes import axes_of, figure_size
from skginr.plotting._canvas import canvas_of, in_order
from skginr.plotting._colours import Scale, Values, check_cmap

if TYPE_CHECKING:
    import geopandas
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


def animate_signal(
    graph: Graph | geopandas.GeoDataFrame | geopandas.GeoSeries,
    values: ArrayLike | pd.DataFrame,
    *,
    times: ArrayLike | None = None,
    geometry: geopandas.GeoDataFrame | geopandas.GeoSeries | None = None,
    label: str | None = None,
    ax: Axes | None = None,
    cmap: Colormap | str | None = None,
    clim: tuple[float, float] | None = None,
    legend: bool = True,
    interval: float = 200.0,
    right: Sequence[float] | None = None,
    up: Sequence[float] | None = None,
) -> FuncAnimation:
    """Make moving pictures of a signal in time, each as :func:`plot_signal` draws it.

    All have the same colours for the same values, and a title that says the time.

    Parameters
    ----------
    graph : Graph, GeoDataFrame or GeoSeries
    values : DataFrame or array-like of shape (n_times, n_nodes)
        A row per time; the columns of a DataFrame hold the labels of the nodes, as those of
        ``long.pivot(index="time", columns="node", values="y")`` do, or count nodes from 0. What is
        unknown (NaN, None) is grey, as a dot hollow; all of one time may be.
    times : array-like of shape (n_times,), optional
        What titles say. Default: the index of a DataFrame, or the numbers of rows.
    geometry : GeoDataFrame or GeoSeries, optional
        The map of the graph, as for :func:`plot_signal`.
    label : str, optional
        What the signal is, with its unit.
    ax : matplotlib Axes, optional
        Where to draw. Default: a new figure.
    cmap : str or Colormap, optional
        As for :func:`plot_signal`.
    clim : pair of floats, optional
        Values of the first and last colour. Default: the 1st and 99th percentile of all times.
    legend : bool, default True
        Whether to add a colour bar, or the legend of classes.
    interval : float, default 200
        Milliseconds from one picture to the next.
    right, up : three floats, optional
        As for :func:`plot_signal`.

    Returns
    -------
    matplotlib FuncAnimation
        Shown in a notebook by ``IPython.display.HTML(animation.to_jshtml())``, kept by
        ``animation.save("signal.gif")``. Keep it in a variable until then.

    Raises
    ------
    TypeError
        If ``graph`` is neither a Graph nor geometries, ``ax`` no Axes, or the values of no kind
        that has colours.
    ValueError
        If there is not one value per time and node, one of ``times`` per row, or no value is
        known, or columns do not say whose each is.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    plot_signal : One picture.
    plot_record : A few nodes against time, with predictions.

    Examples
    --------
    >>> import networkx as nx
    >>> import pandas as pd
    >>> from skginr import Graph
    >>> from skginr.plotting import animate_signal
    >>> path = Graph.from_networkx(nx.path_graph(3))
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> wide = pd.DataFrame([[1.0, 2.0, None], [2.0, 3.0, 4.0]], index=days)
    >>> animation = animate_signal(path, wide, label="height, m")
    >>> "<img" in animation.to_jshtml()
    True
    """
    animation = require("matplotlib.animation", extra="plot", purpose="animate_signal")
    check_cmap(cmap)
    check_real("interval", interval, minimum=0, strict=True)
    canvas = canvas_of(graph, geometry, right=right, up=up)
    read = _read(values, graph, canvas.n_nodes)
    frames = read.numbers.reshape(-1, canvas.n_nodes)
    titles = _titles(values, times, len(frames))
    scale = Scale.of(read, cmap=cmap, clim=clim)
    (ax,) = axes_of(ax, 1, purpose="animate_signal", figsize=figure_size(canvas.extent, 6.4))
    before: set[Any] = set(ax.get_children())

    def draw(frame: int) -> list[Any]:
        for artist in set(ax.get_children()) - before:
            artist.remove()
        canvas.draw(ax, frames[frame], scale)
        ax.set_title(titles[frame])
        return list(set(ax.get_children()) - before)

    draw(0)
    if legend:
        scale.explain(ax, _colours_of(scale), label)
        before |= {ax.get_legend()}
    return animation.FuncAnimation(
        ax.figure, draw, frames=len(frames), init_func=lambda: draw(0), interval=interval
    )


def _read(values: Any, graph: Any, n_nodes: int) -> Values:
    """Return the values of all times in one row."""
    if isinstance(values, pd.DataFrame):
        # One type for all columns, so that words are words and numbers numbers.
        values = in_order("values.T", values.T, graph).T.to_numpy()
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != n_nodes or len(array) == 0:
        raise ValueError(
            f"values must have a row per time and a column per node, shape (n_times, {n_nodes}); "
            f"got shape {array.shape}. Make them of a long table with "
            f"table.pivot(index='time', columns='node', values='y')."
        )
    return Values.read("values", array.ravel(), array.size, of="time and node")


def _titles(values: Any, times: Any, n_times: int) -> list[str]:
    if times is None:
        times = values.index if isinstance(values, pd.DataFrame) else range(n_times)
    if len(times) != n_times:
        raise ValueError(f"times must be one per row of values, {n_times}; got {len(times)}.")
    times = pd.Index(times)
    if isinstance(times, pd.DatetimeIndex) and times.tz is None and (times.second == 0).all():
        whole = (times == times.normalize()).all()
        return list(times.strftime("%Y-%m-%d" if whole else "%Y-%m-%d %H:%M"))
    return list(times.astype(str))


def _colours_of(scale: Scale) -> Any:
    """Return what a colour bar is made of, of no picture that goes."""
    matplotlib = require("matplotlib", extra="plot", purpose="animate_signal")
    norm = matplotlib.colors.Normalize(scale.low, scale.high)
    return matplotlib.cm.ScalarMappable(norm, scale.cmap)
