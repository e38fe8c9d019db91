"""The covariance of the fields of an archive: what they tell, near by, and what they do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from skginr.fields._correlations import Correlation

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Nodes whose covariances with all observed ones are formed at once.
_CHUNK = 2_000
# Of a variance of 1: noise that leaves digits to a factor.
_ROUNDING = 1e-9
# Nodes that gaps of an archive are filled from.
_MOST_TOLD = 3_000


@dataclasses.dataclass(frozen=True, eq=False)
class FieldCovariance:
    """``share`` of the covariance of an archive, tapered with distance, and a remainder.

    Of standardised fields, whose variances are about 1: the remainder has what is missing, and no
    less than its share.

    Attributes
    ----------
    fields : ndarray of shape (n_signals, n_nodes)
        Of the archive.
    share : float
        From 0 to 1.
    taper, rest : Correlation
        Of what the archive tells, and of the remainder.
    noise : float
        Variance of rows about the field.
    own : ndarray of shape (n_nodes,)
        Variance that each node has for itself, beside 1: its mean may be off.
    """

    fields: _Numbers
    share: float
    taper: Correlation
    rest: Correlation
    noise: float
    own: _Numbers

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return covariances of nodes with others, of shape (n_first, n_second)."""
        found = self.rest.between(first, second)
        if self.share > 0:
            found *= self._left(first)[:, None]
            found *= self._left(second)
            told = self.fields[:, first].T @ self.fields[:, second]
            told *= self.share / len(self.fields)
            told *= self.taper.between(first, second)
            found += told
        if self.own.any():
            found += (first[:, None] == second) * self.own[second]
        return found

    def draws(
        self, nodes: _Indices, n_draws: int, random: np.random.RandomState, *, own: bool
    ) -> _Numbers:
        """Return fields drawn at random, of shape (n_nodes, n_draws), with their own or without."""
        distinct, of_node = np.unique(nodes, return_inverse=True)
        fields = self.fields[:, distinct].T
        left, size = self._left(distinct), (self.share / len(self.fields)) ** 0.5
        found = np.empty((len(distinct), n_draws))
        for i in range(n_draws):
            found[:, i] = left * self.rest.draws(distinct, 1, random)[:, 0]
            if self.share > 0:
                # Every field of the archive, its weight changing over the graph.
                weights = self.taper.draws(distinct, fields.shape[1], random)
                found[:, i] += size * np.einsum("ij,ij->i", fields, weights)
        if own:
            found += np.sqrt(self.own[distinct])[:, None] * random.standard_normal(found.shape)
        return found[of_node]

    def variances(self, nodes: _Indices) -> _Numbers:
        """Return variances at nodes."""
        return self._told(nodes) + self._left(nodes) ** 2 + self.own[nodes]

    def _told(self, nodes: _Indices) -> _Numbers:
        """Return the variance that the archive tells."""
        if self.share == 0:
            return np.zeros(len(nodes))
        return self.share * np.mean(self.fields[:, nodes] ** 2, axis=0)

    def _left(self, nodes: _Indices) -> _Numbers:
        """Return the deviations of the remainder."""
        return np.sqrt(np.maximum(1 - self._told(nodes), 1 - self.share))


@dataclasses.dataclass(frozen=True, eq=False)
class Conditioned:
    """A field of which values are known at some nodes.

    Attributes
    ----------
    covariance : FieldCovariance
    nodes : ndarray of shape (n_rows,)
        A node may be there more than once.
    noise : ndarray of shape (n_rows,)
        Variances of rows about the field.
    factor : tuple
        Of the covariance of rows, as of :func:`scipy.linalg.cho_factor`.
    """

    covariance: FieldCovariance
    nodes: _Indices
    noise: _Numbers
    factor: tuple[_Numbers, bool]

    @classmethod
    def on(cls, covariance: FieldCovariance, nodes: _Indices, weights: _Numbers) -> Conditioned:
        """Return it for rows of such nodes, whose noise is divided by weights."""
        noise = np.maximum(covariance.noise / weights, _ROUNDING)
        among = covariance.between(nodes, nodes)
        among[np.diag_indices_from(among)] += noise
        factor = cho_factor(among, lower=True, overwrite_a=True, check_finite=False)
        return cls(covariance, nodes, noise, factor)

    def weights(self, values: _Numbers) -> _Numbers:
        """Return the inverse of the covariance of rows, times values of shape (n_rows, ...)."""
        return cho_solve(self.factor, values, check_finite=False)

    def mean(self, nodes: _Indices, weights: _Numbers) -> _Numbers:
        """Return fields expected at nodes, of the weights of rows."""
        parts = [self.covariance.between(part, self.nodes) @ weights for part in _parts(nodes)]
        return np.concatenate(parts)

    def mean_and_variance(self, nodes: _Indices, weights: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return fields expected at nodes, and their variances."""
        means, variances = [], []
        for part in _parts(nodes):
            across = self.covariance.between(part, self.nodes)
            means.append(across @ weights)
            explained = solve_triangular(
                self.factor[0], across.T, lower=True, overwrite_b=True, check_finite=False
            )
            left = self.covariance.variances(part) - (explained**2).sum(axis=0)
            variances.append(np.maximum(left, 0))
        return np.concatenate(means), np.concatenate(variances)

    def deviations(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return how a field may be off from what is expected of it, shape (n_nodes, n_draws).

        A draw of the field as it may be anywhere, less what would be expected of that.
        """
        both = np.concatenate([self.nodes, nodes])
        anyhow = self.covariance.draws(both, n_draws, random, own=True)
        seen, wanted = anyhow[: len(self.nodes)], anyhow[len(self.nodes) :]
        seen = seen + np.sqrt(self.noise)[:, None] * random.standard_normal(seen.shape)
        return wanted - self.mean(nodes, self.weights(seen))


def _parts(nodes: _Indices) -> list[_Indices]:
    return [nodes[start : start + _CHUNK] for start in range(0, max(len(nodes), 1), _CHUNK)]


def alike(known: NDArray[np.bool_]) -> Iterator[tuple[_Indices, _Indices]]:
    """Yield numbers of rows that are alike, and of columns that are True in these."""
    patterns, of_row = np.unique(known, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        yield np.flatnonzero(of_row.ravel() == i), np.flatnonzero(pattern)


def filled(fields: _Numbers, covariance: FieldCovariance) -> _Numbers:
    """Return fields of shape (n_signals, n_nodes) with what is expected where they are NaN."""
    found = fields.copy()
    for signals, nodes in alike(np.isfinite(fields)):
        gaps = np.setdiff1d(np.arange(fields.shape[1]), nodes)
        if len(gaps) == 0:
            continue
        if len(nodes) == 0:
            found[signals] = 0.0
            continue
        if len(nodes) > _MOST_TOLD:
            nodes = np.random.RandomState(0).permutation(nodes)[:_MOST_TOLD]
        conditioned = Conditioned.on(covariance, nodes, np.ones(len(nodes)))
        weights = conditioned.weights(fields[np.ix_(signals, nodes)].T)
        found[np.ix_(signals, gaps)] = conditioned.mean(gaps, weights).T
    return found
