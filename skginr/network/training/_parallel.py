"""One training in several processes, each with its share of every batch."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from skginr.network.training._batches import Batch


class Processes:
    """Those that train one network together; each holds all of it, and all rows.

    Gradients and losses are summed over the shares, so that every process sees the same numbers,
    decides the same, and holds the same weights at any time: those that one process would reach.

    Parameters
    ----------
    accelerator : accelerate.Accelerator, optional
        What they talk by. Without it there is one.
    """

    def __init__(self, accelerator: Any = None) -> None:
        self.accelerator = accelerator
        self.n_processes = 1 if accelerator is None else accelerator.num_processes

    @property
    def is_first(self) -> bool:
        """Say whether this is the one that speaks for all."""
        return self.n_processes == 1 or self.accelerator.is_main_process

    def share_of(self, batch: Batch) -> tuple[Any, float]:
        """Return this process' rows of a batch, and how much their mean counts."""
        n_rows = len(batch[0])
        if n_rows < self.n_processes:
            return batch, 1 / self.n_processes
        X, truth = batch
        rows = self._own(X)
        own = tuple(map(self._own, truth)) if isinstance(truth, tuple) else self._own(truth)
        return (rows, own), len(rows) / n_rows

    def _own(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.tensor_split(self.n_processes)[self.accelerator.process_index]

    def sum_up(self, module: torch.nn.Module, loss: torch.Tensor, share: float) -> torch.Tensor:
        """Make the gradients of a share those of the batch, and return the batch's loss."""
        gradients = [weights.grad for weights in module.parameters() if weights.grad is not None]
        # As one: what takes time is to wait for each other.
        parts = [gradient.flatten() for gradient in gradients] + [loss.detach().reshape(1)]
        total = self.accelerator.reduce(torch.cat(parts) * share, reduction="sum")
        sums = total.split([part.numel() for part in parts])
        for gradient, summed in zip(gradients, sums, strict=False):
            gradient.copy_(summed.view_as(gradient))
        return sums[-1][0]

    def any(self, said: bool, device: torch.device | str) -> bool:
        """Return whether any process says so."""
        if self.n_processes == 1:
            return said
        votes = torch.tensor(float(said), device=device)
        return bool(self.accelerator.reduce(votes, reduction="sum"))

    def check_same(self, what: str, *parts: torch.Tensor | str) -> None:
        """Raise, in every process, unless all have the same numbers and words, to the bit."""
        if self.n_processes == 1:
            return
        seen = hashlib.sha256()
        for part in parts:
            seen.update(
                part.encode() if isinstance(part, str) else part.detach().cpu().numpy().tobytes()
            )
        # What fits into a number that every device has.
        number = int.from_bytes(seen.digest()[:7], "big")
        mine = torch.tensor([number], device=self.accelerator.device)
        if len(set(self.accelerator.gather(mine).tolist())) > 1:
            raise ValueError(
                f"every process of an accelerator must be given the same {what}; they differ. "
                f"Give all of them the whole table, which each takes its share of itself, and the "
                f"same hyper-parameters."
            )
