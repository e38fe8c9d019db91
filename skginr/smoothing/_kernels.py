"""Covariances of nodes and of covariates, as kernels of scikit-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.gaussian_process.kernels import RBF, Kernel, WhiteKernel

from skginr.graphs import (
    Laplacian,
    components_by_size,
)
from skginr.smoothing._penalty import Penalty

# Variance of what the nodes of a component have in common, in those of what tells nodes apart.
_MOST_TOGETHER = 50.0


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
