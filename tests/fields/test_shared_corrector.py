"""SharedCorrector: what is learned of signals on some graphs holds on graphs never seen."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneGroupOut

from skginr import Graph, GraphSmoother, SharedCorrector, SIRENRegressor, load, save
from skginr.fields import _local_features as features
from skginr.fields import _local_kernel as kernels
from skginr.fields import _shared_corrector as shared


def bumpy_sphere(n_times, seed=None):
    """A subdivided icosahedron, with bumps that a seed draws."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(corner, shift) for shift in range(3) for corner in corners])
    near = np.linalg.norm(corners[:, None] - corners, axis=2) < 2.1
    faces = [
        (i, j, k)
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    # Counter-clockwise from outside.
    faces = [f if np.linalg.det(corners[list(f)]) > 0 else f[::-1] for f in faces]
    graph, _ = Graph.from_mesh(corners, np.array(faces)).refine(n_times)
    points = graph.positions / np.linalg.norm(graph.positions, axis=1, keepdims=True)
    if seed is not None:
        points = points * (1 + 0.15 * waves(4 * points, seed)[:, None])
    return Graph.from_mesh(points, graph.faces)


def waves(points, seed):
    """A smooth field in space: of about one wave in six units."""
    rng = np.random.default_rng(seed)
    directions, phases = rng.standard_normal((30, 3)), rng.uniform(0, 7, 30)
    return np.cos(points @ directions.T + phases).mean(axis=1) * 30**0.5


def field(graph, seed):
    """As smooth beside an edge on every graph."""
    edge = np.linalg.norm(np.diff(graph.positions[graph.faces[:, :2]], axis=1), axis=2).mean()
    return waves(graph.positions / edge / 3, seed)


GRAPHS = {name: bumpy_sphere(3, seed) for seed, name in enumerate("abc")}
TABLE = pd.concat(
    pd.DataFrame(
        {"mesh": name, "node": graph.labels, "signal": seed, "y": 7 + 3 * field(graph, seed)}
    )
    for name, graph in GRAPHS.items()
    for seed in (10, 11)
)
SMALL = {"corrector": Ridge(), "n_masks": 2, "observed": (0.05, 0.3)}


def names(graph):
    return graph.labels.to_frame(index=False, name="node")


def observed(graph, share=0.1, seed=3):
    drawn = np.random.default_rng(seed).permutation(graph.n_nodes)
    return np.sort(drawn[: round(share * graph.n_nodes)])


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Choose kernels by fewer rows, in fewer steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_KERNEL_ROWS", 400)
        patch.setattr(kernels, "_ITERATIONS", 15)
        yield


@pytest.fixture(scope="module")
def model(quick):
    return SharedCorrector(GRAPHS, **SMALL).fit(TABLE[["mesh", "node", "signal"]], TABLE["y"])


@pytest.fixture(scope="module")
def new():
    graph = bumpy_sphere(3, 7)
    return graph, field(graph, 99)


def test_kriging_is_a_gaussian_process():
    rng = np.random.default_rng(0)
    places, values, points = rng.random((9, 3)), rng.standard_normal(9), rng.random((4, 3))
    theta = np.array([*[np.log(0.4), 0, 0, 1e-9, 0], *[0, 0, 0, 1e-9, -99], -99, np.log(0.01)])
    process = GaussianProcessRegressor(Matern(0.4, nu=0.5), alpha=0.01, optimizer=None)
    expected = process.fit(places, values).predict(points, return_std=True)
    near = np.tile(places, (4, 1, 1)), np.zeros((4, 9, 3))
    mean, std, weights = kernels.LocalKernel(theta).krige(
        points, np.zeros((4, 3)), near, np.tile(values, (4, 1))
    )
    np.testing.assert_allclose(mean, expected[0], atol=1e-8)
    np.testing.assert_allclose(std, expected[1], atol=1e-8)
    np.testing.assert_allclose(weights @ values, mean)


def test_a_shift_moves_points_along_normals():
    rng = np.random.default_rng(1)
    points, near = rng.random((1, 3)), rng.random((1, 2, 3))
    normal, normals = rng.random((1, 3)), rng.random((1, 2, 3))
    theta = np.array(kernels._START)
    theta[[1, 6]] = 0
    moved = points + 0.7 * normal, near + 0.7 * normals
    pairs = kernels.pairs_of(moved[0], 0 * normal, moved[1], 0 * normals)
    expected = kernels.covariance(theta, pairs)
    theta[[1, 6]] = 0.7
    found = kernels.covariance(theta, kernels.pairs_of(points, normal, near, normals))
    np.testing.assert_allclose(found, expected)


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(2)
    pairs = kernels.pairs_of(*(rng.standard_normal((20, *n, 3)) for n in ((), (), (5,), (5,))))
    rest = rng.standard_normal((20, 5)), rng.standard_normal(20), rng.random(20)
    theta = np.array(kernels._START) + 0.1 * rng.random(12)
    _, gradient = kernels._loss(theta, pairs, *rest)
    for parameter, step in enumerate(1e-5 * np.eye(12)):
        ahead, behind = (kernels._loss(theta + s, pairs, *rest)[0] for s in (step, -step))
        assert gradient[parameter] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-8)


def test_the_kernel_of_a_process_is_found():
    """What a process has drawn is predicted as well as by its own covariance."""
    rng = np.random.default_rng(0)
    places = 30 * rng.random((900, 3)) * [1, 1, 0]
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    root = np.linalg.cholesky(np.exp(-((apart / 4) ** 2)) + 1e-2 * np.eye(900))
    values = root @ rng.standard_normal(900)
    near = 300 + np.argsort(apart[:300, 300:], axis=1)[:, :12]
    around = places[near], np.zeros((300, 12, 3))
    places, flat = places[:300], np.zeros((300, 3))
    pairs = kernels.pairs_of(places, flat, *around)
    found = kernels.fit_kernel(pairs, values[near], values[:300], np.ones(300))
    own = [np.log(4), 0, 9, 1e-9, 0]
    own = kernels.LocalKernel(np.array([*own, *own[:4], -99, -99, np.log(1e-2)]))
    errors = [
        np.mean((kernel.krige(places, flat, around, values[near])[0] - values[:300]) ** 2)
        for kernel in (found, own, kernels.LocalKernel(np.array(kernels._START)))
    ]
    assert errors[0] < 1.02 * errors[1] < errors[2]


@pytest.mark.parametrize("faces", ["given", "turned over", "either way"])
def test_curvature_of_a_sphere(faces):
    graph = bumpy_sphere(3)
    edge = graph.edge_lengths.data.mean()
    over = np.random.default_rng(0).random(len(graph.faces)) < 0.5
    over = {"given": ~over & over, "turned over": over | ~over, "either way": over}[faces]
    faces = np.where(over[:, None], graph.faces[:, ::-1], graph.faces)
    place = features.place_of(Graph.from_mesh(5 + graph.positions, faces), surface=True)
    np.testing.assert_allclose(place.normals, graph.positions, atol=0.02)
    # At vertices of five edges instead of six by itself it is not.
    np.testing.assert_allclose(place.curvature[:, 1:], 2 * edge, rtol=0.02)


def test_it_holds_on_a_graph_never_seen(model, new):
    graph, signal = new
    X, known = names(graph), observed(graph)
    rest = np.setdiff1d(np.arange(graph.n_nodes), known)
    found = model.condition(graph, X.iloc[known], signal[known])
    smoother = GraphSmoother(graph=graph, order=2, laplacian="cotangent")
    smoother.fit(X.iloc[known], signal[known])
    score = found.score(X.iloc[rest], signal[rest])
    assert score == r2_score(signal[rest], found.predict(X.iloc[rest]))
    assert score > smoother.score(X.iloc[rest], signal[rest])
    assert score > 0.9


@pytest.mark.parametrize("same", ["beside an edge", "in space"])
def test_it_holds_at_four_times_the_nodes(model, new, same):
    graph, signal = bumpy_sphere(4, 5), None
    if same == "in space":
        # Of each edge two, and what is between the ends of one is their mean.
        graph, means = new[0].refine()
        signal = means @ new[1]
    signal = field(graph, 4) if signal is None else signal
    known = observed(graph, 0.1 if same == "beside an edge" else 0.05)
    found = model.condition(graph, names(graph).iloc[known], signal[known])
    assert found.stretch_ == (1 if same == "beside an edge" else 2)
    assert found.score(names(graph), signal) > 0.9


def test_intervals_hold(model, new):
    graph, signal = new
    X, known = names(graph), observed(graph)
    found = model.condition(graph, X.iloc[known], signal[known])
    rest = np.setdiff1d(np.arange(graph.n_nodes), known)
    mean, noisy = found.predict(X, return_std=True, with_noise=True)
    assert 0.8 < (np.abs(mean - signal)[rest] < 1.645 * noisy[rest]).mean() < 0.99
    std = found.predict(X, return_std=True)[1]
    assert (std < noisy).all()
    assert std[known].max() < np.median(std[rest]) < std[rest].max() < 2 * signal.std()
    np.testing.assert_allclose(mean[known], signal[known], atol=0.1)


def test_intervals_of_noisy_signals_are_of_signal_and_of_observation():
    rng = np.random.default_rng(5)
    noisy = TABLE.assign(y=TABLE["y"] + 0.5 * rng.standard_normal(len(TABLE)))
    model = SharedCorrector(GRAPHS, **SMALL).fit(noisy[["mesh", "node", "signal"]], noisy["y"])
    graph = bumpy_sphere(3, 7)
    signal = 7 + 3 * field(graph, 20)
    values = signal + 0.5 * rng.standard_normal(graph.n_nodes)
    known = observed(graph, 0.2)
    found = model.condition(graph, names(graph).iloc[known], values[known])
    rest = np.setdiff1d(np.arange(graph.n_nodes), known)
    X = names(graph).iloc[rest]
    mean, std = found.predict(X, return_std=True)
    of_observation = found.predict(X, return_std=True, with_noise=True)[1]
    assert 0.83 < (np.abs(mean - values[rest]) < 1.645 * of_observation).mean() < 0.97
    assert 0.8 < (np.abs(mean - signal[rest]) < 1.645 * std).mean() < 0.99
    assert np.median(of_observation**2 - std**2) == pytest.approx(0.5**2, rel=0.3)


def test_a_signal_unlike_those_learned_is_said(model, new):
    graph, _ = new
    noise = np.random.default_rng(0).normal(size=graph.n_nodes)
    known = observed(graph, 0.3)
    rest = np.setdiff1d(np.arange(graph.n_nodes), known)
    with pytest.warns(UserWarning, match="y_obs is unlike the signals of fit"):
        found = model.condition(graph, names(graph).iloc[known], noise[known])
    mean, std = found.predict(names(graph).iloc[rest], return_std=True, with_noise=True)
    assert np.mean(np.abs(mean - noise[rest]) < 1.645 * std) > 0.8


def test_dimensions_are_those_learned():
    random = np.random.default_rng(0)
    graphs = {n: Graph.from_points(random.random((100, n))) for n in (2, 3, 4)}
    table = pd.DataFrame({"map": np.repeat([2, 3], 100), "node": np.tile(range(100), 2)})
    y = random.random(200)
    with pytest.raises(ValueError, match=r"as many dimensions each; got \[2, 3\]"):
        SharedCorrector(graphs, **SMALL).fit(table, y)
    twice = SharedCorrector({2: graphs[2], 3: graphs[2]}, **SMALL).fit(table, y)
    for n, words in ((3, "positions of 2 dimensions"), (4, "at most three dimensions")):
        with pytest.raises(ValueError, match=words):
            twice.condition(graphs[n], table[["node"]][:50], y[:50])


@pytest.mark.parametrize("change", ["numbers", "turned", "scaled", "units", "rows"])
def test_nothing_but_the_signal_counts(model, new, change):
    graph, signal = new
    known = observed(graph)
    X, y = names(graph).iloc[known], signal[known]
    expected = model.condition(graph, X, y).predict(names(graph), return_std=True)
    order, factor = np.arange(graph.n_nodes), 1.0
    if change == "numbers":
        order = np.random.default_rng(0).permutation(graph.n_nodes)
        graph = Graph.from_mesh(graph.positions[order], np.argsort(order)[graph.faces])
        X = pd.DataFrame({"node": np.argsort(order)[known]})
    elif change == "rows":
        X, y = pd.concat([X[::-1], X[:5]]), np.concatenate([y[::-1], y[:5]])
    elif change == "units":
        factor, y = 1e6, 1e6 * y + 1e7
    else:
        turn = (
            Rotation.from_rotvec([1, 2, 3]).as_matrix() if change == "turned" else 1e-3 * np.eye(3)
        )
        graph = Graph.from_mesh(graph.positions @ turn + [5, 0, 1], graph.faces)
    mean, std = model.condition(graph, X, y).predict(names(graph), return_std=True)
    mean = (mean - 1e7) / factor if change == "units" else mean
    np.testing.assert_allclose(mean, expected[0][order], atol=1e-6)
    np.testing.assert_allclose(std / factor, expected[1][order], atol=1e-6)


def test_a_correction_that_is_worth_nothing_does_nothing():
    useless = DummyRegressor(strategy="constant", constant=5.0)
    one = TABLE[TABLE["signal"] == 10]
    model = SharedCorrector(GRAPHS, **SMALL | {"corrector": useless})
    model.fit(one[["mesh", "node"]].to_numpy(), one["y"])
    assert (model._worth < 0.1).all()
    assert (model.scores_["corrected"] > model.scores_["blend"] - 0.05).all()


def test_folds_are_of_graphs_or_of_signals(model, capsys):
    assert len(model.correctors_) == 3  # graphs, fewer than five
    assert model.scores_.groupby(["graph", "signal"]).size().tolist() == [2] * 6
    assert model.scores_["observed"].between(0.04, 0.3).all()
    one = TABLE[TABLE["mesh"] == "a"]
    again = SharedCorrector(GRAPHS, cv=LeaveOneGroupOut(), verbose=1, **SMALL)
    again.fit(one[["mesh", "node", "signal"]], one["y"])
    assert len(again.correctors_) == 2
    assert "correction" in capsys.readouterr().err


def test_points_in_the_plane_with_a_network():
    rng = np.random.default_rng(0)
    graphs = {name: Graph.from_points(rng.random((200, 2))) for name in "abc"}
    ys = {name: np.sin(9 * graph.positions[:, 0]) for name, graph in graphs.items()}
    table = pd.concat(
        pd.DataFrame({"map": name, "node": range(200), "y": ys[name]}) for name in "ab"
    )
    network = SIRENRegressor("train", hidden_units=16, max_epochs=2, random_state=0)
    model = SharedCorrector(graphs, corrector=network, n_masks=2, observed=(0.2, 0.4))
    model.fit(table[["map", "node"]], table["y"])
    known = np.arange(60)[:, None]
    assert (
        model.condition(graphs["c"], known, ys["c"][:60]).score(
            np.arange(60, 200)[:, None], ys["c"][60:]
        )
        > 0.97
    )


def test_clone_and_files(model, new, tmp_path):
    copied = clone(model)
    assert copied.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    graph, signal = new
    X, known = names(graph), observed(graph)
    with pytest.raises(NotFittedError):
        copied.condition(graph, X, signal)
    found = model.condition(graph, X.iloc[known], signal[known])
    for thing in (model, found):
        save(thing, tmp_path / "model.skginr")
        again = load(tmp_path / "model.skginr")
        if thing is model:
            again = again.condition(graph, X.iloc[known], signal[known])
        np.testing.assert_array_equal(again.predict(X), found.predict(X))
    with pytest.raises(NotFittedError, match="condition"):
        clone(found).predict(X)


ONE = TABLE[(TABLE["mesh"] == "a") & (TABLE["signal"] == 10)]


@pytest.mark.parametrize(
    ("settings", "table", "error", "words"),
    [
        ({"graphs": {}}, TABLE, TypeError, "graphs must be a dict"),
        ({"graphs": {"a": 3}}, TABLE, TypeError, "graph"),
        ({}, ONE, ValueError, "at least two signals"),
        ({}, TABLE.replace({"mesh": {"a": "z"}}), ValueError, "must name a graph; got 'z'"),
        ({}, TABLE.assign(node=TABLE["node"] + 1), ValueError, "node"),
        ({}, TABLE.assign(y=np.nan), ValueError, "known in every row"),
        ({}, TABLE.assign(y=1.0), ValueError, "signal 10 on 'a' is 1 throughout"),
        ({}, TABLE.groupby(["mesh", "signal"]).head(20), ValueError, "at least 48 nodes"),
        ({}, TABLE.iloc[:0], ValueError, "at least one row"),
        ({}, TABLE[["node", "y"]], ValueError, "two columns"),
        ({"observed": (0.5, 0.1)}, TABLE, ValueError, "smaller one first"),
        ({"observed": 0.1}, TABLE, ValueError, "least and largest"),
        ({"n_masks": 0}, TABLE, ValueError, "n_masks"),
        ({"corrector": Ridge}, TABLE, TypeError, "corrector must be a regressor"),
        ({"cv": 1}, TABLE, ValueError, "cv"),
        ({"cv": "five"}, TABLE, TypeError, "cv"),
        ({"verbose": -1}, TABLE, ValueError, "verbose"),
    ],
)
def test_what_cannot_be_learned_from(settings, table, error, words):
    model = SharedCorrector(GRAPHS, **SMALL).set_params(**settings)
    with pytest.raises(error, match=words):
        model.fit(table.drop(columns="y"), table["y"])


def test_graphs_without_places_are_refused(model, grid):
    with pytest.raises(ValueError, match=r"graphs\['g'\] must have positions"):
        SharedCorrector({"g": grid}).fit([["g", label] for label in grid.labels], range(108))
    with pytest.raises(ValueError, match="graph must have positions"):
        model.condition(grid, grid.labels[:20].to_frame(), range(20))
    flat = Graph.from_points(np.random.default_rng(0).random((50, 2)))
    with pytest.raises(ValueError, match="graph must have faces"):
        model.condition(flat, np.arange(20)[:, None], np.arange(20))
    with pytest.raises(TypeError, match="Graph"):
        model.condition("bunny", [[1]], [2.0])


def test_observations_that_say_too_little(model, new):
    graph, signal = new
    X = names(graph)
    for rows, y, words in (
        (slice(9), signal[:9], "at least 10 nodes"),
        (slice(20), np.ones(20), "y_obs must vary"),
        (slice(20), np.full(20, np.nan), "known in every row"),
        (slice(20), np.ones((20, 2)), "y_obs must be one signal"),
        (slice(20), np.ones(19), "inconsistent"),
    ):
        with pytest.raises(ValueError, match=words):
            model.condition(graph, X.iloc[rows], y)
    with pytest.raises(ValueError, match="one column"):
        model.condition(graph, X.assign(x=1), signal)
    with pytest.warns(UserWarning, match="X_obs names 1.56% of the nodes. For this signal"):
        model.condition(graph, X[:10], signal[:10])


def test_signals_that_are_mostly_zero_leave_masks_out():
    rare = TABLE.assign(y=(TABLE["node"] == 3).astype(float))
    with pytest.raises(ValueError, match="y must vary among the nodes of a mask"):
        SharedCorrector(GRAPHS, **SMALL | {"n_masks": 1}).fit(
            rare[["mesh", "node", "signal"]], rare["y"]
        )
