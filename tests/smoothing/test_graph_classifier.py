import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphSmootherClassifier,
    NeighborMeans,
    load,
    predict_frame,
    save,
)


@pytest.fixture(scope="module")
def lattice():
    return Graph.from_adjacency(nx.to_numpy_array(nx.grid_2d_graph(16, 16)))


def classes(seed, n_classes=3, sharpness=4.0):
    """Classes that prefer their parts of the lattice, and how likely each was."""
    rng = np.random.default_rng(seed)
    places = np.column_stack(np.divmod(np.arange(256), 16)) / 16
    centres = rng.random((n_classes, 2))
    logs = -sharpness * ((places[:, None] - centres) ** 2).sum(axis=2) ** 0.5
    likely = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    drawn = (rng.random((256, 1)) > likely.cumsum(axis=1)).sum(axis=1)
    return np.array(list("abcdef"))[drawn], likely


# --- the mode


@pytest.mark.parametrize("kappa", [0.0, 0.5])
def test_it_is_the_mode_of_the_model(kappa):
    graph = Graph.from_adjacency(nx.to_numpy_array(nx.grid_2d_graph(6, 7)))
    rng = np.random.default_rng(0)
    nodes, x = np.r_[np.arange(35), np.arange(5)], rng.standard_normal(40)
    x = (x - x.mean()) / x.std()
    y = rng.random(40) < expit(np.sin(nodes) + x)
    adjacency = graph.adjacency.toarray()
    rough = 0.7 * (np.diag(adjacency.sum(axis=0)) - adjacency + kappa**2 * np.eye(42))
    # One row more, as all are; none is wholly sure.
    share = (y.sum() + 0.5) / 41
    weight, target = 1 + 1 / 40, (y + share / 40) / (1 + 1 / 40)
    offset = np.log(share / (1 - share))

    def loss(found):
        signal = offset + found[nodes] + found[42] * x + (kappa > 0) * found[43]
        left = weight * (expit(signal) - target)
        value = weight * (np.logaddexp(0, signal) - target * signal).sum()
        slope = np.r_[np.bincount(nodes, left, 42), left @ x, (kappa > 0) * left.sum()]
        slope[:42] += rough @ found[:42]
        return value + 0.5 * found[:42] @ rough @ found[:42], slope

    found = minimize(loss, np.zeros(44), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    model = GraphSmootherClassifier(graph=graph, alpha=0.7, kappa=kappa)
    model.fit(np.column_stack([nodes, x]), y)
    signal = model.decision_function(np.column_stack([np.arange(42), np.zeros(42)]))
    np.testing.assert_allclose(signal, offset + found[:42] + (kappa > 0) * found[43], atol=1e-5)
    np.testing.assert_allclose(model.coef_, [[found[42]]], atol=1e-5)


def test_on_strong_smoothing_it_is_logistic_regression(lattice):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((256, 2))
    y = rng.random(256) < expit(x @ [1.0, -0.5])
    X = np.column_stack([np.arange(256), x])
    model = GraphSmootherClassifier(graph=lattice, alpha=1e8).fit(X, y)
    other = LogisticRegression(C=1e6).fit(x, y)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=0.03)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(x), atol=0.03)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_are_repeated_rows(lattice, n_classes):
    y, _ = classes(2, n_classes)
    X = np.column_stack([np.arange(256), np.sin(np.arange(256))])
    weights = np.arange(256) % 3
    rows = np.repeat(np.arange(256), weights)
    model = GraphSmootherClassifier(graph=lattice, alpha=0.3)
    expected = model.fit(X[rows], y[rows]).predict_proba(X)
    poisoned = np.where(weights > 0, y, "another")
    found = model.fit(X, poisoned, weights).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    order = np.random.default_rng(0).permutation(256)
    shuffled = model.fit(X[order], y[order], weights[order]).predict_proba(X)
    np.testing.assert_allclose(shuffled, expected, atol=1e-8)
    # In the folds of "cv", too.
    chosen = GraphSmootherClassifier(graph=lattice)
    some = weights > 0
    first = chosen.fit(X[some], y[some]).predict_proba(X)
    np.testing.assert_allclose(chosen.fit(X, poisoned, some).predict_proba(X), first, atol=1e-8)


def test_two_classes_are_one_signal(lattice):
    y, _ = classes(3, 2)
    X = np.arange(256)[:, None]
    model = GraphSmootherClassifier(graph=lattice, alpha=0.3).fit(X, y)
    other = clone(model).fit(X, np.where(y == "a", "z", "b"))
    np.testing.assert_allclose(other.decision_function(X), -model.decision_function(X), atol=1e-8)
    np.testing.assert_allclose(other.predict_proba(X)[:, ::-1], model.predict_proba(X), atol=1e-8)
    assert model.decision_function(X).shape == (256,)
    assert model.coef_.shape == (1, 0)
    assert (model.predict(X) == model.classes_[model.predict_proba(X).argmax(axis=1)]).all()


# --- probabilities


def test_probabilities_are_calibrated_and_better_than_those_of_all(lattice):
    said, right, losses, known = [], [], [], []
    for seed in range(6):
        y, _ = classes(seed, sharpness=8.0)
        train = np.random.default_rng(seed).random(256) < 0.5
        X = np.arange(256)[:, None]
        model = GraphSmootherClassifier(graph=lattice).fit(X[train], y[train])
        found = model.predict_proba(X[~train])
        np.testing.assert_allclose(found.sum(axis=1), 1)
        said.append(found.max(axis=1))
        right.append(model.predict(X[~train]) == y[~train])
        losses.append(log_loss(y[~train], found, labels=model.classes_))
        share = np.tile(np.mean(y[train, None] == model.classes_, axis=0), ((~train).sum(), 1))
        known.append(log_loss(y[~train], share, labels=model.classes_))
    assert np.mean(losses) < np.mean(known) - 0.15
    said, right = np.concatenate(said), np.concatenate(right)
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.05)
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 1.0)):
        some = (said > low) & (said <= high)
        assert np.mean(said[some]) == pytest.approx(np.mean(right[some]), abs=0.1)


def test_the_strength_is_the_best_of_those_tried_and_follows_the_folds(lattice):
    y, _ = classes(4)
    X = pd.DataFrame({"node": np.arange(256)})
    model = GraphSmootherClassifier(graph=lattice, cv=GraphBlockKFold(4, graph=lattice)).fit(X, y)
    best = model.cv_results_.loc[model.cv_results_["log_likelihood"].idxmax()]
    assert best["alpha"] == model.alpha_
    given = clone(model).set_params(alpha=model.alpha_).fit(X, y)
    np.testing.assert_array_equal(given.predict_proba(X), model.predict_proba(X))
    assert given.cv_results_ is None


def test_no_component_is_sure_of_what_it_has_not_seen(archipelago):
    X = np.arange(36)[:, None]
    y = np.where(np.arange(36) < 15, "a", "b")
    seen = np.delete(np.arange(36), 35)
    for alpha in (1e-4, 1.0, 1e4):
        model = GraphSmootherClassifier(graph=archipelago, alpha=alpha).fit(X[seen], y[seen])
        found = model.predict_proba(X[:35])
        # All of the path of five are b.
        assert (found[30:, 0] > 0.001).all()
        assert (found[30:, 0] < 0.45).all()
        with pytest.warns(UserWarning, match="in which fit had no row"):
            alone = model.predict_proba([[35]])
        np.testing.assert_allclose(alone, [[15.5 / 36, 20.5 / 36]], atol=0.02)


def test_rare_classes_are_held_out_and_known(lattice):
    y, _ = classes(5)
    y[17] = "f"
    model = GraphSmootherClassifier(graph=lattice).fit(np.arange(256)[:, None], y)
    found = model.predict_proba(np.arange(256)[:, None])
    assert model.classes_.tolist() == ["a", "b", "c", "f"]
    assert found[:, 3].argmax() == 17
    assert np.isfinite(model.cv_results_["log_likelihood"]).all()


# --- as any classifier


def test_pipelines_searches_files_and_frames(lattice, tmp_path):
    y, _ = classes(6)
    ages = pd.DataFrame({"age": np.cos(np.arange(256.0))})
    graph = lattice.with_attributes(ages)
    table = pd.DataFrame({"node": np.arange(256), "kind": y})
    model = make_pipeline(
        NeighborMeans(graph=graph).set_output(transform="pandas"),
        GraphSmootherClassifier(graph=graph),
    )
    search = GridSearchCV(
        model, {"graphsmootherclassifier__alpha": [0.1, 1.0]}, cv=3, scoring="neg_log_loss"
    )
    search.fit(table[["node"]], y, graphsmootherclassifier__sample_weight=np.ones(256))
    assert -1.3 < search.best_score_ < 0
    fitted = GraphSmootherClassifier(graph=lattice, alpha=0.3).fit(table[["node"]], y)
    save(fitted, tmp_path / "kinds.skginr")
    again = load(tmp_path / "kinds.skginr")
    expected = fitted.predict_proba(table[["node"]])
    np.testing.assert_array_equal(again.predict_proba(table[["node"]]), expected)
    frame = predict_frame(fitted, table, target="kind")
    np.testing.assert_array_equal(frame["probability"], expected.max(axis=1))
    assert (frame["predicted"] == fitted.predict(table[["node"]])).all()


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        (["a", "a", "a"], None, "y must hold at least two classes; got one class"),
        (["a", "a", "b"], [1, 1, 0], "y must hold at least two classes; got one class"),
        (["a", None, "b"], None, "y must be known in every row"),
        ([1.0, np.nan, 0.0], None, "y must be known in every row"),
        ([0.1, 0.2, 0.35], None, "Unknown label type"),
        (["a", "b"], None, "inconsistent numbers of samples"),
        (["a", "a", "b"], [1, -1, 1], "sample_weight must be finite and not negative"),
        (None, None, "y must be the classes"),
    ],
)
def test_unfit_classes_are_refused(lattice, y, weights, message):
    with pytest.raises(ValueError, match=message):
        GraphSmootherClassifier(graph=lattice).fit([[0], [1], [2]], y, weights)


def test_flags_of_pandas_stay_flags(lattice):
    labels, _ = classes(0, 2)
    X, flags = np.arange(256)[:, None], labels == "a"
    expected = GraphSmootherClassifier(graph=lattice, alpha=1.0).fit(X, flags)
    of_pandas = GraphSmootherClassifier(graph=lattice, alpha=1.0)
    of_pandas.fit(X, pd.Series(flags, dtype="boolean"))
    assert of_pandas.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(of_pandas.predict(X), expected.predict(X))
