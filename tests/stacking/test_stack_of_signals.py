"""Weights of rows, several signals and standard deviations in what corrects smoothers."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor

import skginr
from skginr import CorrectedSmoother, Graph, GraphBlockKFold, GraphSmoother, ResidualCorrector


@pytest.fixture(scope="module")
def lattice():
    return Graph(nx.to_scipy_sparse_array(nx.grid_2d_graph(16, 12)))


def table_of(graph, n_rows=150, n_signals=2, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    east, north = np.divmod(np.arange(graph.n_nodes), 12)
    waves = np.column_stack(
        [np.sin(east / 3 + i) + np.cos(north / (2 + i)) for i in range(n_signals)]
    )
    nodes = rng.choice(graph.n_nodes, n_rows, replace=False)
    y = waves[nodes] + noise * rng.standard_normal((n_rows, n_signals))
    return pd.DataFrame({"node": nodes}), y, waves


def corrected(graph, **settings):
    smoothers = [
        ("first", GraphSmoother(graph=graph, alpha=0.5)),
        ("second", GraphSmoother(graph=graph, alpha=0.1, order=2)),
    ]
    corrector = ResidualCorrector(LinearRegression())
    return CorrectedSmoother(
        graph=graph, **{"smoothers": smoothers, "corrector": corrector} | settings
    )


def repeated(splits, rows):
    """Folds of rows that are repeated, all copies of a row in one fold."""
    return [tuple(np.flatnonzero(np.isin(rows, side)) for side in split) for split in splits]


def test_a_corrector_counts_rows_as_often_as_it_is_told():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(80)
    X = np.column_stack([y + rng.standard_normal(80), y + 0.5 * rng.standard_normal(80)])
    weights = rng.integers(0, 4, 80)
    rows = np.repeat(np.arange(80), weights)
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    weighed = ResidualCorrector(LinearRegression(), cv=folds).fit(X, y, weights)
    copied = ResidualCorrector(LinearRegression(), cv=repeated(folds, rows)).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighed.blend_, copied.blend_)
    # (Inputs of a regressor are scaled by rows, not by their weights: a line does not mind.)
    np.testing.assert_allclose(weighed.weight_, copied.weight_)
    np.testing.assert_allclose(weighed.out_of_fold_[rows], copied.out_of_fold_, atol=1e-9)
    np.testing.assert_allclose(weighed.predict(X), copied.predict(X), atol=1e-9)


def test_corrected_predictions_out_of_fold_are_of_regressors_that_have_not_seen_the_row():
    rng = np.random.default_rng(1)
    y = rng.standard_normal(60)
    X = np.column_stack([y + rng.standard_normal(60), y**2])
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    model = ResidualCorrector(LinearRegression(), n_prediction_columns=1, cv=folds).fit(X, y)
    changed = y.copy()
    changed[folds[0][1]] += 0  # as it is
    offset = model.mean_ + (X[:, :1] - model.mean_) @ model.blend_
    inputs = model._inputs(X, offset)
    for regressor, (_, test) in zip(model.regressors_, folds, strict=True):
        expected = regressor.predict(inputs[test]) * model.weight_ * model._residual_scale
        np.testing.assert_allclose(model.out_of_fold_[test], offset[test] + expected)


def test_a_weight_is_how_often_a_row_counts(lattice):
    X, y, _ = table_of(lattice)
    weights = np.random.default_rng(2).integers(1, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    inner = ResidualCorrector(LinearRegression(), cv=folds)
    weighed = corrected(lattice, cv=folds, corrector=inner).fit(X, y[:, 0], weights)
    copies = repeated(folds, rows)
    copied = corrected(
        lattice, cv=copies, corrector=ResidualCorrector(LinearRegression(), cv=copies)
    ).fit(X.iloc[rows], y[rows, 0])
    everywhere = lattice.labels.to_frame(name="node")
    np.testing.assert_allclose(weighed.scores_, copied.scores_)
    for found, expected in zip(
        weighed.predict(everywhere, return_std=True),
        copied.predict(everywhere, return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_without_weight_are_not_there(lattice):
    X, y, _ = table_of(lattice)
    weights = (np.arange(len(X)) % 4 > 0).astype(float)
    wild = np.where(weights > 0, y[:, 0], 1e5)
    everywhere = lattice.labels.to_frame(name="node")
    for cv in (5, GraphBlockKFold(3, graph=lattice)):
        weighed = corrected(lattice, cv=cv, smoothers=None, corrector=None).fit(X, wild, weights)
        without = corrected(lattice, cv=cv, smoothers=None, corrector=None)
        used = weights > 0
        without.fit(X[used], y[used, 0], np.ones(used.sum()))
        np.testing.assert_allclose(
            weighed.predict(everywhere), without.predict(everywhere), atol=1e-6
        )
        assert weighed.out_of_fold_.index.tolist() == np.flatnonzero(used).tolist()


def test_signals_are_those_of_fits_one_by_one(lattice):
    X, y, _ = table_of(lattice)
    y[4, 0] = y[10:20, 1] = np.nan
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    frame = pd.DataFrame(y, columns=["u", "v"])
    many = corrected(lattice, cv=folds).fit(X, frame)
    everywhere = lattice.labels.to_frame(name="node")
    mean, std = many.predict(everywhere, return_std=True, with_noise=True)
    for signal, name in enumerate("uv"):
        known = np.flatnonzero(frame[name].notna())
        place = {row: i for i, row in enumerate(known)}
        mine = [tuple(np.array([place[r] for r in side if r in place]) for side in fold)
                for fold in folds]  # fmt: skip
        alone = corrected(lattice, cv=mine).fit(X.iloc[known], y[known, signal])
        expected, spread = alone.predict(everywhere, return_std=True, with_noise=True)
        np.testing.assert_allclose(mean[:, signal], expected, atol=1e-5)
        np.testing.assert_allclose(std[:, signal], spread, rtol=1e-4)
        np.testing.assert_allclose(many.scores_[name], alone.scores_, rtol=1e-6)
    assert many.out_of_fold_.columns.get_level_values(0).tolist() == ["u", "u", "v", "v"]
    assert len(many.corrector_) == 2


def test_smoothers_of_one_signal_are_fitted_one_by_one(lattice):
    X, y, _ = table_of(lattice)
    nearest = KNeighborsRegressor(3)
    nearest.__class__ = type("OneSignal", (KNeighborsRegressor,), {"__sklearn_tags__": _one_signal})
    smoothers = [("order 1", GraphSmoother(graph=lattice, alpha=0.5)), ("nearest", nearest)]
    model = corrected(lattice, smoothers=smoothers).fit(X, y)
    assert type(model.smoothers_["nearest"]).__name__ == "MultiOutputRegressor"
    assert model.predict(X).shape == y.shape


def _one_signal(self):
    tags = super(type(self), self).__sklearn_tags__()
    tags.target_tags.multi_output = False
    return tags


def test_parts_without_weights_are_named(lattice):
    X, y, _ = table_of(lattice)
    weights = np.ones(len(X))
    smoothers = [("nearest", KNeighborsRegressor(3))]
    with pytest.raises(TypeError, match=r"smoothers\['nearest'\] must take sample_weight"):
        corrected(lattice, smoothers=smoothers).fit(X, y[:, 0], weights)
    with pytest.raises(TypeError, match="corrector must take sample_weight"):
        corrected(lattice, corrector=KNeighborsRegressor(3)).fit(X, y[:, 0], weights)
    with pytest.raises(TypeError, match="regressor must take sample_weight"):
        ResidualCorrector(KNeighborsRegressor(3)).fit(y, y[:, 0], weights)
    # Without weights all are welcome.
    corrected(lattice, smoothers=smoothers).fit(X, y[:, 0])


# --- standard deviations


@pytest.mark.parametrize("regions", [False, True])
def test_intervals_hold_on_rows_that_were_not_there(regions):
    graph = Graph(nx.to_scipy_sparse_array(nx.grid_2d_graph(40, 12)))
    inside = []
    for seed in range(4):
        X, y, _ = table_of(graph, n_rows=480, n_signals=1, noise=0.4, seed=seed)
        if regions:
            train, test = next(GraphBlockKFold(4, graph=graph, random_state=seed).split(X, y))
            cv = GraphBlockKFold(4, graph=graph)
        else:
            train, test = np.arange(360), np.arange(360, 480)
            cv = 10
        model = corrected(graph, cv=cv).fit(X.iloc[train], y[train, 0])
        mean, std = model.predict(X.iloc[test], return_std=True, with_noise=True)
        inside.append(np.abs(y[test, 0] - mean) <= 1.645 * std)
        _, of_signal = model.predict(X.iloc[test], return_std=True)
        np.testing.assert_allclose(std**2, of_signal**2 + model.noise_variance_)
        assert (of_signal > 0).all()
    assert 0.83 <= np.concatenate(inside).mean() <= 0.96


def test_deviations_are_scaled_to_hold_nine_in_ten_rows_held_out(lattice):
    """Smoothers whose strength is wrong by far say too little; rows held out tell."""
    X, y, _ = table_of(lattice)
    factors = []
    for alpha in (1e-4, 0.5):
        smoothers = [("only", GraphSmoother(graph=lattice, alpha=alpha))]
        folds = list(KFold(5, shuffle=True, random_state=0).split(X))
        model = corrected(lattice, smoothers=smoothers, cv=folds).fit(X, y[:, 0])
        model.predict(X, return_std=True)
        spread = model._spreads[0]
        factors.append(spread.factor)
        missed = np.abs(y[:, 0] - model.corrector_.out_of_fold_)
        _, said = model.smoothers_["only"].predict_out_of_fold(folds, return_std=True)
        inside = np.mean(missed <= 1.645 * spread.factor * said)
        assert 0.9 <= inside <= 0.92
    assert factors[0] > factors[1]


def test_signals_have_smoothers_of_their_own_that_tell_deviations(lattice):
    X, y, _ = table_of(lattice, n_rows=60)
    y[:, 1] = np.random.default_rng(0).standard_normal(60)
    smoothers = [
        (f"alpha {alpha}", GraphSmoother(graph=lattice, alpha=alpha)) for alpha in (0.1, 1, 10, 1e4)
    ]
    model = corrected(lattice, smoothers=smoothers).fit(X, y)
    _, std = model.predict(X, return_std=True)
    first, second = (set(spread.names) for spread in model._spreads)
    assert first != second
    assert np.isfinite(std).all()


def test_draws_are_as_far_apart_as_deviations_say(lattice):
    X, y, _ = table_of(lattice)
    model = corrected(lattice).fit(X, y)
    everywhere = lattice.labels.to_frame(name="node").iloc[::7]
    mean, std = model.predict(everywhere, return_std=True)
    draws = model.sample_y(everywhere, 3000)
    assert draws.shape == (*mean.shape, 3000)
    np.testing.assert_allclose(draws.std(axis=2), std, rtol=0.12)
    assert np.abs((draws.mean(axis=2) - mean) / std).max() < 0.3
    noisy = model.fit(X, y[:, 0]).sample_y(everywhere, 3000, random_state=1, with_noise=True)
    _, std = model.predict(everywhere, return_std=True, with_noise=True)
    np.testing.assert_allclose(noisy.std(axis=1), std, rtol=0.12)


def test_without_deviations_there_is_nothing_to_scale(lattice):
    X, y, _ = table_of(lattice)
    smoothers = [("nearest", KNeighborsRegressor(3))]
    model = corrected(lattice, smoothers=smoothers).fit(X, y[:, 0])
    for ask in (
        lambda: model.predict(X, return_std=True),
        lambda: model.sample_y(X),
        lambda: model.noise_variance_,
    ):
        with pytest.raises(ValueError, match="a smoother that tells its own standard deviations"):
            ask()
    with pytest.raises(ValueError, match="needs return_std=True"):
        model.predict(X, with_noise=True)


def test_what_is_known_of_deviations_is_stored(lattice, tmp_path):
    X, y, _ = table_of(lattice)
    for asked in (False, True):
        model = corrected(lattice).fit(X, y)
        if asked:
            model.predict(X, return_std=True)
        skginr.save(model, tmp_path / "model")
        expected = model.predict(X, return_std=True)
        for again in (skginr.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
            for one, other in zip(again.predict(X, return_std=True), expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9)


def test_files_of_earlier_versions_predict(lattice):
    X, y, _ = table_of(lattice)
    model = corrected(lattice).fit(X, y[:, 0])
    expected = model.predict(X)
    for name in ("_residuals", "_single", "_spreads", "_blends", "_counts", "_folds"):
        del model.__dict__[name]
    np.testing.assert_array_equal(model.predict(X), expected)
    with pytest.raises(ValueError, match="earlier version"):
        model.predict(X, return_std=True)


def test_a_large_table_is_judged_by_some_of_its_folds(lattice, monkeypatch):
    X, y, _ = table_of(lattice)
    monkeypatch.setattr(skginr.stacking._uncertainty, "_ENOUGH", 40)
    seen = []
    told = GraphSmoother.predict_out_of_fold

    def watched(self, splits, return_std=False):
        if return_std:
            seen.append(len(splits))
        return told(self, splits, return_std)

    monkeypatch.setattr(GraphSmoother, "predict_out_of_fold", watched)
    corrected(lattice, cv=10).fit(X, y[:, 0]).predict(X, return_std=True)
    assert seen == [3, 3]
