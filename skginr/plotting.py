"""Pictures of signals on maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skginr._checks import check_numeric, require

if TYPE_CHECKING:
    import geopandas
    from matplotlib.axes import Axes

# Colours end at these shares of the values, so that a few extremes do not
# leave the rest of the map in one tone; the colour bar's arrows say so.
_COLOUR_RANGE = (1, 99)
_MISSING = {"color": "0.85", "edgecolor": "none"}


def plot_prediction(
    frame: "geopandas.GeoDataFrame",
    observed: ArrayLike,
    predicted: ArrayLike,
    *,
    label: str = "signal",
    axes: Sequence["Axes"] | None = None,
) -> Sequence["Axes"]:
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
    axes = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(axes) != 3:
        raise ValueError(f"axes must be three matplotlib Axes; got {len(axes)}.")
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


def _draw_map(
    frame: "geopandas.GeoDataFrame", values: np.ndarray, axis: "Axes", *, label: str, **scale: Any
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
