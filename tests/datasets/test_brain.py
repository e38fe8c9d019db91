import numpy as np
import pytest

from skginr.datasets import fetch_conte69, load_fsaverage5


def correlation_along_edges(graph, values):
    rows, columns = graph.adjacency.nonzero()
    known = np.isfinite(values[rows]) & np.isfinite(values[columns])
    return np.corrcoef(values[rows[known]], values[columns[known]])[0, 1]


@pytest.mark.parametrize("surface", ["pial", "white", "sphere"])
def test_fsaverage5_is_a_sphere_to_a_topologist(surface):
    data = load_fsaverage5(surface)
    graph = data.graph
    assert graph.n_nodes - graph.n_edges + len(graph.faces) == 2
    assert data.frame["vertex"].tolist() == graph.labels.tolist()
    if surface == "sphere":
        np.testing.assert_allclose(np.linalg.norm(graph.positions, axis=1), 100, rtol=1e-4)
    for name in ("sulcal_depth", "curvature", "thickness"):
        assert correlation_along_edges(graph, data.frame[name].to_numpy()) > 0.6
    assert data.frame["thickness"].between(-0.1, 5.5).all()


def test_fsaverage5_is_that_of_the_file(data_root):
    data = load_fsaverage5("white")
    with np.load(data_root / "brain_fsaverage5" / "fsaverage5_left.npz") as stored:
        np.testing.assert_array_equal(data.graph.positions, stored["white"])
        np.testing.assert_array_equal(data.graph.faces, stored["faces"])
        np.testing.assert_array_equal(data.frame["curvature"], stored["curv"])


def test_conte69_is_not_known_on_the_medial_wall(data_root):
    data = fetch_conte69()
    graph, maps = data.graph, data.frame.drop(columns="vertex")
    assert graph.n_nodes - graph.n_edges + len(graph.faces) == 2
    missing = maps.isna()
    assert missing.sum().tolist() == [3_221] * 4
    # One and the same region, and connected.
    assert (missing.any(axis=1) == missing.all(axis=1)).all()
    assert graph.subgraph(graph.labels[missing["myelin"]]).n_components == 1
    for name in maps:
        assert correlation_along_edges(graph, maps[name].to_numpy()) > 0.6


def test_a_surface_that_is_none_is_refused():
    with pytest.raises(ValueError, match="surface must be one of 'pial'"):
        load_fsaverage5("inflated")
