"""Eigenvectors from elsewhere are those of a solve, or are refused."""

import re
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

from skginr import Graph, SpectralEmbedder, add_basis
from skginr.graphs import laplacian_of
from skginr.spectral.eigen import clear_cache, n_solves


@pytest.fixture(autouse=True)
def _nothing_known():
    clear_cache()


def points(n=700):
    return Graph.from_points(np.random.default_rng(0).random((n, 2)))


def mesh():
    """A bumpy sphere."""
    from scipy.spatial import ConvexHull

    x = np.random.default_rng(1).normal(size=(300, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return Graph.from_mesh(x * [1.0, 1.3, 0.8], ConvexHull(x).simplices)


def eigenvectors_of(graph, k, laplacian="combinatorial"):
    """Those of LAPACK, the kernel among them."""
    operator = laplacian_of(graph, laplacian)
    return eigh(operator.stiffness.toarray(), np.diag(operator.mass), subset_by_index=(0, k - 1))[1]


def fitted(graph, **given):
    return SpectralEmbedder(graph=graph, **given).fit(graph.labels.to_frame())


def assert_is_the_solved(graph, vectors, k, **given):
    """What comes of vectors is what a solve gives, and no fit solves."""
    solved = fitted(graph, n_components=k, max_components=k, **given)
    clear_cache()
    embedder = SpectralEmbedder(k, max_components=k, graph=graph, **given)
    before = n_solves()
    kept = add_basis(embedder, vectors)
    embedder.fit(graph.labels.to_frame())
    assert n_solves() == before
    np.testing.assert_allclose(embedder.eigenvalues_, solved.eigenvalues_, rtol=1e-8)
    np.testing.assert_allclose(embedder.embedding_, solved.embedding_, atol=2e-6)
    return kept


@pytest.mark.parametrize("kind", ["combinatorial", "symmetric", "random_walk", "cotangent"])
def test_they_are_those_of_a_solve(kind):
    graph = mesh()
    assert assert_is_the_solved(graph, eigenvectors_of(graph, 12, kind), 10, laplacian=kind) == 11


def test_those_of_scipy():
    graph = points()
    matrix = laplacian_of(graph, "combinatorial").stiffness
    # As a user would: without order, sign or the kernel's vector set right.
    _, vectors = eigsh(sp.csc_array(matrix), 21, sigma=-1e-3, tol=1e-12)
    assert_is_the_solved(graph, vectors[:, ::-1], 19)


def test_a_diffusion_map():
    graph = points()
    matrix = graph.adjacency.toarray()
    density = matrix.sum(axis=1)
    walk = matrix / np.outer(density, density) ** 0.5
    degrees = walk.sum(axis=1)
    vectors = eigh(np.diag(degrees) - walk, np.diag(degrees), subset_by_index=(0, 8))[1]
    assert_is_the_solved(graph, vectors, 7, method="diffusion_map", alpha=0.5)


def test_order_sign_scale_and_turn_do_not_matter():
    graph = points()
    rng = np.random.default_rng(2)
    vectors = eigenvectors_of(graph, 13)
    assert_is_the_solved(graph, vectors[:, rng.permutation(13)] * rng.normal(size=13), 11)
    # The kernel in all of them, and all of them in each other.
    assert_is_the_solved(graph, vectors @ rng.normal(size=(13, 13)), 11)
    assert_is_the_solved(graph, 1e200 * vectors[:, 1:], 11)
    assert_is_the_solved(graph, 1e-200 * vectors[:, 1:], 11)


def test_closed_form_of_a_torus():
    # Eigenvalues are equal by fours and more: no solver agrees with another on their vectors.
    graph = Graph.from_networkx(nx.grid_2d_graph(12, 12, periodic=True))
    waves = np.exp(2j * np.pi * np.outer(np.arange(12), np.arange(12)) / 12)
    waves = np.hstack([waves.real[:, :7], waves.imag[:, 1:6]])
    values = 2 - 2 * np.cos(2 * np.pi * np.array([*range(7), *range(1, 6)]) / 12)
    both = np.add.outer(values, values).ravel()
    vectors = np.kron(waves, waves)[:, np.argsort(both, kind="stable")[:13]]
    embedder = SpectralEmbedder(8, max_components=8, graph=graph)
    assert add_basis(embedder, vectors) == 12
    embedder.fit(graph.labels.to_frame())
    np.testing.assert_allclose(embedder.eigenvalues_, np.sort(both)[1:9], rtol=1e-10)
    assert_is_the_solved(graph, vectors, 8)


def test_components_that_a_solver_has_mixed():
    ring = nx.cycle_graph(30)
    graph = Graph.from_networkx(nx.disjoint_union_all([ring, ring, nx.path_graph(9), ring]))
    vectors = eigenvectors_of(graph, 30)
    rng = np.random.default_rng(3)
    # The kernel, the first wave of the path, and the first pairs of waves of the rings.
    for space in (slice(0, 4), slice(4, 10), slice(10, 11)):
        width = space.stop - space.start
        vectors[:, space] = vectors[:, space] @ np.linalg.qr(rng.normal(size=(width, width)))[0]
    solved = fitted(graph, n_components=6, max_components=6).embedding_
    clear_cache()
    embedder = SpectralEmbedder(6, max_components=6, graph=graph)
    assert add_basis(embedder, vectors[:, :11]) == 7
    found = embedder.fit(graph.labels.to_frame()).embedding_
    # In which order equal eigenvalues of rings that are alike come, rounding says.
    np.testing.assert_allclose(found @ found.T, solved @ solved.T, atol=1e-8)
    assert [np.any(found[graph.components == i], axis=0).sum() for i in range(4)] == [2, 2, 2, 0]


def test_an_eigenspace_may_be_cut_by_the_last():
    ring = nx.cycle_graph(30)
    graph = Graph.from_networkx(nx.disjoint_union(ring, ring))
    vectors = eigenvectors_of(graph, 7)
    assert add_basis(SpectralEmbedder(4, max_components=4, graph=graph), vectors) >= 5
    before = n_solves()
    fitted(graph, n_components=4, max_components=4)
    assert n_solves() == before


@pytest.mark.parametrize("n", [700, 40])
def test_single_precision_is_made_exact(n):
    graph = points(n)
    vectors = eigenvectors_of(graph, 12).astype(np.float32)
    assert_is_the_solved(graph, vectors, 10)


def test_single_precision_where_a_factor_fills_in():
    graph = Graph.from_networkx(nx.barabasi_albert_graph(3000, 5, seed=0))
    solved = fitted(graph, n_components=10, max_components=12).embedding_
    vectors = fitted(graph, n_components=12, max_components=12, scaling="unit").embedding_
    clear_cache()
    embedder = SpectralEmbedder(10, max_components=10, graph=graph)
    assert add_basis(embedder, vectors.astype(np.float32)) == 12
    embedder.fit(graph.labels.to_frame())
    np.testing.assert_allclose(embedder.embedding_, solved, atol=1e-5)


def test_rough_ones_are_refused_or_made_exact():
    graph = points()
    vectors = eigenvectors_of(graph, 16)[:, 1:]
    rough = vectors + 1e-6 * np.random.default_rng(0).normal(size=vectors.shape) / 26
    assert_is_the_solved(graph, rough, 10)
    # What lies in the next eigenvectors does not go away.
    rough = vectors[:, :11] + 5e-3 * vectors[:, [11, 12, 13, 14] * 2 + [11, 12, 13]]
    embedder = SpectralEmbedder(10, max_components=10, graph=graph)
    with pytest.raises(ValueError, match=r"must be exact; .* times what eigen_tol allows"):
        add_basis(embedder, rough)
    embedder.set_params(eigen_tol=1e-4)
    assert add_basis(embedder, rough) == 11


def test_a_folder_keeps_them(tmp_path):
    graph = mesh()
    given = {"laplacian": "cotangent", "memory": tmp_path}
    embedder = SpectralEmbedder(10, max_components=10, graph=graph, **given)
    add_basis(embedder, eigenvectors_of(graph, 12, "cotangent"))
    clear_cache()
    before = n_solves()
    fitted(graph, n_components=10, max_components=10, **given)
    assert n_solves() == before
    assert len(list((tmp_path / "skginr").iterdir())) == 1


def test_a_memory_map_stays_as_it_was(tmp_path):
    graph = points()
    vectors = eigenvectors_of(graph, 12)
    np.save(tmp_path / "vectors.npy", vectors)
    embedder = SpectralEmbedder(10, max_components=10, graph=graph)
    assert add_basis(embedder, np.load(tmp_path / "vectors.npy", mmap_mode="r")) == 11
    before = vectors.copy()
    add_basis(embedder, vectors)
    np.testing.assert_array_equal(vectors, before)


def test_a_table_is_put_in_order():
    graph = Graph.from_adjacency(
        nx.to_scipy_sparse_array(nx.lollipop_graph(5, 20)), labels=[f"n{i}" for i in range(25)]
    )
    table = pd.DataFrame(eigenvectors_of(graph, 8), index=graph.labels)
    assert_is_the_solved(graph, table.sample(frac=1, random_state=0), 6)
    embedder = SpectralEmbedder(6, max_components=6, graph=graph)
    with pytest.raises(
        ValueError, match=r"eigenvectors' index must .* Give eigenvectors.to_numpy\(\)"
    ):
        add_basis(embedder, table.reset_index(drop=True))
    with pytest.raises(ValueError, match="labels in their index repeat"):
        add_basis(embedder, table.rename(index={"n1": "n0"}))
    with pytest.raises(ValueError, match=r"with rows in the order of graph.labels"):
        add_basis(embedder, table.sample(frac=1, random_state=0).to_numpy())


@pytest.mark.parametrize("asked", ["combinatorial", "symmetric", "random_walk", "cotangent"])
@pytest.mark.parametrize("given", ["combinatorial", "symmetric", "random_walk", "cotangent"])
def test_those_of_another_laplacian_are_named(asked, given):
    graph = mesh()
    embedder = SpectralEmbedder(10, max_components=10, graph=graph, laplacian=asked)
    vectors = eigenvectors_of(graph, 12, given)
    if asked == given:
        add_basis(embedder, vectors)
        return
    with pytest.raises(ValueError, match=f"They are those of laplacian='{given}'"):
        add_basis(embedder, vectors)


def test_one_left_out_is_noticed():
    graph = points()
    vectors = eigenvectors_of(graph, 13)
    embedder = SpectralEmbedder(10, max_components=10, graph=graph)
    with pytest.raises(ValueError, match=r"with none left out; got 11 .* are missing"):
        add_basis(embedder, np.delete(vectors, 5, axis=1))


def test_fewer_than_a_fit_asks_for_are_said():
    graph = points()
    vectors = eigenvectors_of(graph, 12)
    embedder = SpectralEmbedder(graph=graph, scaling="unit")
    few = r"asks for 129 .* Give 118 more, or set max_components=10"
    with pytest.warns(UserWarning, match=few):
        assert add_basis(embedder, vectors) == 11
    embedder.set_params(max_components=10)
    before = n_solves()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_basis(embedder, vectors)
    embedder.fit(graph.labels.to_frame())
    assert (n_solves(), embedder.n_components_) == (before, 10)


def test_all_there_are():
    graph = Graph.from_networkx(nx.path_graph(9))
    embedder = SpectralEmbedder(graph=graph)
    assert add_basis(embedder, eigenvectors_of(graph, 9)) == 8
    before = n_solves()
    embedder.fit([[0]])
    assert n_solves() == before


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda u: u[1:], ValueError, r"one row for each of the 25 nodes .* got shape (24, 8)"),
        (lambda u: u.T, ValueError, "Give eigenvectors.T."),
        (lambda u: u[:, 0], ValueError, "got shape (25,)"),
        (lambda u: u[:, :0], ValueError, "got shape (25, 0)"),
        (lambda u: np.where(np.arange(8) == 3, np.nan, u), ValueError, "the first is column 3"),
        (lambda u: u + 0j, TypeError, "must hold real numbers; got dtype complex128"),
        (lambda u: u.astype(str), TypeError, "must hold real numbers"),
        (lambda u: np.hstack([u, u[:, 2:3]]), ValueError, "column 8 is a combination of others"),
        (lambda u: np.hstack([u, 0 * u[:, :1]]), ValueError, "must not be zero; column 8 is"),
        (lambda u: u[:, :1], ValueError, "must hold more than the kernel"),
        (lambda u: np.hstack([u] * 4), ValueError, "no more columns than the graph has nodes"),
        (
            lambda u: np.random.default_rng(0).normal(size=u.shape),
            ValueError,
            "must be those of the graph and",
        ),
        (lambda u: "eigenvectors.npy", TypeError, "got the name of a file. Give np.load"),
    ],
)
def test_what_is_refused(change, error, words):
    graph = Graph.from_networkx(nx.lollipop_graph(5, 20))
    embedder = SpectralEmbedder(6, max_components=6, graph=graph)
    pattern = ".*".join(map(re.escape, words.split(" .* ")))
    with pytest.raises(error, match=pattern) as raised:
        add_basis(embedder, change(eigenvectors_of(graph, 8)))
    assert str(raised.value).startswith("eigenvectors ")


def test_what_an_embedder_must_be():
    vectors = np.eye(9)
    with pytest.raises(TypeError, match="embedder must be a SpectralEmbedder; got Graph"):
        add_basis(points(40), vectors)
    with pytest.raises(ValueError, match="it has graph=None"):
        add_basis(SpectralEmbedder(), vectors)
    graph = points(40)
    with pytest.raises(ValueError, match="got method='isomap', which scales distances"):
        add_basis(SpectralEmbedder(graph=graph, method="isomap"), vectors)
    with pytest.raises(ValueError, match="n_components must be at most 39"):
        add_basis(SpectralEmbedder(99, graph=graph), vectors)


@pytest.mark.parametrize("left_out", [1, 3, 12])
def test_one_that_is_left_out_where_no_factor_counts(left_out):
    graph = Graph.from_networkx(nx.random_regular_graph(6, 3000, seed=0))
    adjacency = graph.adjacency.toarray()
    vectors = np.linalg.eigh(np.diag(adjacency.sum(axis=1)) - adjacency)[1][:, :14]
    embedder = SpectralEmbedder(8, graph=graph, max_components=8)
    with pytest.raises(ValueError, match="with none left out"):
        add_basis(embedder, np.delete(vectors, left_out, axis=1))
    assert add_basis(embedder, vectors) == 13


def test_what_solvers_return_beside_vectors():
    graph = Graph.from_networkx(nx.path_graph(9))
    embedder = SpectralEmbedder(2, graph=graph, max_components=2)
    with pytest.raises(TypeError, match=r"got a tuple of 2.*eigenvectors\[1\]"):
        add_basis(embedder, np.linalg.eigh(np.eye(9)))
    with pytest.raises(TypeError, match="toarray"):
        add_basis(embedder, sp.csr_array(np.eye(9)))
