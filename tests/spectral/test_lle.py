import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.manifold import LocallyLinearEmbedding
from sklearn.manifold._locally_linear import barycenter_weights
from sklearn.neighbors import NearestNeighbors

from skginr.spectral._lle import barycentric_weights, extend_lle, reconstruction_operator


def pattern(rows, n_points):
    """Sparse matrix with an entry where row i has neighbour j."""
    columns = np.concatenate([np.sort(row) for row in rows]).astype(int)
    indptr = np.cumsum([0, *map(len, rows)])
    return sp.csr_array((np.ones(len(columns)), columns, indptr), shape=(len(rows), n_points))


@pytest.mark.parametrize("n_features", [2, 12])
def test_weights_are_those_of_scikit_learn(n_features):
    # 6 neighbours: more than features, and fewer, which two different formulas solve.
    points = np.random.default_rng(0).normal(size=(40, n_features))
    nearest = np.sort(NearestNeighbors(n_neighbors=6).fit(points).kneighbors()[1], axis=1)
    weights = barycentric_weights(points, points, pattern(nearest, 40)).toarray()
    expected = barycenter_weights(points, points, nearest)
    np.testing.assert_allclose(np.take_along_axis(weights, nearest, 1), expected, atol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert LocallyLinearEmbedding().reg == 1e-3


def test_weights_reconstruct_a_point_inside_a_simplex():
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    weights = barycentric_weights(np.array([[1.0, 2.0]]), corners, pattern([[0, 1, 2]], 3))
    # But for the share of the trace that is added, the barycentric coordinates.
    np.testing.assert_allclose(weights.toarray(), [[0.25, 0.25, 0.5]], atol=2e-3)


@pytest.mark.parametrize("scale", [1e-200, 1e150])
def test_weights_depend_on_no_unit(scale):
    points = np.random.default_rng(1).normal(size=(9, 3))
    neighbors = pattern([[1, 2, 3, 4], [], [0, 8]], 9)
    expected = barycentric_weights(points[:3], points, neighbors)
    scaled = barycentric_weights(scale * points[:3], scale * points, neighbors)
    np.testing.assert_allclose(scaled.toarray(), expected.toarray(), atol=1e-9)
    np.testing.assert_allclose(expected.sum(axis=1), [1, 0, 1])


def test_neighbours_at_the_same_place_share_evenly():
    points = np.zeros((4, 2))
    weights = barycentric_weights(points[:1], points, pattern([[1, 2, 3]], 4))
    np.testing.assert_allclose(weights.toarray(), [[0, 1 / 3, 1 / 3, 1 / 3]])


def test_the_operator_is_the_error_of_reconstruction():
    weights = sp.csr_array([[0.0, 0.3, 0.7], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    operator = reconstruction_operator(weights)
    x = np.array([1.0, -2.0, 5.0])
    # The last has no neighbour, and no error.
    assert x @ operator @ x == pytest.approx((1 + 0.6 - 3.5) ** 2 + (-2 - 1) ** 2)
    assert abs(operator - operator.T).max() == 0
    np.testing.assert_allclose((operator @ np.ones(3)), 0, atol=1e-15)


def test_new_nodes_are_means_of_old_and_new_neighbours():
    coordinates = np.array([[0.0], [6.0]])
    # The first is half-way between node 0 and the second, which is half-way to node 1.
    weights = sp.csr_array([[0.5, 0.0, 0.0, 0.5], [0.0, 0.5, 0.5, 0.0]])
    np.testing.assert_allclose(extend_lle(coordinates, weights, 2), [[2.0], [4.0]])
    alone = sp.csr_array([[0.25, 0.75]])
    np.testing.assert_allclose(extend_lle(coordinates, alone, 2), [[4.5]])
