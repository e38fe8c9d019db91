"""Smoothers and what corrects them: stacking for signals on graphs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import (
    Splits,
    check_count,
    check_flag,
    check_known,
    check_no_words,
    check_signal,
    check_splits,
    check_verbose,
    open_progress,
    saying_all_once,
    unchanged_on_error,
)
from skginr.graphs import (
    Graph,
    NodeEstimator,
    as_table,
    check_graph,
    locate_rows,
    positive,
    structural_columns,
)
from skginr.network import SIRENRegressor
from skginr.smoothing import GraphGaussianProcessRegressor, GraphSmoother, centre_and_spread

# Differences between predictions are cut off at so many standard deviations: a network must not
# see at a new row what it never saw.
_CLIP = 5.0
# Or distinct rows: a Gaussian process takes minutes beyond.
_MOST_NODES_OF_PROCESS = 5_000


class ResidualCorrector(RegressorMixin, BaseEstimator):
    """Blend of predictions, corrected by a regressor that has learned where the blend errs.

    The final estimator of a stack: X holds out-of-fold predictions of the same signal, as
    :class:`sklearn.ensemble.StackingRegressor` makes them. Their best non-negative combination
    is the offset; a regressor learns what is left of y from the offset, from how the
    predictions differ from it, and from any further columns; and its correction counts as much
    as it was worth on rows that it had not seen, which may be nothing.

    Parameters
    ----------
    regressor : estimator, optional
        Of the scaled residual; by default ``SIRENRegressor("train", first_gain=0.5)``.
    n_predictions : int, optional
        How many of the first columns are predictions; by default all.
    cv : int, splitter or iterable, default 5
        Folds by which the correction is judged. Its mean over their regressors is used.
    random_state : int, default 0
        Of the default folds and regressor.
    verbose : {0, 1}, default 0
        Whether to show progress over folds.

    Attributes
    ----------
    blend_ : ndarray of shape (n_predictions,)
        Weights of the predictions in the offset, about their means.
    mean_ : float
        Of y, where predictions are at their means.
    weight_ : float
        Share of the correction that is used, between 0 and 1.
    regressors_ : list of estimators
        One per fold.
    n_features_in_ : int
        Number of columns of X.

    Raises
    ------
    ValueError
        If X has fewer columns than ``n_predictions``, or is not finite.

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
        n_predictions: int | None = None,
        cv: int | Iterable = 5,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.regressor = regressor
        self.n_predictions = n_predictions
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Blend, and learn to correct.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Out-of-fold predictions, then other columns.
        y : array-like of shape (n_rows,)

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
        n_predictions = self._count_predictions(table.shape[1])
        splits = check_splits(
            self.cv, table, signal, random_state=self.random_state, partition=True
        )
        self.mean_ = float(signal.mean())
        self._means = table[:, :n_predictions].mean(axis=0)
        self.blend_, _ = nnls(table[:, :n_predictions] - self._means, signal - self.mean_)
        offset = self._offset(table)
        differences = table[:, :n_predictions] - offset[:, None]
        self._offset_scale = positive(offset.std())
        self._centre, self._scale = centre_and_spread(differences)
        self._residual_scale = float(positive((signal - offset).std()))
        inputs, residual = self._inputs(table, offset), (signal - offset) / self._residual_scale
        self.regressors_ = []
        unseen = np.zeros(len(signal))
        total, verbose = len(splits), self.verbose
        with open_progress("correction", unit="folds", total=total, verbose=verbose) as progress:
            for train, test in splits:
                fitted = self._new_regressor().fit(inputs[train], residual[train])
                unseen[test] = np.ravel(fitted.predict(inputs[test]))
                self.regressors_.append(fitted)
                progress.advance()
        size = unseen @ unseen
        # Where no prediction is worth anything, a regressor learns from them only how folds differ.
        useful = size > 0 and self.blend_.any()
        self.weight_ = float(np.clip(unseen @ residual / size, 0, 1)) if useful else 0.0
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
        if self.n_predictions is None:
            return n_columns
        check_count("n_predictions", self.n_predictions, minimum=1)
        if self.n_predictions > n_columns:
            raise ValueError(
                f"n_predictions={self.n_predictions} is more than X has columns, {n_columns}."
            )
        return self.n_predictions

    def _new_regressor(self) -> Any:
        if self.regressor is not None:
            _check_regressor("regressor", self.regressor)
            return clone(self.regressor)
        return SIRENRegressor("train", first_gain=0.5, random_state=self.random_state)

    def _offset(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean_ + (X[:, : len(self.blend_)] - self._means) @ self.blend_

    def _inputs(self, X: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
        n = len(self.blend_)
        differences = (X[:, :n] - offset[:, None] - self._centre) / self._scale
        size = (offset - self.mean_) / self._offset_scale
        return np.column_stack([size, np.clip(differences, -_CLIP, _CLIP), X[:, n:]])


class CorrectedSmoother(RegressorMixin, NodeEstimator, _BaseComposition):
    """Several smoothers of a signal on a graph, and a network that corrects them.

    Each smoother finds its strength once; its predictions of rows held out, fold by fold, are
    what a :class:`ResidualCorrector` blends and learns to correct.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    smoothers : list of (str, estimator), optional
        Regressors on X; by default :func:`default_smoothers` of the graph, without the Gaussian
        process where more than 5,000 rows of X differ.
    corrector : estimator, optional
        Final estimator; by default ``ResidualCorrector()``.
    structural_features : bool, default True
        Whether the corrector also sees where in the graph a node is by itself: the square root of
        its degree, and that averaged over neighbours up to three times.
    cv : int, splitter or iterable, default 10
        Folds of the smoothers' predictions. To predict whole regions, a
        :class:`~skginr.GraphBlockKFold`; defaults of smoothers and corrector then choose by its
        folds too.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes. The default smoothers take the same.
    random_state : int, default 0
        Of the default folds.
    verbose : {0, 1}, default 0
        Whether to show progress over smoothers, their folds and those of the default corrector.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    smoothers_ : dict of str to estimator
        Fitted on all rows.
    corrector_ : estimator
        Fitted on out-of-fold predictions.
    out_of_fold_ : pandas.DataFrame of shape (n_rows, n_smoothers)
        What each smoother predicts at the rows of ``fit`` from folds without them.
    scores_ : pandas.Series
        R² of each of its columns.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If a label is unknown, another column than the first could name nodes and ``node`` is not
        given, or y is not finite or of another length.

    References
    ----------
    D. H. Wolpert, "Stacked generalization", Neural Networks 1992.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from skginr import CorrectedSmoother, Graph
    >>> graph = Graph.from_networkx(nx.grid_2d_graph(12, 12))
    >>> nodes = np.array(graph.labels.to_list(), dtype=float)
    >>> X, y = graph.labels.to_frame(), np.sin(nodes[:, 0] / 2) * nodes[:, 1]
    >>> model = CorrectedSmoother(graph=graph).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.9
    True
    """

    def __init__(
        self,
        *,
        graph: Graph,
        smoothers: list[tuple[str, Any]] | None = None,
        corrector: Any = None,
        structural_features: bool = True,
        cv: int | Iterable = 10,
        node: Hashable = None,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.smoothers = smoothers
        self.corrector = corrector
        self.structural_features = structural_features
        self.cv = cv
        self.node = node
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    @saying_all_once()
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Fit the smoothers and their corrector.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, then covariates.
        y : array-like of shape (n_rows,)

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        check_flag("structural_features", self.structural_features)
        check_verbose(self.verbose)
        nodes, covariates = locate_rows(self, X, graph, reset=True)
        y = check_signal(y, nodes)
        splits = check_splits(self.cv, X, y, random_state=self.random_state, partition=True)
        given = None if isinstance(self.cv, Integral) else splits
        smoothers = self.smoothers
        if smoothers is None:
            node = as_table(X).columns[self._node_column]
            smoothers = default_smoothers(graph, given, node=node)
            n_distinct = len(np.unique(np.column_stack([nodes, covariates]), axis=0))
            if n_distinct > _MOST_NODES_OF_PROCESS:
                smoothers = [pair for pair in smoothers if pair[0] != "process"]
        self._check_smoothers(smoothers)
        if self.corrector is not None:
            _check_regressor("corrector", self.corrector)
        total, verbose = 2 * len(smoothers) + 1, self.verbose
        with open_progress("smoothers", unit="parts", total=total, verbose=verbose) as progress:
            fitted, predictions = {}, []
            for name, smoother in smoothers:
                progress.note(f"{name}")
                fitted[name] = clone(smoother).fit(X, y)
                progress.advance()
                progress.note(f"{name}, out of fold")
                predictions.append(_out_of_fold(fitted[name], X, y, splits))
                progress.advance()
            self.graph_, self.smoothers_ = graph, fitted
            self.out_of_fold_ = pd.DataFrame(dict(zip(fitted, predictions, strict=True)))
            self._structural = (
                structural_columns(graph.adjacency) if self.structural_features else None
            )
            progress.note("corrector")
            corrector = self._new_corrector(given, len(fitted))
            self.corrector_ = corrector.fit(self._columns(predictions, nodes), y)
            progress.advance()
        self.scores_ = self.out_of_fold_.apply(lambda predicted: r2_score(y, predicted))
        return self

    @saying_all_once()
    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the prediction at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        nodes, _ = locate_rows(self, X, self.graph_, reset=False)
        predictions = [np.ravel(smoother.predict(X)) for smoother in self.smoothers_.values()]
        return self.corrector_.predict(self._columns(predictions, nodes))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default True
            Whether those of the smoothers too, by their names.

        Returns
        -------
        dict of str to object
        """
        return self._get_params("smoothers", deep=deep and self.smoothers is not None)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, or a smoother or its parameters by name.

        Parameters
        ----------
        **params : object

        Returns
        -------
        self
        """
        return self._set_params("smoothers", **params)

    def _new_corrector(self, given: Splits | None, n_smoothers: int) -> Any:
        if self.corrector is None:
            # What predicts whole regions is judged on whole regions too.
            return ResidualCorrector(cv=given or 5, n_predictions=n_smoothers, verbose=self.verbose)
        corrector = clone(self.corrector)
        open_counts = {
            name: n_smoothers
            for name, value in corrector.get_params().items()
            if name.rpartition("__")[2] == "n_predictions" and value is None
        }
        return corrector.set_params(**open_counts)

    def _check_smoothers(self, smoothers: Any) -> None:
        pairs = isinstance(smoothers, list) and all(
            isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
            for pair in smoothers
        )
        if not pairs or not smoothers:
            raise ValueError(
                f"smoothers must be a list of (name, regressor), at least one; got {smoothers!r}. "
                f"default_smoothers(graph) makes one to start from."
            )
        for name, smoother in smoothers:
            _check_regressor(f"smoothers[{name!r}]", smoother)
        self._validate_names([name for name, _ in smoothers])

    def _columns(
        self, predictions: list[NDArray[np.float64]], nodes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        columns = np.column_stack(predictions)
        if self._structural is None:
            return columns
        return np.hstack([columns, self._structural[nodes]])


def default_smoothers(
    graph: Graph, cv: int | Iterable | None = None, *, node: Hashable = None
) -> list[tuple[str, Any]]:
    """Return the smoothers of a :class:`CorrectedSmoother`, to change and pass on.

    Orders 1 and 2 of the symmetric Laplacian and order 2 of the combinatorial one. On a mesh
    order 3 of the random walk and orders 2 and 3 of the cotangent Laplacian too; elsewhere, up to
    5,000 nodes, a :class:`~skginr.GraphGaussianProcessRegressor`.

    Parameters
    ----------
    graph : Graph
    cv : int, splitter or iterable, optional
        Folds by which a smoother chooses its strength, as in :class:`~skginr.GraphSmoother`.
    node : int or column name, optional
        The column that names nodes, as there.

    Returns
    -------
    list of (str, estimator)

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.

    Examples
    --------
    >>> from skginr import Graph
    >>> from skginr import default_smoothers
    >>> [name for name, _ in default_smoothers(Graph.from_adjacency([[0, 1], [1, 0]]))]
    ['process', 'symmetric_1', 'symmetric_2', 'combinatorial_2']
    """
    kinds = [("symmetric", 1), ("symmetric", 2), ("combinatorial", 2)]
    smoothers: list[tuple[str, Any]] = []
    if check_graph(graph).faces is not None:
        kinds += [("random_walk", 3), ("cotangent", 2), ("cotangent", 3)]
    elif graph.n_nodes <= _MOST_NODES_OF_PROCESS:
        smoothers.append(("process", GraphGaussianProcessRegressor(graph=graph, node=node)))
    for kind, order in kinds:
        smoother = GraphSmoother(graph=graph, laplacian=kind, order=order, cv=cv, node=node)
        smoothers.append((f"{kind}_{order}", smoother))
    return smoothers


def _check_regressor(name: str, given: Any) -> None:
    if isinstance(given, type) or not (hasattr(given, "predict") and hasattr(given, "get_params")):
        raise TypeError(f"{name} must be a regressor, an instance; got {given!r}.")


def _out_of_fold(
    fitted: Any, X: ArrayLike | pd.DataFrame, y: NDArray[np.float64], splits: Splits
) -> NDArray[np.float64]:
    """Return predictions of rows held out, by what has been chosen for all rows together."""
    if hasattr(fitted, "predict_out_of_fold"):
        return fitted.predict_out_of_fold(splits)
    settled = fitted.settled() if hasattr(fitted, "settled") else clone(fitted)
    return np.ravel(cross_val_predict(settled, X, y, cv=splits))
