"""What a training minimises, and the score that it is for."""

import math
from typing import ClassVar

import torch

from skginr.network.training._batches import Truth


class Loss(torch.nn.Module):
    """A mean over rows, and the score that ``target_score`` is of.

    The truth is a tensor, or a pair of one and row weights of mean 1.
    """

    name: ClassVar[str]
    score: ClassVar[str]

    @staticmethod
    def of_rows(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row, shape (n_rows,)."""
        raise NotImplementedError

    @staticmethod
    def misfit(loss: torch.Tensor, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return what is missing from a score of 1, of rows with this loss."""
        raise NotImplementedError

    @staticmethod
    def loss_at(misfit: float) -> float:
        """Return the largest loss at which a misfit so small may be found."""
        raise NotImplementedError


class SquaredLoss(Loss):
    """Mean squared error; of a target of unit variance it is what is missing from R²."""

    name = "the squared loss"
    score = "R²"

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the loss, a scalar."""
        if isinstance(truth, torch.Tensor):
            return torch.nn.functional.mse_loss(prediction, truth)
        values, weight = truth
        return (weight[:, None] * (prediction - values) ** 2).mean()

    @staticmethod
    def of_rows(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the mean square of each row's errors."""
        return ((prediction - y) ** 2).mean(dim=1)

    @staticmethod
    def misfit(loss: torch.Tensor, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the loss."""
        return loss

    @staticmethod
    def loss_at(misfit: float) -> float:
        """Return the misfit."""
        return misfit


class CrossEntropy(Loss):
    """Mean negative logarithm of the probability given to the class, by number."""

    name = "the cross-entropy"
    score = "accuracy"

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the loss, a scalar."""
        if isinstance(truth, torch.Tensor):
            return torch.nn.functional.cross_entropy(prediction, truth)
        classes, weight = truth
        return (weight * self.of_rows(prediction, classes)).mean()

    @staticmethod
    def of_rows(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the negative logarithm of the probability of each row's class."""
        return torch.nn.functional.cross_entropy(prediction, y, reduction="none")

    @staticmethod
    def misfit(loss: torch.Tensor, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Return the share of rows, by weight, whose most probable class is another."""
        classes, weight = (truth, 1.0) if isinstance(truth, torch.Tensor) else truth
        wrong = prediction.argmax(dim=1) != classes
        return (weight * wrong.to(loss.dtype)).mean()

    @staticmethod
    def loss_at(misfit: float) -> float:
        """Return infinity: few rows may be wrong, and those by far."""
        return math.inf
