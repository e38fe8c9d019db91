"""What an edge weighs is read in one way, whatever the builder."""

import datetime

import libpysal
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from skginr import Graph

WRONG = {
    "number in words": "2.5",
    "unit": "50 mph",
    "list": [50, 30],
    "timedelta": datetime.timedelta(minutes=2),
    "pandas": pd.Timedelta(minutes=2),
    "numpy": np.timedelta64(5, "m"),
    "date": pd.Timestamp("2020"),
    "complex": 1j,
}


def networkx_with(value):
    return Graph.from_networkx(nx.Graph([("a", "b", {"w": 1.0}), ("b", "c", {"w": value})]), "w")


def default_with(value):
    roads = nx.Graph([("a", "b", {"weight": 1.0}), ("b", "c", {"weight": value})])
    return Graph.from_networkx(roads)


def lengths_with(value):
    roads = nx.Graph([("a", "b", {"w": 1.0}), ("b", "c", {"w": value})])
    return Graph.from_networkx(roads, length="w")


def edges_with(value):
    frame = pd.DataFrame({"s": ["a", "b"], "t": ["b", "c"]})
    return Graph.from_edges(frame.assign(w=pd.Series([1.0, value], dtype=object)), "s", "t", "w")


def libpysal_with(value):
    near = {"a": ["b"], "b": ["a", "c"], "c": ["b"]}
    given = {"a": [1.0], "b": [1.0, value], "c": [value]}
    return Graph.from_libpysal(libpysal.weights.W(near, given, silence_warnings=True))


BUILDERS = [networkx_with, default_with, lengths_with, edges_with, libpysal_with]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_number_is_refused_with_the_edge(build, what):
    with pytest.raises(
        TypeError, match=r"must hold real numbers; got.*the edge between 'b' and 'c'. Convert"
    ):
        build(WRONG[what])


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("value", [None, np.nan, pd.NA, np.inf, -1.0])
def test_what_is_no_weight_is_refused_with_the_edge(build, value):
    with pytest.raises(ValueError, match=r"finite and non-negative; got .*between 'b' and 'c'"):
        build(value)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.array(2.0), True], ids=str)
def test_numbers_of_any_type_are_weights(build, value):
    graph = build(value)
    matrix = graph.edge_lengths if build is lengths_with else graph.adjacency
    assert matrix.toarray().tolist() == [[0, 1, 0], [1, 0, float(value)], [0, float(value), 0]]


def test_a_matrix_of_words_is_refused_with_the_place():
    with pytest.raises(TypeError, match=r"adjacency must hold.*'2.5' of type str at \(0, 1\)"):
        Graph.from_adjacency(pd.DataFrame([[0, "2.5"], ["2.5", 0]]))
    time = np.timedelta64(5, "m")
    with pytest.raises(TypeError, match=r"of type timedelta64 at \(0, 1\)"):
        Graph.from_adjacency(np.array([[0, time], [time, 0]], dtype=object))


def test_a_weight_that_was_named_is_there_for_every_edge():
    roads = nx.Graph([("a", "b", {"lanes": 3}), ("b", "c"), ("c", "d")])
    with pytest.raises(ValueError, match=r"weight='lanes' must be.*'b' and 'c' has none, one of 2"):
        Graph.from_networkx(roads, weight="lanes")
    nx.set_edge_attributes(roads, {("b", "c"): 1, ("c", "d"): 2}, "lanes")
    assert Graph.from_networkx(roads, weight="lanes").adjacency.sum() == 12


def test_by_the_name_of_networkx_an_edge_without_a_weight_weighs_one():
    roads = nx.Graph([("a", "b", {"weight": 3}), ("b", "c")])
    graph = Graph.from_networkx(roads)
    assert graph.adjacency.toarray().tolist() == [[0, 3, 0], [3, 0, 1], [0, 1, 0]]
    assert Graph.from_networkx(roads, weight=None).adjacency.max() == 1


#: Of the edges 0-1 (three times) and 1-2 (once), by what becomes of several.
COMBINED = {"max": (5.0, 2.0), "min": (1.0, 2.0), "sum": (9.0, 2.0), "mean": (3.0, 2.0)}
LISTED = [(0, 1, 1.0), (1, 0, 5.0), (1, 0, 3.0), (1, 2, 2.0)]


@pytest.mark.parametrize("combine", COMBINED)
def test_edges_in_parallel_and_both_ways_are_combined_as_asked(combine):
    frame = pd.DataFrame(LISTED, columns=["s", "t", "w"]).assign(km=[7.0, 4.0, 6.0, 1.0])
    several = nx.MultiDiGraph()
    for s, t, w, km in frame.itertuples(index=False):
        several.add_edge(s, t, w=w, km=km)
    first, second = COMBINED[combine]
    expected = [[0, first, 0], [first, 0, second], [0, second, 0]]
    for graph in (
        Graph.from_edges(frame, "s", "t", "w", "km", combine=combine),
        Graph.from_networkx(several, "w", "km", combine=combine),
        Graph.from_networkx(nx.MultiGraph(several.edges(data=True)), "w", "km", combine=combine),
    ):
        assert graph.adjacency.toarray().tolist() == expected
        # Of lengths the shortest.
        assert graph.edge_lengths.toarray().tolist() == [[0, 4, 0], [4, 0, 1], [0, 1, 0]]
    with pytest.raises(ValueError, match=r"between 0 and 1 has 1 and 5.*combine='max', 'min'"):
        Graph.from_edges(frame, "s", "t", "w")


@pytest.mark.parametrize("combine", COMBINED)
def test_one_way_weights_of_libpysal_are_combined_as_asked(combine):
    given = {"a": {"b": 1.0}, "b": {"a": 5.0, "c": 2.0}, "c": {"d": 0.0}, "d": {}}
    near = {focal: list(others) for focal, others in given.items()}
    lists = {focal: list(others.values()) for focal, others in given.items()}
    w = libpysal.weights.W(near, lists, silence_warnings=True)
    first, second = {"max": 5.0, "min": 1.0, "sum": 6.0, "mean": 3.0}[combine], 2.0
    for weights in (w, libpysal.graph.Graph.from_W(w)):
        graph = Graph.from_libpysal(weights, combine=combine)
        assert graph.labels.tolist() == list("abcd")
        assert graph.adjacency.toarray()[:3, :3].tolist() == [
            [0, first, 0],
            [first, 0, second],
            [0, second, 0],
        ]
        # Zero is no edge.
        assert graph.n_edges == 2
        with pytest.raises(ValueError, match="must be symmetric.*combine='max'"):
            Graph.from_libpysal(weights)


def test_symmetric_as_advised_libpysal_has_a_graph():
    lattice = nx.to_numpy_array(nx.grid_2d_graph(4, 3))
    old = libpysal.weights.lat2W(4, 3)
    old.transform = "R"
    with pytest.raises(ValueError, match=r"become so by weights.transform = \"B\";"):
        Graph.from_libpysal(old)
    old.transform = "B"
    np.testing.assert_array_equal(Graph.from_libpysal(old).adjacency.toarray(), lattice)
    weights = libpysal.graph.Graph.from_W(old).transform("R")
    with pytest.raises(ValueError, match=r"become so by weights = weights.transform\(\"B\"\);"):
        Graph.from_libpysal(weights)
    weights = weights.transform("B")
    np.testing.assert_array_equal(Graph.from_libpysal(weights).adjacency.toarray(), lattice)
    # Nearest neighbours, which are one-way: an edge if either is among the other's.
    points = np.random.default_rng(0).random((30, 2))
    nearest = libpysal.weights.KNN(points, k=3, silence_warnings=True)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    expected = np.zeros((30, 30), dtype=bool)
    np.put_along_axis(expected, distances.argsort(axis=1)[:, 1:4], True, axis=1)
    graph = Graph.from_libpysal(nearest, combine="max")
    np.testing.assert_array_equal(graph.adjacency.toarray() > 0, expected | expected.T)


def test_what_becomes_of_several_is_one_of_four_words():
    for build in (
        lambda: Graph.from_edges(pd.DataFrame({"s": [0], "t": [1]}), "s", "t", combine="first"),
        lambda: Graph.from_networkx(nx.DiGraph([(0, 1)]), combine="first"),
        lambda: Graph.from_libpysal(libpysal.weights.lat2W(2, 2), combine="first"),
    ):
        with pytest.raises(ValueError, match="combine must be one of 'max', 'min', 'sum', 'mean'"):
            build()


def test_tuples_of_libpysal_are_labels():
    w = libpysal.weights.W({(0, 0): [(0, 1)], (0, 1): [(0, 0), (1, 1)], (1, 1): [(0, 1)]})
    for weights in (w, libpysal.graph.Graph.from_W(w)):
        graph = Graph.from_libpysal(weights)
        assert graph.labels.tolist() == [(0, 0), (0, 1), (1, 1)]
        np.testing.assert_array_equal(graph.locate([(1, 1), (0, 0)]), [2, 0])


def test_nodes_without_an_edge_are_there_in_their_order():
    frame = pd.DataFrame({"s": ["b", "d"], "t": ["d", "a"], "w": [2.0, 3.0]})
    graph = Graph.from_edges(frame, "s", "t", "w", nodes=pd.Series(["c", "d", "a", "b"]))
    assert graph.labels.tolist() == ["c", "d", "a", "b"]
    assert graph.adjacency.toarray().tolist() == [
        [0, 0, 0, 0],
        [0, 0, 3, 2],
        [0, 3, 0, 0],
        [0, 2, 0, 0],
    ]
    for nodes, message in (
        (["a", "b"], "'s', where nodes= is given, must name nodes.*'d' is not one"),
        ([1, 2], "must hold labels of the graph's kind, integer"),
        (["a", "b", "d", "a"], "nodes must be distinct; 'a' is repeated"),
        (["a", "b", "d", None], "nodes must not be missing"),
    ):
        with pytest.raises(ValueError, match=message):
            Graph.from_edges(frame, "s", "t", nodes=nodes)
    # Ids of two types, as large as floats are not exact.
    large = 2**60 + np.arange(3)
    frame = pd.DataFrame({"s": large[:1], "t": pd.Series(large[1:2]).astype("UInt64")})
    graph = Graph.from_edges(frame, "s", "t", nodes=large.astype("uint64"))
    assert graph.adjacency.toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


@pytest.fixture
def streets():
    """As osmnx gives them: in degrees, both ways, and one pair of parallel streets."""
    graph = nx.MultiDiGraph(crs="epsg:4326")
    for node, (x, y) in {10: (2.35, 48.85), 11: (2.36, 48.85), 12: (2.36, 48.86)}.items():
        graph.add_node(node, x=x, y=y)
    for a, b, length in [(10, 11, 740.0), (11, 10, 740.0), (10, 11, 900.0), (11, 12, 1113.0)]:
        graph.add_edge(a, b, length=length, maxspeed="50")
    return graph


def test_streets_have_places_on_the_globe(streets):
    graph = Graph.from_networkx(streets, None, "length", ("x", "y"), combine="max")
    assert graph.labels.tolist() == [10, 11, 12]
    assert graph.edge_lengths.toarray().tolist() == [[0, 740, 0], [740, 0, 1113], [0, 1113, 0]]
    assert graph.adjacency.max() == 1
    placed = Graph.from_networkx(streets, None, position=("x", "y"), combine="max").edge_lengths
    # A hundredth of a degree is 1,112 m to the north, and so much by cos(48.85) to the east.
    assert placed[1, 2] == pytest.approx(1112, rel=1e-3)
    assert placed[0, 1] == pytest.approx(1112 * np.cos(np.radians(48.85)), rel=1e-3)


def test_places_without_degrees_are_in_the_plane(streets):
    del streets.graph["crs"]
    graph = Graph.from_networkx(streets, None, position=("x", "y"), combine="max")
    np.testing.assert_allclose(graph.positions, [[2.35, 48.85], [2.36, 48.85], [2.36, 48.86]])
    streets.graph["crs"] = "EPSG:2154"
    metric = Graph.from_networkx(streets, None, position=("x", "y"), combine="max")
    np.testing.assert_array_equal(metric.positions, graph.positions)
    nx.set_node_attributes(streets, {n: (1.0, n) for n in streets}, "pos")
    assert Graph.from_networkx(streets, position="pos", combine="sum").positions[2, 1] == 12


def test_places_that_are_none_are_refused(streets):
    for position, message in (
        (("x", "lat"), "position='lat' must be an attribute of every node of graph; 10 has none"),
        (("x", "y", "z"), "position must name a node attribute"),
        (("y", "x"), None),
    ):
        if message:
            with pytest.raises(ValueError, match=message):
                Graph.from_networkx(streets, None, position=position, combine="max")
    streets.nodes[11]["y"] = "48.85"
    with pytest.raises(TypeError, match=r"must hold real numbers; 11 has \[2.36, '48.85'\]"):
        Graph.from_networkx(streets, None, position=("x", "y"), combine="max")
    streets.nodes[11]["y"] = 151.2
    with pytest.raises(ValueError, match=r"row 1 has a latitude of 151.2.*name longitude first"):
        Graph.from_networkx(streets, None, position=("x", "y"), combine="max")


def test_loops_of_any_builder_are_dropped_with_a_warning():
    frame = pd.DataFrame({"s": [0, 1], "t": [1, 1], "w": [1.0, 5.0]})
    with pytest.warns(UserWarning, match="frame has 1 self-loops"):
        assert Graph.from_edges(frame, "s", "t", "w").adjacency.max() == 1
    with pytest.warns(UserWarning, match="graph has 1 self-loops"):
        Graph.from_networkx(nx.Graph([(0, 1), (1, 1)]))
