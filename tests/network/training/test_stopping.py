import copy
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_squared_error
from skorch.callbacks import Callback

from skginr import SIRENRegressor
from skginr.network.training._stopping import TailAverage

QUICK = {"max_epochs": 15, "hidden_units": 32, "random_state": 0}


def test_history_shows_the_fall_and_the_schedule(wave):
    X, y = wave
    history = SIRENRegressor("train", max_epochs=40, random_state=0).fit(X, y).history_
    assert len(history) == 40
    assert {"epoch", "train_loss", "dur", "lr"} <= set(history.columns)
    assert history["train_loss"].iloc[-1] < 0.1 * history["train_loss"].iloc[0]


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
        failing = copy.deepcopy(model).set_params(**change)
        with pytest.raises((RuntimeError, ValueError, FloatingPointError, TypeError)):
            failing.fit(X, 100 * y + 7)
        np.testing.assert_array_equal(failing.predict(X), expected)
    going_on = model.set_params(warm_start=True, callbacks=[Fail()])
    with pytest.raises(RuntimeError, match="disk full"):
        going_on.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert model.n_epochs_ == 15
