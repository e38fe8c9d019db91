"""Random maps that vary over a graph as a given one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from sklearn.utils import check_random_state, gen_batches

from skginr._core import check_count, check_numeric, positive_definite_solver, warn
from skginr.graphs import Graph, check_graph, laplacian, rows_of
from skginr.smoothing._node_predictor import centre_and_spread
from skginr.smoothing._variogram import Variogram, typical_length

# Maps by which the mix is fitted.
_FIT_MAPS = 64
# Of a fit, at most, and the share by which the last must have been better than those before.
_ROUNDS = 10
_GAIN = 0.01
# How much it counts that variances add up to 1, beside one distance.
_SUM = 1e3
# Added to shares of the variance before they are divided by each other.
_LITTLE = 1e-6
# Of the mean, that a node counts for at least; and typical edges that a range has at most. Beyond,
# systems have no digits left.
_LEAST_MASS = 1e-6
_LONGEST = 1e5
# Shapes of a field, of each range: all that is longer than the range and fades out below (Matérn's
# of smoothness 1, in a plane), and a band around it.
_SHAPES = ("matern", "band")
# Numbers drawn at once.
_BATCH_ENTRIES = 2**22
# Share of a correlation that is rounding.
_TIE = 1e-9


class MapCorrelation(NamedTuple):
    """Correlation of two maps, and how often surrogates have one as large.

    Attributes
    ----------
    statistic : float
        Pearson's r.
    pvalue : float
        Two-sided.
    """

    statistic: float
    pvalue: float


def make_surrogates(
    graph: Graph,
    signal: ArrayLike | pd.Series,
    *,
    n_surrogates: int = 100,
    random_state: int | np.random.RandomState | None = 0,
) -> NDArray[np.float64]:
    """Return random maps with the values of a signal, and its autocorrelation along the graph.

    These are maps as smooth as the signal, with hills at other places. They are a null distribution
    for anything that is computed from maps, such as a correlation (:func:`correlate_maps`). Plain
    permutations would not do: they are not smooth, and compared with them any two smooth maps seem
    related.

    A surrogate is a mix of Gaussian fields of several ranges over the graph, and white noise, whose
    nodes get the values of the signal in the order of their ranks. The mix is chosen so that after
    that, on average, the variogram of surrogates is that of the signal: half the mean squared
    difference of two nodes, by their distance along edges (``graph.edge_lengths``), for the nearest
    quarter of all pairs.

    Parameters
    ----------
    graph : Graph
    signal : array-like of shape (n_nodes,)
        In the order of ``graph.labels``; of a Series by its index, which holds the labels or counts
        rows from 0. NaN where it is not known: surrogates are NaN there, but paths may go through
        these nodes. If they should not, take ``graph.subgraph`` of the known nodes. Two values (0
        and 1) make a binary map.
    n_surrogates : int, default 100
        A p-value is never below ``1 / (n_surrogates + 1)``.
    random_state : int, RandomState instance or None, default 0
        With the same int the first maps are the same, however many are drawn.

    Returns
    -------
    ndarray of shape (n_surrogates, n_nodes)
        A map in each row, which is a permutation of the signal.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or the signal no numbers.
    ValueError
        If there is not one value per node, an index does not say whose each is, a value is
        infinite, fewer than two values differ, or ``n_surrogates`` is below 1.

    Warns
    -----
    UserWarning
        If no two known nodes are joined, so that surrogates are plain permutations.

    See Also
    --------
    correlate_maps : The correlation of two maps with a p-value; it comes next.
    GraphSmoother.sample_y : Draws maps that agree with the observations, to say how unsure a
        prediction is.
    SignalDistribution : Draws new signals where there is an archive of many.

    Notes
    -----
    Connected components are independent of each other, and share one set of values: a node without
    an edge gets any of them. Time goes with the number of nodes, and memory too: no distance matrix
    is made.

    References
    ----------
    J. B. Burt, M. Helmer, M. Shinn, A. Anticevic and J. D. Murray, "Generative modeling of brain
    maps with spatial autocorrelation", NeuroImage 220, 2020: variograms matched, values by rank.
    F. Lindgren, H. Rue and J. Lindström, "An explicit link between Gaussian fields and Gaussian
    Markov random fields", Journal of the Royal Statistical Society B 73, 2011: fields by sparse
    systems.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from skginr import Graph, make_surrogates
    >>> ring = Graph.from_networkx(nx.cycle_graph(60))
    >>> signal = np.sin(np.arange(60) * np.pi / 10)
    >>> surrogates = make_surrogates(ring, signal, n_surrogates=20)
    >>> surrogates.shape
    (20, 60)
    >>> bool((np.sort(surrogates) == np.sort(signal)).all())
    True
    """
    graph = check_graph(graph)
    check_count("n_surrogates", n_surrogates, minimum=1)
    values = _check_map("signal", signal, graph)
    known = ~np.isnan(values)
    rng = check_random_state(random_state)
    ranked = np.sort(values[known])
    surrogates = np.full((n_surrogates, graph.n_nodes), np.nan)
    unit = _unit(values)
    variogram = Variogram(graph.edge_lengths, unit, rng)
    if len(variogram.nodes):
        mixed = _mixed(graph, unit, variogram, n_surrogates, rng)[:, known]
    else:
        warn(
            "no two nodes at which signal is known are joined by a path that has a length: "
            "surrogates are plain permutations."
        )
        mixed = rng.standard_normal((n_surrogates, len(ranked)))
    surrogates[:, known] = _by_rank(mixed, ranked)
    return surrogates


def correlate_maps(
    graph: Graph,
    signal: ArrayLike | pd.Series,
    other: ArrayLike | pd.Series,
    *,
    surrogates: NDArray[np.float64],
) -> MapCorrelation:
    """Return the correlation of two maps, and its p-value by surrogates of the first.

    The p-value is the share of maps, surrogates and the signal itself, whose correlation with the
    other map is at least as large, of either sign.

    Parameters
    ----------
    graph : Graph
    signal, other : array-like of shape (n_nodes,)
        As in :func:`make_surrogates`. Nodes count at which both are known.
    surrogates : ndarray of shape (n_surrogates, n_nodes)
        Of ``signal``, from :func:`make_surrogates`; they serve for any number of other maps.

    Returns
    -------
    MapCorrelation
        ``statistic`` (Pearson's r) and ``pvalue``.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or maps are no numbers.
    ValueError
        If a map is not one as in :func:`make_surrogates`, surrogates are unknown at other nodes
        than the signal, or a map is constant where both are known.

    See Also
    --------
    make_surrogates : Makes the surrogates; it comes before.
    scipy.stats.pearsonr : A p-value that takes values for independent of each other, which those of
        neighbours are not.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from skginr import Graph, correlate_maps, make_surrogates
    >>> ring = Graph.from_networkx(nx.cycle_graph(60))
    >>> angle = np.arange(60) * np.pi / 30
    >>> surrogates = make_surrogates(ring, np.sin(angle), n_surrogates=99)
    >>> r, p = correlate_maps(ring, np.sin(angle), np.sin(angle + 1), surrogates=surrogates)
    >>> round(r, 2), p > 0.1
    (0.54, True)
    """
    graph = check_graph(graph)
    first = _check_map("signal", signal, graph)
    second = _check_map("other", other, graph)
    maps = check_numeric("surrogates", surrogates)
    unknown = np.isnan(first)
    if maps.ndim != 2 or maps.shape[1] != graph.n_nodes or not (np.isnan(maps) == unknown).all():
        raise ValueError(
            f"surrogates must be of signal, of shape (n_surrogates, {graph.n_nodes}) and NaN where "
            f"that is; got shape {maps.shape}. Use make_surrogates(graph, signal)."
        )
    if len(maps) == 0 or not np.array_equal(
        np.sort(maps[:, ~unknown]),
        np.broadcast_to(np.sort(first[~unknown]), maps[:, ~unknown].shape),
    ):
        raise ValueError(
            f"surrogates must be permutations of signal, one map in each row at least; these are "
            f"{len(maps)} maps with other values. Use make_surrogates(graph, signal)."
        )
    both = ~(unknown | np.isnan(second))
    for name, one in (("signal", first), ("other", second)):
        if both.sum() == 0 or one[both].min() == one[both].max():
            raise ValueError(
                f"{name} must vary over nodes at which both maps are known; got {both.sum()} such "
                f"nodes."
            )
    columns = np.column_stack([second, first, maps.T])[both]
    # Of a surrogate that is constant there: 0.
    centre, spread = centre_and_spread(columns)
    columns = (columns - centre) / spread
    r = columns[:, 0] @ columns[:, 1:] / len(columns)
    as_large = np.abs(r) >= (1 - _TIE) * abs(r[0])
    return MapCorrelation(float(r[0]), float(as_large.mean()))


def _check_map(name: str, values: ArrayLike | pd.Series, graph: Graph) -> NDArray[np.float64]:
    """Return one map in the order of the nodes, NaN where it is not known."""
    if isinstance(values, pd.Series):
        values = values.iloc[rows_of(values.index, graph.labels, name=name)]
    array = check_numeric(name, values)
    if array.shape != (graph.n_nodes,):
        raise ValueError(
            f"{name} must have shape ({graph.n_nodes},), one value per node; got {array.shape}. "
            f"Give NaN where it is not known."
        )
    if np.isinf(array).any():
        raise ValueError(
            f"{name} must be finite, or NaN where it is not known; {np.isinf(array).sum()} values "
            f"are infinite."
        )
    known = array[~np.isnan(array)]
    if len(known) == 0 or known.min() == known.max():
        what = f"{len(known)} values, all the same" if len(known) else "NaN throughout"
        raise ValueError(f"{name} must have two different values at least; got {what}.")
    return array


class _Fields:
    """Gaussian fields over a graph: of each range one of each shape, and last white noise.

    What is drawn of a field begins alike whenever it is drawn.

    Parameters
    ----------
    graph : Graph
    largest : float
        The longest range; the shortest is a typical edge.
    rng : RandomState
    """

    def __init__(self, graph: Graph, largest: float, rng: np.random.RandomState) -> None:
        lengths = graph.edge_lengths
        shortest = typical_length(lengths)
        self._stiffness = laplacian(graph.adjacency).stiffness
        # With a quarter of weights times squared lengths for masses, M^-1 K is minus the Laplace
        # operator of a plane that is tiled by nodes, whatever the weights.
        squares = (lengths / shortest) ** 2 * graph.adjacency
        mass = np.asarray(squares.sum(axis=1)).ravel() / 4
        self._mass = np.maximum(mass, _LEAST_MASS * mass.mean())
        self._alone = np.diff(lengths.indptr) == 0
        longest = float(np.clip(largest / shortest, 1, _LONGEST))
        n_ranges = 1 + int(np.ceil(np.log2(longest)))
        self._ranges = np.geomspace(1, longest, n_ranges)
        self.n_fields = n_ranges * len(_SHAPES) + 1
        self._seeds = rng.randint(np.iinfo(np.int32).max, size=self.n_fields)

    def draws(
        self, n_maps: int, fields: NDArray[np.intp]
    ) -> Iterator[tuple[int, slice, NDArray[np.float64]]]:
        """Yield the number of a field, which maps these are, and maps of shape (n_nodes, some)."""
        for i in np.unique(fields // len(_SHAPES)):
            solve = self._solver(self._ranges[i]) if i < len(self._ranges) else None
            for field in fields[fields // len(_SHAPES) == i]:
                rng = np.random.RandomState(self._seeds[field])
                for rows in gen_batches(n_maps, max(_BATCH_ENTRIES // len(self._mass), 1)):
                    noise = rng.standard_normal((rows.stop - rows.start, len(self._mass))).T
                    if solve is not None:
                        noise = self._filtered(noise, _SHAPES[field % len(_SHAPES)], solve)
                    yield field, rows, noise

    def _solver(self, reach: float) -> Callable[[NDArray], NDArray]:
        """Return what solves ``(K / kappa**2 + M) x = b``, which correlates as far as ``reach``."""
        # There the correlation that order 1 makes in a plane has fallen to a tenth.
        return positive_definite_solver(
            self._stiffness * (reach**2 / 8) + sp.diags_array(self._mass)
        )

    def _filtered(
        self, noise: NDArray[np.float64], shape: str, solve: Callable[[NDArray], NDArray]
    ) -> NDArray[np.float64]:
        mass = self._mass[:, None]
        block = solve(mass**0.5 * noise)
        if shape == "band":
            block = solve(self._stiffness @ block)
            block = solve(self._stiffness @ solve(mass * block))
        # Its neighbours tell a node; who has none is noise.
        block[self._alone] = noise[self._alone]
        return block


def _mixed(
    graph: Graph,
    signal: NDArray[np.float64],
    variogram: Variogram,
    n_maps: int,
    rng: np.random.RandomState,
) -> NDArray[np.float64]:
    """Return fields of shape (n_maps, n_nodes) whose ranks vary as the signal does."""
    fields = _Fields(graph, variogram.largest, rng)
    spread = np.zeros((fields.n_fields, graph.n_nodes))
    drawn = np.empty((fields.n_fields, _FIT_MAPS, len(variogram.nodes)), dtype=np.float32)
    for field, rows, block in fields.draws(_FIT_MAPS, np.arange(fields.n_fields)):
        spread[field] += (block**2).sum(axis=1) / _FIT_MAPS
        drawn[field, rows] = block[variogram.nodes].T
    # One variance everywhere, also at borders and in small components; and of each map 1 on
    # average, about its mean: what all nodes have in common, ranks do not see.
    spread **= 0.5
    for field, maps in enumerate(drawn):
        maps /= spread[field, variogram.nodes]
        size = maps.var(axis=1).mean() ** 0.5
        maps /= size
        spread[field] *= size
    shares = _shares(drawn, signal, variogram)
    mixed = np.zeros((n_maps, graph.n_nodes))
    for field, rows, block in fields.draws(n_maps, np.flatnonzero(shares)):
        mixed[rows] += (shares[field] ** 0.5 / spread[field][:, None] * block).T
    return mixed


def _shares(
    drawn: NDArray[np.float32], signal: NDArray[np.float64], variogram: Variogram
) -> NDArray[np.float64]:
    """Return the variance of each field in the mix, of shape (n_fields,), in all 1.

    Ranks bend variograms, so that what fields have to have is found by trying: where the one of the
    ranked mix is too large by some factor, the mix is asked for so much less.
    """
    values = np.sort(signal[~np.isnan(signal)])
    # As many as there are nodes of pairs.
    values = values[np.linspace(0, len(values) - 1, len(variogram.nodes)).round().astype(int)]
    aim = variogram.of_signal
    of_fields = np.array([variogram.of(maps) for maps in drawn]).T
    wanted, slope = aim, np.ones(len(aim))
    best, shares = np.inf, np.zeros(len(drawn))
    for _ in range(_ROUNDS):
        system = np.vstack([of_fields * slope[:, None], np.full(len(drawn), _SUM)])
        found, _ = nnls(system, np.append(wanted * slope, _SUM))
        found /= found.sum()
        mixed = np.tensordot(np.sqrt(found, dtype=np.float32), drawn, axes=1)
        reached = variogram.of(_by_rank(mixed, values))
        miss = float(np.linalg.norm(reached - aim))
        if miss < best:
            shares = found
        if miss > (1 - _GAIN) * best:
            break
        best = miss
        before = of_fields @ found
        wanted = before * (aim + _LITTLE) / (reached + _LITTLE)
        slope = (reached + _LITTLE) / (before + _LITTLE)
    return shares


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of variance 1; of large ones squares are not numbers."""
    low, high = np.nanmin(values) / 2, np.nanmax(values) / 2
    scaled = (values / 2 - low) / (high - low)
    return scaled / np.nanstd(scaled)


def _by_rank(fields: NDArray, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return maps whose least gets the first of ``values``, which ascend, and so on."""
    maps = np.empty(fields.shape)
    for one, field in zip(maps, fields, strict=True):
        one[np.argsort(field)] = values
    return maps
