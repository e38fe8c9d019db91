import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from skginr import Graph, correlate_maps, make_surrogates
from skginr.smoothing._variogram import Variogram


@pytest.fixture(scope="module")
def torus():
    """A lattice of 30 x 30 without a border."""
    return Graph.from_networkx(nx.grid_2d_graph(30, 30, periodic=True))


def fields(reach, n_maps, seed):
    """Maps on the torus with a Gaussian covariance, drawn without any sparse system."""
    steps = np.minimum(np.arange(30), 30 - np.arange(30))
    covariance = np.exp(-((steps[:, None] ** 2 + steps**2) / reach**2))
    root = np.sqrt(np.maximum(np.fft.fft2(covariance).real, 0))
    noise = np.random.default_rng(seed).standard_normal((n_maps, 30, 30))
    return np.fft.ifft2(root * np.fft.fft2(noise)).real.reshape(n_maps, -1)


def variograms(graph, maps):
    """Mean variogram, in variances of each map, over pairs that no fit has seen."""
    unit = maps / np.std(maps, axis=1)[:, None]
    variogram = Variogram(graph.edge_lengths, unit[0], np.random.RandomState(99), n_pairs=5000)
    return variogram.of(unit[:, variogram.nodes])


def morans_i(graph, maps):
    centred = maps - maps.mean(axis=1)[:, None]
    between = np.einsum("ij,ij->i", centred, (graph.adjacency @ centred.T).T)
    return between / graph.adjacency.sum() * graph.n_nodes / (centred**2).sum(axis=1)


def test_values_are_those_of_the_signal(grid, grid_table):
    signal = grid_table["signal"].to_numpy()
    maps = make_surrogates(grid, signal, n_surrogates=7)
    assert maps.shape == (7, grid.n_nodes)
    np.testing.assert_array_equal(np.sort(maps), np.tile(np.sort(signal), (7, 1)))
    assert len(np.unique(maps, axis=0)) == 7


def test_what_is_not_known_stays_so_and_plays_no_part(grid, grid_table):
    signal = grid_table["signal"].to_numpy().copy()
    signal[20:40] = np.nan
    maps = make_surrogates(grid, signal, n_surrogates=5)
    assert np.isnan(maps[:, 20:40]).all()
    known = np.delete(signal, np.s_[20:40])
    rest = np.delete(maps, np.s_[20:40], axis=1)
    np.testing.assert_array_equal(np.sort(rest), np.tile(np.sort(known), (5, 1)))


def test_binary_maps_stay_binary(torus):
    signal = fields(5.0, 1, 0)[0] > 0.8
    maps = make_surrogates(torus, signal, n_surrogates=40)
    assert set(np.unique(maps)) == {0, 1}
    assert (maps.sum(axis=1) == signal.sum()).all()
    aim, reached = variograms(torus, signal[None].astype(float)), variograms(torus, maps)
    assert np.linalg.norm(reached - aim) < 0.15 * np.linalg.norm(aim)


def test_the_random_state_determines_them(grid, grid_table):
    signal = grid_table["signal"].to_numpy()
    first = make_surrogates(grid, signal, n_surrogates=3)
    np.testing.assert_array_equal(first, make_surrogates(grid, signal, n_surrogates=3))
    more = make_surrogates(grid, signal, n_surrogates=80)
    np.testing.assert_array_equal(first, more[:3])
    assert not (first == make_surrogates(grid, signal, n_surrogates=3, random_state=1)).all()


def test_a_series_goes_by_its_index(grid, grid_table):
    signal = grid_table.set_index("node")["signal"]
    maps = make_surrogates(grid, signal.sample(frac=1, random_state=0), n_surrogates=3)
    np.testing.assert_array_equal(maps, make_surrogates(grid, signal.to_numpy(), n_surrogates=3))


@pytest.mark.parametrize("reach", [2.0, 5.0])
@pytest.mark.parametrize("bend", [np.asarray, np.exp], ids=["normal", "skewed"])
def test_variograms_are_those_of_the_signal(torus, reach, bend):
    """In the mean of ten signals, each with 64 maps: one signal differs from its kind."""
    signals = bend(fields(reach, 10, 1))
    aim = np.mean([variograms(torus, one[None]) for one in signals], axis=0)
    maps = [make_surrogates(torus, one, n_surrogates=64) for one in signals]
    reached = np.mean([variograms(torus, some) for some in maps], axis=0)
    assert np.linalg.norm(reached - aim) < 0.05 * np.linalg.norm(aim)
    # A permutation is off by more than that, of neighbours alone.
    assert aim[0] < 0.6


def test_noise_has_surrogates_that_are_noise(torus):
    signal = np.random.default_rng(0).standard_normal(torus.n_nodes)
    maps = make_surrogates(torus, signal, n_surrogates=200)
    moran = morans_i(torus, maps)
    spread = (2 / torus.adjacency.sum()) ** 0.5
    assert abs(morans_i(torus, signal[None])[0]) < 3 * spread
    # What the fit sees in the neighbours of this one signal, they have.
    assert abs(moran.mean() + 1 / (torus.n_nodes - 1)) < 2 * spread
    assert np.std(moran) < 1.5 * spread


def test_false_positives_are_as_rare_as_they_should_be(torus):
    n_pairs, n_maps = 60, 19
    first, second = fields(4.0, n_pairs, 2), fields(4.0, n_pairs, 3)
    found = naive = 0
    for i, (signal, other) in enumerate(zip(first, second, strict=True)):
        maps = make_surrogates(torus, signal, n_surrogates=n_maps, random_state=i)
        found += correlate_maps(torus, signal, other, surrogates=maps).pvalue <= 0.1
        mixed = np.random.default_rng(i).permuted(np.tile(signal, (n_maps, 1)), axis=1)
        naive += correlate_maps(torus, signal, other, surrogates=mixed).pvalue <= 0.1
    low, high = binom.interval(0.998, n_pairs, 0.1)
    assert low <= found <= high
    assert naive > n_pairs / 2


def test_weights_and_units_are_only_units(grid, grid_table):
    signal = grid_table["signal"].to_numpy()
    places = np.random.default_rng(0).random((grid.n_nodes, 2))
    maps = [
        make_surrogates(Graph(grid.adjacency * w, positions=places * unit), signal * size + size)
        for w, unit, size in [(1, 1, 1), (8.0, 2.0**40, 1), (1, 1, 2.0**600), (1, 1, 2.0**-600)]
    ]
    ranks = [np.argsort(np.argsort(some)) for some in maps]
    for other in ranks[1:]:
        assert (other == ranks[0]).mean() > 0.99


def test_components_and_nodes_without_edges(archipelago):
    signal = np.arange(36.0)
    signal[35] = 100
    maps = make_surrogates(archipelago, signal, n_surrogates=300)
    np.testing.assert_array_equal(np.sort(maps), np.tile(np.sort(signal), (300, 1)))
    # Whatever the signal has there, the lonely node may get any value.
    assert len(np.unique(maps[:, 35])) > 30
    alone = abs(np.corrcoef(maps[:, 35], maps[:, 0])[0, 1])
    assert alone < 0.25 < np.corrcoef(maps[:, 0], maps[:, 1])[0, 1]


@pytest.mark.parametrize("shape", [nx.star_graph, nx.complete_graph, nx.path_graph])
@pytest.mark.parametrize("n_nodes", [2, 30])
def test_graphs_of_extreme_shape(shape, n_nodes):
    graph = Graph.from_networkx(shape(n_nodes))
    signal = np.sqrt(np.arange(graph.n_nodes))
    maps = make_surrogates(graph, signal, n_surrogates=50)
    np.testing.assert_array_equal(np.sort(maps), np.tile(signal, (50, 1)))
    assert len(np.unique(maps, axis=0)) > min(n_nodes, 25) / 2


def test_weights_of_many_sizes_and_nodes_in_one_place(grid, grid_table):
    rng = np.random.default_rng(0)
    sizes = 10 ** rng.uniform(-12, 12, 108)
    weights = grid.adjacency.multiply(sizes).multiply(sizes[:, None])
    places = np.repeat(rng.random((54, 2)), 2, axis=0)
    places[0] = 1e9
    signal = grid_table["signal"].to_numpy()
    maps = make_surrogates(Graph(weights, positions=places), signal)
    np.testing.assert_array_equal(np.sort(maps), np.tile(np.sort(signal), (100, 1)))


def test_without_paths_they_are_permutations(archipelago):
    signal = np.full(36, np.nan)
    signal[[0, 30, 35]] = 1, 2, 3
    with pytest.warns(UserWarning, match="plain permutations"):
        maps = make_surrogates(archipelago, signal, n_surrogates=200)
    assert len(np.unique(maps[:, [0, 30, 35]], axis=0)) == 6


def test_what_is_no_map_is_refused(grid, grid_table):
    signal = grid_table["signal"].to_numpy()
    with pytest.raises(TypeError, match="graph must be a skginr.Graph"):
        make_surrogates(grid.adjacency, signal)
    with pytest.raises(ValueError, match=r"signal must have shape \(108,\).* got \(107,\)"):
        make_surrogates(grid, signal[1:])
    with pytest.raises(ValueError, match="got NaN throughout"):
        make_surrogates(grid, np.full(108, np.nan))
    with pytest.raises(ValueError, match="two different values at least; got 108 values"):
        make_surrogates(grid, np.ones(108))
    with pytest.raises(ValueError, match="1 values are infinite"):
        make_surrogates(grid, np.append(signal[1:], np.inf))
    with pytest.raises(ValueError, match="n_surrogates must be at least 1"):
        make_surrogates(grid, signal, n_surrogates=0)
    with pytest.raises(TypeError, match="signal must hold real numbers"):
        make_surrogates(grid, grid_table["node"].to_numpy())
    with pytest.raises(ValueError, match="signal must have a row for every node"):
        make_surrogates(grid, pd.Series(signal, index=np.arange(1, 109)))


def test_correlations_are_those_of_nodes_that_both_maps_know(grid, grid_table):
    rng = np.random.default_rng(0)
    signal, other = grid_table["signal"].to_numpy().copy(), rng.standard_normal(108)
    signal[:10], other[5:20] = np.nan, np.nan
    maps = make_surrogates(grid, signal, n_surrogates=49)
    r, p = correlate_maps(grid, signal, other, surrogates=maps)
    expected = [np.corrcoef(one[20:], other[20:])[0, 1] for one in (signal, *maps)]
    assert r == pytest.approx(expected[0])
    assert p == np.mean(np.abs(expected) >= abs(expected[0]))
    assert correlate_maps(grid, signal, signal, surrogates=maps) == pytest.approx((1, 1 / 50))


def test_what_are_no_surrogates_is_refused(grid, grid_table):
    signal = grid_table["signal"].to_numpy()
    maps = make_surrogates(grid, signal, n_surrogates=108)
    for wrong in (maps[:0], np.zeros_like(maps), maps.T, maps + 0.1):
        with pytest.raises(ValueError, match="surrogates must be permutations of signal"):
            correlate_maps(grid, signal, signal[::-1], surrogates=wrong)


def test_surrogates_of_another_map_are_refused(grid, grid_table):
    signal = grid_table["signal"].to_numpy().copy()
    maps = make_surrogates(grid, signal, n_surrogates=3)
    with pytest.raises(ValueError, match=r"of shape \(n_surrogates, 108\)"):
        correlate_maps(grid, signal, signal, surrogates=maps.T)
    other = np.where(np.arange(108) < 50, 1.0, np.nan)
    other[50], signal[50] = 2.0, np.nan
    with pytest.raises(ValueError, match="other must vary over nodes"):
        correlate_maps(grid, signal, other, surrogates=np.tile(signal, (2, 1)))
    with pytest.raises(ValueError, match="NaN where that is"):
        correlate_maps(grid, signal, other, surrogates=maps)
