import pickle

import numpy as np
import pandas as pd
import pytest
import trimesh
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import Graph, GraphSmoother, SIRENRegressor, SpectralEmbedder, refine_model
from skginr.datasets import fetch_bunny, make_reaction_diffusion
from skginr.graphs._laplacians import laplacian
from skginr.spectral._extension import continue_smoothly


@pytest.fixture(scope="module")
def coarse():
    """A square of 81 vertices."""
    return Graph.from_mesh(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]]
    ).refine(3)[0]


@pytest.fixture(scope="module")
def fine(coarse):
    return coarse.refine()[0]


def nodes(graph):
    return graph.labels.to_frame(name="node")


def wave(graph):
    x, y, _ = graph.positions.T
    return np.sin(3 * x) + np.cos(2 * y)


def ridge(graph, **settings):
    return make_pipeline(SpectralEmbedder(30, graph=graph, **settings), Ridge(1e-6))


def test_of_all_continuations_the_smoothest(coarse, fine):
    known = np.arange(coarse.n_nodes)
    values = np.random.default_rng(0).normal(size=(len(known), 2))
    found = continue_smoothly(fine, known, values)
    np.testing.assert_array_equal(found[known], values)
    # Least squares of L u over the values that are free, clipped to those given.
    dense = laplacian(fine.adjacency).stiffness.toarray()
    free = np.linalg.lstsq(dense[:, len(known) :], -dense[:, : len(known)] @ values)[0]
    np.testing.assert_allclose(
        found[len(known) :], np.clip(free, values.min(axis=0), values.max(axis=0)), atol=1e-9
    )


def test_slopes_go_on_as_slopes():
    path = Graph.from_adjacency(np.eye(9, k=1) + np.eye(9, k=-1))
    known = np.array([0, 1, 4, 7, 8])
    found = continue_smoothly(path, known, np.column_stack([np.ones(5), 2.0 * known]))
    np.testing.assert_allclose(found, np.column_stack([np.ones(9), 2.0 * np.arange(9)]), atol=1e-12)


def test_weights_beyond_rounding_are_refused():
    upper = np.diag([1, 1e-9, 1e9, 1e-9, 1], k=1)
    path = Graph.from_adjacency(upper + upper.T)
    with pytest.raises(ValueError, match="rounding decides"):
        continue_smoothly(path, np.array([0, 5]), np.array([[0.0], [1.0]]))


@pytest.mark.parametrize(
    "settings",
    [{}, {"laplacian": "cotangent"}, {"method": "diffusion_map"}, {"structural_features": True}],
    ids=lambda settings: "".join(map(str, settings.values())) or "default",
)
def test_known_nodes_stay_and_new_ones_lie_between(coarse, fine, settings):
    model = ridge(coarse, **settings).fit(nodes(coarse), wave(coarse))
    before = model.predict(nodes(coarse))
    finer = refine_model(model, fine)
    np.testing.assert_array_equal(model.predict(nodes(coarse)), before)
    np.testing.assert_allclose(finer.predict(nodes(coarse)), before, atol=1e-12)
    new = nodes(fine).iloc[coarse.n_nodes :]
    with pytest.raises(ValueError, match="must name nodes of the graph"):
        model.predict(new)
    truth = wave(fine)[coarse.n_nodes :]
    assert r2_score(truth, finer.predict(new)) > 0.99
    # Twice is as good as once, and of where it stands a node knows nothing.
    finest = fine.refine()[0]
    twice = refine_model(finer, finest)
    assert r2_score(wave(finest), twice.predict(nodes(finest))) > 0.99
    assert len(pickle.loads(pickle.dumps(twice)).predict(nodes(finest))) == finest.n_nodes


def test_all_that_holds_an_embedder_moves(coarse, fine):
    table = pd.concat([nodes(coarse).assign(time=t) for t in (0.0, 1.0)])
    signal = np.concatenate([wave(coarse), 2 * wave(coarse)])
    # Space and time: the amplitude goes on with time.
    columns = make_column_transformer(
        (SpectralEmbedder(30, graph=coarse, output="indexed"), ["node"]),
        (StandardScaler(), ["time"]),
    ).set_output(transform="pandas")
    network = SIRENRegressor("train", max_epochs=100, batch_size=32, random_state=0)
    model = make_pipeline(columns, network).fit(table, signal)
    finer = refine_model(model, fine)
    X = pd.concat([nodes(fine).assign(time=t) for t in (0.0, 1.0)])
    assert r2_score(np.concatenate([wave(fine), 2 * wave(fine)]), finer.predict(X)) > 0.97


def test_a_search_moves_with_what_it_found(coarse, fine):
    sizes = {"spectralembedder__n_components": [3, 30]}
    search = GridSearchCV(ridge(coarse), sizes, cv=3).fit(nodes(coarse), wave(coarse))
    finer = refine_model(search, fine)
    assert finer.best_params_ == search.best_params_
    assert finer.score(nodes(fine), wave(fine)) > 0.99
    # Fitted again, it embeds the fine graph.
    again = finer.fit(nodes(fine), wave(fine)).best_estimator_[0]
    assert len(again.embedding_) == fine.n_nodes
    assert len(search.best_estimator_[0].embedding_) == coarse.n_nodes


def test_a_component_that_is_all_new_is_said(coarse, fine):
    model = ridge(coarse).fit(nodes(coarse), wave(coarse))
    far = fine.positions + 5
    both = Graph.from_mesh(
        np.vstack([fine.positions, far]), np.vstack([fine.faces, fine.faces + fine.n_nodes])
    )
    with pytest.warns(UserWarning, match="new nodes"):
        finer = refine_model(model, both)
    alone = finer[0].transform(nodes(both).iloc[fine.n_nodes :])
    np.testing.assert_array_equal(alone, 0)


def test_what_cannot_move_is_refused(coarse, fine):
    model = ridge(coarse).fit(nodes(coarse), wave(coarse))
    with pytest.raises(TypeError, match="graph must be a skginr.Graph"):
        refine_model(model, fine.adjacency)
    with pytest.raises(NotFittedError, match="must be fitted"):
        refine_model(ridge(coarse), fine)
    with pytest.raises(ValueError, match="must hold a SpectralEmbedder"):
        refine_model(make_pipeline(StandardScaler(), Ridge()), fine)
    with pytest.raises(TypeError, match="GraphSmoother"):
        refine_model(make_pipeline(model[0], GraphSmoother(graph=coarse)), fine)
    with pytest.raises(ValueError, match="every node"):
        refine_model(model, fine.subgraph(fine.labels[5:]))
    points = np.random.default_rng(0).random((50, 2))
    with pytest.raises(ValueError, match="graph=None"):
        refine_model(make_pipeline(SpectralEmbedder(3), Ridge()).fit(points, points[:, 0]), fine)


def test_bunny_above_barycentric(data_root):
    bunny = fetch_bunny(3)
    fine, weights = bunny.refine()
    signal = make_reaction_diffusion(fine, laplacian="random_walk", n_steps=3_000)["v"].to_numpy()
    new = slice(bunny.n_nodes, None)
    model = make_pipeline(SpectralEmbedder(100, graph=bunny), SIRENRegressor(random_state=0))
    model.fit(nodes(bunny), signal[: bunny.n_nodes])
    ours = r2_score(signal[new], refine_model(model, fine).predict(nodes(fine).iloc[new]))
    linear = r2_score(signal[new], (weights @ signal[: bunny.n_nodes])[new])
    assert 1 > ours > 0.99 > linear


def ball(n_times=2):
    solid = trimesh.creation.icosphere(subdivisions=n_times)
    return Graph.from_mesh(solid.vertices, solid.faces)


def renumbered(graph, seed=0):
    """The same surface as another program numbers it, and the old number of each vertex."""
    order = np.random.default_rng(seed).permutation(graph.n_nodes)
    rank = np.argsort(order)
    return Graph.from_mesh(graph.positions[order], rank[graph.faces]), order


@pytest.mark.parametrize("how", ["refine_model", "extend"])
@pytest.mark.parametrize(
    "case", ["numbered otherwise", "mirrored", "another place", "another unit"]
)
def test_numbers_of_another_mesh_are_noticed(how, case):
    start = ball()
    # Like a hemisphere, it is to one side.
    start = Graph.from_mesh(start.positions + np.array([1.5, 0, 0]), start.faces)
    signal = start.positions[:, 1] + start.positions[:, 2]
    model = make_pipeline(SpectralEmbedder(15, graph=start), Ridge(1e-6))
    model.fit(nodes(start), signal)
    other = {
        "numbered otherwise": lambda: renumbered(start)[0],
        "mirrored": lambda: Graph.from_mesh(start.positions * [-1, 1, 1], start.faces),
        "another place": lambda: Graph.from_mesh(
            start.positions + np.array([0, 3, 0]), start.faces
        ),
        "another unit": lambda: Graph.from_mesh(1000 * start.positions, start.faces),
    }[case]()

    def move(graph):
        return refine_model(model, graph) if how == "refine_model" else model[0].extend(graph)

    with pytest.warns(UserWarning, match=r"of 162 nodes that are embedded are elsewhere in graph"):
        move(other)
    # Where they are the same nodes, by their names or by their positions, nothing is said.
    if case == "numbered otherwise":
        order = renumbered(start)[1]
        other = Graph.from_mesh(other.positions, other.faces, labels=order)
    else:
        other = Graph.from_mesh(start.positions, other.faces)
    moved = move(other)
    if how == "refine_model":
        expected = other.positions[:, 1] + other.positions[:, 2]
        assert moved.score(nodes(other), expected) > 0.99


def test_vertices_that_a_finer_surface_moves_a_little_are_the_same():
    start = ball(1)
    model = make_pipeline(SpectralEmbedder(15, graph=start), Ridge(1e-6))
    model.fit(nodes(start), start.positions[:, 2])
    fine = start.refine()[0]
    bulged = 1.05 * fine.positions / np.linalg.norm(fine.positions, axis=1, keepdims=True)
    fine = Graph.from_mesh(bulged, fine.faces, labels=fine.labels)
    assert refine_model(model, fine).score(nodes(fine), fine.positions[:, 2]) > 0.95


def test_nodes_that_moved_between_two_networks_are_noticed():
    points = pd.DataFrame(np.random.default_rng(0).random((80, 2)))
    embedder = SpectralEmbedder(5, graph=Graph.from_points(points)).fit(points.index.to_frame())
    grown = pd.concat([points, pd.DataFrame([[0.5, 0.5]], index=[80])])
    embedder.extend(Graph.from_points(grown))
    swapped = grown.copy()
    left, right = sorted([int(points[0].idxmin()), int(points[0].idxmax())])
    swapped.loc[[left, right]] = grown.loc[[right, left]].to_numpy()
    with pytest.warns(UserWarning, match=rf"2 of 80 nodes.*\({left} by (0.9|1)"):
        embedder.extend(Graph.from_points(swapped))
