"""Which weights are kept, and when a training ends."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch.utils.data import Dataset

from skginr.network.training._batches import TensorBatches
from skginr.network.training._losses import Loss, SquaredLoss

# Rows that go through the network at once where no gradient is needed.
EVALUATION_ROWS = 1 << 16
# Epochs that no training reaches.
NO_LIMIT = 1_000_000

# Weights are averaged over about the last 1/12 of the steps so far.
_TAIL = 12
# The loss of averaged weights takes a pass over all rows. It is looked at after so many steps, then
# whenever there were this many times the epochs; sooner and more often when the target is near,
# which is when the loss of single steps is so many times the target's.
_FIRST_LOOK = 100
_SPACING, _NEAR_SPACING, _NEAR = 1.4, 1.1, 5.0
# Converged: while the training became twice as long the loss fell by less than a quarter.
_PROGRESS = 0.75
_LEAST_STEPS = 400


class Evaluation(NamedTuple):
    """How some weights do on some rows.

    Attributes
    ----------
    loss : float
        The mean, inf where it is NaN.
    misfit : float
        What is missing from a score of 1; inf where it was not looked at.
    """

    loss: float
    misfit: float = math.inf


@dataclass(frozen=True)
class StopRules:
    """When a training ends before its last epoch.

    Attributes
    ----------
    patience : int or None
        Epochs without a better loss.
    target_score : float or None
        The score to reach: R² or accuracy, as the loss has it.
    max_time : float or None
        Seconds.
    until_converged : bool
        Whether it ends when the loss hardly falls any more.
    """

    patience: int | None = None
    target_score: float | None = None
    max_time: float | None = None
    until_converged: bool = False

    @property
    def target_misfit(self) -> float:
        """What may be missing from a score of 1."""
        return -math.inf if self.target_score is None else 1 - self.target_score

    def is_reached(self, found: Evaluation) -> bool:
        """Say whether the score is the one asked for."""
        return found.misfit <= self.target_misfit

    def rank(self, found: Evaluation) -> tuple[bool, float]:
        """Return what is less the better: the target reached, then the loss."""
        return not self.is_reached(found), found.loss


class StopTraining(Exception):  # noqa: N818, as StopIteration
    """Ends a training at the wish of a rule or a callback."""


class TailAverage:
    """The mean of the weights over the last steps, free of the noise of any one.

    The window grows with the training, as in T. Karras et al., "Analyzing and Improving the
    Training Dynamics of Diffusion Models", CVPR 2024.
    """

    def __init__(self, net: NeuralNet) -> None:
        self.weights = weights_of(net)
        # Looked up once: a walk through the modules takes as long as a layer.
        named = dict(net.module_.named_parameters())
        self._current = list(named.values())
        self._means = [self.weights[name] for name in named]
        self._n_steps = 0

    def update(self) -> None:
        """Take the weights after a step in."""
        self._n_steps += 1
        share = min(1.0, (_TAIL + 1) / self._n_steps)
        with torch.no_grad():
            # As one: of kernels so small, CUDA takes most of the time to start them.
            torch._foreach_lerp_(self._means, self._current, share)


class BestWeights(Callback):
    """Ends a training with the best weights seen, and by its rules.

    "Seen" are the weights at the start, after every epoch and at the end; the best of
    the epochs and the last are compared on all rows. With a validation split, its loss
    is what counts. With ``average``, the averaged weights are looked at in their place, now and
    then.
    """

    def __init__(self, rules: StopRules, *, loss: type[Loss], average: bool) -> None:
        self.rules = rules
        self.loss = loss
        self.average = average

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start from nothing known."""
        self.reason_: str | None = None
        self.first_: dict[str, torch.Tensor] | None = None
        self.best_: dict[str, torch.Tensor] | None = None
        self.best_epoch_ = self.epoch_ = self.n_steps_ = 0
        self.looks_: list[tuple[int, Evaluation]] = []
        self.tail_: TailAverage | None = None

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Dataset, dataset_valid: Dataset | None, **kwargs: Any
    ) -> None:
        """Keep the weights that the loss of a one-step epoch will be of."""
        if self.best_ is None:
            self.monitor_ = "train_loss" if dataset_valid is None else "valid_loss"
            self.rows_: Any = dataset_train if dataset_valid is None else dataset_valid
            self.first_ = self.best_ = weights_of(net)
            self.of_best_ = self.of_first_ = self._evaluate(net)
            self.tail_ = TailAverage(net) if self.average else None
        self.epoch_ += 1
        lags = self.monitor_ == "train_loss" and not self.average
        self.before_ = weights_of(net) if lags else None

    def on_batch_end(self, net: NeuralNet, training: bool, **kwargs: Any) -> None:
        """Average the weights."""
        if training:
            self.n_steps_ += 1
            if self.tail_ is not None:
                self.tail_.update()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare, and stop if a rule says so."""
        look = self._look(net)
        if look is not None:
            found, weights = look
            self.looks_.append((self.epoch_, found))
            if self.rules.rank(found) < self.rules.rank(self.of_best_):
                self.best_, self.of_best_, self.best_epoch_ = weights, found, self.epoch_
        self.reason_ = self._reason(net, looked=look is not None)
        if self.reason_:
            raise StopTraining

    def restart(self, net: NeuralNet) -> None:
        """Put the best weights in place, for a training that lost its way."""
        net.module_.load_state_dict(self.best_)
        if self.average:
            self.tail_ = TailAverage(net)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Put the best weights in place, and forget the rest: it is on the device."""
        if self.best_ is None:
            return
        last = weights_of(net) if self.tail_ is None else self.tail_.weights
        net.module_.load_state_dict(last)
        of_last = self._evaluate_last(net)
        if not np.isfinite(of_last.loss):
            raise diverged("the loss is not finite after the last epoch")
        net.module_.load_state_dict(self.best_)
        # Of averaged weights the loss is known; others' was recorded while they changed.
        of_best = self.of_best_ if self.average else self._evaluate(net)
        rank = self.rules.rank
        if rank(of_last) <= rank(of_best):
            net.module_.load_state_dict(last)
        # Single draws of rows can be lucky, and their weights no better than at the start.
        if rank(self.of_first_) < min(rank(of_last), rank(of_best)):
            net.module_.load_state_dict(self.first_)
        self.best_ = self.first_ = self.before_ = self.rows_ = self.tail_ = None

    def _evaluate(self, net: NeuralNet) -> Evaluation:
        return evaluate(net, self.rows_, self.loss)

    def _evaluate_last(self, net: NeuralNet) -> Evaluation:
        if self.average and self.looks_ and self.looks_[-1][0] == self.epoch_:
            return self.looks_[-1][1]
        return self._evaluate(net)

    def _look(self, net: NeuralNet) -> tuple[Evaluation, dict[str, torch.Tensor]] | None:
        """Return an evaluation and the weights it is of, or None where it is not yet time."""
        loss = net.history[-1, self.monitor_]
        if self.tail_ is not None:
            if not self._is_time(loss):
                return None
            with _weights_in_place(net, self.tail_.weights):
                found = self._evaluate(net)
                net.history.record("average_loss", found.loss)
                return found, weights_of(net)
        if self._may_have_reached(loss):
            # What was recorded may be a mean over steps, or of some rows.
            return self._evaluate(net), weights_of(net)
        # A training loss is measured before the step; over several steps it lags
        # behind the weights at the end, which are then the better guess.
        if self.before_ is not None and net.history[-1, "train_batch_count"] == 1:
            return Evaluation(loss), self.before_
        return Evaluation(loss), weights_of(net)

    def _may_have_reached(self, loss: float, slack: float = 1.0) -> bool:
        if self.rules.target_score is None:
            return False
        return loss <= slack * self.loss.loss_at(self.rules.target_misfit)

    def _is_time(self, loss: float) -> bool:
        if self.monitor_ == "valid_loss":
            # Of few rows.
            return True
        near = self._may_have_reached(loss, slack=_NEAR)
        if not self.looks_:
            return near or self.n_steps_ >= _FIRST_LOOK
        return self.epoch_ >= self.looks_[-1][0] * (_NEAR_SPACING if near else _SPACING)

    def _reason(self, net: NeuralNet, *, looked: bool) -> str | None:
        """Return why the training ends, or None if it goes on."""
        rules = self.rules
        if rules.is_reached(self.of_best_):
            asked, got = _score(rules.target_misfit), _score(self.of_best_.misfit)
            return f"reached target_score={asked} ({self.loss.score} {got})"
        if rules.until_converged and self._has_converged():
            return f"converged: {self.monitor_} fell by less than a quarter in the second half"
        waited = self.epoch_ - self.best_epoch_
        if looked and rules.patience is not None and waited >= rules.patience:
            return f"no better {self.monitor_} for {rules.patience} epochs"
        if net.is_out_of_time():
            return f"reached max_time={rules.max_time:g} seconds"
        return None

    def _has_converged(self) -> bool:
        if not self.looks_ or self.n_steps_ < _LEAST_STEPS:
            return False
        epoch, found = self.looks_[-1]
        # Looks are at epochs of 1.4 times each other, so that two of them are about twice.
        earlier = [past for when, past in self.looks_ if when <= 0.55 * epoch]
        return bool(earlier) and found.loss >= _PROGRESS * earlier[-1].loss


def evaluate(net: NeuralNet, rows: Any, loss: type[Loss] = SquaredLoss) -> Evaluation:
    """Return how a network does on ``rows``, a table or subset of one."""
    batches = TensorBatches(rows, EVALUATION_ROWS)
    # Left on the device until the end: see the losses of an epoch.
    found = next(net.module_.parameters()).new_empty(len(batches), 2)
    sizes: list[int] = []
    for X, truth in batches:
        step = net.validation_step((X, truth))
        misfit = loss.misfit(step["loss"], step["y_pred"], truth)
        found[len(sizes)] = torch.stack([step["loss"], misfit])
        sizes.append(len(X))
    totals = np.zeros(2)
    for n_rows, means in zip(sizes, found.tolist(), strict=True):
        totals += n_rows * np.array(means)
    if not np.isfinite(totals).all():
        return Evaluation(math.inf)
    return Evaluation(*(totals / len(rows)).tolist())


def weights_of(net: NeuralNet) -> dict[str, torch.Tensor]:
    """Return a copy of the weights."""
    return {name: weights.clone() for name, weights in net.module_.state_dict().items()}


def diverged(what: str) -> FloatingPointError:
    """Return the error of a training that diverged."""
    return FloatingPointError(
        f"training diverged: {what}. Lower learning_rate, hidden_gain or first_gain, or look for "
        f"extreme values in X or y."
    )


def _score(misfit: float) -> str:
    """Write a score so that it tells what is missing."""
    return f"1 - {misfit:.1e}" if 0 < misfit < 1e-5 else f"{1 - misfit:.6g}"


@contextmanager
def _weights_in_place(net: NeuralNet, weights: dict[str, torch.Tensor]) -> Iterator[None]:
    own = weights_of(net)
    net.module_.load_state_dict(weights)
    try:
        yield
    finally:
        net.module_.load_state_dict(own)
