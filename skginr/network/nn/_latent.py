"""A network of many signals: one code for each, learned with it."""

from typing import Any

import torch
from torch import nn

from skginr.network.nn._siren import SIREN


class LatentSIREN(SIREN):
    """A :class:`SIREN` whose inputs are coordinates and the code of a signal.

    The last column of X is the number of the signal, in the place of which its code is put.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Columns of X, and of the result.
    n_signals, latent_dim : int
        How many codes, and of what length. They start as normal numbers, of unit variance as
        coordinates are.
    **settings
        Of :class:`SIREN`.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, *, n_signals: int, latent_dim: int, **settings: Any
    ) -> None:
        super().__init__(n_inputs - 1 + latent_dim, n_outputs, **settings)
        # Another seed than that of the layers, whose first numbers would be the same.
        generator = torch.Generator().manual_seed(settings["seed"] + 1)
        codes = torch.randn(n_signals, latent_dim, generator=generator, dtype=torch.float64)
        self.codes = nn.Parameter(codes.to(settings["dtype"]))

    def features(self, X: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees of coordinates and signals ``X``."""
        codes = nn.functional.embedding(X[:, -1].long(), self.codes)
        return super().features(torch.cat([X[:, :-1], codes], dim=1))
