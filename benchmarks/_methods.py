"""The methods that are compared, each as a user would call it.

A method takes a problem and returns its solve: a function without arguments that returns
the first k eigenvectors outside the kernel as columns, in any order and scale, or a function
that reads them where reading is not part of solving. Imports and the conversion to a peer's
own type of graph come before, and are not timed.

Methods that find the kernel too are asked for k + 1 vectors, and the first is dropped.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

METHODS = {}
# Vectors that a block method iterates beyond the k, so that the last of them converge too.
GUARD = 20


@dataclass(frozen=True)
class Problem:
    """The first k eigenvectors outside the kernel of one Laplacian of a connected graph."""

    adjacency: sp.csr_array
    k: int
    laplacian: str = "combinatorial"
    tol: float = 1e-6
    positions: np.ndarray | None = None

    @property
    def n_nodes(self):
        return self.adjacency.shape[0]

    @property
    def roots(self):
        """Square roots of the degrees, the kernel of the normalised Laplacian."""
        return np.sqrt(self.adjacency.sum(axis=1))

    @property
    def kernel(self):
        ones = np.ones(self.n_nodes)
        vector = self.roots if self.laplacian == "symmetric" else ones
        return (vector / np.linalg.norm(vector))[:, None]

    def operator(self):
        if self.laplacian == "symmetric":
            scale = sp.diags_array(1 / self.roots)
            normalised = scale @ self.adjacency @ scale
            return sp.csr_array(sp.eye_array(self.n_nodes) - normalised)
        return sp.csr_array(sp.diags_array(self.adjacency.sum(axis=1)) - self.adjacency)


@dataclass(frozen=True)
class Method:
    """A way to solve a problem.

    ``package`` is the peer that it needs, None for what skginr depends on anyway. ``only`` is
    the one Laplacian that it can do. ``comparable`` is False where it looks for other vectors.
    """

    prepare: Callable
    package: str | None = None
    only: str | None = None
    comparable: bool = True


def method(name, **facts):
    def register(prepare):
        METHODS[name] = Method(prepare, **facts)
        return prepare

    return register


def bound_of(operator):
    """Return Gershgorin's bound of the largest eigenvalue."""
    return float(abs(operator).sum(axis=1).max())


def without_first(values, vectors):
    return vectors[:, np.argsort(values)[1:]]


# --- skginr


@method("skginr")
def skginr(problem):
    from skginr import Graph, SpectralEmbedder

    embedder = SpectralEmbedder(
        problem.k,
        graph=Graph.from_adjacency(problem.adjacency),
        laplacian=problem.laplacian,
        max_components=problem.k,
        eigen_solver="auto",
        eigen_tol=problem.tol,
    )
    nodes = np.arange(problem.n_nodes)[:, None]

    def solve():
        embedder.fit(nodes)
        # The symmetric Laplacian's coordinates are its eigenvectors too, up to scale.
        return lambda: embedder.transform(nodes)[:, : problem.k]

    return solve


@method("skginr, bare solver")
def skginr_bare(problem):
    from skginr.graphs._laplacians import laplacian
    from skginr.spectral.eigen._solve import solve

    def run():
        operator = laplacian(problem.adjacency, problem.laplacian)
        return solve(operator, problem.k, eigen_tol=problem.tol).eigenvectors

    return run


@method("skginr, isomap of 500 landmarks", comparable=False)
def skginr_isomap(problem):
    from skginr import Graph, SpectralEmbedder

    graph = Graph(problem.adjacency, positions=problem.positions)
    landmarks = min(500, problem.n_nodes // 2)
    embedder = SpectralEmbedder(problem.k, graph=graph, method="isomap", n_landmarks=landmarks)
    nodes = np.arange(problem.n_nodes)[:, None]
    return lambda: embedder.fit(nodes) and None


# --- scipy


@method("scipy eigsh, shift-invert")
def scipy_shift_invert(problem):
    from scipy.sparse.linalg import eigsh

    def solve():
        return without_first(*eigsh(problem.operator(), k=problem.k + 1, sigma=-1e-4))

    return solve


@method('scipy eigsh, which="SM"')
def scipy_smallest(problem):
    from scipy.sparse.linalg import eigsh

    return lambda: without_first(*eigsh(problem.operator(), k=problem.k + 1, which="SM"))


@method("scipy eigsh, largest of the complement")
def scipy_largest(problem):
    """Lanczos at the top of D^-1/2 A D^-1/2, or of c - L for the combinatorial Laplacian."""
    from scipy.sparse.linalg import eigsh

    def solve():
        operator = problem.operator()
        top = 1.0 if problem.laplacian == "symmetric" else bound_of(operator)
        complement = sp.csr_array(top * sp.eye_array(problem.n_nodes) - operator)
        values, vectors = eigsh(complement, k=problem.k + 1, which="LA", tol=problem.tol)
        return without_first(-values, vectors)

    return solve


@method("scipy eigsh, inverse by conjugate gradients")
def scipy_conjugate_gradients(problem):
    """Shift-invert without a factorisation, which fills in on scale-free graphs."""
    from scipy.sparse.linalg import LinearOperator, cg, eigsh

    def solve():
        operator, kernel = problem.operator(), problem.kernel
        jacobi = sp.diags_array(1 / operator.diagonal())
        # Inexact inverses limit what the outer iteration can reach.
        inner = max(1e-2 * problem.tol, 1e-14)

        def invert(x):
            x = x - kernel[:, 0] * (kernel[:, 0] @ x)
            y = cg(operator, x, rtol=inner, M=jacobi, maxiter=1000)[0]
            return y - kernel[:, 0] * (kernel[:, 0] @ y)

        inverse = LinearOperator(operator.shape, matvec=invert, dtype=float)
        return eigsh(inverse, k=problem.k, which="LA", tol=problem.tol)[1]

    return solve


# --- scikit-learn


def scikit_learn(problem, **options):
    from sklearn.manifold import spectral_embedding

    normalised = problem.laplacian == "symmetric"

    def solve():
        found = spectral_embedding(
            problem.adjacency,
            n_components=problem.k,
            norm_laplacian=normalised,
            random_state=0,
            **options,
        )
        # It returns the random walk's eigenvectors where it normalises.
        return lambda: found * problem.roots[:, None] if normalised else found

    return solve


@method("scikit-learn, arpack")
def scikit_learn_arpack(problem):
    return scikit_learn(problem, eigen_solver="arpack")


@method("scikit-learn, arpack, same eigen_tol")
def scikit_learn_arpack_tol(problem):
    return scikit_learn(problem, eigen_solver="arpack", eigen_tol=problem.tol)


@method("scikit-learn, amg", package="pyamg")
def scikit_learn_amg(problem):
    return scikit_learn(problem, eigen_solver="amg")


# --- block methods with a preconditioner


def run_lobpcg(problem, operator, preconditioner):
    from scipy.sparse.linalg import lobpcg

    start = np.random.default_rng(0).standard_normal((problem.n_nodes, problem.k + GUARD))
    values, vectors = lobpcg(
        operator,
        start,
        M=preconditioner,
        Y=problem.kernel,
        tol=problem.tol * bound_of(operator),
        maxiter=300,
        largest=False,
    )
    return vectors[:, np.argsort(values)[: problem.k]]


@method("scipy lobpcg, pyamg", package="pyamg")
def lobpcg_amg(problem):
    import pyamg

    def solve():
        operator = problem.operator()
        # A little of the identity makes it definite; its kernel is kept out by lobpcg.
        definite = sp.csr_array(operator + 1e-6 * sp.eye_array(problem.n_nodes))
        hierarchy = pyamg.smoothed_aggregation_solver(definite, B=problem.kernel)
        return run_lobpcg(problem, operator, hierarchy.aspreconditioner())

    return solve


@method("scipy lobpcg, Jacobi")
def lobpcg_jacobi(problem):
    def solve():
        operator = problem.operator()
        return run_lobpcg(problem, operator, sp.diags_array(1 / operator.diagonal()))

    return solve


@method("primme, Jacobi", package="primme")
def primme_jacobi(problem):
    import primme

    def solve():
        operator = problem.operator()
        jacobi = sp.diags_array(1 / operator.diagonal())
        return primme.eigsh(
            operator, k=problem.k, which="SA", tol=problem.tol, OPinv=jacobi, lock=problem.kernel
        )[1]

    return solve


# --- packages for graphs


@method("scikit-network", package="scikit-network")
def scikit_network(problem):
    from sknetwork.embedding import Spectral

    normalised = problem.laplacian == "symmetric"
    adjacency = sp.csr_matrix(problem.adjacency)
    embedder = Spectral(
        problem.k, decomposition="rw" if normalised else "laplacian", normalized=False
    )

    def solve():
        found = embedder.fit_transform(adjacency)
        return lambda: found * problem.roots[:, None] if normalised else found

    return solve


@method("umap-learn, spectral layout", package="umap-learn", only="symmetric")
def umap_learn(problem):
    from umap.spectral import spectral_layout

    adjacency = sp.csr_matrix(problem.adjacency)

    def solve():
        with warnings.catch_warnings():
            # Where its solver fails it returns random numbers, with a warning.
            warnings.simplefilter("error", UserWarning)
            return spectral_layout(None, adjacency, problem.k, np.random.RandomState(0))

    return solve


@method("pygsp", package="pygsp")
def pygsp(problem):
    from pygsp.graphs import Graph

    kind = "normalized" if problem.laplacian == "symmetric" else "combinatorial"
    graph = Graph(sp.csr_matrix(problem.adjacency), lap_type=kind)

    def solve():
        graph.compute_fourier_basis(n_eigenvectors=problem.k + 1)
        return graph.U[:, 1:]

    return solve


@method("graspologic, truncated", package="graspologic", only="symmetric")
def graspologic(problem):
    """The largest singular vectors of D^-1/2 A D^-1/2: on a mesh, those of its upper end."""
    from graspologic.embed import LaplacianSpectralEmbed

    embedder = LaplacianSpectralEmbed(
        form="DAD", n_components=problem.k + 1, algorithm="truncated", check_lcc=False
    )
    return lambda: embedder.fit_transform(problem.adjacency)[:, 1:]
