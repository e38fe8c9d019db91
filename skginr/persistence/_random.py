"""States of random generators, which compiled code believes."""

from __future__ import annotations

from typing import Any

import numpy as np

# Arrays of each: how many numbers, and of which dtype.
_ARRAYS: dict[str, dict[str, tuple[int, Any]]] = {
    "MT19937": {"key": (624, np.uint32)},
    "PCG64": {},
    "PCG64DXSM": {},
    "Philox": {"counter": (4, np.uint64), "key": (2, np.uint64)},
    "SFC64": {"state": (4, np.uint64)},
}
# And whole numbers: the largest that they may be.
_NUMBERS: dict[str, dict[str, int]] = {
    "MT19937": {"pos": 624},
    "PCG64": {"state": 2**128 - 1, "inc": 2**128 - 1},
    "PCG64DXSM": {"state": 2**128 - 1, "inc": 2**128 - 1},
}
_OUTSIDE = {"has_uint32": 1, "uinteger": 2**32 - 1, "buffer_pos": 4, "has_gauss": 1}


def generator_of(state: dict[str, Any]) -> np.random.Generator:
    """Return the generator of a state that has been checked."""
    return np.random.Generator(_bit_generator_of(state))


def random_state_of(state: dict[str, Any]) -> np.random.RandomState:
    """Return the generator of old of a state that has been checked."""
    made = np.random.RandomState(_bit_generator_of(state))
    _check_number("has_gauss", state["has_gauss"], 1)
    if not np.isfinite(state["gauss"]):
        raise ValueError(f"a random generator cannot keep {state['gauss']}")
    made.set_state(state)
    return made


def _bit_generator_of(state: dict[str, Any]) -> Any:
    name, inner = state["bit_generator"], state["state"]
    if name not in _ARRAYS:
        raise ValueError(f"unknown bit generator {name!r}")
    arrays, numbers = _ARRAYS[name], _NUMBERS.get(name, {})
    if set(inner) != set(arrays) | set(numbers):
        raise ValueError(f"a state of {name} does not consist of {sorted(map(str, inner))}")
    for part, (size, dtype) in arrays.items():
        _check_array(part, inner[part], size, dtype)
    for part, most in numbers.items():
        _check_number(part, inner[part], most)
    for part, most in _OUTSIDE.items():
        if part in state:
            _check_number(part, state[part], most)
    if name == "Philox":
        _check_array("buffer", state["buffer"], 4, np.uint64)
    made = getattr(np.random, name)()
    made.state = state
    return made


def _check_array(part: str, value: Any, size: int, dtype: Any) -> None:
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.shape != (size,):
        raise ValueError(f"{part} of a random generator must be {size} numbers of its own dtype")


def _check_number(part: str, value: Any, most: int) -> None:
    # How far it is in its array: beyond, it would read whatever lies there.
    if not isinstance(value, int | np.integer) or not 0 <= int(value) <= most:
        raise ValueError(f"{part} of a random generator must be from 0 to {most}; got {value!r}")
