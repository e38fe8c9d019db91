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
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import (
    check_count,
    check_drawn,
    check_flag,
    check_known,
    check_numeric,
    check_real,
    check_weights,
    check_with_noise,
    drawn,
    unchanged_on_error,
)
from skginr.network._devices import in_double
from skginr.network._inputs import check_numbers
from skginr.network._model import Model
from skginr.network._regressor import SIRENRegressor
from skginr.network.nn import TangentFeatures, tangent_kernel

# Rows predicted at once.
_CHUNK = 4096


class TangentKernelRegressor(RegressorMixin, BaseEstimator):
    """Kernel ridge regression with the tangent kernel of a network.

    For small changes dw of its weights, a network is ``f(x) + J(x) dw``, with J its derivatives by
    the weights. The best ``dw`` is the solution of one linear system, without a training [1]_. If
    the network has learned one signal, J fits the graph and signals on it: another signal on the
    same nodes is fitted as well as by a training of its own, in a fraction of the time.

    Parameters
    ----------
    network : SIRENRegressor, or FrozenEstimator of a fitted one, or None, default None
        The network whose derivatives are used. ``FrozenEstimator(model)`` (of
        :mod:`sklearn.frozen`) is used as it is, whatever it was fitted to; of any other, a copy is
        first fitted to the signal itself. None is ``SIRENRegressor("train")``.
    alpha : float, default 1e-4
        Ridge of a row of weight 1, in units of the kernel's mean diagonal: 1e-5 repeats a signal
        that is known everywhere, more leaves out noise.

    Attributes
    ----------
    network_ : SIRENRegressor or FrozenEstimator
        Fitted.
    noise_variance_ : float or ndarray of shape (n_signals,)
        Variance of a row of weight 1 about the signal, in units of y squared: what ``alpha`` is, by
        the size of the Gaussian process that makes y likeliest.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    ValueError
        If X or y is not finite, a frozen network takes another number of columns, weights are
        negative or all zero, or the system is singular in the precision of the network.

    See Also
    --------
    SIRENRegressor : The network; by itself for one signal alone.
    SignalDistribution : For a new signal of which few nodes are known, after many signals on the
        same nodes.
    GraphSmoother : For a signal on a graph, without a network.

    Notes
    -----
    n rows take n² numbers and n³ / 3 multiplications, once: a fit to another signal on the same X
    is a product with the factor of the last. Several columns of y are several signals.

    Standard deviations and draws are those of the Gaussian process of which this is the mean, with
    the tangent kernel times a variance for its covariance. That variance maximises the marginal
    likelihood. A network that was fitted to the same signal has made its kernel of it: they are
    then too small.

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

    # Not in the files of earlier versions.
    _weights: NDArray[np.float64] | None = None

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Solve for the signal.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Coordinates, as the network takes them.
        y : array-like of shape (n_rows,) or (n_rows, n_signals)
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, such as populations, give those divided by their mean. A network
            that is not frozen is fitted with them too.

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
        weights = check_weights(sample_weight, len(X))
        self._weighed = sample_weight is not None
        used = weights > 0
        X, y, weights = X[used], y[used], weights[used]
        # A frozen network is its own clone.
        given = {} if sample_weight is None else {"sample_weight": weights}
        self.network_ = clone(network).fit(X, y, **given)
        self._check_columns(X.shape[1])
        if isinstance(self.network_, FrozenEstimator):
            self.network_ = FrozenEstimator(_with_own_weights(self.network_.estimator))
        features = self.network_._model.tangent_features(X)
        factor, ridge = self._factor_of(features, weights, self.alpha)
        signals = y.reshape(len(y), -1).astype(np.float64)
        self._mean = np.average(signals, axis=0, weights=weights)
        right = torch.from_numpy(signals - self._mean).to(factor.device)
        self._coefficients = torch.cholesky_solve(right, factor).cpu().numpy()
        self._features, self._weights, self._alpha = features, weights, self.alpha
        self._single = y.ndim == 1
        # The likeliest size of a Gaussian process whose mean this is.
        squares = (right.cpu().numpy() * self._coefficients).sum(axis=0)
        self._sizes = np.maximum(squares, 0) / weights.sum()
        noises = ridge * self._sizes
        self.noise_variance_ = float(noises[0]) if self._single else noises
        return self

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signal at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_signals), as y was
        std : ndarray of the same shape, if ``return_std``
        """
        check_is_fitted(self)
        check_flag("return_std", return_std)
        check_with_noise(with_noise, return_std)
        X = self._rows_to_predict(X)
        factor = self._factor() if return_std else None
        predicted, unknown = np.empty((len(X), len(self._mean))), np.empty(len(X))
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            features = self.network_._model.tangent_features(X[rows])
            predicted[rows], across = self._means(features)
            if factor is not None:
                explained = _explained(factor, across)
                unknown[rows] = _diagonal(features) - (explained**2).sum(axis=0)
        if not return_std:
            return self._shaped(predicted)
        variances = np.maximum(unknown, 0)[:, None] * self._sizes
        if with_noise:
            variances += self.noise_variance_
        return self._shaped(predicted), self._shaped(np.sqrt(variances))

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> NDArray[np.float64]:
        """Return draws of the signal at coordinates X, given what was observed.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows that are alike get one value in each draw, apart from noise.
        n_samples : int, default 1
        random_state : int, RandomState instance or None, default 0
        with_noise : bool, default False
            Whether draws are of new observations, noise included, and not of the signal.

        Returns
        -------
        ndarray of shape (n_rows, n_samples) or (n_rows, n_signals, n_samples)

        Raises
        ------
        ValueError
            Before ``fit``, or if more than 5,000 rows of X differ.
        """
        words = (
            "%(name)s draws what fit leaves open: how large signals are, fit finds. Fit it first."
        )
        check_is_fitted(self, msg=words)
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        rows, of_row = np.unique(self._rows_to_predict(X), axis=0, return_inverse=True)
        check_drawn(len(rows))
        factor = self._factor()
        features = self.network_._model.tangent_features(rows)
        means, across = self._means(features)
        explained = _explained(factor, across)
        kernel = in_double(tangent_kernel(features, features))
        # To the precision of the network.
        jitter = float(torch.finfo(across.dtype).eps * kernel.diagonal().max())
        unknown = kernel.cpu().numpy() - explained.T @ explained
        draws = np.stack(
            [
                mean[:, None] + size**0.5 * drawn(unknown, jitter, n_samples, random)
                for mean, size in zip(means.T, self._sizes, strict=True)
            ],
            axis=1,
        )[of_row.ravel()]
        if with_noise:
            noise = np.reshape(self.noise_variance_, (-1, 1))
            draws += noise**0.5 * random.standard_normal(draws.shape)
        return self._shaped(draws)

    def _rows_to_predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.floating]:
        check_numbers(self, X)
        return validate_data(self, X, reset=False, dtype=[np.float64, np.float32])

    def _means(self, features: TangentFeatures) -> tuple[NDArray[np.float64], torch.Tensor]:
        """Return what is expected of every signal, and the kernel with the rows of ``fit``."""
        across = tangent_kernel(features, self._features)
        return across.cpu().numpy().astype(np.float64) @ self._coefficients + self._mean, across

    def _shaped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of every signal, of y that was one column without an axis for them."""
        return values[:, 0] if self._single else values

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

    def _factor(self) -> torch.Tensor:
        """Return the factor that ``fit`` has made, which no file keeps."""
        if self._weights is None:
            raise ValueError(
                "this model is from a file of an earlier version, which tells nothing of "
                "deviations: fit it again first."
            )
        return self._factor_of(self._features, self._weights, self._alpha)[0]

    def _factor_of(
        self, features: TangentFeatures, weights: NDArray[np.float64], alpha: float
    ) -> tuple[torch.Tensor, float]:
        """Return a factor of the kernel with its ridge: the last, where neither has changed.

        And the ridge of a row of weight 1.
        """
        kept = getattr(self, "_factored", None)
        if (
            kept is not None
            and kept[0] == alpha
            and self._weights is not None
            and np.array_equal(weights, self._weights)
            and _equal(features, self._features)
        ):
            return kept[1:]
        kernel = in_double(tangent_kernel(features, features))
        diagonal, share = kernel.diagonal(), torch.from_numpy(weights).to(kernel.device)
        ridge = alpha * float((share * diagonal).sum() / share.sum())
        diagonal += ridge / share
        factor, failed = torch.linalg.cholesky_ex(kernel)
        if failed:
            raise ValueError(
                f"alpha={alpha} is too small for the precision of the network: the system is "
                f"singular. Raise alpha, or fit the network with dtype='float64'."
            )
        self._factored = alpha, factor, ridge
        return factor, ridge

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


def _explained(factor: torch.Tensor, across: torch.Tensor) -> NDArray[np.float64]:
    """Return what, squared and summed, the rows of ``fit`` explain of others: one column each."""
    right = in_double(across).to(factor.device).T
    return torch.linalg.solve_triangular(factor, right, upper=False).cpu().numpy()


def _diagonal(features: TangentFeatures) -> NDArray[np.float64]:
    """Return the kernel of every row with itself."""
    shares = [((a**2).sum(dim=1) + 1) * (b**2).sum(dim=1) for a, b in features]
    return in_double(torch.stack(shares).sum(dim=0)).cpu().numpy()


def _equal(a: TangentFeatures, b: TangentFeatures) -> bool:
    return all(
        torch.equal(one.cpu(), other.cpu())
        for pair_a, pair_b in zip(a, b, strict=True)
        for one, other in zip(pair_a, pair_b, strict=True)
    )
