"""Every hyper-parameter of the network and its training: what it may be, and what it means."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from skginr._core import check_count, check_flag, check_option, check_real
from skginr.network.training import NO_LIMIT, SCHEDULES, StopRules

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

    def check(self) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless each of them is one that there can be."""
        check_count("hidden_units", self.hidden_units, minimum=1)
        check_count("n_layers", self.n_layers, minimum=2)
        check_option("activation", self.activation, ("sine", "relu"))
        check_real("omega_0", self.omega_0, minimum=0, strict=True)
        # What is solved for can try several, and has no layers to start as those of a SIREN do.
        word = "auto" if self.solves else "siren"
        check_real("first_gain", self.first_gain, minimum=0, strict=True, word=word)
        check_real("hidden_gain", self.hidden_gain, minimum=0, strict=True)
        check_flag("zero_output", self.zero_output)
        check_flag("skip", self.skip)
        check_option("input_scaling", self.input_scaling, ("unit", "given"))
        check_real("learning_rate", self.learning_rate, minimum=0, strict=True)
        check_real("weight_decay", self.weight_decay, minimum=0)
        _check_betas(self.betas)
        check_option("schedule", self.schedule, SCHEDULES)
        check_option("sampling", self.sampling, ("shuffle", "draw"))
        for name, word in (("batch_size", "all"), ("max_epochs", "auto"), ("patience", "off")):
            check_count(name, getattr(self, name), minimum=1, word=word)
        _check_below_one("target_score", self.target_score, minimum=-math.inf)
        _check_below_one("validation", self.validation, minimum=0)
        check_real("max_time", self.max_time, minimum=0, strict=True, word="off")

    @property
    def solves(self) -> bool:
        """Whether the last layer is solved for, in place of a training."""
        return self.last_layer == "solved"

    @property
    def network(self) -> dict[str, Any]:
        """Those that make the network, by name."""
        return {name: getattr(self, name) for name in NETWORK_SETTINGS}

    @property
    def optimizer(self) -> dict[str, Any]:
        """What an optimiser is told beside its rate."""
        first, second = self.betas
        # torch takes no mixture of int and float.
        return {"weight_decay": self.weight_decay, "betas": (float(first), float(second))}

    @property
    def stop_rules(self) -> StopRules:
        """When the training is to stop; what is off is None."""
        given = {
            name: None if (value := getattr(self, name)) == "off" else value
            for name in ("patience", "target_score", "max_time")
        }
        return StopRules(**given, until_converged=self._goes_on_until_converged)

    @property
    def _goes_on_until_converged(self) -> bool:
        return self.max_epochs == "auto" and self.schedule == "anytime"

    def n_epochs(self, steps_per_epoch: int) -> int:
        """Return ``max_epochs``, worked out where it is "auto"."""
        if self.max_epochs != "auto":
            return int(self.max_epochs)
        if self._goes_on_until_converged:
            return NO_LIMIT
        epochs, steps = self.auto_epochs
        return max(epochs, math.ceil(steps / steps_per_epoch))

    def shown(self) -> dict[str, Any]:
        """Return all that a user may give, and ``last_layer``, by name."""
        settings = dataclasses.asdict(self)
        del settings["auto_epochs"]
        return settings


def _check_below_one(name: str, value: Any, *, minimum: float) -> None:
    check_real(name, value, minimum=minimum, strict=True, word="off")
    if value != "off" and value >= 1:
        raise ValueError(f"{name} must be below 1; got {value}.")


def _check_betas(betas: Any) -> None:
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise TypeError(f"betas must be a pair of numbers, such as (0.9, 0.999); got {betas!r}.")
    for beta in betas:
        check_real("betas", beta, minimum=0)
        if beta >= 1:
            raise ValueError(f"betas must be below 1; got {betas}.")
