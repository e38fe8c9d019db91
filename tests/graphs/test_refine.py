import numpy as np
import pandas as pd
import pytest
from scipy.spatial import ConvexHull

from skginr import Graph, SpectralEmbedder
from skginr.datasets import fetch_bunny

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
HALVES = [[0, 1, 2], [0, 2, 3]]


@pytest.fixture(scope="module")
def closed():
    """A convex surface of 40 vertices."""
    points = np.random.default_rng(0).normal(size=(40, 3))
    points /= np.linalg.norm(points, axis=1)[:, None]
    return Graph.from_mesh(points, ConvexHull(points).simplices)


@pytest.fixture(scope="module")
def bounded():
    """A square with a border, whose halves are turned the same way."""
    return Graph.from_mesh(SQUARE, HALVES)


def euler(graph):
    return graph.n_nodes - graph.n_edges + len(graph.faces)


def normals(graph):
    a, b, c = (graph.positions[graph.faces[:, i]] for i in range(3))
    crossed = np.cross(b - a, c - a)
    return crossed / np.linalg.norm(crossed, axis=1)[:, None]


@pytest.mark.parametrize("surface", ["closed", "bounded"])
@pytest.mark.parametrize("n_times", [1, 3])
def test_the_surface_stays_as_it_is(surface, n_times, request):
    graph = request.getfixturevalue(surface)
    fine, _ = graph.refine(n_times)
    assert euler(fine) == euler(graph) == (2 if surface == "closed" else 1)
    assert len(fine.faces) == 4**n_times * len(graph.faces)
    assert fine.node_areas.sum() == pytest.approx(graph.node_areas.sum(), rel=1e-12)
    # Every face lies on, and is turned as, one of those it was cut from.
    turned = {tuple(row) for row in normals(graph).round(6) + 0.0}
    assert {tuple(row) for row in normals(fine).round(6) + 0.0} == turned


@pytest.mark.parametrize("n_times", [1, 2])
def test_weights_are_barycentric(closed, n_times):
    fine, weights = closed.refine(n_times)
    assert weights.shape == (fine.n_nodes, closed.n_nodes)
    assert weights.data.min() > 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_array_equal(weights[: closed.n_nodes].toarray(), np.eye(closed.n_nodes))
    # A function that is linear in space is linear on faces.
    np.testing.assert_allclose(weights @ closed.positions, fine.positions, atol=1e-15)
    corners = {frozenset(face) for face in closed.faces.tolist()}
    for row in range(closed.n_nodes, fine.n_nodes):
        between = set(weights.indices[slice(*weights.indptr[row : row + 2])].tolist())
        assert any(between <= face for face in corners)


def test_twice_is_again(closed):
    fine, weights = closed.refine(2)
    once, first = closed.refine()
    again, second = once.refine()
    np.testing.assert_array_equal(fine.faces, again.faces)
    np.testing.assert_allclose(weights.toarray(), (second @ first).toarray(), atol=1e-15)


@pytest.mark.parametrize(
    ("labels", "new"),
    [
        (None, [4, 5, 6, 7, 8]),
        ([7, 3, 9, 1], [10, 11, 12, 13, 14]),
        (np.array([1, 2, 3, 250], dtype=np.uint8), [251, 252, 253, 254, 255]),
        ([0.5, 1.5, 3.0, 2.0], [4.0, 5.0, 6.0, 7.0, 8.0]),
        (pd.Index([1, 2, 3, 4], dtype="Int64"), [5, 6, 7, 8, 9]),
        (list("abcd"), ["new0", "new1", "new2", "new3", "new4"]),
        (["a", "new0", "_newt", "c"], ["__new0", "__new1", "__new2", "__new3", "__new4"]),
    ],
)
def test_labels_are_kept_and_grown(labels, new):
    graph = Graph.from_mesh(SQUARE, HALVES, labels=labels)
    fine, _ = graph.refine()
    pd.testing.assert_index_equal(fine.labels[:4], pd.Index(graph.labels), exact="equiv")
    assert fine.labels[4:].tolist() == new
    assert fine.labels.dtype == graph.labels.dtype
    assert fine.labels.name == graph.labels.name
    fine.locate(graph.labels, name="labels")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pd.date_range("2020-01-01", periods=4), "must be numbers or words.*got datetime64"),
        ([1, "b", 3, "d"], "must be numbers or words.*got mixed-integer"),
        (np.array([1, 2, 3, 253], dtype=np.uint8), "uint8 have no room for 5 more after 253"),
        (np.array([1, 2, 3, 2**63 - 3]), "int64 have no room for 5 more"),
        ([1.0, 2.0, 3.0, 1e17], "float64 have no room for 5 more"),
    ],
)
def test_labels_that_cannot_grow_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_mesh(SQUARE, HALVES, labels=labels).refine()


def test_a_graph_without_faces_is_refused(grid, closed):
    with pytest.raises(ValueError, match=r"refine cuts the faces.*Graph\.from_mesh"):
        grid.refine()
    with pytest.raises(ValueError, match="n_times must be at least 1; got 0"):
        closed.refine(0)
    with pytest.raises(TypeError, match="n_times must be an integer"):
        closed.refine(1.5)


def test_a_vertex_in_no_face_stays_alone():
    fine, weights = Graph.from_mesh([*SQUARE, [5, 5, 5]], HALVES).refine()
    assert fine.n_components == 2
    assert fine.node_areas[4] == 0
    assert weights[[4]].toarray().tolist() == [[0, 0, 0, 0, 1]]


def test_cotangent_eigenvalues_converge_from_above(bounded):
    # Free square of side 1: pi**2 (i**2 + j**2), and finite elements of halved size.
    true = np.pi**2 * np.array([1, 1, 2, 4, 4])
    errors = []
    for n_times in (3, 4):
        fine, _ = bounded.refine(n_times)
        embedder = SpectralEmbedder(5, graph=fine, laplacian="cotangent").fit([[0]])
        errors.append(np.abs(embedder.eigenvalues_ / true - 1).max())
    assert errors[1] < 0.27 * errors[0] < 0.02


def test_the_bunny_is_refined(data_root):
    graph = fetch_bunny(3)
    fine, weights = graph.refine()
    assert fine.n_components == graph.n_components
    assert fine.n_nodes == graph.n_nodes + graph.n_edges
    assert fine.node_areas.sum() == pytest.approx(graph.node_areas.sum(), rel=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
