"""A field given its observations, by conjugate gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skginr._core import QUIET, Progress
from skginr.smoothing.spacetime._space import SpaceModes, Waves
from skginr.smoothing.spacetime._strengths import Strengths
from skginr.smoothing.spacetime._time import Seasons, TimeCovariance, TimeGrid

_Numbers = NDArray[np.float64]
# Of fading parts, of shape (n_modes, n_times), and of seasons, of (n_modes, n_waves).
White = tuple[_Numbers, _Numbers]

# Error of a field in standard deviations of the noise, on average, at which iterations end; and that
# of draws, of which the spread is looked at.
_TOLERANCE, ROUGHLY = 1e-3, 0.03
_MOST_ITERATIONS = 1_000
_TINY = float(np.finfo(float).tiny)


class FieldSystem:
    """Observations of some nodes at times of a grid, as a system to be solved.

    The field is ``R w``, w white, with R a root of its covariance: diagonal in modes of space and
    time, but for seasons, which are few columns more. Given observations y, of weights M over the
    variance of the noise and 0 where there are none, ``(I + R' M R) w = R' M y``. Were all entries
    observed as often as they are on average this would be solved at once: that is the
    preconditioner of conjugate gradients.

    Parameters
    ----------
    strengths : Strengths
    waves : Waves
    nodes : ndarray of int
        Those that were observed.
    grid : TimeGrid
    weights : ndarray of shape (n_observed_nodes, n_times)
        How often each entry was observed.
    """

    def __init__(
        self,
        strengths: Strengths,
        waves: Waves,
        nodes: NDArray[np.intp],
        grid: TimeGrid,
        weights: _Numbers,
    ) -> None:
        self.strengths, self.waves, self.grid, self.nodes = strengths, waves, grid, nodes
        self.precision = weights / strengths.noise
        self.space = SpaceModes(waves, nodes, *strengths.in_space(strengths.foremost))
        self.seasons = Seasons(strengths.waves)
        self._season = self.seasons.at(grid.times)
        smooth = {g: self.space.smooth(*strengths.in_space(g)) for g in ("slow", "fast")}
        own = np.ones(self.space.n_modes)
        self._in_space = smooth | {"own": own, "common": self.space.common()}
        shared, own = self.shares(grid)
        self._root: White = np.sqrt(shared[0] + own[0]), np.sqrt(shared[1] + own[1])
        self._prepare(float(weights.mean()) / strengths.noise)

    def _waves_of(self, covariance: TimeCovariance) -> _Numbers:
        found = self.seasons.spectrum(covariance)
        return found if len(found) else np.zeros(len(self._season))

    def _prepare(self, precision: float) -> None:
        """Prepare the inverse of the system in which all entries are of the same precision.

        Fading parts are diagonal; for seasons what they leave is a small matrix of each mode.
        """
        fading, season = self._root
        self._fading_inverse = 1 / (1 + precision * fading**2)
        mixed = self.grid.to_modes(self._season)
        self._mixed = precision * mixed
        left = precision * self._fading_inverse
        inner = np.array([(mixed * of_mode) @ mixed.T for of_mode in left])
        inner *= season[:, :, None] * season[:, None, :]
        self._season_inverse = np.linalg.inv(inner + np.eye(len(mixed)))

    def field(self, white: White) -> _Numbers:
        """Return ``R w``, of shape (n_observed_nodes, n_times)."""
        fading, season = self._root
        modes = self.grid.from_modes(fading * white[0])
        modes += (season * white[1]) @ self._season
        return self.space.from_modes(modes)

    def _adjoint(self, field: _Numbers) -> White:
        fading, season = self._root
        modes = self.space.to_modes(field)
        return fading * self.grid.to_modes(modes), season * (modes @ self._season.T)

    def solve(
        self, y: _Numbers, progress: Progress = QUIET, *, tolerance: float = _TOLERANCE
    ) -> White:
        """Return w of the field that is expected given y, of shape (n_nodes, n_times)."""
        residual = self._adjoint(self.precision * y)
        step = self._precondition(residual)
        direction, size = step, _dot(residual, step)
        found = np.zeros_like(step[0]), np.zeros_like(step[1])
        n_observed = np.count_nonzero(self.precision)
        for _ in range(_MOST_ITERATIONS):
            # By the energy of the error: that of the field beside its own spread and the noise.
            if size <= tolerance**2 * n_observed:
                break
            product = self._adjoint(self.precision * self.field(direction))
            product = _add(product, 1.0, direction)
            length = size / _dot(direction, product)
            found = _add(found, length, direction)
            residual = _add(residual, -length, product)
            step = self._precondition(residual)
            before, size = size, _dot(residual, step)
            direction = _add(step, size / before, direction)
            progress.note(f"error {np.sqrt(size / n_observed):.1g}")
            progress.advance()
        return found

    def _precondition(self, residual: White) -> White:
        fading, season = self._root
        first = self._fading_inverse * residual[0]
        left = residual[1] - season * ((fading * first) @ self._mixed.T)
        waves = np.einsum("mw,mwv->mv", left, self._season_inverse)
        return first - self._fading_inverse * fading * ((season * waves) @ self._mixed), waves

    def duals(self, y: _Numbers, white: White) -> _Numbers:
        """Return the inverse of the covariance of observations times y, as solved."""
        return self.precision * (y - self.field(white))

    def parts(self, white: White, times: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return what nodes share of a field, and what is their own, at times within the grid.

        Each of shape (n_observed_nodes, n_times). Only their sum is known: these are expectations.
        """
        fading, season = self._root
        duals, of_waves = white[0] / np.maximum(fading, _TINY), white[1] / np.maximum(season, _TINY)
        waves, n_modes = self.seasons.at(times), len(fading)
        shared, own = np.zeros((n_modes, len(times))), np.zeros((n_modes, len(times)))
        for group, variances in self._in_space.items():
            covariance = self.strengths.in_time(group)
            part = self.grid.weigh(duals, covariance, times)
            part += (of_waves * self._waves_of(covariance)) @ waves
            whose = own if group == "own" else shared
            whose += variances[:, None] * part
        return self.space.from_modes(shared), self.space.from_modes(own)

    def shares(self, grid: TimeGrid) -> tuple[White, White]:
        """Return variances of modes, on a grid, of what nodes share and of what is their own."""
        found = [[0.0, 0.0], [0.0, 0.0]]
        for group, variances in self._in_space.items():
            covariance, whose = self.strengths.in_time(group), found[group == "own"]
            whose[0] = whose[0] + np.outer(variances, grid.spectrum(covariance))
            whose[1] = whose[1] + np.outer(variances, self._waves_of(covariance))
        (shared, shared_waves), (own, own_waves) = found
        return (shared, shared_waves), (own, own_waves)

    def white_of(self, modes: _Numbers, waves: _Numbers) -> White:
        """Return w of a field of such modes of space at times of the grid, and of such waves."""
        fading, season = self._root
        return (
            self.grid.to_modes(modes) / np.maximum(fading, _TINY),
            waves / np.maximum(season, _TINY),
        )


def _dot(first: White, second: White) -> float:
    return float(sum(np.vdot(a, b) for a, b in zip(first, second, strict=True)))


def _add(first: White, factor: float, second: White) -> White:
    return first[0] + factor * second[0], first[1] + factor * second[1]
