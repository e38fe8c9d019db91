"""The strength of a smoothing, by how well it predicts rows that were held out."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skginr._core import Progress, Splits, open_progress
from skginr.smoothing._generalised import SmoothProblem

# Of the strength relative to the mean diagonal of the penalty: below, rounding; above, constants.
_SMALLEST, _LARGEST = 1e-6, 1e8
# Likelihood, as a share of the best strength's, from which on another counts in standard
# deviations; and powers of ten from it, for where nothing is told apart.
_COUNTS, _FAR = 0.01, 2.0
# Rows held out that tell two strengths apart: in large tables not every fold is looked at.
_ENOUGH_HELD_OUT = 10_000


def choose_strength(
    problem: SmoothProblem, splits: Splits, *, verbose: int
) -> tuple[float, pd.DataFrame]:
    """Return the strength that predicts held-out rows best, and what was tried.

    Parameters
    ----------
    problem : SmoothProblem
    splits : list of (train, test)
    verbose : int
        Whether to show the strengths that are tried.

    Returns
    -------
    strength : float
        Relative to the scaled penalty.
    tried : DataFrame
        ``alpha``, in units of the graph; ``r2`` of the rows held out, pooled; and ``weight``, how
        likely each is beside the others, 0 away from the best.
    """
    with open_progress("smoothing", unit="strengths", verbose=verbose) as progress:
        trials = _Trials(problem, splits, progress)
        best = _descend(trials.error_of)
        weights = _weights_about(trials.log_likelihood, best)
    exponents = sorted(trials.errors)
    errors = np.array([trials.errors[exponent] for exponent in exponents])
    results = {
        "alpha": 10.0 ** np.array(exponents) / problem.penalty.scale,
        "r2": 1 - errors / (trials.variation or 1.0),
        "weight": [weights.get(exponent, 0.0) for exponent in exponents],
    }
    return 10.0**best, pd.DataFrame(results)


def check_strength(relative: float, alpha: object) -> None:
    """Raise ``ValueError`` if a relative strength, given as ``alpha``, is beyond rounding."""
    if not _SMALLEST / 1e6 <= relative <= _LARGEST * 1e6:
        size, way = ("small", "Raise") if relative < 1 else ("large", "Lower")
        raise ValueError(
            f"alpha={alpha} is too {size} for the weights of the graph to be told from zero. {way} "
            f"it."
        )


def training_weights(
    splits: Splits, n_rows: int, enough: float = np.inf
) -> tuple[NDArray[np.float64], list[NDArray[np.intp]]]:
    """Return 1 where a row trains, shape (n_rows, n_folds), and the rows held out by fold.

    Of as many folds as hold out ``enough`` rows.
    """
    columns: list[NDArray[np.float64]] = []
    held_out: list[NDArray[np.intp]] = []
    for train, test in splits:
        columns.append(np.bincount(train, minlength=n_rows).astype(float))
        held_out.append(test)
        if sum(map(len, held_out)) >= enough:
            break
    return np.stack(columns, axis=1), held_out


class _Trials:
    """What strengths, as powers of ten, make of rows held out; each is tried once.

    Attributes
    ----------
    errors : dict of float to float
        Sums of squares, by exponent.
    variation : float
        That of the mean of y.
    """

    def __init__(self, problem: SmoothProblem, splits: Splits, progress: Progress) -> None:
        y = problem.y
        self.errors: dict[float, float] = {}
        self._problem, self._progress = problem, progress
        self._weights, self._held_out = training_weights(splits, len(y), enough=_ENOUGH_HELD_OUT)
        self.variation = sum(float(((y[rows] - y.mean()) ** 2).sum()) for rows in self._held_out)
        self._n_held_out = sum(map(len, self._held_out))
        # Errors that are rounding alone tell nothing apart.
        self._least = 1e-24 * (self.variation + float(y @ y))

    def error_of(self, exponent: float) -> float:
        """Return the sum of squared errors."""
        if exponent not in self.errors:
            problem = self._problem
            self._progress.note(f"alpha {10.0**exponent / problem.penalty.scale:.2g}")
            fits = problem.fit(10.0**exponent, self._weights, tolerance=1e-5)
            self.errors[exponent] = sum(
                float(((problem.y - problem.predict(fit))[rows] ** 2).sum())
                for fit, rows in zip(fits, self._held_out, strict=True)
            )
            self._progress.advance()
        return self.errors[exponent]

    def log_likelihood(self, exponent: float) -> float:
        """Return the logarithm of the likelihood, of errors of any size, but for a constant."""
        error = max(self.error_of(exponent), self._least)
        return -0.5 * self._n_held_out * float(np.log(error or 1.0))


def _descend(error_of: Callable[[float], float]) -> float:
    """Return the power of ten with the least error, by steps of 2, then 1, then 1/2.

    A step towards less smoothing has to gain something: where nothing but interpolation is
    left, errors are all the same.
    """
    best, lowest, highest = 0.0, np.log10(_SMALLEST), np.log10(_LARGEST)
    for step in (2.0, 1.0, 0.5):
        for direction in (-step, step):
            while lowest <= best + direction <= highest and (
                error_of(best + direction) < (1 - 1e-4) * error_of(best)
            ):
                best += direction
    return best


def _weights_about(log_likelihood: Callable[[float], float], best: float) -> dict[float, float]:
    """Return the weights of powers of ten around the best, in steps of 1/2, that sum to 1.

    As far to both sides as they count: beyond, all is flat or nothing is likely.
    """
    logs = {best: log_likelihood(best)}
    for direction in (-0.5, 0.5):
        exponent = best + direction
        while (
            np.log10(_SMALLEST) <= exponent <= np.log10(_LARGEST)
            and abs(exponent - best) <= _FAR
            and log_likelihood(exponent) > logs[best] + np.log(_COUNTS)
        ):
            logs[exponent] = log_likelihood(exponent)
            exponent += direction
    highest = max(logs.values())
    shares = {exponent: np.exp(log - highest) for exponent, log in logs.items()}
    return {exponent: float(share / sum(shares.values())) for exponent, share in shares.items()}
