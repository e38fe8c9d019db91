"""Covariances in time, and grids of times on which they are quick to multiply with."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_Numbers = NDArray[np.float64]

# Share of a regular grid that has to be seen for it to be one, unless it has no more than so many
# steps; and else how many steps there are for each time.
_SEEN, _FEW, _FINER = 0.2, 10_000, 4
# Of a step: times that differ by less are on the grid.
OFF = 1e-3
# Times looked at together where they are not, and parts of a step that some may be drawn at.
_MANY, _MOST_PARTS = 256, 8
_N_WORKERS = os.cpu_count()


@dataclasses.dataclass(frozen=True)
class TimeCovariance:
    """A stationary covariance in time: a constant, waves of periods, and what fades.

    Parameters
    ----------
    level : float
        Variance of what never changes.
    waves : tuple of (float, float)
        Periods and variances of what repeats.
    fading : tuple of (float, float, int)
        Variance, range and order of Matérn covariances, of smoothness ``order - 1/2``.
    """

    level: float = 0.0
    waves: tuple[tuple[float, float], ...] = ()
    fading: tuple[tuple[float, float, int], ...] = ()

    def at(self, lags: _Numbers) -> _Numbers:
        """Return covariances at lags."""
        found = np.full(lags.shape, self.level)
        for period, variance in self.waves:
            found += variance * np.cos(2 * np.pi / period * lags)
        for variance, reach, order in self.fading:
            found += variance * matern(lags, reach, order)
        return found


def matern(lags: _Numbers, reach: float, order: int) -> _Numbers:
    """Return correlations of a Matérn process of smoothness ``order - 1/2``."""
    far = np.sqrt(2 * order - 1) * np.abs(lags) / reach
    polynomial = {1: 1.0, 2: 1 + far, 3: 1 + far + far**2 / 3}[order]
    return polynomial * np.exp(-far)


class TimeGrid:
    """A regular grid of times, which a field has no slope at the ends of: modes are cosines.

    Parameters
    ----------
    start, step : float
    n_times : int
    """

    def __init__(self, start: float, step: float, n_times: int) -> None:
        self.start, self.step, self.n_times = start, step, n_times
        self.times: _Numbers = start + step * np.arange(n_times, dtype=float)

    def to_modes(self, field: _Numbers) -> _Numbers:
        """Return a field of shape (..., n_times) in orthonormal modes."""
        return scipy.fft.dct(field, norm="ortho", workers=_N_WORKERS)

    def from_modes(self, modes: _Numbers) -> _Numbers:
        """Return the field of modes."""
        return scipy.fft.idct(modes, norm="ortho", workers=_N_WORKERS)

    def spectrum(self, covariance: TimeCovariance) -> _Numbers:
        """Return variances of modes in a covariance, its waves left out.

        Mirrored at both ends it is a covariance on a circle twice as long.
        """
        steps = np.arange(2 * self.n_times)
        lags = self.step * np.minimum(steps, 2 * self.n_times - steps)
        mirrored = dataclasses.replace(covariance, level=0.0, waves=()).at(lags)
        found = np.maximum(scipy.fft.rfft(mirrored).real[: self.n_times], 0.0)
        found[0] += self.n_times * covariance.level
        return found

    def weigh(self, duals: _Numbers, covariance: TimeCovariance, times: _Numbers) -> _Numbers:
        """Return sums of covariances with times of the grid, its waves left out.

        Parameters
        ----------
        duals : ndarray of shape (n_rows, n_times)
            What covariances are multiplied with, in modes.
        covariance : TimeCovariance
        times : ndarray of shape (n_asked,)
            Within the ends of the grid.

        Returns
        -------
        ndarray of shape (n_rows, n_asked)
        """
        steps = (times - self.start) / self.step
        on_grid = np.rint(steps).astype(np.intp)
        if np.abs(steps - on_grid).max(initial=0) < OFF:
            return self.from_modes(duals * self.spectrum(covariance))[:, on_grid]
        of_times = self.from_modes(duals)
        parts = np.array_split(times, max(len(times) // _MANY, 1))
        return np.concatenate([of_times @ self._across(covariance, part) for part in parts], axis=1)

    def _across(self, covariance: TimeCovariance, times: _Numbers) -> _Numbers:
        """Return covariances of times of the grid with others, with their nearest mirror images."""
        fading = dataclasses.replace(covariance, level=0.0, waves=())
        low, high = self.times[0] - self.step / 2, self.times[-1] + self.step / 2
        sums = np.add.outer(self.times, times)
        found = fading.at(np.subtract.outer(self.times, times))
        # The nearest alone, as on the circle of the spectrum.
        found += fading.at(np.minimum(sums - 2 * low, 2 * high - sums))
        return found + covariance.level

    def finer(self, times: _Numbers) -> tuple[TimeGrid, int]:
        """Return a grid of as many times more steps as it takes to hold times, and how many.

        At most eight times as many.
        """
        steps = (times - self.start) / self.step
        for n_parts in range(1, _MOST_PARTS + 1):
            if np.abs(n_parts * steps - np.rint(n_parts * steps)).max(initial=0) < OFF:
                break
        return TimeGrid(self.start, self.step / n_parts, n_parts * (self.n_times - 1) + 1), n_parts

    def nearest(self, times: _Numbers) -> NDArray[np.intp]:
        """Return the positions of the times of the grid nearest to others."""
        steps = np.rint((times - self.start) / self.step).astype(np.intp)
        return np.clip(steps, 0, self.n_times - 1)


class Seasons:
    """Waves of periods at times: a cosine and a sine of each."""

    def __init__(self, waves: tuple[float, ...]) -> None:
        self.waves = waves

    def at(self, times: _Numbers) -> _Numbers:
        """Return waves at times, of shape (2 * n_waves, n_times)."""
        angles = (
            2 * np.pi * np.outer(1 / np.array(self.waves), times)
            if self.waves
            else np.empty((0, len(times)))
        )
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(-1, len(times))

    def spectrum(self, covariance: TimeCovariance) -> _Numbers:
        """Return variances of cosines and sines."""
        return np.repeat([variance for _, variance in covariance.waves], 2)


def grid_of(times: _Numbers) -> TimeGrid:
    """Return the grid that distinct ascending times are on, or one that is fine enough for them.

    Times that are on no grid are moved to that of a quarter of their mean step, or of half their
    typical one where most are close together and a few far apart.
    """
    start, span = float(times[0]), float(times[-1] - times[0])
    if span == 0:
        return TimeGrid(start, 1.0, 1)
    step = float(np.diff(times).min())
    # The least gap may be off by rounding, which adds up.
    step = span / np.rint(span / step)
    steps = (times - start) / step
    regular = np.abs(steps - np.rint(steps)).max() < OFF
    n_steps = np.rint(steps[-1])
    if not regular or (n_steps > _FEW and len(times) < _SEEN * (n_steps + 1)):
        typical = min(2 * span / float(np.median(np.diff(times))), _FEW)
        step = span / np.ceil(max(_FINER * (len(times) - 1), typical))
    return TimeGrid(start, step, int(np.rint(span / step)) + 1)


def seasons_of(times: _Numbers, periods: tuple[float, ...], n_harmonics: int) -> _Numbers:
    """Return a constant and the first waves of periods, of shape (n_times, n)."""
    waves = tuple(period / (h + 1) for period in periods for h in range(n_harmonics))
    return np.vstack([np.ones(len(times)), Seasons(waves).at(times)]).T
