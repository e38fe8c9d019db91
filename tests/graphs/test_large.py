"""What makes large graphs cheap changes nothing: parts, patterns, marks of rows."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skginr import Graph
from skginr._core import _memory
from skginr.graphs import _faces, _graph, _mesh
from skginr.graphs._adjacency import adjacency_from_pairs
from skginr.graphs._mesh import are_repeated, vertex_areas

RNG = np.random.default_rng(0)


def surface(n, d=3):
    """A triangulated ball with a hole, a third face at a side, and a vertex of no face."""
    sphere = Graph.from_sphere(*np.degrees([RNG.uniform(-1.5, 1.5, n), RNG.uniform(-3, 3, n)]))
    vertices = np.vstack([sphere.positions, [[2.0, 0, 0], [0, 0, 0]]])
    fin = [*sphere.faces[9, :2], n]
    faces = np.vstack([sphere.faces[5:], fin])
    return np.pad(vertices, ((0, 0), (0, max(d - 3, 0))))[:, :d], faces


def sides_of(faces):
    """The faces at each side, by its two ends."""
    found = {}
    for face, corners in enumerate(faces):
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True):
            found.setdefault(frozenset([int(a), int(b)]), []).append(face)
    return found


@pytest.fixture(params=[200_000, 7])
def chunk(request, monkeypatch):
    """All at once, and in parts of seven."""
    for module in (_faces, _graph, _mesh):
        monkeypatch.setattr(module, "_CHUNK", request.param)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_a_mesh_is_what_its_sides_say(chunk, d):
    vertices, faces = surface(90, d)
    graph = Graph.from_mesh(vertices, faces, merge=False)
    expected = np.zeros((len(vertices), len(vertices)))
    for a, b in sides_of(faces):
        expected[a, b] = expected[b, a] = 1
    np.testing.assert_array_equal(graph.adjacency.toarray(), expected)
    between = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    np.testing.assert_allclose(graph.edge_lengths.toarray(), expected * between)
    areas = np.zeros(len(vertices))
    for corners in faces:
        u, v = vertices[corners[1:]] - vertices[corners[0]]
        areas[corners] += np.sqrt(np.linalg.det([[u @ u, u @ v], [u @ v, v @ v]])) / 6
    np.testing.assert_allclose(graph.node_areas, areas)


def test_areas_are_added_up_in_the_order_of_faces(monkeypatch):
    vertices, faces = surface(300)
    whole = vertex_areas(vertices, faces)
    monkeypatch.setattr(_mesh, "_CHUNK", 11)
    np.testing.assert_array_equal(vertex_areas(vertices, faces), whole)


def test_faces_are_joined_at_sides_of_two_and_of_more(chunk):
    vertices, faces = surface(90)
    pages = [[0, 1, n] for n in range(60, 65)]
    faces = [*faces.tolist(), *pages, [10, 50, 20, 70, 30]]
    graph = Graph.from_mesh(vertices, faces, on="faces")
    expected = {(a, b) for there in sides_of(faces).values() for a in there for b in there if a < b}
    rows, columns = sp.triu(graph.adjacency).coords
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
    assert len({(a, b) for a, b in expected if a >= len(faces) - 6}) >= 10


def built():
    vertices, faces = surface(60)
    points = RNG.random((80, 3))
    pairs = pd.DataFrame(RNG.integers(0, 30, (90, 2)), columns=["a", "b"])
    pairs = pairs[pairs["a"] != pairs["b"]]
    corners = vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3)
    latitude, longitude = np.degrees([RNG.uniform(-1.5, 1.5, 40), RNG.uniform(-3, 3, 40)])
    return {
        "points": Graph.from_points(points),
        "points that do not fade": Graph.from_points(points, weighted=False),
        "vertices": Graph.from_mesh(vertices, faces),
        "faces": Graph.from_mesh(vertices, faces, on="faces"),
        "merged": Graph.from_mesh(*corners, merge=True),
        "sphere": Graph.from_sphere(latitude, longitude),
        "edges": Graph.from_edges(pairs, "a", "b"),
        "weights": Graph.from_edges(pairs.assign(w=1.5), "a", "b", "w"),
        "no edges": Graph.from_networkx(nx.empty_graph(3)),
    }


@pytest.mark.parametrize("graph", built().values(), ids=built())
def test_what_builders_make_passes_the_door_as_it_is(graph):
    # To the bit, and by the types of its arrays: bases on disk go by both.
    assert Graph.from_state(graph.to_state()) == graph
    assert graph.adjacency.has_canonical_format
    assert graph.adjacency.indices.dtype == graph.adjacency.indptr.dtype == np.int32
    assert all(array is None or not array.flags.writeable for array in graph._arrays())


@pytest.mark.parametrize("combine", ["max", "min", "sum", "mean", None])
def test_pairs_are_combined_however_they_are_listed(combine):
    pairs, weights = RNG.integers(0, 20, (300, 2)), RNG.random(300)
    listed = {}
    for (a, b), weight in zip(pairs.tolist(), weights, strict=True):
        if a != b:
            listed.setdefault((min(a, b), max(a, b)), []).append(weight)
    expected = np.zeros((20, 20))
    for (a, b), several in listed.items():
        weight = 1 if combine is None else getattr(np, combine)(several)
        expected[a, b] = expected[b, a] = weight
    given = () if combine is None else (weights, combine)
    found = adjacency_from_pairs(pairs, 20, *given)
    np.testing.assert_allclose(found.toarray(), expected)
    assert adjacency_from_pairs(pairs[:0], 20, *(w[:0] for w in given)).nnz == 0


@pytest.mark.parametrize("marks_differ", [True, False])
@pytest.mark.parametrize("in_any_order", [True, False])
def test_repeated_rows_are_those_of_a_set(monkeypatch, in_any_order, marks_differ):
    if not marks_differ:
        # Of all rows: what decides is the rows themselves.
        monkeypatch.setattr(_mesh, "_mixed", lambda numbers, place: np.zeros(len(numbers), "u8"))
    for table in (
        RNG.integers(-1, 6, (200, 3)),
        RNG.integers(0, 2, (50, 2)).astype(np.int32),
        RNG.integers(-1, 2, (90, 3)) * -0.0 + RNG.integers(0, 3, (90, 3)) * 0.1,
        RNG.random((100, 2)),
    ):
        seen, expected = set(), []
        for row in table.tolist():
            row = tuple(sorted(row) if in_any_order else row)
            expected.append(row in seen)
            seen.add(row)
        np.testing.assert_array_equal(are_repeated(table, in_any_order=in_any_order), expected)


def test_marks_of_numbers_on_a_grid_all_differ():
    grid = np.stack(np.meshgrid(*[np.arange(32) / 4] * 3), axis=-1).reshape(-1, 3)
    marks = sum(_mesh._mixed(column, place) for place, column in enumerate(grid.T))
    assert len(np.unique(marks)) == len(grid)


def test_what_does_not_fit_says_so_before_it_is_begun(monkeypatch):
    monkeypatch.setattr(_memory, "_SMALL", 0)
    monkeypatch.setattr(_memory, "available_bytes", lambda: 1000)
    vertices, faces = surface(60)
    with pytest.raises(MemoryError, match=r"^A graph of 80 points with 10 neighbours each needs"):
        Graph.from_points(RNG.random((80, 3)))
    for on in ("vertices", "faces"):
        with pytest.raises(MemoryError, match=rf"^A graph of the {on} of {len(faces)} faces needs"):
            Graph.from_mesh(vertices, faces, on=on)
