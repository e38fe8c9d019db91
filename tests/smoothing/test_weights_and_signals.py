"""What every smoother does with weights of rows, and with several signals."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline

import skginr
from skginr import (
    Graph,
    GraphGaussianProcessRegressor,
    GraphSmoother,
    SpatialGaussianProcessRegressor,
)


@pytest.fixture(scope="module")
def grid():
    graph = nx.grid_2d_graph(9, 8)
    positions = np.array(list(graph.nodes), dtype=float)
    return Graph(nx.to_scipy_sparse_array(graph), positions=positions)


SMOOTHERS = {
    "order 1": lambda grid: GraphSmoother(graph=grid, alpha=0.3),
    "order 2": lambda grid: GraphSmoother(graph=grid, alpha=0.3, order=2, laplacian="symmetric"),
    "kappa": lambda grid: GraphSmoother(graph=grid, alpha=0.3, order=3, kappa=0.4),
    "process": lambda grid: GraphGaussianProcessRegressor(graph=grid),
    "space": lambda grid: SpatialGaussianProcessRegressor(graph=grid),
}


@pytest.fixture(params=SMOOTHERS)
def smoother(request, grid):
    return SMOOTHERS[request.param](grid)


def rows_of(grid, n_rows=60, n_signals=3):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"node": rng.choice(grid.n_nodes, n_rows), "age": rng.random(n_rows)})
    place = grid.positions[X["node"]]
    waves = np.sin(place @ rng.normal(size=(2, n_signals)) / 2) + X[["age"]].to_numpy()
    return X, waves + 0.1 * rng.standard_normal(waves.shape)


def answers(model, X):
    mean, std = model.predict(X, return_std=True)
    return mean, std, model.noise_variance_


def test_a_weight_is_how_often_a_row_counts(grid, smoother):
    X, y = rows_of(grid)
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    weighed = clone(smoother).fit(X, y[:, 0], sample_weight=weights)
    repeated = clone(smoother).fit(X.iloc[rows], y[rows, 0])
    for found, expected in zip(answers(weighed, X), answers(repeated, X), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_rows_without_weight_are_not_there(grid, smoother):
    X, y = rows_of(grid)
    weights = (np.arange(len(X)) % 3 > 0).astype(float)
    # Rates of nothing among nobody are not known.
    wild = np.where(weights > 0, y[:, 0], np.where(np.arange(len(X)) % 2, np.nan, 1e6))
    weighed = clone(smoother).fit(X.assign(age=X["age"] + 1e3 * (weights == 0)), wild, weights)
    without = clone(smoother).fit(X[weights > 0], y[weights > 0, 0])
    for found, expected in zip(answers(weighed, X), answers(without, X), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_weights_that_are_all_the_same_are_a_strength(grid):
    X, y = rows_of(grid)
    plain = GraphSmoother(graph=grid, alpha=0.3).fit(X, y[:, 0])
    weighed = GraphSmoother(graph=grid, alpha=2.1).fit(X, y[:, 0], np.full(len(X), 7.0))
    np.testing.assert_allclose(weighed.predict(X), plain.predict(X), atol=1e-9)


def test_weights_that_sum_to_little_tell_by_their_ratios(grid, smoother):
    X, y = rows_of(grid)
    weights = 1.0 + np.arange(len(X)) % 2
    small = clone(smoother)
    if "alpha" in small.get_params():
        small.set_params(alpha=small.alpha * 1e-3)
    some, less = (
        (clone(smoother).fit(X, y[:, 0], weights / weights.mean())),
        small.fit(X, y[:, 0], 1e-3 * weights / weights.mean()),
    )
    np.testing.assert_allclose(less.predict(X), some.predict(X), atol=1e-3)
    # A row of weight 1 says a thousand times as much as these.
    np.testing.assert_allclose(less.noise_variance_, 1e-3 * some.noise_variance_, rtol=1e-3)
    np.testing.assert_allclose(
        less.predict(X, return_std=True)[1], some.predict(X, return_std=True)[1], rtol=1e-3
    )


def test_signals_are_those_of_fits_one_by_one(grid, smoother):
    X, y = rows_of(grid)
    y[3, 1] = y[10:14, 2] = np.nan
    many = clone(smoother).fit(X, y)
    mean, std = many.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    for signal in range(3):
        known = ~np.isnan(y[:, signal])
        alone = clone(smoother).fit(X[known], y[known, signal])
        expected, spread = alone.predict(X, return_std=True)
        np.testing.assert_allclose(mean[:, signal], expected, atol=1e-8)
        np.testing.assert_allclose(std[:, signal], spread, rtol=1e-7)
        np.testing.assert_allclose(many.noise_variance_[signal], alone.noise_variance_)
    assert many.score(X, mean) == 1


def test_one_column_stays_a_column(grid, smoother):
    X, y = rows_of(grid)
    column = clone(smoother).fit(X, pd.DataFrame({"level": y[:, 0]}))
    flat = clone(smoother).fit(X, y[:, 0])
    np.testing.assert_array_equal(column.predict(X)[:, 0], flat.predict(X))
    assert flat.predict(X).shape == (len(X),)


def test_noise_is_added_where_it_is_asked_for(grid, smoother):
    X, y = rows_of(grid)
    for signals in (y[:, 0], y):
        model = clone(smoother).fit(X, signals)
        _, std = model.predict(X, return_std=True)
        _, of_rows = model.predict(X, return_std=True, with_noise=True)
        np.testing.assert_allclose(of_rows**2, std**2 + model.noise_variance_)
    with pytest.raises(ValueError, match="needs return_std=True"):
        model.predict(X, with_noise=True)
    with pytest.raises(TypeError, match="with_noise must be True or False"):
        model.predict(X, return_std=True, with_noise="yes")


def test_weights_pass_through_pipelines_and_searches(grid, smoother):
    X, y = rows_of(grid)
    weights = np.random.default_rng(2).integers(0, 3, len(X))
    expected = clone(smoother).fit(X, y[:, 0], weights).predict(X)
    name = type(smoother).__name__.lower()
    pipeline = make_pipeline(clone(smoother))
    pipeline.fit(X, y[:, 0], **{f"{name}__sample_weight": weights})
    np.testing.assert_array_equal(pipeline.predict(X), expected)
    search = GridSearchCV(clone(smoother), {"node": ["node"]}, cv=KFold(3))
    search.fit(X, y[:, 0], sample_weight=weights)
    np.testing.assert_allclose(search.predict(X), expected, atol=1e-12)
    # Scores are weighed where scikit-learn weighs them.
    fitted = search.best_estimator_
    plain = fitted.score(X, y[:, 0])
    assert fitted.score(X, y[:, 0], sample_weight=weights) != plain


def test_weights_are_routed(grid, smoother):
    X, y = rows_of(grid)
    weights = np.random.default_rng(2).integers(0, 3, len(X))
    weights[::3] = 1
    folds = list(KFold(3).split(X))
    with config_context(enable_metadata_routing=True):
        asking = clone(smoother).set_fit_request(sample_weight=True)
        asking.set_score_request(sample_weight=True)
        found = cross_validate(
            make_pipeline(asking), X, y[:, 0], cv=folds, params={"sample_weight": weights}
        )
    for score, (train, test) in zip(found["test_score"], folds, strict=True):
        fitted = clone(smoother).fit(X.iloc[train], y[train, 0], weights[train])
        expected = fitted.score(X.iloc[test], y[test, 0], sample_weight=weights[test])
        assert score == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.r_[-1.0, np.ones(59)], "not negative; got -1.0 in row 0"),
        (np.zeros(60), "all are zero"),
        (np.r_[np.nan, np.ones(59)], "must be finite"),
        (np.ones(59), r"shape \(60,\)"),
        (np.ones((60, 2)), r"shape \(60,\)"),
        (np.r_[1e-12, np.ones(59)], "within a factor of 1e[+]08"),
        (["many"] * 60, "must hold real numbers"),
        (np.full(60, 1e-200), "must be numbers to compute with"),
    ],
)
def test_unfit_weights_are_refused(grid, smoother, weights, message):
    X, y = rows_of(grid)
    with pytest.raises((ValueError, TypeError), match=message):
        smoother.fit(X, y[:, 0], sample_weight=weights)
    assert not hasattr(smoother, "graph_")


def test_populations_given_as_counts_are_said(grid, smoother):
    X, y = rows_of(grid)
    with pytest.warns(UserWarning, match="counts rows, 2 is as the row twice"):
        smoother.fit(X, y[:, 0], sample_weight=np.full(60, 1e5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[:, :, None], "must have shape"),
        (lambda y: y[:, :0], "must have shape"),
        (lambda y: np.where(np.arange(3) == 1, np.nan, y), "column 1 is NaN throughout"),
        (lambda y: np.where(y == y[4, 2], np.inf, y), "must be finite"),
        (lambda y: np.where(y[:, :1] == y[4, 0], np.nan, y[:, :1]), "known in every row"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
    ],
)
def test_unfit_signals_are_refused(grid, smoother, change, message):
    X, y = rows_of(grid)
    with pytest.raises(ValueError, match=message):
        smoother.fit(X, change(y))


def test_many_signals_are_stored(grid, smoother, tmp_path):
    X, y = rows_of(grid)
    model = smoother.fit(X, y, sample_weight=1.0 + np.arange(len(X)) % 2)
    skginr.save(model, tmp_path / "model")
    for again in (skginr.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        for found, expected in zip(answers(again, X), answers(model, X), strict=True):
            np.testing.assert_array_equal(found, expected)


# --- of smoothers with a strength


def test_strengths_are_chosen_for_each_signal(grid):
    X, y = rows_of(grid)
    y[:, 1] = np.random.default_rng(3).standard_normal(len(y))
    cv = KFold(6, shuffle=True, random_state=0)
    many = GraphSmoother(graph=grid, cv=cv).fit(X, pd.DataFrame(y, columns=list("abc")))
    assert many.alpha_[1] > 10 * many.alpha_[0]
    for name, signal in zip("abc", y.T, strict=True):
        alone = GraphSmoother(graph=grid, cv=cv).fit(X, signal)
        mine = many.cv_results_[many.cv_results_["signal"] == name]
        pd.testing.assert_frame_equal(
            mine.drop(columns="signal").reset_index(drop=True), alone.cv_results_
        )
    assert many.tuned_clone().alpha.tolist() == many.alpha_.tolist()
    np.testing.assert_allclose(many.tuned_clone().fit(X, y).predict(X), many.predict(X))


@pytest.mark.parametrize("factor", [2, 50])
def test_strengths_are_those_of_repeated_rows(grid, factor):
    X, y = rows_of(grid, n_signals=1)
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    wide = [tuple(np.concatenate([rows + 60 * i for i in range(factor)]) for rows in fold)
            for fold in folds]  # fmt: skip
    with_weights = GraphSmoother(graph=grid, cv=folds)
    if factor > 30:
        with pytest.warns(UserWarning, match="counts rows"):
            with_weights.fit(X, y[:, 0], np.full(60, float(factor)))
    else:
        with_weights.fit(X, y[:, 0], np.full(60, float(factor)))
    repeated = GraphSmoother(graph=grid, cv=wide).fit(
        pd.concat([X] * factor), np.tile(y[:, 0], factor)
    )
    # (Fifty times as strong a signal is looked for on the grid of ten times as strong ones.)
    step = 1 if factor == 2 else 10**0.25
    assert with_weights.alpha_ == pytest.approx(repeated.alpha_, rel=step - 1 + 1e-9)
    if factor == 2:
        for found, expected in zip(answers(with_weights, X), answers(repeated, X), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("cv", [None, KFold(4), "splits"])
def test_folds_are_of_rows_that_count(grid, cv):
    X, y = rows_of(grid)
    used = np.arange(len(X)) % 4 > 0
    inner = list(KFold(4).split(X[used]))
    rows = np.flatnonzero(used)
    given = cv if cv != "splits" else [
        (np.r_[rows[train], 0], np.r_[rows[test], 4]) for train, test in inner
    ]  # fmt: skip
    weighed = GraphSmoother(graph=grid, cv=given).fit(X, y[:, 0], used.astype(float))
    without = GraphSmoother(graph=grid, cv=inner if cv == "splits" else cv)
    without.fit(X[used], y[used, 0])
    pd.testing.assert_frame_equal(weighed.cv_results_, without.cv_results_)


def test_out_of_fold_predictions_of_many_signals(grid):
    X, y = rows_of(grid)
    y[5, 0] = np.nan
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    weights = 1.0 + np.arange(len(X)) % 3
    model = GraphSmoother(graph=grid, alpha=0.2).fit(X, y, weights)
    found = model.predict_out_of_fold(folds)
    for train, test in folds:
        again = model.tuned_clone().fit(X.iloc[train], y[train], weights[train])
        np.testing.assert_allclose(found[test], again.predict(X.iloc[test]), atol=1e-5)


def test_many_sides_are_solved_by_a_factor(grid):
    X, y = rows_of(grid, n_signals=40)
    for order in (1, 2, 3):
        model = GraphSmoother(graph=grid, order=order, kappa=0.1, alpha=0.05)
        together = model.fit(X, y).signal_
        one = [model.fit(X, signal).signal_ for signal in y.T]
        np.testing.assert_allclose(together, np.column_stack(one), atol=1e-7)


def test_strengths_may_be_given_for_each_signal(grid):
    X, y = rows_of(grid)
    alphas = [0.1, 1.0, 10.0]
    many = GraphSmoother(graph=grid, alpha=alphas).fit(X, y)
    np.testing.assert_allclose(many.alpha_, alphas)
    for message, alpha in [
        ("3 numbers, one for each", [1.0, 2.0]),
        ("greater than 0", [1.0, 2.0, -1.0]),
    ]:
        with pytest.raises(ValueError, match=message):
            GraphSmoother(graph=grid, alpha=alpha).fit(X, y)


def test_a_signal_without_weight_is_refused(grid):
    X, y = rows_of(grid)
    y[1:, 2] = np.nan
    weights = np.r_[0.0, np.ones(59)]
    with pytest.raises(ValueError, match="known row of every signal; column 2"):
        GraphSmoother(graph=grid).fit(X, y, weights)
    with pytest.raises(ValueError, match="at least 2 rows of every signal"):
        GraphSmoother(graph=grid).fit(X, y)


def test_files_of_earlier_versions_predict_and_say_what_they_cannot(grid):
    X, y = rows_of(grid)
    model = GraphSmoother(graph=grid, alpha=0.3).fit(X, y[:, 0])
    expected = model.predict(X)
    for name in ("_likely", "_single"):
        del model.__dict__[name]
    del model._problem_.__dict__["weights"]
    np.testing.assert_allclose(model.predict(X), expected)
    with pytest.raises(ValueError, match="earlier version"):
        model.predict(X, return_std=True)
