"""SpectralEmbedder: spectral coordinates of the nodes of a graph, as a transformer."""

import hashlib
import os
import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from skginr._checks import check_count, check_flag, check_option
from skginr.embeddings._laplacian import laplacian_embedding
from skginr.embeddings._membership import component_membership
from skginr.extension import extend_eigenvectors, extend_membership
from skginr.graphs import (
    Graph,
    NeighborKernel,
    check_graph,
    locate_nodes,
    neighbor_adjacency,
    to_csr,
)
from skginr.laplacians import LAPLACIANS, degrees_of

if TYPE_CHECKING:
    import joblib

_METHODS = ("laplacian",)
_AFFINITIES = ("nearest_neighbors", "precomputed")
_DEFAULT_COMPONENTS = 64


class SpectralEmbedder(TransformerMixin, BaseEstimator):
    """Coordinates of graph nodes from the eigenvectors of the graph's Laplacian.

    Node i becomes e_i = sqrt(n) (u_1i, ..., u_ki), from the k eigenvectors of smallest
    eigenvalue outside the kernel [1]_ (for the random walk, sqrt(total degree) in place of
    sqrt(n)): smooth over the graph, so that near nodes are near. The signal y is never
    seen. What X is depends on ``graph``:

    - a :class:`~skginr.Graph`: X is one column of node labels, ``table[["fips"]]``;
    - None, ``affinity="nearest_neighbors"``: X is coordinates or features. A
      neighbour graph is built from the training rows, and new rows are placed by
      their affinities to it;
    - None, ``affinity="precomputed"``: X is a matrix of affinities to the training
      rows, square in ``fit``; its diagonal is ignored.

    Parameters
    ----------
    n_components : int or None, default None
        k, the number of eigenvectors; the kernel (one per connected component)
        does not count. None means min(64, n_nodes - number of components).
    graph : Graph or None, default None
        The graph whose nodes X names.
    method : {"laplacian"}, default "laplacian"
        Where the coordinates come from.
    laplacian : {"combinatorial", "symmetric", "random_walk"}, default "combinatorial"
        D - A, D^-1/2 (D - A) D^-1/2, or I - D^-1 A.
    affinity : {"nearest_neighbors", "precomputed"}, default "nearest_neighbors"
        What X holds where ``graph`` is None.
    n_neighbors : int, default 10
        Nearest neighbours of the neighbour graph (see :meth:`Graph.from_points`);
        n_rows - 1 where there are fewer rows.
    component_features : bool, default True
        Whether a graph of several components gets a 0/1 column for each (at most 64:
        the smallest share the last). They follow the eigenvectors.
    max_components : int or None, default None
        How many eigenvectors to compute at once and share, at least ``n_components``;
        None means 128. A search over larger k is solved once by naming the largest.
    memory : str, path, joblib.Memory or None, default None
        Folder that keeps decompositions on disk. What one process has solved, others
        read: fit once before a search with ``n_jobs`` and no worker solves.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components,)
        Eigenvalues of the coordinates, ascending.
    n_components_ : int
        The k in use.
    graph_ : Graph
        ``graph``, or the one built from the training rows.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If a label is unknown or of another kind, k is not less than the number of
        nodes, X has the wrong number of columns, or affinities are not symmetric
        and non-negative.

    Warns
    -----
    UserWarning
        If k cuts an eigenspace, or a new row has no affinity to any training row
        (its coordinates are then 0, their mean).

    Notes
    -----
    The paper counts the constant eigenvector: its k is ``n_components + 1`` on a
    connected graph. Decompositions stay in the process, keyed by the content of the
    graph: every fold and every smaller k reuses them.

    References
    ----------
    .. [1] D. Grattarola and P. Vandergheynst, "Generalised Implicit Neural
       Representations", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, SpectralEmbedder
    >>> ring = pd.DataFrame({"a": range(6), "b": np.roll(range(6), -1)})
    >>> embedder = SpectralEmbedder(2, graph=Graph.from_edges(ring, "a", "b"))
    >>> embedder.fit_transform(pd.DataFrame({"stop": [0, 3, 0]})).shape
    (3, 2)
    >>> embedder.eigenvalues_.round(6)
    array([1., 1.])
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        graph: Graph | None = None,
        method: str = "laplacian",
        laplacian: str = "combinatorial",
        affinity: str = "nearest_neighbors",
        n_neighbors: int = 10,
        component_features: bool = True,
        max_components: int | None = None,
        memory: "str | os.PathLike | joblib.Memory | None" = None,
    ) -> None:
        self.n_components = n_components
        self.graph = graph
        self.method = method
        self.laplacian = laplacian
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.component_features = component_features
        self.max_components = max_components
        self.memory = memory

    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Compute the coordinates of every node.

        Parameters
        ----------
        X : array-like or DataFrame
            Shape (n_rows, 1) of labels, (n_rows, n_features) of coordinates, or
            (n_rows, n_rows) of affinities; see the class.
        y : ignored

        Returns
        -------
        self
        """
        self._fit(X)
        return self

    def fit_transform(self, X: ArrayLike | pd.DataFrame, y: object = None) -> NDArray[np.floating]:
        """Compute the coordinates of every node and return those of the rows of X.

        Parameters
        ----------
        X, y
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_rows, n_components_ + number of component columns)
        """
        nodes, dtype = self._fit(X)
        return self._rows(nodes).astype(dtype, copy=False)

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.floating]:
        """Return the coordinates of the nodes that X names, or of new rows.

        Parameters
        ----------
        X : array-like or DataFrame
            Shape (n_rows, 1) of labels, (n_rows, n_features) of coordinates, or
            (n_rows, n_training_rows) of affinities; see the class. A training row gets
            its own coordinates again.

        Returns
        -------
        ndarray of shape (n_rows, n_components_ + number of component columns)
        """
        check_is_fitted(self)
        if self._mode == "graph":
            return self._rows(locate_nodes(self, X, self.graph_, reset=False))
        X = self._validate(X, self._mode, reset=False)
        rows = to_csr(X, name="X") if self._mode == "precomputed" else X.astype(np.float64)
        known = self._known.find(rows)
        result = self._rows(np.maximum(known, 0))
        new = np.flatnonzero(known < 0)
        if len(new):
            affinity = rows[new] if self._mode == "precomputed" else self._kernel(rows[new])
            result[new] = self._extend(affinity, new)
        return result.astype(X.dtype, copy=False)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the output columns: ``laplacian1``, ..., ``component1``, ...

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return np.asarray(self._names_out, dtype=object)

    def _check_parameters(self) -> None:
        check_option("method", self.method, _METHODS)
        check_option("laplacian", self.laplacian, LAPLACIANS)
        check_option("affinity", self.affinity, _AFFINITIES)
        check_count("n_neighbors", self.n_neighbors, minimum=1)
        check_flag("component_features", self.component_features)
        if self.n_components is not None:
            check_count("n_components", self.n_components, minimum=1)
        if self.max_components is not None:
            least = 1 if self.n_components is None else self.n_components
            check_count("max_components", self.max_components, minimum=least)
        if self.graph is not None:
            check_graph(self.graph)
            if self.affinity == "precomputed":
                raise ValueError(
                    "affinity='precomputed' means that X is an affinity matrix, but graph is "
                    "given, which X should name nodes of. Drop one of the two."
                )

    def _resolve_n_components(self, graph: Graph) -> int:
        available = graph.n_nodes - graph.n_components
        if self.n_components is None:
            limit = _DEFAULT_COMPONENTS if self.max_components is None else self.max_components
            return min(_DEFAULT_COMPONENTS, limit, available)
        if self.n_components > available:
            raise ValueError(
                f"n_components must be at most {available}, the number of eigenvectors outside "
                f"the kernel ({graph.n_nodes} nodes less {graph.n_components} components); "
                f"got {self.n_components}."
            )
        return self.n_components

    def _fit(self, X: ArrayLike | pd.DataFrame) -> tuple[NDArray[np.intp], Any]:
        """Fit, and return the node of each row of X and the dtype of the output."""
        self._check_parameters()
        # Everything is made before anything is kept: a failed fit leaves the last one.
        mode = "graph" if self.graph is not None else self.affinity
        known: Any = None
        kernel: Any = None
        dtype: Any = np.float64
        if self.graph is not None:
            graph = self.graph
            nodes = locate_nodes(self, X, graph, reset=True)
        else:
            X = self._validate(X, mode, reset=True)
            dtype = X.dtype
            if mode == "precomputed":
                rows = to_csr(X, name="X")
                graph = _graph_of_affinities(rows)
                nodes = np.arange(len(graph))
            else:
                rows, nodes = np.unique(X.astype(np.float64), axis=0, return_inverse=True)
                # Some releases of NumPy 2 return it as a column.
                nodes = nodes.ravel()
                kernel = _kernel_of_points(rows, self.n_neighbors)
                graph = _graph_of_kernel(kernel)
            known = _RowIndex(rows)
        n_components = self._resolve_n_components(graph)
        embedding = laplacian_embedding(
            graph,
            kind=self.laplacian,
            n_components=n_components,
            max_components=self.max_components,
            memory=self.memory,
        )
        membership, names = component_membership(embedding.components)
        if not self.component_features:
            membership, names = membership[:, :0], []
        self.graph_ = graph
        self.n_components_ = n_components
        self.eigenvalues_ = embedding.eigenvalues
        self._mode, self._kind, self._known, self._kernel = mode, self.laplacian, known, kernel
        self._coordinates = embedding.coordinates
        self._membership = membership
        self._names_out = [f"{self.method}{i + 1}" for i in range(n_components)] + names
        return nodes, dtype

    def _validate(self, X: ArrayLike | pd.DataFrame, mode: str, *, reset: bool) -> Any:
        try:
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr" if mode == "precomputed" else False,
                dtype=[np.float64, np.float32],
                ensure_min_samples=2 if reset else 1,
            )
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            raise ValueError(
                f"X must hold numbers where graph=None: {error}. If they are node labels, name "
                f"the graph: SpectralEmbedder(graph=...)."
            ) from error
        if mode == "precomputed":
            check_non_negative(X, "affinity='precomputed', where zero means no affinity")
        return X

    def _rows(self, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.hstack([self._coordinates[nodes], self._membership[nodes]])

    def _extend(self, affinity: sp.csr_array, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        alone = degrees_of(affinity) == 0
        if alone.any():
            named = ", ".join(map(str, rows[alone][:5])) + (", ..." if alone.sum() > 5 else "")
            warnings.warn(
                f"{int(alone.sum())} rows of X have no affinity to any training row and were "
                f"placed at the mean of all coordinates: {named}.",
                UserWarning,
                stacklevel=3,
            )
        coordinates = extend_eigenvectors(
            affinity,
            self.eigenvalues_,
            self._coordinates,
            kind=self._kind,
            degrees=degrees_of(self.graph_.adjacency),
        )
        return np.hstack([coordinates, extend_membership(affinity, self._membership)])

    @property
    def _n_features_out(self) -> int:
        return len(self._names_out)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        precomputed = self.graph is None and self.affinity == "precomputed"
        tags.input_tags.pairwise = precomputed
        tags.input_tags.positive_only = precomputed
        tags.input_tags.sparse = precomputed
        tags.input_tags.string = self.graph is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"] if self.graph is None else []
        return tags


def _kernel_of_points(points: NDArray[np.float64], n_neighbors: int) -> NeighborKernel:
    if len(points) < 2:
        raise ValueError("X must have at least 2 distinct rows; all rows are the same.")
    return NeighborKernel(points, min(n_neighbors, len(points) - 1))


def _graph_of_kernel(kernel: NeighborKernel) -> Graph:
    return Graph(
        neighbor_adjacency(kernel),
        positions=kernel.points,
        source=f"points by {kernel.n_neighbors} nearest neighbours",
    )


def _graph_of_affinities(affinity: sp.csr_array) -> Graph:
    if affinity.shape[0] != affinity.shape[1]:
        raise ValueError(
            f"X must be square, one row and column per training row, with "
            f"affinity='precomputed'; got shape {affinity.shape}. Cross-validation slices both "
            f"ways only where it sees the pairwise tag: Pipeline and GridSearchCV pass it on, "
            f"TransformedTargetRegressor and ColumnTransformer do not."
        )
    return Graph(affinity - sp.diags_array(affinity.diagonal()), source="an affinity matrix")


_EMPTY = b""


class _RowIndex:
    """Finds rows of a matrix among those it was made of, by their content.

    Rows that are alike, or empty, are not told apart: they are found nowhere.
    """

    def __init__(self, matrix: NDArray[np.float64] | sp.csr_array) -> None:
        self._position: dict[bytes, int] = {}
        for row, key in enumerate(self._keys(matrix)):
            self._position[key] = -1 if key in self._position or key == _EMPTY else row

    def find(self, matrix: NDArray[np.float64] | sp.csr_array) -> NDArray[np.intp]:
        """Return the row number of each row of ``matrix``, or -1."""
        return np.array([self._position.get(key, -1) for key in self._keys(matrix)], dtype=np.intp)

    @staticmethod
    def _keys(matrix: NDArray[np.float64] | sp.csr_array) -> list[bytes]:
        if isinstance(matrix, np.ndarray):
            # Adding zero makes -0.0 and 0.0 the same bytes.
            return [row.tobytes() for row in np.ascontiguousarray(matrix) + 0.0]
        ends = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        parts = ((matrix.indices[a:b].tobytes(), matrix.data[a:b].tobytes()) for a, b in ends)
        return [hashlib.blake2b(where + what).digest() if what else _EMPTY for where, what in parts]
