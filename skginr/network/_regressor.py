"""SIRENRegressor: a sine network on coordinates, as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    check_count,
    check_flag,
    check_known,
    check_numeric,
    check_with_noise,
    unchanged_on_error,
)
from skginr.network._docstrings import documented
from skginr.network._estimator import SIRENEstimator
from skginr.network._inputs import Inputs, validate_inputs
from skginr.network._targets import SignalTarget
from skginr.network.training import SquaredLoss


@documented(start="the mean", kept="target scale", loss="of the standardised target", score="R²")
class SIRENRegressor(RegressorMixin, SIRENEstimator):
    """Multilayer perceptron with sine activations (SIREN), as a regressor; skorch trains it.

    Made for the coordinates of a :class:`~skginr.SpectralEmbedder`, the first of which has unit
    mean square; scale other columns so. The target is standardised inside, one output at a time.
    The network and how it is fitted come from a preset, and every hyper-parameter left at None is
    the preset's:

    <table>

    <presets>

    Parameters
    ----------
    <network parameters>
    target_score : float or "off", optional
        R² of the training rows (with ``validation``, of those held out) at which training
        stops, below 1. Errors are measured against the variance of all rows; where a training
        goes on, of the rows it began with.
    <run parameters>

    Attributes
    ----------
    noise_variance_ : float or ndarray of shape (n_outputs,)
        Variance of a row of weight 1 about the signal, in units of y squared, where ``predict``
        knows standard deviations; infinite if no row is left to tell it by.
    <attributes>

    Raises
    ------
    ValueError
        If a hyper-parameter is out of range, X or y is not finite, or lengths differ.
    <failure>

    See Also
    --------
    SpectralEmbedder : Makes the coordinates of nodes; it comes before in a pipeline.
    CorrectedSmoother : To predict nodes on a graph, try this first: smoothers, and this network for
        what they get wrong.
    TangentKernelRegressor : Fits further signals on the same nodes without another training.
    SIRENClassifier : For classes.

    Notes
    -----
    Standard deviations and draws are those of a Bayesian linear regression on the features of the
    last layer [3]_ [4]_: layers before it are taken as they are. The noise is what is left at rows
    that were fitted, by as many rows as others have left free, and with it what of a signal no
    feature shows. Where intervals of rows held out hold for fewer than 90% of them, it is the
    signal that is farther off than that says. With ``validation`` whole blocks are held out:
    deviations are then those of regions.

    References
    ----------
    <references>
    .. [3] A. Kristiadi, M. Hein and P. Hennig, "Being Bayesian, Even Just a Bit, Fixes
       Overconfidence in ReLU Networks", ICML 2020.
    .. [4] E. Daxberger et al., "Laplace Redux: Effortless Bayesian Deep Learning", NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import SIRENRegressor
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> y = np.sin(5 * X[:, 0])
    >>> model = SIRENRegressor(random_state=0).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.99
    True
    >>> mean, std = model.predict(X, return_std=True, with_noise=True)
    >>> model.stop_reason_
    'solved for the last layer (R² of rows held out 1.000)'
    >>> SIRENRegressor("represent", random_state=0).fit(X, y).stop_reason_.split(" (")[0]
    'reached target_score=0.9999'
    """

    _loss = SquaredLoss
    _guess = "the mean of y"

    @unchanged_on_error
    def partial_fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch on these rows, at a constant learning rate.

        The first call sets the scale of the target.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.

        Returns
        -------
        self
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(
        self, X: ArrayLike | pd.DataFrame, return_std: bool = False, *, with_noise: bool = False
    ) -> NDArray[np.floating] | tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return the signal at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        return_std : bool, default False
            Whether to also return standard deviations of the signal, without noise; with preset
            "predict" only. They are those of the last layer, times a factor. With it, intervals
            ``mean +- 1.645 std`` of new observations hold for 90% of the rows that were held out:
            single rows, or whole blocks with ``validation``. Infinite if no row is left to tell the
            noise by.
        with_noise : bool, default False
            Whether these are of a new observation instead, noise included.

        Returns
        -------
        mean : ndarray of shape (n_rows,) or (n_rows, n_outputs), as y was
            In float32 if y was, else float64.
        std : ndarray of the same shape, if ``return_std``

        Raises
        ------
        ValueError
            If ``return_std`` and rows held out have told nothing of the network as it is: of
            another preset, after ``partial_fit``, or from a file of an earlier version.
        """
        check_is_fitted(self)
        check_flag("return_std", return_std)
        check_with_noise(with_noise, return_std)
        self._warn_if_nothing_learned()
        X = validate_inputs(self, X, reset=False)
        if not return_std:
            return self._model.predict(X)
        mean, variance = self._model.predict(X), self._model.variance(X)
        if with_noise:
            variance += self._model.noise_variance
        return mean, self._signal.decode_deviations(np.sqrt(variance))

    def sample_y(
        self,
        X: ArrayLike | pd.DataFrame,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
        *,
        with_noise: bool = False,
    ) -> NDArray[np.floating]:
        """Return signals that may be the true one, drawn at random, at coordinates X.

        Each is that of a network with another last layer, whose standard deviations are those of
        ``predict``.

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
        ndarray of shape (n_rows, n_samples) or (n_rows, n_outputs, n_samples)

        Raises
        ------
        ValueError
            Before ``fit``, where ``predict`` knows no standard deviations, or these are infinite.
        """
        check_is_fitted(self, msg="%(name)s draws what fit leaves open. Fit it first.")
        check_count("n_samples", n_samples, minimum=1)
        check_flag("with_noise", with_noise)
        random = check_random_state(random_state)
        noise = self._model.noise_variance
        if not np.isfinite(noise).all():
            raise ValueError("sample_y needs more rows: no row is left to tell the noise by.")
        X = validate_inputs(self, X, reset=False)
        draws = self._model.draws(X, n_samples, random)
        if with_noise:
            draws += np.sqrt(noise)[:, None] * random.standard_normal(draws.shape)
        return self._model.predict(X)[..., None] + self._signal.decode_deviations(draws)

    @property
    def noise_variance_(self) -> float | NDArray[np.float64]:
        """Variance of a row of weight 1 about the signal, where standard deviations are known."""
        check_is_fitted(self)
        try:
            noise = self._model.noise_variance * self._signal.spread**2
        except ValueError as error:
            raise AttributeError(str(error)) from error
        return noise if self._signal.n_outputs else float(noise[0])

    def gradient(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the derivatives of the signal by the columns of X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_features), or (n_rows, n_outputs, n_features)
            In units of y per unit of X. The coordinates of an indexed column count one by one; by
            the number of a signal (``latent_dim``) the derivative is 0.

        See Also
        --------
        skginr.surface_gradient : Along the surface of a mesh, of any pipeline.

        Examples
        --------
        >>> import numpy as np
        >>> from skginr import SIRENRegressor
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> network = SIRENRegressor(random_state=0).fit(X, np.sin(2 * X[:, 0]))
        >>> network.gradient([[0.0]]).round(1)
        array([[2.]])
        """
        check_is_fitted(self)
        gradient = self._model.gradient(validate_inputs(self, X, reset=False))
        return self._signal.decode_gradient(gradient)

    @property
    def _signal(self) -> SignalTarget:
        return cast(SignalTarget, self._model.target)

    def _check_data(self, X: Any, y: Any, *, reset: bool) -> tuple[Inputs, NDArray]:
        # No y, and a complex one, are scikit-learn's to report.
        given = np.asarray(y)
        unchecked = y is None or given.dtype.kind == "c"
        if not unchecked:
            check_known(check_numeric("y", y))
        X, y = validate_inputs(self, X, reset=reset, y=y, multi_output=True, y_numeric=True)
        # scikit-learn makes it float64.
        return X, y.astype(np.float32) if given.dtype == np.float32 else y

    def _target(self, y: NDArray, weight: NDArray | None) -> SignalTarget:
        return SignalTarget(y, weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
