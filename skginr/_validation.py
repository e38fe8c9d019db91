"""Rows held out to see how a network does between those it trains on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from torch.utils.data import Subset

from skginr._batches import TensorTable

# Blocks held out at least, where there are rows enough.
_N_BLOCKS = 10


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
        held = self.rows_held_out(dataset.X.cpu().numpy())
        rows, held_out = (np.flatnonzero(mask).tolist() for mask in (~held, held))
        return Subset(dataset, rows), Subset(dataset, held_out)

    def rows_held_out(self, X: NDArray) -> NDArray[np.bool_]:
        """Return a mask over the rows: clusters of k-means, drawn until they are enough."""
        n_rows = len(X)
        n_clusters = min(round(_N_BLOCKS / self.share), max(2, n_rows // 4))
        blocks = MiniBatchKMeans(
            n_clusters, random_state=self.seed, n_init=1, batch_size=4096
        ).fit_predict(X)
        wanted = min(max(round(self.share * n_rows), 1), n_rows - 1)
        sizes = np.bincount(blocks, minlength=n_clusters)
        order = np.random.default_rng(self.seed).permutation(n_clusters)
        drawn = order[: np.searchsorted(sizes[order].cumsum(), wanted) + 1]
        held = np.isin(blocks, drawn)
        if not held.all():
            return held
        # One block is everything: rows that are alike.
        return np.arange(n_rows) < wanted
