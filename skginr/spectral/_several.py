"""MultiGraphEmbedder: coordinates on several graphs, one of which each row names."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skginr._core import open_progress, unchanged_on_error
from skginr.graphs import (
    Graph,
    NodeEstimator,
    as_table,
    check_graph,
    check_has_rows,
    plain_index,
    positions_in,
    same_kind,
)
from skginr.spectral._embedder import SpectralEmbedder


class MultiGraphEmbedder(TransformerMixin, NodeEstimator):
    """Coordinates on several graphs, each embedded by itself.

    For signals that live on graphs of their own, as the fields on many surfaces do, and are
    learned by one network. Coordinates of two graphs have only their scale in common.

    Parameters
    ----------
    graphs : dict of Graph
        By name.
    embedder : SpectralEmbedder or None, default None
        How each is embedded; its ``graph`` is not used. None is
        ``SpectralEmbedder(component_features=False)``.

    Attributes
    ----------
    embedders_ : dict of SpectralEmbedder
        One per graph, fitted.
    n_features_in_ : int
        2.
    feature_names_in_ : ndarray of str
        The names of the two columns, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graphs`` is not a dict of Graphs, or ``embedder`` not a SpectralEmbedder.
    ValueError
        If ``embedder`` has another ``output`` than "array", X has not two columns or names a graph
        or node that is not there, or the graphs have unequal numbers of coordinates.

    See Also
    --------
    SpectralEmbedder : For one graph.
    SIRENRegressor : The network that comes next in a pipeline.
    SharedCorrector : Learns from signals on several graphs too, and predicts on graphs that it has
        never seen.

    Examples
    --------
    >>> import networkx as nx
    >>> import pandas as pd
    >>> from skginr import Graph, MultiGraphEmbedder, SpectralEmbedder
    >>> graphs = {n: Graph.from_networkx(nx.path_graph(n)) for n in (5, 9)}
    >>> table = pd.DataFrame({"path": [5, 9, 9], "node": [4, 0, 8]})
    >>> MultiGraphEmbedder(graphs, SpectralEmbedder(3)).fit_transform(table).shape
    (3, 3)
    """

    def __init__(
        self, graphs: dict[Hashable, Graph], embedder: SpectralEmbedder | None = None
    ) -> None:
        self.graphs = graphs
        self.embedder = embedder

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Compute the coordinates of every node of every graph.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 2)
            Name of a graph, and label of one of its nodes.
        y : ignored

        Returns
        -------
        self
        """
        check_graphs(self.graphs)
        embedder = SpectralEmbedder(component_features=False)
        if self.embedder is not None:
            embedder = self.embedder
        if not isinstance(embedder, SpectralEmbedder):
            raise TypeError(f"embedder must be a SpectralEmbedder; got {type(embedder).__name__}.")
        if embedder.output != "array":
            raise ValueError(
                f"embedder must have output='array', since the graphs share no table of "
                f"coordinates; got output={embedder.output!r}."
            )
        frame = self._check(X, reset=True)
        rows = dict(rows_by_graph(frame, self.graphs))
        self.embedders_ = {}
        total, verbose = len(self.graphs), embedder.verbose
        with open_progress("graphs", unit="graphs", total=total, verbose=verbose) as progress:
            for name, graph in self.graphs.items():
                one = clone(embedder).set_params(graph=graph)
                labels = graph.labels[:1]
                if name in rows:
                    labels = frame.iloc[rows[name], 1].infer_objects()
                self.embedders_[name] = one.fit(_column(labels))
                progress.advance()
        widths = {name: len(e.get_feature_names_out()) for name, e in self.embedders_.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(
                f"graphs must all have as many coordinates; got {widths}. Set n_components to what "
                f"the smallest has, and component_features=False, in embedder."
            )
        # So that a label that is not there is refused now.
        self.transform(X)
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the coordinates of the nodes that X names.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 2)
            Name of a graph, and label of one of its nodes.

        Returns
        -------
        ndarray of shape (n_rows, n_features_out)
        """
        check_is_fitted(self)
        frame = self._check(X, reset=False)
        result = np.empty((len(frame), self._n_features_out))
        for name, rows in rows_by_graph(frame, self.embedders_):
            labels = frame.iloc[rows, 1].infer_objects()
            result[rows] = self.embedders_[name].transform(_column(labels))
        return result

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the output columns, those of the embedder.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return next(iter(self.embedders_.values())).get_feature_names_out()

    @property
    def _n_features_out(self) -> int:
        return len(self.get_feature_names_out())

    def _check(self, X: Any, *, reset: bool) -> pd.DataFrame:
        frame = as_table(X)
        if frame.shape[1] != 2:
            raise ValueError(
                f"X must have two columns, the name of a graph and the label of a node; got "
                f"columns {list(frame.columns)}. Select them, table[['graph', 'node']]."
            )
        check_has_rows(frame)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return frame

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def check_graphs(graphs: Any) -> None:
    """Raise ``TypeError`` unless these are Graphs by name."""
    if not isinstance(graphs, dict) or not graphs:
        raise TypeError(
            f"graphs must be a dict of at least one Graph, by name; got {type(graphs).__name__}."
        )
    for graph in graphs.values():
        check_graph(graph)


def _column(labels: pd.Series | pd.Index) -> pd.DataFrame:
    return pd.DataFrame({"node": labels})


def rows_by_graph(
    frame: pd.DataFrame, known: dict[Hashable, Any]
) -> Iterator[tuple[Hashable, NDArray[np.intp]]]:
    """Yield the names of graphs that the first column of a table holds, each with its rows."""
    column = f"X[{frame.columns[0]!r}]"
    given = plain_index(frame.iloc[:, 0].infer_objects(), name=column)
    names = pd.Index(list(known), tupleize_cols=False)
    of_row = np.full(len(given), -1)
    if same_kind(given, names):
        of_row = positions_in(given, names)
    if (of_row < 0).any():
        raise ValueError(
            f"{column} must name a graph; got {given[of_row < 0].tolist()[0]!r}, and graphs has "
            f"{', '.join(map(repr, list(known)[:5]))}{', ...' if len(known) > 5 else ''}."
        )
    for graph in pd.unique(of_row):
        yield list(known)[graph], np.flatnonzero(of_row == graph)
