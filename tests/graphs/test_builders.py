import sys

import geopandas as gpd
import libpysal
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, Polygon, box

from skginr import Graph, SpectralEmbedder


def edges_of(graph):
    rows, columns = graph.adjacency.nonzero()
    named = zip(graph.labels[rows], graph.labels[columns], strict=True)
    return {(a, b) for a, b in named if a < b}


@pytest.fixture
def squares():
    """A 3 x 2 chessboard of unit squares, and one far away."""
    shapes = [box(x, y, x + 1, y + 1) for y in range(2) for x in range(3)] + [box(9, 9, 10, 10)]
    names = ["a1", "b1", "c1", "a2", "b2", "c2", "far"]
    return gpd.GeoDataFrame({"name": names}, geometry=shapes, crs="EPSG:3857")


def test_edges_build_a_weighted_graph():
    frame = pd.DataFrame({"s": ["y", "x", "y"], "t": ["z", "y", "x"], "w": [3.0, 2.0, 2.0]})
    graph = Graph.from_edges(frame, "s", "t", weight="w")
    assert graph.labels.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 2, 0], [2, 0, 3], [0, 3, 0]])


def test_an_edge_to_itself_leaves_an_isolated_node():
    with pytest.warns(UserWarning, match="frame has 1 self-loops"):
        graph = Graph.from_edges(pd.DataFrame({"s": [1, 5], "t": [2, 5]}), "s", "t")
    assert graph.n_nodes == 3
    assert graph.n_edges == 1


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        ({"s": [1], "t": [2]}, ("s", "u"), r"target='u' is not a column.*\['s', 't'\]"),
        ({"s": [1], "t": [2]}, ("s", "t", "w"), "weight='w' is not a column"),
        ({"s": [1, 2], "t": [2, None]}, ("s", "t"), "without a 's' or 't' in row 1"),
        ({"s": [1], "t": ["2"]}, ("s", "t"), "labels of one kind"),
        (
            {"s": [1, 2], "t": [2, 1], "w": [1, 2]},
            ("s", "t", "w"),
            "weight='w' must be the same.*between 1 and 2 has 1 and 2",
        ),
        ({"s": [1], "t": [2]}, ("s", "s"), "between two columns; got 1 rows, source='s'"),
        ({"s": [], "t": []}, ("s", "t"), "got 0 rows"),
        ({"s": pd.Categorical([1]), "t": ["2"]}, ("s", "t"), "labels of one kind"),
        ({"s": [1], "t": [2], "w": [-1.0]}, ("s", "t", "w"), "non-negative; got -1 in row 0"),
        ({"s": [1], "t": [2], "w": [np.nan]}, ("s", "t", "w"), "finite"),
    ],
)
def test_unfit_edge_tables_are_refused(frame, arguments, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_edges(pd.DataFrame(frame), *arguments)


def test_edges_may_have_lengths():
    frame = pd.DataFrame({"s": ["a", "b"], "t": ["b", "c"], "km": [3.0, 4.0], "w": [1.0, 0.5]})
    graph = Graph.from_edges(frame, "s", "t", weight="w", length="km")
    assert graph.edge_lengths[0, 1] == 3.0
    assert graph.edge_lengths[2, 1] == 4.0
    assert graph.digest != Graph.from_edges(frame, "s", "t", weight="w").digest
    with pytest.raises(ValueError, match="edge_lengths must be positive on every edge"):
        Graph.from_edges(frame.assign(km=[0.0, 1.0]), "s", "t", length="km")


def test_an_edge_table_is_a_dataframe():
    with pytest.raises(TypeError, match="pandas DataFrame with a row per edge; got list"):
        Graph.from_edges([(1, 2)], "s", "t")


def test_networkx_keeps_nodes_weights_and_order():
    graph = nx.Graph()
    graph.add_edge("q", "p", weight=2.5)
    graph.add_node("alone")
    ours = Graph.from_networkx(graph)
    assert ours.labels.tolist() == ["q", "p", "alone"]
    assert ours.adjacency[0, 1] == 2.5
    assert Graph.from_networkx(graph, weight=None).adjacency[0, 1] == 1.0


def test_networkx_tuples_are_labels():
    graph = Graph.from_networkx(nx.grid_2d_graph(2, 2))
    assert graph.labels.tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    np.testing.assert_array_equal(graph.locate([(1, 1), (0, 1)]), [3, 1])


def test_networkx_refuses_directions_and_emptiness():
    with pytest.raises(ValueError, match="got a directed one. Say.*combine='max', 'min', 'sum'"):
        Graph.from_networkx(nx.DiGraph([(0, 1)]))
    with pytest.raises(ValueError, match="at least one node"):
        Graph.from_networkx(nx.Graph())
    with pytest.raises(TypeError, match="networkx graph; got dict"):
        Graph.from_networkx({})


def test_libpysal_weights_and_graphs_agree_with_the_lattice():
    lattice = libpysal.weights.lat2W(4, 3, rook=True)
    modern = libpysal.graph.Graph.from_W(lattice)
    expected = nx.to_numpy_array(nx.grid_2d_graph(4, 3))
    for weights in (lattice, modern):
        np.testing.assert_array_equal(Graph.from_libpysal(weights).adjacency.toarray(), expected)


def test_libpysal_that_is_missing_is_named(monkeypatch):
    for name in ("libpysal", "libpysal.graph"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ModuleNotFoundError, match=r"from_libpysal needs libpysal.*\[libpysal\]"):
        Graph.from_libpysal(None)


def test_row_standardised_libpysal_weights_are_refused():
    with pytest.raises(ValueError, match="symmetric"):
        Graph.from_libpysal(
            libpysal.graph.Graph.from_W(libpysal.weights.lat2W(3, 3)).transform("R")
        )
    with pytest.raises(TypeError, match=r"libpysal\.graph\.Graph"):
        Graph.from_libpysal(np.eye(3))


def test_networkx_weights_must_be_named_right():
    graph = nx.Graph()
    graph.add_edge(0, 1, lanes=3)
    assert Graph.from_networkx(graph, weight="lanes").adjacency[0, 1] == 3
    with pytest.raises(ValueError, match="weight='lane' is an attribute of no edge"):
        Graph.from_networkx(graph, weight="lane")


def fishnet(n, width, height):
    """Boxes as people write them, whose corners differ in the last digit."""
    places = [(i * width, j * height) for j in range(n) for i in range(n)]
    shapes = [box(x, y, x + width, y + height) for x, y in places]
    return gpd.GeoDataFrame(geometry=shapes, crs=3035)


@pytest.mark.parametrize(("width", "height"), [(0.1, 0.1), (0.3, 0.3), (0.1, 700.3)])
def test_corners_that_differ_by_rounding_meet(width, height):
    frame = fishnet(20, width, height)
    assert Graph.from_geodataframe(frame).n_edges == 2 * 20 * 19 + 2 * 19 * 19
    assert Graph.from_geodataframe(frame, method="rook").n_edges == 2 * 20 * 19
    assert Graph.from_geodataframe(frame, tolerance=0).n_edges < 2 * 20 * 19 + 2 * 19 * 19


def test_hexagons_from_their_centres_meet():
    angles = np.arange(6) * np.pi / 3
    ring = 1000 * np.column_stack([np.cos(angles), np.sin(angles)])
    columns, rows = np.meshgrid(np.arange(15), np.arange(15))
    x = 4e6 + 1500 * columns.ravel()
    y = 3e6 + 1000 * np.sqrt(3) * (rows.ravel() + (columns.ravel() % 2) / 2)
    centres = np.column_stack([x, y])
    frame = gpd.GeoDataFrame(geometry=[Polygon(centre + ring) for centre in centres], crs=3035)
    distance = np.linalg.norm(centres[:, None] - centres, axis=2)
    expected = {tuple(pair) for pair in np.argwhere(distance < 1800) if pair[0] < pair[1]}
    assert edges_of(Graph.from_geodataframe(frame)) == expected
    assert edges_of(Graph.from_geodataframe(frame, method="rook")) == expected


@pytest.mark.parametrize("distance", [20.0, 1e3, 1e7])
def test_a_point_far_from_all_is_a_neighbour_of_the_nearest_alone(distance):
    rng = np.random.default_rng(0)
    points = rng.random((400, 3))
    others = Graph.from_points(points)
    far = np.vstack([points, [[distance, 0.3, 0.4]]])
    graph = Graph.from_points(far)
    # To the others it changes nothing, and of them it reaches the front.
    among = graph.adjacency[:400, :400].toarray()
    np.testing.assert_allclose(among, others.adjacency.toarray(), atol=1e-12)
    reached = graph.adjacency[[400]].indices
    away = np.linalg.norm(points - far[400], axis=1)
    # At 1e7 some more are equally near, to nine digits.
    assert set(reached.tolist()) >= set(away.argsort()[:11].tolist())
    assert len(reached) <= (15 if distance > 1e6 else 11)
    np.testing.assert_allclose(graph.adjacency[[400]].data, 0.0043, rtol=0.5)
    # As by distances, for new points, and for its own surroundings.
    by_distances = SpectralEmbedder(2, affinity="precomputed_distances")
    between = np.linalg.norm(far[:, None] - far, axis=2)
    found = by_distances.fit(between).graph_.adjacency
    np.testing.assert_allclose(found.toarray(), graph.adjacency.toarray(), atol=1e-7)
    embedder = SpectralEmbedder(2).fit(far)
    new = embedder._training.join(np.vstack([rng.random((5, 3)), far[[400]] + 1e-6])).affinity
    assert new[:5, [400]].nnz == 0
    assert new[[5]].nnz == len(reached) + 1


def test_columns_of_zeros_and_ones_are_all_neighbours():
    graph = Graph.from_points(np.eye(30), n_neighbors=5)
    assert graph.n_edges == 30 * 29 // 2
    assert Graph.from_points(np.eye(30), n_neighbors=5, weighted=False).n_edges == 30 * 29 // 2


def test_gaps_are_closed_by_a_tolerance():
    apart = gpd.GeoDataFrame(geometry=[box(1.1 * i, 0, 1.1 * i + 1, 1) for i in range(4)])
    assert Graph.from_geodataframe(apart).n_edges == 0
    for method in ("queen", "rook"):
        for tolerance in (0.11, 0.15, 0.2):
            closed = Graph.from_geodataframe(apart, method=method, tolerance=tolerance)
            assert closed.n_edges == 3, (method, tolerance)
    # A border that is there stays, however short beside the tolerance.
    stairs = gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1), box(1, 0.95, 2, 2)])
    for tolerance in (None, 0.01, 0.06, 0.2):
        assert Graph.from_geodataframe(stairs, method="rook", tolerance=tolerance).n_edges == 1
    with pytest.raises(ValueError, match="tolerance must be at least 0 and finite; got -1"):
        Graph.from_geodataframe(apart, tolerance=-1)


def test_rook_shares_edges_and_queen_corners_too(squares):
    rook = edges_of(Graph.from_geodataframe(squares, labels="name", method="rook"))
    assert rook == {
        ("a1", "b1"), ("b1", "c1"), ("a2", "b2"), ("b2", "c2"),
        ("a1", "a2"), ("b1", "b2"), ("c1", "c2"),
    }  # fmt: skip
    queen = Graph.from_geodataframe(squares, labels="name", method="queen")
    assert edges_of(queen) - rook == {("a1", "b2"), ("a2", "b1"), ("b1", "c2"), ("b2", "c1")}
    assert queen.n_components == 2
    np.testing.assert_allclose(queen.positions[0], [0.5, 0.5])


def test_polygons_meet_without_sharing_a_vertex():
    corners = [(0, 0, 3, 1), (1, 1, 2, 2), (2, 2, 4, 4), (3, 3, 5, 5), (4.1, 4.1, 5, 5)]
    frame = gpd.GeoDataFrame(geometry=[box(*corner) for corner in corners])
    # A T junction, a corner, an overlap, and one within another.
    assert edges_of(Graph.from_geodataframe(frame)) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert edges_of(Graph.from_geodataframe(frame, method="rook")) == {(0, 1), (2, 3), (3, 4)}


def test_labels_default_to_the_index(squares):
    indexed = squares.set_index("name")
    assert Graph.from_geodataframe(indexed).labels.tolist() == squares["name"].tolist()


@pytest.mark.parametrize("method", ["knn", "delaunay"])
def test_neighbours_of_points_match_brute_force(method):
    rng = np.random.default_rng(0)
    xy = rng.random((60, 2)) * 1000
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*xy.T), crs="EPSG:3857")
    graph = Graph.from_geodataframe(points, method=method, n_neighbors=3)
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
    nearest = {tuple(sorted((i, int(j)))) for i in range(60) for j in distances[i].argsort()[1:4]}
    if method == "knn":
        assert edges_of(graph) == nearest
    else:
        # A planar triangulation: Euler's bound, and it contains the nearest neighbours.
        assert graph.n_edges <= 3 * 60 - 6
        assert {tuple(sorted((i, int(distances[i].argsort()[1])))) for i in range(60)} <= edges_of(
            graph
        )


def test_longitudes_meet_across_the_180th_meridian():
    points = [Point(179.9, 0), Point(-179.9, 0), Point(170, 0), Point(-170, 0)]
    frame = gpd.GeoDataFrame(geometry=points, crs="EPSG:4326")
    graph = Graph.from_geodataframe(frame, method="knn", n_neighbors=1)
    assert (0, 1) in edges_of(graph)
    # 0.2 degrees of the equator is 22.24 km.
    assert graph.edge_lengths[0, 1] == pytest.approx(22_239, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda g: g, {"labels": "nom"}, r"name one column of gdf.*got 'nom'"),
        (lambda g: g.assign(name="x"), {"labels": "name"}, "'x' is repeated"),
        (lambda g: g, {"method": "hexagon"}, "method must be one of 'queen', 'rook'"),
        (lambda g: g.set_crs(None, allow_override=True), {"method": "knn"}, "gdf has no CRS"),
        (lambda g: g.set_crs(None, allow_override=True), {"method": "delaunay"}, r"set_crs"),
        (lambda g: g.to_crs("EPSG:4326"), {"method": "delaunay"}, "estimate_utm_crs"),
        (lambda g: g.set_geometry(g.centroid), {"method": "queen"}, r"need polygons.*'Point'"),
        (lambda g: g.iloc[:0], {}, "at least one row"),
        (lambda g: g, {"labels": np.arange(7)}, "labels must name one column"),
        (lambda g: g.rename(columns={"geometry": "g"}), {}, "active geometry"),
        (
            lambda g: g.set_geometry(gpd.points_from_xy([0, 1, 2, 3, 4, 5, np.inf], range(7))),
            {"method": "knn"},
            "finite coordinates; 1 rows do not, the first is row 6",
        ),
        (
            lambda g: g.set_geometry([Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])] * 7),
            {},
            "7 cross themselves.*make_valid",
        ),
        (lambda g: g, {"method": "knn", "n_neighbors": 7}, "less than the number of points, 7"),
        (
            lambda g: g.set_geometry(g.geometry.where(g["name"] != "b1", Polygon())),
            {},
            "1 rows have none or an empty one, the first is row 1",
        ),
    ],
)
def test_unfit_maps_are_refused(squares, change, arguments, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_geodataframe(change(squares), **arguments)


def test_a_table_without_geometry_is_refused():
    with pytest.raises(TypeError, match=r"geopandas.GeoDataFrame; got DataFrame.*from_points"):
        Graph.from_geodataframe(pd.DataFrame({"x": [1]}))


def test_contiguity_needs_no_crs(squares):
    bare = squares.set_crs(None, allow_override=True)
    assert Graph.from_geodataframe(bare).n_edges == 11


def test_points_get_the_mean_of_both_biweights():
    rng = np.random.default_rng(1)
    points = rng.random((50, 3))
    adjacency = Graph.from_points(points, n_neighbors=4).adjacency.toarray()
    d = np.linalg.norm(points[:, None] - points[None], axis=-1)
    reach = (1.05 + 1e-9) * np.sort(d, axis=1)[:, 5]
    by_row, by_column = (np.maximum(1 - (d / r) ** 2, 0) ** 2 for r in (reach[:, None], reach))
    expected = (by_row + by_column) / 2
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(adjacency, expected, atol=1e-12)
    assert ((adjacency > 0).sum(axis=1) >= 4).all()


@pytest.mark.parametrize("n_neighbors", [1, 3, 7])
def test_points_at_equal_distances_all_have_edges(n_neighbors):
    corners = Graph.from_points(np.eye(8), n_neighbors=n_neighbors)
    weights = corners.adjacency.data
    assert corners.n_edges == 28
    np.testing.assert_allclose(weights, weights[0])


def test_points_do_not_care_for_units_or_order():
    rng = np.random.default_rng(1)
    points = rng.random((40, 2))
    order = rng.permutation(40)
    adjacency = Graph.from_points(points).adjacency.toarray()
    scaled = Graph.from_points(1e6 * points[order] + 5).adjacency.toarray()
    np.testing.assert_allclose(scaled, adjacency[np.ix_(order, order)], rtol=1e-6)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[0.0, 1.0], [np.nan, 2.0]], "1 rows hold NaN or infinity, the first is row 1"),
        ([[0.0], [1.0], [0.0]], "row 2 repeats an earlier one"),
        ([0.0, 1.0], r"got shape \(2,\)"),
    ],
)
def test_unfit_points_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_points(points, n_neighbors=1)


@pytest.mark.parametrize("on", ["vertices", "faces"])
def test_a_table_of_a_mesh_names_its_nodes(on):
    corners = pd.DataFrame([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], index=list("abcd"))
    faces = pd.DataFrame([[0, 1, 2], [0, 2, 3]], index=["low", "high"])
    graph = Graph.from_mesh(corners, faces, on=on)
    assert graph.labels.tolist() == (list("abcd") if on == "vertices" else ["low", "high"])
    plain = Graph.from_mesh(corners.to_numpy(), faces.to_numpy(), on=on)
    assert plain.labels.tolist() == list(range(len(graph)))
    assert Graph.from_mesh(corners, faces, labels=plain.labels, on=on) == plain


def test_a_mesh_has_the_edges_and_area_of_its_faces():
    # A unit cube: 18 edges by Euler's formula for 8 vertices and 12 triangles.
    vertices = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    faces = [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ]  # fmt: skip
    graph = Graph.from_mesh(vertices, faces)
    assert graph.n_edges == 18
    assert graph.node_areas.sum() == pytest.approx(6)
    assert graph.n_components == 1


def test_a_vertex_in_no_face_stays():
    graph = Graph.from_mesh(np.eye(4), [[0, 1, 2]])
    assert graph.n_nodes == 4
    assert graph.n_components == 2
    assert graph.node_areas[3] == 0


@pytest.mark.parametrize(
    ("faces", "error", "message"),
    [
        ([[0, 1, 3]], ValueError, "vertices 0 to 2; got numbers from 0 to 3.*subtract 1"),
        ([[0, 1, 1]], ValueError, r"three different vertices; got \[0, 1, 1\] in row 0"),
        ([[0, 1]], ValueError, r"shape \(n_faces, 3\)"),
        ([[0.0, 1.0, 1.5]], TypeError, "integers, counted from 0; got 1.5"),
    ],
)
def test_unfit_faces_are_refused(faces, error, message):
    with pytest.raises(error, match=message):
        Graph.from_mesh(np.eye(3), faces)


def test_a_needle_has_its_area():
    needle = Graph.from_mesh([[0, 0, 0], [1e8, 0, 0], [1e8, 1e-8, 0]], [[0, 1, 2]])
    assert needle.node_areas.sum() == pytest.approx(0.5)
    flat = np.array([[0.0, 0], [2, 0], [0, 2]])
    for dimensions in (2, 3, 5):
        padded = np.pad(flat, ((0, 0), (0, dimensions - 2)))
        assert Graph.from_mesh(padded, [[0, 1, 2]]).node_areas.sum() == pytest.approx(2)


@pytest.mark.parametrize("scale", [1e-170, 1e160])
def test_points_of_any_scale_make_the_same_graph(scale):
    points = np.random.default_rng(0).random((40, 2))
    expected = Graph.from_points(points).adjacency.toarray()
    np.testing.assert_allclose(
        Graph.from_points(scale * points).adjacency.toarray(), expected, atol=1e-9
    )


def test_networkx_lengths_and_positions():
    roads = nx.Graph([("a", "b", {"km": 5.0, "lanes": 2}), ("b", "c", {"km": 1.5, "lanes": 0})])
    nx.set_node_attributes(roads, {"a": (0, 0), "b": (3, 4), "c": (3, 5)}, "pos")
    graph = Graph.from_networkx(roads, weight="lanes", length="km", position="pos")
    # No edge, no length.
    np.testing.assert_array_equal(graph.edge_lengths.toarray(), [[0, 5, 0], [5, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(graph.positions, [[0, 0], [3, 4], [3, 5]])
    by_position = Graph.from_networkx(roads, position="pos")
    assert by_position.edge_lengths[1, 2] == 1
    for arguments, message in (
        ({"length": "miles"}, "attribute of every edge of graph; the edge between 'a' and 'b'"),
        ({"position": "place"}, "attribute of every node of graph; 'a' has none"),
    ):
        with pytest.raises(ValueError, match=message):
            Graph.from_networkx(roads, **arguments)
    # Parallel edges would have to be of one length.
    several = nx.MultiGraph(roads)
    assert Graph.from_networkx(several, length="km").edge_lengths[0, 1] == 5
    several.add_edge("b", "a", km=4.0)
    with pytest.raises(ValueError, match="length='km' must be the same.*'a' and 'b' has 4 and 5"):
        Graph.from_networkx(several, length="km")
    assert Graph.from_networkx(several, length="km", combine="sum").edge_lengths[0, 1] == 4


def test_labels_that_were_forgotten_are_missed():
    graph = Graph.from_geodataframe(fishnet(3, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"was labels= forgotten where the graph was built\?"):
        graph.locate(["a", "b"])
    with pytest.raises(TypeError, match=r"points must be a table.*Graph.from_geodataframe"):
        Graph.from_points(fishnet(3, 1.0, 1.0))
