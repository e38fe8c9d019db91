"""What every method of embedding takes and gives, whatever it does."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._progress import Progress
from skginr.eigen import Basis
from skginr.graphs import Graph


@dataclass(frozen=True)
class Embedding:
    """Coordinates of every node of a graph.

    Attributes
    ----------
    graph : Graph
    eigenvalues : ndarray of shape (n_components,)
    coordinates : ndarray of shape (n_nodes, n_components)
    """

    graph: Graph
    eigenvalues: NDArray[np.float64]
    coordinates: NDArray[np.float64]


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


class Method(Protocol):
    """A way from a graph to coordinates of its nodes, and of nodes that join it."""

    @property
    def tol(self) -> float:
        """Loosest tolerance that a basis may have been computed to."""
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

    def basis(self, graph: Graph, n_vectors: int, progress: Progress) -> Basis:
        """Return at least the first ``n_vectors`` coordinates, or as many as there are."""
        ...

    def embedding(self, graph: Graph, basis: Basis, n_components: int) -> Embedding:
        """Return the first ``n_components`` of ``basis`` in the scale of the method."""
        ...

    def extend(self, embedding: Embedding, new: NewNodes) -> NDArray[np.float64]:
        """Return the coordinates of new nodes, zero where no path joins them to the graph."""
        ...
