"""The methods through SpectralEmbedder: what they compute, and where they place new nodes."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist
from sklearn.datasets import make_swiss_roll
from sklearn.linear_model import Ridge
from sklearn.manifold import Isomap
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from skginr import Graph, SpectralEmbedder
from skginr.spectral import eigen

METHODS = ["laplacian", "diffusion_map", "isomap", "lle"]


@pytest.fixture(scope="module")
def roll():
    """Points on a rolled sheet, and how far along it they are."""
    points, along = make_swiss_roll(900, random_state=0)
    return points, along


@pytest.fixture(scope="module")
def roll_graphs(roll):
    """The graph of the points by method: some read weights, the others have none to read."""
    faded, whole = (Graph.from_points(roll[0], weighted=weighted) for weighted in (True, False))
    return {"laplacian": faded, "diffusion_map": faded, "isomap": whole, "lle": whole}


def rows_of(graph):
    return graph.labels.to_frame()


def without(graph, nodes):
    """The graph that is left, its labels kept."""
    return graph.subgraph(np.delete(graph.labels, nodes))


def correlation(a, b):
    return np.array([abs(np.corrcoef(x, y)[0, 1]) for x, y in zip(a.T, b.T, strict=True)])


# --- what they compute --------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_first_coordinate_unrolls_the_sheet(roll, method):
    points, along = roll
    first = SpectralEmbedder(2, method=method).fit_transform(points)[:, 0]
    assert correlation(first[:, None], along[:, None]) > 0.96


def test_diffusion_distances_are_those_of_the_walk():
    graph = Graph.from_networkx(nx.random_geometric_graph(60, 0.3, seed=1))
    assert graph.n_components == 1
    time = 3
    embedder = SpectralEmbedder(
        59, graph=graph, method="diffusion_map", alpha=0, diffusion_time=time
    )
    coordinates = embedder.fit_transform(rows_of(graph))
    A = graph.adjacency.toarray()
    degrees = A.sum(axis=1)
    walked = np.linalg.matrix_power(A / degrees[:, None], 3)
    # Distances between rows of P^t, weighed by 1 / stationary distribution.
    expected = cdist(walked, walked, metric="seuclidean", V=degrees / degrees.sum())
    np.testing.assert_allclose(cdist(coordinates, coordinates), expected, atol=1e-8)
    assert (np.diff(embedder.eigenvalues_) <= 1e-12).all()
    np.testing.assert_allclose(
        embedder.eigenvalues_, np.sort(np.linalg.eigvals(A / degrees).real)[::-1][1:], atol=1e-10
    )


def test_alpha_one_forgets_the_density_of_points():
    # Thrice as dense on one side of a circle: at alpha=1 the first two still turn evenly.
    even = 2 * np.pi * np.arange(600) / 600
    angle = even + 0.5 * np.sin(even)
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    weights = np.exp(-(cdist(points, points) ** 2) / 0.01)
    graph = Graph.from_adjacency(weights - np.diag(np.diag(weights)))
    turning = {}
    for alpha in (0, 1):
        embedder = SpectralEmbedder(2, graph=graph, method="diffusion_map", alpha=alpha)
        out = embedder.fit_transform(rows_of(graph))
        turned = np.unwrap(np.arctan2(out[:, 1], out[:, 0]))
        turning[alpha] = np.std(np.gradient(turned, angle))
    assert turning[1] < 0.01
    assert turning[0] > 0.3


def test_no_time_fades_nothing(grid):
    plain = SpectralEmbedder(5, graph=grid, laplacian="random_walk", scaling="unit")
    plain = plain.fit_transform(rows_of(grid))
    walk = SpectralEmbedder(5, graph=grid, method="diffusion_map", alpha=0, diffusion_time=0)
    np.testing.assert_allclose(walk.fit_transform(rows_of(grid)), plain, atol=1e-12)
    before = eigen.n_solves()
    faded = walk.set_params(diffusion_time=2).fit_transform(rows_of(grid))
    assert eigen.n_solves() == before, "time only scales a basis"
    np.testing.assert_allclose(faded, plain * walk.eigenvalues_**2, atol=1e-12)


def test_isomap_from_distances_is_that_of_scikit_learn(roll):
    points = roll[0][:300]
    embedder = SpectralEmbedder(2, method="isomap", n_neighbors=8)
    out = embedder.fit_transform(points)
    distances = cdist(points, points)
    by_distances = SpectralEmbedder(
        2, method="isomap", n_neighbors=8, affinity="precomputed_distances"
    ).fit_transform(distances)
    np.testing.assert_allclose(by_distances, out, atol=1e-9)
    joined = embedder.graph_.adjacency.toarray() > 0
    graph_distances = sp.csgraph.shortest_path(np.where(joined, distances, 0.0))
    peer = Isomap(n_neighbors=299, n_components=2, metric="precomputed", path_method="D")
    expected = peer.fit_transform(graph_distances)
    unit = np.sqrt(embedder.eigenvalues_[0] / 300)
    signs = np.sign((out * expected).sum(axis=0))
    np.testing.assert_allclose(out * unit * signs, expected, atol=1e-6)


def nearest_pairs(points, n_neighbors):
    """Pairs of which one is among the nearest of the other, by brute force."""
    order = cdist(points, points).argsort(axis=1)[:, 1 : n_neighbors + 1]
    return {tuple(sorted((i, int(j)))) for i, row in enumerate(order) for j in row}


def pairs_of(graph):
    return {(int(a), int(b)) for a, b in zip(*sp.triu(graph.adjacency).nonzero(), strict=True)}


@pytest.mark.parametrize("method", ["isomap", "lle"])
def test_methods_without_weights_take_the_nearest_neighbours_and_no_others(method):
    points, _ = make_swiss_roll(300, random_state=1)
    expected = nearest_pairs(points, 8)
    embedder = SpectralEmbedder(2, method=method, n_neighbors=8).fit(points)
    assert pairs_of(embedder.graph_) == expected
    assert pairs_of(Graph.from_points(points, n_neighbors=8, weighted=False)) == expected
    assert set(embedder.graph_.adjacency.data) == {1.0}
    assert len(pairs_of(Graph.from_points(points, n_neighbors=8))) > 1.1 * len(expected)
    if method == "isomap":
        embedder.set_params(affinity="precomputed_distances").fit(cdist(points, points))
        assert pairs_of(embedder.graph_) == expected


@pytest.mark.parametrize(("n", "seed"), [(500, 0), (500, 2), (800, 1)])
def test_a_roll_is_unrolled_as_by_scikit_learn(n, seed):
    # With the edges beyond the nearest neighbours the first two are cut through.
    points, along = make_swiss_roll(n, random_state=seed)
    ours = SpectralEmbedder(2, method="isomap", n_neighbors=8).fit_transform(points)
    peer = Isomap(n_neighbors=8, n_components=2).fit_transform(points)
    np.testing.assert_allclose(correlation(ours, peer), 1, atol=1e-9)
    lle = SpectralEmbedder(2, method="lle", n_neighbors=8).fit_transform(points)
    for first in (ours[:, :1], lle[:, :1]):
        assert correlation(first, along[:, None])[0] > 0.98


@pytest.mark.parametrize("method", ["isomap", "lle"])
def test_edges_that_fade_are_said_where_weights_are_not_read(roll, method):
    points = roll[0][:300]
    graph = Graph.from_points(points)
    for faded in (graph, graph.subgraph(graph.labels[:200])):
        with pytest.warns(
            UserWarning, match=rf"method='{method}' reads no weights.*weighted=False"
        ):
            SpectralEmbedder(2, graph=faded, method=method).fit([[0]])
    whole = Graph.from_points(points, weighted=False)
    SpectralEmbedder(2, graph=whole, method=method).fit([[0]])
    SpectralEmbedder(2, graph=graph).fit([[0]])
    with pytest.raises(TypeError, match="weighted must be True or False"):
        Graph.from_points(points, weighted="distance")


def test_isomap_never_reads_weights(roll_graphs):
    roll_graph = roll_graphs["isomap"]
    factors = sp.diags_array(np.arange(1.0, 901))
    heavier = Graph(factors @ roll_graph.adjacency @ factors, positions=roll_graph.positions)
    first, second = (
        SpectralEmbedder(3, graph=g, method="isomap").fit_transform(rows_of(g))
        for g in (roll_graph, heavier)
    )
    np.testing.assert_allclose(second, first, atol=1e-9)


def test_few_landmarks_come_near_all(roll_graphs):
    roll_graph = roll_graphs["isomap"]
    few, every = (
        SpectralEmbedder(2, graph=roll_graph, method="isomap", n_landmarks=n)
        .fit_transform(rows_of(roll_graph))
        for n in (60, "auto")
    )  # fmt: skip
    assert correlation(few, every).min() > 0.99


def test_lle_of_attributes_does_not_depend_on_their_units():
    graph = Graph.from_networkx(nx.grid_2d_graph(15, 12))
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((180, 3)).cumsum(axis=0), columns=list("abc"))
    table.index = graph.labels
    first, second = (
        SpectralEmbedder(4, graph=graph.with_attributes(t), method="lle").fit_transform(
            pd.DataFrame({"node": list(graph.labels)})
        )
        for t in (table, table * [1e-3, 1.0, 1e6] + 7)
    )
    np.testing.assert_allclose(second, first, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_methods_and_k_are_searched_together(roll, method):
    points, along = roll
    pipeline = Pipeline([("embed", SpectralEmbedder()), ("fit", Ridge(1e-3))])
    search = GridSearchCV(
        pipeline,
        {"embed__method": [method, "laplacian"], "embed__n_components": [2, 8]},
        cv=KFold(3, shuffle=True, random_state=0),
    )
    assert search.fit(points[:450], along[:450]).best_score_ > 0.95


@pytest.mark.parametrize("eigen_solver", ["dense", "shift_invert", "multigrid", "iterative"])
@pytest.mark.parametrize("method", ["laplacian", "diffusion_map", "lle"])
def test_every_solver_gives_the_same_coordinates(roll_graphs, method, eigen_solver):
    roll_graph = roll_graphs[method]
    expected, out = (
        _fresh(SpectralEmbedder(6, graph=roll_graph, method=method, eigen_solver=solver))
        for solver in ("dense", eigen_solver)
    )
    np.testing.assert_allclose(out, expected, atol=1e-4)


def _fresh(embedder):
    eigen.clear_cache()
    return embedder.fit_transform(rows_of(embedder.graph))


def test_a_stricter_tolerance_solves_again():
    graph = Graph.from_networkx(nx.random_geometric_graph(900, 0.08, seed=21))
    before = eigen.n_solves()
    for tol in (1e-4, 1e-10, 1e-6):
        SpectralEmbedder(8, graph=graph, eigen_tol=tol).fit(rows_of(graph))
    assert eigen.n_solves() == before + 2


# --- nodes never seen ---------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_new_points_land_among_their_neighbours(roll, method):
    points, _ = roll
    embedder = SpectralEmbedder(2, method=method).fit(points[:800])
    placed, known = embedder.transform(points[800:]), embedder.transform(points[:800])
    nearest = known[cdist(points[800:], points[:800]).argmin(axis=1)]
    assert correlation(placed, nearest).min() > 0.98
    np.testing.assert_array_equal(embedder.transform(points[:5]), known[:5])


@pytest.mark.parametrize("method", METHODS)
def test_extend_places_new_nodes_and_moves_no_old_one(roll_graphs, method):
    roll_graph = roll_graphs[method]
    new = np.random.default_rng(0).choice(900, 90, replace=False)
    old = np.setdiff1d(np.arange(900), new)
    embedder = SpectralEmbedder(2, graph=without(roll_graph, new), method=method).fit(
        [[int(old[0])]]
    )
    before = embedder.transform(old[:, None])
    extended = embedder.extend(roll_graph)
    np.testing.assert_array_equal(extended.transform(old[:, None]), before)
    np.testing.assert_array_equal(embedder.transform(old[:, None]), before)
    placed = extended.transform(new[:, None])
    solved = SpectralEmbedder(2, graph=roll_graph, method=method).fit_transform(new[:, None])
    assert correlation(placed, solved)[0] > 0.99
    loaded = pickle.loads(pickle.dumps(extended))
    np.testing.assert_array_equal(loaded.transform(new[:, None]), placed)
    assert loaded.graph_ == roll_graph


@pytest.mark.parametrize("method", ["laplacian", "diffusion_map", "isomap", "lle"])
def test_extending_twice_is_extending_once(roll_graphs, method):
    roll_graph = roll_graphs[method]
    last, second = np.arange(880, 900), np.arange(860, 900)
    start = SpectralEmbedder(3, graph=without(roll_graph, second), method=method).fit([[0]])
    halfway = start.extend(without(roll_graph, last))
    twice, once = halfway.extend(roll_graph), start.extend(roll_graph)
    np.testing.assert_allclose(
        twice.transform(last[:, None]), once.transform(last[:, None]), atol=1e-9
    )
    np.testing.assert_array_equal(
        twice.transform(second[:20, None]), halfway.transform(second[:20, None])
    )


@pytest.mark.parametrize("kind", ["combinatorial", "symmetric", "random_walk"])
def test_extending_by_nothing_changes_nothing(kind):
    graph = Graph.from_networkx(nx.random_geometric_graph(200, 0.16, seed=3))
    embedder = SpectralEmbedder(5, graph=graph, laplacian=kind).fit([[0]])
    same = embedder.extend(graph)
    np.testing.assert_array_equal(
        same.transform(rows_of(graph)), embedder.transform(rows_of(graph))
    )


def test_a_node_joined_to_nothing_known_is_named():
    road = nx.path_graph(30)
    embedder = SpectralEmbedder(3, graph=Graph.from_networkx(road)).fit([[0]])
    road.add_edge(29, 30)
    road.add_edge(30, 31)  # reached through a new node: no warning
    embedder.extend(Graph.from_networkx(road))
    road.add_edge(100, 101)
    with pytest.warns(UserWarning, match="2 new nodes have no affinity.*mean.*: 100, 101"):
        extended = embedder.extend(Graph.from_networkx(road))
    np.testing.assert_array_equal(extended.transform([[100], [101]]), 0)
    assert np.abs(extended.transform([[31]])).max() > 1


def test_new_nodes_share_the_component_they_join(archipelago):
    embedder = SpectralEmbedder(4, graph=archipelago).fit(rows_of(archipelago))
    n = archipelago.n_nodes
    bridge = sp.csr_array(([1.0, 3.0], ([0, 0], [0, n - 2])), shape=(1, n))
    grown = Graph.from_adjacency(
        sp.block_array([[archipelago.adjacency, bridge.T], [bridge, None]])
    )
    out = embedder.extend(grown).transform([[n]])
    np.testing.assert_allclose(out[:, 4:].sum(), 1)
    assert sorted(out[0, 4:].round(9)) == [0, 0.25, 0.75]


# --- what is refused ----------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"method": "pca"}, ValueError, "method must be one of 'laplacian', 'diffusion_map'"),
        ({"alpha": -1}, ValueError, "alpha must be at least 0"),
        ({"diffusion_time": "long"}, TypeError, "diffusion_time must be a number"),
        ({"n_landmarks": 1}, ValueError, "n_landmarks must be at least 2"),
        ({"n_landmarks": "all"}, TypeError, "n_landmarks must be an integer or 'auto'"),
        ({"eigen_solver": "arpack"}, ValueError, "eigen_solver must be one of 'auto', 'dense'"),
        ({"eigen_tol": 0}, ValueError, "eigen_tol must be at least 1e-14"),
        ({"method": "lle"}, ValueError, "needs a graph whose nodes have positions or attributes"),
        ({"laplacian": "cotangent"}, ValueError, r"needs the faces of a mesh.*Graph\.from_mesh"),
        (
            {"method": "isomap", "n_landmarks": 4, "n_components": 50},
            ValueError,
            "at most 1, the number of coordinates that method='isomap' finds.*More n_landmarks",
        ),
    ],
)
def test_unfit_parameters_are_refused(parameters, error, message):
    graph = Graph.from_networkx(nx.path_graph(80))
    with pytest.raises(error, match=message):
        SpectralEmbedder(**({"graph": graph} | parameters)).fit([[0]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"method": "isomap", "affinity": "precomputed"}, "isomap.*precomputed_distances"),
        ({"method": "lle", "affinity": "precomputed_distances"}, "lle.*give coordinates"),
    ],
)
def test_methods_refuse_what_they_cannot_read(parameters, message):
    with pytest.raises(ValueError, match=message):
        SpectralEmbedder(2, **parameters).fit(np.ones((4, 4)) - np.eye(4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda D: np.triu(D), "symmetric"),
        (lambda D: D + np.eye(len(D)), "zero on the diagonal.*similarities"),
        (lambda D: np.where(D[D > 0].min() * 1.01 > D, 0, D), "rows .* at distance 0"),
        (lambda D: D[:, 1:], "square"),
        (lambda D: -D, "Negative"),
    ],
)
def test_unfit_distances_are_refused(roll, change, message):
    distances = cdist(roll[0][:40], roll[0][:40])
    with pytest.raises(ValueError, match=message):
        SpectralEmbedder(2, affinity="precomputed_distances").fit(change(distances))


def test_extend_refuses_what_it_cannot_extend(roll, grid):
    with pytest.raises(ValueError, match="graph=None, and transform places new rows"):
        SpectralEmbedder(2).fit(roll[0]).extend(grid)
    embedder = SpectralEmbedder(2, graph=grid).fit(rows_of(grid))
    with pytest.raises(ValueError, match="graph must hold every node that is embedded.*'n0"):
        embedder.extend(without(grid, [3]))
    with pytest.raises(TypeError, match=r"skginr\.Graph"):
        embedder.extend(grid.adjacency)
    with pytest.raises(ValueError, match="not fitted"):
        SpectralEmbedder(2, graph=grid).extend(grid)


def test_every_method_has_the_same_columns_of_components():
    # The largest component does not come first.
    parts = nx.disjoint_union_all([nx.path_graph(2)] * 3 + [nx.path_graph(9)])
    graph = Graph(
        nx.to_scipy_sparse_array(parts, dtype=float), positions=np.arange(15.0)[:, None] ** 2
    )
    for method in METHODS:
        embedder = SpectralEmbedder(3, graph=graph, method=method)
        membership = embedder.fit_transform(rows_of(graph))[:, 3:]
        np.testing.assert_array_equal(membership.argmax(axis=1), [1, 1, 2, 2, 3, 3] + [0] * 9)


def test_time_is_the_power_of_negative_eigenvalues_too():
    graph = Graph.from_networkx(nx.cycle_graph(9))
    at = {
        time: SpectralEmbedder(8, graph=graph, method="diffusion_map", diffusion_time=time).fit(
            rows_of(graph)
        )
        for time in (0, 1, 2, 3, 0.5)
    }
    walk = at[1].eigenvalues_
    assert (walk < -0.4).any()
    for time in (1, 2, 3):
        np.testing.assert_allclose(at[time].embedding_, at[0].embedding_ * walk**time, atol=1e-9)
    half = np.sign(walk) * np.sqrt(np.abs(walk))
    np.testing.assert_allclose(at[0.5].embedding_, at[0].embedding_ * half, atol=1e-9)


def test_isomap_finds_all_coordinates_of_equal_eigenvalues():
    graph = Graph.from_networkx(nx.complete_bipartite_graph(50, 50))
    embedder = SpectralEmbedder(6, graph=graph, method="isomap", max_components=6)
    # LAPACK's fastest driver returns fewer, and says nothing.
    with pytest.warns(UserWarning, match="cuts an eigenspace"):
        embedder.fit(rows_of(graph))
    np.testing.assert_allclose(embedder.eigenvalues_, 2)


def test_new_rows_of_distances_are_placed_as_their_points(roll):
    points = roll[0]
    old, new = points[:500], points[500:520]
    for method in ("laplacian", "diffusion_map", "isomap"):
        by_points = SpectralEmbedder(5, method=method).fit(old).transform(new)
        by_distances = SpectralEmbedder(5, method=method, affinity="precomputed_distances")
        placed = by_distances.fit(cdist(old, old)).transform(cdist(new, old))
        # Nodes are in another order, and signs do not depend on it.
        np.testing.assert_allclose(placed, by_points, atol=1e-5)


def test_distances_equal_but_for_rounding_are_symmetric(roll):
    points = roll[0][:200]
    D = cdist(points, points)
    rough = D * (1 + 1e-13 * np.random.default_rng(0).standard_normal(D.shape))
    fit = SpectralEmbedder(3, affinity="precomputed_distances").fit
    np.testing.assert_allclose(fit(rough).embedding_, fit(D).embedding_, atol=1e-6)


def test_joined_new_nodes_solve_the_equations_of_the_walk():
    # The density of new nodes counts, as that of the old ones did.
    grown = nx.random_geometric_graph(60, 0.3, seed=3)
    for i, (_, _, edge) in enumerate(grown.edges(data=True)):
        edge["weight"] = 0.5 + (i % 7) / 4
    graph = Graph.from_networkx(grown)
    old, new = np.arange(50), np.arange(50, 60)
    embedder = SpectralEmbedder(4, graph=without(graph, new), method="diffusion_map", alpha=0.7)
    extended = embedder.fit([[0]]).extend(graph)
    A = graph.adjacency.toarray()
    assert A[np.ix_(new, new)].any()
    density = np.append(A[np.ix_(old, old)].sum(axis=0), A[new].sum(axis=1)) ** -0.7
    P = density[:, None] * A * density
    P /= P.sum(axis=1)[:, None]
    # Where the guard does not act: the smallest eigenvalue of the block of new nodes is far.
    smallest = np.linalg.eigvals(np.eye(10) - P[np.ix_(new, new)]).real.min()
    held = 1 - embedder.eigenvalues_ < 0.4 * smallest
    assert held.any()
    U = extended.embedding_[:, held]
    np.testing.assert_allclose(P[new] @ U, U[new] * embedder.eigenvalues_[held], atol=1e-9)


@pytest.mark.parametrize("method", ["laplacian", "diffusion_map"])
def test_weak_links_are_followed_until_they_are_none(method):
    road = nx.path_graph(4)
    embedder = SpectralEmbedder(2, graph=Graph.from_networkx(road), method=method).fit([[0]])
    for weight in (1e-4, 1e-9):
        road.add_edge(3, 4, weight=weight)
        road.add_edges_from([(4, 5), (5, 6)])
        placed = embedder.extend(Graph.from_networkx(road)).transform([[3], [4], [6]])
        # Beyond a weak link to one node nothing differs from that node.
        np.testing.assert_allclose(placed[1], placed[2], rtol=20 * weight + 1e-6)
        shift = 1 if method == "laplacian" else 2
        assert (np.abs(placed[1]) <= shift * np.abs(placed[0]) * (1 + weight) + 1e-6).all()
    road.add_edge(3, 4, weight=1e-17)
    with pytest.warns(UserWarning, match="3 new nodes have no affinity.*: 4, 5, 6"):
        placed = embedder.extend(Graph.from_networkx(road)).transform([[4], [6]])
    np.testing.assert_array_equal(placed, 0)


def test_extend_refuses_other_lengths_positions_and_faces(roll):
    points = roll[0][:100]
    old, grown = (Graph.from_points(some, weighted=False) for some in (points[:90], points))
    bare = Graph(grown.adjacency)
    isomap, lle = (SpectralEmbedder(2, graph=old, method=m).fit([[0]]) for m in ("isomap", "lle"))
    with pytest.raises(ValueError, match="edge lengths of the kind.*were those of positions.*1 a"):
        isomap.extend(bare)
    with pytest.raises(ValueError, match="new nodes must have positions in 3 dimensions"):
        lle.extend(bare)
    pytest.importorskip("robust_laplacian")
    square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 1, 0]]
    faces = [[0, 1, 2], [0, 2, 3], [1, 4, 2]]
    mesh = SpectralEmbedder(2, graph=Graph.from_mesh(square[:4], faces[:2]), laplacian="cotangent")
    with pytest.raises(ValueError, match="no weights for edges of new vertices.*refined mesh"):
        mesh.fit([[0]]).extend(Graph.from_mesh(square, faces))


@pytest.mark.parametrize(
    ("parameters", "scale", "message"),
    [
        ({"method": "diffusion_map", "alpha": 400}, 1, "alpha=400 takes the weights.*Lower it"),
        ({"method": "diffusion_map", "alpha": 2}, 1e300, "alpha=2 takes the weights"),
        ({}, 1e307, "weights of the graph are too large.*scale them"),
    ],
)
def test_numbers_beyond_floats_are_explained(parameters, scale, message):
    path = Graph.from_adjacency(scale * nx.to_numpy_array(nx.complete_graph(12)))
    with pytest.raises(ValueError, match=message):
        SpectralEmbedder(graph=path, **parameters).fit([[0]])


@pytest.mark.parametrize("scale", [1e160, 1e-160])
def test_isomap_says_when_squares_are_beyond_floats(scale):
    path = nx.to_scipy_sparse_array(nx.path_graph(9), dtype=float)
    graph = Graph(path, positions=scale * np.arange(9.0)[:, None])
    with pytest.raises(ValueError, match=r"squares distances.*another unit"):
        SpectralEmbedder(2, graph=graph, method="isomap").fit([[0]])
