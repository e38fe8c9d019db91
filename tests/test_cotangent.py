import numpy as np
import pytest

from skginr import Graph, SpectralEmbedder
from skginr._cotangent import cotangent_laplacian
from skginr.eigen import solve
from skginr.laplacians import laplacian_of

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
