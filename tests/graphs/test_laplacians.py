import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from skginr.graphs._laplacians import LAPLACIANS, laplacian


@pytest.fixture
def adjacency():
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((12, 12)) * (rng.random((12, 12)) < 0.4), 1)
    upper[5] = upper[:, 5] = 0  # an isolated node
    return sp.csr_array(upper + upper.T)


@pytest.mark.parametrize(
    ("kind", "reference"),
    [("combinatorial", nx.laplacian_matrix), ("symmetric", nx.normalized_laplacian_matrix)],
)
def test_stiffness_is_that_of_networkx(adjacency, kind, reference):
    expected = reference(nx.from_scipy_sparse_array(adjacency)).toarray()
    np.testing.assert_allclose(laplacian(adjacency, kind).stiffness.toarray(), expected, atol=1e-14)


def test_random_walk_pair_is_the_walk(adjacency):
    operator = laplacian(adjacency, "random_walk")
    degrees = np.asarray(adjacency.sum(axis=1)).ravel()
    linked = degrees > 0
    walk = np.eye(12) - adjacency.toarray() / np.where(linked, degrees, 1)[:, None]
    walk[~linked] = 0
    np.testing.assert_allclose(
        operator.stiffness.toarray() / operator.mass[:, None], walk, atol=1e-14
    )


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_the_kernel_is_annihilated_and_the_rest_is_positive(adjacency, kind):
    stiffness, mass, kernel = laplacian(adjacency, kind)
    np.testing.assert_allclose(stiffness @ kernel, 0, atol=1e-14)
    assert (mass > 0).all()
    assert np.linalg.eigvalsh(stiffness.toarray()).min() > -1e-12


def test_another_kind_is_refused(adjacency):
    with pytest.raises(ValueError, match="laplacian must be one of 'combinatorial'.*got 'signed'"):
        laplacian(adjacency, "signed")
