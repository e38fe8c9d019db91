import numpy as np
import pandas as pd
import pytest

from skginr import Graph, SpectralEmbedder


def equiangular(step):
    """Latitudes and longitudes of a grid of equal angles, each pole once."""
    rows, columns = np.meshgrid(np.arange(-90, 91, step), np.arange(0, 360, step), indexing="ij")
    latitude, longitude = rows.ravel(), columns.ravel()
    distinct = (np.abs(latitude) < 90) | (longitude == 0)
    return latitude[distinct], longitude[distinct]


def test_the_grid_is_a_closed_sphere():
    graph = Graph.from_sphere(*equiangular(6))
    # Euler's formula: 2 n - 4 triangles, and 3 n - 6 sides.
    assert len(graph.faces) == 2 * len(graph) - 4
    assert graph.n_edges == 3 * len(graph) - 6
    assert np.allclose(np.linalg.norm(graph.positions, axis=1), 1)
    assert graph.node_areas.sum() == pytest.approx(4 * np.pi, rel=0.01)
    # A pole is joined to all of the first circle.
    assert (graph.adjacency[[0]] > 0).sum() == 60


def harmonics(step):
    """The graph of a grid, its first 35 eigenvectors, and the degree l of each."""
    graph = Graph.from_sphere(*equiangular(step))
    embedder = SpectralEmbedder(35, graph=graph, laplacian="cotangent", component_features=False)
    degree = np.repeat(np.arange(1, 6), 2 * np.arange(1, 6) + 1)
    return graph, embedder.fit(graph.labels.to_frame()), degree


@pytest.mark.parametrize("step", [6, 3])
def test_eigenvalues_approach_those_of_the_sphere(step):
    _, embedder, degree = harmonics(step)
    # 3, 5, 7, 9 and 11 of a kind. Linear elements err by a share that goes with the eigenvalue
    # and with the square of the spacing: half the spacing, a quarter of the error.
    exact = degree * (degree + 1)
    error = np.abs(embedder.eigenvalues_ / exact - 1)
    assert (error < exact * np.radians(step) ** 2 / 8).all()


def test_no_eigenvector_lives_at_a_pole():
    graph, embedder, degree = harmonics(6)
    coordinates = embedder.transform(graph.labels.to_frame())
    # By area: a harmonic has as much near the poles as these have of the sphere, at most
    # 2 l + 1 times over. One that lived there would have all.
    share = graph.node_areas / graph.node_areas.sum()
    polar = np.abs(graph.positions[:, 2]) > np.sin(np.radians(80))
    energy = share @ coordinates**2
    near = share[polar] @ coordinates[polar] ** 2 / energy
    assert (near <= (2 * degree + 1) * share[polar].sum()).all()


def grid(latitudes, longitudes):
    rows = np.meshgrid(latitudes, longitudes, indexing="ij")
    return pd.DataFrame({"lat": rows[0].ravel(), "lon": rows[1].ravel()})


@pytest.mark.parametrize(
    ("longitudes", "kept"),
    [
        (np.arange(0, 361, 30), lambda lon: lon < 360),
        (np.arange(-180, 181, 30), lambda lon: lon < 180),
    ],
)
def test_a_meridian_that_is_there_twice_is_told_from_a_pole(longitudes, kept):
    table = grid(np.arange(-75, 76, 15), longitudes)
    with pytest.raises(ValueError, match="rows 0 and 12 coincide.*differ by 360.*are one.$"):
        Graph.from_sphere(table["lat"], table["lon"])
    once = table[kept(table["lon"])]
    assert Graph.from_sphere(once["lat"], once["lon"]).n_nodes == 11 * 12
    with pytest.raises(ValueError, match=r"differ by 360.*are one, and so are all at a pole.$"):
        Graph.from_sphere(*grid(np.arange(-90, 91, 15), longitudes).to_numpy().T)


def test_masked_angles_are_refused():
    latitude, longitude = (np.ma.masked_equal(angles, 0) for angles in equiangular(30))
    for angles in ((latitude, longitude.data), (latitude.data, longitude)):
        with pytest.raises(TypeError, match="itude must not be a masked array"):
            Graph.from_sphere(*angles)


def test_angles_and_labels_go_by_the_index_of_latitudes():
    latitude, longitude = map(pd.Series, equiangular(30))
    labels = pd.Series([f"p{i}" for i in range(len(latitude))])
    expected = Graph.from_sphere(latitude, longitude, labels)
    turned = Graph.from_sphere(latitude.set_axis(labels), longitude.set_axis(labels)[::-1], labels)
    assert turned == expected
    with pytest.raises(ValueError, match=r"longitude must have a row.*set_axis\(latitude.index\)"):
        Graph.from_sphere(latitude.set_axis(labels), longitude.set_axis(labels + "x"))


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        ([90, 0, 0, 0, 91], [0, 0, 120, 240, 0], "latitude must be between -90 and 90 .* 91"),
        (
            [90, 0, 0, 0, -90, 90],
            [0, 0, 120, 240, 0, 9],
            "rows 0 and 5 coincide.*a pole are one",
        ),
        ([50, 51, 52, 53, 54], [0, 2, 1, 3, 9], "must surround the sphere"),
        ([0, 0, 0, 0], [0, 90, 180, 270], "not on one circle; got 4"),
        ([90, 0, np.nan], [0, 0, 0], "latitude must be finite"),
        ([90, 0, 0], [0, 0], "one entry per point; got 3 and 2"),
        ([[90, 0]], [0, 0], "latitude must have one dimension"),
    ],
)
def test_what_is_no_sphere_is_refused(latitude, longitude, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_sphere(latitude, longitude)
