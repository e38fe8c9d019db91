import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphSmoother, NeighborMeans


@pytest.fixture
def towns():
    """A weighted path a - b - c, and d without a neighbour."""
    roads = nx.Graph([("a", "b", {"weight": 1.0}), ("b", "c", {"weight": 3.0})])
    roads.add_node("d")
    ages = pd.DataFrame({"age": [20.0, 30.0, 60.0, 50.0], "old": [False, False, True, True]})
    return Graph.from_networkx(roads).with_attributes(ages.set_axis(list("abcd")))


def test_means_are_weighted_and_the_lonely_are_their_own(towns):
    joined = NeighborMeans(graph=towns, passthrough=False).fit_transform([["d"], ["b"], ["a"]])
    np.testing.assert_allclose(
        joined, [[50, 1, 50, 1], [30, 0, (20 + 3 * 60) / 4, 0.75], [20, 0, 30, 0]]
    )


def test_own_columns_come_first_under_their_names(towns):
    table = pd.DataFrame({"town": ["c", "a"], "rain": [1.5, 2.5]}, index=[7, 9])
    means = NeighborMeans(graph=towns)
    joined = means.fit_transform(table)
    names = ["town", "rain", "age", "old", "age_neighbors", "old_neighbors"]
    assert joined.columns.tolist() == names
    assert joined.loc[9].tolist() == ["a", 2.5, 20, 0, 30, 0]
    assert joined["age"].dtype == float
    array = means.fit_transform(table.to_numpy())
    assert array.tolist() == joined.to_numpy(dtype=object).tolist()
    unnamed = NeighborMeans(graph=towns, passthrough=False).fit(table.to_numpy())
    assert unnamed.get_feature_names_out().tolist() == names[2:]


@pytest.mark.parametrize("labels", ["strings", "integers"])
@pytest.mark.parametrize("as_frame", [True, False])
def test_it_goes_before_a_smoother(grid, labels, as_frame):
    names = grid.labels if labels == "strings" else 3 * np.arange(grid.n_nodes)
    graph = Graph.from_adjacency(grid.adjacency, labels=names)
    rng = np.random.default_rng(0)
    attributes = pd.DataFrame({"wealth": rng.standard_normal(108)}, index=graph.labels)
    graph = graph.with_attributes(attributes)
    X = graph.labels.to_frame()
    X = X if as_frame else X.to_numpy()
    around = graph.adjacency @ attributes["wealth"].to_numpy() / graph.adjacency.sum(axis=1)
    y = 2 * attributes["wealth"].to_numpy() - 3 * around + 0.01 * rng.standard_normal(108)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = make_pipeline(NeighborMeans(graph=graph), GraphSmoother(graph=graph))
    model.fit(X_train, y_train)
    np.testing.assert_allclose(model[-1].coef_, [2, -3], atol=0.02)
    assert model.score(X_test, y_test) > 0.99
    numbers = make_pipeline(NeighborMeans(graph=graph, passthrough=False), LinearRegression())
    assert numbers.fit(X_train, y_train).score(X_test, y_test) > 0.99


def test_what_cannot_be_averaged_is_refused(towns):
    X = [["a"], ["b"]]
    with pytest.raises(ValueError, match=r"must have attributes.*with_attributes"):
        NeighborMeans(graph=Graph.from_adjacency(towns.adjacency, labels=list("abcd"))).fit(X)
    for values, message in (
        (list("wxyz"), r"graph.attributes\['age'\] must"),
        ([1, 2, np.nan, 4], r"graph.attributes\['age'\] must be finite"),
    ):
        ages = pd.DataFrame({"age": values}, index=list("abcd"))
        with pytest.raises((ValueError, TypeError), match=message):
            NeighborMeans(graph=towns.with_attributes(ages)).fit(X)
    with pytest.raises((ValueError, TypeError), match="passthrough must be"):
        NeighborMeans(graph=towns, passthrough="no").fit(X)


def test_names_that_would_be_there_twice_are_refused(towns):
    with pytest.raises(ValueError, match="'age' would be there twice"):
        NeighborMeans(graph=towns).fit(pd.DataFrame({"age": ["a", "b"]}))
    with pytest.raises(ValueError, match="input_features must name the 1 columns"):
        NeighborMeans(graph=towns).fit([["a"]]).get_feature_names_out(["p", "q"])


def test_labels_beyond_what_floats_hold(towns):
    labels = 2**53 + np.arange(4)
    graph = Graph.from_adjacency(towns.adjacency, labels=labels)
    graph = graph.with_attributes(pd.DataFrame({"age": np.arange(4.0)}, index=labels))
    for X in (labels[:, None], pd.DataFrame({"town": labels})):
        model = make_pipeline(NeighborMeans(graph=graph), GraphSmoother(graph=graph, alpha=1e-6))
        model.fit(X, [0.0, 1.0, 5.0, 2.0])
        assert pd.DataFrame(model[0].transform(X)).iloc[:, 0].tolist() == labels.tolist()
