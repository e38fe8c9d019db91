"""Tables of tensors that live on the device, and batches that are slices of them."""

import math
from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Subset

from skginr.network._inputs import Inputs

# What a batch holds beside its inputs: values, or values and row weights of mean 1.
Truth = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
Batch = tuple[torch.Tensor, Truth]


class TensorTable(Dataset):
    """Inputs, targets and weights as tensors on one device.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_inputs), or Inputs of tensors
    y : Tensor of shape (n_rows, n_outputs) or (n_rows,), optional
        Not needed to predict.
    weight : Tensor of shape (n_rows,), optional
        Of mean 1.
    seen_once : float, default 1.0
        The weight of a row that was seen once, so that those seen more often have more.
    """

    def __init__(
        self,
        X: torch.Tensor | Inputs,
        y: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
        seen_once: float = 1.0,
    ) -> None:
        self.X = Inputs.of(X)
        self.y = torch.empty(len(X), 0, device=X.device) if y is None else y
        self.weight = weight
        self.seen_once = seen_once

    def __len__(self) -> int:
        return len(self.X)

    def select(self, rows: torch.Tensor) -> "TensorTable":
        """Return a table of some rows, whose weights are of mean 1 again."""
        X = self.X.select(rows)
        if self.weight is None:
            return TensorTable(X, self.y[rows])
        weight = self.weight[rows]
        mean = weight.mean()
        return TensorTable(X, self.y[rows], weight / mean, self.seen_once / float(mean))

    @property
    def counts(self) -> torch.Tensor:
        """How often each row was seen, in float64 on the CPU."""
        if self.weight is None:
            return torch.ones(len(self), dtype=torch.float64)
        return self.weight.cpu().double() / self.seen_once

    def parted(self, mask: NDArray[np.bool_]) -> tuple["TensorTable", "TensorTable"]:
        """Return a table of the rows of a mask, and one of all others."""
        inside = torch.from_numpy(mask).to(self.X.device)
        return self.select(inside.nonzero()[:, 0]), self.select((~inside).nonzero()[:, 0])

    def __getitem__(self, rows: int | slice | torch.Tensor) -> Batch:
        if self.weight is None:
            return self.X[rows], self.y[rows]
        return self.X[rows], (self.y[rows], self.weight[rows])


class TensorBatches:
    """Iterates over a :class:`TensorTable` by slicing, in place of a ``DataLoader``.

    A loader that collates rows one by one costs more than the training step itself.

    Parameters
    ----------
    dataset : TensorTable, or Subset of one
    batch_size : int
        At most so many rows a batch; batches are of equal size, give or take a row.
    sampling : {"shuffle", "draw", "order"}, default "order"
        An epoch is every row once in random order; or one random draw of
        ``batch_size`` rows, repeating rows only where there are fewer; or every row
        in its order.
    seed : int, default 0
        Of the random order, which goes on from epoch to epoch.
    """

    def __init__(
        self,
        dataset: TensorTable | Subset,
        batch_size: int,
        sampling: str = "order",
        seed: int = 0,
    ) -> None:
        if isinstance(dataset, Subset):
            dataset = _rows_of_subset(dataset)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampling = sampling
        self._generator = torch.Generator().manual_seed(seed)
        self._drawn: torch.Tensor | None = None

    def __len__(self) -> int:
        return 1 if self.sampling == "draw" else math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self.sampling == "order":
            for start in range(0, len(self.dataset), self.batch_size):
                yield self.dataset[start : start + self.batch_size]
        elif self.sampling == "shuffle" and len(self) == 1:
            # The mean over all rows does not depend on their order.
            yield self.dataset[:]
        else:
            device = self.dataset.X.device
            order = self._order() if self._drawn is None else self._drawn
            self._drawn = None
            for rows in torch.tensor_split(order.to(device), len(self)):
                yield self.dataset[rows]
            if device.type != "cpu":
                # The next one, on the CPU, while the device is still at work on these.
                self._drawn = self._order()

    def _order(self) -> torch.Tensor:
        n_rows = len(self.dataset)
        if self.sampling == "shuffle":
            return torch.randperm(n_rows, generator=self._generator)
        copies = math.ceil(self.batch_size / n_rows)
        order = torch.randperm(n_rows * copies, generator=self._generator)
        return order[: self.batch_size] % n_rows


def _rows_of_subset(subset: Subset) -> TensorTable:
    table = cast(TensorTable, subset.dataset)
    return table.select(torch.as_tensor(subset.indices, device=table.X.device))
