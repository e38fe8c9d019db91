"""Standard deviations of the network: of its last layer, scaled by rows held out."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import skginr
from skginr import (
    Graph,
    GraphBlockKFold,
    SIRENRegressor,
    SpectralEmbedder,
    predict_frame,
    refine_model,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 3))
Z = RNG.standard_normal((300, 3))


def truth(X):
    return np.sin(2 * X[:, 0]) + 0.5 * X[:, 1]


Y = truth(X) + 0.3 * RNG.standard_normal(len(X))


def fitted(X=X, y=Y, sample_weight=None, **given):
    return SIRENRegressor(random_state=0, **given).fit(X, y, sample_weight)


@pytest.fixture(scope="module")
def model():
    return fitted()


def features_of(model, X):
    module = model.net_.module_
    with torch.no_grad():
        return module.features(torch.from_numpy(X).to(module.last.weight.dtype)).double().numpy()


@pytest.mark.parametrize("n_rows", [40, 120])
@pytest.mark.parametrize("hidden_units", [16, 256])
def test_deviations_are_those_of_a_bayesian_linear_regression(n_rows, hidden_units):
    """Dense, weight by weight, with as good as no prior for the intercept."""
    model = fitted(X[:n_rows], Y[:n_rows], hidden_units=hidden_units, dtype="float64")
    posterior = model._model.posterior
    old, new = (features_of(model, some) * posterior.prior for some in (X[:n_rows], Z))
    old, new = (np.column_stack([some, np.ones(len(some))]) for some in (old, new))
    y = (Y[:n_rows] - Y[:n_rows].mean()) / Y[:n_rows].std()
    means, variances = [], []
    for strength, noise in zip(posterior.strengths, posterior.noises[0], strict=True):
        precision = old.T @ old + np.diag([strength] * (old.shape[1] - 1) + [0.0])
        left = y - old @ np.linalg.solve(precision, old.T @ y)
        free = np.trace(np.linalg.solve(precision, old.T @ old))
        assert noise == pytest.approx(left @ left / (n_rows - free), rel=1e-5)
        means.append(new @ np.linalg.solve(precision, old.T @ y))
        solved = np.linalg.solve(precision, new.T)
        variances.append(noise * np.einsum("ij,ji->i", new, solved))
    shares = posterior.shares[0]
    mean = shares @ means
    variance = shares @ (np.array(variances) + (np.array(means) - mean) ** 2)
    expected = posterior.factor[0] * np.sqrt(variance) * Y[:n_rows].std()
    found, std = model.predict(Z, return_std=True)
    np.testing.assert_allclose(std, expected, rtol=1e-4)
    # Strengths that hardly count are in the mean all the same.
    np.testing.assert_allclose(found, mean * Y[:n_rows].std() + Y[:n_rows].mean(), atol=0.02)


def test_draws_vary_together_as_deviations_say(model):
    rows = np.vstack([Z[:5], Z[:1]])
    draws = model.sample_y(rows, 20_000, random_state=1)
    mean, std = model.predict(rows, return_std=True)
    assert draws.shape == (6, 20_000)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=0.02)
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.03)
    np.testing.assert_allclose(draws[0], draws[5], atol=1e-6)
    near = np.vstack([Z[:1], Z[:1] + 1e-3, -3 * Z[:1]])
    corr = np.corrcoef(model.sample_y(near, 2000, random_state=1))
    assert corr[0, 1] > 0.99 > 0.9 > abs(corr[0, 2])
    _, of_rows = model.predict(rows, return_std=True, with_noise=True)
    np.testing.assert_allclose(of_rows, np.sqrt(std**2 + model.noise_variance_))
    noisy = model.sample_y(rows, 20_000, random_state=1, with_noise=True)
    np.testing.assert_allclose(noisy.std(axis=1), of_rows, rtol=0.03)
    assert abs(np.corrcoef(noisy[[0, 5]])[0, 1]) < 0.95
    np.testing.assert_array_equal(draws, model.sample_y(rows, 20_000, random_state=1))


def holds(y, mean, std):
    return np.mean(np.abs(y - mean) <= 1.645 * std)


@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_intervals_hold_as_often_as_they_say(noise):
    signal, rows, noises = [], [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        some, others = rng.standard_normal((150, 4)), rng.standard_normal((300, 4))
        model = fitted(some, truth(some) + noise * rng.standard_normal(150))
        mean, std = model.predict(others, return_std=True)
        _, wide = model.predict(others, return_std=True, with_noise=True)
        signal.append(holds(truth(others), mean, std))
        rows.append(holds(truth(others) + noise * rng.standard_normal(300), mean, wide))
        noises.append(model.noise_variance_)
    assert np.mean(rows) == pytest.approx(0.9, abs=0.04)
    assert np.mean(signal) > 0.8
    assert np.mean(noises) == pytest.approx(noise**2, rel=0.25)


def test_regions_are_less_known_than_rows():
    graph = Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(16, 14)))
    nodes = pd.DataFrame({"node": graph.labels})
    across, down = np.divmod(np.arange(224), 14)
    y = np.sin(across / 3) * np.cos(down / 4) + 0.2 * np.random.default_rng(0).standard_normal(224)
    held = {None: [], 0.2: []}
    for train, test in GraphBlockKFold(5, graph=graph).split(nodes):
        for validation, kept in held.items():
            model = make_pipeline(
                SpectralEmbedder(graph=graph),
                SIRENRegressor(validation=validation, random_state=0),
            ).fit(nodes.iloc[train], y[train])
            said = model.predict(nodes.iloc[test], return_std=True, with_noise=True)
            kept.append(holds(y[test], *said))
    assert np.mean(held[None]) < np.mean(held[0.2])
    assert np.mean(held[0.2]) == pytest.approx(0.9, abs=0.08)


@pytest.mark.parametrize("validation", [None, 0.25])
def test_weights_count_rows(validation):
    copies = np.random.default_rng(1).integers(0, 4, len(X))
    given = {"validation": validation, "dtype": "float64"}
    weighted = fitted(sample_weight=copies, **given)
    repeated = fitted(np.repeat(X, copies, axis=0), np.repeat(Y, copies), **given)
    for with_noise in (False, True):
        found, expected = (
            some.predict(Z, return_std=True, with_noise=with_noise)[1]
            for some in (weighted, repeated)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert weighted.noise_variance_ == pytest.approx(repeated.noise_variance_)
    twice = fitted(sample_weight=np.full(len(X), 2.0), **given)
    expected = fitted(np.repeat(X, 2, axis=0), np.repeat(Y, 2), **given)
    np.testing.assert_allclose(
        twice.predict(Z, return_std=True)[1], expected.predict(Z, return_std=True)[1], rtol=1e-6
    )


def test_what_repeated_rows_tell_of_the_noise():
    """Twelve values, each seen often: the noise is how far these are apart."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, 12, 400)
    y = np.sin(places / 2) + 0.5 * rng.standard_normal(400)
    model = fitted(places[:, None] / 6.0 - 1, y)
    assert model.noise_variance_ == pytest.approx(0.25, rel=0.3)


def test_outputs_have_deviations_of_their_own():
    noise = np.random.default_rng(0).standard_normal(len(X))
    both = fitted(y=np.column_stack([Y, noise]), first_gain=1.0)
    alone = fitted(first_gain=1.0)
    mean, std = both.predict(Z, return_std=True)
    assert mean.shape == std.shape == (300, 2)
    np.testing.assert_allclose(std[:, 0], alone.predict(Z, return_std=True)[1], rtol=0.01)
    assert both.noise_variance_.shape == (2,)
    assert both.noise_variance_[0] == pytest.approx(alone.noise_variance_, rel=0.01)
    draws = both.sample_y(Z, 4000)
    assert draws.shape == (300, 2, 4000)
    np.testing.assert_allclose(draws.std(axis=2), std, rtol=0.1)
    one_column = fitted(y=Y[:, None])
    assert one_column.predict(Z, return_std=True)[1].shape == (300, 1)
    assert one_column.noise_variance_.shape == (1,)
    assert one_column.sample_y(Z, 2).shape == (300, 1, 2)


def test_precisions_say_the_same(model):
    _, std = model.predict(Z, return_std=True)
    _, other = fitted(dtype="float64").predict(Z, return_std=True)
    np.testing.assert_allclose(std, other, rtol=0.02)
    single = fitted(y=Y.astype(np.float32))
    assert {part.dtype for part in single.predict(Z, return_std=True)} == {np.dtype("float32")}
    assert single.sample_y(Z).dtype == np.float32


@pytest.mark.filterwarnings("ignore:.*found nothing in X", "ignore:.*times as far from the mean")
def test_one_row_tells_nothing_and_equal_rows_that_there_is_no_noise():
    one = fitted(X[:1], Y[:1])
    assert np.isinf(one.predict(Z, return_std=True)[1]).all()
    assert np.isinf(one.noise_variance_)
    with pytest.raises(ValueError, match="no row is left to tell the noise by"):
        one.sample_y(Z)
    two = fitted(X[:2], Y[:2])
    assert (two.predict(Z, return_std=True)[1] > 0.1 * abs(Y[0] - Y[1])).all()
    constant = fitted(y=np.full(len(X), 3.0))
    assert constant.predict(Z, return_std=True)[1] == pytest.approx(0, abs=1e-12)
    assert constant.noise_variance_ == 0
    np.testing.assert_allclose(constant.sample_y(Z, 2), 3)


def test_rows_alike_tell_of_their_mean_alone():
    y = np.random.default_rng(0).standard_normal(60)
    model = fitted(np.ones((60, 3)), y)
    with pytest.warns(UserWarning, match="found nothing"):
        _, std = model.predict(np.ones((1, 3)), return_std=True)
    assert std == pytest.approx(y.std(ddof=1) / 60**0.5, rel=1e-3)
    assert model.noise_variance_ == pytest.approx(y.var(ddof=1))


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 12))
    y = np.prod(np.sin(X[:, :3]), axis=1) + 0.1 * rng.standard_normal(4000)
    model = fitted(X, y, warm_start=True)
    assert "trained" in model.stop_reason_
    return model, X, y


class TestDescent:
    """Where all layers are trained, what rows held out say is of a network of the others."""

    def test_intervals_hold(self, trained):
        model, _, _ = trained
        rng = np.random.default_rng(1)
        X = rng.standard_normal((3000, 12))
        signal = np.prod(np.sin(X[:, :3]), axis=1)
        y = signal + 0.1 * rng.standard_normal(3000)
        assert holds(signal, *model.predict(X, return_std=True)) == pytest.approx(0.9, abs=0.06)
        wide = model.predict(X, return_std=True, with_noise=True)
        assert holds(y, *wide) == pytest.approx(0.9, abs=0.05)
        assert model.noise_variance_ == pytest.approx(0.01, rel=0.3)
        draws = model.sample_y(X[:50], 2000)
        _, std = model.predict(X[:50], return_std=True)
        np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.1)

    def test_a_training_that_goes_on_forgets_them(self, trained):
        model, X, y = trained
        model = pickle.loads(pickle.dumps(model)).fit(X, y)
        with pytest.raises(ValueError, match="trained on after the fit"):
            model.predict(X, return_std=True)
        with pytest.raises(AttributeError, match="held_out_score_"):
            _ = model.held_out_score_


def test_where_nothing_was_held_out_there_are_none(model):
    coded = np.column_stack([X, np.arange(len(X)) % 3])
    quick = {"preset": "train", "max_epochs": 2, "random_state": 0}
    for trained, rows in (
        (SIRENRegressor(**quick).fit(X, Y), Z),
        (SIRENRegressor(latent_dim=2, **quick).fit(coded, Y), coded),
        (SIRENRegressor(validation=0.2, **quick).fit(X, Y), Z),
        (SIRENRegressor(random_state=0).partial_fit(X, Y), Z),
    ):
        for ask in (lambda m, Z: m.predict(Z, return_std=True), lambda m, Z: m.sample_y(Z)):
            with pytest.raises(ValueError, match="deviations are known of preset='predict'"):
                ask(trained, rows)
        assert not hasattr(trained, "noise_variance_")
    with pytest.raises(ValueError, match="Fit it first"):
        SIRENRegressor().sample_y(Z)
    with pytest.raises(ValueError, match="with_noise=True needs return_std=True"):
        model.predict(Z, with_noise=True)
    with pytest.raises(TypeError, match="return_std must be True or False"):
        model.predict(Z, return_std="yes")
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        model.sample_y(Z, 0)


def test_another_fit_finds_them_again_and_partial_fit_loses_them():
    model = fitted(X[:60], Y[:60], warm_start=True)
    _, before = model.predict(Z, return_std=True)
    _, after = model.fit(X, Y).predict(Z, return_std=True)
    assert after.mean() < before.mean()
    model.partial_fit(X, Y)
    with pytest.raises(ValueError, match="trained on after the fit"):
        model.predict(Z, return_std=True)
    assert model.predict(Z).shape == (300,)


def test_they_travel(model, tmp_path):
    _, expected = model.predict(Z, return_std=True)
    draws = model.sample_y(Z, 3)
    skginr.save(model, tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(model)), skginr.load(tmp_path / "model")):
        np.testing.assert_array_equal(other.predict(Z, return_std=True)[1], expected)
        np.testing.assert_array_equal(other.sample_y(Z, 3), draws)
        assert other.noise_variance_ == model.noise_variance_
    assert not hasattr(clone(model), "noise_variance_")
    one = fitted(X[:1], Y[:1])
    skginr.save(one, tmp_path / "one")
    assert np.isinf(skginr.load(tmp_path / "one").noise_variance_)


def test_a_file_of_an_earlier_version_predicts_and_knows_none(model):
    state = model._model.to_state()
    del state["posterior"]
    earlier = clone(model)
    earlier._model = type(model._model).from_state(state)
    earlier.n_features_in_ = 3
    np.testing.assert_array_equal(earlier.predict(Z), model.predict(Z))
    with pytest.raises(ValueError, match="earlier version.*fit it again"):
        earlier.predict(Z, return_std=True)


@pytest.mark.parametrize(
    "change",
    [
        {"squares": 1.0},
        {"turn": np.zeros((3, 3), dtype=np.float32)},
        {"turn": np.zeros((3, 3))},
        {"factor": np.array([-1.0])},
        {"noises": np.array([[np.nan]])},
        {"shares": np.zeros((1, 37))},
        {"total": 0.0},
        {"total": "many"},
        {"strengths": np.array([])},
        {"prior": np.full(1027, np.inf)},
        {"more": 1.0},
    ],
)
def test_what_a_file_says_of_deviations_is_not_believed(model, change):
    state = model._model.to_state()
    state["posterior"] |= change
    with pytest.raises((TypeError, ValueError)):
        type(model._model).from_state(state)


def test_a_pipeline_tells_them_and_a_frame_takes_them():
    ring = Graph.from_networkx(nx.cycle_graph(80))
    table = pd.DataFrame({"node": ring.labels, "level": np.sin(np.arange(80) / 80 * 4 * np.pi)})
    table["level"] += 0.2 * np.random.default_rng(0).standard_normal(80)
    table.loc[::5, "level"] = np.nan
    known = table.dropna()
    model = make_pipeline(SpectralEmbedder(graph=ring), SIRENRegressor(random_state=0))
    model.fit(known[["node"]], known["level"])
    mean, std = model.predict(table[["node"]], return_std=True)
    _, wide = model.predict(table[["node"]], return_std=True, with_noise=True)
    assert (std < wide).all()
    frame = predict_frame(model, table, target="level", interval=0.9)
    half = 1.6448536 * wide
    np.testing.assert_allclose(frame["upper"], mean + half, rtol=1e-6)
    np.testing.assert_allclose(frame["lower"], mean - half, rtol=1e-6)
    inside = frame["level"].between(frame["lower"], frame["upper"])[frame["observed"]]
    assert inside.mean() > 0.85


def test_a_refined_model_keeps_them():
    square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    coarse, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(3)
    fine, _ = coarse.refine()
    y = np.sin(3 * coarse.positions[:, 0])
    model = make_pipeline(SpectralEmbedder(30, graph=coarse), SIRENRegressor(random_state=0))
    model.fit(coarse.labels.to_frame(), y)
    finer = refine_model(model, fine)
    _, expected = model.predict(coarse.labels.to_frame(), return_std=True)
    _, found = finer.predict(coarse.labels.to_frame(), return_std=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.isfinite(finer.predict(fine.labels.to_frame(), return_std=True)[1]).all()
