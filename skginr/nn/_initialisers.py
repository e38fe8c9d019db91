"""Initial weights of sine and ReLU networks."""

import math

import torch
from torch import nn


def siren_uniform_(
    layer: nn.Linear, *, omega_0: float, first: bool, generator: torch.Generator
) -> None:
    """Fill ``layer`` as SIREN does: so that every sine keeps the distribution of its input.

    Weights are uniform in ±1/n in the first layer and ±sqrt(6/n)/omega_0 in the
    others, n the number of inputs; biases in ±1/sqrt(n).

    References
    ----------
    V. Sitzmann et al., "Implicit Neural Representations with Periodic Activation
    Functions", NeurIPS 2020.
    """
    n = layer.in_features
    bound = 1 / n if first else math.sqrt(6 / n) / omega_0
    _uniform_(layer.weight, bound, generator)
    _uniform_(layer.bias, 1 / math.sqrt(n), generator)


def gain_uniform_(
    layer: nn.Linear,
    *,
    omega_0: float,
    gain: float,
    first: bool,
    periodic: bool,
    generator: torch.Generator,
) -> None:
    """Fill ``layer`` so that its output, times omega_0, has standard deviation ``gain``.

    For inputs of unit variance in the first layer, and for outputs of sines or
    rectifiers in the others. Biases spread the phases of first-layer sines over the
    whole period, and the kinks of first-layer rectifiers over the data.
    """
    n = layer.in_features
    _uniform_(layer.weight, gain * math.sqrt((3 if first else 6) / n) / omega_0, generator)
    if periodic:
        bound = math.pi / omega_0 / (1 if first else math.sqrt(n))
    else:
        bound = gain * math.sqrt(3) if first else 0.0
    _uniform_(layer.bias, bound, generator)


def _uniform_(tensor: torch.Tensor, bound: float, generator: torch.Generator) -> None:
    # Drawn in float64, so that a network is the same in either precision.
    draw = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        tensor.copy_((2 * draw - 1) * bound)
