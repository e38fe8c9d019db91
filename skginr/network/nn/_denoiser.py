"""A network on a graph that takes noise off signals."""

from typing import Self

import torch
from torch import nn

# Noise in training: its logarithm is normal about 0, where signals are of unit variance.
_LOG_SPREAD = 1.5
_FREQUENCIES = 4


class Denoiser(nn.Module):
    """What a signal is expected to be, given itself with white noise of any deviation.

    That of a Gaussian field with the signals' spectrum, and what layers add to it. These see of a
    node itself, means of its neighbours and of theirs, and heat that has spread over the graph for
    as long as a channel has learned to wait. All nodes share the weights: what may be somewhere
    may be anywhere.

    Parameters
    ----------
    neighbors : sparse Tensor of shape (n_nodes, n_nodes)
        Takes means over neighbours.
    waves : Tensor of shape (n_nodes, n_waves)
        Orthonormal eigenvectors of a Laplacian.
    eigenvalues : Tensor of shape (n_waves,)
    variances : Tensor of shape (n_waves + 1,)
        Of the coefficients of signals, and last of each that is left.
    n_phases, hidden_units, n_layers : int
    """

    neighbors: torch.Tensor
    waves: torch.Tensor
    eigenvalues: torch.Tensor
    variances: torch.Tensor

    def __init__(
        self,
        neighbors: torch.Tensor,
        waves: torch.Tensor,
        eigenvalues: torch.Tensor,
        variances: torch.Tensor,
        *,
        n_phases: int,
        hidden_units: int,
        n_layers: int,
    ) -> None:
        super().__init__()
        self.n_phases = n_phases
        self.register_buffer("neighbors", neighbors, persistent=False)
        self.register_buffer("waves", waves)
        self.register_buffer("eigenvalues", eigenvalues)
        self.register_buffer("variances", variances)
        self.first = nn.Linear(2, hidden_units)
        self.noise = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES + n_phases, hidden_units),
            nn.SiLU(),
            nn.Linear(hidden_units, 2 * n_layers * hidden_units),
        )
        self.layers = nn.ModuleList(
            nn.Linear(4 * hidden_units, hidden_units) for _ in range(n_layers)
        )
        self.log_times = nn.Parameter(torch.zeros(n_layers, hidden_units))
        self.last = nn.Linear(hidden_units, 1)

    @torch.no_grad()
    def start(self) -> Self:
        """Make it one of Gaussian fields; channels wait for waves to fade, fast ones to slow."""
        fading = -self.eigenvalues[self.eigenvalues > 0].log()
        if len(fading):
            ends = float(fading.min()), float(fading.max())
            self.log_times.copy_(torch.linspace(*ends, self.log_times.shape[1]))
        self.last.weight.zero_()
        self.last.bias.zero_()
        return self

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return how far off it is of signals with noise drawn at random, from 1 downwards.

        Parameters
        ----------
        X : Tensor of shape (n_signals, n_nodes + 1)
            Signals of unit variance, and last the numbers of their phases.

        Returns
        -------
        Tensor of shape (n_signals, 1)
            Root mean squares over nodes, in units of those of a Gaussian field.
        """
        signals, phases = X[:, :-1].T, X[:, -1].long()
        deviations = torch.exp(_LOG_SPREAD * torch.randn(len(X), device=X.device))
        noisy = signals + deviations * torch.randn_like(signals)
        guess, error = self._of_field(noisy, deviations)
        off = self._correction(noisy, guess, deviations, phases) - (signals - guess) / error
        return off.square().mean(dim=0)[:, None].sqrt()

    def denoise(
        self, noisy: torch.Tensor, deviation: torch.Tensor, phases: torch.Tensor
    ) -> torch.Tensor:
        """Return what signals are expected to be, shape (n_nodes, n_signals).

        Parameters
        ----------
        noisy : Tensor of shape (n_nodes, n_signals)
        deviation : Tensor of shape ()
            Of the noise.
        phases : Tensor of int of shape (n_signals,)
        """
        deviations = deviation.expand(len(phases))
        guess, error = self._of_field(noisy, deviations)
        return guess + error * self._correction(noisy, guess, deviations, phases)

    def _of_field(
        self, noisy: torch.Tensor, deviations: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a Gaussian field is expected to be, and by how much that is off."""
        squares = deviations**2
        gains = self.variances[:, None] / (self.variances[:, None] + squares)
        *_, rest = gains
        coefficients = (gains[:-1] - rest) * (self.waves.T @ noisy)
        n_left = len(noisy) - len(self.eigenvalues)
        error = squares * (gains[:-1].sum(dim=0) + n_left * rest) / len(noisy)
        return rest * noisy + self.waves @ coefficients, error.sqrt()

    def _correction(
        self,
        noisy: torch.Tensor,
        guess: torch.Tensor,
        deviations: torch.Tensor,
        phases: torch.Tensor,
    ) -> torch.Tensor:
        shape = (*noisy.shape, self.first.out_features)
        angles = deviations.log()[:, None] * torch.arange(_FREQUENCIES, device=noisy.device) / 4
        told = [angles.cos(), angles.sin(), nn.functional.one_hot(phases, self.n_phases)]
        scales, shifts = (
            self.noise(torch.cat(told, dim=1)).view(len(phases), len(self.layers), 2, -1).unbind(2)
        )
        hidden = self.first(torch.stack([noisy / (1 + deviations**2).sqrt(), guess], dim=-1))
        for i, layer in enumerate(self.layers):
            own = nn.functional.layer_norm(hidden, shape[-1:])
            own = (own * (1 + scales[:, i]) + shifts[:, i]).flatten(1)
            near = self.neighbors @ own
            heat = (self.waves.T @ own).view(-1, *shape[1:])
            heat = heat * torch.exp(-self.eigenvalues[:, None, None] * self.log_times[i].exp())
            parts = [own, near, self.neighbors @ near, self.waves @ heat.flatten(1)]
            seen = torch.cat([part.view(shape) for part in parts], dim=-1)
            hidden = hidden + nn.functional.silu(layer(seen))
        return self.last(hidden)[..., 0]
