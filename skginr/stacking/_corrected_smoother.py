"""CorrectedSmoother: several smoothers of a signal on a graph, and a network that corrects them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Hashable, Iterable, Iterator
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, clone
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from skginr._core import (
    Splits,
    check_flag,
    check_signal,
    check_verbose,
    open_progress,
    saying_all_once,
    unchanged_on_error,
    warn,
)
from skginr.graphs import (
    Graph,
    NodeEstimator,
    as_table,
    check_graph,
    locate_rows,
    structural_columns,
)
from skginr.stacking._blend import shrunk_weights
from skginr.stacking._residual_corrector import ResidualCorrector
from skginr.stacking._smoothers import (
    MOST_NODES_OF_PROCESS,
    PROCESSES,
    check_regressor,
    default_smoothers,
    out_of_folds,
    partitions,
    prior_weights,
)


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
        What each smoother predicts at the rows of ``fit`` from folds without them; of several
        partitions into regions, the first.
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

    Warns
    -----
    UserWarning
        If no default smoother predicts held-out rows better than the mean of y.

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
        parts = partitions(self.cv, X, y, self.random_state)
        given = None if isinstance(self.cv, Integral) else [fold for part in parts for fold in part]
        smoothers = self.smoothers
        if smoothers is None:
            node = as_table(X).columns[self._node_column]
            smoothers = default_smoothers(graph, given, node=node)
            n_distinct = len(np.unique(np.column_stack([nodes, covariates]), axis=0))
            if not 2 <= n_distinct <= MOST_NODES_OF_PROCESS:
                smoothers = [pair for pair in smoothers if pair[0] not in PROCESSES]
        self._check_smoothers(smoothers)
        if self.corrector is not None:
            check_regressor("corrector", self.corrector)
        total, verbose = 2 * len(smoothers) + 1, self.verbose
        with (
            open_progress("smoothers", unit="parts", total=total, verbose=verbose) as progress,
            self._saying_what_holds_for_all(dict(smoothers)),
        ):
            fitted, predictions = {}, []
            for name, smoother in smoothers:
                progress.note(f"{name}")
                try:
                    model = clone(smoother).fit(X, y)
                    progress.advance()
                    progress.note(f"{name}, out of fold")
                    found = out_of_folds(model, X, y, parts)
                except ValueError:
                    if self.smoothers is None and name == "spline":
                        # Rows in one plane determine no spline through space.
                        continue
                    raise
                fitted[name] = model
                if not np.isfinite(found).all():
                    raise ValueError(
                        f"smoothers[{name!r}] predicts values that are not finite on rows held "
                        f"out. Leave it out."
                    )
                predictions.append(found)
                progress.advance()
            self.graph_, self.smoothers_ = graph, fitted
            first = [columns[0] for columns in predictions]
            self.out_of_fold_ = pd.DataFrame(dict(zip(fitted, first, strict=True)))
            self._structural = (
                structural_columns(graph.adjacency) if self.structural_features else None
            )
            progress.note("corrector")
            corrector = self._new_corrector(parts, predictions, y)
            self.corrector_ = corrector.fit(self._columns(first, nodes), y)
            progress.advance()
        self.scores_ = self.out_of_fold_.apply(lambda predicted: r2_score(y, predicted))
        if self.smoothers is None and not _better_than_mean(predictions, y):
            warn(
                "no smoother predicts rows that were held out better than the mean of y does: what "
                "is predicted is near the mean. The graph may not be that of the signal, or the "
                "rows too few."
            )
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
        with self._saying_what_holds_for_all(self.smoothers_):
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

    @contextlib.contextmanager
    def _saying_what_holds_for_all(self, names: Iterable[str]) -> Iterator[None]:
        """Hold back what default smoothers say of themselves alone: another may know better."""
        with warnings.catch_warnings():
            if self.smoothers is None:
                warnings.filterwarnings("ignore", "y goes with", UserWarning)
                if "space" in names:
                    warnings.filterwarnings("ignore", "graph has .* no edges", UserWarning)
                    warnings.filterwarnings("ignore", ".*nothing is known there", UserWarning)
            yield

    def _new_corrector(
        self,
        parts: list[Splits],
        predictions: list[list[NDArray[np.float64]]],
        y: NDArray[np.float64],
    ) -> Any:
        """Return the corrector, told how many columns are predictions and how to blend them."""
        columns = np.column_stack([np.concatenate(of_parts) for of_parts in predictions])
        prior = prior_weights(list(self.out_of_fold_)) if self.smoothers is None else None
        blend = shrunk_weights(columns, np.tile(y, len(parts)), len(parts), prior)
        settings: dict[str, Any] = {"n_prediction_columns": len(predictions), "blend": blend}
        if self.corrector is None:
            # What predicts whole regions is judged on whole regions too.
            cv = 5 if isinstance(self.cv, Integral) else parts[0]
            return ResidualCorrector(cv=cv, verbose=self.verbose, **settings)
        corrector = clone(self.corrector)
        parameters = corrector.get_params()
        owners = [
            name.removesuffix("n_prediction_columns")
            for name in parameters
            if name.rpartition("__")[2] == "n_prediction_columns"
        ]
        still_open: dict[str, Any] = {
            f"{owner}n_prediction_columns": len(predictions)
            for owner in owners
            if parameters[f"{owner}n_prediction_columns"] is None
        }
        # Behind other steps predictions may be in other units, for which weights are others.
        takes_all = (parameters | still_open).get("n_prediction_columns") == len(predictions)
        if takes_all and parameters.get("blend", "") is None:
            still_open["blend"] = blend
        return corrector.set_params(**still_open)

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
            check_regressor(f"smoothers[{name!r}]", smoother)
        self._validate_names([name for name, _ in smoothers])

    def _columns(
        self, predictions: list[NDArray[np.float64]], nodes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        columns = np.column_stack(predictions)
        if self._structural is None:
            return columns
        return np.hstack([columns, self._structural[nodes]])


def _better_than_mean(predictions: list[list[NDArray[np.float64]]], y: NDArray[np.float64]) -> bool:
    """Return whether any smoother, on all partitions together, is better than the mean of y."""
    squares = [float(np.mean((np.array(parts) - y) ** 2)) for parts in predictions]
    return min(squares) < np.mean((y - y.mean()) ** 2) or np.ptp(y) == 0
