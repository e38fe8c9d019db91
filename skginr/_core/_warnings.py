"""Warnings: at which line they point, and whether they are news.

Both depend on who has called, and this is the one file that looks: scikit-learn does not tell what
it fits whether that is one of many. Python's own rule, one warning per line of code, is no help
in a search: scikit-learn sets the filters anew for every fit, which makes Python forget.
"""

import contextlib
import contextvars
import multiprocessing
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FrameType

# What a warning does not point into: this library, and what runs it.
_INSIDE = ("skginr.", "sklearn.", "joblib.", "skorch.", "contextlib")
# What runs many fits, one after the other or side by side.
_MANY_FITS = (
    "sklearn.model_selection._validation",
    "sklearn.model_selection._search",
    "sklearn.ensemble.",
    "sklearn.multioutput",
    "sklearn.multiclass",
    "sklearn.calibration",
)
# What predicts rows to compare them with what was observed: the score says how good that is.
# A module, and a function of it where others are for rows that are not held out.
_HELD_OUT = (
    ("sklearn.model_selection._validation", ""),
    ("mapie.estimator.regressor", "predict_calib"),
)

# What warnings among many fits were about.
_warned: set[str] = set()
# What parts of a model have said that is being fitted, or predicts.
_said: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar("skginr_said", default=None)
_held_out: contextvars.ContextVar[bool] = contextvars.ContextVar("skginr_held_out", default=False)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the line outside of this library and those it runs in that led here."""
    said = _said.get()
    if said is not None:
        if message in said:
            return
        said.add(message)
    level = 1
    for module, _ in _callers():
        if not module.startswith(_INSIDE):
            break
        level += 1
    warnings.warn(message, category, stacklevel=level)


def warn_once(about: str, message: str) -> None:
    """Warn; but among the many fits of a search or cross-validation only the first time.

    Parameters
    ----------
    about : str
        What the warning is about, such as a graph: the same for all that would say the same.
    message : str
    """
    if is_beside_others() or any(module.startswith(_MANY_FITS) for module, _ in _callers()):
        if about in _warned:
            return
        _warned.add(about)
    warn(message)


@contextlib.contextmanager
def saying_all_once() -> Iterator[None]:
    """Have parts of a model not repeat what one of them has warned of: a decorator, too."""
    token = _said.set(set())
    try:
        yield
    finally:
        _said.reset(token)


@contextlib.contextmanager
def held_out() -> Iterator[None]:
    """Say that rows are predicted in here to be compared with what was observed."""
    token = _held_out.set(True)
    try:
        yield
    finally:
        _held_out.reset(token)


def are_held_out() -> bool:
    """Say whether rows are predicted to be compared with what was observed."""
    return _held_out.get() or any(
        (module, "") in _HELD_OUT or (module, function) in _HELD_OUT
        for module, function in _callers()
    )


def is_beside_others() -> bool:
    """Say whether this is a thread or a process beside the main one."""
    main = threading.current_thread() is threading.main_thread()
    return not main or multiprocessing.current_process().name != "MainProcess"


def _callers() -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each function that is being run, from here outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame.f_globals.get("__name__", ""), frame.f_code.co_name
        frame = frame.f_back
