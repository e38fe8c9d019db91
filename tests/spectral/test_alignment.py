import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import Delaunay
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from skginr import Graph, SpectralEmbedder
from skginr.datasets import fetch_bunny
from skginr.spectral._alignment import align


class Turned(SpectralEmbedder):
    """An embedder whose coordinates are multiplied by a matrix."""

    def turn(self, matrix):
        self.embedding_ = self.embedding_ @ matrix
        return self


def fitted(graph, k, cls=SpectralEmbedder, **options):
    options = {"scaling": "unit"} | options
    return cls(k, graph=graph, **options).fit(pd.DataFrame({"node": graph.labels}))


def coordinates(embedder, labels):
    return embedder.transform(pd.DataFrame({"node": labels}))


def random_rotation(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def block_diagonal(*blocks):
    matrix = np.zeros((sum(map(len, blocks)),) * 2)
    start = 0
    for block in blocks:
        stop = start + len(block)
        matrix[start:stop, start:stop] = block
        start = stop
    return matrix


def correlation(x, y):
    return np.array([np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(y.shape[1])])


def triangulation(points, labels=None):
    pairs = np.concatenate([Delaunay(points).simplices[:, [i, i - 1]] for i in range(3)])
    weights = np.zeros((len(points),) * 2)
    weights[pairs[:, 0], pairs[:, 1]] = weights[pairs[:, 1], pairs[:, 0]] = 1
    return Graph.from_adjacency(weights, labels)


def without(graph, share, seed=0):
    """The largest component of what a random deletion of nodes leaves."""
    n = graph.n_nodes
    kept = np.sort(np.random.default_rng(seed).permutation(n)[: round(n * (1 - share))])
    left = Graph.from_adjacency(graph.adjacency[kept][:, kept], labels=graph.labels[kept])
    kept = kept[left.components == 0]
    return Graph.from_adjacency(graph.adjacency[kept][:, kept], labels=graph.labels[kept])


@pytest.fixture(scope="module")
def mesh():
    """A triangulated oblong of 1200 random points; eigenvalues are simple."""
    points = np.random.default_rng(0).random((1200, 2)) * [1.7, 1.0]
    return triangulation(points)


@pytest.fixture(scope="module")
def holey(mesh):
    """The mesh after a tenth of its nodes was deleted."""
    return without(mesh, 0.1)


def test_equal_graphs_are_aligned_by_the_identity(mesh):
    embedder = fitted(mesh, 20)
    for shared in (None, (mesh.labels[::17], mesh.labels[::17])):
        alignment = align(embedder, embedder, shared=shared)
        np.testing.assert_allclose(alignment.matrix, np.eye(20), atol=1e-10)
        np.testing.assert_array_equal(alignment.clusters, np.arange(20))
        np.testing.assert_allclose(alignment.quality, 1)
        assert alignment.n_components == 20


def test_undoes_known_signs_exactly(mesh):
    a, signs = fitted(mesh, 12), np.resize([1.0, -1.0, -1.0], 12)
    b = fitted(mesh, 12, Turned).turn(np.diag(signs))
    alignment = align(a, b)
    np.testing.assert_array_equal(alignment.matrix, np.diag(signs))
    moved = alignment.transform(coordinates(b, mesh.labels))
    np.testing.assert_array_equal(moved, coordinates(a, mesh.labels))


def test_undoes_known_rotations_and_finds_the_clusters(mesh):
    sizes = [1, 3, 2, 1, 5]
    turn = block_diagonal(*(random_rotation(size, size) for size in sizes))
    a, b = fitted(mesh, 12), fitted(mesh, 12, Turned).turn(turn)
    # All nodes, and a sample on which coordinates are not orthogonal.
    for nodes in (mesh.labels, mesh.labels[::20]):
        alignment = align(a, b, shared=(nodes, nodes))
        np.testing.assert_allclose(alignment.matrix, turn.T, atol=1e-10)
        np.testing.assert_array_equal(np.bincount(alignment.clusters), sizes)
        np.testing.assert_allclose(alignment.quality, 1)
        moved = alignment.transform(coordinates(b, mesh.labels))
        np.testing.assert_allclose(moved, coordinates(a, mesh.labels), atol=1e-9)


@pytest.mark.parametrize("scalings", [("commute_time",) * 2, ("commute_time", "unit")])
def test_coordinates_come_out_as_wide_as_those_of_a(mesh, holey, scalings):
    a, b = (
        fitted(graph, 40, scaling=scaling)
        for graph, scaling in zip((mesh, holey), scalings, strict=True)
    )
    plain = align(fitted(mesh, 40), fitted(holey, 40))
    alignment = align(a, b)
    np.testing.assert_allclose(alignment.quality, plain.quality, atol=1e-9)
    moved = alignment.transform(coordinates(b, holey.labels))
    expected = plain.transform(coordinates(fitted(holey, 40), holey.labels))
    width = np.sqrt((coordinates(a, mesh.labels) ** 2).mean(axis=0))[: moved.shape[1]]
    assert width[-1] < 0.5
    np.testing.assert_allclose(moved, expected * width, atol=1e-8)


def test_components_that_changed_places_are_put_back(mesh):
    swap = np.eye(6)[[0, 2, 1, 3, 4, 5]]
    alignment = align(fitted(mesh, 6), fitted(mesh, 6, Turned).turn(swap))
    np.testing.assert_allclose(alignment.matrix, swap.T, atol=1e-12)
    np.testing.assert_array_equal(alignment.clusters, [0, 1, 1, 2, 3, 4])


def test_a_relabelled_graph_with_eigenspaces():
    torus = nx.to_numpy_array(nx.grid_2d_graph(14, 14, periodic=True))
    order = np.random.default_rng(1).permutation(196)
    first = Graph.from_adjacency(torus)
    second = Graph.from_adjacency(torus[np.ix_(order, order)], labels=[f"v{i}" for i in range(196)])
    a, b = fitted(first, 12), fitted(second, 12)
    pairs = pd.DataFrame({"first": order, "second": second.labels})
    of_a, of_b = coordinates(a, order), coordinates(b, second.labels)
    assert np.abs(np.abs(of_a) - np.abs(of_b)).max() > 0.5
    alignment = align(a, b, shared=pairs)
    # Of multiplicity 4, by the closed form 4 - 2 cos(2 pi p / 14) - 2 cos(2 pi q / 14).
    np.testing.assert_array_equal(
        a.eigenvalues_.round(6), np.repeat(a.eigenvalues_[::4], 4).round(6)
    )
    for cut in (3, 7):
        assert alignment.clusters[cut] < alignment.clusters[cut + 1]
    np.testing.assert_allclose(alignment.transform(of_b), of_a, atol=1e-10)
    assert alignment.n_components == 12


def test_an_eigenspace_is_not_cut():
    torus = Graph.from_adjacency(nx.to_numpy_array(nx.grid_2d_graph(14, 14, periodic=True)))
    a, b = fitted(torus, 12), fitted(torus, 8)
    assert align(a, b).n_components == 8
    # The last two of the second eigenspace are noise in b: its first two travel no more.
    noisy = fitted(torus, 12, Turned).turn(np.diag([1.0] * 6 + [0.0] * 6))
    alignment = align(a, noisy)
    np.testing.assert_allclose(alignment.quality[:6], 1)
    np.testing.assert_array_equal(alignment.quality[6:], 0)
    assert alignment.n_components == 4


@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric", "random_walk"])
def test_a_changed_graph(mesh, holey, laplacian):
    a, b = (fitted(graph, 40, laplacian=laplacian) for graph in (mesh, holey))
    alignment = align(a, b)
    np.testing.assert_allclose(alignment.matrix @ alignment.matrix.T, np.eye(40), atol=1e-12)
    across = alignment.clusters[:, None] != alignment.clusters
    assert across.any()
    np.testing.assert_array_equal(alignment.matrix[across], 0)
    of_a, of_b = coordinates(a, holey.labels), coordinates(b, holey.labels)
    by_signs = np.abs(correlation(of_a, of_b))
    assert np.median(by_signs) < 0.7 < 0.95 < np.median(alignment.quality)
    assert 20 <= alignment.n_components < 40
    moved = alignment.transform(of_b)
    assert moved.shape == (holey.n_nodes, alignment.n_components)
    # Held-out quality is what it says.
    quality = alignment.quality[: alignment.n_components]
    np.testing.assert_allclose(correlation(of_a, moved), quality, atol=0.02)
    assert quality.min() >= 0.9


def test_more_components_let_more_travel(mesh, holey):
    some, more = (align(fitted(mesh, k), fitted(holey, k)) for k in (40, 60))
    assert some.n_components < 40 <= more.n_components
    assert some.quality.min() < 0.7 < 0.9 < more.quality[:40].min()


def test_the_smaller_number_of_components_counts(mesh, holey):
    few, many = fitted(mesh, 10), fitted(holey, 30)
    alignment = align(few, many)
    assert alignment.matrix.shape == (10, 10)
    moved = alignment.transform(coordinates(many, holey.labels))
    # Columns beyond, such as indicators of components, are not used.
    np.testing.assert_array_equal(
        alignment.transform(coordinates(many, holey.labels)[:, :10]), moved
    )


def test_a_model_travels(mesh, holey):
    def signal_of(labels):
        x = coordinates(fitted(mesh, 40), labels)
        return np.sin(2 * x[:, 0]) + x[:, 7] + x[:, 15] * x[:, 2] + x[:, 24]

    a, b = fitted(mesh, 50), fitted(holey, 50)
    alignment = align(a, b)
    k = alignment.n_components
    assert k > 30
    model = Ridge().fit(coordinates(a, mesh.labels)[:, :k], signal_of(mesh.labels))
    truth, of_b = signal_of(holey.labels), coordinates(b, holey.labels)
    own = r2_score(truth, model.predict(coordinates(a, holey.labels)[:, :k]))
    aligned = r2_score(truth, model.predict(alignment.transform(of_b)))
    unaligned = r2_score(truth, model.predict(of_b[:, :k]))
    assert own - 0.05 < aligned
    assert unaligned < 0.2 < 0.7 < aligned


def test_unrelated_graphs_do_not_travel(mesh):
    other = triangulation(np.random.default_rng(8).random((1200, 2)) * [1.7, 1.0])
    alignment = align(fitted(mesh, 40), fitted(other, 40))
    assert np.median(alignment.quality) < 0.2
    assert alignment.n_components == 0
    with pytest.raises(ValueError, match="no coordinate of b travels to a.*quality.*Check that sh"):
        alignment.transform(np.zeros((1, 40)))


def test_few_shared_nodes_do_not_look_good(mesh):
    """A rotation fits as many nodes as it has components, whatever they are."""
    rng = np.random.default_rng(0)
    a, b = fitted(mesh, 60), fitted(mesh, 60)
    pairs = (rng.permutation(1200)[:70], rng.permutation(1200)[:70])
    alignment = align(a, b, shared=pairs)
    of_a, of_b = coordinates(a, pairs[0]), coordinates(b, pairs[1])
    assert np.median(correlation(of_a, of_b @ alignment.matrix)) > 0.6
    assert np.median(alignment.quality) < 0.2


def test_quality_foretells_nodes_that_are_not_shared(mesh, holey):
    a, b = fitted(mesh, 40), fitted(holey, 40)
    order = np.random.default_rng(2).permutation(holey.n_nodes)
    known, unknown = holey.labels[order[:200]], holey.labels[order[200:]]
    alignment = align(a, b, shared=(known, known))
    true = correlation(coordinates(a, unknown), coordinates(b, unknown) @ alignment.matrix)
    assert abs(np.median(alignment.quality) - np.median(true)) < 0.03
    assert np.abs(alignment.quality - true).mean() < 0.05


def test_a_coordinate_that_shared_nodes_do_not_see_has_no_quality(archipelago):
    embedder = fitted(archipelago, 9)
    ring = np.arange(30)
    alignment = align(embedder, embedder, shared=(ring, ring))
    on_path = np.all(coordinates(embedder, ring)[:, :9] == 0, axis=0)
    assert 0 < on_path.sum() < 5
    np.testing.assert_array_equal(alignment.quality[on_path], 0)
    np.testing.assert_allclose(alignment.matrix @ alignment.matrix.T, np.eye(9), atol=1e-12)


def test_shared_in_every_form(mesh, holey):
    a, b = fitted(mesh, 10), fitted(holey, 10)
    labels = holey.labels
    by_default = align(a, b)
    for shared in (
        (labels, labels.tolist()),
        np.column_stack([labels, labels]),
        [[label, label] for label in labels],
        pd.DataFrame({"mesh": labels, "holey": labels}),
    ):
        np.testing.assert_array_equal(align(a, b, shared=shared).matrix, by_default.matrix)


def test_set_output_and_names_make_no_difference(mesh):
    a = fitted(mesh, 5).set_output(transform="pandas")
    b = SpectralEmbedder(5, graph=mesh, scaling="unit").fit(np.array([[0]]))
    alignment = align(a, b)
    np.testing.assert_allclose(alignment.matrix, np.eye(5), atol=1e-12)
    frame = coordinates(a, mesh.labels)
    np.testing.assert_allclose(alignment.transform(frame), frame)


def test_an_alignment_is_a_value(mesh):
    alignment = align(fitted(mesh, 5), fitted(mesh, 5))
    text = "<Alignment: 5 of 5 components travel, 5 clusters, median quality 1.000>"
    assert repr(alignment) == text
    with pytest.raises(AttributeError):
        alignment.n_components = 3
    with pytest.raises(ValueError, match="read-only"):
        alignment.matrix[0, 0] = 2
    with pytest.raises(ValueError, match="coordinates must have the 5 columns.*got 4"):
        alignment.transform(np.zeros((2, 4)))


def test_embedders_are_checked(mesh):
    good = fitted(mesh, 5)
    with pytest.raises(TypeError, match="b must be a fitted SpectralEmbedder; got ndarray"):
        align(good, np.zeros((3, 3)))
    with pytest.raises(NotFittedError, match="a must be fitted; this SpectralEmbedder is not"):
        align(SpectralEmbedder(graph=mesh), good)
    points = SpectralEmbedder(5).fit(np.random.default_rng(0).random((50, 2)))
    with pytest.raises(ValueError, match="b must hold a graph.*from_points"):
        align(good, points)
    with pytest.raises(ValueError, match="the same laplacian; got 'combinatorial' and 'symmetric'"):
        align(good, fitted(mesh, 5, laplacian="symmetric"))


def test_shared_is_checked(mesh, grid):
    a, b = fitted(mesh, 5), fitted(grid, 5)
    with pytest.raises(ValueError, match="at least 5 distinct nodes.*got 0.*fewer n_components"):
        align(a, b)
    with pytest.raises(ValueError, match="at least 5 distinct nodes.*got 1"):
        align(a, a, shared=([1] * 9, range(9)))
    with pytest.raises(ValueError, match="shared, its labels in b, must name nodes.*'n999'"):
        align(a, b, shared=([1], ["n999"]))
    with pytest.raises(
        ValueError, match="shared, its labels in a, must hold labels of the graph's"
    ):
        align(a, b, shared=(["1"], ["n001"]))
    with pytest.raises(ValueError, match="as many in b; got 3 and 2"):
        align(a, a, shared=([1, 2, 3], [1, 2]))
    for wrong in ([1, 2, 3], np.zeros((3, 3)), pd.DataFrame({"a": [1]})):
        with pytest.raises(ValueError, match="shared must have two columns"):
            align(a, a, shared=wrong)


@pytest.fixture(scope="module")
def bunny(data_root):
    return fetch_bunny(resolution=2)


def test_the_bunny_after_a_fifth_of_it_was_deleted(bunny):
    cut = without(bunny, 0.2)
    a, b = (fitted(graph, 130) for graph in (bunny, cut))
    alignment = align(a, b)
    by_signs = np.abs(correlation(coordinates(a, cut.labels), coordinates(b, cut.labels)))[:100]
    first = alignment.quality[:100]
    # Measured: medians .22 by signs, .976 aligned.
    assert np.median(by_signs) < 0.3
    assert np.median(first) > 0.97
    assert first.min() > 0.85
    assert 90 <= alignment.n_components <= 110


def test_alignment_reads_what_was_fitted(mesh):
    one, other = (fitted(mesh, 5, method="diffusion_map", alpha=alpha) for alpha in (0.0, 1.0))
    with pytest.raises(ValueError, match="the same alpha; got 0.0 and 1.0"):
        align(one, other)
    slow = fitted(mesh, 5, method="diffusion_map", diffusion_time=3)
    with pytest.raises(ValueError, match="the same diffusion_time; got 1.0 and 3"):
        align(other, slow)
    # Set since, and not fitted.
    a = fitted(mesh, 5).set_params(method="isomap", graph=None)
    np.testing.assert_allclose(align(a, fitted(mesh, 5)).matrix, np.eye(5), atol=1e-12)


def test_masked_pairs_are_refused(mesh):
    a = fitted(mesh, 5)
    with pytest.raises(ValueError, match="shared must not be a masked array"):
        align(a, a, shared=np.ma.masked_equal(np.arange(40).reshape(20, 2), 7))


def test_nothing_is_aligned_with_nothing():
    dust = SpectralEmbedder(graph=Graph.from_adjacency(np.zeros((3, 3)))).fit([[0]])
    with pytest.raises(ValueError, match="a and b must have coordinates to align.*0 and 0"):
        align(dust, dust)


def test_an_eigenspace_that_travels_in_part_does_not_travel():
    ring = fitted(Graph.from_networkx(nx.cycle_graph(60)), 4)
    bent = fitted(Graph.from_networkx(nx.cycle_graph(60)), 4)
    rng = np.random.default_rng(0)
    bent.embedding_ = np.column_stack([bent.embedding_[:, 0], rng.standard_normal((60, 3))])
    alignment = align(ring, bent)
    assert alignment.quality[0] > 0.9 > alignment.quality[1]
    with pytest.raises(ValueError, match="number 2 has quality.*before have the same eigenvalue"):
        alignment.transform(np.zeros((1, 4)))


def test_shared_is_named_in_every_error(mesh):
    a = fitted(mesh, 3)
    with pytest.raises(ValueError, match="shared must have rows of one length"):
        align(a, a, shared=[[1, 2], [3]])
    with pytest.raises(TypeError, match="shared, its labels in a must be a list.*got str"):
        align(a, a, shared=("ab", "cd"))
