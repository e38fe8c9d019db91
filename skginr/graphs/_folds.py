"""Folds that keep neighbours together, for honest scores on graphs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from skginr._core import check_count, warn
from skginr.graphs._graph import Graph, check_graph
from skginr.graphs._nodes import locate_column
from skginr.graphs._partition import balanced_folds

# Of the nodes: where more have no edge, folds are not of regions.
_MOSTLY = 0.5


class GraphBlockKFold(BaseCrossValidator):
    """K folds of whole regions of a graph.

    A node held out at random has its neighbours in the training set, so random folds
    say how well a signal is interpolated. Here each fold is a union of connected
    blocks: the score says how well the signal is predicted in regions that were not
    observed. Islands join the smallest fold.

    Parameters
    ----------
    n_splits : int, default 5
        Number of folds.
    graph : Graph
        The graph whose nodes X names.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a
        DataFrame. Default: the first, if no other could name nodes. All rows of a node are in one
        fold.
    blocks_per_fold : int, default 4
        About how many blocks make a fold: fewer are larger, and harder to predict.
    buffer : int, default 0
        Training rows within so many hops of a test node are left out.
    random_state : int, RandomState instance or None, default None
        None: always the same blocks. An int: other blocks, as compact. Scores on a few such cuts
        say more than on one.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If X names fewer nodes than there are folds, more than one of its columns could name nodes
        and ``node`` is not given, or nothing is left to train on.

    Warns
    -----
    UserWarning
        If most of the nodes that X names have no edge: blocks are then single nodes.

    See Also
    --------
    sklearn.model_selection.KFold : Holds out single nodes at random, where those will be missing in
        use.
    SpaceTimeKFold : For tables of nodes and times.
    predict_frame : With ``cv=``, predicts each known row by a model fitted without its fold.

    Notes
    -----
    Folds are evened out by number of rows, to within 10% where blocks can be cut so
    fine. Blocks are Voronoi cells of shortest paths around evenly spread centres.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from skginr import Graph
    >>> from skginr import GraphBlockKFold
    >>> path = Graph.from_networkx(nx.path_graph(10))
    >>> X = np.arange(10).reshape(-1, 1)
    >>> for train, test in GraphBlockKFold(2, graph=path, blocks_per_fold=1).split(X):
    ...     print(train, test)
    [0 1 2 3 4] [5 6 7 8 9]
    [5 6 7 8 9] [0 1 2 3 4]
    """

    # Not in the files of earlier versions.
    random_state: int | np.random.RandomState | None = None

    def __init__(
        self,
        n_splits: int = 5,
        *,
        graph: Graph,
        node: Hashable = None,
        blocks_per_fold: int = 4,
        buffer: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        check_count("n_splits", n_splits, minimum=2)
        check_graph(graph)
        check_count("blocks_per_fold", blocks_per_fold, minimum=1)
        check_count("buffer", buffer, minimum=0)
        check_seed(random_state)
        self.n_splits = n_splits
        self.graph = graph
        self.node = node
        self.blocks_per_fold = blocks_per_fold
        self.buffer = buffer
        self.random_state = random_state

    def get_n_splits(
        self, X: ArrayLike | None = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : ignored

        Returns
        -------
        int
        """
        return self.n_splits

    def split(
        self, X: ArrayLike | pd.DataFrame, y: object = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the row numbers of training and test rows, fold by fold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_columns)
            A column of it names the nodes.
        y, groups : ignored

        Yields
        ------
        train, test : ndarray of int
        """
        nodes, _ = locate_column(X, self.graph, self.node, owner="GraphBlockKFold")
        rows_of_node = np.bincount(nodes, minlength=self.graph.n_nodes)
        n_named = np.count_nonzero(rows_of_node)
        if n_named < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} needs rows of as many nodes; X names {n_named}."
            )
        self._warn_of_single_nodes(rows_of_node > 0)
        draw = None if self.random_state is None else check_random_state(self.random_state)
        weights = rows_of_node.astype(float)
        folds = balanced_folds(
            self.graph.adjacency, weights, self.n_splits, self.blocks_per_fold, draw
        )
        for fold in range(self.n_splits):
            test = folds == fold
            near = _within(self.graph.adjacency, test & (rows_of_node > 0), self.buffer) | test
            if near[nodes].all():
                raise ValueError(
                    f"buffer={self.buffer} leaves no rows to train on in fold {fold}; lower it."
                )
            yield np.flatnonzero(~near[nodes]), np.flatnonzero(test[nodes])

    def _warn_of_single_nodes(self, named: NDArray[np.bool_]) -> None:
        alone = named & (np.diff(self.graph.adjacency.indptr) == 0)
        if alone.sum() > _MOSTLY * named.sum():
            warn(
                f"{int(alone.sum())} of {int(named.sum())} nodes that X names have no edge: each "
                f"is a block of its own, so that folds are as random ones. Areas that are near "
                f"without touching are joined by Graph.from_geodataframe(..., tolerance=...), or "
                f"method='knn'."
            )


def check_seed(random_state: Any) -> None:
    """Raise ``ValueError`` unless scikit-learn can draw from ``random_state``."""
    try:
        check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            f"random_state must be None, an int of 0 to 2**32 - 1 or a RandomState; got "
            f"{random_state!r}."
        ) from error


def _within(adjacency: sp.csr_array, nodes: NDArray[np.bool_], n_hops: int) -> NDArray[np.bool_]:
    """Return which nodes are at most ``n_hops`` edges from ``nodes``."""
    for _ in range(n_hops):
        nodes = nodes | (adjacency @ nodes.astype(float) > 0)
    return nodes
