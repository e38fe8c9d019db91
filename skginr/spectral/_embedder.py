"""SpectralEmbedder: spectral coordinates of the nodes of a graph, as a transformer."""

from __future__ import annotations

import copy
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from skginr._core import IndexedArray, IndexedDtype, open_progress, unchanged_on_error
from skginr.graphs import (
    STRUCTURAL_NAMES,
    Graph,
    check_graph,
    laplacian_of,
    locate_nodes,
    structural_columns,
    warn_of_degrees,
    warn_unobserved,
    with_observations,
)
from skginr.spectral._embedding import Frame, Kernel, Method, NewNodes
from skginr.spectral._extension import PLACED, continue_smoothly, extend_membership, reached
from skginr.spectral._membership import component_membership
from skginr.spectral._methods import commute_time_widths
from skginr.spectral._parameters import UNWEIGHTED, check_parameters, method_of
from skginr.spectral._rows import Rows, check_rows, make_rows
from skginr.spectral._size import Size
from skginr.spectral._warnings import (
    warn_alone,
    warn_cut,
    warn_faded,
    warn_moved,
    warn_of_labels,
    warn_unplaced,
)
from skginr.spectral.eigen import Basis, Keep, shared_basis

if TYPE_CHECKING:
    import joblib


class SpectralEmbedder(TransformerMixin, BaseEstimator):
    """Coordinates of graph nodes: Laplacian eigenmaps, diffusion maps, Isomap or LLE.

    Node i becomes e_i = sqrt(n) (w_1 u_1i, ..., w_k u_ki), from the k eigenvectors of smallest
    eigenvalue outside the kernel [1]_: smooth over the graph, so that near nodes are
    near. ``scaling`` chooses the widths w. The signal y is never seen. What X is depends on
    ``graph``:

    - a :class:`~skginr.Graph`: X is one column of node labels, ``table[["fips"]]``;
    - None, ``affinity="nearest_neighbors"``: X is coordinates or features. A
      neighbour graph is built from the training rows, and new rows are placed by
      their affinities to it;
    - None, ``affinity="precomputed"``: X is a matrix of affinities to the training
      rows, square in ``fit``; its diagonal, the affinity of a row with itself, is no edge; only new
      rows are placed by it;
    - None, ``affinity="precomputed_distances"``: X is a matrix of distances to the training
      rows, square in ``fit``, of which a neighbour graph is built.

    Parameters
    ----------
    n_components : int or None, default None
        k, the number of coordinates; the kernel (one vector per connected component)
        does not count. None means as many as there are, up to a limit: where later coordinates are
        narrower, as by default, 1000, or as many as take 128 MiB; else 64. (None of them cuts an
        eigenspace.) Without ``graph`` it means as many of these as the equations that place new
        rows hold for.
    graph : Graph or None, default None
        The graph whose nodes X names.
    method : {"laplacian", "diffusion_map", "isomap", "lle"}, default "laplacian"
        Where the coordinates come from:

        - "laplacian": eigenvectors of a Laplacian, of unit mean square (by mass, for
          "random_walk" and "cotangent");
        - "diffusion_map": eigenvectors of a random walk [2]_, of unit mean square by degree,
          times its eigenvalue to the power of ``diffusion_time``: distances are
          differences between where walks from two nodes end;
        - "isomap": classical scaling of distances along edges [3]_, by edge lengths and never
          by weights, so that the first coordinate has unit mean square; times
          ``sqrt(eigenvalues_[0] / n_nodes)`` they are in units of length;
        - "lle": locally linear embedding [4]_, coordinates of unit mean square, in which each node
          is the same weighted mean of its neighbours as it is in the features. Features are X, or
          the positions of the graph's nodes, else their attributes divided by their spread.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, \
default "combinatorial"
        For ``method="laplacian"``: D - A, D^-1/2 (D - A) D^-1/2, I - D^-1 A, or on a mesh the
        stiffness by cotangents with a mass matrix, which depends on the surface and
        not on how it is triangulated (extra ``mesh``).
    scaling : {"commute_time", "unit"}, default "commute_time"
        For ``method="laplacian"``, how wide coordinates are. "unit" is [1]_: all have unit mean
        square. By default coordinate j is sqrt(eigenvalues_[0] / eigenvalues_[j]) times as wide,
        the first having unit mean square: squares of distances are then the times that a random
        walk takes from one node to another and back [5]_, up to a factor, and a model for which
        wide columns count more expects a smooth signal. (A ten-thousandth of the mean eigenvalue is
        added to all, so that no coordinate takes all.)
    alpha : float, default 1.0
        For ``method="diffusion_map"``: how much of the density of nodes to take out, A
        becoming D^-alpha A D^-alpha. 0 leaves it in; at 1 only the shape remains.
    diffusion_time : float, default 1.0
        For ``method="diffusion_map"``: steps of the walk. 0 fades nothing. For parts of a step,
        negative eigenvalues keep their sign.
    n_landmarks : int or "auto", default "auto"
        For ``method="isomap"``: nodes from which distances are computed, spread evenly. About
        half as many coordinates can be found. "auto" means every node up to 3,000 of them,
        else 500.
    affinity : {"nearest_neighbors", "precomputed", "precomputed_distances"}, \
default "nearest_neighbors"
        What X holds where ``graph`` is None.
    n_neighbors : int, default 10
        Nearest neighbours of the neighbour graph (see :meth:`Graph.from_points`; for "isomap" and
        "lle", which read no weights, unweighted); n_rows - 1 where there are fewer rows.
    eigen_solver : {"auto", "dense", "shift_invert", "multigrid", "iterative"}, default "auto"
        LAPACK on the full matrix; block Lanczos on the inverse, by a sparse factorisation (by
        CHOLMOD with the extra ``cholesky``) or, where that takes more than 4 GB, by multigrid
        (extra ``multigrid``); or block Lanczos without an inverse, for graphs on which a
        factorisation fills in, as random and scale-free ones. "auto" chooses for every connected
        component. Isomap is solved by LAPACK on its landmarks.
    eigen_tol : float, default 1e-8
        Largest residual ||L u - lambda u||, as a share of Gershgorin's bound on the largest
        eigenvalue; and 100 times that, but at least 1e-6, as a share of lambda itself. ("lle" asks
        for 1e-2 of that: its eigenvalues are squares.)
    component_features : bool, default True
        Whether a graph of several components gets a 0/1 column for each (at most 64:
        the smallest share the last). They follow the eigenvectors.
    structural_features : bool, default False
        Whether to add columns that describe the surroundings of a node: the square root of the
        degree, and its mean over neighbours taken once, twice and three times, standardised. For
        signals that depend on degrees, as signals that are smooth in the symmetric Laplacian do.
        Needs a graph.
    max_components : int or None, default None
        How many eigenvectors to compute at once and share, at least ``n_components``;
        None means 128, or the default number of components if that is more; on huge graphs no more
        than are wanted, or than take 1 GiB. For a search over larger k, give the largest: then it
        is solved once.
    memory : str, path, joblib.Memory or None, default None
        Folder that keeps decompositions on disk. What one process has solved, others
        read: fit once before a search with ``n_jobs`` and no worker solves. What is read is checked
        against the graph, and solved again with a warning where it does not fit; only regular files
        of one's own are read or replaced. ``method="isomap"``, of which a check takes as long as
        the fit, keeps none.
    output : {"array", "indexed"}, default "array"
        What ``transform`` returns: coordinates row by row, or one pandas column that names for
        every row the row of one shared table of coordinates. For tables of many rows per node,
        before a :class:`~skginr.SIRENRegressor`: a row takes 4 bytes, whatever k. "indexed" needs
        a graph, and ``set_output(transform="pandas")`` here or on what this is a step of.
    verbose : {0, 1}, default 0
        Whether to show how many eigenvectors have converged. Those that this process or ``memory``
        already has are not computed again.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components,)
        Eigenvalues of the coordinates: ascending; for "diffusion_map", of the walk, and for
        "isomap", the sum of squares of each coordinate, descending.
    n_components_ : int
        The k in use.
    embedding_ : ndarray of shape (n_nodes, n_components)
        The coordinates of every node of ``graph_``, in its order: without ``graph``, that of the
        rows of X, as they first appear.
    graph_ : Graph
        ``graph``, or the one built from the training rows, equal ones being one node.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If a label is unknown or of another kind, there are fewer than k coordinates,
        X has the wrong number of columns, affinities or distances are not symmetric
        and non-negative, or the graph lacks what the method needs: faces ("cotangent"),
        positions or attributes ("lle").

    Warns
    -----
    UserWarning
        If k cuts an eigenspace; coordinates cannot be placed for new rows; the method reads no
        weights, and those of ``graph`` fade; a new row or node has no path of edges to any that was
        embedded (its coordinates are then 0, their mean); rows name nodes of a component in which
        ``fit`` had none, so that a regressor has not learned it; or X, where ``graph`` is None,
        looks like labels or degrees.

    See Also
    --------
    SIRENRegressor : The network that is made for these coordinates; it comes next in a pipeline.
    inspect_spectrum : Hints at how many components to keep.
    MultiGraphEmbedder : For signals that each have a graph of their own.
    refine_model : Makes a fitted pipeline predict on a finer graph.

    Notes
    -----
    The paper counts the constant eigenvector: its k is ``n_components + 1`` on a
    connected graph. Decompositions stay in the process, keyed by the content of the
    graph: every fold and every smaller k reuses them.

    References
    ----------
    .. [1] D. Grattarola and P. Vandergheynst, "Generalised Implicit Neural
       Representations", NeurIPS 2022.
    .. [2] R. Coifman and S. Lafon, "Diffusion maps", Appl. Comput. Harmon. Anal. 21, 2006.
    .. [3] V. de Silva and J. B. Tenenbaum, "Sparse multidimensional scaling using landmark
       points", Stanford University, 2004.
    .. [4] L. Saul and S. Roweis, "Think globally, fit locally: unsupervised learning of low
       dimensional manifolds", JMLR 4, 2003.
    .. [5] F. Fouss et al., "Random-walk computation of similarities between nodes of a graph",
       IEEE Trans. Knowl. Data Eng. 19, 2007.

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
        scaling: str = "commute_time",
        alpha: float = 1.0,
        diffusion_time: float = 1.0,
        n_landmarks: int | str = "auto",
        affinity: str = "nearest_neighbors",
        n_neighbors: int = 10,
        eigen_solver: str = "auto",
        eigen_tol: float = 1e-8,
        component_features: bool = True,
        structural_features: bool = False,
        max_components: int | None = None,
        memory: str | os.PathLike | joblib.Memory | None = None,
        output: str = "array",
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.graph = graph
        self.method = method
        self.laplacian = laplacian
        self.scaling = scaling
        self.alpha = alpha
        self.diffusion_time = diffusion_time
        self.n_landmarks = n_landmarks
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.eigen_solver = eigen_solver
        self.eigen_tol = eigen_tol
        self.component_features = component_features
        self.structural_features = structural_features
        self.max_components = max_components
        self.memory = memory
        self.output = output
        self.verbose = verbose

    # Which nodes a path joins to a row of ``fit``; not in the files of earlier versions.
    _observed: NDArray[np.bool_] | None = None

    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Compute the coordinates of every node.

        Parameters
        ----------
        X : array-like or DataFrame
            Shape (n_rows, 1) of labels, (n_rows, n_features) of coordinates, or
            (n_rows, n_rows) of affinities or distances; see the class.
        y : ignored

        Returns
        -------
        self
        """
        self._fit(X)
        return self

    def fit_transform(
        self, X: ArrayLike | pd.DataFrame, y: object = None
    ) -> NDArray[np.floating] | pd.DataFrame:
        """Compute the coordinates of every node and return those of the rows of X.

        Parameters
        ----------
        X, y
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Or with ``output="indexed"`` a DataFrame of one column.
        """
        if self.output == "indexed":
            _check_pandas(self)
        nodes, dtype = self._fit(X)
        if self._output == "indexed":
            return self._column(nodes, X)
        return self._rows(nodes).astype(dtype, copy=False)

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.floating] | pd.DataFrame:
        """Return the coordinates of the nodes that X names, or of new rows.

        Parameters
        ----------
        X : array-like or DataFrame
            Shape (n_rows, 1) of labels, (n_rows, n_features) of coordinates, or
            (n_rows, n_training_rows) of affinities or distances; see the class. A training row gets
            its own coordinates again.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Or with ``output="indexed"`` a DataFrame of one column.
        """
        check_is_fitted(self)
        if self._output == "indexed":
            _check_pandas(self)
        if self._training is None:
            nodes = locate_nodes(self, X, self.graph_, reset=False)
            warn_unobserved(self.graph_, nodes, self._observed)
            return self._column(nodes, X) if self._output == "indexed" else self._rows(nodes)
        X, dtype = check_rows(self, X, self._mode, reset=False)
        known = self._training.find(X)
        result = self._rows(np.maximum(known, 0))
        new = np.flatnonzero(known < 0)
        if len(new):
            result[new] = self._place(self._training.join(X[new]), new)
        return result.astype(dtype, copy=False)

    def extend(self, graph: Graph) -> Self:
        """Return an embedder of a graph that has grown, without solving again.

        Nodes embedded so far keep their coordinates; what edges join to them is placed
        by solving the equations of its coordinates, all new nodes at once. Edges between nodes
        embedded before are taken as they were in ``fit``. An edge of a new node that is weaker by
        1e-10 than the strongest of either new end is no edge: no equation could tell.

        Parameters
        ----------
        graph : Graph
            With all nodes that are embedded, by label, and new ones.

        Returns
        -------
        SpectralEmbedder
            Fitted on ``graph``, so that ``transform`` finds the new labels too.

        Raises
        ------
        ValueError
            If this embedder has no graph or is not fitted (a ``NotFittedError``),
            ``graph`` lacks one of its nodes, or the method places no new nodes ("cotangent").

        Warns
        -----
        UserWarning
            If a new node has no path of edges to any that was fitted (its coordinates are then
            0, their mean), or nodes that were fitted are elsewhere by their positions.

        Examples
        --------
        >>> import networkx as nx
        >>> from skginr import Graph, SpectralEmbedder
        >>> roads = nx.path_graph(5)
        >>> embedder = SpectralEmbedder(2, graph=Graph.from_networkx(roads)).fit([[0]])
        >>> roads.add_edge(4, 5)
        >>> embedder.extend(Graph.from_networkx(roads)).transform([[5]]).shape
        (1, 2)
        """
        check_is_fitted(self)
        if self._training is not None:
            raise ValueError(
                "extend needs an embedder of a graph; this one has graph=None, and transform "
                "places new rows."
            )
        check_graph(graph)
        fitted = self._embedding.graph
        name = "graph must hold every node that is embedded: its labels"
        base = graph.locate(fitted.labels, name=name)
        before = graph.locate(self.graph_.labels, name=name)
        warn_moved(self.graph_, graph, before)
        others = np.setdiff1d(np.arange(graph.n_nodes), base)
        coordinates = np.empty((graph.n_nodes, self.embedding_.shape[1]))
        membership = np.empty((graph.n_nodes, self._membership.shape[1]))
        if len(others):
            new = NewNodes.of_graph(graph, base, others)
            unseen = ~np.isin(others, before)
            coordinates[others], membership[others] = self._extended(new)
            alone = others[unseen & ~reached(new.affinity, new.among_affinity)]
            warn_alone(graph.labels[alone], "new nodes")
        coordinates[before], membership[before] = self.embedding_, self._membership
        structural = np.empty((graph.n_nodes, self._structural.shape[1]))
        if self.structural_features:
            structural = structural_columns(graph.adjacency, like=fitted.adjacency)
        structural[before] = self._structural
        return self._on(graph, before, coordinates, membership, structural)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the output columns: ``laplacian1``, ..., ``component1``, ...

        With ``output="indexed"`` the one column is ``embedding``.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return np.asarray(self._names_out, dtype=object)

    @unchanged_on_error
    def _fit(self, X: ArrayLike | pd.DataFrame) -> tuple[NDArray[np.intp], Any]:
        """Fit, and return the node of each row of X and the dtype of the output."""
        check_parameters(self)
        graph, nodes, training, dtype = self._graph_of(X)
        method = method_of(self, Kernel() if training is None else training.kernel)
        basis, share = self._solved(method, graph, of_rows=training is not None)
        self.graph_, self.n_components_, self._placed_share = graph, len(share), share
        self._cuts_eigenspace = basis.cuts_eigenspace[: len(share)]
        if self._cuts_eigenspace[-1:].any():
            warn_cut(method.key(graph), basis, len(share))
        self._mode, self._training, self._output = self.affinity, training, self.output
        self._observed = None
        # One row is none to learn from, but to ask for the coordinates of all nodes by.
        if training is None and len(np.unique(nodes)) > 1:
            self._observed = with_observations(graph, nodes)
        self._keep_columns(method, basis)
        return nodes, dtype

    def _graph_of(self, X: Any) -> tuple[Graph, NDArray[np.intp], Rows | None, Any]:
        """Return the graph, the node of each row, the rows if it is made of them, and the dtype."""
        if self.graph is not None:
            nodes = locate_nodes(self, X, self.graph, reset=True)
            if self.graph.is_faded and self.method in UNWEIGHTED:
                warn_faded(self.graph, self.method)
            return self.graph, nodes, None, np.float64
        rows, dtype = check_rows(self, X, self.affinity, reset=True)
        if self.affinity == "nearest_neighbors":
            warn_of_degrees("X", X)
            warn_of_labels(X)
        training = make_rows(
            rows,
            dtype,
            affinity=self.affinity,
            n_neighbors=self.n_neighbors,
            faded=self.method not in UNWEIGHTED,
        )
        return training.graph, training.nodes, training, dtype

    def _solved(
        self, method: Method, graph: Graph, *, of_rows: bool
    ) -> tuple[Basis, NDArray[np.float64]]:
        """Return a basis, and for each coordinate that is taken of it what share new rows get."""
        size = Size(graph, self.n_components, self.max_components, self._fades)
        size.check()
        basis = self._shared(method, graph, size.n_solved)
        share = np.ones(size.within(basis, method))
        if of_rows:
            share = method.placed_share(method.embedding(graph, basis, len(share)))
        return basis, share[: size.placed(share)]

    def _shared(self, method: Method, graph: Graph, n_solved: int) -> Basis:
        """Return the basis that the process or ``memory`` has, or solve it."""

        def solve(n_vectors: int, known: Basis | None, keep: Keep) -> Basis:
            with open_progress("eigenvectors", unit="vectors", verbose=self.verbose) as progress:
                return method.basis(graph, n_vectors, progress, known, keep)

        return shared_basis(
            method.key(graph),
            solve,
            # One more, to see whether the last cuts an eigenspace.
            n_vectors=n_solved + 1,
            tol=method.tol,
            # What has to be believed is not read.
            memory=self.memory if method.can_be_checked else None,
            doubt=partial(method.doubt, graph),
        )

    def _keep_columns(self, method: Method, basis: Basis) -> None:
        """Keep the columns of every node, and what they are called."""
        graph, n_components = self.graph_, self.n_components_
        embedding = method.embedding(graph, basis, n_components)
        self._fitted_method, self._embedding = method, embedding
        # A copy: they are the basis's, which other fits share.
        self.eigenvalues_ = embedding.eigenvalues.copy()
        self._scale = np.ones(n_components)
        if self._fades:
            operator = laplacian_of(graph, self.laplacian)
            self._scale = commute_time_widths(operator, embedding.eigenvalues)
        self.embedding_ = embedding.coordinates * self._scale
        membership, names = component_membership(basis.components)
        if not self.component_features:
            membership, names = membership[:, :0], []
        self._membership = self._base_membership = membership
        self._structural = np.empty((graph.n_nodes, 0))
        if self.structural_features:
            self._structural = structural_columns(graph.adjacency)
            names = [*names, *STRUCTURAL_NAMES]
        self._names_out = [f"{self.method}{i + 1}" for i in range(n_components)] + names
        if self.output == "indexed":
            self._names_out = ["embedding"]

    @property
    def _fades(self) -> bool:
        """Whether later coordinates are narrower."""
        return self.method == "laplacian" and self.scaling == "commute_time"

    @property
    def _width(self) -> NDArray[np.float64]:
        """How wide coordinates are beside those of unit mean square; a file may be older."""
        return vars(self).get("_scale", np.ones(self.embedding_.shape[1]))

    def _rows(self, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
        parts = self.embedding_, self._membership, self._structural
        return np.hstack([part[nodes] for part in parts])

    def _on(self, graph: Graph, old: NDArray[np.intp], *parts: NDArray[np.float64]) -> Self:
        """Return an embedder like this one, of a graph whose nodes have these columns.

        ``old`` are the nodes that it has embedded.
        """
        other = copy.copy(self)
        other.graph = other.graph_ = graph
        if self._observed is not None:
            # Nodes that nothing joins to the old ones have been spoken of.
            observed = with_observations(graph, old[self._observed])
            other._observed = observed | ~with_observations(graph, old)
            other._observed[old] = self._observed
        other.embedding_, other._membership, other._structural = parts
        return other

    def _column(self, nodes: NDArray[np.intp], X: ArrayLike | pd.DataFrame) -> pd.DataFrame:
        """Return nodes as a column of rows of the table of all coordinates."""
        table = self._rows(np.arange(self.graph_.n_nodes))
        column = IndexedArray(nodes.astype(np.int32), IndexedDtype(table))
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame({self._names_out[0]: column}, index=index)

    def _place(self, new: NewNodes, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the output for rows that were not in training."""
        warn_alone(rows[~reached(new.affinity, None)], "rows of X")
        # Files of the first version do not say.
        share = getattr(self, "_placed_share", np.ones(0))
        if (share < PLACED).any():
            method = self._fitted_method
            affinities = self._mode == "precomputed"
            key = method.key(self._embedding.graph)
            warn_unplaced(key, method.parameters, share, affinities=affinities)
        return np.hstack(self._extended(new))

    def _extended(self, new: NewNodes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates and component membership of nodes that join the graph."""
        return (
            self._fitted_method.extend(self._embedding, new) * self._width,
            extend_membership(new.affinity, self._base_membership, new.among_affinity),
        )

    @property
    def _n_features_out(self) -> int:
        return len(self._names_out)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        matrix = self.graph is None and self.affinity != "nearest_neighbors"
        tags.input_tags.pairwise = matrix
        tags.input_tags.positive_only = matrix
        tags.input_tags.sparse = matrix and self.affinity == "precomputed"
        tags.input_tags.string = self.graph is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"] if self.graph is None else []
        return tags


def frame_of(embedder: SpectralEmbedder) -> Frame:
    """Return what the coordinates of a fitted embedder are."""
    return Frame(
        parameters=embedder._fitted_method.parameters,
        has_labels=embedder._training is None,
        width=embedder._width,
        cuts_eigenspace=embedder._cuts_eigenspace,
    )


def continued_on(graph: Graph, embedder: SpectralEmbedder) -> SpectralEmbedder:
    """Return an embedder of a finer graph, on which all columns of a fitted one go on smoothly."""
    before = embedder.graph_
    name = "graph must hold every node that is embedded: its labels"
    nodes = graph.locate(before.labels, name=name)
    warn_moved(before, graph, nodes)
    columns = continue_smoothly(graph, nodes, embedder._rows(np.arange(before.n_nodes)))
    alone = ~np.isin(graph.components, graph.components[nodes])
    warn_alone(graph.labels[alone], "new nodes")
    widths = embedder.embedding_.shape[1], embedder._membership.shape[1]
    parts = np.split(columns, np.cumsum(widths), axis=1)
    return embedder._on(graph, nodes, *map(np.ascontiguousarray, parts))


def _check_pandas(embedder: SpectralEmbedder) -> None:
    container = _get_output_config("transform", embedder)["dense"]
    if container != "pandas":
        raise ValueError(
            f"output='indexed' makes a column of pandas, but the output asked for is "
            f"{container!r}. Call set_output(transform='pandas') on this embedder, or on the "
            f"ColumnTransformer or Pipeline that it is a step of."
        )
