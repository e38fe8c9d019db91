"""Ctrl-C: told from a callback's wish to stop, and held back where work must not be cut."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


class Watch:
    """Whether the user has interrupted, since it began to watch."""

    came = False


@contextmanager
def watched() -> Iterator[Watch]:
    """Note every Ctrl-C, which Python then raises as KeyboardInterrupt like any callback could.

    One that was swallowed on the way is raised at the end.
    """
    watch = Watch()
    before = _handler()

    def note(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except KeyboardInterrupt:
            watch.came = True
            raise

    with _handled_by(None if before is None else note):
        yield watch
    if watch.came:
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[None]:
    """Hold every Ctrl-C back until the end."""
    before = _handler()
    late: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        late.append((number, frame))

    with _handled_by(None if before is None else hold):
        yield
    if late:
        before(*late[-1])


def _handler() -> Any:
    """Return what handles Ctrl-C, or None where that is not in our hands."""
    # Signals come to the main thread, and only there can what handles them be changed.
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGINT)
    return handler if callable(handler) else None


@contextmanager
def _handled_by(handler: Handler | None) -> Iterator[None]:
    if handler is None:
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, handler)
        yield
    finally:
        try:
            signal.signal(signal.SIGINT, before)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, before)
            raise
