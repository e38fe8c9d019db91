import matplotlib as mpl
import matplotlib.pyplot
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skginr import Graph, SpectralEmbedder, inspect_spectrum
from skginr.plotting import plot_spectrum

mpl.use("Agg")


def fitted(graph, k, **parameters):
    return SpectralEmbedder(k, graph=graph, **parameters).fit(graph.labels.to_frame())


def ring(n):
    angle = 2 * np.pi * np.arange(n) / n
    positions = np.column_stack([np.cos(angle), np.sin(angle)])
    adjacency = nx.to_scipy_sparse_array(nx.cycle_graph(n), dtype=float)
    return Graph(adjacency, positions=positions)


def test_a_ring_is_explained_by_its_first_eigenspace():
    table = inspect_spectrum(fitted(ring(40), 6))
    assert table.index.name == "n_components"
    assert list(table.index) == [1, 2, 3, 4, 5, 6]
    expected = 2 - 2 * np.cos(2 * np.pi * np.array([1, 1, 2, 2, 3, 3]) / 40)
    np.testing.assert_allclose(table["eigenvalue"], expected, atol=1e-12)
    gaps = np.diff(expected) / (expected[:-1] + expected[1:])
    np.testing.assert_allclose(table["relative_gap"], [*gaps, np.nan], atol=1e-9)
    assert table["cuts_eigenspace"].tolist() == [True, False] * 3
    # Cosine and sine span the first eigenspace; one of the two explains half.
    energy = table["residual_energy"]
    assert energy[1] == pytest.approx(0.5)
    np.testing.assert_allclose(energy[1:], 0, atol=1e-9)


@pytest.mark.parametrize("method", ["laplacian", "diffusion_map", "isomap", "lle"])
def test_residual_energy_is_what_regression_leaves(method):
    points = make_blobs([70, 50], centers=[[0, 0, 0], [9, 0, 0]], random_state=1)[0]
    embedder = SpectralEmbedder(8, method=method, n_neighbors=8).fit(points)
    assert embedder.graph_.n_components == 2
    table, points = inspect_spectrum(embedder), embedder.graph_.positions
    second = embedder.graph_.components == 1
    for k in (1, 4, 8):
        # Every component has its own constant.
        known = np.column_stack([embedder.embedding_[:, :k], second])
        left = points - LinearRegression().fit(known, points).predict(known)
        within = points - np.where(
            second[:, None], points[second].mean(axis=0), points[~second].mean(axis=0)
        )
        share = (left**2).sum(axis=0) / (within**2).sum(axis=0)
        assert table.loc[k, "residual_energy"] == pytest.approx(share.mean(), abs=1e-9)
    assert (table["residual_energy"].diff().dropna() <= 1e-12).all()


def test_descending_spectra_have_gaps_from_0_to_1():
    table = inspect_spectrum(fitted(ring(30), 4, method="diffusion_map", alpha=0.0))
    first, _, third, _ = np.cos(2 * np.pi * np.array([1, 1, 2, 2]) / 30)
    assert table.loc[2, "relative_gap"] == pytest.approx((first - third) / (first + third))


def test_attributes_count_whatever_their_unit_and_constants_do_not():
    attributes = pd.DataFrame(
        {"height": np.arange(30.0), "name": list("abcde") * 6, "same": 1.1, "unknown": np.nan}
    )
    adjacency = nx.to_scipy_sparse_array(nx.path_graph(30), dtype=float)
    energies = [
        inspect_spectrum(fitted(Graph(adjacency, attributes=table), 5, component_features=False))[
            "residual_energy"
        ]
        for table in (attributes, attributes.assign(height=attributes["height"] * 1e6))
    ]
    np.testing.assert_allclose(energies[0], energies[1])
    # A straight line in cosines: odd ones only, the first with 96 / pi^4 of it.
    assert 1 - energies[0][1] == pytest.approx(96 / np.pi**4, abs=1e-3)
    assert energies[0][2] == pytest.approx(energies[0][1])


def test_without_features_there_is_no_energy():
    table = inspect_spectrum(fitted(Graph.from_networkx(nx.path_graph(9)), 3))
    assert table["residual_energy"].isna().all()


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="embedder must be a SpectralEmbedder; got Graph"):
        inspect_spectrum(ring(5))
    with pytest.raises(NotFittedError):
        inspect_spectrum(SpectralEmbedder())
    one = fitted(Graph.from_networkx(nx.path_graph(9)), 1)
    with pytest.raises(ValueError, match="at least 2 components"):
        plot_spectrum(one)
    with pytest.raises(ValueError, match="ax must be 2 matplotlib Axes; got 1"):
        plot_spectrum(fitted(ring(12), 4), ax=mpl.pyplot.subplots()[1])


def test_the_picture_shows_the_table():
    embedder = fitted(ring(40), 6)
    table = inspect_spectrum(embedder)
    left, right = plot_spectrum(embedder)
    whole, cut, *gaps = left.lines
    np.testing.assert_array_equal(whole.get_xdata(), [2, 4, 6])
    np.testing.assert_array_equal(cut.get_xdata(), [1, 3, 5])
    assert [gap.get_xdata()[0] for gap in gaps] == [2.5, 4.5]
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "cuts an eigenspace",
        "widest relative gaps: k = 2, 4",
    ]
    np.testing.assert_allclose(right.lines[0].get_ydata(), table["residual_energy"])


def test_gaps_are_from_0_to_1_across_zero():
    graph = Graph.from_networkx(nx.cycle_graph(9))
    embedder = SpectralEmbedder(8, graph=graph, method="diffusion_map").fit([[0]])
    assert embedder.eigenvalues_[0] > 0 > embedder.eigenvalues_[-1]
    gaps = inspect_spectrum(embedder)["relative_gap"].dropna()
    assert gaps.between(0, 1).all()
    assert gaps[4] == 1


def test_the_last_coordinate_may_cut_an_eigenspace():
    with pytest.warns(UserWarning, match="cuts an eigenspace"):
        table = inspect_spectrum(fitted(ring(40), 3))
    assert table["cuts_eigenspace"].tolist() == [True, False, True]


def test_coordinates_that_are_nothing_explain_nothing():
    faded = fitted(ring(30), 4, method="diffusion_map", diffusion_time=1e6)
    np.testing.assert_array_equal(faded.embedding_, 0)
    np.testing.assert_array_equal(inspect_spectrum(faded)["residual_energy"], 1)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_energy_does_not_depend_on_the_unit(scale):
    graph = ring(40)
    moved = Graph(graph.adjacency, positions=scale * graph.positions)
    energy = inspect_spectrum(fitted(moved, 4))["residual_energy"]
    expected = inspect_spectrum(fitted(graph, 4))["residual_energy"]
    np.testing.assert_allclose(energy, expected, atol=1e-9)


def test_only_real_numbers_count():
    adjacency = nx.to_scipy_sparse_array(nx.path_graph(4), dtype=float)
    attributes = pd.DataFrame(
        {"wait": pd.to_timedelta([1, 2, 3, 4], unit="s"), "phase": [1j, 2j, 3j, 4j]}
    )
    table = inspect_spectrum(fitted(Graph(adjacency, attributes=attributes), 2))
    assert table["residual_energy"].isna().all()


def test_no_coordinates_are_nothing_to_inspect():
    dust = SpectralEmbedder(graph=Graph.from_adjacency(np.zeros((3, 3)))).fit([[0]])
    for look in (inspect_spectrum, plot_spectrum):
        with pytest.raises(ValueError, match="embedder must have components; it has none"):
            look(dust)
