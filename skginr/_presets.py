"""Named settings of the network and its training, one for each purpose."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Every hyper-parameter of the network and its training, none left open."""

    hidden_units: int
    n_layers: int
    activation: str
    omega_0: float
    first_gain: float | str
    hidden_gain: float
    zero_output: bool
    skip: bool
    learning_rate: float
    weight_decay: float
    schedule: str
    batch_size: int | str
    sampling: str
    max_epochs: int | str
    patience: int | str
    # With max_epochs="auto": no fewer epochs than the first, nor steps than the second.
    auto_epochs: tuple[int, int]

    def n_epochs(self, steps_per_epoch: int) -> int:
        """Return ``max_epochs``, worked out where it is "auto"."""
        if self.max_epochs != "auto":
            return int(self.max_epochs)
        epochs, steps = self.auto_epochs
        return max(epochs, math.ceil(steps / steps_per_epoch))


PRESETS = {
    # Nodes that were not observed: few steps, low frequencies, so that noise is
    # not learned.
    "predict": Settings(
        hidden_units=128,
        n_layers=4,
        activation="sine",
        omega_0=1.0,
        first_gain=1.2,
        hidden_gain=1.0,
        zero_output=True,
        skip=False,
        learning_rate=2e-3,
        weight_decay=0.01,
        schedule="cosine",
        batch_size=256,
        sampling="shuffle",
        max_epochs="auto",
        patience="off",
        auto_epochs=(10, 200),
    ),
    # Every node was observed, and is to be memorised.
    "represent": Settings(
        hidden_units=256,
        n_layers=4,
        activation="sine",
        omega_0=1.0,
        first_gain=4.0,
        hidden_gain=2.0,
        zero_output=True,
        skip=False,
        learning_rate=2e-3,
        weight_decay=0.0,
        schedule="cosine",
        batch_size=2048,
        sampling="shuffle",
        max_epochs="auto",
        patience="off",
        auto_epochs=(50, 900),
    ),
    # Grattarola and Vandergheynst 2022: network, initialisation and training.
    "paper": Settings(
        hidden_units=512,
        n_layers=6,
        activation="sine",
        omega_0=30.0,
        first_gain="siren",
        hidden_gain=1.0,
        zero_output=False,
        skip=True,
        learning_rate=1e-4,
        weight_decay=0.01,
        schedule="plateau",
        batch_size=5000,
        sampling="draw",
        max_epochs="auto",
        patience=5000,
        # The paper sets no limit but patience.
        auto_epochs=(1_000_000, 0),
    ),
}

# Those that make the network; the others train it.
NETWORK_SETTINGS = (
    "hidden_units",
    "n_layers",
    "activation",
    "omega_0",
    "first_gain",
    "hidden_gain",
    "zero_output",
    "skip",
)
