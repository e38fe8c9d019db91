"""One signal's Gaussian process: what the rows that know it say of others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel

from skginr._core import Splits, drawn
from skginr.smoothing._likelihood import (
    JITTER,
    Rows,
    distinct_rows,
    fitted_process,
    inverse_of_factored,
)
from skginr.smoothing._node_predictor import centre_and_spread
from skginr.smoothing._normal_scores import NormalScores

# Of a sum of weights, that is more than rounding.
_LEAST = 1e-12
# A scaling that changes nothing.
_AS_IT_IS = np.zeros(1), np.ones(1)


class Observations(NamedTuple):
    """What is known of one signal.

    Attributes
    ----------
    table : ndarray of shape (n_rows, 1 + n_covariates)
        Nodes, and covariates scaled by those of rows that count.
    scaling : tuple of ndarray of shape (n_covariates,)
        Their means and standard deviations.
    y : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,)
        0 where y is not known.
    ranked : bool
        Whether normal scores stand in the place of y.
    """

    table: NDArray[np.float64]
    scaling: tuple[NDArray[np.float64], NDArray[np.float64]]
    y: NDArray[np.float64]
    weights: NDArray[np.float64]
    ranked: bool

    @classmethod
    def of(
        cls,
        table: NDArray[np.float64],
        y: NDArray[np.float64],
        weights: NDArray[np.float64],
        *,
        ranked: bool,
    ) -> Observations:
        """Return observations of a table as it is given, NaN in y where nothing is known."""
        weights = np.where(np.isnan(y), 0.0, weights)
        if not weights.any():
            raise ValueError(
                "sample_weight must be positive for some row in which a signal is known; all are "
                "zero for one signal of y. Leave it out."
            )
        used = weights > 0
        scaling = centre_and_spread(table[used, 1:], weights[used])
        return cls(scaled(table, scaling), scaling, np.where(used, y, 0.0), weights, ranked)

    def some(self, chosen: NDArray[np.intp]) -> Observations:
        """Return some of them, covariates scaled as they are."""
        return self._replace(
            table=self.table[chosen],
            scaling=_AS_IT_IS,
            y=self.y[chosen],
            weights=self.weights[chosen],
        )

    def scores(self) -> NormalScores | None:
        """Return the way from y to what a process is of, and back."""
        used = self.weights > 0
        return NormalScores(self.y[used], self.weights[used]) if self.ranked else None

    def rows(self) -> Rows:
        """Return what differs among the rows that count."""
        used, scores = self.weights > 0, self.scores()
        y = self.y[used] if scores is None else scores.of(self.y[used])
        return distinct_rows(self.table[used], y, self.weights[used])


class SignalProcess(NamedTuple):
    """A process that is conditioned on observations.

    Attributes
    ----------
    process : GaussianProcessRegressor
        Of the signal, or of its normal scores.
    scores : NormalScores or None
    scaling : tuple of ndarray of shape (n_covariates,)
        Means and standard deviations of covariates.
    known : Observations or None
        None from a file of an earlier version.
    """

    process: GaussianProcessRegressor
    scores: NormalScores | None
    scaling: tuple[NDArray[np.float64], NDArray[np.float64]]
    known: Observations | None

    @classmethod
    def conditioned(cls, kernel: Kernel, known: Observations, rows: Rows) -> SignalProcess:
        """Return the process of a covariance, given observations, which differ in ``rows``."""
        process, _ = fitted_process(kernel, rows, climb=False)
        for part in process.kernel_.get_params().values():
            if hasattr(part, "forget"):
                part.forget()
        return cls(process, known.scores(), known.scaling, known)

    def predict(
        self, table: NDArray[np.float64], *, std: bool, with_noise: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return means at rows of a table, and with ``std`` deviations of the signal or of rows."""
        rows = scaled(table, self.scaling)
        if not std and self.scores is None:
            return self.process.predict(rows), None
        mean, of_rows = self.process.predict(rows, return_std=True)
        noise = self._noise()
        latent = np.sqrt(np.maximum(of_rows**2 - noise, 0))
        # Means are the same, and those of rows are found sooner.
        if self.scores is None:
            latent = np.hypot(latent, self._level(rows))
        return self._in_y(mean, latent, noise, with_noise or not std)

    def _level(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far off values are for not knowing the mean of all, one standard error of it.

        Scores have the mean that they have.
        """
        process, kernel = self.process, self.process.kernel_.k1
        ones = np.ones(len(process.X_train_))
        weights = cho_solve((process.L_, True), ones)
        left = 1 - kernel(rows, process.X_train_) @ weights
        return float(process._y_train_std) * left / max(weights.sum(), _LEAST) ** 0.5

    def noise_variance(self, rows: Rows) -> float:
        """Return the variance of a row about the signal: of scores, that of the mean over rows."""
        noise = self._noise()
        if self.scores is None:
            return noise
        expected = self.process.predict(rows.X)
        _, std = self.scores.expected(expected, np.full(len(expected), noise**0.5))
        return float(np.average(std**2, weights=rows.counts))

    def sample(
        self,
        table: NDArray[np.float64],
        of_row: NDArray[np.intp],
        n_samples: int,
        random_state: np.random.RandomState,
        *,
        with_noise: bool,
    ) -> NDArray[np.float64]:
        """Return draws of shape (n_rows, n_samples), given the distinct row that each is."""
        mean, covariance = self.process.predict(scaled(table, self.scaling), return_cov=True)
        noise = self._noise()
        covariance[np.diag_indices_from(covariance)] -= noise
        prior = self.process.kernel_.k1.diag(self.process.X_train_).max()
        jitter = JITTER * float(prior * self.process._y_train_std**2)
        draws = mean[:, None] + drawn(covariance, jitter, n_samples, random_state)
        if self.scores is None:
            level = self._level(scaled(table, self.scaling))
            draws += np.outer(level, random_state.standard_normal(n_samples))
        draws = draws[of_row]
        if with_noise:
            draws += noise**0.5 * random_state.standard_normal(draws.shape)
        if self.scores is None:
            return draws
        way_back = self.scores if with_noise else self.scores.averaged(noise**0.5)
        return way_back.at(draws)

    def held_out(
        self, parts: list[Splits]
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return what rows are expected to be by the folds without them, and deviations."""
        known, kernel = self.observations(), self.process.kernel_
        used = np.flatnonzero(known.weights)
        precision = None
        if len(used) == len(self.process.X_train_):
            # From the order of distinct rows to that of the table.
            _, place = np.unique(known.table[used], axis=0, return_inverse=True)
            precision = inverse_of_factored(self.process.L_)[np.ix_(place.ravel(), place.ravel())]
        found = []
        for splits in parts:
            mean, std = np.full((2, len(known.y)), np.nan)
            for train, test in splits:
                again = known.some(train)
                if not again.weights.any():
                    raise ValueError(
                        "splits must train on some row that counts and in which y is known; one "
                        "trains on none."
                    )
                rest = np.delete(np.arange(len(known.y)), test)
                if precision is None or not (
                    known.weights[test].all() and np.array_equal(np.sort(train), rest)
                ):
                    fitted = SignalProcess.conditioned(kernel, again, again.rows())
                    one = fitted.predict(known.table[test], std=True, with_noise=True)
                else:
                    one = self._by_inverse(precision, np.searchsorted(used, test), used)
                mean[test], std[test] = one
            found.append((mean, std))
        return found

    def _by_inverse(
        self, precision: NDArray[np.float64], test: NDArray[np.intp], used: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return what all other rows say of some, by the inverse of the covariance of all.

        The block of the inverse that belongs to some rows is the inverse of their covariance given
        the others.

        Parameters
        ----------
        precision : ndarray of shape (n_used, n_used)
            In variances of the signal.
        test : ndarray of int
            Places in ``used``.
        used : ndarray of int of shape (n_used,)
            Rows of the table that count, no two alike.
        """
        known = self.observations()
        train = np.delete(np.arange(len(used)), test)
        seen = known.some(used[train])
        scores = seen.scores()
        signal = seen.y if scores is None else scores.of(seen.y)
        centre, spread = signal.mean(), signal.std() or 1.0
        block, toward = precision[np.ix_(test, test)], precision[np.ix_(test, train)]
        given, sums = np.linalg.inv(block), toward.sum(axis=1)
        # As in `_level`, of the rows that are left.
        weight = precision.sum() - 2 * sums.sum() - block.sum() - sums @ given @ sums
        level = spread * (1 + given @ sums) / max(weight, _LEAST) ** 0.5
        mean = centre - given @ (toward @ (signal - centre))
        noise = self.process.kernel_.k2.noise_level
        latent = given.diagonal() - noise / known.weights[used[test]] - JITTER
        std = spread * np.sqrt(np.maximum(latent, 0))
        if scores is None:
            std = np.hypot(std, level)
        return self._replace(scores=scores)._in_y(mean, std, spread**2 * noise, True)

    def _in_y(
        self,
        mean: NDArray[np.float64],
        std: NDArray[np.float64],
        noise: float,
        with_noise: bool,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and deviation of y, given those of the signal that the process is of."""
        of_rows = np.sqrt(std**2 + noise)
        if self.scores is None:
            return mean, of_rows if with_noise else std
        mean_of_y, of_rows = self.scores.expected(mean, of_rows)
        if with_noise:
            return mean_of_y, of_rows
        return mean_of_y, self.scores.averaged(noise**0.5).expected(mean, std)[1]

    def _noise(self) -> float:
        """Return the variance of the noise of what the process is of."""
        return float(self.process.kernel_.k2.noise_level * self.process._y_train_std**2)

    def observations(self) -> Observations:
        """Return what is known, or raise if a file does not tell."""
        if self.known is None:
            raise ValueError(
                "this process is from a file of an earlier version: fit it again first."
            )
        return self.known


def scaled(
    table: NDArray[np.float64], scaling: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return nodes, and covariates about 0 and of one size: their own sizes mean nothing."""
    centre, spread = scaling
    return np.column_stack([table[:, 0], (table[:, 1:] - centre) / spread])
