import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import train_test_split

from skginr import Graph, GraphGaussianProcessRegressor, GraphSmoother
from skginr.graphs._laplacians import laplacian_of
from skginr.smoothing import _gaussian_process, _process


@pytest.fixture(scope="module")
def drawn(lattice):
    """A signal drawn from the process itself, with noise and an effect of one of two covariates."""
    rng = np.random.default_rng(0)
    covariance = matern(lattice, 2, 0.5)
    n = lattice.n_nodes
    covariates = rng.standard_normal((n, 2))
    signal = np.linalg.cholesky(covariance) @ rng.standard_normal(n)
    signal += np.sin(covariates[:, 0]) + 5
    y = signal + 0.2 * rng.standard_normal(n)
    return np.column_stack([np.arange(n), covariates]), y


@pytest.fixture(scope="module")
def lattice():
    import networkx as nx

    return Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(20, 20)))


def matern(graph, order, kappa):
    operator = laplacian_of(graph, "symmetric")
    precision = operator.stiffness.toarray() + kappa**2 * np.eye(graph.n_nodes)
    covariance = np.linalg.inv(np.linalg.matrix_power(precision, order))
    return covariance / np.trace(covariance) * graph.n_nodes


def test_it_is_the_posterior_that_it_says(lattice, drawn):
    X, y = drawn
    model = GraphGaussianProcessRegressor(graph=lattice, kappa=0.5).fit(X[::2], y[::2])
    kernel = model.process_.kernel_
    covariances, noise = kernel.k1, kernel.k2.noise_level
    graph_part, covariate_part, linear = covariances.k1.k1, covariances.k1.k2, covariances.k2
    scaled = (X[:, 1:] - X[::2, 1:].mean(axis=0)) / X[::2, 1:].std(axis=0)
    lengths = covariate_part.k2.length_scale
    squares = ((scaled[:, None] - scaled[None]) ** 2 / lengths**2).sum(axis=-1)
    K = graph_part.k1.constant_value * matern(lattice, 2, 0.5)
    K = K + covariate_part.k1.constant_value * np.exp(-squares / 2)
    K = K + linear.k1.constant_value * scaled @ scaled.T
    system = K[::2, ::2] + (noise + 1e-8) * np.eye(200)
    mean, spread = y[::2].mean(), y[::2].std()
    expected = mean + K[:, ::2] @ np.linalg.solve(system, y[::2] - mean)
    variance = np.diag(K) + noise - np.sum(K[:, ::2].T * np.linalg.solve(system, K[::2]), axis=0)
    # And what the mean of all may be.
    left = 1 - K[:, ::2] @ np.linalg.solve(system, np.ones(200))
    variance += left**2 / np.linalg.solve(system, np.ones(200)).sum()
    predicted, std = model.predict(X, return_std=True, with_noise=True)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)
    np.testing.assert_allclose(std, spread * np.sqrt(variance), rtol=1e-5)
    assert model.noise_variance_ == pytest.approx(noise * spread**2)
    _, of_signal = model.predict(X, return_std=True)
    np.testing.assert_allclose(of_signal, spread * np.sqrt(variance - noise), rtol=1e-4)


def test_its_intervals_cover(lattice, drawn):
    X, y = drawn
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = GraphGaussianProcessRegressor(graph=lattice, kappa=0.5).fit(X_train, y_train)
    mean, std = model.predict(X_test, return_std=True, with_noise=True)
    assert 0.88 <= np.mean(np.abs(y_test - mean) < 1.96 * std) <= 1


def test_covariates_bend_what_smoothing_leaves_straight(lattice, drawn):
    X, y = drawn
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = GraphGaussianProcessRegressor(graph=lattice, kappa=0.5).fit(X_train, y_train)
    smoother = GraphSmoother(graph=lattice, order=2, laplacian="symmetric").fit(X_train, y_train)
    without = GraphGaussianProcessRegressor(graph=lattice).fit(X_train[:, :1].astype(int), y_train)
    score = model.score(X_test, y_test)
    assert score > smoother.score(X_test, y_test) > without.score(X_test[:, :1].astype(int), y_test)
    lengths = model.process_.kernel_.k1.k1.k2.k2.length_scale
    assert lengths[1] > 3 * lengths[0]


def test_settled_takes_what_was_chosen(lattice, drawn):
    X, y = drawn
    model = GraphGaussianProcessRegressor(graph=lattice, n_tune=100).fit(X, y)
    tuned = model.tuned_clone()
    assert tuned.fit(X, y).process_.kernel_ == model.process_.kernel_
    np.testing.assert_allclose(tuned.predict(X), model.predict(X), rtol=1e-9)
    # The covariance of all nodes is one array, however often the kernel is copied.
    first, second = (m.process_.kernel_.k1.k1.k1.k2.covariance for m in (model, tuned))
    assert first is second


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kappa": 0}, "kappa must be"),
        ({"order": 0}, "order must be"),
        ({"n_tune": 1}, "n_tune must be"),
        ({"laplacian": "normalised"}, "laplacian must be"),
        ({"kernel": "rbf"}, "kernel must be process_.kernel_"),
        ({"kernel": RBF()}, "kernel must be process_.kernel_"),
        ({"order": 40}, "kappa=0.3 and order=40 let all nodes of this graph vary as one"),
        ({"graph": None}, "graph must be"),
    ],
)
def test_unfit_parameters(lattice, drawn, parameters, message):
    model = GraphGaussianProcessRegressor(**{"graph": lattice, **parameters})
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(*drawn)


def test_graphs_too_large_or_another(lattice, drawn, grid, grid_table, monkeypatch):
    X, y = drawn
    kernel = GraphGaussianProcessRegressor(graph=lattice, n_tune=50).fit(X, y).process_.kernel_
    with pytest.raises(
        ValueError, match="kernel must be of a GraphGaussianProcessRegressor on the"
    ):
        GraphGaussianProcessRegressor(graph=grid, kernel=kernel).fit(
            grid_table[["node"]], grid_table["signal"]
        )
    with pytest.raises(ValueError, match="X's 0 covariates; this one has 2"):
        GraphGaussianProcessRegressor(graph=lattice, kernel=kernel).fit(X[:, :1].astype(int), y)
    with pytest.raises(ValueError, match="the same laplacian, order and kappa"):
        GraphGaussianProcessRegressor(graph=lattice, kernel=kernel, kappa=0.5).fit(X, y)
    monkeypatch.setattr(_gaussian_process, "MOST_NODES", 399)
    with pytest.raises(ValueError, match="400 nodes; a Gaussian process is for at most 399"):
        GraphGaussianProcessRegressor(graph=lattice).fit(X, y)


def test_covariates_that_do_not_vary_are_no_news(lattice, drawn):
    X, y = drawn
    table = pd.DataFrame({"node": X[:, 0].astype(int), "flat": 1.0})
    model = GraphGaussianProcessRegressor(graph=lattice).fit(table, y)
    assert np.isfinite(model.predict(table)).all()


@pytest.mark.parametrize(("order", "kappa"), [(1, 0.3), (2, 0.1), (3, 0.1)])
def test_components_are_scaled_one_by_one(order, kappa):
    """Against dense inverses of each component by itself."""
    parts = [nx.path_graph(7), nx.complete_graph(4), nx.star_graph(5), nx.empty_graph(1)]
    graph = Graph.from_networkx(nx.disjoint_union_all(parts))
    model = GraphGaussianProcessRegressor(graph=graph, order=order, kappa=kappa)
    kernel = model._kernel(graph, 0)
    matrix = kernel(np.arange(graph.n_nodes)[:, None]) - 0.2 * np.eye(graph.n_nodes)
    assert matrix.shape == (18, 18)
    start = 0
    for part in parts:
        n = len(part)
        alone = Graph.from_networkx(part)
        block = matrix[start : start + n, start : start + n]
        np.testing.assert_allclose(block.diagonal().mean(), 0.5)
        if order == 1:  # where what is common is not bounded
            np.testing.assert_allclose(block, 0.5 * matern(alone, order, kappa), rtol=1e-9)
        matrix[start : start + n, start : start + n] = 0
        start += n
    assert (matrix == 0).all()


@pytest.fixture
def wavy():
    """A wave on a lattice, noise, and nodes in random order."""
    rng = np.random.default_rng(0)
    row, column = np.divmod(np.arange(225), 15)
    signal = np.sin(row / 3) + np.cos(column / 4)
    return signal, signal + 0.1 * rng.standard_normal(225), rng.permutation(225)


@pytest.mark.parametrize("n_alone", [0, 1, 2])
@pytest.mark.parametrize("kappa", [0.3, 0.03, 1e-4, 1e-200])
def test_what_nodes_have_in_common_does_not_hide_the_rest(wavy, n_alone, kappa):
    signal, y, nodes = wavy
    lattice = nx.convert_node_labels_to_integers(nx.grid_2d_graph(15, 15))
    lattice.add_nodes_from(range(225, 225 + n_alone))
    model = GraphGaussianProcessRegressor(
        graph=Graph.from_networkx(lattice), order=3, kappa=kappa
    ).fit(nodes[:100, None], y[nodes[:100]])
    assert model.score(nodes[100:, None], signal[nodes[100:]]) > 0.98


def test_the_likeliest_of_several_climbs_is_taken():
    """Two lattices whose levels differ: one start alone ended at a likelihood of -134."""
    rng = np.random.default_rng(1)
    graph = Graph.from_networkx(
        nx.disjoint_union(nx.grid_2d_graph(10, 10), nx.grid_2d_graph(10, 10))
    )
    row, column = np.divmod(np.arange(200) % 100, 10)
    signal = np.sin(row / 2) + np.cos(column / 3) + (np.arange(200) >= 100)
    y, nodes = signal + 0.1 * rng.standard_normal(200), rng.permutation(200)
    model = GraphGaussianProcessRegressor(graph=graph, order=3, kappa=0.03)
    model.fit(nodes[:100, None], y[nodes[:100]])
    assert model.process_.log_marginal_likelihood_value_ > -10
    assert model.score(nodes[100:, None], signal[nodes[100:]]) > 0.97


def test_a_process_that_has_nothing_to_go_by_says_so(lattice):
    noise = np.random.default_rng(0).standard_normal(400)
    model = GraphGaussianProcessRegressor(graph=lattice)
    with pytest.warns(UserWarning, match="y goes with the graph no more than noise would"):
        model.fit(np.arange(400)[:, None], noise)
    with pytest.raises(ValueError, match="at least 2 distinct rows; got 1, n_samples = 1"):
        model.fit([[0]], [7.0])


def test_rows_that_are_alike_count_as_often_as_there_are_of_them(lattice):
    """Against a dense process of all rows, and its likelihood."""
    rng = np.random.default_rng(0)
    nodes = rng.integers(0, 40, 300)
    signal = np.sin(np.arange(400) / 3)
    y = signal[nodes] + 0.5 * rng.standard_normal(300) + 3
    model = GraphGaussianProcessRegressor(graph=lattice, kappa=0.5).fit(nodes[:, None], y)
    kernel = model.process_.kernel_
    assert len(model.process_.X_train_) == 40
    assert isinstance(kernel.k2, WhiteKernel)
    means = np.array([y[nodes == node].mean() for node in range(40)])
    centre, spread = means.mean(), means.std()

    def log_likelihood(size, noise):
        K = size * matern(lattice, 2, 0.5)[np.ix_(nodes, nodes)] + noise * np.eye(300)
        return multivariate_normal(cov=K).logpdf((y - centre) / spread)

    size, noise = kernel.k1.k1.constant_value, kernel.k2.noise_level
    best = log_likelihood(size, noise)
    for factor in (0.9, 1.1):
        assert log_likelihood(factor * size, noise) < best
        assert log_likelihood(size, factor * noise) < best
    K = size * matern(lattice, 2, 0.5)
    inverse = np.linalg.inv(K[np.ix_(nodes, nodes)] + noise * np.eye(300))
    mean, std = model.predict(np.arange(60)[:, None], return_std=True, with_noise=True)
    across = K[:60, nodes]
    np.testing.assert_allclose(
        mean, centre + spread * across @ inverse @ ((y - centre) / spread), atol=1e-5
    )
    variance = np.diag(K)[:60] + noise - np.einsum("ij,jk,ik->i", across, inverse, across)
    variance += (1 - (across @ inverse).sum(axis=1)) ** 2 / inverse.sum()
    np.testing.assert_allclose(std, spread * variance**0.5, rtol=1e-5)
    # Its covariance serves other rows of the same graph.
    model.tuned_clone().fit(nodes[:5, None], y[:5])


def test_too_many_rows_that_differ_are_refused(lattice, monkeypatch):
    monkeypatch.setattr(_process, "MOST_NODES", 400)
    X = np.column_stack([np.tile(np.arange(400), 2), np.arange(800) / 7])
    with pytest.raises(ValueError, match="X has 800 distinct rows; a Gaussian process is for at"):
        GraphGaussianProcessRegressor(graph=lattice, node=0).fit(X, X[:, 1])
