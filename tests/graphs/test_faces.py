"""Meshes as people hold them."""

from contextlib import nullcontext

import meshio
import numpy as np
import pandas as pd
import pytest
import trimesh
from scipy.spatial import Delaunay, cKDTree

from skginr import Graph, GraphSmoother, SpectralEmbedder

# Two squares side by side.
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [2, 1, 0]], float)
QUADS = np.array([[0, 1, 2, 3], [1, 4, 5, 2]])


def edges_of(graph):
    rows, columns = graph.adjacency.nonzero()
    return {(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if a < b}


def soup(mesh):
    """The same mesh as STL holds it: every face with corners of its own."""
    return mesh.vertices[mesh.faces.ravel()], np.arange(mesh.faces.size).reshape(-1, 3)


@pytest.fixture(scope="module")
def ball():
    return trimesh.creation.icosphere(subdivisions=2)


# --- objects and shapes -------------------------------------------------------


def test_objects_that_hold_a_mesh(ball):
    expected = Graph.from_mesh(ball.vertices, ball.faces)
    assert Graph.from_mesh(ball) == expected
    assert Graph.from_mesh(meshio.Mesh(ball.vertices, {"triangle": ball.faces})) == expected
    # Lines and points stand beside the faces in many files.
    lines = [("vertex", [[0]]), ("line", ball.edges_unique), ("triangle", ball.faces)]
    assert Graph.from_mesh(meshio.Mesh(ball.vertices, lines)) == expected
    assert Graph.from_mesh(ball, labels=[f"v{i}" for i in range(162)]).labels[3] == "v3"


def test_objects_that_hold_none_name_the_way(ball):
    scene = trimesh.Scene([ball])
    with pytest.raises(TypeError, match=r"trimesh.scene.scene.Scene. Of a scene, scene.to_mesh\("):
        Graph.from_mesh(scene)
    assert Graph.from_mesh(scene.to_mesh()).n_edges == 480
    cloud = trimesh.PointCloud(ball.vertices)
    with pytest.raises(TypeError, match=r"of a point cloud, Graph.from_points"):
        Graph.from_mesh(cloud)
    assert Graph.from_points(cloud.vertices).n_nodes == 162
    with pytest.raises(TypeError, match=r"list. Points without faces go to Graph.from_points"):
        Graph.from_mesh(CORNERS.tolist())
    with pytest.raises(TypeError, match=r"faces must be left out where vertices is a Trimesh"):
        Graph.from_mesh(ball, ball.faces)
    assert Graph.from_mesh(ball.vertices, ball.faces).n_edges == 480


def test_a_surface_of_gifti_names_the_way():
    nibabel = pytest.importorskip("nibabel")
    arrays = [
        nibabel.gifti.GiftiDataArray(CORNERS.astype("f4"), intent="NIFTI_INTENT_POINTSET"),
        nibabel.gifti.GiftiDataArray(QUADS[:, :3].astype("i4"), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    image = nibabel.gifti.GiftiImage(darrays=arrays)
    with pytest.raises(TypeError, match=r"Graph.from_mesh\(\*image.agg_data"):
        Graph.from_mesh(image)
    assert Graph.from_mesh(*image.agg_data(("pointset", "triangle"))).n_nodes == 6


@pytest.mark.parametrize(
    "faces",
    [
        [[0, 1, 2], [0, 2, 3]],
        [[0.0, 1.0, 2.0], [0.0, 2.0, 3.0]],
        np.array([[0, 1, 2], [0, 2, 3]], dtype=np.uint16),
        np.ma.array([[0, 1, 2, 9], [0, 2, 3, 9]], mask=[[0, 0, 0, 1]] * 2),
        [[0, 1, 2, -1], [0, 2, 3, -1]],
        [[0, 1, 2, 2], [0, 2, 3, 3]],
        [[0, 1, 2, np.nan], [0, 2, 3, np.nan]],
        pd.DataFrame([[0, 1, 2], [0, 2, 3]]),
    ],
)
def test_triangles_however_they_are_written(faces):
    expected = Graph.from_mesh(CORNERS, [[0, 1, 2], [0, 2, 3]])
    assert Graph.from_mesh(CORNERS, faces) == expected


@pytest.mark.parametrize(
    "faces",
    [
        QUADS,
        QUADS.astype(float),
        [QUADS[0].tolist(), QUADS[1].tolist()],
        meshio.Mesh(CORNERS, {"quad": QUADS}),
    ],
)
def test_quadrilaterals_are_cut_in_two(faces):
    graph = Graph.from_mesh(faces) if isinstance(faces, meshio.Mesh) else None
    graph = graph or Graph.from_mesh(CORNERS, faces)
    assert graph.faces.tolist() == [[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]]
    assert graph.node_areas.sum() == pytest.approx(2)


def test_quadrilaterals_are_cut_along_the_shorter_diagonal():
    kite = [[0, 0], [3, 1], [6, 0], [3, -1]]
    for turn in range(4):
        order = np.roll(np.arange(4), turn)
        assert (1, 3) in edges_of(Graph.from_mesh(kite, [order]))
        assert (0, 2) not in edges_of(Graph.from_mesh(kite, [order]))


def test_triangles_and_quadrilaterals_together_stay_in_order():
    mixed = [[0, 1, 2, 3], [1, 4, 5]]
    expected = [[0, 1, 2], [0, 2, 3], [1, 4, 5]]
    cells = [("quad", mixed[:1]), ("triangle", mixed[1:])]
    for graph in (
        Graph.from_mesh(CORNERS, mixed),
        Graph.from_mesh(CORNERS, [[0, 1, 2, 3], [1, 4, 5, -1]]),
        Graph.from_mesh(meshio.Mesh(CORNERS, cells)),
    ):
        assert graph.faces.tolist() == expected


@pytest.mark.parametrize(
    ("faces", "error", "message"),
    [
        ([[0, 1, 2], [0, 2, np.nan]], ValueError, r"three different vertices; got \[0, 2\]"),
        ([[0, 1, -1, 2], [0, 1, 2, 3]], ValueError, "at the end of a row alone.*in row 0"),
        ([[0, 1, 2, 3], [1, 1, 2, 2]], ValueError, r"three different.*got \[1, 2\] in row 1"),
        ([[0, 1, 2, 0.5]], TypeError, "must hold integers, counted from 0; got 0.5"),
        ([["a", "b", "c"]], TypeError, "must hold integers"),
        (QUADS + 1, ValueError, "numbers from 1 to 6. If your file counts from 1, subtract 1"),
        ([[0, 1, 2, 999]], ValueError, "from 0 to 999.*pads short rows must be negative, NaN"),
        ([0, 1, 2], ValueError, r"shape \(n_faces, 3\)"),
        ([], ValueError, r"shape \(n_faces, 3\)"),
    ],
)
def test_unfit_rows_are_refused(faces, error, message):
    with pytest.raises(error, match=message):
        Graph.from_mesh(CORNERS, faces)


def test_degenerate_faces_are_dropped_as_advised():
    faces = np.array([[0, 1, 1], [0, 1, 2], [0, 2, 3]])
    with pytest.raises(ValueError, match=r"faces\[\(np.diff\(np.sort\(faces\)\) > 0\).all"):
        Graph.from_mesh(CORNERS, faces)
    left = faces[(np.diff(np.sort(faces)) > 0).all(axis=1)]
    assert Graph.from_mesh(CORNERS, left).faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_solids_name_the_way():
    points = np.random.default_rng(0).random((60, 3))
    cells = Delaunay(points).simplices
    for build in (
        lambda: Graph.from_mesh(points, cells),
        lambda: Graph.from_mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [range(4)]),
        lambda: Graph.from_mesh(meshio.Mesh(points, {"tetra": cells})),
    ):
        with pytest.raises(ValueError, match=r"pairs = np.vstack.*Graph.from_edges"):
            build()
    # The advice.
    pairs = np.vstack([cells[:, [i, j]] for i in range(4) for j in range(i)])
    graph = Graph.from_edges(pd.DataFrame(pairs, columns=["a", "b"]), "a", "b")
    assert graph.n_nodes == 60
    assert edges_of(graph) == {(min(pair), max(pair)) for pair in pairs.tolist()}


def test_polygons_of_vertices_name_the_way():
    house = [[0, 1, 4, 5, 3]]
    with pytest.raises(ValueError, match=r"row 0 has 5 corners.*on='faces'"):
        Graph.from_mesh(CORNERS, house)
    assert Graph.from_mesh(CORNERS, house, on="faces").node_areas.tolist() == [2.0]
    with pytest.raises(ValueError, match="got points or lines alone. Lines go to Graph.from_edges"):
        Graph.from_mesh(meshio.Mesh(CORNERS, {"line": QUADS[:, :2]}))


# --- vertices that were split ----------------------------------------------------


@pytest.mark.parametrize("split", ["soup", "seam"])
def test_split_vertices_are_counted_and_merged(ball, split):
    if split == "soup":
        vertices, faces = soup(ball)
    else:
        # A seam: some faces have corners of their own.
        own = np.unique(ball.faces[:80])
        faces = np.array(ball.faces)
        faces[:80] = 162 + np.searchsorted(own, faces[:80])
        vertices = np.vstack([ball.vertices, ball.vertices[own]])
    n_split = len(vertices) - 162
    used = len(np.unique(faces))
    n_split -= len(vertices) - used
    message = rf"{n_split} of {used} vertices lie where another does.*Give merge=True"
    with pytest.warns(UserWarning, match=message):
        cut = Graph.from_mesh(vertices, faces)
    assert Graph.from_mesh(vertices, faces, merge=False) == cut
    assert cut.n_components > 1
    whole = Graph.from_mesh(ball)
    for merge in (True, 1e-9):
        merged = Graph.from_mesh(vertices, faces, merge=merge)
        assert (merged.n_nodes, merged.n_edges) == (162, 480)
        # A node is the first vertex of its place, under its number.
        np.testing.assert_array_equal(vertices[merged.labels], merged.positions)
        first = pd.DataFrame(vertices).drop_duplicates().index
        np.testing.assert_array_equal(merged.labels, first)
        # The signal of every vertex, as the how-to says.
        _, node = cKDTree(merged.positions).query(vertices)
        np.testing.assert_array_equal(merged.positions[node], vertices)
    found, expected = (
        SpectralEmbedder(8, graph=graph, laplacian="cotangent").fit(graph.labels.to_frame())
        for graph in (merged, whole)
    )
    np.testing.assert_allclose(found.eigenvalues_, expected.eigenvalues_, rtol=1e-8)


def test_a_soup_tells_nothing_of_what_is_not_observed_and_a_merged_one_all():
    mesh = trimesh.creation.torus(2.0, 0.7)
    vertices, faces = soup(mesh)
    scores = {}
    for merge in (False, True):
        graph = Graph.from_mesh(vertices, faces, merge=merge)
        height = graph.positions[:, 2] + np.sin(graph.positions[:, 0])
        table = pd.DataFrame({"vertex": graph.labels})
        # Whole faces are held out.
        train = (graph.labels // 3) % 4 > 0
        model = GraphSmoother(graph=graph, order=2).fit(table[train], height[train])
        said = pytest.warns(UserWarning, match="in which fit had no row")
        with nullcontext() if merge else said:
            scores[merge] = model.score(table[~train], height[~train])
    assert scores[True] > 0.99
    assert scores[False] < 0.2


def test_near_vertices_are_merged_by_their_distance():
    strip = np.array([[0, 0], [1, 0], [0, 1], [1 + 1e-7, 0], [0, 1 - 1e-7], [1, 1]])
    faces = [[0, 1, 2], [3, 5, 4]]
    assert Graph.from_mesh(strip, faces).n_components == 2
    assert Graph.from_mesh(strip, faces, merge=True).n_components == 2
    graph = Graph.from_mesh(strip, faces, merge=1e-6)
    assert graph.labels.tolist() == [0, 1, 2, 5]
    named = Graph.from_mesh(strip, faces, labels=list("abcdef"), merge=1e-6)
    assert named.labels.tolist() == list("abcf")
    assert graph.faces.tolist() == [[0, 1, 2], [1, 3, 2]]
    with pytest.raises(ValueError, match="merge leaves no face"):
        Graph.from_mesh(strip, faces, merge=9.0)
    for wrong, error in (("yes", TypeError), (-1.0, ValueError), (np.nan, ValueError)):
        with pytest.raises(error, match="merge must be"):
            Graph.from_mesh(strip, faces, merge=wrong)


def test_faces_that_shrink_to_nothing_go_with_the_vertices_that_are_merged():
    # Poles as rows of vertices: half of the faces there have two corners in one place.
    vertices = np.vstack([CORNERS, CORNERS[[1]]])
    faces = [[0, 1, 2], [0, 2, 3], [1, 6, 2]]
    graph = Graph.from_mesh(vertices, faces, merge=True)
    assert graph.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    quad = Graph.from_mesh(vertices, [[0, 1, 2, 3], [1, 6, 5, 2]], merge=True)
    assert quad.faces.tolist() == [[0, 1, 2], [0, 2, 3], [1, 5, 2]]


def test_refining_a_mesh_that_is_cut_asks_nothing_again(ball):
    cut = Graph.from_mesh(*soup(ball), merge=False)
    fine, weights = cut.refine()
    assert fine.n_components == 320
    np.testing.assert_allclose(weights @ cut.positions, fine.positions)


# --- faces that are listed twice ---------------------------------------------------


def test_faces_listed_twice_count_once(ball):
    doubled = np.vstack([ball.faces, ball.faces[:100, ::-1], ball.faces[:7, [1, 2, 0]]])
    with pytest.warns(UserWarning, match="107 faces that are listed before, the first in row 320"):
        graph = Graph.from_mesh(ball.vertices, doubled)
    expected = Graph.from_mesh(ball)
    assert graph == expected
    np.testing.assert_allclose(graph.node_areas, expected.node_areas)
    found, once = (
        SpectralEmbedder(8, graph=g, laplacian="cotangent").fit(g.labels.to_frame()).eigenvalues_
        for g in (graph, expected)
    )
    np.testing.assert_allclose(found, once)
    parts = {"positions": ball.vertices, "faces": doubled}
    with pytest.warns(UserWarning, match="listed before"):
        assert len(Graph(graph.adjacency, **parts).faces) == 320


# --- data on faces --------------------------------------------------------------------


def test_faces_are_nodes_where_the_data_are(ball):
    graph = Graph.from_mesh(ball, on="faces")
    assert (graph.n_nodes, graph.n_edges, graph.faces) == (320, 480, None)
    # Those that trimesh finds.
    assert edges_of(graph) == set(map(tuple, np.sort(ball.face_adjacency).tolist()))
    np.testing.assert_allclose(graph.positions, ball.triangles_center)
    np.testing.assert_allclose(graph.node_areas, ball.area_faces)
    signal = np.sin(3 * graph.positions[:, 0])
    table = pd.DataFrame({"face": graph.labels})
    smoother = GraphSmoother(graph=graph, order=2).fit(table[::2], signal[::2])
    assert smoother.score(table[1::2], signal[1::2]) > 0.99


def test_polygons_of_any_number_of_corners():
    # A hexagon with a square and a triangle at its sides, as UGRID pads them.
    angle = np.pi / 3 * np.arange(6)
    points = [*np.column_stack([np.cos(angle), np.sin(angle)]), [2.0, 0.0], [1.5, 3**0.5 / 2]]
    triangle = [0.0, 2.0]
    table = np.array([[0, 1, 2, 3, 4, 5], [0, 6, 7, 1, -1, -1], [1, 8, 2, -1, -1, -1]])
    points = np.array([*points, triangle])
    ragged = [[0, 1, 2, 3, 4, 5], [0, 6, 7, 1], [1, 8, 2]]
    filled = np.where(table < 0, np.nan, table)
    for faces in (
        table,
        ragged,
        filled,
        np.ma.masked_less(table, 0),
        np.where(table < 0, -999, table),
    ):
        graph = Graph.from_mesh(points, faces, on="faces")
        assert edges_of(graph) == {(0, 1), (0, 2)}
        np.testing.assert_allclose(graph.positions[0], 0, atol=1e-12)
        np.testing.assert_allclose(graph.node_areas[0], 1.5 * 3**0.5)
        np.testing.assert_allclose(graph.positions[2], points[[1, 8, 2]].mean(axis=0), atol=1e-12)


def test_the_centroid_of_a_face_that_is_not_convex():
    corner = [[0, 0], [4, 0], [4, 1], [1, 1], [1, 4], [0, 4]]
    graph = Graph.from_mesh(corner, [range(6)], on="faces")
    np.testing.assert_allclose(graph.node_areas, 7)
    # Two rectangles, of areas 4 and 3.
    np.testing.assert_allclose(graph.positions, [[(4 * 2 + 3 * 0.5) / 7, (4 * 0.5 + 3 * 2.5) / 7]])


def test_faces_as_nodes_of_split_and_of_unfit_meshes(ball):
    vertices, faces = soup(ball)
    with pytest.warns(UserWarning, match="798 of 960 vertices lie where another does"):
        assert Graph.from_mesh(vertices, faces, on="faces").n_edges == 0
    assert Graph.from_mesh(vertices, faces, on="faces", merge=True).n_edges == 480
    with pytest.raises(ValueError, match="row 2 has the corners of row 0, and 1 rows"):
        Graph.from_mesh(CORNERS, [[0, 1, 2], [0, 2, 3], [2, 1, 0]], on="faces")
    with pytest.raises(ValueError, match="2 or 3 dimensions; got 4"):
        Graph.from_mesh(np.eye(4), [[0, 1, 2]], on="faces")
    with pytest.raises(ValueError, match="on must be one of 'vertices', 'faces'"):
        Graph.from_mesh(CORNERS, QUADS, on="cells")
