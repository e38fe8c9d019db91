import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra, shortest_path
from scipy.spatial import Delaunay
from scipy.spatial.distance import cdist, pdist
from sklearn.datasets import make_swiss_roll
from sklearn.manifold import Isomap
from sklearn.neighbors import kneighbors_graph

from skginr.graphs._adjacency import components_by_size
from skginr.spectral._isomap import (
    distances_of_new_nodes,
    extend_isomap,
    isomap,
    landmark_distances,
)


def embed(lengths, n_landmarks, n_components):
    components = components_by_size(lengths)
    landmarks = landmark_distances(lengths, components, n_landmarks)
    return landmarks, *isomap(landmarks, components, n_components)


def neighbor_lengths(points, n_neighbors):
    lengths = kneighbors_graph(points, n_neighbors, mode="distance")
    return sp.csr_array(lengths.maximum(lengths.T))


def mesh_lengths(n_points, seed, unit=False):
    """Sides of the triangles of random points in a rectangle."""
    points = np.random.default_rng(seed).random((n_points, 2)) * [3, 1]
    triangles = Delaunay(points).simplices
    pairs = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)), axis=0)
    values = np.ones(len(pairs)) if unit else np.linalg.norm(np.diff(points[pairs], axis=1), axis=2)
    upper = sp.csr_array((values.ravel(), pairs.T), shape=(n_points, n_points))
    return sp.csr_array(upper + upper.T)


def graph_lengths(graph):
    return sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))


def join(*parts):
    return sp.csr_array(sp.block_diag(parts))


def relabel(lengths, order):
    return sp.csr_array(lengths[order][:, order])


def dense_scaling(distances, n_components):
    """Classical scaling, written as in the textbook."""
    n = len(distances)
    centring = np.eye(n) - np.ones((n, n)) / n
    eigenvalues, eigenvectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    first = np.argsort(-eigenvalues)[:n_components]
    return eigenvalues[first], eigenvectors[:, first] * np.sqrt(eigenvalues[first])


def assert_same_up_to_sign(actual, expected, atol):
    signs = np.sign((actual * expected).sum(axis=0))
    np.testing.assert_allclose(actual, expected * signs, atol=atol)


@pytest.mark.parametrize("n_landmarks", [2, 7, 40])
def test_a_path_is_a_line(n_landmarks):
    steps = np.random.default_rng(0).uniform(0.5, 2, 39)
    lengths = sp.csr_array(sp.diags_array([steps, steps], offsets=[1, -1]))
    position = np.append(0, steps.cumsum())
    _, eigenvalues, coordinates = embed(lengths, n_landmarks, 5)
    assert coordinates.shape == (40, 1)
    np.testing.assert_allclose(pdist(coordinates), pdist(position[:, None]), atol=1e-10)
    if n_landmarks == 40:
        np.testing.assert_allclose(eigenvalues, ((position - position.mean()) ** 2).sum())


@pytest.mark.parametrize("n_landmarks", [20, 150])
def test_distances_of_a_full_graph_are_recovered(n_landmarks):
    points = np.random.default_rng(1).normal(size=(150, 3))
    _, _, coordinates = embed(sp.csr_array(cdist(points, points)), n_landmarks, 10)
    assert coordinates.shape == (150, 3)
    np.testing.assert_allclose(pdist(coordinates), pdist(points), atol=1e-8)


@pytest.mark.parametrize("n_landmarks", [60, 600])
def test_swiss_roll_is_unrolled(n_landmarks):
    # Held taut by an even sheet: a random one has holes that paths go round.
    turn, height = np.meshgrid(np.linspace(1.5 * np.pi, 4.5 * np.pi, 75), np.linspace(0, 21, 20))
    turn, height = turn.ravel(), height.ravel()
    points = np.column_stack([turn * np.cos(turn), height, turn * np.sin(turn)])
    arc = (turn * np.sqrt(1 + turn**2) + np.arcsinh(turn)) / 2
    _, _, coordinates = embed(neighbor_lengths(points, 12), n_landmarks, 2)
    flat = pdist(np.column_stack([arc, height]))
    found = pdist(coordinates)
    assert np.corrcoef(found, flat)[0, 1] > 0.998
    # Ways along edges are somewhat longer than straight ones.
    assert 1 < (found / flat).mean() < 1.1
    assert abs(np.corrcoef(coordinates[:, 0], arc)[0, 1]) > 0.999


def test_all_landmarks_equal_independent_scaling():
    lengths = mesh_lengths(200, seed=2)
    distances = shortest_path(lengths, method="FW")
    landmarks, eigenvalues, coordinates = embed(lengths, 200, 12)
    np.testing.assert_allclose(landmarks.distances[np.argsort(landmarks.nodes)], distances)
    expected_values, expected = dense_scaling(distances, 12)
    np.testing.assert_allclose(eigenvalues, expected_values)
    assert_same_up_to_sign(coordinates, expected, atol=1e-9)
    np.testing.assert_allclose((coordinates**2).sum(axis=0), eigenvalues)


def test_all_landmarks_equal_sklearn():
    points, _ = make_swiss_roll(400, random_state=0)
    points, new = points[:350], points[350:]
    reference = Isomap(n_neighbors=8, n_components=6).fit(points)
    # sklearn joins neighbours of either.
    landmarks, eigenvalues, coordinates = embed(neighbor_lengths(points, 8), 350, 6)
    np.testing.assert_allclose(eigenvalues, reference.kernel_pca_.eigenvalues_)
    assert_same_up_to_sign(coordinates, reference.embedding_, atol=1e-8)
    links = sp.csr_array(reference.nbrs_.kneighbors_graph(new, 8, mode="distance"))
    distances = distances_of_new_nodes(landmarks, links, None)
    extended = extend_isomap(landmarks, eigenvalues, coordinates, distances)
    assert_same_up_to_sign(extended, reference.transform(new), atol=1e-8)


def test_few_landmarks_come_near_all():
    lengths = mesh_lengths(1500, seed=3)
    _, full_values, full = embed(lengths, 1500, 4)
    _, values, coordinates = embed(lengths, 100, 4)
    np.testing.assert_allclose(values[:2], full_values[:2], rtol=0.2)
    for few, every in zip(coordinates.T[:2], full.T[:2], strict=True):
        assert abs(np.corrcoef(few, every)[0, 1]) > 0.99
    assert np.corrcoef(pdist(coordinates), pdist(full))[0, 1] > 0.99


def test_landmarks_are_farthest_points():
    lengths = mesh_lengths(300, seed=4)
    nodes, distances = landmark_distances(lengths, np.zeros(300, dtype=np.intp), 20)
    np.testing.assert_allclose(distances, dijkstra(lengths, indices=nodes))
    for i in range(1, 20):
        nearest = distances[:i].min(axis=0)
        assert nearest[nodes[i]] == nearest.max()


def test_landmarks_are_shared_by_size():
    paths = [graph_lengths(nx.path_graph(n)) for n in (1, 100, 3, 297, 2, 1)]
    lengths = join(*paths)
    components = components_by_size(lengths)
    nodes, distances = landmark_distances(lengths, components, 40)
    np.testing.assert_array_equal(np.bincount(components[nodes], minlength=6), [30, 10, 2, 2, 0, 0])
    assert (np.diff(components[nodes]) >= 0).all()
    same = components[nodes][:, None] == components
    np.testing.assert_array_equal(np.isfinite(distances), same)
    every, _ = landmark_distances(lengths, components, 404)
    np.testing.assert_array_equal(np.sort(every), np.flatnonzero(components < 4))


def test_dust_does_not_get_two_landmarks_each():
    lengths = join(graph_lengths(nx.path_graph(100)), *[graph_lengths(nx.path_graph(2))] * 500)
    components = components_by_size(lengths)
    nodes, _ = landmark_distances(lengths, components, 20)
    assert len(nodes) == 20
    assert components[nodes].max() == 9


def test_components_live_apart():
    parts = [mesh_lengths(300, seed=5), mesh_lengths(120, seed=6), sp.csr_array((1, 1))]
    lengths = join(*parts)
    _, eigenvalues, coordinates = embed(lengths, 421, 10)
    assert (np.diff(eigenvalues) <= 0).all()
    in_first = np.any(coordinates[:300], axis=0)
    np.testing.assert_array_equal(np.any(coordinates[300:420], axis=0), ~in_first)
    np.testing.assert_array_equal(coordinates[420], 0)
    _, first_values, first = embed(parts[0], 300, 10)
    _, second_values, second = embed(parts[1], 120, 10)
    merged = np.sort(np.concatenate([first_values, second_values]))[::-1][:10]
    np.testing.assert_allclose(eigenvalues, merged)
    np.testing.assert_allclose(coordinates[:300, in_first], first[:, : in_first.sum()], atol=1e-8)
    own = ~in_first
    np.testing.assert_allclose(coordinates[300:420, own], second[:, : own.sum()], atol=1e-8)


def test_eigenvalues_with_landmarks_compare_between_components():
    # Rounding gives the small path more landmarks than its share.
    lengths = join(graph_lengths(nx.path_graph(400)), graph_lengths(nx.path_graph(9)))
    _, every, _ = embed(lengths, 409, 2)
    _, few, _ = embed(lengths, 40, 2)
    np.testing.assert_allclose(few[0], every[0], rtol=0.15)
    assert every[1] < few[1] < 4 * every[1]


def test_fewer_coordinates_where_there_are_fewer():
    _, eigenvalues, coordinates = embed(graph_lengths(nx.path_graph(2)), 10, 5)
    np.testing.assert_allclose(eigenvalues, [0.5])
    np.testing.assert_allclose(np.abs(coordinates), [[0.5], [0.5]])
    lonely = sp.csr_array((4, 4))
    landmarks, eigenvalues, coordinates = embed(lonely, 10, 5)
    assert landmarks.distances.shape == (0, 4)
    assert eigenvalues.shape == (0,)
    assert coordinates.shape == (4, 0)
    distances = distances_of_new_nodes(landmarks, lonely, lonely)
    assert extend_isomap(landmarks, eigenvalues, coordinates, distances).shape == (4, 0)


@pytest.mark.parametrize("unit", [False, True])
def test_labels_do_not_matter(unit):
    lengths = join(mesh_lengths(400, seed=7, unit=unit), mesh_lengths(90, seed=8, unit=unit))
    landmarks, eigenvalues, coordinates = embed(lengths, 40, 6)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(490)
        other, other_values, other_coordinates = embed(relabel(lengths, order), 40, 6)
        np.testing.assert_array_equal(order[other.nodes], landmarks.nodes)
        np.testing.assert_allclose(other_values, eigenvalues)
        np.testing.assert_allclose(other_coordinates, coordinates[order], atol=1e-8)


def test_the_heavier_side_is_positive():
    _, _, coordinates = embed(mesh_lengths(300, seed=18), 30, 8)
    assert ((coordinates**3).sum(axis=0) > 0).all()


def test_units_do_not_matter():
    lengths = mesh_lengths(300, seed=9)
    landmarks, eigenvalues, coordinates = embed(lengths, 30, 5)
    scaled, scaled_values, scaled_coordinates = embed(lengths * 1e5, 30, 5)
    np.testing.assert_array_equal(scaled.nodes, landmarks.nodes)
    np.testing.assert_allclose(scaled_values, eigenvalues * 1e10)
    np.testing.assert_allclose(scaled_coordinates, coordinates * 1e5, atol=1e-3)


def test_equal_input_gives_equal_output():
    first, second = (embed(mesh_lengths(300, seed=10, unit=True), 30, 5) for _ in range(2))
    np.testing.assert_array_equal(first[0].nodes, second[0].nodes)
    np.testing.assert_array_equal(first[2], second[2])


def test_64_bit_indices_and_input_left_alone():
    lengths = mesh_lengths(200, seed=11)
    before = lengths.copy()
    wide = sp.csr_array(
        (lengths.data, lengths.indices.astype(np.int64), lengths.indptr.astype(np.int64))
    )
    np.testing.assert_array_equal(embed(wide, 20, 3)[2], embed(lengths, 20, 3)[2])
    np.testing.assert_array_equal(lengths.toarray(), before.toarray())


@pytest.mark.parametrize("n_landmarks", [30, 490])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_old_distances_give_old_coordinates(n_landmarks, scale):
    lengths = join(mesh_lengths(400, seed=12), mesh_lengths(90, seed=13), sp.csr_array((1, 1)))
    landmarks, eigenvalues, coordinates = embed(lengths, n_landmarks, 8)
    extended = extend_isomap(landmarks, eigenvalues, coordinates * scale, landmarks.distances.T)
    np.testing.assert_allclose(extended, coordinates * scale, atol=1e-9 * scale)


def split(lengths, is_new):
    """Cut a graph into old nodes, links to them, and edges among new ones."""
    old, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
    among = sp.csr_array(lengths[new][:, new])
    return relabel(lengths, old), sp.csr_array(lengths[new][:, old]), among


def test_new_distances_equal_those_of_the_joined_graph():
    # The ends of the rectangle: many new nodes in a row, and no shorter way through them.
    lengths = mesh_lengths(500, seed=14)
    order = np.argsort(dijkstra(lengths, indices=0))
    is_new = np.zeros(500, dtype=bool)
    is_new[order[350:]] = True
    known, links, among = split(lengths, is_new)
    landmarks = landmark_distances(known, components_by_size(known), 25)
    among_new = distances_of_new_nodes(landmarks, links, among)
    assert (np.diff(links.indptr) == 0).sum() > 50
    # Through the graph of old nodes and then of new ones, as the definition has it.
    one_way = sp.csr_array(
        sp.block_array([[sp.csr_array(known), sp.csr_array(links.T)], [None, among]])
    )
    expected = dijkstra(one_way, indices=landmarks.nodes)[:, 350:].T
    np.testing.assert_allclose(among_new, expected)


def test_two_hops_through_new_nodes():
    path = graph_lengths(nx.path_graph(6)) * 1.5
    is_new = np.arange(6) >= 3
    known, links, among = split(path, is_new)
    landmarks = landmark_distances(known, np.zeros(3, dtype=np.intp), 3)
    found = distances_of_new_nodes(landmarks, links, among)
    joined = dijkstra(path, indices=landmarks.nodes)
    np.testing.assert_allclose(found, joined[:, 3:].T)
    only_links = distances_of_new_nodes(landmarks, links, None)
    np.testing.assert_allclose(only_links[0], found[0])
    np.testing.assert_array_equal(only_links[1:], np.inf)


def test_new_nodes_shorten_no_way_between_old_ones():
    known = graph_lengths(nx.path_graph(5))
    landmarks = landmark_distances(known, np.zeros(5, dtype=np.intp), 5)
    links = sp.csr_array([[0.5, 0, 0, 0, 0.5]])
    # The new node would halve the way from one end to the other.
    found = distances_of_new_nodes(landmarks, links, sp.csr_array((1, 1)))
    np.testing.assert_allclose(found, [[0.5, 1.5, 2.5, 1.5, 0.5]])


def test_stored_zeros_are_edges():
    landmarks, eigenvalues, coordinates = embed(mesh_lengths(50, seed=15), 50, 4)
    # The first new node coincides with old node 7, the second with the first.
    links = sp.csr_array(([0.0], ([0], [7])), shape=(2, 50))
    among = sp.csr_array(([0.0, 0.0], ([0, 1], [1, 0])), shape=(2, 2))
    assert links.nnz == 1
    found = distances_of_new_nodes(landmarks, links, among)
    extended = extend_isomap(landmarks, eigenvalues, coordinates, found)
    np.testing.assert_allclose(extended, coordinates[[7, 7]], atol=1e-9)


def test_unreachable_new_nodes():
    lengths = join(mesh_lengths(80, seed=16), mesh_lengths(40, seed=17))
    landmarks, eigenvalues, coordinates = embed(lengths, 120, 12)
    # No edge; an edge to another without; one component; both, by way of the former.
    links = sp.csr_array(([0.1, 0.2], ([3, 4], [100, 5])), shape=(5, 120))
    among = sp.csr_array(([1.0, 1, 2, 2], ([1, 2, 3, 4], [2, 1, 4, 3])), shape=(5, 5))
    found = distances_of_new_nodes(landmarks, links, among)
    assert np.isinf(found[:3]).all()
    assert np.isfinite(found[3:]).all()
    np.testing.assert_allclose(
        found[4],
        np.where(landmarks.nodes < 80, 0.2, 2.1)
        + np.append(
            landmarks.distances[landmarks.nodes < 80, 5],
            landmarks.distances[landmarks.nodes >= 80, 100],
        ),
    )
    extended = extend_isomap(landmarks, eigenvalues, coordinates, found)
    np.testing.assert_array_equal(extended[:3], 0)
    assert (extended[3:] != 0).all()
    alone = distances_of_new_nodes(landmarks, links, None)
    second = extend_isomap(landmarks, eigenvalues, coordinates, alone)[3]
    np.testing.assert_array_equal(second != 0, coordinates[100] != 0)
