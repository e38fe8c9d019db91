"""Maps: what coordinates mean, and which shapes meet."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from skginr import Graph, SpectralEmbedder

EARTH = 6_371_008.8


def edges_of(graph):
    rows, columns = graph.adjacency.nonzero()
    named = zip(graph.labels[rows], graph.labels[columns], strict=True)
    return {(a, b) for a, b in named if a < b}


@pytest.fixture
def towns():
    """Points over 500 km of Europe, in metres."""
    xy = np.random.default_rng(0).random((200, 2)) * [500_000, 400_000] + [4e6, 2.6e6]
    return gpd.GeoDataFrame(geometry=gpd.points_from_xy(*xy.T), crs="EPSG:3035")


def cells(width, west=-180):
    """All of the globe between the latitudes 60, in cells."""
    shapes = [
        box(x, y, x + width, y + width)
        for x in range(west, west + 360, width)
        for y in range(-60, 60, width)
    ]
    return gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326")


@pytest.mark.parametrize("method", ["queen", "knn"])
def test_metres_called_degrees_are_refused(towns, method):
    squares = towns.set_geometry(towns.buffer(20_000)) if method == "queen" else towns
    expected = Graph.from_geodataframe(squares, method=method)
    called = squares.set_crs("EPSG:4326", allow_override=True)
    with pytest.raises(ValueError, match=r"up to 90.*allow_override=True\), then gdf.to_crs"):
        Graph.from_geodataframe(called, method=method)
    named = called.set_crs("EPSG:3035", allow_override=True)
    assert Graph.from_geodataframe(named, method=method) == expected
    degrees = Graph.from_geodataframe(named.to_crs("EPSG:4326"), method=method)
    assert len(edges_of(degrees) & edges_of(expected)) > 0.98 * expected.n_edges


@pytest.mark.parametrize("shape", ["points", "polygons"])
def test_swapped_angles_are_refused(shape):
    rng = np.random.default_rng(0)
    australia = gpd.points_from_xy(151 + rng.random(30), -33 + rng.random(30))
    right = gpd.GeoDataFrame({"place": australia}, geometry="place", crs="EPSG:4326")
    if shape == "polygons":
        right["place"] = right.geometry.map(lambda at: box(at.x, at.y, at.x + 0.2, at.y + 0.1))
    method = "queen" if shape == "polygons" else "knn"
    gdf = right.set_geometry(right.geometry.transform(lambda xy: xy[:, ::-1]))
    with pytest.raises(ValueError, match=r"has a latitude of 15\d.*swapped.*gdf\['place'\] ="):
        Graph.from_geodataframe(gdf, method=method)
    gdf["place"] = gdf.geometry.transform(lambda xy: xy[:, ::-1])
    assert Graph.from_geodataframe(gdf, method=method) == Graph.from_geodataframe(
        right, method=method
    )


def test_angles_are_in_the_unit_of_their_crs(towns):
    degrees = Graph.from_geodataframe(towns.to_crs("EPSG:4326"), method="knn")
    # Of the Paris meridian, in grads: 400 are a full circle.
    grads = Graph.from_geodataframe(towns.to_crs("EPSG:4807"), method="knn")
    assert edges_of(grads) == edges_of(degrees)
    # Another ellipsoid, so not all the same.
    np.testing.assert_allclose(grads.edge_lengths.data, degrees.edge_lengths.data, rtol=1e-3)
    plane = Graph.from_geodataframe(towns, method="knn")
    assert len(edges_of(plane) & edges_of(grads)) > 0.98 * plane.n_edges
    far = gpd.GeoDataFrame(geometry=[Point(0, 101)], crs="EPSG:4807")
    with pytest.raises(ValueError, match="latitudes up to 100 and longitudes up to 400"):
        Graph.from_geodataframe(far, method="knn", n_neighbors=1)


@pytest.mark.parametrize("west", [-180, 0, -90])
@pytest.mark.parametrize("width", [10, 30])
def test_a_grid_around_the_globe_closes(west, width):
    frame = cells(width, west)
    columns, rows = 360 // width, 120 // width
    rook = Graph.from_geodataframe(frame, method="rook")
    assert rook.n_edges == columns * rows + columns * (rows - 1)
    queen = Graph.from_geodataframe(frame)
    assert queen.n_edges == rook.n_edges + 2 * columns * (rows - 1)
    degrees = np.diff(rook.adjacency.indptr)
    assert sorted(set(degrees)) == [3, 4]
    # No cell is further from a neighbour than its own size.
    assert rook.edge_lengths.max() < 1.01 * EARTH * np.radians(width)


def test_countings_of_longitude_meet():
    frame = gpd.GeoDataFrame(
        {"name": list("abcd")},
        geometry=[
            box(350, 0, 360, 10),
            box(0, 0, 10, 10),
            box(-180, 0, -170, 10),
            box(175, 0, 180, 9),
        ],
        crs="EPSG:4326",
    )
    assert edges_of(Graph.from_geodataframe(frame, labels="name")) == {("a", "b"), ("c", "d")}


def globe(n_times):
    """Triangles of a sphere as corners in degrees, as a library of cells gives them."""
    golden = (1 + 5**0.5) / 2
    points = np.array([[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)], dtype=float)
    points = np.concatenate([np.roll(points, i, axis=1) for i in range(3)])
    # Turned, so that no corner is at a pole.
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    points = points @ turn / np.linalg.norm(points[0])
    angles = np.degrees([np.arcsin(points[:, 2]), np.arctan2(points[:, 1], points[:, 0])])
    mesh, _ = Graph.from_sphere(*angles).refine(n_times)
    x, y, z = mesh.positions.T
    degrees = np.degrees(np.column_stack([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))]))
    frame = gpd.GeoDataFrame(geometry=[Polygon(degrees[f]) for f in mesh.faces], crs="EPSG:4326")
    return frame, mesh.faces


@pytest.mark.parametrize("n_times", [1, 2, 3])
def test_cells_of_a_globe_meet_as_they_do_on_the_sphere(n_times):
    frame, faces = globe(n_times)
    width = frame.bounds["maxx"] - frame.bounds["minx"]
    assert (width > 180).sum() > 3
    corners = np.zeros((len(faces), faces.max() + 1))
    np.put_along_axis(corners, faces, 1, axis=1)
    shared = corners @ corners.T
    np.fill_diagonal(shared, 0)
    queen, rook = (Graph.from_geodataframe(frame, method=m) for m in ("queen", "rook"))
    np.testing.assert_array_equal(queen.adjacency.toarray() > 0, shared >= 1)
    np.testing.assert_array_equal(rook.adjacency.toarray() > 0, shared == 2)
    # Positions are in the cells: neighbours by a side are near.
    assert rook.edge_lengths.max() < 2.5 * np.median(rook.edge_lengths.data)


def test_a_side_along_a_parallel_may_be_meant_either_way():
    def rings(ring):
        shapes = [ring, box(165, -5, 175, 5), box(-175, -5, -165, 5), box(0, -2, 1, 2)]
        return gpd.GeoDataFrame({"name": list("abcd")}, geometry=shapes, crs="EPSG:4326")

    gdf = rings(Polygon([(175, -5), (-175, -5), (-175, 5), (175, 5)]))
    with pytest.raises(ValueError, match=r"row 0 a side.*175 to -175.*350 wide, or 10 across"):
        Graph.from_geodataframe(gdf)
    # As the message says: across,
    across = gdf.copy()
    wide = across.bounds.maxx - across.bounds.minx > 180
    across.loc[wide, "geometry"] = across.geometry[wide].transform(
        lambda xy: np.column_stack([xy[:, 0] % 360, xy[:, 1]])
    )
    graph = Graph.from_geodataframe(across, labels="name")
    assert edges_of(graph) == {("a", "b"), ("a", "c")}
    np.testing.assert_allclose(graph.positions[0], [-EARTH, 0, 0], atol=1e-6)
    # split,
    parts = MultiPolygon([box(175, -5, 180, 5), box(-180, -5, -175, 5)])
    split = Graph.from_geodataframe(rings(parts), labels="name")
    assert edges_of(split) == {("a", "b"), ("a", "c")}
    # or as wide as it is drawn.
    gdf = gdf.set_geometry(gdf.segmentize(90))
    assert edges_of(Graph.from_geodataframe(gdf, labels="name")) == {
        ("a", "b"), ("a", "c"), ("a", "d"),
    }  # fmt: skip


def test_a_belt_around_the_globe_is_what_it_says():
    frame = gpd.GeoDataFrame(
        {"name": list("abcd")},
        geometry=[
            box(-180, -90, 180, -60),
            box(-180, -60, 0, 0),
            box(0, -60, 180, 0),
            box(5, 5, 9, 9),
        ],
        crs="EPSG:4326",
    )
    assert edges_of(Graph.from_geodataframe(frame, labels="name")) == {
        ("a", "b"), ("a", "c"), ("b", "c"),
    }  # fmt: skip


@pytest.fixture
def boreholes():
    """Samples at depths of up to a kilometre in a square of 100 metres."""
    xyz = np.random.default_rng(0).random((60, 3)) * [100, 100, 1000]
    return gpd.GeoDataFrame(geometry=gpd.points_from_xy(*xyz.T), crs="EPSG:3035"), xyz


def nearest_pairs(xyz, n_neighbors):
    distances = np.linalg.norm(xyz[:, None] - xyz, axis=-1)
    nearest = distances.argsort(axis=1)[:, 1 : n_neighbors + 1]
    return {tuple(sorted((i, int(j)))) for i, row in enumerate(nearest) for j in row}


def test_depths_of_points_count(boreholes):
    frame, xyz = boreholes
    graph = Graph.from_geodataframe(frame, method="knn", n_neighbors=3)
    np.testing.assert_array_equal(graph.positions, xyz)
    assert edges_of(graph) == nearest_pairs(xyz, 3)
    flat = frame.set_geometry(frame.force_2d())
    assert edges_of(Graph.from_geodataframe(flat, method="knn", n_neighbors=3)) == nearest_pairs(
        xyz[:, :2], 3
    )


def test_heights_count_on_the_globe(boreholes):
    xyz = boreholes[1] * [1e-4, 1e-4, 1] + [10, 50, 0]
    frame = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*xyz.T), crs="EPSG:4326")
    graph = Graph.from_geodataframe(frame, method="knn", n_neighbors=3)
    np.testing.assert_allclose(
        np.linalg.norm(graph.positions, axis=1), EARTH + xyz[:, 2], rtol=1e-12
    )
    # About in the plane: a degree is 111 km north, and so much by the cosine of 50 degrees east.
    plane = np.radians(xyz) * EARTH * [np.cos(np.radians(50)), 1, 0] + xyz * [0, 0, 1]
    assert edges_of(graph) == nearest_pairs(plane, 3)


def test_depths_that_are_not_used_or_not_known_are_told(boreholes):
    frame, xyz = boreholes
    with pytest.warns(UserWarning, match=r"method='delaunay' leaves out.*force_2d"):
        graph = Graph.from_geodataframe(frame, method="delaunay")
    flat = Graph.from_geodataframe(frame.set_geometry(frame.force_2d()), method="delaunay")
    assert flat == graph
    some = frame.copy()
    some.loc[7, "geometry"] = Point(*xyz[7, :2])
    with pytest.raises(ValueError, match="1 have none, the first in row 7"):
        Graph.from_geodataframe(some, method="knn")
    level = frame.set_geometry(frame.force_2d().force_3d(5.0))
    assert Graph.from_geodataframe(level, method="delaunay") == graph


def test_roads_meet_at_their_vertices():
    roads = gpd.GeoDataFrame(
        {"name": ["west", "east", "north", "bridge", "mid", "alone", "loop"]},
        geometry=[
            LineString([(0, 0), (1, 0)]),
            LineString([(1, 0), (2, 0), (3, 0)]),
            LineString([(1, 0), (1, 1)]),
            LineString([(0.5, -1), (0.5, 1)]),  # over "west", without a junction
            LineString([(2, -1), (2, 0), (2, 1)]),  # a junction in the middle of both
            LineString([(9, 9), (9, 8)]),
            LineString([(3, 0), (4, 0), (4, 1), (3, 0)]),
        ],
        crs="EPSG:3857",
    )
    graph = Graph.from_geodataframe(roads, labels="name")
    assert edges_of(graph) == {
        ("east", "west"), ("north", "west"), ("east", "north"), ("east", "mid"), ("east", "loop"),
    }  # fmt: skip
    # In the middle of each: the ends of all are where others begin.
    np.testing.assert_allclose(graph.positions[:3], [[0.5, 0], [2, 0], [1, 0.5]])
    turned = roads.set_geometry(roads.rotate(33.3, origin=(7, 7)).translate(1e5, 3e5))
    assert edges_of(Graph.from_geodataframe(turned, labels="name")) == edges_of(graph)
    gap = roads.set_geometry(roads.scale(0.99, 1, origin="center"))
    assert Graph.from_geodataframe(gap).n_edges < 5
    assert edges_of(Graph.from_geodataframe(gap, labels="name", tolerance=0.02)) >= edges_of(graph)


def test_a_network_of_streets_is_that_of_its_ends():
    rng = np.random.default_rng(0)
    points = rng.random((80, 2)) * 1000
    streets = sorted(edges_of(Graph.from_points(points, n_neighbors=3)))
    frame = gpd.GeoDataFrame(geometry=[LineString(points[list(s)]) for s in streets], crs=3857)
    graph = Graph.from_geodataframe(frame)
    ends = np.zeros((len(streets), 80))
    np.put_along_axis(ends, np.array(streets), 1, axis=1)
    shared = ends @ ends.T
    np.fill_diagonal(shared, 0)
    np.testing.assert_array_equal(graph.adjacency.toarray() > 0, shared > 0)
    with pytest.raises(ValueError, match="Lines meet in points: use method='queen'"):
        Graph.from_geodataframe(frame, method="rook")


def test_a_ferry_across_the_180th_meridian():
    lines = gpd.GeoDataFrame(
        {"name": list("abc")},
        geometry=[
            LineString([(179, 0), (-179, 1)]),
            LineString([(-179, 1), (-170, 5)]),
            LineString([(0, 0.5), (1, 3)]),
        ],
        crs="EPSG:4326",
    )
    graph = Graph.from_geodataframe(lines, labels="name")
    assert edges_of(graph) == {("a", "b")}
    longitude = np.degrees(np.arctan2(*graph.positions[0, [1, 0]]))
    assert abs(longitude) == pytest.approx(180)


BOW_TIE = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
SPIKE = Polygon([(1, 0), (2, 0), (2, 1), (2, 3), (2, 1), (1, 1)])


@pytest.mark.parametrize("broken", [BOW_TIE, SPIKE], ids=["bow tie", "spike"])
@pytest.mark.parametrize("method", ["queen", "rook"])
def test_repaired_as_advised_a_map_has_a_graph(broken, method):
    west, east = (0, 1) if broken is BOW_TIE else (1, 2)
    shapes = [broken, box(west - 1, 0, west, 1), box(east, 0, east + 1, 1), box(9, 9, 10, 10)]
    gdf = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:3857")
    with pytest.raises(
        ValueError,
        match=r"first in row 0. Repair them: gdf = gdf.set_geometry\(gdf.make_valid\(\)\)",
    ):
        Graph.from_geodataframe(gdf, method=method)
    gdf = gdf.set_geometry(gdf.make_valid())
    assert edges_of(Graph.from_geodataframe(gdf, method=method)) == {(0, 1), (0, 2)}


def test_geometries_alone_are_told_to_be_put_in_a_frame(towns):
    with pytest.raises(TypeError, match=r"got GeoSeries. Use gdf.set_geometry"):
        Graph.from_geodataframe(towns.geometry)
    assert Graph.from_geodataframe(gpd.GeoDataFrame(geometry=towns.geometry), method="knn")


def test_columns_called_latitude_and_longitude_are_no_places_in_the_plane():
    rng = np.random.default_rng(0)
    angles = rng.random((300, 2)) * [10, 20] + [55, 5]
    points = pd.DataFrame(angles, columns=["Latitude", "lon"])
    with pytest.warns(UserWarning, match=r"from_xy\(points\['lon'\], points\['Latitude'\]\)"):
        distorted = Graph.from_points(points, n_neighbors=4)
    gdf = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy(points["lon"], points["Latitude"]), crs="EPSG:4326"
    )
    graph = Graph.from_geodataframe(gdf, method="knn", n_neighbors=4)
    north, east = np.radians(angles).T
    globe = np.column_stack(
        [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)]
    )
    assert edges_of(graph) == nearest_pairs(globe, 4)
    assert len(nearest_pairs(globe, 4) & nearest_pairs(angles, 4)) < 0.8 * graph.n_edges
    # Other names, or an array, are taken at their word.
    assert Graph.from_points(points.set_axis(["x", "y"], axis=1), n_neighbors=4) == distorted
    with pytest.warns(UserWarning, match=r"X has the columns 'Latitude' and 'lon'"):
        SpectralEmbedder(4).fit(points)
    SpectralEmbedder(4).fit(angles)


def test_a_grid_of_degrees_is_known_without_names():
    lat, lon = np.meshgrid(np.arange(50, 60, 0.25), np.arange(-5, 5, 0.25), indexing="ij")
    sea = np.random.default_rng(0).random(lat.size) < 0.3
    points = np.column_stack([lat.ravel(), lon.ravel()])[~sea]
    for given, order in ((points, "0, 1"), (points[:, ::-1], "1, 0")):
        y, x = order.split(", ")
        with pytest.warns(
            UserWarning,
            match=rf"points is a grid.*points_from_xy\(points\[:, {x}\], points\[:, {y}\]",
        ):
            Graph.from_points(given)
    # Near the equator it matters little; and other grids, and points in no grid, are no degrees.
    lattice = np.column_stack([axis.ravel() for axis in np.indices((20, 20))])
    for other in (
        points - [50, 0],
        lattice,
        np.array([100, 0]) + lattice,
        points * [1, 3],
        np.array([50, 5]) + np.random.default_rng(0).random((200, 2)),
        pd.DataFrame(points, columns=["x", "y"]),
    ):
        Graph.from_points(other)


def test_a_column_of_tuples_names_the_areas():
    shapes = [box(i, j, i + 1, j + 1) for i in range(2) for j in range(2)]
    cells = [(i, j) for i in range(2) for j in range(2)]
    gdf = gpd.GeoDataFrame({"cell": cells}, geometry=shapes)
    assert Graph.from_geodataframe(gdf, labels="cell").labels.tolist() == cells
