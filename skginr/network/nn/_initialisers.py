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


def spread_waves_(
    layer: nn.Linear,
    spread: torch.Tensor,
    *,
    omega_0: float,
    gain: float,
    periodic: bool,
    generator: torch.Generator,
) -> None:
    """Fill the first layer with waves of several lengths, for inputs of unequal spread.

    A quarter of the units each has outputs, times omega_0, of standard deviation ``gain`` or half
    of it, of inputs as they are or once more times their spread, the largest being 1, so that
    narrow inputs count less. Directions are orthogonal; every wave comes as a sine and a cosine.

    Parameters
    ----------
    layer : Linear
    spread : Tensor of shape (n_inputs,)
        Standard deviation of each input. One that does not vary has no weight.

    References
    ----------
    A. Rahimi and B. Recht, "Random features for large-scale kernel machines", NeurIPS 2007.
    F. Yu et al., "Orthogonal random features", NeurIPS 2016.
    """
    n_units, n_inputs = layer.weight.shape
    n_waves = -(-n_units // 2) if periodic else n_units
    spread = spread.detach().to("cpu", torch.float64)
    largest = spread.max().clamp_min(torch.finfo(torch.float64).tiny)
    varies = (spread > 0).double()
    weights = _orthogonal(n_waves, n_inputs, generator)
    for power in (0, 1):
        # Inputs times this have as much spread in all as one of spread 1.
        scale = varies * (spread / largest) ** power
        scale = scale / (scale * spread).norm().clamp_min(torch.finfo(torch.float64).tiny)
        weights[power::4] *= 0.5 * gain * scale
        weights[power + 2 :: 4] *= gain * scale
    phases = torch.rand(n_waves, generator=generator, dtype=torch.float64)
    if periodic:
        phases = math.pi * (2 * phases - 1)
        weights = torch.cat([weights, weights])[:n_units]
        phases = torch.cat([phases, phases + math.pi / 2])[:n_units]
    else:
        phases = gain * math.sqrt(3) * (2 * phases - 1)
    with torch.no_grad():
        layer.weight.copy_(weights / omega_0)
        layer.bias.copy_(phases / omega_0)


def _orthogonal(n_rows: int, width: int, generator: torch.Generator) -> torch.Tensor:
    """Return rows with the lengths of normal vectors, orthogonal within blocks of ``width``."""
    blocks = []
    for start in range(0, n_rows, width):
        shape = width, min(width, n_rows - start)
        directions, _ = torch.linalg.qr(
            torch.randn(shape, generator=generator, dtype=torch.float64)
        )
        lengths = torch.randn(shape, generator=generator, dtype=torch.float64).norm(dim=0)
        blocks.append((directions * lengths).T)
    return torch.cat(blocks)


def _uniform_(tensor: torch.Tensor, bound: float, generator: torch.Generator) -> None:
    # Drawn in float64, so that a network is the same in either precision.
    draw = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        tensor.copy_((2 * draw - 1) * bound)
