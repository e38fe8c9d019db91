"""Where a graph joins nothing, or nothing was observed, it is said: once, and not of folds."""

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

import skginr
from skginr import (
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphGaussianProcessRegressor,
    GraphSmoother,
    MultiGraphEmbedder,
    SIRENRegressor,
    SpectralEmbedder,
    predict_frame,
    refine_model,
)

ALONE = "5 of 5 rows of X name nodes of 1 connected component of the graph in which fit had no row"


@pytest.fixture
def footprints():
    """Buildings that stand apart."""
    shapes = [box(3 * i, 3 * j, 3 * i + 1, 3 * j + 1) for i in range(10) for j in range(10)]
    gdf = gpd.GeoDataFrame({"id": np.arange(100)}, geometry=shapes, crs="EPSG:3857")
    return gdf.assign(height=np.sin(gdf.centroid.x / 6))


MODELS = {
    "smoother": lambda graph: GraphSmoother(graph=graph, alpha=0.1),
    "process": lambda graph: GraphGaussianProcessRegressor(graph=graph),
    "ridge": lambda graph: make_pipeline(SpectralEmbedder(4, graph=graph), Ridge(1e-6)),
    "network": lambda graph: make_pipeline(
        SpectralEmbedder(4, graph=graph), SIRENRegressor("train", max_epochs=2, random_state=0)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_component_without_an_observation_is_named(archipelago, name):
    X, y = pd.DataFrame({"node": np.arange(36)}), np.sin(np.arange(36) / 4)
    model = MODELS[name](archipelago).fit(X[:30], y[:30])
    with pytest.warns(UserWarning, match=f"{ALONE}, such as 30: nothing is known there"):
        model.predict(X[30:35])
    with pytest.warns(UserWarning, match="6 of 36 rows of X name nodes of 2 connected components"):
        model.predict(X)
    # Seen, or joined to what was seen: nothing to say.
    model.predict(X[:30])
    model.fit(X[::5], y[::5]).predict(X)


def test_a_standard_deviation_says_it_itself(archipelago):
    X, y = np.arange(36)[:, None], np.sin(np.arange(36) / 4)
    _, std = GraphSmoother(graph=archipelago, alpha=0.1).fit(X[:30], y[:30]).predict(X, True)
    assert np.isinf(std[30:]).all()
    assert np.isfinite(std[:30]).all()


@pytest.mark.parametrize("name", ["smoother", "ridge"])
def test_nothing_is_said_of_rows_held_out(archipelago, name):
    X, y = pd.DataFrame({"node": np.arange(36)}), np.sin(np.arange(36) / 4)
    model = MODELS[name](archipelago)
    folds = KFold(6)
    cross_val_score(model, X, y, cv=folds)
    cross_val_predict(model, X, y, cv=folds)
    predict_frame(model.fit(X, y), X.assign(y=y), target="y", cv=folds)
    search = GridSearchCV(model, {}, cv=folds, refit=True).fit(X[:30], y[:30])
    # But of what is asked of it then.
    with pytest.warns(UserWarning, match=ALONE):
        search.predict(X[30:35])


def test_coordinates_alone_are_asked_for_by_one_row(archipelago):
    embedder = SpectralEmbedder(4, graph=archipelago).fit([[0]])
    assert embedder.transform(np.arange(36)[:, None]).shape == (36, 7)


def test_a_model_that_moves_takes_it_along(archipelago, tmp_path):
    X, y = np.arange(36)[:, None], np.sin(np.arange(36) / 4)
    model = make_pipeline(SpectralEmbedder(4, graph=archipelago), Ridge()).fit(X[:30], y[:30])
    grown = nx.from_scipy_sparse_array(archipelago.adjacency)
    grown.add_edges_from([(0, 36), (30, 37), (37, 38)])
    graph = Graph.from_networkx(grown)
    skginr.save(model, tmp_path / "model.skginr")
    loaded = skginr.load(tmp_path / "model.skginr")
    with pytest.warns(UserWarning, match=ALONE):
        loaded.predict(X[30:35])
    for moved in (model[0].extend(graph), refine_model(model, graph)[0]):
        moved.transform([[36], [0]])
        with pytest.warns(UserWarning, match="3 of 4 rows .*1 connected component.*such as 30"):
            moved.transform([[30], [37], [38], [5]])
    # What joins nothing was said where it moved.
    grown.add_edge(50, 51)
    with pytest.warns(UserWarning, match="new nodes have no affinity.*: 50, 51"):
        moved = model[0].extend(Graph.from_networkx(grown))
    moved.transform([[50], [51]])


def test_each_of_several_graphs_for_itself(archipelago):
    graphs = {"a": archipelago, "b": archipelago}
    several = MultiGraphEmbedder(graphs, SpectralEmbedder(4, component_features=False))
    rows = pd.DataFrame({"map": ["a"] * 36 + ["b"] * 20, "node": [*range(36), *range(20)]})
    several.fit(rows).transform(rows)
    with pytest.warns(UserWarning, match="2 of 2 rows of X name nodes of 1 connected component"):
        several.transform(pd.DataFrame({"map": ["b", "b"], "node": [31, 32]}))


@pytest.mark.parametrize("name", ["smoother", "process"])
def test_buildings_that_stand_apart_tell_nothing_of_each_other(footprints, name):
    graph = Graph.from_geodataframe(footprints, labels="id")
    X, y = footprints[["id"]], footprints["height"]
    with pytest.warns(UserWarning, match=r"100 nodes and no edges.*tolerance=.*method='knn'"):
        model = MODELS[name](graph).fit(X[:50], y[:50])
    # Of it all was said.
    np.testing.assert_allclose(model.predict(X[50:]), y[:50].mean(), atol=1e-6)
    # As the message says: either joins them, and the signal is found.
    for near in (
        Graph.from_geodataframe(footprints, labels="id", tolerance=2.1),
        Graph.from_geodataframe(footprints, labels="id", method="knn", n_neighbors=4),
    ):
        model = MODELS[name](near).fit(X[::2], y[::2])
        assert model.score(X[1::2], y[1::2]) > 0.9


def test_a_network_over_buildings_that_stand_apart_says_so(footprints):
    graph = Graph.from_geodataframe(footprints, labels="id")
    model = make_pipeline(SpectralEmbedder(graph=graph), Ridge())
    model.fit(footprints[["id"]][:50], footprints["height"][:50])
    with pytest.warns(UserWarning, match="50 of 50 rows of X name nodes of 50 connected comp"):
        model.predict(footprints[["id"]][50:])


def test_folds_of_single_nodes_are_no_regions(footprints):
    graph = Graph.from_geodataframe(footprints, labels="id")
    with pytest.warns(UserWarning, match="100 of 100 nodes that X names have no edge.*random"):
        list(GraphBlockKFold(5, graph=graph).split(footprints[["id"]]))
    # Some that touch do not make regions of the others.
    row = [box(-9, i, -8, i + 1) for i in range(40)]
    terraced = footprints.assign(geometry=[*row, *footprints.geometry[40:]])
    some = Graph.from_geodataframe(terraced, labels="id")
    with pytest.warns(UserWarning, match="60 of 100 nodes that X names have no edge"):
        list(GraphBlockKFold(5, graph=some).split(footprints[["id"]]))
    near = Graph.from_geodataframe(footprints, labels="id", tolerance=2.1)
    list(GraphBlockKFold(5, graph=near).split(footprints[["id"]]))


def test_it_is_said_at_the_line_that_asked(archipelago):
    X, y = np.arange(36)[:, None], np.sin(np.arange(36) / 4)
    model = make_pipeline(SpectralEmbedder(4, graph=archipelago), Ridge()).fit(X[:30], y[:30])
    with pytest.warns(UserWarning, match=ALONE) as caught:
        model.predict(X[30:35])
    assert [warning.filename for warning in caught] == [__file__]
    # Past what has parts of a model not repeat each other, which is of the standard library.
    smoothers = [
        ("one", GraphSmoother(graph=archipelago)),
        ("two", GraphSmoother(graph=archipelago)),
    ]
    stacked = CorrectedSmoother(graph=archipelago, smoothers=smoothers, cv=3).fit(X[:30], y[:30])
    with pytest.warns(UserWarning, match=ALONE) as caught:
        stacked.predict(X[30:35])
    assert [warning.filename for warning in caught] == [__file__]


def test_several_smoothers_say_it_once(archipelago, footprints):
    X, y = np.arange(36)[:, None], np.sin(np.arange(36) / 4)
    model = CorrectedSmoother(graph=archipelago, corrector=Ridge(), cv=3).fit(X[:30], y[:30])
    with pytest.warns(UserWarning, match=ALONE) as caught:
        model.predict(X[30:35])
    assert len(caught) == 1
    # Places would tell of areas without borders: without them nothing does.
    placed = Graph.from_geodataframe(footprints, labels="id")
    graph = Graph(placed.adjacency, labels=placed.labels)
    model = CorrectedSmoother(graph=graph, corrector=Ridge(), cv=3)
    with (
        pytest.warns(UserWarning, match="no smoother predicts"),
        pytest.warns(UserWarning, match="no edges") as caught,
    ):
        model.fit(footprints[["id"]], footprints["height"])
    assert len([one for one in caught if "no edges" in str(one.message)]) == 1


def test_many_fits_say_it_once(footprints):
    graph = Graph.from_geodataframe(footprints, labels="id")
    search = GridSearchCV(GraphSmoother(graph=graph), {"alpha": [0.1, 1.0, 10.0]}, cv=4)
    with pytest.warns(UserWarning, match="no edges") as caught:
        search.fit(footprints[["id"]], footprints["height"])
    assert len(caught) == 1
