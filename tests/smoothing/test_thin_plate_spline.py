import numpy as np
import pytest

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
