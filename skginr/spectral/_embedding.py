"""What every method of embedding takes and gives, whatever it does."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import Progress, positive
from skginr.graphs import Graph
from skginr.spectral.eigen import Basis, Keep

# An edge weaker than the strongest of its nodes by so much is lost in the rounding of that.
_WEAKEST = 1e-10


@dataclass(frozen=True)
class Embedding:
    """Coordinates of every node of a graph.

    Attributes
    ----------
    graph : Graph
    eigenvalues : ndarray of shape (n_components,)
    coordinates : ndarray of shape (n_nodes, n_components)
    tol : float
        Tolerance they were computed to; 0 for a direct method.
    """

    graph: Graph
    eigenvalues: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    tol: float = 0.0


@dataclass(frozen=True)
class Frame:
    """What the coordinates of a fitted embedder are, for what compares and reads them.

    Attributes
    ----------
    parameters : dict of str to object
        What they depend on beside the graph, as it was in ``fit``: a parameter that was set since
        waits for the next.
    has_labels : bool
        Whether the graph was given, and its labels name nodes; else it is of the rows of ``fit``.
    width : ndarray of shape (n_components,)
        How wide they are beside those of unit mean square.
    cuts_eigenspace : ndarray of bool of shape (n_components,)
        Whether the eigenvalue after each is equal, so that which of the two is kept is arbitrary.
    """

    parameters: dict[str, object]
    has_labels: bool
    width: NDArray[np.float64]
    cuts_eigenspace: NDArray[np.bool_]


@dataclass(frozen=True)
class Kernel:
    """What is known of the affinities of rows, where these and not a graph were given.

    Attributes
    ----------
    own : ndarray of shape (n_nodes,) or None
        Affinity of each training row with itself, which does not count in its degree as a node, but
        is in the affinities of a new row in its place. None where there is none.
    rounding : float or None
        Of affinities that are values of one function, so that the equations of coordinates hold for
        new rows as they do for old ones, as a share of each; None for those of a neighbour graph,
        which change with the neighbours.
    """

    own: NDArray[np.float64] | None = None
    rounding: float | None = None

    def own_of(self, affinity: sp.csr_array) -> NDArray[np.float64] | None:
        """Return the affinity of new rows with themselves, by theirs to training rows.

        That of the training rows around; of a row that is far from all, no more than to the
        nearest.
        """
        if self.own is None:
            return None
        total = np.asarray(affinity.sum(axis=1)).ravel()
        around = (affinity @ self.own) / positive(total)
        return np.minimum(around, affinity.max(axis=1).toarray().ravel())


class NewNodes(NamedTuple):
    """Nodes that were not in a graph, by their edges to it and to each other.

    Attributes
    ----------
    affinity : sparse array of shape (n_new, n_nodes)
        Weights of edges to nodes of the graph.
    lengths : sparse array of shape (n_new, n_nodes)
        Lengths of the same edges.
    has_lengths : bool
        Whether they are lengths, or 1 a hop.
    positions : ndarray of shape (n_new, n_dimensions) or None
    attributes : DataFrame of length n_new or None
    among_affinity, among_lengths : sparse array of shape (n_new, n_new) or None
        Weights and lengths of the edges between new nodes.
    """

    affinity: sp.csr_array
    lengths: sp.csr_array
    has_lengths: bool
    positions: NDArray[np.float64] | None = None
    attributes: pd.DataFrame | None = None
    among_affinity: sp.csr_array | None = None
    among_lengths: sp.csr_array | None = None

    @classmethod
    def of_graph(cls, graph: Graph, old: NDArray[np.intp], new: NDArray[np.intp]) -> Self:
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
        return cls(
            affinity[:, old],
            lengths[:, old],
            graph.has_lengths,
            None if graph.positions is None else graph.positions[new],
            None if graph.attributes is None else graph.attributes.iloc[new],
            affinity[:, new],
            lengths[:, new],
        )


class Method(Protocol):
    """A way from a graph to coordinates of its nodes, and of nodes that join it."""

    @property
    def tol(self) -> float:
        """Loosest tolerance that a basis may have been computed to."""
        ...

    @property
    def can_be_checked(self) -> bool:
        """Whether to look at a basis takes less than to compute it."""
        ...

    @property
    def parameters(self) -> dict[str, object]:
        """What coordinates depend on beside the graph, by parameter of SpectralEmbedder."""
        ...

    def advice(self, graph: Graph) -> str:
        """Say what to do for more coordinates than were found in ``graph``, if anything."""
        ...

    def key(self, graph: Graph) -> str:
        """Name everything that the basis depends on, but for how it is computed."""
        ...

    def basis(
        self,
        graph: Graph,
        n_vectors: int,
        progress: Progress,
        known: Basis | None = None,
        keep: Keep = None,
    ) -> Basis:
        """Return at least the first ``n_vectors`` coordinates, or as many as there are.

        Where some are known, those need not be computed; see :func:`skginr.spectral.eigen.solve`.
        """
        ...

    def doubt(self, graph: Graph, basis: Basis, *, counted: bool = True) -> str | None:
        """Say what is wrong with a basis that was read as that of ``graph``, or None."""
        ...

    def embedding(self, graph: Graph, basis: Basis, n_components: int) -> Embedding:
        """Return the first ``n_components`` of ``basis`` in the scale of the method."""
        ...

    def placed_share(self, embedding: Embedding) -> NDArray[np.float64]:
        """Return how much of each coordinate rows like those of the graph would get, at most 1."""
        ...

    def extend(self, embedding: Embedding, new: NewNodes) -> NDArray[np.float64]:
        """Return the coordinates of new nodes, zero where no path joins them to the graph."""
        ...
