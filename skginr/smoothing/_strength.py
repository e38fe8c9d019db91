"""The strength of a smoothing, by how well it predicts rows that were held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skginr._core import Progress, Splits, open_progress
from skginr.smoothing._generalised import SmoothProblem

# Of the strength relative to the mean diagonal of the penalty: below, rounding; above, constants.
_SMALLEST, _LARGEST = 1e-6, 1e8
_LOWEST, _HIGHEST = np.log10(_SMALLEST), np.log10(_LARGEST)
# Likelihood, as a share of the best strength's, from which on another counts in standard
# deviations; and powers of ten from it, for where nothing is told apart.
_COUNTS, _FAR = 0.01, 2.0
# Rows held out that tell two strengths apart: in large tables not every fold is looked at. Of many
# signals as many together, if not fewer of each.
_ENOUGH_HELD_OUT, _LEAST_HELD_OUT = 10_000, 1_000

_Signals = NDArray[np.intp]
_Numbers = NDArray[np.float64]
_OfSignals = Callable[[_Numbers, _Signals], _Numbers]


class Choice(NamedTuple):
    """The strength of one signal.

    Attributes
    ----------
    best : float
        Relative to the scaled penalty and the unit of weights.
    likely, weights : ndarray of shape (n_likely,)
        Strengths that may be right as well, and how likely they are; they sum to 1.
    tried : DataFrame
        ``alpha``, in units of the graph; ``r2`` of the rows held out, pooled; and ``weight``, how
        likely each is beside the others, 0 away from the best.
    """

    best: float
    likely: NDArray[np.float64]
    weights: NDArray[np.float64]
    tried: pd.DataFrame


def choose_strength(problem: SmoothProblem, splits: Splits, *, verbose: int) -> list[Choice]:
    """Return the strength of each signal that predicts held-out rows best, and what was tried.

    Parameters
    ----------
    problem : SmoothProblem
    splits : list of (train, test)
    verbose : int
        Whether to show the strengths that are tried.

    """
    with open_progress("smoothing", unit="strengths", verbose=verbose) as progress:
        trials = _Trials(problem, splits, progress)
        best = _descend(trials.errors_at, problem.n_signals)
        weights = _weights_about(trials.log_likelihoods_at, best)
    return [
        Choice(
            10.0 ** best[signal],
            10.0 ** np.array(list(of_it)),
            np.array(list(of_it.values())),
            trials.table(signal, of_it),
        )
        for signal, of_it in enumerate(weights)
    ]


def check_strength(relative: float, alpha: object) -> None:
    """Raise ``ValueError`` if a relative strength, given as ``alpha``, is beyond rounding."""
    if not _SMALLEST / 1e6 <= relative <= _LARGEST * 1e6:
        size, way = ("small", "Raise") if relative < 1 else ("large", "Lower")
        raise ValueError(
            f"alpha={alpha} is too {size} for the weights of the graph to be told from zero. {way} "
            f"it."
        )


def training_rows(
    splits: Splits, known: NDArray[np.bool_], enough: float = np.inf
) -> tuple[NDArray[np.float64], list[NDArray[np.intp]]]:
    """Return 1 where a row trains, shape (n_rows, n_folds), and the rows held out by fold.

    Of as many folds as hold out ``enough`` rows that are known, shape (n_rows, n_patterns), of
    every pattern.
    """
    columns: list[NDArray[np.float64]] = []
    held_out: list[NDArray[np.intp]] = []
    n_known = np.zeros(known.shape[1])
    for train, test in splits:
        columns.append(np.bincount(train, minlength=len(known)).astype(float))
        held_out.append(test)
        n_known += known[test].sum(axis=0)
        if n_known.min() >= enough:
            break
    return np.stack(columns, axis=1), held_out


class _Trials:
    """What strengths, as powers of ten, make of rows held out; each is tried once for a signal.

    Parameters
    ----------
    problem : SmoothProblem
    splits : list of (train, test)
    progress : Progress
    """

    def __init__(self, problem: SmoothProblem, splits: Splits, progress: Progress) -> None:
        self._problem, self._progress = problem, progress
        enough = max(_LEAST_HELD_OUT, _ENOUGH_HELD_OUT / problem.n_signals)
        self._training, self._held_out = training_rows(splits, problem.weights > 0, enough)
        # By exponent; NaN where it was not tried.
        self._errors: dict[float, _Numbers] = {}
        weights, y = problem.weights[:, problem.patterns], problem.y
        deviations = y - (weights * y).sum(axis=0) / weights.sum(axis=0)
        self._weights = weights
        self._variation = self._sum_of_squares([deviations] * len(self._held_out))
        tested = np.concatenate(self._held_out)
        # As many as the weights say that there are.
        self._n_held_out = problem.unit * weights[tested].sum(axis=0)
        # Errors that are rounding alone tell nothing apart.
        self._least = 1e-24 * (self._variation + (weights * y**2).sum(axis=0))

    def errors_at(self, exponents: _Numbers, signals: _Signals) -> _Numbers:
        """Return the sums of squared errors of signals, each at an exponent of its own."""
        for exponent in np.unique(exponents):
            errors = self._errors.setdefault(exponent, np.full(self._problem.n_signals, np.nan))
            wanted = signals[exponents == exponent]
            missing = wanted[np.isnan(errors[wanted])]
            if len(missing):
                errors[missing] = self._try(float(exponent), missing)
        pairs = zip(exponents, signals, strict=True)
        return np.array([self._errors[exponent][signal] for exponent, signal in pairs])

    def log_likelihoods_at(self, exponents: _Numbers, signals: _Signals) -> _Numbers:
        """Return the logarithms of likelihoods, of errors of any size, but for a constant."""
        errors = np.maximum(self.errors_at(exponents, signals), self._least[signals])
        return -0.5 * self._n_held_out[signals] * np.log(np.where(errors > 0, errors, 1.0))

    def table(self, signal: int, weights: dict[float, float]) -> pd.DataFrame:
        """Return what was tried of one signal."""
        tried = sorted(e for e, errors in self._errors.items() if np.isfinite(errors[signal]))
        errors = np.array([self._errors[exponent][signal] for exponent in tried])
        return pd.DataFrame(
            {
                "alpha": self._problem.in_units_of_graph(10.0 ** np.array(tried)),
                "r2": 1 - errors / (self._variation[signal] or 1.0),
                "weight": [weights.get(exponent, 0.0) for exponent in tried],
            }
        )

    def _try(self, exponent: float, signals: _Signals) -> _Numbers:
        problem = self._problem
        shown = problem.in_units_of_graph(10.0**exponent)
        self._progress.note(f"alpha {shown:.2g}")
        fits = problem.fit(10.0**exponent, 1e-5, training=self._training, signals=signals)
        y = problem.y[:, signals]
        errors = self._sum_of_squares([y - problem.predict(fit) for fit in fits], signals)
        self._progress.advance()
        return errors

    def _sum_of_squares(
        self, deviations: Iterable[_Numbers], signals: _Signals | None = None
    ) -> _Numbers:
        """Return the sum over rows held out, by how much these count."""
        weights = self._weights if signals is None else self._weights[:, signals]
        total = np.zeros(weights.shape[1])
        for found, rows in zip(deviations, self._held_out, strict=True):
            # In a fold that leaves a signal no row to train on, nothing is told apart.
            total += np.nansum(weights[rows] * found[rows] ** 2, axis=0)
        return total


def _descend(errors_at: _OfSignals, n_signals: int) -> _Numbers:
    """Return the power of ten with the least error of each signal, by steps of 2, 1 and 1/2.

    A step towards less smoothing has to gain something: where nothing but interpolation is
    left, errors are all the same.
    """
    best = np.zeros(n_signals)
    for step in (2.0, 1.0, 0.5):
        for direction in (-step, step):
            moving = np.arange(n_signals)
            while len(moving):
                ahead = best[moving] + direction
                within = (ahead >= _LOWEST) & (ahead <= _HIGHEST)
                moving, ahead = moving[within], ahead[within]
                least = (1 - 1e-4) * errors_at(best[moving], moving)
                better = errors_at(ahead, moving) < least
                moving = moving[better]
                best[moving] = ahead[better]
    return best


def _weights_about(log_likelihoods_at: _OfSignals, best: _Numbers) -> list[dict[float, float]]:
    """Return the weights of powers of ten around the best, in steps of 1/2, that sum to 1.

    As far to both sides as they count: beyond, all is flat or nothing is likely.
    """
    n_signals = len(best)
    highest = log_likelihoods_at(best, np.arange(n_signals))
    logs: list[dict[float, float]] = [
        {float(exponent): float(log)} for exponent, log in zip(best, highest, strict=True)
    ]
    for direction in (-0.5, 0.5):
        going, exponents = np.arange(n_signals), best + direction
        while len(going):
            near = (exponents >= _LOWEST) & (exponents <= _HIGHEST)
            near &= np.abs(exponents - best[going]) <= _FAR
            going, exponents = going[near], exponents[near]
            found = log_likelihoods_at(exponents, going)
            counts = found > highest[going] + np.log(_COUNTS)
            going, exponents, found = going[counts], exponents[counts], found[counts]
            for signal, exponent, log in zip(going, exponents, found, strict=True):
                logs[signal][float(exponent)] = float(log)
            exponents = exponents + direction
    return [_shares(of_signal) for of_signal in logs]


def _shares(logs: dict[float, float]) -> dict[float, float]:
    highest = max(logs.values())
    shares = {exponent: float(np.exp(log - highest)) for exponent, log in logs.items()}
    return {exponent: share / sum(shares.values()) for exponent, share in shares.items()}
