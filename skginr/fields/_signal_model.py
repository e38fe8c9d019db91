"""What an archive tells of a signal: means, units, covariance, and how values are distributed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import gaussian_kde

from skginr.fields._covariance import FieldCovariance
from skginr.fields._phase_means import PhaseMeans
from skginr.graphs import Graph
from skginr.smoothing import NormalScores

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Values by which the density of what is left is estimated, and how far equal ones are apart then.
_N_KNOTS, _SHAKEN = 500, 1e-6


def scores_of(scores: NormalScores, left: _Numbers) -> _Numbers:
    """Return normal scores of what is left of signals; beyond the archive's they go on as it does.

    So that what is farther off has a larger score.
    """
    return scores.of(left) + left - np.clip(left, *scores.ends)


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

    def scaled(self, variance: _Numbers, nodes: _Indices) -> _Numbers:
        """Return factors of deviations of fields: the more is told of a node, the nearer to that.

        Where nothing is told they are those of the archive.
        """
        told = 1 - variance / self.covariance.variances(nodes)
        return np.sqrt(1 + (self.factor**2 - 1) * np.clip(told, 0, 1))

    def fields_of(self, values: _Numbers, phases: _Indices, nodes: _Indices) -> _Numbers:
        """Return signals of shape (n_signals, n_nodes), known at nodes, as fields; NaN kept."""
        means, units = self._means_and_units(phases, nodes)
        left = (values - means) / units
        return left if self.scores is None else scores_of(self.scores, left)

    def log_slopes(self, values: _Numbers, phases: _Indices, nodes: _Indices) -> _Numbers:
        """Return logarithms of how fast normal scores change with what is left of signals.

        Densities of scores, times this, are those of what is left: the one estimated from it, where
        scores follow the normal distribution.
        """
        means, units = self._means_and_units(phases, nodes)
        left, scores = (values - means) / units, self.scores
        if scores is None:
            return np.zeros_like(left)
        shares = (np.arange(_N_KNOTS) + 0.5) / _N_KNOTS
        known = scores.at(ndtri(shares))
        density = gaussian_kde(known + _SHAKEN * known.std() * (shares - 0.5))(left.ravel())
        normal = -0.5 * (scores_of(scores, left) ** 2 + np.log(2 * np.pi))
        with np.errstate(divide="ignore"):
            slopes = np.log(density).reshape(left.shape) - normal
        # Beyond all that was left of the archive scores go on as values do.
        return np.where(left == np.clip(left, *scores.ends), slopes, 0.0)

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
