"""Scores over the size of an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from skginr.plotting._axes import axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Sizes that are this many times the smallest want a logarithmic axis.
_WIDE = 8
# More ticks than so would run into each other.
_MOST_TICKS = 12


class ComponentsDisplay:
    """Held-out scores over the number of components: mean and spread of the folds, the best marked.

    Made by :meth:`from_search`, of any search of scikit-learn in which ``n_components`` varied.
    Other parameters that varied have a curve for each of their combinations.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row per candidate: ``size``, ``curve`` (a word for the other parameters), ``mean`` and
        ``std``.
    score_name : str, default "score"

    Attributes
    ----------
    best_ : pandas.Series
        The row of ``scores`` with the largest mean.
    ax_ : matplotlib Axes
    axes_ : ndarray of one matplotlib Axes
        The same.
    figure_ : matplotlib Figure

    Raises
    ------
    ValueError
        If no ``n_components`` varied, or several did and ``param_name`` does not say which.
    NotFittedError
        If the search is not fitted.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    sklearn.model_selection.GridSearchCV : Makes such a search; it comes before.
    skginr.GraphBlockKFold : Folds for the search that hold out whole regions.
    plot_spectrum : Hints at the number of components from the graph alone.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from skginr import Graph, SpectralEmbedder
    >>> from skginr.plotting import ComponentsDisplay
    >>> ring = Graph.from_networkx(nx.cycle_graph(40))
    >>> model = make_pipeline(SpectralEmbedder(graph=ring), Ridge(1e-3))
    >>> search = GridSearchCV(model, {"spectralembedder__n_components": [2, 4, 8]}, cv=4)
    >>> angle = 2 * np.pi * np.arange(40) / 40
    >>> search = search.fit(ring.labels.to_frame(), np.sin(2 * angle))
    >>> bool(ComponentsDisplay.from_search(search).best_["size"] > 2)
    True
    """

    def __init__(self, scores: pd.DataFrame, score_name: str = "score") -> None:
        self.scores = scores
        self.score_name = score_name

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        param_name: str | None = None,
        scoring: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the scores of a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or the like
            Fitted.
        param_name : str, optional
            Default: the one that ends in ``n_components``.
        scoring : str, optional
            Which score, of a search with several. Default: that of ``refit``.
        ax : matplotlib Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        ComponentsDisplay

        Examples
        --------
        >>> import networkx as nx
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn.model_selection import GridSearchCV
        >>> from sklearn.pipeline import make_pipeline
        >>> from skginr import Graph, SpectralEmbedder
        >>> from skginr.plotting import ComponentsDisplay
        >>> ring = Graph.from_networkx(nx.cycle_graph(40))
        >>> model = make_pipeline(SpectralEmbedder(graph=ring), Ridge(1e-3))
        >>> search = GridSearchCV(model, {"spectralembedder__n_components": [2, 4]}, cv=4)
        >>> search = search.fit(ring.labels.to_frame(), np.sin(np.arange(40) * np.pi / 20))
        >>> sorted(ComponentsDisplay.from_search(search).scores["size"])
        [2, 4]
        """
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        key, score_name = _score_of(search, scoring)
        if f"mean_test_{key}" not in results:
            known = [name[10:] for name in results if name.startswith("mean_test_")]
            if scoring is None:
                raise ValueError(f"scoring must say which of {known}; the search has several.")
            raise ValueError(f"scoring must be one of {known}; got {key!r}.")
        parameters = pd.DataFrame(results["params"])
        sizes = parameters[_param_of(parameters, param_name)]
        if sizes.isna().any() or not pd.api.types.is_numeric_dtype(sizes):
            raise ValueError(
                f"{sizes.name} must be a number to have a place on the axis; the search tried "
                f"{sizes.astype(object).where(sizes.notna(), None).unique().tolist()}. Name the "
                f"number in place of None."
            )
        scores = pd.DataFrame(
            {
                "size": sizes.astype(int) if (sizes % 1 == 0).all() else sizes.astype(float),
                "curve": _curves(parameters.drop(columns=sizes.name)),
                "mean": results[f"mean_test_{key}"],
                "std": results[f"std_test_{key}"],
            }
        )
        if not np.isfinite(scores["mean"]).any():
            raise ValueError(
                f"the search has no score that is a number: every mean_test_{key} is NaN."
            )
        # A search that halves tries candidates again, on more rows: the last counts.
        scores = scores.drop_duplicates(["size", "curve"], keep="last")
        return cls(scores, score_name).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw again, on other axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        ComponentsDisplay
            This one.
        """
        (self.ax_,) = axes_of(ax, 1, purpose="ComponentsDisplay", figsize=(7, 4.5))
        curves = self.scores["curve"].unique()
        for curve in curves:
            rows = self.scores[self.scores["curve"] == curve].sort_values("size")
            (line,) = self.ax_.plot("size", "mean", data=rows, marker="o", label=curve or None)
            low, high = rows["mean"] - rows["std"], rows["mean"] + rows["std"]
            colour = line.get_color()
            self.ax_.fill_between(rows["size"], low, high, color=colour, alpha=0.15, linewidth=0)
        self.best_ = self.scores.loc[self.scores["mean"].idxmax()]
        label = f"best: n_components = {self.best_['size']}, {self.best_['mean']:.3g}"
        self.ax_.plot(
            *self.best_[["size", "mean"]],
            linestyle="none",
            marker="*",
            markersize=15,
            color="black",
            label=label,
        )
        _set_sizes(self.ax_, np.unique(self.scores["size"]))
        self.ax_.set(xlabel="n_components", ylabel=self.score_name)
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(frameon=False)
        self.axes_ = np.array([self.ax_], dtype=object)
        self.figure_ = self.ax_.figure
        return self


def _score_of(search: Any, scoring: str | None) -> tuple[str, str]:
    """Return the key of a score in ``cv_results_``, and what to call it."""
    if scoring is None and search.multimetric_ and isinstance(search.refit, str):
        scoring = search.refit
    if scoring is not None:
        return scoring, f"held-out {scoring}"
    if isinstance(search.scoring, str):
        return "score", f"held-out {search.scoring}"
    if search.scoring is None and is_regressor(search.estimator):
        return "score", "held-out R²"
    if search.scoring is None and is_classifier(search.estimator):
        return "score", "held-out accuracy"
    return "score", "held-out score"


def _param_of(parameters: pd.DataFrame, param_name: str | None) -> str:
    if param_name is not None:
        if param_name not in parameters:
            raise ValueError(
                f"param_name must be one that the search varied, {list(parameters)}; got "
                f"{param_name!r}."
            )
        return param_name
    sizes = [name for name in parameters if name.rpartition("__")[2] == "n_components"]
    if len(sizes) != 1:
        raise ValueError(
            f"param_name=None takes the one parameter that ends in n_components; the search varied "
            f"{list(parameters)}. Give param_name=."
        )
    return sizes[0]


def _curves(others: pd.DataFrame) -> list[str]:
    """Return a word for the other parameters of each candidate, those that vary."""
    words = others.map(str)
    words = words.loc[:, [len(set(words[name])) > 1 for name in words]]
    # Without the step's name where that of the parameter will do.
    short = [name.rpartition("__")[2] for name in words]
    names = short if len(set(short)) == len(short) else list(words)
    return [
        ", ".join(f"{n}={v}" for n, v in zip(names, row, strict=True)) for row in words.to_numpy()
    ]


def _set_sizes(ax: Axes, sizes: Any) -> None:
    if sizes[-1] >= _WIDE * max(sizes[0], 1) and sizes[0] > 0:
        ax.set_xscale("log")
    if len(sizes) <= _MOST_TICKS:
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
