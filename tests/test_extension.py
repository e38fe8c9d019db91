import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from skginr.eigen import solve
from skginr.extension import extend_eigenvectors, extend_membership
from skginr.laplacians import LAPLACIANS, degrees_of, laplacian


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
