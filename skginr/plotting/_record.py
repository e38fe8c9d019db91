"""Records of nodes in time, beside what a model makes of them."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from skginr._core import TimeScale, check_numeric, check_real
from skginr.graphs import as_table, fitted_column, rows_of, space_time_columns
from skginr.plotting._axes import axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More records one above the other are no picture.
_MOST = 20
_OBSERVED, _PREDICTED = "0.25", "C0"


def plot_record(
    model: Any,
    X: ArrayLike | pd.DataFrame,
    y: ArrayLike | pd.Series,
    *,
    nodes: Hashable | Sequence[Hashable],
    node: Hashable = None,
    time: Hashable = None,
    coverage: float = 0.9,
    label: str | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> NDArray[Any]:
    """Draw what was observed at a few nodes, and what a model says of them, against time.

    Parameters
    ----------
    model : estimator
        Fitted, with ``predict``. Where that has ``return_std`` there is a band.
    X : array-like or DataFrame of shape (n_rows, n_columns)
        Rows of nodes and times, those of other nodes too. The line goes through all the rows of a
        node: give those of its gaps.
    y : array-like of shape (n_rows,)
        Of a Series by its index, where X has one. NaN or None where nothing was observed: such
        rows are predicted all the same.
    nodes : label or sequence of labels
        Whose records to draw, each in a picture of its own, one above the other.
    node, time : int or column name, optional
        The columns of X that name nodes and hold times, as for :class:`~skginr.SpaceTimeKFold`.
        Default: for nodes the one that ``model`` was fitted to.
    coverage : float, default 0.9
        Share of new observations that the band is to hold, between 0 and 1: it is of the mean and
        the noise, where the model knows that.
    label : str, optional
        What the signal is, with its unit.
    ax : matplotlib Axes, as many as there are nodes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    TypeError
        If times are none, or something in ``ax`` is no matplotlib Axes.
    ValueError
        If X has no rows of a node, several columns could be the node or the time, there is not one
        y per row, or ``coverage`` is not between 0 and 1.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    animate_signal : All nodes, one picture per time.
    skginr.SpaceTimeSmoother : A model of such tables, which has standard deviations for the band.
    skginr.GraphImputer : Fills the gaps of a wide table.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skginr import SeasonalFeatures
    >>> from skginr.plotting import plot_record
    >>> hours = pd.date_range("2024-06-01", periods=96, freq="h")
    >>> table = pd.DataFrame({"sensor": "a", "hour": hours})
    >>> y = pd.Series(np.sin(2 * np.pi * hours.hour / 24))
    >>> y[30:50] = np.nan
    >>> model = make_pipeline(
    ...     make_column_transformer((SeasonalFeatures(["day"]), ["hour"])), LinearRegression()
    ... ).fit(table[y.notna()], y.dropna())
    >>> (ax,) = plot_record(model, table, y, nodes="a", label="height, m")
    >>> [len(line.get_xdata()) for line in ax.lines]
    [96, 76]
    """
    check_real("coverage", coverage, minimum=0, strict=True)
    if coverage >= 1:
        raise ValueError(f"coverage must be less than 1; got {coverage}.")
    frame = as_table(X)
    node = fitted_column(model, X) if node is None else node
    where, when = space_time_columns(X, None, node, time, owner="plot_record")
    if isinstance(X, pd.DataFrame) and isinstance(y, pd.Series):
        y = y.iloc[rows_of(y.index, X.index, name="y", order="X.index")]
    observed = check_numeric("y", y)
    if observed.shape != (len(frame),):
        raise ValueError(
            f"y must have one value per row of X, shape ({len(frame)},); got shape "
            f"{observed.shape}. Of several signals, draw one."
        )
    column, name = frame.iloc[:, when], f"the column time={frame.columns[when]!r} of X"
    scale = TimeScale.of(column, name)
    numbers = scale.numbers(column, name)
    rows_of_nodes = _rows_of_nodes(frame.iloc[:, where], nodes, numbers)
    axes = axes_of(
        ax,
        len(rows_of_nodes),
        purpose="plot_record",
        n_columns=1,
        figsize=(9.0, 0.8 + 1.9 * len(rows_of_nodes)),
        sharex=True,
    )
    for one, (title, rows) in zip(axes, rows_of_nodes, strict=True):
        times = scale.times(numbers[rows])
        mean, std = _predicted(model, _safe_indexing(X, rows))
        if std is not None:
            wide = NormalDist().inv_cdf((1 + coverage) / 2) * std
            band = f"{100 * coverage:.3g}% of observations"
            look: dict[str, Any] = {"color": _PREDICTED, "alpha": 0.25, "linewidth": 0}
            one.fill_between(times, mean - wide, mean + wide, **look, label=band)
        one.plot(times, mean, color=_PREDICTED, lw=1.2, label="predicted")
        known = np.isfinite(observed[rows])
        one.plot(
            times[known], observed[rows][known], ".", color=_OBSERVED, ms=3.5, label="observed"
        )
        one.set_title(str(title), loc="left", fontsize="medium")
        if label:
            one.set_ylabel(label)
    # Above the first picture, where nothing is drawn.
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    return np.array(axes, dtype=object)


def _rows_of_nodes(
    labels: pd.Series, nodes: Any, times: NDArray[np.float64]
) -> list[tuple[Any, NDArray[np.intp]]]:
    """Return of every node its label and rows, in the order of times."""
    several = nodes if isinstance(nodes, list | np.ndarray | pd.Index | pd.Series) else [nodes]
    if not 1 <= len(several) <= _MOST:
        raise ValueError(f"nodes must be 1 to {_MOST} labels; got {len(several)}.")
    found = []
    for label in several:
        rows = np.flatnonzero((labels == label).to_numpy(dtype=bool, na_value=False))
        if rows.size == 0:
            raise ValueError(f"nodes must be of X; no row of it names {label!r}.")
        found.append((label, rows[np.argsort(times[rows], kind="stable")]))
    return found


def _predicted(model: Any, X: Any) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    last = model[-1] if isinstance(model, Pipeline) else model
    takes = inspect.signature(last.predict).parameters
    if "return_std" not in takes:
        return np.asarray(model.predict(X)), None
    noise = {"with_noise": True} if "with_noise" in takes else {}
    return model.predict(X, return_std=True, **noise)
