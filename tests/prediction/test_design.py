import networkx as nx
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphGaussianProcessRegressor,
    GraphPoissonRegressor,
    GraphSmoother,
    ResidualCorrector,
    suggest_measurements,
)

GRID = Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(9, 9)))
EVERYWHERE = np.arange(81)[:, None]


def observed(n_rows=20, seed=0):
    rng = np.random.default_rng(seed)
    nodes = rng.choice(27, n_rows, replace=False)  # a third of the grid
    return nodes[:, None], rng.standard_normal(n_rows)


def covariance_of(smoother):
    """The covariance of all nodes, from its definition."""
    L = nx.laplacian_matrix(nx.grid_2d_graph(9, 9)).toarray().astype(float)
    seen = np.zeros(81)
    seen[smoother._problem_.nodes] = 1
    return np.linalg.inv(np.diag(seen) + smoother.alpha_ * L)  # in variances of the noise


def left_by(covariance, rows):
    for row in rows:
        covariance = covariance - np.outer(covariance[row], covariance[row]) / (
            covariance[row, row] + 1
        )
    return np.trace(covariance)


def test_they_lower_variances_as_the_exact_greedy_choice_does():
    smoother = GraphSmoother(graph=GRID, alpha=0.5).fit(*observed())
    covariance = covariance_of(smoother)
    _, std = smoother.predict(EVERYWHERE, return_std=True)
    np.testing.assert_allclose(std**2, smoother.noise_variance_ * covariance.diagonal())
    found = suggest_measurements(smoother, EVERYWHERE, 5)
    best = []
    for _ in range(5):
        others = [row for row in range(81) if row not in best]
        best.append(min(others, key=lambda row: left_by(covariance, [*best, row])))
    before, exact = np.trace(covariance), left_by(covariance, best)
    assert before - left_by(covariance, found) > 0.95 * (before - exact)
    rng = np.random.default_rng(1)
    by_chance = [left_by(covariance, rng.choice(81, 5, replace=False)) for _ in range(20)]
    assert left_by(covariance, found) < np.quantile(by_chance, 0.2)


def test_each_row_is_suggested_once_and_as_before():
    smoother = GraphSmoother(graph=GRID, alpha=0.5).fit(*observed())
    found = suggest_measurements(smoother, EVERYWHERE, 81)
    assert sorted(found) == list(range(81))
    assert suggest_measurements(smoother, EVERYWHERE, 3).tolist() == found[:3].tolist()


def test_what_was_measured_is_no_more_suggested():
    X, y = observed()
    smoother = GraphSmoother(graph=GRID, alpha=0.5).fit(X, y)
    for _ in range(3):
        row = suggest_measurements(smoother, EVERYWHERE)
        assert row not in X
        X, y = np.vstack([X, EVERYWHERE[row]]), np.append(y, 0.0)
        before = smoother.predict(EVERYWHERE, return_std=True)[1][row]
        smoother = GraphSmoother(graph=GRID, alpha=0.5).fit(X, y)
        assert smoother.predict(EVERYWHERE, return_std=True)[1][row] < before


@pytest.mark.parametrize("kind", ["process", "corrected", "several"])
def test_every_model_that_draws_has_a_say(kind):
    X, y = observed(25)
    y = np.sin(X[:, 0] / 4) + 0.1 * y
    model = {
        "process": GraphGaussianProcessRegressor(graph=GRID),
        "corrected": CorrectedSmoother(
            graph=GRID,
            smoothers=[("order 1", GraphSmoother(graph=GRID, alpha=0.5))],
            corrector=ResidualCorrector(LinearRegression()),
        ),
        "several": GraphSmoother(graph=GRID, alpha=0.5),
    }[kind]
    model.fit(X, np.column_stack([y, 100 * y[::-1]]) if kind == "several" else y)
    # Nothing was seen beyond the first third.
    assert suggest_measurements(model, EVERYWHERE)[0] > 27


def test_without_noise_what_is_known_is_not_asked_for_again():
    X = np.arange(0, 81, 2)[:, None]
    model = GraphSmoother(graph=GRID, alpha=1e-6).fit(X, X[:, 0] / 10)
    rows = suggest_measurements(model, EVERYWHERE, 10)
    assert (rows % 2 == 1).all()
    flat = GraphSmoother(graph=GRID, alpha=1.0).fit(X, np.ones(len(X)))
    assert len(suggest_measurements(flat, EVERYWHERE, 3)) == 3


def test_what_it_refuses(archipelago):
    smoother = GraphSmoother(graph=GRID, alpha=0.5).fit(*observed())
    with pytest.raises(ValueError, match="n_rows=82 is more than X has rows, 81"):
        suggest_measurements(smoother, EVERYWHERE, 82)
    with pytest.raises(ValueError, match="n_rows must be at least 1"):
        suggest_measurements(smoother, EVERYWHERE, 0)
    with pytest.raises(TypeError, match="model must have sample_y"):
        suggest_measurements(LinearRegression().fit(*observed()), EVERYWHERE)
    counts = GraphPoissonRegressor(graph=GRID, alpha=1.0).fit(EVERYWHERE, np.ones(81))
    with pytest.raises(TypeError, match="model must have noise_variance_"):
        suggest_measurements(counts, EVERYWHERE)
    with pytest.raises(ValueError, match="not fitted"):
        suggest_measurements(GraphSmoother(graph=GRID, alpha=0.5), EVERYWHERE)
    apart = GraphSmoother(graph=archipelago, alpha=1.0).fit([[0], [5], [9]], [1.0, 2.0, 6.0])
    with (
        pytest.warns(UserWarning, match="nothing is known there"),
        pytest.raises(ValueError, match="the first is row 1: measure there first"),
    ):
        suggest_measurements(apart, [[3], [35]])
