import time
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphGaussianProcessRegressor,
    GraphSmoother,
    ResidualCorrector,
    SpaceTimeSmoother,
    SpatialGaussianProcessRegressor,
    ThinPlateSplineRegressor,
    default_smoothers,
)
from skginr.graphs._structural import structural_columns
from skginr.stacking._blend import shrunk_weights
from skginr.stacking._smoothers import out_of_folds, partitions

DUMMY = DummyRegressor()
BOOSTING = HistGradientBoostingRegressor(max_iter=50, max_leaf_nodes=8, random_state=0)


@pytest.fixture
def smoothers(grid):
    return [
        (f"order_{order}", GraphSmoother(graph=grid, order=order, alpha=0.3)) for order in (1, 2)
    ]


def test_no_prediction_moves_with_the_signal_held_out(grid, grid_table):
    """The leak test: every outer fold's signal is poisoned, and its predictions stay."""
    X, y = grid_table[["node"]], grid_table["signal"].to_numpy()
    model = CorrectedSmoother(graph=grid, corrector=ResidualCorrector(BOOSTING), cv=4)
    for train, test in KFold(3, shuffle=True, random_state=0).split(X):
        poisoned = y.copy()
        poisoned[test] = 1e6
        clean = clone(model).fit(X.iloc[train], y[train]).predict(X.iloc[test])
        whole = cross_val_predict(model, X, poisoned, cv=[(train, test), (test, train)])
        np.testing.assert_array_equal(whole[test], clean)


def test_no_column_of_the_corrector_has_seen_its_row(grid, grid_table, smoothers):
    X, y = grid_table[["node"]], grid_table["signal"].to_numpy()
    smoothers.append(("neighbours", CodesNeighbors()))
    parameters = {"smoothers": smoothers, "corrector": DummyRegressor(), "cv": 6}
    clean = CorrectedSmoother(graph=grid, **parameters).fit(X, y).out_of_fold_
    for _, test in KFold(6, shuffle=True, random_state=0).split(X):
        poisoned = y.copy()
        poisoned[test] += 1e3
        seen = CorrectedSmoother(graph=grid, **parameters).fit(X, poisoned).out_of_fold_
        np.testing.assert_allclose(seen.iloc[test], clean.iloc[test], atol=1e-5)
        assert (np.abs(seen - clean).drop(index=test).max() > 1).all()


class CodesNeighbors(KNeighborsRegressor):
    """A regressor from elsewhere, on the numbers of the labels."""

    def fit(self, X, y):
        return super().fit(X["node"].str[1:].astype(int).to_frame(), y)

    def predict(self, X):
        return super().predict(X["node"].str[1:].astype(int).to_frame())


def test_it_is_a_corrector_of_predictions_and_structure(grid, grid_table, smoothers):
    X, y = grid_table[["node"]], grid_table["signal"]
    corrector = ResidualCorrector(BOOSTING, n_prediction_columns=2)
    model = CorrectedSmoother(graph=grid, smoothers=smoothers, corrector=corrector).fit(X, y)
    structure = structural_columns(grid.adjacency)[grid.locate(X["node"])]
    by_hand = corrector.fit(np.hstack([model.out_of_fold_, structure]), y)
    predicted = np.column_stack([s.fit(X, y).predict(X) for _, s in smoothers])
    np.testing.assert_allclose(
        model.predict(X), by_hand.predict(np.hstack([predicted, structure])), atol=1e-9
    )
    for name, smoother in smoothers:
        split = cross_val_predict(smoother, X, y, cv=KFold(10, shuffle=True, random_state=0))
        np.testing.assert_allclose(model.out_of_fold_[name], split, atol=1e-5)
        assert model.scores_[name] == pytest.approx(r2_score(y, split), abs=1e-5)


def test_strengths_are_chosen_once(grid, grid_table, monkeypatch):
    chosen = []
    choose = GraphSmoother._choose
    monkeypatch.setattr(
        GraphSmoother, "_choose", lambda self, *a: chosen.append(self) or choose(self, *a)
    )
    smoothers = [(f"order_{order}", GraphSmoother(graph=grid, order=order)) for order in (1, 2)]
    CorrectedSmoother(graph=grid, smoothers=smoothers, corrector=DummyRegressor()).fit(
        grid_table[["node"]], grid_table["signal"]
    )
    assert len(chosen) == len(smoothers)


def test_blocks_choose_everything(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    blocks = GraphBlockKFold(3, graph=grid, blocks_per_fold=1)
    model = CorrectedSmoother(graph=grid, smoothers=None, cv=blocks, structural_features=False)
    model.set_params(corrector=None).fit(X, y)
    assert len(model.corrector_.regressors_) == 3
    # Regions of the size that was asked for, cut five times.
    cuts = partitions(blocks, X, y.to_numpy(), np.arange(len(X)), random_state=0)
    train, test = cuts[0][0]
    smoother = GraphSmoother(graph=grid, cv=[fold for cut in cuts for fold in cut]).fit(X, y)
    assert model.smoothers_["combinatorial_1"].alpha_ == smoother.alpha_
    columns = np.column_stack(
        [np.concatenate(out_of_folds(s, X, y.to_numpy(), cuts)) for s in model.smoothers_.values()]
    )
    expected = shrunk_weights(columns, np.tile(y, 5), 5)
    np.testing.assert_allclose(model.corrector_.blend_, expected, atol=1e-9)
    smoother = smoother.tuned_clone().fit(X.iloc[train], y.iloc[train])
    np.testing.assert_allclose(
        model.out_of_fold_["combinatorial_1"].iloc[test], smoother.predict(X.iloc[test]), atol=1e-5
    )


def test_regions_are_cut_in_different_ways(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"].to_numpy()
    blocks = GraphBlockKFold(4, graph=grid, random_state=0)
    parts = partitions(blocks, X, y, np.arange(108), random_state=0)
    assert len(parts) == len({frozenset(map(tuple, (t for _, t in part))) for part in parts}) == 5
    np.testing.assert_array_equal(parts[0][0][1], next(blocks.split(X))[1])
    for part in parts:
        assert sorted(np.concatenate([test for _, test in part])) == list(range(108))
    # A path has few ways to be cut in two, and single nodes are no regions.
    path = Graph.from_networkx(nx.path_graph(30))
    halves = GraphBlockKFold(2, graph=path, blocks_per_fold=1)
    nodes = np.arange(30)[:, None]
    assert 1 <= len(partitions(halves, nodes, nodes[:, 0], nodes[:, 0], None)) <= 5
    assert len(partitions(5, X, y, np.arange(108), random_state=0)) == 1


def test_a_corrector_behind_other_steps_blends_by_itself(grid, grid_table):
    """Weights of predictions are not those of what a scaler makes of them."""
    X, y = grid_table[["node"]], 0.01 * grid_table["signal"] + 1000
    inside = make_pipeline(StandardScaler(), ResidualCorrector(LinearRegression()))
    model = CorrectedSmoother(graph=grid, cv=GraphBlockKFold(4, graph=grid), corrector=inside)
    assert model.fit(X, y).score(X, y) > 0.9


def test_rows_in_one_plane_of_a_mesh_are_predicted_without_the_spline():
    """A box of which one side was observed."""
    side = np.array([(x, y, 0.0) for x in range(8) for y in range(8)])
    cells = [(8 * x + y, 8 * x + y + 1, 8 * (x + 1) + y) for x in range(7) for y in range(7)]
    cells += [(b, a + 9, c) for a, b, c in cells]
    vertices = np.vstack([side, [[3.5, 3.5, 5.0]]])
    mesh = Graph.from_mesh(vertices, [*cells, (0, 7, 64), (7, 63, 64)])
    X, y = np.arange(64)[:, None], np.sin(side[:, 0] / 2)
    model = CorrectedSmoother(graph=mesh, corrector=ResidualCorrector(LinearRegression()))
    assert "spline" not in model.fit(X[::2], y[::2]).smoothers_
    assert model.score(X[1::2], y[1::2]) > 0.8


def test_smoothers_that_predict_nothing_are_named(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]

    class Broken(DummyRegressor):
        def predict(self, X):
            return np.full(len(X), np.nan)

    broken = Broken()
    model = CorrectedSmoother(graph=grid, smoothers=[("broken", broken)])
    with pytest.raises(
        ValueError, match=r"smoothers\['broken'\] predicts values that are not finite"
    ):
        model.fit(X, y)


def test_what_is_said_holds_for_all_smoothers_together():
    """Places tell of what no edge leads to."""
    rng = np.random.default_rng(0)
    places = rng.random((80, 2))
    y = np.sin(4 * places[:, 0])
    lonely = Graph(np.zeros((80, 80)), positions=places)
    model = CorrectedSmoother(graph=lonely, corrector=ResidualCorrector(LinearRegression()))
    # Warnings are errors here.
    model.fit(np.arange(60)[:, None], y[:60])
    assert model.score(np.arange(60, 80)[:, None], y[60:]) > 0.95
    at_one_place = Graph(nx.to_scipy_sparse_array(nx.path_graph(8)), positions=np.ones((8, 2)))
    assert "space" not in dict(default_smoothers(at_one_place))


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 1e8 + 0.1])
def test_a_constant_is_predicted_as_it_is(grid, grid_table, value):
    X = grid_table[["node"]]
    model = CorrectedSmoother(graph=grid, corrector=ResidualCorrector(LinearRegression()))
    np.testing.assert_allclose(model.fit(X, np.full(108, value)).predict(X), value, rtol=1e-12)


def test_a_signal_of_places_is_predicted_from_places():
    """A field in space, on a graph whose edges know nothing of it."""
    rng = np.random.default_rng(0)
    places = rng.random((200, 2))
    graph = Graph(nx.to_scipy_sparse_array(nx.cycle_graph(200)), positions=places)
    X, y = np.arange(200)[:, None], np.sin(4 * places[:, 0]) + np.cos(5 * places[:, 1])
    train, test = train_test_split(np.arange(200), random_state=0)
    model = CorrectedSmoother(graph=graph).fit(X[train], y[train])
    assert model.score(X[test], y[test]) > 0.97
    alone = model.smoothers_["combinatorial_1"].score(X[test], y[test])
    assert alone < 0.1


def test_regions_of_noise_are_predicted_by_the_mean(grid, grid_table):
    """What cannot be known of a region costs little, whatever smoothers make of it."""
    X = grid_table[["node"]]
    blocks = GraphBlockKFold(4, graph=grid)
    losses = []
    for seed in range(4):
        y = np.random.default_rng(seed).standard_normal(len(X))
        model = CorrectedSmoother(graph=grid, cv=blocks, corrector=ResidualCorrector(DUMMY))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "no smoother predicts")
            predicted = cross_val_predict(model, X, y, cv=blocks)
        losses.append(np.mean((y - predicted) ** 2) / y.var() - 1)
    assert np.mean(losses) < 0.1


def test_smoothers_can_be_named_and_changed(grid, smoothers):
    model = CorrectedSmoother(graph=grid, smoothers=smoothers)
    assert model.get_params()["order_2__alpha"] == 0.3
    copy = clone(model).set_params(order_2__alpha=5.0, order_1=ThinPlateSplineRegressor(graph=grid))
    assert dict(copy.smoothers)["order_2"].alpha == 5.0
    assert isinstance(dict(copy.smoothers)["order_1"], ThinPlateSplineRegressor)
    assert dict(smoothers)["order_2"].alpha == 0.3


def test_defaults_by_kind_of_graph(grid):
    defaults = default_smoothers(grid)
    assert [name for name, _ in defaults] == ["process", "process_scores", "combinatorial_1"]
    assert isinstance(defaults[0][1], GraphGaussianProcessRegressor)
    assert [s.normal_scores for _, s in defaults[:2]] == [False, True]
    placed = Graph(grid.adjacency, positions=np.random.default_rng(0).random((108, 2)))
    names = ["process", "space", "space_scores", "combinatorial_1"]
    assert [name for name, _ in default_smoothers(placed)] == names
    assert isinstance(default_smoothers(placed)[1][1], SpatialGaussianProcessRegressor)
    mesh = Graph.from_mesh(np.eye(4)[:, :3], [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    *on_mesh, spline = dict(default_smoothers(mesh)).values()
    kinds = {s.laplacian for s in on_mesh}
    assert kinds == {"symmetric", "combinatorial", "random_walk", "cotangent"}
    assert isinstance(spline, ThinPlateSplineRegressor)
    assert [s.kappa > 0 for s in on_mesh] == [False, True, True, True, True, True]
    large = Graph.from_adjacency(np.roll(np.eye(6000), 1, 0) + np.roll(np.eye(6000), -1, 0))
    names = ["combinatorial_1", "symmetric_1", "symmetric_2", "combinatorial_2"]
    assert list(dict(default_smoothers(large))) == names


def test_the_index_of_the_signal_does_not_matter(grid, grid_table, smoothers):
    X, y = grid_table[["node"]], grid_table["signal"]
    model = CorrectedSmoother(
        graph=grid, smoothers=smoothers, corrector=ResidualCorrector(LinearRegression())
    )
    expected = clone(model).fit(X, y.to_numpy()).predict(X)
    shuffled = pd.Series(y.to_numpy(), index=np.random.default_rng(0).permutation(len(y)))
    np.testing.assert_array_equal(model.fit(X, shuffled).predict(X), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"smoothers": []}, "at least one; got"),
        ({"smoothers": GraphSmoother}, "list of .name, regressor."),
        ({"smoothers": [("a", GraphSmoother)]}, "must be a regressor"),
        ({"smoothers": [("cv", LinearRegression())]}, "conflict with constructor"),
        ({"structural_features": "yes"}, "structural_features must be"),
        ({"cv": 1}, "cv must be"),
        ({"graph": None}, "graph must be"),
        ({"corrector": StandardScaler()}, "corrector must be a regressor"),
        ({"cv": [(np.arange(50), np.arange(50, 108))]}, "cv must hold out every row once"),
    ],
)
def test_unfit_parameters(grid, grid_table, parameters, message):
    model = CorrectedSmoother(**{"graph": grid, **parameters})
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(grid_table[["node"]], grid_table["signal"])
    assert not hasattr(model, "smoothers_")


def test_a_long_table_takes_the_work_of_its_nodes():
    """60 sensors, 336 hours: 20,160 rows took 44 minutes and 6 GB."""
    rng = np.random.default_rng(0)
    places = rng.random((60, 2))
    graph = Graph.from_points(places, n_neighbors=5)
    nodes, hours = np.repeat(np.arange(60), 336), np.tile(np.arange(336), 60)
    y = np.sin(4 * places[nodes, 0]) + 0.2 * rng.standard_normal(len(nodes))
    model = CorrectedSmoother(graph=graph, corrector=ResidualCorrector(LinearRegression()))
    began = time.perf_counter()
    model.fit(nodes[:, None], y)
    assert "process" in model.smoothers_
    assert len(model.smoothers_["process"].process_.X_train_) == 60
    np.testing.assert_allclose(
        model.predict(np.arange(60)[:, None]), np.sin(4 * places[:, 0]), atol=0.1
    )
    # With a column of times no two rows are alike, and the process is left out.
    table = pd.DataFrame({"sensor": nodes, "hour": hours / 7})
    with pytest.warns(UserWarning, match="which enter linearly"):
        model.fit(table, y)
    assert list(model.smoothers_) == ["combinatorial_1"]
    assert time.perf_counter() - began < 60


def test_where_no_prediction_is_worth_anything_there_is_no_correction():
    lonely = Graph.from_adjacency(np.zeros((12, 12)))
    X, y = np.arange(12)[:, None], np.random.default_rng(0).random(12)
    corrector = ResidualCorrector(LinearRegression())
    with (
        pytest.warns(UserWarning, match="graph has 12 nodes and no edges"),
        pytest.warns(UserWarning, match="no smoother predicts rows that were held out"),
    ):
        model = CorrectedSmoother(graph=lonely, corrector=corrector).fit(X[:8], y[:8])
    assert model.corrector_.weight_ == 0
    # Normal scores know the mean by its quantiles.
    np.testing.assert_allclose(model.predict(X[8:]), y[:8].mean(), atol=0.005)


def test_the_number_of_predictions_is_given_where_it_is_open(grid, grid_table, smoothers):
    X, y = grid_table[["node"]], grid_table["signal"]
    inside = make_pipeline(StandardScaler(), ResidualCorrector(LinearRegression()))
    model = CorrectedSmoother(graph=grid, smoothers=smoothers, corrector=inside).fit(X, y)
    assert model.corrector_[-1].blend_.size == 2
    fixed = ResidualCorrector(LinearRegression(), n_prediction_columns=1)
    model.set_params(corrector=fixed).fit(X, y)
    assert model.corrector_.blend_.size == 1


# --- real data


def test_a_protein_is_predicted_better_than_along_its_surface(data_root):
    arrays = np.load(data_root / "protein_surfaces" / "1NPO_A.npz")
    graph = Graph.from_mesh(arrays["vertices"].astype(float), arrays["faces"])
    X, y = graph.labels.to_frame(), arrays["charge"].astype(float)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=77)
    model = CorrectedSmoother(graph=graph).fit(X_train, y_train)
    scores = {name: s.score(X_test, y_test) for name, s in model.smoothers_.items()}
    spline = scores.pop("spline")
    assert model.score(X_test, y_test) > max(max(scores.values()) + 0.005, spline - 0.001, 0.9)


def test_a_table_in_time_is_smoothed_in_time_too():
    ring = Graph.from_networkx(nx.cycle_graph(6))
    hours = pd.date_range("2024-05-01", periods=36, freq="h", tz="Europe/Berlin")
    index = pd.MultiIndex.from_product([range(6), hours], names=["sensor", "time"])
    X = index.to_frame(index=False)
    y = np.sin(np.repeat(np.arange(6), 36) + np.tile(np.arange(36), 6) / 4)
    known = np.random.default_rng(0).random(len(X)) < 0.8
    tuned = SpaceTimeSmoother(graph=ring, periods=[]).fit(X[known], y[known]).tuned_clone()
    named = CorrectedSmoother(graph=ring, smoothers=[("tuned", tuned)], cv=3)
    assert named.fit(X[known], y[known]).score(X[~known], y[~known]) > 0.98
    default = CorrectedSmoother(graph=ring, cv=3).fit(X[known][:90], y[known][:90])
    assert list(default.smoothers_) == ["space_time"]
    with pytest.raises(TypeError, match="use SpaceTimeSmoother"):
        GraphSmoother(graph=ring).fit(X[known], y[known])
