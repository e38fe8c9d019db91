"""A network with what its numbers mean: what a fit makes, and a prediction needs."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from skginr._core import warn, warn_once
from skginr.network._inputs import Columns, last_of, with_last
from skginr.network._model_state import check_network, check_signals, checked_optimizer
from skginr.network._presets import NETWORK_SETTINGS, PRESETS, Settings
from skginr.network.nn import SIREN, LatentSIREN, TangentFeatures, tangent_features
from skginr.network.solving import Solution, moments_of, solve_last_layer
from skginr.network.training import (
    EVALUATION_ROWS,
    BlockSplit,
    CrossEntropy,
    Loss,
    Net,
    SquaredLoss,
    TensorBatches,
    TensorColumns,
    TensorTable,
    evaluate,
)

# Of a gradient at once: what every layer made of them is kept until then.
_GRADIENT_ROWS = 1 << 13
# A column that goes in steps of so much of its range has lost what it says.
_COARSE = 1e-3
# So many times as far from the mean as any y is no prediction to be silent about.
_BEYOND = 3.0
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Target(Protocol):
    """What becomes of y on its way into the network and back."""

    @property
    def loss(self) -> type[Loss]:
        """What is minimised."""
        ...

    @property
    def n_columns(self) -> int:
        """Number of outputs of the network."""
        ...

    def check(self, y: NDArray) -> None:
        """Raise unless y is like the one that this was made of."""
        ...

    def encode(self, y: NDArray) -> NDArray:
        """Return y as the network learns it, one row for each."""
        ...

    def decode(self, outputs: NDArray) -> NDArray[np.floating]:
        """Return what outputs of the network mean."""
        ...


class SignalTarget:
    """Mean and spread of each output, and the shape and precision that y came in."""

    loss = SquaredLoss

    def __init__(self, y: NDArray, weight: NDArray | None) -> None:
        self.dtype = y.dtype if y.dtype == np.float32 else np.dtype(np.float64)
        self.n_outputs = y.shape[1] if y.ndim == 2 else None
        values = self._columns(y)
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean = np.average(values, axis=0, weights=weight)
            deviation = values - self.mean
            # Scaled by the largest, so that squares neither overflow nor vanish.
            largest = np.abs(deviation).max(axis=0)
            safe = np.where(largest > 0, largest, 1.0)
            spread = safe * np.sqrt(np.average((deviation / safe) ** 2, axis=0, weights=weight))
        if not np.isfinite(spread).all():
            raise ValueError(
                f"y is too large to compute with: up to {np.abs(values).max():.3g}. Scale it."
            )
        # A constant target is predicted by its mean.
        constant = spread <= 4 * np.finfo(np.float64).eps * np.abs(self.mean)
        self.spread = np.where(constant | (largest == 0), 1.0, spread)

    @property
    def n_columns(self) -> int:
        """Number of outputs, 1 for a vector."""
        return self.n_outputs or 1

    def check(self, y: NDArray) -> None:
        """Raise unless y has as many outputs."""
        if self.n_outputs != (y.shape[1] if y.ndim == 2 else None):
            raise ValueError(
                f"y must have as many outputs as the model that goes on, "
                f"{self.n_outputs or 'one, as a vector'}; got shape {y.shape}. Fit a new "
                f"model, with warm_start=False."
            )

    def encode(self, y: NDArray) -> NDArray[np.float64]:
        """Return y as a table of standardised outputs."""
        return (self._columns(y) - self.mean) / self.spread

    def decode(self, outputs: NDArray) -> NDArray[np.floating]:
        """Return predictions in the units, shape and precision of y."""
        y = outputs.astype(np.float64) * self.spread + self.mean
        return (y if self.n_outputs else y[:, 0]).astype(self.dtype, copy=False)

    def decode_gradient(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return derivatives of outputs in the units and shape of y."""
        gradient = gradient * self.spread[:, None]
        return gradient if self.n_outputs else gradient[:, 0]

    def check_whole(self) -> None:
        """Raise unless this is what could have been made of some y: it may be of a file."""
        if self.n_outputs is not None and type(self.n_outputs) is not int:
            raise TypeError("the number of outputs must be a whole number, or None")
        for array in (self.mean, self.spread):
            if not isinstance(array, np.ndarray) or array.dtype != np.float64:
                raise TypeError("the mean and spread of a signal must be arrays of float64")
            if array.shape != (self.n_columns,) or not np.isfinite(array).all():
                raise ValueError("the mean and spread of a signal must be a number per output")
        if not (self.spread > 0).all() or self.dtype not in (np.float32, np.float64):
            raise ValueError("the spread of a signal must be positive, and its dtype of floats")

    @staticmethod
    def _columns(y: NDArray) -> NDArray[np.float64]:
        return y.reshape(len(y), -1).astype(np.float64)


class ClassTarget:
    """The classes, in order."""

    loss = CrossEntropy

    def __init__(self, labels: NDArray) -> None:
        self.classes = np.unique(labels)

    @property
    def n_columns(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def check(self, y: NDArray) -> None:
        """Raise unless every label is one of the classes."""
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"y must hold classes that the model knows, {self.classes.tolist()}; got "
                f"{unknown.tolist()}. Name all at the first call, partial_fit(classes=...), or "
                f"fit a new model, with warm_start=False."
            )

    def check_whole(self) -> None:
        """Raise unless classes are distinct and in order: they may be of a file."""
        if not isinstance(self.classes, np.ndarray) or self.classes.ndim != 1:
            raise TypeError("the classes of a network must be an array")
        if not np.array_equal(np.unique(self.classes), self.classes):
            raise ValueError("the classes of a network must be distinct, and in order")

    def encode(self, y: NDArray) -> NDArray[np.intp]:
        """Return the number of the class of every row."""
        return np.searchsorted(self.classes, y)

    def decode(self, outputs: NDArray) -> NDArray[np.float64]:
        """Return the probability of each class, in float64 so that rows sum to 1."""
        return softmax(outputs.astype(np.float64), axis=1)


class Model:
    """A network, what its target means, and the seed and precision it was made with.

    Of many signals, ``signals`` are what names them in the last column of X, in order. ``preset``
    is the one that the training follows, and ``solution`` what rows held out say of "predict".
    """

    def __init__(
        self,
        net: Net,
        target: Target,
        seed: int,
        dtype: str,
        net_params: dict[str, Any],
        signals: NDArray | None = None,
        *,
        preset: str = "train",
        solution: Solution | None = None,
    ) -> None:
        self.net = net
        self.preset = preset
        self.solution = solution
        #: Predictions of rows when they were held out, until the fit ends.
        self.held_out: torch.Tensor | None = None
        self.signals = signals
        self.net_params = net_params
        self.target = target
        self.seed = seed
        self.dtype = dtype

    def take_settings(self, settings: Settings) -> None:
        """Set what a training may change: rows drawn and held out, and the optimiser's settings."""
        net = self.net
        net.iterator_train__sampling = settings.sampling
        if "train_split" not in self.net_params:
            # What is solved for holds rows out by itself, and is of all of them.
            held_out = settings.validation != "off" and settings.last_layer == "trained"
            net.train_split = (
                BlockSplit(float(settings.validation), self.seed) if held_out else None
            )
        for name, value in _optimizer_settings(settings).items():
            if f"optimizer__{name}" not in self.net_params:
                for group in net.optimizer_.param_groups:
                    if name in group:
                        group[name] = value

    def table(self, X: NDArray | Columns, y: NDArray, weight: NDArray | None) -> TensorTable:
        """Return the data as the network takes it, on its device."""
        weights = None if weight is None else self._numbers("sample_weight", weight)
        if self.dtype == "float32" and not isinstance(X, Columns):
            _check_digits(X)
        return TensorTable(self._inputs(X), self._numbers("y", self.target.encode(y)), weights)

    def adapt_to(self, table: TensorTable, settings: Settings) -> None:
        """Make the first layer one for inputs as wide as these are, before the first training."""
        solved = settings.last_layer == "solved"
        if not solved and settings.input_scaling == "given":
            return
        module = self._network
        moments = moments_of(table)
        # The last column of many signals is a name.
        n_inputs = self.net.module__n_inputs - (self.signals is not None)
        scale = moments.unit_scale[:n_inputs]
        module.scale_inputs(scale.to(self.net.device, DTYPES[self.dtype]))
        if solved:
            spread = moments.spread
            if settings.input_scaling == "unit":
                spread = spread * scale
            module.spread_first_layer(spread)

    def solve(self, table: TensorTable, settings: Settings) -> dict[str, float]:
        """Solve for the last layer, and return what the history keeps of it."""
        # A first layer that goes on stays as it is.
        known = self.solution
        self.solution, self.held_out = solve_last_layer(
            self._network,
            table,
            self.target.loss,
            first_gain=settings.first_gain if known is None else known.first_gain,
            validation=settings.validation,
            seed=self.seed,
        )
        loss = evaluate(self.net, table, self.target.loss).loss
        return {"train_loss": loss, "held_out_loss": self.solution.held_out_loss}

    def set_batches(self, table: TensorTable, batch_size: int | str) -> int:
        """Set how ``table`` is sliced, and return the number of steps of an epoch."""
        rows = table if self.net.train_split is None else self.net.get_split_datasets(table)[0]
        # Where skorch keeps them; its set_params takes them before training only.
        self.net.iterator_train__batch_size = len(rows) if batch_size == "all" else int(batch_size)
        # Another order of rows each time training goes on.
        self.net.iterator_train__seed = (self.seed + len(self.net.history)) % 2**31
        return len(self.net.get_iterator(rows, training=True))

    def predict(self, X: NDArray | Columns) -> NDArray[np.floating]:
        """Return what the network says at coordinates X: a signal, or probabilities."""
        table = TensorTable(self._inputs(X))
        outputs = np.empty((len(table), self.target.n_columns), dtype=self.dtype)
        start = 0
        # Written to one array: outputs kept one by one would lie between the memory of batches,
        # which could then not be used again.
        with plain_torch():
            for part in self.net.forward_iter(table):
                outputs[start : start + len(part)] = part.numpy()
                start += len(part)
        if not np.isfinite(outputs).all():
            rows = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
            raise ValueError(
                f"X must not lie so far beyond the rows that were fitted that the network "
                f"overflows; row {rows[0]} does, and {len(rows) - 1} others. Scale it as those."
            )
        self._warn_if_beyond(outputs)
        return self.target.decode(outputs)

    def outputs(self, table: TensorTable) -> torch.Tensor:
        """Return what the network says of the rows of a table, in its own units."""
        return torch.cat(list(self.net.forward_iter(TensorTable(table.X))))

    def _warn_if_beyond(self, outputs: NDArray[np.floating]) -> None:
        """Say so where outputs are much farther from the mean than any y was."""
        known = self.solution
        reach = known.reach if known is not None and known.holds else None
        farthest = float(np.abs(outputs).max(initial=0.0))
        if reach is not None and farthest > _BEYOND * reach:
            warn_once(
                "beyond y",
                f"values are predicted that are {farthest / reach:.3g} times as far from the mean "
                f"of y as any that was fitted: rows of X are unlike all of those. To predict "
                f"whole regions, fit with validation=0.2.",
            )

    def gradient(self, X: NDArray | Columns) -> NDArray[np.float64]:
        """Return derivatives of the outputs by the columns of X: (n_rows, n_outputs, n_inputs)."""
        inputs, module = self._inputs(X), self._network.eval()
        n_outputs = self.target.n_columns
        gradient = np.empty((len(inputs), n_outputs, self.net.module__n_inputs))
        for start in range(0, len(inputs), _GRADIENT_ROWS):
            rows = slice(start, start + _GRADIENT_ROWS)
            with plain_torch():
                batch = inputs[rows].detach().to(self.net.device, copy=True).requires_grad_()
                outputs = module(batch)
                for i in range(n_outputs):
                    # Rows do not depend on each other: of a sum over rows, each has its own.
                    (found,) = torch.autograd.grad(outputs[:, i].sum(), batch, retain_graph=True)
                    gradient[rows, i] = found.cpu().numpy()
        return gradient

    def tangent_features(self, X: NDArray) -> TangentFeatures:
        """Return the gradients of the outputs by all weights at coordinates X, as factors."""
        with plain_torch():
            return tangent_features(self._network, self._inputs(X))

    def to_state(self) -> dict[str, Any]:
        """Return what a file keeps of it: numbers and words."""
        net, kept = self.net, NETWORK_SETTINGS
        latent = None if self.signals is None else net.module__latent_dim
        return {
            "n_inputs": net.module__n_inputs,
            "network": {name: getattr(net, f"module__{name}") for name in kept},
            "latent_dim": latent,
            "learning_rate": net.lr,
            "weights": {
                name: as_array(value) for name, value in self._network.state_dict().items()
            },
            "optimizer": _arrays(net.optimizer_.state_dict()),
            "history": [dict(row) for row in net.history],
            "device": net.device,
            "target": self.target,
            "seed": self.seed,
            "dtype": self.dtype,
            "net_params": self.net_params,
            "signals": self.signals,
            "preset": self.preset,
            "solution": None if self.solution is None else dataclasses.asdict(self.solution),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Model:
        """Return the model of a state, on its device if that is there, else on the CPU.

        Raises
        ------
        TypeError, ValueError
            If the state is none that :meth:`to_state` returns. Nothing is built before that is
            known.
        """
        # A file may be older than the last of these: "predict" was then what is "train" now.
        state = {"preset": "train", "solution": None} | state
        state["weights"] = {
            # What torch.compile puts before names, which is not there any more.
            name.removeprefix("_orig_mod."): value
            for name, value in state["weights"].items()
        }
        state["network"] = {"input_scaling": "given"} | state["network"]
        target, signals = state["target"], state["signals"]
        if not isinstance(target, SignalTarget | ClassTarget):
            raise TypeError(f"a network has no {type(target).__name__} for a target")
        target.check_whole()
        if state["preset"] not in PRESETS:
            raise ValueError(f"no network has the preset {state['preset']!r}")
        solution = None if state["solution"] is None else Solution(**state["solution"])
        if solution is not None:
            solution.check_whole()
        check_signals(signals)
        check_network(state, target.n_columns)
        settings = dataclasses.replace(
            PRESETS["train"], learning_rate=state["learning_rate"], **state["network"]
        )
        net = build_net(
            state["n_inputs"],
            target,
            settings,
            latent=None if signals is None else (len(signals), state["latent_dim"]),
            seed=state["seed"],
            dtype=state["dtype"],
            device=_there_or_cpu(state["device"], state["dtype"]),
            verbose=0,
            net_params=state["net_params"],
        )
        module: Any = getattr(net.module_, "_orig_mod", net.module_)
        module.load_state_dict(_tensors(state["weights"]))
        kept = state["optimizer"]
        if isinstance(net.optimizer_, torch.optim.AdamW):
            # No file names another.
            kept = checked_optimizer(kept, net.optimizer_)
        net.optimizer_.load_state_dict(_tensors(kept))
        for row in state["history"]:
            net.history.new_epoch()
            for name, value in row.items():
                net.history.record(name, value)
        names = ("target", "seed", "dtype", "net_params", "signals")
        return cls(
            net,
            **{name: state[name] for name in names},
            preset=state["preset"],
            solution=solution,
        )

    @property
    def codes(self) -> NDArray[np.floating]:
        """The code of each signal, shape (n_signals, latent_dim)."""
        return self.net.module_.codes.detach().cpu().numpy().copy()

    def of_signals(self, signals: NDArray, codes: NDArray) -> Model:
        """Return a model with the same layers, as they are, and these codes to be trained."""
        net = copy.deepcopy(self.net)
        net.module_.codes = torch.nn.Parameter(torch.from_numpy(codes).to(net.device))
        net.module__n_signals = len(signals)
        net.initialize_optimizer()
        return Model(
            net,
            self.target,
            self.seed,
            self.dtype,
            self.net_params,
            signals,
            preset=self.preset,
        )

    def untrained(self, preset: str, settings: Settings) -> Model:
        """Return a model of the same target with another network, from the same seed."""
        net = build_net(
            self.net.module__n_inputs,
            self.target,
            settings,
            seed=self.seed,
            dtype=self.dtype,
            device=self.net.device,
            verbose=self.net.verbose,
            net_params=self.net_params,
        )
        return Model(net, self.target, self.seed, self.dtype, self.net_params, preset=preset)

    @property
    def _network(self) -> Any:
        """The network as written: what torch.compile makes of it goes backward once only."""
        return getattr(self.net.module_, "_orig_mod", self.net.module_)

    def _inputs(self, X: NDArray | Columns) -> Any:
        n_inputs = self.net.module__n_inputs
        # scikit-learn counts an indexed column as one, whatever its table.
        if X.shape[1] != n_inputs:
            raise ValueError(
                f"X must have the {n_inputs} columns that the model was fitted with, those of "
                f"the tables of indexed columns counted; got {X.shape[1]}. Was the embedding "
                f"fitted again, with another n_components or output?"
            )
        if self.signals is not None:
            X = with_last(X, positions_of(last_of(X), self.signals))
        if not isinstance(X, Columns):
            return self._numbers("X", X)
        blocks = [self._tensor("X", block) for block in X.blocks]
        tables = [None if table is None else self._tensor("X", table) for table in X.tables]
        return self._to_device("X", TensorColumns(blocks, tables))

    def _numbers(self, name: str, array: NDArray) -> Any:
        return self._to_device(name, self._tensor(name, array))

    def _tensor(self, name: str, array: NDArray) -> torch.Tensor:
        # A copy: torch knows neither read-only memory nor negative strides.
        with np.errstate(over="ignore"):
            dtype = self.dtype if array.dtype.kind == "f" else array.dtype
            array = np.array(array, dtype=dtype, order="C")
        if not np.isfinite(array).all():
            raise ValueError(
                f"{name} has values beyond the range of {self.dtype}. Scale it, or use "
                f"dtype='float64'."
            )
        return torch.from_numpy(array)

    def _to_device(self, name: str, data: torch.Tensor | TensorColumns) -> Any:
        try:
            return data.to(self.net.device)
        except torch.OutOfMemoryError:
            # skorch moves every batch to the device that is not there yet.
            warn(
                f"{name} does not fit on {self.net.device} and stays in the memory of the machine: "
                f"batches are copied step by step."
            )
            return data


def _check_digits(X: NDArray) -> None:
    """Raise where a column varies, but not in single precision; warn where that keeps little."""
    if X.dtype == np.float32 or len(X) < 2:
        return
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        lost = (low < high) & (low.astype(np.float32) == high.astype(np.float32))
        step = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32))
    advice = "Subtract its mean and scale it, as StandardScaler does, or use dtype='float64'."
    if lost.any():
        column = int(np.flatnonzero(lost)[0])
        raise ValueError(
            f"X must vary in float32 too; column {column}, from {low[column]!r} to "
            f"{high[column]!r}, is constant there. {advice}"
        )
    coarse = (low < high) & (step > _COARSE * (high - low))
    if coarse.any():
        column = int(np.flatnonzero(coarse)[0])
        warn(
            f"X has columns of which float32 keeps few digits: column {column}, from "
            f"{low[column]:.9g} to {high[column]:.9g}, in steps of {step[column]:.3g}. {advice}"
        )


def positions_of(names: NDArray, signals: NDArray) -> NDArray[np.intp]:
    """Return where in ``signals``, in order, each name is."""
    positions = np.searchsorted(signals, names).clip(max=len(signals) - 1)
    unknown = np.unique(names[signals[positions] != names])
    if len(unknown):
        raise ValueError(
            f"X's last column must name signals that the model knows, {len(signals)} from "
            f"{signals[0]:g} to {signals[-1]:g}; got {', '.join(f'{u:g}' for u in unknown[:5])}. "
            f"add_signals fits codes of new ones."
        )
    return positions


@contextmanager
def plain_torch() -> Iterator[None]:
    """Compute with gradients and in full precision, whatever the caller has set for its own."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


def _there_or_cpu(device: str, dtype: str) -> str:
    try:
        return resolve_device(device, dtype)
    except (TypeError, ValueError):
        return "cpu"


def as_array(tensor: torch.Tensor) -> NDArray:
    """Return the numbers of a tensor, wherever it is."""
    return tensor.detach().cpu().numpy()


def _arrays(state: Any) -> Any:
    """Return nested dicts and lists with arrays for tensors."""
    if isinstance(state, torch.Tensor):
        return as_array(state)
    if isinstance(state, dict):
        return {name: _arrays(value) for name, value in state.items()}
    return [_arrays(value) for value in state] if isinstance(state, list) else state


def _tensors(state: Any) -> Any:
    """Return nested dicts and lists with tensors for arrays."""
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.copy())
    if isinstance(state, dict):
        return {name: _tensors(value) for name, value in state.items()}
    return [_tensors(value) for value in state] if isinstance(state, list) else state


def build_net(
    n_inputs: int,
    target: Target,
    settings: Settings,
    *,
    latent: tuple[int, Any] | None = None,
    seed: int,
    dtype: str,
    device: str,
    verbose: int,
    net_params: dict[str, Any],
) -> Net:
    """Return an untrained network for skorch to train, ``latent`` the shape of its codes."""
    network = {f"module__{name}": getattr(settings, name) for name in NETWORK_SETTINGS}
    if latent is not None:
        network |= {"module__n_signals": latent[0], "module__latent_dim": latent[1]}
    own = {
        "module": SIREN if latent is None else LatentSIREN,
        "module__n_inputs": n_inputs,
        "module__n_outputs": target.n_columns,
        "module__seed": seed,
        "module__dtype": DTYPES[dtype],
        **network,
        "criterion": target.loss,
        "optimizer": torch.optim.AdamW,
        "lr": settings.learning_rate,
        "iterator_train": TensorBatches,
        "iterator_valid": TensorBatches,
        "iterator_valid__batch_size": EVALUATION_ROWS,
        "train_split": None,
        "device": device,
        "verbose": verbose,
    } | net_params
    known = inspect.signature(own["optimizer"]).parameters
    for name, value in _optimizer_settings(settings).items():
        if name in known:
            own.setdefault(f"optimizer__{name}", value)
    if own["optimizer"] is torch.optim.AdamW:
        own.setdefault("optimizer__fused", True)
    return Net(**own).initialize()


def _optimizer_settings(settings: Settings) -> dict[str, Any]:
    first, second = settings.betas
    # torch takes no mixture of int and float.
    return {"weight_decay": settings.weight_decay, "betas": (float(first), float(second))}


def resolve_device(device: str, dtype: str) -> str:
    """Return the device to compute on in this precision, or raise if that cannot be."""
    if not isinstance(device, str):
        raise TypeError(
            f"device must be a string: 'auto', or a torch device such as 'cpu', 'cuda' or "
            f"'cuda:1'; got {device!r} of type {type(device).__name__}. Of a torch.device, give "
            f"str(device)."
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.partition(":")[0] == "mps" and dtype == "float64":
        raise ValueError(
            f"dtype must be 'float32' with device={device!r}, which has no numbers of 64 bits; got "
            f"'float64'. Give device='cpu' to compute in float64."
        )
    try:
        # Using it is what shows whether the device is there, and holds numbers.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason, *_ = str(error).splitlines()[0].split(". ")
        raise ValueError(
            f"device must be 'auto' or a torch device of this machine, such as 'cpu' or "
            f"'cuda'; got {device!r} ({reason.rstrip('.')})."
        ) from error
    return device
