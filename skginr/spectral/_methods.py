"""The methods of SpectralEmbedder, behind one interface."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import Progress, check_points, positive
from skginr.graphs import Graph, Laplacian, array_digest, degrees_of, laplacian, laplacian_of
from skginr.spectral._embedding import Embedding, Kernel, NewNodes
from skginr.spectral._extension import PLACED, extend_eigenvectors, loads_of, placed_share, reached
from skginr.spectral._isomap import (
    Landmarks,
    distances_of_new_nodes,
    extend_isomap,
    isomap,
    landmark_distances,
)
from skginr.spectral._lle import barycentric_weights, extend_lle, reconstruction_operator
from skginr.spectral.eigen import LEAST_TOL, Basis, Keep, doubt_of, equal_to_next, solve

# Isomap of more nodes than so has landmarks: all distances are computed up to here.
_ALL_LANDMARKS = 3_000
_LANDMARKS = 500
# Of the mean eigenvalue, added to all: where parts of a graph hang together by a thread, the first
# coordinates would be so much wider than all others that these were lost.
_FLOOR = 1e-4
# Eigenvalues of a component that differ by less than this share of its largest are equal: LAPACK
# finds them to no more.
_ROUNDING = 1e-12
# Squares of distances below are too small for floats.
_SHORTEST = 1e-150
# Equations of a kernel are divided by differences so many times their error.
_ABOVE_ROUNDING = 100.0
# And so much of what they are divided by at most rows: where that crosses zero, it says nothing.
_OF_USUAL = 0.1
# The eigenvalues of interest of a reconstruction are squares, and as small.
_LLE_TOL = 1e-2


@dataclass(frozen=True)
class _Solved:
    """A method whose coordinates are eigenvectors of a sparse operator."""

    eigen_solver: str
    eigen_tol: float
    kernel: Kernel = field(default=Kernel(), kw_only=True)

    @property
    def tol(self) -> float:
        """Tolerance of the basis."""
        return self.eigen_tol

    @property
    def can_be_checked(self) -> bool:
        """Whether to look at a basis takes less than to compute it."""
        return True

    def advice(self, graph: Graph) -> str:
        """Say nothing: all coordinates there are can be found."""
        return ""

    def operator(self, graph: Graph) -> Laplacian:
        """Return what the coordinates are eigenvectors of."""
        raise NotImplementedError

    def basis(
        self,
        graph: Graph,
        n_vectors: int,
        progress: Progress,
        known: Basis | None = None,
        keep: Keep = None,
    ) -> Basis:
        """Return the first eigenvectors outside the kernel, to the tolerance."""
        return solve(
            self.operator(graph),
            n_vectors,
            eigen_solver=self.eigen_solver,
            eigen_tol=self.tol,
            progress=progress,
            known=known,
            keep=keep,
        )

    def doubt(self, graph: Graph, basis: Basis, *, counted: bool = True) -> str | None:
        """Say what is wrong with a basis that was read as that of a graph, or None."""
        return doubt_of(self.operator(graph), basis, self.tol, counted=counted)

    def _walk(
        self,
        embedding: Embedding,
        values: NDArray[np.float64],
        degrees: NDArray[np.float64],
        own: NDArray[np.float64] | float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return loads of the equations of a random walk, and the least they are divided by."""
        loads = loads_of(values, embedding.coordinates, degrees / (degrees + own))
        if self.kernel.rounding is None:
            return loads, None
        above_rounding = _ABOVE_ROUNDING * max(embedding.tol, self.kernel.rounding, _ROUNDING)
        least = np.maximum(above_rounding, _OF_USUAL * np.abs(1 - loads[1]))
        # What cannot be placed is not amplified either: it would be anywhere.
        return loads, np.where(placed_share(loads, least) < PLACED, 0.5, least)

    @property
    def _own(self) -> NDArray[np.float64] | float:
        return 0.0 if self.kernel.own is None else self.kernel.own


def commute_time_widths(
    operator: Laplacian, eigenvalues: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how wide coordinates are whose distances are commute times, the first being 1."""
    mean = operator.stiffness.diagonal().sum() / operator.mass.sum()
    raised = eigenvalues + _FLOOR * mean
    return np.sqrt(raised[:1] / raised)


@dataclass(frozen=True)
class LaplacianEigenmap(_Solved):
    """Eigenvectors of a Laplacian, of unit mean square."""

    kind: str

    @property
    def parameters(self) -> dict[str, object]:
        """What coordinates depend on beside the graph."""
        return {"method": "laplacian", "laplacian": self.kind}

    def key(self, graph: Graph) -> str:
        """Name what the basis depends on."""
        return f"{graph.digest}-{self.kind}"

    def operator(self, graph: Graph) -> Laplacian:
        """Return the Laplacian."""
        return laplacian_of(graph, self.kind)

    def embedding(self, graph: Graph, basis: Basis, n_components: int) -> Embedding:
        """Return sqrt(total mass) times the first eigenvectors."""
        return _scaled(graph, basis, n_components, np.ones(n_components))

    def placed_share(self, embedding: Embedding) -> NDArray[np.float64]:
        """Return how much of each coordinate its equation gives to a new row."""
        degrees = positive(degrees_of(embedding.graph.adjacency))
        if self.kind == "combinatorial":
            factors = 1 / (degrees + self._own)
            return placed_share(loads_of(embedding.eigenvalues, embedding.coordinates, factors))
        return placed_share(*self._walk(embedding, embedding.eigenvalues, degrees, self._own))

    def extend(self, embedding: Embedding, new: NewNodes) -> NDArray[np.float64]:
        """Return the values that solve the eigenvector equations at new nodes."""
        if self.kind == "cotangent":
            raise ValueError(
                "laplacian='cotangent' has no weights for edges of new vertices, which depend on "
                "the faces: fit a SpectralEmbedder on the refined mesh."
            )
        degrees, least = degrees_of(embedding.graph.adjacency), None
        # Degrees vary from row to row, and L is singular where one meets an eigenvalue.
        if self.kind != "combinatorial":
            _, least = self._walk(embedding, embedding.eigenvalues, positive(degrees), self._own)
        return extend_eigenvectors(
            new.affinity,
            embedding.eigenvalues,
            embedding.coordinates,
            kind=self.kind,
            degrees=degrees,
            among=new.among_affinity,
            own=self.kernel.own_of(new.affinity),
            least=least,
        )


@dataclass(frozen=True)
class DiffusionMap(_Solved):
    """Eigenvectors of a random walk, each times its eigenvalue to the power of time.

    References
    ----------
    R. Coifman and S. Lafon, "Diffusion maps", Appl. Comput. Harmon. Anal. 21, 2006.
    """

    alpha: float
    time: float

    @property
    def parameters(self) -> dict[str, object]:
        """What coordinates depend on beside the graph."""
        return {"method": "diffusion_map", "alpha": self.alpha, "diffusion_time": self.time}

    def key(self, graph: Graph) -> str:
        """Name what the basis depends on: time only scales it."""
        return f"{graph.digest}-diffusion-{float(self.alpha).hex()}"

    def operator(self, graph: Graph) -> Laplacian:
        """Return I - P of the walk, as a Laplacian."""
        scale = sp.diags_array(positive(degrees_of(graph.adjacency)) ** -float(self.alpha))
        with np.errstate(over="ignore", invalid="ignore"):
            weights = sp.csr_array(scale @ graph.adjacency @ scale)
        n_kept = np.count_nonzero((weights.data > 0) & np.isfinite(weights.data))
        if n_kept < graph.adjacency.nnz:
            raise ValueError(
                f"alpha={self.alpha} takes the weights of the graph out of the range of floats, "
                f"divided by degrees to that power. Lower it (1 takes the density out), or scale "
                f"the weights."
            )
        return laplacian(weights, "random_walk")

    def embedding(self, graph: Graph, basis: Basis, n_components: int) -> Embedding:
        """Return the first eigenvectors, faded, with the eigenvalues of the walk."""
        walk = 1 - basis.eigenvalues[:n_components]
        faded = np.abs(walk) ** float(self.time)
        # A part of a step has no real power of a negative number: the sign stays.
        if self.time % 2 != 0:
            faded *= np.sign(walk)
        return _scaled(graph, basis, n_components, faded, eigenvalues=walk)

    def placed_share(self, embedding: Embedding) -> NDArray[np.float64]:
        """Return how much of each coordinate its equation gives to a new row."""
        return placed_share(*self._walk_of(embedding))

    def extend(self, embedding: Embedding, new: NewNodes) -> NDArray[np.float64]:
        """Return the values that solve the walk's equations at new nodes."""
        # What the new node's own density divides by, its degree divides by too.
        density = positive(degrees_of(embedding.graph.adjacency)) ** -float(self.alpha)
        links, among = sp.csr_array(new.affinity @ sp.diags_array(density)), new.among_affinity
        own = self.kernel.own_of(new.affinity)
        if among is not None:
            scale = positive(degrees_of(new.affinity) + degrees_of(among)) ** -float(self.alpha)
            links = sp.csr_array(sp.diags_array(scale) @ links)
            among = sp.csr_array(sp.diags_array(scale) @ among @ sp.diags_array(scale))
        elif own is not None:
            rest = positive(degrees_of(new.affinity) - own) ** -float(self.alpha)
            own = np.minimum(own * rest, links.max(axis=1).toarray().ravel())
        return extend_eigenvectors(
            links,
            1 - embedding.eigenvalues,
            embedding.coordinates,
            kind="random_walk",
            degrees=np.empty(0),
            among=among,
            own=own,
            least=self._walk_of(embedding)[1],
        )

    def _walk_of(
        self, embedding: Embedding
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        adjacency = embedding.graph.adjacency
        density = positive(degrees_of(adjacency)) ** -float(self.alpha)
        degrees = positive(density * (adjacency @ density))
        return self._walk(embedding, 1 - embedding.eigenvalues, degrees, self._own * density**2)


@dataclass(frozen=True)
class Isomap:
    """Classical scaling of distances along edges."""

    n_landmarks: int | str

    @property
    def tol(self) -> float:
        """Tolerance of the basis: LAPACK takes none."""
        return np.inf

    @property
    def parameters(self) -> dict[str, object]:
        """What coordinates depend on beside the graph."""
        return {"method": "isomap"}

    @property
    def can_be_checked(self) -> bool:
        """Whether to look at a basis takes less than to compute it: distances take the time."""
        return False

    def doubt(self, graph: Graph, basis: Basis, *, counted: bool = True) -> str | None:
        """Say that nothing is known of a basis that was read."""
        return "it cannot be checked"

    def advice(self, graph: Graph) -> str:
        """Say that more landmarks may find more."""
        every = self._count(graph) == graph.n_nodes
        return "" if every else " More n_landmarks may find more."

    def key(self, graph: Graph) -> str:
        """Name what the basis depends on."""
        return f"{graph.digest}-isomap-{self._count(graph)}"

    def basis(
        self,
        graph: Graph,
        n_vectors: int,
        progress: Progress,
        known: Basis | None = None,
        keep: Keep = None,
    ) -> Basis:
        """Return the coordinates in units of length, the eigenvalues descending."""
        progress.expect(n_vectors)
        progress.note("distances")
        landmarks = _landmarks_of(graph, self._count(graph))
        _check_longest(landmarks.distances)
        progress.note("scaling")
        components = graph.components
        values, vectors = isomap(landmarks, components, n_vectors)
        progress.reach(len(values))
        n_available = graph.n_nodes - graph.n_components
        if len(values) < n_vectors:
            n_available = len(values)
        # Where a coordinate is not zero is its component; eigenvalues descend.
        homes = components[np.abs(vectors).argmax(axis=0)]
        _, first, of_home = np.unique(homes, return_index=True, return_inverse=True)
        equal = equal_to_next(values, _ROUNDING * values[first][of_home])
        return Basis(values, vectors, np.ones(graph.n_nodes), components, n_available, equal)

    def embedding(self, graph: Graph, basis: Basis, n_components: int) -> Embedding:
        """Return the first coordinates, in the unit in which the first has unit mean square."""
        unit = np.sqrt(basis.eigenvalues[:1].sum() / graph.n_nodes) or 1.0
        coordinates = basis.eigenvectors[:, :n_components] / unit
        return Embedding(graph, basis.eigenvalues[:n_components], coordinates)

    def placed_share(self, embedding: Embedding) -> NDArray[np.float64]:
        """Return that all coordinates follow from distances."""
        return np.ones(len(embedding.eigenvalues))

    def extend(self, embedding: Embedding, new: NewNodes) -> NDArray[np.float64]:
        """Return the coordinates that follow from the distances to landmarks."""
        if new.has_lengths != embedding.graph.has_lengths:
            kinds = ("1 a hop", "those of positions or given")
            fitted, joining = kinds[embedding.graph.has_lengths], kinds[new.has_lengths]
            raise ValueError(
                f"new nodes must have edge lengths of the kind that method='isomap' was fitted on; "
                f"the lengths were {fitted}, and are {joining}. Give both graphs positions or "
                f"edge_lengths, or neither."
            )
        landmarks = _landmarks_of(embedding.graph, self._count(embedding.graph))
        distances = distances_of_new_nodes(landmarks, new.lengths, new.among_lengths)
        return extend_isomap(landmarks, embedding.eigenvalues, embedding.coordinates, distances)

    def _count(self, graph: Graph) -> int:
        if self.n_landmarks != "auto":
            return min(int(self.n_landmarks), graph.n_nodes)
        return graph.n_nodes if graph.n_nodes <= _ALL_LANDMARKS else _LANDMARKS


def _check_longest(distances: NDArray[np.float64]) -> None:
    longest = distances[np.isfinite(distances)].max(initial=0.0)
    if longest > 0 and not _SHORTEST < longest < 1 / _SHORTEST:
        raise ValueError(
            f"method='isomap' squares distances, and those along edges are up to {longest:g}: give "
            f"lengths or positions in another unit."
        )


@lru_cache(maxsize=2)
def _landmarks_of(graph: Graph, n_landmarks: int) -> Landmarks:
    """Return what every transform of a fitted Isomap needs, and no pickle should carry."""
    return landmark_distances(graph.edge_lengths, graph.components, n_landmarks)


@dataclass(frozen=True)
class LocallyLinearEmbedding(_Solved):
    """Coordinates that the weights reproduce which reproduce a node's features."""

    @property
    def tol(self) -> float:
        """Tolerance of the basis."""
        return max(_LLE_TOL * self.eigen_tol, LEAST_TOL)

    @property
    def parameters(self) -> dict[str, object]:
        """What coordinates depend on beside the graph."""
        return {"method": "lle"}

    def key(self, graph: Graph) -> str:
        """Name what the basis depends on: digests of graphs do not cover attributes."""
        return f"{graph.digest}-lle-{array_digest(_features(graph, graph))}"

    def operator(self, graph: Graph) -> Laplacian:
        """Return the error of reconstruction."""
        features = _features(graph, graph)
        weights = barycentric_weights(features, features, graph.adjacency)
        ones = np.ones(graph.n_nodes)
        return Laplacian(reconstruction_operator(weights), ones, ones)

    def embedding(self, graph: Graph, basis: Basis, n_components: int) -> Embedding:
        """Return sqrt(n_nodes) times the first eigenvectors."""
        return _scaled(graph, basis, n_components, np.ones(n_components))

    def placed_share(self, embedding: Embedding) -> NDArray[np.float64]:
        """Return that all coordinates follow from those of neighbours."""
        return np.ones(len(embedding.eigenvalues))

    def extend(self, embedding: Embedding, new: NewNodes) -> NDArray[np.float64]:
        """Return what the weights of the new nodes' features make of their neighbours."""
        graph = embedding.graph
        own = _features(graph, new)
        among = new.among_affinity
        links = new.affinity if among is None else sp.hstack([new.affinity, among], format="csr")
        # A node that no path joins to the graph has no place among neighbours either.
        joined = reached(new.affinity, among)
        links = sp.csr_array(sp.diags_array(joined.astype(float)) @ links)
        links.eliminate_zeros()
        points = np.vstack([_features(graph, graph), own])
        if among is None:
            points = points[: graph.n_nodes]
        weights = barycentric_weights(own, points, links)
        return extend_lle(embedding.coordinates, weights, graph.n_nodes)


def _features(graph: Graph, source: Graph | NewNodes) -> NDArray[np.float64]:
    """Return what is reconstructed of the nodes of ``source``, as of those of ``graph``.

    That is their positions, or where the graph has none their attributes, which may be in
    different units and are divided by their spread in the graph.
    """
    if graph.positions is not None:
        if source.positions is None or source.positions.shape[1] != graph.positions.shape[1]:
            raise ValueError(
                f"new nodes must have positions in {graph.positions.shape[1]} dimensions, as the "
                f"graph has that method='lle' was fitted on."
            )
        return source.positions
    if graph.attributes is None:
        raise ValueError(
            "method='lle' needs a graph whose nodes have positions or attributes, which it "
            "reconstructs; got neither. Give Graph(..., positions=...) or "
            "graph.with_attributes(...), or choose another method."
        )
    columns = list(graph.attributes.columns)
    if source.attributes is None or not set(columns) <= set(source.attributes.columns):
        raise ValueError(f"new nodes must have the attributes {columns}, as the graph has.")
    own = check_points("attributes of the graph", graph.attributes)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = own.std(axis=0)
    if not np.isfinite(spread).all():
        raise ValueError(
            f"attribute {columns[int(np.isfinite(spread).argmin())]!r} is too large to compute "
            f"with: up to {np.abs(own).max():.3g}. Rescale it."
        )
    features = check_points("attributes of new nodes", source.attributes[columns])
    return (features - own.mean(axis=0)) / positive(spread)


def _scaled(
    graph: Graph,
    basis: Basis,
    n_components: int,
    factors: NDArray[np.float64],
    eigenvalues: NDArray[np.float64] | None = None,
) -> Embedding:
    """Return the embedding by eigenvectors of unit mean square by mass, times ``factors``."""
    factors = factors * np.sqrt(basis.mass.sum())
    # By row: a row of X is a node, and what follows reads rows.
    coordinates = np.multiply(basis.eigenvectors[:, :n_components], factors, order="C")
    if eigenvalues is None:
        eigenvalues = basis.eigenvalues[:n_components]
    return Embedding(graph, eigenvalues, coordinates, basis.tol)
