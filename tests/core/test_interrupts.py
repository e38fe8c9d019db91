"""Ctrl-C reaches the user, and nothing is left half done."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from skorch.callbacks import Callback

from skginr import SIRENRegressor
from skginr._core._interrupts import held_back, watched

ROOT = Path(__file__).parents[2]
X = np.linspace(-1, 1, 60)[:, None]
Y = np.sin(3 * X[:, 0])


@pytest.fixture(autouse=True)
def handler():
    """Python's own, which a shell has ignored for jobs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")
def test_no_interrupt_is_lost_at_random_moments():
    script = ROOT / "benchmarks" / "campaign_interrupts.py"
    run = subprocess.run(
        [sys.executable, script, "--count", "12"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("12 of 12 came through, model kept 12 times") == 7


@pytest.mark.parametrize(
    "where", ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]
)
@pytest.mark.parametrize("swallowed", [False, True])
def test_within_a_callback_it_is_the_users(where, swallowed):
    """Even where the callback catches it. What a callback raises by itself is its wish to stop."""

    def act(self, net, **kwargs):
        try:
            interrupt()
        except KeyboardInterrupt:
            if not swallowed:
                raise

    model = SIRENRegressor("train", max_epochs=3, random_state=0).fit(X, Y)
    expected = model.predict(X)
    model.set_params(callbacks=[type("Act", (Callback,), {where: act})()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, -Y)
    np.testing.assert_array_equal(model.predict(X), expected)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, -Y)
    np.testing.assert_array_equal(model.predict(X), expected)
    assert model.n_epochs_ == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("where", "n_epochs"), [("on_epoch_end", 1), ("on_train_end", 5)])
def test_a_callbacks_wish_to_stop_ends_the_training(where, n_epochs):
    def stop(self, net, **kwargs):
        raise KeyboardInterrupt

    callback = type("Stop", (Callback,), {where: stop})()
    model = SIRENRegressor("train", max_epochs=5, callbacks=[callback], random_state=0).fit(X, Y)
    assert model.n_epochs_ == n_epochs
    assert model.stop_reason_ == "stopped by a callback"


def test_the_solved_layer_is_interrupted_too(monkeypatch):
    model = SIRENRegressor(random_state=0).fit(X, Y)
    expected = model.predict(X)
    monkeypatch.setattr("skginr.network._model.evaluate", lambda *args: interrupt())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, -Y)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_handlers_of_the_program_are_called_and_put_back():
    """A program that takes note of Ctrl-C, and raises nothing, finishes its training."""
    came = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    own = signal.getsignal(signal.SIGINT)
    try:
        act = type("Act", (Callback,), {"on_epoch_end": lambda *args, **kwargs: interrupt()})()
        model = SIRENRegressor("train", max_epochs=3, callbacks=[act], random_state=0).fit(X, Y)
        assert came == [signal.SIGINT] * 3
        assert model.n_epochs_ == 3
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_trains_without_signals():
    scores = []

    def train():
        scores.append(SIRENRegressor("train", random_state=0).fit(X, Y).score(X, Y))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert scores[0] > 0.9


def test_what_is_held_back_comes_at_the_end():
    steps = []

    def work():
        with watched() as watch, held_back():
            interrupt()
            steps.extend(["went on", watch])
            assert not watch.came

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps[0] == "went on"
    assert steps[1].came
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
