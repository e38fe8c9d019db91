"""SIRENRegressor: a sine network on coordinates, as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_known, check_numeric, unchanged_on_error
from skginr.network._docstrings import documented
from skginr.network._estimator import SIRENEstimator
from skginr.network._inputs import Inputs, validate_inputs
from skginr.network._targets import SignalTarget
from skginr.network.training import SquaredLoss


@documented(start="the mean", kept="target scale", loss="of the standardised target", score="R²")
class SIRENRegressor(RegressorMixin, SIRENEstimator):
    """Multilayer perceptron with sine activations, run by skorch.

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
    <attributes>

    Raises
    ------
    ValueError
        If a hyper-parameter is out of range, X or y is not finite, or lengths differ.
    <failure>

    References
    ----------
    <references>

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import SIRENRegressor
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> y = np.sin(5 * X[:, 0])
    >>> model = SIRENRegressor(random_state=0).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.99
    True
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

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.floating]:
        """Return the signal at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs), as y was
            In float32 if y was, else float64.
        """
        check_is_fitted(self)
        self._warn_if_nothing_learned()
        return self._model.predict(validate_inputs(self, X, reset=False))

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
        """
        check_is_fitted(self)
        gradient = self._model.gradient(validate_inputs(self, X, reset=False))
        return cast(SignalTarget, self._model.target).decode_gradient(gradient)

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
