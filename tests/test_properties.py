"""What mathematics says of every graph, tried on graphs that hypothesis makes up."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skginr.graphs._laplacians import LAPLACIANS, laplacian
from skginr.spectral.eigen._connected import SOLVERS
from skginr.spectral.eigen._solve import solve

# Reproducible, and no examples are kept between runs.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

KINDS = {
    "tree": lambda n, seed: nx.random_labeled_tree(n, seed=seed),
    "geometric": lambda n, seed: nx.random_geometric_graph(n, 1.6 / n**0.5, seed=seed),
    "scale free": lambda n, seed: nx.barabasi_albert_graph(n, 2, seed=seed),
    "dust": lambda n, seed: nx.fast_gnp_random_graph(n, 0.7 / n, seed=seed),
    "regular": lambda n, seed: nx.random_regular_graph(4, n, seed=seed),
    "star": lambda n, seed: nx.star_graph(n - 1),
    "bipartite": lambda n, seed: nx.complete_bipartite_graph(n // 3, n - n // 3),
    "equal parts": lambda n, seed: nx.disjoint_union_all([nx.path_graph(5)] * (n // 5)),
    "grid": lambda n, seed: nx.grid_2d_graph(int(n**0.5), int(n**0.5)),
}


@st.composite
def graphs(draw, smallest=6, largest=150):
    """Adjacency matrices of all kinds; weights over eight orders of magnitude in half of them."""
    kind, seed = draw(st.sampled_from(sorted(KINDS))), draw(st.integers(0, 10**6))
    graph = KINDS[kind](draw(st.integers(smallest, largest)), seed)
    adjacency = sp.coo_array(nx.to_scipy_sparse_array(graph, dtype=float))
    if draw(st.booleans()):
        i, j = adjacency.coords
        exponent = np.random.default_rng(seed).uniform(-4, 4, (len(graph), len(graph)))
        weights = 10 ** np.triu(exponent)
        adjacency.data = weights[np.minimum(i, j), np.maximum(i, j)]
    return sp.csr_array(adjacency)


def dense(operator):
    scale = operator.mass**-0.5
    return scale[:, None] * operator.stiffness.toarray() * scale


def n_components_of(adjacency):
    return sp.csgraph.connected_components(adjacency, directed=False)[0]


def projectors(basis, bound):
    """Projector onto every eigenspace that is whole and apart from the others."""
    values = basis.eigenvalues
    cuts = np.flatnonzero(np.diff(values) > 1e-5 * bound) + 1
    # The last space may be cut.
    return [U @ U.T for U in np.split(basis.eigenvectors, cuts, axis=1)[:-1]]


@pytest.mark.parametrize("solver", SOLVERS)
@given(adjacency=graphs(), kind=st.sampled_from(LAPLACIANS), share=st.floats(0, 1))
def test_solvers_agree_with_the_dense_answer(solver, adjacency, kind, share):
    operator = laplacian(adjacency, kind)
    n_kernel = n_components_of(adjacency)
    available = adjacency.shape[0] - n_kernel
    k = max(1, int(share * available))
    basis = solve(operator, k, eigen_solver=solver, eigen_tol=1e-11)
    exact = np.linalg.eigvalsh(dense(operator))
    bound = max(np.abs(dense(operator)).sum(axis=1).max(), 1e-300)
    k = min(k, available)
    assert basis.n_available == available
    assert basis.n_vectors == k
    np.testing.assert_allclose(basis.eigenvalues, exact[n_kernel:][:k], atol=1e-10 * bound)
    U = basis.eigenvectors
    residual = operator.mass[:, None] ** -0.5 * (
        operator.stiffness @ U - operator.mass[:, None] * U * basis.eigenvalues
    )
    assert np.linalg.norm(residual, axis=0).max(initial=0) <= 2e-11 * bound
    np.testing.assert_allclose(U.T @ (operator.mass[:, None] * U), np.eye(k), atol=1e-10)


@given(adjacency=graphs(), kind=st.sampled_from(LAPLACIANS), seed=st.integers(0, 1000))
def test_relabelling_permutes_projectors(adjacency, kind, seed):
    n = adjacency.shape[0]
    order = np.random.default_rng(seed).permutation(n)
    k = (n - n_components_of(adjacency)) // 2
    first, second = (
        solve(laplacian(sp.csr_array(A), kind), k, eigen_tol=1e-12)
        for A in (adjacency, adjacency[order][:, order])
    )
    bound = np.abs(dense(laplacian(adjacency, kind))).sum(axis=1).max(initial=1e-300)
    np.testing.assert_allclose(second.eigenvalues, first.eigenvalues, atol=1e-10 * bound)
    scale = np.sqrt(first.mass)
    for P, Q in zip(projectors(first, bound), projectors(second, bound), strict=True):
        difference = scale[order][:, None] * (Q - P[np.ix_(order, order)]) * scale[order]
        assert np.abs(difference).max() < 1e-6


@given(adjacency=graphs(), kind=st.sampled_from(LAPLACIANS), exponent=st.integers(-6, 6))
def test_scaling_weights_scales_eigenvalues(adjacency, kind, exponent):
    k = (adjacency.shape[0] - n_components_of(adjacency)) // 2
    factor = 2.0**exponent
    first, second = (solve(laplacian(A, kind), k) for A in (adjacency, factor * adjacency))
    expected = first.eigenvalues * (factor if kind == "combinatorial" else 1)
    largest = expected.max(initial=1e-300)
    np.testing.assert_allclose(second.eigenvalues, expected, atol=1e-9 * largest)


@given(adjacency=graphs(), kind=st.sampled_from(LAPLACIANS))
def test_an_isolated_node_adds_only_itself(adjacency, kind):
    n = adjacency.shape[0]
    k = (n - n_components_of(adjacency)) // 2
    more = sp.csr_array(sp.block_diag([adjacency, sp.csr_array((1, 1))]))
    first, second = (solve(laplacian(A, kind), k) for A in (adjacency, more))
    assert second.n_available == first.n_available
    np.testing.assert_array_equal(second.eigenvectors[n], 0)
    np.testing.assert_allclose(second.eigenvalues, first.eigenvalues, atol=1e-12 * 2e5)


@given(sizes=st.tuples(st.integers(2, 12), st.integers(2, 12)), weight=st.floats(1e-3, 1e3))
def test_a_product_of_paths_has_the_sums_of_their_spectra(sizes, weight):
    spectra = [2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in sizes]
    expected = np.sort((spectra[0][:, None] + weight * spectra[1]).ravel())
    paths = [sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(n), dtype=float)) for n in sizes]
    eyes = [sp.eye_array(n) for n in sizes]
    product = sp.kron(paths[0], eyes[1]) + weight * sp.kron(eyes[0], paths[1])
    basis = solve(laplacian(sp.csr_array(product)), len(expected))
    np.testing.assert_allclose(basis.eigenvalues, expected[1:], atol=1e-12 * expected[-1])
