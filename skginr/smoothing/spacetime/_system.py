"""A field given its observations, by conjugate gradients."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from skginr._core import QUIET, Progress
from skginr.smoothing.spacetime._space import SpaceModes, Waves
from skginr.smoothing.spacetime._strengths import Strengths
from skginr.smoothing.spacetime._time import Seasons, TimeCovariance, TimeGrid

_Numbers = NDArray[np.float64]
# Of fading parts, of shape (n_modes, n_times), and of seasons, of (n_modes, n_waves).
White = tuple[_Numbers, _Numbers]

# Error of a field in standard deviations of the noise, on average, at which iterations end; and
# that of draws, of which the spread is looked at.
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
        sizes = {g: float(strengths.in_time(g).at(np.zeros(1))[0]) for g in ("slow", "fast")}
        # The reach of a part that is hardly there is anything.
        self._reference = max(sizes, key=sizes.__getitem__)
        self.space = SpaceModes(waves, nodes, *strengths.in_space(self._reference))
        self.seasons = Seasons(strengths.waves)
        self._season = self.seasons.at(grid.times)
        smooth = {g: self.space.smooth(*strengths.in_space(g)) for g in sizes}
        own = np.ones(self.space.n_modes)
        self._in_space = smooth | {"own": own, "common": self.space.common()}
        fading, seasons = (
            sum(of_share) for of_share in zip(*self.shares(grid).values(), strict=True)
        )
        self._root: White = np.sqrt(fading), np.sqrt(seasons)
        self._prepare(float(weights.mean()) / strengths.noise)

    def waves_of(self, covariance: TimeCovariance) -> _Numbers:
        """Return variances of waves in a covariance, 0 where it has none."""
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

    def parts(self, white: White, times: _Numbers) -> dict[str, _Numbers]:
        """Return what a field is expected to be the sum of, by groups, at times within the grid.

        Each of shape (n_observed_nodes, n_times).
        """
        fading, season = self._root
        duals, of_waves = white[0] / np.maximum(fading, _TINY), white[1] / np.maximum(season, _TINY)
        waves, found = self.seasons.at(times), {}
        for group, variances in self._in_space.items():
            covariance = self.strengths.in_time(group)
            part = self.grid.weigh(duals, covariance, times)
            part += (of_waves * self.waves_of(covariance)) @ waves
            found[group] = self.space.from_modes(variances[:, None] * part)
        return found

    def shares(self, grid: TimeGrid) -> dict[str, White]:
        """Return variances of modes, on a grid, of each group."""
        found = {}
        for group, variances in self._in_space.items():
            covariance = self.strengths.in_time(group)
            fading = np.outer(variances, grid.spectrum(covariance))
            found[group] = fading, np.outer(variances, self.waves_of(covariance))
        return found

    def extend(self, parts: dict[str, _Numbers], nodes: NDArray[np.intp]) -> _Numbers:
        """Return what is expected at nodes not observed, of parts known at those observed."""
        found = np.repeat(parts["common"][:1], len(nodes), axis=0)
        for group in ("slow", "fast"):
            found += self.extend_part(group, parts[group], nodes)
        return found

    def extend_part(self, group: str, field: _Numbers, nodes: NDArray[np.intp]) -> _Numbers:
        """Return what is expected elsewhere of a smooth part, each by its own covariance."""
        modes = self.space if group == self._reference else self._others
        return modes.extend(field, nodes)

    @functools.cached_property
    def _others(self) -> SpaceModes:
        """Modes of the smooth part that is not the one of reference."""
        group = "slow" if self._reference == "fast" else "fast"
        return SpaceModes(self.waves, self.nodes, *self.strengths.in_space(group))

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
