import pickle
import re

import joblib
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.spatial import ConvexHull
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import Graph, SIRENRegressor, SpectralEmbedder
from skginr.graphs._laplacians import laplacian_of
from skginr.spectral import eigen


@pytest.fixture
def circle():
    """Points on a noisy circle, and new ones between them."""
    rng = np.random.default_rng(0)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 330))
    points = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.01 * rng.standard_normal((330, 2))
    new = rng.choice(330, 30, replace=False)
    return np.delete(points, new, axis=0), points[new]


# --- a graph is given -------------------------------------------------------


def test_coordinates_are_the_eigenvectors_times_root_n():
    n = 40
    path = Graph.from_networkx(nx.path_graph(n))
    embedder = SpectralEmbedder(5, graph=path, scaling="unit").fit(np.arange(n)[:, None])
    out = embedder.transform(np.arange(n)[:, None])
    modes = np.arange(1, 6)
    np.testing.assert_allclose(embedder.eigenvalues_, 2 - 2 * np.cos(np.pi * modes / n), atol=1e-12)
    cosines = np.sqrt(2) * np.cos(np.pi * (np.arange(n)[:, None] + 0.5) * modes / n)
    np.testing.assert_allclose(np.abs(out), np.abs(cosines), atol=1e-9)


@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric", "random_walk", "cotangent"])
def test_by_default_distances_are_roots_of_commute_times(laplacian):
    points = np.random.default_rng(0).standard_normal((40, 3))
    points /= np.linalg.norm(points, axis=1)[:, None]
    graph = Graph.from_mesh(points, ConvexHull(points).simplices)
    X = graph.labels.to_frame()
    k = graph.n_nodes - 1
    given = {"graph": graph, "laplacian": laplacian, "max_components": k}
    faded = SpectralEmbedder(k, **given).fit(X)
    unit = SpectralEmbedder(k, **given, scaling="unit").fit_transform(X)
    out = faded.transform(X)
    np.testing.assert_allclose(out[:, 0], unit[:, 0], atol=1e-12)
    scale = np.sqrt((out**2).sum(axis=0) / (unit**2).sum(axis=0))
    operator = laplacian_of(graph, laplacian)
    floor = 1e-4 * operator.stiffness.diagonal().sum() / operator.mass.sum()
    raised = faded.eigenvalues_ + floor
    np.testing.assert_allclose(scale, np.sqrt(raised[0] / raised), atol=1e-12)
    if laplacian == "combinatorial":
        # How long a walk takes from node 0 to another and back, by solving for it.
        inverse = np.linalg.pinv(operator.stiffness.toarray())
        inverse = np.linalg.pinv(np.linalg.pinv(inverse) + floor * (np.eye(k + 1) - 1 / (k + 1)))
        expected = inverse[0, 0] + inverse.diagonal() - 2 * inverse[0]
        distances = ((out - out[0]) ** 2).sum(axis=1)
        np.testing.assert_allclose(distances / distances[1], expected / expected[1], atol=1e-9)


def test_what_is_faded_is_the_same_from_every_k_and_for_new_nodes(square):
    points, new = square[0][:300], square[0][300:320]
    few, many = (SpectralEmbedder(k).fit(points) for k in (5, 12))
    np.testing.assert_allclose(few.transform(new), many.transform(new)[:, :5], atol=1e-9)
    unit = SpectralEmbedder(12, scaling="unit").fit(points)
    np.testing.assert_allclose(many.transform(new), unit.transform(new) * many._width, atol=1e-9)


def test_random_walk_coordinates_have_unit_weighted_mean_square(grid):
    embedder = SpectralEmbedder(10, graph=grid, laplacian="random_walk", scaling="unit")
    out = embedder.fit_transform(grid.labels.to_frame())
    degrees = np.asarray(grid.adjacency.sum(axis=1)).ravel()
    gram = out.T @ (degrees[:, None] * out) / degrees.sum()
    np.testing.assert_allclose(gram, np.eye(10), atol=1e-9)


def test_the_kernel_does_not_count(archipelago):
    frame = archipelago.labels.to_frame()
    embedder = SpectralEmbedder(4, graph=archipelago).fit(frame)
    assert embedder.eigenvalues_.min() > 0.01
    out = embedder.transform(frame)
    assert out.shape == (36, 7)
    # Islands in columns of their own, the largest first; each node in one.
    np.testing.assert_array_equal(out[:, 4:].sum(axis=0), [30, 5, 1])
    np.testing.assert_array_equal(out[:, 4:].sum(axis=1), 1)
    expected = [f"laplacian{i}" for i in (1, 2, 3, 4)] + [f"component{i}" for i in (1, 2, 3)]
    assert embedder.get_feature_names_out().tolist() == expected
    bare = clone(embedder).set_params(component_features=False).fit(frame)
    np.testing.assert_array_equal(bare.transform(frame), out[:, :4])


def test_an_isolated_node_is_placed_at_the_mean(archipelago):
    embedder = SpectralEmbedder(4, graph=archipelago).fit(archipelago.labels.to_frame())
    np.testing.assert_array_equal(embedder.transform([[35]]), [[0, 0, 0, 0, 0, 0, 1]])


def test_a_graph_of_dust_shares_the_last_column():
    dust = Graph.from_adjacency(np.zeros((100, 100)))
    embedder = SpectralEmbedder(graph=dust).fit(np.arange(100)[:, None])
    out = embedder.transform(np.arange(100)[:, None])
    assert embedder.n_components_ == 0
    assert out.shape == (100, 64)
    assert out[:, -1].sum() == 37
    assert embedder.get_feature_names_out()[-1] == "other_components"


def test_rows_follow_labels_with_repeats_and_in_any_subset(grid):
    embedder = SpectralEmbedder(6, graph=grid).fit(grid.labels[:4].to_frame())
    everything = embedder.transform(grid.labels.to_frame())
    order = np.random.default_rng(0).integers(0, grid.n_nodes, 50)
    np.testing.assert_array_equal(
        embedder.transform(grid.labels[order].to_frame()), everything[order]
    )


def test_training_rows_do_not_change_the_embedding(grid):
    first = SpectralEmbedder(6, graph=grid).fit(grid.labels[:10].to_frame())
    second = SpectralEmbedder(6, graph=grid).fit(grid.labels[50:].to_frame())
    every = grid.labels.to_frame()
    np.testing.assert_array_equal(first.transform(every), second.transform(every))


@pytest.mark.parametrize("container", ["frame", "array", "objects", "categorical"])
def test_labels_in_any_table(grid, container):
    labels = grid.labels[[5, 7, 5]]
    X = {
        "frame": pd.DataFrame({"node": labels}),
        "array": np.array(labels, dtype=str).reshape(-1, 1),
        "objects": np.array(labels, dtype=object).reshape(-1, 1),
        "categorical": pd.DataFrame({"node": pd.Categorical(labels)}),
    }[container]
    out = SpectralEmbedder(4, graph=grid).fit(X).transform(X)
    expected = SpectralEmbedder(4, graph=grid).fit_transform(grid.labels.to_frame())
    np.testing.assert_array_equal(out, expected[[5, 7, 5]])


def test_pickle_and_clone(grid):
    frame = grid.labels.to_frame()
    embedder = SpectralEmbedder(4, graph=grid).fit(frame)
    loaded = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(loaded.transform(frame), embedder.transform(frame))
    assert clone(embedder).graph is grid
    assert not hasattr(clone(embedder), "graph_")


def test_set_output_names_columns_and_keeps_the_index(grid):
    frame = pd.DataFrame({"node": grid.labels}, index=np.arange(108) + 1000)
    out = SpectralEmbedder(3, graph=grid).set_output(transform="pandas").fit_transform(frame)
    assert out.columns.tolist() == ["laplacian1", "laplacian2", "laplacian3"]
    assert out.index.equals(frame.index)


def test_other_columns_join_by_column_transformer(grid, grid_table):
    table = grid_table.assign(height=np.arange(108.0))
    joined = ColumnTransformer(
        [
            ("where", SpectralEmbedder(5, graph=grid), ["node"]),
            ("rest", StandardScaler(), ["height"]),
        ]
    )
    assert joined.fit_transform(table).shape == (108, 6)
    assert joined.get_feature_names_out()[-1] == "rest__height"


def test_repr_is_short(grid):
    assert repr(SpectralEmbedder(8, graph=grid)) == (
        "SpectralEmbedder(graph=<Graph: 108 nodes, 195 edges, 1 component, from a networkx "
        "graph>,\n                 n_components=8)"
    )
    assert "SpectralEmbedder" in SpectralEmbedder(8, graph=grid)._repr_html_()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([["n000"], ["n999"]], "'n999' is not one. Near it: 'n0"),
        ([[3], [4]], "kind, string .*got integer"),
        (pd.DataFrame({"node": ["n000"], "time": [3]}), r"one column.*\['node', 'time'\].*Column"),
        (pd.Series(["n000"]), r"Series with 1 dimension.*double brackets"),
        (["n000"], "list with 1 dimension"),
        (pd.DataFrame({"node": []}), "at least one row"),
        (pd.DataFrame({"fips": ["n000", "zz"]}), r"X\['fips'\] must name nodes"),
    ],
)
def test_unfit_label_tables_are_refused(grid, X, message):
    for method in ("fit", "transform"):
        embedder = SpectralEmbedder(2, graph=grid)
        if method == "transform":
            first = X.columns[:1] if isinstance(X, pd.DataFrame) else None
            embedder.fit(
                pd.DataFrame([["n001"]], columns=first) if first is not None else [["n001"]]
            )
        with pytest.raises(ValueError, match=message):
            getattr(embedder, method)(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"n_components": 108},
            ValueError,
            r"at most 107.*\(108 nodes less one per connected component\); got 108",
        ),
        ({"n_components": 0}, ValueError, "n_components must be at least 1; got 0"),
        ({"n_components": 2.5}, TypeError, "n_components must be an integer; got 2.5"),
        ({"n_components": 9, "max_components": 8}, ValueError, "max_components must be at least 9"),
        ({"method": "pca"}, ValueError, "method must be one of 'laplacian'"),
        ({"laplacian": "signed"}, ValueError, "laplacian must be one of"),
        ({"structural_features": "yes"}, TypeError, "structural_features must be True or False"),
        ({"component_features": 1}, TypeError, "component_features must be True or False"),
        ({"affinity": "precomputed"}, ValueError, "graph is given"),
        (
            {"graph": np.eye(3)},
            TypeError,
            r"got numpy.ndarray.*Graph\.from_adjacency",
        ),
        ({"graph": sp.eye_array(3)}, TypeError, r"Graph\.from_adjacency"),
        ({"graph": nx.path_graph(3)}, TypeError, r"Graph\.from_networkx"),
        ({"graph": pd.DataFrame()}, TypeError, r"Graph\.from_edges"),
    ],
)
def test_unfit_parameters_are_refused(grid, parameters, error, message):
    with pytest.raises(error, match=message):
        SpectralEmbedder(**({"graph": grid} | parameters)).fit(np.array([["n001"]]))


def test_cutting_an_eigenspace_warns_and_names_a_better_k():
    ring = Graph.from_networkx(nx.cycle_graph(20))
    X = np.arange(20)[:, None]
    with pytest.warns(
        UserWarning, match=r"n_components=5 cuts an eigenspace.*n_components=4 does not"
    ):
        SpectralEmbedder(5, graph=ring).fit(X)
    SpectralEmbedder(4, graph=ring).fit(X)


def test_a_search_says_once_of_each_graph_that_k_cuts_an_eigenspace():
    ring = Graph.from_networkx(nx.cycle_graph(48))
    X, y = np.arange(48)[:, None], np.arange(48.0)
    ks = {"spectralembedder__n_components": [1, 3, 5, 7, 9, 11, 13, 15]}
    pipeline = make_pipeline(SpectralEmbedder(graph=ring), Ridge())
    with pytest.warns(UserWarning, match="cuts an eigenspace") as caught:
        GridSearchCV(pipeline, ks, cv=5).fit(X, y)
    assert len(caught) == 1
    # By itself every fit says so.
    for k in (3, 5, 3):
        with pytest.warns(UserWarning, match=f"n_components={k} cuts an eigenspace"):
            SpectralEmbedder(k, graph=ring).fit(X)
    # Without a graph each fold has one of its own.
    angle = 2 * np.pi * np.arange(40) / 40
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    pipeline = make_pipeline(SpectralEmbedder(), Ridge())
    with pytest.warns(UserWarning, match="cuts an eigenspace") as caught:
        GridSearchCV(pipeline, ks, cv=[(np.arange(40), np.arange(5))] * 5).fit(points, angle)
    assert len(caught) == 1


# --- one decomposition ------------------------------------------------------


@pytest.mark.parametrize(
    "ks", [[2, 4, 8, 16, 32], [16, 2, 32, 8, 4]], ids=["ascending", "shuffled"]
)
def test_a_grid_over_k_solves_once(ks):
    graph = Graph.from_networkx(nx.random_geometric_graph(200, 0.2, seed=len(ks) + ks[0]))
    X, y = np.arange(200)[:, None], np.arange(200.0)
    before = eigen.n_solves()
    pipeline = make_pipeline(SpectralEmbedder(graph=graph), Ridge())
    search = GridSearchCV(pipeline, {"spectralembedder__n_components": ks}, cv=3).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert eigen.n_solves() == before + 1


def _count(estimator, X, y):
    """Score that reports how many decompositions its process has computed, and which."""
    import os

    return {"score": 0.0, "solves": eigen.n_solves(), "process": os.getpid()}


def _solves_by_process(search):
    columns = ("split0", "split1", "split2")
    solves = np.concatenate([search.cv_results_[f"{c}_test_solves"] for c in columns])
    process = np.concatenate([search.cv_results_[f"{c}_test_process"] for c in columns])
    return {p: int(solves[process == p].max()) for p in np.unique(process)}


def test_workers_solve_at_most_once_each_and_never_with_memory(tmp_path):
    from joblib.externals.loky import get_reusable_executor

    graph = Graph.from_networkx(nx.random_geometric_graph(300, 0.15, seed=5))
    X, y = np.arange(300)[:, None], np.arange(300.0)
    ks = {"spectralembedder__n_components": [32, 4, 16, 8]}

    def search(**parameters):
        # Workers of an earlier search would know the answer.
        get_reusable_executor().shutdown()
        pipeline = make_pipeline(SpectralEmbedder(graph=graph, **parameters), Ridge())
        grid = GridSearchCV(pipeline, ks, cv=3, n_jobs=2, scoring=_count, refit="score")
        return _solves_by_process(grid.fit(X, y))

    assert set(search().values()) == {1}
    SpectralEmbedder(graph=graph, memory=tmp_path).fit(X)
    assert set(search(memory=tmp_path).values()) == {0}


# --- coordinates ------------------------------------------------------------


@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric", "random_walk"])
def test_training_coordinates_transform_to_themselves(circle, laplacian):
    train, _ = circle
    embedder = SpectralEmbedder(8, laplacian=laplacian)
    first = embedder.fit_transform(train)
    order = np.random.default_rng(0).permutation(300)
    np.testing.assert_array_equal(embedder.transform(train[order]), first[order])


@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric", "random_walk"])
def test_new_coordinates_fall_between_their_neighbours(circle, laplacian):
    train, new = circle
    embedder = SpectralEmbedder(6, laplacian=laplacian).fit(train)
    placed = embedder.transform(new)
    known = embedder.transform(train)
    nearest = known[np.linalg.norm(train[None] - new[:, None], axis=-1).argmin(axis=1)]
    # Each coordinate is a wave along the circle, of unit mean square.
    assert np.abs(placed - nearest).max() < 0.5
    for column in range(6):
        assert np.corrcoef(placed[:, column], nearest[:, column])[0, 1] > 0.99


def test_the_extension_is_continuous_at_a_training_point(circle):
    train, _ = circle
    embedder = SpectralEmbedder(6).fit(train)
    at, beside = embedder.transform(train[:20]), embedder.transform(train[:20] + 1e-9)
    np.testing.assert_allclose(beside, at, atol=1e-5)


def test_coordinates_agree_with_the_graph_of_the_same_points(circle):
    train, _ = circle
    graph = Graph.from_points(train, n_neighbors=7)
    by_graph = SpectralEmbedder(5, graph=graph).fit_transform(np.arange(300)[:, None])
    by_points = SpectralEmbedder(5, n_neighbors=7).fit_transform(train)
    np.testing.assert_allclose(by_points, by_graph, atol=1e-7)


def test_coincident_rows_are_one_node(circle):
    train, _ = circle
    doubled = np.concatenate([train, train[:50]])
    out = SpectralEmbedder(5).fit_transform(doubled)
    np.testing.assert_array_equal(out[300:], out[:50])
    np.testing.assert_array_equal(out[:300], SpectralEmbedder(5).fit_transform(train))
    with pytest.raises(ValueError, match="at least 2 distinct rows"):
        SpectralEmbedder().fit(np.ones((5, 2)))


def test_the_embedding_is_in_the_order_of_the_rows(circle):
    train = circle[0][np.random.default_rng(3).permutation(300)]
    embedder = SpectralEmbedder(5).fit(train)
    np.testing.assert_array_equal(embedder.embedding_, embedder.transform(train))
    twice = SpectralEmbedder(5, component_features=False).fit(np.repeat(train, 2, axis=0))
    np.testing.assert_array_equal(twice.embedding_, embedder.embedding_)


def test_sparse_distances_are_explained(circle):
    sparse = kneighbors_graph(circle[0], 5, mode="distance")
    with pytest.raises(TypeError, match="X must be the whole matrix.*edge_lengths=X"):
        SpectralEmbedder(2, affinity="precomputed_distances").fit(sparse)


def test_far_clusters_are_told_apart_for_new_rows_too():
    rng = np.random.default_rng(0)
    a, b = rng.random((40, 2)), rng.random((30, 2)) + 100
    embedder = SpectralEmbedder(4, n_neighbors=6).fit(np.concatenate([a, b]))
    placed = embedder.transform([[0.51, 0.5], [100.5, 100.49]])
    np.testing.assert_allclose(placed[:, 4:], [[1, 0], [0, 1]])


def test_float32_stays_float32(circle):
    train, new = (part.astype(np.float32) for part in circle)
    embedder = SpectralEmbedder(5).fit(train)
    assert embedder.transform(train).dtype == np.float32
    assert embedder.transform(new).dtype == np.float32


def test_neighbour_coordinates_cross_validate(circle):
    train, _ = circle
    y = np.arctan2(train[:, 1], train[:, 0]) ** 2
    scores = cross_val_score(
        make_pipeline(SpectralEmbedder(20), Ridge(1e-3)), train, y, cv=KFold(5, shuffle=True)
    )
    assert scores.min() > 0.9


# --- affinities -------------------------------------------------------------


def test_affinities_agree_with_their_graph_and_extend(circle):
    train, new = circle
    kernel = rbf_kernel(train, gamma=50)
    embedder = SpectralEmbedder(5, affinity="precomputed")
    out = embedder.fit_transform(kernel)
    graph = Graph.from_adjacency(kernel - np.diag(np.diag(kernel)))
    expected = SpectralEmbedder(5, graph=graph).fit_transform(np.arange(300)[:, None])
    np.testing.assert_allclose(out, expected, atol=1e-9)
    placed = embedder.transform(rbf_kernel(new, train, gamma=50))
    nearest = out[np.linalg.norm(train[None] - new[:, None], axis=-1).argmin(axis=1)]
    assert np.abs(placed - nearest).max() < 0.5
    sparse = clone(embedder).fit(sp.csr_array(kernel)).transform(sp.csr_array(kernel))
    np.testing.assert_allclose(sparse, out, atol=1e-9)


def plain_nystrom(kernel, new, k, laplacian):
    """The textbook's: eigenvectors of the normalised kernel, diagonal included."""
    degrees, of_new = kernel.sum(axis=1), new.sum(axis=1)
    values, vectors = np.linalg.eigh(kernel / np.sqrt(np.outer(degrees, degrees)))
    values, vectors = values[::-1][1 : k + 1], vectors[:, ::-1][:, 1 : k + 1]
    if laplacian == "symmetric":
        placed = new / np.sqrt(np.outer(of_new, degrees)) @ vectors / values
        return vectors * len(kernel) ** 0.5, placed * len(kernel) ** 0.5
    vectors = vectors / np.sqrt(degrees)[:, None] * degrees.sum() ** 0.5
    return vectors, new / of_new[:, None] @ vectors / values


SMOOTH_KINDS = {
    "symmetric": {"laplacian": "symmetric"},
    "random_walk": {"laplacian": "random_walk"},
    "diffusion_map": {"method": "diffusion_map", "diffusion_time": 0},
    "faded": {"method": "diffusion_map"},
    "density": {"method": "diffusion_map", "alpha": 0.5},
}


@pytest.fixture(scope="module")
def square():
    points = np.random.default_rng(0).random((600, 2))
    return points, np.sin(4 * points[:, 0]) + points[:, 1] ** 2


@pytest.mark.parametrize("kind", SMOOTH_KINDS)
@pytest.mark.parametrize("gamma", [2, 5, 10, 50])
def test_new_rows_of_a_kernel_are_spread_as_the_old_ones(square, kind, gamma):
    points, y = square
    train, new = points[:400], points[400:]
    kernel, affinity = rbf_kernel(train, gamma=gamma), rbf_kernel(new, train, gamma=gamma)
    embedder = SpectralEmbedder(8, affinity="precomputed", **SMOOTH_KINDS[kind])
    coordinates, placed = embedder.fit_transform(kernel), embedder.transform(affinity)
    spread = placed.std(axis=0) / coordinates.std(axis=0)
    assert (spread > 0.8).all()
    assert (spread < 1.2).all()
    plain = plain_nystrom(kernel, affinity, 8, SMOOTH_KINDS[kind].get("laplacian"))
    expected = Ridge(1e-3).fit(plain[0], y[:400]).score(plain[1], y[400:])
    scaled = StandardScaler().fit(coordinates)
    model = Ridge(1e-3).fit(scaled.transform(coordinates), y[:400])
    assert model.score(scaled.transform(placed), y[400:]) > expected - 0.01
    # Next to a training row they are next to its own.
    beside = embedder.transform(rbf_kernel(train[:50] + 1e-7, train, gamma=gamma))
    np.testing.assert_allclose(beside, coordinates[:50], atol=2e-3)


@pytest.mark.parametrize("kind", ["symmetric", "random_walk", "diffusion_map"])
def test_rows_far_from_all_do_not_shrink_or_grow(kind):
    rng = np.random.default_rng(0)
    train, new = rng.standard_normal((400, 2)), rng.standard_normal((200, 2))
    embedder = SpectralEmbedder(8, affinity="precomputed", **SMOOTH_KINDS[kind])
    coordinates = embedder.fit_transform(rbf_kernel(train, gamma=5))
    placed = embedder.transform(rbf_kernel(new, train, gamma=5))
    # A coordinate may be that of few rows far out, which are not met again.
    spread = placed.std(axis=0) / coordinates.std(axis=0)
    assert np.median(spread) > 0.8
    assert (spread < 1.2).all()
    far = embedder.transform(rbf_kernel(3 * train[:20], train, gamma=5))
    assert np.abs(far).max() < 1.5 * np.abs(coordinates).max()


@pytest.mark.parametrize("kind", ["symmetric", "random_walk", "diffusion_map"])
def test_coordinates_that_cannot_be_placed_are_named(square, kind):
    points, y = square
    # So wide that the sixth coordinate is lost among the differences of degrees.
    kernel = rbf_kernel(points[:400], gamma=0.5)
    affinity = rbf_kernel(points[400:], points[:400], gamma=0.5)
    embedder = SpectralEmbedder(8, affinity="precomputed", **SMOOTH_KINDS[kind]).fit(kernel)
    name = SMOOTH_KINDS[kind].get("method", "laplacian")
    message = f"3 of 8 coordinates cannot be placed.*{name}6 to {name}8.*Fit with n_components=5"
    with pytest.warns(UserWarning, match=message):
        placed = embedder.transform(affinity)
    assert (placed[:, :5].std(axis=0) > 0.7 * embedder.embedding_[:, :5].std(axis=0)).all()
    # What is said to be near 0 is.
    assert np.abs(placed[:, 5:]).max() < 0.1
    fewer = embedder.set_params(n_components=5)
    model = make_pipeline(fewer, StandardScaler(), Ridge(1e-3)).fit(kernel, y[:400])
    assert model.score(affinity, y[400:]) > 0.98
    # As many as can be placed, unless a number is asked for.
    assert embedder.set_params(n_components=None).fit(kernel).n_components_ == 5
    embedder.transform(affinity)


def test_a_wide_kernel_has_no_combinatorial_coordinates_for_new_rows(square):
    points, y = square
    kernel = rbf_kernel(points[:400], gamma=2)
    affinity = rbf_kernel(points[400:], points[:400], gamma=2)
    embedder = SpectralEmbedder(8, affinity="precomputed").fit(kernel)
    with pytest.warns(UserWarning, match="8 of 8 coordinates.*Fit with laplacian='random_walk'"):
        embedder.transform(affinity)
    embedder.set_params(laplacian="random_walk")
    model = make_pipeline(embedder, Ridge(1e-3)).fit(kernel, y[:400])
    assert model.score(affinity, y[400:]) > 0.98


@pytest.mark.parametrize("time", [1, 300])
def test_faded_coordinates_of_new_rows_are_placed_as_faded(square, time):
    points, _ = square
    kernel = rbf_kernel(points[:300], gamma=10)
    affinity = rbf_kernel(points[400:], points[:300], gamma=10)
    kept = {"affinity": "precomputed", "method": "diffusion_map"}
    plain, faded = (SpectralEmbedder(6, diffusion_time=t, **kept).fit(kernel) for t in (0, time))
    np.testing.assert_allclose(
        faded.transform(affinity), plain.transform(affinity) * plain.eigenvalues_**time, rtol=1e-6
    )


def test_a_kernel_of_one_affinity_asks_for_a_narrower_one(square):
    points, _ = square
    train, new = points[:100], points[400:450]
    embedder = SpectralEmbedder(2, affinity="precomputed", laplacian="random_walk")
    embedder.fit(rbf_kernel(train, gamma=1e-13))
    with pytest.warns(UserWarning, match="2 of 2 coordinates.*Fit with a narrower kernel"):
        embedder.transform(rbf_kernel(new, train, gamma=1e-13))
    embedder.fit(rbf_kernel(train, gamma=10)).transform(rbf_kernel(new, train, gamma=10))


def test_more_coordinates_than_points_can_place_are_named():
    rng = np.random.default_rng(0)
    points, new = rng.random((150, 2)), rng.random((200, 2))

    def signal(at):
        return np.sin(6 * at[:, 0]) + np.cos(5 * at[:, 1])

    scores = {}
    for k in (64, None):
        embedder = SpectralEmbedder(k, scaling="unit").fit(points)
        known = embedder.transform(points)
        if k is None:
            assert 10 < embedder.n_components_ < 50
            placed = embedder.transform(new)
        else:
            with pytest.warns(UserWarning, match="of 64 coordinates cannot be placed") as caught:
                placed = embedder.transform(new)
            advised = int(re.search(r"n_components=(\d+)", str(caught[0].message))[1])
            SpectralEmbedder(advised).fit(points).transform(new)
        network = SIRENRegressor("train", random_state=0).fit(known, signal(points))
        scores[k] = network.score(placed, signal(new))
    assert scores[None] > 0.94 > 0.85 > scores[64]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_default_number_is_64_of_coordinates_that_do_not_fade(square, dtype):
    points = square[0].astype(dtype)
    assert SpectralEmbedder(scaling="unit").fit(points).n_components_ == 64
    # As many as new rows get their whole share of.
    assert 64 < SpectralEmbedder().fit(points).n_components_ < len(points) - 1


def test_the_default_number_is_all_but_of_large_graphs(grid, monkeypatch):
    X = grid.labels.to_frame()
    assert SpectralEmbedder(graph=grid).fit(X[:3]).n_components_ == 107
    assert SpectralEmbedder(graph=grid, scaling="unit").fit(X).n_components_ == 64
    assert SpectralEmbedder(graph=grid, method="diffusion_map").fit(X).n_components_ == 64
    # No symmetric shape is cut in an eigenspace.
    ring = Graph.from_networkx(nx.cycle_graph(1400))
    assert SpectralEmbedder(graph=ring).fit(ring.labels.to_frame()).n_components_ == 1000
    monkeypatch.setattr("skginr.spectral._size._MOST_COMPONENTS", 71)
    assert SpectralEmbedder(graph=ring).fit(ring.labels.to_frame()).n_components_ == 70
    # Coordinates of all nodes fit into 128 MiB, unless that would be few.
    monkeypatch.setattr("skginr.spectral._size._MOST_NUMBERS", 1400 * 66)
    assert SpectralEmbedder(graph=ring).fit(ring.labels.to_frame()).n_components_ == 66
    monkeypatch.setattr("skginr.spectral._size._MOST_NUMBERS", 1400 * 6)
    assert SpectralEmbedder(graph=ring).fit(ring.labels.to_frame()).n_components_ == 64


def test_affinities_pass_through_pipeline_and_search(circle):
    train, _ = circle
    y = train[:, 0]
    pipeline = make_pipeline(SpectralEmbedder(affinity="precomputed"), Ridge(1e-3))
    search = GridSearchCV(
        pipeline, {"spectralembedder__n_components": [4, 8]}, cv=KFold(3, shuffle=True)
    )
    assert search.fit(rbf_kernel(train, gamma=50), y).best_score_ > 0.9


def test_affinities_of_single_precision_are_symmetric_but_for_rounding(square):
    points = square[0][:300].astype(np.float32)
    kernel = rbf_kernel(points, gamma=20).astype(np.float32)
    # As products of blocks leave it: in the last digit.
    rough = kernel * (1 + 1.7e-7 * np.triu(np.ones_like(kernel), 1))
    assert rough.dtype == np.float32
    assert (rough != rough.T).any()
    embedder = SpectralEmbedder(5, affinity="precomputed", laplacian="random_walk")
    expected = embedder.fit_transform(kernel)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(embedder.fit_transform(rough), expected, atol=1e-4)
    np.fill_diagonal(rough, 0)
    for given in (rough, sp.csr_array(rough), pd.DataFrame(rough)):
        assert Graph.from_adjacency(given).n_edges > 0
    # What is more than rounding is not, and is shown with digits enough.
    for off, dtype in ((1e-3, np.float32), (1e-7, np.float64)):
        wrong = kernel.astype(dtype)
        wrong[2, 3] *= 1 + off
        with pytest.raises(ValueError, match="X must be symmetric") as caught:
            embedder.fit(wrong)
        first, second = re.search(
            r"got weight (\S+) at .* but (\S+) at", str(caught.value)
        ).groups()
        assert first != second
        embedder.fit((wrong + wrong.T) / 2)


def test_distances_of_single_precision_are_symmetric_but_for_rounding(square):
    points = square[0][:200].astype(np.float32)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    rough = distances * (1 + 1.7e-7 * np.triu(np.ones_like(distances), 1))
    embedder = SpectralEmbedder(4, affinity="precomputed_distances")
    expected = embedder.fit_transform(distances)
    np.testing.assert_allclose(embedder.fit_transform(rough), expected, atol=1e-3)
    rough[2, 3] += 1e-3
    with pytest.raises(ValueError, match="X must be symmetric") as caught:
        embedder.fit(rough)
    first, second = re.search(r"got (\S+) at .* but (\S+) at", str(caught.value)).groups()
    assert first != second
    embedder.fit((rough + rough.T) / 2)


def test_affinities_sliced_one_way_are_refused_and_explained(circle):
    train, _ = circle
    wrapped = TransformedTargetRegressor(
        make_pipeline(SpectralEmbedder(4, affinity="precomputed"), Ridge())
    )
    with pytest.raises(ValueError, match="square.*pairwise tag.*TransformedTargetRegressor"):
        cross_val_score(wrapped, rbf_kernel(train), train[:, 0], error_score="raise")


def test_a_row_without_affinity_is_placed_at_the_mean_with_a_warning(circle):
    train, _ = circle
    embedder = SpectralEmbedder(3, affinity="precomputed").fit(rbf_kernel(train, gamma=50))
    rows = np.zeros((3, 300))
    rows[1, :5] = 1.0
    with pytest.warns(UserWarning, match="2 rows of X have no affinity.*: 0, 2"):
        placed = embedder.transform(rows)
    np.testing.assert_array_equal(placed[[0, 2]], 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda K: -K, "Negative values in data passed to affinity='precomputed'"),
        (lambda K: np.triu(K), "symmetric"),
        (lambda K: K[:, :-1], r"square.*got shape \(300, 299\)"),
    ],
)
def test_unfit_affinities_are_refused(circle, change, message):
    with pytest.raises(ValueError, match=message):
        SpectralEmbedder(3, affinity="precomputed").fit(change(rbf_kernel(circle[0])))


# --- what a fitted embedder is made of ----------------------------------------


def test_equal_affinity_rows_are_still_their_own_nodes():
    leaves = np.array([[0, 1.0, 0], [1, 0, 1], [0, 1, 0]])
    out = SpectralEmbedder(2, affinity="precomputed").fit_transform(leaves)
    graph = Graph.from_adjacency(leaves)
    expected = SpectralEmbedder(2, graph=graph).fit_transform([[0], [1], [2]])
    np.testing.assert_allclose(out, expected, atol=1e-12)
    apart = np.zeros((5, 5))
    apart[:3, :3] = leaves
    out = SpectralEmbedder(2, affinity="precomputed").fit_transform(apart)
    np.testing.assert_array_equal(out[3:, 2:], [[0, 1, 0], [0, 0, 1]])


def test_affinities_do_not_care_for_their_index_type(circle):
    kernel = sp.csr_array(rbf_kernel(circle[0], gamma=50))
    wide = kernel.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    embedder = SpectralEmbedder(3, affinity="precomputed").fit(kernel)
    np.testing.assert_array_equal(embedder.transform(wide), embedder.transform(kernel))


def test_a_failed_fit_leaves_the_last_one(grid):
    X = grid.labels.to_frame()
    embedder = SpectralEmbedder(3, graph=grid).fit(X)
    expected = embedder.transform(X)
    moved = Graph.from_adjacency(grid.adjacency, labels=grid.labels[::-1])
    embedder.set_params(graph=moved, n_components=999)
    with pytest.raises(ValueError, match="n_components must be at most 107"):
        embedder.fit(X)
    np.testing.assert_array_equal(embedder.transform(X), expected)


def test_parameters_set_after_fit_wait_for_the_next(circle):
    train, new = circle
    embedder = SpectralEmbedder(3).fit(train)
    expected = embedder.transform(new)
    graph = Graph.from_networkx(nx.path_graph(3))
    embedder.set_params(laplacian="symmetric", graph=graph)
    np.testing.assert_array_equal(embedder.transform(new), expected)


def test_the_embedding_does_not_depend_on_what_ran_before():
    grid = Graph.from_networkx(nx.grid_2d_graph(30, 30))
    X = pd.DataFrame({"node": list(grid.labels)})
    eigen.clear_cache()
    cold = SpectralEmbedder(7, graph=grid).fit_transform(X)
    SpectralEmbedder(7, graph=grid, max_components=200).fit(X)
    warm = SpectralEmbedder(7, graph=grid).fit_transform(X)
    eigen.clear_cache()
    few = SpectralEmbedder(7, graph=grid, max_components=8).fit_transform(X)
    np.testing.assert_allclose(warm, cold, atol=1e-6)
    np.testing.assert_allclose(few, cold, atol=1e-6)


def test_threads_solve_once():
    graph = Graph.from_networkx(nx.random_geometric_graph(900, 0.08, seed=11))
    before = eigen.n_solves()
    with joblib.parallel_backend("threading", n_jobs=4):
        cross_val_score(
            make_pipeline(SpectralEmbedder(8, graph=graph), Ridge()),
            np.arange(900)[:, None], np.arange(900.0), cv=8,
        )  # fmt: skip
    assert eigen.n_solves() == before + 1


def test_memory_is_written_even_if_the_process_knew_and_serves_any_smaller_k(tmp_path):
    graph = Graph.from_networkx(nx.path_graph(150))
    X = np.arange(150)[:, None]
    SpectralEmbedder(4, graph=graph).fit(X)
    solved = eigen.n_solves()
    SpectralEmbedder(4, graph=graph, memory=tmp_path).fit(X)
    (file,) = tmp_path.rglob("*.npz")
    for memory in (tmp_path, str(tmp_path)):
        eigen.clear_cache()
        SpectralEmbedder(2, graph=graph, memory=memory).fit(X)
    assert eigen.n_solves() == solved
    file.write_bytes(b"damaged")
    eigen.clear_cache()
    with pytest.warns(UserWarning, match="memory has a file that was not believed"):
        SpectralEmbedder(2, graph=graph, memory=tmp_path).fit(X)
    assert eigen.n_solves() == solved + 1
    assert eigen.read_basis(file).n_vectors == 129
    assert eigen.folder_of(joblib.Memory(tmp_path)) == tmp_path
    with pytest.raises(TypeError, match="memory must be a folder"):
        SpectralEmbedder(2, graph=graph, memory=3).fit(X)


def test_labels_without_a_graph_are_explained():
    with pytest.raises(ValueError, match="must hold numbers; got 'a' of type str.*name the graph"):
        SpectralEmbedder().fit(pd.DataFrame({"name": ["a", "b", "c"]}))


def test_far_rows_have_few_neighbours_and_land_near_them(circle):
    train, _ = circle
    embedder = SpectralEmbedder(4).fit(train)
    far = 1e6 * train[:40] / np.linalg.norm(train[:40], axis=1, keepdims=True)
    assert np.diff(embedder._training.join(far).affinity.indptr).max() < 60
    np.testing.assert_allclose(embedder.transform(far), embedder.transform(train[:40]), atol=0.6)


def test_a_failed_fit_leaves_no_trace(circle):
    train, _ = circle
    embedder = SpectralEmbedder(500)
    with pytest.raises(ValueError, match="n_components must be at most"):
        embedder.fit(train)
    with pytest.raises(NotFittedError):
        embedder.transform(train)
    embedder.set_params(n_components=3).fit(pd.DataFrame(train, columns=["x", "y"]))
    before = vars(embedder).copy()
    for X in (np.zeros((5, 3)), pd.DataFrame({"z": [1.0, np.nan]}), np.ones((4, 4))):
        with pytest.raises(ValueError):  # noqa: PT011
            embedder.fit(X)
    assert vars(embedder) == before


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"fips": ["01003", "01005", "01007"]}),
        pd.DataFrame({"day": pd.date_range("2020", periods=3), "size": [1.0, 2.0, 3.0]}),
        pd.DataFrame({"fips": pd.array(["1", "2", None], dtype="string")}),
        np.array([["1"], ["2"], ["3"]]),
        np.array([["2020"], ["2021"], ["2022"]], dtype="datetime64[Y]"),
        [["1"], ["2"], ["3"]],
        np.array([[1.0], [pd.Timedelta(days=1)], [2.0]], dtype=object),
    ],
)
def test_words_and_dates_are_not_coordinates(X):
    with pytest.raises(ValueError, match="X, where graph=None, must hold numbers; got"):
        SpectralEmbedder(2).fit(X)


def test_masked_entries_are_not_coordinates(circle):
    with pytest.raises(ValueError, match="must not be a masked array"):
        SpectralEmbedder(2).fit(np.ma.array(circle[0], mask=circle[0] > 0.8))


def test_rows_beyond_floats_are_named(circle):
    train, new = circle
    embedder = SpectralEmbedder(3).fit(train)
    new[2] = -1.7e308
    with pytest.raises(ValueError, match="less than 1e.150 times as large.*row 2 is not, one of 1"):
        embedder.transform(new)
    with pytest.raises(ValueError, match="comparable size; row .* is at no distance"):
        SpectralEmbedder(3).fit(np.vstack([train, [[1e170, 0]]]))
    distances = SpectralEmbedder(2, affinity="precomputed_distances")
    distances.fit(np.hypot(*(train.T[:, :20, None] - train.T[:, None, :20])))
    with pytest.raises(ValueError, match="row 1 is at distance 0 from 20 of 20"):
        distances.transform(np.vstack([np.ones(20), np.zeros(20)]))


def test_asymmetric_affinities_are_called_what_they_are(circle):
    K = rbf_kernel(circle[0][:20])
    K[2, 3] *= 2
    with pytest.raises(ValueError, match="X must be symmetric"):
        SpectralEmbedder(2, affinity="precomputed").fit(K)


def test_coordinates_need_edges():
    dust = Graph.from_adjacency(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="need edges; the graph has none.*its 3 nodes a column"):
        SpectralEmbedder(1, graph=dust).fit([[0]])
    np.testing.assert_array_equal(
        SpectralEmbedder(graph=dust).fit_transform([[0], [1], [2]]), np.eye(3)
    )


def test_warnings_point_at_the_line_that_caused_them(circle):
    ring = Graph.from_networkx(nx.cycle_graph(12))
    embedder = SpectralEmbedder(1, graph=ring)
    points = SpectralEmbedder(3, affinity="precomputed").fit(rbf_kernel(circle[0], gamma=50))
    alone = Graph.from_networkx(nx.disjoint_union(nx.cycle_graph(12), nx.path_graph(1)))
    for act in (
        lambda: embedder.fit([[0]]),
        lambda: embedder.fit_transform([[0]]),
        lambda: make_pipeline(embedder, StandardScaler()).fit([[0]]),
        lambda: points.transform(np.zeros((1, 300))),
        lambda: embedder.extend(alone),
        lambda: Graph.from_adjacency(np.eye(3)),
    ):
        with pytest.warns(UserWarning, match="eigenspace|affinity|self-loops") as caught:
            act()
        assert {warning.filename for warning in caught} == {__file__}


def test_memory_is_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    graph = Graph.from_networkx(nx.path_graph(9))
    with pytest.raises(ValueError, match="memory must be a folder that can be written to"):
        SpectralEmbedder(2, graph=graph, memory=tmp_path / "file").fit([[0]])


def test_structural_features_tell_nodes_by_their_surroundings():
    star = nx.star_graph(4)
    star.add_edge(4, 5, weight=2.0)
    graph = Graph.from_networkx(star)
    embedder = SpectralEmbedder(1, graph=graph, structural_features=True)
    columns = embedder.fit_transform(graph.labels.to_frame())
    names = embedder.get_feature_names_out().tolist()
    assert names[1:] == ["sqrt_degree", "sqrt_degree_1", "sqrt_degree_2", "sqrt_degree_3"]
    structure = columns[:, 1:]
    np.testing.assert_allclose(structure.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(structure.std(axis=0), 1)
    # Leaves of the star are alike; the hub's mean over neighbours is that of its spokes.
    np.testing.assert_allclose(structure[1:4], structure[[1]].repeat(3, axis=0))
    degree = np.sqrt([4.0, 1, 1, 1, 3, 2])
    around = np.array([(3 + 3**0.5) / 4, 2, 2, 2, (2 + 2 * 2**0.5) / 3, 3**0.5])
    np.testing.assert_allclose(structure[:, 0], (degree - degree.mean()) / degree.std())
    np.testing.assert_allclose(structure[:, 1], (around - around.mean()) / around.std())
    plain = SpectralEmbedder(1, graph=graph).fit_transform(graph.labels.to_frame())
    np.testing.assert_array_equal(plain, columns[:, :1])


def test_structural_features_of_nodes_that_come_later():
    road = nx.path_graph(6)
    graph = Graph.from_networkx(road)
    embedder = SpectralEmbedder(2, graph=graph, structural_features=True)
    before = embedder.fit_transform(graph.labels.to_frame())
    road.add_edge(5, 6)
    after = embedder.extend(Graph.from_networkx(road)).transform(np.arange(7)[:, None])
    np.testing.assert_array_equal(after[:6], before)
    # The new end has the degree that the old ends had.
    np.testing.assert_allclose(after[6, 2], before[0, 2])


def test_structural_features_of_a_regular_graph_are_nothing():
    ring = Graph.from_networkx(nx.cycle_graph(9))
    embedder = SpectralEmbedder(2, graph=ring, structural_features=True)
    np.testing.assert_array_equal(embedder.fit_transform(np.arange(9)[:, None])[:, 2:], 0)


def test_structural_features_need_a_graph():
    with pytest.raises(ValueError, match="structural_features=True needs a graph"):
        SpectralEmbedder(structural_features=True).fit(np.random.default_rng(0).random((20, 2)))
