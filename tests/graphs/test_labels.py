"""Labels are compared as they are, whatever type holds them, and no index is ignored."""

import re

import numpy as np
import pandas as pd
import pytest

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    MultiGraphEmbedder,
    SpectralEmbedder,
    align,
)

PATH = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)
# H3, S2 and cadastral ids are as large: as floats all four are one.
LARGE = 2**60 + np.arange(4)
WHOLE = ["int64", "uint64", "Int64", "UInt64", "object", "int64[pyarrow]", "uint64[pyarrow]"]


def typed(values, dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    return pd.Series(values).astype(dtype)


@pytest.mark.parametrize("kept", WHOLE)
@pytest.mark.parametrize("asked", WHOLE)
def test_large_ids_are_found_exactly(kept, asked):
    graph = Graph.from_adjacency(PATH, labels=typed(LARGE, kept))
    np.testing.assert_array_equal(graph.locate(typed(LARGE[[2, 0, 3]], asked)), [2, 0, 3])
    with pytest.raises(ValueError, match=f"{2**60 + 7} is not one"):
        graph.locate(typed([2**60 + 7], asked))


@pytest.mark.parametrize("source", WHOLE)
@pytest.mark.parametrize("target", WHOLE)
def test_edges_between_large_ids_of_two_types(source, target):
    frame = pd.DataFrame({"s": typed(LARGE[:-1], source), "t": typed(LARGE[1:], target)})
    graph = Graph.from_edges(frame, "s", "t")
    assert graph.labels.tolist() == LARGE.tolist()
    np.testing.assert_array_equal(graph.adjacency.toarray(), PATH)


def test_whole_numbers_beyond_those_with_a_sign():
    largest = np.array([2**64 - 1, 2**63, 2**63 - 1, 0], dtype="uint64")
    graph = Graph.from_adjacency(PATH, labels=largest)
    np.testing.assert_array_equal(graph.locate([2**63 - 1]), [2])
    np.testing.assert_array_equal(graph.locate(pd.Series([0, 2**63 - 1], dtype="Int64")), [3, 2])
    # What 2**64 - 1 would be with a sign.
    with pytest.raises(ValueError, match="-1 is not one"):
        graph.locate([-1])
    signed = Graph.from_adjacency(PATH, labels=[-1, 0, 1, 2])
    with pytest.raises(ValueError, match=f"{2**64 - 1} is not one"):
        signed.locate(largest[:1])
    frame = pd.DataFrame({"s": [-1, -1], "t": largest[:2]})
    edges = Graph.from_edges(frame, "s", "t")
    assert edges.labels.tolist() == [-1, 2**63, 2**64 - 1]
    assert edges.n_edges == 2


@pytest.mark.parametrize("dtype", WHOLE)
def test_large_ids_meet_in_every_table(dtype):
    ids = 2**60 + np.arange(30)
    path = np.diag(np.ones(29), 1)
    graph = Graph.from_adjacency(path + path.T, labels=ids)
    other = Graph.from_adjacency(path + path.T, labels=typed(ids[::-1], dtype))
    table = pd.DataFrame({"cell": typed(ids, dtype)})
    # Attributes.
    frame = pd.DataFrame({"place": np.arange(30)}, index=typed(ids, dtype)).iloc[::-1]
    assert graph.with_attributes(frame).attributes["place"].tolist() == list(range(30))
    assert Graph(path + path.T, labels=ids, attributes=frame).attributes["place"][ids[7]] == 7
    # Folds: each node is held out once.
    tests = [test for _, test in GraphBlockKFold(3, graph=graph).split(table)]
    assert sorted(np.concatenate(tests)) == list(range(30))
    # Extending: old nodes keep their places.
    embedder = SpectralEmbedder(3, graph=graph).fit(table)
    longer = np.diag(np.ones(30), 1)
    grown = Graph.from_adjacency(longer + longer.T, labels=typed(2**60 + np.arange(31), dtype))
    np.testing.assert_array_equal(embedder.extend(grown).transform(table), embedder.embedding_)
    # Alignment: the same path from its other end, so that odd coordinates turn over.
    turned = align(embedder, SpectralEmbedder(3, graph=other).fit(table))
    np.testing.assert_allclose(np.abs(turned.matrix), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(
        turned.transform(SpectralEmbedder(3, graph=other).fit_transform(table)),
        embedder.embedding_,
        atol=1e-6,
    )
    # Names of graphs, and labels in them.
    several = MultiGraphEmbedder(
        {2**60: graph, 2**60 + 1: other}, SpectralEmbedder(2, component_features=False)
    )
    rows = pd.DataFrame({"map": typed([2**60, 2**60 + 1], dtype), "cell": table["cell"][:2]})
    first, last = several.fit_transform(rows)
    np.testing.assert_allclose(first, embedder.embedding_[0, :2])
    np.testing.assert_allclose(np.abs(last), np.abs(embedder.embedding_[1, :2]))
    with pytest.raises(ValueError, match=r"X\['map'\] must name a graph"):
        several.transform(rows.assign(map=typed([2**60, 2**60 + 7], dtype)))


def test_ids_that_were_rounded_as_floats_are_refused():
    graph = Graph.from_adjacency(PATH, labels=LARGE)
    with pytest.raises(ValueError, match=r"got floating.*silently\. As floats, numbers.*rounded"):
        graph.locate(LARGE.astype(float))
    # In an array beside covariates labels may be floats, as long as they are exact.
    smoother = GraphSmoother(graph=graph, alpha=1.0)
    with pytest.raises(ValueError, match="rounded"):
        smoother.fit(np.column_stack([LARGE.astype(float), [0.5, 1.5, 0.5, 1.5]]), np.arange(4.0))
    small = Graph.from_adjacency(PATH, labels=[5, 6, 7, 8])
    rows = np.column_stack([[5.0, 6, 7, 8], [0.5, 1.5, 0.5, 1.5]])
    assert GraphSmoother(graph=small, alpha=1.0).fit(rows, np.arange(4.0)).signal_[3] > 1


@pytest.mark.parametrize(
    "values",
    [pd.Categorical([0, None, 1]), pd.Series([0, None, 1], dtype="category"), [0, None, 1]],
    ids=["categorical", "series", "list"],
)
def test_what_is_missing_among_categories_is_named(values):
    with pytest.raises(ValueError, match="row 1 is missing, one of 1"):
        Graph.from_adjacency(PATH).locate(values)
    with pytest.raises(ValueError, match="labels must not be missing.*position 1"):
        Graph.from_adjacency(PATH[:3, :3], labels=values)


def test_categories_are_compared_by_value():
    graph = Graph.from_adjacency(PATH, labels=pd.Categorical([7, 5, 6, 4], categories=[4, 5, 6, 7]))
    np.testing.assert_array_equal(graph.locate(pd.Categorical([4, 7])), [3, 0])
    frame = pd.DataFrame({"s": pd.Categorical([1, None]), "t": [2, 3]})
    with pytest.raises(ValueError, match="without a 's' or 't' in row 1"):
        Graph.from_edges(frame, "s", "t")


@pytest.mark.parametrize("dtype", ["int64", "object", "uint8"])
def test_the_memory_of_labels_is_copied(dtype):
    memory = np.array([10, 20, 30, 40], dtype=dtype)
    frame = pd.DataFrame({"x": range(4)}, index=pd.Index(memory, copy=False))
    named = Graph.from_adjacency(PATH, labels=frame.index)
    placed = Graph.from_points(frame.assign(y=0.0), n_neighbors=1)
    memory[:] = memory[::-1].copy()
    for graph in (named, placed):
        assert graph.labels.tolist() == [10, 20, 30, 40]
        np.testing.assert_array_equal(graph.locate([10, 40]), [0, 3])


def test_the_memory_of_attributes_is_copied():
    memory = np.arange(4.0)[:, None]
    graph = Graph(PATH, attributes=pd.DataFrame(memory, columns=["x"], copy=False))
    memory[:] = 9
    assert graph.attributes["x"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "index",
    [
        list("dcba"),
        pd.Index(list("dcba"), dtype=object),
        pd.Index(list("dcba"), dtype="string"),
        pd.CategoricalIndex(list("dcba")),
    ],
    ids=["str", "object", "string", "category"],
)
def test_parts_of_a_graph_go_by_label(index):
    frame = pd.DataFrame({"x": [3.0, 2, 1, 0], "y": [0.0, 0, 0, 1]}, index=index)
    graph = Graph(
        PATH, labels=list("abcd"), attributes=frame, positions=frame, node_areas=frame["x"] + 1
    )
    assert graph.attributes["x"].tolist() == [0, 1, 2, 3]
    assert graph.attributes.index.tolist() == list("abcd")
    np.testing.assert_array_equal(graph.positions[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(graph.node_areas, [1, 2, 3, 4])


def test_parts_whose_index_counts_rows_are_in_order():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3]})
    graph = Graph(PATH, labels=list("abcd"), attributes=frame, positions=frame)
    assert graph.attributes["x"]["d"] == 3
    np.testing.assert_array_equal(graph.positions[:, 0], [0, 1, 2, 3])


def test_an_index_that_says_nothing_is_refused_with_ways_out():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3]}, index=[4, 5, 6, 9])
    with pytest.raises(ValueError, match=r"labels are string.*attributes.set_axis\(graph.labels\)"):
        Graph(PATH, labels=list("abcd"), attributes=frame)
    labels = pd.Index(list("abcd"))
    ordered = Graph(PATH, labels=labels, attributes=frame.set_axis(labels))
    assert ordered.attributes["x"]["d"] == 3
    # Words of digits for numbers.
    words = frame.set_axis(["9", "6", "5", "4"])
    with pytest.raises(
        ValueError, match=r"attributes.index = attributes.index.astype\('int64'\) makes it"
    ):
        Graph(PATH, labels=[4, 5, 6, 9], attributes=words)
    words.index = words.index.astype("int64")
    assert Graph(PATH, labels=[4, 5, 6, 9], attributes=words).attributes["x"][4] == 3
    with pytest.raises(ValueError, match="its index repeats 4"):
        Graph(PATH, labels=[4, 5, 6, 9], attributes=frame.set_axis([4, 4, 6, 9]))
    with pytest.raises(ValueError, match="its index has none for 7, one of 1"):
        Graph(PATH, labels=[4, 5, 6, 7], attributes=frame)


def test_a_count_of_rows_that_may_be_labels_is_asked_about():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3]})
    labels = pd.Index([3, 1, 0, 2])
    with pytest.raises(ValueError, match=r"set_axis\(graph.labels\); if.*attributes.loc\[graph"):
        Graph(PATH, labels=labels, attributes=frame)
    in_order = Graph(PATH, labels=labels, attributes=frame.set_axis(labels))
    by_label = Graph(PATH, labels=labels, attributes=frame.loc[labels])
    assert in_order.attributes["x"].tolist() == [0, 1, 2, 3]
    assert by_label.attributes["x"].tolist() == [3, 1, 0, 2]


def test_attributes_of_another_kind_are_told_from_missing_ones():
    graph = Graph.from_adjacency(PATH, labels=["01", "02", "03", "04"])
    frame = pd.DataFrame({"x": [4, 3, 2, 1]}, index=[4, 3, 2, 1])
    with pytest.raises(
        ValueError, match=r"index holds integer.*frame.index.astype\(str\).str.zfill\(2\) makes"
    ):
        graph.with_attributes(frame)
    frame.index = frame.index.astype(str).str.zfill(2)
    assert graph.with_attributes(frame).attributes["x"].tolist() == [1, 2, 3, 4]
    more = pd.concat([frame, frame[:1].set_axis(["05"])])
    with pytest.raises(ValueError, match=r"unknown nodes: '05'.*frame.loc\[graph.labels\]"):
        graph.with_attributes(more)
    assert graph.with_attributes(more.loc[graph.labels]).attributes["x"].tolist() == [1, 2, 3, 4]


def test_tuples_are_labels_in_an_index_of_levels():
    labels = [(0, 0), (0, 1), (1, 0), (1, 1)]
    graph = Graph.from_adjacency(PATH, labels=labels)
    frame = pd.DataFrame({"x": range(4)}, index=pd.MultiIndex.from_tuples(labels[::-1]))
    assert graph.with_attributes(frame).attributes["x"].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "wanted", "code"),
    [
        (["1001", "1003", "9", "10"], [1001], ".astype(str)"),
        (["01", "02", "09", "10"], [1.0], ".astype('int64').astype(str).str.zfill(2)"),
        ([1001, 1003, 9, 10], ["1001"], ".astype('int64')"),
        ([1001, 1003, 9, 10], [1001.0], ".astype('int64')"),
        ([0.5, 1.0, 2.0, 3.0], [1], ".astype('float64')"),
    ],
)  # fmt: skip
def test_a_conversion_that_is_advised_finds_the_labels(labels, wanted, code):
    graph = Graph.from_adjacency(PATH, labels=labels)
    column = pd.Series(wanted)
    with pytest.raises(ValueError, match=re.escape(f"use {code} on the column")):
        graph.locate(column)
    assert len(graph.locate(eval(f"column{code}", {"column": column}))) == 1


def test_a_conversion_that_would_find_nothing_is_not_advised():
    for labels, wanted in (
        ([1, 2, 3, 4], [1.5]),
        (["a", "b", "c", "d"], [7]),
        ([1, 2, 3, 4], ["7"]),
    ):
        with pytest.raises(ValueError, match=r"converted silently\."):
            Graph.from_adjacency(PATH, labels=labels).locate(wanted)


def test_a_matrix_from_a_file_has_one_kind_of_names(tmp_path):
    frame = pd.DataFrame(PATH, index=[10, 20, 30, 40], columns=[10, 20, 30, 40])
    frame.to_csv(tmp_path / "adjacency.csv")
    adjacency = pd.read_csv(tmp_path / "adjacency.csv", index_col=0)
    with pytest.raises(ValueError, match=r"columns = adjacency.columns.astype\('int64'\)"):
        Graph.from_adjacency(adjacency)
    adjacency.columns = adjacency.columns.astype("int64")
    assert Graph.from_adjacency(adjacency).labels.tolist() == [10, 20, 30, 40]
    turned = adjacency[[40, 30, 20, 10]]
    with pytest.raises(ValueError, match=r"Use adjacency\[adjacency.index\]"):
        Graph.from_adjacency(turned)
    assert Graph.from_adjacency(turned[turned.index]) == Graph.from_adjacency(adjacency)
    part = adjacency.drop(columns=40)
    with pytest.raises(ValueError, match=r"40 is only in one.*reindex\(index=nodes"):
        Graph.from_adjacency(part)
    whole = part.drop(index=40)
    assert Graph.from_adjacency(whole).n_nodes == 3


@pytest.mark.parametrize("dtype", WHOLE)
def test_new_nodes_of_a_mesh_get_numbers_after_the_largest(dtype):
    square = [[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    mesh = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]], labels=typed(LARGE, dtype))
    fine, _ = mesh.refine()
    assert fine.labels.tolist() == (2**60 + np.arange(9)).tolist()
