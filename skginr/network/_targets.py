"""What a network learns of y, and what its outputs mean: a signal, or classes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skginr.network.training import CrossEntropy, Loss, SquaredLoss


class Target(Protocol):
    """What becomes of y on its way into the network and back."""

    @property
    def loss(self) -> type[Loss]:
        """What is minimised."""
        ...

    @property
    def n_columns(self) -> int:
        """Number of outputs of the network."""
        ...

    def check(self, y: NDArray) -> None:
        """Raise unless y is like the one that this was made of."""
        ...

    def encode(self, y: NDArray) -> NDArray:
        """Return y as the network learns it, one row for each."""
        ...

    def decode(self, outputs: NDArray) -> NDArray[np.floating]:
        """Return what outputs of the network mean."""
        ...


class SignalTarget:
    """Mean and spread of each output, and the shape and precision that y came in."""

    loss = SquaredLoss

    def __init__(self, y: NDArray, weight: NDArray | None) -> None:
        self.dtype = y.dtype if y.dtype == np.float32 else np.dtype(np.float64)
        self.n_outputs = y.shape[1] if y.ndim == 2 else None
        values = self._columns(y)
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean = np.average(values, axis=0, weights=weight)
            deviation = values - self.mean
            # Scaled by the largest, so that squares neither overflow nor vanish.
            largest = np.abs(deviation).max(axis=0)
            safe = np.where(largest > 0, largest, 1.0)
            spread = safe * np.sqrt(np.average((deviation / safe) ** 2, axis=0, weights=weight))
        if not np.isfinite(spread).all():
            raise ValueError(
                f"y is too large to compute with: up to {np.abs(values).max():.3g}. Scale it."
            )
        # A constant target is predicted by its mean.
        constant = spread <= 4 * np.finfo(np.float64).eps * np.abs(self.mean)
        self.spread = np.where(constant | (largest == 0), 1.0, spread)

    @property
    def n_columns(self) -> int:
        """Number of outputs, 1 for a vector."""
        return self.n_outputs or 1

    def check(self, y: NDArray) -> None:
        """Raise unless y has as many outputs."""
        if self.n_outputs != (y.shape[1] if y.ndim == 2 else None):
            raise ValueError(
                f"y must have as many outputs as the model that goes on, "
                f"{self.n_outputs or 'one, as a vector'}; got shape {y.shape}. Fit a new "
                f"model, with warm_start=False."
            )

    def encode(self, y: NDArray) -> NDArray[np.float64]:
        """Return y as a table of standardised outputs."""
        return (self._columns(y) - self.mean) / self.spread

    def decode(self, outputs: NDArray) -> NDArray[np.floating]:
        """Return predictions in the units, shape and precision of y."""
        y = outputs.astype(np.float64) * self.spread + self.mean
        return (y if self.n_outputs else y[:, 0]).astype(self.dtype, copy=False)

    def decode_deviations(self, deviations: NDArray[np.float64]) -> NDArray[np.floating]:
        """Return deviations of outputs, (n_rows, n_outputs, ...), in the units and shape of y."""
        scale = self.spread.reshape(-1, *[1] * (deviations.ndim - 2))
        y = deviations * scale
        return (y if self.n_outputs else y[:, 0]).astype(self.dtype, copy=False)

    def decode_gradient(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return derivatives of outputs in the units and shape of y."""
        gradient = gradient * self.spread[:, None]
        return gradient if self.n_outputs else gradient[:, 0]

    def check_whole(self) -> None:
        """Raise unless this is what could have been made of some y: it may be of a file."""
        if self.n_outputs is not None and type(self.n_outputs) is not int:
            raise TypeError("the number of outputs must be a whole number, or None")
        for array in (self.mean, self.spread):
            if not isinstance(array, np.ndarray) or array.dtype != np.float64:
                raise TypeError("the mean and spread of a signal must be arrays of float64")
            if array.shape != (self.n_columns,) or not np.isfinite(array).all():
                raise ValueError("the mean and spread of a signal must be a number per output")
        if not (self.spread > 0).all() or self.dtype not in (np.float32, np.float64):
            raise ValueError("the spread of a signal must be positive, and its dtype of floats")

    @staticmethod
    def _columns(y: NDArray) -> NDArray[np.float64]:
        return y.reshape(len(y), -1).astype(np.float64)


class ClassTarget:
    """The classes, in order."""

    loss = CrossEntropy

    def __init__(self, labels: NDArray) -> None:
        self.classes = np.unique(labels)

    @property
    def n_columns(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def check(self, y: NDArray) -> None:
        """Raise unless every label is one of the classes."""
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"y must hold classes that the model knows, {self.classes.tolist()}; got "
                f"{unknown.tolist()}. Name all at the first call, partial_fit(classes=...), or "
                f"fit a new model, with warm_start=False."
            )

    def check_whole(self) -> None:
        """Raise unless classes are distinct and in order: they may be of a file."""
        if not isinstance(self.classes, np.ndarray) or self.classes.ndim != 1:
            raise TypeError("the classes of a network must be an array")
        if not np.array_equal(np.unique(self.classes), self.classes):
            raise ValueError("the classes of a network must be distinct, and in order")

    def encode(self, y: NDArray) -> NDArray[np.intp]:
        """Return the number of the class of every row."""
        return np.searchsorted(self.classes, y)

    def decode(self, outputs: NDArray) -> NDArray[np.float64]:
        """Return the probability of each class, in float64 so that rows sum to 1."""
        return softmax(outputs.astype(np.float64), axis=1)
