from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import trimesh
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphGaussianProcessRegressor, GraphSmoother, SpectralEmbedder
from skginr.datasets import fetch_conte69
from skginr.graphs._cotangent import cotangent_laplacian
from skginr.graphs._laplacians import laplacian_of
from skginr.spectral.eigen._solve import solve

pytest.importorskip("robust_laplacian", reason="extra mesh is not installed")


def grid(n_x, n_y, width=1.0, height=1.0):
    """Vertices and faces of a rectangle cut into right triangles."""
    x, y = np.meshgrid(np.linspace(0, width, n_x), np.linspace(0, height, n_y), indexing="ij")
    corner = np.arange(n_x * n_y).reshape(n_x, n_y)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    faces = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    return np.column_stack([x.ravel(), y.ravel()]), faces


def sphere(n_times):
    """An icosahedron, its faces cut in four ``n_times``, on the unit sphere."""
    golden = (1 + 5**0.5) / 2
    base = np.array([[0, 1, golden], [0, 1, -golden], [0, -1, golden], [0, -1, -golden]])
    vertices = np.concatenate([np.roll(base, i, axis=1) for i in range(3)])
    distance = np.linalg.norm(vertices[:, None] - vertices, axis=-1)
    near = np.isclose(distance, 2)
    faces = np.array(
        [
            (i, j, k)
            for i in range(12)
            for j in range(i)
            for k in range(j)
            if near[i, j] and near[j, k] and near[i, k]
        ]
    )
    for _ in range(n_times):
        sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, middle = np.unique(sides, axis=0, return_inverse=True)
        ab, bc, ca = len(vertices) + middle.reshape(-1, 3).T
        vertices = np.concatenate([vertices, vertices[unique].mean(axis=1)])
        a, b, c = faces.T
        corners = [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
        faces = np.concatenate([np.column_stack(corner) for corner in corners])
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), faces


def test_a_grid_has_the_five_point_stencil():
    vertices, faces = grid(4, 5, 3.0, 4.0)
    stiffness, mass = cotangent_laplacian(vertices, faces)
    inside = 1 * 5 + 2
    row = stiffness[[inside]].toarray().ravel()
    expected = np.zeros(20)
    expected[[inside - 1, inside + 1, inside - 5, inside + 5]] = -1
    expected[inside] = 4
    # Across the diagonals, between two right angles, there is nothing.
    np.testing.assert_allclose(row, expected, atol=1e-4)
    assert mass[inside] == pytest.approx(1, rel=1e-4)
    assert mass.sum() == pytest.approx(12, rel=1e-4)


def test_one_triangle_has_its_cotangents():
    vertices = np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 2.0]])
    stiffness, mass = cotangent_laplacian(vertices, np.array([[0, 1, 2]]))
    # Angles at the corners: cotangents 1/2, 1 and 1/3.
    weights = {(1, 2): 1 / 2 / 2, (0, 2): 1 / 2, (0, 1): 1 / 3 / 2}
    for (i, j), weight in weights.items():
        assert -stiffness[i, j] == pytest.approx(weight, rel=1e-3)
    np.testing.assert_allclose(mass, 1, rtol=1e-3)


def test_eigenvalues_of_a_rectangle():
    vertices, faces = grid(60, 40, 3.0, 2.0)
    basis = solve(laplacian_of(Graph.from_mesh(vertices, faces), "cotangent"), 10)
    m, n = np.meshgrid(np.arange(8), np.arange(8))
    exact = np.sort((np.pi * m / 3) ** 2 + (np.pi * n / 2) ** 2, axis=None)[1:11]
    np.testing.assert_allclose(basis.eigenvalues, exact, rtol=6e-3)


def test_eigenvalues_of_the_sphere():
    vertices, faces = sphere(4)
    basis = solve(laplacian_of(Graph.from_mesh(vertices, faces), "cotangent"), 35)
    exact = np.repeat([order * (order + 1) for order in range(1, 6)], range(3, 12, 2))
    np.testing.assert_allclose(basis.eigenvalues, exact, rtol=0.02)
    # And nearer on a finer mesh, as 1 / number of vertices.
    finer = solve(laplacian_of(Graph.from_mesh(*sphere(5)), "cotangent"), 35)
    errors = [np.abs(values / exact - 1).max() for values in (basis.eigenvalues, finer.eigenvalues)]
    assert errors[1] < errors[0] / 3


def test_units():
    vertices, faces = sphere(2)
    stiffness, mass = cotangent_laplacian(vertices, faces)
    for scale in (1e-3, 1e100):
        scaled, scaled_mass = cotangent_laplacian(scale * vertices, faces)
        assert abs(scaled - stiffness).max() < 1e-6
        np.testing.assert_allclose(scaled_mass, scale**2 * mass, rtol=1e-6)
    # Where the mesh lies does not matter.
    moved, _ = cotangent_laplacian(vertices + 100.0, faces)
    assert abs(moved - stiffness).max() < 1e-6


def test_stiffness_is_a_laplacian_without_negative_weights():
    rng = np.random.default_rng(0)
    vertices, faces = grid(12, 12)
    # Thin faces, whose cotangents are negative before sides are flipped.
    vertices = np.column_stack([vertices, np.zeros(len(vertices))]) * [1.0, 0.05, 1.0]
    vertices += rng.normal(scale=1e-3, size=vertices.shape)
    stiffness, mass = cotangent_laplacian(vertices, faces)
    dense = stiffness.toarray()
    assert (dense[~np.eye(len(dense), dtype=bool)] <= 0).all()
    np.testing.assert_allclose(dense.sum(axis=1), 0, atol=1e-9 * np.abs(dense).max())
    assert (dense == dense.T).all()
    assert (mass > 0).all()


def test_a_vertex_in_no_face_has_nothing():
    vertices, faces = grid(3, 3)
    stiffness, mass = cotangent_laplacian(np.vstack([[[9.0, 9.0]], vertices]), faces + 1)
    alone, alone_mass = cotangent_laplacian(vertices, faces)
    assert mass[0] == 0
    assert stiffness[[0]].nnz == 0
    np.testing.assert_array_equal(stiffness[1:, 1:].toarray(), alone.toarray())
    np.testing.assert_array_equal(mass[1:], alone_mass)


def test_bad_meshes_are_refused():
    vertices, faces = grid(3, 3)
    with pytest.raises(ValueError, match="positions in 2 or 3 dimensions; got 4"):
        cotangent_laplacian(np.zeros((9, 4)), faces)
    with pytest.raises(ValueError, match="positive, finite area"):
        cotangent_laplacian(np.zeros((9, 2)), faces)
    with pytest.raises(ValueError, match="positive, finite area"):
        cotangent_laplacian(1e200 * vertices, faces)
    with pytest.raises(ValueError, match="needs the faces of a mesh; the graph has none"):
        laplacian_of(Graph.from_points(vertices, n_neighbors=3), "cotangent")


def test_coordinates_of_the_sphere_do_not_depend_on_its_mesh():
    # Half of the sphere is meshed finer: degrees differ, and the surface does not.
    vertices, faces = sphere(3)
    upper = (vertices[faces][:, :, 2] > 0.1).all(axis=1)
    centres = vertices[faces[upper]].mean(axis=1)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    a, b, c = faces[upper].T
    middle = len(vertices) + np.arange(len(centres))
    fans = [np.column_stack(fan) for fan in ([a, b, middle], [b, c, middle], [c, a, middle])]
    uneven = Graph.from_mesh(np.vstack([vertices, centres]), np.concatenate([faces[~upper], *fans]))
    explained = {}
    for kind in ("cotangent", "combinatorial"):
        embedder = SpectralEmbedder(3, graph=uneven, laplacian=kind)
        first = embedder.fit_transform(uneven.labels.to_frame())
        # The first eigenfunctions of the sphere are x, y and z.
        left = uneven.positions - first @ np.linalg.lstsq(first, uneven.positions)[0]
        explained[kind] = 1 - (left**2).sum() / (uneven.positions**2).sum()
    assert explained["cotangent"] > 0.995
    assert explained["combinatorial"] < 0.99


def globe(n_rows, n_columns):
    """A sphere as it is unwrapped for a texture: a row of coincident vertices at each pole."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, n_rows)
    longitude = np.arange(n_columns) * 2 * np.pi / n_columns
    up, around = (grid.ravel() for grid in np.meshgrid(latitude, longitude, indexing="ij"))
    row, column = (grid.ravel() for grid in np.indices((n_rows - 1, n_columns)))
    a, b = row * n_columns + column, row * n_columns + (column + 1) % n_columns
    faces = np.concatenate(
        [np.column_stack([a, b, b + n_columns]), np.column_stack([a, b + n_columns, a + n_columns])]
    )
    points = np.column_stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
    return points, faces


def with_flat_faces(vertices, faces):
    """Beside some faces another without area, whose third corner is in no other face."""
    flat = [[a, b, len(vertices) + i] for i, (a, b, _) in enumerate(faces[:5].tolist())]
    return np.vstack([vertices, vertices[faces[:5, 0]]]), np.vstack([faces, flat])


def with_needles(vertices, faces):
    """Some faces cut in three by a vertex next to one of their corners."""
    vertices, faces = list(vertices), faces.tolist()
    for a, b, c in faces[:5]:
        vertices.append((1 - 2e-7) * vertices[a] + 1e-7 * vertices[b] + 1e-7 * vertices[c])
        new = len(vertices) - 1
        faces += [[a, b, new], [b, c, new], [c, a, new]]
    return np.array(vertices), np.array(faces[5:])


def nearly_polar_rows():
    """A grid of latitudes and longitudes whose last rows are next to the poles, not at them."""
    latitude = np.linspace(-90, 90, 37)
    latitude[[0, -1]] = -89.99999, 89.99999
    rows, columns = np.meshgrid(latitude, np.arange(0, 360, 5.0), indexing="ij")
    graph = Graph.from_sphere(rows.ravel(), columns.ravel())
    return graph.positions, graph.faces


AWKWARD_SPHERES = {
    "coincident poles": lambda: globe(33, 48),
    "small": lambda: globe(15, 20),
    "flat faces": lambda: with_flat_faces(*sphere(3)),
    "needles": lambda: with_needles(*sphere(3)),
    "nearly polar rows": nearly_polar_rows,
}


@pytest.mark.parametrize("name", AWKWARD_SPHERES)
@pytest.mark.parametrize("solver", ["auto", "dense"])
def test_columns_of_awkward_spheres_are_eigenvectors(name, solver):
    vertices, faces = AWKWARD_SPHERES[name]()
    graph = Graph.from_mesh(vertices, faces, merge=False)
    operator = laplacian_of(graph, "cotangent")
    embedder = SpectralEmbedder(24, graph=graph, laplacian="cotangent", eigen_solver=solver)
    columns = embedder.fit_transform(graph.labels.to_frame())
    exact = np.repeat([order * (order + 1) for order in range(1, 5)], range(3, 10, 2))
    quotients = (columns * (operator.stiffness @ columns)).sum(axis=0)
    quotients /= operator.mass @ columns**2
    np.testing.assert_allclose(quotients, embedder.eigenvalues_, rtol=1e-6)
    np.testing.assert_allclose(quotients, exact, rtol=0.12 if name == "small" else 0.03)
    # The first three span the coordinates of space.
    left = vertices - columns[:, :3] @ np.linalg.lstsq(columns[:, :3], vertices)[0]
    assert (left**2).sum() < 0.005 * (vertices**2).sum()


@pytest.mark.parametrize("name", AWKWARD_SPHERES)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_vertices_without_area_do_not_set_the_strength_of_a_smoother(name, order):
    vertices, faces = AWKWARD_SPHERES[name]()
    graph = Graph.from_mesh(vertices, faces, merge=False)
    signal = np.sin(3 * vertices[:, 0]) + vertices[:, 1]
    rows = np.random.default_rng(0).permutation(len(vertices))
    train, test = rows[::2], rows[1::2]
    smoother = GraphSmoother(graph=graph, laplacian="cotangent", order=order)
    smoother.fit(train[:, None], signal[train])
    assert smoother.score(test[:, None], signal[test]) > (0.95 if name == "small" else 0.99)


def test_a_capsule_as_trimesh_makes_it():
    capsule = trimesh.creation.capsule(height=2.0, radius=0.5, count=[24, 24])
    graph = Graph.from_mesh(capsule.vertices, capsule.faces)
    table = pd.DataFrame({"vertex": graph.labels})
    signal = np.sin(3 * graph.positions[:, 2]) + graph.positions[:, 0]
    model = make_pipeline(SpectralEmbedder(39, graph=graph, laplacian="cotangent"), Ridge(1e-3))
    model.fit(table[::2], signal[::2])
    assert model.score(table[1::2], signal[1::2]) > 0.999


def test_the_floor_of_the_mass_changes_next_to_nothing():
    vertices, faces = sphere(3)
    _, mass = cotangent_laplacian(vertices, faces)
    _, with_flat = cotangent_laplacian(*with_flat_faces(vertices, faces))
    np.testing.assert_allclose(with_flat[:-5], mass, rtol=1e-3)
    # Those of flat faces have a thousandth of what is around them.
    np.testing.assert_allclose(with_flat[-5:], 1e-3 * mass.mean(), rtol=0.5)
    # A mesh whose areas change by little from vertex to vertex is left alone, over however many.
    strip, pieces = grid(60, 4)
    strip = strip * np.column_stack([np.ones(240), np.ones(240)])
    strip[:, 0] = 1.25 ** (20 * strip[:, 0])
    _, graded = cotangent_laplacian(strip, pieces)
    library = pytest.importorskip("robust_laplacian")
    padded = np.column_stack([strip, np.zeros(240)])
    _, expected = library.mesh_laplacian(padded, pieces)
    np.testing.assert_allclose(graded, expected.diagonal(), rtol=1e-6)


def masked_ball(seed=0):
    """A sphere of which a mask has left some vertices, and few of them without any face."""
    vertices, faces = sphere(3)
    graph = Graph.from_mesh(vertices, faces)
    kept = np.random.default_rng(seed).random(len(vertices)) < 0.6
    return graph.subgraph(graph.labels[kept])


def in_faces(graph):
    """As the warning says."""
    return graph.subgraph(graph.labels[np.unique(graph.faces)])


def test_vertices_in_no_face_are_said_and_change_nothing_else():
    graph = masked_ball()
    bare = np.setdiff1d(np.arange(graph.n_nodes), graph.faces)
    # Some of them have edges all the same.
    assert (np.diff(graph.adjacency.indptr)[bare] > 0).any()
    counts = f"{len(bare)} of {graph.n_nodes} vertices are in no face"
    message = rf"{counts} \({graph.labels[bare[0]]}, .*Leave them out"
    with pytest.warns(UserWarning, match=message):
        operator = laplacian_of(graph, "cotangent")
    np.testing.assert_allclose(operator.mass[bare], np.delete(operator.mass, bare).mean())
    whole = in_faces(graph)
    basis, expected = solve(operator, 20), solve(laplacian_of(whole, "cotangent"), 20)
    np.testing.assert_allclose(basis.eigenvalues, expected.eigenvalues, rtol=1e-8)
    np.testing.assert_array_equal(basis.eigenvectors[bare], 0)
    # Each is a component, whatever edges it has.
    n_others = np.unique(np.delete(basis.components, bare)).size
    assert basis.components.max() + 1 == n_others + len(bare)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("kappa", [0.0, 2.0])
def test_smoothers_of_meshes_with_vertices_in_no_face(order, kappa):
    graph = masked_ball()
    whole = in_faces(graph)
    signal = pd.Series(np.sin(3 * graph.positions[:, 0]), index=graph.labels)
    train = whole.labels[::2].to_frame()
    settings = {"laplacian": "cotangent", "order": order, "kappa": kappa, "alpha": 1e-3}
    with pytest.warns(UserWarning, match="in no face"):
        smoother = GraphSmoother(graph=graph, **settings).fit(train, signal[whole.labels[::2]])
    expected = GraphSmoother(graph=whole, **settings).fit(train, signal[whole.labels[::2]])
    everywhere = whole.labels.to_frame()
    np.testing.assert_allclose(
        smoother.predict(everywhere), expected.predict(everywhere), atol=2e-5
    )
    # Nothing is known of the others.
    bare = graph.labels[np.setdiff1d(np.arange(graph.n_nodes), graph.faces)].to_frame()
    middle = signal[whole.labels[::2]].mean()
    with pytest.warns(UserWarning, match="nothing is known there"):
        guesses = smoother.predict(bare)
    np.testing.assert_allclose(guesses, middle, atol=0 if kappa == 0 else 0.3)


def test_a_process_on_a_mesh_with_vertices_in_no_face():
    graph = masked_ball()
    whole = in_faces(graph)
    signal = pd.Series(np.sin(3 * graph.positions[:, 0]), index=graph.labels)
    train, test = whole.labels[::2], whole.labels[1::2]
    scores = []
    for mesh in (whole, graph):
        process = GraphGaussianProcessRegressor(graph=mesh, laplacian="cotangent")
        with pytest.warns(UserWarning, match="in no face") if mesh is graph else nullcontext():
            process.fit(train.to_frame(), signal[train])
        scores.append(process.score(test.to_frame(), signal[test]))
    assert scores[0] > 0.8
    assert scores[1] == pytest.approx(scores[0], abs=0.02)


def test_a_search_says_once_that_vertices_are_in_no_face():
    graph = masked_ball(seed=1)
    table = in_faces(graph).labels.to_frame()
    model = GraphSmoother(graph=graph, laplacian="cotangent")
    with pytest.warns(UserWarning, match="in no face") as caught:
        GridSearchCV(model, {"order": [1, 2]}, cv=3).fit(table, np.arange(len(table)) % 7)
    # And once more for the fit on all rows, where the search is over.
    assert len(caught) <= 2


def test_a_cortex_masked_by_its_own_values(data_root):
    brain = fetch_conte69()
    # What a threshold leaves, with ragged edges and single vertices.
    cortex = brain.frame[brain.frame["myelin"] > brain.frame["myelin"].median()]
    graph = brain.graph.subgraph(cortex["vertex"])
    train, test = cortex[::2], cortex[1::2]
    smoother = GraphSmoother(graph=graph, laplacian="cotangent", order=2)
    with pytest.warns(UserWarning, match="vertices are in no face .*Leave them out"):
        smoother.fit(train[["vertex"]], train["myelin"])
    assert smoother.score(test[["vertex"]], test["myelin"]) > 0.9
