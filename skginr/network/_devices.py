"""Where numbers are computed with, in which precision, and how they get there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from skginr._core import warn
from skginr.network._inputs import Inputs

# A column that goes in steps of so much of its range has lost what it says.
_COARSE = 1e-3
DTYPES = {"float32": torch.float32, "float64": torch.float64}

_Tensors = TypeVar("_Tensors", torch.Tensor, Inputs)


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


def there_or_cpu(device: str, dtype: str) -> str:
    """Return the device if it is there, else the CPU."""
    try:
        return resolve_device(device, dtype)
    except (TypeError, ValueError):
        return "cpu"


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


def as_array(tensor: torch.Tensor) -> NDArray:
    """Return the numbers of a tensor, wherever it is."""
    return tensor.detach().cpu().numpy()


def in_double(tensor: torch.Tensor) -> torch.Tensor:
    """Return it in float64, on its device if that has such numbers; MPS has not."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def as_tensor(name: str, array: NDArray, dtype: str) -> torch.Tensor:
    """Return a copy of an array as a tensor, its floats in this precision."""
    # A copy: torch knows neither read-only memory nor negative strides.
    with np.errstate(over="ignore"):
        array = np.array(array, dtype=dtype if array.dtype.kind == "f" else array.dtype, order="C")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} has values beyond the range of {dtype}. Scale it, or use dtype='float64'."
        )
    return torch.from_numpy(array)


def to_device(name: str, tensors: _Tensors, device: str) -> _Tensors:
    """Return them on a device, or where they are if they do not fit, with a warning."""
    try:
        return tensors.to(device)
    except torch.OutOfMemoryError:
        # skorch moves every batch to the device that is not there yet.
        warn(
            f"{name} does not fit on {device} and stays in the memory of the machine: batches are "
            f"copied step by step."
        )
        return tensors


def check_digits(X: NDArray) -> None:
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
