"""Of what a field in space and time is the sum, and how much there is of each."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from skginr.smoothing.spacetime._time import TimeCovariance

_Numbers = NDArray[np.float64]

# Variance of the mean, in variances of y: nothing is known of it before.
_MEAN = 10.0
# Of parameters, in variances of y, or as kappa is.
_VARIANCES, _KAPPAS, _DECAYS = (1e-7, 1e3), (1e-2, 30.0), (0.0, 4.0)


@dataclasses.dataclass(frozen=True)
class FieldModel:
    """A field that is a sum of parts, each a covariance in space times one in time.

    In space a part is common to all nodes, smooth over the graph, or a node's own. In time it is a
    level that stays, waves of a period, or it fades: within the reach of few steps (``fast``), of
    many (``slow``), or at a node by itself (``drift``).

    Parameters
    ----------
    order, time_order : int
    periods : tuple of float
    harmonics : tuple of int
        How many waves each period has.
    step, span : float
        The typical step of time, and from the first time to the last.
    variance : float
        Of y.
    noise_floor : float
        Least variance of the noise.
    unit : str
        Of times.
    """

    order: int
    time_order: int
    periods: tuple[float, ...]
    harmonics: tuple[int, ...]
    step: float
    span: float
    variance: float
    noise_floor: float
    unit: str

    @property
    def variances(self) -> list[str]:
        """Names of variances of parts."""
        seasons = [f"{where}_season{p}" for p in range(len(self.periods)) for where in _PLACES]
        return ["smooth_level", "own_level", *seasons, *_FADING]

    @property
    def names(self) -> list[str]:
        """Names of all parameters, in order."""
        decays = [f"decay{p}" for p in range(len(self.periods))]
        return [*self.variances, *_SHAPES, *decays, "noise"]

    def start(self) -> _Numbers:
        """Return logarithms of parameters to start from."""
        n_parts = len(self.variances)
        shapes = np.log(
            [
                0.3,
                0.3,
                self._reach(self.span / 10),
                self._reach(12 * self.step),
                self._reach(2 * self.step),
            ]
        )
        decays = np.full(len(self.periods), 1.0)
        sizes = np.full(n_parts, self.variance / 5)
        noise = max(self.variance / 20, 2 * self.noise_floor)
        return np.concatenate([np.log(sizes), shapes, decays, [np.log(noise)]])

    def bounds(self) -> list[tuple[float, float]]:
        """Return bounds of these."""
        low, high = np.log(_VARIANCES) + np.log(self.variance)
        # What shares its reach in space with levels and seasons may fade as fast as the other.
        longest = np.log(self._reach(2 * self.span))
        slow = np.log(0.3 * self.step), longest
        drift = np.log(self._reach(3 * self.step)), longest
        fast = np.log(0.2 * self.step), np.log(self._reach(self.span / 4))
        kappa = tuple(np.log(_KAPPAS))
        return [
            *[(low, high)] * len(self.variances),
            *[kappa, kappa, slow, drift, fast],
            *[_DECAYS] * len(self.periods),
            (np.log(self.noise_floor), np.log(self.variance)),
        ]

    def _reach(self, reach: float) -> float:
        return max(reach, 3 * self.step)

    def at(self, parameters: _Numbers) -> Strengths:
        """Return the strengths that logarithms of parameters stand for."""
        named = dict(zip(self.names, parameters, strict=True))
        decays = {name: float(value) for name, value in named.items() if name.startswith("decay")}
        sizes = {name: float(np.exp(value)) for name, value in named.items() if name not in decays}
        return Strengths(self, sizes | decays)


_PLACES = ("common", "smooth", "own")
_FADING = ("smooth_slow", "own_drift", "common_fast", "smooth_fast")
_SHAPES = ("kappa_slow", "kappa_fast", "range_slow", "range_drift", "range_fast")


@dataclasses.dataclass(frozen=True)
class Strengths:
    """How much there is of each part of a field.

    Attributes
    ----------
    model : FieldModel
    values : dict
        Variances in those of y; kappas; ranges in the unit of time; decays of harmonics.
    """

    model: FieldModel
    values: dict[str, float]

    @property
    def noise(self) -> float:
        return self.values["noise"]

    def with_deviations(self, factor: float) -> Strengths:
        """Return strengths by which all is expected as by these, and deviates so much more."""
        sizes = {name: factor**2 * self.values[name] for name in [*self.model.variances, "noise"]}
        # The mean's variance with them.
        model = dataclasses.replace(self.model, variance=factor**2 * self.model.variance)
        return Strengths(model, self.values | sizes)

    def in_space(self, kind: str) -> tuple[float, int]:
        """Return kappa and order of the smooth covariance of a kind, "slow" or "fast"."""
        return self.values[f"kappa_{kind}"], self.model.order

    def in_time(self, group: str) -> TimeCovariance:
        """Return the covariance in time of all that is alike in space.

        Parameters
        ----------
        group : {"slow", "fast", "own", "common"}
            Of smooth parts, by their kappa, or of the others.
        """
        where = "smooth" if group == "slow" else group
        values, model = self.values, self.model
        if group == "fast":
            return TimeCovariance(fading=(self._fades("smooth_fast"),))
        fading = {"slow": ["smooth_slow"], "own": ["own_drift"], "common": ["common_fast"]}[group]
        level = _MEAN * model.variance if group == "common" else values[f"{where}_level"]
        waves = tuple(
            (period / (h + 1), share * values[f"{where}_season{p}"])
            for p, period in enumerate(model.periods)
            for h, share in enumerate(self._shares(p))
        )
        return TimeCovariance(level, waves, tuple(self._fades(part) for part in fading))

    @property
    def waves(self) -> tuple[float, ...]:
        """Periods of waves, harmonics included."""
        return tuple(period for period, _ in self.in_time("own").waves)

    def _fades(self, part: str) -> tuple[float, float, int]:
        kind = part.partition("_")[2]
        order = self.model.time_order if kind == "fast" else 1
        return self.values[part], self.values[f"range_{kind}"], order

    def _shares(self, p: int) -> _Numbers:
        """Return the shares of harmonics of a period."""
        shares = np.exp(-self.values[f"decay{p}"] * np.arange(self.model.harmonics[p]))
        return shares / shares.sum()


GROUPS = ("slow", "fast", "own", "common")
