"""Where to draw: axes given, or those of a new figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skginr._core import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_of(
    ax: Any, n_axes: int, *, purpose: str, n_columns: int | None = None, **figure: Any
) -> list[Axes]:
    """Return the ``n_axes`` axes given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, array-like of them, or None
        None makes a figure.
    n_axes : int
    purpose : str
        The function that draws, for the error where matplotlib is not there.
    n_columns : int, optional
        Columns of the new figure; by default one row.
    **figure
        Of ``pyplot.subplots``, such as ``figsize``.

    Raises
    ------
    TypeError
        If something in ``ax`` is no matplotlib Axes.
    ValueError
        If they are not as many.
    """
    pyplot = require("matplotlib.pyplot", extra="plot", purpose=purpose)
    if ax is None:
        n_columns = n_columns or n_axes
        n_rows = -(-n_axes // n_columns)
        _, made = pyplot.subplots(n_rows, n_columns, layout="constrained", squeeze=False, **figure)
        for spare in made.flat[n_axes:]:
            spare.set_axis_off()
        return list(made.flat[:n_axes])
    given = list(np.ravel(np.asarray(ax, dtype=object)))
    axes_type = require("matplotlib.axes", extra="plot", purpose=purpose).Axes
    for one in given:
        if not isinstance(one, axes_type):
            raise TypeError(f"ax must hold matplotlib Axes; got {type(one).__name__}.")
    if len(given) != n_axes:
        raise ValueError(f"ax must be {n_axes} matplotlib Axes; got {len(given)}.")
    return given


def figure_size(
    extent: tuple[float, float], width: float, n_columns: int = 1, n_rows: int = 1
) -> tuple[float, float]:
    """Return the size of a figure of pictures of this extent side by side, in inches."""
    wide, high = extent
    # Beside each there is a colour bar, above it a title.
    own = (width / n_columns - 1.1) * (high / wide if wide > 0 else 1.0) + 0.5
    return width, n_rows * float(np.clip(own, 1.8, width / n_columns))
