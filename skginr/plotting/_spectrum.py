"""The spectrum of an embedding: hints at its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from skginr.plotting._axes import axes_of
from skginr.spectral import SpectralEmbedder, inspect_spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Gaps that a picture of a spectrum points at.
_N_GAPS = 3


def plot_spectrum(
    embedder: SpectralEmbedder, *, ax: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """Draw hints at the size of an embedding: its eigenvalues, their gaps, what is unexplained.

    The picture of :func:`~skginr.inspect_spectrum`: the three widest relative gaps
    are marked, the widest first in the legend, and eigenvalues after which an embedding would cut
    an eigenspace are hollow.

    Parameters
    ----------
    embedder : SpectralEmbedder
        Fitted, with at least two components.
    ax : two matplotlib Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    two matplotlib Axes

    Raises
    ------
    TypeError
        If ``embedder`` is no SpectralEmbedder.
    ValueError
        If it has one component only, or ``ax`` are not two.
    NotFittedError
        If it is not fitted.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    skginr.inspect_spectrum : The numbers that are drawn.
    ComponentsDisplay : Where a signal is known: held-out scores over ``n_components``.
    plot_embedding : Draws the coordinates themselves.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, SpectralEmbedder
    >>> caves = Graph.from_networkx(nx.connected_caveman_graph(5, 12))
    >>> embedder = SpectralEmbedder(9, graph=caves).fit(caves.labels.to_frame())
    >>> axes = plot_spectrum(embedder)
    >>> axes[0].get_legend().get_texts()[-1].get_text()
    'widest relative gaps: k = 4, 2, 7'
    """
    table = inspect_spectrum(embedder)
    if len(table) < 2:
        raise ValueError("embedder must have at least 2 components for a gap; it has 1.")
    axes = axes_of(ax, 2, purpose="plot_spectrum", figsize=(11, 4))
    _draw_eigenvalues(table, axes[0])
    _draw_residual_energy(table, axes[1])
    return axes


def _draw_eigenvalues(table: pd.DataFrame, ax: Axes) -> None:
    value, cuts = table["eigenvalue"], table["cuts_eigenspace"]
    ax.plot(value[~cuts], "o", color="C0", markersize=4)
    if cuts.any():
        label = "cuts an eigenspace"
        ax.plot(value[cuts], "o", color="C0", markersize=4, fillstyle="none", label=label)
    gaps = table.loc[~cuts, "relative_gap"].dropna().nlargest(_N_GAPS).index
    label = "widest relative gaps: k = " + ", ".join(map(str, gaps))
    for k in gaps:
        # One entry in the legend is enough: those with an underscore are left out.
        ax.axvline(k + 0.5, color="C1", linewidth=1, label=label)
        label = "_"
    ax.legend(loc="best")
    ax.set(xlabel="component", ylabel="eigenvalue")


def _draw_residual_energy(table: pd.DataFrame, ax: Axes) -> None:
    energy = table["residual_energy"]
    ax.set(xlabel="n_components", ylabel="residual energy of positions and attributes")
    if energy.isna().all():
        ax.text(
            0.5,
            0.5,
            "the graph has no positions or attributes",
            ha="center",
            transform=ax.transAxes,
        )
        return
    ax.plot(energy, "o-", color="C0", markersize=3)
    ax.set_ylim(0, None)
