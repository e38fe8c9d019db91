import ast
import dataclasses
import io
import pickle
import re
import time
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial import cKDTree
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from skorch.exceptions import DeviceWarning

from skginr import SIRENRegressor, SpectralEmbedder, TangentKernelRegressor, load, save
from skginr.datasets import fetch_bunny, make_reaction_diffusion
from skginr.network._presets import DESCENT_SETTINGS, PRESETS, Settings
from skginr.network.training._batches import TensorTable
from skginr.network.training._schedules import Anytime, HalveOnPlateau, WarmupCosine
from skginr.network.training._stopping import TailAverage
from skginr.network.training._validation import BlockSplit

QUICK = {"max_epochs": 15, "hidden_units": 32, "random_state": 0}


@pytest.fixture(scope="module")
def wave():
    X = np.random.default_rng(0).uniform(-1.7, 1.7, (400, 2))
    return X, np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])


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


# --- weights ----------------------------------------------------------------


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


# --- the training -----------------------------------------------------------


def test_the_paper_preset_is_the_papers():
    model = SIRENRegressor("paper", max_epochs=1).fit(np.random.rand(50, 99), np.arange(50.0))  # noqa: NPY002
    settings = model.settings_
    assert (settings["hidden_units"], settings["n_layers"]) == (512, 6)
    assert (settings["omega_0"], settings["first_gain"], settings["skip"]) == (30.0, "siren", True)
    assert (settings["batch_size"], settings["sampling"]) == (5000, "draw")
    assert (settings["schedule"], settings["patience"]) == ("plateau", 5000)
    optimizer = model.net_.optimizer_
    assert isinstance(optimizer, torch.optim.AdamW)
    group = optimizer.param_groups[0]
    # The defaults of torch's AdamW but for the rate.
    assert (group["lr"], group["betas"], group["eps"]) == (1e-4, (0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0.01
    assert isinstance(dict(model.net_.callbacks_)["schedule"].factor, HalveOnPlateau)
    # 50 nodes make one step of 5,000.
    assert [row["train_batch_count"] for row in model.net_.history] == [1]
    ((X, y),) = model.net_.get_iterator(table_of(50, 99), training=True)
    assert (len(X), len(y)) == (5000, 5000)
    # Six linear layers with biases; the input enters the fourth again.
    widths = [(99, 512), (512, 512), (512, 512), (512 + 99, 512), (512, 512), (512, 1)]
    n_parameters = sum((n_in + 1) * n_out for n_in, n_out in widths)
    assert sum(p.numel() for p in model.net_.module_.parameters()) == n_parameters
    # The weights of SIREN: uniform in 1/n first, then in sqrt(6/n)/omega_0.
    layers = model.net_.module_.layers
    assert layers[0].weight.abs().max().item() == pytest.approx(1 / 99, abs=2e-4)
    assert layers[1].weight.abs().max().item() == pytest.approx(np.sqrt(6 / 512) / 30, abs=2e-4)


def table_of(n_rows, n_inputs):
    return TensorTable(torch.zeros(n_rows, n_inputs), torch.zeros(n_rows, 1))


def test_the_papers_rate_is_halved_as_by_torchs_plateau():
    losses = 1 + np.random.default_rng(0).random(6000)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1000)
    factor, ours = HalveOnPlateau(), []
    expected = []
    for epoch, loss in enumerate(losses):
        theirs.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
        ours.append(factor(epoch, losses[: epoch + 1].tolist()))
    assert ours == expected
    assert ours[-1] < 0.2


def test_given_hyper_parameters_win_over_the_preset(wave):
    X, y = wave
    model = SIRENRegressor("represent", hidden_units=16, skip=True, **{"max_epochs": 2}).fit(X, y)
    assert model.settings_["hidden_units"] == 16
    assert model.settings_["first_gain"] == 6.0
    assert [layer.in_features for layer in model.net_.module_.layers] == [2, 16, 18, 16]


@pytest.mark.parametrize(("n_rows", "epochs"), [(30, 200), (300, 100), (6000, 10)])
def test_auto_epochs_make_enough_steps(n_rows, epochs):
    X = np.random.default_rng(0).random((n_rows, 1))
    model = SIRENRegressor("train", hidden_units=2, random_state=0).fit(X, X[:, 0])
    assert model.n_epochs_ == epochs
    assert model.stop_reason_ == f"reached max_epochs={epochs}"


def test_history_shows_the_fall_and_the_schedule(wave):
    X, y = wave
    history = SIRENRegressor("train", max_epochs=40, random_state=0).fit(X, y).history_
    assert len(history) == 40
    assert {"epoch", "train_loss", "dur", "lr"} <= set(history.columns)
    assert history["train_loss"].iloc[-1] < 0.1 * history["train_loss"].iloc[0]


def test_the_rate_rises_then_falls_to_zero():
    factor = np.array([WarmupCosine(200)(step, []) for step in range(201)])
    assert factor[9] == 1.0
    assert (np.diff(factor[:10]) > 0).all()
    assert (np.diff(factor[10:]) < 0).all()
    assert factor[105] == pytest.approx(0.5)
    assert factor[200] == pytest.approx(0, abs=1e-12)


class Derail(Callback):
    """Spoils the weights as an epoch begins."""

    def __init__(self, epoch, value):
        self.epoch = epoch
        self.value = value

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            with torch.no_grad():
                net.module_.layers[-1].bias.fill_(self.value)


def test_the_best_weights_are_returned_and_the_reason_given(wave):
    X, y = wave
    spoilt = SIRENRegressor(
"train",
        batch_size="all", schedule="constant", learning_rate=1e-4, max_epochs=60, patience=5,
        random_state=0, callbacks=[Derail(30, 2.0)],
    ).fit(X, y)  # fmt: skip
    assert spoilt.stop_reason_ == "no better train_loss for 5 epochs"
    assert spoilt.n_epochs_ == 34
    assert 0 < spoilt.score(X, y) < 0.2


class AlwaysDerail(Callback):
    """Spoils the weights in every epoch from the fourth on."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) >= 3:
            with torch.no_grad():
                net.module_.layers[-1].bias.fill_(np.nan)


def test_divergence_is_an_error_and_leaves_no_model(wave):
    X, y = wave
    model = SIRENRegressor("train", callbacks=[AlwaysDerail()], **QUICK)
    with (
        pytest.warns(ConvergenceWarning, match="diverged"),
        pytest.raises(FloatingPointError, match="diverged: the loss is nan in epoch 6.*Lower lear"),
    ):
        model.fit(X, y)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("value", [np.nan, 1e9])
@pytest.mark.parametrize("schedule", ["cosine", "anytime", "plateau", "constant"])
def test_a_training_that_lost_its_way_is_repaired(wave, value, schedule):
    X, y = wave
    settings = QUICK | {"max_epochs": 100, "schedule": schedule}
    undisturbed = SIRENRegressor("train", **settings).fit(X, y)
    model = SIRENRegressor("train", callbacks=[Derail(10, value)], **settings)
    with pytest.warns(ConvergenceWarning, match="in epoch 10. It goes on from the best weights"):
        model.fit(X, y)
    assert model.stop_reason_ == "reached max_epochs=100"
    rates, expected = model.history_["lr"], undisturbed.history_["lr"]
    np.testing.assert_allclose(rates[:10], expected[:10])
    np.testing.assert_allclose(rates[10:], expected[10:] / 4)
    losses = model.history_["train_loss"]
    assert losses.iloc[-1] < 0.9 * losses[:10].min()


# --- when it ends -----------------------------------------------------------


def test_training_ends_at_the_score_asked_for(wave):
    X, y = wave
    for schedule in ("anytime", "cosine"):
        model = SIRENRegressor(
            "train", target_score=0.95, max_epochs=500, schedule=schedule, random_state=0
        ).fit(X, y)
        assert model.stop_reason_.startswith("reached target_score=0.95 (R² 0.9")
        assert model.n_epochs_ < 400
        assert model.score(X, y) >= 0.95
        reported = float(model.stop_reason_.split("R² ")[1].rstrip(")"))
        assert model.score(X, y) == pytest.approx(reported, abs=1e-5)


def test_a_score_near_one_is_written_so_that_it_tells_what_is_missing(wave):
    X, y = wave
    model = SIRENRegressor("represent", target_score=1 - 1e-6, dtype="float64", random_state=0)
    reason = model.fit(X, y).stop_reason_
    assert reason.startswith("reached target_score=1 - 1.0e-06 (R² 1 - ")
    left = float(reason.split("1 - ")[2].rstrip(")"))
    assert left <= 1e-6
    assert 1 - model.score(X, y) == pytest.approx(left, rel=0.06)


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


def test_training_ends_when_it_has_converged(wave):
    # Noise that four neurons cannot memorise.
    X, _ = wave
    noise = np.random.default_rng(0).standard_normal(400)
    model = SIRENRegressor("represent", hidden_units=4, batch_size=100, random_state=0)
    model.fit(X, noise)
    assert (
        model.stop_reason_ == "converged: train_loss fell by less than a quarter in the second half"
    )
    looks = model.history_["average_loss"].dropna()
    assert looks.iloc[-1] > 0.75 * looks[looks.index <= 0.55 * looks.index[-1]].iloc[-1]
    assert 400 <= 4 * model.n_epochs_ < 20_000


def test_training_ends_in_time_within_an_epoch_too(wave):
    X, y = (np.repeat(part, 500, axis=0) for part in wave)
    start = time.monotonic()
    model = SIRENRegressor("represent", batch_size=100, max_time=0.3, random_state=0).fit(X, y)
    assert model.stop_reason_ == "reached max_time=0.3 seconds"
    # Two thousand steps an epoch, of about a millisecond.
    assert model.n_epochs_ == 1
    assert model.net_.history[0, "train_batch_count"] < 2000
    assert time.monotonic() - start >= 0.3
    assert model.score(X, y) > 0


def test_the_anytime_rate_rises_then_falls_whatever_the_last_step():
    factor = np.array([Anytime()(step, []) for step in range(5000)])
    assert factor.argmax() == 24
    assert (np.diff(factor[24:]) < 0).all()
    assert factor[100] == pytest.approx(1 / 4)
    assert factor[900] == pytest.approx(1 / 100)


def test_averaged_weights_are_kept_and_better_than_those_of_a_step(wave):
    X, y = wave
    model = SIRENRegressor(
        "represent", schedule="anytime", target_score="off", batch_size=20, max_epochs=30,
        dtype="float64", random_state=0,
    ).fit(X, y)  # fmt: skip
    looks = model.history_["average_loss"].dropna()
    assert (looks < model.history_["train_loss"][looks.index]).all()
    assert 1 - model.score(X, y) <= looks.min() * (1 + 1e-6)


def test_the_average_is_of_the_last_twelfth_of_the_steps():
    net = SimpleNamespace(module_=torch.nn.Linear(1, 1, bias=False, dtype=torch.float64))
    tail = TailAverage(net)
    for step in range(1, 1001):
        with torch.no_grad():
            net.module_.weight.fill_(step)
        tail.update()
    # The mean of t weighted by about t^12.
    assert tail.weights["weight"].item() == pytest.approx(1001 * 13 / 14, rel=1e-6)


def test_data_beyond_the_device_stays_on_the_machine(wave, monkeypatch):
    X, y = wave
    expected = SIRENRegressor("train", **QUICK).fit(X, y).predict(X)
    to, calls = torch.Tensor.to, []

    def full(self, *args, **kwargs):
        if self.shape == X.shape and not calls:
            calls.append(args)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return to(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.warns(UserWarning, match="X does not fit on cpu and stays"):
        model = SIRENRegressor("train", **QUICK).fit(X, y)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.predict(X), expected)


def test_patience_does_not_count_epochs_without_a_look():
    X = np.linspace(-2, 2, 200)[:, None]
    y = np.sin(5 * X[:, 0])
    model = SIRENRegressor("represent", patience=20, target_score=0.999999, random_state=0)
    model.fit(X, y)
    # Every look was better than the one before; the first is after 100 steps.
    assert model.stop_reason_.startswith("reached target_score=1 - 1.0e-06")


@pytest.mark.parametrize("y", [np.ones(50), np.full(50, -3.0)])
def test_a_constant_has_converged_at_once(y):
    X = np.linspace(-1, 1, 50)[:, None]
    model = SIRENRegressor("represent", target_score="off", random_state=0).fit(X, y)
    assert model.stop_reason_.startswith("converged")
    assert model.n_epochs_ < 600


def test_an_outlier_in_a_draw_is_no_divergence():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((3000, 2)), rng.standard_normal(3000) * 0.01
    y[5] = 100.0
    model = SIRENRegressor("train", sampling="draw", batch_size=100, max_epochs=150, random_state=0)
    history = model.fit(X, y).history_
    # A batch with it was drawn, and a warning would be an error.
    assert history["train_loss"].max() > 10


@pytest.mark.parametrize("seed", range(4))
def test_lucky_draws_do_not_make_it_worse_than_the_start(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((300, 2)), rng.standard_normal(300)
    model = SIRENRegressor(
"train",
        sampling="draw", batch_size=4, max_epochs=60, learning_rate=0.02, schedule="constant",
        random_state=seed,
    ).fit(X, y)  # fmt: skip
    assert model.score(X, y) >= -1e-6


def test_settings_of_the_training_may_change_where_it_goes_on(wave):
    X, y = wave
    model = SIRENRegressor("train", warm_start=True, validation=0.2, **QUICK).fit(X, y)
    assert "valid_loss" in model.history_
    model.set_params(
        validation="off", weight_decay=0.5, betas=(0, 0.5), sampling="draw", batch_size=16
    ).fit(X, y)
    (group,) = model.net_.optimizer_.param_groups
    assert (group["weight_decay"], group["betas"]) == (0.5, (0.0, 0.5))
    assert model.history_["valid_loss"].iloc[15:].isna().all()
    assert model.net_.history[-1, "train_batch_count"] == 1
    with pytest.raises(ValueError, match="net_params was .* and is now"):
        model.set_params(net_params={"optimizer": torch.optim.SGD}).fit(X, y)


# --- validation -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_a_block_that_is_most_rows_is_not_held_out_whole(seed):
    X = np.random.default_rng(0).standard_normal((1000, 2))
    X[:900] = 0
    assert 0.03 < BlockSplit(0.1, seed).rows_held_out(X).mean() <= 0.15


def test_the_validation_loss_is_a_weighted_mean(wave):
    X, y = wave
    held = (
        SIRENRegressor("train", validation=0.2, **QUICK)
        .fit(X, y)
        .net_.train_split.rows_held_out(X.astype(np.float32))
    )
    weight = np.where(held, 1e-6, 1.0)
    model = SIRENRegressor("train", validation=0.2, **QUICK).fit(X, y, sample_weight=weight)
    errors = (model.predict(X) - y)[held] ** 2
    scale = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    assert model.history_["valid_loss"].min() == pytest.approx(errors.mean() / scale, rel=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_blocks_of_neighbours_are_held_out(share):
    X = np.random.default_rng(0).random((2000, 2))
    held = BlockSplit(share, seed=0).rows_held_out(X)
    assert share * 0.99 <= held.mean() <= share * 1.5 + 0.02
    nearest = cKDTree(X).query(X, k=2)[1][:, 1]
    # At random a share of them would be.
    assert held[nearest][held].mean() > 0.8
    np.testing.assert_array_equal(held, BlockSplit(share, seed=0).rows_held_out(X))
    assert (held != BlockSplit(share, seed=1).rows_held_out(X)).any()


@pytest.mark.parametrize("n_rows", [2, 3, 10])
def test_some_rows_are_held_out_and_some_are_not(n_rows):
    for X in (np.zeros((n_rows, 2)), np.random.default_rng(0).random((n_rows, 2))):
        assert 0 < BlockSplit(0.3, seed=0).rows_held_out(X).sum() < n_rows


def test_rows_held_out_pick_the_weights_and_end_the_training(wave):
    X, y = wave
    noisy = y + np.random.default_rng(0).standard_normal(400)
    settings = {"schedule": "constant", "learning_rate": 5e-3, "random_state": 0}
    long = SIRENRegressor("represent", max_epochs=150, target_score="off", **settings)
    held = SIRENRegressor("represent", validation=0.2, patience=30, max_epochs=150, **settings)
    assert held.fit(X, noisy).stop_reason_ == "no better valid_loss for 30 epochs"
    assert held.score(X, y) > long.fit(X, noisy).score(X, y) + 0.2
    best = held.history_["valid_loss"].min()
    assert best < held.history_["valid_loss"].iloc[-1]


def test_a_validation_split_picks_the_weights(wave):
    X, _ = wave
    noise = np.random.default_rng(0).standard_normal(400)
    model = SIRENRegressor(
        "represent", random_state=0, max_epochs=80, patience=20,
        net_params={"train_split": ValidSplit(5)},
    ).fit(X, noise)  # fmt: skip
    history = model.history_
    assert model.stop_reason_ == "no better valid_loss for 20 epochs"
    # Noise is not learned: the weights are of an early epoch, or those of the start.
    assert len(history) - history["valid_loss"].argmin() <= 21
    assert history["train_loss"].iloc[-1] < 0.2
    assert model.score(X, noise) < 0.3


# --- skorch within reach ----------------------------------------------------


@pytest.mark.parametrize(
    "extra", [{"batch_size": "all"}, {}, {"learning_rate": 0.1, "schedule": "constant"}]
)
@pytest.mark.filterwarnings("ignore:training diverged")
def test_the_model_is_the_best_it_saw(wave, extra):
    # float64, so that the loss of given weights is the same to many digits.
    X, y = wave
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(-mean_squared_error(y, watched_predictions(net)))

    def watched_predictions(net):
        with torch.no_grad():
            scaled = net.module_(torch.from_numpy(X)).numpy()[:, 0]
        return scaled * y.std() + y.mean()

    model = SIRENRegressor(
"train",
        dtype="float64", random_state=0, max_epochs=25, callbacks=[Watch()],
        **({"batch_size": "all"} | extra),
    ).fit(X, y)  # fmt: skip
    # Of one-step epochs every set of weights is measured but the last, and that is too.
    assert -mean_squared_error(y, model.predict(X)) >= max(seen) - 1e-12


@pytest.mark.filterwarnings("ignore:training diverged")
def test_a_finite_divergence_is_no_worse_than_the_mean(wave):
    X, y = wave
    model = SIRENRegressor("train", learning_rate=0.3, schedule="constant", **QUICK).fit(X, y)
    assert model.score(X, y) >= 0


@pytest.mark.parametrize("rate", [1e38, 3e38])
def test_divergence_in_the_last_step_is_an_error_too(wave, rate):
    model = SIRENRegressor(
        "train", max_epochs=1, batch_size="all", schedule="constant", learning_rate=rate
    )
    with pytest.raises(FloatingPointError, match="not finite after the last epoch"):
        model.fit(*wave)


@pytest.mark.filterwarnings("ignore:training diverged")
def test_a_failed_fit_keeps_the_last_model(wave):
    X, y = wave
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    expected = model.predict(X)

    class Fail(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) % 15 == 3:
                raise RuntimeError("disk full")

    for change in (
        {"callbacks": [Fail()]},
        {"callbacks": [AlwaysDerail()]},
        {"device": "nowhere"},
        {"net_params": {"criterion": 3}},
    ):
        failing = clone_fitted(model).set_params(**change)
        with pytest.raises((RuntimeError, ValueError, FloatingPointError, TypeError)):
            failing.fit(X, 100 * y + 7)
        np.testing.assert_array_equal(failing.predict(X), expected)
    going_on = model.set_params(warm_start=True, callbacks=[Fail()])
    with pytest.raises(RuntimeError, match="disk full"):
        going_on.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert model.n_epochs_ == 15


def test_net_params_and_callbacks_reach_skorch(wave):
    X, y = wave
    seen = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.history[-1, "epoch"])

    model = SIRENRegressor(
        "train",
        callbacks=[Count()],
        net_params={"optimizer": torch.optim.SGD, "optimizer__momentum": 0.5},
        **QUICK,
    ).fit(X, y)
    assert seen == list(range(1, 16))
    assert isinstance(model.net_.optimizer_, torch.optim.SGD)
    assert model.net_.optimizer_.param_groups[0]["momentum"] == 0.5
    assert model.net_.optimizer_.param_groups[0]["weight_decay"] == 0.01
    with pytest.raises(ValueError, match="optimiser__momentum"):
        SIRENRegressor(net_params={"optimiser__momentum": 0.5}).fit(X, y)


@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"lr": 0.5}, r"must not set 'lr'; give SIRENRegressor\(learning_rate=...\)"),
        ({"max_epochs": 3}, r"SIRENRegressor\(max_epochs=...\)"),
        ({"batch_size": 3}, r"SIRENRegressor\(batch_size=...\)"),
        ({"callbacks": []}, r"SIRENRegressor\(callbacks=...\)"),
        ({"iterator_train__batch_size": 3}, "network and its batches"),
        ({"module": torch.nn.Linear}, "network and its batches"),
        ({"module__omega_0": 3}, "network and its batches"),
    ],
)
def test_net_params_leave_alone_what_has_a_parameter(wave, net_params, message):
    with pytest.raises(ValueError, match=message):
        SIRENRegressor(net_params=net_params).fit(*wave)


def test_weights_and_another_loss_do_not_mix(wave):
    X, y = wave
    model = SIRENRegressor("train", net_params={"criterion": torch.nn.L1Loss}, **QUICK)
    assert model.fit(X, y).score(X, y) > 0
    with pytest.raises(ValueError, match="names another criterion"):
        model.fit(X, y, sample_weight=np.ones(400))


def test_verbose_shows_progress_or_a_table(wave, capsys):
    X, y = wave
    SIRENRegressor("train", **QUICK).fit(X, y)
    assert capsys.readouterr() == ("", "")
    SIRENRegressor("train", verbose=1, **QUICK).fit(X, y)
    assert "training: 15 epochs in" in capsys.readouterr().err
    SIRENRegressor("train", verbose=2, **QUICK).fit(X, y)
    assert "train_loss" in capsys.readouterr().out


# --- going on ---------------------------------------------------------------


def test_warm_start_goes_on_and_cold_start_does_not(wave):
    X, y = wave
    model = SIRENRegressor("train", warm_start=True, **QUICK).fit(X, y)
    first = model.score(X, y)
    model.fit(X, y)
    assert model.n_epochs_ == 30
    assert model.score(X, y) > first
    model.set_params(warm_start=False).fit(X, y)
    assert model.n_epochs_ == 15
    assert model.score(X, y) == pytest.approx(first)
    with pytest.raises(ValueError, match="features"):
        model.set_params(warm_start=True).fit(X[:, :1], y)


@pytest.mark.parametrize("batch_size", ["all", 64])
def test_every_warm_fit_goes_through_its_whole_schedule(wave, batch_size):
    X, y = wave
    model = SIRENRegressor("train", warm_start=True, batch_size=batch_size, **QUICK)
    for _ in range(3):
        model.fit(X, y)
    rates = model.history_["lr"].to_numpy().reshape(3, 15)
    np.testing.assert_allclose(rates[1], rates[0])
    np.testing.assert_allclose(rates[2], rates[0])
    # Near the peak early on (the first step of 15 is already past the rise).
    assert rates[0].max() > 1.9e-3
    model.set_params(learning_rate=1e-4, max_epochs=5).fit(X, y)
    assert 0.9e-4 < model.history_["lr"].tail(5).max() <= 1e-4
    assert model.settings_["learning_rate"] == 1e-4
    assert model.settings_["max_epochs"] == 5


def test_what_goes_on_is_the_same_network_and_the_same_outputs(wave):
    X, y = wave
    both = np.column_stack([y, y])
    model = SIRENRegressor("train", warm_start=True, **QUICK).fit(X, y)
    for change in (both, y[:, None]):
        with pytest.raises(ValueError, match="as many outputs as the model that goes on"):
            model.fit(X, change)
        with pytest.raises(ValueError, match="as many outputs as the model that goes on"):
            model.partial_fit(X, change)
    assert model.predict(X).shape == (400,)
    for change, was in (({"hidden_units": 8}, 32), ({"activation": "relu"}, "'sine'")):
        with pytest.raises(ValueError, match=f"was {was} and is now"):
            clone_fitted(model).set_params(**change).fit(X, y)
    with pytest.raises(ValueError, match="dtype was 'float32'"):
        clone_fitted(model).set_params(dtype="float64").fit(X, y)


def clone_fitted(model):
    return pickle.loads(pickle.dumps(model))


def test_parameters_set_after_fit_wait_for_the_next(wave):
    X, y = wave
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    expected = model.predict(X)
    model.set_params(dtype="float64", device="nowhere", hidden_units=3)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_partial_fit_trains_an_epoch_at_a_time(wave):
    X, y = wave
    model = SIRENRegressor(random_state=0)
    for _ in range(60):
        model.partial_fit(X, y)
    assert model.n_epochs_ == 60
    assert model.score(X, y) > 0.9
    assert set(model.history_["epoch"]) == set(range(1, 61))


def test_partial_fit_after_fit_keeps_the_rate_alive(wave):
    X, y = wave
    model = SIRENRegressor("train", random_state=0, max_epochs=20).fit(X, y)
    weights = model.net_.module_.layers[0].weight.detach().clone()
    model.partial_fit(X, y)
    assert (model.net_.module_.layers[0].weight - weights).abs().max() > 1e-4


# --- saving -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_a_saved_model_predicts_the_same_and_can_go_on(wave, tmp_path, how):
    X, y = wave
    model = SIRENRegressor("train", verbose=0, **QUICK).fit(X, y)
    if how == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.partial_fit(X, y).n_epochs_ == 16


@pytest.mark.parametrize("schedule", ["anytime", "cosine", "plateau", "constant"])
def test_tensors_are_saved_only_where_loading_moves_them(wave, schedule):
    # skorch moves module, criterion and optimiser to a device that is there, and unpickles
    # the rest as it is: a CUDA tensor in there does not load on a machine without.
    X, y = wave
    model = SIRENRegressor("train", schedule=schedule, patience=3, **QUICK).fit(X, y)
    state = model.net_.__getstate__()
    state.pop("__cuda_dependent_attributes__")
    found = []

    class Search(pickle.Pickler):
        def reducer_override(self, thing):
            if isinstance(thing, torch.Tensor | torch.UntypedStorage):
                found.append(thing)
            return NotImplemented

    Search(io.BytesIO()).dump((state, {k: v for k, v in vars(model).items() if k != "net_"
                                       and k != "_model"}))  # fmt: skip
    assert not found


def test_a_model_that_says_cuda_loads_where_there_is_none(wave):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    X, y = wave
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    expected = model.predict(X)
    model.net_.device = "cuda"
    saved = pickle.dumps(model)
    with pytest.warns(DeviceWarning):
        loaded = pickle.loads(saved)
    np.testing.assert_array_equal(loaded.predict(X), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_trains_like_the_cpu_and_its_model_loads_on_the_cpu(wave):
    X, y = wave
    exact = {"dtype": "float64", "batch_size": "all", "max_epochs": 10, "random_state": 0}
    cuda = SIRENRegressor("train", device="cuda", **exact).fit(X, y)
    cpu = SIRENRegressor("train", device="cpu", **exact).fit(X, y)
    np.testing.assert_allclose(cuda.predict(X), cpu.predict(X), atol=1e-8)
    assert next(cuda.net_.module_.parameters()).is_cuda
    assert SIRENRegressor("train", **QUICK).fit(X, y).net_.device == "cuda"
    buffer = io.BytesIO(pickle.dumps(cuda))
    np.testing.assert_array_equal(pickle.load(buffer).predict(X), cuda.predict(X))


# --- the door ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"preset": "best"},
            ValueError,
            "preset must be one of 'predict', 'train', 'represent', 'paper'",
        ),
        ({"hidden_units": 0}, ValueError, "hidden_units must be at least 1; got 0"),
        ({"n_layers": 1}, ValueError, "n_layers must be at least 2"),
        ({"activation": "tanh"}, ValueError, "activation must be one of 'sine', 'relu'"),
        ({"omega_0": -1.0}, ValueError, "omega_0 must be greater than 0"),
        ({"first_gain": "big"}, TypeError, "first_gain must be a number or 'auto'; got 'big'"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate must be"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay must be at least 0"),
        ({"batch_size": "half"}, TypeError, "batch_size must be an integer or 'all'; got 'half'"),
        ({"max_epochs": 0}, ValueError, "max_epochs must be at least 1"),
        ({"max_epochs": 1.5}, TypeError, "max_epochs must be an integer or 'auto'; got 1.5"),
        ({"target_score": 1}, ValueError, "target_score must be below 1; got 1"),
        ({"target_score": "max"}, TypeError, "target_score must be a number or 'off'"),
        ({"max_time": 0}, ValueError, "max_time must be greater than 0"),
        ({"validation": 1.0}, ValueError, "validation must be below 1; got 1.0"),
        ({"validation": 0}, ValueError, "validation must be greater than 0"),
        ({"betas": 0.9}, TypeError, "betas must be a pair of numbers"),
        ({"betas": (0.9, 1.0)}, ValueError, "betas must be below 1"),
        (
            {"validation": 0.1, "net_params": {"train_split": ValidSplit(5)}},
            ValueError,
            "both hold rows out",
        ),
        ({"schedule": "step"}, ValueError, "schedule must be one of"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of 'float32', 'float64'"),
        ({"device": "gpu"}, ValueError, "device must be 'auto' or a torch device.*got 'gpu'"),
        ({"device": "cuda:99"}, ValueError, "device must be 'auto' or a torch.*got 'cuda:99'"),
        ({"device": None}, TypeError, "device must be a string: 'auto', or.*got None of type"),
        ({"device": torch.device("cpu")}, TypeError, "got device.*cpu.*give str.device"),
        ({"device": "mps", "dtype": "float64"}, ValueError, "dtype must be 'float32' with device"),
        ({"device": "mps:0", "dtype": "float64"}, ValueError, "device='mps:0'.*Give device='cpu'"),
        ({"verbose": 3}, ValueError, "verbose must be 0, 1 or 2; got 3"),
        ({"callbacks": "x"}, TypeError, "callbacks must be a list"),
        ({"net_params": ["x"]}, TypeError, "net_params must be a dict"),
        ({"net_params": {1: 1}}, TypeError, "net_params must have names for keys; got 1"),
        ({"net_params": {"callbacks__best": None}}, ValueError, "SIRENRegressor's own"),
        (
            {"target_score": 0.9, "net_params": {"criterion": torch.nn.L1Loss}},
            ValueError,
            "needs the squared loss",
        ),
    ],
)
def test_unfit_parameters_are_refused(wave, parameters, error, message):
    with pytest.raises(error, match=message):
        SIRENRegressor(**parameters).fit(*wave)


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


# --- in a pipeline ----------------------------------------------------------


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


def test_the_docstring_shows_the_presets_as_they_are():
    lines = [re.findall(r"\([^)]*\)|\S+", line) for line in SIRENRegressor.__doc__.splitlines()]
    for field in dataclasses.fields(Settings):
        if field.name == "auto_epochs":
            continue
        # What is of descent is not said of the one that solves.
        presets = list(PRESETS)[field.name in DESCENT_SETTINGS :]
        (row,) = [
            line[1:]
            for line in lines
            if len(line) == 1 + len(presets) and line[1] != ":" and line[0] == field.name
        ]
        for shown, preset in zip(row, presets, strict=True):
            assert ast.literal_eval(shown) == getattr(PRESETS[preset], field.name)


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


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # by torch's own compiler
def test_a_compiled_network_does_all_that_another_does(wave, tmp_path):
    X, y = wave
    targets = np.column_stack([y, y**2])
    as_it_is = SIRENRegressor("train", **QUICK).fit(X, targets)
    # Traced and differentiated as for any backend, but with nothing for a compiler of C++ to do.
    how = {"compile": True, "compile__backend": "aot_eager"}
    compiled = SIRENRegressor("train", net_params=how, **QUICK).fit(X, targets)
    np.testing.assert_allclose(compiled.predict(X), as_it_is.predict(X), atol=1e-5)
    # Of several outputs, it goes backward several times.
    np.testing.assert_allclose(compiled.gradient(X), as_it_is.gradient(X), atol=1e-4)
    tangents = (
        TangentKernelRegressor(FrozenEstimator(model), alpha=0.1).fit(X[:50], y[:50])
        for model in (compiled, as_it_is)
    )
    np.testing.assert_allclose(*(model.predict(X) for model in tangents), atol=1e-4)
    save(compiled, tmp_path / "compiled")
    np.testing.assert_array_equal(load(tmp_path / "compiled").predict(X), compiled.predict(X))


@pytest.mark.filterwarnings("ignore:SIRENRegressor has found nothing")
@pytest.mark.parametrize("preset", ["predict", "train"])
@pytest.mark.parametrize("n_rows", [2, 3, 5, 8])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.9])
def test_a_row_is_left_to_train_on_however_few_there_are(preset, n_rows, share):
    X = np.random.default_rng(0).standard_normal((n_rows, 3))
    held = BlockSplit(share, 0).rows_held_out(X)
    assert 0 < held.sum() < n_rows
    settings = {} if preset == "predict" else {"max_epochs": 3}
    model = SIRENRegressor(preset, validation=share, random_state=0, **settings)
    assert np.isfinite(model.fit(X, X[:, 0]).predict(X)).all()
