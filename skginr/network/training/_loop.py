"""A training, and what makes it safe: divergence, failure, Ctrl-C, progress."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch.utils.data import Dataset

from skginr._core import QUIET, Watch, held_back, open_progress, warn, watched
from skginr.network.training._batches import TensorTable
from skginr.network.training._parallel import Processes
from skginr.network.training._schedules import Schedule
from skginr.network.training._stopping import (
    NO_LIMIT,
    BestWeights,
    StopTraining,
    diverged,
    evaluate,
    weights_of,
)

# A loss so many times that at the start, or of the mean, has lost its way.
_LOST = 10.0
# How often a training goes on from its best weights, and at which share of the rate.
_MAX_REPAIRS = 3
_LOWER = 0.25


class Net(NeuralNet):
    """skorch's net, with a deadline, and one transfer of the loss from the device an epoch.

    Several processes may train it together.

    It also tells a callback's wish to stop from the user's: skorch ends training quietly at any
    KeyboardInterrupt. That is how callbacks stop it, but Ctrl-C is meant for the program: a
    cross-validation should not go on with a model that was trained in part.
    """

    deadline_ = np.inf
    processes_ = Processes()
    interrupts_ = Watch()
    #: What takes the place of the steps of an epoch, and returns what is to be recorded.
    solver_: Callable[[], dict[str, float]] | None = None

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any) -> Self:
        """Train as skorch does, but swallow no interrupt of the user."""
        with watched() as self.interrupts_:
            self.notify("on_train_begin", X=X, y=y)
            with suppress(StopTraining):
                self.fit_loop(X, y, **fit_params)
            with suppress(StopTraining):
                self.notify("on_train_end", X=X, y=y)
        return self

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call the callbacks, and remember if one of them stops the training."""
        stops = False
        try:
            super().notify(method_name, **kwargs)
        except StopTraining:
            stops = True
        except KeyboardInterrupt:
            # Nothing can be stopped yet where a training begins.
            if self.interrupts_.came or method_name == "on_train_begin":
                raise
            stops = True
        if self.interrupts_.came:
            # A callback has swallowed it.
            raise KeyboardInterrupt
        if method_name == "on_epoch_end":
            # Where one process stops, all do: the others would wait for it.
            stops = self.processes_.any(stops, self.device)
        if stops:
            self.stop_requested_ = True
            raise StopTraining

    def is_out_of_time(self) -> bool:
        """Say whether the deadline is over."""
        if self.deadline_ == np.inf:
            return False
        return self.processes_.any(time.monotonic() >= self.deadline_, self.device)

    def _set_training(self, training: bool = True) -> None:
        """Say that a step trains or not: where that changes, not at every step."""
        parts = self.module_, self.criterion_
        if any(getattr(part, "training", training) != training for part in parts):
            super()._set_training(training)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the loss of a batch and its gradients, here or in several processes."""
        if self.processes_.n_processes == 1:
            return super().train_step_single(batch, **fit_params)
        own, share = self.processes_.share_of(batch)
        step = super().train_step_single(own, **fit_params)
        return step | {"loss": self.processes_.sum_up(self.module_, step["loss"], share)}

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Callable, **fit_params: Any
    ) -> None:
        """Go through the batches once, or until the deadline, and record their mean loss."""
        if iterator is None:
            return
        if training and self.solver_ is not None:
            for name, value in self.solver_().items():
                self.history.record(name, value)
            self.history.record(f"{prefix}_batch_count", 1)
            return
        # Left on the device, which would have to be waited for, and in one place: small tensors
        # kept one by one would lie between the memory of batches, which could not be used again.
        losses = next(self.module_.parameters()).new_empty(len(iterator))
        sizes: list[int] = []
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses[len(sizes)] = step["loss"].detach()
            sizes.append(len(batch[0]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training and self.is_out_of_time():
                break
        loss = np.average(losses[: len(sizes)].cpu().numpy(), weights=sizes)
        self.history.record(f"{prefix}_loss", float(loss))
        self.history.record(f"{prefix}_batch_count", len(sizes))


class RepairDivergence(Callback):
    """Lets a training that lost its way go on from its best weights, slower."""

    def __init__(self, best: BestWeights, schedule: Schedule) -> None:
        self.best = best
        self.schedule = schedule

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start from no repairs."""
        self.n_repairs_ = 0

    def on_epoch_end(self, net: NeuralNet, dataset_train: Dataset, **kwargs: Any) -> None:
        """Check the loss just recorded, and if it is large that of all rows."""
        loss, most = net.history[-1, "train_loss"], _LOST * max(self.best.of_first_.loss, 1.0)
        if loss <= most or (np.isfinite(loss) and evaluate(net, dataset_train).loss <= most):
            return
        what = f"the loss is {loss:.3g} in epoch {len(net.history)}"
        self.n_repairs_ += 1
        if self.n_repairs_ > _MAX_REPAIRS:
            raise diverged(what)
        self.best.restart(net)
        net.optimizer_.state.clear()
        self.schedule.scale *= _LOWER
        warn(
            f"training diverged: {what}. It goes on from the best weights, at "
            f"{self.schedule.scale:g} of the learning rate.",
            ConvergenceWarning,
        )


class StopOnDivergence(Callback):
    """Raises as soon as the loss of an epoch is not finite."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Check the loss just recorded."""
        loss = net.history[-1, "train_loss"]
        if not np.isfinite(loss):
            raise diverged(f"the loss is {loss} in epoch {len(net.history)}")


class EpochBar(Callback):
    """Progress over epochs, with the loss."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs
        self.bar_ = QUIET

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open it, in one process of all."""
        if not net.processes_.is_first:
            return
        total = self.n_epochs if self.n_epochs < NO_LIMIT else None
        self.bar_ = open_progress("training", unit="epochs", total=total, verbose=1)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Advance it."""
        self.bar_.note(f"loss {net.history[-1, 'train_loss']:.3g}")
        self.bar_.advance()

    def close(self, *, failed: bool) -> None:
        """Close it, and forget it: it cannot be pickled."""
        self.bar_.close(failed=failed)
        self.bar_ = QUIET


def train(
    net: Net,
    table: TensorTable,
    *,
    n_epochs: int,
    learning_rate: float,
    callbacks: list[Any],
    max_time: float | None = None,
    accelerator: Any = None,
    solver: Callable[[], dict[str, float]] | None = None,
) -> None:
    """Train ``net`` for ``n_epochs``; if anything goes wrong, leave it as it was.

    Callbacks run in their order. A ``solver`` takes the place of an epoch's steps. With an
    accelerator of several processes, all of them train it.

    Raises
    ------
    FloatingPointError
        If the training diverges.
    KeyboardInterrupt
        If the user, not a callback, interrupts it.
    ValueError
        If processes were given different rows or networks.
    """
    net.stop_requested_ = False
    net.deadline_ = np.inf if max_time is None else time.monotonic() + max_time
    with _unchanged_on_failure(net), _together(net, Processes(accelerator)), _solved(net, solver):
        settings = n_epochs, learning_rate, max_time is None, net.iterator_train__batch_size
        net.processes_.check_same("hyper-parameters", repr(settings))
        # Before the network, whose first layer may be one for such rows.
        net.processes_.check_same("rows of X and y", *_some_numbers(table))
        net.processes_.check_same("network", *net.module_.parameters())
        net.set_params(lr=learning_rate)
        net.callbacks = callbacks
        net.initialize_callbacks()
        with _closed_bars(net):
            net.partial_fit(table, epochs=n_epochs)
        if not all(torch.isfinite(weights).all() for weights in net.module_.parameters()):
            raise diverged("weights are not finite after the last epoch")


@contextmanager
def _closed_bars(net: NeuralNet) -> Iterator[None]:
    """Close the bars of callbacks at the end, however that comes."""
    failed = True
    try:
        yield
        failed = False
    finally:
        for _, callback in net.callbacks_:
            if isinstance(callback, EpochBar):
                callback.close(failed=failed)


def _some_numbers(table: TensorTable) -> tuple[torch.Tensor, ...]:
    """Return what tells one table from another: its length, and a thousand rows."""
    rows = torch.arange(0, len(table), max(1, len(table) // 1000), device=table.X.device)
    X, truth = table[rows]
    parts = truth if isinstance(truth, tuple) else (truth,)
    return rows.new_tensor(len(table)), X, *parts


@contextmanager
def _together(net: Net, processes: Processes) -> Iterator[None]:
    """Have processes train together, which are not for a file or a prediction to remember."""
    net.processes_ = processes
    try:
        yield
    finally:
        net.processes_ = Processes()


@contextmanager
def _solved(net: Net, solver: Callable[[], dict[str, float]] | None) -> Iterator[None]:
    net.solver_ = solver
    try:
        yield
    finally:
        net.solver_ = None


@contextmanager
def _unchanged_on_failure(net: NeuralNet) -> Iterator[None]:
    weights, n_epochs = weights_of(net), len(net.history)
    optimizer = copy.deepcopy(net.optimizer_.state_dict())
    try:
        yield
    except BaseException:
        with held_back():
            net.module_.load_state_dict(weights)
            net.optimizer_.load_state_dict(optimizer)
            del net.history[n_epochs:]
        raise
