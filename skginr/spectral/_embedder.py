"""SpectralEmbedder: spectral coordinates of the nodes of a graph, as a transformer."""

from __future__ import annotations

import copy
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from skginr._core import (
    IndexedArray,
    IndexedDtype,
    check_count,
    check_flag,
    check_no_words,
    check_option,
    check_real,
    check_verbose,
    open_progress,
    unchanged_on_error,
    warn,
    warn_once,
)
from skginr.graphs import (
    STRUCTURAL_NAMES,
    Graph,
    check_graph,
    check_laplacian,
    laplacian_of,
    locate_nodes,
    structural_columns,
    to_csr,
    warn_of_degrees,
    warn_unobserved,
    with_observations,
)
from skginr.spectral._embedding import Frame, Kernel, Method, NewNodes
from skginr.spectral._extension import (
    PLACED,
    continue_smoothly,
    extend_membership,
    reached,
    warn_moved,
)
from skginr.spectral._membership import component_membership
from skginr.spectral._methods import DiffusionMap, Isomap, LaplacianEigenmap, LocallyLinearEmbedding
from skginr.spectral._rows import AffinityRows, DistanceRows, PointRows, Rows
from skginr.spectral.eigen import Basis, check_solver, shared_basis

if TYPE_CHECKING:
    import joblib

_METHODS = ("laplacian", "diffusion_map", "isomap", "lle")
# What reads no weights: an edge is there or not.
_UNWEIGHTED = ("isomap", "lle")
_AFFINITIES = ("nearest_neighbors", "precomputed", "precomputed_distances")
# Coordinates by default, where those beyond count no less than the first.
_DEFAULT_COMPONENTS = 64
# And where they count less and less: no more than so many, nor than take so many numbers (128 MiB).
_MOST_COMPONENTS, _MOST_NUMBERS = 1000, 1 << 24
_SCALINGS = ("commute_time", "unit")
# Of the mean eigenvalue, added to all: where parts of a graph hang together by a thread, the first
# coordinates would be so much wider than all others that these were lost.
_FLOOR = 1e-4
# Solved at once where the user names no number, so that a search over smaller
# embeddings needs no other decomposition.
_SHARED_COMPONENTS = 128
# An edge weaker than the strongest of its nodes by so much is lost in the rounding of that.
_WEAKEST = 1e-10


class SpectralEmbedder(TransformerMixin, BaseEstimator):
    """Coordinates of graph nodes: Laplacian eigenmaps, diffusion maps, Isomap or LLE.

    Node i becomes e_i = sqrt(n) (w_1 u_1i, ..., w_k u_ki), from the k eigenvectors of smallest
    eigenvalue outside the kernel [1]_: smooth over the graph, so that near nodes are
    near. How wide coordinates are, w, is ``scaling``. The signal y is never seen. What X is
    depends on ``graph``:

    - a :class:`~skginr.Graph`: X is one column of node labels, ``table[["fips"]]``;
    - None, ``affinity="nearest_neighbors"``: X is coordinates or features. A
      neighbour graph is built from the training rows, and new rows are placed by
      their affinities to it;
    - None, ``affinity="precomputed"``: X is a matrix of affinities to the training
      rows, square in ``fit``; its diagonal, the affinity of a row with itself, is no edge, and is
      used to place new rows alone;
    - None, ``affinity="precomputed_distances"``: X is a matrix of distances to the training
      rows, square in ``fit``, of which a neighbour graph is built.

    Parameters
    ----------
    n_components : int or None, default None
        k, the number of coordinates; the kernel (one vector per connected component)
        does not count. None means as many as there are, of the Laplacian's at most 1000 and as
        many as take 128 MiB, and of coordinates that do not fade at most 64 (but none that cuts an
        eigenspace); without ``graph``, as many of these as the equations that place new rows
        hold for.
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
        - "lle": locally linear embedding [4]_, coordinates of unit mean square, in which nodes
          are the same weighted means of their neighbours as in features: coordinates X, or the
          positions of the graph's nodes, else their attributes divided by their spread.
    laplacian : {"combinatorial", "symmetric", "random_walk", "cotangent"}, \
default "combinatorial"
        For ``method="laplacian"``: D - A, D^-1/2 (D - A) D^-1/2, I - D^-1 A, or on a mesh the
        stiffness by cotangents with a mass matrix, which depends on the surface and
        not on how it is triangulated (extra ``mesh``).
    scaling : {"commute_time", "unit"}, default "commute_time"
        For ``method="laplacian"``, how wide coordinates are. "unit" is [1]_: all have unit mean
        square. By default coordinate j is sqrt(eigenvalues_[0] / eigenvalues_[j]) times as wide,
        the first having unit mean square: squares of distances are then the times that a random
        walk takes from one node to another and back [5]_, up to a factor, and a model that
        takes columns for as important as they are wide expects a signal to be smooth. (A
        ten-thousandth of the mean eigenvalue is added to all, so that no coordinate takes all.)
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
    eigen_solver : {"auto", "dense", "shift_invert", "iterative"}, default "auto"
        LAPACK on the full matrix; block Lanczos on the inverse by a sparse factorisation (by
        CHOLMOD with the extra ``cholesky``); or block Lanczos without one, for graphs on
        which that fills in, as random and scale-free ones. "auto" chooses for every connected
        component. Isomap is solved by LAPACK on its landmarks.
    eigen_tol : float, default 1e-8
        Largest residual ||L u - lambda u||, as a share of Gershgorin's bound on the largest
        eigenvalue; and 100 times that, but at least 1e-6, as a share of lambda itself. ("lle" asks
        for 1e-2 of that: its eigenvalues are squares.)
    component_features : bool, default True
        Whether a graph of several components gets a 0/1 column for each (at most 64:
        the smallest share the last). They follow the eigenvectors.
    structural_features : bool, default False
        Whether columns follow that tell nodes by their surroundings: the square root of the
        degree, and its mean over neighbours taken once, twice and three times, standardised.
        For signals that depend on them, as those do that are smooth in the symmetric Laplacian.
        Needs a graph.
    max_components : int or None, default None
        How many eigenvectors to compute at once and share, at least ``n_components``;
        None means 128, or the default number of components. A search over larger k is solved once
        by naming the largest.
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
        Whether to show how many eigenvectors have converged, where any are computed: none are that
        this process, or ``memory``, has.

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
        X, dtype = self._validate(X, self._mode, reset=False)
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
            new = _new_nodes(graph, base, others)
            unseen = ~np.isin(others, before)
            coordinates[others], membership[others] = self._extended(new)
            alone = others[unseen & ~reached(new.affinity, new.among_affinity)]
            _warn_alone(graph.labels[alone], "new nodes")
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

    def _check_parameters(self) -> None:
        check_option("method", self.method, _METHODS)
        check_laplacian(self.laplacian)
        check_option("scaling", self.scaling, _SCALINGS)
        check_option("affinity", self.affinity, _AFFINITIES)
        check_option("output", self.output, ("array", "indexed"))
        check_real("alpha", self.alpha, minimum=0)
        check_real("diffusion_time", self.diffusion_time, minimum=0)
        check_count("n_landmarks", self.n_landmarks, minimum=2, word="auto")
        check_count("n_neighbors", self.n_neighbors, minimum=1)
        check_solver(self.eigen_solver, self.eigen_tol)
        check_verbose(self.verbose)
        check_flag("component_features", self.component_features)
        check_flag("structural_features", self.structural_features)
        if self.n_components is not None:
            check_count("n_components", self.n_components, minimum=1)
        if self.max_components is not None:
            least = 1 if self.n_components is None else self.n_components
            check_count("max_components", self.max_components, minimum=least)
        if self.graph is not None:
            check_graph(self.graph)
        self._check_combination()

    def _check_combination(self) -> None:
        """Refuse parameters that have no meaning together."""
        if self.graph is not None and self.affinity != "nearest_neighbors":
            raise ValueError(
                f"affinity={self.affinity!r} means that X is a matrix, but graph is "
                f"given, which X should name nodes of. Drop one of the two."
            )
        if self.graph is None and self.output == "indexed":
            raise ValueError(
                "output='indexed' names nodes of a graph, and graph=None: a new row would be none "
                "of them. Give graph=Graph.from_points(...), and label the rows by its nodes."
            )
        if self.graph is None and self.structural_features:
            raise ValueError(
                "structural_features=True needs a graph whose degrees mean something: give graph=, "
                "or leave it out."
            )
        if self.graph is None and self.method == "isomap" and self.affinity == "precomputed":
            raise ValueError(
                "method='isomap' needs lengths, and affinities are not: give distances with "
                "affinity='precomputed_distances', or a Graph with edge_lengths."
            )
        if self.graph is None and self.method == "lle" and self.affinity != "nearest_neighbors":
            raise ValueError(
                f"method='lle' reconstructs features of nodes, and affinity={self.affinity!r} "
                f"gives none: give coordinates, or a Graph with positions or attributes."
            )

    def _method(self, kernel: Kernel) -> Method:
        solver = self.eigen_solver, self.eigen_tol
        if self.method == "laplacian":
            return LaplacianEigenmap(*solver, self.laplacian, kernel=kernel)
        if self.method == "diffusion_map":
            return DiffusionMap(*solver, self.alpha, self.diffusion_time, kernel=kernel)
        if self.method == "isomap":
            return Isomap(self.n_landmarks)
        return LocallyLinearEmbedding(*solver)

    @unchanged_on_error
    def _fit(self, X: ArrayLike | pd.DataFrame) -> tuple[NDArray[np.intp], Any]:
        """Fit, and return the node of each row of X and the dtype of the output."""
        self._check_parameters()
        training: Rows | None = None
        dtype: Any = np.float64
        if self.graph is not None:
            graph = self.graph
            nodes = locate_nodes(self, X, graph, reset=True)
            if graph.is_faded and self.method in _UNWEIGHTED:
                _warn_faded(graph, self.method)
        else:
            given = X
            X, dtype = self._validate(X, self.affinity, reset=True)
            if self.affinity == "nearest_neighbors":
                warn_of_degrees("X", given)
                _warn_of_labels(given)
            training = self._training_rows(X, dtype)
            graph, nodes = training.graph, training.nodes
        method = self._method(Kernel() if training is None else training.kernel)
        default = self._default_components(graph)
        basis = self._basis(method, graph, default)
        n_components = self._resolve_n_components(basis, method.advice(graph), default)
        share = np.ones(n_components)
        if training is not None:
            share = method.placed_share(method.embedding(graph, basis, n_components))
        if self.n_components is None:
            # As many as new rows get their whole share of.
            whole = int(np.argmin(np.append(share >= 1, False)))
            n_components = max(whole, min(n_components, 1))
        if n_components and basis.cuts_eigenspace[n_components - 1]:
            _warn_cut(method.key(graph), basis, n_components)
        embedding = method.embedding(graph, basis, n_components)
        membership, names = component_membership(basis.components)
        if not self.component_features:
            membership, names = membership[:, :0], []
        self.graph_ = graph
        self.n_components_ = n_components
        # A copy: they are the basis's, which other fits share.
        self.eigenvalues_ = embedding.eigenvalues.copy()
        self._placed_share = share[:n_components]
        self._cuts_eigenspace = basis.cuts_eigenspace[:n_components]
        self._observed = None
        # One row is none to learn from, but to ask for the coordinates of all nodes by.
        if training is None and len(np.unique(nodes)) > 1:
            self._observed = with_observations(graph, nodes)
        self._mode, self._training = self.affinity, training
        self._fitted_method, self._embedding = method, embedding
        self._scale = self._column_scale(graph, embedding.eigenvalues)
        self.embedding_ = embedding.coordinates * self._scale
        self._membership = self._base_membership = membership
        self._structural = np.empty((graph.n_nodes, 0))
        if self.structural_features:
            self._structural = structural_columns(graph.adjacency)
            names = [*names, *STRUCTURAL_NAMES]
        self._names_out = [f"{self.method}{i + 1}" for i in range(n_components)] + names
        self._output = self.output
        if self.output == "indexed":
            self._names_out = ["embedding"]
        return nodes, dtype

    def _training_rows(self, X: Any, dtype: Any) -> Rows:
        if self.affinity == "precomputed":
            return AffinityRows(X, dtype)
        faded = self.method not in _UNWEIGHTED
        if self.affinity == "precomputed_distances":
            return DistanceRows(X, dtype, self.n_neighbors, faded=faded)
        return PointRows(X, self.n_neighbors, faded=faded)

    @property
    def _fades(self) -> bool:
        """Whether later coordinates are narrower."""
        return self.method == "laplacian" and self.scaling == "commute_time"

    @property
    def _width(self) -> NDArray[np.float64]:
        """How wide coordinates are beside those of unit mean square; a file may be older."""
        return vars(self).get("_scale", np.ones(self.embedding_.shape[1]))

    def _column_scale(self, graph: Graph, eigenvalues: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what coordinates of unit mean square are multiplied by, the first by 1."""
        if not self._fades or len(eigenvalues) == 0:
            return np.ones(len(eigenvalues))
        operator = laplacian_of(graph, self.laplacian)
        mean = operator.stiffness.diagonal().sum() / operator.mass.sum()
        raised = eigenvalues + _FLOOR * mean
        return np.sqrt(raised[0] / raised)

    def _default_components(self, graph: Graph) -> int:
        """Return how many coordinates None means, if there are so many."""
        if not self._fades:
            return _DEFAULT_COMPONENTS
        most = min(_MOST_COMPONENTS, _MOST_NUMBERS // graph.n_nodes)
        return max(_DEFAULT_COMPONENTS, most)

    def _basis(self, method: Method, graph: Graph, default: int) -> Basis:
        most = graph.n_nodes - graph.n_components
        if self.n_components is not None and most == 0:
            raise ValueError(
                f"n_components={self.n_components} coordinates need edges; the graph has none, and "
                f"n_components=None gives its {graph.n_components} nodes a column each."
            )
        if self.n_components is not None and self.n_components > most:
            raise ValueError(
                f"n_components must be at most {most}, the number of eigenvectors outside "
                f"the kernel ({graph.n_nodes} nodes less one per connected component); "
                f"got {self.n_components}."
            )
        n_vectors = self.max_components or max(self.n_components or default, _SHARED_COMPONENTS)
        return shared_basis(
            method.key(graph),
            partial(self._solve_basis, method, graph),
            # One more, to see whether the last cuts an eigenspace.
            n_vectors=n_vectors + 1,
            tol=method.tol,
            # What has to be believed is not read.
            memory=self.memory if method.can_be_checked else None,
            doubt=partial(method.doubt, graph),
        )

    def _solve_basis(self, method: Method, graph: Graph, n_vectors: int) -> Basis:
        with open_progress("eigenvectors", unit="vectors", verbose=self.verbose) as progress:
            return method.basis(graph, n_vectors, progress)

    def _resolve_n_components(self, basis: Basis, advice: str, default: int) -> int:
        available = min(basis.n_available, basis.n_vectors)
        if self.n_components is None:
            most = min(default, self.max_components or available, available)
            whole = np.flatnonzero(~basis.cuts_eigenspace[:most]) + 1
            return int(whole[-1]) if len(whole) else most
        if self.n_components > available:
            raise ValueError(
                f"n_components must be at most {available}, the number of coordinates that "
                f"method={self.method!r} finds in this graph; got {self.n_components}.{advice}"
            )
        return self.n_components

    def _validate(self, X: ArrayLike | pd.DataFrame, mode: str, *, reset: bool) -> tuple[Any, Any]:
        """Return X as rows of float64, and the dtype of the output."""
        if mode == "precomputed_distances" and sp.issparse(X):
            raise TypeError(
                "X must be the whole matrix of distances, dense; got a sparse one, whose absent "
                "entries are no distances of 0. Lengths of edges go into a graph: "
                "SpectralEmbedder(graph=Graph(adjacency, edge_lengths=X))."
            )
        advice = " If they are node labels, name the graph: SpectralEmbedder(graph=...)."
        check_no_words("X, where graph=None,", X, advice)
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr" if mode == "precomputed" else False,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2 if reset else 1,
        )
        if mode == "precomputed":
            check_non_negative(X, "affinity='precomputed', where zero means no affinity")
            return to_csr(X, name="X"), X.dtype
        if mode == "precomputed_distances":
            check_non_negative(X, "affinity='precomputed_distances'")
        return X.astype(np.float64), X.dtype

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
        _warn_alone(rows[~reached(new.affinity, None)], "rows of X")
        self._warn_unplaced()
        return np.hstack(self._extended(new))

    def _extended(self, new: NewNodes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates and component membership of nodes that join the graph."""
        return (
            self._fitted_method.extend(self._embedding, new) * self._width,
            extend_membership(new.affinity, self._base_membership, new.among_affinity),
        )

    def _warn_unplaced(self) -> None:
        # Files of the first version do not say.
        share = getattr(self, "_placed_share", np.ones(0))
        lost = np.flatnonzero(share < PLACED)
        if len(lost) == 0:
            return
        # A parameter set since waits for the next fit.
        parameters = self._fitted_method.parameters
        name, k = parameters["method"], int(lost[0])
        runs = np.split(lost + 1, np.flatnonzero(np.diff(lost) > 1) + 1)
        named = ", ".join(
            f"{name}{run[0]}" + (f" to {name}{run[-1]}" if len(run) > 1 else "") for run in runs
        )
        remedies = [f"n_components={k}"] if k else []
        if self._mode == "precomputed" and parameters.get("laplacian") == "combinatorial":
            remedies.append("laplacian='random_walk'")
        warn_once(
            f"{self._fitted_method.key(self._embedding.graph)}-unplaced",
            f"{len(lost)} of {len(share)} coordinates cannot be placed for new rows, which are "
            f"nearer to 0, the mean, there than they should be: {named}, whose equations are "
            f"nearly singular. Fit with {' or '.join(remedies) or 'a narrower kernel'}.",
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
    _warn_alone(graph.labels[alone], "new nodes")
    widths = embedder.embedding_.shape[1], embedder._membership.shape[1]
    parts = np.split(columns, np.cumsum(widths), axis=1)
    return embedder._on(graph, nodes, *map(np.ascontiguousarray, parts))


def _warn_of_labels(X: Any) -> None:
    """Warn of one column of whole numbers: they are labels more often than places."""
    column = X.iloc[:, 0] if isinstance(X, pd.DataFrame) and X.shape[1] == 1 else np.asarray(X)
    if np.size(column) == len(column) and pd.api.types.is_integer_dtype(column.dtype):
        warn_once(
            "one column of whole numbers",
            "X has one column of whole numbers, which graph=None takes for places on a line. If "
            "they name nodes, name their graph: SpectralEmbedder(graph=...). If they are places, "
            "say so with X.astype(float).",
        )


def _check_pandas(embedder: SpectralEmbedder) -> None:
    container = _get_output_config("transform", embedder)["dense"]
    if container != "pandas":
        raise ValueError(
            f"output='indexed' makes a column of pandas, but the output asked for is "
            f"{container!r}. Call set_output(transform='pandas') on this embedder, or on the "
            f"ColumnTransformer or Pipeline that it is a step of."
        )


def _new_nodes(graph: Graph, old: NDArray[np.intp], new: NDArray[np.intp]) -> NewNodes:
    """Return the ``new`` nodes of a graph by their edges to the ``old`` ones."""
    affinity, lengths = graph.adjacency[new], graph.edge_lengths[new]
    strongest = np.full(graph.n_nodes, np.inf)
    strongest[new] = affinity.max(axis=1).toarray()
    rows = np.repeat(np.arange(len(new)), np.diff(affinity.indptr))
    ends = np.minimum(strongest[new[rows]], strongest[affinity.indices])
    kept = affinity.data >= _WEAKEST * ends
    places = rows[kept], affinity.indices[kept]
    affinity, lengths = (
        sp.csr_array((matrix.data[kept], places), shape=matrix.shape)
        for matrix in (affinity, lengths)
    )
    return NewNodes(
        affinity[:, old],
        lengths[:, old],
        graph.has_lengths,
        None if graph.positions is None else graph.positions[new],
        None if graph.attributes is None else graph.attributes.iloc[new],
        affinity[:, new],
        lengths[:, new],
    )


def _warn_alone(names: Any, what: str) -> None:
    if len(names) == 0:
        return
    named = ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
    warn(
        f"{len(names)} {what} have no affinity to any that was embedded, nor a path of edges, and "
        f"were placed at the mean of all coordinates: {named}."
    )


def _warn_faded(graph: Graph, method: str) -> None:
    warn_once(
        f"{graph.digest}-faded",
        f"method={method!r} reads no weights, and takes in full the edges that Graph.from_points "
        f"has faded out to next to nothing, beyond the nearest neighbours: build the graph with "
        f"Graph.from_points(..., weighted=False).",
    )


def _warn_cut(key: str, basis: Basis, n_components: int) -> None:
    whole = np.flatnonzero(~basis.cuts_eigenspace[: n_components - 1]) + 1
    advice = f"; n_components={whole[-1]} does not" if len(whole) else ""
    warn_once(
        f"{key}-cut",
        f"n_components={n_components} cuts an eigenspace: eigenvalues {n_components} and "
        f"{n_components + 1} are both {basis.eigenvalues[n_components]:.6g}, so which of their "
        f"eigenvectors are kept is arbitrary{advice}.",
    )
