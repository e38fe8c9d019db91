"""GraphSmootherClassifier: classes that are smooth over the graph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from skginr._core import check_known, check_weights, unchanged_on_error
from skginr.graphs import Graph, with_observations
from skginr.smoothing._laplace import Bernoulli
from skginr.smoothing._laplace_nodes import LaplaceNodes

# Of a row about its signal.
_INFORMATION = 0.1
# Of a signal's variance, by which probabilities are averaged. Laplace's approximation makes it too
# large where classes are nearly certain: of held-out rows of simulated and real maps a quarter had
# the least log loss, at random and for regions, or was near it.
_SHARE = 0.25


class GraphSmootherClassifier(ClassifierMixin, LaplaceNodes):
    """Classes of nodes, from those of their neighbours: logistic regression over a graph.

    The log odds of each class against all others are ``b + c'x + f(node)``, f smooth along the
    edges, of precision ``alpha Q`` as in :class:`~skginr.GraphSmoother`. Probabilities are averaged
    over the uncertainty of f, and made to sum to 1. Far from all nodes whose class is known they
    are the shares of the classes in the table. For two classes one signal is fitted, for more one
    per class.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, \
default "combinatorial"
        As in :class:`~skginr.SpectralEmbedder`.
    order : int, default 1
        Power of the Laplacian: 1 pulls each node to the mean of its neighbours, 2
        continues slopes too, 3 curvature.
    alpha : float or "cv", default "cv"
        Strength of the smoothing. "cv" takes the one with the least log loss of rows that were
        held out, to half a power of ten.
    kappa : float, default 0.0
        Inverse of the distance beyond which nodes have little to do with each other (as in a Matérn
        covariance), in the units of the square root of an eigenvalue. With 0 there is no such
        distance.
    cv : int, splitter or iterable, optional
        Folds of ``alpha="cv"``, as in scikit-learn; by default ten, at random. With
        :class:`~skginr.GraphBlockKFold` the strength is the best to predict whole regions.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes.
    verbose : {0, 1}, default 0
        Whether to show the strengths that ``alpha="cv"`` tries.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in order.
    graph_ : Graph
        The graph used in ``fit``.
    alpha_ : float
        The strength used.
    cv_results_ : pandas.DataFrame or None
        With ``alpha="cv"``, the strengths tried and the mean logarithm of the probability of the
        class of a row that was held out.
    coef_ : ndarray of shape (n_signals, n_covariates)
        c, of the second of two classes, or of every one of more.
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
        given, a hyper-parameter is out of range, or y is not known in every row, of one class, not
        of classes, or of another length.

    Warns
    -----
    UserWarning
        If the graph has no edges, or a row to be predicted is in a component in which nothing was
        observed.

    See Also
    --------
    SIRENClassifier : For classes of rows of numbers, such as coordinates.
    GraphSmoother : For numbers.
    GraphBlockKFold : Folds to choose the strength for predicting whole regions.

    Notes
    -----
    Found by Laplace's approximation: signals at their most likely values, by Newton's method, and
    normal distributions about these, by which probabilities are averaged as MacKay does [1]_, with
    a quarter of the variance, which predicts better.
    Each component counts as if one more row had been seen there, of all classes by their shares. So
    a class that no node of a component has is unlikely there, but not impossible. Time goes with
    the number of edges and of classes.

    References
    ----------
    .. [1] D. J. C. MacKay, "The evidence framework applied to classification networks", Neural
       Computation 4, 1992.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, GraphSmootherClassifier
    >>> path = Graph.from_networkx(nx.path_graph(9))
    >>> model = GraphSmootherClassifier(graph=path, alpha=0.1)
    >>> model = model.fit([[0], [1], [7], [8]], ["west", "west", "east", "east"])
    >>> model.predict([[2], [6]])
    array(['west', 'east'], dtype='<U4')
    >>> model.predict_proba([[4]]).round(2)
    array([[0.5, 0.5]])
    """

    def __init__(
        self,
        *,
        graph: Graph,
        laplacian: str = "combinatorial",
        order: int = 1,
        alpha: float | str = "cv",
        kappa: float = 0.0,
        cv: int | Iterable | None = None,
        node: Hashable = None,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.laplacian = laplacian
        self.order = order
        self.alpha = alpha
        self.kappa = kappa
        self.cv = cv
        self.node = node
        self.verbose = verbose

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from the classes of the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, which may repeat, and covariates, which enter linearly.
        y : array-like of shape (n_rows,)
            Classes: words, numbers or flags.
        sample_weight : array-like of shape (n_rows,), optional
            How often each row counts: 2 is as the row twice, 0 as not there. Of weights that say
            how sure a row is, give those divided by their mean.

        Returns
        -------
        self
        """
        graph = self._check_parameters()
        nodes, covariates = self._located(X, graph)
        labels = _check_classes(y, len(nodes))
        weights = check_weights(sample_weight, len(nodes))
        rows = np.flatnonzero(weights > 0)
        self.classes_, codes = np.unique(labels[rows], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must hold at least two classes; got one class, {self.classes_[0]!r}, in all "
                f"{len(rows)} rows that count."
            )
        self._learn_scaling(covariates[rows])
        penalty, components = self._penalty_and_components(graph)
        problem = self._problem(penalty, components, nodes[rows], covariates[rows], Bernoulli())
        is_class = (codes[:, None] == np.arange(len(self.classes_))).astype(float)
        targets = is_class[:, 1:] if len(self.classes_) == 2 else is_class
        weights, alpha, table = weights[rows], self._strength_given(penalty), None
        with penalty.at_hand():
            if alpha is None:

                def likelihood(
                    held: NDArray[np.intp],
                    signal: NDArray[np.float64],
                    variance: NDArray[np.float64],
                ) -> float:
                    of_rows = probabilities(signal, variance)[np.arange(len(held)), codes[held]]
                    return float(weights[held] @ np.log(of_rows))

                splits = self._splits(X, rows, len(nodes))
                unit = _INFORMATION * 10.0 ** np.round(np.log10(weights.mean()))
                alpha, _, table = self._choose(
                    problem, targets, weights, splits, unit, likelihood, (None, 0.0)
                )
                table = table.drop(columns="overdispersion")
                table["alpha"] = problem.in_units_of_graph(table["alpha"])
            columns = np.repeat(weights[:, None], targets.shape[1], axis=1)
            mode = problem.fit(alpha, 0.0, targets, columns)
        self.graph_, self._problem_, self._mode, self._alpha = graph, problem, mode, alpha
        self._weighed = sample_weight is not None
        self.alpha_, self.cv_results_ = problem.in_units_of_graph(alpha), table
        spread = self._scaling[1]
        effects = mode.coefficients[len(mode.coefficients) - len(spread) :]
        self.coef_ = (effects / spread[:, None]).T
        return self

    def decision_function(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the most likely log odds of classes at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
            Of the second class where there are two.
        """
        nodes, design = self._rows(X)
        signal = self._signal(nodes, design)
        return signal[:, 0] if signal.shape[1] == 1 else signal

    def predict_proba(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability of each class at the rows of X.

        Takes a solve per distinct node and class; on graphs of more than 10,000 nodes the variances
        of more than 64 are estimated by draws.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            In the order of ``classes_``; rows sum to 1.
        """
        nodes, design = self._rows(X)
        problem = self._problem_
        with problem.penalty.at_hand():
            spread = problem.spread(self._mode, self._alpha, 0.0, nodes)
        return probabilities(self._signal(nodes, design), spread.at(nodes, design))

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray:
        """Return the most probable class at the rows of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Node labels, and the covariates of ``fit``.

        Returns
        -------
        ndarray of shape (n_rows,)
            Of ``classes_``.
        """
        found = self.predict_proba(X)
        return self.classes_[found.argmax(axis=1)]

    def _rows(self, X: ArrayLike | pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        nodes, scaled = self._rows_to_predict(X, return_std=False)
        return nodes, self._design(scaled)

    def _signal(self, nodes: NDArray[np.intp], design: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._mode.node_signal()[nodes] + design @ self._mode.coefficients

    @property
    def _observed(self) -> NDArray[np.bool_]:
        return with_observations(self.graph_, self._problem_.nodes)


def probabilities(
    signal: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return probabilities of classes, of shape (n_rows, n_classes), from normal log odds.

    Where the variance is infinite nothing is known, and what the mode says is what all rows have.
    """
    known = np.where(np.isfinite(variance), variance, 0.0)
    found = expit(signal / np.sqrt(1 + np.pi / 8 * _SHARE * known))
    if found.shape[1] == 1:
        return np.hstack([1 - found, found])
    return found / found.sum(axis=1, keepdims=True)


def _check_classes(y: ArrayLike | pd.Series | None, n_rows: int) -> NDArray:
    if y is None:
        raise ValueError("y must be the classes, one per row; got None (requires y).")
    check_known(y, column="class")
    if isinstance(y, pd.Series) and pd.api.types.is_extension_array_dtype(y.dtype):
        # As what they are: NumPy makes numbers of pandas' own flags.
        y = np.array(y.tolist())
    labels = column_or_1d(y, warn=True)
    check_consistent_length(np.empty(n_rows), labels)
    check_classification_targets(labels)
    return labels
