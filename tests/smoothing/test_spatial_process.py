import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.model_selection import KFold, cross_val_predict, train_test_split

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphGaussianProcessRegressor,
    GraphSmoother,
    SpatialGaussianProcessRegressor,
)
from skginr.smoothing._normal_scores import NormalScores

RANGES = [0.1, 0.3, 1.0, 3.0]


@pytest.fixture(scope="module")
def field():
    """Places, a graph of them, and a field in space with noise."""
    rng = np.random.default_rng(0)
    places = 1e5 + 3e4 * rng.random((300, 2))
    x, y = (places - 1e5).T / 3e4
    signal = np.sin(5 * x) * np.cos(3 * y) + x
    return Graph.from_points(places), np.arange(300)[:, None], signal, rng


def covariances(places):
    """Every range's, by their formulas."""
    middle = np.median(np.linalg.norm(places - np.median(places, axis=0), axis=1))
    distances = cdist(places, places) / middle
    rough = [np.exp(-distances / reach) for reach in RANGES]
    steps = [np.sqrt(3) * distances / reach for reach in RANGES]
    return np.array([*rough, *[(1 + step) * np.exp(-step) for step in steps]])


def test_it_is_the_posterior_that_it_says(field):
    graph, X, signal, rng = field
    y = signal + 0.1 * rng.standard_normal(300)
    model = SpatialGaussianProcessRegressor(graph=graph).fit(X[::2], y[::2])
    kernel = model.process_.kernel_
    amplitudes, noise = kernel.k1.amplitudes, kernel.k2.noise_level
    K = np.tensordot(amplitudes, covariances(graph.positions), axes=1)
    system = K[::2, ::2] + (noise + 1e-8) * np.eye(150)
    mean, spread = y[::2].mean(), y[::2].std()
    expected = mean + K[:, ::2] @ np.linalg.solve(system, y[::2] - mean)
    variance = np.diag(K) + noise - np.sum(K[:, ::2].T * np.linalg.solve(system, K[::2]), axis=0)
    # And what the mean of all may be.
    left = 1 - K[:, ::2] @ np.linalg.solve(system, np.ones(150))
    variance += left**2 / np.linalg.solve(system, np.ones(150)).sum()
    predicted, std = model.predict(X, return_std=True, with_noise=True)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)
    np.testing.assert_allclose(std, spread * np.sqrt(variance), rtol=1e-5)
    assert model.noise_variance_ == pytest.approx(noise * spread**2)
    _, of_signal = model.predict(X, return_std=True)
    np.testing.assert_allclose(of_signal, spread * np.sqrt(variance - noise), rtol=1e-4)
    assert model.score(X[1::2], signal[1::2]) > 0.97
    assert np.sqrt(noise) * spread == pytest.approx(0.1, rel=0.3)


def test_the_gradient_of_the_likelihood_is_right(field):
    graph, X, signal, _ = field
    model = SpatialGaussianProcessRegressor(graph=graph).fit(X, signal)
    process = model.process_
    theta = process.kernel_.theta * 0.5 - 0.3
    _, gradient = process.log_marginal_likelihood(theta, eval_gradient=True)
    for i in range(len(theta)):
        step = np.eye(len(theta))[i] * 1e-5
        ends = [process.log_marginal_likelihood(theta + sign * step) for sign in (1, -1)]
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-4)


def test_it_falls_back_to_the_mean_far_away():
    """Where nothing is near, as far as the signal reaches, the mean and its spread are left."""
    rng = np.random.default_rng(0)
    places = rng.random((300, 2))
    y = np.sin(25 * places[:, 0]) * np.cos(25 * places[:, 1]) + 5
    far = np.linalg.norm(places - 1, axis=1) < 0.3
    X = np.arange(300)[:, None]
    model = SpatialGaussianProcessRegressor(graph=Graph.from_points(places)).fit(X[~far], y[~far])
    corner = np.argmin(np.linalg.norm(places - 1, axis=1))
    mean, std = model.predict(X[[corner]], return_std=True, with_noise=True)
    assert mean == pytest.approx([y[~far].mean()], abs=0.1)
    assert std == pytest.approx([y[~far].std()], rel=0.2)


def test_a_far_place_does_not_blind_it(field):
    graph, X, signal, _ = field
    positions = np.vstack([graph.positions, [[1e12, 1e12]]])
    apart = Graph.from_points(positions)
    model = SpatialGaussianProcessRegressor(graph=apart).fit(X[::2], signal[::2])
    assert model.score(X[1::2], signal[1::2]) > 0.97


def test_units_and_places_of_coordinates_do_not_matter(field):
    graph, X, signal, _ = field
    moved = Graph(graph.adjacency, positions=1e-7 * graph.positions[:, ::-1] + 3)
    first, second = (
        SpatialGaussianProcessRegressor(graph=g).fit(X[::2], signal[::2]).predict(X)
        for g in (graph, moved)
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_covariates_take_what_is_theirs(field):
    graph, X, signal, rng = field
    height = rng.standard_normal(300)
    table = pd.DataFrame({"node": X[:, 0], "height": height})
    y = signal + 2 * height
    train, test = train_test_split(np.arange(300), random_state=0)
    model = SpatialGaussianProcessRegressor(graph=graph).fit(table.iloc[train], y[train])
    assert model.score(table.iloc[test], y[test]) > 0.97


@pytest.mark.parametrize("kind", [SpatialGaussianProcessRegressor, GraphGaussianProcessRegressor])
@pytest.mark.parametrize("constant", [0.1, 1 / 3, 5.0, 1e-3])
def test_a_covariate_that_did_not_vary_says_nothing(field, kind, constant):
    graph, X, signal, _ = field
    table = pd.DataFrame({"node": X[:, 0], "flat": constant, "other": np.cos(X[:, 0])})
    model = kind(graph=graph).fit(table[::2], signal[::2])
    moved = model.predict(table[1::2].assign(flat=2 * constant))
    np.testing.assert_allclose(moved, model.predict(table[1::2]), atol=0.2 * signal.std())


@pytest.mark.parametrize("size", [1e-200, 1e300])
def test_sizes_of_covariates_do_not_matter(field, size):
    graph, X, signal, rng = field
    height = rng.standard_normal(300)
    tables = [pd.DataFrame({"node": X[:, 0], "height": s * height}) for s in (1, size)]
    first, second = (
        SpatialGaussianProcessRegressor(graph=graph).fit(t[::2], (signal + height)[::2]).predict(t)
        for t in tables
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("kind", [SpatialGaussianProcessRegressor, GraphGaussianProcessRegressor])
def test_splits_that_are_none_are_refused(field, kind):
    graph, X, signal, _ = field
    model = kind(graph=graph).fit(X, signal)
    with pytest.raises(TypeError, match=r"splits must be pairs .* Give list\(cv.split\(X, y\)\)"):
        model.predict_out_of_fold(KFold(3))
    overlapping = [(np.arange(300), test) for _, test in KFold(3).split(X)]
    with pytest.raises(
        ValueError, match="splits must train on other rows than it holds out; fold 0"
    ):
        model.predict_out_of_fold(overlapping)
    # Rows that count twice are no complement of those held out.
    twice = [(np.tile(train, 2), test) for train, test in KFold(3).split(X)]
    expected = cross_val_predict(model.tuned_clone(), X, signal, cv=twice)
    np.testing.assert_allclose(model.predict_out_of_fold(twice), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (Graph(nx.to_scipy_sparse_array(nx.path_graph(4))), "graph must have positions, for a"),
        (
            Graph(nx.to_scipy_sparse_array(nx.path_graph(4)), positions=np.ones((4, 2))),
            "its 4 nodes are at one place",
        ),
    ],
)
def test_graphs_without_places(graph, message):
    with pytest.raises(ValueError, match=message):
        SpatialGaussianProcessRegressor(graph=graph).fit([[0], [1], [2]], [1.0, 2.0, 4.0])


def test_noise_is_said_to_be_noise(field):
    graph, X, _, _ = field
    with pytest.warns(UserWarning, match="y goes with positions no more than noise would"):
        SpatialGaussianProcessRegressor(graph=graph).fit(X, np.random.default_rng(4).random(300))


def test_a_kernel_of_a_graph_is_none_of_space(field):
    graph, X, signal, _ = field
    kernel = GraphGaussianProcessRegressor(graph=graph).fit(X, signal).process_.kernel_
    noiseless = SpatialGaussianProcessRegressor(graph=graph).fit(X, signal).process_.kernel_.k1
    with pytest.raises(TypeError, match="kernel must be process_.kernel_ of a fitted Spatial"):
        SpatialGaussianProcessRegressor(graph=graph, kernel=noiseless).fit(X, signal)
    with pytest.raises(
        ValueError,
        match="kernel must be of a SpatialGaussianProcessRegressor on the same graph; this",
    ):
        SpatialGaussianProcessRegressor(graph=graph, kernel=kernel).fit(X, signal)


# --- rows held out, for both kinds of process


@pytest.mark.parametrize("normal_scores", [False, True])
@pytest.mark.parametrize("kind", [SpatialGaussianProcessRegressor, GraphGaussianProcessRegressor])
@pytest.mark.parametrize("case", ["nodes", "rows that are alike", "blocks with a buffer"])
def test_one_inverse_predicts_all_folds(field, kind, normal_scores, case):
    graph, X, signal, _ = field
    y = np.exp(signal)
    if case == "rows that are alike":
        X = np.repeat(X[::5], 3, axis=0)
        y = np.repeat(y[::5], 3) + 0.1 * np.random.default_rng(0).standard_normal(len(X))
    else:
        X, y = X[::2], y[::2]
    cv = KFold(4, shuffle=True, random_state=0)
    if case == "blocks with a buffer":
        cv = GraphBlockKFold(4, graph=graph, buffer=1)
    model = kind(graph=graph, normal_scores=normal_scores).fit(X, y)
    expected = cross_val_predict(model.tuned_clone(), X, y, cv=cv)
    np.testing.assert_allclose(model.predict_out_of_fold(cv.split(X)), expected, atol=2e-5)


def test_a_value_held_out_has_no_way_into_its_prediction(field):
    graph, X, signal, _ = field
    model = SpatialGaussianProcessRegressor(graph=graph, normal_scores=True).fit(X, signal)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    clean = model.predict_out_of_fold(splits)
    for _, test in splits:
        poisoned = signal.copy()
        poisoned[test] = 1e6
        tuned = model.tuned_clone().fit(X, poisoned)
        np.testing.assert_allclose(tuned.predict_out_of_fold(splits)[test], clean[test], atol=1e-6)


# --- normal scores


def test_scores_of_normal_values_are_the_values():
    values = np.random.default_rng(0).standard_normal(4000)
    scores = NormalScores(values)
    middle = np.abs(values) < 2
    np.testing.assert_allclose(scores.of(values)[middle], values[middle], atol=0.1)
    mean, std = scores.expected(np.array([0.5]), np.array([0.3]))
    assert mean == pytest.approx([0.5], abs=0.05)
    assert std == pytest.approx([0.3], abs=0.05)


def test_expectations_are_of_the_values_and_not_of_their_scores():
    values = np.exp(np.random.default_rng(0).standard_normal(20_000))
    mean, std = NormalScores(values).expected(np.zeros(1), np.full(1, 0.5))
    # Of a lognormal variable, whose median is 1.
    assert mean == pytest.approx([np.exp(0.125)], rel=0.03)
    assert std == pytest.approx([np.exp(0.125) * np.sqrt(np.exp(0.25) - 1)], rel=0.05)
    mean, std = NormalScores(values).expected(np.zeros(1), np.ones(1))
    assert (mean, std) == (
        pytest.approx([values.mean()], rel=0.01),
        pytest.approx([values.std()], rel=0.1),
    )


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).poisson(0.2, 80),
        np.r_[np.zeros(64), np.random.default_rng(0).gamma(2, 2, 16)],
        np.r_[np.zeros(79), 1.0],
        np.random.default_rng(0).standard_normal(80),
    ],
    ids=["counts", "mostly zero", "one of many", "normal"],
)
def test_what_is_expected_of_nothing_is_the_mean(values):
    mean, std = NormalScores(values.astype(float)).expected(np.zeros(1), np.ones(1))
    assert mean == pytest.approx([values.mean()], abs=0.02 * values.std() + 0.005)
    assert std == pytest.approx([values.std()], rel=0.2)


@pytest.mark.parametrize(("centre", "spread"), [(0.0, 1.0), (1.0, 0.3), (-2.0, 0.5), (0.3, 1e-3)])
def test_expectations_are_integrals(centre, spread):
    """Against a fine sum over what the score may be."""
    scores = NormalScores(np.random.default_rng(0).standard_cauchy(60))
    steps = np.linspace(-9, 9, 400_001)
    shares = np.exp(-0.5 * steps**2)
    values = np.interp(centre + spread * steps, scores.scores, scores.values)
    expected = np.average(values, weights=shares)
    deviation = np.sqrt(np.average((values - expected) ** 2, weights=shares))
    mean, std = scores.expected(np.array([centre]), np.array([spread]))
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(std, deviation, rtol=1e-4)


def test_values_that_are_alike_have_one_score():
    scores = NormalScores(np.array([0.0, 0.0, 0.0, 1.0, 5.0, 5.0]))
    np.testing.assert_allclose(scores.scores, [-0.6744898, 0.2104284, 0.9674216], atol=1e-6)
    # Level from the middle of the first row of a value to that of its last.
    np.testing.assert_allclose(scores.expected(np.array([-1.3, -0.3]), np.zeros(2))[0], 0)
    np.testing.assert_allclose(scores.expected(np.array([0.8, 3.0]), np.zeros(2))[0], 5)
    constant = NormalScores(np.full(4, 3.0))
    np.testing.assert_allclose(constant.expected(np.array([9.0]), np.array([2.0]))[0], 3.0)


def test_outliers_bend_scores_less_than_values(field):
    graph, X, signal, _ = field
    rng = np.random.default_rng(1)
    y = signal + 0.3 * rng.standard_t(1.5, 300)
    train, test = train_test_split(np.arange(300), random_state=0)
    straight, ranked = (
        SpatialGaussianProcessRegressor(graph=graph, normal_scores=normal_scores)
        .fit(X[train], y[train])
        .score(X[test], signal[test])
        for normal_scores in (False, True)
    )
    smoothed = GraphSmoother(graph=graph).fit(X[train], y[train]).score(X[test], signal[test])
    assert ranked > max(straight, smoothed) + 0.02


def test_intervals_of_scores_cover_what_is_skewed(field):
    graph, X, signal, rng = field
    y = np.exp(signal + 0.2 * rng.standard_normal(300))
    train, test = train_test_split(np.arange(300), random_state=0)
    model = SpatialGaussianProcessRegressor(graph=graph, normal_scores=True)
    mean, std = model.fit(X[train], y[train]).predict(X[test], return_std=True, with_noise=True)
    assert 0.85 <= np.mean(np.abs(y[test] - mean) < 1.96 * std) <= 1


def test_normal_scores_is_a_flag(field):
    graph, X, signal, _ = field
    with pytest.raises(TypeError, match="normal_scores must be"):
        SpatialGaussianProcessRegressor(graph=graph, normal_scores="yes").fit(X, signal)


# --- covariates, for both kinds of process


@pytest.mark.parametrize("kind", [SpatialGaussianProcessRegressor, GraphGaussianProcessRegressor])
def test_what_is_linear_goes_on_beyond_what_was_seen(field, kind):
    graph, X, signal, rng = field
    height = rng.standard_normal(300)
    table = pd.DataFrame({"node": X[:, 0], "height": height})
    seen = height < 1
    y = 3 * height + 0.3 * signal
    model = kind(graph=graph).fit(table[seen], y[seen])
    error = y[~seen] - model.predict(table[~seen])
    assert np.abs(error).max() < 0.1 * np.ptp(y)


def test_lengths_are_told_apart_where_rows_do(field):
    graph, X, signal, rng = field
    covariates = rng.standard_normal((300, 10))
    table = pd.DataFrame(covariates).set_axis([f"c{i}" for i in range(10)], axis=1)
    table.insert(0, "node", X[:, 0])

    def lengths(y):
        model = SpatialGaussianProcessRegressor(graph=graph).fit(table[: len(y)], y)
        return model.process_.kernel_.k1.k1.k2.k2.length_scale

    # Of ten covariates none has to do with the signal, or one.
    assert np.size(lengths(signal[:40])) == 1
    found = lengths(np.sin(2 * covariates[:, 0]) + 0.1 * rng.standard_normal(300))
    assert found[0] < 0.3 * found[1:].min()
