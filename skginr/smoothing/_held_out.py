"""Strengths by the likelihood of rows that were held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skginr._core import Progress, Splits
from skginr.smoothing._laplace import CLOSE, LaplaceProblem, Mode
from skginr.smoothing._strength import training_rows

# Powers of ten: of strengths, relative to the scaled penalty and the information of a row, and of
# variances of what nodes have to themselves, of which the least is none.
_STRENGTHS, _VARIANCES = (-6.0, 8.0), (-6.0, 1.0)
# From where nodes have much to themselves: a signal that is rough may do as well as one that is
# smooth beside what nodes have, and between the two nothing does.
_START = (0.0, -0.5)
_STEPS = ((2.0, 1.0), (1.0, 1.0), (0.5, 0.5))
# Of the logarithm of the likelihood, that a step has to gain.
_SOMETHING = 1e-3
# Rows held out that tell two strengths apart: in large tables not every fold is looked at.
_ENOUGH_HELD_OUT = 10_000
# Of a signal, where nothing is known of it.
_NOTHING_KNOWN = 25.0
# Numbers in the unknowns of folds that are solved together.
_MOST_NUMBERS = 50_000_000

_Numbers = NDArray[np.float64]
_Point = tuple[float, ...]
# Of rows by their numbers, their signals and the variances of these: how likely they were.
Likelihood = Callable[[NDArray[np.intp], _Numbers, _Numbers], float]


class Trials:
    """What strengths make of rows held out; each is tried once.

    Parameters
    ----------
    problem : LaplaceProblem
    y : ndarray of shape (n_rows, n_outputs)
    weights : ndarray of shape (n_rows,)
    splits : list of (train, test)
        Each trains on rows from which all outputs can be learned.
    unit : float
        Information of a row, about.
    likelihood : callable
        As :data:`Likelihood`.
    given : tuple
        Strength, relative, and variance of what nodes have to themselves; None where it is to be
        chosen.
    progress : Progress
    """

    def __init__(
        self,
        problem: LaplaceProblem,
        y: _Numbers,
        weights: _Numbers,
        splits: Splits,
        unit: float,
        likelihood: Likelihood,
        given: tuple[float | None, float | None],
        progress: Progress,
    ) -> None:
        self._problem, self._y, self._likelihood = problem, y, likelihood
        self._unit, self._given, self._progress = unit, given, progress
        known = (weights > 0)[:, None]
        self._training, self._held_out = training_rows(splits, known, _ENOUGH_HELD_OUT)
        self._training *= weights[:, None]
        self._found: dict[_Point, float] = {}
        self._modes: dict[_Point, list[Mode]] = {}

    def best(self) -> tuple[float, float]:
        """Return the relative strength and the variance under which held-out rows are likeliest."""
        free = [axis for axis, given in enumerate(self._given) if given is None]
        bounds = [(_STRENGTHS, _VARIANCES)[axis] for axis in free]
        point = tuple(_START[axis] for axis in free)
        for steps in _STEPS:
            point = self._climb(point, [steps[axis] for axis in free], bounds)
        return self._meaning(point)

    def table(self) -> pd.DataFrame:
        """Return what was tried: strengths, relative, variances and mean logarithms."""
        n_rows = sum(map(len, self._held_out))
        tried = [
            (*self._meaning(point), self._found[point] / n_rows) for point in sorted(self._found)
        ]
        return pd.DataFrame(tried, columns=["alpha", "overdispersion", "log_likelihood"])

    def _climb(
        self, point: _Point, steps: list[float], bounds: list[tuple[float, float]]
    ) -> _Point:
        """Return the best point that steps of one size, along one axis at a time, lead to."""
        moves = [
            tuple(sign * step * (axis == i) for i in range(len(point)))
            for axis, step in enumerate(steps)
            for sign in (-1, 1)
        ]
        stood = 0
        while stood < len(moves):
            # The direction that has gained is tried again first.
            move = moves[0]
            ahead = tuple(p + m for p, m in zip(point, move, strict=True))
            within = all(low <= p <= high for p, (low, high) in zip(ahead, bounds, strict=True))
            if within and self._at(ahead, point) > self._at(point, point) + _SOMETHING:
                point, stood = ahead, 0
            else:
                moves, stood = [*moves[1:], move], stood + 1
        return point

    def _meaning(self, point: _Point) -> tuple[float, float]:
        """Return the strength and the variance of a point."""
        left = list(point)
        alpha, own = self._given
        if alpha is None:
            alpha = self._unit * 10.0 ** left.pop(0)
        if own is None:
            power = left.pop(0)
            own = 10.0**power if power > _VARIANCES[0] else 0.0
        return alpha, own

    def _at(self, point: _Point, near: _Point) -> float:
        """Return the logarithm of the likelihood at a point, from the modes of one near it."""
        if point not in self._found:
            alpha, own = self._meaning(point)
            self._progress.note(f"alpha {self._problem.in_units_of_graph(alpha):.2g}")
            self._found[point] = self._try(point, alpha, own, self._modes.get(near))
            self._progress.advance()
            # Those of two points are at hand, no more.
            self._modes = {p: self._modes[p] for p in (near, point) if p in self._modes}
        return self._found[point]

    def _try(self, point: _Point, alpha: float, own: float, starts: list[Mode] | None) -> float:
        problem, n_outputs = self._problem, self._y.shape[1]
        total, modes = 0.0, []
        numbers = len(problem.penalty.mass) * n_outputs * (1 + problem.design.shape[1])
        at_once = max(1, _MOST_NUMBERS // numbers)
        for number, first in enumerate(range(0, len(self._held_out), at_once)):
            training = self._training[:, first : first + at_once]
            n_folds = training.shape[1]
            mode = problem.fit(
                alpha,
                own,
                np.tile(self._y, n_folds),
                np.repeat(training, n_outputs, axis=1),
                start=None if starts is None else starts[number],
                tolerance=CLOSE,
            )
            modes.append(mode)
            spread, signal = problem.spread(mode, alpha, own), problem.signal(mode)
            for fold in range(n_folds):
                rows = self._held_out[first + fold]
                columns = np.arange(fold * n_outputs, (fold + 1) * n_outputs)
                variance = spread.of(columns).at(problem.nodes[rows], problem.design[rows])
                variance = np.where(np.isfinite(variance), variance, _NOTHING_KNOWN)
                total += self._likelihood(rows, signal[np.ix_(rows, columns)], variance)
        self._modes[point] = modes
        return total
