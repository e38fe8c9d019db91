"""A field fitted to the rows of one signal: what is expected anywhere, and draws of it."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from skginr._core import QUIET, Progress, deviation_factor
from skginr.smoothing.spacetime._space import Waves
from skginr.smoothing.spacetime._strengths import Strengths
from skginr.smoothing.spacetime._system import ROUGHLY, FieldSystem, White
from skginr.smoothing.spacetime._time import TimeGrid

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Entries held out to see how far off others are: one of so many, and at least and at most so many.
_ONE_OF, _FEWEST_HELD_OUT, _MOST_HELD_OUT = 10, 20, 10_000
# Draws by which is said how far.
_N_DRAWS = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Rows at nodes and times.

    Attributes
    ----------
    nodes : ndarray of int, shape (n_rows,)
    times : ndarray of shape (n_rows,)
    effects : ndarray of shape (n_rows, n_effects)
    """

    nodes: _Indices
    times: _Numbers
    effects: _Numbers

    def __getitem__(self, which: NDArray) -> Rows:
        return Rows(self.nodes[which], self.times[which], self.effects[which])


@dataclasses.dataclass(frozen=True, eq=False)
class FieldFit:
    """A field given observations on a grid, with effects whose coefficients were free.

    Attributes
    ----------
    strengths : Strengths
    nodes : ndarray of int
        Observed nodes.
    grid : TimeGrid
    weights : ndarray of shape (n_nodes, n_times)
        How often each entry was observed.
    columns : ndarray of shape (1 + n_effects, n_nodes, n_times)
        What was observed, and effects there; 0 where nothing was.
    white : tuple of ndarray
        Of the field that is expected.
    whites : list of tuple of ndarray
        Of fields expected of effects.
    coefficients : ndarray of shape (n_effects,)
    covariance : ndarray of shape (n_effects, n_effects)
        Of coefficients.
    """

    strengths: Strengths
    nodes: _Indices
    grid: TimeGrid
    weights: _Numbers
    columns: _Numbers
    white: White
    whites: list[White]
    coefficients: _Numbers
    covariance: _Numbers

    @classmethod
    def of(
        cls,
        strengths: Strengths,
        waves: Waves,
        rows: Rows,
        y: _Numbers,
        weights: _Numbers,
        grid: TimeGrid,
        progress: Progress = QUIET,
    ) -> Self:
        """Return the fit of rows, repeated ones put together."""
        nodes, of_row = np.unique(rows.nodes, return_inverse=True)
        entries = of_row * grid.n_times + grid.nearest(rows.times)
        shape = len(nodes), grid.n_times
        counts = np.bincount(entries, weights, minlength=shape[0] * shape[1]).astype(float)
        values = [y, *rows.effects.T]
        sums = [np.bincount(entries, weights * v, minlength=len(counts)) for v in values]
        columns = np.array(sums) / np.where(counts > 0, counts, 1.0)
        return cls._solved(
            strengths,
            waves,
            nodes,
            grid,
            counts.reshape(shape),
            columns.reshape(-1, *shape),
            progress,
        )

    @classmethod
    def _solved(
        cls,
        strengths: Strengths,
        waves: Waves,
        nodes: _Indices,
        grid: TimeGrid,
        weights: _Numbers,
        columns: _Numbers,
        progress: Progress,
    ) -> Self:
        """Solve for the field and coefficients together, by generalised least squares."""
        system = FieldSystem(strengths, waves, nodes, grid, weights)
        y, effects = columns[0], columns[1:]
        start = _least_squares(effects, y, weights)
        left = y - np.tensordot(start, effects, 1)
        white = system.solve(left, progress)
        whites = [system.solve(effect, progress) for effect in effects]
        duals = [system.duals(effect, w) for effect, w in zip(effects, whites, strict=True)]
        information = np.array([[np.vdot(a, b) for b in effects] for a in duals])
        covariance = np.linalg.pinv(information.reshape(len(duals), len(duals)), hermitian=True)
        more = covariance @ np.array([np.vdot(a, left) for a in duals]).reshape(-1)
        white = _less(white, more, whites)
        return cls(
            strengths, nodes, grid, weights, columns, white, whites, start + more, covariance
        )

    def reaching(self, waves: Waves, times: _Numbers, progress: Progress) -> FieldFit:
        """Return the fit on a grid that reaches as far as some times."""
        start, step = self.grid.start, self.grid.step
        before = max(int(np.ceil((start - times.min()) / step - 1e-6)), 0)
        last = self.grid.times[-1]
        after = max(int(np.ceil((times.max() - last) / step - 1e-6)), 0)
        if before + after == 0:
            return self
        grid = TimeGrid(start - before * step, step, before + self.grid.n_times + after)
        wide = [(0, 0), (before, after)]
        return self._solved(
            self.strengths,
            waves,
            self.nodes,
            grid,
            np.pad(self.weights, wide),
            np.pad(self.columns, [(0, 0), *wide]),
            progress,
        )

    def mean(self, waves: Waves, rows: Rows) -> _Numbers:
        """Return what is expected of rows whose times are within the grid."""
        at = _Places(self, rows)
        return at.values(self._system(waves), self.white) + rows.effects @ self.coefficients

    def draws(
        self,
        waves: Waves,
        rows: Rows,
        n_draws: int,
        random: np.random.RandomState,
        progress: Progress,
    ) -> _Numbers:
        """Return draws of what rows may be, of shape (n_rows, n_draws).

        A draw before anything was observed, less what its own observations would make expected,
        is as far from what is expected as the field may be (Matheron's rule).
        """
        system, at = self._system(waves), _Places(self, rows)
        found = np.empty((len(rows.nodes), n_draws))
        spread = np.sqrt(
            np.divide(1, system.precision, out=np.zeros_like(self.weights), where=self.weights > 0)
        )
        sizes, directions = np.linalg.eigh(self.covariance)
        root = directions * np.sqrt(np.maximum(sizes, 0))
        for n in range(n_draws):
            prior = _white_like(self.white, random)
            noise = spread * random.standard_normal(spread.shape)
            told = system.solve(system.field(prior) + noise, tolerance=ROUGHLY)
            white = (
                self.white[0] + prior[0] - told[0],
                self.white[1] + prior[1] - told[1],
            )
            change = root @ random.standard_normal(len(root))
            white = _less(white, change, self.whites)
            found[:, n] = at.values(system, white) + at.rest(system, random)
            found[:, n] += rows.effects @ (self.coefficients + change)
            progress.advance()
        return found

    def deviation_factor(
        self, waves: Waves, random: np.random.RandomState, progress: Progress
    ) -> float:
        """Return by which entries held out at random are farther off than is said of them."""
        seen = np.flatnonzero(self.weights)
        n_held_out = min(len(seen) // _ONE_OF, _MOST_HELD_OUT)
        if n_held_out < _FEWEST_HELD_OUT:
            return 1.0
        held_out = random.permutation(seen)[:n_held_out]
        of_node, of_time = np.divmod(held_out, self.grid.n_times)
        counts, values = self.weights.flat[held_out], self.columns[:, of_node, of_time]
        weights = self.weights.copy()
        weights.flat[held_out] = 0.0
        columns = np.where(weights > 0, self.columns, 0.0)
        others = self._solved(
            self.strengths, waves, self.nodes, self.grid, weights, columns, progress
        )
        rows = Rows(self.nodes[of_node], self.grid.times[of_time], values[1:].T)
        mean = others.mean(waves, rows)
        draws = others.draws(waves, rows, _N_DRAWS, random, progress)
        variances = np.mean((draws - mean[:, None]) ** 2, axis=1) + self.strengths.noise / counts
        # Of so few draws variances are uncertain, and ratios those of a t distribution.
        wide = scipy.stats.t.ppf(0.95, _N_DRAWS) / scipy.stats.norm.ppf(0.95)
        return max(deviation_factor(values[0] - mean, wide**2 * variances, counts), 1.0)

    def with_deviations(self, factor: float) -> FieldFit:
        """Return the fit in which all is expected as in this, and deviates so much more."""
        fading, season = self.white
        return dataclasses.replace(
            self,
            strengths=self.strengths.with_deviations(factor),
            # The same fields, of a root that is so much larger.
            white=(fading / factor, season / factor),
            whites=[(fading / factor, season / factor) for fading, season in self.whites],
            covariance=factor**2 * self.covariance,
        )

    def _system(self, waves: Waves) -> FieldSystem:
        return FieldSystem(self.strengths, waves, self.nodes, self.grid, self.weights)


class _Places:
    """Distinct nodes and times of rows, and which of these each row is at."""

    def __init__(self, fit: FieldFit, rows: Rows) -> None:
        self._nodes, self._of_node = np.unique(rows.nodes, return_inverse=True)
        self._times, self._of_time = np.unique(rows.times, return_inverse=True)
        position = np.searchsorted(fit.nodes, self._nodes)
        position = np.minimum(position, len(fit.nodes) - 1)
        self._seen = fit.nodes[position] == self._nodes
        self._position = position[self._seen]
        self._elsewhere = self._nodes[~self._seen]

    def values(self, system: FieldSystem, white: White) -> _Numbers:
        """Return what is expected of rows given the field."""
        return self._of_rows(system, system.parts(white, self._times))

    def rest(self, system: FieldSystem, random: np.random.RandomState) -> _Numbers:
        """Return a draw of how rows differ from what is expected of them given the field."""
        grid, n_parts = system.grid.finer(self._times)
        if n_parts == 1 and not len(self._elsewhere):
            return np.zeros(len(self._of_node))
        at = grid.nearest(self._times)
        drawn = {g: _drawn(share, grid, random) for g, share in system.shares(grid).items()}
        white = system.white_of(
            np.sum([field[:, ::n_parts] for field, _ in drawn.values()], axis=0),
            np.sum([waves for _, waves in drawn.values()], axis=0),
        )
        waves = system.seasons.at(self._times)
        apart = {
            group: system.space.from_modes(drawn[group][0][:, at] + drawn[group][1] @ waves) - part
            for group, part in system.parts(white, self._times).items()
        }
        return self._of_rows(system, apart, self._draw_elsewhere(system, grid, at, random))

    def _draw_elsewhere(
        self, system: FieldSystem, grid: TimeGrid, at: _Indices, random: np.random.RandomState
    ) -> _Numbers:
        """Return a draw of what nodes without rows are beside what others tell of them."""
        found = np.zeros((len(self._elsewhere), len(self._times)))
        if not len(found):
            return found
        strengths, waves, season = system.strengths, system.waves, system.seasons
        for group in ("slow", "fast"):
            in_space, in_time = waves.spectrum(*strengths.in_space(group)), strengths.in_time(group)
            variances = np.outer(in_space, grid.spectrum(in_time))
            of_seasons = np.outer(in_space, system.waves_of(in_time))
            field, of_waves = _drawn((variances, of_seasons), grid, random)
            everywhere = field[:, at] + of_waves @ season.at(self._times)
            found += waves.vectors[self._elsewhere] @ everywhere
            known = waves.vectors[system.nodes] @ everywhere
            found -= system.extend_part(group, known, self._elsewhere)
        own, ones = strengths.in_time("own"), np.ones(len(self._elsewhere))
        field, of_waves = _drawn(
            (np.outer(ones, grid.spectrum(own)), np.outer(ones, system.waves_of(own))), grid, random
        )
        return found + field[:, at] + of_waves @ season.at(self._times)

    def _of_rows(
        self, system: FieldSystem, parts: dict[str, _Numbers], beside: float | _Numbers = 0.0
    ) -> _Numbers:
        """Return values of rows, with what nodes without rows of ``fit`` are beside that."""
        table = np.empty((len(self._nodes), len(self._times)))
        table[self._seen] = np.sum(list(parts.values()), axis=0)[self._position]
        if len(self._elsewhere):
            table[~self._seen] = system.extend(parts, self._elsewhere) + beside
        return table[self._of_node, self._of_time]


def _white_like(white: White, random: np.random.RandomState) -> White:
    fading, season = white
    return random.standard_normal(fading.shape), random.standard_normal(season.shape)


def _drawn(
    variances: White, grid: TimeGrid, random: np.random.RandomState
) -> tuple[_Numbers, _Numbers]:
    """Return draws of fading parts at times of a grid, and of coefficients of waves."""
    fading, season = variances
    field = grid.from_modes(np.sqrt(fading) * random.standard_normal(fading.shape))
    return field, np.sqrt(season) * random.standard_normal(season.shape)


def _least_squares(effects: _Numbers, y: _Numbers, weights: _Numbers) -> _Numbers:
    """Return coefficients of effects alone, to start from."""
    known = weights > 0
    if not len(effects):
        return np.empty(0)
    roots = np.sqrt(weights[known])
    found = np.linalg.lstsq((effects[:, known] * roots).T, roots * y[known], rcond=None)[0]
    return np.asarray(found, dtype=float)


def _less(white: White, coefficients: _Numbers, whites: list[White]) -> White:
    fading, season = white
    for coefficient, (of_fading, of_season) in zip(coefficients, whites, strict=True):
        fading, season = fading - coefficient * of_fading, season - coefficient * of_season
    return fading, season
