import json
import sys

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from skginr import SIRENClassifier, SIRENRegressor, SpectralEmbedder, to_onnx


@pytest.fixture
def run(tmp_path):
    """Write a network, and return what a runtime makes of X."""

    def write_and_run(network, X):
        path = tmp_path / "network.onnx"
        to_onnx(network, path)
        session = InferenceSession(path, providers=["CPUExecutionProvider"])
        (value,) = session.run(None, {"X": np.asarray(X, dtype=network.dtype)})
        return value

    return write_and_run


@pytest.fixture(scope="module")
def waves():
    X = np.random.default_rng(0).uniform(-2, 2, size=(200, 3))
    return X, 5 + 100 * np.sin(X @ [1, 2, 0.5])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dtype": "float64", "input_scaling": "unit"},
        {"preset": "train", "max_epochs": 30},
        {"preset": "reproduce", "max_epochs": 30},
        {"preset": "train", "max_epochs": 30, "activation": "relu", "skip": True},
        {
            "preset": "train",
            "max_epochs": 30,
            "dtype": "float64",
            "n_layers": 3,
            "omega_0": 2.0,
        },
    ],
)
def test_a_runtime_predicts_the_same(run, waves, settings):
    X, y = waves
    # Columns of unequal width, which the network makes alike, or not.
    y = 5 + 100 * np.sin(X @ [0.5, 0.5, 0.2])
    X = X * [1, 0.5, 2]
    network = SIRENRegressor(**settings, random_state=0).fit(X, y)
    expected = network.predict(X)
    assert np.ptp(expected) > 1
    found = run(network, X)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    tolerance = 1e-10 if settings.get("dtype") == "float64" else 1e-5
    np.testing.assert_allclose(found, expected, atol=tolerance * np.ptp(y))


def test_several_outputs_and_float32_come_out_as_y_was(run, waves):
    X, y = waves
    table = np.column_stack([y, -y, X[:, 0]]).astype(np.float32)
    network = SIRENRegressor("train", random_state=0, max_epochs=5).fit(X.astype(np.float32), table)
    found = run(network, X)
    assert (found.dtype, found.shape) == (np.float32, (200, 3))
    np.testing.assert_allclose(found, network.predict(X), atol=1e-3)


def test_probabilities_and_classes(run, waves, tmp_path):
    X, y = waves
    network = SIRENClassifier("train", random_state=0, max_epochs=20)
    network.fit(X, np.array(["low", "high"])[(y > 5).astype(int)])
    found = run(network, X)
    np.testing.assert_allclose(found, network.predict_proba(X), atol=1e-5)
    facts = {p.key: p.value for p in onnx.load(tmp_path / "network.onnx").metadata_props}
    assert json.loads(facts["classes"]) == ["high", "low"]
    assert facts["producer"].startswith("skginr ")


def test_signals_have_their_codes_and_a_stranger_none(run, waves):
    X, y = waves
    which = np.tile([3.0, 7.5], 100)
    rows = np.column_stack([X, which])
    network = SIRENRegressor("train", latent_dim=2, random_state=0, max_epochs=30).fit(
        rows, y * which
    )
    np.testing.assert_allclose(run(network, rows), network.predict(rows), atol=1e-2)
    rows[0, -1] = 4
    found = run(network, rows)
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


def test_the_last_step_of_a_pipeline_serves_coordinates(run, grid, grid_table):
    table = grid_table[["node"]]
    model = make_pipeline(
        SpectralEmbedder(8, graph=grid).set_output(transform="pandas"),
        SIRENRegressor("train", random_state=0, max_epochs=20),
    ).fit(table, grid_table["signal"])
    found = run(model[-1], model[:-1].transform(table))
    np.testing.assert_allclose(found, model.predict(table), atol=1e-5)


def test_what_it_refuses_is_not_written(waves, tmp_path, monkeypatch):
    X, y = waves
    path = tmp_path / "network.onnx"
    network = SIRENRegressor("train", random_state=0, max_epochs=2)
    with pytest.raises(NotFittedError):
        to_onnx(network, path)
    with pytest.raises(TypeError, match=r"must be a SIRENRegressor .*got Pipeline.*model\[-1\]"):
        to_onnx(make_pipeline(network), path)
    with pytest.raises(TypeError, match="got Ridge"):
        to_onnx(Ridge().fit(X, y), path)

    network.fit(X, y)
    with pytest.raises(FileNotFoundError):
        to_onnx(network, tmp_path / "nowhere" / "network.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"to_onnx needs onnx.*skginr\[onnx\]"):
        to_onnx(network, path)
    assert not list(tmp_path.iterdir())
