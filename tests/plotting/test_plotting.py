import base64
import json
import re

import geopandas as gpd
import matplotlib as mpl
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, box
from sklearn.exceptions import NotFittedError

from skginr import Graph, SpectralEmbedder
from skginr.datasets import load_us_unemployment
from skginr.plotting import plot_embedding, plot_mesh, plot_signal, plot_signal_html
from skginr.plotting._canvas import canvas_of
from skginr.plotting._layout import longitudes_latitudes, spectral_layout, view_matrix

mpl.use("Agg")


@pytest.fixture
def fields():
    return gpd.GeoDataFrame(
        {"field": list("abcd")}, geometry=[box(i, 0, i + 1, 1) for i in range(4)]
    )


@pytest.fixture
def tetrahedron():
    corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    return Graph.from_mesh(corners, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def icosphere(n_times=2):
    """A sphere of radius 1 without poles among its vertices."""
    golden = (1 + 5**0.5) / 2
    points = np.array([[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)], dtype=float)
    points = np.concatenate([np.roll(points, i, axis=1) for i in range(3)])
    # Turned, so that no edge or vertex is at a pole or on a meridian.
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    points = points @ turn / np.linalg.norm(points[0])
    latitude, longitude = (
        np.degrees(np.arcsin(points[:, 2])),
        np.degrees(np.arctan2(*points.T[1::-1])),
    )
    fine, _ = Graph.from_sphere(latitude, longitude).refine(n_times)
    positions = fine.positions / np.linalg.norm(fine.positions, axis=1)[:, None]
    return Graph.from_mesh(positions, fine.faces)


def test_a_map_shows_the_values_given(fields):
    ax = plot_signal(fields, [1.0, 2.0, np.nan, 4.0], label="yield, t/ha")
    missing, known = ax.collections
    np.testing.assert_array_equal(known.get_array(), [1.0, 2.0, 4.0])
    assert len(missing.get_paths()) == 1
    assert ax.figure.axes[1].get_ylabel() == "yield, t/ha"


def test_geometry_is_matched_by_label_or_by_order(fields):
    graph = Graph.from_geodataframe(fields, labels="field")
    shuffled = fields.set_index("field").loc[list("dbca")]
    values = np.array([1.0, 2.0, 3.0, 4.0])
    for geometry in (shuffled, shuffled.geometry, fields):
        drawn = plot_signal(graph, values, geometry=geometry).collections[-1]
        west = [path.get_extents().x0 for path in drawn.get_paths()]
        np.testing.assert_array_equal(drawn.get_array(), values)
        assert west == [0, 1, 2, 3]
    more = pd.concat([shuffled, shuffled.rename(index=str.upper)])
    assert len(plot_signal(graph, values, geometry=more).collections[-1].get_paths()) == 4


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        (list("abcd"), pd.Index(list("dbca"), dtype=object)),
        (list("abcd"), pd.Index(list("dbca"), dtype="string")),
        (list("abcd"), pd.CategoricalIndex(list("dbca"))),
        ([1, 2, 3, 4], pd.Index([4, 2, 3, 1], dtype="Int64")),
        ([1, 2, 3, 4], pd.Index([4, 2, 3, 1], dtype="int32")),
        ([1, 2, 3, 4], pd.Index([4, 2, 3, 1], dtype="uint64")),
    ],
    ids=["object", "string", "category", "Int64", "int32", "uint64"],
)
def test_an_index_of_another_type_is_matched_too(fields, labels, index, tmp_path):
    graph = Graph.from_geodataframe(fields.assign(field=labels), labels="field")
    turned = fields.iloc[[3, 1, 2, 0]].set_index(index)
    numbers = pd.Series([4.0, 2.0, 3.0, 1.0], index=index)
    for given in (numbers, numbers.to_numpy()[[3, 1, 2, 0]]):
        drawn = plot_signal(graph, given, geometry=turned).collections[-1]
        np.testing.assert_array_equal(drawn.get_array(), [1, 2, 3, 4])
        assert [path.get_extents().x0 for path in drawn.get_paths()] == [0, 1, 2, 3]


def test_values_go_by_their_index_wherever_they_are_drawn(fields, tetrahedron, tmp_path):
    pytest.importorskip("plotly")
    turned = pd.Series([9.0, 6.0, 3.0, 0.0], index=[3, 2, 1, 0])
    drawn = plot_mesh(tetrahedron, turned)
    assert drawn.get_array().tolist() == [3, 4, 5, 6]
    (mesh,) = traces_of(plot_signal_html(tetrahedron, turned, tmp_path / "turned.html"))
    np.testing.assert_array_equal(numbers_of(mesh["intensity"]), [0, 3, 6, 9])
    # In place of a graph a map: its own index.
    named = fields.set_index("field")
    by_name = pd.Series([4.0, 3.0, 2.0, 1.0], index=list("dcba"))
    drawn = plot_signal(named, by_name).collections[-1]
    np.testing.assert_array_equal(drawn.get_array(), [1, 2, 3, 4])
    embedder = SpectralEmbedder(2, graph=tetrahedron, laplacian="random_walk", max_components=3)
    with pytest.warns(UserWarning, match="cuts an eigenspace"):
        embedder.fit([[0]])
    (ax,) = plot_embedding(embedder, turned)
    np.testing.assert_array_equal(ax.collections[-1].get_array(), [0, 3, 6, 9])
    table = pd.DataFrame(embedder.embedding_).iloc[::-1]
    axes = plot_embedding(table, graph=tetrahedron)
    expected = embedder.embedding_[tetrahedron.faces, 0].mean(axis=1)
    np.testing.assert_allclose(np.sort(axes[0].collections[-1].get_array()), np.sort(expected))
    (ax,) = plot_embedding(table, turned.sort_index())
    np.testing.assert_array_equal(ax.collections[-1].get_array(), [9, 6, 3, 0])


def test_an_index_that_names_no_nodes_is_refused(fields):
    graph = Graph.from_geodataframe(fields, labels="field")
    rows = pd.Series([1.0, 2.0, 3.0, 4.0], index=[5, 7, 8, 9])
    with pytest.raises(ValueError, match=r"must have a row.*values.set_axis\(graph.labels\)"):
        plot_signal(graph, rows)
    drawn = plot_signal(graph, rows.set_axis(graph.labels)).collections[-1]
    np.testing.assert_array_equal(drawn.get_array(), [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"index has none for 0.*values.set_axis\(graph.index\)"):
        plot_signal(fields, rows)
    # Whole numbers kept as floats, as a join leaves them.
    numbered = Graph.from_geodataframe(fields.assign(field=[5, 7, 8, 9]), labels="field")
    floats = fields.set_axis([9.0, 8.0, 7.0, 5.0])
    with pytest.raises(ValueError, match=r"geometry.index = geometry.index.astype\('int64'\)"):
        plot_signal(numbered, rows, geometry=floats)
    floats.index = floats.index.astype("int64")
    drawn = plot_signal(numbered, rows, geometry=floats).collections[-1]
    assert [path.get_extents().x0 for path in drawn.get_paths()] == [3, 2, 1, 0]


def test_a_count_of_rows_beside_numbers_in_another_order_is_asked_about(fields):
    graph = Graph.from_geodataframe(fields.assign(field=[2, 0, 3, 1]), labels="field")
    with pytest.raises(ValueError, match=r"has an index 0, 1, 2.*set_axis\(graph.labels\)"):
        plot_signal(graph, [1.0, 2.0, 3.0, 4.0], geometry=fields)
    ordered = fields.set_axis(graph.labels)
    drawn = plot_signal(graph, [1.0, 2.0, 3.0, 4.0], geometry=ordered).collections[-1]
    assert [path.get_extents().x0 for path in drawn.get_paths()] == [0, 1, 2, 3]
    named = fields.geometry.loc[graph.labels]
    drawn = plot_signal(graph, [1.0, 2.0, 3.0, 4.0], geometry=named).collections[-1]
    assert [path.get_extents().x0 for path in drawn.get_paths()] == [2, 0, 3, 1]


def test_a_map_in_degrees_has_the_same_shape_whatever_is_known():
    west_east = gpd.GeoSeries([box(0, 0, 1, 1), box(0, 60, 1, 61)], crs="EPSG:4326")
    aspects = [plot_signal(west_east, v).get_aspect() for v in ([1.0, 2.0], [1.0, np.nan])]
    assert aspects[0] == aspects[1] == pytest.approx(1 / np.cos(np.radians(30.5)))


def test_a_face_shows_the_mean_of_the_known_corners(tetrahedron):
    ax = plot_signal(tetrahedron, [0.0, 3.0, 6.0, np.nan])
    (drawn,) = ax.collections
    faces = {frozenset(f): v for f, v in zip([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)],
                                             [3.0, 1.5, 3.0, 4.5], strict=True)}  # fmt: skip
    assert sorted(drawn.get_array()) == sorted(faces.values())
    (drawn,) = plot_signal(tetrahedron, [1.0, np.nan, np.nan, np.nan]).collections
    assert np.ma.count_masked(drawn.get_array()) == 1
    # The unknown face is grey.
    ax.figure.canvas.draw()
    drawn.update_scalarmappable()
    grey = drawn.get_facecolor()[np.ma.getmaskarray(drawn.get_array())]
    assert np.ptp(grey[0, :3]) == 0


def test_the_nearest_face_is_drawn_last():
    # Two squares, one above the other, seen from above and from below.
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    corners = np.concatenate([np.column_stack([square, np.full(4, z)]) for z in (0.0, 1.0)])
    mesh = Graph.from_mesh(corners, [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    values = np.repeat([10.0, 20.0], 4)
    above = plot_signal(mesh, values).collections[0].get_array()
    below = plot_signal(mesh, values, right=(-1, 0, 0)).collections[0].get_array()
    np.testing.assert_array_equal(above, [10, 10, 20, 20])
    np.testing.assert_array_equal(below, [20, 20, 10, 10])


def test_light_changes_brightness_and_not_hue(tetrahedron):
    (drawn,) = plot_signal(tetrahedron, np.ones(4), clim=(0, 1), cmap="viridis").collections
    drawn.update_scalarmappable()
    colours = drawn.get_facecolor()[:, :3]
    full = np.array(mpl.colormaps["viridis"](1.0)[:3])
    brightness = colours / full
    np.testing.assert_allclose(brightness, brightness[:, :1] * np.ones(3), atol=1e-6)
    assert 0.69 < brightness.min() < brightness.max() <= 1


def test_points_and_edges_are_where_they_are():
    points = pd.DataFrame(np.random.default_rng(0).random((30, 2)))
    graph = Graph.from_points(points, n_neighbors=3)
    values = np.arange(30.0)
    values[:4] = np.nan
    edges, hollow, known = plot_signal(graph, values).collections
    assert len(edges.get_segments()) == graph.n_edges
    np.testing.assert_array_equal(hollow.get_offsets(), points[:4])
    np.testing.assert_array_equal(known.get_offsets(), points[4:])
    np.testing.assert_array_equal(known.get_array(), values[4:])
    assert hollow.get_facecolor()[0, :3].tolist() == [1, 1, 1]


def test_edges_too_many_to_tell_apart_are_left_out():
    graph = Graph.from_networkx(nx.complete_graph(150))
    assert len(plot_signal(graph, np.arange(150.0)).collections) == 1


def test_points_in_space_are_seen_from_a_direction():
    points = np.random.default_rng(0).random((40, 3))
    graph = Graph.from_points(points)
    ax = plot_signal(graph, points[:, 1], right=(0, 0, 2), up=(1, 0, 1))
    places = ax.collections[-1].get_offsets()
    order = np.argsort(points[:, 1] * 1.0)  # towards the viewer is y
    np.testing.assert_allclose(places, points[order][:, [2, 0]])


def test_the_view_is_orthonormal():
    view = view_matrix((1, 1, 0), (0, 2, 1))
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    with pytest.raises(ValueError, match="right and up must span a plane"):
        view_matrix((1, 0, 0), (-2, 0, 0))
    with pytest.raises(ValueError, match="three numbers each"):
        view_matrix((1, 0), (0, 1))


def test_words_and_booleans_have_a_legend(fields, tetrahedron):
    ax = plot_signal(fields, ["rye", None, "oats", "rye"], label="crop")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["oats", "rye"]
    assert ax.get_legend().get_title().get_text() == "crop"
    np.testing.assert_array_equal(ax.collections[-1].get_array(), [1, 0, 1])
    assert len(ax.figure.axes) == 1
    ax = plot_signal(fields, np.array([True, False, True, True]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["False", "True"]
    order = pd.Categorical(["low", "high", "low", None], ["low", "mid", "high"], ordered=True)
    ax = plot_signal(fields, order)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["low", "mid", "high"]
    # Of a face, most of the known corners.
    ax = plot_signal(tetrahedron, ["b", "b", "a", None])
    assert sorted(ax.collections[0].get_array()) == [0, 0, 1, 1]


@pytest.mark.parametrize("n_classes", [2, 15, 40])
def test_classes_have_different_colours(n_classes):
    graph = Graph.from_points(np.random.default_rng(0).random((n_classes, 2)), n_neighbors=1)
    names = [f"class {i:02d}" for i in range(n_classes)]
    ax = plot_signal(graph, names)
    patches = ax.get_legend().get_patches()
    assert len({patch.get_facecolor() for patch in patches}) == n_classes
    dots = ax.collections[-1]
    np.testing.assert_allclose(
        dots.to_rgba(dots.get_array()), [patch.get_facecolor() for patch in patches]
    )


def test_colours_end_at_percentiles_and_arrows_say_so(fields):
    points = Graph.from_points(np.random.default_rng(0).random((200, 2)))
    values = np.arange(200.0)
    drawn = plot_signal(points, values).collections[-1]
    assert drawn.get_clim() == pytest.approx((1.99, 197.01))
    assert drawn.colorbar.extend == "both"
    assert plot_signal(points, values, clim=(0, 100)).collections[-1].colorbar.extend == "max"
    assert plot_signal(points, values, clim=(0, 500)).collections[-1].colorbar.extend == "neither"
    assert len(plot_signal(points, values, legend=False).figure.axes) == 1
    with pytest.raises(ValueError, match="clim must be two finite numbers"):
        plot_signal(points, values, clim=(2, 1))


def test_what_cannot_be_drawn_is_refused_before_a_figure_is_made(fields, tetrahedron):
    graph = Graph.from_geodataframe(fields, labels="field")
    with pytest.raises(TypeError, match="graph must be a skginr.Graph; got pandas.*DataFrame"):
        plot_signal(fields.drop(columns="geometry"), np.ones(4))
    with pytest.raises(ValueError, match=r"values must have one value per node, shape \(4,\); got"):
        plot_signal(fields, np.ones(3))
    with pytest.raises(ValueError, match=r"got shape \(4, 1\)"):
        plot_signal(fields, np.ones((4, 1)))
    with pytest.raises(ValueError, match="known of some node"):
        plot_signal(fields, np.full(4, np.nan))
    with pytest.raises(TypeError, match="values must hold real numbers"):
        plot_signal(fields, np.array([1j, 2, 3, 4]))
    with pytest.raises(TypeError, match="values must hold real numbers"):
        plot_signal(fields, [1.0, "two", 3.0, 4.0])
    with pytest.raises(TypeError, match="geometry must be a geopandas"):
        plot_signal(graph, np.ones(4), geometry=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="geometry must have a row.* 4 nodes and 3 rows"):
        plot_signal(graph, np.ones(4), geometry=fields[:3])
    with pytest.raises(TypeError, match="ax must hold matplotlib Axes; got str"):
        plot_signal(graph, np.ones(4), ax="here")
    with pytest.raises(ValueError, match="must have faces"):
        plot_mesh(graph, np.ones(4))
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match="ax must be 1 matplotlib Axes; got 2"):
        plot_signal(graph, np.ones(4), ax=plt.subplots(1, 2)[1])


def test_it_draws_on_the_axes_given(fields):
    _, axes = plt.subplots(1, 2)
    assert plot_signal(fields, np.arange(4.0), ax=axes[1]) is axes[1]
    assert not axes[0].collections


def test_the_globe_is_a_map_that_has_every_place_once():
    sphere = icosphere()
    canvas = canvas_of(sphere)
    corners = canvas.corners[..., :2]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    # Every face that has no pole inside, and again those that cross the rim.
    crossing = np.abs(corners[..., 0]).max(axis=1) > 180
    # All but two triangles around the poles, each of 360 degrees by a few; then copies of those
    # that cross the rim, on its other side.
    once = len(sphere.faces) - 2
    assert len(corners) == once + crossing[:once].sum()
    assert 360 * 180 * 0.85 < areas[:once].sum() < 360 * 180
    # No face is stretched across the map.
    assert np.ptp(corners[..., 0], axis=1).max() < 180


def test_faces_at_a_pole_reach_the_rim():
    latitude, longitude = (v.ravel() for v in np.meshgrid([-60, -30, 0, 30, 60], range(0, 360, 30)))
    graph = Graph.from_sphere([*latitude, 90, -90], [*longitude, 0, 0])
    corners = canvas_of(graph).corners[..., :2]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    # 24 faces at a pole are two triangles each, on the map.
    assert areas[: len(graph.faces) + 24].sum() == pytest.approx(360 * 180)


def test_longitudes_start_behind_a_gap():
    longitude = np.array([170.0, 175.0, -175.0, -140.0])
    latitude = np.array([0.0, 10.0, 20.0, -30.0])
    up, around = np.radians(latitude), np.radians(longitude)
    points = 6.4e6 * np.column_stack(
        [np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)]
    )
    places = longitudes_latitudes(points)
    np.testing.assert_allclose(places[:, 1], latitude, atol=1e-9)
    np.testing.assert_allclose(places[:, 0], [-190, -185, -175, -140])


def test_no_edge_crosses_a_map_of_points():
    longitude = np.arange(0, 360, 10.0)
    around = np.radians(longitude)
    ring = Graph.from_points(
        np.column_stack([np.cos(around), np.sin(around), 0 * around]), n_neighbors=2
    )
    edges, dots = plot_signal(ring, longitude).collections
    lengths = [np.ptp(segment[:, 0]) for segment in edges.get_segments()]
    assert len(lengths) < ring.n_edges
    assert max(lengths) < 50
    assert len(dots.get_offsets()) == 36


def test_a_flat_mesh_on_a_sphere_is_no_globe():
    around = np.arange(3) * 2 * np.pi / 3
    corners = np.column_stack([np.cos(around), np.sin(around), np.zeros(3)])
    ax = plot_signal(Graph.from_mesh(corners, [[0, 1, 2]]), [1.0, 2.0, 3.0])
    (drawn,) = ax.collections
    assert drawn.get_array() == [2.0]
    np.testing.assert_allclose(drawn.get_paths()[0].vertices[:3], corners[:, :2])


def test_a_map_whose_index_names_but_some_nodes_is_refused(fields):
    graph = Graph.from_geodataframe(fields, labels="field")
    turned = fields.assign(field=["d", "c", "b", "A"]).set_index("field")
    with pytest.raises(ValueError, match="its index has none for 'a', one of 1"):
        plot_signal(graph, [1.0, 2.0, 3.0, 4.0], geometry=turned)
    in_order = turned.reset_index(drop=True)
    assert len(plot_signal(graph, [1.0, 2.0, 3.0, 4.0], geometry=in_order).collections) > 0


def test_counties_by_their_graph_alone():
    counties = load_us_unemployment()
    graph = Graph.from_geodataframe(counties, labels="fips")
    ax = plot_signal(graph, counties["unemployment"])
    dots = ax.collections[-1]
    known = counties["unemployment"].notna()
    inside = counties.geometry.representative_point()[known].get_coordinates().to_numpy()
    # As they come, but for turns of 360 degrees.
    np.testing.assert_allclose(dots.get_offsets()[:, 1], inside[:, 1])
    turns = (dots.get_offsets()[:, 0] - inside[:, 0]) / 360
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)


def test_an_abstract_graph_is_laid_out_by_its_spectrum(archipelago):
    places = spectral_layout(archipelago)
    assert np.isfinite(places).all()
    boxes = []
    for component in range(archipelago.n_components):
        own = places[archipelago.components == component]
        boxes.append((*own.min(axis=0), *own.max(axis=0)))
    for i, (west, south, east, north) in enumerate(boxes):
        for other in boxes[:i]:
            apart = other[2] < west or east < other[0] or other[3] < south or north < other[1]
            assert apart, (i, boxes)
    # The ring is a ring, its neighbours next to each other.
    ring = places[archipelago.components == 0]
    radius = np.linalg.norm(ring - ring.mean(axis=0), axis=1)
    np.testing.assert_allclose(radius, radius[0], rtol=1e-6)
    ax = plot_signal(archipelago, np.arange(36.0))
    np.testing.assert_allclose(np.ma.getdata(ax.collections[-1].get_offsets()), places)


def test_many_components_fill_a_rectangle():
    graph = Graph.from_networkx(nx.disjoint_union_all([nx.path_graph(4)] * 60))
    wide, high = np.ptp(spectral_layout(graph), axis=0)
    assert 0.5 < wide / high < 3


def test_positions_in_many_dimensions_are_no_places():
    graph = Graph.from_points(np.random.default_rng(0).random((40, 5)))
    ax = plot_signal(graph, np.arange(40.0))
    np.testing.assert_allclose(
        np.ma.getdata(ax.collections[-1].get_offsets()), spectral_layout(graph)
    )


@pytest.fixture
def embedder(grid):
    return SpectralEmbedder(8, graph=grid).fit(grid.labels.to_frame())


def test_an_embedding_has_a_picture_for_each_component(grid, embedder):
    axes = plot_embedding(embedder)
    assert [ax.get_title() for ax in axes] == [f"component {i}" for i in range(1, 7)]
    order = grid.locate(grid.labels)
    limits = {ax.collections[-1].get_clim() for ax in axes}
    ((low, high),) = limits
    assert low == -high
    for i, ax in enumerate(axes):
        np.testing.assert_allclose(ax.collections[-1].get_array(), embedder.embedding_[order, i])
    axes = plot_embedding(embedder.embedding_, graph=grid, components=[3, 8])
    np.testing.assert_allclose(axes[1].collections[-1].get_array(), embedder.embedding_[:, 7])
    assert len(plot_embedding(embedder, components=2)) == 2


def test_an_embedding_against_itself_shows_a_signal(embedder):
    (ax,) = plot_embedding(embedder, np.arange(108.0), components=[2, 5], label="n")
    dots = ax.collections[-1]
    np.testing.assert_allclose(dots.get_offsets(), embedder.embedding_[:, [1, 4]])
    np.testing.assert_array_equal(dots.get_array(), np.arange(108.0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("component 2", "component 5")


def test_embeddings_that_cannot_be_drawn(grid, embedder):
    with pytest.raises(NotFittedError):
        plot_embedding(SpectralEmbedder(graph=grid))
    with pytest.raises(TypeError, match="graph must be a skginr.Graph"):
        plot_embedding(embedder.embedding_)
    with pytest.raises(ValueError, match="among the 8 of the embedding"):
        plot_embedding(embedder, components=[1, 9])
    with pytest.raises(ValueError, match="at least 1"):
        plot_embedding(embedder, components=[0])
    with pytest.raises(ValueError, match="two where values are given"):
        plot_embedding(embedder, np.ones(108), components=3)
    with pytest.raises(ValueError, match="one row per node of graph, 108; got 50"):
        plot_embedding(embedder.embedding_[:50], graph=grid)
    with pytest.raises(ValueError, match="values must have one value per node"):
        plot_embedding(embedder, np.ones(7))
    assert not plt.get_fignums()


def test_real_surfaces(data_root):
    with np.load(data_root / "brain_fsaverage5" / "fsaverage5_left.npz") as arrays:
        brain = Graph.from_mesh(arrays["pial"].astype(float), arrays["faces"])
        depth = arrays["sulc"].astype(float)
    ax = plot_signal(brain, depth, right=(0, -1, 0), up=(0, 0, 1), label="sulcal depth")
    (drawn,) = ax.collections
    assert len(drawn.get_array()) == 20_480
    np.testing.assert_allclose(np.sort(drawn.get_array()), np.sort(depth[brain.faces].mean(axis=1)))
    # Seen from the left, longer than high.
    assert np.ptp(ax.get_xlim()) > 1.2 * np.ptp(ax.get_ylim())


def test_points_of_a_map(fields):
    towns = gpd.GeoDataFrame(geometry=[Point(0, 0), Point(2, 1), Point(1, 3)])
    ax = plot_signal(towns, [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(ax.collections[-1].get_array(), [3, 1, 2])


def traces_of(path):
    """What plotly was told to draw, read back from a file."""
    text = path.read_text()
    start = text.index(
        "[",
        text.index('Plotly.newPlot("')
        if 'Plotly.newPlot("' in text
        else text.rindex("Plotly.newPlot("),
    )
    return json.JSONDecoder().raw_decode(text[start:])[0]


def numbers_of(array):
    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"])
    return np.array(array)


def test_a_file_shows_a_mesh_without_a_network(tetrahedron, tmp_path):
    pytest.importorskip("plotly")
    path = plot_signal_html(
        tetrahedron, [0.0, 3.0, 6.0, np.nan], tmp_path / "a.html", label="t, °C"
    )
    text = path.read_text()
    # Code and data are inside: nothing is loaded from anywhere.
    assert len(text) > 1_000_000
    assert not re.search(r"<(script|link|img)[^>]*\s(src|href)=", text)
    known, grey = traces_of(path)
    assert known["type"] == grey["type"] == "mesh3d"
    # One face has three known corners.
    assert len(numbers_of(known["i"])) == 1
    assert len(numbers_of(grey["i"])) == 3
    np.testing.assert_array_equal(numbers_of(known["intensity"]), [0, 3, 6])
    assert known["text"][1] == "1<br>t, °C: 3"
    assert grey["text"][-1] == "3<br>t, °C: unknown"


def test_a_file_of_classes_has_a_legend(tetrahedron, tmp_path):
    pytest.importorskip("plotly")
    path = plot_signal_html(tetrahedron, ["<b>", "a", "a", None], str(tmp_path / "b.html"))
    traces = traces_of(path)
    assert [trace["name"] for trace in traces] == ["&lt;b&gt;", "a"]
    assert [len(numbers_of(trace["i"])) for trace in traces] == [2, 2]
    assert "0<br>signal: &lt;b&gt;" in traces[0]["text"]


def test_a_page_that_cannot_be_written_whole_is_not_touched(tetrahedron, tmp_path, monkeypatch):
    pytest.importorskip("plotly", reason="needs the extra interactive")
    path = tmp_path / "page.html"
    path.write_text("before")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space.*page\.html"):
        plot_signal_html(tetrahedron, [0.0, 1.0, 2.0, 3.0], path)
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(ValueError, match="cmap must be a colour scale of plotly: .*got 'coolwarm'"):
        plot_signal_html(tetrahedron, [0.0, 1.0, 2.0, 3.0], path, cmap="coolwarm")


def test_a_file_shows_points_and_edges(tmp_path):
    pytest.importorskip("plotly")
    points = np.random.default_rng(0).random((50, 3))
    graph = Graph.from_points(points)
    values = np.arange(50.0)
    values[:5] = np.nan
    edges, known, hollow = traces_of(plot_signal_html(graph, values, tmp_path / "c.html"))
    np.testing.assert_array_equal(numbers_of(known["x"]), points[5:, 0])
    np.testing.assert_array_equal(numbers_of(hollow["z"]), points[:5, 2])
    np.testing.assert_array_equal(numbers_of(known["marker"]["color"]), values[5:])
    assert np.isnan(np.array(numbers_of(edges["x"]), dtype=float)).sum() == graph.n_edges
    with pytest.raises(ValueError, match="values must have one value per node"):
        plot_signal_html(graph, values[1:], tmp_path / "d.html")
    assert not (tmp_path / "d.html").exists()


def test_a_column_of_a_map_by_its_name(fields):
    ax = plot_signal(fields.assign(level=[1.0, 2.0, 3.0, 4.0]), "level")
    assert ax.collections[0].get_array().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert ax.figure.axes[-1].get_ylabel() == "level"
    with pytest.raises(TypeError, match=r"right must be three numbers, such as .*got '-y'"):
        plot_signal(Graph.from_mesh(np.eye(3), [[0, 1, 2]]), [1.0, 2.0, 3.0], right="-y")


def test_colours_that_are_none_leave_no_figure_behind(fields):
    values = [1.0, 2.0, 3.0, 4.0]
    for draw in (plot_signal, lambda graph, y, cmap: plot_embedding(np.eye(4), y, cmap=cmap)):
        with pytest.raises(ValueError, match="cmap must be a Colormap or the name of one"):
            draw(fields, values, cmap="nope")
    assert not plt.get_fignums()


PLANES = {
    # The directions in which a sheet of 2 by 1 extends, and where its first corner is.
    "xz": ((1, 0, 0), (0, 0, 1)),
    "yz": ((0, 1, 0), (0, 0, 1)),
    "diagonal": ((0.5**0.5, 0.5**0.5, 0), (0, 0, 1)),
    "backwards": ((-1, 0, 0), (0, 0, 1)),
}


def sheet(plane, thickness=0.0):
    wide, high = map(np.array, PLANES[plane])
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 2, 7), np.linspace(0, 1, 4)))
    bulge = thickness * np.sin(3 * x)[:, None] * np.cross(wide, high)
    positions = 5 + x[:, None] * wide + y[:, None] * high + bulge
    rows, columns = (grid.ravel() for grid in np.indices((3, 6)))
    corner = rows * 7 + columns
    return Graph.from_mesh(positions, np.column_stack([corner, corner + 1, corner + 8, corner + 7]))


def area_of(paths):
    corners = np.array([path.vertices[:3] for path in paths])
    sides = corners[:, 1:] - corners[:, :1]
    return np.abs(np.linalg.det(sides)).sum() / 2


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("thickness", [0.0, 0.005])
def test_a_flat_mesh_is_seen_from_its_side(plane, thickness):
    graph = sheet(plane, thickness)
    values = graph.positions[:, 2]
    for drawn in (plot_signal(graph, values).collections[0], plot_mesh(graph, values)):
        assert area_of(drawn.get_paths()) == pytest.approx(2, rel=1e-3)
        middles = np.array([path.vertices[:3].mean(axis=0) for path in drawn.get_paths()])
        # Up is up.
        assert np.corrcoef(middles[:, 1], drawn.get_array())[0, 1] > 0.999
    # To the right is where x or y grow.
    across = plot_mesh(graph, graph.positions[:, :2].sum(axis=1))
    middles = np.array([path.vertices[:3].mean(axis=0) for path in across.get_paths()])
    assert np.corrcoef(middles[:, 0], across.get_array())[0, 1] > 0.999
    # What is asked for is done.
    edge_on = plot_mesh(graph, values, right=(1, 1, 0), up=(-1, 1, 0))
    assert area_of(edge_on.get_paths()) < 0.05


def test_flat_points_and_pages_are_seen_from_their_side(tmp_path):
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.random(50), np.full(50, 3.0), rng.random(50)])
    ax = plot_signal(Graph.from_points(points), points[:, 2])
    offsets = np.asarray(ax.collections[-1].get_offsets())
    np.testing.assert_allclose(np.sort(offsets[:, 0]), np.sort(points[:, 0]), atol=1e-12)
    np.testing.assert_allclose(np.sort(offsets[:, 1]), np.sort(points[:, 2]), atol=1e-12)
    pytest.importorskip("plotly")
    page = plot_signal_html(sheet("xz"), np.arange(28.0), tmp_path / "sheet.html").read_text()
    # Along -y, the third axis up.
    eye = re.search(r'"eye":\{"x":([^,]+),"y":([^,]+),"z":([^}]+)\}', page)
    x, y, z = map(float, eye.groups())
    assert abs(x) < 1e-9 < -y
    assert abs(z) < 1e-9


def test_a_mesh_in_the_plane_is_drawn_as_it_lies():
    square = Graph.from_mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]])
    drawn = plot_mesh(square, [0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(drawn.get_paths()[0].vertices[:3], [[0, 0], [1, 0], [1, 1]])
