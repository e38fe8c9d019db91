import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import Graph, GraphImputer, GraphSmoother, SpaceTimeSmoother, load, save
from skginr.graphs import laplacian_of

LABELS = [f"s{i}" for i in range(12)]
GRAPH = Graph.from_networkx(nx.relabel_nodes(nx.circular_ladder_graph(6), dict(enumerate(LABELS))))
HOURS = pd.date_range("2024-10-26", periods=60, freq="h", tz="Europe/Berlin")
RNG = np.random.default_rng(0)
ANGLE = 2 * np.pi * np.arange(12) / 6
DAY = np.sin(2 * np.pi * np.arange(60)[:, None] / 24)
TRUTH = pd.DataFrame(DAY * (2 + np.cos(ANGLE)) + np.sin(ANGLE), index=HOURS, columns=LABELS)
# Single entries, a sensor that pauses, one that never was, an hour without any.
GAPS = TRUTH.mask(RNG.random(TRUTH.shape) < 0.1)
GAPS.iloc[20:32, 3] = np.nan
GAPS["s7"] = np.nan
GAPS.iloc[40] = np.nan
MISSING = GAPS.isna().to_numpy()


def long(wide):
    """The known entries as rows, in an order of pandas' own."""
    rows = wide.rename_axis("time").reset_index().melt("time", var_name="node", value_name="y")
    rows = rows[rows["y"].notna()]
    return rows[["node", "time"]], rows["y"]


class Recorder(RegressorMixin, BaseEstimator):
    """Predicts a mean and the number of the node, and keeps what it was fitted to."""

    def __init__(self, graph=None, *, node=None, time=None, strength=1):
        self.graph = graph
        self.node = node
        self.time = time
        self.strength = strength

    def fit(self, X, y):
        self.seen_, self.mean_ = X, np.mean(y)
        self.strength_ = 10 * self.strength
        return self

    def predict(self, X):
        self.asked_ = X
        return self.mean_ + self.strength_ + self.graph.locate(X["node"])


def recorded(mean, wide, strength=10):
    """What it says of the gaps of a table."""
    return (mean + strength + np.tile(np.arange(12), (len(wide), 1)))[wide.isna().to_numpy()]


class Tuned(Recorder):
    """One that has chosen its strength, and would choose another from other rows."""

    copies = ()

    def __init__(self, graph=None, *, node=None, time=None, strength=1, chosen=None):
        super().__init__(graph, node=node, time=time, strength=strength)
        self.chosen = chosen

    def fit(self, X, y):
        super().fit(X, y)
        self.strength_ = len(X) if self.chosen is None else self.chosen
        return self

    def tuned_clone(self):
        self.copies = [*self.copies, clone(self).set_params(chosen=self.strength_)]
        return self.copies[-1]


# Time is linear here, which a smoother doubts.
@pytest.mark.filterwarnings("ignore:.*time")
def test_a_gap_is_what_the_normal_equations_say():
    """By hand: a smooth signal on nodes, a slope in time, and what is observed."""
    steps = GAPS.reset_index(drop=True)
    filled = GraphImputer(GraphSmoother(graph=GRAPH, alpha=0.3)).fit_transform(steps)
    stiffness = laplacian_of(GRAPH, "combinatorial").stiffness.toarray()
    X, y = long(steps)
    design = np.zeros((len(y), 13))
    design[np.arange(len(y)), GRAPH.locate(X["node"])] = 1
    design[:, 12] = X["time"]
    penalty = np.zeros((13, 13))
    penalty[:12, :12] = 0.3 * stiffness
    solution = np.linalg.solve(design.T @ design + penalty, design.T @ y)
    expected = solution[GRAPH.locate(LABELS)] + solution[12] * np.arange(60)[:, None]
    np.testing.assert_allclose(filled[MISSING], expected[MISSING], atol=1e-9)
    assert MISSING.sum() > 100


@pytest.fixture(scope="module")
def smoothed():
    """One imputer by a smoother in space and time, whose fit takes a while."""
    return GraphImputer(graph=GRAPH, add_indicator=True).fit(GAPS)


def test_gaps_are_filled_by_a_smoother_in_space_and_time(smoothed):
    strengths = smoothed.estimator_.strengths_
    for table in (GAPS, GAPS[30:]):
        # Those of fit, whatever is filled.
        alone = SpaceTimeSmoother(graph=GRAPH, strengths=strengths).fit(*long(table))
        X, _ = long(TRUTH.loc[table.index].where(table.isna()))
        filled = smoothed.transform(table)[:, :12]
        places = table.index.get_indexer(X["time"]), GRAPH.locate(X["node"])
        np.testing.assert_allclose(filled[places], alone.predict(X), atol=1e-3)
        # The row without a value too; the column as well as its neighbours tell.
        error = (filled - TRUTH.loc[table.index]) ** 2
        assert error.drop(columns="s7").to_numpy().mean() ** 0.5 < 0.05
        assert error["s7"].mean() < 0.5 * TRUTH["s7"].var()


def test_what_is_known_stays_as_it_was():
    odd = GAPS * np.pi * 1e-7
    before = odd.copy()
    imputer = GraphImputer(Recorder(GRAPH)).fit(odd)
    for table in (odd, odd[10:30]):
        filled = imputer.transform(table)
        known = table.notna().to_numpy()
        assert (filled[known] == table.to_numpy()[known]).all()
        assert np.isfinite(filled).all()
    pd.testing.assert_frame_equal(odd, before)
    full = imputer.transform(TRUTH)
    np.testing.assert_array_equal(full, TRUTH)
    full[0, 0] = 99
    assert TRUTH.iloc[0, 0] != 99


def test_the_estimator_gets_known_entries_as_rows():
    imputer = GraphImputer(Recorder(), graph=GRAPH).fit(GAPS)
    X, y = long(GAPS)
    seen = imputer.estimator_.seen_
    assert list(seen.columns) == ["node", "time"]
    pd.testing.assert_index_equal(
        pd.MultiIndex.from_frame(seen).sort_values(), pd.MultiIndex.from_frame(X).sort_values()
    )
    assert imputer.estimator_.mean_ == pytest.approx(y.mean())
    filled = imputer.transform(GAPS)[MISSING]
    np.testing.assert_allclose(filled, recorded(y.mean(), GAPS), rtol=1e-12)
    assert len(imputer.estimator_.asked_) == MISSING.sum()


def test_parameters_of_the_estimator_are_filled_in_where_they_are_open():
    estimator = Recorder()
    imputer = GraphImputer(estimator, graph=GRAPH).fit(GAPS)
    model = imputer.estimator_
    assert (model.graph, model.node, model.time) == (GRAPH, "node", "time")
    assert estimator.graph is None
    assert imputer.graph_ is GRAPH
    # Of either.
    assert GraphImputer(Recorder(GRAPH, node=0)).fit(GAPS).graph_ is GRAPH
    assert GraphImputer(Recorder(GRAPH, node=0)).fit(GAPS).estimator_.node == 0
    with pytest.raises(ValueError, match="graph must be that of estimator"):
        GraphImputer(Recorder(GRAPH), graph=GRAPH.subgraph(LABELS[:5])).fit(GAPS)


def test_another_table_is_filled_from_what_is_known_in_it():
    train, later = GAPS[:36], GAPS[36:]
    imputer = GraphImputer(Tuned(), graph=GRAPH).fit(train)
    fitted, n_known = imputer.estimator_, train.notna().sum().sum()
    missing = later.isna().to_numpy()
    filled = imputer.transform(later)[missing]
    said = recorded(long(later)[1].mean(), later, n_known)
    np.testing.assert_allclose(filled, said, rtol=1e-12)
    assert set(fitted.copies[0].seen_["time"]) <= set(later.index)
    # The table of fit by the model that was fitted, and only that.
    imputer.transform(train)
    assert len(fitted.copies) == 1
    shifted = train.set_axis(train.index + pd.Timedelta("1h"))
    for other in (train[1:], train.mask(train == train.iloc[0, 0]), shifted):
        imputer.transform(other)
        assert len(fitted.copies[-1].seen_) == other.notna().sum().sum()
    assert len(fitted.copies) == 4
    # Without a way to do so, as it was fitted.
    plain = GraphImputer(Recorder(), graph=GRAPH).fit(train)
    filled = plain.transform(later)[missing]
    np.testing.assert_allclose(filled, recorded(long(train)[1].mean(), later), rtol=1e-12)


@pytest.mark.parametrize("estimator", [Tuned(GRAPH), Recorder(GRAPH)])
def test_nothing_leaks_between_folds(estimator):
    y = TRUTH.mean(axis=1) + 0.01 * RNG.normal(size=60)
    model = make_pipeline(GraphImputer(estimator), Ridge())
    folds = KFold(3)
    usual = cross_val_predict(model, GAPS, y, cv=folds)
    for train, test in folds.split(GAPS):
        poisoned, poisoned_y = GAPS.copy(), y.copy()
        poisoned.iloc[test], poisoned_y.iloc[test] = 1e3, 1e3
        again = clone(model).fit(poisoned.iloc[train], poisoned_y.iloc[train])
        np.testing.assert_array_equal(again.predict(GAPS.iloc[test]), usual[test])
        # Rows to be filled leave no mark on those that are filled later.
        again.predict(poisoned.iloc[test])
        np.testing.assert_array_equal(again.predict(GAPS.iloc[test]), usual[test])
    # Of training rows there are left strengths alone.
    imputer = GraphImputer(Tuned(GRAPH))
    train, test = GAPS[:40], GAPS[40:]
    filled = [clone(imputer).fit(train * scale).transform(test[1:]) for scale in (1, 1000)]
    np.testing.assert_array_equal(*filled)


@pytest.mark.parametrize("labels", [LABELS, list(range(12)), [3 * i + 1 for i in range(12)]])
def test_any_container(labels):
    graph = Graph.from_adjacency(GRAPH.adjacency, labels=labels)
    imputer = GraphImputer(Recorder(graph))
    steps = GAPS.reset_index(drop=True)[list(GRAPH.labels)].set_axis(labels, axis=1)
    expected = imputer.fit_transform(steps)
    array = steps.to_numpy()
    for table in (array, array.tolist(), array.astype(object)):
        np.testing.assert_array_equal(imputer.fit_transform(table), expected)
    for table in (steps.astype("Float64"), steps.astype(object).where(steps.notna(), None)):
        np.testing.assert_array_equal(imputer.fit_transform(table), expected)
    # Columns in another order, and fewer of them.
    some = steps[labels[::-2]]
    filled = imputer.fit_transform(some)
    shift = imputer.estimator_.mean_ - np.nanmean(array)
    np.testing.assert_allclose(filled, expected[:, ::-2] + shift * some.isna())
    assert set(imputer.estimator_.seen_["node"]) == set(some.dropna(axis=1, how="all"))


def test_tables_of_polars():
    polars = pytest.importorskip("polars")
    steps = GAPS.reset_index(drop=True)
    table = polars.DataFrame({name: steps[name].to_numpy() for name in steps}).fill_nan(None)
    imputer = GraphImputer(Recorder(GRAPH))
    np.testing.assert_array_equal(imputer.fit_transform(table), imputer.fit_transform(steps))


def test_output_has_the_names_and_the_index_of_the_input():
    imputer = GraphImputer(Recorder(GRAPH)).set_output(transform="pandas")
    filled = imputer.fit_transform(GAPS)
    pd.testing.assert_index_equal(filled.index, GAPS.index)
    assert list(filled.columns) == list(imputer.get_feature_names_out()) == LABELS
    assert list(imputer.feature_names_in_) == LABELS
    assert imputer.n_features_in_ == 12
    numbered = Graph.from_adjacency(GRAPH.adjacency, labels=range(5, 17))
    imputer = GraphImputer(Recorder(numbered)).fit(GAPS.to_numpy())
    assert list(imputer.get_feature_names_out()) == [str(i) for i in range(5, 17)]
    assert list(imputer.get_feature_names_out(LABELS)) == LABELS
    with pytest.raises(ValueError, match="input_features should have length"):
        imputer.get_feature_names_out(["a"])


def test_the_indicator_is_that_of_scikit_learn():
    train, later = GAPS[:19], GAPS[19:]
    ours = (
        GraphImputer(Recorder(GRAPH), add_indicator=True).set_output(transform="pandas").fit(train)
    )
    theirs = SimpleImputer(add_indicator=True, keep_empty_features=True)
    theirs.set_output(transform="pandas").fit(train)
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    for table in (train, later):
        pd.testing.assert_frame_equal(
            ours.transform(table).iloc[:, 12:], theirs.transform(table).iloc[:, 12:]
        )
    whole = GraphImputer(Recorder(GRAPH), add_indicator=True).fit(TRUTH)
    assert whole.transform(GAPS).shape == (60, 12)


def test_in_a_pipeline_and_a_search():
    y = TRUTH.mean(axis=1)
    model = make_pipeline(GraphImputer(Recorder(GRAPH)), StandardScaler(), Ridge())
    assert model.fit(TRUTH, y).score(TRUTH, y) > 0.99
    assert np.isfinite(model.fit(GAPS, y).predict(GAPS)).all()
    # After a scaler that leaves NaN where it is.
    model = make_pipeline(
        StandardScaler().set_output(transform="pandas"), GraphImputer(Recorder(GRAPH))
    )
    assert np.isfinite(model.fit_transform(GAPS.drop(columns="s7"))).all()
    search = GridSearchCV(
        make_pipeline(GraphImputer(Recorder(GRAPH)), Ridge()),
        {"graphimputer__estimator__strength": [0, 9], "graphimputer__add_indicator": [True]},
        cv=KFold(3),
    ).fit(GAPS, y)
    assert search.best_params_["graphimputer__estimator__strength"] == 0


def test_copies_fill_as_the_first(smoothed, tmp_path):
    save(smoothed, tmp_path / "imputer")
    tables = (GAPS, GAPS[20:])
    for other in (pickle.loads(pickle.dumps(smoothed)), load(tmp_path / "imputer")):
        for table in tables:
            np.testing.assert_array_equal(other.transform(table), smoothed.transform(table))
    imputer = GraphImputer(Tuned(GRAPH)).fit(GAPS[:40])
    again = clone(imputer).fit(GAPS[:40])
    for table in (GAPS[:40], GAPS[20:]):
        np.testing.assert_array_equal(again.transform(table), imputer.transform(table))
    assert "Graph: 12 nodes" in repr(smoothed)


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-01-01", periods=60, freq="5min"),
        pd.period_range("2020-01", periods=60, freq="M"),
        pd.date_range("2020-01-31", periods=60, freq="ME"),
        HOURS.tz_convert("UTC"),
        np.cumsum(RNG.random(60)),
        pd.Index([day.date() for day in pd.date_range("2024-01-01", periods=60)]),
    ],
)
def test_times_of_any_kind(index):
    table = GAPS.set_axis(index)
    imputer = GraphImputer(Recorder(GRAPH)).set_output(transform="pandas")
    filled = imputer.fit_transform(table)
    assert filled.notna().all(axis=None)
    pd.testing.assert_index_equal(filled.index, table.index)
    assert imputer.estimator_.seen_["time"].isin(table.index).all()


AUTUMN = GAPS.tz_localize(None)[:30]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (GAPS.rename(columns={"s3": "s33"}), ValueError, r"'s33' is not one.* Near it: 's3'"),
        (GAPS.set_axis(range(12), axis=1), ValueError, "the columns of X must hold labels of the"),
        (GAPS[["s1", "s2", "s1"]], ValueError, "none twice; got 's1' twice"),
        (GAPS.rename_axis("hour").reset_index(), ValueError, r"X\.set_index\('hour'\)"),
        (GAPS.assign(s1="high"), TypeError, r"X\['s1'\] must hold real numbers; got 'high'"),
        (GAPS.replace(GAPS.iloc[3, 0], np.inf), ValueError, "column 's0' is, in row 3"),
        (GAPS * np.nan, ValueError, "X must have a value that is known"),
        (GAPS[:0], ValueError, "must have rows and columns"),
        (GAPS["s1"], ValueError, "got Series. A long table .* table.pivot"),
        (GAPS.to_numpy()[:, :5], ValueError, "for every node of the graph, 12.*got 5"),
        ([1.0, 2.0], ValueError, "a wide table, times by nodes; got list"),
        (GAPS.set_axis([*LABELS[1:], None], axis=1), ValueError, "labels of nodes.* got nan"),
        (GAPS.to_numpy()[0], ValueError, "a wide table, times by nodes; got ndarray"),
        (GAPS.to_numpy().astype(complex), TypeError, "X must hold real numbers; got dtype complex"),
        (GAPS[::-1], ValueError, r"comes before .*X\.sort_index"),
        (AUTUMN.iloc[[0, 1, 1, 2]], ValueError, "must not repeat.* 01:00:00.*tz_localize"),
        (GAPS.set_axis(GAPS.index.astype(str)), TypeError, "the index of X must hold times"),
        (GAPS.set_axis([pd.NaT, *HOURS[1:]]), ValueError, "must have a time in every row"),
        (pd.concat({"a": GAPS}), ValueError, "must hold times alone"),
        (pd.concat({"a": GAPS}, axis=1), ValueError, r"one level .* got \('a', 's0'\)"),
    ],
)
def test_unfit_tables_are_refused(X, error, message):
    imputer = GraphImputer(Recorder(GRAPH))
    with pytest.raises(error, match=message):
        imputer.fit(X)
    assert not hasattr(imputer, "n_features_in_")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (GAPS.tz_localize(None), "must have a time zone"),
        (GAPS.to_numpy(), "must hold datetimes, as in fit"),
        (GAPS[LABELS[::-1]], "feature names"),
        (GAPS[LABELS[1:]], "feature names"),
        (GAPS[::-1], "in the order of time"),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_tables_unlike_that_of_fit_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        GraphImputer(Recorder(GRAPH)).fit(GAPS).transform(X)


def test_numbered_columns_are_compared_too():
    graph = Graph.from_adjacency(GRAPH.adjacency, labels=range(12))
    table = GAPS.set_axis(range(12), axis=1)
    imputer = GraphImputer(Recorder(graph)).fit(table)
    with pytest.raises(ValueError, match="X must have the columns of fit"):
        imputer.transform(table[range(11, -1, -1)])


def test_a_later_table_needs_something_to_go_by():
    imputer = GraphImputer(Tuned(), graph=GRAPH).fit(GAPS[:30])
    with pytest.raises(ValueError, match="X must have a value that is known"):
        imputer.transform(GAPS[40:41])


def test_unfit_arguments_are_refused():
    with pytest.raises(TypeError, match="graph must be a skginr.Graph; got NoneType"):
        GraphImputer().fit(GAPS)
    with pytest.raises(TypeError, match="estimator must be a regressor"):
        GraphImputer("mean", graph=GRAPH).fit(GAPS)
    with pytest.raises(TypeError, match="add_indicator must be True or False"):
        GraphImputer(Recorder(GRAPH), add_indicator="yes").fit(GAPS)
    with pytest.raises(ValueError, match="not fitted"):
        GraphImputer(Recorder(GRAPH)).transform(GAPS)
    assert GraphImputer(Recorder(GRAPH)).__sklearn_tags__().input_tags.allow_nan
