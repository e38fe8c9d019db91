"""TangentKernelRegressor: other signals from what a network has learned of one, in closed form."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import check_known, check_numeric, check_real, unchanged_on_error
from skginr.network._inputs import check_numbers
from skginr.network._model import Model
from skginr.network._regressor import SIRENRegressor
from skginr.network.nn import TangentFeatures, tangent_kernel

# Rows predicted at once.
_CHUNK = 4096


class TangentKernelRegressor(RegressorMixin, BaseEstimator):
    """Kernel ridge regression with the tangent kernel of a network.

    A network that moves little from its weights w is ``f(x) + J(x) dw``, and the best ``dw``
    follows from one linear system instead of a training [1]_. Of a network that has learned one
    signal, J knows the graph and what signals on it look like: another signal on the same nodes is
    fitted as well as by a training of its own, in a fraction of the time.

    Parameters
    ----------
    network : SIRENRegressor, or FrozenEstimator of a fitted one, or None, default None
        Whose tangents. ``FrozenEstimator(model)`` (of :mod:`sklearn.frozen`) is used as it is,
        whatever it was fitted to; a bare one is first fitted to the signal itself, as a copy. None
        is ``SIRENRegressor("train")``.
    alpha : float, default 1e-4
        Ridge, in units of the kernel's mean diagonal: 1e-5 repeats a signal that is known
        everywhere, more leaves out noise.

    Attributes
    ----------
    network_ : SIRENRegressor or FrozenEstimator
        Fitted.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    ValueError
        If X or y is not finite, a frozen network takes another number of columns, or the system
        is singular in the precision of the network.

    Notes
    -----
    n rows take n² numbers and n³ / 3 multiplications, once: a fit to another signal on the same X
    is a product with the factor of the last. Several columns of y are several signals.

    References
    ----------
    .. [1] A. Jacot et al., "Neural tangent kernel: convergence and generalization in neural
       networks", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skginr import SIRENRegressor, TangentKernelRegressor
    >>> x = np.linspace(-2, 2, 100)[:, None]
    >>> network = SIRENRegressor("train", max_epochs=50, random_state=0)
    >>> first = network.fit(x, np.sin(3 * x[:, 0]))
    >>> model = TangentKernelRegressor(FrozenEstimator(first)).fit(x, np.cos(2 * x[:, 0]))
    >>> model.score(x, np.cos(2 * x[:, 0])) > 0.999
    True
    """

    def __init__(
        self, network: SIRENRegressor | FrozenEstimator | None = None, *, alpha: float = 1e-4
    ) -> None:
        self.network = network
        self.alpha = alpha

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series | pd.DataFrame) -> Self:
        """Solve for the signal.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Coordinates, as the network takes them.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)

        Returns
        -------
        self
        """
        check_real("alpha", self.alpha, minimum=0, strict=True)
        network = SIRENRegressor("train") if self.network is None else self.network
        _check_network(network)
        if y is not None and np.asarray(y).dtype.kind != "c":
            check_known(check_numeric("y", y))
        check_numbers(self, X)
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True
        )
        # A frozen network is its own clone.
        self.network_ = clone(network).fit(X, y)
        self._check_columns(X.shape[1])
        if isinstance(self.network_, FrozenEstimator):
            self.network_ = FrozenEstimator(_with_own_weights(self.network_.estimator))
        features = self.network_._model.tangent_features(X)
        factor = self._factor_of(features)
        signals = y.reshape(len(y), -1).astype(np.float64)
        self._mean = signals.mean(axis=0)
        right = torch.from_numpy(signals - self._mean).to(factor.device)
        self._coefficients = torch.cholesky_solve(right, factor).cpu().numpy()
        self._features = features
        self._single = y.ndim == 1
        return self

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the signal at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        """
        check_is_fitted(self)
        check_numbers(self, X)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        predicted = np.empty((len(X), len(self._mean)))
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            features = self.network_._model.tangent_features(X[rows])
            kernel = tangent_kernel(features, self._features).cpu().numpy()
            predicted[rows] = kernel.astype(np.float64) @ self._coefficients
        predicted += self._mean
        return predicted[:, 0] if self._single else predicted

    def _check_columns(self, n_columns: int) -> None:
        """Raise unless X has the columns that a frozen network was fitted with."""
        known, expected = (vars(self).get("feature_names_in_"), self.network_.n_features_in_)
        names = getattr(self.network_, "feature_names_in_", None)
        if n_columns != expected:
            raise ValueError(
                f"X must have the {expected} columns that network was fitted with; got {n_columns}."
            )
        if known is not None and names is not None and list(known) != list(names):
            raise ValueError(
                f"X must have the columns that network was fitted with, {list(names)}; got "
                f"{list(known)}."
            )

    def _factor_of(self, features: TangentFeatures) -> torch.Tensor:
        """Return a factor of the kernel with its ridge: the last, where neither has changed."""
        kept = getattr(self, "_factored", None)
        if kept is not None and kept[0] == self.alpha and _equal(features, self._features):
            return kept[1]
        kernel = _in_double(tangent_kernel(features, features))
        diagonal = kernel.diagonal()
        diagonal += self.alpha * diagonal.mean()
        factor, failed = torch.linalg.cholesky_ex(kernel)
        if failed:
            raise ValueError(
                f"alpha={self.alpha} is too small for the precision of the network: the system is "
                f"singular. Raise alpha, or fit the network with dtype='float64'."
            )
        self._factored = self.alpha, factor
        return factor

    def __getstate__(self) -> dict[str, Any]:
        # The factor is large, and quickly made again.
        state = super().__getstate__() | {"_factored": None}
        if "_features" in state:
            state["_features"] = [(a.cpu(), b.cpu()) for a, b in state["_features"]]
        return state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _with_own_weights(network: SIRENRegressor) -> SIRENRegressor:
    """Return a network that stays as it is when the given one is trained on."""
    own = copy.copy(network)
    with torch.inference_mode(False):
        own._model = Model.from_state(network._model.to_state())
    own.callbacks = None
    return own


def _check_network(network: Any) -> None:
    inner = network.estimator if isinstance(network, FrozenEstimator) else network
    if not isinstance(inner, SIRENRegressor):
        raise TypeError(
            f"network must be a SIRENRegressor, or a FrozenEstimator of one; got "
            f"{type(inner).__name__}. Of a Pipeline, give the last step."
        )
    if inner is not network:
        check_is_fitted(
            inner, msg="network is frozen but not fitted: fit the %(name)s before freezing it."
        )


def _in_double(kernel: torch.Tensor) -> torch.Tensor:
    """Return it in float64, on its device if that has such numbers; MPS has not."""
    return (kernel.cpu() if kernel.device.type == "mps" else kernel).double()


def _equal(a: TangentFeatures, b: TangentFeatures) -> bool:
    return all(
        torch.equal(one.cpu(), other.cpu())
        for pair_a, pair_b in zip(a, b, strict=True)
        for one, other in zip(pair_a, pair_b, strict=True)
    )
