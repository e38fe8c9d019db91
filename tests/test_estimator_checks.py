"""Every exported estimator against scikit-learn's checks, and theirs against a graph's.

scikit-learn's checks feed numbers; an estimator that holds a graph is fed node labels,
so the same promises are checked for it in the second half.
"""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import skginr
from skginr import (
    CorrectedSmoother,
    Graph,
    GraphGaussianProcessRegressor,
    GraphPoissonRegressor,
    GraphSmoother,
    GraphSmootherClassifier,
    NeighborMeans,
    ResidualCorrector,
    SeasonalFeatures,
    SIRENClassifier,
    SIRENRegressor,
    SpatialGaussianProcessRegressor,
    SpectralEmbedder,
    TangentKernelRegressor,
    ThinPlateSplineRegressor,
)

# Where a check compares two fits to 1e-7: in float64, with the gradient of all
# rows at once, so that neither rounding nor the order of rows matters.
EXACT = {
    "dtype": "float64",
    "batch_size": "all",
    "hidden_units": 32,
    "max_epochs": 60,
    "random_state": 0,
}
EXACT_SIREN = SIRENRegressor("train", **EXACT)
SOLVED = {"dtype": "float64", "hidden_units": 32, "random_state": 0}

# (scikit-learn feeds pairwise estimators with kernels, which affinity="precomputed_distances"
# rightly refuses.)
COORDINATE_MODE = [
    SpectralEmbedder(),
    SpectralEmbedder(laplacian="symmetric", n_neighbors=5),
    SpectralEmbedder(laplacian="random_walk", component_features=False),
    SpectralEmbedder(affinity="precomputed"),
    SpectralEmbedder(method="diffusion_map", alpha=0.5, diffusion_time=2),
    SpectralEmbedder(method="isomap"),
    SpectralEmbedder(method="lle"),
    EXACT_SIREN,
    SIRENClassifier("train", **EXACT),
    SIRENRegressor(**SOLVED),
    SIRENRegressor(**SOLVED, validation=0.3),
    SIRENClassifier(**SOLVED),
    TangentKernelRegressor(EXACT_SIREN),
    ResidualCorrector(LinearRegression()),
    SeasonalFeatures([50.0, 8], trend=True),
]


# Products of rows far from the origin are nearly one affinity for all, as a kernel.
@pytest.mark.filterwarnings("ignore:.*coordinates cannot be placed for new rows")
# Some of their y is noise.
@pytest.mark.filterwarnings("ignore:.*has found nothing in X")
@parametrize_with_checks(COORDINATE_MODE)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def embedder(graph):
    return SpectralEmbedder(6, graph=graph)


def smoother(graph):
    return GraphSmoother(graph=graph, alpha=0.5)


def corrected(graph):
    corrector = ResidualCorrector(LinearRegression())
    return CorrectedSmoother(graph=graph, corrector=corrector, cv=4)


def rates(graph):
    return GraphPoissonRegressor(graph=graph)


def classes(graph):
    return GraphSmootherClassifier(graph=graph)


def process(graph):
    return GraphGaussianProcessRegressor(graph=graph)


def positioned(graph):
    places = np.random.default_rng(0).random((graph.n_nodes, 2))
    placed = Graph(graph.adjacency, labels=graph.labels, positions=places)
    return ThinPlateSplineRegressor(graph=placed, n_neighbors=10)


def spatial(graph):
    # Where the signal has a place: neighbours are near.
    places = np.column_stack(np.divmod(np.arange(graph.n_nodes), 9))
    placed = Graph(graph.adjacency, labels=graph.labels, positions=places)
    return SpatialGaussianProcessRegressor(graph=placed)


def joined(graph):
    ages = pd.DataFrame({"age": np.arange(graph.n_nodes) ** 2}, index=graph.labels)
    return NeighborMeans(graph=graph.with_attributes(ages), passthrough=False)


def pipeline(graph):
    return make_pipeline(SpectralEmbedder(graph=graph), SIRENRegressor(**SOLVED))


def trained(graph):
    return make_pipeline(SpectralEmbedder(6, graph=graph, scaling="unit"), clone(EXACT_SIREN))


PREDICTORS = [
    *[smoother, rates, classes, process, spatial, positioned, corrected, pipeline, trained],
]
GRAPH_MODE = [embedder, joined, *PREDICTORS]


def test_every_exported_estimator_is_checked():
    exported = {getattr(skginr, name) for name in skginr.__all__}
    estimators = {c for c in exported if isinstance(c, type) and issubclass(c, BaseEstimator)}
    in_graph_mode = {type(make(Graph.from_adjacency([[0, 1], [1, 0]]))) for make in GRAPH_MODE}
    # These take several columns, or need an archive: test_many_signals.py, test_imputer.py,
    # test_space_time_smoother.py and the tests of fields check them.
    elsewhere = {skginr.MultiGraphEmbedder, skginr.GraphImputer, skginr.SpaceTimeSmoother}
    elsewhere |= {skginr.SignalDistribution, skginr.ArchiveRegressor, skginr.SignalGenerator}
    elsewhere |= {skginr.SharedCorrector}
    assert estimators <= {type(e) for e in COORDINATE_MODE} | in_graph_mode | elsewhere


def output(estimator, X):
    for method in ("transform", "predict_proba"):
        if hasattr(estimator, method):
            return getattr(estimator, method)(X)
    return estimator.predict(X)


def target(make, table):
    """The signal, as a rate or as classes where it has to be."""
    signal = table["signal"]
    if make is classes:
        return pd.cut(signal, [-np.inf, 0.5, 1.0, np.inf], labels=["low", "middle", "high"]).astype(
            "object"
        )
    return np.exp(signal) if make is rates else signal


def relabelled(graph, kind):
    """The same graph under labels of another kind, and a table of them."""
    numbers = np.arange(graph.n_nodes)
    labels = {
        "strings": [f"s{i:04d}" for i in numbers],
        "integers": 7 * numbers + 3,
        "categories": pd.Categorical([f"c{i}" for i in numbers]),
        "dates": pd.date_range("2020-01-01", periods=graph.n_nodes),
    }[kind]
    return Graph.from_adjacency(graph.adjacency, labels=labels), pd.DataFrame({"id": labels})


@pytest.mark.parametrize("make", GRAPH_MODE)
@pytest.mark.parametrize("kind", ["strings", "integers", "categories", "dates"])
@pytest.mark.parametrize("as_array", [False, True])
def test_labels_of_any_kind_in_any_table(grid, grid_table, make, kind, as_array):
    y = target(make, grid_table)
    expected = output(make(grid).fit(grid_table[["node"]], y), grid_table[["node"]])
    graph, X = relabelled(grid, kind)
    X = X.to_numpy() if as_array else X
    np.testing.assert_allclose(output(make(graph).fit(X, y), X), expected, atol=1e-9)


@pytest.mark.parametrize("make", GRAPH_MODE)
def test_rows_may_repeat_and_come_in_any_order(grid, grid_table, make):
    estimator = make(grid).fit(grid_table[["node"]], target(make, grid_table))
    everything = output(estimator, grid_table[["node"]])
    rows = np.random.default_rng(0).integers(0, 108, 60)
    some = output(estimator, grid_table[["node"]].iloc[rows])
    np.testing.assert_allclose(some, everything[rows], atol=1e-12)
    one_by_one = np.concatenate([output(estimator, grid_table[["node"]].iloc[[r]]) for r in rows])
    np.testing.assert_allclose(one_by_one, everything[rows], atol=1e-12)


# (corrected is not among them: which rows share one of its folds goes by their order.)
@pytest.mark.parametrize("make", [smoother, process, positioned, pipeline, trained])
def test_the_order_of_training_rows_does_not_matter(grid, grid_table, make):
    shuffled = grid_table.sample(frac=1, random_state=0)
    first, second = (
        make(grid).fit(table[["node"]], target(make, table)).predict(grid_table[["node"]])
        for table in (grid_table, shuffled)
    )
    np.testing.assert_allclose(first, second, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("make", GRAPH_MODE)
def test_fit_learns_only_in_fitted_attributes(grid, grid_table, make):
    estimator = make(grid)
    # Parameters, nested ones too; a fitted pipeline holds its steps in a new list.
    before = {k: v for k, v in estimator.get_params().items() if k != "steps"}
    before = {k: v for k, v in before.items() if not isinstance(v, BaseEstimator)}
    assert estimator.fit(grid_table[["node"]], target(make, grid_table)) is estimator
    after = estimator.get_params()
    assert all(after[key] is value for key, value in before.items())


@pytest.mark.parametrize("make", GRAPH_MODE)
def test_clone_pickle_and_refit_agree(grid, grid_table, make):
    X, y = grid_table[["node"]], target(make, grid_table)
    fitted = make(grid).fit(X, y)
    expected = output(fitted, X)
    np.testing.assert_array_equal(output(clone(fitted).fit(X, y), X), expected)
    np.testing.assert_array_equal(output(pickle.loads(pickle.dumps(fitted)), X), expected)
    np.testing.assert_array_equal(output(fitted.fit(X, y), X), expected)
    assert "Graph: 108 nodes" in repr(fitted)


@pytest.mark.parametrize("make", GRAPH_MODE)
def test_columns_are_remembered(grid, grid_table, make):
    fitted = make(grid).fit(grid_table[["node"]], target(make, grid_table))
    assert fitted.n_features_in_ == 1
    assert fitted.feature_names_in_.tolist() == ["node"]
    with pytest.raises(ValueError, match="feature names"):
        output(fitted, grid_table[["node"]].rename(columns={"node": "knot"}))


@pytest.mark.parametrize("make", GRAPH_MODE)
def test_unfit_tables_are_refused(grid, grid_table, make):
    y = target(make, grid_table)
    for X, message in (
        (grid_table.assign(name="x"), "one column|real numbers"),
        (grid_table["node"], "double brackets"),
        (grid_table[["node"]].replace("n000", "zzz"), "'zzz' is not one"),
        (np.arange(108)[:, None], "labels of the graph's kind, string"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            make(grid).fit(X, y)


@pytest.mark.parametrize("make", PREDICTORS)
def test_unfit_signals_are_refused(grid, grid_table, make):
    X, y = grid_table[["node"]], target(make, grid_table)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make(grid).fit(X, y[:-1])
    with pytest.raises(ValueError, match="y must be"):
        make(grid).fit(X, y.where(y.index != 3))


@pytest.mark.parametrize("make", GRAPH_MODE)
def test_nothing_works_before_fit(grid, grid_table, make):
    with pytest.raises(ValueError, match="not fitted"):
        output(make(grid), grid_table[["node"]])
