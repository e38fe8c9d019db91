import ast
import dataclasses
import re

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit

from skginr import SIRENRegressor
from skginr.network._presets import PRESETS
from skginr.network._settings import DESCENT_SETTINGS, Settings
from skginr.network.training._batches import TensorTable
from skginr.network.training._schedules import HalveOnPlateau

QUICK = {"max_epochs": 15, "hidden_units": 32, "random_state": 0}


def test_the_paper_preset_is_the_papers():
    model = SIRENRegressor("reproduce", max_epochs=1).fit(np.random.rand(50, 99), np.arange(50.0))  # noqa: NPY002
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


def test_verbose_shows_progress_or_a_table(wave, capsys):
    X, y = wave
    SIRENRegressor("train", **QUICK).fit(X, y)
    assert capsys.readouterr() == ("", "")
    SIRENRegressor("train", verbose=1, **QUICK).fit(X, y)
    assert "training: 15 epochs in" in capsys.readouterr().err
    SIRENRegressor("train", verbose=2, **QUICK).fit(X, y)
    assert "train_loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"preset": "best"},
            ValueError,
            "preset must be one of 'predict', 'train', 'represent', 'reproduce'",
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


@pytest.mark.parametrize("preset", ["train", "represent"])
def test_the_docstring_says_how_many_epochs_auto_makes(preset):
    epochs, steps = PRESETS[preset].auto_epochs
    said = " ".join(SIRENRegressor.__doc__.split())
    assert f'{epochs} epochs and {steps} steps ("{preset}")' in said
