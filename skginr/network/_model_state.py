"""Whether the state of a model is one: looked at before a network is built of it.

A state comes from a file. What it says of sizes would otherwise be allocated, and what an optimiser
keeps goes to compiled code that believes its shapes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skginr.network._devices import as_array
from skginr.network._parameters import OWN_PARAMS, OWN_PARTS
from skginr.network._presets import PRESETS
from skginr.network._settings import NETWORK_SETTINGS
from skginr.network.nn import layer_shapes

_WORDS: dict[str, tuple[object, ...]] = {
    "activation": ("sine", "relu"),
    "zero_output": (True, False),
    "skip": (True, False),
    "input_scaling": ("unit", "given"),
}
# Numbers of a group of parameters that training may have set; all else is as the network is made.
_GROUP_NUMBERS = ("lr", "weight_decay", "eps", "initial_lr")


def check_network(state: dict[str, Any], n_outputs: int) -> None:
    """Raise unless the weights of a state are those of the network that it describes.

    Raises
    ------
    ValueError
        If a number is beyond its range, or weights have other names, shapes or dtypes.
    """
    network, signals = state["network"], state["signals"]
    for key in state["net_params"]:
        if key in OWN_PARAMS or key.partition("__")[0] in OWN_PARTS:
            raise ValueError(f"net_params of a network cannot set {key!r}")
    if set(network) != set(NETWORK_SETTINGS) or state["preset"] not in PRESETS:
        raise ValueError("a network has settings that are none")
    for name, words in _WORDS.items():
        if network[name] not in words:
            raise ValueError(f"{name} of a network cannot be {network[name]!r}")
    if network["first_gain"] not in ("siren", "auto"):
        _check_number("first_gain", network["first_gain"], minimum=0)
    sizes = (state["n_inputs"], n_outputs, network["hidden_units"], network["n_layers"])
    latent = None if signals is None else (len(signals), state["latent_dim"])
    for size in sizes if latent is None else (*sizes, *latent):
        check_whole("the size of a network", size, 1, 2**31 - 1)
    check_whole("the seed of a network", state["seed"], 0, 2**63 - 1)
    # An optimiser is set up with the rate, and networks with the rest.
    for name in ("omega_0", "hidden_gain"):
        _check_number(name, network[name])
    _check_number("learning_rate", state["learning_rate"], minimum=0)
    if state["dtype"] not in ("float32", "float64"):
        raise ValueError(f"a network cannot be of {state['dtype']}")
    # By their number first: as many layers as the file says may not be there to be listed.
    weights = state["weights"]
    n_layers = network["n_layers"]
    if n_layers < 2 or len(weights) < 2 * n_layers:
        raise ValueError(f"a network of {n_layers} layers has {len(weights)} arrays of weights")
    shapes = layer_shapes(*sizes, skip=network["skip"], latent=latent)
    if network["input_scaling"] == "unit":
        shapes["input_scale"] = shapes["layers.0.weight"][1:]
    check_arrays("weights", weights, shapes, np.dtype(state["dtype"]))


def check_signals(signals: NDArray | None) -> None:
    """Raise unless signals are distinct numbers in order, as codes are looked up by them."""
    if signals is None:
        return
    plain = isinstance(signals, np.ndarray) and signals.ndim == 1 and signals.dtype.kind in "biuf"
    if not plain or not (np.diff(signals) > 0).all() or not np.isfinite(signals).all():
        raise ValueError("signals of a network must be distinct numbers, in order")


def checked_optimizer(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimiser that ``optimizer`` can go on with.

    Parameters
    ----------
    state : dict
        As ``state_dict`` returns it, with arrays for tensors.
    optimizer : torch.optim.Optimizer
        New, of the network that it is to go on with.

    Raises
    ------
    TypeError, ValueError
        If names, shapes, dtypes or values are not what it would have made.
    """
    own = optimizer.state_dict()
    groups, parameters = state["param_groups"], optimizer.param_groups[0]["params"]
    if len(groups) != 1 or list(groups[0]["params"]) != list(range(len(parameters))):
        raise ValueError("an optimiser has other parameters than its network")
    group = own["param_groups"][0]
    # How it computes is decided here, not in the file.
    given = {name: groups[0][name] for name in _GROUP_NUMBERS if name in groups[0]}
    for name, value in given.items():
        _check_number(name, value, minimum=0)
    if "betas" in groups[0]:
        given["betas"] = _betas(groups[0]["betas"])
    kept = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * bool(group.get("amsgrad"))
    for number, entry in state["state"].items():
        check_whole("a parameter of an optimiser", number, 0, len(parameters) - 1)
        parameter = parameters[number]
        shapes: dict[str, tuple[int, ...]] = {name: tuple(parameter.shape) for name in kept}
        dtype = np.dtype(str(parameter.dtype).removeprefix("torch."))
        step = {"step": entry["step"]} if "step" in entry else {}
        # Of the precision of torch's default, whatever the weights are of.
        of_step = np.dtype(np.float64 if _is_double(step) else np.float32)
        check_arrays("what an optimiser keeps", step, {"step": ()}, of_step)
        others = {name: array for name, array in entry.items() if name != "step"}
        check_arrays("what an optimiser keeps", others, shapes, dtype)
        if any((array < 0).any() for name, array in entry.items() if name != "exp_avg"):
            raise ValueError("an optimiser keeps squares, or counts steps, below zero")
    return {"state": state["state"], "param_groups": [group | given]}


def _is_double(step: dict[str, Any]) -> bool:
    return getattr(step.get("step"), "dtype", None) == np.float64


def check_arrays(
    what: str, arrays: dict[str, Any], shapes: dict[str, tuple[int, ...]], dtype: np.dtype
) -> None:
    """Raise unless these are finite arrays of these names and shapes, all of one dtype."""
    if set(arrays) != set(shapes):
        raise ValueError(f"{what} are {sorted(map(str, arrays))[:5]} and not {sorted(shapes)[:5]}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype != dtype:
            raise TypeError(f"{what} must be arrays of {dtype}; {name} is not")
        if array.shape != tuple(shapes[name]):
            raise ValueError(f"{what} have shape {array.shape} in {name}, not {shapes[name]}")
        if not np.isfinite(array).all():
            raise ValueError(f"{what} must be finite; {name} is not")


def check_whole(what: str, value: Any, least: int, most: int) -> None:
    """Raise unless a value is a whole number from ``least`` to ``most``."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}; got {value!r}")


def _check_number(what: str, value: Any, *, minimum: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{what} must be a number; got {type(value).__name__}")
    if not math.isfinite(value) or value < minimum:
        least = "" if minimum == -math.inf else f" and at least {minimum:g}"
        raise ValueError(f"{what} must be finite{least}; got {value}")


def _betas(betas: Any) -> tuple[float, float]:
    first, second = betas
    for beta in (first, second):
        _check_number("a beta", beta, minimum=0)
        if beta >= 1:
            raise ValueError(f"a beta must be below 1; got {beta}")
    return float(first), float(second)


def arrays_of(state: Any) -> Any:
    """Return nested dicts and lists with arrays for tensors."""
    if isinstance(state, torch.Tensor):
        return as_array(state)
    if isinstance(state, dict):
        return {name: arrays_of(value) for name, value in state.items()}
    return [arrays_of(value) for value in state] if isinstance(state, list) else state


def tensors_of(state: Any) -> Any:
    """Return nested dicts and lists with tensors for arrays."""
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.copy())
    if isinstance(state, dict):
        return {name: tensors_of(value) for name, value in state.items()}
    return [tensors_of(value) for value in state] if isinstance(state, list) else state
