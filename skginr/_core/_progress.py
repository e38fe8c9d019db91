"""Progress of a long task: a bar in a terminal, a few lines in a log, nothing unless asked for."""

from __future__ import annotations

import contextvars
import os
import sys
import time
from typing import Any, Self

from skginr._core._warnings import is_beside_others

# Between two lines of a log there are at least so many seconds, and this share of the task.
_SECONDS, _SHARE = 5.0, 0.1
# And after so many a word that it is still at work, however little is done.
_LONGEST = 60.0


class Progress:
    """A task of which nothing is shown; what shows something is a subclass.

    Use :func:`open_progress`, and close it: it is a context manager.
    """

    def expect(self, total: int) -> None:
        """Set of how many parts the task is."""

    def advance(self, n_parts: int = 1) -> None:
        """Say that more parts are done."""

    def reach(self, n_done: int) -> None:
        """Say how many parts are done in all; fewer than before changes nothing."""

    def note(self, text: str) -> None:
        """Say a word on what is going on."""

    def close(self, *, failed: bool = False) -> None:
        """End it; a task that ``failed`` has no last line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(failed=kind is not None)


#: Of a task that nobody asked to see.
QUIET = Progress()


def open_progress(
    task: str, *, unit: str, total: int | None = None, verbose: int | bool
) -> Progress:
    """Return the progress of a task, shown as suits where the program runs.

    In a terminal or notebook that is one bar. Where standard error is a file or a pipe, or the
    task runs beside others in a thread or process of its own, it is whole lines, few of them. A
    task within another shows in the other's line.

    Parameters
    ----------
    task : str
        What is done.
    unit : str
        What it is counted in, a plural.
    total : int, optional
        How many there are, where that is known.
    verbose : int
        0 shows nothing.
    """
    if not verbose or sys.stderr is None:
        return QUIET
    outer = _opened.get()
    # A process that was forked in between has a copy of a bar that is not its own.
    if outer is not None and outer.process == os.getpid():
        return _Within(outer, task, total)
    if is_beside_others() or not (sys.stderr.isatty() or _is_notebook()):
        return _Lines(task, unit, total)
    return _Bar(task, unit, total)


class _Counting(Progress):
    """Keeps count, and makes the task within which others show."""

    def __init__(self, task: str, unit: str, total: int | None) -> None:
        self.process = os.getpid()
        self._task, self._unit, self._total = task, unit, total
        self._n_done, self._note = 0, ""
        self._before = _opened.set(self)
        self._is_open = True

    def expect(self, total: int) -> None:
        self._total = total

    def advance(self, n_parts: int = 1) -> None:
        self.reach(self._n_done + n_parts)

    def reach(self, n_done: int) -> None:
        self._n_done = max(self._n_done, n_done)
        self._show()

    def note(self, text: str) -> None:
        self._note = text
        self._show()

    def close(self, *, failed: bool = False) -> None:
        if self._is_open:
            self._is_open = False
            _opened.reset(self._before)
            self._end(failed)

    def _show(self) -> None:
        raise NotImplementedError

    def _end(self, failed: bool) -> None:
        raise NotImplementedError


class _Bar(_Counting):
    """One line that is written over and over, by tqdm."""

    def __init__(self, task: str, unit: str, total: int | None) -> None:
        super().__init__(task, unit, total)
        # With no least number of parts between two looks, it is time alone that decides.
        look: dict[str, Any] = {"unit": f" {unit}", "miniters": 0, "dynamic_ncols": True}
        self._bar = _bar_class()(desc=task, total=total, file=sys.stderr, **look)

    def expect(self, total: int) -> None:
        super().expect(total)
        self._bar.total = total

    def _show(self) -> None:
        self._bar.set_postfix_str(self._note, refresh=False)
        self._bar.update(self._n_done - self._bar.n)

    def _end(self, failed: bool) -> None:
        self._bar.close()


class _Lines(_Counting):
    """Now and then a whole line, written at once: others may write to the same place."""

    def __init__(self, task: str, unit: str, total: int | None) -> None:
        super().__init__(task, unit, total)
        self._start = self._last = time.monotonic()
        self._n_shown = 0

    def _show(self) -> None:
        now = time.monotonic()
        # Of an endless task ever fewer.
        wait = _SECONDS if self._total else max(_SECONDS, _SHARE * (now - self._start))
        further = self._n_done - self._n_shown >= _SHARE * (self._total or 0)
        further = further or now - self._last >= _LONGEST
        # Of what is done the last line says so.
        further = further and self._n_done != self._total
        if further and now - self._last >= wait:
            self._last, self._n_shown = now, self._n_done
            of = f" of {self._total:,}" if self._total else ""
            self._write(f"{self._n_done:,}{of} {self._unit} after {now - self._start:.0f} s")

    def _end(self, failed: bool) -> None:
        if not failed:
            seconds = time.monotonic() - self._start
            self._write(f"{self._n_done:,} {self._unit} in {seconds:.1f} s")

    def _write(self, what: str) -> None:
        note = f", {self._note}" if self._note else ""
        sys.stderr.write(f"{self._task}: {what}{note}\n")
        sys.stderr.flush()


class _Within(Progress):
    """A task within another, which shows in the other's line."""

    def __init__(self, outer: Progress, task: str, total: int | None) -> None:
        self._outer, self._task, self._total, self._n_done = outer, task, total, 0
        self.reach(0)

    def expect(self, total: int) -> None:
        self._total = total

    def advance(self, n_parts: int = 1) -> None:
        self.reach(self._n_done + n_parts)

    def reach(self, n_done: int) -> None:
        self._n_done = max(self._n_done, n_done)
        of = f" of {self._total:,}" if self._total else ""
        self._outer.note(f"{self._task} {self._n_done:,}{of}")


_opened: contextvars.ContextVar[_Counting | None] = contextvars.ContextVar(
    "skginr_progress", default=None
)


def _is_notebook() -> bool:
    """Say whether this is a kernel of Jupyter, whose output takes bars though it is no terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _bar_class() -> Any:
    """Return tqdm's bar: in a notebook the graphical one, where ipywidgets are there for it."""
    if _is_notebook():
        # tqdm.auto would warn that they are not.
        from tqdm import notebook

        if notebook.IProgress is not None:
            return notebook.tqdm
    from tqdm.std import tqdm

    return tqdm
