"""From an archive to what it tells of signals."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skginr._core import Progress, Splits, one_blas_thread
from skginr.fields._archive import Archive
from skginr.fields._choice import (
    Trial,
    choose_covariance,
    choose_remainder,
    deviations_factor,
    draw_trials,
)
from skginr.fields._correlations import Correlations
from skginr.fields._covariance import FieldCovariance, filled
from skginr.fields._elsewhere import means_everywhere
from skginr.fields._phase_means import PhaseMeans
from skginr.fields._signal_model import scores_of
from skginr.graphs import Graph
from skginr.smoothing import NormalScores

_Numbers = NDArray[np.float64]


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
    graph: Graph,
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
    graph : Graph
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
        fold.trials(archive, test, random) for fold, (_, test) in zip(folds, splits, strict=True)
    ]
    every = [trial for of_fold in trials for trial in of_fold]
    rests = options.remainders(np.nan_to_num(whole.fields))
    nothing = np.zeros(archive.values.shape[1])
    with one_blas_thread():
        alone = choose_remainder(every, rests, progress)
        gaps = dataclasses.replace(alone[0], own=nothing)
        for fold, of_fold in zip(folds, trials, strict=True):
            fields = filled(fold.fields, gaps)
            for trial in of_fold:
                trial.archive = fields[:, trial.nodes]
        covariance = choose_covariance(every, alone, options.tapers(), progress)
        factor = deviations_factor(covariance, every)
    fields = filled(whole.fields, gaps)
    covariance = dataclasses.replace(covariance, fields=fields, own=nothing)
    if np.isnan(whole.fields).any():
        covariance = dataclasses.replace(covariance, fields=filled(whole.fields, covariance))
    means = means_everywhere(whole.means, graph, rests)
    return Learned(means, dataclasses.replace(covariance, own=means.off), factor, whole.scores)


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

    def trials(
        self, archive: Archive, signals: NDArray[np.intp], random: np.random.RandomState
    ) -> list[Trial]:
        """Return trials of signals that are not among these."""
        phases = archive.phases[signals]
        units = self.means.units(phases, new=True)
        left = (archive.values[signals] - self.means.means[phases]) / units
        left = left if self.scores is None else scores_of(self.scores, left)
        return list(draw_trials(self.fields, self.means.off, left, units, random))
