"""Ctrl-C at random moments of a training: does it reach the user, and is the old model kept?

    python benchmarks/campaign_interrupts.py              # 200 interrupts of each kind
    python benchmarks/campaign_interrupts.py --count 20

Real SIGINTs, sent by a thread at random moments. An interrupt is lost where the training returns as
if nothing had happened. Prints a line for each kind, and exits with 1 if any is lost, a model has
changed, or the handler of signals is not what it was.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time

import numpy as np
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback, EarlyStopping, EpochScoring

from skginr import SIRENRegressor

# Seconds: every fit takes longer than the latest interrupt.
LATEST = 0.15

X = np.random.default_rng(0).standard_normal((400, 8))
Y = np.sin(X[:, 0]) + X[:, 1]


class Swallow(Callback):
    """A callback that takes long, and catches whatever comes."""

    def on_epoch_end(self, net, **kwargs):
        with contextlib.suppress(BaseException):
            time.sleep(2e-3)


def fitting(**given):
    settings = {"schedule": "constant", "patience": "off", "random_state": 0} | given
    return SIRENRegressor("train", max_epochs=10**6, max_time=20 * LATEST, **settings)


def fit_again(**given):
    """Return what fits a fitted model again, and the model."""
    model = fitting(**given).set_params(max_epochs=2).fit(X, Y)
    model.set_params(max_epochs=10**6)
    return model, lambda: model.fit(X, -Y)


def by_parts():
    model = SIRENRegressor("train", random_state=0).partial_fit(X, Y)

    def go_on():
        start = time.monotonic()
        while time.monotonic() - start < 20 * LATEST:
            model.partial_fit(X, Y)
            # What is to be kept: between two calls it has changed, as a whole.
            model.known = state_of(model)

    return model, go_on


def crossed():
    model = fitting().set_params(max_epochs=2).fit(X, Y)
    return model, lambda: cross_val_score(fitting(), X, Y, cv=3)


def small_steps():
    return fit_again(batch_size=8)


def going_on():
    model, again = fit_again(warm_start=True)
    return model, again


def with_callbacks():
    stop = EarlyStopping(monitor="train_loss", patience=10**6)
    return fit_again(callbacks=[stop, EpochScoring("r2", name="r2")], validation=0.2)


def swallowed():
    return fit_again(callbacks=[Swallow()])


KINDS = {
    "fit": fit_again,
    "fit in small steps": small_steps,
    "fit with callbacks": with_callbacks,
    "fit with a callback that swallows": swallowed,
    "fit that goes on": going_on,
    "partial_fit, again and again": by_parts,
    "cross_val_score": crossed,
}


def state_of(model):
    return model.predict(X), model.n_epochs_


def interrupted(act, delay):
    """Say whether an interrupt after a while reaches who called."""
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        act()
        timer.join()
    except KeyboardInterrupt:
        return True
    return False


def campaign(kind, count, rng):
    """Return how many interrupts came through, and of how many the old model was kept."""
    model, act = KINDS[kind]()
    came = kept = 0
    for _ in range(count):
        model.known = state_of(model)
        came += interrupted(act, rng.uniform(0, LATEST))
        (predicted, n_epochs), (known, n_known) = state_of(model), model.known
        # One more epoch is a whole call, interrupted before its state was noted.
        whole = kind.startswith("partial_fit") and n_epochs == n_known + 1
        kept += whole or (np.array_equal(predicted, known) and n_epochs == n_known)
    handler = signal.getsignal(signal.SIGINT)
    return came, kept, handler is signal.default_int_handler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200, help="interrupts of each kind")
    given = parser.parse_args()
    # Of a job in the background a shell has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, failed = np.random.default_rng(0), False
    for kind in KINDS:
        came, kept, restored = campaign(kind, given.count, rng)
        print(f"{kind}: {came} of {given.count} came through, model kept {kept} times", flush=True)
        failed |= came < given.count or kept < given.count or not restored
    sys.exit(failed)


if __name__ == "__main__":
    main()
