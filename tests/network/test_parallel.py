"""Several processes that train one network, as accelerate starts them; on CPUs, by gloo."""

import contextlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from skginr import SIRENClassifier, SIRENRegressor

pytest.importorskip("accelerate", reason="needs the extra accelerate")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and gloo")

TRAINING = """
import sys

import numpy as np
from accelerate import Accelerator

from skginr import SIRENClassifier, SIRENRegressor, save

accelerator = Accelerator(cpu=True)
rank = accelerator.process_index
X = np.linspace(-2, 2, 301)[:, None]
y = np.sin(4 * X[:, 0])
{change}
model = {model}
model.set_params(net_params={{"accelerator": accelerator}}, device="cpu")
model.fit(X, y{more})
model.set_params(net_params=None, callbacks=None)
save(model, sys.argv[1] + str(rank))
"""


def start(tmp_path, model, change="", more=""):
    script = tmp_path / "training.py"
    script.write_text(TRAINING.format(model=model, change=change, more=more))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2"]
    process = subprocess.Popen(
        [*command, str(script), str(tmp_path / "model")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=120)
    finally:
        # Those that it started too, if they wait for each other.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def loaded(tmp_path):
    from skginr import load

    return [load(tmp_path / f"model{rank}") for rank in range(2)]


@pytest.mark.parametrize(
    ("model", "more"),
    [
        # Batches of an odd number of rows, the last of another size, and weights.
        (
            "SIRENRegressor("
            "'train', dtype='float64', batch_size=67, max_epochs=30, random_state=0)",
            "",
        ),
        (
            "SIRENRegressor('represent', dtype='float64', target_score=0.999, validation=0.2, "
            "random_state=0)",
            ", sample_weight=np.linspace(1, 2, 301)",
        ),
        (
            "SIRENClassifier("
            "'train', dtype='float64', max_epochs=20, batch_size='all', random_state=0)",
            " > 0",
        ),
    ],
)
def test_two_processes_reach_what_one_does(tmp_path, model, more):
    run = start(tmp_path, model, more=more)
    assert run.returncode == 0, run.stderr
    first, second = loaded(tmp_path)
    X = np.linspace(-2, 2, 301)[:, None]
    y = np.sin(4 * X[:, 0])
    alone = eval(model).set_params(device="cpu")
    exec(f"alone.fit(X, y{more})", {"alone": alone, "X": X, "y": y, "np": np})
    one, other, expected = (
        m.predict_proba(X) if isinstance(m, SIRENClassifier) else m.predict(X)
        for m in (first, second, alone)
    )
    np.testing.assert_array_equal(one, other)
    assert first.n_epochs_ == alone.n_epochs_
    assert first.stop_reason_ == alone.stop_reason_
    # Sums over shares are rounded otherwise, and every step carries that on.
    np.testing.assert_allclose(one, expected, atol=1e-6)


def test_time_runs_out_for_all_at_once(tmp_path):
    model = "SIRENRegressor('represent', target_score='off', max_time=2 + 2 * rank, random_state=0)"
    run = start(tmp_path, model)
    assert run.returncode == 0, run.stderr
    first, second = loaded(tmp_path)
    assert first.n_epochs_ == second.n_epochs_ > 0
    np.testing.assert_array_equal(first.predict([[0.5]]), second.predict([[0.5]]))


@pytest.mark.parametrize(
    ("model", "given", "what"),
    [
        ("SIRENRegressor(random_state=0)", {"change": "y = y + 0.1 * rank * X[:, 0]"}, "rows of"),
        (
            "SIRENClassifier(random_state=0)",
            {"more": " > 0, sample_weight=np.linspace(1, 2 + rank, 301)"},
            "rows of X and y",
        ),
        ("SIRENRegressor(learning_rate=0.001 * (1 + rank), random_state=0)", {}, "hyper-par"),
        ("SIRENRegressor(random_state=rank)", {}, "network"),
    ],
)
def test_processes_that_are_given_different_things_are_refused(tmp_path, model, given, what):
    run = start(tmp_path, model, **given)
    assert run.returncode != 0
    assert f"must be given the same {what}" in run.stderr


def test_a_callback_of_one_process_stops_all(tmp_path):
    change = """
from skorch.callbacks import Callback

class Stop(Callback):
    def on_epoch_end(self, net, **kwargs):
        if rank == 1 and len(net.history) == 7:
            raise KeyboardInterrupt
"""
    model = "SIRENRegressor('train', max_epochs=50, random_state=0, callbacks=[Stop()])"
    run = start(tmp_path, model, change=change)
    assert run.returncode == 0, run.stderr
    first, second = loaded(tmp_path)
    assert first.n_epochs_ == second.n_epochs_ == 7
    assert first.stop_reason_ == second.stop_reason_ == "stopped by a callback"
    np.testing.assert_array_equal(first.predict([[0.5]]), second.predict([[0.5]]))


def test_processes_without_a_common_seed_are_refused(tmp_path):
    run = start(tmp_path, "SIRENRegressor()")
    assert run.returncode != 0
    assert "random_state must be an integer where 2 processes train together" in run.stderr


def test_what_is_no_accelerator_is_refused():
    model = SIRENRegressor(net_params={"accelerator": "cuda"})
    with pytest.raises(TypeError, match=r"must be an accelerate\.Accelerator; got str"):
        model.fit([[0.0], [1.0]], [0.0, 1.0])
