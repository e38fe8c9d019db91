"""Distributions of signals against what can be computed by hand, and against what was drawn."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, cross_val_score

import skginr
from skginr import ArchiveRegressor, Graph, GraphSmoother, SignalDistribution
from skginr.fields._choice import normal_crps
from skginr.fields._correlations import Blend, Correlations, OfDistance
from skginr.fields._covariance import Conditioned, FieldCovariance
from skginr.fields._phase_means import PhaseMeans

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.random((90, 2))
GRAPH = Graph.from_points(POINTS, labels=[f"n{i:02d}" for i in range(90)])
PATTERNS = np.column_stack([np.sin(5 * POINTS), np.cos(4 * POINTS[:, :1] + 3 * POINTS[:, 1:])])


def archive(n_signals=60, seed=0, noise=0.05, graph=GRAPH, patterns=PATTERNS, phases=3):
    """Signals that are sums of few patterns, about the mean of their phase."""
    random = np.random.default_rng(seed)
    number = np.repeat(np.arange(n_signals), graph.n_nodes)
    phase = number % phases
    values = random.normal(size=(n_signals, patterns.shape[1])) @ patterns.T
    values += noise * random.normal(size=values.shape)
    values += (np.arange(n_signals) % phases)[:, None] * (1 + patterns[:, 0])
    return pd.DataFrame(
        {
            "day": number,
            "node": np.tile(graph.labels, n_signals),
            "phase": phase,
            "value": values.ravel(),
        }
    )


COLUMNS = ["day", "node", "phase"]
TABLE = archive()
FITTED = SignalDistribution(graph=GRAPH, signal="day", phase="phase").fit(
    TABLE[COLUMNS], TABLE["value"]
)
NEW = archive(20, seed=1)


def values_of(table):
    return table["value"].to_numpy().reshape(-1, GRAPH.n_nodes)


@pytest.fixture(scope="module")
def covariance():
    """One with a taper, a blend of remainders and what nodes have for themselves."""
    options = Correlations(GRAPH, "combinatorial", None, skginr._core.QUIET)
    rests = options.remainders(RANDOM.normal(size=(5, 90)))
    rest = Blend(rests[0], rests[-1], 0.3)
    fields = RANDOM.normal(size=(7, 90)) * 0.9
    own = np.where(np.arange(90) % 5 == 0, 0.4, 0.0)
    return FieldCovariance(fields, 0.6, options.tapers()[1], rest, 0.05, own)


def by_hand(covariance):
    """The same as a matrix, without noise."""
    every = np.arange(90)
    told = 0.6 * covariance.fields.T @ covariance.fields / 7
    places = covariance.taper.places
    steps = 5**0.5 * np.linalg.norm(places[:, None] - places, axis=2) / covariance.taper.reach
    left = np.sqrt(np.maximum(1 - np.diagonal(told), 0.4))
    rest = covariance.rest.between(every, every) * np.outer(left, left)
    return told * (1 + steps + steps**2 / 3) * np.exp(-steps) + rest + np.diag(covariance.own)


def test_what_is_expected_is_that_of_the_dense_matrix(covariance):
    dense, told = by_hand(covariance), RANDOM.permutation(90)[:30]
    weights = np.where(np.arange(30) < 10, 2.0, 1.0)
    values = RANDOM.normal(size=(30, 2))
    among = dense[np.ix_(told, told)] + np.diag(0.05 / weights)
    here = Conditioned.on(covariance, told, weights)
    mean, variance = here.mean_and_variance(np.arange(90), here.weights(values))
    across = dense[:, told]
    np.testing.assert_allclose(mean, across @ np.linalg.solve(among, values), atol=1e-9)
    expected = np.diagonal(dense - across @ np.linalg.solve(among, across.T))
    np.testing.assert_allclose(variance, expected, atol=1e-9)


def test_correlations_are_those_of_matern_and_of_the_spectrum():
    from scipy.special import gamma, kv

    options = Correlations(GRAPH, "combinatorial", None, skginr._core.QUIET)
    every = np.arange(90)
    for rest in options.remainders(RANDOM.normal(size=(5, 90))):
        matrix = rest.between(every, every)
        np.testing.assert_allclose(np.diagonal(matrix), 1, atol=1e-9)
        assert np.linalg.eigvalsh(matrix).min() > -1e-9
        if isinstance(rest, OfDistance):
            nu, steps = rest.smoothness, np.linalg.norm(rest.places[0] - rest.places[1:], axis=1)
            scaled = (2 * nu) ** 0.5 * steps / rest.reach
            matern = 2 ** (1 - nu) / gamma(nu) * scaled**nu * kv(nu, scaled)
            np.testing.assert_allclose(matrix[0, 1:], matern, atol=1e-10)
    assert np.median(np.linalg.norm(options.places[:, None] - options.places, axis=2)) == (
        pytest.approx(1, abs=0.05)
    )


def test_draws_have_the_covariance_that_is_said(covariance):
    dense, nodes = by_hand(covariance), np.arange(0, 90, 6)
    random = np.random.RandomState(0)
    draws = covariance.draws(nodes, 1000, random, own=True)
    wanted = dense[np.ix_(nodes, nodes)]
    assert np.abs(draws @ draws.T / 1000 - wanted).max() < 0.2
    told = np.arange(1, 90, 4)
    here = Conditioned.on(covariance, told, np.ones(len(told)))
    weights = here.weights(RANDOM.normal(size=len(told)))
    given = here.mean(nodes, weights)[:, None] + here.deviations(nodes, 1000, random)
    among = dense[np.ix_(told, told)] + 0.05 * np.eye(len(told))
    across = dense[np.ix_(nodes, told)]
    left = wanted - across @ np.linalg.solve(among, across.T)
    np.testing.assert_allclose(given.mean(axis=1), here.mean(nodes, weights), atol=0.2)
    assert np.abs(np.cov(given) - left).max() < 0.2
    # One value for a node, however often it is named.
    twice = covariance.draws(np.array([3, 0, 3]), 5, random, own=True)
    np.testing.assert_array_equal(twice[0], twice[2])


def test_means_of_phases_are_drawn_to_what_is_common():
    random = np.random.default_rng(0)
    phases = np.arange(400) % 4
    truth = random.normal(size=(4, 50)) + 3 * np.arange(4)[:, None]
    values = truth[phases] + 0.5 * random.normal(size=(400, 50))
    found = PhaseMeans.of(values, phases, 4)
    # As good as means, where there are many signals.
    plain = np.array([values[phases == p].mean(axis=0) for p in range(4)])
    assert np.mean((found.means - truth) ** 2) <= 1.01 * np.mean((plain - truth) ** 2)
    np.testing.assert_allclose(found.deviations, 0.5, atol=0.08)
    # Better, where there are few, and phases hardly differ but for what they have in common.
    few = 0.1 * random.normal(size=(4, 50)) + 3 * np.arange(4)[:, None]
    values = few[phases[:12]] + random.normal(size=(12, 50))
    found = PhaseMeans.of(values, phases[:12], 4)
    plain = np.array([values[phases[:12] == p].mean(axis=0) for p in range(4)])
    assert np.mean((found.means - few) ** 2) < 0.5 * np.mean((plain - few) ** 2)
    np.testing.assert_allclose(found.deviations, 1, atol=0.45)


def test_gaps_do_not_move_means():
    # Signals of one phase are missing at half of the nodes.
    values = np.add.outer(np.tile([0.0, 10.0], 40), np.arange(20.0))
    values += 0.1 * np.random.default_rng(0).normal(size=values.shape)
    phases = np.tile([0, 1], 40)
    values[np.ix_(phases == 1, np.arange(20) < 10)] = np.nan
    values[0, :10], values[1, :10] = np.nan, 10 + np.arange(10.0)
    found = PhaseMeans.of(values, phases, 2)
    expected = np.add.outer([0.0, 10.0], np.arange(20.0))
    np.testing.assert_allclose(found.means, expected, atol=0.3)


def test_few_nodes_tell_a_new_signal():
    known = np.isin(NEW["node"], GRAPH.labels[::9])
    errors = {"archive": 0.0, "smoother": 0.0}
    covered = []
    for day, table in NEW.groupby("day"):
        told, rest = table[known[table.index]], table[~known[table.index]]
        model = FITTED.condition(told[["node", "phase"]], told["value"])
        mean, std = model.predict(rest[["node", "phase"]], return_std=True, with_noise=True)
        errors["archive"] += ((mean - rest["value"]) ** 2).sum()
        covered.append(np.abs(mean - rest["value"]) < 1.645 * std)
        smooth = GraphSmoother(graph=GRAPH, alpha=0.01, order=2).fit(told[["node"]], told["value"])
        errors["smoother"] += ((smooth.predict(rest[["node"]]) - rest["value"]) ** 2).sum()
        assert model.phase_ == day % 3
    truth = NEW["value"][~known]
    assert 1 - errors["archive"] / ((truth - truth.mean()) ** 2).sum() > 0.99
    assert errors["archive"] < 0.2 * errors["smoother"]
    assert 0.85 < np.mean(covered) < 0.97
    # Noise is told apart from signals, roughly.
    assert 0.02 < FITTED.noise_variance_**0.5 < 0.1


def test_samples_are_like_the_archive():
    draws = FITTED.sample(600, random_state=1)
    assert draws.shape == (600, 90)
    assert draws.columns.equals(GRAPH.labels)
    assert draws.index.name == "phase"
    truth = values_of(archive(600, seed=5))
    for phase in range(3):
        mean = draws.loc[phase].mean().to_numpy()
        assert np.corrcoef(mean, truth[phase::3].mean(axis=0))[0, 1] > (0.95 if phase else -1)
    left = draws.to_numpy() - FITTED.means_.loc[draws.index].to_numpy()
    wanted = PATTERNS @ PATTERNS.T
    found = left.T @ left / 600
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9
    assert np.trace(found) / np.trace(wanted) == pytest.approx(1, abs=0.25)
    one = FITTED.sample(2, phase=2)
    assert one.index.tolist() == [2, 2]
    pd.testing.assert_frame_equal(one, FITTED.sample(2, phase=2))
    assert not FITTED.sample(2, phase=2, random_state=1).equals(one)


def test_draws_of_a_signal_pass_what_is_known():
    table = NEW[NEW["day"] == 0]
    told = table.iloc[::9]
    model = FITTED.condition(told[["node", "phase"]], told["value"])
    mean, std = model.predict(table[["node", "phase"]], return_std=True)
    draws = model.sample_y(table[["node", "phase"]], 300, random_state=0)
    assert draws.shape == (90, 300)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=5 * std.max() / 300**0.5)
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.25)
    noisy = model.sample_y(table[["node", "phase"]], 300, with_noise=True)
    total = np.hypot(std, model.noise_variance_**0.5)
    assert noisy.std(axis=1).mean() == pytest.approx(total.mean(), rel=0.1)


def test_several_signals_are_each_as_alone():
    days = [NEW[NEW["day"] == day].iloc[::6] for day in (0, 3, 6)]
    y = np.column_stack([day["value"] for day in days])
    y[2, 1] = np.nan
    X, every = days[0][["node", "phase"]], NEW[NEW["day"] == 0][["node", "phase"]]
    together = FITTED.condition(X, y)
    mean, std = together.predict(every, return_std=True)
    assert mean.shape == std.shape == (90, 3)
    for i in range(3):
        seen = np.isfinite(y[:, i])
        alone = FITTED.condition(X[seen], y[seen, i])
        for a, b in zip(alone.predict(every, return_std=True), (mean, std), strict=True):
            np.testing.assert_allclose(a, b[:, i], atol=1e-9)
    assert together.sample_y(every, 4).shape == (90, 3, 4)


def test_weights_count_rows():
    table = NEW[NEW["day"] == 0].iloc[::9]
    X, y = table[["node", "phase"]], table["value"]
    weights = np.array([2, 1, 0, 1, 3, 1, 1, 1, 1, 1])
    twice = np.repeat(np.arange(10), weights)
    one = FITTED.condition(X, y, sample_weight=weights).predict(X, return_std=True)
    other = FITTED.condition(X.iloc[twice], y.iloc[twice]).predict(X, return_std=True)
    np.testing.assert_allclose(one, other, atol=1e-8)


def test_codes_are_principal_components():
    left = values_of(TABLE) - FITTED.means_.loc[np.arange(60) % 3].to_numpy()
    _, sizes, vectors = np.linalg.svd(left, full_matrices=False)
    np.testing.assert_allclose(np.abs(FITTED.components_ @ vectors[:3].T)[:3], np.eye(3), atol=1e-3)
    share = sizes**2 / (sizes**2).sum()
    np.testing.assert_allclose(FITTED.explained_variance_ratio_, share[:10], atol=1e-3)
    codes = FITTED.transform(TABLE[COLUMNS], TABLE["value"])
    np.testing.assert_allclose(codes, left @ FITTED.components_.T, atol=1e-8)
    # Of a signal that is known at a few nodes nearly the same.
    few = NEW[np.isin(NEW["node"], GRAPH.labels[::9])]
    whole = FITTED.transform(NEW[COLUMNS], NEW["value"]).iloc[:, :3]
    part = FITTED.transform(few[COLUMNS], few["value"]).iloc[:, :3]
    assert part.index.tolist() == list(range(20))
    assert np.corrcoef(whole.to_numpy().ravel(), part.to_numpy().ravel())[0, 1] > 0.99


def test_densities_are_those_of_the_normal_distribution():
    some = NEW[(NEW["day"] < 3) & np.isin(NEW["node"], GRAPH.labels[::4])]
    scores = FITTED.score_samples(some[COLUMNS], some["value"])
    model, nodes = FITTED._model, np.arange(0, 90, 4)
    matrix = model.covariance.between(nodes, nodes) + model.covariance.noise * np.eye(len(nodes))
    for day, table in some.groupby("day"):
        units = model.means.units(np.array([day % 3]), new=True)[0, nodes]
        mean = FITTED.means_.iloc[day % 3].to_numpy()[nodes]
        normal = multivariate_normal(mean, matrix * np.outer(units, units))
        assert scores[day] == pytest.approx(normal.logpdf(table["value"]) / len(nodes))
    # Which day is odd?
    odd = some.assign(value=some["value"].where(some["day"] != 1, some["value"][::-1].to_numpy()))
    assert FITTED.score_samples(odd[COLUMNS], odd["value"]).idxmin() == 1
    assert FITTED.score(some[COLUMNS], some["value"]) == pytest.approx(scores.mean())


def test_nodes_without_a_record_have_values_too():
    attributes = pd.DataFrame({"height": RANDOM.random(90)}, index=GRAPH.labels)
    graph = GRAPH.with_attributes(attributes)
    height = 20 * attributes["height"].to_numpy()
    table = TABLE.assign(value=TABLE["value"] + np.tile(height, 60))
    unseen = GRAPH.labels[4::5]
    seen = table[~np.isin(table["node"], unseen)]
    for on, best in ((graph, True), (GRAPH, False)):
        fitted = SignalDistribution(graph=on, signal="day", phase="phase")
        fitted.fit(seen[COLUMNS], seen["value"])
        assert np.isfinite(fitted.means_).all(axis=None)
        new = NEW[NEW["day"] == 4].set_index("node")
        new["value"] += height
        told = [label for label in GRAPH.labels[::6] if label not in unseen]
        model = fitted.condition(
            new.loc[told].reset_index()[["node", "phase"]], new.loc[told, "value"]
        )
        X = pd.DataFrame({"node": unseen, "phase": 1})
        mean, std = model.predict(X, return_std=True)
        errors = np.abs(mean - new.loc[unseen, "value"].to_numpy())
        # Attributes tell the height; without these it is not known, and said so.
        assert (errors.max() < 1) == best
        assert np.mean(errors < 2 * std) > 0.85
        assert (std.mean() > 2) != best


def test_an_archive_on_some_nodes_has_the_resolution_of_the_graph():
    square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    coarse, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(3)
    fine, _ = coarse.refine(1)
    x, y = fine.positions[:, 0], fine.positions[:, 1]
    patterns = np.column_stack([np.sin(4 * x), np.cos(3 * y), np.sin(3 * x + 2 * y)])
    table = archive(40, graph=fine, patterns=patterns, noise=0.01, phases=1)
    seen = table[np.isin(table["node"], coarse.labels)]
    fitted = SignalDistribution(graph=fine, signal="day").fit(seen[["day", "node"]], seen["value"])
    new = archive(1, seed=3, graph=fine, patterns=patterns, noise=0, phases=1)
    told = new[np.isin(new["node"], coarse.labels[::7])]
    model = fitted.condition(told[["node"]], told["value"])
    assert model.score(new[["node"]], new["value"]) > 0.98
    assert np.ptp(fitted.sample(1).to_numpy()) > 0.1


def test_two_states_come_back_as_two_states():
    random = np.random.default_rng(0)
    smooth = random.normal(size=(80, 3)) @ PATTERNS.T + 0.02 * random.normal(size=(80, 90))
    values = np.where(smooth > 0.5, 5.0, 1.0) + 0.05 * random.normal(size=(80, 90))
    table = archive(80, phases=1).assign(value=values.ravel())
    X, y = table[["day", "node"]], table["value"]
    ranked = SignalDistribution(graph=GRAPH, signal="day", marginals="normal_scores").fit(X, y)
    plain = SignalDistribution(graph=GRAPH, signal="day").fit(X, y)

    def between(draws):
        return np.mean((draws > 2) & (draws < 4))

    # Gaussian signals are half of the time where these never are.
    assert between(plain.sample(50).to_numpy()) > 0.3
    # Levels of nodes differ, so that ranks of what is left are not of two states alone.
    assert between(ranked.sample(50).to_numpy()) < 0.75 * between(plain.sample(50).to_numpy())
    told = table[table["day"] == 0].iloc[::5]
    model = ranked.condition(told[["node"]], told["value"])
    mean, std = model.predict(table[table["day"] == 0][["node"]], return_std=True)
    draws = model.sample_y(table[table["day"] == 0][["node"]], 400)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=0.5)
    assert std.mean() == pytest.approx(draws.std(axis=1).mean(), rel=0.25)
    assert model.score(table[table["day"] == 0][["node"]], table[table["day"] == 0]["value"]) > 0.5


def answers(fitted, table=NEW, columns=("node", "phase")):
    told = table[table["day"] == 1].iloc[::7]
    model = fitted.condition(told[list(columns)], told["value"])
    return np.array(model.predict(table[table["day"] == 1][list(columns)], return_std=True))


def test_order_units_and_labels_mean_nothing():
    expected = answers(FITTED)
    shuffled = TABLE.sample(frac=1, random_state=0)
    again = clone(FITTED).fit(shuffled[COLUMNS], shuffled["value"])
    np.testing.assert_allclose(answers(again), expected, rtol=1e-6, atol=1e-9)
    large = clone(FITTED).fit(TABLE[COLUMNS], 1e6 * TABLE["value"] + 1e8)
    found = answers(large, NEW.assign(value=1e6 * NEW["value"] + 1e8))
    np.testing.assert_allclose((found[0] - 1e8) / 1e6, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1] / 1e6, expected[1], rtol=1e-4)
    renamed = Graph.from_points(POINTS, labels=np.arange(90) * 3)
    other = TABLE.assign(node=np.tile(renamed.labels, 60))
    named = SignalDistribution(graph=renamed, signal="day", phase="phase", node="node")
    named.fit(other[COLUMNS], other["value"])
    new = NEW.assign(node=np.tile(renamed.labels, 20))
    np.testing.assert_allclose(answers(named, new), expected, rtol=1e-6, atol=1e-9)


def test_times_name_signals_without_being_asked():
    times = TABLE.assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(TABLE["day"], "D"))
    plain = SignalDistribution(graph=GRAPH).fit(times[["node", "day"]], times["value"])
    assert plain.signals_[0] == pd.Timestamp("2024-01-01")
    assert plain.phases_ is None
    as_array = SignalDistribution(graph=GRAPH, signal=1, node=0)
    as_array.fit(TABLE[["node", "day"]].to_numpy(), TABLE["value"])
    told = np.array(GRAPH.labels[::9])[:, None]
    y = values_of(NEW)[0, ::9]
    named = plain.condition(pd.DataFrame(told, columns=["node"]), y)
    expected = named.predict(pd.DataFrame({"node": GRAPH.labels}))
    found = as_array.condition(told, y).predict(np.array(GRAPH.labels)[:, None])
    np.testing.assert_allclose(found, expected, atol=1e-9)
    # The column of the signal may stay.
    stays = pd.DataFrame({"day": pd.Timestamp("2025-01-01"), "node": told[:, 0]})
    np.testing.assert_allclose(
        plain.condition(stays, y).predict(stays), named.predict(stays[["node"]])
    )


def test_graphs_without_places_or_in_parts():
    two = nx.disjoint_union(nx.grid_2d_graph(6, 6), nx.cycle_graph(20))
    graph = Graph.from_networkx(two)
    patterns = np.column_stack([np.sin(np.arange(56) / 4), np.cos(np.arange(56) / 5)])
    table = archive(30, graph=graph, patterns=patterns, phases=1)
    fitted = SignalDistribution(graph=graph, signal="day").fit(
        table[["day", "node"]], table["value"]
    )
    new = archive(1, seed=9, graph=graph, patterns=patterns, phases=1)
    told = new.iloc[:36:3]
    score = fitted.condition(told[["node"]], told["value"]).score(new[["node"]], new["value"])
    assert score > 0.9
    apart = Graph.from_adjacency(np.zeros((56, 56)), labels=graph.labels)
    fitted = SignalDistribution(graph=apart, signal="day").fit(
        table[["day", "node"]], table["value"]
    )
    assert np.isfinite(fitted.sample(2)).all(axis=None)


def test_folds_of_signals():
    # Three days in a row, so that no phase is missing.
    groups = TABLE["day"] // 3
    scores = cross_val_score(
        FITTED, TABLE[COLUMNS], TABLE["value"], groups=groups, cv=GroupKFold(3)
    )
    truth = FITTED.score(NEW[COLUMNS], NEW["value"])
    np.testing.assert_allclose(scores, truth, atol=0.4)
    chosen = clone(FITTED).set_params(cv=GroupKFold(2))
    with pytest.raises(ValueError, match="groups"):
        chosen.fit(TABLE[COLUMNS], TABLE["value"])
    pairs = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    given = clone(FITTED).set_params(cv=pairs).fit(TABLE[COLUMNS], TABLE["value"])
    assert given.score(NEW[COLUMNS], NEW["value"]) == pytest.approx(truth, abs=0.3)


def test_copies_answer_alike(tmp_path):
    expected = answers(FITTED)
    np.testing.assert_array_equal(answers(pickle.loads(pickle.dumps(FITTED))), expected)
    skginr.save(FITTED, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model")
    np.testing.assert_array_equal(answers(loaded), expected)
    pd.testing.assert_frame_equal(loaded.sample(2), FITTED.sample(2))
    told = NEW[NEW["day"] == 1].iloc[::7]
    X, y = told[["node", "phase"]], told["value"]
    model = FITTED.condition(X, y)
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    skginr.save(model, tmp_path / "regressor")
    np.testing.assert_array_equal(skginr.load(tmp_path / "regressor").predict(X), model.predict(X))
    assert "Graph: 90 nodes" in repr(FITTED)


def test_progress_shows(capfd):
    table = archive(16)
    SignalDistribution(graph=GRAPH, signal="day", verbose=1).fit(
        table[["day", "node"]], table["value"]
    )
    assert "distribution" in capfd.readouterr().err


def test_normal_crps_is_that_of_an_ensemble():
    z = np.random.default_rng(0).normal(size=20_000)
    for error, std in ((0.0, 1.0), (1.5, 0.5), (-3.0, 2.0)):
        ensemble = np.mean(np.abs(std * z - error))
        ensemble -= 0.5 * np.mean(np.abs(std * (z - z[::-1])))
        found = normal_crps(np.array([error]), np.array([std]))[0]
        assert found == pytest.approx(ensemble, abs=0.03)


def test_what_runs_by_phase_is_held_out_by_phase():
    """Days of a month follow each other: a month held out as a whole would not be known."""
    table = TABLE.assign(phase=TABLE["day"] // 20)
    table["value"] += 30 * table["phase"] * np.tile(PATTERNS[:, 1], 60)
    fitted = clone(FITTED).fit(table[COLUMNS], table["value"])
    told = table[table["day"] == 30].iloc[::9]
    model = fitted.condition(told[["node", "phase"]], told["value"])
    every = table[table["day"] == 30]
    mean, std = model.predict(every[["node", "phase"]], return_std=True)
    assert np.sqrt(np.mean((mean - every["value"]) ** 2)) < 0.3
    assert std.max() < 0.6


def test_signals_of_one_node_tell_nothing_of_two():
    rows = np.arange(300) * 90 + np.random.default_rng(0).integers(0, 90, 300)
    table = archive(300, phases=1).iloc[rows]
    with pytest.raises(ValueError, match="two nodes or more"):
        SignalDistribution(graph=GRAPH, signal="day").fit(table[["day", "node"]], table["value"])


def test_few_signals_are_said():
    table = archive(8, phases=1)
    with pytest.warns(UserWarning, match="8 signals: of so few.*about 16"):
        SignalDistribution(graph=GRAPH, signal="day").fit(table[["day", "node"]], table["value"])


def test_where_nothing_is_told_deviations_are_those_of_the_archive():
    apart = Graph.from_adjacency(np.zeros((90, 90)), labels=GRAPH.labels)
    values = np.random.default_rng(0).normal(size=(60, 90))
    table = archive(60, phases=1).assign(value=values.ravel())
    fitted = SignalDistribution(graph=apart, signal="day").fit(
        table[["day", "node"]], table["value"]
    )
    told = pd.DataFrame({"node": GRAPH.labels[:1]})
    _, std = fitted.condition(told, [0.3]).predict(
        pd.DataFrame({"node": GRAPH.labels[1:]}), return_std=True, with_noise=True
    )
    np.testing.assert_allclose(std, 1, atol=0.3)


def test_what_is_far_from_the_archive_is_said():
    told = NEW[NEW["day"] == 0].iloc[::9]
    X, y = told[["node", "phase"]], told["value"].to_numpy()
    with pytest.warns(UserWarning, match="standard deviations from the mean"):
        FITTED.condition(X, np.where(np.arange(10) == 3, 1e4, y))
    heavy = FITTED.condition(X, y)
    with pytest.warns(UserWarning, match="sample_weight counts"):
        certain = FITTED.condition(X, y, sample_weight=np.full(10, 1e15))
    mean, std = certain.predict(X, return_std=True)
    np.testing.assert_allclose(mean, y, atol=0.01)
    assert (std >= 0).all()
    assert np.isfinite(heavy.predict(X)).all()


def test_densities_of_ranks_are_comparable():
    some = NEW[NEW["day"] < 6]
    skewed = TABLE.assign(value=np.exp(TABLE["value"]))
    X, y = skewed[COLUMNS], skewed["value"]
    plain = clone(FITTED).fit(X, y)
    ranked = clone(FITTED).set_params(marginals="normal_scores").fit(X, y)
    found = [one.score(some[COLUMNS], np.exp(some["value"])) for one in (plain, ranked)]
    assert found[1] > found[0]
    # In other units both have another density, by as much.
    for one, before in zip((plain, ranked), found, strict=True):
        again = clone(one).fit(X, 10 * y).score(some[COLUMNS], 10 * np.exp(some["value"]))
        assert again == pytest.approx(before - np.log(10), abs=0.05)
    # What is farther off is less probable, beyond all that was seen too.
    odd = [some.assign(value=np.exp(some["value"]) + size) for size in (0, 100, 10_000)]
    scores = [ranked.score(one[COLUMNS], one["value"]) for one in odd]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t["day"] < 2], "at least 4 signals"),
        (lambda t: t.assign(phase=t["day"]), "coarser phases"),
        (lambda t: t.assign(value=1.0), "must differ between signals"),
        (lambda t: t.assign(value=values_of(t)[t["day"] % 3, t.index % 90]), "must differ"),
        (lambda t: t[t.index % 90 == t["day"]], "no node in common"),
        (lambda t: pd.concat([t, t.iloc[:3]]), r"repeat one, first 'n00' of signal 0.*groupby"),
        (lambda t: t.assign(phase=t.index % 2), "one phase; signal 0"),
        (lambda t: t.assign(node="elsewhere"), "'elsewhere' is not"),
        (lambda t: t.assign(value=t["value"].where(t.index > 0)), "dropna"),
        (lambda t: t.assign(phase=np.where(t.index, t["phase"], np.nan)), "must say the phase"),
        (lambda t: t.iloc[:0], "at least one row"),
    ],
)
def test_archives_that_tell_nothing_are_refused(change, message):
    table = change(TABLE.copy())
    model = SignalDistribution(graph=GRAPH, signal="day", phase="phase")
    with pytest.raises(ValueError, match=message):
        model.fit(table[COLUMNS], table["value"])
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"signal": "week"}, "signal='week' is not a column"),
        ({"phase": None}, "columns name the signal and the node; got"),
        ({"signal": "phase"}, "a column each"),
        ({"marginals": "ranks"}, "marginals must be one of"),
        ({"cv": 1}, "cv must be at least 2"),
        ({"n_components": 0}, "n_components must be at least 1"),
        ({"n_waves": 0}, "n_waves must be at least 1"),
        ({"laplacian": "cosine"}, "laplacian must be one of"),
    ],
)
def test_parameters_are_checked(given, message):
    model = clone(FITTED).set_params(**given)
    with pytest.raises(ValueError, match=message):
        model.fit(TABLE[COLUMNS], TABLE["value"])


def test_what_is_asked_of_an_archive_is_checked():
    told = NEW[NEW["day"] == 0].iloc[::9][["node", "phase"]]
    y = np.zeros(10)
    model = FITTED.condition(told, y)
    for call, message in (
        (lambda: FITTED.condition(told.assign(phase=7), y), r"phase 7 .*\[0, 1, 2\]"),
        (lambda: FITTED.condition(told.assign(phase=np.arange(10) % 2), y), "one phase"),
        (lambda: FITTED.condition(told.assign(node="x"), y), "'x' is not"),
        (lambda: FITTED.condition(told[["node"]], y), r"columns \['node', 'phase'\]"),
        (lambda: FITTED.condition(told.assign(day=np.arange(10)), y), "one signal; .* names 10"),
        (lambda: FITTED.condition(told, y[:4]), "inconsistent"),
        (lambda: FITTED.condition(told, np.full(10, np.nan)), "dropna"),
        (lambda: FITTED.condition(told.iloc[:0], y[:0]), "at least one row"),
        (lambda: FITTED.condition(told.to_numpy()[:, :1], y), "2 columns"),
        (lambda: model.predict(told.assign(phase=1)), "of phase 0.*got 1"),
        (lambda: model.predict(told[["node"]]), r"columns \['node', 'phase'\]"),
        (lambda: model.predict(told, with_noise=True), "needs return_std"),
        (lambda: FITTED.sample(0), "n_samples must be at least 1"),
        (lambda: FITTED.sample(1, phase="May"), "'May' is in no signal"),
        (lambda: clone(FITTED).sample(1), "not fitted"),
        (lambda: clone(FITTED).condition(told, y), "not fitted"),
        (lambda: FITTED.fit(TABLE[COLUMNS], np.column_stack([TABLE["value"]] * 2)), "one number"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for bad in (clone(FITTED), FrozenEstimator(GraphSmoother(graph=GRAPH)), None):
        with pytest.raises(TypeError, match="of a fitted SignalDistribution"):
            ArchiveRegressor(bad).fit(told, y)
    with pytest.raises(TypeError, match="graph"):
        SignalDistribution(graph=GRAPH.adjacency).fit(TABLE[COLUMNS], TABLE["value"])
