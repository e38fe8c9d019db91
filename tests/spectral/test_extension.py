import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from skginr.graphs._laplacians import LAPLACIANS, degrees_of, laplacian
from skginr.spectral._extension import extend_eigenvectors, extend_membership, reached
from skginr.spectral.eigen._solve import solve


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_a_node_with_its_own_edges_gets_its_own_value(kind):
    graph = nx.random_geometric_graph(300, 0.15, seed=0)
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    basis = solve(laplacian(adjacency, kind), 10)
    degrees = degrees_of(adjacency)
    # Where the equation is not near its singularity, 1 = lambda / d or 1 = lambda.
    load = basis.eigenvalues[-1] / (degrees if kind == "combinatorial" else 1.0)
    trusted = np.flatnonzero((load < 0.5) & (degrees > 0))
    assert len(trusted) > 200
    extended = extend_eigenvectors(
        adjacency[trusted], basis.eigenvalues, basis.eigenvectors, kind=kind, degrees=degrees
    )
    np.testing.assert_allclose(extended, basis.eigenvectors[trusted], atol=1e-10)


def test_amplification_is_bounded():
    extended = extend_eigenvectors(
        sp.csr_array([[1.0, 1.0]]),
        np.array([0.5, 1.0, 9.0]),
        np.ones((2, 3)),
        kind="combinatorial",
        degrees=np.array([1.0, 1.0]),
    )
    # 1 / (1 - 0.5/2) by the equation; 2 at half its singularity; back towards 1 beyond.
    np.testing.assert_allclose(extended, [[4 / 3, 2.0, 1 + 2 / 18]])


def test_no_edge_means_zero():
    nothing = sp.csr_array((1, 2))
    extended = extend_eigenvectors(
        nothing, np.array([0.5]), np.ones((2, 1)), kind="random_walk", degrees=np.ones(2)
    )
    np.testing.assert_array_equal(extended, [[0.0]])
    np.testing.assert_array_equal(extend_membership(nothing, np.eye(2)), [[0.0, 0.0]])


def test_membership_is_shared_by_weight():
    shares = extend_membership(sp.csr_array([[3.0, 1.0]]), np.eye(2))
    np.testing.assert_allclose(shares, [[0.75, 0.25]])


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_nodes_taken_away_come_back_jointly(kind):
    graph = nx.random_geometric_graph(300, 0.15, seed=0)
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    basis = solve(laplacian(adjacency, kind), 6)
    degrees = degrees_of(adjacency)
    # Two neighbours and another pair: their equations hold in the whole graph.
    i, j = adjacency.nonzero()
    inner = np.flatnonzero((degrees[i] > 15) & (degrees[j] > 15) & (i < j))[[0, 40]]
    gone = np.unique(np.concatenate([i[inner], j[inner]]))
    kept = np.setdiff1d(np.arange(300), gone)
    assert len(gone) == 4
    assert adjacency[gone][:, gone].nnz >= 4
    extended = extend_eigenvectors(
        adjacency[gone][:, kept],
        basis.eigenvalues,
        basis.eigenvectors[kept],
        kind=kind,
        degrees=degrees[kept],
        among=adjacency[gone][:, gone],
    )
    np.testing.assert_allclose(extended, basis.eigenvectors[gone], atol=1e-8)


def test_joint_values_are_the_dense_solution():
    links = sp.csr_array([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    among = sp.csr_array([[0.0, 1.0, 0.0], [1.0, 0.0, 3.0], [0.0, 3.0, 0.0]])
    u = np.array([[1.0, -1.0], [0.5, 2.0]])
    values = np.array([0.0, 0.05])
    stiffness = np.array([[3.0, -1, 0], [-1, 4, -3], [0, -3, 4]])
    extended = extend_eigenvectors(
        links, values, u, kind="combinatorial", degrees=np.ones(2), among=among
    )
    assert np.linalg.eigvalsh(stiffness)[0] > 0.1  # where nothing is tempered
    for column, value in enumerate(values):
        expected = np.linalg.solve(stiffness - value * np.eye(3), links @ u[:, column])
        np.testing.assert_allclose(extended[:, column], expected, atol=1e-12)


def test_new_nodes_without_edges_among_them_are_placed_one_by_one():
    rng = np.random.default_rng(0)
    links = sp.csr_array(rng.uniform(size=(5, 8)) * (rng.uniform(size=(5, 8)) < 0.6))
    # One edge with a negligible weight makes the solution a joint one.
    among = sp.csr_array(([1e-14, 1e-14], ([0, 1], [1, 0])), shape=(5, 5))
    values, u = np.array([0.0, 0.02, 0.1]), rng.normal(size=(8, 3))
    for kind in LAPLACIANS:
        one, joint = (
            extend_eigenvectors(links, values, u, kind=kind, degrees=np.ones(8), among=edges)
            for edges in (None, among)
        )
        np.testing.assert_allclose(joint, one, atol=1e-9)


def test_a_group_that_no_path_joins_gets_zeros_and_disturbs_nobody():
    links = sp.csr_array([[1.0], [0.0], [0.0], [0.0]])
    pair = sp.csr_array(([1.0, 1.0], ([2, 3], [3, 2])), shape=(4, 4))
    joined = sp.csr_array(([1.0, 1.0], ([0, 1], [1, 0])), shape=(4, 4))
    among = pair + joined
    assert reached(links, among).tolist() == [True, True, False, False]
    assert reached(links, None).tolist() == [True, False, False, False]
    extended, without = (
        extend_eigenvectors(
            links, np.array([0.1]), np.ones((1, 1)), kind="combinatorial", degrees=np.ones(1),
            among=edges,
        )
        for edges in (among, joined)
    )  # fmt: skip
    np.testing.assert_array_equal(extended[2:], 0)
    np.testing.assert_allclose(extended[:2], without[:2])
    shares = extend_membership(links, np.ones((1, 1)), among)
    np.testing.assert_allclose(shares, [[1], [1], [0], [0]])


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_joint_amplification_is_bounded(kind):
    # A chain of new nodes that hangs on the graph by one edge: singular near 0.
    n = 12
    links = sp.csr_array(([1.0], ([0], [0])), shape=(n, 1))
    among = sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(n), dtype=float))
    values = np.linspace(0, 2, 400)
    u = np.ones((1, 400))
    extended = extend_eigenvectors(links, values, u, kind=kind, degrees=np.ones(1), among=among)
    # Harmonic extension of a constant is that constant; nowhere more than a few times that.
    flat = extended / (
        np.sqrt(np.r_[np.full(n - 1, 2.0), 1.0])[:, None] if kind == "symmetric" else 1
    )
    np.testing.assert_allclose(flat[:, 0], 1)
    assert np.abs(flat).max() < 3
