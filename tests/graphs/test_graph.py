import copy
import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skginr import Graph, GraphSmoother, SpectralEmbedder

PATH = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)


@pytest.fixture
def path():
    return Graph.from_adjacency(PATH, labels=["a", "b", "c", "d"])


def test_repr_counts_and_names_its_source(path, archipelago):
    assert repr(path) == "<Graph: 4 nodes, 3 edges, 1 component, from an adjacency matrix>"
    assert repr(archipelago) == "<Graph: 36 nodes, 34 edges, 3 components, from a networkx graph>"


def test_nothing_can_be_changed_from_outside(path):
    before = path.adjacency.toarray()
    path.edge_lengths.data = np.zeros(6)
    path.labels.name = "other"
    assert path.labels.name is None
    np.testing.assert_array_equal(path.edge_lengths.toarray(), before)
    for array in (path.adjacency.data, path.adjacency.indices, path.components):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    adjacency = path.adjacency
    with pytest.warns(sp.SparseEfficiencyWarning), pytest.raises(ValueError, match="read-only"):
        adjacency[0, 3] = 5.0
    adjacency.data = np.zeros(6)
    np.testing.assert_array_equal(path.adjacency.toarray(), before)


def test_the_input_is_copied():
    matrix = sp.csr_array(PATH)
    graph = Graph.from_adjacency(matrix)
    matrix.data[:] = 9.0
    assert graph.adjacency.max() == 1.0
    points = np.random.default_rng(0).random((8, 2))
    graph = Graph.from_points(points, n_neighbors=2)
    points[:] = 0.0
    assert graph.positions.max() > 0


def test_copies_and_clones_are_the_graph_itself(path):
    assert copy.copy(path) is path
    assert copy.deepcopy(path) is path
    assert clone(SpectralEmbedder(graph=path)).graph is path
    assert clone(GraphSmoother(graph=path)).graph is path


def test_pickle_keeps_everything_and_stays_read_only(path):
    path = path.with_attributes(pd.DataFrame({"x": [1, 2, 3, 4]}, index=path.labels))
    digest = path.digest
    loaded = pickle.loads(pickle.dumps(path))
    assert loaded == path
    assert loaded is not path
    assert loaded.__dict__["digest"] == digest
    for array in (loaded.adjacency.data, loaded.components):
        assert not array.flags.writeable


def test_digest_follows_content_and_not_labels(path):
    same = Graph.from_adjacency(sp.coo_array(PATH), labels=[4, 3, 2, 1])
    other = Graph.from_adjacency(2 * PATH)
    moved = Graph(PATH, positions=np.arange(4.0)[:, None])
    assert same.digest == path.digest
    assert same != path
    assert len({path.digest, other.digest, moved.digest}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda A: A[:3], r"square.*\(3, 4\)"),
        (lambda A: np.triu(A), r"symmetric.*weight 1 at \(0, 1\) but 0 at \(1, 0\)"),
        (lambda A: -A, r"non-negative; got -1 at \(0, 1\), one of 6"),
        (lambda A: np.where(A > 0, np.nan, A), r"finite; got nan at \(0, 1\)"),
        (lambda A: np.where(A > 0, np.inf, A), r"finite; got inf"),
        (lambda A: np.empty((0, 0)), r"at least one row"),
    ],
)
def test_unfit_matrices_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_adjacency(change(PATH))


def test_words_are_not_a_matrix():
    for words in ([["a", "b"], ["c", "d"]], [["0", "1"], ["1", "0"]], 1j * PATH):
        with pytest.raises(TypeError, match="adjacency must hold real numbers"):
            Graph.from_adjacency(words)
    with pytest.raises(TypeError, match="masked array"):
        Graph.from_adjacency(np.ma.masked_equal(PATH, 1))
    with pytest.raises(ValueError, match="two dimensions; got 0.*from_networkx"):
        Graph.from_adjacency(7)


def test_a_missing_weight_is_not_a_missing_edge():
    with pytest.raises(ValueError, match=r"finite; got nan at \(0, 1\)"):
        Graph.from_adjacency(np.array([[0, None], [None, 0]], dtype=object))


def test_a_small_asymmetry_beside_a_large_weight_is_still_one():
    with pytest.raises(ValueError, match=r"weight 50 at \(1, 2\) but 0 at \(2, 1\)"):
        Graph.from_adjacency([[0, 1e12, 0], [1e12, 0, 50], [0, 0, 0]])


def test_the_largest_weights_do_not_overflow():
    assert Graph.from_adjacency([[0, 1.7e308], [1.7e308, 0]]).adjacency[0, 1] == 1.7e308


def test_the_same_matrix_is_the_same_graph_whatever_its_index_type():
    wide = sp.csr_array(PATH)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert Graph.from_adjacency(wide) == Graph.from_adjacency(PATH)
    edges = pd.DataFrame({"s": [0, 1, 2], "t": [1, 2, 3]})
    assert Graph.from_edges(edges, "s", "t").digest == Graph.from_adjacency(PATH).digest


def test_labels_of_mixed_kinds_are_found():
    graph = Graph.from_adjacency(PATH, labels=[1, "a", (2, 3), 4.5])
    np.testing.assert_array_equal(graph.locate([1, "a"]), [0, 1])
    np.testing.assert_array_equal(graph.locate([1]), [0])


def test_labels_are_one_column():
    graph = Graph.from_adjacency(PATH)
    with pytest.raises(TypeError, match="labels must be a list.*got DataFrame"):
        graph.locate(pd.DataFrame({3: [1, 2], 1: [5, 6]}))
    with pytest.raises(ValueError, match="one dimension; got 2"):
        graph.locate(np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="1180591620717411303424 is not one"):
        graph.locate([2**70])


def test_self_loops_are_dropped_with_a_warning():
    with pytest.warns(UserWarning, match="4 self-loops"):
        graph = Graph.from_adjacency(PATH + np.eye(4))
    np.testing.assert_array_equal(graph.adjacency.toarray(), PATH)


def test_rounding_asymmetry_is_averaged():
    noisy = PATH.copy()
    noisy[0, 1] += 1e-13
    adjacency = Graph.from_adjacency(noisy).adjacency
    assert (adjacency != adjacency.T).nnz == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", "a", "a"], "distinct; 'a' is repeated"),
        (["a", "b", "c"], "one entry per node, 4; got 3"),
        (["a", "b", "c", None], "must not be missing"),
        (pd.MultiIndex.from_product([[0, 1], [0, 1]]), "MultiIndex of 2 levels"),
    ],
)
def test_unfit_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_adjacency(PATH, labels=labels)


def test_a_dataframe_brings_its_labels(path):
    frame = pd.DataFrame(PATH, index=list("abcd"), columns=list("abcd"))
    assert Graph.from_adjacency(frame) == path
    with pytest.raises(ValueError, match="rows and columns"):
        Graph.from_adjacency(frame[list("bacd")])


@pytest.mark.parametrize(
    "labels",
    [
        ["d", "a", "d"],
        np.array(["d", "a", "d"]),
        np.array(["d", "a", "d"], dtype=object),
        pd.Series(["d", "a", "d"], index=[7, 8, 9]),
        pd.Series(["d", "a", "d"], dtype="category"),
        pd.Series(["d", "a", "d"], dtype="string"),
    ],
)
def test_locate_takes_labels_in_any_container(path, labels):
    np.testing.assert_array_equal(path.locate(labels), [3, 0, 3])


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "category"])
def test_locate_takes_integers_of_any_width(dtype):
    graph = Graph.from_adjacency(PATH, labels=[10, 20, 30, 40])
    np.testing.assert_array_equal(graph.locate(pd.Series([40, 10]).astype(dtype)), [3, 0])


def test_an_unknown_label_is_named_with_near_ones():
    graph = Graph.from_adjacency(PATH, labels=["01001", "01003", "48001", "99999"])
    with pytest.raises(
        ValueError, match=r"'01002' is not one, nor are 1 others\. Near it.*'01001'"
    ):
        graph.locate(["01001", "01002", "xyz"])
    numbered = Graph.from_adjacency(PATH, labels=[10, 20, 30, 40])
    with pytest.raises(ValueError, match=r"29 is not one\. Near it: 30, 20, 40"):
        numbered.locate([29])


def test_labels_of_another_kind_are_refused_with_the_fix():
    graph = Graph.from_adjacency(PATH, labels=["01001", "01003", "48001", "99999"])
    with pytest.raises(ValueError, match=r"got integer \(such as 1001\).*zfill\(5\)"):
        graph.locate([1001])
    fixed = pd.Series([1001, 48001]).astype(str).str.zfill(5)
    np.testing.assert_array_equal(graph.locate(fixed), [0, 2])
    numbered = Graph.from_adjacency(PATH, labels=[1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"got string \(such as '1'\).*astype\('int64'\)"):
        numbered.locate(["1"])
    with pytest.raises(ValueError, match="got floating"):
        numbered.locate([1.0])


def test_a_missing_label_is_refused(path):
    with pytest.raises(ValueError, match="row 1 is missing"):
        path.locate(["a", None])


def test_edge_lengths_come_from_positions_else_hops(path):
    np.testing.assert_array_equal(path.edge_lengths.toarray(), PATH)
    placed = Graph(5 * PATH, positions=[[0, 0], [3, 4], [3, 5], [0, 5]])
    assert placed.edge_lengths[0, 1] == pytest.approx(5)
    assert placed.edge_lengths[2, 3] == pytest.approx(3)


def test_attributes_follow_labels_and_are_copies(path):
    frame = pd.DataFrame({"age": [4, 3, 2, 1]}, index=list("dcba"))
    graph = path.with_attributes(frame)
    assert graph.attributes["age"].tolist() == [1, 2, 3, 4]
    attributes = graph.attributes
    attributes["age"] = 0
    assert graph.attributes["age"].tolist() == [1, 2, 3, 4]
    assert graph.digest == path.digest
    with pytest.raises(ValueError, match="node 'd' has no row"):
        path.with_attributes(frame.iloc[1:])
    with pytest.raises(ValueError, match="unknown nodes: 'e'"):
        path.with_attributes(pd.concat([frame, frame[:1].rename({"d": "e"})]))
    with pytest.raises(ValueError, match="repeats 'd'"):
        path.with_attributes(pd.concat([frame, frame[:1]]))


def test_lengths_and_areas_may_be_given(path):
    graph = Graph(PATH, edge_lengths=3 * PATH, node_areas=[1, 2, 3, 4], labels=list("abcd"))
    assert graph.edge_lengths[1, 2] == 3
    assert graph.node_areas.tolist() == [1, 2, 3, 4]
    kept = graph.with_attributes(pd.DataFrame({"x": range(4)}, index=list("abcd")))
    assert kept.digest == graph.digest
    with pytest.raises(ValueError, match="0 lengths for 3 edges"):
        Graph(PATH, edge_lengths=0 * PATH)
    with pytest.raises(ValueError, match="node_areas must be 4 finite"):
        Graph(PATH, node_areas=[1, -1, 1, 1])


def test_faces_need_positions_and_rows_must_match():
    with pytest.raises(ValueError, match="faces need positions"):
        Graph(PATH, faces=[[0, 1, 2]])
    with pytest.raises(ValueError, match="positions must have one row per node, 4; got 3"):
        Graph(PATH, positions=np.zeros((3, 2)))


def test_components_are_numbered_by_size():
    parts = nx.disjoint_union_all([nx.path_graph(size) for size in (1, 2, 5, 2)])
    graph = Graph.from_networkx(parts)
    np.testing.assert_array_equal(graph.components, [3, 1, 1, 0, 0, 0, 0, 0, 2, 2])


def test_labels_can_be_looked_up(path):
    with pytest.raises(TypeError, match=r"labels must hold words.*got \[1\] of type list in row 1"):
        Graph.from_adjacency(path.adjacency, labels=[0, [1], *range(2, path.n_nodes)])
    numbers = Graph.from_adjacency(np.ones((2, 2)) - np.eye(2), labels=[1, 2])
    with pytest.raises(ValueError, match=r"nodes of the graph; \(1, 2\) is not one"):
        numbers.locate([(1, 2)])
    for wrong in (pd.Timestamp("2020"), "a"):
        with pytest.raises(ValueError, match=r"kind, integer .*Nothing is converted silently\.$"):
            numbers.locate([wrong])


def test_attributes_have_distinct_columns(path):
    twice = pd.DataFrame(np.zeros((path.n_nodes, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match="attributes must have distinct columns; 'a' is repeated"):
        Graph(path.adjacency, attributes=twice)


def test_a_subgraph_keeps_what_is_among_its_nodes():
    square = [[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    mesh = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]], labels=list("abcd"))
    mesh = mesh.with_attributes(pd.DataFrame({"size": range(4)}, index=list("abcd")))
    part = mesh.subgraph(["c", "a", "b"])
    assert repr(part) == "<Graph: 3 nodes, 3 edges, 1 component, from part of a mesh of 2 faces>"
    assert list(part.labels) == ["c", "a", "b"]
    np.testing.assert_array_equal(part.faces, [[1, 2, 0]])
    np.testing.assert_array_equal(part.positions, np.array(square)[[2, 0, 1]])
    np.testing.assert_allclose(part.node_areas, 1 / 6)
    assert part.attributes.loc["c", "size"] == 2
    assert part.subgraph(["c", "a"]).faces is None
    assert part.subgraph(["c", "a"]).edge_lengths[0, 1] == pytest.approx(2**0.5)
    lengths = 7.0 * mesh.adjacency
    given = Graph(mesh.adjacency, edge_lengths=lengths, node_areas=[1, 2, 3, 4]).subgraph([3, 0])
    assert given.edge_lengths[0, 1] == 7
    np.testing.assert_array_equal(given.node_areas, [4, 1])
    for labels, message in (
        ([], "at least one node"),
        (["a", "a"], "distinct"),
        (["z"], "'z' is not one"),
    ):
        with pytest.raises(ValueError, match=message):
            mesh.subgraph(labels)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_lengths_between_positions_of_any_unit(path, scale):
    positions = scale * np.arange(path.n_nodes)[:, None]
    lengths = Graph(path.adjacency, positions=positions).edge_lengths
    np.testing.assert_allclose(lengths.data, scale, rtol=1e-12)
