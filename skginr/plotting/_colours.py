"""What colour a value has: numbers along a scale, classes from a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skginr._core import check_numeric, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap

# Colours end at these shares of the values, so that a few extremes do not
# leave the rest of the picture in one tone; the colour bar's arrows say so.
COLOUR_RANGE = (1, 99)
#: What is not known.
MISSING = "0.85"
# More classes than a list of colours has are spread along a scale.
_LISTS = {10: "tab10", 20: "tab20"}
_WORDS = ("string", "boolean", "categorical")


@dataclass(frozen=True)
class Values:
    """Values of a signal, ready to be coloured.

    Attributes
    ----------
    numbers : ndarray of float of shape (n_values,)
        Or the number of the class; NaN where unknown.
    classes : tuple or None
        Names of the classes, where the values are no numbers.
    """

    numbers: NDArray[np.float64]
    classes: tuple[Any, ...] | None = None

    @classmethod
    def read(cls, name: str, values: ArrayLike, n_values: int, of: str = "node") -> Self:
        """Return ``values`` checked: one of each ``of``, some of them known.

        Raises
        ------
        TypeError
            If they are neither numbers nor words, booleans or categories.
        ValueError
            If they are not ``n_values``, or all unknown.
        """
        given: Any = values if isinstance(values, pd.Series | pd.Index) else _as_array(values)
        if np.shape(given) != (n_values,):
            raise ValueError(
                f"{name} must have one value per {of}, shape ({n_values},); "
                f"got shape {np.shape(given)}."
            )
        series = pd.Series(given).reset_index(drop=True)
        if pd.api.types.infer_dtype(series, skipna=True) in _WORDS:
            categories = series.astype("category").cat
            codes = categories.codes.to_numpy().astype(float)
            read = cls(np.where(codes < 0, np.nan, codes), tuple(categories.categories))
        else:
            numbers = check_numeric(name, given)
            # Of infinities there is no colour either.
            read = cls(np.where(np.isfinite(numbers), numbers, np.nan))
        if np.isnan(read.numbers).all():
            raise ValueError(f"{name} must be known of some {of}; of none it is.")
        return read

    def with_classes(self, classes: tuple[Any, ...]) -> Values:
        """Return the same classes, numbered as in a longer list of them."""
        places = np.array([classes.index(name) for name in self.classes or ()], dtype=float)
        numbers = np.full(len(self.numbers), np.nan)
        numbers[self.known] = places[self.numbers[self.known].astype(int)]
        return Values(numbers, classes)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each value is known."""
        return ~np.isnan(self.numbers)


def check_cmap(cmap: Colormap | str | None) -> None:
    """Raise unless matplotlib has these colours: before a figure is made that would stay empty."""
    matplotlib = require("matplotlib", extra="plot", purpose="plotting")
    known = isinstance(cmap, str) and cmap in matplotlib.colormaps
    if not (cmap is None or known or isinstance(cmap, matplotlib.colors.Colormap)):
        raise ValueError(
            f"cmap must be a Colormap or the name of one in matplotlib.colormaps, such as "
            f"'viridis'; got {cmap!r}."
        )


@dataclass(frozen=True)
class Scale:
    """From values to colours.

    Attributes
    ----------
    cmap : Colormap or str
    low, high : float
        Values of the first and the last colour.
    extend : {"neither", "both", "min", "max"}
        On which side there are values beyond.
    classes : tuple or None
        Names, where the values are classes.
    """

    cmap: Colormap | str
    low: float
    high: float
    extend: str = "neither"
    classes: tuple[Any, ...] | None = None

    @classmethod
    def of(
        cls,
        *several: Values,
        cmap: Colormap | str | None = None,
        clim: tuple[float, float] | None = None,
        centred: bool = False,
    ) -> Self:
        """Return one scale for all the given values; ``centred`` has 0 in the middle."""
        classes = several[0].classes
        if classes is not None:
            return cls(_listed(cmap, len(classes)), -0.5, len(classes) - 0.5, classes=classes)
        numbers = np.concatenate([values.numbers[values.known] for values in several])
        if clim is not None:
            low, high = _checked_limits(clim)
        elif centred:
            high = float(np.percentile(np.abs(numbers), COLOUR_RANGE[1]))
            low = -high
        else:
            low, high = (float(limit) for limit in np.percentile(numbers, COLOUR_RANGE))
        sides = (numbers.min() < low, numbers.max() > high)
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
        default = "RdBu_r" if centred else "viridis"
        return cls(cmap or default, low, high, extend.get(sides, "neither"))

    def explain(self, ax: Axes, drawn: ScalarMappable, label: str | None) -> None:
        """Add a colour bar, or a legend of the classes, beside the picture."""
        if self.classes is not None:
            self._add_legend(ax, drawn, label)
            return
        bar = ax.figure.colorbar(
            drawn, ax=ax, extend=self.extend, shrink=0.85 * _height_taken(ax), pad=0.02, aspect=22
        )
        bar.outline.set_visible(False)
        if label:
            bar.set_label(label)

    def _add_legend(self, ax: Axes, drawn: ScalarMappable, label: str | None) -> None:
        patches = require("matplotlib.patches", extra="plot", purpose="plotting")
        handles = [
            patches.Patch(color=drawn.to_rgba(np.array(code)), label=str(name))
            for code, name in enumerate(self.classes or ())
        ]
        # A box made narrower for its aspect keeps its right side, where the layout has it.
        ax.set_anchor("E")
        ax.legend(
            handles=handles,
            title=label,
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            frameon=False,
            ncols=-(-len(handles) // 16),
        )


def _height_taken(ax: Axes) -> float:
    """Return the share of the height of its box that a picture of fixed aspect takes, about."""
    aspect = ax.get_aspect()
    if aspect == "auto":
        return 1.0
    # Before it is made to fit the aspect.
    box = ax.get_position(original=True).transformed(ax.figure.transSubfigure)
    wide, high = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim()) * float(aspect)
    return float(np.clip(high / wide * box.width / box.height, 0.3, 1.0)) if wide else 1.0


def _as_array(values: ArrayLike) -> Any:
    # Categories keep their order; masked arrays are refused by name further on.
    if isinstance(values, pd.Categorical | pd.api.extensions.ExtensionArray | np.ndarray):
        return values
    # As objects, so that words among numbers do not make words of those.
    return np.array(values, dtype=object) if _is_mixed(values) else np.asarray(values)


def _is_mixed(values: Any) -> bool:
    return isinstance(values, list | tuple) and any(
        value is None or isinstance(value, str | bool | np.bool_) for value in values
    )


def _listed(cmap: Colormap | str | None, n_classes: int) -> Colormap:
    colormaps = require("matplotlib", extra="plot", purpose="plotting").colormaps
    colours = require("matplotlib.colors", extra="plot", purpose="plotting")
    if cmap is None:
        cmap = next((name for most, name in _LISTS.items() if n_classes <= most), "turbo")
        if n_classes in range(1, 21):
            return colours.ListedColormap(colormaps[cmap].colors[:n_classes])
    return colormaps.get_cmap(cmap).resampled(n_classes)


def _checked_limits(clim: Any) -> tuple[float, float]:
    limits = check_numeric("clim", clim)
    if limits.shape != (2,) or not np.isfinite(limits).all() or limits[0] > limits[1]:
        raise ValueError(f"clim must be two finite numbers, the smaller first; got {clim!r}.")
    return float(limits[0]), float(limits[1])
