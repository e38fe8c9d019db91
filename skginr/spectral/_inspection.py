"""What the spectrum of a graph tells about the size of its embedding, without labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skginr.graphs import Graph
from skginr.spectral._embedder import SpectralEmbedder, frame_of

# What is left of a constant feature when its mean is taken away.
_CONSTANT = 1e-12


def inspect_spectrum(embedder: SpectralEmbedder) -> pd.DataFrame:
    """Return a table of hints: how many components to keep.

    A good size lies before a wide gap, cuts no eigenspace, and explains most of what is known about
    the nodes. These are only hints: where a signal is known, search over ``n_components``.

    Parameters
    ----------
    embedder : SpectralEmbedder
        Fitted; its ``n_components`` is the most that is looked at.

    Returns
    -------
    DataFrame of length n_components
        Indexed by ``n_components``, k = 1, 2, ...:

        ``eigenvalue``
            The k-th.
        ``relative_gap``
            Between it and the next, ``|b - a| / (|a| + |b|)``, from 0 to 1; NaN for the
            last.
        ``cuts_eigenspace``
            Whether the next is equal, so that the k-th coordinate is an arbitrary choice.
        ``residual_energy``
            Share of the variance of the nodes' positions and numeric attributes, each of unit
            variance, that no linear function of the first k coordinates explains, within
            components; NaN where the graph has neither, or they are constant.

    Raises
    ------
    TypeError
        If ``embedder`` is no SpectralEmbedder.
    NotFittedError
        If it is not fitted.
    ValueError
        If it has no components, as that of a graph without edges.

    See Also
    --------
    SpectralEmbedder : Its ``n_components`` is the number to choose.
    skginr.plotting.plot_spectrum : Draws these hints.
    skginr.plotting.ComponentsDisplay : Where a signal is known: draws held-out scores of a search
        over ``n_components``.

    References
    ----------
    U. von Luxburg, "A tutorial on spectral clustering", Statistics and Computing 17, 2007.

    Examples
    --------
    Three groups of points, which two coordinates tell apart:

    >>> from sklearn.datasets import make_blobs
    >>> from skginr import SpectralEmbedder, inspect_spectrum
    >>> points, _ = make_blobs([60, 60, 60], centers=[[0, 0], [7, 0], [0, 7]], random_state=0)
    >>> embedder = SpectralEmbedder(5, n_neighbors=70, laplacian="symmetric").fit(points)
    >>> table = inspect_spectrum(embedder)
    >>> int(table["relative_gap"].idxmax())
    2
    >>> bool(table.loc[2, "residual_energy"] < 0.1)
    True
    """
    if not isinstance(embedder, SpectralEmbedder):
        raise TypeError(f"embedder must be a SpectralEmbedder; got {type(embedder).__name__}.")
    check_is_fitted(embedder)
    values = embedder.eigenvalues_
    if len(values) == 0:
        raise ValueError("embedder must have components; it has none, as its graph has no edges.")
    following = np.append(values[1:], np.nan)
    size = np.abs(values) + np.abs(following)
    return pd.DataFrame(
        {
            "eigenvalue": values,
            # Two zeros have no gap.
            "relative_gap": np.abs(following - values) / np.where(size == 0, 1.0, size),
            "cuts_eigenspace": frame_of(embedder).cuts_eigenspace,
            "residual_energy": _residual_energy(embedder.graph_, embedder.embedding_),
        },
        index=pd.RangeIndex(1, len(values) + 1, name="n_components"),
    )


def _residual_energy(graph: Graph, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    features = _features_of(graph)
    # Squares of numbers far from 1 leave the range of floats.
    features = features / np.where(features.any(axis=0), np.abs(features).max(axis=0), 1.0)
    spread = _centred(features, graph)
    size = np.linalg.norm(spread, axis=0)
    varies = size > _CONSTANT * np.linalg.norm(features, axis=0)
    if not varies.any():
        return np.full(coordinates.shape[1], np.nan)
    # The first columns of Q span the first coordinates.
    directions, lengths = np.linalg.qr(_centred(coordinates, graph))
    # Of a column that is constant, or lies among those before, Q makes a direction of its own: it
    # has rounding for a length, beside its own and not beside that of others, which may be larger.
    own = np.linalg.norm(coordinates, axis=0)
    directions[:, np.abs(lengths.diagonal()) <= _CONSTANT * own] = 0.0
    explained = (directions.T @ (spread[:, varies] / size[varies])) ** 2
    return np.clip(1 - explained.mean(axis=1).cumsum(), 0, 1)


def _features_of(graph: Graph) -> NDArray[np.float64]:
    """Return positions and numeric attributes known of all nodes, shape (n_nodes, n_features)."""
    known = [np.empty((graph.n_nodes, 0))]
    if graph.positions is not None:
        known.append(graph.positions)
    if graph.attributes is not None:
        numbers = graph.attributes.select_dtypes("number", exclude=["timedelta", "complexfloating"])
        known.append(numbers.to_numpy(dtype=np.float64))
    features = np.hstack(known)
    return features[:, np.isfinite(features).all(axis=0)]


def _centred(columns: NDArray[np.float64], graph: Graph) -> NDArray[np.float64]:
    """Return ``columns`` less their means over each connected component."""
    groups, n_groups = graph.components, graph.n_components
    sizes = np.bincount(groups, minlength=n_groups)
    centred = np.empty_like(columns)
    for j, column in enumerate(columns.T):
        means = np.bincount(groups, weights=column, minlength=n_groups) / sizes
        centred[:, j] = column - means[groups]
    return centred
