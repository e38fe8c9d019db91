"""How far predictions of several smoothers are off, by what they say and by rows held out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skginr._core import Splits, deviation_factor

# Smoothers whose standard deviations are looked at: those that count most.
_MOST = 2
# Rows held out that tell how far off predictions are: in large tables not every fold is looked at.
_ENOUGH = 1_000


@dataclass(frozen=True)
class Spread:
    """How far predictions of one signal are off.

    Attributes
    ----------
    names : list of str
        Smoothers that tell their standard deviations.
    weights : ndarray of shape (n_names,)
        How much these count; they sum to 1.
    shares : dict of str to float
        How much predictions of all smoothers count in the blend; they sum to 1.
    factor : float
        By which deviations of rows held out are larger than what smoothers say.
    noise : float
        Variance of a row of weight 1 about the signal.
    """

    names: list[str]
    weights: NDArray[np.float64]
    shares: dict[str, float]
    factor: float
    noise: float

    def middle(self, found: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the blend of predictions, of shape (n_rows,)."""
        return np.sum([share * found[name] for name, share in self.shares.items()], axis=0)

    def variance(
        self, found: dict[str, NDArray[np.float64]], deviations: dict[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Return variances of the signal, from predictions of all and deviations of some."""
        middle = self.middle(found)
        apart = sum(share * (found[name] - middle) ** 2 for name, share in self.shares.items())
        pairs = zip(self.names, self.weights, strict=True)
        of_each = sum(weight * deviations[name] ** 2 for name, weight in pairs)
        return self.factor**2 * (apart + of_each)


def find_spread(
    smoothers: dict[str, Any],
    signal: int,
    blend: NDArray[np.float64],
    found: dict[str, NDArray[np.float64]],
    residuals: NDArray[np.float64],
    counts: NDArray[np.float64],
    folds: Splits,
) -> Spread:
    """Return how far predictions of one signal are off.

    Parameters
    ----------
    smoothers : dict of str to estimator
        Fitted.
    signal : int
        Which of their signals it is.
    blend : ndarray of shape (n_smoothers,)
        How much each smoother counts.
    found : dict of str to ndarray of shape (n_rows,)
        Predictions of rows held out.
    residuals : ndarray of shape (n_rows,)
        Of corrected predictions of rows held out; NaN where the signal is not known.
    counts : ndarray of shape (n_rows,)
        Weights of rows.
    folds : list of (train, test)
        By which rows were held out.

    Raises
    ------
    ValueError
        If no smoother tells its standard deviations.
    """
    able = [name for name, smoother in smoothers.items() if tells_deviations(smoother)]
    if not able:
        raise ValueError(
            "return_std needs a smoother that tells its own standard deviations, such as "
            "GraphSmoother; none of smoothers does."
        )
    shares = _normalised(dict(zip(smoothers, blend, strict=True)))
    names = sorted(able, key=lambda name: -shares[name])[:_MOST]
    of_names = _normalised({name: shares[name] for name in names})
    weights = np.array([of_names[name] for name in names])
    noises = [float(np.ravel(smoothers[name].noise_variance_)[signal]) for name in names]
    noise = float(weights @ noises)
    some = _some(folds, np.isfinite(residuals))
    deviations = {}
    for name, of_it in zip(names, noises, strict=True):
        _, std = smoothers[name].predict_out_of_fold(some, return_std=True)
        variance = np.reshape(std, (len(residuals), -1))[:, signal] ** 2 - of_it
        deviations[name] = np.sqrt(np.maximum(variance, 0))
    said = Spread(names, weights, shares, 1.0, noise)
    variance = said.variance(found, deviations) + noise
    factor = deviation_factor(residuals, variance, counts)
    return Spread(names, weights, shares, factor, factor**2 * noise)


def tells_deviations(smoother: Any) -> bool:
    """Return whether a smoother tells standard deviations, of rows held out too."""
    return all(
        _takes_return_std(getattr(smoother, method, None))
        for method in ("predict", "predict_out_of_fold")
    )


def _takes_return_std(method: Callable | None) -> bool:
    return method is not None and "return_std" in inspect.signature(method).parameters


def _normalised(weights: dict[str, float]) -> dict[str, float]:
    """Return weights that sum to 1; equal ones where all are 0."""
    total = sum(weights.values())
    return {
        name: weight / total if total > 0 else 1 / len(weights) for name, weight in weights.items()
    }


def _some(folds: Splits, known: NDArray[np.bool_]) -> Splits:
    """Return as many folds as hold out enough rows."""
    n_rows = np.cumsum([known[test].sum() for _, test in folds])
    return folds[: int(np.searchsorted(n_rows, _ENOUGH)) + 1]
