import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline

from skginr import SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_bunny, make_reaction_diffusion

QUICK = {"max_epochs": 15, "hidden_units": 32, "random_state": 0}


def test_it_learns_a_wave_and_predicts_between_its_points(wave):
    X, y = wave
    model = SIRENRegressor("train", random_state=0, max_epochs=100).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.99


def test_represent_memorises_noise():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 40)), rng.standard_normal(300)
    model = SIRENRegressor("represent", random_state=0, max_epochs=300).fit(X, y)
    assert model.score(X, y) > 0.9999


def test_relu_learns_too(wave):
    X, y = wave
    model = SIRENRegressor("train", activation="relu", random_state=0, max_epochs=100).fit(
        X[:300], y[:300]
    )
    assert model.score(X[300:], y[300:]) > 0.97


def test_the_target_may_have_any_scale(wave):
    X, y = wave
    model = SIRENRegressor("train", **QUICK)
    plain = clone(model).fit(X, y).predict(X)
    scaled = clone(model).fit(X, 1e6 * y - 7e8).predict(X)
    np.testing.assert_allclose((scaled + 7e8) / 1e6, plain, atol=2e-5)


def test_outputs_are_scaled_one_by_one(wave):
    X, y = wave
    both = np.column_stack([y, 1000 * X[:, 0]])
    model = SIRENRegressor("train", random_state=0, max_epochs=100).fit(X, both)
    assert model.predict(X).shape == (400, 2)
    np.testing.assert_array_less(0.98, [model.score(X, both)])
    one = SIRENRegressor("train", **QUICK).fit(X, y[:, None])
    assert one.predict(X).shape == (400, 1)


def test_a_constant_target_is_predicted_exactly(wave):
    X, _ = wave
    np.testing.assert_allclose(
        SIRENRegressor("train", **QUICK).fit(X, np.full(400, 3.5)).predict(X), 3.5
    )


@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e30, 1e200])
def test_the_smallest_and_largest_targets_are_learned_alike(wave, factor):
    X, y = wave
    plain = SIRENRegressor("train", **QUICK).fit(X, y).predict(X)
    scaled = SIRENRegressor("train", **QUICK).fit(X, factor * y).predict(X)
    np.testing.assert_allclose(scaled / factor, plain, atol=1e-4)


def test_values_beyond_the_numbers_are_refused(wave):
    X, y = wave
    steps = 1e15 + np.arange(400.0)
    assert SIRENRegressor("train", **QUICK).fit(X, steps).predict(X).std() > 1
    with pytest.raises(ValueError, match="y is too large"):
        SIRENRegressor("train", **QUICK).fit(X, np.where(y > 0, 1.7e308, 1e308))
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="X has values beyond the range of float32"):
        model.predict(X * 1e39)


def test_floats_come_out_as_they_went_in(wave):
    X, y = wave
    model = SIRENRegressor("train", **QUICK)
    table = pd.DataFrame({"a": y, "b": -y}, dtype=np.float32)
    assert model.fit(X, table).predict(X).dtype == np.float32
    assert model.fit(X, y).predict(X).dtype == np.float64
    assert model.fit(X, y.astype(np.float32)).predict(X).dtype == np.float32
    assert model.fit(X.astype(np.float32), y).predict(X).dtype == np.float64
    assert model.fit(X, np.arange(400)).predict(X).dtype == np.float64


def test_float32_is_float64_to_single_precision(wave):
    X, y = wave
    # Without zero_output: after it, the first AdamW step of some weights is all rounding.
    exact = {"batch_size": "all", "max_epochs": 10, "random_state": 0, "zero_output": False}
    single, double = (
        SIRENRegressor("train", dtype=d, **exact).fit(X, y) for d in ("float32", "float64")
    )
    np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-5)
    reversed_rows = SIRENRegressor("train", **exact).fit(X[::-1], y[::-1])
    np.testing.assert_allclose(reversed_rows.predict(X), single.predict(X), atol=1e-5)
    assert single.net_.module_.layers[0].weight.dtype == torch.float32
    assert double.net_.module_.layers[0].weight.dtype == torch.float64


@pytest.mark.parametrize("schedule", ["cosine", "anytime"])
@pytest.mark.parametrize("batch_size", ["all", 64])
def test_equal_seeds_give_equal_models_and_leave_the_global_state_alone(wave, batch_size, schedule):
    X, y = wave
    settings = QUICK | {"batch_size": batch_size, "schedule": schedule}
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    first = SIRENRegressor("train", **settings).fit(X, y).predict(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    torch.manual_seed(5)
    second = SIRENRegressor("train", **settings).fit(X, y).predict(X)
    np.testing.assert_array_equal(first, second)
    other = SIRENRegressor("train", **(settings | {"random_state": 1})).fit(X, y)
    assert np.abs(other.predict(X) - first).max() > 1e-3


def test_a_prediction_does_not_depend_on_its_company(wave):
    X, y = wave
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    alone = np.concatenate([model.predict(row[None]) for row in X[:30]])
    np.testing.assert_allclose(alone, model.predict(X)[:30], atol=1e-5)


def test_weights_count_as_repeated_rows(wave):
    X, y = (part[:60] for part in wave)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    exact = {"dtype": "float64", "batch_size": "all", "max_epochs": 10, "random_state": 0}
    weighted = SIRENRegressor("train", **exact).fit(X, y, sample_weight=weight)
    repeated = SIRENRegressor("train", **exact).fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8, atol=1e-10)


def test_weights_only_matter_in_proportion(wave):
    X, y = wave
    weight = np.random.default_rng(0).random(400)
    first = SIRENRegressor("train", **QUICK).fit(X, y, sample_weight=weight).predict(X)
    second = SIRENRegressor("train", **QUICK).fit(X, y, sample_weight=1000 * weight).predict(X)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_the_papers_texture_is_memorised(data_root):
    bunny = fetch_bunny(resolution=3)
    texture = make_reaction_diffusion(bunny, n_steps=3000)["v"]
    table = texture.rename_axis("vertex").reset_index()
    model = make_pipeline(
        SpectralEmbedder(100, graph=bunny), SIRENRegressor("represent", random_state=0)
    )
    model.fit(table[["vertex"]], table["v"])
    assert model[-1].stop_reason_.startswith("reached target_score=0.9999")
    assert model.score(table[["vertex"]], table["v"]) >= 0.9999


def test_weights_and_another_loss_do_not_mix(wave):
    X, y = wave
    model = SIRENRegressor("train", net_params={"criterion": torch.nn.L1Loss}, **QUICK)
    assert model.fit(X, y).score(X, y) > 0
    with pytest.raises(ValueError, match="names another criterion"):
        model.fit(X, y, sample_weight=np.ones(400))


def test_unfit_data_is_refused(wave):
    X, y = wave
    unknown = y.copy()
    unknown[[3, 4]] = np.nan
    with pytest.raises(ValueError, match="y must be known.*2 values are NaN.*dropna"):
        SIRENRegressor().fit(X, unknown)
    with pytest.raises(ValueError, match="y must be known.*1 values"):
        SIRENRegressor().fit(X, pd.Series(y, dtype="Float64").mask(np.arange(400) == 7))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SIRENRegressor().fit(X, y[:-1])
    for words in (["1"] * 400, pd.Series(["1"] * 400), pd.date_range("2020", periods=400)):
        with pytest.raises(TypeError, match="y must hold real numbers"):
            SIRENRegressor().fit(X, words)
    with pytest.raises(ValueError, match="Node labels become numbers in a pipeline"):
        SIRENRegressor().fit(pd.DataFrame({"name": ["Autauga"] * 400}), y)
    with pytest.raises(ValueError, match="Negative values.*sample_weight"):
        SIRENRegressor().fit(X, y, sample_weight=-np.ones(400))
    with pytest.raises(ValueError, match="at least one non-zero|positive for some row"):
        SIRENRegressor().fit(X, y, sample_weight=np.zeros(400))
    with pytest.raises(ValueError, match="not fitted"):
        SIRENRegressor().predict(X)
    with pytest.raises(ValueError, match="expecting 2 features"):
        SIRENRegressor("train", **QUICK).fit(X, y).predict(X[:, :1])


def test_held_out_targets_reach_nothing(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    test = np.arange(0, 108, 5)
    fold = [(np.setdiff1d(np.arange(108), test), test)]
    pipeline = make_pipeline(SpectralEmbedder(16, graph=grid), SIRENRegressor("train", **QUICK))

    def held_out(y):
        # The whole of y goes in: what is held out is the fold's business.
        run = cross_validate(pipeline, X, y, cv=fold, return_estimator=True)
        (fitted,) = run["estimator"]
        return fitted[0].transform(X), fitted.predict(X), run["test_score"]

    poisoned = y.mask(y.index.isin(test), 1e6)
    before, after = held_out(y), held_out(poisoned)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2] != after[2]
    embedder = SpectralEmbedder(16, graph=grid)
    np.testing.assert_array_equal(
        embedder.fit_transform(X, y), clone(embedder).fit_transform(X, poisoned)
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_search_score_and_curve(grid, grid_table, n_jobs):
    X, y = grid_table[["node"]], grid_table["signal"]
    pipeline = make_pipeline(SpectralEmbedder(8, graph=grid), SIRENRegressor("train", **QUICK))
    search = GridSearchCV(
        pipeline, {"spectralembedder__n_components": [2, 8]}, cv=3, n_jobs=n_jobs
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(search.predict(X)).all()
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=3, n_jobs=n_jobs)).all()
    sizes, train, test = learning_curve(pipeline, X, y, cv=3, train_sizes=[0.5, 1.0], n_jobs=n_jobs)
    assert sizes.tolist() == [36, 72]
    assert np.isfinite([train, test]).all()


def test_an_isolated_node_gets_a_prediction(archipelago):
    pipeline = make_pipeline(
        SpectralEmbedder(4, graph=archipelago), SIRENRegressor("represent", random_state=0)
    )
    X = np.arange(36)[:, None]
    y = np.where(X[:, 0] == 35, 7.0, np.sin(X[:, 0] / 5))
    assert pipeline.fit(X, y).predict([[35]]) == pytest.approx(7.0, abs=0.05)
    pipeline.fit(X[:30], y[:30])
    with pytest.warns(UserWarning, match="1 of 1 rows of X name nodes of 1 connected component"):
        assert np.isfinite(pipeline.predict([[35]])).all()


@pytest.mark.parametrize(
    ("X", "what"),
    [
        (pd.DataFrame({"fips": ["01001", "01003", "01005"]}), "'01001' of type str"),
        (pd.DataFrame({"time": pd.date_range("2026", periods=3)}), "datetime64"),
        ([["1", "2"], ["3", "4"], ["5", "6"]], "'1' of type str"),
    ],
)
def test_words_and_times_do_not_become_numbers(X, what):
    with pytest.raises(ValueError, match=f"X must hold numbers; got .*{what}.*SpectralEmbedder"):
        SIRENRegressor("train", max_epochs=1).fit(X, [0.0, 1.0, 2.0])
