"""SIRENClassifier: a sine network on coordinates, as a scikit-learn classifier."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_known, unchanged_on_error
from skginr.network._docstrings import documented
from skginr.network._estimator import SIRENEstimator
from skginr.network._inputs import Inputs, validate_inputs
from skginr.network._targets import ClassTarget
from skginr.network.training import CrossEntropy


@documented(
    start="equal probabilities", kept="classes", loss="the cross-entropy, in nats", score="Accuracy"
)
class SIRENClassifier(ClassifierMixin, SIRENEstimator):
    """Multilayer perceptron with sine activations, whose outputs are probabilities of classes.

    The same network and training as :class:`~skginr.SIRENRegressor`, with one output for each
    class, made probabilities by the softmax, and the cross-entropy for its loss. Preset "predict"
    solves for the shares of classes by least squares, and then sharpens them so that
    held-out rows are most probable. Every hyper-parameter left at None is the preset's:

    <table>

    <presets>

    Parameters
    ----------
    <network parameters>
    target_score : float or "off", optional
        Accuracy on the training rows (with ``validation``, on those held out) at which training
        stops, below 1; rows count by their weight. With 0.9999, up to 10,000 rows of equal
        weight are all right. Probabilities are those at that point: where classes can be separated
        perfectly, the loss would go on falling, and with it ``"auto"`` would go on training.
    <run parameters>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in order.
    <attributes>

    Raises
    ------
    ValueError
        If a hyper-parameter is out of range, X is not finite, y holds numbers that are no labels,
        or lengths differ.
    <failure>

    See Also
    --------
    GraphSmootherClassifier : For classes of nodes, try this first: it reads node labels, with no
        coordinates in between.
    SpectralEmbedder : Makes the coordinates of nodes; it comes before in a pipeline.
    SIRENRegressor : For numbers.

    References
    ----------
    <references>

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import SIRENClassifier
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> y = np.where(np.sin(5 * X[:, 0]) > 0, "up", "down")
    >>> model = SIRENClassifier("represent", random_state=0).fit(X, y)
    >>> model.stop_reason_
    'reached target_score=0.9999 (accuracy 1)'
    >>> model.predict([[0.3], [-0.3]])
    array(['up', 'down'], dtype='<U4')
    >>> model.predict_proba([[0.3]]).shape
    (1, 2)
    """

    _loss = CrossEntropy
    _guess = "the most frequent class"

    @unchanged_on_error
    def partial_fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch on these rows, at a constant learning rate.

        Parameters
        ----------
        X, y
            As for :meth:`fit`.
        classes : array-like of shape (n_classes,), optional
            Every label that may come. The first call needs it, others must not change it.
        sample_weight
            As for :meth:`fit`.

        Returns
        -------
        self
        """
        fitted = self.__sklearn_is_fitted__()
        if classes is None and not fitted:
            raise ValueError(
                "partial_fit needs classes at its first call: every label that may come, in this "
                "table or a later one."
            )
        if classes is not None and fitted and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes must stay those of the first call, {self.classes_.tolist()}; got "
                f"{np.unique(classes).tolist()}."
            )
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray:
        """Return the most probable class at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
            Of ``classes_``.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.floating]:
        """Return the probability of each class at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            In the order of ``classes_``; rows sum to 1.
        """
        check_is_fitted(self)
        self._warn_if_nothing_learned()
        return self._model.predict(validate_inputs(self, X, reset=False))

    @property
    def classes_(self) -> NDArray:
        """The labels, in order."""
        check_is_fitted(self)
        return cast(ClassTarget, self._model.target).classes

    def _check_data(self, X: Any, y: Any, *, reset: bool) -> tuple[Inputs, NDArray]:
        check_known(y, column="class")
        X, y = validate_inputs(self, X, reset=reset, y=y)
        check_classification_targets(y)
        return X, y

    def _target(
        self, y: NDArray, weight: NDArray | None, classes: ArrayLike | None = None
    ) -> ClassTarget:
        target = ClassTarget(y if classes is None else np.asarray(classes))
        target.check(y)
        return target
