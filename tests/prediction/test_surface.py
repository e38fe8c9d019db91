import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphSmoother, SIRENRegressor, SpectralEmbedder, surface_gradient
from skginr.datasets import fetch_bunny
from skginr.prediction._surface import _gradient_operators

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]


class Field(RegressorMixin, BaseEstimator):
    """A signal that is known everywhere."""

    def __init__(self, values, graph):
        self.values = values
        self.graph = graph

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.values[self.graph.locate(np.asarray(X)[:, 0])]


def icosphere(n_times):
    octahedron = np.vstack([np.eye(3), -np.eye(3)])
    faces = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    fine, _ = Graph.from_mesh(octahedron, faces).refine(n_times)
    on_sphere = fine.positions / np.linalg.norm(fine.positions, axis=1, keepdims=True)
    return Graph.from_mesh(on_sphere, fine.faces)


def test_a_linear_signal_in_the_plane_has_its_slope_everywhere():
    square = [[0, 0], [1, 0], [1.2, 1], [0, 1]]
    graph, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(3)
    signal = graph.positions @ [[3.0, 1.0], [-2.0, 0.5]]
    X = graph.labels.to_frame()
    found = surface_gradient(Field(signal, graph), X, graph=graph)
    assert found.shape == (graph.n_nodes, 2, 2)
    np.testing.assert_allclose(found[:, 0], np.tile([3, -2], (graph.n_nodes, 1)), atol=1e-12)
    one = surface_gradient(Field(signal[:, 1], graph), X.to_numpy()[[4, 4, 0]], graph=graph)
    np.testing.assert_allclose(one, np.tile([1, 0.5], (3, 1)), atol=1e-12)


def test_on_a_sphere_the_error_falls_with_the_length_of_sides():
    errors = []
    for n_times in (3, 4, 5):
        graph = icosphere(n_times)
        x, y, z = graph.positions.T
        # Of xz, less the part along the normal.
        slope = np.column_stack([z, 0 * y, x])
        truth = slope - (slope * graph.positions).sum(axis=1, keepdims=True) * graph.positions
        found = surface_gradient(Field(x * z, graph), graph.labels.to_frame(), graph=graph)
        errors.append(np.sqrt(np.mean((found - truth) ** 2)))
    assert errors[-1] < 0.005
    assert errors[0] > 1.8 * errors[1] > 1.8 * 1.8 * errors[2]


@pytest.mark.parametrize("given", [{}, {"activation": "relu"}, {"skip": True}])
def test_the_gradient_of_a_network_is_its_difference_quotient(given):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.column_stack([np.sin(2 * X[:, 0]) * 1000, X[:, 1] * X[:, 2]])
    model = SIRENRegressor("train", dtype="float64", random_state=0, max_epochs=5, **given).fit(
        X, y
    )
    gradient, step = model.gradient(X[:20]), 1e-6
    assert gradient.shape == (20, 2, 3)
    for i in range(3):
        shift = step * np.eye(3)[i]
        quotient = (model.predict(X[:20] + shift) - model.predict(X[:20] - shift)) / (2 * step)
        np.testing.assert_allclose(gradient[:, :, i], quotient, rtol=1e-4, atol=1e-5 * y.std())
    single = SIRENRegressor("train", dtype="float64", random_state=0, max_epochs=5, **given).fit(
        X, y[:, 0]
    )
    assert single.gradient(X[:20]).shape == (20, 3)


def test_the_number_of_a_signal_has_no_derivative():
    X = np.column_stack([np.linspace(-1, 1, 40), np.repeat([0, 1], 20)])
    model = SIRENRegressor("train", latent_dim=2, random_state=0).fit(X, X[:, 0] * (1 + X[:, 1]))
    gradient = model.gradient(X)
    assert not gradient[:, 1].any()
    assert gradient[:, 0].any()


def test_along_a_surface_it_follows_the_chain_rule(data_root):
    errors = []
    for level in (3, 2):
        bunny = fetch_bunny(level)
        X = pd.DataFrame({"vertex": bunny.labels})
        network = SIRENRegressor("train", random_state=0, first_gain=0.6)
        model = make_pipeline(SpectralEmbedder(30, graph=bunny), network)
        model.fit(X, np.sin(bunny.positions[:, 0] / np.ptp(bunny.positions) * 6))
        found = surface_gradient(model, X, graph=bunny)
        coordinates = model[:-1].transform(X)
        by_coordinate = network.gradient(coordinates)
        operators = _gradient_operators(bunny.positions, bunny.faces)
        chained = [(by_coordinate * (part @ coordinates)).sum(axis=1) for part in operators]
        difference = found - np.column_stack(chained)
        errors.append(np.linalg.norm(difference) / np.linalg.norm(found))
    # Both are linear on faces: they agree as sides become short.
    assert errors[1] < 0.6 * errors[0] < 0.04


def test_columns_other_than_the_node_stay_as_they_are():
    graph = icosphere(2)

    class Rising(Field):
        def predict(self, X):
            return super().predict(X[["node"]]) * X["time"].to_numpy()

    X = pd.DataFrame({"time": [1.0, 3.0], "node": graph.labels[[7, 7]]})
    one, three = surface_gradient(Rising(graph.positions[:, 0], graph), X, graph=graph, node="node")
    np.testing.assert_allclose(three, 3 * one, atol=1e-12)


def test_faces_without_area_do_not_count_and_a_node_without_faces_is_named():
    positions = [[0, 0], [1, 0], [0, 1], [0.5, 0], [5, 5]]
    graph = Graph.from_mesh(positions, [[0, 1, 2], [0, 3, 1]])
    model = Field(graph.positions @ [1.0, 2.0], graph)
    found = surface_gradient(model, [[0], [1]], graph=graph)
    np.testing.assert_allclose(found, [[1, 2], [1, 2]])
    for node in (3, 4):
        with pytest.raises(ValueError, match=f"around every node of X; {node}, in row 1, is in"):
            surface_gradient(model, [[0], [node]], graph=graph)


def test_what_it_refuses():
    graph = icosphere(1)
    model = Field(graph.positions[:, 0], graph)
    with pytest.raises(ValueError, match="faces of a mesh; the graph has none"):
        surface_gradient(model, [[0]], graph=Graph.from_points(graph.positions))
    with pytest.raises(TypeError, match="Graph"):
        surface_gradient(model, [[0]], graph=graph.adjacency)
    with pytest.raises(ValueError, match="not fitted"):
        surface_gradient(SIRENRegressor(), [[0]], graph=graph)
    with pytest.raises(ValueError, match="node='vertex' is not a column"):
        surface_gradient(model, pd.DataFrame({"node": [0]}), graph=graph, node="vertex")


def test_an_array_of_labels_and_covariates():
    square, _ = Graph.from_mesh(SQUARE, [[0, 1, 2], [0, 2, 3]]).refine(2)
    X = np.column_stack([square.labels, square.positions[:, 1]])
    model = GraphSmoother(graph=square, alpha=1e-6).fit(X, 2 * square.positions[:, 0])
    frame = pd.DataFrame({"v": square.labels, "height": X[:, 1]})
    named = GraphSmoother(graph=square, alpha=1e-6).fit(frame, 2 * square.positions[:, 0])
    np.testing.assert_array_equal(
        surface_gradient(model, X, graph=square), surface_gradient(named, frame, graph=square)
    )


def test_classes_have_no_slope():
    mesh = Graph.from_mesh(SQUARE, [[0, 1, 2], [0, 2, 3]])
    X = mesh.labels.to_frame(name="v")
    model = make_pipeline(SpectralEmbedder(3, graph=mesh), LogisticRegression())
    model.fit(X, ["a", "a", "b", "b"])
    with pytest.raises(TypeError, match="model must be a regressor.*Pipeline predicts classes"):
        surface_gradient(model, X, graph=mesh)
    with pytest.raises(ValueError, match=r"node=\['v'\] is not a column of X"):
        surface_gradient(Ridge().fit(X, [0.0, 1, 2, 3]), X, graph=mesh, node=["v"])
