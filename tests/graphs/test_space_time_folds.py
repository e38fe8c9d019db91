import pickle
import time as clock

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score

from skginr import Graph, GraphSmoother, SpaceTimeKFold, load, save

WAYS = ["entries", "runs", "nodes", "times", "blocks"]


def records(grid, n_times=120, share=0.7, freq="h"):
    """Of the nodes of a graph, with gaps and some rows twice, in no order."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=n_times, freq=freq)
    table = pd.DataFrame({"node": np.repeat(grid.labels, n_times), "hour": [*hours] * grid.n_nodes})
    table = table[rng.random(len(table)) < share]
    return pd.concat([table, table.sample(50, random_state=0)]).sample(frac=1, random_state=1)


def folds_of(folds, table):
    """The fold of every row; each row is held out once, and trains everywhere else."""
    fold = np.full(len(table), -1)
    for i, (train, test) in enumerate(folds.split(table)):
        assert (fold[test] == -1).all()
        fold[test] = i
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(table)))
    assert set(fold) == set(range(folds.n_splits))
    return fold


def n_folds_of(table, of):
    return {len(set(folds)) for _, folds in table.groupby(of)["fold"]}


@pytest.mark.parametrize("hold_out", WAYS)
@pytest.mark.parametrize("n_splits", [2, 5])
def test_folds_part_the_rows_evenly_whatever_their_order(grid, hold_out, n_splits):
    table = records(grid)
    folds = SpaceTimeKFold(n_splits, hold_out=hold_out, graph=grid)
    fold = folds_of(folds, table)
    assert folds.get_n_splits() == n_splits
    sizes = np.bincount(fold)
    # A run of all nodes, or a node, is the most that cannot be parted.
    assert np.ptp(sizes) <= 0.05 * len(table)
    table["fold"] = fold
    assert n_folds_of(table, ["node", "hour"]) == {1}
    again = table.sort_values(["hour", "node"])
    np.testing.assert_array_equal(folds_of(folds, again[["node", "hour"]]), again["fold"])


def gaps_of(record):
    """Lengths of what is held out at a place: from the last row before to the first after."""
    record = record.groupby("hour", as_index=False)["fold"].first()
    change = record["fold"].ne(record["fold"].shift()).cumsum()
    runs = record.groupby(change)["hour"].agg(["min", "max"])
    return (runs["max"] - runs["min"]) / pd.Timedelta("1h") + 1


@pytest.mark.parametrize("length", [None, "12h", "1D", pd.Timedelta("5h")])
@pytest.mark.parametrize("hold_out", ["runs", "times", "blocks"])
def test_runs_are_as_long_as_they_should_be(grid, hold_out, length):
    table = records(grid, share=1.0)
    folds = SpaceTimeKFold(4, hold_out=hold_out, graph=grid, length=length)
    table["fold"] = folds_of(folds, table)
    hours = 12 if length is None else pd.Timedelta(length) / pd.Timedelta("1h")
    for _, record in table.groupby("node"):
        gaps = gaps_of(record)
        assert gaps.max() == hours
        # All but the first and the last are whole.
        assert (gaps[1:-1] == hours).all()


def test_each_node_pauses_at_its_own_times_and_in_every_fold(grid):
    table = records(grid, n_times=24 * 35, share=1.0)
    table["fold"] = folds_of(SpaceTimeKFold(7, length="1D", time="hour"), table)
    starts = table.groupby("node")["hour"].min()
    assert len(starts) == 108
    begins = {
        gaps_of(record).iloc[0] for _, record in table[table["node"] < "n050"].groupby("node")
    }
    assert len(begins) > 10
    # No fold takes all the Mondays of a node.
    days = table.groupby(["node", "fold"])["hour"].agg(lambda hours: len(set(hours.dt.day_of_week)))
    assert days.mean() > 3


def test_whole_nodes_and_whole_times(grid):
    table = records(grid)
    table["fold"] = folds_of(SpaceTimeKFold(hold_out="nodes"), table)
    assert n_folds_of(table, "node") == {1}
    table["fold"] = folds_of(SpaceTimeKFold(hold_out="times"), table[["node", "hour"]])
    assert n_folds_of(table, "hour") == {1}
    # Other regions of time in between.
    assert table.groupby("hour")["fold"].first().diff().ne(0).sum() == 10


def test_blocks_are_connected_regions_in_a_run_of_time(grid):
    table = records(grid, share=1.0)
    table["fold"] = folds_of(SpaceTimeKFold(3, hold_out="blocks", graph=grid, length="1D"), table)
    network = nx.from_scipy_sparse_array(grid.adjacency)
    places = pd.Series(range(108), index=grid.labels)
    wide = table.pivot_table(index="node", columns="hour", values="fold")
    # Nodes that are in one fold at all times are a region.
    regions = wide.groupby(list(wide.columns)).groups.values()
    assert len(regions) == 12
    assert max(map(len, regions)) > 9
    for nodes in regions:
        assert nx.is_connected(network.subgraph(places[nodes]))


def test_single_entries_are_random(grid):
    table = records(grid).drop_duplicates()
    cuts = [
        folds_of(SpaceTimeKFold(hold_out="entries", random_state=seed), table)
        for seed in (None, 0, 1, 1)
    ]
    np.testing.assert_array_equal(cuts[0], cuts[1])
    np.testing.assert_array_equal(cuts[2], cuts[3])
    assert (cuts[0] == cuts[2]).mean() < 0.25
    assert np.ptp(np.bincount(cuts[0])) <= 1


def test_times_may_be_numbers_and_months(grid):
    numbers = pd.DataFrame({"node": np.repeat(["a", "b"], 60), "step": [*(np.arange(60) / 10)] * 2})
    fold = folds_of(SpaceTimeKFold(hold_out="times", length=1.2), numbers)
    np.testing.assert_array_equal(np.bincount(fold), 24)
    months = records(grid, n_times=60, share=1.0, freq="MS")
    months["fold"] = folds_of(SpaceTimeKFold(hold_out="times", length="year"), months)
    assert n_folds_of(months, months["hour"].dt.year) == {1}
    zone = months["hour"].dt.tz_localize("Europe/Berlin")
    np.testing.assert_array_equal(
        folds_of(SpaceTimeKFold(hold_out="times", length="year"), months.assign(hour=zone)[
            ["node", "hour"]
        ]),
        months["fold"],
    )  # fmt: skip


def test_columns_are_found_or_said(grid):
    table = records(grid)
    fold = folds_of(SpaceTimeKFold(graph=grid), table)
    for other in (
        table[["hour", "node"]],
        table.assign(wind=1.5)[["wind", "hour", "node"]],
        table.assign(wind=1.5)[["node", "wind", "hour"]],
    ):
        found = SpaceTimeKFold(graph=grid, node="node").split(other)
        np.testing.assert_array_equal(next(found)[1], np.flatnonzero(fold == 0))
    # Without a graph nodes are in the order of their labels.
    swapped = folds_of(SpaceTimeKFold(), table[["hour", "node"]])
    np.testing.assert_array_equal(folds_of(SpaceTimeKFold(), table), swapped)
    array = table.to_numpy(dtype=object)
    np.testing.assert_array_equal(folds_of(SpaceTimeKFold(node=0, time=1), array), swapped)
    np.testing.assert_array_equal(folds_of(SpaceTimeKFold(graph=grid), array), fold)
    array = np.column_stack([np.repeat(np.arange(9), 20), np.tile(np.arange(20) / 2, 9)])
    ring = Graph.from_networkx(nx.cycle_graph(9))
    np.testing.assert_array_equal(
        folds_of(SpaceTimeKFold(graph=ring), array), folds_of(SpaceTimeKFold(), array)
    )
    # Numbers that could be labels too.
    whole = np.column_stack([np.tile(np.arange(9), 9), np.repeat(np.arange(9), 9)])
    with pytest.raises(ValueError, match="needs node= to tell"):
        next(SpaceTimeKFold(graph=ring).split(whole))
    np.testing.assert_array_equal(
        folds_of(SpaceTimeKFold(graph=ring, time=0), whole),
        folds_of(SpaceTimeKFold(graph=ring, node=1), whole),
    )


def test_it_drives_a_search_and_is_not_copied(grid, tmp_path):
    table = records(grid, n_times=20).sort_values(["hour", "node"])
    y = np.random.default_rng(0).standard_normal(len(table))
    folds = SpaceTimeKFold(3, hold_out="blocks", graph=grid, node="node", length="4h")
    scores = cross_val_score(DummyRegressor(), table, y, cv=folds)
    by_hand = [
        DummyRegressor().fit(table.iloc[train], y[train]).score(table.iloc[test], y[test])
        for train, test in folds.split(table)
    ]
    np.testing.assert_allclose(scores, by_hand)
    search = GridSearchCV(GraphSmoother(graph=grid, node="node"), {"alpha": [1.0]}, cv=folds)
    assert clone(search).cv.graph is grid
    assert repr(folds).startswith("SpaceTimeKFold(graph=<Graph: 108 nodes")
    fold = folds_of(folds, table)
    np.testing.assert_array_equal(folds_of(pickle.loads(pickle.dumps(folds)), table), fold)
    save(clone(search), tmp_path / "search.skginr")
    np.testing.assert_array_equal(folds_of(load(tmp_path / "search.skginr").cv, table), fold)


@pytest.mark.parametrize("hold_out", WAYS)
def test_a_million_rows_take_seconds(hold_out):
    n_nodes, n_times = 200, 5000
    ring = Graph.from_networkx(nx.cycle_graph(n_nodes))
    hours = pd.date_range("2024-01-01", periods=n_times, freq="5min")
    table = pd.DataFrame({
        "node": np.repeat(np.arange(n_nodes), n_times), "time": np.tile(hours, n_nodes)
    })  # fmt: skip
    start = clock.perf_counter()
    sizes = [len(test) for _, test in SpaceTimeKFold(hold_out=hold_out, graph=ring).split(table)]
    assert clock.perf_counter() - start < 20
    assert sum(sizes) == n_nodes * n_times
    assert np.ptp(sizes) <= 0.05 * np.mean(sizes)


TABLE = pd.DataFrame({
    "node": ["n000", "n001", "n002"] * 6, "hour": np.repeat(pd.date_range("2024", periods=6), 3)
})  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "table", "error", "message"),
    [
        ({"n_splits": 1}, TABLE, ValueError, "n_splits must be at least 2"),
        ({"hold_out": "weeks"}, TABLE, ValueError, "hold_out must be one of 'entries', 'runs'"),
        ({"hold_out": "blocks", "graph": None}, TABLE, TypeError, "graph must be a skginr.Graph"),
        ({"hold_out": "nodes", "length": 3}, TABLE, ValueError, "length is of runs"),
        ({"random_state": "a"}, TABLE, ValueError, "random_state must be None"),
        ({"hold_out": "nodes"}, TABLE, ValueError, "n_splits=5 needs as many nodes; X has 3"),
        ({"length": "day"}, TABLE[:3], ValueError, "needs several times; X has one, 2024-01-01"),
        ({"hold_out": "times", "length": "3D"}, TABLE, ValueError, "X has 2. Lower length"),
        ({"length": 3}, TABLE, TypeError, "length must be a length of time"),
        ({"length": "0D"}, TABLE, ValueError, "length must be a positive"),
        ({"time": "when"}, TABLE, ValueError, "time='when' is not a column of X"),
        ({"node": "knot"}, TABLE, ValueError, "node='knot' is not a column of X"),
        ({"node": "node", "time": "node"}, TABLE, ValueError, "and another that holds the times"),
        ({}, TABLE[["node"]], ValueError, "needs time= to tell"),
        ({}, TABLE.assign(end=TABLE["hour"]), ValueError, "needs time= to tell"),
        ({}, TABLE.replace("n002", "zzz"), ValueError, "'zzz' is not one"),
        ({}, TABLE.assign(hour=TABLE["hour"].where(TABLE.index > 3)), ValueError, "4 have none"),
        ({}, TABLE.assign(hour="noon"), TypeError, "the column time='hour' of X must hold times"),
        ({"graph": None}, TABLE.replace("n002", None), ValueError, "row 2 has none"),
        ({"graph": None}, TABLE[["node"]], ValueError, "SpaceTimeKFold needs"),
        ({}, TABLE["node"], ValueError, "Series with 1 dimension"),
    ],
)
def test_unfit_arguments_and_tables_are_refused(grid, arguments, table, error, message):
    with pytest.raises(error, match=message):
        list(SpaceTimeKFold(**({"graph": grid} | arguments)).split(table))
