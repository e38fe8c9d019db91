"""Draws of signals, against dense covariances."""

import networkx as nx
import numpy as np
import pytest
from scipy.spatial import ConvexHull

from skginr import Graph, GraphSmoother
from skginr.graphs import laplacian_of
from skginr.smoothing import _penalised


@pytest.fixture(scope="module")
def sphere():
    points = np.random.default_rng(0).standard_normal((60, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Graph.from_mesh(points, ConvexHull(points).simplices)


KINDS = [
    {"laplacian": "combinatorial", "order": 1},
    {"laplacian": "combinatorial", "order": 2},
    {"laplacian": "symmetric", "order": 1, "kappa": 0.5},
    {"laplacian": "random_walk", "order": 3},
    {"laplacian": "cotangent", "order": 1, "kappa": 1.0},
    {"laplacian": "cotangent", "order": 3, "kappa": 1.0},
    {"laplacian": "symmetric", "order": 4, "kappa": 0.7},
]


def dense_penalty(graph, laplacian, order, kappa=0.0):
    operator = laplacian_of(graph, laplacian)
    B = operator.stiffness.toarray() + kappa**2 * np.diag(operator.mass)
    Q = B.copy()
    for _ in range(order - 1):
        Q = B @ (Q / operator.mass[:, None])
    return Q


def assert_covariance(draws, expected):
    """Compare with a covariance: whitened, draws are as so many standard normal numbers."""
    values, vectors = np.linalg.eigh(expected)
    seen = values > 1e-9 * values.max()
    white = (vectors[:, seen].T @ draws) / np.sqrt(values[seen])[:, None]
    np.testing.assert_allclose(white @ white.T / draws.shape[1], np.eye(seen.sum()), atol=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_covariance_of_the_posterior(sphere, kind):
    rng = np.random.default_rng(1)
    nodes = rng.choice(60, 50)
    X = np.column_stack([nodes, rng.standard_normal(50)])
    y, weights = rng.standard_normal(50), rng.integers(0, 3, 50)
    model = GraphSmoother(graph=sphere, alpha=0.7, **kind).fit(X, y, weights)
    everywhere = np.column_stack([np.arange(60), np.linspace(-1, 1, 60)])
    draws = model.sample_y(everywhere, 4000)
    mean, std = model.predict(everywhere, return_std=True)
    # All unknowns at once: f, the intercept and a coefficient.
    design = np.column_stack([np.eye(60)[nodes], np.ones(50), X[:, 1]])
    system = design.T @ (weights[:, None] * design)
    system[:60, :60] += 0.7 * dense_penalty(sphere, **kind)
    rows = np.column_stack([np.eye(60), np.ones(60), everywhere[:, 1]])
    # The constant that f and the intercept share is in neither direction of the rows.
    covariance = model.noise_variance_ * rows @ np.linalg.pinv(system, hermitian=True) @ rows.T
    np.testing.assert_allclose(std, np.sqrt(covariance.diagonal()), rtol=1e-5)
    assert_covariance(draws - mean[:, None], covariance)
    assert np.abs((draws.mean(axis=1) - mean) / std).max() < 4.5 / 4000**0.5


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.get("kappa")])
def test_draws_before_fit_are_from_the_prior(sphere, kind):
    model = GraphSmoother(graph=sphere, alpha=0.7, **kind)
    draws = model.sample_y(np.arange(60)[:, None], 4000)
    assert_covariance(draws, np.linalg.inv(0.7 * dense_penalty(sphere, **kind)))
    assert not hasattr(model, "graph_")
    assert not hasattr(model, "n_features_in_")


def test_what_has_no_prior_says_so(sphere):
    for settings in ({"alpha": 1.0}, {"kappa": 1.0}):
        with pytest.raises(ValueError, match="kappa must be above 0 and alpha a number"):
            GraphSmoother(graph=sphere, **settings).sample_y([[0]])


def test_draws_allow_for_other_strengths(sphere):
    rng = np.random.default_rng(2)
    X, y = np.arange(0, 60, 2)[:, None], sphere.positions[::2, 0] + rng.standard_normal(30)
    model = GraphSmoother(graph=sphere).fit(X, y)
    assert (model.cv_results_["weight"] > 0).sum() > 3
    everywhere = np.arange(60)[:, None]
    _, std = model.predict(everywhere, return_std=True)
    draws = model.sample_y(everywhere, 6000)
    spread = np.sqrt(np.mean((draws - model.predict(everywhere)[:, None]) ** 2, axis=1))
    np.testing.assert_allclose(spread, std, rtol=0.08)


def test_shapes_noise_and_seeds(sphere):
    rng = np.random.default_rng(3)
    X, y = np.arange(50)[:, None], rng.standard_normal((50, 2))
    model = GraphSmoother(graph=sphere, alpha=1.0).fit(X, y)
    draws = model.sample_y([[3], [3], [55]], 500)
    assert draws.shape == (3, 2, 500)
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws, model.sample_y([[3], [3], [55]], 500, random_state=0))
    assert not np.array_equal(draws, model.sample_y([[3], [3], [55]], 500, random_state=1))
    noisy = model.sample_y([[3], [3], [55]], 2000, with_noise=True)
    assert not np.array_equal(noisy[0], noisy[1])
    _, std = model.predict([[3], [3], [55]], return_std=True, with_noise=True)
    np.testing.assert_allclose(noisy.std(axis=2), std, rtol=0.08)
    assert model.fit(X, y[:, 0]).sample_y(X).shape == (50, 1)
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        model.sample_y(X, 0)


def test_regions_are_as_uncertain_as_they_are():
    """Nodes vary together: intervals of single nodes say nothing of the mean of many."""
    graph = Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(10, 12)))
    truths = GraphSmoother(graph=graph, kappa=0.2, alpha=0.05).sample_y(graph.labels.to_frame(), 60)
    rng = np.random.default_rng(4)
    X, region = graph.labels.to_frame(), np.arange(30, 80)
    inside = narrow = 0
    for truth in truths.T:
        rows = rng.choice(120, 40, replace=False)
        model = GraphSmoother(graph=graph, kappa=0.2, alpha=0.05)
        model.fit(X.iloc[rows], truth[rows] + rng.standard_normal(40))
        low, high = np.quantile(model.sample_y(X.iloc[region], 100).mean(axis=0), [0.05, 0.95])
        inside += low <= truth[region].mean() <= high
        mean, std = model.predict(X.iloc[region], return_std=True)
        alone = 1.645 * std.mean() / len(region) ** 0.5
        narrow += abs(mean.mean() - truth[region].mean()) <= alone
    assert 0.8 <= inside / 60 <= 0.97
    assert narrow / 60 < 0.75


def test_where_nothing_was_observed_draws_say_so(archipelago):
    model = GraphSmoother(graph=archipelago, alpha=1.0)
    model.fit([[0], [5], [30]], [1.0, 2.0, 6.0])
    with pytest.warns(UserWarning, match="nothing is known there"):
        draws = model.sample_y([[31], [35]], 10)
    assert np.isfinite(draws[0]).all()
    assert np.isnan(draws[1]).all()


def test_without_a_row_left_there_is_no_spread_to_draw_with(sphere):
    model = GraphSmoother(graph=sphere, alpha=1.0).fit([[0]], [1.0])
    with pytest.raises(ValueError, match="no row is left"):
        model.sample_y([[1]])


def test_many_deviations_of_a_large_graph_are_estimated(sphere, monkeypatch):
    rng = np.random.default_rng(5)
    X, everywhere = np.arange(40)[:, None], np.arange(60)[:, None]
    for order in (1, 2):
        model = GraphSmoother(graph=sphere, alpha=0.5, order=order)
        model.fit(X, rng.standard_normal(40))
        _, exact = model.predict(everywhere, return_std=True)
        with monkeypatch.context() as changed:
            changed.setattr(_penalised, "_MUCH_WORK", 0)
            changed.setattr(_penalised, "_N_DRAWS", 50)
            _, rough = model.predict(everywhere, return_std=True)
            _, again = model.predict(everywhere, return_std=True)
        np.testing.assert_array_equal(rough, again)
        assert 0 < np.sqrt(np.mean((rough / exact - 1) ** 2)) < 0.1
