"""Named settings of the network and its training, one for each purpose."""

import math
from dataclasses import dataclass

#: Epochs that no training reaches.
NO_LIMIT = 1_000_000


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
    input_scaling: str
    last_layer: str
    learning_rate: float
    weight_decay: float
    betas: tuple[float, float]
    schedule: str
    batch_size: int | str
    sampling: str
    max_epochs: int | str
    patience: int | str
    target_score: float | str
    max_time: float | str
    validation: float | str
    # With max_epochs="auto": no fewer epochs than the first, nor steps than the second.
    # Without meaning for the schedule "anytime", which goes on until converged.
    auto_epochs: tuple[int, int]

    @property
    def goes_on_until_converged(self) -> bool:
        """Whether no number of epochs ends the training."""
        return self.max_epochs == "auto" and self.schedule == "anytime"

    def n_epochs(self, steps_per_epoch: int) -> int:
        """Return ``max_epochs``, worked out where it is "auto"."""
        if self.max_epochs != "auto":
            return int(self.max_epochs)
        if self.goes_on_until_converged:
            return NO_LIMIT
        epochs, steps = self.auto_epochs
        return max(epochs, math.ceil(steps / steps_per_epoch))


PRESETS = {
    # Nodes that were not observed: waves of many lengths beside the coordinates themselves, and a
    # last layer that is solved for.
    "predict": Settings(
        hidden_units=1024,
        n_layers=2,
        activation="sine",
        omega_0=1.0,
        first_gain="auto",
        hidden_gain=1.0,
        zero_output=True,
        skip=True,
        input_scaling="given",
        last_layer="solved",
        learning_rate=3e-3,
        weight_decay=0.0,
        betas=(0.9, 0.999),
        schedule="constant",
        batch_size=256,
        sampling="shuffle",
        max_epochs="auto",
        patience="off",
        target_score="off",
        max_time="off",
        validation="off",
        auto_epochs=(1, 0),
    ),
    # The same by descent: few steps, low frequencies, so that noise is not learned.
    "train": Settings(
        hidden_units=128,
        n_layers=4,
        activation="sine",
        omega_0=1.0,
        first_gain=1.2,
        hidden_gain=1.0,
        zero_output=True,
        skip=False,
        input_scaling="unit",
        last_layer="trained",
        learning_rate=2e-3,
        weight_decay=0.01,
        betas=(0.9, 0.999),
        schedule="cosine",
        batch_size=256,
        sampling="shuffle",
        max_epochs="auto",
        patience="off",
        target_score="off",
        max_time="off",
        validation="off",
        auto_epochs=(10, 200),
    ),
    # Every node was observed, and is to be memorised.
    "represent": Settings(
        hidden_units=256,
        n_layers=4,
        activation="sine",
        omega_0=1.0,
        first_gain=6.0,
        hidden_gain=2.0,
        zero_output=True,
        skip=False,
        input_scaling="unit",
        last_layer="trained",
        learning_rate=4e-3,
        weight_decay=0.0,
        betas=(0.8, 0.97),
        schedule="anytime",
        batch_size=2048,
        sampling="shuffle",
        max_epochs="auto",
        patience="off",
        target_score=0.9999,
        max_time="off",
        validation="off",
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
        input_scaling="unit",
        last_layer="trained",
        learning_rate=1e-4,
        weight_decay=0.01,
        betas=(0.9, 0.999),
        schedule="plateau",
        batch_size=5000,
        sampling="draw",
        max_epochs="auto",
        patience=5000,
        target_score="off",
        max_time="off",
        validation="off",
        # The paper sets no limit but patience.
        auto_epochs=(NO_LIMIT, 0),
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
    "input_scaling",
)
# How a training by descent goes, which a layer that is solved for knows nothing of.
DESCENT_SETTINGS = ("schedule", "max_epochs", "patience", "target_score", "max_time")
