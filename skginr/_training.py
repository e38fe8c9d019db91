"""What happens around the training loop: schedules, best weights, divergence, progress."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet, NeuralNetRegressor
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from skginr._batches import TensorBatches, TensorTable

# Rows that go through the network at once where no gradient is needed.
EVALUATION_ROWS = 1 << 16

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


class Net(NeuralNetRegressor):
    """skorch's regressor, which also tells a callback's wish to stop from the user's.

    skorch ends training quietly at any KeyboardInterrupt. That is how callbacks stop it,
    but Ctrl-C is meant for the program: a cross-validation should not go on.
    """

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks, and remember if one of them stops the training."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            self.stop_requested_ = True
            raise


class StopOnDivergence(Callback):
    """Raises as soon as the loss of an epoch is not finite."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Check the loss just recorded."""
        loss = net.history[-1, "train_loss"]
        if not np.isfinite(loss):
            raise _diverged(f"the loss is {loss} in epoch {len(net.history)}")


class RecordRate(Callback):
    """Writes the learning rate at the end of each epoch into the history."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Record it."""
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])


class BestWeights(Callback):
    """Ends the training with the best weights seen, and early if none get better.

    "Seen" are the weights at the start, after every epoch and at the end; the best of
    the epochs and the last are compared on all rows. With a validation split, its loss
    is what counts.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start from nothing known."""
        self.stopped_ = False
        self.misses_ = 0
        self.best_: dict[str, torch.Tensor] | None = None

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Dataset, dataset_valid: Dataset | None, **kwargs: Any
    ) -> None:
        """Keep the weights that the loss of a one-step epoch will be of."""
        if self.best_ is None:
            self.monitor_ = "train_loss" if dataset_valid is None else "valid_loss"
            self.rows_: Any = dataset_train if dataset_valid is None else dataset_valid
            self.best_, self.loss_ = _weights_of(net), evaluate(net, self.rows_)
        self.before_ = _weights_of(net) if self.monitor_ == "train_loss" else None

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare, and stop after too many epochs without progress."""
        loss = net.history[-1, self.monitor_]
        if loss < self.loss_:
            # A training loss is measured before the step; over several steps it lags
            # behind the weights at the end, which are then the better guess.
            one_step = self.before_ is not None and len(net.history[-1, "batches"]) == 1
            self.best_ = self.before_ if one_step else _weights_of(net)
            self.loss_, self.misses_ = loss, 0
            return
        self.misses_ += 1
        if self.misses_ >= self.patience:
            self.stopped_ = True
            raise KeyboardInterrupt

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Put the best weights in place, and forget the rest: it is on the device."""
        last = _weights_of(net)
        loss_of_last = evaluate(net, self.rows_)
        if not np.isfinite(loss_of_last):
            raise _diverged("the loss is not finite after the last epoch")
        net.module_.load_state_dict(self.best_)
        if loss_of_last <= evaluate(net, self.rows_):
            net.module_.load_state_dict(last)
        self.best_ = self.before_ = self.rows_ = None


class Schedule(LRScheduler):
    """skorch's scheduler, which forgets torch's at the end.

    That one holds the optimiser and its tensors, and would take them along, on their
    device, into every pickle.
    """

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget it."""
        self.lr_scheduler_ = None


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

    def close(self) -> None:
        """Close the bar, and forget it: it cannot be pickled."""
        if hasattr(self, "bar_"):
            self.bar_.close()
            del self.bar_


def train(
    net: Net,
    table: TensorTable,
    *,
    n_epochs: int,
    learning_rate: float,
    callbacks: list[Any],
) -> None:
    """Train ``net`` for ``n_epochs``; if anything goes wrong, leave it as it was.

    Callbacks run in their order.

    Raises
    ------
    FloatingPointError
        If the training diverges.
    KeyboardInterrupt
        If the user, not a callback, interrupts it.
    """
    net.stop_requested_ = False
    n_before = len(net.history)
    with _unchanged_on_failure(net):
        net.set_params(lr=learning_rate)
        for group in net.optimizer_.param_groups:
            # Left behind by an earlier schedule, which this one would take up.
            group.pop("initial_lr", None)
        net.callbacks = callbacks
        net.initialize_callbacks()
        try:
            net.partial_fit(table, epochs=n_epochs)
        finally:
            for _, callback in net.callbacks_:
                if isinstance(callback, EpochBar):
                    callback.close()
        if len(net.history) - n_before < n_epochs and not net.stop_requested_:
            raise KeyboardInterrupt
        if not all(torch.isfinite(weights).all() for weights in net.module_.parameters()):
            raise _diverged("weights are not finite after the last epoch")


def evaluate(net: NeuralNet, rows: Any) -> float:
    """Return the mean loss over ``rows``, a table or subset of one; inf where it is NaN."""
    total = 0.0
    for X, target in TensorBatches(rows, EVALUATION_ROWS):
        total += net.validation_step((X, target))["loss"].item() * len(X)
    return total / len(rows) if np.isfinite(total) else np.inf


def schedule_callback(schedule: str, n_steps: int) -> Schedule | None:
    """Return the callback that changes the learning rate, or None for a constant one."""
    if schedule == "cosine":
        # last_epoch: skorch would count the epochs of earlier trainings in.
        return Schedule(
            LambdaLR, lr_lambda=WarmupCosine(n_steps), step_every="batch", last_epoch=-1
        )
    if schedule == "plateau":
        return Schedule(
            ReduceLROnPlateau, monitor="train_loss", factor=0.5, patience=_PLATEAU_PATIENCE
        )
    return None


@contextmanager
def _unchanged_on_failure(net: NeuralNet) -> Iterator[None]:
    weights, n_epochs = _weights_of(net), len(net.history)
    optimizer = copy.deepcopy(net.optimizer_.state_dict())
    try:
        yield
    except BaseException:
        net.module_.load_state_dict(weights)
        net.optimizer_.load_state_dict(optimizer)
        del net.history[n_epochs:]
        raise


def _weights_of(net: NeuralNet) -> dict[str, torch.Tensor]:
    return {name: weights.clone() for name, weights in net.module_.state_dict().items()}


def _diverged(what: str) -> FloatingPointError:
    return FloatingPointError(
        f"training diverged: {what}. Lower learning_rate, hidden_gain or first_gain, or look for "
        f"extreme values in X or y."
    )
