"""What people do around a fit: stop it, lose it and go on, look into it."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping, EpochScoring, TensorBoard

import skginr
from skginr import Graph, SIRENRegressor, SpectralEmbedder

TRAINING = """
import sys
from pathlib import Path

import numpy as np

import skginr

file, n_epochs, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
X = np.linspace(-2, 2, 300)[:, None]
if file.exists():
    model = skginr.load(file)
else:
    model = skginr.SIRENRegressor(random_state=0, hidden_units=16, batch_size=64)
while not hasattr(model, "net_") or model.n_epochs_ < n_epochs:
    skginr.save(model.partial_fit(X, np.sin(4 * X[:, 0])), file)
    print(model.n_epochs_, flush=True)
    import time; time.sleep(pause)
"""


def start(file, *, pause):
    command = [sys.executable, "-c", TRAINING, str(file), "12", str(pause)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process as POSIX does")
def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first, second = start(whole, pause=0), start(killed, pause=0.2)
    for line in second.stdout:
        if int(line) == 5:
            second.send_signal(signal.SIGKILL)
            break
    assert second.wait() == -signal.SIGKILL
    assert 5 <= skginr.load(killed).n_epochs_ < 12
    third = start(killed, pause=0)
    assert first.wait(60) == third.wait(60) == 0
    assert int(third.stdout.readline()) > 5
    one, other = skginr.load(whole), skginr.load(killed)
    X = np.linspace(-2, 2, 300)[:, None]
    assert one.n_epochs_ == other.n_epochs_ == 12
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    for process in (first, second, third):
        process.stdout.close()


def test_a_callback_of_skorch_stops_the_training():
    X = np.linspace(-2, 2, 300)[:, None]
    rng = np.random.default_rng(0)
    y = np.sin(4 * X[:, 0]) + rng.normal(size=300)
    early = EarlyStopping(monitor="valid_loss", patience=5)
    model = SIRENRegressor(
        "train", validation=0.3, max_epochs=2_000, random_state=0, callbacks=[("early", early)]
    )
    model.fit(X, y)
    assert model.stop_reason_ == "stopped by a callback"
    losses = model.history_["valid_loss"]
    assert len(losses) < 2_000
    assert len(losses) - 1 - losses.idxmin() <= 5 + 1


def test_a_callback_of_skorch_sees_every_epoch():
    X = np.linspace(-2, 2, 100)[:, None]

    def spread(net, X, y):
        return float(np.std(net.predict(X)))

    scoring = EpochScoring(spread, name="spread", on_train=True)
    model = SIRENRegressor("train", random_state=0, max_epochs=4, callbacks=[scoring])
    model.fit(X, np.sin(3 * X[:, 0]))
    assert model.history_["spread"].notna().sum() == model.n_epochs_ == 4


def test_losses_are_logged_for_tensorboard():
    class Writer:
        """Takes what a SummaryWriter does."""

        def __init__(self):
            self.logged = []

        def add_scalar(self, tag, scalar_value, global_step):
            self.logged.append((tag, global_step, scalar_value))

        def close(self):
            pass

    writer = Writer()
    X = np.linspace(-2, 2, 100)[:, None]
    model = SIRENRegressor("train", random_state=0, max_epochs=5, callbacks=[TensorBoard(writer)])
    model.fit(X, np.sin(3 * X[:, 0]))
    losses = {step: value for tag, step, value in writer.logged if tag == "Loss/train_loss"}
    assert losses == dict(enumerate(model.history_["train_loss"], start=1))


@pytest.fixture(scope="module")
def places():
    """A signal of where a node is and of one covariate, and not of the other."""
    rng = np.random.default_rng(0)
    graph = Graph.from_points(rng.random((400, 2)), labels=[f"n{i}" for i in range(400)])
    X = pd.DataFrame({"node": graph.labels, "dose": rng.normal(size=400)})
    X["idle"] = rng.normal(size=400)
    y = 2 * np.sin(4 * graph.positions[:, 0]) + X["dose"]
    columns = make_column_transformer(
        (SpectralEmbedder(8, graph=graph), ["node"]), (StandardScaler(), ["dose", "idle"])
    )
    model = make_pipeline(columns, SIRENRegressor(random_state=0, first_gain=0.5))
    return model.fit(X[:300], y[:300]), X, y


def test_permutation_importance_of_a_pipeline(places):
    model, X, y = places
    found = permutation_importance(model, X[300:], y[300:], n_repeats=3, random_state=0)
    node, dose, idle = found.importances_mean
    assert node > dose > 0.3
    assert abs(idle) < 0.1


def test_partial_dependence_of_a_pipeline(places):
    model, X, _ = places
    found = partial_dependence(model, X, ["dose"], grid_resolution=10)
    slope = np.polyfit(found["grid_values"][0], found["average"][0], 1)[0]
    # The signal rises by 1 with the dose.
    assert abs(slope - 1) < 0.15
