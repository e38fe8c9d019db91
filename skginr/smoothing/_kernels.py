"""Covariances of nodes and of covariates, as kernels of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import (
    RBF,
    DotProduct,
    Hyperparameter,
    Kernel,
    WhiteKernel,
)

from skginr.graphs import (
    Laplacian,
    components_by_size,
)
from skginr.smoothing._penalty import Penalty

# Variance of what the nodes of a component have in common, in those of what tells nodes apart.
_MOST_TOGETHER = 50.0
# Ranges of covariances in space, in median distances of places from their middle.
_RANGES = (0.1, 0.3, 1.0, 3.0)
# Of every range a rough one and a smooth one.
N_AMPLITUDES = 2 * len(_RANGES)
# Rows whose covariances are kept while amplitudes are tried.
_FEW = 1_000


class Covariance:
    """A covariance of nodes; never copied."""

    def __init__(self, matrix: NDArray[np.float64], source: tuple[Any, ...]) -> None:
        self.matrix = matrix
        self.source = source

    def tells_nodes_apart(self) -> bool:
        """Return whether covariances are finite, and not of one constant."""
        return len(self.matrix) == 1 or bool(self.matrix.mean() < 0.99)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<covariance of {len(self.matrix)} nodes>"


class NodeKernel(Kernel):
    """Covariance of nodes, whose numbers are the first column of X."""

    def __init__(self, covariance: Covariance) -> None:
        self.covariance = covariance

    def __call__(
        self, X: NDArray, Y: NDArray | None = None, eval_gradient: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Return the covariance, and with ``eval_gradient`` that it has no hyper-parameters."""
        first = X[:, 0].astype(int)
        second = first if Y is None else Y[:, 0].astype(int)
        values = self.covariance.matrix[np.ix_(first, second)]
        return (values, np.empty((*values.shape, 0))) if eval_gradient else values

    def diag(self, X: NDArray) -> NDArray:
        """Return the variances."""
        return self.covariance.matrix.diagonal()[X[:, 0].astype(int)]

    def is_stationary(self) -> bool:
        """Return False: nodes differ."""
        return False


class Places:
    """Where nodes are, about 0 and of unit size; never copied.

    Parameters
    ----------
    places : ndarray of shape (n_nodes, n_dimensions)
    source : tuple
    """

    # What was asked for last, for the many amplitudes that are tried on the same rows.
    _last: tuple[NDArray[np.intp], list[NDArray[np.float64]]] | None = None

    def __init__(self, places: NDArray[np.float64], source: tuple[Any, ...]) -> None:
        self.places = places
        self.source = source

    def covariances(
        self, first: NDArray[np.intp], second: NDArray[np.intp] | None
    ) -> Iterable[NDArray[np.float64]]:
        """Return covariances of unit variance between nodes: rough ones and smooth, by range.

        Matérn's of smoothness 1/2 and 3/2.
        """
        if second is not None or len(first) > _FEW:
            return self._each(first, first if second is None else second)
        # Read once, as another thread may be asking of other rows.
        last = self._last
        if last is None or not np.array_equal(last[0], first):
            self._last = last = first, list(self._each(first, first))
        return last[1]

    def forget(self) -> None:
        """Let go of what was asked for last."""
        self._last = None

    def _each(
        self, first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> Iterator[NDArray[np.float64]]:
        distances = cdist(self.places[first], self.places[second])
        for reach in _RANGES:
            yield np.exp(-distances / reach)
        for reach in _RANGES:
            steps = distances * (3**0.5 / reach)
            yield (1 + steps) * np.exp(-steps)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"places": self.places, "source": self.source}

    def __repr__(self) -> str:
        return f"<places of {len(self.places)} nodes>"


class SpaceKernel(Kernel):
    """Covariances in space, each of an amplitude of its own, of nodes by the first column of X."""

    def __init__(
        self,
        places: Places,
        amplitudes: ArrayLike = 1.0,
        amplitudes_bounds: tuple[float, float] = (1e-5, 1e3),
    ) -> None:
        self.places = places
        self.amplitudes = amplitudes
        self.amplitudes_bounds = amplitudes_bounds

    @property
    def hyperparameter_amplitudes(self) -> Hyperparameter:
        """Variances, the rough ones first, from the shortest range on."""
        return Hyperparameter("amplitudes", "numeric", self.amplitudes_bounds, N_AMPLITUDES)

    def __call__(
        self, X: NDArray, Y: NDArray | None = None, eval_gradient: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Return the covariance, and with ``eval_gradient`` its gradient."""
        first = X[:, 0].astype(int)
        second = None if Y is None else Y[:, 0].astype(int)
        parts = self.places.covariances(first, second)
        sizes = np.broadcast_to(self.amplitudes, N_AMPLITUDES)
        if eval_gradient:
            parts = list(parts)
        values = np.zeros((len(first), len(first if second is None else second)))
        for size, part in zip(sizes, parts, strict=True):
            values += size * part
        return (values, np.stack(list(parts), axis=-1) * sizes) if eval_gradient else values

    def diag(self, X: NDArray) -> NDArray:
        """Return the variances."""
        return np.full(len(X), np.broadcast_to(self.amplitudes, N_AMPLITUDES).sum())

    def is_stationary(self) -> bool:
        """Return True: a distance is all that counts."""
        return True


class MeanNoise(WhiteKernel):
    """Noise of means of so many rows each."""

    def __init__(
        self,
        counts: NDArray[np.float64],
        noise_level: float,
        noise_level_bounds: tuple[float, float],
    ) -> None:
        super().__init__(noise_level, noise_level_bounds)
        self.counts = counts

    def __call__(
        self, X: NDArray, Y: NDArray | None = None, eval_gradient: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Return the covariance, and with ``eval_gradient`` its gradient."""
        if Y is not None:
            return np.zeros((len(X), len(Y)))
        values = np.diag(self.noise_level / self.counts)
        return (values, values[..., None]) if eval_gradient else values


class CovariateKernel(RBF):
    """Squared exponential of the columns of X after the first."""

    def __call__(
        self, X: NDArray, Y: NDArray | None = None, eval_gradient: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Return the covariance, and with ``eval_gradient`` its gradient."""
        return super().__call__(X[:, 1:], None if Y is None else Y[:, 1:], eval_gradient)


class LinearKernel(DotProduct):
    """Covariance of what is linear in the columns of X after the first, so many."""

    def __init__(self, n_columns: int, sigma_0: float = 0.0, sigma_0_bounds: Any = "fixed") -> None:
        super().__init__(sigma_0, sigma_0_bounds)
        self.n_columns = n_columns

    def __call__(
        self, X: NDArray, Y: NDArray | None = None, eval_gradient: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Return the covariance, and with ``eval_gradient`` that it has no hyper-parameters."""
        return super().__call__(X[:, 1:], None if Y is None else Y[:, 1:], eval_gradient)

    def diag(self, X: NDArray) -> NDArray:
        """Return the variances."""
        return super().diag(X[:, 1:])


def matern_covariance(
    precision: Penalty, operator: Laplacian, kappa: float, source: tuple[Any, ...]
) -> Covariance:
    """Return the Matérn covariance, every component scaled to unit mean variance.

    What a component has in common varies by ``kappa**(-2 order)``, which for a small kappa leaves
    no digit to what tells its nodes apart. It is found by itself, and bounded.
    """
    components = components_by_size(operator.stiffness)
    n_nodes, sizes = len(components), np.bincount(components)
    common = np.zeros((n_nodes, len(sizes)))
    common[np.arange(n_nodes), components] = operator.kernel
    weighted = operator.mass[:, None] * common
    common /= (weighted * common).sum(axis=0) ** 0.5
    weighted = operator.mass[:, None] * common
    stiff = precision.matrix().toarray() * precision.scale
    held = float(np.mean(stiff.diagonal() / operator.mass))
    try:
        factor = cho_factor(stiff + held * weighted @ weighted.T)
    except np.linalg.LinAlgError:
        return Covariance(np.ones((n_nodes, n_nodes)), source)
    least = max(kappa ** (2 * precision.order), np.finfo(float).tiny ** 0.5)
    apart = cho_solve(factor, np.eye(n_nodes)) - common @ common.T / (least + held)
    # One node has nothing to be apart from.
    alone = sizes[components] == 1
    apart[alone] = 0.0
    apart[:, alone] = 0.0
    typical = float(apart.diagonal()[~alone].mean()) if not alone.all() else 0.0
    together = (common**2).sum(axis=0) / sizes / least
    share = np.minimum(1.0, _MOST_TOGETHER * typical / together) if typical > 0 else 1.0
    matrix = apart + (common * (share / least)) @ common.T
    scale = (np.bincount(components, weights=matrix.diagonal()) / sizes) ** -0.5
    return Covariance(scale[components, None] * matrix * scale[components], source)
