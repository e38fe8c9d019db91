"""What an embedding would take is held against what there is before anything is solved."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import skginr._core._linalg as linalg
import skginr._core._memory as memory
from skginr import Graph, GraphSmoother, SpectralEmbedder
from skginr._core import factor_bytes, factor_positive_definite, level_sizes
from skginr.graphs import laplacian
from skginr.spectral._size import Size
from skginr.spectral.eigen import clear_cache, n_solves


@pytest.fixture
def little(monkeypatch):
    """A machine of two megabytes, which looks at what needs any."""
    monkeypatch.setattr(memory, "_SMALL", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 2_000_000)


def lattice(n_rows, n_columns):
    one, other = (
        sp.diags_array(np.ones(n - 1), offsets=1, shape=(n, n)) for n in (n_rows, n_columns)
    )
    return sp.csr_array(sp.kronsum(other + other.T, one + one.T))


@pytest.fixture
def graph():
    return Graph.from_adjacency(lattice(50, 60))


def size_of(n_nodes, **given):
    parameters = {"n_components": None, "max_components": None, "fades": True}
    return Size(SimpleNamespace(n_nodes=n_nodes, n_components=1), **(parameters | given))


def test_of_huge_graphs_no_more_is_solved_than_a_gigabyte():
    assert size_of(1_000, n_components=16).n_solved == 128
    assert size_of(1_000_000, n_components=16).n_solved == 128
    assert size_of(10_000_000, n_components=16).n_solved == 16
    assert size_of(10_000_000, n_components=4).n_solved == 13
    assert size_of(10_000_000, n_components=4, max_components=40).n_solved == 40


def test_coordinates_that_do_not_fit(graph, little):
    clear_cache()
    before = n_solves()
    rows = pd.DataFrame({"node": graph.labels})
    with pytest.raises(MemoryError, match="n_components=60 of 3,000 nodes needs about .* Lower"):
        SpectralEmbedder(60, graph=graph).fit(rows)
    assert n_solves() == before


def test_a_solve_that_does_not_fit(graph, monkeypatch):
    clear_cache()
    monkeypatch.setattr(memory, "_SMALL", 0)
    # Room for the coordinates, and not for the iteration.
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000)
    with pytest.raises(MemoryError, match="11 eigenvectors of 3,000 nodes needs about"):
        SpectralEmbedder(10, graph=graph, max_components=10).fit([[0]])


def test_a_factor_that_does_not_fit(little, monkeypatch):
    monkeypatch.setattr(linalg, "_FITS", 1_000)
    operator = laplacian(lattice(200, 200))
    matrix = operator.stiffness + sp.eye_array(40_000)
    with pytest.raises(MemoryError, match=r"a factor of a matrix of 40,000 nodes .*\[multigrid\]"):
        factor_positive_definite(matrix)


def test_a_smoother_that_does_not_fit_leaves_nothing_behind(little, monkeypatch):
    graph = Graph.from_adjacency(lattice(60, 60))
    monkeypatch.setattr(linalg, "_FITS", 1_000)
    monkeypatch.setattr("skginr.smoothing._penalised._DIAGONAL", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 100_000)
    smoother = GraphSmoother(graph=graph, alpha=100.0)
    rows = pd.DataFrame({"node": graph.labels})
    with pytest.raises(MemoryError, match="3,600 nodes"):
        smoother.fit(rows, np.arange(3_600.0))
    assert not hasattr(smoother, "signal_")


def test_levels_are_those_of_the_largest_component():
    parts = sp.csr_array(sp.block_diag([lattice(3, 3), lattice(5, 9)]))
    sizes = level_sizes(laplacian(parts).stiffness)
    # From corner to corner, as many as lie on each diagonal.
    assert sizes.tolist() == [1, 2, 3, 4, 5, 5, 5, 5, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("shape", [(120, 120), (40, 360), (4, 3_000)])
def test_entries_of_a_factor_are_known_to_three_times(shape):
    matrix = sp.csr_array(laplacian(lattice(*shape)).stiffness + sp.eye_array(np.prod(shape)))
    true = factor_positive_definite(matrix).L.nnz
    guess = linalg._entries_of_factor(matrix)
    assert true / 3 < guess < 3 * true
    assert factor_bytes(matrix) in (guess * 15, guess * 45)


def test_what_cannot_be_counted_is_read_all_the_same(graph, monkeypatch, tmp_path):
    """A check is no reason to fail: a factor that does not fit is left out."""
    clear_cache()
    embedder = SpectralEmbedder(6, graph=graph, max_components=6, memory=tmp_path).fit([[0]])
    clear_cache()
    monkeypatch.setattr(linalg, "_FITS", 1_000)
    monkeypatch.setattr(memory, "_SMALL", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_500_000)
    before = n_solves()
    again = SpectralEmbedder(6, graph=graph, max_components=6, memory=tmp_path).fit([[0]])
    assert n_solves() == before
    np.testing.assert_array_equal(again.embedding_, embedder.embedding_)


def test_deviations_of_order_two_beside_a_hub(monkeypatch):
    star = sp.lil_array((3_000, 3_000))
    star[0, 1:] = star[1:, 0] = 1.0
    graph = Graph.from_adjacency(sp.csr_array(star))
    table, y = pd.DataFrame({"node": np.arange(0, 3_000, 5)}), np.sin(np.arange(600.0))
    smoother = GraphSmoother(graph=graph, order=2, alpha=1.0).fit(table, y)
    monkeypatch.setattr(memory, "_SMALL", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 50_000_000)
    with pytest.raises(MemoryError, match="a node of 2,999 edges, needs about 0.1 GB.*order=1"):
        smoother.predict(table, return_std=True)
