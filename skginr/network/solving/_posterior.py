"""How far a last layer may be off, as far as rows tell: Bayesian linear regression on features."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from skginr._core import deviation_factor
from skginr.network.solving._readout import Readout

# Rows held out that tell how far off predictions are.
_ENOUGH_ROWS = 1 << 12
# Strengths that count less are left out, and directions in which rows make variances smaller by a
# smaller share.
_LEAST_SHARE, _LEAST_TOLD = 1e-4, 1e-6


@dataclass(frozen=True)
class Posterior:
    """The last layer as a normal distribution about what it is, of every output its own.

    Of features times ``prior`` less ``centre``, each weight has the variance ``noise / strength``
    before rows are seen, and in a direction of ``turn`` afterwards ``noise / (square + strength)``.
    It is a mixture over the strengths that count.

    Attributes
    ----------
    prior, centre : ndarray of shape (n_features,)
    turn : ndarray of float32 of shape (n_features, n_turned)
        Orthonormal.
    squares : ndarray of shape (n_turned,)
    products : ndarray of shape (n_turned, n_outputs)
        Of turned features with the target.
    total : float
        Sum of the weights of rows, which tell the intercept.
    strengths : ndarray of shape (n_strengths,)
    shares, noises : ndarray of shape (n_outputs, n_strengths)
        How much each strength counts, and the noise of a row of weight 1 that it means.
    factor : ndarray of shape (n_outputs,)
        By which deviations of the signal are larger than all this says.
    noise_variance : ndarray of shape (n_outputs,)
        Of a row that was seen once.
    """

    prior: NDArray[np.float64]
    centre: NDArray[np.float64]
    turn: NDArray[np.float32]
    squares: NDArray[np.float64]
    products: NDArray[np.float64]
    total: float
    strengths: NDArray[np.float64]
    shares: NDArray[np.float64]
    noises: NDArray[np.float64]
    factor: NDArray[np.float64]
    noise_variance: NDArray[np.float64]

    @classmethod
    def of(cls, readout: Readout) -> Self:
        """Return how far a layer may be off by the rows that it was fitted to, the factor 1."""
        problem, shares = readout.way.problem, readout.shares
        counted = (shares >= _LEAST_SHARE).any(dim=0)
        shares = shares[:, counted] / shares[:, counted].sum(dim=1, keepdim=True)
        strengths, noises = problem.strengths[counted], problem.noises()[:, counted]
        sizes = shares * noises
        # As much is not known of a direction of which rows tell nothing, and of each.
        most = (sizes / strengths).sum(dim=1)
        each = (1 / (problem.squares[:, None] + strengths)) @ sizes.T
        told = (most > (1 + _LEAST_TOLD) * each).any(dim=1)
        arrays = {
            "prior": problem.prior,
            "centre": problem.mean,
            "turn": problem.turn[:, told].float(),
            "squares": problem.squares[told],
            "products": problem.products[told],
            "strengths": strengths,
            "shares": shares,
            "noises": noises,
            "factor": noises.new_ones(len(noises)),
            "noise_variance": (shares * noises).sum(dim=1) * problem.noise_of_one,
        }
        found = {name: array.cpu().numpy() for name, array in arrays.items()}
        return cls(**found, total=float(problem.total))

    @classmethod
    def calibrated(
        cls, readout: Readout, y: torch.Tensor, of_row: torch.Tensor, counts: torch.Tensor
    ) -> Self:
        """Return how far a layer may be off, by rows that were held out from it.

        Parameters
        ----------
        readout : Readout
        y : Tensor of shape (n_given, n_outputs)
            Of rows as they were given.
        of_row : Tensor of int of shape (n_given,)
            Which row of the table is each of them.
        counts : Tensor of shape (n_given,)
            How often each was seen.
        """
        said, way = cls.of(readout), readout.way
        n_rows = min(len(readout.rows), _ENOUGH_ROWS)
        shares = readout.shares
        known = torch.cat(list(way.unknown(n_rows))) @ (shares * way.problem.noises()).T
        missing = torch.cat([part for _, part in way.residuals(n_rows)])
        middle = (missing * shares).sum(dim=2)
        known += (shares * (missing - middle[:, :, None]) ** 2).sum(dim=2)
        some = of_row < n_rows
        row = of_row[some]
        return said.scaled(*said.factors(y[some] - readout.held_out[row], known[row], counts[some]))

    def factors(
        self, residuals: torch.Tensor, variances: torch.Tensor, counts: torch.Tensor
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return by which deviations of the signal, and of the noise, are larger than is known.

        Intervals of rows held out hold as often as they should. Where they are too narrow it is the
        signal that is farther off: the noise is what is left at rows that were fitted.

        Parameters
        ----------
        residuals, variances : Tensor of shape (n_rows, n_outputs)
            Of rows held out, and what is known of the signal there.
        counts : Tensor of shape (n_rows,)
            How often each was seen.
        """
        each, factors = counts.cpu().numpy(), np.ones((2, len(self.noise_variance)))
        for output, noise in enumerate(self.noise_variance):
            off, known = residuals[:, output].cpu().numpy(), variances[:, output].cpu().numpy()
            factor = deviation_factor(off, known + noise, each)
            factors[:, output] = factor
            if factor > 1:
                factors[:, output] = deviation_factor(off, known, each, noise), 1.0
        return factors[0], factors[1]

    def scaled(self, signal: NDArray[np.float64], noise: NDArray[np.float64]) -> Self:
        """Return it with deviations that are larger by factors, of each output."""
        return dataclasses.replace(
            self,
            factor=self.factor * signal,
            noise_variance=self.noise_variance * noise**2,
        )

    def variance(self, features: torch.Tensor) -> torch.Tensor:
        """Return that of outputs at rows of these features: (n_rows, n_outputs)."""
        given, turn = self._centred(features)
        turned = given @ turn
        beside = turned.new_zeros(len(turned))
        if turn.shape[1] < turn.shape[0]:
            # Squared after the difference: it may be rounding beside either.
            beside = ((given - turned @ turn.T) ** 2).sum(dim=1)
        found, coefficients = 0.0, self._coefficients()
        middle = turned @ turned.new_tensor(self._average(coefficients))
        for number, strength in enumerate(self.strengths):
            shrunk = turned.new_tensor(1 / (self.squares + strength))
            unknown = turned**2 @ shrunk + beside / strength + 1 / self.total
            apart = turned @ turned.new_tensor(coefficients[:, :, number]) - middle
            noise = turned.new_tensor(self.noises[:, number])
            share = turned.new_tensor(self.shares[:, number])
            found = found + share * (unknown[:, None] * noise + apart**2)
        return found * turned.new_tensor(self.factor**2)

    def draw(self, n_samples: int, random: np.random.RandomState) -> LayerDraws:
        """Return draws of how far the layer may be off."""
        n_features, n_turned = self.turn.shape
        n_outputs = len(self.shares)
        weights = np.empty((n_features, n_outputs, n_samples))
        biases = np.empty((n_outputs, n_samples))
        turn, coefficients = self.turn.astype(np.float64), self._coefficients()
        middle = self._average(coefficients)
        for output, (shares, noises) in enumerate(zip(self.shares, self.noises, strict=True)):
            drawn = random.choice(len(shares), n_samples, p=shares)
            strengths, sizes = self.strengths[drawn], np.sqrt(noises[drawn])
            biases[output] = sizes / self.total**0.5 * random.standard_normal(n_samples)
            told = random.standard_normal((n_turned, n_samples))
            told *= sizes / np.sqrt(self.squares[:, None] + strengths)
            told += coefficients[:, output][:, drawn] - middle[:, [output]]
            other = random.standard_normal((n_features, n_samples)) * sizes / np.sqrt(strengths)
            weights[:, output] = other + turn @ (told - turn.T @ other)
        factor = self.factor[:, None]
        return LayerDraws(self, factor * weights, factor * biases)

    def _centred(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features as they are expected alike, about their mean, and the turn beside."""
        given = features * features.new_tensor(self.prior) - features.new_tensor(self.centre)
        return given, features.new_tensor(self.turn)

    def _coefficients(self) -> NDArray[np.float64]:
        """Return those of turned features: (n_turned, n_outputs, n_strengths)."""
        return self.products[:, :, None] / (self.squares[:, None] + self.strengths)[:, None]

    def _average(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        return (coefficients * self.shares).sum(axis=2)

    def check_whole(self, n_features: int, n_outputs: int) -> None:
        """Raise unless this is what a fit of such a network finds: it may be of a file."""
        arrays = {name: array for name, array in vars(self).items() if name != "total"}
        for name, array in arrays.items():
            dtype = np.float32 if name == "turn" else np.float64
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                raise TypeError(f"{name} of deviations must be an array of {np.dtype(dtype)}")
        n_turned, n_strengths = self.squares.size, self.strengths.size
        shapes = {
            **dict.fromkeys(("prior", "centre"), (n_features,)),
            **dict.fromkeys(("shares", "noises"), (n_outputs, n_strengths)),
            **dict.fromkeys(("factor", "noise_variance"), (n_outputs,)),
            "turn": (n_features, n_turned),
            "squares": (n_turned,),
            "products": (n_turned, n_outputs),
            "strengths": (n_strengths,),
        }
        for name, array in arrays.items():
            # Of a single row, nothing tells the noise.
            known = ~np.isnan(array) if name in ("noises", "noise_variance") else np.isfinite(array)
            if array.shape != shapes[name] or not known.all():
                raise ValueError(f"{name} of deviations must be numbers of shape {shapes[name]}")
        if type(self.total) is not float or not 0 < self.total < np.inf:
            raise ValueError("deviations must be of some rows")
        least = min(self.squares.min(initial=np.inf), self.strengths.min(initial=np.inf))
        sizes = self.shares, self.noises, self.factor, self.noise_variance
        if not least > 0 or any((array < 0).any() for array in sizes):
            raise ValueError("squares, strengths and sizes of deviations must not be below zero")
        if not np.allclose(self.shares.sum(axis=1), 1):
            raise ValueError("shares of strengths must sum to 1")


@dataclass(frozen=True)
class LayerDraws:
    """Draws of how far a last layer may be off.

    Attributes
    ----------
    posterior : Posterior
        That they are of.
    weights : ndarray of shape (n_features, n_outputs, n_samples)
    biases : ndarray of shape (n_outputs, n_samples)
    """

    posterior: Posterior
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]

    def at(self, features: torch.Tensor) -> torch.Tensor:
        """Return outputs less what is expected of them: (n_rows, n_outputs, n_samples)."""
        given, _ = self.posterior._centred(features)
        weights = given.new_tensor(self.weights)
        return torch.einsum("ij,jok->iok", given, weights) + given.new_tensor(self.biases)
