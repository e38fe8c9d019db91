"""What every peer's script is run by: reads tasks, times the fit, writes predictions.

    python peers/kriging.py TASK.npz OUT.npz [TASK.npz OUT.npz ...]

A script hands ``fit(task)``, which returns ``predict()`` -> (mean, standard deviation or None) of
the test rows; y is of mean 0 and spread 1 there. The values of test rows are not in the file.
"""

import re
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Seconds of processor for a fit and its prediction; beyond, the process is ended. By the clock it
# may take ten times as long, since other programs may run.
LIMIT = 300
TOO_SLOW = (signal.SIGPROF, signal.SIGALRM)


class UnfitError(Exception):
    """The method has no answer to such a task; says what it would need."""


@dataclass
class Task:
    """Rows of a table, and which of them are known."""

    # Compressed sparse rows of the adjacency.
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    # Of every row.
    nodes: np.ndarray
    covariates: np.ndarray
    # Numbers of rows; y and fold are of the training rows.
    train: np.ndarray
    test: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    # Of every row, and of a mesh; may be absent.
    positions: np.ndarray | None = None
    # What smoothers say of every row, out of fold where it is known.
    smoothed: np.ndarray | None = None
    vertices: np.ndarray | None = None
    faces: np.ndarray | None = None

    @property
    def n_nodes(self):
        return len(self.indptr) - 1

    @property
    def edges(self):
        """Return both ends of every entry of the adjacency."""
        return np.repeat(np.arange(self.n_nodes), np.diff(self.indptr)), self.indices

    def need(self, what):
        """Raise where covariates or positions are absent."""
        found = getattr(self, what)
        if found is None or not found.size:
            raise UnfitError(f"needs {what}")

    def splits(self):
        """Yield the inner folds, as numbers among the training rows."""
        for number in np.unique(self.fold):
            yield np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)


def scaled(columns, like):
    """Return columns of mean 0 and spread 1 in the rows ``like``."""
    spread = columns[like].std(axis=0)
    return (columns - columns[like].mean(axis=0)) / np.where(spread > 0, spread, 1)


def limit(seconds):
    """End this process after so many seconds; 0 takes it back."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(10 * seconds)


def cpu_seconds():
    """Return the seconds of processor that this process took, and those it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_mb():
    """Return the most memory that the process held (getrusage counts what it was started from)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return np.nan
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024


def answer(fit, task):
    """Return what is written: predictions and seconds, or why there are none."""
    mean, spread = task.y.mean(), task.y.std()
    task.y = (task.y - mean) / spread
    try:
        start = cpu_seconds()
        predict = fit(task)
        middle = cpu_seconds()
        predicted, std = predict()
        seconds = middle - start, cpu_seconds() - middle
    except UnfitError as error:
        return {"failed": str(error)}
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return {"failed": f"{type(error).__name__}: {lines[-1]}"[:150]}
    predicted = np.ravel(predicted)
    std = np.full(len(predicted), np.nan) if std is None else np.ravel(std)
    return {
        "mean": mean + spread * predicted,
        "std": spread * std,
        "seconds": np.array(seconds),
        "peak_mb": peak_mb(),
    }


def main(fit):
    pairs = sys.argv[1:]
    for source, target in zip(pairs[::2], pairs[1::2], strict=True):
        with np.load(source) as kept:
            task = Task(**kept)
        limit(LIMIT)
        found = answer(fit, task)
        limit(0)
        part = Path(f"{target}.part.npz")
        np.savez(part, **found)
        part.rename(target)
