"""Mean and spread of what a network is given."""

from typing import Any, NamedTuple

import torch

from skginr.network.training import TensorTable

# Rows that are read at once.
_CHUNK = 1 << 15
# A column so many times narrower than the widest is not widened further: it may be rounding.
_NARROWEST = 1e-2


class Moments(NamedTuple):
    """Of every column, by the weight of rows, on the CPU in float64."""

    mean: torch.Tensor
    spread: torch.Tensor

    @property
    def unit_scale(self) -> torch.Tensor:
        """Factors that make the mean square of columns 1; 1 of a column that does not vary."""
        size = (self.mean**2 + self.spread**2).sqrt()
        size = size.clamp_min(_NARROWEST * float(size.max()))
        return torch.where(self.spread > 0, 1 / size, 1.0)


def moments_of(table: TensorTable) -> Moments:
    """Return the moments of the inputs of a table, of one row or more."""
    n_rows, device = len(table), table.X.device
    # MPS has no longer numbers.
    number = torch.float32 if device.type == "mps" else torch.float64
    weight = torch.ones(n_rows, dtype=number, device=device)
    if table.weight is not None:
        weight = table.weight.to(number)
    # Distances from the first row: far from 0, squares would lose their digits.
    first = table.X[:1].to(number)[0]
    sums: list[Any] = [0.0, 0.0]
    for start in range(0, n_rows, _CHUNK):
        rows = slice(start, start + _CHUNK)
        part = table.X[rows].to(number) - first
        sums = [sums[0] + weight[rows] @ part, sums[1] + weight[rows] @ part**2]
    mean, square = (some / weight.sum() for some in sums)
    variance = square - mean**2
    # What of a difference of two is rounding.
    rounding = torch.finfo(number).eps * n_rows**0.5
    spread = torch.where(variance > rounding * square, variance, 0.0).sqrt()
    return Moments(*((some).double().cpu() for some in (first + mean, spread)))
