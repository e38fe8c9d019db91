"""Whether a device computes what the CPU does, from the same seed, for all that the network can.

A check is a name, what was found, what was expected, and how far apart the two may be: the largest
difference over the largest number. Everything is done in float32 and in float64.

On a CPU there is nothing to compare with but itself. In the reference every epoch and step then
begins with weights changed by their last digit, as if another device had rounded them.

    python benchmarks/_gpu_checks.py FOLDER predict-float32 ...     the machine without a GPU
"""

import itertools
import os
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
# After the same steps, and of the same weights. Of what is solved for, a ridge may be as weak as
# 1e-8 in float64, by which what was rounded is divided.
TRAINED = {"float32": 1e-4, "float64": 1e-9}
SOLVED = {"float32": 1e-4, "float64": 1e-6}
KEPT = {"float32": 1e-5, "float64": 1e-12}
N_INPUTS = 8
# Both ways to predict: a last layer that is solved for, and descent.
TO_PREDICT = ("predict", "train")
# Of so few rows, preset "predict" only solves: whatever was chosen between the two ways by a
# rounded number would not be the same.
SOLVED_ROWS = 1500


class Check(NamedTuple):
    name: str
    difference: float
    tolerance: float

    @property
    def ok(self):
        return self.difference <= self.tolerance


class Side(NamedTuple):
    """Where models are trained, and whether their last digits are changed at every step."""

    device: str
    rounds_otherwise: bool = False

    def fit(self, model, X, y, **fit_params):
        callbacks = [rounding()] if self.rounds_otherwise else None
        return model.set_params(device=self.device, callbacks=callbacks).fit(X, y, **fit_params)


def rounding():
    """Return a callback that changes the last digit of all weights before every step.

    And before every epoch, of which one that is solved for is the only step.
    """
    import torch
    from skorch.callbacks import Callback

    generator = torch.Generator().manual_seed(0)

    class Rounding(Callback):
        def on_epoch_begin(self, net, **kwargs):
            self.change(net)

        def on_batch_begin(self, net, training, **kwargs):
            if training:
                self.change(net)

        def change(self, net):
            with torch.no_grad():
                for weights in net.module_.parameters():
                    digits = torch.empty_like(weights).uniform_(-0.5, 0.5, generator=generator)
                    weights.mul_(digits.mul_(torch.finfo(weights.dtype).eps).add_(1))

    return Rounding()


def difference(found, expected):
    """Return the largest difference, over the largest number expected.

    Infinity where a number is none, and where all that is expected is one constant: of a network
    that has learned nothing, whatever it would have learned.
    """
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    if found.shape != expected.shape or np.ptp(expected) == 0:
        return np.inf
    largest = np.abs(found - expected).max() / np.abs(expected).max()
    return float(largest) if np.isfinite(largest) else np.inf


def run(device, folder, n_rows=2000):
    """Yield the checks; where a group of them fails, or can't be made, its name and why."""
    on_cpu = device.split(":")[0] == "cpu"
    ours, reference = Side(device), Side("cpu", rounds_otherwise=on_cpu)
    # MPS has no float64.
    dtypes = [dtype for dtype in TRAINED if dtype == "float32" or not device.startswith("mps")]
    benches = [Bench(ours, reference, dtype, Path(folder), n_rows) for dtype in dtypes]
    for bench in benches:
        for group in GROUPS:
            yield from guarded(group, bench, name=f"{group.__name__}, {bench.dtype}")
    yield from guarded(files, benches)
    yield from guarded(doors, benches[0])


def guarded(group, given, name=None):
    try:
        yield from group(given)
    except Exception as error:
        yield name or group.__name__, error


class Bench:
    """Two sides, a precision, and rows to train on."""

    def __init__(self, ours, reference, dtype, folder, n_rows):
        self.ours, self.reference = ours, reference
        self.dtype, self.folder = dtype, folder
        self.X, self.y = rows(n_rows)

    def regressor(self, preset="train", **given):
        return made("SIRENRegressor", preset, {"dtype": self.dtype} | given)

    def classifier(self, preset="train", **given):
        return made("SIRENClassifier", preset, {"dtype": self.dtype} | given)

    def both(self, make, X=None, y=None, **fit):
        """Return ``make()`` trained on our side and on the other."""
        X, y = self.X if X is None else X, self.y if y is None else y
        return [
            side.fit(model, *rows_for(model, X, y), **fit)
            for side in (self.ours, self.reference)
            for model in [make()]
        ]

    def trained(self, name, found, expected, preset="train", times=1):
        tolerance = times * (SOLVED if preset == "predict" else TRAINED)[self.dtype]
        return Check(f"{name}, {self.dtype}", difference(found, expected), tolerance)

    def kept(self, name, found, expected):
        tolerance = KEPT[self.dtype]
        return Check(f"{name}, {self.dtype}", difference(found, expected), tolerance)

    def of_predictions(self, name, make, y=None, **fit):
        found, expected = self.both(make, y=y, **fit)
        return self.trained(name, found.predict(self.X), expected.predict(self.X), found.preset)


def made(name, preset, given):
    """Return a model of a short training, where it trains."""
    import skginr

    short = {} if preset == "predict" else {"max_epochs": 4}
    return getattr(skginr, name)(preset, **short, random_state=0, **given)


def rows_for(model, *tables):
    return [table[: SOLVED_ROWS if model.preset == "predict" else None] for table in tables]


def rows(n_rows):
    rng = np.random.default_rng(0)
    # The same in both precisions.
    X = rng.standard_normal((n_rows, N_INPUTS)).astype(np.float32).astype(float)
    return X, np.sin(2 * X[:, 0]) * X[:, 1] + np.cos(X[:, 2])


# --- groups of checks


def presets(bench):
    for preset in (*TO_PREDICT, "represent", "reproduce"):
        given = {"batch_size": min(5000, len(bench.X))} if preset == "reproduce" else {}
        found, expected = bench.both(lambda p=preset, given=given: bench.regressor(p, **given))
        yield bench.trained(preset, found.predict(bench.X), expected.predict(bench.X), preset)
        where = {weights.device.type for weights in found.net_.module_.parameters()}
        there = where == {bench.ours.device.split(":")[0]}
        yield Check(f"{preset} is on the device, {bench.dtype}", 0.0 if there else np.inf, 0.0)


def ways_to_train(bench):
    for preset in TO_PREDICT:
        (weight,) = rows_for(bench.regressor(preset), np.linspace(0.5, 2, len(bench.X)))
        yield bench.of_predictions(
            f"sample_weight, {preset}", lambda p=preset: bench.regressor(p), sample_weight=weight
        )
        # Of a signal that few rows tell in others: the weights at the start would be kept, else.
        yield bench.of_predictions(
            f"validation blocks, {preset}",
            lambda p=preset: bench.regressor(p, validation=0.2),
            y=np.sin(2 * bench.X[:, 0]),
        )
    yield bench.of_predictions('batch_size="all"', lambda: bench.regressor(batch_size="all"))
    index = bench.ours.device if ":" in bench.ours.device else f"{bench.ours.device}:0"
    numbered = Side(index).fit(bench.regressor(), bench.X, bench.y)
    named = bench.ours.fit(bench.regressor(), bench.X, bench.y)
    yield bench.kept(f'device="{index}"', numbered.predict(bench.X), named.predict(bench.X))


def going_on(bench):
    for preset in TO_PREDICT:
        models = bench.both(lambda p=preset: bench.regressor(p, warm_start=True))
        models = [
            side.fit(model, *rows_for(model, bench.X, bench.y))
            for side, model in zip(sides(bench), models, strict=True)
        ]
        found = (model.predict(bench.X) for model in models)
        yield bench.trained(f"warm_start, {preset}", *found, preset)
    without, resumed = (bench.regressor().set_params(device=bench.ours.device) for _ in range(2))
    for epoch in range(4):
        without.partial_fit(bench.X, bench.y)
        resumed.partial_fit(bench.X, bench.y)
        if epoch == 1:
            resumed = reloaded(resumed, bench.folder / "resumed.skginr")
    yield bench.kept("resumed from a file", resumed.predict(bench.X), without.predict(bench.X))


def classes(bench):
    y = np.digitize(bench.y, [-0.5, 0.5])
    for preset in TO_PREDICT:
        models = bench.both(lambda p=preset: bench.classifier(p), y=y)
        found = (model.predict_proba(bench.X) for model in models)
        yield bench.trained(f"class probabilities, {preset}", *found, preset)


def codes(bench):
    X = np.column_stack([bench.X, np.arange(len(bench.X)) % 3])
    y = bench.y * (1 + X[:, -1])
    found, expected = bench.both(lambda: bench.regressor(latent_dim=4), X, y)
    yield bench.trained("latent codes", found.codes_, expected.codes_)
    yield bench.trained("of latent codes", found.predict(X), expected.predict(X))
    X[:, -1] += 10
    found, expected = (model.add_signals(X, y) for model in (found, expected))
    yield bench.trained("add_signals", found.predict(X), expected.predict(X))


def derivatives(bench):
    for preset in ("predict", "represent"):
        models = bench.both(lambda p=preset: bench.regressor(p))
        found = (model.gradient(bench.X) for model in models)
        # A derivative multiplies what was rounded by the gains of the layers.
        yield bench.trained(f"gradient, {preset}", *found, preset, times=10)


def tangents(bench):
    from sklearn.frozen import FrozenEstimator

    from skginr import TangentKernelRegressor

    X, y = bench.X[:300], bench.X[:300, 3] ** 2
    for preset in TO_PREDICT:
        found = (
            TangentKernelRegressor(FrozenEstimator(model), alpha=0.01).fit(X, y).predict(X)
            for model in bench.both(lambda p=preset: bench.regressor(p))
        )
        yield bench.trained(f"tangent kernel, {preset}", *found, preset)


def onnx(bench):
    if find_spec("onnx") is None:
        yield f"ONNX, {bench.dtype}", "onnx is not installed"
        return
    from skginr import to_onnx

    X = bench.X.astype(bench.dtype)
    try:
        from onnxruntime import InferenceSession
    except ModuleNotFoundError:
        from onnx.reference import ReferenceEvaluator as InferenceSession
    for preset in ("predict", "represent"):
        model = bench.regressor(preset)
        bench.ours.fit(model, *rows_for(model, bench.X, bench.y))
        path = bench.folder / "network.onnx"
        to_onnx(model, path)
        (found,) = InferenceSession(str(path)).run(["y"], {"X": X})
        yield bench.kept(f"ONNX, {preset}", found, model.predict(X))


def indexed(bench):
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import MinMaxScaler

    from skginr import Graph, SpectralEmbedder

    graph = Graph.from_points(np.random.default_rng(0).random((200, 2)))
    table = pd.DataFrame({"node": np.arange(len(bench.X)) % 200, "time": bench.X[:, 0]})
    tables = [
        make_column_transformer(
            (SpectralEmbedder(6, graph=graph, output=output), ["node"]),
            (MinMaxScaler((-1, 1)), ["time"]),
        )
        .set_output(transform="pandas")
        .fit_transform(table)
        for output in ("indexed", "array")
    ]
    for preset in TO_PREDICT:
        model = bench.regressor(preset)
        found = (
            side.fit(model, *rows_for(model, X, np.sin(2 * bench.X[:, 0]))).predict(X)
            for side, X in zip(sides(bench), tables, strict=True)
        )
        yield bench.trained(f"indexed columns, {preset}", *found, preset)


def files(benches):
    """Files of the device that a process without one reads, and the reverse."""
    folder, X = benches[0].folder, benches[0].X
    np.savez(folder / "rows.npz", X=X, y=benches[0].y)
    expected = {}
    for bench, preset in itertools.product(benches, TO_PREDICT):
        model = bench.regressor(preset)
        bench.ours.fit(model, *rows_for(model, X, bench.y))
        name = f"{preset}-{bench.dtype}"
        expected[name] = model.predict(X)
        write(model, folder, f"ours-{name}")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}
    command = [sys.executable, __file__, str(folder), *expected]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    for bench, preset in itertools.product(benches, TO_PREDICT):
        name = f"{preset}-{bench.dtype}"
        with np.load(folder / f"elsewhere-{name}.npz") as kept:
            elsewhere = dict(kept)
        theirs = elsewhere["theirs"]
        for how, read in READERS.items():
            of = f"{preset}, {how} on the"
            yield bench.kept(f"{of} device, read without one", elsewhere[how], expected[name])
            model = read(folder, f"theirs-{name}")
            yield bench.kept(f"{of} CPU, read beside a device", model.predict(X), theirs)
            moved = on(model, bench.ours.device).predict(X)
            yield bench.kept(f"{of} CPU, moved to the device", moved, theirs)


def doors(bench):
    """An error where a device is not there."""
    try:
        bench.regressor(device="cuda:99").fit(bench.X, bench.y)
    except ValueError as error:
        told = str(error).startswith("device must be") and "cuda:99" in str(error)
    else:
        told = False
    yield Check('device="cuda:99" is refused', 0.0 if told else np.inf, 0.0)


GROUPS = (
    presets,
    ways_to_train,
    going_on,
    classes,
    codes,
    derivatives,
    tangents,
    onnx,
    indexed,
)


def sides(bench):
    return bench.ours, bench.reference


# --- files


def reloaded(model, path):
    import skginr

    skginr.save(model, path)
    return skginr.load(path)


def write(model, folder, name):
    import skginr

    skginr.save(model, folder / f"{name}.skginr")
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(model))


def read_file(folder, name):
    import skginr

    return skginr.load(folder / f"{name}.skginr")


def read_pickle(folder, name):
    return pickle.loads((folder / f"{name}.pickle").read_bytes())


READERS = {"saved": read_file, "pickled": read_pickle}


def on(model, device):
    """Return the model on another device, as if its file had come from there."""
    import copy

    from skginr.network._model import Model

    moved = copy.copy(model)
    moved._model = Model.from_state(model._model.to_state() | {"device": device})
    return moved


def elsewhere(folder, *names):
    """Read what the device wrote, and write what is to be read there."""
    import warnings

    from skorch.exceptions import DeviceWarning

    # That the device of a pickle is not there is what this is about.
    warnings.simplefilter("ignore", DeviceWarning)
    folder = Path(folder)
    with np.load(folder / "rows.npz") as kept:
        X, y = kept["X"], kept["y"]
    for name in names:
        found = {how: read(folder, f"ours-{name}").predict(X) for how, read in READERS.items()}
        preset, dtype = name.split("-")
        model = made("SIRENRegressor", preset, {"dtype": dtype})
        model.fit(*rows_for(model, X, y))
        write(model, folder, f"theirs-{name}")
        np.savez(folder / f"elsewhere-{name}.npz", theirs=model.predict(X), **found)


if __name__ == "__main__":
    elsewhere(*sys.argv[1:])
