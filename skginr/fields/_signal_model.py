"""What an archive tells of a signal: means, units, covariance, and how values are distributed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skginr.fields._covariance import FieldCovariance
from skginr.fields._phase_means import PhaseMeans
from skginr.graphs import Graph
from skginr.smoothing import NormalScores

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]


@dataclasses.dataclass(frozen=True, eq=False)
class SignalModel:
    """A Gaussian distribution of signals: means, and a covariance of what is left, in units.

    Attributes
    ----------
    graph : Graph
    phases : Index
        Their names.
    means : PhaseMeans
        Of every node.
    covariance : FieldCovariance
    factor : float
        By which deviations of signals that are partly known, and of rows about these, are larger
        than the covariance says.
    scores : NormalScores or None
        Of what is left, where its normal scores are Gaussian.
    columns : dict of str to column name
        Of "signal", "node" and, where there is one, "phase".
    """

    graph: Graph
    phases: pd.Index
    means: PhaseMeans
    covariance: FieldCovariance
    factor: float
    scores: NormalScores | None
    columns: dict

    @property
    def has_phases(self) -> bool:
        """Whether signals have phases."""
        return "phase" in self.columns

    @property
    def noise(self) -> float:
        """Variance of rows about fields."""
        return self.factor**2 * self.covariance.noise

    def fields_of(self, values: _Numbers, phases: _Indices, nodes: _Indices) -> _Numbers:
        """Return signals of shape (n_signals, n_nodes), known at nodes, as fields; NaN kept."""
        means, units = self._means_and_units(phases, nodes)
        left = (values - means) / units
        return left if self.scores is None else self.scores.of(left)

    def signals_of(
        self, fields: _Numbers, phases: _Indices, nodes: _Indices, *, with_noise: bool
    ) -> _Numbers:
        """Return fields of shape (n_signals, n_nodes) as signals at nodes."""
        if self.scores is not None:
            way_back = self.scores if with_noise else self.scores.averaged(self.noise**0.5)
            fields = way_back.at(fields)
        means, units = self._means_and_units(phases, nodes)
        return means + units * fields

    def moments(
        self, mean: _Numbers, latent: _Numbers, phase: int, nodes: _Indices, *, with_noise: bool
    ) -> tuple[_Numbers, _Numbers]:
        """Return means and deviations of a signal at nodes, given those of its field."""
        noise = self.noise
        if self.scores is None:
            std = np.hypot(latent, noise**0.5) if with_noise else latent
        else:
            centre, std = self.scores.expected(mean, np.hypot(latent, noise**0.5))
            if not with_noise:
                _, std = self.scores.averaged(noise**0.5).expected(mean, latent)
            mean = centre
        means, units = self._means_and_units(np.array([phase]), nodes)
        return means[0] + units[0] * mean, units[0] * std

    def _means_and_units(self, phases: _Indices, nodes: _Indices) -> tuple[_Numbers, _Numbers]:
        units = self.means.units(phases, new=True)
        return self.means.means[np.ix_(phases, nodes)], units[:, nodes]

    def noise_variance(self, phase: int, nodes: _Indices) -> float:
        """Return the variance of rows about signals, its mean over nodes."""
        _, units = self._means_and_units(np.array([phase]), nodes)
        noise = self.noise
        if self.scores is not None:
            # Where the field is as it is most often.
            _, std = self.scores.expected(np.zeros(1), np.array([noise**0.5]))
            noise = float(std[0] ** 2)
        return noise * float(np.mean(units**2))
