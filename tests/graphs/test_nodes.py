"""Which column names nodes, and what tables it may stand in."""

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphGaussianProcessRegressor,
    GraphSmoother,
    NeighborMeans,
    ResidualCorrector,
    SIRENClassifier,
    SIRENRegressor,
    SpatialGaussianProcessRegressor,
    SpectralEmbedder,
    TangentKernelRegressor,
    ThinPlateSplineRegressor,
    predict_frame,
    surface_gradient,
)
from skginr.plotting import SignalDisplay


@pytest.fixture(scope="module")
def areas():
    """Thirty areas on a grid, numbered."""
    lattice = nx.grid_2d_graph(6, 5)
    positions = np.array(lattice.nodes, dtype=float)
    graph = Graph(nx.to_scipy_sparse_array(lattice), positions=positions)
    return graph.with_attributes(pd.DataFrame({"height": positions[:, 0] + 0.5}))


@pytest.fixture
def hourly():
    """A row for every hour of a day in every area, the hour first."""
    table = pd.DataFrame({"hour": np.tile(np.arange(24), 30), "area": np.repeat(np.arange(30), 24)})
    return table.assign(level=0.05 * table["area"] + np.sin(table["hour"] * np.pi / 8))


TAKES_NODE = [
    lambda graph, **node: GraphSmoother(graph=graph, alpha=1.0, **node),
    lambda graph, **node: GraphGaussianProcessRegressor(graph=graph, n_tune=50, **node),
    lambda graph, **node: SpatialGaussianProcessRegressor(graph=graph, n_tune=50, **node),
    lambda graph, **node: ThinPlateSplineRegressor(graph=graph, **node),
    lambda graph, **node: NeighborMeans(graph=graph, **node),
    lambda graph, **node: CorrectedSmoother(
        graph=graph,
        smoothers=[("one", GraphSmoother(graph=graph, alpha=1.0, **node))],
        corrector=Ridge(),
        cv=2,
        **node,
    ),
]
NAMES = ["smoother", "process", "spatial", "interpolator", "means", "corrected"]


@pytest.mark.parametrize("make", TAKES_NODE, ids=NAMES)
@pytest.mark.parametrize("columns", [["hour", "area"], ["area", "hour"]])
def test_two_columns_that_could_name_nodes_are_asked_about(areas, hourly, make, columns):
    table = hourly.iloc[::11]
    first, second = columns
    with pytest.raises(
        ValueError,
        match=f"needs node= to tell.*'{first}' and '{second}' could both. Give node='{first}', or",
    ):
        make(areas).fit(table[columns], table["level"])
    with pytest.raises(ValueError, match=r"0 and 1 could both. Give node=0, or node=1"):
        make(areas).fit(table[columns].to_numpy(), table["level"])


@pytest.mark.parametrize("make", TAKES_NODE, ids=NAMES)
def test_the_column_that_is_named_names_the_nodes(areas, hourly, make):
    table = hourly.iloc[::11]
    y = table["level"] + np.random.default_rng(0).normal(size=len(table))

    def answers(model, X):
        model = clone(model).fit(X, y)
        if hasattr(model, "predict"):
            return model.predict(X)
        return np.asarray(model.transform(X)[["height", "height_neighbors"]], dtype=float)

    expected = answers(make(areas, node="area"), table[["area", "hour"]])
    found = answers(make(areas, node="area"), table[["hour", "area"]])
    np.testing.assert_allclose(found, expected, atol=1e-8)
    other = answers(make(areas, node="hour"), table[["hour", "area"]])
    assert not np.allclose(other, expected)
    if make is not TAKES_NODE[NAMES.index("means")]:
        by_position = answers(make(areas, node=1), table[["hour", "area"]].to_numpy())
        np.testing.assert_allclose(by_position, expected, atol=1e-8)
    with pytest.raises(ValueError, match="node='place' is not a column of X"):
        make(areas, node="place").fit(table[["hour", "area"]], y)


def test_a_first_column_that_names_none_is_not_taken_for_unknown_nodes(areas, hourly):
    table = hourly.assign(hour=hourly["hour"] + 100)[["hour", "area"]]
    with pytest.raises(ValueError, match="which 'hour' does not hold; 'area' does. Give node='ar"):
        GraphSmoother(graph=areas).fit(table, hourly["level"])
    with pytest.raises(ValueError, match="GraphBlockKFold takes the first column.*'area' does"):
        next(GraphBlockKFold(3, graph=areas).split(table))


def test_flags_and_measures_are_no_names(areas, hourly):
    table = hourly.groupby("area", as_index=False)["level"].mean()
    table = table.assign(flag=table["area"] % 2, size=np.linspace(0, 9, 30))
    columns = ["area", "flag", "size"]
    smoother = GraphSmoother(graph=areas, alpha=1.0)
    by_name = smoother.fit(table[columns], table["level"]).coef_
    # In an array all are floats.
    by_place = smoother.fit(table[columns].to_numpy(), table["level"]).coef_
    np.testing.assert_allclose(by_place, by_name)
    # Flags first, and the names second.
    with pytest.raises(ValueError, match="'flag' and 'area' could both"):
        smoother.fit(table[["flag", "area"]], table["level"])


def test_every_area_is_in_one_fold(areas, hourly):
    X = hourly[["hour", "area"]]
    with pytest.raises(ValueError, match="GraphBlockKFold needs node=.*'hour' and 'area' could"):
        next(GraphBlockKFold(3, graph=areas).split(X))
    for node, table in (("area", X), (1, X), (1, X.to_numpy()), (-1, X.to_numpy())):
        for train, test in GraphBlockKFold(3, graph=areas, node=node).split(table):
            held_out = set(hourly["area"].iloc[test])
            assert held_out
            assert not held_out & set(hourly["area"].iloc[train])
    # The whole table of one signal may be given, as long as one column alone names nodes.
    words = hourly.assign(area="a" + hourly["area"].astype(str))
    named = Graph.from_adjacency(areas.adjacency, labels=[f"a{i}" for i in range(30)])
    for columns in (["area", "hour", "level"], ["area"]):
        tests = [t for _, t in GraphBlockKFold(3, graph=named).split(words[columns])]
        assert sorted(np.concatenate(tests)) == list(range(len(hourly)))
    with pytest.raises(ValueError, match="which 'hour' does not hold; 'area' does"):
        next(GraphBlockKFold(3, graph=named).split(words[["hour", "level", "area"]]))


def test_folds_take_the_arrays_that_smoothers_take(areas, hourly):
    table = hourly.groupby("area", as_index=False)["level"].mean()
    X = np.column_stack([table["area"], np.linspace(0, 1, 30)])
    assert X.dtype == float
    scores = cross_val_score(
        GraphSmoother(graph=areas, alpha=1.0), X, table["level"], cv=GraphBlockKFold(3, graph=areas)
    )
    assert np.isfinite(scores).all()


def test_pictures_and_slopes_go_by_the_column_that_was_fitted(hourly):
    square = [[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    mesh, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(2)
    n = mesh.n_nodes
    long = pd.DataFrame({"hour": np.tile([1, 2, 3], n), "vertex": np.repeat(np.arange(n), 3)})
    columns = make_column_transformer(
        (SpectralEmbedder(n - 1, graph=mesh), ["vertex"]), (StandardScaler(), ["hour"])
    )
    model = make_pipeline(columns, Ridge(1e-9)).fit(long, 2 * mesh.positions[long["vertex"], 0])
    table = long[long["hour"] == 2]
    slope = surface_gradient(model, table, graph=mesh)
    np.testing.assert_allclose(slope, np.tile([2.0, 0, 0], (n, 1)), atol=1e-5)
    turned = table.iloc[::-1]
    display = SignalDisplay.from_estimator(model, turned, 2 * mesh.positions[::-1, 0])
    expected = 2 * mesh.positions[mesh.faces, 0].mean(axis=1)
    for ax in display.axes_[:2]:
        np.testing.assert_allclose(
            np.sort(ax.collections[-1].get_array()), np.sort(expected), atol=1e-5
        )
    # A model that knows no names: then it is asked for.
    blind = RandomForestRegressor(5, random_state=0).fit(table.to_numpy(), table["vertex"])
    with pytest.raises(ValueError, match="surface_gradient needs node="):
        surface_gradient(blind, table.to_numpy(), graph=mesh)
    assert surface_gradient(blind, table.to_numpy(), graph=mesh, node=1).shape == (n, 3)
    with pytest.raises(ValueError, match="SignalDisplay needs node="):
        SignalDisplay.from_estimator(blind, table.to_numpy(), table["vertex"], graph=mesh)


def test_time_beside_labels_is_said_to_enter_linearly(areas, hourly):
    X = hourly[["area", "hour"]]
    smoother = GraphSmoother(graph=areas, node="area", alpha=1.0)
    with pytest.warns(UserWarning, match=r"values at a node, \['hour'\], which enter linearly"):
        straight = smoother.fit(X, hourly["level"]).score(X, hourly["level"])
    # As the message says, a network follows it.
    columns = make_column_transformer(
        (SpectralEmbedder(graph=areas), ["area"]), (StandardScaler(), ["hour"])
    )
    network = make_pipeline(columns, SIRENRegressor(random_state=0)).fit(X, hourly["level"])
    assert network.score(X, hourly["level"]) > 0.97 > 0.7 > straight
    # Covariates of the areas, and of two years, are no time.
    for column in (hourly["area"] ** 0.5, hourly["hour"] % 2 + 2000.0):
        smoother.fit(X.assign(hour=column), hourly["level"])


def test_whole_numbers_without_a_graph_may_be_labels():
    ids = pd.DataFrame({"id": np.arange(200)})
    for X in (ids, ids.to_numpy(), ids.astype("Int64"), ids.to_numpy().tolist()):
        with pytest.warns(UserWarning, match=r"one column of whole numbers.*SpectralEmbedder\(gra"):
            SpectralEmbedder(4).fit(X)
    SpectralEmbedder(4).fit(ids.astype(float))
    SpectralEmbedder(4).fit(ids.assign(other=ids["id"] % 7))


def test_geometries_are_no_coordinates():
    shapes = [box(i, 0, i + 1, 1) for i in range(4)]
    gdf = gpd.GeoDataFrame({"AreaKey": list("abcd")}, geometry=shapes, crs=3857)
    graph = Graph.from_geodataframe(gdf, labels="AreaKey")
    y = np.arange(4.0)
    out = r"geometries\. Build the graph of the map.*from_geodataframe.*takes gdf\[\['label'\]\]"
    for model in (SpectralEmbedder(), SIRENRegressor(), TangentKernelRegressor()):
        for X in (gdf[["geometry"]], gdf.assign(AreaKey=y), gdf.geometry):
            with pytest.raises(ValueError, match=out):
                model.fit(X, y)
    with pytest.raises(ValueError, match=r"got geometries. Select.*table\[\['label'\]\]"):
        SpectralEmbedder(graph=graph).fit(gdf[["geometry"]])
    with pytest.raises(ValueError, match=r"must have one column.*Select it, table\[\['label'\]\]"):
        SpectralEmbedder(graph=graph).fit(gdf)
    with pytest.raises(TypeError, match=r"'geometry'.*type Polygon at row 0. Select other columns"):
        GraphSmoother(graph=graph).fit(gdf, y)
    # As all of them say:
    assert SpectralEmbedder(2, graph=graph).fit_transform(gdf[["AreaKey"]]).shape == (4, 2)
    assert len(list(GraphBlockKFold(2, graph=graph).split(gdf))) == 2


def test_polars_keeps_its_names(areas, hourly):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({name: hourly[name].to_numpy() for name in hourly})
    mine, theirs = (
        [test.tolist() for _, test in GraphBlockKFold(3, graph=areas, node="area").split(X)]
        for X in (hourly, table)
    )
    assert mine == theirs
    with pytest.raises(ValueError, match="'hour' and 'area' could both"):
        next(GraphBlockKFold(3, graph=areas).split(table))
    smoother = GraphSmoother(graph=areas, node="area", alpha=1.0)
    hourly = hourly.assign(level=hourly["area"] ** 0.5)
    table = table.with_columns(level=polars.Series(hourly["level"].to_numpy()))
    columns = ["level", "area"]
    expected = clone(smoother).fit(hourly[columns], hourly["level"])
    fitted = smoother.fit(table[columns], table["level"])
    assert fitted.feature_names_in_.tolist() == columns
    np.testing.assert_array_equal(fitted.predict(table[columns]), expected.predict(hourly[columns]))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(table[["area", "level"]])
    model = make_pipeline(SpectralEmbedder(8, graph=areas), Ridge()).fit(
        table[["area"]], table["level"]
    )
    assert model[0].feature_names_in_.tolist() == ["area"]
    means = NeighborMeans(graph=areas).fit_transform(table[["area"]])
    assert means.columns.tolist() == ["area", "height", "height_neighbors"]
    with pytest.raises(ValueError, match="row 1 is missing, one of 1"):
        GraphSmoother(graph=areas).fit(polars.DataFrame({"area": [2**60, None, 3]}), [1.0, 2, 3])


def test_what_would_lose_its_names_is_refused(areas, hourly):
    polars = pytest.importorskip("polars")
    fitted = GraphSmoother(graph=areas).fit(hourly[["area"]], hourly["level"])
    table = polars.DataFrame({"area": [0, 1, 2], "next": [1, 2, 3]})
    for call, name in (
        (lambda: predict_frame(fitted, table), "frame"),
        (lambda: Graph.from_edges(table, "area", "next"), "frame"),
        (lambda: areas.with_attributes(table), "frame"),
        (lambda: Graph(areas.adjacency, attributes=table), "attributes"),
    ):
        with pytest.raises(TypeError, match=f"got polars.DataFrame. Use {name}.to_pandas\\(\\)"):
            call()
    pytest.importorskip("pyarrow")
    found = predict_frame(fitted, table.to_pandas())
    np.testing.assert_allclose(found["predicted"], fitted.predict(hourly[["area"]])[:72:24])
    assert Graph.from_edges(table.to_pandas(), "area", "next").n_edges == 3


def test_words_and_times_of_other_tables_do_not_become_numbers():
    words = [f"{i:05d}" for i in range(40)]
    tables = []
    for module, make in (("polars", "DataFrame"), ("pyarrow", "table")):
        tables.append(getattr(pytest.importorskip(module), make)({"fips": words}))
    for model in (SpectralEmbedder(2), SIRENRegressor("train", max_epochs=1)):
        for table in tables:
            with pytest.raises(ValueError, match="must hold numbers; got '00000' of type str"):
                model.fit(table, np.arange(40.0))
    dates = type(tables[0])({"day": np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")})
    with pytest.raises(ValueError, match="must hold numbers; got .*datetime64"):
        SIRENRegressor("train", max_epochs=1).fit(dates, np.arange(40.0))
    with pytest.raises(TypeError, match=r"got pyarrow.*Table. Use X.to_pandas\(\)"):
        SpectralEmbedder(2, graph=Graph.from_points(np.eye(3), n_neighbors=2)).fit(tables[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda graph: GraphSmoother(graph=graph, alpha=1.0),
        lambda graph: GraphGaussianProcessRegressor(graph=graph),
        lambda graph: CorrectedSmoother(graph=graph, corrector=Ridge(), cv=2),
        lambda graph: make_pipeline(
            SpectralEmbedder(8, graph=graph), SIRENRegressor("train", max_epochs=1)
        ),
        lambda graph: make_pipeline(SpectralEmbedder(8, graph=graph), TangentKernelRegressor()),
        lambda graph: make_pipeline(SpectralEmbedder(8, graph=graph), ResidualCorrector(Ridge())),
    ],
    ids=["smoother", "process", "corrected", "network", "tangent", "corrector"],
)
def test_a_signal_with_gaps_is_fitted_without_them(grid, grid_table, make):
    table = grid_table.assign(signal=grid_table["signal"].where(grid_table.index % 5 > 0))
    with pytest.raises(
        ValueError,
        match=r"22 values are NaN.*table.dropna\(subset=\['signal'\]\): their nodes stay",
    ):
        make(grid).fit(table[["node"]], table["signal"])
    # As the message says.
    known = table.dropna(subset=["signal"])
    predicted = make(grid).fit(known[["node"]], known["signal"]).predict(table[["node"]])
    assert np.isfinite(predicted).all()


def test_a_covariate_with_gaps_is_named(grid, grid_table):
    table = grid_table.assign(height=np.where(grid_table.index % 5, 1.5, np.nan))
    smoother = GraphSmoother(graph=grid, alpha=1.0)
    with pytest.raises(ValueError, match=r"X\['height'\] must be.*dropna\(subset=\['height'\]\)"):
        smoother.fit(table[["node", "height"]], table["signal"])
    known = table.dropna(subset=["height"])
    smoother.fit(known[["node", "height"]], known["signal"])


def test_what_is_behind_a_mask_is_not_read():
    rng = np.random.default_rng(0)
    X, numbers = rng.random((40, 2)), np.ma.masked_equal(np.arange(40), 7)
    for fit in (
        lambda: SIRENRegressor("train", max_epochs=1).fit(X, numbers.data, sample_weight=numbers),
        lambda: SIRENClassifier("train", max_epochs=1).fit(X, numbers % 2),
        lambda: TangentKernelRegressor().fit(X, numbers),
        lambda: ResidualCorrector(Ridge()).fit(X, numbers),
    ):
        with pytest.raises((TypeError, ValueError), match="must not be a masked array"):
            fit()
    path = nx.to_scipy_sparse_array(nx.path_graph(40))
    with pytest.raises(ValueError, match="labels must not be missing.*position 7"):
        Graph.from_adjacency(path, labels=numbers)
    with pytest.raises(ValueError, match="row 7 is missing"):
        Graph.from_adjacency(path).locate(numbers)
