import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from shapely.geometry import box
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skginr import (
    Graph,
    GraphPoissonRegressor,
    GraphSmoother,
    SIRENClassifier,
    SIRENRegressor,
    SpectralEmbedder,
    predict_frame,
)


@pytest.fixture(scope="module")
def squares():
    """A map of 10 x 10 squares whose level is known in most, in no order."""
    rng = np.random.default_rng(0)
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(10), np.arange(10)))
    level = np.sin(east / 3) + 0.1 * north
    frame = gpd.GeoDataFrame(
        {"name": [f"s{i}" for i in range(100)], "level": level, "other": -level},
        geometry=[box(x, y, x + 1, y + 1) for x, y in zip(east, north, strict=True)],
        crs="EPSG:3857",
    ).sample(frac=1, random_state=0)
    frame.loc[rng.choice(100, 20, replace=False), "level"] = np.nan
    return frame


@pytest.fixture(scope="module")
def smoother(squares):
    graph = Graph.from_geodataframe(squares, labels="name")
    known = squares.dropna(subset=["level"])
    return GraphSmoother(graph=graph, alpha=0.01).fit(known[["name"]], known["level"])


def test_a_map_comes_back_as_it_went_in_with_three_columns_more(squares, smoother):
    before = squares.copy()
    found = predict_frame(smoother, squares, target="level")
    assert isinstance(found, gpd.GeoDataFrame)
    assert found.crs == squares.crs
    pd.testing.assert_frame_equal(pd.DataFrame(squares), pd.DataFrame(before))
    pd.testing.assert_frame_equal(
        pd.DataFrame(found[before.columns]), pd.DataFrame(before), check_like=False
    )
    assert found.columns[len(before.columns) :].tolist() == ["predicted", "observed", "residual"]
    np.testing.assert_array_equal(found["predicted"], smoother.predict(squares[["name"]]))
    assert found["observed"].sum() == 80
    assert found["residual"].isna().equals(~found["observed"])
    np.testing.assert_allclose(
        found["residual"].dropna(), (squares["level"] - found["predicted"]).dropna()
    )
    assert predict_frame(smoother, squares).columns[-1] == "predicted"


def test_with_folds_no_known_row_is_predicted_from_itself(squares, smoother):
    folds = KFold(4, shuffle=True, random_state=0)
    found = predict_frame(smoother, squares, target="level", cv=folds)
    known = squares.dropna(subset=["level"])
    held_out = cross_val_predict(smoother, known[["name"]], known["level"], cv=folds)
    np.testing.assert_array_equal(found.loc[found["observed"], "predicted"], held_out)
    fitted = predict_frame(smoother, squares, target="level")
    unknown = ~found["observed"]
    assert found.loc[unknown, "predicted"].equals(fitted.loc[unknown, "predicted"])
    assert found["residual"].abs().mean() > 2 * fitted["residual"].abs().mean()


def test_several_outputs_have_a_column_each(squares):
    graph = Graph.from_geodataframe(squares, labels="name")
    model = make_pipeline(SpectralEmbedder(8, graph=graph), SIRENRegressor(random_state=0))
    known = squares.dropna(subset=["level"])
    model.fit(known[["name"]], known[["level", "other"]])
    found = predict_frame(model, squares, target=["level", "other"])
    predicted = model.predict(squares[["name"]])
    for i, name in enumerate(["level", "other"]):
        np.testing.assert_array_equal(found[f"predicted_{name}"], predicted[:, i])
        assert found[f"observed_{name}"].sum() == [80, 100][i]
    assert {"predicted_0", "predicted_1"} < set(predict_frame(model, squares))
    with pytest.raises(ValueError, match=r"outputs of the model, of which there are 2; got 1"):
        predict_frame(model, squares, target=["level"])
    held_out = predict_frame(model, squares, target=["level", "other"], cv=3)
    assert not held_out["predicted_other"].equals(found["predicted_other"])


def test_classes_have_a_probability_and_no_residual(squares):
    graph = Graph.from_geodataframe(squares, labels="name")
    frame = squares.assign(side=np.where(squares["level"] > 0.7, "high", "low"))
    frame.loc[squares["level"].isna(), "side"] = None
    model = make_pipeline(SpectralEmbedder(8, graph=graph), SIRENClassifier(random_state=0))
    known = frame.dropna(subset=["side"])
    model.fit(known[["name"]], known["side"])
    found = predict_frame(model, frame, target="side")
    assert set(found["predicted"]) == {"high", "low"}
    assert "residual" not in found
    np.testing.assert_array_equal(
        found["probability"], model.predict_proba(frame[["name"]]).max(axis=1)
    )
    held_out = predict_frame(model, frame, target="side", cv=3)
    observed = held_out["observed"]
    right = (held_out["predicted"] == held_out["side"])[observed].mean()
    assert 0.6 < right <= (found["predicted"] == found["side"])[observed].mean()
    assert held_out["probability"].between(0.5, 1).all()


def test_class_and_probability_are_of_the_same_fit(squares):
    frame = squares.assign(side=np.where(squares["other"] < -0.7, "low", "hi"))
    frame.loc[squares["level"].isna(), "side"] = "not known"
    known = frame[frame["side"] != "not known"]
    graph = Graph.from_geodataframe(squares, labels="name")
    chance = DecisionTreeClassifier(splitter="random", max_features=1)
    model = make_pipeline(SpectralEmbedder(8, graph=graph), chance)
    model.fit(known[["name"]], known["side"].to_numpy(dtype=str))
    # All targets count as known, the name of what is not among them: no word is cut short.
    found = predict_frame(model, frame, target="side", cv=KFold(4))
    assert set(found["predicted"]) == {"low", "hi", "not known"}
    # Splits in place of a splitter, and an estimator that says what it was asked.
    splits = KFold(4).split(frame)
    two = predict_frame(
        ByRow().fit(frame[["name"]], frame["side"]), frame, target="side", cv=splits
    )
    assert (two["predicted"] == two["probability"].map("{:.6f}".format)).all()


def test_a_classifier_of_several_outputs_has_no_one_probability():
    table = pd.DataFrame({"a": range(6), "c": list("xxyyxx"), "d": list("uvuvuv")})
    model = KNeighborsClassifier(1).fit(table[["a"]], table[["c", "d"]])
    found = predict_frame(model, table, target=["c", "d"])
    assert found["predicted_c"].tolist() == list("xxyyxx")
    assert found["predicted_d"].tolist() == list("uvuvuv")
    assert "probability" not in found


class ByRow(ClassifierMixin, BaseEstimator):
    """Draws a number at every fit, and answers with it."""

    def fit(self, X, y):
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.number_ = np.random.default_rng().random()
        self.classes_ = np.array([f"{self.number_:.6f}", "other"])
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        return np.tile([self.number_, 0], (len(X), 1))


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda f: f, {"target": ("level", "other")}, r"\('level', 'other'\) is not among"),
        (lambda f: f, {"target": 0}, "0 is not among"),
        (lambda f: f, {"target": ["level", "level"]}, "target must name each output once"),
        (lambda f: f, {"target": []}, "target must name each output once"),
        (lambda f: f.assign(level="high"), {"target": "level"}, r"frame\['level'\] must hold"),
        (
            lambda f: pd.concat([f, f[["name"]]], axis=1),
            {"target": "level"},
            "one column named 'name'; it has several",
        ),
        (
            lambda f: f,
            {"target": "level", "cv": ShuffleSplit(3, random_state=0)},
            "cv must hold out each of the 80 rows",
        ),
    ],
)
def test_awkward_input_is_refused(squares, smoother, change, given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        predict_frame(smoother, change(squares), **given)


def test_what_it_refuses(squares, smoother):
    with pytest.raises(TypeError, match="frame must be a DataFrame"):
        predict_frame(smoother, squares[["name"]].to_numpy())
    with pytest.raises(ValueError, match=r"\['name'\] are missing from \['level'"):
        predict_frame(smoother, squares[["level", "geometry"]])
    with pytest.raises(
        ValueError, match="target must be a column of frame, or a list of some; 'rate'"
    ):
        predict_frame(smoother, squares, target="rate")
    with pytest.raises(ValueError, match="cv needs target"):
        predict_frame(smoother, squares, cv=3)
    with pytest.raises(ValueError, match=r"columns named \['residual'\] already"):
        predict_frame(smoother, squares.assign(residual=1), target="level")
    with pytest.raises(ValueError, match="not fitted"):
        predict_frame(GraphSmoother(graph=smoother.graph), squares)
    known = squares.dropna(subset=["level"])
    unnamed = GraphSmoother(graph=smoother.graph).fit(known[["name"]].to_numpy(), known["level"])
    with pytest.raises(ValueError, match="was fitted to an array"):
        predict_frame(unnamed, squares)


def test_columns_named_by_numbers_are_told_from_an_array(squares):
    graph = Graph.from_geodataframe(squares, labels="name")
    table = pd.DataFrame({0: squares["name"], 1: squares["other"]})
    smoother = GraphSmoother(graph=graph, alpha=1.0)
    message = r"to an array, or to columns named by numbers. Name them, table.columns = table.co"
    for X in (table, table.to_numpy()):
        with pytest.raises(ValueError, match=message):
            predict_frame(smoother.fit(X, squares["other"]), table)
    expected = smoother.fit(table, squares["other"]).predict(table)
    # As the message says.
    table.columns = table.columns.astype(str)
    found = predict_frame(smoother.fit(table, squares["other"]), table)
    np.testing.assert_array_equal(found["predicted"], expected)


# --- intervals


def test_intervals_hold_new_values(squares, smoother):
    z = norm.ppf(0.95)
    said = predict_frame(smoother, squares, target="level", interval=0.9)
    mean, std = smoother.predict(squares[["name"]], return_std=True, with_noise=True)
    np.testing.assert_allclose(said["lower"], mean - z * std)
    np.testing.assert_allclose(said["upper"], mean + z * std)
    wide = predict_frame(smoother, squares, interval=0.99)
    assert (wide["upper"] > said["upper"]).all()
    assert "applicable" not in wide
    columns = ["predicted", "lower", "upper", "observed", "residual", "applicable"]
    assert list(said.columns) == [*squares.columns, *columns]


def test_intervals_of_folds_are_those_of_rows_held_out(squares, smoother):
    folds = KFold(5, shuffle=True, random_state=0)
    said = predict_frame(smoother, squares, target="level", cv=folds, interval=0.9)
    known = squares["level"].notna()
    inside = said["level"].between(said["lower"], said["upper"])[known]
    assert 0.7 < inside.mean() <= 1
    width = (said["upper"] - said["lower"])[known]
    whole = predict_frame(smoother, squares, target="level", interval=0.9)
    assert (width > (whole["upper"] - whole["lower"])[known]).mean() > 0.9


def test_where_nothing_is_known_predictions_are_not_applicable(squares):
    """The east is known; of an island far away there is nothing but the mean."""
    island = squares.iloc[[0]].assign(name="island", level=np.nan)
    island = island.set_geometry(island.translate(1000))
    table = pd.concat([squares, island], ignore_index=True)
    graph = Graph.from_geodataframe(table, labels="name")
    known = table.dropna(subset=["level"])
    model = GraphSmoother(graph=graph, order=2).fit(known[["name"]], known["level"])
    said = predict_frame(model, table, target="level", interval=0.9)
    assert said["applicable"].iloc[:-1].mean() > 0.95
    assert not said["applicable"].iloc[-1]
    assert said["upper"].iloc[-1] == np.inf


def test_intervals_of_several_outputs_pipelines_and_searches(squares, smoother):
    known = squares.dropna(subset=["level"])
    both = clone(smoother).fit(known[["name"]], known[["level", "other"]])
    said = predict_frame(both, squares, target=["level", "other"], interval=0.8)
    np.testing.assert_allclose(said["lower_level"], -said["upper_other"])
    assert {"applicable_level", "applicable_other"} <= set(said)
    alone = predict_frame(smoother, squares, interval=0.8)
    search = GridSearchCV(make_pipeline(clone(smoother)), {"graphsmoother__kappa": [0.0]}, cv=3)
    search.fit(known[["name"]], known["level"])
    found = predict_frame(search, squares, interval=0.8)
    np.testing.assert_allclose(found["lower"], alone["lower"])
    # What others call by the same name has its noise in.
    table = pd.DataFrame({"x": np.arange(8.0), "y": np.arange(8.0) % 3})
    process = GaussianProcessRegressor(RBF() + WhiteKernel()).fit(table[["x"]], table["y"])
    _, std = process.predict(table[["x"]], return_std=True)
    found = predict_frame(process, table, interval=0.9)
    np.testing.assert_allclose(found["upper"] - found["lower"], 2 * norm.ppf(0.95) * std)


@pytest.mark.parametrize("interval", [0, 1, -0.5, 90, "90%", np.nan, True])
def test_what_is_no_share_is_refused(squares, smoother, interval):
    with pytest.raises((ValueError, TypeError), match="interval must be"):
        predict_frame(smoother, squares, interval=interval)


def test_intervals_need_deviations():
    table = pd.DataFrame({"x": [0.0, 1, 2, 3], "kind": list("abab")})
    tree = DecisionTreeClassifier().fit(table[["x"]], table["kind"])
    with pytest.raises(ValueError, match="a model whose predict has return_std"):
        predict_frame(tree, table, interval=0.9)


def test_intervals_of_counts_are_asked_for_otherwise(squares):
    graph = Graph.from_geodataframe(squares, labels="name")
    table = squares.assign(rate=squares["level"].fillna(0).abs().round())
    model = GraphPoissonRegressor(graph=graph, alpha=1.0).fit(table[["name"]], table["rate"])
    assert (predict_frame(model, table, target="rate")["predicted"] > 0).all()
    with pytest.raises(ValueError, match=r"Use model.predict_counts\(X, exposure\)"):
        predict_frame(model, table, interval=0.9)


def test_copies_are_fitted_with_the_weights_of_the_model(squares):
    graph = Graph.from_geodataframe(squares, labels="name")
    people = np.random.default_rng(1).integers(100, 5000, 100)
    cases = np.random.default_rng(2).poisson(0.01 * people)
    table = squares.assign(people=people, rate=cases / people)
    folds = KFold(4, shuffle=True, random_state=0)
    for model in (
        GraphPoissonRegressor(graph=graph),
        make_pipeline(GraphPoissonRegressor(graph=graph)),
    ):
        name = "sample_weight" if isinstance(model, GraphPoissonRegressor) else (
            "graphpoissonregressor__sample_weight"
        )  # fmt: skip
        model.fit(table[["name"]], table["rate"], **{name: people})
        with pytest.raises(ValueError, match="sample_weight must name the column of weights"):
            predict_frame(model, table, target="rate", cv=folds)
        found = predict_frame(model, table, target="rate", cv=folds, sample_weight="people")
        for train, test in folds.split(table):
            alone = GraphPoissonRegressor(graph=graph)
            alone.fit(table[["name"]].iloc[train], table["rate"].iloc[train], people[train])
            expected = alone.predict(table[["name"]].iloc[test])
            np.testing.assert_allclose(found["predicted"].iloc[test], expected)
    for settings in ({"sample_weight": "people"}, {"sample_weight": "men", "cv": folds}):
        with pytest.raises(ValueError, match="must be a column of frame, and is for cv"):
            predict_frame(model, table, target="rate", **settings)


def test_a_target_that_nobody_knows_tells_no_spread(squares, smoother):
    unknown = squares.assign(level=np.nan)
    said = predict_frame(smoother, unknown, target="level", interval=0.9)
    assert not said["applicable"].any()
