"""What both kinds of process share: weights of rows, noise, several signals, draws."""

import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from skginr import (
    Graph,
    GraphGaussianProcessRegressor,
    NeighborMeans,
    SpatialGaussianProcessRegressor,
)
from skginr._core import _draws
from skginr.smoothing import _gaussian_process
from skginr.smoothing._likelihood import distinct_rows, fitted_process
from skginr.smoothing._node_predictor import centre_and_spread
from skginr.smoothing._normal_scores import NormalScores

KINDS = [SpatialGaussianProcessRegressor, GraphGaussianProcessRegressor]
both = pytest.mark.parametrize("kind", KINDS)
ranked_or_not = pytest.mark.parametrize("ranked", [False, True], ids=["values", "ranks"])


@pytest.fixture(scope="module")
def graph():
    lattice = nx.convert_node_labels_to_integers(nx.grid_2d_graph(12, 12))
    places = np.column_stack(np.divmod(np.arange(144), 12)).astype(float)
    return Graph(nx.to_scipy_sparse_array(lattice), positions=places)


@pytest.fixture(scope="module")
def rows(graph):
    """Rows at 90 nodes, some of them alike, with a covariate, a signal and whole weights."""
    rng = np.random.default_rng(0)
    nodes = rng.permutation(144)[:90]
    nodes = np.r_[nodes, nodes[:20]]
    height = np.r_[rng.standard_normal(90), np.zeros(20)]
    height[90:] = height[:20]
    x, y = graph.positions[nodes].T
    signal = np.sin(x / 2) + np.cos(y / 3) + 0.5 * height + 0.3 * rng.standard_normal(110)
    table = pd.DataFrame({"node": nodes, "height": height})
    return table, signal, rng.integers(0, 4, 110)


def named(nodes):
    return pd.DataFrame({"node": nodes})


def all_nodes(table):
    return pd.DataFrame({"node": np.arange(144)} | dict.fromkeys(table.columns[1:], 0.3))


# --- weights of rows


@both
@ranked_or_not
@pytest.mark.parametrize("columns", [["node"], ["node", "height"]], ids=len)
@pytest.mark.parametrize("n_tune", [40, 500])
def test_a_weight_is_how_often_a_row_is_there(graph, rows, kind, ranked, columns, n_tune):
    table, y, weights = rows
    table = table[columns]
    model = kind(graph=graph, normal_scores=ranked, n_tune=n_tune)
    # What does not count may be anything.
    poisoned = np.where(weights == 0, 1e6, y)
    weighted = clone(model).fit(table, poisoned, sample_weight=weights)
    repeats = np.repeat(np.arange(110), weights)
    repeated = clone(model).fit(table.iloc[repeats], y[repeats])
    # Logarithms, and where the likelihood is flat a climb ends by rounding, another on another
    # processor; predictions do not differ.
    np.testing.assert_allclose(
        weighted.process_.kernel_.theta, repeated.process_.kernel_.theta, atol=1e-4
    )
    asked = all_nodes(table)
    for noise in (False, True):
        np.testing.assert_allclose(
            weighted.predict(asked, return_std=True, with_noise=noise),
            repeated.predict(asked, return_std=True, with_noise=noise),
            rtol=1e-6,
            atol=1e-6,
        )
    assert weighted.noise_variance_ == pytest.approx(repeated.noise_variance_, rel=1e-6)


@both
def test_weights_that_are_no_numbers_of_rows_are_shares_of_noise(graph, rows, kind):
    """Against a dense process with noise of its own in every row."""
    table, y, _ = rows
    table = table[["node"]]
    weights = np.random.default_rng(1).gamma(1.0, size=110)
    weights /= weights.mean()
    model = kind(graph=graph).fit(table, y, sample_weight=weights)
    kernel, noise = model.process_.kernel_, model.process_.kernel_.k2.noise_level
    assert 1e-3 < noise < 1
    K = kernel.k1(np.arange(144)[:, None])
    nodes = table["node"].to_numpy()
    means = [np.average(y[nodes == node], weights=weights[nodes == node]) for node in set(nodes)]
    centre, spread = np.mean(means), np.std(means)
    system = np.linalg.inv(K[np.ix_(nodes, nodes)] + np.diag(noise / weights))
    across = K[:, nodes]
    mean, std = model.predict(named(np.arange(144)), return_std=True)
    np.testing.assert_allclose(
        mean, centre + spread * across @ system @ ((y - centre) / spread), atol=1e-5
    )
    variance = np.diag(K) - np.einsum("ij,jk,ik->i", across, system, across)
    variance += (1 - (across @ system).sum(axis=1)) ** 2 / system.sum()
    np.testing.assert_allclose(std, spread * variance**0.5, rtol=1e-4)
    _, of_rows = model.predict(named(np.arange(144)), return_std=True, with_noise=True)
    np.testing.assert_allclose(of_rows, np.sqrt(std**2 + model.noise_variance_))


@pytest.mark.parametrize("noise", [0.03, 0.4])
def test_the_likelihood_of_whole_weights_is_that_of_so_many_rows(noise):
    rng = np.random.default_rng(0)
    X, y = rng.permutation(30)[:, None] / 4.0, rng.standard_normal(30)
    X, y = np.r_[X, X[:9]], np.r_[y, rng.standard_normal(9)]
    weights = rng.integers(1, 5, 39)
    rows = distinct_rows(X, y, weights.astype(float))
    X, y = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    centre, spread = rows.y.mean(), rows.y.std()

    def dense(noise):
        covariance = RBF(1.0)(X) + noise * np.eye(len(X))
        return multivariate_normal(cov=covariance).logpdf((y - centre) / spread)

    def ours(noise):
        return fitted_process(RBF(1.0) + WhiteKernel(noise), rows, climb=False)[1]

    # (Constants of the likelihood are left out.)
    assert ours(noise) - ours(0.1) == pytest.approx(dense(noise) - dense(0.1), rel=1e-5)


@pytest.mark.parametrize("total", [0.6, 2.0, 9.0])
def test_the_likelihood_of_other_weights_is_of_powers_of_densities(total):
    """Against integrals over what two nodes that know nothing of each other may be."""
    X = np.array([[0.0], [0.0], [0.0], [1e3], [1e3]])
    y = np.array([0.2, 1.1, 0.5, -0.8, -1.6])
    weights = np.array([0.1, 0.3, 0.2, 0.25, 0.15]) * total
    rows = distinct_rows(X, y, weights)
    scaled = (y - rows.y.mean()) / rows.y.std()
    # Weights that sum to less than two count as if they did: a row of weight 1 is then more rows.
    raised = max(2 / total, 1.0)

    def by_hand(noise):
        def joint(f, chosen):
            powers = norm(f, (raised * noise) ** 0.5).logpdf(scaled[chosen])
            return np.exp(powers @ (raised * weights[chosen])) * norm.pdf(f)

        return sum(np.log(quad(joint, -9, 9, args=(X[:, 0] == x,))[0]) for x in (0.0, 1e3))

    def ours(noise):
        return fitted_process(RBF(1.0) + WhiteKernel(noise), rows, climb=False)[1]

    assert ours(0.05) - ours(0.5) == pytest.approx(by_hand(0.05) - by_hand(0.5), rel=1e-5)
    process, _ = fitted_process(RBF(1.0, "fixed") + WhiteKernel(0.3), rows, climb=True)
    found = process.kernel_.k2.noise_level
    assert by_hand(found) >= max(by_hand(found * 1.05), by_hand(found / 1.05))


@both
@pytest.mark.parametrize("share", [0.3, 1e-5])
def test_weights_that_sum_to_few_rows_tell_by_their_ratios(graph, rows, kind, share):
    X, y = rows[0][["node"]][:90], rows[1][:90]
    weights = np.random.default_rng(0).gamma(2.0, size=90)
    weights /= weights.mean()
    model = kind(graph=graph).fit(X, y, sample_weight=weights)
    few = kind(graph=graph).fit(X, y, sample_weight=share * weights)
    expected, found = (m.predict(named(np.arange(144)), return_std=True) for m in (model, few))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert few.noise_variance_ == pytest.approx(share * model.noise_variance_, rel=1e-3)


def test_noise_of_few_rows_is_said_to_be_noise(graph):
    X, y = np.arange(144)[:, None], np.random.default_rng(4).random(144)
    with pytest.warns(UserWarning, match="y goes with positions no more than noise would"):
        SpatialGaussianProcessRegressor(graph=graph).fit(X, y, sample_weight=np.full(144, 0.01))
    both = np.column_stack([np.sin(graph.positions[:, 0] / 3), y])
    with pytest.warns(UserWarning, match="^column 1 of y goes with positions no more than noise"):
        SpatialGaussianProcessRegressor(graph=graph).fit(X, both)


@both
@pytest.mark.parametrize("size", [1.01, 10.0, 1e6])
def test_rows_that_never_differ_are_no_sign_that_there_is_no_noise(graph, rows, kind, size):
    X, y = rows[0][["node"]][:90], rows[1][:90]
    expected = kind(graph=graph).fit(X, y)
    weighed = kind(graph=graph)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "sample_weight counts rows", UserWarning)
        weighed.fit(X, y, sample_weight=np.full(90, size))
    np.testing.assert_allclose(
        weighed.predict(named(np.arange(144))), expected.predict(named(np.arange(144))), atol=1e-2
    )
    np.testing.assert_allclose(weighed.noise_variance_, size * expected.noise_variance_, rtol=0.05)
    # And one row that is there twice changes little.
    twice = kind(graph=graph).fit(pd.concat([X, X[:1]]), np.append(y, y[0]))
    np.testing.assert_allclose(twice.noise_variance_, expected.noise_variance_, rtol=0.3)


def test_centres_and_spreads_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    values, weights = rng.standard_normal((30, 3)), rng.integers(1, 5, 30)
    values[:, 1] = 1 / 3
    expected = centre_and_spread(np.repeat(values, weights, axis=0))
    found = centre_and_spread(values, weights.astype(float))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal([found[0][1], found[1][1]], [1 / 3, 1.0])
    np.testing.assert_allclose(centre_and_spread(values)[1][0], values[:, 0].std())


def test_scores_of_weighted_values_are_those_of_repeated_ones():
    rng = np.random.default_rng(0)
    values, weights = rng.integers(0, 40, 60).astype(float), rng.integers(1, 5, 60)
    weighted = NormalScores(values, weights.astype(float))
    repeated = NormalScores(np.repeat(values, weights))
    np.testing.assert_allclose(weighted.scores, repeated.scores, atol=1e-12)
    asked = rng.standard_normal(20), rng.random(20)
    np.testing.assert_allclose(weighted.expected(*asked), repeated.expected(*asked), atol=1e-12)
    # Ties are as wide where weights are divided by their sum.
    shares = [NormalScores(values, share * weights / weights.sum()) for share in (1.0, 15.0)]
    np.testing.assert_allclose(shares[0].expected(*asked), shares[1].expected(*asked), atol=1e-12)
    # More values than the way back keeps.
    values, weights = rng.standard_normal(3_000), rng.integers(1, 3, 3_000)
    weighted = NormalScores(values, weights.astype(float))
    repeated = NormalScores(np.repeat(values, weights))
    np.testing.assert_allclose(weighted.expected(*asked), repeated.expected(*asked), atol=1e-12)


@both
@ranked_or_not
@pytest.mark.parametrize("case", ["weights", "alike", "not there"])
def test_folds_are_weighted(graph, rows, kind, ranked, case):
    table, y, _ = rows
    n = 110 if case == "alike" else 90
    weights = np.random.default_rng(2).gamma(2.0, 0.5, n)
    if case == "not there":
        weights[:8] = 0
    X, y = table[["node"]][:n], y[:n]
    model = kind(graph=graph, normal_scores=ranked).fit(X, y, sample_weight=weights)
    tuned, cv = model.tuned_clone(), KFold(5, shuffle=True, random_state=0)
    expected = cross_val_predict(tuned, X, y, cv=cv, params={"sample_weight": weights})
    found = model.predict_out_of_folds([cv.split(X), cv.split(X)], return_std=True)
    for mean, std in found:
        np.testing.assert_allclose(mean, expected, atol=2e-5)
        train, test = next(cv.split(X))
        fitted = clone(tuned).fit(X.iloc[train], y[train], sample_weight=weights[train])
        _, of_rows = fitted.predict(X.iloc[test], return_std=True, with_noise=True)
        np.testing.assert_allclose(std[test], of_rows, rtol=1e-4)
    np.testing.assert_array_equal(model.predict_out_of_fold(cv.split(X)), found[0][0])


def test_folds_that_count_for_nothing_are_refused(graph, rows):
    X, y = rows[0][["node"]][:30], rows[1][:30]
    weights = (np.arange(30) < 10).astype(float)
    model = SpatialGaussianProcessRegressor(graph=graph).fit(X, y, sample_weight=weights)
    folds = np.arange(10), np.arange(10, 30)
    with pytest.raises(ValueError, match="splits must train on some row that counts"):
        model.predict_out_of_fold([folds, folds[::-1]])


@both
def test_weights_reach_searches_and_pipelines(graph, rows, kind):
    table, y, weights = rows
    X, weights = table[["node"]], weights + 0.5
    parameters = {"normal_scores": [False, True]}
    search = GridSearchCV(kind(graph=graph), parameters, cv=3).fit(X, y, sample_weight=weights)
    best = kind(graph=graph, **search.best_params_).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(search.predict(X), best.predict(X))
    described = graph.with_attributes(
        pd.DataFrame({"deg": np.sqrt(np.arange(144.0))}, index=graph.labels)
    )
    model = make_pipeline(NeighborMeans(graph=described), kind(graph=graph))
    name = model.steps[-1][0]
    weighted = model.fit(X, y, **{f"{name}__sample_weight": weights}).predict(X)
    assert np.abs(weighted - model.fit(X, y).predict(X)).max() > 1e-3


@both
def test_unfit_weights(graph, rows, kind):
    table, y, _ = rows
    for weights, message in (
        (np.ones(5), r"sample_weight must have shape \(110,\)"),
        (np.full(110, -1.0), "sample_weight must be finite and not negative"),
        (np.zeros(110), "sample_weight must be positive for some row"),
    ):
        with pytest.raises(ValueError, match=message):
            kind(graph=graph).fit(table, y, sample_weight=weights)
    gap = np.column_stack([y, np.where(np.arange(110) < 50, np.nan, y)])
    with pytest.raises(ValueError, match="positive for some row in which a signal is known"):
        kind(graph=graph).fit(table, gap, sample_weight=(np.arange(110) < 50).astype(float))


# --- what is signal, and what noise


@both
def test_noise_is_asked_for_with_deviations(graph, rows, kind):
    table, y, _ = rows
    model = kind(graph=graph).fit(table, y)
    with pytest.raises(ValueError, match="with_noise=True needs return_std=True"):
        model.predict(table, with_noise=True)
    with pytest.raises(TypeError, match="with_noise must be"):
        model.predict(table, return_std=True, with_noise="yes")


@both
def test_deviations_of_ranks_are_those_of_what_is_expected_of_a_row(graph, rows, kind):
    """Against sums over what the score may be, at each of which a row has its expectation."""
    table, y, _ = rows
    X, y = table[["node"]], np.exp(y)
    model = kind(graph=graph, normal_scores=True).fit(X, y)
    asked = named(np.arange(0, 144, 12))
    score, of_rows = model.process_.predict(asked.to_numpy(), return_std=True)
    noise = model.process_.kernel_.k2.noise_level * model.process_._y_train_std**2
    latent = np.sqrt(of_rows**2 - noise)
    steps, shares = np.polynomial.hermite_e.hermegauss(60)
    shares /= shares.sum()
    way_back = NormalScores(y)
    expected, deviations = [], []
    for middle, spread in zip(score, latent, strict=True):
        at, _ = way_back.expected(middle + spread * steps, np.full(60, noise**0.5))
        expected.append(shares @ at)
        deviations.append(np.sqrt(shares @ (at - expected[-1]) ** 2))
    mean, std = model.predict(asked, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-4)
    np.testing.assert_allclose(std, deviations, rtol=0.01)
    _, with_noise = model.predict(asked, return_std=True, with_noise=True)
    np.testing.assert_allclose(with_noise, way_back.expected(score, of_rows)[1])
    assert (with_noise > std).all()
    # By the middle of what rows add.
    _, added = way_back.expected(model.process_.predict(X.to_numpy()), np.full(110, noise**0.5))
    assert model.noise_variance_ == pytest.approx(np.mean(added**2), rel=1e-6)


# --- several signals


@both
@ranked_or_not
def test_several_signals_are_each_alone(graph, rows, kind, ranked, monkeypatch):
    table, y, weights = rows
    weights = weights + 0.25
    many = np.column_stack([y, np.exp(y), np.cos(np.arange(110))])
    many[::7, 1] = np.nan
    many[:25, 2] = np.nan
    n_covariances = []
    made = _gaussian_process.matern_covariance
    monkeypatch.setattr(
        _gaussian_process,
        "matern_covariance",
        lambda *given: n_covariances.append(1) or made(*given),
    )
    model = kind(graph=graph, normal_scores=ranked)
    together = clone(model).fit(table, pd.DataFrame(many), sample_weight=weights)
    assert len(n_covariances) == (kind is GraphGaussianProcessRegressor)
    asked = all_nodes(table)
    mean, std = together.predict(asked, return_std=True)
    assert mean.shape == std.shape == (144, 3)
    np.testing.assert_array_equal(together.predict(asked), mean)
    draws = together.sample_y(asked, 4)
    assert draws.shape == (144, 3, 4)
    cv = KFold(3, shuffle=True, random_state=0)
    held_out = together.predict_out_of_fold(cv.split(table))
    assert not hasattr(together, "process_")
    again = together.tuned_clone().fit(table, many, sample_weight=weights)
    np.testing.assert_allclose(again.predict(asked), mean, atol=1e-9)
    for i, signal in enumerate(many.T):
        known = ~np.isnan(signal)
        alone = clone(model).fit(table[known], signal[known], sample_weight=weights[known])
        np.testing.assert_allclose(alone.predict(asked), mean[:, i], atol=1e-8)
        np.testing.assert_allclose(alone.predict(asked, return_std=True)[1], std[:, i], rtol=1e-6)
        found, expected = together.processes_[i].kernel_, alone.process_.kernel_
        np.testing.assert_allclose(found.theta, expected.theta, atol=1e-6)
        assert together.noise_variance_[i] == pytest.approx(alone.noise_variance_)
        if known.all():
            folds = alone.predict_out_of_fold(cv.split(table))
            np.testing.assert_allclose(folds, held_out[:, i], atol=1e-8)
    # Of one signal after several nothing is left of the others.
    single = together.fit(table, y)
    assert not hasattr(single, "processes_")
    assert single.predict(asked).shape == (144,)


@both
def test_a_gap_is_predicted_by_the_folds_without_it(graph, rows, kind):
    table, y, _ = rows
    X, many = table[["node"]][:90], np.column_stack([y, -y])[:90]
    many[:10, 1] = np.nan
    model = kind(graph=graph).fit(X, many)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    found = model.predict_out_of_fold(splits)
    alone = model.tuned_clone().set_params(kernel=model.processes_[1].kernel_)
    for train, test in splits:
        seen = train[train >= 10]
        expected = clone(alone).fit(X.iloc[seen], many[seen, 1]).predict(X.iloc[test])
        np.testing.assert_allclose(found[test, 1], expected, atol=1e-6)


@both
def test_kernels_are_as_many_as_signals(graph, rows, kind):
    table, y, _ = rows
    kernel = kind(graph=graph).fit(table, y).process_.kernel_
    many = np.column_stack([y, -y])
    with pytest.raises(ValueError, match=r"kernel must be one for each signal of y.* got 1 for 2"):
        kind(graph=graph, kernel=kernel).fit(table, many)
    with pytest.raises(TypeError, match="or a list of such"):
        kind(graph=graph, kernel=[kernel, "rbf"]).fit(table, many)
    same = kind(graph=graph, kernel=[kernel, kernel]).fit(table, many).predict(table)
    np.testing.assert_allclose(same[:, 0], -same[:, 1], atol=1e-9)
    with pytest.raises(ValueError, match="column 1 is NaN throughout"):
        kind(graph=graph).fit(table, np.column_stack([y, np.full(110, np.nan)]))


# --- draws


@both
@pytest.mark.parametrize("with_noise", [False, True])
def test_draws_are_of_the_posterior(graph, rows, kind, with_noise):
    table, y, _ = rows
    model = kind(graph=graph).fit(table, y)
    asked = all_nodes(table).iloc[[3, 40, 3, 41, 100]]
    draws = model.sample_y(asked, 40_000, random_state=1, with_noise=with_noise)
    assert draws.shape == (5, 40_000)
    mean, std = model.predict(asked, return_std=True, with_noise=with_noise)
    error = std / 200
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=5 * error.max())
    scaled = (asked.to_numpy() - [0, table["height"].mean()]) / [1, table["height"].std(ddof=0)]
    _, expected = model.process_.predict(scaled, return_cov=True)
    expected -= model.noise_variance_ * np.eye(5)
    if with_noise:
        expected[np.diag_indices(5)] += model.noise_variance_
    else:
        np.testing.assert_array_equal(draws[0], draws[2])
    np.testing.assert_allclose(np.cov(draws), expected, atol=0.03 * expected.max())
    again = model.sample_y(asked, 40_000, random_state=1, with_noise=with_noise)
    np.testing.assert_array_equal(again, draws)


@both
@pytest.mark.parametrize("with_noise", [False, True])
def test_draws_of_ranks_are_as_is_predicted(graph, rows, kind, with_noise):
    table, y, _ = rows
    model = kind(graph=graph, normal_scores=True).fit(table[["node"]], np.exp(y))
    asked = named(np.arange(0, 144, 16))
    draws = model.sample_y(asked, 20_000, with_noise=with_noise)
    mean, std = model.predict(asked, return_std=True, with_noise=with_noise)
    assert (np.abs(draws.mean(axis=1) - mean) < 5 * std / 20_000**0.5 + 0.005 * mean).all()
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.05)
    assert draws.min() >= np.exp(y).min()


@both
def test_draws_before_fit_are_of_what_was_not_chosen_yet(graph, rows, kind):
    table, y, _ = rows
    model = kind(graph=graph)
    asked = named([3, 40, 3, 41])
    draws = model.sample_y(asked, 40_000)
    assert not hasattr(model, "n_features_in_")
    np.testing.assert_array_equal(draws[0], draws[2])
    kernel = model._kernel(graph, 0)
    np.testing.assert_allclose(np.cov(draws), kernel.k1(asked.to_numpy()), atol=0.03)
    np.testing.assert_allclose(draws.mean(axis=1), 0, atol=0.02)
    noisy = model.sample_y(asked, 40_000, with_noise=True)
    np.testing.assert_allclose(
        np.cov(noisy), kernel.k1(asked.to_numpy()) + kernel.k2.noise_level * np.eye(4), atol=0.04
    )
    assert kind(graph=graph).sample_y(table).shape == (110, 1)
    # Of a covariance that is given.
    tuned = model.fit(table[["node"]], y).tuned_clone()
    expected = model.process_.kernel_.k1(asked.to_numpy())
    found = np.cov(tuned.sample_y(asked, 40_000))
    np.testing.assert_allclose(found, expected, atol=0.05 * expected.max())


@both
def test_too_many_rows_are_not_drawn_together(graph, rows, kind, monkeypatch):
    monkeypatch.setattr(_draws, "_MOST_DRAWN", 100)
    model = kind(graph=graph)
    for one in (model, clone(model).fit(rows[0][["node"]], rows[1])):
        with pytest.raises(ValueError, match="X has 144 distinct rows; at most 100 can be drawn"):
            one.sample_y(named(np.arange(144)))
        assert one.sample_y(named(np.tile(np.arange(90), 3))).shape == (270, 1)


# --- files of earlier versions


@both
@ranked_or_not
def test_what_was_saved_before_there_were_weights_predicts(graph, rows, kind, ranked):
    table, y, _ = rows
    model = kind(graph=graph, normal_scores=ranked).fit(table, y)
    asked = all_nodes(table)
    expected = model.predict(asked, return_std=True, with_noise=True)
    # As such a file has it.
    one = model.__dict__.pop("_signals")[0]
    model._scaling, model._scores = one.scaling, one.scores
    del model.noise_variance_
    np.testing.assert_array_equal(model.predict(asked, return_std=True, with_noise=True), expected)
    assert model.sample_y(asked).shape == (144, 1)
    assert model.tuned_clone().kernel is not None
    with pytest.raises(ValueError, match="from a file of an earlier version: fit it again"):
        model.predict_out_of_fold(KFold(3).split(table))


@both
def test_of_noise_the_mean_is_not_known(graph, kind):
    """Where y goes with nothing deviations are those of a mean of so many rows.

    Without that, intervals for 90% would hold 0 at less than half of the nodes.
    """
    inside, apart = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        nodes = rng.choice(144, 20, replace=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*y goes with", UserWarning)
            model = kind(graph=graph).fit(named(nodes), rng.standard_normal(20))
        mean, std = model.predict(named(np.arange(144)), return_std=True)
        inside.append(np.abs(mean) <= 1.645 * std)
        apart.append(std.min())
        draws = model.sample_y(named(np.arange(144)), 400)
        np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.25)
    assert np.mean(inside) > 0.65
    assert np.median(apart) > 0.1
