"""What happens around the training loop: schedules, best weights, divergence, progress."""

import math
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.utils import noop
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from tqdm.auto import tqdm

_WARM_UP = 0.05
# Of the paper's scheduler: epochs without a better loss before the rate is halved.
_PLATEAU_PATIENCE = 1000


class WeightedMSELoss(torch.nn.Module):
    """Mean squared error; the target may be a pair of values and row weights of mean 1."""

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor | list[torch.Tensor]
    ) -> torch.Tensor:
        """Return the loss, a scalar."""
        if isinstance(target, torch.Tensor):
            return torch.nn.functional.mse_loss(prediction, target)
        values, weight = target
        return (weight[:, None] * (prediction - values) ** 2).mean()


class WarmupCosine:
    """Factor of the learning rate: a linear rise over 5% of the steps, then half a cosine."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self.n_warm = max(1, round(_WARM_UP * n_steps))

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``, counted from 0."""
        if step < self.n_warm:
            return (step + 1) / self.n_warm
        share = (step - self.n_warm) / max(1, self.n_steps - self.n_warm)
        return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class StopOnDivergence(Callback):
    """Raises as soon as the loss of an epoch is not finite."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Check the loss just recorded."""
        loss = net.history[-1, "train_loss"]
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"training diverged: the loss is {loss} in epoch {len(net.history)}. Lower "
                f"learning_rate, hidden_gain or first_gain, or look for extreme values in X or y."
            )


class RecordRate(Callback):
    """Writes the learning rate at the end of each epoch into the history."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Record it."""
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])


class EpochBar(Callback):
    """A progress bar over epochs that shows the loss."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=self.n_epochs, desc="training", unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Advance it."""
        self.bar_.set_postfix(loss=f"{net.history[-1, 'train_loss']:.3g}", refresh=False)
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close it, and forget it: a bar cannot be pickled."""
        self.bar_.close()
        del self.bar_


def schedule_callback(schedule: str, n_steps: int) -> LRScheduler | None:
    """Return the callback that changes the learning rate, or None for a constant one."""
    if schedule == "cosine":
        return LRScheduler(LambdaLR, lr_lambda=WarmupCosine(n_steps), step_every="batch")
    if schedule == "plateau":
        return LRScheduler(
            ReduceLROnPlateau, monitor="train_loss", factor=0.5, patience=_PLATEAU_PATIENCE
        )
    return None


def keep_best(patience: int, *, validated: bool) -> EarlyStopping:
    """Return the callback that stops without progress, and restores the best weights."""
    return EarlyStopping(
        monitor="valid_loss" if validated else "train_loss",
        patience=patience,
        threshold=0.0,
        sink=noop,
        load_best=True,
    )
