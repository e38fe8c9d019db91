"""What is known of signals after a fit: how far they may be off, and draws of what they may be."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from skginr.smoothing._generalised import SmoothFit, SmoothProblem
from skginr.smoothing._penalised import solve_penalised
from skginr.smoothing._penalty import Penalty

# Of draws, which are looked at as a spread and not for their digits.
_TOLERANCE = 1e-6


def variances(
    problem: SmoothProblem,
    fit: SmoothFit,
    alpha: float,
    signals: NDArray[np.intp],
    nodes: NDArray[np.intp],
    covariates: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return variances of signals at rows, at one strength; infinite where nothing is known.

    Parameters
    ----------
    problem : SmoothProblem
    fit : SmoothFit
        Of these signals at this strength.
    alpha : float
    signals : ndarray of int
    nodes : ndarray of int, shape (n_rows,)
    covariates : ndarray of shape (n_rows, n_covariates)

    Returns
    -------
    ndarray of shape (n_rows, n_signals)
    """
    distinct, of_row = np.unique(nodes, return_inverse=True)
    noise, patterns = problem.noise_variances(fit, signals), problem.patterns[signals]
    found = np.empty((len(nodes), len(signals)))
    for pattern in np.unique(patterns):
        in_noise = problem.node_variances(alpha, distinct, pattern)[of_row]
        in_noise += problem.effect_variances(fit, nodes, covariates, pattern)
        # What nothing is known of, it is not even where there is no noise.
        known = np.isfinite(in_noise)
        for signal in np.flatnonzero(patterns == pattern):
            size = noise[signal]
            found[:, signal] = np.inf
            if np.isfinite(size):
                found[known, signal] = size * in_noise[known]
    return found


def row_variances(
    problem: SmoothProblem,
    fit: SmoothFit,
    alpha: float,
    signals: NDArray[np.intp],
    rows: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return variances of rows of the problem about a fit of some of its rows, noise included."""
    covariates = problem.design[rows, problem.n_intercepts :]
    found = variances(problem, fit, alpha, signals, problem.nodes[rows], covariates)
    return found + problem.noise_variances(fit, signals)


def draw(
    problem: SmoothProblem,
    alpha: float,
    signal: int,
    n_draws: int,
    random: np.random.RandomState,
) -> SmoothFit:
    """Return draws of one signal given its rows, as if they were fits of signals.

    What minimises the sum of squares of a problem whose observations and whose prior have been
    shaken as much as either is uncertain is a draw from the posterior [1]_: one solve, without any
    factor of a covariance. Where nothing was observed draws are NaN.

    Parameters
    ----------
    problem : SmoothProblem
    alpha : float
    signal : int
    n_draws : int
    random : RandomState

    References
    ----------
    .. [1] G. Papandreou and A. Yuille, "Gaussian sampling by local perturbations", NeurIPS 2010.
    """
    pattern = problem.patterns[signal]
    alone = np.array([signal])
    noise = problem.noise_variances(problem.fit(alpha, _TOLERANCE, signals=alone)[0], alone)[0]
    weights = problem.weights[:, [pattern]]
    # Of a row, in the unit of weights.
    size = noise / problem.unit
    spread = np.sqrt(np.divide(size, weights, out=np.zeros_like(weights), where=weights > 0))
    shaken = problem.y[:, [signal]] + spread * random.standard_normal((len(weights), n_draws))
    pull = np.sqrt(size * alpha) * problem.penalty.rough_noise(random, n_draws)
    unknown = problem.unobserved(pattern)
    pull[unknown] = 0.0
    many = dataclasses.replace(
        problem, y=shaken, weights=weights, patterns=np.zeros(n_draws, dtype=np.intp)
    )
    fit = many.fit(alpha, _TOLERANCE, pull=pull)[0]
    fit.signal[unknown] = np.nan
    return fit


def draw_prior(
    penalty: Penalty, alpha: float, n_draws: int, random: np.random.RandomState
) -> NDArray[np.float64]:
    """Return draws of mean 0 and of precision ``alpha Q``, of shape (n_nodes, n_draws)."""
    pull = np.sqrt(alpha) * penalty.rough_noise(random, n_draws)
    nothing = np.zeros((len(pull), 1))
    owners = np.zeros(n_draws, dtype=np.intp)
    return solve_penalised(penalty, alpha, nothing, pull, owners, tolerance=_TOLERANCE)[0]
