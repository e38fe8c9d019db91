import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from skginr import Graph, MultiGraphEmbedder, SIRENClassifier, SIRENRegressor, SpectralEmbedder

RINGS = {n: Graph.from_networkx(nx.cycle_graph(n)) for n in (40, 52, 64)}


def nodes_of(*names):
    return pd.concat(
        [pd.DataFrame({"ring": n, "node": RINGS[n].labels}) for n in names], ignore_index=True
    )


def test_every_row_has_the_coordinates_of_its_own_graph():
    table = nodes_of(*RINGS).sample(frac=1, random_state=0)
    embedder = MultiGraphEmbedder(RINGS, SpectralEmbedder(4)).fit(table)
    coordinates = embedder.transform(table)
    for name, graph in RINGS.items():
        rows = table["ring"] == name
        alone = SpectralEmbedder(4, graph=graph)
        np.testing.assert_array_equal(
            coordinates[rows], alone.fit_transform(table.loc[rows, ["node"]])
        )
    assert embedder.get_feature_names_out().tolist() == [f"laplacian{i}" for i in range(1, 5)]
    framed = embedder.set_output(transform="pandas").transform(table)
    assert framed.index.equals(table.index)


def test_names_and_labels_may_be_of_any_kind():
    letters = nx.relabel_nodes(nx.path_graph(5), dict(enumerate("abcde")))
    graphs = {"letters": Graph.from_networkx(letters), 7: RINGS[40]}
    table = pd.DataFrame({"graph": ["letters", 7, 7], "node": ["c", 0, 39]}, dtype=object)
    for X in (table, table.to_numpy()):
        assert MultiGraphEmbedder(graphs, SpectralEmbedder(2)).fit_transform(X).shape == (3, 2)


def test_wrong_tables_are_refused():
    table = nodes_of(40)
    small = {**RINGS, 4: Graph.from_networkx(nx.path_graph(4))}
    cases = [
        (MultiGraphEmbedder([RINGS[40]]), table, TypeError, "graphs must be a dict"),
        (MultiGraphEmbedder({}), table, TypeError, "at least one"),
        (MultiGraphEmbedder({1: "x"}), table, TypeError, "graph must be a skginr.Graph"),
        (MultiGraphEmbedder(RINGS, embedder=3), table, TypeError, "embedder must be"),
        (MultiGraphEmbedder(RINGS), table[["node"]], ValueError, "two columns"),
        (MultiGraphEmbedder(RINGS), table.iloc[:0], ValueError, "at least one row"),
        (
            MultiGraphEmbedder(RINGS, SpectralEmbedder(4)),
            table.assign(ring=41),
            ValueError,
            "must name a graph; got 41",
        ),
        (MultiGraphEmbedder(RINGS, SpectralEmbedder(4)), table.assign(node=-1), ValueError, "-1"),
        (MultiGraphEmbedder(small), table, ValueError, "as many coordinates"),
    ]
    for embedder, X, kind, message in cases:
        with pytest.raises(kind, match=message):
            embedder.fit(X)
        assert not hasattr(embedder, "embedders_")


def test_clone_pickle_and_refit_agree():
    table = nodes_of(*RINGS)
    embedder = MultiGraphEmbedder(RINGS, SpectralEmbedder(4))
    with pytest.raises(ValueError, match="not fitted"):
        embedder.transform(table)
    expected = embedder.fit_transform(table)
    copies = clone(embedder).fit(table), pickle.loads(pickle.dumps(embedder)), embedder.fit(table)
    for copy in copies:
        np.testing.assert_array_equal(copy.transform(table), expected)
    assert clone(embedder).graphs[40] is RINGS[40]
    with pytest.raises(ValueError, match="feature names"):
        embedder.transform(table.rename(columns={"ring": "string"}))


def waves(table):
    """On every ring its own wave; on the largest one like that on the smallest."""
    angle = 2 * np.pi * table["node"] / table["ring"]
    frequency = table["ring"].map({40: 1, 52: 3, 64: 1})
    return np.cos(frequency * angle + 0.5).to_numpy()


def model(**given):
    embedder = MultiGraphEmbedder(RINGS, SpectralEmbedder(6))
    columns = make_column_transformer((embedder, ["ring", "node"]), ("passthrough", ["ring"]))
    network = SIRENRegressor("train", latent_dim=3, max_epochs=300, random_state=0, **given)
    return make_pipeline(columns, network)


@pytest.fixture(scope="module")
def fitted():
    table = nodes_of(40, 52)
    return model().fit(table, waves(table))


def test_one_network_holds_different_signals(fitted):
    table = nodes_of(40, 52)
    assert fitted.score(table, waves(table)) > 0.999
    codes = fitted[-1].codes_
    assert codes.shape == (2, 3)
    assert codes.index.tolist() == [40, 52]
    # Coordinates of the two are alike, and what tells their signals apart is the code.
    swapped = fitted[0].transform(table)
    swapped[:, -1] = np.where(swapped[:, -1] == 40, 52, 40)
    np.testing.assert_raises(
        AssertionError,
        np.testing.assert_allclose,
        fitted[-1].predict(swapped),
        waves(table),
        atol=0.5,
    )


def test_a_new_signal_gets_a_code_and_the_others_stay(fitted):
    table, new = nodes_of(40, 52), nodes_of(64)
    X = fitted[0].transform(new)
    network = fitted[-1]
    before = network.predict(fitted[0].transform(table))
    extended = network.add_signals(X, waves(new))
    assert extended.codes_.index.tolist() == [40, 52, 64]
    assert extended.score(X, waves(new)) > 0.9
    np.testing.assert_array_equal(extended.predict(fitted[0].transform(table)), before)
    pd.testing.assert_frame_equal(extended.codes_.loc[[40, 52]], network.codes_)
    assert network.codes_.index.tolist() == [40, 52]
    for mine, its in zip(network.net_.module_.layers, extended.net_.module_.layers, strict=True):
        assert bool((mine.weight == its.weight).all())
        assert its.weight.requires_grad
    with pytest.raises(ValueError, match="64"):
        network.predict(X)
    copy = pickle.loads(pickle.dumps(extended))
    np.testing.assert_array_equal(copy.predict(X), extended.predict(X))
    # It can go on training, old signals and new.
    extended.set_params(warm_start=True, max_epochs=20)
    both = np.vstack([fitted[0].transform(table), X])
    y = np.concatenate([waves(table), waves(new)])
    assert extended.fit(both, y).score(both, y) > 0.97


def test_codes_are_as_reproducible_as_weights():
    table = nodes_of(40, 52)
    one, two = (
        model().set_params(sirenregressor__max_epochs=3).fit(table, waves(table)) for _ in "ab"
    )
    pd.testing.assert_frame_equal(one[-1].codes_, two[-1].codes_)


def test_classes_of_many_signals():
    table = nodes_of(40, 52)
    X, y = model()[0].fit_transform(table), waves(table) > 0
    network = SIRENClassifier("train", latent_dim=3, max_epochs=200, random_state=0).fit(X, y)
    assert network.score(X, y) > 0.97
    assert network.codes_.shape == (2, 3)


def test_signals_are_checked(fitted):
    X = fitted[0].transform(nodes_of(40))
    y = waves(nodes_of(40))
    network = fitted[-1]
    with pytest.raises(ValueError, match="new signals only; 40 is known"):
        network.add_signals(X, y)
    with pytest.raises(ValueError, match="fitted with latent_dim"):
        SIRENRegressor("train", max_epochs=1).fit(X, y).add_signals(X, y)
    with pytest.raises(AttributeError, match="codes_"):
        _ = SIRENRegressor("train", max_epochs=1).fit(X, y).codes_
    with pytest.raises(ValueError, match="got 1 column"):
        SIRENRegressor("train", latent_dim=2).fit(X[:, :1], y)
    with pytest.raises(ValueError, match="latent_dim must be at least 1"):
        SIRENRegressor("train", latent_dim=0).fit(X, y)
    going_on = pickle.loads(pickle.dumps(network)).set_params(warm_start=True, latent_dim=2)
    with pytest.raises(ValueError, match="latent_dim was 3 and is now 2"):
        going_on.fit(X, y)
    unknown = np.column_stack([X[:, :-1], np.full(len(X), 99.5)])
    with pytest.raises(ValueError, match="got 99.5"):
        going_on.set_params(latent_dim=3).fit(unknown, y)
