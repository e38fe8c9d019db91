"""What a training step calls on the host: on a GPU, a look at a number waits for the device."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from skginr import Graph, SIRENClassifier, SIRENRegressor, SpectralEmbedder
from skginr.network.training import _stopping as stopping
from skginr.network.training._losses import SquaredLoss

N_ROWS = 480
# What moves numbers between devices, or to Python.
READS = ("aten::item", "aten::_local_scalar_dense", "aten::_to_copy", "aten::is_nonzero")


def rows():
    X = np.random.default_rng(0).standard_normal((N_ROWS, 6)).astype(np.float32)
    return X, np.sin(X[:, 0]) * X[:, 1]


def indexed():
    graph = Graph.from_points(np.random.default_rng(1).random((60, 2)))
    table = pd.DataFrame({"node": np.arange(N_ROWS) % 60})
    embedder = SpectralEmbedder(5, graph=graph, output="indexed").set_output(transform="pandas")
    return embedder.fit_transform(table), rows()[1]


def classes():
    X, y = rows()
    return X, y > 0


def several():
    X, y = rows()
    return np.column_stack([X, np.arange(N_ROWS) % 3]), y


CASES = {
    "train": (SIRENRegressor("train"), rows, {}),
    "represent": (SIRENRegressor("represent", target_score="off"), rows, {}),
    "reproduce": (SIRENRegressor("reproduce", hidden_units=16, sampling="shuffle"), rows, {}),
    "weights": (SIRENRegressor("train"), rows, {"sample_weight": np.linspace(1, 2, N_ROWS)}),
    "validation": (SIRENRegressor("train", validation=0.25), rows, {}),
    "classes": (SIRENClassifier("train"), classes, {}),
    "codes": (SIRENRegressor("train", latent_dim=2), several, {}),
    "indexed": (SIRENRegressor("train"), indexed, {}),
    "many outputs": (SIRENRegressor("train"), lambda: (rows()[0], rows()[0][:, :3]), {}),
}


def calls(model, X, y, **fit):
    """Return calls by name: of a whole fit, but for what torch's own operators call in turn."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as profile:
        model.fit(X, y, **fit)
    names = (
        event.name
        for event in profile.events()
        # On the CPU, AdamW's kernel reads how many steps it made; on CUDA it need not.
        if event.cpu_parent is None or not event.cpu_parent.name.startswith("aten::")
    )
    return Counter(names)


@pytest.mark.parametrize("case", CASES)
def test_a_step_waits_for_no_number_and_copies_none(case):
    model, data, fit = CASES[case]
    X, y = data()
    model.set_params(max_epochs=3, random_state=0, device="cpu")
    few, many = (
        calls(model.set_params(batch_size=batch_size), X, y, **fit) for batch_size in (120, 30)
    )
    n_steps = many["Optimizer.step#AdamW.step"] - few["Optimizer.step#AdamW.step"]
    assert n_steps == (27 if case == "validation" else 36)
    # The layers were called, and so would be seen what else is.
    assert many["aten::sin"] - few["aten::sin"] >= 3 * n_steps
    assert {name: many[name] for name in READS} == {name: few[name] for name in READS}
    # Its loss, into a tensor that is there.
    assert many["aten::copy_"] - few["aten::copy_"] == n_steps
    averages = many["aten::_foreach_lerp_"] - few["aten::_foreach_lerp_"]
    assert averages == (n_steps if case == "represent" else 0)
    assert not many["aten::lerp_"]


def test_an_evaluation_is_one_transfer(monkeypatch):
    X, y = rows()
    model = SIRENRegressor("train", max_epochs=2, random_state=0).fit(X, y)
    table = model._model.table(X, y, None)
    expected = stopping.evaluate(model.net_, table, SquaredLoss)
    transfers = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda t: transfers.append(1) or tolist(t))
    monkeypatch.setattr(stopping, "EVALUATION_ROWS", 100)
    in_parts = stopping.evaluate(model.net_, table, SquaredLoss)
    assert len(transfers) == 1
    assert in_parts == pytest.approx(expected, rel=1e-5)
    assert expected.loss == pytest.approx(1 - model.score(X, y), rel=1e-5)


def test_modes_change_when_they_must():
    X, y = rows()
    seen = []

    class Watched(torch.nn.MSELoss):
        def forward(self, prediction, target):
            seen.append((self.training, torch.is_grad_enabled()))
            return super().forward(prediction, target)

    net_params = {"criterion": Watched}
    SIRENRegressor(
        "train", max_epochs=2, batch_size=240, random_state=0, net_params=net_params
    ).fit(X, y)
    # Steps train, looks at all rows do not.
    assert {True, False} == {training for training, _ in seen}
    assert all(training == grad for training, grad in seen)
