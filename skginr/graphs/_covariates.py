"""NeighborMeans: what is known of a node, and of its neighbours."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_flag, check_numeric, positive, unchanged_on_error
from skginr.graphs._graph import Graph, check_graph
from skginr.graphs._laplacians import degrees_of
from skginr.graphs._nodes import NodeEstimator, as_table, locate_rows


class NeighborMeans(TransformerMixin, NodeEstimator):
    """Join the attributes of each node, and their weighted means over its neighbours.

    Reads covariates from ``graph.attributes`` (:meth:`Graph.with_attributes`), where all nodes
    have them, observed or not; it never sees the signal. A smoother can follow it in a pipeline;
    with ``passthrough=False`` any regressor on numbers can.

    Parameters
    ----------
    graph : Graph
        With numeric attributes.
    passthrough : bool, default True
        Whether X's own columns come before the joined ones.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first, if no other could name nodes.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If the graph has no attributes, or one is not numeric and finite, or a label is unknown.

    See Also
    --------
    Graph.with_attributes : Gives a graph its covariates; it comes before.
    CorrectedSmoother : Comes next: takes node labels and covariates in one table.
    GraphSmoother : The same in less time; covariates enter linearly.

    Examples
    --------
    >>> import networkx as nx
    >>> import pandas as pd
    >>> from skginr import Graph, NeighborMeans
    >>> path = Graph.from_networkx(nx.path_graph(3))
    >>> path = path.with_attributes(pd.DataFrame({"age": [20.0, 30.0, 60.0]}))
    >>> table = pd.DataFrame({"node": [0, 1]})
    >>> NeighborMeans(graph=path).fit_transform(table)
       node   age  age_neighbors
    0     0  20.0           30.0
    1     1  30.0           40.0
    """

    def __init__(self, *, graph: Graph, passthrough: bool = True, node: Hashable = None) -> None:
        self.graph = graph
        self.passthrough = passthrough
        self.node = node

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Compute the means.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
            Node labels, then any covariates of the rows.
        y : ignored

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        check_flag("passthrough", self.passthrough)
        if graph.attributes is None or graph.attributes.shape[1] == 0:
            raise ValueError(
                "graph must have attributes to take means of; it has none. Join them with "
                "graph.with_attributes(table.set_index('label'))."
            )
        locate_rows(self, X, graph, reset=True)
        names, columns = [], []
        for name, values in graph.attributes.items():
            numbers = check_numeric(f"graph.attributes[{name!r}]", values)
            if not np.isfinite(numbers).all():
                raise ValueError(
                    f"graph.attributes[{name!r}] must be finite; fill in what is missing."
                )
            names.append(str(name))
            columns.append(numbers)
        own = np.column_stack(columns)
        self.graph_ = graph
        self._joined = np.hstack([own, _neighbor_means(graph.adjacency, own)])
        self._joined_names = [*names, *(f"{name}_neighbors" for name in names)]
        self._check_names(self.get_feature_names_out())
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray | pd.DataFrame:
        """Return the joined table.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)

        Returns
        -------
        DataFrame or ndarray of shape (n_rows, n_features_out)
            With ``passthrough`` a DataFrame where X is one, so that every column keeps its type,
            and else an array of objects; without, an array of floats.
        """
        check_is_fitted(self)
        nodes, _ = locate_rows(self, X, self.graph_, reset=False)
        if not self.passthrough:
            return self._joined[nodes]
        # Column by column: labels stay what they are, and covariates numbers.
        frame = as_table(X)
        joined = pd.DataFrame(self._joined[nodes], index=frame.index)
        whole = pd.concat([frame, joined], axis=1).set_axis(self.get_feature_names_out(), axis=1)
        return whole if hasattr(X, "columns") else whole.to_numpy(dtype=object)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of X's columns, where ``fit`` saw none.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        if hasattr(self, "feature_names_in_"):
            own = self.feature_names_in_.tolist()
        elif input_features is not None:
            own = [str(name) for name in np.ravel(np.asarray(input_features))]
            if len(own) != self.n_features_in_:
                raise ValueError(
                    f"input_features must name the {self.n_features_in_} columns of X; got "
                    f"{len(own)}."
                )
        else:
            own = [f"x{i}" for i in range(self.n_features_in_)]
        own = own if self.passthrough else []
        return np.asarray([*own, *self._joined_names], dtype=object)

    def _check_names(self, names: NDArray[np.object_]) -> None:
        repeated = pd.Index(names)[pd.Index(names).duplicated()]
        if len(repeated):
            raise ValueError(
                f"columns of X, attributes of graph and their means need distinct names; "
                f"{repeated[0]!r} would be there twice. Rename it in one of them."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def _neighbor_means(adjacency: sp.csr_array, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted means over neighbours; a node without any is its own."""
    degrees = degrees_of(adjacency)[:, None]
    means = (adjacency @ values) / positive(degrees)
    return np.where(degrees > 0, means, values)
