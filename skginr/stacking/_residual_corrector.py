"""ResidualCorrector: predictions blended, and what a regressor learns of their errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import (
    check_count,
    check_known,
    check_no_words,
    check_verbose,
    check_weights,
    open_progress,
    positive,
    splits_of_rows,
    unchanged_on_error,
)
from skginr.network import SIRENRegressor
from skginr.smoothing import centre_and_spread
from skginr.stacking._blend import shrunk_weights
from skginr.stacking._smoothers import check_regressor, check_takes_weights

# Differences between predictions are cut off at so many standard deviations: a network must not
# see at a new row what it never saw.
_CLIP = 5.0


class ResidualCorrector(RegressorMixin, BaseEstimator):
    """Blend of predictions, corrected by a regressor that has learned where the blend is wrong.

    The final estimator of a stack: X holds out-of-fold predictions of the same signal, as
    :class:`sklearn.ensemble.StackingRegressor` makes them. They are blended first: the blend is a
    weighted mean of them and of the mean of y. More exact predictions get larger weights; where
    rows are few, weights stay nearly equal. A regressor then learns the rest of y from the blend,
    from how the predictions differ from it, and from any further columns. Its correction is
    multiplied by a weight: how much it helped on rows that it had not seen, less the standard error
    of that. If it did not help, the weight is 0.

    Parameters
    ----------
    regressor : estimator, optional
        Of the scaled residual; by default ``SIRENRegressor("train", first_gain=0.5)``.
    n_prediction_columns : int, optional
        How many of the first columns are predictions; by default all.
    blend : array-like of shape (n_prediction_columns,), optional
        Weights of the predictions, not negative, with a sum of at most 1; the rest is the weight of
        the mean of y. By default they are chosen.
    cv : int, splitter or iterable, default 5
        Folds by which the correction is judged. Its mean over their regressors is used.
    random_state : int, default 0
        Of the default folds and regressor.
    verbose : {0, 1}, default 0
        Whether to show progress over folds.

    Attributes
    ----------
    blend_ : ndarray of shape (n_prediction_columns,)
        Weights of the predictions in the blend.
    mean_ : float
        Mean of y. Its weight is ``1 - blend_.sum()``.
    weight_ : float
        Share of the correction that is used, between 0 and 1.
    out_of_fold_ : ndarray of shape (n_rows,)
        Corrected predictions of the rows of ``fit``, each by the regressor that has not seen it.
    regressors_ : list of estimators
        One per fold.
    n_features_in_ : int
        Number of columns of X.

    Raises
    ------
    ValueError
        If X has fewer columns than ``n_prediction_columns``, or is not finite.

    See Also
    --------
    CorrectedSmoother : Makes the out-of-fold predictions of smoothers itself, and ends in this.
    sklearn.ensemble.StackingRegressor : Makes them of any regressors; give this as
        ``final_estimator``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skginr import ResidualCorrector
    >>> rng = np.random.default_rng(0)
    >>> y = rng.standard_normal(200)
    >>> X = np.column_stack([y + rng.standard_normal(200), y + 0.5 * rng.standard_normal(200)])
    >>> corrector = ResidualCorrector(LinearRegression()).fit(X, y)
    >>> corrector.blend_.round(1)
    array([0.1, 0.7])
    """

    def __init__(
        self,
        regressor: Any = None,
        *,
        n_prediction_columns: int | None = None,
        blend: ArrayLike | None = None,
        cv: int | Iterable = 5,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.regressor = regressor
        self.n_prediction_columns = n_prediction_columns
        self.blend = blend
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Blend, and learn to correct.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Out-of-fold predictions, then other columns.
        y : array-like of shape (n_rows,)
            One signal: that of the predictions.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, such as populations, give those divided by their mean. The regressor
            has to take them too.

        Returns
        -------
        self
        """
        check_verbose(self.verbose)
        check_no_words("X", X)
        check_known(y)
        checked: tuple[NDArray[np.float64], NDArray[np.float64]] = validate_data(
            self, X, y, y_numeric=True, dtype=np.float64
        )
        table, signal = checked
        n_prediction_columns = self._count_predictions(table.shape[1])
        counts = check_weights(sample_weight, len(signal))
        used = np.flatnonzero(counts)
        splits = splits_of_rows(
            self.cv, table, signal, used, random_state=self.random_state, partition=True
        )
        regressor = self._new_regressor()
        if sample_weight is not None:
            check_takes_weights("regressor", regressor)
        self.mean_ = float(np.average(signal, weights=counts))
        # In files of earlier versions columns have means of their own.
        self._means = np.full(n_prediction_columns, self.mean_)
        if self.blend is None:
            self.blend_ = shrunk_weights(table[:, :n_prediction_columns], signal, counts=counts)
        else:
            self.blend_ = self._check_blend(n_prediction_columns)
        offset = self._offset(table)
        differences = table[:, :n_prediction_columns] - offset[:, None]
        # Of rows that count, whatever their weights: inputs of a regressor are of about one size.
        self._offset_scale = positive(offset[used].std())
        self._centre, self._scale = centre_and_spread(differences[used])
        self._residual_scale = float(positive((signal - offset)[used].std()))
        inputs, residual = self._inputs(table, offset), (signal - offset) / self._residual_scale
        self.regressors_ = []
        unseen = np.zeros(len(signal))
        total, verbose = len(splits), self.verbose
        with open_progress("correction", unit="folds", total=total, verbose=verbose) as progress:
            for train, test in splits:
                weighed = {} if sample_weight is None else {"sample_weight": counts[train]}
                fitted = clone(regressor).fit(inputs[train], residual[train], **weighed)
                unseen[test] = np.ravel(fitted.predict(inputs[test]))
                self.regressors_.append(fitted)
                progress.advance()
        # Where no prediction is worth anything, a regressor learns from them only how folds differ.
        useful = _spread(signal - offset, counts) < _spread(signal, counts)
        folds = [test for _, test in splits]
        self.weight_ = _worth(unseen, residual, counts, folds) if useful else 0.0
        self.out_of_fold_ = offset + self.weight_ * self._residual_scale * unseen
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return corrected predictions.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        table = validate_data(self, X, reset=False, dtype=np.float64)
        offset = self._offset(table)
        if self.weight_ == 0:
            return offset
        inputs = self._inputs(table, offset)
        correction = np.mean([np.ravel(r.predict(inputs)) for r in self.regressors_], axis=0)
        return offset + self.weight_ * self._residual_scale * correction

    def _count_predictions(self, n_columns: int) -> int:
        if self.n_prediction_columns is None:
            return n_columns
        check_count("n_prediction_columns", self.n_prediction_columns, minimum=1)
        if self.n_prediction_columns > n_columns:
            raise ValueError(
                f"n_prediction_columns={self.n_prediction_columns} is more than X has columns, "
                f"{n_columns}."
            )
        return self.n_prediction_columns

    def _check_blend(self, n_prediction_columns: int) -> NDArray[np.float64]:
        try:
            blend = np.asarray(self.blend, dtype=float)
        except (TypeError, ValueError):
            blend = np.empty(0)
        fits = blend.shape == (n_prediction_columns,) and (blend >= 0).all()
        if not (fits and blend.sum() <= 1 + 1e-9):
            raise ValueError(
                f"blend must be {n_prediction_columns} weights, one for each prediction column, "
                f"not negative and of a sum of at most 1; got {self.blend!r}."
            )
        return blend

    def _new_regressor(self) -> Any:
        if self.regressor is not None:
            check_regressor("regressor", self.regressor)
            return clone(self.regressor)
        return SIRENRegressor("train", first_gain=0.5, random_state=self.random_state)

    def _offset(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean_ + (X[:, : len(self.blend_)] - self._means) @ self.blend_

    def _inputs(self, X: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
        n = len(self.blend_)
        differences = (X[:, :n] - offset[:, None] - self._centre) / self._scale
        size = (offset - self.mean_) / self._offset_scale
        return np.column_stack([size, np.clip(differences, -_CLIP, _CLIP), X[:, n:]])


def _spread(values: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return the standard deviation of values that count so often."""
    mean = np.average(values, weights=counts)
    return float(np.average((values - mean) ** 2, weights=counts)) ** 0.5


def _worth(
    unseen: NDArray[np.float64],
    residual: NDArray[np.float64],
    counts: NDArray[np.float64],
    folds: list[NDArray[np.intp]],
) -> float:
    """Return the share of corrections that is sure to help on rows they have not seen.

    The best share, by least squares, less its standard error, as folds left out one by one tell it:
    on few rows a correction that looks good may be chance.
    """
    weighed = counts * unseen
    products = np.array([weighed[rows] @ residual[rows] for rows in folds])
    sizes = np.array([weighed[rows] @ unseen[rows] for rows in folds])
    if sizes.sum() == 0:
        return 0.0
    share = products.sum() / sizes.sum()
    shares = (products.sum() - products) / positive(sizes.sum() - sizes)
    error = np.sqrt((1 - 1 / len(folds)) * ((shares - shares.mean()) ** 2).sum())
    return float(np.clip(share - error, 0, 1))
