"""A fit without descent: first layers as they were drawn, and a last layer that is solved for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from skginr._batches import TensorColumns, TensorTable
from skginr._losses import CrossEntropy, Loss
from skginr._moments import moments_of
from skginr._readout import Readout, RidgeProblem, solve_readout, strengths_of
from skginr._validation import BlockSplit
from skginr.nn import SIREN

# The share of a prior variance that is the waves'; the rest is the inputs', which enter linearly.
_WAVES = 0.25
# Factors from outputs to logits that are tried, as powers of ten.
_SOFTEST, _SHARPEST, _LOGIT_STEP = -1.0, 2.5, 0.05


@dataclass(frozen=True)
class Solution:
    """How good a last layer is that was solved for.

    Attributes
    ----------
    held_out_loss : float
        The loss at rows that were held out.
    held_out_score : float
        R² or accuracy of the same.
    learned : bool
        Whether they are predicted better than by the mean, or by shares of classes.
    """

    held_out_loss: float
    held_out_score: float
    learned: bool


def solve_last_layer(
    module: SIREN,
    table: TensorTable,
    loss: type[Loss],
    *,
    validation: float | str,
    dtype: str,
    seed: int,
) -> Solution:
    """Put the last layer in place that predicts rows best that were held out.

    Parameters
    ----------
    module : SIREN
    table : TensorTable
    loss : Loss
        Of classes where it is the cross-entropy.
    validation : float or "off"
        Share of the rows held out at once, in blocks; "off" holds out one by one.
    dtype : str
        Of the network.
    seed : int
        Of the blocks.
    """
    of_classes = loss is CrossEntropy
    y = table.y.double() if not of_classes else _indicators(table.y, module.layers[-1].out_features)
    X, target, weight = _distinct_rows(table.X, y, table.weight)
    place = torch.device("cpu") if target.device.type == "mps" else target.device
    target, weight = target.to(place), weight.to(place)
    prior = _prior(module, TensorTable(X, weight=weight.to(table.X.device))).to(place)

    def features(rows: slice) -> torch.Tensor:
        with torch.no_grad():
            return module.features(X[rows]).to(place, torch.float64) * prior

    problem = RidgeProblem(features, target, weight, len(prior), strengths_of(dtype, target))
    blocks = None
    if validation != "off" and len(target) > 1:
        folds = BlockSplit(float(validation), seed).folds(X)
        blocks = torch.from_numpy(folds).to(place)
    readout = solve_readout(problem, blocks, together=of_classes)
    sharpness = _sharpness(readout, target, weight) if of_classes else 1.0
    last = module.layers[-1]
    with torch.no_grad():
        last.weight.copy_(sharpness * readout.weight * prior)
        last.bias.copy_(sharpness * readout.bias)
    if of_classes:
        return _of_classes(readout, target, weight, sharpness)
    y_squares = (weight @ (target - problem.mean_target) ** 2 / weight.sum()).mean()
    score = 1 - readout.held_out_loss / float(y_squares) if y_squares > 0 else 1.0
    return Solution(readout.held_out_loss, score, learned=score > 0)


def _of_classes(
    readout: Readout, target: torch.Tensor, weight: torch.Tensor, sharpness: float
) -> Solution:
    y, w = target[readout.rows], weight[readout.rows] / weight[readout.rows].sum()
    right = y.gather(1, readout.held_out.argmax(dim=1, keepdim=True))[:, 0]
    shares = weight @ target / weight.sum()
    score = float(w @ right)
    entropy = float(_entropies(readout, target, weight, torch.tensor([sharpness]))[0])
    # Of one class there is nothing to learn.
    return Solution(entropy, score, learned=len(shares) == 1 or score > float(shares.max()))


def _sharpness(readout: Readout, target: torch.Tensor, weight: torch.Tensor) -> float:
    """Return the factor from outputs to logits at which held-out rows are most probable."""
    exponents = torch.arange(_SOFTEST, _SHARPEST + _LOGIT_STEP / 2, _LOGIT_STEP)
    factors = 10.0 ** exponents.double()
    return float(factors[int(_entropies(readout, target, weight, factors).argmin())])


def _entropies(
    readout: Readout, target: torch.Tensor, weight: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    """Return the mean cross-entropy of held-out rows at each factor."""
    y, w = target[readout.rows], weight[readout.rows] / weight[readout.rows].sum()
    return torch.stack(
        [
            -(w @ (y * torch.log_softmax(float(factor) * readout.held_out, dim=1)).sum(dim=1))
            for factor in factors
        ]
    )


def _prior(module: SIREN, table: TensorTable) -> torch.Tensor:
    """Return how far from 0 the weight of each of the last layer's inputs is expected to be.

    So that all waves together, and all inputs of the network that enter the last layer, have the
    variance that is theirs.
    """
    first, last = module.layers[0], module.layers[-1]
    n_waves = last.in_features - (
        first.in_features if module.skip_at == len(module.layers) - 1 else 0
    )
    waves = math.sqrt(2 / n_waves)
    prior = torch.full((last.in_features,), waves, dtype=torch.float64)
    if n_waves < last.in_features:
        # All columns alike: what is wide counts more, which is why it is.
        size = float(moments_of(table).spread.norm())
        prior[:n_waves] *= math.sqrt(_WAVES)
        prior[n_waves:] = math.sqrt(1 - _WAVES) / size if size > 0 else 0.0
    return prior


def _indicators(classes: torch.Tensor, n_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, n_classes).double()


def _distinct_rows(
    X: torch.Tensor | TensorColumns, y: torch.Tensor, weight: torch.Tensor | None
) -> tuple[torch.Tensor | TensorColumns, torch.Tensor, torch.Tensor]:
    """Return each row of X once, the mean of its y and its weight, of mean 1 over all.

    A row that was left in would predict its twin that is left out. Rows come in the order of their
    content, whatever it was.
    """
    hashes = _hashes(X)
    _, first, of_row = np.unique(hashes, return_index=True, return_inverse=True)
    device = y.device
    kept, group = (torch.from_numpy(rows).to(device) for rows in (first, of_row))
    each = torch.ones(len(y), dtype=torch.float64, device=device)
    if weight is not None:
        each = weight.double()
    total = torch.zeros(len(first), dtype=torch.float64, device=device).index_add_(0, group, each)
    sums = torch.zeros(len(first), y.shape[1], dtype=torch.float64, device=device)
    sums.index_add_(0, group, each[:, None] * y)
    X = X.select(kept) if isinstance(X, TensorColumns) else X[kept]
    return X, sums / total[:, None], total / total.mean()


def _hashes(X: torch.Tensor | TensorColumns) -> NDArray[np.uint64]:
    """Return a number of 64 bits for the content of each row."""
    blocks = X.blocks if isinstance(X, TensorColumns) else [X]
    columns = (
        column.cpu().numpy() + 0  # -0.0 is 0.0
        for block in blocks
        for column in (block[:, None] if block.ndim == 1 else block).unbind(dim=1)
    )
    total = np.zeros(len(X), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            # Order counts: what two columns hold may be exchanged.
            total = total * np.uint64(0x9E3779B97F4A7C15) + pd.util.hash_array(column)
    return total
