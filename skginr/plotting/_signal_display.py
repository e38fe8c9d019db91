"""A signal beside its prediction."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skginr._core import require
from skginr.graphs import Graph, check_graph, fitted_column, rows_of
from skginr.plotting._axes import axes_of, figure_size
from skginr.plotting._canvas import Canvas, canvas_of, in_order
from skginr.plotting._colours import Scale, Values, check_cmap
from skginr.plotting._models import graph_of, named_nodes, spread_over

if TYPE_CHECKING:
    import geopandas
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# Of classes predicted right and wrong.
_RIGHT_WRONG = ("#92c5de", "#b2182b")


class SignalDisplay:
    """Three pictures: a signal as observed, as predicted, and the residual.

    Made by :meth:`from_estimator` or :meth:`from_predictions`. The first two share one scale of
    colours. The residual is the observed value minus the predicted value, as in
    :func:`~skginr.predict_frame`; its scale is symmetric about zero. For classes the third picture
    says right or wrong.

    Parameters
    ----------
    graph : Graph, GeoDataFrame or GeoSeries
        What is drawn on, as for :func:`plot_signal`.
    y_true, y_pred : array-like of shape (n_nodes,)
        In the order of the nodes, or with an index that holds their labels. What is not known is
        grey, and a residual is not known where either is not.
    geometry : GeoDataFrame or GeoSeries, optional
        The map of the graph, as for :func:`plot_signal`.

    Attributes
    ----------
    axes_ : ndarray of three matplotlib Axes
        Observed, predicted, residual.
    figure_ : matplotlib Figure

    Raises
    ------
    TypeError
        If ``graph`` is neither a Graph nor geometries.
    ValueError
        If there is not one value per node, or no node where both are known.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    plot_signal : One signal alone.
    skginr.predict_frame : The same numbers in a table, with intervals.
    plot_record : For signals in time: a few nodes, observed and predicted.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely.geometry import box
    >>> from skginr.plotting import SignalDisplay
    >>> fields = gpd.GeoDataFrame(geometry=[box(i, 0, i + 1, 1) for i in range(3)])
    >>> display = SignalDisplay.from_predictions(fields, [1.0, 2.0, None], [1.2, 1.9, 2.5])
    >>> [ax.get_title() for ax in display.axes_]
    ['observed', 'predicted', 'residual: observed - predicted']
    """

    def __init__(
        self,
        graph: Graph | geopandas.GeoDataFrame | geopandas.GeoSeries,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        geometry: geopandas.GeoDataFrame | geopandas.GeoSeries | None = None,
    ) -> None:
        self.graph = graph
        self.y_true = y_true
        self.y_pred = y_pred
        self.geometry = geometry

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series,
        *,
        graph: Graph | None = None,
        node: Hashable = None,
        geometry: geopandas.GeoDataFrame | geopandas.GeoSeries | None = None,
        ax: Sequence[Axes] | None = None,
        **look: Any,
    ) -> Self:
        """Draw what a fitted model predicts at the rows of X, beside what y says.

        Parameters
        ----------
        model : estimator
            Fitted, with ``predict``.
        X : array-like or DataFrame of shape (n_rows, n_columns)
            One row per node, no node twice. A node without a row is grey.
        y : array-like of shape (n_rows,)
            Of a Series by its index, where X has one. NaN or None where the signal was not
            observed: such rows are predicted all the same.
        graph : Graph, optional
            Default: the one that a step of the model holds.
        node : int or column name, optional
            The column of X that names the nodes: a position, or a name where X is a DataFrame.
            Default: the one that ``model`` was fitted to, else the first, if no other could name
            nodes.
        geometry : GeoDataFrame or GeoSeries, optional
            The map of the graph, as for :func:`plot_signal`.
        ax : three matplotlib Axes, optional
            Where to draw. Default: a new figure.
        **look
            As for :meth:`plot`.

        Returns
        -------
        SignalDisplay

        Examples
        --------
        >>> import networkx as nx
        >>> from skginr import Graph, GraphSmoother
        >>> from skginr.plotting import SignalDisplay
        >>> path = Graph.from_networkx(nx.path_graph(5))
        >>> X, y = path.labels.to_frame(name="node"), [0.0, 1.0, None, 3.0, 4.0]
        >>> model = GraphSmoother(graph=path, alpha=1e-3).fit(X.drop(2), [0.0, 1.0, 3.0, 4.0])
        >>> display = SignalDisplay.from_estimator(model, X, y, label="height, m")
        >>> len(display.axes_)
        3
        """
        graph = graph_of(model) if graph is None else check_graph(graph)
        nodes = named_nodes(X, graph, fitted_column(model, X) if node is None else node)
        columns = []
        if isinstance(X, pd.DataFrame) and isinstance(y, pd.Series):
            y = y.iloc[rows_of(y.index, X.index, name="y", order="X.index")]
        for name, values in (("y", y), ("predictions", model.predict(X))):
            if np.shape(values) != (len(nodes),):
                raise ValueError(
                    f"{name} must have one value per row of X, shape ({len(nodes)},); got shape "
                    f"{np.shape(values)}. Of several signals, draw one."
                )
            columns.append(spread_over(nodes, values, graph))
        return cls(graph, *columns, geometry=geometry).plot(ax=ax, **look)

    @classmethod
    def from_predictions(
        cls,
        graph: Graph | geopandas.GeoDataFrame | geopandas.GeoSeries,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        geometry: geopandas.GeoDataFrame | geopandas.GeoSeries | None = None,
        ax: Sequence[Axes] | None = None,
        **look: Any,
    ) -> Self:
        """Draw predictions, such as those of ``cross_val_predict``, beside what was observed.

        Parameters
        ----------
        graph, y_true, y_pred, geometry
            As for the class.
        ax : three matplotlib Axes, optional
            Where to draw. Default: a new figure.
        **look
            As for :meth:`plot`.

        Returns
        -------
        SignalDisplay

        Examples
        --------
        >>> import networkx as nx
        >>> from skginr import Graph
        >>> from skginr.plotting import SignalDisplay
        >>> path = Graph.from_networkx(nx.path_graph(3))
        >>> display = SignalDisplay.from_predictions(path, [1.0, 2.0, None], [1.2, 1.9, 2.5])
        >>> len(display.axes_)
        3
        """
        return cls(graph, y_true, y_pred, geometry=geometry).plot(ax=ax, **look)

    def plot(
        self,
        *,
        ax: Sequence[Axes] | None = None,
        label: str | None = None,
        cmap: Colormap | str | None = None,
        clim: tuple[float, float] | None = None,
        right: Sequence[float] | None = None,
        up: Sequence[float] | None = None,
    ) -> Self:
        """Draw again, with another look or on other axes.

        Parameters
        ----------
        ax : three matplotlib Axes, optional
            Where to draw. Default: a new figure.
        label : str, optional
            What the signal is, with its unit.
        cmap, clim
            Of the signal, as for :func:`plot_signal`; ``clim`` is by default that of what was
            observed.
        right, up : three floats
            As for :func:`plot_signal`.

        Returns
        -------
        SignalDisplay
            This one.
        """
        check_cmap(cmap)
        canvas = canvas_of(self.graph, self.geometry, right=right, up=up)
        y_true = in_order("y_true", self.y_true, self.graph)
        y_pred = in_order("y_pred", self.y_pred, self.graph)
        observed, predicted = _read_both(y_true, y_pred, canvas)
        residual = _residual(observed, predicted)
        scale = Scale.of(observed, cmap=cmap, clim=clim)
        limits = None if scale.classes else (scale.low, scale.high)
        wrong = require("matplotlib.colors", extra="plot", purpose="SignalDisplay").ListedColormap(
            _RIGHT_WRONG
        )
        pictures = [
            ("observed", observed, scale, label),
            ("predicted", predicted, Scale.of(predicted, cmap=cmap, clim=limits), label),
            (
                "residual: observed - predicted",
                residual,
                Scale.of(residual, cmap=wrong if residual.classes else None, centred=True),
                None if residual.classes else label,
            ),
        ]
        axes = axes_of(ax, 3, purpose="SignalDisplay", figsize=figure_size(canvas.extent, 15, 3))
        for one, (title, values, own, name) in zip(axes, pictures, strict=True):
            drawn = canvas.draw(one, values.numbers, own)
            own.explain(one, drawn, name)
            one.set_title("right or wrong" if values is residual and residual.classes else title)
        self.axes_ = np.array(axes, dtype=object)
        self.figure_ = axes[0].figure
        return self


def _read_both(y_true: Any, y_pred: Any, canvas: Canvas) -> tuple[Values, Values]:
    """Return both checked, classes with the same numbers."""
    both = [Values.read(n, v, canvas.n_nodes) for n, v in (("y_true", y_true), ("y_pred", y_pred))]
    kinds = {values.classes is None for values in both}
    if len(kinds) > 1:
        raise TypeError("y_true and y_pred must be of one kind; got numbers and classes.")
    if both[0].classes is None:
        return both[0], both[1]
    classes = tuple(dict.fromkeys((*(both[0].classes or ()), *(both[1].classes or ()))))
    return tuple(values.with_classes(classes) for values in both)  # type: ignore[return-value]


def _residual(observed: Values, predicted: Values) -> Values:
    known = observed.known & predicted.known
    if not known.any():
        raise ValueError("y_true and y_pred must both be known at some node; at none they are.")
    if observed.classes is None:
        return Values(observed.numbers - predicted.numbers)
    differ = (predicted.numbers != observed.numbers).astype(float)
    return Values(np.where(known, differ, np.nan), ("right", "wrong"))
