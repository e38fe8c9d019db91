import mpmath
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict

from skginr import Graph, GraphBlockKFold, GraphGaussianProcessRegressor, GraphSmoother
from skginr.graphs._laplacians import laplacian_of
from skginr.smoothing import _penalised, _penalty


@pytest.fixture(scope="module")
def sphere():
    """A triangulated sphere of 600 vertices."""
    from scipy.spatial import ConvexHull

    i = np.arange(600) + 0.5
    polar, azimuth = np.arccos(1 - i / 300), np.pi * (1 + 5**0.5) * i
    ring = np.sin(polar)
    points = np.column_stack([ring * np.cos(azimuth), ring * np.sin(azimuth), np.cos(polar)])
    return Graph.from_mesh(points, ConvexHull(points).simplices)


def dense_answer(graph, laplacian, order, kappa, alpha, nodes, y, covariates):
    """Signal and coefficients from the normal equations of everything at once."""
    operator = laplacian_of(graph, laplacian)
    B = operator.stiffness.toarray() + kappa**2 * np.diag(operator.mass)
    Q = B.copy()
    for _ in range(order - 1):
        Q = B @ (Q / operator.mass[:, None])
    rows = np.zeros((len(y), graph.n_nodes))
    rows[np.arange(len(y)), nodes] = 1
    design = np.hstack([rows, np.ones((len(y), 1)), covariates])
    system = design.T @ design
    system[: graph.n_nodes, : graph.n_nodes] += alpha * Q
    solution = np.linalg.lstsq(system, design.T @ y, rcond=1e-13)[0]
    n = graph.n_nodes
    return solution[:n] + solution[n], solution[n + 1 :]


@pytest.mark.parametrize("kappa", [0.0, 0.4])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric", "random_walk", "cotangent"])
def test_it_minimises_what_it_says(sphere, laplacian, order, kappa):
    rng = np.random.default_rng(0)
    nodes = rng.integers(0, 600, 500)
    covariates = rng.standard_normal((500, 2))
    y = rng.standard_normal(500) + 40 + covariates @ [3.0, -1.0]
    for alpha in (1e-3, 0.3, 30.0):
        smoother = GraphSmoother(
            graph=sphere, laplacian=laplacian, order=order, alpha=alpha, kappa=kappa
        ).fit(np.column_stack([nodes, covariates]), y)
        signal, coefficients = dense_answer(
            sphere, laplacian, order, kappa, alpha, nodes, y, covariates
        )
        np.testing.assert_allclose(smoother.signal_, signal, atol=1e-8 * np.abs(signal).max())
        np.testing.assert_allclose(smoother.coef_, coefficients, atol=1e-8)


@pytest.mark.parametrize("alpha", [1e-6, 1e-2, 1e4])
def test_every_way_to_solve_gives_the_same(sphere, alpha, monkeypatch):
    rng = np.random.default_rng(1)
    half = sphere.positions[:, 2] > 0  # a hole the size of a hemisphere
    X, y = sphere.labels[half].to_frame(), rng.standard_normal(half.sum())
    smoother = GraphSmoother(graph=sphere, laplacian="symmetric", order=2, alpha=alpha)
    expected = smoother.fit(X, y).signal_
    monkeypatch.setattr(_penalised, "_DIAGONAL", 0)
    np.testing.assert_allclose(smoother.fit(X, y).signal_, expected, atol=1e-6)
    monkeypatch.setattr(_penalised, "_FACTORED", 0)
    np.testing.assert_allclose(smoother.fit(X, y).signal_, expected, atol=1e-6)


def test_weak_smoothing_interpolates_a_path_linearly():
    path = Graph.from_networkx(nx.path_graph(11))
    smoother = GraphSmoother(graph=path, alpha=1e-6).fit([[0], [10]], [0.0, 10.0])
    np.testing.assert_allclose(smoother.signal_, np.arange(11), atol=1e-3)


def test_second_order_interpolates_cubics():
    path = Graph.from_networkx(nx.path_graph(12))
    x = np.delete(np.arange(12), 6)
    first, second = (
        GraphSmoother(graph=path, order=order, alpha=1e-5).fit(x[:, None], x**3).predict([[6]])
        for order in (1, 2)
    )
    assert first[0] == pytest.approx((5**3 + 7**3) / 2, rel=1e-3)
    assert second[0] == pytest.approx(6**3, rel=1e-3)


def test_strong_smoothing_is_the_mean_and_shifts_pass_through(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    flat = GraphSmoother(graph=grid, alpha=1e7).fit(X, y)
    np.testing.assert_allclose(flat.signal_, y.mean(), atol=1e-4)
    for laplacian in ("combinatorial", "symmetric"):
        first, shifted = (
            GraphSmoother(graph=grid, laplacian=laplacian, alpha=1.0).fit(X, y + c).signal_
            for c in (0, 1e6)
        )
        np.testing.assert_allclose(shifted - 1e6, first, atol=1e-6)


def test_a_constant_is_predicted_as_such_whatever_the_degrees():
    star = Graph.from_networkx(nx.star_graph(12))
    smoother = GraphSmoother(graph=star, laplacian="symmetric", order=2, alpha=1e-3)
    smoother.fit([[i] for i in range(1, 9)], np.full(8, 5.0))
    np.testing.assert_allclose(smoother.signal_, 5.0, atol=1e-6)


def test_an_unobserved_island_gets_the_mean(archipelago):
    smoother = GraphSmoother(graph=archipelago, alpha=1.0)
    smoother.fit([[0], [5], [30]], [1.0, 2.0, 6.0])
    mean, std = smoother.predict([[35], [31]], return_std=True)
    assert mean[0] == pytest.approx(3.0)
    np.testing.assert_allclose(smoother.predict([[31], [34]]), 6.0, atol=1e-6)
    assert np.isinf(std[0])
    assert np.isfinite(std[1])


# --- the strength


def test_the_strength_chosen_is_the_best_of_a_grid_search(sphere):
    rng = np.random.default_rng(2)
    y = sphere.positions[:, 0] * sphere.positions[:, 1] + 0.2 * rng.standard_normal(600)
    X = sphere.labels.to_frame()
    folds = KFold(5, shuffle=True, random_state=3)
    chosen = GraphSmoother(graph=sphere, order=2, cv=folds).fit(X, y)
    grid = {"alpha": chosen.alpha_ * 10.0 ** np.arange(-3, 3.1, 0.5)}
    search = GridSearchCV(
        GraphSmoother(graph=sphere, order=2), grid, cv=folds, scoring="neg_mean_squared_error"
    ).fit(X, y)
    assert search.best_params_["alpha"] == pytest.approx(chosen.alpha_)
    best = chosen.cv_results_.set_index("alpha")["r2"]
    assert best.idxmax() == pytest.approx(chosen.alpha_)
    # Pooled over the folds, as the search's own score says.
    assert best.max() == pytest.approx(1 + search.best_score_ / y.var(), abs=1e-4)


def test_more_noise_is_smoothed_more(sphere):
    rng = np.random.default_rng(4)
    X, noise = sphere.labels.to_frame(), rng.standard_normal(600)
    strengths = [
        GraphSmoother(graph=sphere, order=2).fit(X, sphere.positions[:, 2] + s * noise).alpha_
        for s in (1e-6, 0.1, 1.0)
    ]
    assert strengths == sorted(set(strengths))


def test_the_strength_follows_the_folds(grid, grid_table):
    rng = np.random.default_rng(5)
    X, y = grid_table[["node"]], grid_table["signal"] + rng.standard_normal(len(grid_table))
    blocks = GraphBlockKFold(4, graph=grid)
    by_blocks = GraphSmoother(graph=grid, cv=blocks).fit(X, y)
    scores = [
        GraphSmoother(graph=grid, alpha=a).fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test])
        for a in by_blocks.cv_results_["alpha"]
        for train, test in [next(blocks.split(X))]
    ]
    assert len({round(float(s[0]), 6) for s in scores}) > 1  # strengths differ in what they say
    assert clone(by_blocks).fit(X, y).alpha_ == by_blocks.alpha_


def test_the_scale_of_weights_changes_nothing_but_alpha(sphere):
    X, y = sphere.labels.to_frame(), sphere.positions[:, 0] ** 2
    heavy = Graph.from_adjacency(1e3 * sphere.adjacency)
    first, second = (
        GraphSmoother(graph=graph, order=2).fit(X[::2], y[::2]) for graph in (sphere, heavy)
    )
    np.testing.assert_allclose(first.signal_, second.signal_, atol=1e-8)
    assert first.alpha_ == pytest.approx(1e6 * second.alpha_)


# --- standard deviations


def test_standard_deviations_are_those_of_the_process(sphere):
    """Against the dense posterior; and they cover what they should."""
    rng = np.random.default_rng(6)
    operator = laplacian_of(sphere, "random_walk")
    B = operator.stiffness.toarray() + 0.3**2 * np.diag(operator.mass)
    Q = B @ (B / operator.mass[:, None])
    covariance = np.linalg.inv(Q)
    root = np.linalg.cholesky(covariance)
    noise, observed = 0.1 * covariance.diagonal().mean() ** 0.5, np.arange(0, 600, 2)
    held_out = np.arange(1, 600, 2)
    covered = []
    for _ in range(20):
        truth = root @ rng.standard_normal(600)
        y = truth[observed] + noise * rng.standard_normal(300)
        smoother = GraphSmoother(
            graph=sphere, laplacian="random_walk", order=2, alpha=noise**2, kappa=0.3
        ).fit(observed[:, None], y)
        mean, std = smoother.predict(held_out[:, None], return_std=True)
        covered.append(np.abs(mean - truth[held_out]) < 1.96 * std)
    assert 0.92 < np.mean(covered) < 0.98
    K = covariance[np.ix_(observed, observed)] + noise**2 * np.eye(300)
    cross = covariance[np.ix_(held_out, observed)]
    gain = 1 - np.linalg.solve(K, cross.T).T.sum(axis=1)
    variance = covariance[held_out, held_out] - np.einsum(
        "ij,ji->i", cross, np.linalg.solve(K, cross.T)
    )
    variance += gain**2 / np.linalg.inv(K).sum()
    expected = np.sqrt(variance * smoother.noise_variance_) / noise
    np.testing.assert_allclose(std, expected, rtol=1e-6)


# --- at the door


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0.0}, "alpha must be greater than 0"),
        ({"order": 0}, "order must be at least 1"),
        ({"kappa": -1.0}, "kappa must be at least 0"),
        ({"laplacian": "graph"}, "laplacian must be one of"),
        ({"laplacian": "cotangent"}, "needs the faces of a mesh"),
    ],
)
def test_unfit_parameters_are_refused(grid, grid_table, parameters, message):
    with pytest.raises(ValueError, match=message):
        GraphSmoother(graph=grid, **parameters).fit(grid_table[["node"]], grid_table["signal"])


def test_covariates_must_be_numbers_and_known(grid, grid_table):
    X, y = grid_table[["node"]].assign(age=1.0), grid_table["signal"]
    with pytest.raises(ValueError, match=r"X\['age'\] must be finite"):
        GraphSmoother(graph=grid).fit(X.assign(age=np.nan), y)
    with pytest.raises(TypeError, match=r"X\['age'\] must hold real numbers"):
        GraphSmoother(graph=grid).fit(X.assign(age="old"), y)
    smoother = GraphSmoother(graph=grid).fit(X, y)
    assert smoother.coef_ == [0]  # a constant says nothing that the signal cannot
    with pytest.raises(ValueError, match="feature names"):
        smoother.predict(X[["node"]])


def test_heavy_weights_do_not_pull_components_together():
    two = np.kron(np.eye(2), nx.to_numpy_array(nx.path_graph(4)))
    smoother = GraphSmoother(graph=Graph.from_adjacency(1e4 * two), order=3, alpha=1.0)
    smoother.fit([[0], [3], [4], [7]], [0.0, 0.0, 10.0, 10.0])
    np.testing.assert_allclose(smoother.signal_, [0] * 4 + [10] * 4, atol=1e-6)


def test_parameters_set_after_fit_wait_for_the_next(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    smoother = GraphSmoother(graph=grid, alpha=1.0).fit(X, y)
    expected = smoother.predict(X)
    smoother.set_params(graph=Graph.from_adjacency(grid.adjacency, labels=grid.labels[::-1]))
    np.testing.assert_array_equal(smoother.predict(X), expected)


def test_numbers_at_their_limits_are_refused():
    path = Graph.from_networkx(nx.path_graph(6))
    with pytest.raises(ValueError, match="alpha=5e-324 is too small"):
        GraphSmoother(graph=path, alpha=5e-324).fit([[0], [1]], [0.0, 1.0])
    with pytest.raises(ValueError, match="alpha=1e\\+300 is too large"):
        GraphSmoother(graph=path, alpha=1e300).fit([[0], [1]], [0.0, 1.0])
    with pytest.raises(ValueError, match="y is too large"):
        GraphSmoother(graph=path).fit([[0], [1]], [1.7e308, 1.7e308])
    with pytest.raises(ValueError, match="at least 2 rows"):
        GraphSmoother(graph=path).fit([[0]], [1.0])


def test_held_out_signals_tell_nothing(grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    first = GraphSmoother(graph=grid).fit(X[:80], y[:80])
    poisoned = pd.concat([y[:80], y[80:] + 1e6])
    second = GraphSmoother(graph=grid).fit(X[:80], poisoned[:80])
    np.testing.assert_array_equal(first.signal_, second.signal_)


def test_out_of_fold_predictions_are_those_of_cross_validation(sphere):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.permutation(600)[:400], rng.standard_normal((400, 1))])
    y = sphere.positions[X[:, 0].astype(int), 2] ** 2 + 0.1 * X[:, 1]
    smoother = GraphSmoother(graph=sphere, order=2).fit(X, y)
    splits = list(KFold(7, shuffle=True, random_state=0).split(X))
    expected = cross_val_predict(smoother.tuned_clone(), X, y, cv=splits)
    np.testing.assert_allclose(smoother.predict_out_of_fold(splits), expected, atol=1e-5)
    some = smoother.predict_out_of_fold(splits[1:])
    assert np.flatnonzero(np.isnan(some)).tolist() == sorted(splits[0][1])
    seen = ~np.isnan(some)
    np.testing.assert_allclose(some[seen], expected[seen], atol=1e-5)
    with pytest.raises(ValueError, match="splits must hold out every row once"):
        smoother.predict_out_of_fold([*splits, splits[0]])


def test_strong_strengths_share_a_factor(sphere, monkeypatch):
    made = []
    solver = _penalty.positive_definite_solver
    monkeypatch.setattr(
        _penalty, "positive_definite_solver", lambda matrix: made.append(1) or solver(matrix)
    )
    X, rng = np.arange(600)[:, None], np.random.default_rng(0)
    y = sphere.positions[:, 2] + 3 * rng.standard_normal(600)
    smoother = GraphSmoother(graph=sphere, order=2).fit(X, y)
    strong = smoother.cv_results_["alpha"] * smoother._problem_.penalty.scale > 300
    assert strong.sum() > len(made) > 0
    # And is not kept.
    assert smoother._problem_.penalty.factored_at is None
    exact = GraphSmoother(graph=sphere, order=2, alpha=smoother.alpha_).fit(X, y)
    np.testing.assert_allclose(smoother.signal_, exact.signal_, atol=1e-9)


def test_a_factor_is_let_go_of_where_an_error_is_raised(sphere):
    penalty = _penalty.Penalty(laplacian_of(sphere, "combinatorial"), order=2)

    def interrupted():
        with penalty.at_hand():
            penalty.preconditioner(3.0, np.ones(600))
            assert penalty.factored_at == 3.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert penalty.factored_at is None


@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric"])
@pytest.mark.parametrize(("offset", "scale"), [(1e6, 1.0), (0.0, 1e-100), (-3e4, 1e3)])
def test_place_and_unit_of_a_covariate_mean_nothing(sphere, laplacian, offset, scale):
    rng = np.random.default_rng(0)
    covariate, X = rng.random(600), np.arange(600)
    y = sphere.positions[:, 0] + 2 * covariate
    moved = scale * covariate + offset
    fits = [
        GraphSmoother(graph=sphere, laplacian=laplacian, alpha=0.1).fit(table[::2], y[::2])
        for table in (np.column_stack([X, covariate]), np.column_stack([X, moved]))
    ]
    np.testing.assert_allclose(fits[1].coef_ * scale, fits[0].coef_, rtol=1e-6)
    np.testing.assert_allclose(
        fits[1].predict(np.column_stack([X, moved])),
        fits[0].predict(np.column_stack([X, covariate])),
        atol=1e-7,
    )


def test_covariates_where_nothing_was_observed(archipelago):
    covariate = 2000 + np.arange(36) % 7
    X, y = np.column_stack([np.arange(36), covariate]), 0.5 * covariate
    fitted = GraphSmoother(graph=archipelago, alpha=1.0).fit(X[:30], y[:30])
    with pytest.warns(UserWarning, match="6 of 6 rows of X name nodes of 2 connected components"):
        np.testing.assert_allclose(fitted.predict(X[30:]), y[30:], atol=1e-6)


def test_what_is_unknown_is_so_without_noise(archipelago):
    fitted = GraphSmoother(graph=archipelago, alpha=1.0).fit([[0], [1]], [3.0, 3.0])
    _, std = fitted.predict([[0], [32]], return_std=True)
    assert std.tolist() == [0.0, np.inf]


def test_noise_is_estimated_without_bias():
    pairs = Graph.from_adjacency(np.kron(np.eye(100), [[0, 1.0], [1, 0]]))
    ring = Graph.from_networkx(nx.cycle_graph(4))
    for graph, laplacian in ((pairs, "combinatorial"), (pairs, "symmetric"), (ring, "symmetric")):
        smoother = GraphSmoother(graph=graph, laplacian=laplacian, alpha=1e5)
        X = np.arange(graph.n_nodes)[:, None]
        draws = np.random.default_rng(0).standard_normal((200, graph.n_nodes))
        noise = [smoother.fit(X, y).noise_variance_ for y in draws]
        assert np.mean(noise) == pytest.approx(1, abs=0.12)


def test_folds_may_be_masks_and_must_be_folds(sphere):
    X = np.arange(600)[:, None]
    y = sphere.positions[:, 0] + 0.1 * np.random.default_rng(0).standard_normal(600)
    splits = list(KFold(4, shuffle=True, random_state=0).split(X))
    masks = [(np.isin(X[:, 0], train), np.isin(X[:, 0], test)) for train, test in splits]
    first, second = (GraphSmoother(graph=sphere, cv=cv).fit(X, y).alpha_ for cv in (splits, masks))
    assert first == second
    for cv, message in (
        ([], "cv must have at least one fold"),
        (KFold, "cv must be a number of folds, a splitter"),
        (True, "cv must be"),
        ([(np.array([], int), np.arange(600))], "a fold of cv trains on no rows"),
        ([(np.arange(700), np.arange(5))], "cv must name rows 0 to 599"),
        ([(np.arange(5.0), np.arange(5))], "cv must hold row numbers"),
        ([1], "cv must hold pairs"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            GraphSmoother(graph=sphere, cv=cv).fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[0], [1]], np.ma.masked_array([1.0, 2], [0, 1]), "y must not be a masked array"),
        (np.ma.masked_array([[0], [1]]), [1.0, 2], "X must not be a masked array"),
        ([[0], [1]], ["1", "2"], "y must hold real numbers"),
        ([[0], [1]], pd.date_range("2020", periods=2), "y must hold real numbers"),
        ([[np.nan, 1.0], [1, 2.0]], [1.0, 2], "X"),
        ([[0], [1]], None, "y must be the signal"),
    ],
)
def test_what_is_no_number_is_not_read_as_one(sphere, X, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        GraphSmoother(graph=sphere, alpha=1.0).fit(X, y)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_nodes_joined_as_one_do_not_set_the_scale_of_all(order):
    lattice = nx.grid_2d_graph(25, 25)
    places = np.array(list(lattice))
    signal = np.sin(places[:, 0] / 5) + places[:, 1] / 20
    rows = np.random.default_rng(0).permutation(625)
    train, test = rows[:300], rows[300:]
    predictions = []
    for weight in (1e4, 1e8, 1e13):
        adjacency = sp.lil_array(nx.to_scipy_sparse_array(lattice, dtype=float))
        adjacency[100, 101] = adjacency[101, 100] = weight
        smoother = GraphSmoother(graph=Graph.from_adjacency(sp.csr_array(adjacency)), order=order)
        smoother.fit(train[:, None], signal[train])
        assert smoother.score(test[:, None], signal[test]) > 0.997
        predictions.append(smoother.predict(np.arange(625)[:, None]))
    # But for the two, which are as one.
    others = np.delete(np.arange(625), [100, 101])
    for heavier in predictions[1:]:
        np.testing.assert_allclose(heavier[others], predictions[0][others], atol=2e-2)
        assert abs(heavier[100] - heavier[101]) < 1e-3


def test_a_process_where_two_nodes_are_joined_as_one():
    lattice = nx.grid_2d_graph(20, 20)
    signal = np.sin(np.array(list(lattice))[:, 0] / 4)
    adjacency = sp.lil_array(nx.to_scipy_sparse_array(lattice, dtype=float))
    adjacency[100, 101] = adjacency[101, 100] = 1e10
    graph = Graph.from_adjacency(sp.csr_array(adjacency))
    process = GraphGaussianProcessRegressor(graph=graph, laplacian="combinatorial")
    process.fit(np.arange(0, 400, 2)[:, None], signal[::2])
    assert process.score(np.arange(1, 400, 2)[:, None], signal[1::2]) > 0.99


# --- what is not known


@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric"])
@pytest.mark.parametrize(
    ("nodes", "covariates"),
    [
        ([0], 0),  # one row
        (range(0, 30, 3), 0),  # one on each of ten islands
        ([0], 1),  # a covariate more than there are rows
        ([0, 1], 1),
    ],
)
def test_where_no_row_tells_the_noise_nothing_is_known(laplacian, nodes, covariates):
    islands = Graph.from_adjacency(np.kron(np.eye(10), nx.to_numpy_array(nx.path_graph(3))))
    nodes, rng = np.array(nodes), np.random.default_rng(0)
    X = np.column_stack([nodes, rng.random((len(nodes), covariates))])
    smoother = GraphSmoother(graph=islands, laplacian=laplacian, alpha=1.0, node=0)
    smoother.fit(X if covariates else nodes[:, None], 7.0 + nodes)
    if laplacian == "symmetric" and len(nodes) == 10:
        # A constant and the roots of the degrees on ten islands: as many as rows, too.
        assert smoother.noise_variance_ in (np.inf, pytest.approx(0, abs=1e-20))
        return
    assert smoother.noise_variance_ == np.inf
    everywhere = np.column_stack([np.arange(30), rng.random((30, covariates))])
    _, std = smoother.predict(everywhere if covariates else everywhere[:, :1].astype(int), True)
    assert (std == np.inf).all()


def test_standard_deviations_allow_for_other_strengths(grid, grid_table):
    """Against dense posteriors at every strength that counts, each of weight by its errors."""
    rng = np.random.default_rng(3)
    X = grid_table[["node"]]
    y = grid_table["signal"].to_numpy() + 0.4 * rng.standard_normal(108)
    train, test = np.arange(108) % 2 == 0, np.arange(108) % 2 == 1
    smoother = GraphSmoother(graph=grid).fit(X[train], y[train])
    table = smoother.cv_results_
    errors = (1 - table["r2"]) * ((y[train] - y[train].mean()) ** 2).sum()
    likelihood = errors ** (-train.sum() / 2)
    counts = table["weight"] > 0
    assert counts.sum() > 2
    np.testing.assert_allclose(table["weight"].sum(), 1)
    expected = likelihood.where(counts, 0) / likelihood[counts].sum()
    np.testing.assert_allclose(table["weight"], expected, rtol=1e-6)
    others = likelihood[~counts] / likelihood.max()
    assert (others < 0.05).all() or counts.sum() >= 8
    mean, std = smoother.predict(X[test], return_std=True)
    np.testing.assert_array_equal(mean, smoother.predict(X[test]))
    L, rows = laplacian_of(grid, "combinatorial").stiffness.toarray(), np.flatnonzero(train)
    variance = np.zeros(test.sum())
    for alpha, weight in table.loc[counts, ["alpha", "weight"]].to_numpy():
        inverse = np.linalg.inv(np.diag(train.astype(float)) + alpha * L)
        signal = inverse @ np.where(train, y, 0.0)
        loss = ((y - signal)[rows] ** 2).sum() + alpha * signal @ L @ signal
        spread = inverse.diagonal()[test] * loss / (len(rows) - 1)
        variance += weight * (spread + (signal[test] - mean) ** 2)
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-6)
    # A strength that is given is taken for known.
    _, known = smoother.tuned_clone().fit(X[train], y[train]).predict(X[test], return_std=True)
    assert np.abs(known / std - 1).max() > 1e-4


@pytest.mark.parametrize("order", [1, 2])
def test_nominal_intervals_hold_at_a_strength_that_was_chosen(order):
    """``benchmarks/interval_coverage.py`` in small."""
    lattice = nx.to_numpy_array(nx.grid_2d_graph(12, 12))
    values, vectors = np.linalg.eigh(np.diag(lattice.sum(axis=1)) - lattice)
    root = vectors[:, 1:] * values[1:] ** (-order / 2)
    root *= (len(root) / (root**2).sum()) ** 0.5
    graph, covered = Graph.from_adjacency(lattice), []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth, nodes = root @ rng.standard_normal(143), rng.permutation(144)
        y = truth[nodes[:70]] + 0.3 * rng.standard_normal(70)
        smoother = GraphSmoother(graph=graph, order=order).fit(nodes[:70, None], y)
        mean, std = smoother.predict(nodes[70:, None], return_std=True)
        covered.append((np.abs(mean - truth[nodes[70:]]) < 1.645 * std).mean())
    assert 0.84 < np.mean(covered) < 0.96


# --- weights of very different sizes


def many_digits(weights, order, alpha, nodes, y):
    """The signal to 15 digits, by a system of 500."""
    n = len(weights)
    with mpmath.workdps(500):
        L = mpmath.zeros(n)
        for i, j in np.argwhere(weights).tolist():
            L[i, j] -= mpmath.mpf(float(weights[i, j]))
            L[i, i] += mpmath.mpf(float(weights[i, j]))
        system, right = alpha * L**order, mpmath.zeros(n, 1)
        for node, value in zip(nodes, y, strict=True):
            system[node, node] += 1
            right[node] += value
        return np.array([float(value) for value in mpmath.lu_solve(system, right)])


def two_paths(weight):
    """Two paths of five nodes, joined end to end."""
    weights = np.kron(np.eye(2), nx.to_numpy_array(nx.path_graph(5)))
    weights[4, 5] = weights[5, 4] = weight
    return weights


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("weight", [1e-5, 1e-8, 1e-10, 1e6, 1e9, 1e13, 1e100])
@pytest.mark.parametrize("nodes", [[0, 2, 4], [0, 2, 7, 9], [0, 9]])
def test_weak_and_strong_links_are_seen(order, weight, nodes):
    if weight < 1e-9 and np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("needs long doubles")
    y = [1.0, 2.0, 5.0, 10.0][: len(nodes)]
    exact = many_digits(two_paths(weight), order, 0.7, nodes, y)
    smoother = GraphSmoother(graph=Graph.from_adjacency(two_paths(weight)), order=order, alpha=0.7)
    signal = smoother.fit(np.array(nodes)[:, None], y).signal_
    np.testing.assert_allclose(signal, exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_trees_of_mixed_weights(order):
    """At order 3 they were off by 15 percent, and more."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights = np.zeros((8, 8))
        for node in range(1, 8):
            parent = rng.integers(0, node)
            weights[node, parent] = weights[parent, node] = 10 ** rng.uniform(-2.7, 2.07)
        nodes, y = rng.permutation(8)[:4].tolist(), rng.standard_normal(4).tolist()
        smoother = GraphSmoother(graph=Graph.from_adjacency(weights), order=order, alpha=1e-3)
        signal = smoother.fit(np.array(nodes)[:, None], y).signal_
        exact = many_digits(weights, order, 1e-3, nodes, y)
        np.testing.assert_allclose(signal, exact, atol=1e-9 * np.abs(exact).max())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_links_that_rounding_takes_are_told(order, capfd):
    smoother = GraphSmoother(graph=Graph.from_adjacency(two_paths(1e-20)), order=order, alpha=1.0)
    with pytest.warns(UserWarning, match=f"with order={order} rounding decides what is predicted"):
        smoother.fit([[0], [2], [4]], [1.0, 2.0, 5.0])
    # Where both sides were observed, nothing hangs on it.
    nodes, y = [0, 2, 7, 9], [1.0, 2.0, 5.0, 10.0]
    signal = smoother.fit(np.array(nodes)[:, None], y).signal_
    exact = many_digits(two_paths(1e-20), order, 1.0, nodes, y)
    np.testing.assert_allclose(signal, exact, rtol=1e-9)
    # CHOLMOD writes to the stream itself.
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", [1, 2, 3])
def test_no_library_writes_of_a_preconditioner_that_is_not_definite(order, capfd):
    big = nx.to_numpy_array(nx.grid_2d_graph(40, 40))
    weights = np.kron(np.eye(2), big)
    weights[0, 1600] = weights[1600, 0] = 1e-20
    rng = np.random.default_rng(0)
    smoother = GraphSmoother(graph=Graph.from_adjacency(weights), order=order)
    with pytest.warns(UserWarning, match="rounding decides"):
        smoother.fit(np.arange(0, 1600, 2)[:, None], rng.standard_normal(800))
    assert capfd.readouterr().err == ""


def test_variances_behind_weak_links():
    weights = two_paths(1e-6)
    smoother = GraphSmoother(graph=Graph.from_adjacency(weights), order=2, alpha=0.7)
    smoother.fit([[0], [2], [4]], [1.0, 2.0, 5.0])
    _, std = smoother.predict(np.arange(10)[:, None], return_std=True)
    for node in range(10):
        column = many_digits(weights, 2, 0.7, [0, 2, 4, node], [0, 0, 0, 1.0])
        # Of a row more, by the formula of Sherman and Morrison.
        inverse = column[node] / (1 - column[node])
        expected = np.sqrt(inverse * smoother.noise_variance_)
        if column[node] < 0.999:
            np.testing.assert_allclose(std[node], expected, rtol=1e-6)
        else:
            assert std[node] > 30 * np.sqrt(smoother.noise_variance_)
