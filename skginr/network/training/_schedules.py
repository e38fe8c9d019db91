"""How the learning rate goes over a training."""

import math
from typing import Protocol

from skorch import NeuralNet
from skorch.callbacks import Callback

# Steps, or share of the steps, in which the rate rises.
_WARM_UP_STEPS = 25
_WARM_UP = 0.05
# Of the schedule without a horizon: steps after which the rate is a quarter, and as a power of
# what it falls. Faster, and weights freeze before they are right; slower, and they are not quiet.
_FALL_STEPS = 100
_FALL_POWER = 2
# Of the paper's scheduler, torch's ReduceLROnPlateau: epochs without a better loss before the
# rate is halved, and how much better counts.
_PLATEAU_PATIENCE = 1000
_PLATEAU_THRESHOLD = 1e-4

SCHEDULES = ("anytime", "cosine", "plateau", "constant")


class Factor(Protocol):
    """The learning rate at a step, as a multiple of the one given."""

    def __call__(self, step: int, epoch_losses: list[float]) -> float:
        """Return it at ``step``, counted from 0, after epochs with these losses."""
        ...


class Constant:
    """No change."""

    def __call__(self, step: int, epoch_losses: list[float]) -> float:
        """Return 1."""
        return 1.0


class Anytime:
    """A short rise, then a fall as a power of the steps so far: it needs no last step."""

    def __call__(self, step: int, epoch_losses: list[float]) -> float:
        """Return the factor."""
        return min(1.0, (step + 1) / _WARM_UP_STEPS) / (1 + step / _FALL_STEPS) ** _FALL_POWER


class WarmupCosine:
    """A linear rise over 5% of the steps, then half a cosine."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self.n_warm = max(1, round(_WARM_UP * n_steps))

    def __call__(self, step: int, epoch_losses: list[float]) -> float:
        """Return the factor."""
        if step < self.n_warm:
            return (step + 1) / self.n_warm
        share = (step - self.n_warm) / max(1, self.n_steps - self.n_warm)
        return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class HalveOnPlateau:
    """Half as much, whenever the loss has not got better for 1000 epochs."""

    def __init__(self) -> None:
        self._factor, self._best, self._misses, self._n_seen = 1.0, math.inf, 0, 0

    def __call__(self, step: int, epoch_losses: list[float]) -> float:
        """Return the factor."""
        for loss in epoch_losses[self._n_seen :]:
            better = loss < self._best * (1 - _PLATEAU_THRESHOLD)
            self._best, self._misses = (loss, 0) if better else (self._best, self._misses + 1)
            if self._misses > _PLATEAU_PATIENCE:
                self._factor, self._misses = self._factor / 2, 0
        self._n_seen = len(epoch_losses)
        return self._factor


def factor_of(schedule: str, n_steps: int) -> Factor:
    """Return what the name of a schedule stands for, over ``n_steps``."""
    if schedule == "anytime":
        return Anytime()
    if schedule == "cosine":
        return WarmupCosine(n_steps)
    return HalveOnPlateau() if schedule == "plateau" else Constant()


class Schedule(Callback):
    """Sets the learning rate before every step, and records it after every epoch."""

    def __init__(self, factor: Factor) -> None:
        self.factor = factor
        #: Lowered where a training diverged.
        self.scale = 1.0

    def on_train_begin(self, net: NeuralNet, **kwargs: object) -> None:
        """Remember the rate given."""
        self.rates_ = [group["lr"] for group in net.optimizer_.param_groups]
        self.step_ = 0
        self.losses_: list[float] = []

    def on_batch_begin(self, net: NeuralNet, training: bool, **kwargs: object) -> None:
        """Set the rate of the step to come."""
        if training:
            factor = self.scale * self.factor(self.step_, self.losses_)
            for group, rate in zip(net.optimizer_.param_groups, self.rates_, strict=True):
                group["lr"] = rate * factor
            self.step_ += 1

    def on_epoch_end(self, net: NeuralNet, **kwargs: object) -> None:
        """Record the rate of the last step."""
        self.losses_.append(net.history[-1, "train_loss"])
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])
