import contextlib
import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skginr import Graph, GraphBlockKFold, GraphSmoother


def mainland(n=900):
    """A planar neighbour graph with three islands, one of a single node."""
    rng = np.random.default_rng(0)
    points = rng.random((n, 2))
    graph = nx.from_scipy_sparse_array(Graph.from_points(points, n_neighbors=6).adjacency)
    islands = [nx.path_graph(7), nx.path_graph(3), nx.empty_graph(1)]
    return Graph.from_networkx(nx.disjoint_union_all([graph, *islands]))


GRAPHS = {
    "mainland": mainland,
    "path": lambda: Graph.from_networkx(nx.path_graph(331)),
    "grid": lambda: Graph.from_adjacency(nx.to_scipy_sparse_array(nx.grid_2d_graph(25, 17))),
    "star": lambda: Graph.from_networkx(nx.star_graph(400)),
    "scale free": lambda: Graph.from_networkx(nx.barabasi_albert_graph(600, 4, seed=0)),
    "dust": lambda: Graph.from_adjacency(np.zeros((57, 57))),
    "two halves": lambda: Graph.from_networkx(
        nx.disjoint_union(nx.cycle_graph(120), nx.cycle_graph(150))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("n_splits", [2, 5])
@pytest.mark.parametrize("blocks_per_fold", [1, 4])
def test_folds_part_the_nodes_evenly(name, n_splits, blocks_per_fold):
    graph = GRAPHS[name]()
    X = graph.labels.to_frame()
    folds = GraphBlockKFold(n_splits, graph=graph, blocks_per_fold=blocks_per_fold)
    single = pytest.warns(UserWarning, match="57 of 57 nodes that X names have no edge")
    with single if name == "dust" else contextlib.nullcontext():
        parts = [(train, test) for train, test in folds.split(X)]
    assert len(parts) == folds.get_n_splits() == n_splits
    tests = np.concatenate([test for _, test in parts])
    np.testing.assert_array_equal(np.sort(tests), np.arange(graph.n_nodes))
    for train, test in parts:
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(graph.n_nodes))
    sizes = np.array([len(test) for _, test in parts])
    # Within 10%, or a node where that is more.
    assert sizes.max() - sizes.min() <= max(0.1 * sizes.mean(), 1)


@pytest.mark.parametrize("name", ["mainland", "grid", "path"])
def test_folds_are_made_of_a_few_large_blocks(name):
    graph = GRAPHS[name]()
    network = nx.from_scipy_sparse_array(graph.adjacency)
    for _, test in GraphBlockKFold(5, graph=graph, blocks_per_fold=2).split(
        graph.labels.to_frame()
    ):
        blocks = sorted(nx.connected_components(network.subgraph(test)), key=len)
        # Two blocks, islands, and what evening out cut off.
        assert len(blocks) <= 8
        assert len(blocks[-1]) >= 0.3 * len(test)


def test_neighbours_share_a_fold():
    graph = mainland()
    fold = np.empty(graph.n_nodes, dtype=int)
    for i, (_, test) in enumerate(GraphBlockKFold(5, graph=graph).split(graph.labels.to_frame())):
        fold[test] = i
    rows, columns = graph.adjacency.nonzero()
    assert (fold[rows] == fold[columns]).mean() > 0.8


def test_islands_are_kept_whole():
    graph = mainland()
    for _, test in GraphBlockKFold(5, graph=graph).split(graph.labels.to_frame()):
        for island in (range(900, 907), range(907, 910), [910]):
            assert len(np.intersect1d(test, island)) in (0, len(island))


def test_rows_of_a_node_stay_together_and_are_what_is_evened_out(grid):
    # Half of the nodes are not observed, and some are observed often.
    rng = np.random.default_rng(0)
    counts = np.where(np.arange(108) < 54, 0, rng.integers(1, 6, 108))
    table = pd.DataFrame({"time": rng.random(counts.sum()), "node": np.repeat(grid.labels, counts)})
    table = table.sample(frac=1, random_state=0)
    sizes = []
    for train, test in GraphBlockKFold(4, graph=grid, node="node").split(table):
        assert not set(table["node"].iloc[train]) & set(table["node"].iloc[test])
        sizes.append(len(test))
    assert max(sizes) - min(sizes) <= 0.1 * np.mean(sizes) + counts.max()


def test_the_column_is_a_position_or_a_name(grid):
    table = pd.DataFrame({"time": range(108), "node": grid.labels})
    by_name = list(GraphBlockKFold(3, graph=grid, node="node").split(table))
    by_position = list(GraphBlockKFold(3, graph=grid, node=np.int64(1)).split(table))
    array = list(GraphBlockKFold(3, graph=grid, node=1).split(table.to_numpy(dtype=object)))
    for a, b, c in zip(by_name, by_position, array, strict=True):
        np.testing.assert_array_equal(a[1], b[1])
        np.testing.assert_array_equal(a[1], c[1])


@pytest.mark.parametrize("buffer", [1, 2, 3])
def test_a_buffer_keeps_training_nodes_at_a_distance(grid, buffer):
    network = nx.from_scipy_sparse_array(grid.adjacency)
    folds = GraphBlockKFold(4, graph=grid, blocks_per_fold=1, buffer=buffer)
    for train, test in folds.split(grid.labels.to_frame()):
        hops = nx.multi_source_dijkstra_path_length(network, set(test), weight=None)
        assert min(hops[node] for node in train) == buffer + 1
        left_out = np.setdiff1d(np.arange(108), np.r_[train, test])
        assert max(hops[node] for node in left_out) == buffer


@pytest.mark.parametrize("seed", range(60))
def test_no_fold_is_empty_where_few_nodes_are_observed(seed):
    rng = np.random.default_rng(seed)
    path = Graph.from_networkx(nx.path_graph(60))
    named = rng.choice(20, rng.integers(3, 9), replace=False)
    rows = np.concatenate([named, rng.choice(named, rng.integers(0, 12))])[:, None]
    n_splits = int(rng.integers(2, len(named) + 1))
    sizes = [len(test) for _, test in GraphBlockKFold(n_splits, graph=path).split(rows)]
    assert sum(sizes) == len(rows)
    assert min(sizes) > 0


def test_splits_are_deterministic_and_the_graph_is_not_copied(grid):
    X = grid.labels.to_frame()
    folds = GraphBlockKFold(3, graph=grid)
    loaded = pickle.loads(pickle.dumps(folds))
    for a, b in zip(folds.split(X), loaded.split(X), strict=True):
        np.testing.assert_array_equal(a[1], b[1])
    search = clone(GridSearchCV(GraphSmoother(graph=grid), {"alpha": [1.0]}, cv=folds))
    assert search.cv.graph is grid
    assert "graph=<Graph: 108 nodes" in repr(folds)


def test_it_drives_a_search_and_random_folds_flatter(grid):
    rng = np.random.default_rng(1)
    X = grid.labels.to_frame()
    # A rough field: smooth over a hop or two, unknown beyond.
    L = np.diag(np.asarray(grid.adjacency.sum(axis=1)).ravel()) - grid.adjacency.toarray()
    y = np.linalg.solve(L + 0.05 * np.eye(108), rng.standard_normal(108))
    model = GraphSmoother(graph=grid, alpha=0.1)
    blocked = cross_val_score(model, X, y, cv=GraphBlockKFold(5, graph=grid, blocks_per_fold=1))
    random = cross_val_score(model, X, y, cv=5)
    assert len(blocked) == 5
    assert random.mean() > blocked.mean() + 0.1


@pytest.mark.parametrize(
    ("arguments", "X", "error", "message"),
    [
        ({"n_splits": 1}, None, ValueError, "n_splits must be at least 2"),
        ({"buffer": -1}, None, ValueError, "buffer must be at least 0"),
        ({"blocks_per_fold": 0}, None, ValueError, "blocks_per_fold must be at least 1"),
        ({"node": "knot"}, {"node": ["n000"]}, ValueError, "node='knot' is not a column of X"),
        ({"node": 3}, {"node": ["n000"]}, ValueError, "node=3 is not a column of X"),
        ({}, {"node": ["n000", "n001"]}, ValueError, "needs rows of as many nodes; X names 2"),
        ({}, {"node": ["zzz"]}, ValueError, "'zzz' is not one"),
        ({"buffer": 99}, {"node": [f"n{i:03d}" for i in range(9)]}, ValueError, "leaves no rows"),
    ],
)  # fmt: skip
def test_unfit_arguments_are_refused(grid, arguments, X, error, message):
    with pytest.raises(error, match=message):
        list(GraphBlockKFold(**({"n_splits": 5, "graph": grid} | arguments)).split(pd.DataFrame(X)))


def test_the_graph_must_be_one():
    with pytest.raises(TypeError, match="Graph.from_networkx"):
        GraphBlockKFold(graph=nx.path_graph(4))


def test_what_is_no_table_is_refused(grid):
    folds = GraphBlockKFold(2, graph=grid)
    for X, error, message in (
        (None, ValueError, "NoneType with 0 dimension"),
        (grid.adjacency, TypeError, "sparse matrix"),
        ([[1], [2, 3]], ValueError, "rows of one length"),
        (np.random.default_rng(0).random((108, 2)), ValueError, "the column node=0 of X"),
    ):
        with pytest.raises(error, match=message):
            list(folds.split(X))


def test_other_seeds_cut_other_blocks_as_large(grid):
    X = grid.labels.to_frame()
    cuts = [
        [test for _, test in GraphBlockKFold(4, graph=grid, random_state=seed).split(X)]
        for seed in (None, 0, 0, 1)
    ]
    for folds in cuts:
        assert sorted(np.concatenate(folds)) == list(range(108))
        assert max(map(len, folds)) - min(map(len, folds)) <= 3
    as_sets = [{frozenset(fold) for fold in folds} for folds in cuts]
    assert as_sets[1] == as_sets[2]
    assert as_sets[0] != as_sets[1] != as_sets[3]


@pytest.mark.parametrize("seed", ["a", 1.5, -1, np.random.default_rng(0)])
def test_seeds_that_are_none_are_refused_at_once(grid, seed):
    with pytest.raises(ValueError, match="random_state must be None, an int of 0 to"):
        GraphBlockKFold(4, graph=grid, random_state=seed)
