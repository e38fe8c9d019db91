"""Means and deviations of signals at nodes where the archive has none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from skginr.fields._correlations import Correlation
from skginr.fields._phase_means import PhaseMeans
from skginr.graphs import Graph

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

_NOISES = (0.01, 0.1, 0.5)
# Nodes by which the way is chosen, and from which it is gone.
_N_CHOOSING, _N_FROM = 400, 3_000
_ROUNDING = 1e-9


def means_everywhere(
    means: PhaseMeans, graph: Graph, correlations: list[Correlation]
) -> PhaseMeans:
    """Return means and deviations at all nodes, and by how much means may be off.

    They go on as a field does (universal kriging): linear in the attributes of the graph, if that
    helps, and a field of one of the correlations, whichever foretells nodes left out best.

    Parameters
    ----------
    means : PhaseMeans
        NaN where there are none.
    graph : Graph
    correlations : list of Correlation
    """
    known = np.isfinite(means.deviations)
    if known.all():
        return means
    random = np.random.RandomState(0)
    nodes = random.permutation(np.flatnonzero(known))[:_N_FROM]
    others = np.flatnonzero(~known)
    rows = np.vstack([means.means, np.log(means.deviations)])
    levels = means.means.mean(axis=0)
    some = nodes[:_N_CHOOSING]
    drifts = [np.ones((graph.n_nodes, 1))]
    if graph.attributes is not None:
        drifts.append(_with_attributes(graph.attributes))
    ways = [
        _Kriging.of(correlation, noise, drift, some)
        for correlation in correlations
        for noise in _NOISES
        for drift in drifts
        if drift.shape[1] < len(some) / 2
    ]
    if not ways:
        return _alike(means, known)
    best = min(ways, key=lambda way: way.misfit(levels[some]))
    kriging = _Kriging.of(best.correlation, best.noise, best.drift, nodes)
    found, variance = kriging.at(others, rows[:, nodes].T)
    rows[:, others] = found.T
    off = means.off.copy()
    # The deviations' row is none of means.
    off[others] = variance[:, :-1].mean(axis=1) / np.exp(rows[-1, others]) ** 2
    return means._replace(means=rows[:-1], deviations=np.exp(rows[-1]), off=off)


def _alike(means: PhaseMeans, known: NDArray[np.bool_]) -> PhaseMeans:
    """Return means that are elsewhere what they are on average, where few nodes have any."""
    level, spread = means.means[:, known].mean(axis=1), means.means[:, known].var()
    deviation = float(means.deviations[known].mean())
    return means._replace(
        means=np.where(known, means.means, level[:, None]),
        deviations=np.where(known, means.deviations, deviation),
        off=np.where(known, means.off, spread / deviation**2),
    )


class _Kriging(NamedTuple):
    """What nodes tell of others: a drift, and a field about it."""

    correlation: Correlation
    nodes: _Indices
    drift: _Numbers
    noise: float
    factor: tuple[_Numbers, bool]
    solved: _Numbers
    inner: _Numbers

    @classmethod
    def of(
        cls, correlation: Correlation, noise: float, drift: _Numbers, nodes: _Indices
    ) -> _Kriging:
        among = correlation.between(nodes, nodes)
        among[np.diag_indices_from(among)] += noise
        factor = cho_factor(among, lower=True)
        solved = cho_solve(factor, drift[nodes])
        inner = np.linalg.inv(drift[nodes].T @ solved)
        return cls(correlation, nodes, drift, noise, factor, solved, inner)

    def misfit(self, values: _Numbers) -> float:
        """Return minus the mean logarithm of the density of nodes left out, and a constant."""
        projected = cho_solve(self.factor, np.eye(len(values)))
        projected -= self.solved @ self.inner @ self.solved.T
        precision = np.maximum(projected.diagonal(), _ROUNDING)
        size = np.mean((projected @ values) ** 2 / precision)
        return float(np.log(max(size, np.finfo(float).tiny)) - np.log(precision).mean())

    def at(self, others: _Indices, values: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return what is expected of columns of values at other nodes, and variances."""
        slopes = self.inner @ (self.solved.T @ values)
        left = values - self.drift[self.nodes] @ slopes
        weights = cho_solve(self.factor, left)
        sizes = (left * weights).sum(axis=0) / max(len(values) - len(slopes), 1)
        across = self.correlation.between(others, self.nodes)
        unexplained = 1 + self.noise - (across * cho_solve(self.factor, across.T).T).sum(axis=1)
        beyond = self.drift[others] - across @ self.solved
        unexplained += ((beyond @ self.inner) * beyond).sum(axis=1)
        expected = self.drift[others] @ slopes + across @ weights
        return expected, np.outer(np.maximum(unexplained, 0), sizes)


def _with_attributes(attributes: pd.DataFrame) -> _Numbers:
    """Return a constant and numeric attributes that are known everywhere and differ, scaled."""
    numbers = attributes.select_dtypes("number").to_numpy(float)
    numbers = numbers[:, np.isfinite(numbers).all(axis=0)]
    numbers = numbers[:, np.ptp(numbers, axis=0) > 0]
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    return np.column_stack([np.ones(len(scaled)), scaled])
