"""Tables with many rows for a node, as those of nodes and times: output='indexed'."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skginr import (
    Graph,
    GraphSmoother,
    MultiGraphEmbedder,
    SIRENClassifier,
    SIRENRegressor,
    SpectralEmbedder,
    TangentKernelRegressor,
)
from skginr.network.training import _validation

GRAPH = Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(8, 7)))
TABLE = pd.DataFrame(
    {"node": np.repeat(GRAPH.labels, 20), "time": np.tile(np.arange(20.0), 56)}
).sample(frac=1, random_state=0)
SIGNAL = np.sin(TABLE["node"] / 9) * np.cos(TABLE["time"] / 5)
K = "columntransformer__spectralembedder__n_components"


def columns(output, n_components=12):
    return make_column_transformer(
        (SpectralEmbedder(n_components, graph=GRAPH, output=output), ["node"]),
        (MinMaxScaler(), ["time"]),
    ).set_output(transform="pandas")


def pipeline(output, **settings):
    return make_pipeline(
        columns(output),
        SIRENRegressor("train", **({"max_epochs": 2, "random_state": 0} | settings)),
    )


def both(model, y=SIGNAL, method="predict", **fit_params):
    """Return what a model says after either table, when it was fitted to that one."""
    said = []
    for output in ("array", "indexed"):
        X = columns(output).fit_transform(TABLE)
        said.append(getattr(model.fit(X, y, **fit_params), method)(X))
    return said


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"validation": 0.2},
        {"preset": "train", "max_epochs": 2},
        {"preset": "train", "max_epochs": 2, "dtype": "float64"},
        {"preset": "train", "max_epochs": 2, "validation": 0.2},
        {"preset": "train", "max_epochs": 2, "batch_size": "all"},
        {"preset": "train", "max_epochs": 2, "sampling": "draw"},
        {"preset": "reproduce", "max_epochs": 2, "hidden_units": 16},
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_are_those_of_arrays(settings, weighted):
    model = SIRENRegressor(**settings, random_state=0)
    weight = np.random.default_rng(0).integers(0, 3, len(TABLE)) if weighted else None
    array, indexed = both(model, sample_weight=weight)
    np.testing.assert_array_equal(array, indexed)


def test_classes_are_those_of_arrays():
    model = SIRENClassifier("train", max_epochs=2, random_state=0)
    array, indexed = both(model, np.where(SIGNAL > 0, "up", "down"), "predict_proba")
    np.testing.assert_array_equal(array, indexed)


def test_training_goes_on_as_with_arrays():
    said = []
    for output in ("array", "indexed"):
        X = columns(output).fit_transform(TABLE)
        warm = SIRENRegressor("train", max_epochs=1, random_state=0, warm_start=True)
        parts = SIRENRegressor(random_state=0)
        for _ in range(2):
            warm.fit(X, SIGNAL)
            parts.partial_fit(X, SIGNAL)
        assert warm.n_epochs_ == parts.n_epochs_ == 2
        said.append((warm.predict(X), parts.predict(X)))
    np.testing.assert_array_equal(*said)


def test_the_number_of_a_signal_comes_last():
    table = pd.concat([TABLE.assign(signal=3), TABLE.assign(signal=7)], ignore_index=True)
    y = np.concatenate([SIGNAL, -SIGNAL])
    more, more_y = TABLE.assign(signal=9), 2 * SIGNAL
    said = []
    for output in ("array", "indexed"):
        rows = make_column_transformer(
            (SpectralEmbedder(12, graph=GRAPH, output=output), ["node"]),
            (MinMaxScaler(), ["time"]),
            ("passthrough", ["signal"]),
        ).set_output(transform="pandas")
        model = SIRENRegressor("train", latent_dim=4, max_epochs=2, random_state=0)
        model.fit(rows.fit_transform(table), y)
        assert model.codes_.index.tolist() == [3, 7]
        grown = model.add_signals(rows.transform(more), more_y)
        said.append((model.predict(rows.transform(TABLE.assign(signal=7))),
                     grown.predict(rows.transform(more))))  # fmt: skip
    np.testing.assert_array_equal(*said)
    with pytest.raises(ValueError, match="number of the signal last"):
        model.fit(columns("indexed").fit_transform(TABLE).iloc[:, ::-1], SIGNAL)


def test_a_node_alone_is_enough():
    embedder = SpectralEmbedder(5, graph=GRAPH, output="indexed").set_output(transform="pandas")
    X = embedder.fit_transform(TABLE[["node"]])
    assert list(X.columns) == list(embedder.get_feature_names_out()) == ["embedding"]
    assert X.index.equals(TABLE.index)
    array = SpectralEmbedder(5, graph=GRAPH).fit_transform(TABLE[["node"]])
    np.testing.assert_array_equal(np.stack([row.numbers for row in X["embedding"]]), array)
    model = SIRENRegressor("train", max_epochs=1, random_state=0)
    np.testing.assert_array_equal(
        model.fit(X, SIGNAL).predict(X), model.fit(array, SIGNAL).predict(array)
    )


def test_new_nodes_are_in_the_table_too():
    lattice = nx.convert_node_labels_to_integers(nx.grid_2d_graph(8, 7))
    lattice.add_edge(0, 56)
    embedder = SpectralEmbedder(5, graph=GRAPH, output="indexed").set_output(transform="pandas")
    grown = embedder.fit(TABLE[["node"]]).extend(Graph.from_networkx(lattice))
    assert grown.transform(pd.DataFrame({"node": [56]})).dtypes.iloc[0].table.shape == (57, 5)


def test_the_table_is_not_copied_for_every_row():
    for k in (5, 50):
        X = columns("indexed", k).fit_transform(TABLE)
        assert X.memory_usage(index=False).sum() == len(TABLE) * (4 + 8)
        # Nor in a pickle.
        assert len(pickle.dumps(X)) < len(TABLE) * (4 + 8 + 8) + 56 * k * 8 + 5_000


def test_searches_and_cross_validation():
    folds = GroupKFold(3)
    found = [
        GridSearchCV(pipeline(output), {K: [3, 6]}, cv=folds, n_jobs=n_jobs)
        .fit(TABLE, SIGNAL, groups=TABLE["node"])
        .cv_results_["mean_test_score"]
        for output, n_jobs in (("array", 1), ("indexed", 2))
    ]
    np.testing.assert_array_equal(*found)
    # The columns themselves are cut into folds, and sent to other processes.
    model = SIRENRegressor("train", max_epochs=2, random_state=0)
    scores = [
        cross_val_score(model, X, SIGNAL, groups=TABLE["node"], cv=folds, n_jobs=n_jobs)
        for X, n_jobs in (
            (columns("array").fit_transform(TABLE), 1),
            (columns("indexed").fit_transform(TABLE), 2),
        )
    ]
    np.testing.assert_array_equal(*scores)


def test_models_and_columns_are_pickled():
    model = pipeline("indexed").fit(TABLE, SIGNAL)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict(TABLE), model.predict(TABLE))
    X = model[0].transform(TABLE)
    again = pickle.loads(pickle.dumps(X))
    pd.testing.assert_frame_equal(again, X)
    np.testing.assert_array_equal(model[-1].predict(again), model[-1].predict(X))


@pytest.mark.parametrize("container", ["default", "polars"])
def test_another_container_is_refused(container):
    embedder = SpectralEmbedder(3, graph=GRAPH, output="indexed").set_output(transform=container)
    with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\)"):
        embedder.fit_transform(TABLE[["node"]])
    with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\)"):
        embedder.fit(TABLE[["node"]]).transform(TABLE[["node"]])


def test_what_reads_numbers_refuses_indexed_columns():
    X = columns("indexed").fit_transform(TABLE)
    asked = "an indexed column is no array of numbers.*output='array'"
    for model in (Ridge(), RandomForestRegressor(), TangentKernelRegressor()):
        with pytest.raises(TypeError, match=asked):
            model.fit(X, SIGNAL)
    for make in (X.to_numpy, X.iloc[:, 0].to_numpy, X.iloc[:, 0].astype):
        with pytest.raises(TypeError, match=asked):
            make(float)
    with pytest.raises(TypeError, match=asked):
        SIRENRegressor().fit(X.to_numpy(), SIGNAL)
    with pytest.raises((TypeError, ValueError)):
        GraphSmoother(graph=GRAPH).fit(X.iloc[:, :1], SIGNAL)
    with pytest.raises(ValueError, match="embedder must have output='array'"):
        MultiGraphEmbedder({1: GRAPH}, SpectralEmbedder(3, output="indexed")).fit([[1, 0]])


def test_settings_that_name_no_node_are_refused():
    with pytest.raises(ValueError, match="output must be one of 'array', 'indexed'"):
        SpectralEmbedder(3, graph=GRAPH, output="codes").fit(TABLE[["node"]])
    with pytest.raises(ValueError, match="output='indexed' names nodes of a graph"):
        SpectralEmbedder(3, output="indexed").fit(np.zeros((9, 2)))


def test_tables_unlike_the_one_fitted_are_refused():
    X = columns("indexed").fit_transform(TABLE)
    model = SIRENRegressor("train", max_epochs=1).fit(X, SIGNAL)
    for other in (
        columns("indexed", 3).fit_transform(TABLE),
        pd.DataFrame(np.zeros((4, 2)), columns=X.columns),
    ):
        with pytest.raises(ValueError, match="X must have the 13 columns"):
            model.predict(other)
    joined = pd.concat([X, X.iloc[:3, 1:]]).reset_index(drop=True)
    with pytest.raises(ValueError, match="3 are missing"):
        model.predict(joined)
    with pytest.raises(ValueError, match="consistent"):
        model.fit(X, SIGNAL[:-1])


@pytest.mark.parametrize("output", ["array", "indexed"])
def test_blocks_of_many_rows_are_those_of_some(output, monkeypatch):
    monkeypatch.setattr(_validation, "_CHUNK", 300)
    model = pipeline(output, validation=0.2).fit(TABLE, SIGNAL)
    assert "valid_loss" in model[-1].history_
