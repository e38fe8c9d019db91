import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator
from sklearn.base import clone

from skginr import Graph, ThinPlateSplineRegressor


@pytest.fixture
def cloud():
    points = np.random.default_rng(0).random((300, 3))
    return Graph.from_points(points)


def rows(graph):
    return np.arange(graph.n_nodes)[:, None]


def test_planes_are_exact_and_observations_kept(cloud):
    X, points = rows(cloud), cloud.positions
    plane = points @ [1.0, -2.0, 3.0] + 7
    model = ThinPlateSplineRegressor(graph=cloud, n_neighbors=20).fit(X[::3], plane[::3])
    np.testing.assert_allclose(model.predict(X), plane, atol=1e-8)
    signal = np.sin(5 * points[:, 0])
    model.fit(X[::3], signal[::3])
    np.testing.assert_allclose(model.predict(X[::3]), signal[::3], atol=1e-8)
    assert model.set_params(smoothing=1.0).fit(X[::3], signal[::3]).score(X[::3], signal[::3]) < 1


def test_a_flat_mesh_in_space_is_a_plane(cloud):
    flat = cloud.positions @ np.diag([1.0, 1.0, 0.0])
    turned = flat @ np.linalg.qr(np.random.default_rng(1).random((3, 3)))[0] + 5
    signal = np.cos(4 * flat[:, 0] + flat[:, 1])
    scores = []
    for points in (flat, flat[:, :2], turned):
        graph = Graph(cloud.adjacency, positions=points)
        model = ThinPlateSplineRegressor(graph=graph).fit(rows(graph)[50:], signal[50:])
        scores.append(model.score(rows(graph)[:50], signal[:50]))
    np.testing.assert_allclose(scores, scores[0], atol=1e-9)
    assert scores[0] > 0.999


def test_rows_of_one_place_count_as_their_mean(cloud):
    X, y = rows(cloud), cloud.positions[:, 0] ** 2
    twice = ThinPlateSplineRegressor(graph=cloud).fit(np.vstack([X, X]), np.hstack([y + 1, y - 1]))
    once = ThinPlateSplineRegressor(graph=cloud).fit(X, y)
    np.testing.assert_allclose(twice.predict(X), once.predict(X), atol=1e-9)


def test_what_determines_no_spline_is_refused(cloud, grid, grid_table):
    X, y = rows(cloud), cloud.positions[:, 0]
    with pytest.raises(ValueError, match="must have positions"):
        ThinPlateSplineRegressor(graph=grid).fit(grid_table[["node"]], grid_table["signal"])
    with pytest.raises(ValueError, match="span the 3 dimensions .* its 3 distinct places span 2"):
        ThinPlateSplineRegressor(graph=cloud).fit(X[:3], y[:3])
    line = Graph(np.zeros((6, 6)), positions=[[0, 0], [1, 0], [2, 0], [3, 0], [4, 0], [1, 1.0]])
    with pytest.raises(ValueError, match="its 5 distinct places span 1"):
        ThinPlateSplineRegressor(graph=line).fit(rows(line)[:5], np.arange(5.0))
    point = Graph([[0, 1], [1, 0]], positions=np.ones((2, 2)))
    with pytest.raises(ValueError, match="its 1 distinct places span 0"):
        ThinPlateSplineRegressor(graph=point).fit(rows(point), [0.0, 1.0])
    with pytest.raises(ValueError, match="smoothing must be"):
        ThinPlateSplineRegressor(graph=cloud, smoothing=-1).fit(X, y)
    two_planes = np.vstack(
        [np.column_stack([cloud.positions[:, :2], np.full(300, z)]) for z in (0.0, 9.0)]
    )
    graph = Graph.from_points(two_planes)
    model = ThinPlateSplineRegressor(graph=graph, n_neighbors=10).fit(rows(graph), two_planes[:, 0])
    with pytest.raises(ValueError, match=r"n_neighbors=10 .* lie in one plane"):
        model.predict(rows(graph))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_the_unit_of_positions_does_not_matter(cloud, scale):
    signal = np.sin(5 * cloud.positions[:, 0])
    far = Graph(cloud.adjacency, positions=scale * cloud.positions)
    near, scaled = (
        ThinPlateSplineRegressor(graph=graph)
        .fit(rows(graph)[::2], signal[::2])
        .predict(rows(graph))
        for graph in (cloud, far)
    )
    np.testing.assert_allclose(scaled, near, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_weight_is_how_often_a_row_is_there(cloud, smoothing):
    rng = np.random.default_rng(0)
    nodes, weights = rng.integers(0, 300, 400), rng.integers(0, 4, 400)
    y = np.sin(5 * cloud.positions[nodes, 0]) + rng.standard_normal(400)
    model = ThinPlateSplineRegressor(graph=cloud, n_neighbors=30, smoothing=smoothing)
    poisoned = np.where(weights == 0, 1e9, y)
    weighted = model.fit(nodes[:, None], poisoned, sample_weight=weights).predict(rows(cloud))
    repeats = np.repeat(np.arange(400), weights)
    repeated = model.fit(nodes[repeats, None], y[repeats]).predict(rows(cloud))
    np.testing.assert_allclose(weighted, repeated, atol=1e-9)
    with pytest.raises(ValueError, match="sample_weight must be positive for some row"):
        model.fit(nodes[:, None], y, sample_weight=np.zeros(400))


def test_a_share_of_a_row_is_smoothed_by_the_inverse(cloud):
    """Against SciPy's spline of all observations."""
    X, y = rows(cloud)[::2], np.random.default_rng(0).standard_normal(150)
    weights = np.random.default_rng(1).gamma(1.0, size=150)
    model = ThinPlateSplineRegressor(graph=cloud, n_neighbors=150, smoothing=0.7)
    found = model.fit(X, y, sample_weight=weights).predict(rows(cloud))
    places = (cloud.positions - cloud.positions.mean(axis=0)) @ model._axes
    expected = RBFInterpolator(places[::2], y, smoothing=0.7 / weights)(places)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_several_signals_are_each_alone(cloud):
    rng = np.random.default_rng(0)
    X, weights = rows(cloud)[:200], rng.integers(0, 3, 200) / 2
    many = rng.standard_normal((200, 4))
    many[:30, 1] = many[:30, 3] = np.nan
    many[50:, 2] = np.nan
    model = ThinPlateSplineRegressor(graph=cloud, n_neighbors=20, smoothing=0.1)
    together = model.fit(X, many, sample_weight=weights)
    assert len(together._splines) == 3
    found = together.predict(rows(cloud))
    assert found.shape == (300, 4)
    for predicted, signal in zip(found.T, many.T, strict=True):
        known = ~np.isnan(signal)
        alone = clone(model).fit(X[known], signal[known], sample_weight=weights[known])
        np.testing.assert_allclose(predicted, alone.predict(rows(cloud)), atol=1e-10)
    with pytest.raises(ValueError, match="its 0 distinct places span 0"):
        model.fit(X, many, sample_weight=np.arange(200) >= 50)


def test_what_was_saved_before_there_were_several_predicts(cloud):
    X, y = rows(cloud)[:200], cloud.positions[:200, 0] ** 2
    model = ThinPlateSplineRegressor(graph=cloud).fit(X, y)
    expected = model.predict(X)
    state = model.__getstate__()
    _, places, means, settings = state.pop("_splines")[0]
    state |= {"_observed": (places, means[:, 0]), "_spline_settings": settings}
    former = ThinPlateSplineRegressor(graph=cloud)
    former.__setstate__(state)
    np.testing.assert_array_equal(former.predict(X), expected)
