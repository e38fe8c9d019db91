import networkx as nx
import numpy as np
import pytest

from skginr import Graph, GraphSmoother


@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_solves_its_normal_equations(grid, order):
    rng = np.random.default_rng(0)
    nodes = rng.integers(0, 108, 70)
    y = rng.standard_normal(70) + 40
    fitted = GraphSmoother(graph=grid, order=order, alpha=0.3).fit(grid.labels[nodes].to_frame(), y)
    L = nx.laplacian_matrix(nx.from_scipy_sparse_array(grid.adjacency)).toarray()
    rows = np.zeros((70, 108))
    rows[np.arange(70), nodes] = 1
    system = rows.T @ rows + 0.3 * np.linalg.matrix_power(L, order)
    np.testing.assert_allclose(fitted.signal_, np.linalg.solve(system, rows.T @ y), atol=1e-6)


def test_weak_smoothing_interpolates_a_path_linearly():
    path = Graph.from_networkx(nx.path_graph(11))
    smoother = GraphSmoother(graph=path, alpha=1e-6).fit([[0], [10]], [0.0, 10.0])
    np.testing.assert_allclose(smoother.signal_, np.arange(11), atol=1e-3)


def test_strong_smoothing_is_the_mean_and_shifts_pass_through(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    flat = GraphSmoother(graph=grid, alpha=1e7).fit(X, y)
    np.testing.assert_allclose(flat.signal_, y.mean(), atol=1e-4)
    first, shifted = (GraphSmoother(graph=grid).fit(X, y + c).signal_ for c in (0, 1e6))
    np.testing.assert_allclose(shifted - 1e6, first, atol=1e-6)


def test_an_unobserved_island_gets_the_mean(archipelago):
    smoother = GraphSmoother(graph=archipelago).fit([[0], [5], [30]], [1.0, 2.0, 6.0])
    assert smoother.predict([[35]])[0] == pytest.approx(3.0)
    np.testing.assert_allclose(smoother.predict([[31], [34]]), 6.0, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"alpha": 0.0}, "alpha must be greater than 0"), ({"order": 0}, "order must be at least 1")],
)
def test_unfit_parameters_are_refused(grid, grid_table, parameters, message):
    with pytest.raises(ValueError, match=message):
        GraphSmoother(graph=grid, **parameters).fit(grid_table[["node"]], grid_table["signal"])


def test_heavy_weights_do_not_pull_components_together():
    two = np.kron(np.eye(2), nx.to_numpy_array(nx.path_graph(4)))
    smoother = GraphSmoother(graph=Graph.from_adjacency(1e4 * two), order=3)
    smoother.fit([[0], [3], [4], [7]], [0.0, 0.0, 10.0, 10.0])
    np.testing.assert_allclose(smoother.signal_, [0] * 4 + [10] * 4, atol=1e-6)


def test_parameters_set_after_fit_wait_for_the_next(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    smoother = GraphSmoother(graph=grid).fit(X, y)
    expected = smoother.predict(X)
    smoother.set_params(graph=Graph.from_adjacency(grid.adjacency, labels=grid.labels[::-1]))
    np.testing.assert_array_equal(smoother.predict(X), expected)


def test_numbers_at_their_limits_are_refused():
    path = Graph.from_networkx(nx.path_graph(6))
    with pytest.raises(ValueError, match="alpha=5e-324 is too small"):
        GraphSmoother(graph=path, alpha=5e-324).fit([[0], [1]], [0.0, 1.0])
    with pytest.raises(ValueError, match="y is too large"):
        GraphSmoother(graph=path).fit([[0], [1]], [1.7e308, 1.7e308])
