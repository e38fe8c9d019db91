"""A fit without descent: first layers as they were drawn, and a last layer that is solved for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch

from skginr.network._inputs import Inputs
from skginr.network.nn import SIREN
from skginr.network.solving._moments import moments_of
from skginr.network.solving._posterior import Posterior
from skginr.network.solving._readout import (
    Features,
    Readout,
    RidgeProblem,
    solve_readout,
    strengths_tried,
)
from skginr.network.training import BlockSplit, CrossEntropy, Loss, TensorTable

# The share of the expected variance that is the waves'; the rest is that of columns as they are.
_WAVES = 0.25
# Gains of the first layer that are tried beside 1, and the rows by which they are told apart.
_LARGER_GAINS, _ENOUGH_ROWS = (2.0, 4.0, 8.0), 1000
# Features of a trained network are kept up to so many numbers.
_KEPT = 1 << 25
# Factors from outputs to logits that are tried, as powers of ten.
_SOFTEST, _SHARPEST, _LOGIT_STEP = -1.0, 2.5, 0.05


@dataclass(frozen=True)
class Solution:
    """What rows that were held out say of a network.

    Attributes
    ----------
    first_gain : float
        That of the first layer.
    held_out_loss : float
        The loss at these rows.
    held_out_score : float
        R² or accuracy of the same.
    learned : bool
        Whether they are predicted better than by the mean, or by the most frequent class.
    reach : float or None
        How far from the mean y is at most; None of classes.
    holds : bool
        Whether the network is still that of which all this was found.
    """

    first_gain: float
    held_out_loss: float
    held_out_score: float
    learned: bool
    reach: float | None = None
    holds: bool = True

    def check_whole(self) -> None:
        """Raise unless this is what a fit finds: it may be of a file."""
        reach = 1.0 if self.reach is None else self.reach
        numbers = self.first_gain, self.held_out_loss, self.held_out_score, reach
        flags = self.learned, self.holds
        if any(type(n) is not float for n in numbers) or any(type(f) is not bool for f in flags):
            raise TypeError("what rows held out say of a network must be numbers")
        if not self.first_gain > 0 or not reach >= 0 or any(map(math.isnan, numbers)):
            raise ValueError("what rows held out say of a network must be within their ranges")


def solve_last_layer(
    module: SIREN,
    table: TensorTable,
    loss: type[Loss],
    *,
    first_gain: float | str,
    validation: float | str,
    seed: int,
) -> tuple[Solution, Posterior | None, torch.Tensor]:
    """Put the last layer in place that predicts rows best that were held out.

    Returns what these say, how far the layer of a signal may be off, and the prediction of each row
    of the table when it was held out. (Of more rows than are held out one by one, some have none,
    which is NaN.)

    Parameters
    ----------
    module : SIREN
    table : TensorTable
    loss : Loss
        Of classes where it is the cross-entropy.
    first_gain : float or "auto"
        Of the first layer as it is; "auto" chooses how much wider to make it.
    validation : float or "off"
        Share of the rows held out at once, in blocks; "off" holds out one by one.
    seed : int
        Of the blocks.
    """
    of_classes = loss is CrossEntropy
    y = _indicators(table.y, module.last.out_features) if of_classes else table.y
    seen = _Seen.of(table, y)
    X, target, weight = seen.X, seen.target, seen.weight
    prior = _prior(module, TensorTable(X, target, weight)).to(target.device)
    features = _features_of(module, seen)

    def solve(n_rows: int) -> Readout:
        some = None if blocks is None else blocks[:n_rows]
        return solve_readout(seen.ridge(features, prior, n_rows), some, together=of_classes)

    blocks = None
    if validation != "off" and len(target) > 1:
        folds = BlockSplit(float(validation), seed).folds(X)
        blocks = torch.from_numpy(folds).to(target.device)
    if first_gain == "auto":
        # How wiggly a signal is shows in a part of the rows, which come in no order.
        few = min(len(target), _ENOUGH_ROWS)
        first_gain = _choose_gain(module, lambda: _loss_of(solve(few), target, weight), few)
    readout, posterior = solve(len(target)), None
    if of_classes:
        readout = _as_logits(readout, target[readout.rows], weight[readout.rows])
    else:
        posterior = Posterior.calibrated(readout, seen.y, seen.of_row, seen.counts)
    _put(module.last.weight, readout.weight)
    _put(module.last.bias, readout.bias)
    reach = None if of_classes else float(seen.y.abs().max())
    predictions = torch.full_like(target, math.nan)
    predictions[readout.rows] = readout.held_out
    predictions = predictions[seen.of_row]
    # Of rows as they were given: the mean of those that are alike has less noise.
    told = ~predictions.isnan().any(dim=1)
    each = None if table.weight is None else table.weight.to(told.device)[told]
    judged = judge(loss, predictions[told], table.y.to(told.device)[told], each)
    return Solution(float(first_gain), *judged, reach), posterior, predictions


def posterior_of_trained(module: SIREN, table: TensorTable) -> Posterior:
    """Return how far the last layer of a trained network may be off, by the rows it has seen.

    As if the others had been given: what rows held out say has to be put in.
    """
    seen = _Seen.of(table, table.y)
    prior = _prior(module, TensorTable(seen.X, seen.target, seen.weight)).to(seen.target.device)
    given = _features_of(module, seen)
    if len(seen.target) * len(prior) <= _KEPT:
        # Made once: they are asked for several times.
        given = given(slice(None)).__getitem__
    return Posterior.of(solve_readout(seen.ridge(given, prior, len(seen.target))))


def _features_of(module: SIREN, seen: _Seen) -> Features:
    """Return what the last layer sees of the rows of a slice, as a function."""

    def features(part: slice) -> torch.Tensor:
        with torch.no_grad():
            return module.features(seen.X[part]).to(seen.target.device, torch.float64)

    return features


def _choose_gain(module: SIREN, loss: Callable[[], float], n_rows: int) -> float:
    """Leave the first layer with the gain whose predictions of rows held out are best, and say it.

    A larger one has to be better by more than errors on so many rows differ by chance; the first
    that is not is the last that is tried.
    """
    drawn = module.first.weight.detach().clone()
    best, least = 1.0, loss()
    for gain in _LARGER_GAINS:
        _put(module.first.weight, gain * drawn)
        found = loss()
        if not found < (1 - 1 / math.sqrt(n_rows)) * least:
            break
        best, least = gain, found
    _put(module.first.weight, best * drawn)
    return best


def _put(weight: torch.Tensor, values: torch.Tensor) -> None:
    with torch.no_grad():
        weight.copy_(values)


def _loss_of(readout: Readout, target: torch.Tensor, weight: torch.Tensor) -> float:
    weight = weight[readout.rows] / weight[readout.rows].sum()
    return float((weight @ (target[readout.rows] - readout.held_out) ** 2).mean())


def judge(
    loss: type[Loss], outputs: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None
) -> tuple[float, float, bool]:
    """Return the loss of outputs, R² or accuracy, and whether that is better than a guess.

    The guess is the mean of y, or the most frequent class.
    """
    outputs = outputs.double()
    y = y if loss is CrossEntropy else y.double()
    shares = outputs.new_ones(len(y)) if weight is None else weight.double()
    shares = shares / shares.sum()
    found = float(shares @ loss.of_rows(outputs, y))
    if loss is CrossEntropy:
        score = float(shares @ (outputs.argmax(dim=1) == y).double())
        guess = float((shares @ _indicators(y, outputs.shape[1])).max())
        # Of one class there is nothing to learn.
        return found, score, score > guess or guess == 1
    without_X = float(shares @ loss.of_rows((shares @ y).expand_as(y), y))
    score = 1 - found / without_X if without_X > 0 else 1.0
    return found, score, score > 0


def _as_logits(readout: Readout, y: torch.Tensor, weight: torch.Tensor) -> Readout:
    """Return a layer of logits, which make held-out rows most probable.

    Least squares finds shares of classes; times a factor they are logits.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods", Advances in Large Margin Classifiers, 1999.
    """
    exponents = torch.arange(_SOFTEST, _SHARPEST + _LOGIT_STEP / 2, _LOGIT_STEP)
    less_sure, shares = _less_sure(y, weight), weight / weight.sum()
    factor = min(
        (10.0 ** exponents.double()).tolist(),
        key=lambda factor: _entropy(factor * readout.held_out, less_sure, shares),
    )
    return dataclasses.replace(
        readout,
        weight=factor * readout.weight,
        bias=factor * readout.bias,
        held_out=factor * readout.held_out,
    )


def _less_sure(y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return classes as if one more row of each had been seen among the rows of every class."""
    counts, n_classes = weight @ y, y.shape[1]
    # Of a row of each class, in its row.
    shares = (counts.diag() + 1) / (counts[:, None] + n_classes)
    return y @ shares


def _entropy(logits: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> float:
    return -float(weight @ (y * torch.log_softmax(logits, dim=1)).sum(dim=1))


def _prior(module: SIREN, rows: TensorTable) -> torch.Tensor:
    """Return how far from 0 each weight of the last layer is expected, shape (n_features,).

    All waves alike, and all columns of X that enter the last layer, so that columns count as much
    as they are wide.
    """
    waves = torch.full((module.n_waves,), math.sqrt(2 / module.n_waves), dtype=torch.float64)
    if module.n_waves == module.last.in_features:
        return waves
    spread = moments_of(rows).spread
    if module.input_scale is not None:
        spread = spread * module.input_scale.cpu().double()
    # So that all columns together have the variance that is theirs.
    size = float(spread.norm())
    columns = (spread > 0) * (math.sqrt(1 - _WAVES) / size if size > 0 else 0.0)
    return torch.cat([math.sqrt(_WAVES) * waves, columns])


def _indicators(classes: torch.Tensor, n_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, n_classes).double()


class _Seen(NamedTuple):
    """Each row of X once, with what was seen of it, where there are numbers of 64 bits.

    A row that was left in would predict its twin that is left out. Rows come in the order of a hash
    of their content, whatever it was.

    Attributes
    ----------
    X : Inputs
        Where they were.
    target : Tensor of shape (n_distinct, n_outputs)
        Means.
    weight : Tensor of shape (n_distinct,)
        Of mean 1.
    y : Tensor of shape (n_rows, n_outputs)
        Of rows as they were given.
    counts : Tensor of shape (n_rows,)
        How often each of these was seen.
    of_row : Tensor of int of shape (n_rows,)
        Which of the distinct rows it is.
    within : Tensor of shape (n_outputs,)
        Weighted squares of rows about the means.
    """

    X: Inputs
    target: torch.Tensor
    weight: torch.Tensor
    y: torch.Tensor
    counts: torch.Tensor
    of_row: torch.Tensor
    within: torch.Tensor

    @classmethod
    def of(cls, table: TensorTable, y: torch.Tensor) -> Self:
        """Return the distinct rows of a table, of whose rows y is known."""
        _, first, of_row = np.unique(table.X.hashes(), return_index=True, return_inverse=True)
        kept = torch.from_numpy(first).to(table.X.device)
        place = torch.device("cpu") if y.device.type == "mps" else y.device
        y, group = y.to(place, torch.float64), torch.from_numpy(of_row).to(place)
        each = y.new_ones(len(y)) if table.weight is None else table.weight.to(place, y.dtype)
        total = y.new_zeros(len(first)).index_add_(0, group, each)
        sums = y.new_zeros(len(first), y.shape[1]).index_add_(0, group, each[:, None] * y)
        target = sums / total[:, None]
        within = each @ (y - target[group]) ** 2 / total.mean()
        counts = table.counts.to(place)
        return cls(table.X.select(kept), target, total / total.mean(), y, counts, group, within)

    def ridge(self, given: Features, prior: torch.Tensor, n_rows: int) -> RidgeProblem:
        """Return the problem of the first rows; of a part, nobody asks for the noise."""
        return RidgeProblem(
            given,
            self.target[:n_rows],
            self.weight[:n_rows],
            prior,
            strengths_tried(self.target.device),
            within=self.within,
            n_seen=float(self.counts.sum()),
        )
