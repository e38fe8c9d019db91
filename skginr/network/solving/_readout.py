"""The last layer of a network in closed form, its strength chosen on rows held out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

# Strengths of the ridge that are tried, as powers of ten: the variance of the noise over that of
# the signal, each feature's prior spread being 1. Weaker ones are lost in rounding of float32, and
# the same for float64, so that both say the same.
_WEAKEST, _STRONGEST, _STEP = -6.0, 3.0, 0.25
# Strengths are averaged, not chosen: one whose error is so many times 1 / sqrt(n_rows) above the
# least counts 1 / e of the best. Errors on n held-out rows differ by chance by about as much.
_SHARPNESS = 0.6
# Turned features are kept up to so many numbers (256 MiB), and made again at every pass beyond.
_KEPT = 1 << 25
# Rows held out one by one: more would tell strengths apart no better.
_ENOUGH_ROWS = 1 << 16
# What of 1 - leverage is rounding.
_ROUNDING = 1e-9

# Features of some rows, shape (n_rows, n_features), in float64.
Features = Callable[[slice], torch.Tensor]


@dataclass(frozen=True)
class Readout:
    """A last layer that was solved for.

    Attributes
    ----------
    weight : Tensor of shape (n_outputs, n_features)
    bias : Tensor of shape (n_outputs,)
    held_out : Tensor of shape (n_seen, n_outputs)
        Predictions of rows that were held out from them, and of which rows of the table.
    rows : Tensor of int of shape (n_seen,)
    shares : Tensor of shape (n_outputs, n_strengths)
        How much each strength counts.
    way : LeaveOneOut or LeaveBlocksOut
        How rows were held out.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    held_out: torch.Tensor
    rows: torch.Tensor
    shares: torch.Tensor
    way: LeaveOneOut | LeaveBlocksOut


@dataclass
class RidgeProblem:
    """Weighted ridge regression of targets on features, with a free intercept, at many strengths.

    Features are turned so that their products over all rows are a diagonal matrix, which serves all
    strengths at once.

    Parameters
    ----------
    given : callable
        From a slice of rows to their features.
    target : Tensor of shape (n_rows, n_outputs), in float64
    weight : Tensor of shape (n_rows,), in float64
        Positive, of mean 1.
    prior : Tensor of shape (n_features,), in float64
        How far from 0 each weight is expected.
    strengths : Tensor of shape (n_strengths,), in float64
    within : Tensor of shape (n_outputs,), optional
        Where rows are means of others: the weighted squares of these about them; 0 by default.
    n_seen : float, optional
        And how many these are; as many as there are rows by default.
    """

    given: Features
    target: torch.Tensor
    weight: torch.Tensor
    prior: torch.Tensor
    strengths: torch.Tensor
    within: torch.Tensor | float = 0.0
    n_seen: float | None = None
    _chunk: int = field(init=False)
    _turned: torch.Tensor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.n_features = len(self.prior)
        self._chunk = max(1, _KEPT // (4 * self.n_features))
        self.total = self.weight.sum()
        self.mean_target = self.weight @ self.target / self.total
        self.centred = self.target - self.mean_target
        self.mean = _sum(self.weight[rows] @ part for rows, part in self._raw()) / self.total
        self._decompose()

    def features(self, rows: slice) -> torch.Tensor:
        """Return features of some rows, of which each weight is expected as far from 0."""
        return self.given(rows) * self.prior

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.target)

    def _raw(self) -> Iterator[tuple[slice, torch.Tensor]]:
        for rows in self._chunks(self.n_rows):
            yield rows, self.features(rows)

    def _chunks(self, n_rows: int) -> Iterator[slice]:
        for start in range(0, n_rows, self._chunk):
            yield slice(start, min(start + self._chunk, n_rows))

    def _decompose(self) -> None:
        """Find the turn of the features, what their squares sum to, and their products with y."""
        roots = self.weight.sqrt()[:, None]
        if self.n_rows < self.n_features:
            # As many directions as rows: what all features say of them.
            scaled = roots * (self.features(slice(0, self.n_rows)) - self.mean)
            values, vectors = torch.linalg.eigh(scaled @ scaled.T)
            kept = values > values[-1].clamp_min(0) * len(values) * 1e-15
            self.squares, vectors = values[kept], vectors[:, kept]
            self.turn = scaled.T @ (vectors / self.squares.sqrt())
        else:
            products = self.target.new_zeros(self.n_features, self.n_features)
            for rows, part in self._raw():
                scaled = roots[rows] * (part - self.mean)
                products.addmm_(scaled.T, scaled)
            values, self.turn = torch.linalg.eigh(products)
            self.squares = values.clamp_min(0)
        if self.n_rows * len(self.squares) <= _KEPT:
            self._turned = torch.cat([part for _, part in self.turned()])
        self.products = _sum(
            (self.weight[rows, None] * part).T @ self.centred[rows] for rows, part in self.turned()
        )

    def turned(self, n_rows: int | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield the turned features of the first rows, centred, chunk by chunk."""
        for rows in self._chunks(self.n_rows if n_rows is None else n_rows):
            if self._turned is not None:
                yield rows, self._turned[rows]
            else:
                yield rows, (self.features(rows) - self.mean) @ self.turn

    @property
    def noise_of_one(self) -> float:
        """The variance of a row that was seen once, in that of a row of weight 1."""
        return 1.0 if self.n_seen is None else self.n_seen / self.n_rows

    def noises(self) -> torch.Tensor:
        """Return the variance of a row of weight 1 by strength: (n_outputs, n_strengths).

        What is left of y, by as many rows as are left where others are fitted at no cost; infinite
        where none is.
        """
        squares = self.squares[:, None]
        kept = squares[:, 0] > 0
        told = torch.where(squares > 0, self.products**2 / squares.clamp_min(1e-300), 0.0)
        total = self.weight @ self.centred**2
        beside = (total - told.sum(dim=0)).clamp_min(0) + self.within
        missed = self.strengths / (squares + self.strengths)
        n_seen = self.n_rows if self.n_seen is None else self.n_seen
        n_left = n_seen - 1 - int(kept.sum()) + missed[kept].sum(dim=0)
        left = beside[:, None] + told.T @ missed**2
        return torch.where(n_left > 0, left / n_left.clamp_min(1e-300), math.inf)

    def coefficients(self, shares: torch.Tensor) -> torch.Tensor:
        """Return those of turned features, averaged over strengths: (n_turned, n_outputs)."""
        shrunk = 1 / (self.squares[:, None] + self.strengths)
        return self.products * (shrunk @ shares)

    def layer(self, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights of features, averaged over strengths, and what they make of the mean."""
        weight = (self.turn @ self.coefficients(shares)).T
        return weight * self.prior, weight @ self.mean


class LeaveOneOut:
    """Predictions of every row from all others, exactly."""

    def __init__(self, problem: RidgeProblem) -> None:
        self.problem = problem
        # The first rows are as good as any: they come in the order of a hash.
        self.rows = torch.arange(min(problem.n_rows, _ENOUGH_ROWS), device=problem.target.device)

    def residuals(self, n_rows: int | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield what is missing at rows held out, all or the first.

        Of shape (n_rows, n_outputs, n_strengths).
        """
        problem = self.problem
        shrunk = 1 / (problem.squares[:, None] + problem.strengths)
        fitted = problem.products[:, :, None] * shrunk[:, None, :]
        for rows, part in problem.turned(n_rows or len(self.rows)):
            weight = problem.weight[rows, None]
            missing = problem.centred[rows, :, None] - torch.einsum("ij,jok->iok", part, fitted)
            leverage = weight * (part**2 @ shrunk + 1 / problem.total)
            yield rows, missing / (1 - leverage).clamp_min(_ROUNDING)[:, None, :]

    def unknown(self, n_rows: int) -> Iterator[torch.Tensor]:
        """Yield variances of the first rows when held out, in units of the noise of weight 1.

        Of shape (n_rows, n_strengths); infinite where nothing else tells of a row.
        """
        problem = self.problem
        shrunk = 1 / (problem.squares[:, None] + problem.strengths)
        for rows, part in problem.turned(n_rows):
            variance = part**2 @ shrunk + 1 / problem.total
            left = 1 - problem.weight[rows, None] * variance
            yield torch.where(left > _ROUNDING, variance / left, math.inf)


class _Others(NamedTuple):
    """The fit of all rows but those of a block, in turned features.

    Their means and those of y, coefficients by strength, what turns them once more and what their
    squares then sum to, and the sum of the weights of rows.
    """

    mean: torch.Tensor
    mean_target: torch.Tensor
    fitted: torch.Tensor
    squares: torch.Tensor
    turn: torch.Tensor
    total: torch.Tensor


class LeaveBlocksOut:
    """Predictions of whole blocks of rows from all others, exactly.

    Parameters
    ----------
    problem : RidgeProblem
    blocks : Tensor of int of shape (n_rows,)
        The number of each row's block, counted from 0.
    """

    def __init__(self, problem: RidgeProblem, blocks: torch.Tensor) -> None:
        self.problem = problem
        self.blocks = blocks
        self.rows = torch.arange(problem.n_rows, device=blocks.device)
        self._others = [self._without(*sums) for sums in self._sums(int(blocks.max()) + 1)]

    def _sums(self, n_blocks: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield what the rows of each block add up to: products, with y, features, y, weight."""
        problem, like = self.problem, self.problem.products
        width, n_outputs = like.shape
        products = like.new_zeros(n_blocks, width, width)
        with_y, sums = like.new_zeros(n_blocks, width, n_outputs), like.new_zeros(n_blocks, width)
        sums_y, weights = like.new_zeros(n_blocks, n_outputs), like.new_zeros(n_blocks)
        for rows, part in problem.turned():
            for block in range(n_blocks):
                inside = self.blocks[rows] == block
                own, weight, y = (
                    part[inside],
                    problem.weight[rows][inside],
                    problem.centred[rows][inside],
                )
                products[block] += (weight[:, None] * own).T @ own
                with_y[block] += (weight[:, None] * own).T @ y
                sums[block] += weight @ own
                sums_y[block] += weight @ y
                weights[block] += weight.sum()
        return zip(products, with_y, sums, sums_y, weights, strict=True)

    def _without(
        self,
        products: torch.Tensor,
        with_y: torch.Tensor,
        sums: torch.Tensor,
        sums_y: torch.Tensor,
        weight: torch.Tensor,
    ) -> _Others:
        """Return the fit of the other rows."""
        problem = self.problem
        total = problem.total - weight
        # Over all rows, features and y have mean 0.
        mean, mean_y = -sums / total, -sums_y / total
        products = problem.squares.diag() - products - total * torch.outer(mean, mean)
        values, vectors = torch.linalg.eigh(products)
        shrunk = 1 / (values.clamp_min(0)[:, None] + problem.strengths)
        with_y = vectors.T @ (problem.products - with_y - total * torch.outer(mean, mean_y))
        fitted = torch.einsum("ij,jok->iok", vectors, with_y[:, :, None] * shrunk[:, None])
        return _Others(mean, mean_y, fitted, values.clamp_min(0), vectors, total)

    def residuals(self, n_rows: int | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield what is missing at rows held out, all or the first.

        Of shape (n_rows, n_outputs, n_strengths).
        """
        problem = self.problem
        for rows, part in problem.turned(n_rows):
            missing = problem.centred[rows, :, None].repeat(1, 1, len(problem.strengths))
            for block, others in enumerate(self._others):
                inside = self.blocks[rows] == block
                predicted = torch.einsum("ij,jok->iok", part[inside] - others.mean, others.fitted)
                missing[inside] -= predicted + others.mean_target[:, None]
            yield rows, missing

    def unknown(self, n_rows: int) -> Iterator[torch.Tensor]:
        """Yield variances of the first rows when held out, in units of the noise of weight 1.

        Of shape (n_rows, n_strengths).
        """
        problem = self.problem
        for rows, part in problem.turned(n_rows):
            variance = part.new_empty(len(part), len(problem.strengths))
            for block, others in enumerate(self._others):
                inside = self.blocks[rows] == block
                squares = ((part[inside] - others.mean) @ others.turn) ** 2
                shrunk = 1 / (others.squares[:, None] + problem.strengths)
                variance[inside] = squares @ shrunk + 1 / others.total
            yield variance


def solve_readout(
    problem: RidgeProblem, blocks: torch.Tensor | None = None, *, together: bool = False
) -> Readout:
    """Return the last layer whose predictions of rows held out are best, averaged over strengths.

    Parameters
    ----------
    problem : RidgeProblem
    blocks : Tensor of int of shape (n_rows,), optional
        Rows that are held out together; by default each by itself.
    together : bool
        Whether all outputs share one strength.

    References
    ----------
    Y. Yao, A. Vehtari, D. Simpson and A. Gelman, "Using stacking to average Bayesian predictive
    distributions", Bayesian Analysis 13, 2018.
    """
    way = LeaveOneOut(problem) if blocks is None else LeaveBlocksOut(problem, blocks)
    weight = problem.weight[way.rows]
    errors = _sum(
        torch.einsum("i,iok->ok", weight[rows], missing**2) for rows, missing in way.residuals()
    )
    if together:
        errors = errors.mean(dim=0).expand_as(errors)
    shares = _shares(errors, len(way.rows))
    held_out = problem.target[way.rows].clone()
    for rows, missing in way.residuals():
        held_out[rows] -= (missing * shares).sum(dim=2)
    layer, level = problem.layer(shares.T)
    return Readout(layer, problem.mean_target - level, held_out, way.rows, shares, way)


def _sum(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    return functools.reduce(torch.Tensor.add_, parts)


def _shares(errors: torch.Tensor, n_rows: int) -> torch.Tensor:
    """Return how much each strength counts, rows of sum 1: (n_outputs, n_strengths)."""
    least = errors.min(dim=1, keepdim=True).values
    # Where a strength leaves no error, all that leave none are alike.
    excess = torch.where(least > 0, errors / least.clamp_min(1e-300) - 1, errors)
    return torch.softmax(-_SHARPNESS * math.sqrt(n_rows) * excess, dim=1)


def strengths_tried(device: torch.device) -> torch.Tensor:
    """Return the strengths that are tried."""
    exponents = torch.arange(_WEAKEST, _STRONGEST + _STEP / 2, _STEP, dtype=torch.float64)
    return 10.0 ** exponents.to(device)
