import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphPoissonRegressor,
    NeighborMeans,
    load,
    predict_frame,
    save,
)
from skginr.smoothing._laplace import LaplaceProblem
from skginr.smoothing._lognormal_counts import log_probability, quantile


@pytest.fixture(scope="module")
def lattice():
    return Graph.from_adjacency(nx.to_numpy_array(nx.grid_2d_graph(14, 14)))


def counted(graph, seed, *, rate=1e-3, spread=0.5, own=0.3, exposure=30_000):
    """Exposures, counts and true rates at all nodes of a graph."""
    rng = np.random.default_rng(seed)
    laplacian = np.diag(graph.adjacency.toarray().sum(axis=0)) - graph.adjacency.toarray()
    values, vectors = np.linalg.eigh(laplacian)
    smooth = vectors[:, 1:] @ (values[1:] ** -0.5 * rng.standard_normal(len(values) - 1))
    logs = spread * smooth / smooth.std() + own * rng.standard_normal(len(smooth))
    exposures, rates = exposure * rng.lognormal(0, 0.7, len(logs)), rate * np.exp(logs)
    return exposures, rng.poisson(exposures * rates), rates


# --- the mode


def dense_mode(graph, nodes, x, exposures, counts, alpha, own):
    """Mode and covariance of f, u and c by dense Newton steps, on all unknowns at once."""
    n, rate = graph.n_nodes, counts.sum() / exposures.sum()
    # One event more, at the mean rate.
    counts = counts + exposures / exposures.sum()
    exposures = exposures * (1 + 1 / (rate * exposures.sum()))
    rows = np.zeros((len(nodes), n))
    rows[np.arange(len(nodes)), nodes] = 1
    design = np.hstack([rows, rows, x])
    precision = np.zeros((design.shape[1],) * 2)
    adjacency = graph.adjacency.toarray()
    precision[:n, :n] = alpha * (np.diag(adjacency.sum(axis=0)) - adjacency)
    precision[n : 2 * n, n : 2 * n] = np.eye(n) / own
    found = np.zeros(design.shape[1])
    for _ in range(100):
        mean = exposures * rate * np.exp(design @ found)
        hessian = design.T @ (mean[:, None] * design) + precision
        found += 0.5 * np.linalg.solve(hessian, design.T @ (counts - mean) - precision @ found)
    return np.log(rate), found, np.linalg.inv(hessian)


@pytest.mark.parametrize("alpha", [0.3, 30.0])
@pytest.mark.parametrize("own", [1e-9, 0.2])
def test_it_is_the_mode_of_the_model_and_as_sure(alpha, own):
    graph = Graph.from_adjacency(nx.to_numpy_array(nx.grid_2d_graph(6, 7)))
    rng = np.random.default_rng(0)
    nodes = np.r_[rng.permutation(40), rng.integers(0, 40, 10)]
    x = rng.standard_normal((50, 1))
    x = (x - x.mean()) / x.std()
    exposures = rng.uniform(1, 300, 50)
    counts = rng.poisson(0.05 * exposures * np.exp(0.5 * x[:, 0]))
    offset, mode, covariance = dense_mode(graph, nodes, x, exposures, counts, alpha, own)
    model = GraphPoissonRegressor(graph=graph, alpha=alpha, overdispersion=own if own > 1e-6 else 0)
    model.fit(np.column_stack([nodes, x]), counts / exposures, exposures)
    np.testing.assert_allclose(model.signal_, offset + mode[:42] + mode[42:84], atol=1e-6)
    np.testing.assert_allclose(model.coef_, mode[84:], atol=1e-6)
    new = np.column_stack([np.arange(42), rng.standard_normal(42)])
    rows = np.hstack([np.eye(42), np.eye(42), new[:, 1:]])
    logs = np.einsum("ij,jk,ik->i", rows, covariance, rows)
    rate = np.exp(offset + rows @ mode)
    found, std = model.predict(new, return_std=True)
    np.testing.assert_allclose(found, rate, rtol=1e-6)
    np.testing.assert_allclose(std, rate * np.sqrt(np.exp(logs) * np.expm1(logs)), rtol=1e-5)
    noisy = model.predict(new, return_std=True, with_noise=True)[1]
    np.testing.assert_allclose(noisy**2, std**2 + rate)
    draws = np.log(model.sample_y(new, 4000))
    np.testing.assert_allclose(draws.mean(axis=1), np.log(rate), atol=0.12)
    np.testing.assert_allclose(draws.var(axis=1), logs, rtol=0.15)


def test_on_strong_smoothing_it_is_scikit_learns(lattice):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((196, 2))
    exposures = rng.uniform(100, 1000, 196)
    rates = rng.poisson(0.3 * exposures * np.exp(x @ [0.3, -0.2])) / exposures
    model = GraphPoissonRegressor(graph=lattice, alpha=1e8, overdispersion=0.0)
    model.fit(np.column_stack([np.arange(196), x]), rates, exposures)
    other = PoissonRegressor(alpha=0, tol=1e-10).fit(x, rates, sample_weight=exposures)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-3)
    np.testing.assert_allclose(
        model.predict(np.column_stack([np.arange(196), x])), other.predict(x), rtol=1e-3
    )
    assert model.score(np.column_stack([np.arange(196), x]), rates, exposures) == pytest.approx(
        other.score(x, rates, sample_weight=exposures), abs=1e-3
    )


@pytest.mark.parametrize("parameters", [{}, {"kappa": 0.3}, {"laplacian": "symmetric", "order": 2}])
def test_exposures_add_up_and_none_is_no_row(lattice, parameters):
    exposures, counts, _ = counted(lattice, 2)
    X = np.column_stack([np.arange(196), np.sin(np.arange(196))])
    y = counts / exposures
    model = GraphPoissonRegressor(graph=lattice, alpha=3.0, overdispersion=0.1, **parameters)
    expected = model.fit(X[:150], y[:150], exposures[:150]).predict(X)
    half = np.r_[exposures[:150] / 2, exposures[:150] / 2]
    twice = model.fit(np.vstack([X[:150]] * 2), np.tile(y[:150], 2), half).predict(X)
    np.testing.assert_allclose(twice, expected, rtol=1e-6)
    nothing = np.where(np.arange(196) < 150, exposures, 0.0)
    poisoned = np.where(np.arange(196) < 150, y, 1e3)
    np.testing.assert_allclose(model.fit(X, poisoned, nothing).predict(X), expected, rtol=1e-7)
    # In the folds of "cv", too.
    chosen = GraphPoissonRegressor(graph=lattice, **parameters)
    first = chosen.fit(X[:150], y[:150], exposures[:150]).predict(X)
    np.testing.assert_allclose(chosen.fit(X, poisoned, nothing).predict(X), first, rtol=1e-5)


def test_units_of_exposure_are_those_of_the_rate(lattice):
    exposures, counts, _ = counted(lattice, 3)
    X = np.arange(196)[:, None]
    first = GraphPoissonRegressor(graph=lattice).fit(X, counts / exposures, exposures)
    second = clone(first).fit(X, 1e6 * counts / exposures, 1e-6 * exposures)
    np.testing.assert_allclose(1e-6 * second.predict(X), first.predict(X), rtol=1e-6)
    assert (first.alpha_, first.overdispersion_) == (second.alpha_, second.overdispersion_)


def test_numbering_of_nodes_means_nothing(lattice):
    exposures, counts, _ = counted(lattice, 4)
    order = np.random.default_rng(0).permutation(196)
    moved = Graph.from_adjacency(lattice.adjacency[order][:, order], labels=order)
    X = np.arange(196)[:, None]
    first, second = (
        GraphPoissonRegressor(graph=graph).fit(X, counts / exposures, exposures).predict(X)
        for graph in (lattice, moved)
    )
    np.testing.assert_allclose(second, first, rtol=1e-5)


# --- strengths, and what they are for


def test_new_counts_lie_in_their_intervals(lattice):
    held, within, found = [], [], []
    for seed in range(6):
        exposures, counts, rates = counted(lattice, seed)
        train = np.random.default_rng(seed).permutation(196) < 140
        X = np.arange(196)[:, None]
        model = GraphPoissonRegressor(graph=lattice)
        model.fit(X[train], counts[train] / exposures[train], exposures[train])
        low, high = model.predict_counts(X[~train], exposures[~train])
        held.append((low <= counts[~train]) & (counts[~train] <= high))
        mean, std = model.predict(X[train], return_std=True)
        within.append(np.abs(mean - rates[train]) < 1.645 * std)
        found.append(model.score(X[~train], counts[~train] / exposures[~train], exposures[~train]))
    assert 0.85 < np.mean(held) < 0.96
    assert 0.84 < np.mean(within) < 0.97
    assert np.mean(found) > 0.25


def test_more_overdispersion_is_found_where_there_is_more(lattice):
    X, found = np.arange(196)[:, None], []
    for own in (0.0, 0.7):
        exposures, counts, _ = counted(lattice, 7, own=own, exposure=300_000)
        model = GraphPoissonRegressor(graph=lattice).fit(X, counts / exposures, exposures)
        found.append(model.overdispersion_)
    assert found[0] < 0.05 < 0.2 < found[1] < 1.2


def test_strengths_are_the_best_of_those_tried_and_follow_the_folds(lattice):
    exposures, counts, _ = counted(lattice, 8)
    X, y = pd.DataFrame({"node": np.arange(196)}), counts / exposures
    model = GraphPoissonRegressor(graph=lattice, cv=GraphBlockKFold(4, graph=lattice))
    model.fit(X, y, exposures)
    best = model.cv_results_.loc[model.cv_results_["log_likelihood"].idxmax()]
    assert (best["alpha"], best["overdispersion"]) == (model.alpha_, model.overdispersion_)
    assert len(model.cv_results_) == len(model.cv_results_.drop_duplicates())
    half = clone(model).set_params(overdispersion=0.25).fit(X, y, exposures)
    assert half.overdispersion_ == 0.25
    assert set(half.cv_results_["overdispersion"]) == {0.25}
    given = clone(model).set_params(alpha=model.alpha_, overdispersion=model.overdispersion_)
    np.testing.assert_array_equal(given.fit(X, y, exposures).predict(X), model.predict(X))
    assert given.cv_results_ is None


def test_held_out_counts_tell_nothing(lattice):
    exposures, counts, _ = counted(lattice, 9)
    X, y = np.arange(196)[:, None], counts / exposures
    y[150:] = 1e4
    first = GraphPoissonRegressor(graph=lattice).fit(X[:150], y[:150], exposures[:150])
    y[150:] = 0
    second = GraphPoissonRegressor(graph=lattice).fit(X[:150], y[:150], exposures[:150])
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


# --- hard tables


def test_regions_and_components_without_an_event(archipelago):
    X, exposures = np.arange(36)[:, None], np.full(36, 1000.0)
    counts = np.where(np.arange(36) < 12, 20.0, 0.0)
    model = GraphPoissonRegressor(graph=archipelago, alpha=0.1, overdispersion=0.1)
    rate, std = model.fit(X, counts / exposures, exposures).predict(X, return_std=True)
    assert (rate > 0).all()
    assert np.isfinite(std).all()
    assert rate[21] < 1e-4 < 0.015 < rate[5] < 0.022
    # The path of five was seen, and had no event: as of one more at the mean rate.
    mean = counts.sum() / exposures.sum()
    assert 0 < rate[32] < 1 / 5000
    assert rate[35] == pytest.approx(mean / (1 + 1000 * mean), rel=0.8)
    low, high = model.predict_counts([[35]], [1000.0])
    assert (low, high) >= (0, 1)


def test_where_nothing_was_observed(archipelago):
    X, y = np.arange(30)[:, None], np.r_[np.full(15, 0.1), np.full(15, 0.3)]
    model = GraphPoissonRegressor(graph=archipelago, alpha=1.0).fit(X, y, np.full(30, 100.0))
    with pytest.warns(UserWarning, match="in which fit had no row"):
        assert model.predict([[32]]) == pytest.approx(0.2)
    _, std = model.predict([[32]], return_std=True)
    low, high = model.predict_counts([[32]])
    assert (std, low, high) == (np.inf, 0, np.inf)
    with pytest.warns(UserWarning, match="in which fit had no row"):
        assert np.isnan(model.sample_y([[32], [1]], 3)).tolist() == [[True] * 3, [False] * 3]


def test_exposures_of_all_sizes_and_rates_of_all(lattice):
    rng = np.random.default_rng(11)
    exposures = 10.0 ** rng.uniform(0, 7, 196)
    for rate in (1e-6, 1e-2, 1e3):
        counts = rng.poisson(exposures * rate * np.exp(np.sin(np.arange(196) / 30)))
        model = GraphPoissonRegressor(graph=lattice)
        model.fit(np.arange(196)[:, None], counts / exposures, exposures)
        found, std = model.predict(np.arange(196)[:, None], return_std=True)
        assert np.isfinite(found).all()
        assert np.isfinite(std).all()
        assert found @ exposures == pytest.approx(counts.sum(), rel=0.3)


def test_a_covariate_that_separates_has_a_finite_coefficient(lattice):
    exposures, counts, _ = counted(lattice, 12)
    x = (counts == 0).astype(float)
    x[:5], counts[:5] = 1.0, 0
    counts[5:] = np.maximum(counts[5:], 1)
    x[5:] = 0
    model = GraphPoissonRegressor(graph=lattice, overdispersion=0.1)
    model.fit(np.column_stack([np.arange(196), x]), counts / exposures, exposures)
    assert -30 < model.coef_[0] < -1


def test_steps_that_do_not_gain_are_halved(lattice, monkeypatch):
    tried = []
    objective = LaplaceProblem._objective
    monkeypatch.setattr(
        LaplaceProblem, "_objective", lambda *given: tried.append(1) or objective(*given)
    )
    y = np.zeros(196)
    y[100] = 1e6
    model = GraphPoissonRegressor(graph=lattice, alpha=1e-3, overdispersion=0.0)
    model.fit(np.arange(196)[:, None], y)
    assert model.predict([[100]]) == pytest.approx(1e6, rel=0.01)
    assert len(tried) > 20


# --- several signals


def test_several_signals_are_each_by_itself(lattice):
    X, exposures = np.arange(196)[:, None], counted(lattice, 0)[0]
    y = np.column_stack([counted(lattice, seed)[1] for seed in (0, 1)]) / exposures[:, None]
    y[:40, 1] = np.nan
    both = GraphPoissonRegressor(graph=lattice).fit(X, y, exposures)
    known = ~np.isnan(y)
    for signal in (0, 1):
        rows = known[:, signal]
        alone = GraphPoissonRegressor(graph=lattice)
        alone.fit(X[rows], y[rows, signal], exposures[rows])
        np.testing.assert_allclose(both.predict(X)[:, signal], alone.predict(X), rtol=1e-9)
        assert both.alpha_[signal] == alone.alpha_
    assert both.signal_.shape == (196, 2)
    assert both.coef_.shape == (2, 0)
    assert both.sample_y(X, 3).shape == (196, 2, 3)
    assert both.predict_counts(X, exposures)[1].shape == (196, 2)
    assert set(both.cv_results_["signal"]) == {0, 1}
    assert both.score(X[40:], y[40:], exposures[40:]) > 0.3


# --- as any estimator


def test_pipelines_searches_files_and_frames(lattice, tmp_path):
    exposures, counts, _ = counted(lattice, 13)
    ages = pd.DataFrame({"age": np.cos(np.arange(196.0))})
    graph = lattice.with_attributes(ages)
    table = pd.DataFrame({"node": np.arange(196), "rate": counts / exposures})
    model = make_pipeline(
        NeighborMeans(graph=graph).set_output(transform="pandas"),
        GraphPoissonRegressor(graph=graph, overdispersion=0.1),
    )
    search = GridSearchCV(model, {"graphpoissonregressor__alpha": [1.0, 30.0]}, cv=3)
    search.fit(table[["node"]], table["rate"], graphpoissonregressor__sample_weight=exposures)
    assert search.best_score_ < 1
    scores = cross_val_score(
        GraphPoissonRegressor(graph=lattice, alpha=3.0, overdispersion=0.1),
        table[["node"]],
        table["rate"],
        cv=3,
        params={"sample_weight": exposures},
    )
    assert np.isfinite(scores).all()
    fitted = GraphPoissonRegressor(graph=lattice).fit(table[["node"]], table["rate"], exposures)
    save(fitted, tmp_path / "rates.skginr")
    again = load(tmp_path / "rates.skginr")
    for method in ("predict", "predict_counts", "sample_y"):
        expected = getattr(fitted, method)(table[["node"]])
        np.testing.assert_array_equal(getattr(again, method)(table[["node"]]), expected)
    frame = predict_frame(fitted, table, target="rate")
    np.testing.assert_array_equal(frame["predicted"], fitted.predict(table[["node"]]))


def test_draws_are_of_counts_with_noise(lattice):
    exposures, counts, _ = counted(lattice, 14)
    model = GraphPoissonRegressor(graph=lattice, alpha=3.0, overdispersion=0.1)
    model.fit(np.arange(196)[:, None], 100 * counts / exposures, exposures / 100)
    draws = model.sample_y([[3], [3]], 2000, with_noise=True)
    assert (draws == np.round(draws)).all()
    same = model.sample_y([[3], [3]], 5)
    np.testing.assert_array_equal(same[0], same[1])
    assert draws.mean() == pytest.approx(model.sample_y([[3]], 2000).mean(), rel=0.3)


# --- at the door


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        ([0.1, -0.2, 0.3], None, "y must not be negative.*got -0.2 in row 1"),
        ([0.0, 0.0, 0.0], None, "y must be positive in some row"),
        ([0.1, 0.0, 0.0], [0, 1, 1], "y must be positive in some row"),
        ([0.1, np.inf, 0.3], None, "y must be finite"),
        ([0.1, np.nan, 0.3], None, "y must be known"),
        ([0.1, 0.2, 0.3], [1, np.inf, 1], "sample_weight must be finite"),
        ([0.1, 0.2, 0.3], [0, 0, 0], "sample_weight must be positive for some row"),
        ([0.1, 0.2, 0.3], [1, -1, 0], "sample_weight must be finite and not negative"),
    ],
)
def test_unfit_rates_are_refused(lattice, y, weights, message):
    with pytest.raises(ValueError, match=message):
        GraphPoissonRegressor(graph=lattice).fit([[0], [1], [2]], y, weights)


def test_unfit_parameters_are_refused(lattice):
    X, y = [[0], [1], [2]], [0.1, 0.2, 0.3]
    for parameters, message in (
        ({"alpha": -1.0}, "alpha must be greater than 0"),
        ({"alpha": "best"}, "alpha must be a number or 'cv'"),
        ({"overdispersion": -1.0}, "overdispersion must be at least 0"),
        ({"alpha": 1e300}, "alpha=1e\\+300 is too large"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            GraphPoissonRegressor(graph=lattice, **parameters).fit(X, y)
    with pytest.raises(ValueError, match="cv must train on some positive y"):
        GraphPoissonRegressor(graph=lattice, cv=[([0, 1], [2])]).fit(X, [0.0, 0.0, 1.0])
    model = GraphPoissonRegressor(graph=lattice, alpha=1.0, overdispersion=0.0).fit(X, y)
    with pytest.raises(ValueError, match="with_noise=True needs return_std=True"):
        model.predict(X, with_noise=True)
    with pytest.raises(ValueError, match="exposure must be finite and positive"):
        model.predict_counts(X, [1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="interval must be between 0 and 1"):
        model.predict_counts(X, interval=90.0)


# --- counts of a lognormal mean


@pytest.mark.parametrize(
    ("count", "centre", "variance"),
    [(0, 0.0, 0.1), (3, 1.0, 0.5), (0, 2.0, 3.0), (100_000, 11.5, 0.1), (5, -8.0, 2.0)],
)
def test_the_probability_of_a_count(count, centre, variance):
    def density(z):
        return stats.poisson.pmf(count, np.exp(centre + variance**0.5 * z)) * stats.norm.pdf(z)

    at = np.clip((np.log(count + 0.5) - centre) / variance**0.5, -11, 11)
    expected = np.log(integrate.quad(density, -12, 12, points=[at], limit=2000)[0])
    found = log_probability(*(np.array([float(v)]) for v in (count, centre, variance)))
    assert found[0] == pytest.approx(expected, abs=1e-3)


def test_quantiles_are_those_of_draws():
    rng = np.random.default_rng(0)
    for centre, variance in ((1.0, 0.5), (11.0, 0.1), (-3.0, 1.0), (3.0, 1e-9)):
        draws = rng.poisson(np.exp(centre + variance**0.5 * rng.standard_normal(200_000)))
        for share in (0.05, 0.5, 0.95):
            found = quantile(share, np.array([centre]), np.array([variance]))[0]
            assert found == pytest.approx(np.quantile(draws, share), rel=0.02, abs=0)


@pytest.mark.parametrize("centre", [30.0, 45.0, 80.0])
def test_quantiles_of_counts_beyond_whole_numbers_end(centre):
    found = quantile(0.95, np.array([centre]), np.array([0.01]))[0]
    assert found == pytest.approx(np.exp(centre + 1.6449 * 0.1), rel=0.01)


def test_scores_without_an_event_are_undefined(lattice):
    X = lattice.labels.to_frame()
    counts = np.arange(lattice.n_nodes) % 3.0
    model = GraphPoissonRegressor(graph=lattice, alpha=1.0).fit(X, counts)
    with pytest.warns(UndefinedMetricWarning, match="no event was seen"):
        assert np.isnan(model.score(X[:2], [0.0, 0.0]))
    with pytest.raises(ValueError, match="must not be negative"):
        model.score(X[:2], [0.0, -1.0])
