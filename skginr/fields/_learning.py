"""From an archive to what it tells of signals."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skginr._core import Progress, Splits
from skginr.fields._archive import Archive
from skginr.fields._choice import (
    choose_covariance,
    choose_remainder,
    deviations_factor,
    draw_trials,
)
from skginr.fields._correlations import Correlations
from skginr.fields._covariance import FieldCovariance, filled
from skginr.fields._phase_means import PhaseMeans
from skginr.smoothing import NormalScores

_Numbers = NDArray[np.float64]

# Noise of means and deviations, where they are taken on to nodes that have none.
_OF_MEANS = 1e-2


class Learned(NamedTuple):
    """What an archive tells.

    Attributes
    ----------
    means : PhaseMeans
        Of every node.
    covariance : FieldCovariance
    factor : float
        By which deviations of signals that are partly known are larger than the covariance says.
    scores : NormalScores or None
    """

    means: PhaseMeans
    covariance: FieldCovariance
    factor: float
    scores: NormalScores | None


def learn(
    archive: Archive,
    n_phases: int,
    options: Correlations,
    splits: Splits,
    *,
    ranked: bool,
    random: np.random.RandomState,
    progress: Progress,
) -> Learned:
    """Return what an archive tells, chosen by the signals that ``splits`` hold out.

    Parameters
    ----------
    archive : Archive
    n_phases : int
    options : Correlations
    splits : list of tuple of ndarray
        Numbers of signals.
    ranked : bool
        Whether normal scores of fields are Gaussian.
    random : RandomState
    progress : Progress
    """
    whole = _Fold.of(archive, n_phases, np.arange(len(archive.values)), ranked=ranked)
    folds = [_Fold.of(archive, n_phases, train, ranked=ranked) for train, _ in splits]
    trials = [
        list(draw_trials(*fold.held_out(archive, test), random))
        for fold, (_, test) in zip(folds, splits, strict=True)
    ]
    every = [trial for of_fold in trials for trial in of_fold]
    rests = options.remainders(np.nan_to_num(whole.fields))
    alone = choose_remainder(every, rests, progress)
    for fold, of_fold in zip(folds, trials, strict=True):
        fields = filled(fold.fields, alone[0])
        for trial in of_fold:
            trial.archive = fields[:, trial.nodes]
    covariance = choose_covariance(every, alone, options.tapers(), progress)
    factor = deviations_factor(covariance, every)
    fields = filled(whole.fields, alone[0])
    if np.isnan(whole.fields).any():
        fields = filled(whole.fields, dataclasses.replace(covariance, fields=fields))
    covariance = dataclasses.replace(covariance, fields=fields)
    return Learned(_extended(whole.means, alone[0]), covariance, factor, whole.scores)


class _Fold(NamedTuple):
    """Signals as fields about the means of their phases, NaN where not observed."""

    means: PhaseMeans
    scores: NormalScores | None
    fields: _Numbers

    @classmethod
    def of(
        cls, archive: Archive, n_phases: int, signals: NDArray[np.intp], *, ranked: bool
    ) -> _Fold:
        values, phases = archive.values[signals], archive.phases[signals]
        means = PhaseMeans.of(values, phases, n_phases)
        left = (values - means.means[phases]) / means.units(phases, new=False)
        if not ranked:
            return cls(means, None, left)
        scores = NormalScores(left[np.isfinite(left)])
        return cls(means, scores, scores.of(left))

    def held_out(self, archive: Archive, signals: NDArray[np.intp]) -> tuple[_Numbers, ...]:
        """Return these fields, those of signals that are not among them, and units of these."""
        phases = archive.phases[signals]
        units = self.means.units(phases, new=True)
        left = (archive.values[signals] - self.means.means[phases]) / units
        return self.fields, left if self.scores is None else self.scores.of(left), units


def _extended(means: PhaseMeans, covariance: FieldCovariance) -> PhaseMeans:
    """Return means and deviations at all nodes, taken on as a field of that covariance is."""
    if np.isfinite(means.deviations).all():
        return means
    rows = np.vstack([means.means, np.log(means.deviations)])
    centre = np.nanmean(rows, axis=1, keepdims=True)
    spread = np.nanstd(rows, axis=1, keepdims=True)
    spread[spread == 0] = 1.0
    noisy = dataclasses.replace(covariance, noise=max(covariance.noise, _OF_MEANS))
    rows = centre + spread * filled((rows - centre) / spread, noisy)
    return means._replace(means=rows[:-1], deviations=np.exp(rows[-1]))
