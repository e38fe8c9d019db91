"""The network: coordinates in, signal out."""

import math
from typing import cast

import torch
from torch import nn

from skginr.network.nn._initialisers import gain_uniform_, siren_uniform_, spread_waves_


class SIREN(nn.Module):
    """Multilayer perceptron with sine (or ReLU) activations.

    Each hidden layer is sin(omega_0 (W x + b)), or the ReLU of W x + b.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden_units : int
        Width of the hidden layers.
    n_layers : int
        Linear layers in all, first and last included; at least 2.
    activation : {"sine", "relu"}
    omega_0 : float
        Factor inside the sine; 1 leaves it out.
    first_gain : float, "siren" or "auto"
        Standard deviation of the first pre-activations for inputs of unit variance:
        the range of frequencies. "siren" is the initialisation of the SIREN paper,
        in all layers; "auto" is 1, for what is solved for to choose.
    hidden_gain : float
        The same for the other layers; 1 keeps the distribution from layer to layer.
    zero_output : bool
        Whether the last layer starts at zero: training starts from the mean.
    skip : bool
        Whether the input also enters the middle layer (number ceil(n_layers / 2),
        counted from 0).
    input_scaling : {"unit", "given"}
        Whether inputs are multiplied by ``input_scale``, which is 1 until it is set.
    seed : int
        Of the initial weights; the global random state is not touched.
    dtype : torch.dtype

    Examples
    --------
    >>> net = SIREN(2, 1, hidden_units=8, n_layers=3, activation="sine", omega_0=30.0,
    ...             first_gain="siren", hidden_gain=1.0, zero_output=False, skip=False,
    ...             input_scaling="given", seed=0, dtype=torch.float32)
    >>> net(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """

    input_scale: torch.Tensor | None

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        hidden_units: int,
        n_layers: int,
        activation: str,
        omega_0: float,
        first_gain: float | str,
        hidden_gain: float,
        zero_output: bool,
        skip: bool,
        input_scaling: str,
        seed: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.periodic = activation == "sine"
        self.omega_0 = omega_0 if self.periodic else 1.0
        self.skip_at = _skip_at(n_layers) if skip else None
        sizes = _layer_sizes(n_inputs, n_outputs, hidden_units, n_layers, skip=skip)
        # skip_init: the default initialisation would draw from the global state.
        layers = [
            nn.utils.skip_init(nn.Linear, width, out, dtype=dtype)  # type: ignore[no-untyped-call]
            for width, out in sizes
        ]
        generator = torch.Generator().manual_seed(seed)
        for i, layer in enumerate(layers):
            if first_gain == "siren":
                siren_uniform_(layer, omega_0=self.omega_0, first=i == 0, generator=generator)
            else:
                gain_uniform_(
                    layer,
                    omega_0=self.omega_0,
                    # "auto" is 1 until it is chosen.
                    gain=hidden_gain if i else 1.0 if first_gain == "auto" else float(first_gain),
                    first=i == 0,
                    periodic=self.periodic,
                    generator=generator,
                )
        if zero_output:
            nn.init.zeros_(layers[-1].weight)
            nn.init.zeros_(layers[-1].bias)
        self.layers = nn.ModuleList(layers)
        scale = torch.ones(n_inputs, dtype=dtype) if input_scaling == "unit" else None
        self.register_buffer("input_scale", scale)
        self._first_gain, self._seed = first_gain, seed

    def scale_inputs(self, scale: torch.Tensor) -> None:
        """Multiply inputs by these factors from now on, the first of them where there are more."""
        if self.input_scale is not None:
            self.input_scale[: len(scale)] = scale

    def spread_first_layer(self, spread: torch.Tensor) -> None:
        """Draw the first layer for inputs of these standard deviations: waves of many lengths."""
        # Another seed than that of the layers, whose first numbers would be the same.
        generator = torch.Generator().manual_seed(self._seed + 2)
        gain = 1.0 if self._first_gain == "auto" else float(self._first_gain)
        spread_waves_(
            self.first,
            spread,
            omega_0=self.omega_0,
            gain=gain,
            periodic=self.periodic,
            generator=generator,
        )

    @property
    def first(self) -> nn.Linear:
        """The layer that coordinates enter."""
        return cast(nn.Linear, self.layers[0])

    @property
    def last(self) -> nn.Linear:
        """The layer that the signal leaves."""
        return cast(nn.Linear, self.layers[-1])

    @property
    def n_waves(self) -> int:
        """How many of the last layer's inputs are outputs of the one before."""
        enters = self.skip_at == len(self.layers) - 1
        return self.last.in_features - (self.first.in_features if enters else 0)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the signal at coordinates ``X``, shape (n_rows, n_outputs)."""
        return self.last(self.features(X))

    def features(self, X: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees of coordinates ``X``."""
        if self.input_scale is not None:
            X = X * self.input_scale
        hidden = X
        # A slice of a ModuleList would be a new module.
        *inner, _ = self.layers
        for i, layer in enumerate(inner):
            hidden = self._activate(layer(self._with_input(hidden, X, i)))
        return self._with_input(hidden, X, len(inner))

    def _activate(self, hidden: torch.Tensor) -> torch.Tensor:
        if not self.periodic:
            return torch.relu(hidden)
        # Multiplying by 1 would take a tenth of a step.
        return torch.sin(hidden if self.omega_0 == 1 else self.omega_0 * hidden)

    def _with_input(self, hidden: torch.Tensor, X: torch.Tensor, layer: int) -> torch.Tensor:
        return torch.cat([hidden, X], dim=-1) if layer == self.skip_at else hidden


def _skip_at(n_layers: int) -> int:
    return math.ceil(n_layers / 2)


def _layer_sizes(
    n_inputs: int, n_outputs: int, hidden_units: int, n_layers: int, *, skip: bool
) -> list[tuple[int, int]]:
    """Return the inputs and outputs of every layer."""
    widths = [n_inputs] + [hidden_units] * (n_layers - 1)
    if skip:
        widths[_skip_at(n_layers)] += n_inputs
    outputs = [hidden_units] * (n_layers - 1) + [n_outputs]
    return list(zip(widths, outputs, strict=True))


def layer_shapes(
    n_inputs: int,
    n_outputs: int,
    hidden_units: int,
    n_layers: int,
    *,
    skip: bool,
    latent: tuple[int, int] | None = None,
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters of a network, which is not built for it.

    ``latent`` is the number of codes and their length, of a network that has them.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    if latent is not None:
        shapes["codes"] = latent
        n_inputs += latent[1] - 1
    sizes = _layer_sizes(n_inputs, n_outputs, hidden_units, n_layers, skip=skip)
    for i, (width, out) in enumerate(sizes):
        shapes[f"layers.{i}.weight"], shapes[f"layers.{i}.bias"] = (out, width), (out,)
    return shapes
