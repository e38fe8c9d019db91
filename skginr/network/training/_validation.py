"""Rows held out to see how a network does between those it trains on."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from torch.utils.data import Subset

from skginr.network._inputs import Inputs
from skginr.network.training._batches import TensorTable

# Rows that clusters are found among, and that are assigned to them at once.
_CHUNK = 1 << 16
# Blocks held out at least, where there are rows enough.
_N_BLOCKS = 10
# And of each fold, where all rows are held out in turn.
_BLOCKS_A_FOLD = 4
# How many times the share wanted may be held out, for a block to be whole.
_TOO_MANY = 1.5


class BlockSplit:
    """Holds out whole blocks of neighbouring rows, as skorch's ``train_split``.

    Rows next to training rows would be predicted by them, and say little about others.

    Parameters
    ----------
    share : float
        Of the rows, about, that are held out.
    seed : int
        Of the blocks.
    """

    def __init__(self, share: float, seed: int) -> None:
        self.share = share
        self.seed = seed

    def __call__(
        self, dataset: TensorTable, y: object = None, **kwargs: Any
    ) -> tuple[Subset, Subset]:
        """Return the rows to train on and those to look at."""
        held = self.rows_held_out(dataset.X)
        # Lists would take ten times the memory.
        rows, held_out = (np.flatnonzero(mask) for mask in (~held, held))
        return Subset(dataset, rows), Subset(dataset, held_out)  # type: ignore[arg-type]

    def rows_held_out(self, X: NDArray | torch.Tensor | Inputs) -> NDArray[np.bool_]:
        """Return a mask over the rows: clusters of k-means, drawn until they are enough."""
        n_rows = len(X)
        if n_rows < 2:
            raise ValueError(f"validation={self.share} needs at least 2 rows; got {n_rows}.")
        n_clusters = round(min(_N_BLOCKS / self.share, max(2, n_rows // 4)))
        blocks = self._clusters(X, n_clusters)
        wanted = min(max(round(self.share * n_rows), 1), n_rows - 1)
        sizes = np.bincount(blocks, minlength=n_clusters)
        # A row at least is left to train on.
        most = min(_TOO_MANY * wanted, n_rows - 1)
        held = np.zeros(n_rows, dtype=bool)
        for block in np.random.default_rng(self.seed).permutation(n_clusters):
            # A block may be most of the rows, where many are alike.
            if held.sum() < wanted and held.sum() + sizes[block] <= most:
                held |= blocks == block
        if not held.any():
            held[np.flatnonzero(blocks == sizes.argmax())[:wanted]] = True
        return held

    def folds(self, X: NDArray | torch.Tensor | Inputs) -> NDArray[np.intp]:
        """Return the fold of every row, each of about ``share`` of the rows and of whole blocks."""
        n_rows = len(X)
        n_folds = min(max(2, round(1 / self.share)), n_rows)
        n_clusters = min(_BLOCKS_A_FOLD * n_folds, max(n_folds, n_rows // 4))
        blocks = self._clusters(X, n_clusters)
        folds = np.empty(n_clusters, dtype=np.intp)
        filled = np.zeros(n_folds)
        sizes = np.bincount(blocks, minlength=n_clusters)
        # The largest first, each to the fold that has least.
        for block in np.argsort(-sizes, kind="stable"):
            folds[block] = filled.argmin()
            filled[folds[block]] += sizes[block]
        _, numbers = np.unique(folds[blocks], return_inverse=True)
        return numbers

    def _clusters(self, X: NDArray | torch.Tensor | Inputs, n_clusters: int) -> NDArray[np.integer]:
        """Return the cluster of every row; never all rows of indexed columns are made at once."""
        sample: Any = slice(None)
        if len(X) > _CHUNK:
            sample = np.random.default_rng(self.seed).choice(len(X), _CHUNK, replace=False)
        k_means = MiniBatchKMeans(n_clusters, random_state=self.seed, n_init=1, batch_size=4096)
        k_means.fit(_array(X[sample]))
        chunks = (X[start : start + _CHUNK] for start in range(0, len(X), _CHUNK))
        return np.concatenate([k_means.predict(_array(chunk)) for chunk in chunks])


def rows_by_chance(X: torch.Tensor | Inputs, share: float, *, salt: int = 0) -> NDArray[np.bool_]:
    """Return a mask over the rows, about a share of them: those that are alike together.

    A row that was left in would predict its twin that is held out. What a row holds decides,
    whatever the order of rows; another ``salt`` is another draw.
    """
    # The upper half, since products stir upper bits most.
    return (Inputs.of(X).hashes(salt) >> np.uint64(32)) < share * 2**32


def _array(X: NDArray | torch.Tensor) -> NDArray:
    return torch.as_tensor(X).cpu().numpy()
