"""How probable rows held out are by strengths, and the strengths by which they are most so."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

from skginr._core import Progress, one_blas_thread
from skginr.smoothing.spacetime._space import Waves
from skginr.smoothing.spacetime._strengths import GROUPS, FieldModel, Strengths

_Numbers = NDArray[np.float64]

# Of logarithms of shapes, by which derivatives are differences.
_NUDGE = 1e-4
# Gain by which a search has come to its end, as a share.
_GAIN = 1e-6
_MOST_STEPS = 80


class Block:
    """Some rows that are near each other, or far, of which folds are held out in turn.

    Parameters
    ----------
    vectors : ndarray of shape (n_block_nodes, n_waves)
        Waves at distinct nodes.
    of_node, of_time : ndarray of int, shape (n_rows,)
        Which node, and which time, each row is of.
    lags : ndarray of shape (n_times, n_times)
        Of distinct times.
    y : ndarray of shape (n_rows, n_signals)
    weights : ndarray of shape (n_rows,)
    effects : ndarray of shape (n_rows, n_rows)
        Covariance of effects of covariates.
    folds : list of ndarray of int
    """

    def __init__(
        self,
        vectors: _Numbers,
        of_node: NDArray[np.intp],
        of_time: NDArray[np.intp],
        lags: _Numbers,
        y: _Numbers,
        weights: _Numbers,
        effects: _Numbers,
        folds: list[NDArray[np.intp]],
    ) -> None:
        self.vectors, self.lags, self.y, self.effects = vectors, lags, y, effects
        self.folds, self.weights = folds, weights
        self.n_tested = y.shape[1] * sum(len(fold) for fold in folds)
        n_rows = len(y)
        self._nodes = of_node[:, None], of_node
        self._times = of_time[:, None], of_time
        ones, rows = np.ones(n_rows), np.arange(n_rows)
        self._to_nodes = sp.csr_array((ones, (of_node, rows)), (len(vectors), n_rows))
        self._to_times = sp.csr_array((ones, (of_time, rows)), (len(lags), n_rows))
        self._same = (of_node[:, None] == of_node).astype(float)

    def in_space(self, waves: Waves, strengths: Strengths, group: str) -> _Numbers:
        """Return the covariance in space of a group, between rows."""
        if group in ("slow", "fast"):
            return self.smooth(waves, strengths, group)[self._nodes]
        return self._same if group == "own" else np.ones(self._same.shape)

    def smooth(self, waves: Waves, strengths: Strengths, group: str) -> _Numbers:
        """Return the covariance in space of a smooth group, between nodes."""
        return (self.vectors * waves.spectrum(*strengths.in_space(group))) @ self.vectors.T

    def of_lags(self, values: _Numbers) -> _Numbers:
        return values[self._times]

    def sum_by_times(self, matrix: _Numbers) -> _Numbers:
        return self._to_times @ (self._to_times @ matrix).T

    def sum_by_nodes(self, matrix: _Numbers) -> _Numbers:
        return self._to_nodes @ (self._to_nodes @ matrix).T


def density(
    model: FieldModel, waves: Waves, parameters: _Numbers, block: Block
) -> tuple[float, _Numbers]:
    """Return the logarithm of the density of rows held out, and its gradient.

    Each fold given all other rows of the block, in closed form from one inverse.
    """
    strengths = model.at(parameters)
    covariance = block.effects.copy()
    parts = {}
    for group in GROUPS:
        in_space = block.in_space(waves, strengths, group)
        in_time = block.of_lags(strengths.in_time(group).at(block.lags))
        parts[group] = in_space, in_time
        covariance += in_space * in_time
    diagonal = np.diag_indices(len(covariance))
    covariance[diagonal] += strengths.noise / block.weights
    precision, _ = _inverse_and_root(covariance)
    value, slope = _held_out(precision, block.y, block.folds)
    found = dict.fromkeys(model.names, 0.0)
    found["noise"] = strengths.noise * float(slope[diagonal] @ (1 / block.weights))
    for group, (in_space, in_time) in parts.items():
        by_times = block.sum_by_times(slope * in_space)
        _add_slopes_in_time(found, model, strengths, group, by_times, block.lags)
        if group in ("slow", "fast"):
            by_nodes = block.sum_by_nodes(slope * in_time)
            _add_slope_of_kappa(found, waves, strengths, group, by_nodes, block)
    return value, np.array([found[name] for name in model.names])


def _held_out(
    precision: _Numbers, y: _Numbers, folds: list[NDArray[np.intp]]
) -> tuple[float, _Numbers]:
    """Return the logarithm of the density of folds, and its slope by the covariance.

    A fold given the rest has the residuals ``(P_ff)^-1 (P y)_f`` and the covariance ``(P_ff)^-1``,
    P the inverse of the covariance of all.
    """
    pulled = precision @ y
    n_signals = y.shape[1]
    value, residuals = 0.0, np.zeros(y.shape)
    slope = np.zeros(precision.shape)
    for fold in folds:
        among = np.ix_(fold, fold)
        spread, log_root = _inverse_and_root(precision[among])
        off = spread @ pulled[fold]
        residuals[fold] += off
        value += n_signals * log_root - 0.5 * np.sum(pulled[fold] * off)
        slope[among] += 0.5 * (off @ off.T + n_signals * spread)
    slope -= 0.5 * (y @ residuals.T + residuals @ y.T)
    return float(value), -precision @ slope @ precision


def _add_slopes_in_time(
    found: dict[str, float],
    model: FieldModel,
    strengths: Strengths,
    group: str,
    by_times: _Numbers,
    lags: _Numbers,
) -> None:
    """Add what the density gains by parameters of a group's covariance in time."""
    now = strengths.in_time(group).at(lags)
    for name in model.names:
        if name == "noise" or name.startswith("kappa"):
            continue
        nudge = _NUDGE * (1.0 if name.startswith("decay") else strengths.values[name])
        nudged = dataclasses.replace(
            strengths, values=strengths.values | {name: strengths.values[name] + nudge}
        )
        changed = nudged.in_time(group)
        if changed != strengths.in_time(group):
            found[name] += float(np.sum(by_times * (changed.at(lags) - now))) / _NUDGE


def _add_slope_of_kappa(
    found: dict[str, float],
    waves: Waves,
    strengths: Strengths,
    group: str,
    by_nodes: _Numbers,
    block: Block,
) -> None:
    name = f"kappa_{group}"
    nudged = dataclasses.replace(
        strengths, values=strengths.values | {name: strengths.values[name] * (1 + _NUDGE)}
    )
    change = block.smooth(waves, nudged, group) - block.smooth(waves, strengths, group)
    found[name] += float(np.sum(by_nodes * change)) / _NUDGE


def choose_strengths(
    model: FieldModel, waves: Waves, blocks: list[Block], progress: Progress
) -> Strengths:
    """Return the strengths by which rows held out are most probable."""
    n_tested = sum(block.n_tested for block in blocks)

    def loss(parameters: _Numbers) -> tuple[float, _Numbers]:
        found = [density(model, waves, parameters, block) for block in blocks]
        value, slope = (sum(part) / n_tested for part in zip(*found, strict=True))
        progress.note(f"log density {value:.4f} a row")
        progress.advance()
        # Of y in its own deviations, as when the search ends goes by how large this is.
        return -value - np.log(model.variance) / 2, -slope

    # Matrices are so small that threads wait for each other longer than they work.
    with one_blas_thread():
        found = minimize(
            loss,
            model.start(),
            jac=True,
            method="L-BFGS-B",
            bounds=model.bounds(),
            options={"maxiter": _MOST_STEPS, "ftol": _GAIN},
        )
    return model.at(found.x)


def _inverse_and_root(matrix: _Numbers) -> tuple[_Numbers, float]:
    """Return the inverse of a positive definite matrix, and half its logarithmic determinant."""
    root, failed = lapack.dpotrf(matrix, lower=1)
    if failed:
        raise np.linalg.LinAlgError("covariance is not positive definite")
    inverse, _ = lapack.dpotri(root, lower=1)
    return np.tril(inverse) + np.tril(inverse, -1).T, float(np.log(np.diag(root)).sum())
