import warnings

import geopandas as gpd
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import Graph, SIRENRegressor, SpectralEmbedder
from skginr.plotting import ComponentsDisplay, SignalDisplay, TrainingDisplay

mpl.use("Agg")

SIZE = "spectralembedder__n_components"


@pytest.fixture
def fields():
    return gpd.GeoDataFrame(geometry=[box(i, 0, i + 1, 1) for i in range(4)])


def drawn_on(display):
    return [ax.collections[-1].get_array() for ax in display.axes_]


def test_a_prediction_is_drawn_beside_what_was_observed(fields):
    observed, predicted = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.5, 2.0, 2.0, 9.0])
    display = SignalDisplay.from_predictions(fields, observed, predicted, label="yield, t/ha")
    drawn = drawn_on(display)
    np.testing.assert_array_equal(drawn[0], observed[:3])
    np.testing.assert_array_equal(drawn[1], predicted)
    np.testing.assert_array_equal(drawn[2], [-0.5, 0.0, 1.0])
    assert display.axes_[2].get_title() == "residual: observed - predicted"
    limits = [ax.collections[-1].get_clim() for ax in display.axes_]
    assert limits[0] == limits[1]
    assert limits[2][0] == -limits[2][1]
    # The field that was not observed is there, in grey, in the first and last map.
    assert [len(ax.collections) for ax in display.axes_] == [2, 1, 2]
    assert display.figure_ is display.axes_[0].figure
    bars = [ax.collections[-1].colorbar for ax in display.axes_]
    assert [bar.ax.get_ylabel() for bar in bars] == ["yield, t/ha"] * 3
    # 9 is beyond what was observed.
    assert [bar.extend for bar in bars][:2] == ["both", "max"]


def test_classes_are_right_or_wrong(fields):
    display = SignalDisplay.from_predictions(fields, ["a", "c", None, "a"], ["a", "b", "c", "c"])
    np.testing.assert_array_equal(drawn_on(display)[2], [0, 1, 1])
    texts = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in display.axes_]
    assert texts[0] == texts[1]
    assert sorted(texts[0]) == ["a", "b", "c"]
    assert texts[2] == ["right", "wrong"]
    # One colour for one class.
    names = texts[0]
    np.testing.assert_array_equal(drawn_on(display)[0], [names.index(c) for c in "aca"])
    np.testing.assert_array_equal(drawn_on(display)[1], [names.index(c) for c in "abcc"])


def test_signals_go_by_their_index(fields):
    observed = pd.Series([3.0, 1.0, 2.0, np.nan], index=[2, 0, 1, 3])
    predicted = pd.Series([9.0, 1.5, 2.0, 2.0], index=[3, 0, 1, 2])
    display = SignalDisplay.from_predictions(fields, observed, predicted)
    drawn = drawn_on(display)
    np.testing.assert_array_equal(drawn[0], [1, 2, 3])
    np.testing.assert_array_equal(drawn[1], [1.5, 2, 2, 9])
    np.testing.assert_array_equal(drawn[2], [-0.5, 0.0, 1.0])
    with pytest.raises(ValueError, match="y_pred must have a row for every node"):
        SignalDisplay.from_predictions(fields, observed, predicted.set_axis([5, 6, 7, 8]))


def test_y_goes_by_the_index_of_the_table(fields):
    graph = Graph.from_geodataframe(fields, method="queen")
    table = pd.DataFrame({"field": [3, 1, 0, 2]}, index=list("wxyz"))
    y = pd.Series([4.0, 2.0, 1.0, 3.0], index=list("wxyz"))
    model = make_pipeline(SpectralEmbedder(3, graph=graph), Ridge(1e-9)).fit(table, y)
    for given in (y, y.iloc[::-1], y.to_numpy(), y.reset_index(drop=True)):
        drawn = drawn_on(SignalDisplay.from_estimator(model, table, given))
        np.testing.assert_array_equal(drawn[0], [1, 2, 3, 4])
        np.testing.assert_allclose(drawn[1], [1, 2, 3, 4], atol=1e-6)
    with pytest.raises(ValueError, match=r"y must have a row.*y.set_axis\(X.index\)"):
        SignalDisplay.from_estimator(model, table, y.set_axis(list("abcd")))


def test_pairs_that_cannot_be_compared_are_refused(fields):
    draw = SignalDisplay.from_predictions
    with pytest.raises(ValueError, match="y_pred must have one value per node"):
        draw(fields, np.ones(4), np.ones(3))
    with pytest.raises(ValueError, match="known at some node"):
        draw(fields, [1.0, None, None, None], [None, 1.0, 1.0, 1.0])
    with pytest.raises(TypeError, match="of one kind; got numbers and classes"):
        draw(fields, np.ones(4), list("abcd"))
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match="ax must be 3 matplotlib Axes; got 2"):
        draw(fields, np.ones(4), np.ones(4), ax=plt.subplots(1, 2)[1])


@pytest.fixture
def fitted(grid, grid_table):
    model = make_pipeline(SpectralEmbedder(8, graph=grid), Ridge(1e-3))
    return model.fit(grid_table[["node"]], grid_table["signal"])


def test_the_graph_is_found_in_the_model(grid, grid_table, fitted):
    # In any order, some unobserved, some not there.
    rows = grid_table.sample(80, random_state=0)
    y = rows["signal"].where(np.arange(80) >= 10)
    display = SignalDisplay.from_estimator(fitted, rows[["node"]], y)
    nodes = grid.locate(rows["node"])
    predicted = fitted.predict(rows[["node"]])
    for values, known, drawn in zip(
        (y.to_numpy(), predicted, y.to_numpy() - predicted),
        (nodes[10:], nodes, nodes[10:]),
        drawn_on(display),
        strict=True,
    ):
        everywhere = np.full(grid.n_nodes, np.nan)
        everywhere[nodes] = values
        np.testing.assert_allclose(drawn, everywhere[np.sort(known)])


@pytest.mark.parametrize("wrap", [
    lambda m: GridSearchCV(m, {"ridge__alpha": [1.0]}, cv=2),
    lambda m: TransformedTargetRegressor(m, transformer=StandardScaler()),
])  # fmt: skip
def test_the_graph_is_found_inside(grid_table, fitted, wrap):
    model = wrap(fitted).fit(grid_table[["node"]], grid_table["signal"])
    display = SignalDisplay.from_estimator(model, grid_table[["node"]], grid_table["signal"])
    assert len(drawn_on(display)[0]) == 108


def test_one_time_of_a_long_table(grid, grid_table):
    long = grid_table.merge(pd.DataFrame({"hour": [0.0, 1.0]}), how="cross")[
        ["hour", "node", "signal"]
    ]
    columns = ColumnTransformer(
        [("where", SpectralEmbedder(8, graph=grid), ["node"]), ("when", "passthrough", ["hour"])]
    )
    model = make_pipeline(columns, Ridge()).fit(long, long["signal"])
    with pytest.raises(ValueError, match="X must have one row per node.* is repeated"):
        SignalDisplay.from_estimator(model, long, long["signal"], node="node")
    now = long[long["hour"] == 1]
    display = SignalDisplay.from_estimator(model, now, now["signal"], node="node")
    np.testing.assert_array_equal(drawn_on(display)[0], now["signal"].to_numpy())
    with pytest.raises(ValueError, match="node='station' is not a column of X"):
        SignalDisplay.from_estimator(model, now, now["signal"], node="station")


def test_a_classifier(grid, grid_table):
    high = grid_table["signal"] > grid_table["signal"].median()
    model = make_pipeline(SpectralEmbedder(4, graph=grid), KNeighborsClassifier())
    model.fit(grid_table[["node"]], high)
    display = SignalDisplay.from_estimator(model, grid_table[["node"]], high)
    wrong = model.predict(grid_table[["node"]]) != high
    np.testing.assert_array_equal(drawn_on(display)[2], wrong)


def test_a_model_without_its_graph(grid, grid_table):
    X, y = np.arange(108.0).reshape(-1, 1), grid_table["signal"]
    model = Ridge().fit(X, y)
    with pytest.raises(ValueError, match="Ridge holds none. Give graph="):
        SignalDisplay.from_estimator(model, X, y)
    both = ColumnTransformer(
        [
            ("a", SpectralEmbedder(graph=grid), [0]),
            ("b", SpectralEmbedder(graph=grid.subgraph(grid.labels[:50])), [0]),
        ]
    )
    with pytest.raises(ValueError, match="holds 2. Give graph="):
        SignalDisplay.from_estimator(both, X, y)
    numbered = Graph.from_adjacency(grid.adjacency)
    with pytest.raises(ValueError, match="y must have one value per row of X"):
        SignalDisplay.from_estimator(model, X.astype(int), y[:5], graph=numbered)


@pytest.fixture(scope="module")
def network():
    X = np.linspace(-1, 1, 400).reshape(-1, 1)
    return SIRENRegressor(
        "represent",
        max_epochs=150,
        batch_size=100,
        target_score="off",
        validation=0.2,
        random_state=0,
    ).fit(X, np.sin(6 * X[:, 0]))


def test_a_training_is_drawn_as_it_went(network):
    display = TrainingDisplay.from_estimator(network)
    loss, rate = display.axes_
    lines = {line.get_label(): line for line in loss.lines}
    history = network.history_
    for label, column in {
        "rows trained on": "train_loss",
        "rows held out": "valid_loss",
        "averaged weights": "average_loss",
    }.items():
        known = history[column].dropna()
        np.testing.assert_array_equal(lines[label].get_xdata(), known.index + 1)
        np.testing.assert_array_equal(lines[label].get_ydata(), known)
    assert loss.get_yscale() == "log"
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), history["lr"])
    assert loss.get_title() == network.stop_reason_ == "reached max_epochs=150"


def test_the_network_is_found_at_the_end(grid, grid_table, network):
    model = make_pipeline(SpectralEmbedder(4, graph=grid), SIRENRegressor("train", max_epochs=3))
    search = GridSearchCV(model, {SIZE: [2]}, cv=2)
    search.fit(grid_table[["node"]], grid_table["signal"])
    display = TrainingDisplay.from_estimator(search)
    np.testing.assert_array_equal(
        display.axes_[0].lines[0].get_ydata(), search.best_estimator_[-1].history_["train_loss"]
    )
    # Nothing held out, no averaged weights.
    assert len(display.axes_[0].lines) == 1
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(model)
    with pytest.raises(
        TypeError, match="must be a SIRENRegressor or SIRENClassifier.*ends in Ridge"
    ):
        TrainingDisplay.from_estimator(make_pipeline(StandardScaler(), Ridge()))
    with pytest.raises(ValueError, match="ax must be 2"):
        TrainingDisplay.from_estimator(network, ax=plt.figure().add_subplot())


def test_what_was_solved_for_has_no_curve_until_it_is_trained():
    X = np.linspace(-1, 1, 50)[:, None]
    model = SIRENRegressor(random_state=0).fit(X, np.sin(4 * X[:, 0]))
    with pytest.raises(ValueError, match="draws a training, and there was none: solved for the"):
        TrainingDisplay.from_estimator(model)
    model.partial_fit(X, np.sin(4 * X[:, 0]))
    loss = TrainingDisplay.from_estimator(model).axes_[0].lines[0]
    np.testing.assert_array_equal(loss.get_ydata(), model.history_["train_loss"].iloc[1:])


@pytest.fixture(scope="module")
def search(grid, grid_table):
    model = make_pipeline(SpectralEmbedder(graph=grid), Ridge())
    grids = {
        SIZE: [2, 8, 32],
        "ridge__alpha": [0.01, 1.0],
        "spectralembedder__laplacian": ["symmetric"],
    }
    return GridSearchCV(model, grids, cv=KFold(4, shuffle=True, random_state=0)).fit(
        grid_table[["node"]], grid_table["signal"]
    )


def test_scores_over_components(search):
    display = ComponentsDisplay.from_search(search)
    results = search.cv_results_
    *curves, best = display.ax_.lines
    assert [curve.get_label() for curve in curves] == ["alpha=0.01", "alpha=1.0"]
    for curve, shade, alpha in zip(curves, display.ax_.collections, [0.01, 1.0], strict=True):
        rows = results["param_ridge__alpha"] == alpha
        mean, std = results["mean_test_score"][rows], results["std_test_score"][rows]
        np.testing.assert_array_equal(curve.get_xdata(), [2, 8, 32])
        np.testing.assert_array_equal(curve.get_ydata(), mean)
        heights = shade.get_paths()[0].vertices[:, 1]
        assert heights.max() == pytest.approx((mean + std).max())
        assert heights.min() == pytest.approx((mean - std).min())
    assert best.get_xdata()[0] == display.best_["size"] == search.best_params_[SIZE]
    assert best.get_ydata()[0] == search.best_score_
    assert display.ax_.get_ylabel() == "held-out R²"
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["2", "8", "32"]


def test_another_parameter_or_score(grid, grid_table):
    model = make_pipeline(SpectralEmbedder(graph=grid), Ridge())
    several = GridSearchCV(
        model, {SIZE: [4, 2]}, cv=2, scoring=["r2", "neg_mean_absolute_error"], refit="r2"
    ).fit(grid_table[["node"]], grid_table["signal"])
    display = ComponentsDisplay.from_search(several)
    assert display.ax_.get_ylabel() == "held-out r2"
    np.testing.assert_array_equal(display.ax_.lines[0].get_xdata(), [2, 4])
    np.testing.assert_array_equal(
        display.ax_.lines[0].get_ydata(), several.cv_results_["mean_test_r2"][::-1]
    )
    other = ComponentsDisplay.from_search(several, scoring="neg_mean_absolute_error")
    assert other.ax_.get_ylabel() == "held-out neg_mean_absolute_error"
    with pytest.raises(ValueError, match=r"scoring must be one of \['r2', 'neg_mean"):
        ComponentsDisplay.from_search(several, scoring="r3")


def test_searches_that_have_no_curve(grid, grid_table, search):
    X, y = grid_table[["node"]], grid_table["signal"]
    with pytest.raises(ValueError, match="param_name must be one that the search varied"):
        ComponentsDisplay.from_search(search, param_name="ridge__beta")
    with pytest.raises(NotFittedError):
        ComponentsDisplay.from_search(GridSearchCV(Ridge(), {"alpha": [1]}))
    model = make_pipeline(SpectralEmbedder(8, graph=grid), Ridge())
    no_size = GridSearchCV(model, {"ridge__alpha": [1.0, 2.0]}, cv=2).fit(X, y)
    with pytest.raises(ValueError, match="ends in n_components; the search varied"):
        ComponentsDisplay.from_search(no_size)
    no_number = GridSearchCV(model, {SIZE: [None, 4]}, cv=2).fit(X, y)
    with pytest.raises(ValueError, match="must be a number.*in place of None"):
        ComponentsDisplay.from_search(no_number)
    assert not plt.get_fignums()


def test_sizes_that_are_shares_keep_their_places(grid):
    A = np.random.default_rng(0).normal(size=(60, 6))
    sizes = {"pca__n_components": [0.5, 0.8, 0.95]}
    search = GridSearchCV(make_pipeline(PCA(), Ridge()), sizes, cv=3).fit(A, A[:, 0])
    display = ComponentsDisplay.from_search(search)
    assert display.scores["size"].tolist() == [0.5, 0.8, 0.95]
    assert display.best_["size"] == search.best_params_["pca__n_components"]


def test_a_search_without_scores_is_refused():
    A = np.random.default_rng(0).normal(size=(6, 3))
    sizes = {"pca__n_components": [1, 2]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(make_pipeline(PCA(), Ridge()), sizes, cv=LeaveOneOut())
        search.fit(A, A[:, 0])
    with pytest.raises(ValueError, match="no score that is a number"):
        ComponentsDisplay.from_search(search)
    search = GridSearchCV(
        make_pipeline(PCA(), Ridge()), sizes, cv=2, scoring=["r2", "neg_max_error"], refit=False
    ).fit(A, A[:, 0])
    with pytest.raises(ValueError, match=r"scoring must say which of \['r2', 'neg_max_error'\]"):
        ComponentsDisplay.from_search(search)
