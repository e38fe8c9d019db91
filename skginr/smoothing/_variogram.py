"""The variogram of maps: how values differ by distance along the edges of a graph."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from skginr._core import with_short_indices

# Nodes that pairs start from, at most, and as many as tell how far apart nodes are.
_SOURCES = 2000
_FIRST_SOURCES = 40
# Of all pairs those nearest to each other, as far as the variogram reaches: of one map, what is
# farther apart says more of where its few hills happen to be than of how it varies.
_NEAREST = 0.25
_BINS = 25
# Of one bin, about, by which many maps are compared.
_PAIRS = 1000
# Of typical edges, how long the first bin is.
_FIRST_BIN = 1.5
# Distances found at once, and in all.
_BATCH_ENTRIES = 2**22
_MOST_ENTRIES = 2**28


class Variogram:
    """Half the mean squared difference of nodes, by their distance along edges.

    Up to the distance within which the nearest quarter of all pairs are.

    Parameters
    ----------
    lengths : sparse array of shape (n_nodes, n_nodes)
        Of edges.
    signal : ndarray of shape (n_nodes,)
        Pairs are of nodes where it is not NaN; paths may lead through others.
    rng : RandomState
    n_pairs : int
        Of each distance, about, that are drawn for other maps.

    Attributes
    ----------
    of_signal : ndarray of shape (n_bins,)
        By ascending distance; empty where no two known nodes are joined.
    largest : float
        Distance between nodes, of those that were looked at; 0 where none are joined.
    nodes : ndarray of int of shape (n_used,)
        Those of the pairs that were drawn.
    """

    def __init__(
        self,
        lengths: sp.csr_array,
        signal: NDArray[np.float64],
        rng: np.random.RandomState,
        n_pairs: int = _PAIRS,
    ) -> None:
        lengths = with_short_indices(lengths)
        known, n_nodes = ~np.isnan(signal), len(signal)
        sources = rng.permutation(np.flatnonzero(known & (np.diff(lengths.indptr) > 0)))
        self.of_signal, self.nodes = np.empty(0), np.empty(0, dtype=np.intp)
        reach, self.largest = _reach(lengths, known, sources)
        if self.largest == 0:
            return
        first_bin = min(_FIRST_BIN * typical_length(lengths), reach / 2)
        edges = np.linspace(first_bin, reach, _BINS)[:-1]
        sources = sources[: max(_FIRST_SOURCES, min(_SOURCES, _MOST_ENTRIES // n_nodes))]
        n_batches = -(-len(sources) * n_nodes // _BATCH_ENTRIES)
        counts, squares = np.zeros((2, _BINS))
        drawn = []
        for batch in np.array_split(sources, n_batches):
            apart = dijkstra(lengths, indices=batch, limit=reach)
            rows, second = np.nonzero(known & np.isfinite(apart) & (apart > 0))
            first, apart = batch[rows], apart[rows, second]
            bins = np.searchsorted(edges, apart)
            found = np.bincount(bins, minlength=_BINS)
            counts += found
            squares += np.bincount(bins, (signal[first] - signal[second]) ** 2, _BINS)
            share = n_pairs / n_batches / np.maximum(found, 1)
            kept = rng.random_sample(len(bins)) < share[bins]
            drawn.append((first[kept], second[kept], bins[kept]))
        first, second, bins = map(np.concatenate, zip(*drawn, strict=True))
        used, self._bins, self._counts = np.unique(bins, return_inverse=True, return_counts=True)
        self.of_signal = squares[used] / counts[used] / 2
        self.nodes, places = np.unique([first, second], return_inverse=True)
        self._first, self._second = places.reshape(2, -1)

    def of(self, maps: NDArray) -> NDArray[np.float64]:
        """Return the mean variogram, of shape (n_bins,), of maps of shape (n_maps, n_used)."""
        total = np.zeros(len(self._bins))
        for one in maps:
            total += (one[self._first] - one[self._second]) ** 2
        return np.bincount(self._bins, weights=total) / self._counts / (2 * len(maps))


def typical_length(lengths: sp.csr_array) -> float:
    """Return the median of those lengths that are not 0."""
    return float(np.median(lengths.data[lengths.data > 0]))


def _reach(
    lengths: sp.csr_array, known: NDArray[np.bool_], sources: NDArray[np.intp]
) -> tuple[float, float]:
    """Return the distance within which the nearest pairs are, and the largest; 0 if none are."""
    for start in range(0, len(sources), _FIRST_SOURCES):
        apart = dijkstra(lengths, indices=sources[start : start + _FIRST_SOURCES])[:, known]
        apart = apart[np.isfinite(apart) & (apart > 0)]
        if len(apart):
            return float(np.quantile(apart, _NEAREST)), float(apart.max())
    return 0.0, 0.0
