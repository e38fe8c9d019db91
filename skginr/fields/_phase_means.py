"""What signals of one phase have in common, and by how much they differ from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.float64]

# Rounds in which levels of nodes and of phases are told apart, where there are gaps.
_N_ROUNDS = 20
# Signals that a node is in for its level and deviation to be its own.
_FEW = 4
# As many signals' worth is the deviation of a node drawn to that of all.
_PRIOR = 2.0
# Deviation of signals that do not differ, in that of all values.
_LEAST = 1e-6


class PhaseMeans(NamedTuple):
    """A mean for every phase at every node, and deviations about it.

    Attributes
    ----------
    means : ndarray of shape (n_phases, n_nodes)
    deviations : ndarray of shape (n_nodes,)
        Of signals about these; NaN at nodes that hardly any signal observed, as means are.
    sizes : ndarray of shape (n_phases,)
        How large deviations are in each phase, in those of all.
    of_new : ndarray of shape (n_phases,)
        How large those of further signals are beside: means are off, and follow those of ``fit``.
    off : ndarray of shape (n_nodes,)
        Variance of means at a node beyond that, for signals that were not observed there, in
        squared deviations.
    """

    means: _Numbers
    deviations: _Numbers
    sizes: _Numbers
    of_new: _Numbers
    off: _Numbers

    @classmethod
    def of(cls, values: _Numbers, phases: NDArray[np.intp], n_phases: int) -> PhaseMeans:
        """Return those of an archive of shape (n_signals, n_nodes), NaN where not observed.

        The mean of a phase is that of its signals, drawn to the level of the node and the change
        common to all nodes, by as much as it may be off.
        """
        known = np.isfinite(values)
        n_known = known.sum(axis=0)
        own = n_known >= _FEW if (n_known >= _FEW).any() else n_known > 0
        groups = [phases == phase for phase in range(n_phases)]
        counts = np.array([known[group].sum(axis=0) for group in groups])
        levels, changes = _levels(values, groups, n_known)
        left = values - levels - changes[phases, None]
        means = np.array([np.nansum(left[group], axis=0) for group in groups])
        means /= counts.clip(1)
        # Signals about the mean of their phase, and such means about what is common.
        seen = counts[:, own]
        within = float(np.nansum((left - means[phases])[:, own] ** 2))
        degrees = int((seen - 1).clip(0).sum())
        within /= max(degrees, 1)
        ratio = float((means[:, own][seen > 0] ** 2).mean() - within * (1 / seen[seen > 0]).mean())
        ratio = max(ratio, 0.0) / within if within > 0 else (np.inf if degrees else 0.0)
        share = ratio * counts / (ratio * counts + 1) if np.isfinite(ratio) else 1.0 * (counts > 0)
        means = levels + changes[:, None] + share * means
        about = values - means[phases]
        # Signals have drawn the level and means towards themselves.
        drawn = (1 + share.sum(axis=0)) / n_known.clip(1)
        squares = np.nansum(about**2, axis=0) / (1 - drawn.clip(0, 0.5))
        typical = float(squares[own].sum() / n_known[own].sum())
        # Of signals that are all alike, so that what differs from these is far off, and finite.
        typical = max(typical, _LEAST**2 * float(np.nanvar(values))) or 1.0
        deviations = np.sqrt((squares + _PRIOR * typical) / (n_known + _PRIOR))
        means[:, ~own], deviations[~own] = np.nan, np.nan
        prior = _PRIOR * own.sum()
        ratios = [np.nansum((about[group] / deviations) ** 2) for group in groups]
        sizes = np.sqrt((np.array(ratios) + prior) / (seen.sum(axis=1) + prior))
        own_error = np.where(counts > 0, share / counts.clip(1), min(ratio, 1.0))
        own_error += 1 / n_known.clip(1)
        common = np.median(own_error[:, own], axis=1)
        off = np.maximum(own_error - common[:, None], 0).mean(axis=0)
        return cls(means, deviations, sizes, np.sqrt(1 + common), off)

    def units(self, phases: NDArray[np.intp], *, new: bool) -> _Numbers:
        """Return deviations of shape (n_signals, n_nodes), of signals of ``fit`` or of new ones."""
        sizes = self.sizes * self.of_new if new else self.sizes
        return sizes[phases, None] * self.deviations


def _levels(
    values: _Numbers, groups: list[NDArray[np.bool_]], n_known: NDArray[np.intp]
) -> tuple[_Numbers, _Numbers]:
    """Return a level for every node and a change for every phase, whose sum is nearest to values.

    Phases without a signal are as the mean.
    """
    changes = np.zeros(len(groups))
    of_signal = np.zeros(len(values))
    complete = bool((n_known == len(values)).all())
    for _ in range(1 if complete else _N_ROUNDS):
        levels = np.nansum(values - of_signal[:, None], axis=0) / n_known.clip(1)
        left = values - levels
        for phase, group in enumerate(groups):
            n_values = np.isfinite(left[group]).sum()
            changes[phase] = np.nansum(left[group]) / max(n_values, 1)
            of_signal[group] = changes[phase]
    return levels, changes
