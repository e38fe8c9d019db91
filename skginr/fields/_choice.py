"""Which covariance fields of an archive have: the one that foretells signals held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skginr._core import Progress, deviation_factor
from skginr.fields._correlations import Blend, Correlation
from skginr.fields._covariance import Conditioned, FieldCovariance, alike

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

_SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)
_NOISES = (1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3)
# Remainders that each other is blended with, and the weights of these.
_N_BLENDED, _WEIGHTS = 2, (0.3, 0.7)
# How many nodes are told of, of those that are foretold.
_N_TOLD, _N_TARGETS = (10, 40, 160), 120
# Signals of a fold that are foretold; of those with gaps each takes a system of its own.
_N_SIGNALS, _N_WITH_GAPS = 60, 8
# Remainders that are tried with the archive, and rounds in which everything is.
_N_BEST, _N_ROUNDS = 3, 3


@dataclasses.dataclass(eq=False)
class Trial:
    """Signals held out, some nodes of which are told, and some are to be foretold.

    Attributes
    ----------
    nodes : ndarray of int
        Those that are told, and those that are foretold.
    n_told : int
    archive : ndarray of shape (n_signals, n_nodes)
        Fields at these that are not held out.
    own : ndarray of shape (n_nodes,)
        Variance that nodes have for themselves.
    fields : ndarray of shape (n_held_out, n_nodes)
        NaN where not observed.
    units : ndarray of shape (n_held_out, n_nodes)
        Deviations that these are in.
    groups : list of tuple of ndarray
        Signals of which the same are told, and numbers of these.
    """

    nodes: _Indices
    n_told: int
    archive: _Numbers
    own: _Numbers
    fields: _Numbers
    units: _Numbers
    groups: list[tuple[_Indices, _Indices]]
    _seen: dict[int, Among] = dataclasses.field(default_factory=dict)

    def among(self, correlation: Correlation) -> Among:
        """Return a correlation as one of these nodes, by their numbers here."""
        # An id is of one object for as long as there is that object.
        key = id(correlation)
        if isinstance(correlation, Blend):
            first, second = self.among(correlation.first), self.among(correlation.second)
            weight = correlation.weight
            return Among(weight * first.matrix + (1 - weight) * second.matrix, correlation)
        if key not in self._seen:
            matrix = correlation.between(self.nodes, self.nodes)
            self._seen[key] = Among(matrix, correlation)
        return self._seen[key]

    def errors(self, covariance: FieldCovariance) -> tuple[_Numbers, _Numbers]:
        """Return errors of what is foretold and variances of fields there, a row a signal."""
        here = dataclasses.replace(
            covariance,
            fields=self.archive,
            own=self.own,
            taper=self.among(covariance.taper),
            rest=self.among(covariance.rest),
        )
        targets = np.arange(self.n_told, len(self.nodes))
        errors = np.empty((len(self.fields), len(targets)))
        variances = np.empty_like(errors)
        for signals, told in self.groups:
            conditioned = Conditioned.on(here, told, np.ones(len(told)))
            weights = conditioned.weights(self.fields[np.ix_(signals, told)].T)
            mean, variance = conditioned.mean_and_variance(targets, weights)
            errors[signals] = self.fields[np.ix_(signals, targets)] - mean.T
            variances[signals] = variance
        return errors, variances


class Among(NamedTuple):
    """A correlation as a matrix, of few nodes."""

    matrix: _Numbers
    of: Correlation

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return correlations of nodes with others."""
        return self.matrix[np.ix_(first, second)]

    def draws(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return fields drawn at random."""
        raise NotImplementedError


def draw_trials(
    archive: _Numbers,
    own: _Numbers,
    held_out: _Numbers,
    units: _Numbers,
    random: np.random.RandomState,
) -> Iterator[Trial]:
    """Yield trials of one fold, given the arrays of a :class:`Trial` at all nodes."""
    seen = np.flatnonzero(np.isfinite(held_out).any(axis=0))
    gaps = not np.isfinite(held_out[:, seen]).all()
    for n_told in _N_TOLD:
        n_told = min(n_told, len(seen) // 2)
        nodes = random.permutation(seen)[: n_told + _N_TARGETS]
        signals = random.permutation(len(held_out))[: _N_WITH_GAPS if gaps else _N_SIGNALS]
        both = np.ix_(signals, nodes)
        told = list(alike(np.isfinite(held_out[both][:, :n_told])))
        yield Trial(nodes, n_told, archive[:, nodes], own[nodes], held_out[both], units[both], told)


def choose_remainder(
    trials: list[Trial], rests: list[Correlation], progress: Progress
) -> list[FieldCovariance]:
    """Return the covariances that foretell trials best without an archive, the best first."""
    no_archive, no_own = np.zeros((1, 0)), np.zeros(0)
    found = []
    for rest in rests:
        each = [FieldCovariance(no_archive, 0.0, rest, rest, noise, no_own) for noise in _NOISES]
        found.append(min(((_score(one, trials), one) for one in each), key=itemgetter(0)))
        progress.advance()
    found.sort(key=itemgetter(0))
    for _, best in found[:_N_BLENDED]:
        for rest in rests:
            for weight in _WEIGHTS:
                blend = dataclasses.replace(best, rest=Blend(best.rest, rest, weight))
                found.append((_score(blend, trials), blend))
            progress.advance()
    found.sort(key=itemgetter(0))
    return [covariance for _, covariance in found]


def choose_covariance(
    trials: list[Trial], alone: list[FieldCovariance], tapers: list[Correlation], progress: Progress
) -> FieldCovariance:
    """Return the covariance that foretells trials best.

    From the best remainders, share, taper and noise are chosen one after the other.
    """
    found = _score(alone[0], trials), alone[0]
    for start in alone[:_N_BEST]:
        best = np.inf, dataclasses.replace(start, share=0.6, taper=tapers[len(tapers) // 2])
        for _ in range(_N_ROUNDS):
            before = best[0]
            for name, values in (("share", _SHARES), ("taper", tapers), ("noise", _NOISES)):
                for value in values:
                    changed: dict[str, Any] = {name: value}
                    each = dataclasses.replace(best[1], **changed)
                    best = min(best, (_score(each, trials), each), key=itemgetter(0))
                    progress.advance()
            if best[0] >= before:
                break
        found = min(found, best, key=itemgetter(0))
    return found[1]


def deviations_factor(covariance: FieldCovariance, trials: list[Trial]) -> float:
    """Return by which deviations of rows foretold are larger than a covariance says."""
    found = [trial.errors(covariance) for trial in trials]
    errors = np.concatenate([each.ravel() for each, _ in found])
    variances = np.concatenate([each.ravel() for _, each in found]) + covariance.noise
    return deviation_factor(errors, variances, np.ones(len(errors)))


def _score(covariance: FieldCovariance, trials: list[Trial]) -> float:
    """Return the mean continuous ranked probability score of trials, in units of signals."""
    total, count = 0.0, 0
    for trial in trials:
        errors, variances = trial.errors(covariance)
        scores = trial.units[:, trial.n_told :] * normal_crps(
            errors, np.sqrt(variances + covariance.noise)
        )
        total += float(np.nansum(scores))
        count += int(np.isfinite(scores).sum())
    if count == 0:
        raise ValueError(
            "X must have nodes that several signals were observed at: of those that folds hold "
            "out, none has a node that the others have too. Shuffle, cv=KFold(2, shuffle=True), if "
            "nodes changed over time; else there is nothing to learn from."
        )
    return total / count


def normal_crps(errors: _Numbers, std: _Numbers) -> _Numbers:
    """Return the continuous ranked probability score of normal forecasts."""
    std = np.maximum(std, np.finfo(float).tiny)
    z = errors / std
    density = np.exp(-0.5 * z**2) / (2 * np.pi) ** 0.5
    return std * (z * (2 * ndtr(z) - 1) + 2 * density - np.pi**-0.5)
