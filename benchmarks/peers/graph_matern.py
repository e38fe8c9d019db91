"""GeometricKernels: Matérn process on the graph or the mesh, by marginal likelihood."""

import numpy as np
import scipy.sparse as sp
from _peer import UnfitError, main, scaled
from geometric_kernels.kernels import MaternGeometricKernel
from geometric_kernels.spaces import Graph, Mesh
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

# Of a mesh as many eigenpairs are used; of a graph all, so that it has to be small.
EIGENPAIRS = 500
MOST_NODES = 5000
# Rows by which parameters are chosen; predictions use all.
ROWS = 500
SMOOTHNESS = (0.5, 1.5, 2.5)
LENGTHS = 8
# Prior variance of the mean and the slopes, of a signal of unit variance.
LINEAR = 10.0
KEPT = {}


def spectrum(task):
    """Return the kernel and the eigenvectors; all tasks of a run are on one graph."""
    if not KEPT:
        if task.faces is not None:
            where, n_pairs = Mesh(task.vertices, task.faces), EIGENPAIRS
        elif task.n_nodes > MOST_NODES:
            raise UnfitError(f"more than {MOST_NODES:,} nodes")
        else:
            shape = (task.n_nodes, task.n_nodes)
            adjacency = sp.csr_array((task.data, task.indices, task.indptr), shape=shape)
            where, n_pairs = Graph(adjacency.toarray(), normalize_laplacian=True), task.n_nodes
        KEPT["kernel"] = MaternGeometricKernel(where, num=n_pairs)
        KEPT["vectors"] = np.asarray(where.get_eigenvectors(n_pairs))
    return KEPT["kernel"], KEPT["vectors"][task.nodes]


def fit(task):
    kernel, vectors = spectrum(task)
    drawn = np.random.default_rng(0).permutation(len(task.train))[:ROWS]
    some, y = task.train[drawn], task.y[drawn]
    columns = scaled(task.covariates, task.train)

    def weights_of(nu, length):
        """Return the weights of eigenvectors that make a covariance of unit mean variance."""
        parameters = {"nu": np.array([nu]), "lengthscale": np.array([length])}
        weights = np.ravel(kernel.eigenvalues(parameters))
        return weights / np.mean(vectors[some] ** 2 @ weights)

    def loss(logarithms, K, straight):
        signal, noise = np.exp(logarithms)
        total = signal * K + straight + noise * np.eye(len(K))
        try:
            factor = cho_factor(total)
        except np.linalg.LinAlgError:
            return 1e10
        return 0.5 * y @ cho_solve(factor, y) + np.log(np.diag(factor[0])).sum()

    rates = np.ravel(kernel.eigenvalues_laplacian)
    rates = rates[rates > 1e-6 * rates.max()]
    straight = LINEAR * (1 + columns[some] @ columns[some].T)
    found = []
    for nu in SMOOTHNESS:
        for length in np.geomspace(rates.max() ** -0.5, 3 * rates.min() ** -0.5, LENGTHS):
            K = (vectors[some] * weights_of(nu, length)) @ vectors[some].T
            options = {"xatol": 0.05, "fatol": 0.05}
            best = minimize(loss, np.log([0.5, 0.3]), (K, straight), "Nelder-Mead", options=options)
            found.append((best.fun, nu, length, *np.exp(np.clip(best.x, -14, 7))))
    _, nu, length, signal, noise = min(found)

    # As a regression on eigenvectors and covariates, which is the same process.
    straight = np.sqrt(LINEAR) * np.column_stack([np.ones(len(columns)), columns])
    features = np.hstack([vectors * np.sqrt(signal * weights_of(nu, length)), straight])
    known = features[task.train]
    factor = cho_factor(known.T @ known / noise + np.eye(features.shape[1]))
    coefficients = cho_solve(factor, known.T @ task.y) / noise

    def predict():
        asked = features[task.test]
        variance = np.einsum("ij,ji->i", asked, cho_solve(factor, asked.T)) + noise
        return asked @ coefficients, np.sqrt(variance)

    return predict


if __name__ == "__main__":
    main(fit)
