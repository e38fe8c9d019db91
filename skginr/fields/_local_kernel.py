"""A covariance of signals in space, learned from many, and kriging from the nearest by it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from skginr._core import positive

# Terms of the covariance; of each the logarithm of a length, a shift along normals, the logit of a
# power, a number of half-waves per unit, and the logarithm of a weight. After them logarithms of
# the variance of the mean, and of noise.
_TERMS, _EACH = 2, 5
_START = [0.0, -0.5, 1.0, 0.05, 0.0, 1.0, 0.3, 0.0, 0.02, -1.0, -2.0, -5.0]
_BOUNDS = [(-1.0, 6.0), (-4.0, 4.0), (-3.0, 5.0), (1e-3, 0.7), (-5.0, 5.0)]
_BOUNDS = [*_BOUNDS, *_BOUNDS, (-8.0, 1.0), (-9.0, 1.0)]
# Lengths to start from, in units.
_LENGTHS = (1.5, 3.0, 6.0, 12.0)
_ITERATIONS = 40
# What keeps a parameter that nothing speaks for where it began.
_HOLD = 1e-4
# Rows of kriging at a time.
_AT_ONCE = 4_000


class Pairs(NamedTuple):
    """Points, each with its neighbours, as what their distances are made of.

    Each array has shape (n_points, n_pairs), of the pairs of a point and its neighbours: their
    squared distance, how normals go along with it, and the squared difference of normals.
    """

    apart: NDArray[np.float64]
    along: NDArray[np.float64]
    turned: NDArray[np.float64]


class LocalKernel(NamedTuple):
    """Covariance of a signal of unit variance between two points of a surface or in space.

    A sum of terms ``w exp(-(d / l)^2p) sinc(v d)`` with 0 < p < 1, in which d is the distance of
    the points after both were moved by a shift along their normals: inwards, so that walls of a
    cleft are farther from each other than they look, or outwards. In flat space it is stationary.

    Attributes
    ----------
    theta : ndarray of shape (12,)
        Parameters, as numbers that may take any value.
    """

    theta: NDArray[np.float64]

    @property
    def noise(self) -> float:
        """Variance of an observation about the signal."""
        return float(np.exp(self.theta[-1]))

    def krige(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float64],
        neighbors: tuple[NDArray[np.float64], NDArray[np.float64]],
        values: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the best linear prediction from neighbours, its deviation, and their weights.

        Parameters
        ----------
        points, normals : ndarray of shape (n_points, 3)
        neighbors : pair of ndarray of shape (n_points, n_neighbors, 3)
            Their points and normals.
        values : ndarray of shape (n_points, n_neighbors)
        """
        weights = np.empty(values.shape)
        variance = np.empty(len(values))
        for start in range(0, len(values), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            pairs = pairs_of(points[rows], normals[rows], neighbors[0][rows], neighbors[1][rows])
            among, to = _matrices(covariance(self.theta, pairs), self.theta, values.shape[1])
            weights[rows] = np.linalg.solve(among, to[:, :, None])[:, :, 0]
            variance[rows] = 1 + np.exp(self.theta[-2]) - (weights[rows] * to).sum(axis=1)
        mean = (weights * values).sum(axis=1)
        return mean, np.sqrt(np.maximum(variance, self.noise)), weights


def pairs_of(
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    near: NDArray[np.float64],
    near_normals: NDArray[np.float64],
) -> Pairs:
    """Return the pairs of points and their neighbours: first with the point, then among these."""
    places = np.concatenate([np.zeros((len(points), 1, 3)), near - points[:, None]], axis=1)
    turns = np.concatenate([normals[:, None], near_normals], axis=1)
    first, second = np.triu_indices(places.shape[1], 1)
    moved = places[:, first] - places[:, second]
    turned = turns[:, first] - turns[:, second]
    return Pairs(
        np.maximum((moved**2).sum(axis=2), 1e-12),
        (moved * turned).sum(axis=2),
        (turned**2).sum(axis=2),
    )


def covariance(theta: NDArray[np.float64], pairs: Pairs) -> NDArray[np.float64]:
    """Return covariances of pairs, shape (n_points, n_pairs), the mean's variance left out."""
    terms = theta[: _TERMS * _EACH].reshape(_TERMS, _EACH)
    total = np.zeros(pairs.apart.shape)
    for share, term in zip(_shares(terms), terms, strict=True):
        shape, wave, *_ = _term(term, pairs)
        total += share * shape * wave
    return total


def fit_kernel(
    pairs: Pairs,
    values: NDArray[np.float64],
    truth: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> LocalKernel:
    """Return the covariance by which kriging errs least at points whose values are known.

    Parameters
    ----------
    pairs : Pairs
    values : ndarray of shape (n_points, n_neighbors)
    truth, weights : ndarray of shape (n_points,)
        Values, and how much each squared error counts.
    """
    start = np.array(_START)

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        error, gradient = _loss(theta, pairs, values, truth, weights)
        away = theta - start
        return error + _HOLD * (away**2).sum(), gradient + 2 * _HOLD * away

    begun = []
    for length in _LENGTHS:
        theta = start.copy()
        theta[[0, _EACH]] += np.log(length)
        begun.append((loss(theta)[0], theta))
    start = min(begun, key=lambda pair: pair[0])[1]
    options = {"maxiter": _ITERATIONS}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=_BOUNDS, options=options)
    return LocalKernel(found.x)


def _shares(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.exp(terms[:, 4] - terms[:, 4].max())
    return sizes / sizes.sum()


def _term(term: NDArray[np.float64], pairs: Pairs) -> tuple[NDArray[np.float64], ...]:
    """Return the two factors of a term, and what its derivatives are made of."""
    length, shift, logit, waves, _ = term
    square = np.maximum(pairs.apart + 2 * shift * pairs.along + shift**2 * pairs.turned, 1e-12)
    logs = np.log(square) - 2 * length
    power = 1 / (1 + np.exp(-logit))
    raised = np.exp(power * logs)
    return np.exp(-raised), np.sinc(waves * np.sqrt(square)), square, logs, raised


def _matrices(
    flat: NDArray[np.float64], theta: NDArray[np.float64], n_neighbors: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return covariances among neighbours, and of these with their point."""
    level, noise = np.exp(theta[-2:])
    first, second = np.triu_indices(n_neighbors, 1)
    among = np.empty((len(flat), n_neighbors, n_neighbors))
    among[:, first, second] = among[:, second, first] = flat[:, n_neighbors:] + level
    among[:, range(n_neighbors), range(n_neighbors)] = 1 + level + noise
    return among, flat[:, :n_neighbors] + level


def _loss(
    theta: NDArray[np.float64],
    pairs: Pairs,
    values: NDArray[np.float64],
    truth: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Return the logarithm of the weighted mean of squared errors of kriging, and its gradient."""
    terms = theta[: _TERMS * _EACH].reshape(_TERMS, _EACH)
    shares, parts = _shares(terms), [_term(term, pairs) for term in terms]
    each = [shape * wave for shape, wave, *_ in parts]
    flat = sum(share * one for share, one in zip(shares, each, strict=True))
    n_neighbors = values.shape[1]
    among, to = _matrices(flat, theta, n_neighbors)
    solved = np.linalg.solve(among, np.stack([to, values], axis=2))
    weights, dual = solved[:, :, 0], solved[:, :, 1]
    errors = (weights * values).sum(axis=1) - truth
    total = positive(counts @ errors**2)
    # By a covariance with the point an error changes as the dual says, by one among neighbours as
    # minus weight times dual, both ways round.
    by_error = (2 * counts * errors / total)[:, None]
    first, second = np.triu_indices(n_neighbors, 1)
    crossed = weights[:, first] * dual[:, second] + weights[:, second] * dual[:, first]
    sensitivity = by_error * np.hstack([dual, -crossed])
    diagonal = by_error * weights * dual
    gradient = []
    for term, share, one, part in zip(terms, shares, each, parts, strict=True):
        shape, wave, square, logs, raised = part
        power = 1 / (1 + np.exp(-term[2]))
        weighed = share * sensitivity
        by_raised = weighed * one * raised
        turn = weighed * shape * (np.cos(np.pi * term[3] * np.sqrt(square)) - wave)
        by_square = (turn / 2 - power * by_raised) / square
        gradient += [
            2 * power * by_raised.sum(),
            2 * (by_square * (pairs.along + term[1] * pairs.turned)).sum(),
            -power * (1 - power) * (by_raised * logs).sum(),
            turn.sum() / term[3],
            (weighed * (one - flat)).sum(),
        ]
    level, noise = np.exp(theta[-2:])
    gradient += [level * (sensitivity.sum() - diagonal.sum()), -noise * diagonal.sum()]
    return float(np.log(total / counts.sum())), np.array(gradient)
