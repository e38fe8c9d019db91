"""Several processes that train one network, as accelerate starts them; on CPUs, by gloo."""

import os
import subprocess
import sys

import numpy as np
import pytest

from skginr import SIRENClassifier, SIRENRegressor

pytest.importorskip("accelerate")
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
model.set_params(net_params=None)
save(model, sys.argv[1] + str(rank))
"""


def start(tmp_path, model, change="", more=""):
    script = tmp_path / "training.py"
    script.write_text(TRAINING.format(model=model, change=change, more=more))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2"]
    return subprocess.run(
        [*command, str(script), str(tmp_path / "model")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def loaded(tmp_path):
    from skginr import load

    return [load(tmp_path / f"model{rank}") for rank in range(2)]


@pytest.mark.parametrize(
    ("model", "more"),
    [
        # Batches of an odd number of rows, the last of another size, and weights.
        ("SIRENRegressor(dtype='float64', batch_size=67, max_epochs=30, random_state=0)", ""),
        (
            "SIRENRegressor('represent', dtype='float64', target_score=0.999, validation=0.2, "
            "random_state=0)",
            ", sample_weight=np.linspace(1, 2, 301)",
        ),
        (
            "SIRENClassifier(dtype='float64', max_epochs=20, batch_size='all', random_state=0)",
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


def test_processes_with_different_tables_are_refused(tmp_path):
    run = start(tmp_path, "SIRENRegressor(random_state=0)", change="y = y + 0.1 * rank * X[:, 0]")
    assert run.returncode != 0
    assert "must be given the same rows of X and y; they differ" in run.stderr


def test_processes_without_a_common_seed_are_refused(tmp_path):
    run = start(tmp_path, "SIRENRegressor()")
    assert run.returncode != 0
    assert "random_state must be an integer where 2 processes train together" in run.stderr


def test_what_is_no_accelerator_is_refused():
    model = SIRENRegressor(net_params={"accelerator": "cuda"})
    with pytest.raises(TypeError, match=r"must be an accelerate\.Accelerator; got str"):
        model.fit([[0.0], [1.0]], [0.0, 1.0])
