import pickle

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import GraphBlockKFold, SIRENClassifier, SpectralEmbedder


@pytest.fixture(scope="module")
def sectors():
    """Points of the plane, in three classes by angle, six sectors in all."""
    X = np.random.default_rng(0).normal(size=(900, 2))
    angle = np.arctan2(X[:, 1], X[:, 0])
    names = np.array(["east", "north", "west"])
    return X, names[np.floor(angle / (np.pi / 3)).astype(int) % 3]


@pytest.fixture(scope="module")
def fitted(sectors):
    X, y = sectors
    return SIRENClassifier("train", max_epochs=60, random_state=0).fit(X[:600], y[:600])


def test_it_separates_what_a_line_does_not(sectors, fitted):
    X, y = sectors
    line = LogisticRegression().fit(X[:600], y[:600])
    assert line.score(X[600:], y[600:]) < 0.5
    assert fitted.score(X[600:], y[600:]) > 0.95
    moons, side = make_moons(600, noise=0.1, random_state=0)
    model = make_pipeline(StandardScaler(), SIRENClassifier(random_state=0))
    assert model.fit(moons[:400], side[:400]).score(moons[400:], side[400:]) > 0.97


def test_probabilities_are_those_of_the_classes(sectors, fitted):
    X, _ = sectors
    shares = fitted.predict_proba(X[600:])
    np.testing.assert_array_equal(fitted.classes_, ["east", "north", "west"])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert shares.min() >= 0
    np.testing.assert_array_equal(fitted.predict(X[600:]), fitted.classes_[shares.argmax(axis=1)])


def test_probabilities_are_calibrated_where_classes_overlap():
    random = np.random.default_rng(0)
    X = random.normal(size=(4000, 1))
    chance = expit(2 * np.sin(2 * X[:, 0]))
    y = random.random(len(X)) < chance
    model = SIRENClassifier(random_state=0).fit(X[:3000], y[:3000])
    found = model.predict_proba(X[3000:])[:, 1]
    assert np.abs(found - chance[3000:]).mean() < 0.05
    # In nats: of the truth itself, and of the share of all.
    best, naive = (log_loss(y[3000:], p) for p in (chance[3000:], np.full(1000, y[:3000].mean())))
    assert log_loss(y[3000:], found) < best + 0.05 * (naive - best)


def test_weights_count_as_repeated_rows(sectors):
    X, y = sectors
    X, y = X[:60], y[:60]
    weight = np.random.default_rng(0).integers(0, 3, size=60)
    settings = {"batch_size": 200, "max_epochs": 50, "random_state": 0, "dtype": "float64"}
    weighted = SIRENClassifier("train", **settings).fit(X, y, sample_weight=weight)
    repeated = SIRENClassifier("train", **settings).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize(
    "labels", [[True, False, True], [7, -2, 7], ["b", "a", "b"]], ids=["bool", "int", "str"]
)
def test_labels_come_out_as_they_went_in(labels):
    X, y = np.array([[-1.0], [0.0], [1.0]]).repeat(5, axis=0), np.array(labels).repeat(5)
    predicted = SIRENClassifier("represent", random_state=0).fit(X, y).predict(X)
    np.testing.assert_array_equal(predicted, y)
    assert predicted.dtype == y.dtype


def test_memorising_ends_at_the_accuracy_asked_for():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(300, 5)), random.integers(0, 4, size=300)
    model = SIRENClassifier("represent", target_score=0.9, random_state=0).fit(X, y)
    assert 0.9 <= model.score(X, y) < 1
    assert model.stop_reason_.startswith("reached target_score=0.9")
    assert SIRENClassifier("represent", random_state=0).fit(X, y).score(X, y) == 1


def test_equal_seeds_give_equal_models(sectors):
    X, y = sectors
    one, two, other = (
        SIRENClassifier("train", max_epochs=3, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-3


def test_warm_start_goes_on_and_keeps_its_classes(sectors):
    X, y = sectors
    model = SIRENClassifier("train", max_epochs=20, warm_start=True, random_state=0).fit(X, y)
    first = log_loss(y, model.predict_proba(X))
    again = model.fit(X, y)
    assert log_loss(y, again.predict_proba(X)) < first
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="class"):
        model.fit(X, np.where(y == "east", "south", y))
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_rows_may_come_in_parts_that_lack_a_class(sectors):
    X, y = sectors
    model = SIRENClassifier(batch_size=64, random_state=0)
    with pytest.raises(ValueError, match="classes at its first call"):
        model.partial_fit(X, y)
    assert not hasattr(model, "net_")
    for epoch in range(60):
        part = y != np.unique(y)[epoch % 3]
        model.partial_fit(X[part], y[part], classes=np.unique(y))
    assert model.score(X, y) > 0.8
    with pytest.raises(ValueError, match="stay those of the first call"):
        model.partial_fit(X, y, classes=["east", "south"])


def test_a_failed_fit_keeps_the_last_model(sectors, fitted):
    X, y = sectors
    model = pickle.loads(pickle.dumps(fitted))
    before = fitted.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), y)
    with pytest.raises(ValueError, match="continuous"):
        model.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="target_score"):
        model.set_params(target_score=2).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_one_class_is_certain():
    model = SIRENClassifier(random_state=0).fit([[0.0], [1.0], [2.0]], ["only"] * 3)
    np.testing.assert_array_equal(model.predict([[5.0]]), ["only"])
    np.testing.assert_array_equal(model.predict_proba([[5.0]]), [[1.0]])


def test_regions_of_a_map_are_held_out_by_a_pipeline(grid, grid_table):
    X = grid_table[["node"]]
    # Halves of the lattice, whose nodes come row by row.
    side = np.arange(108) // 9 >= 6
    model = make_pipeline(SpectralEmbedder(8, graph=grid), SIRENClassifier(random_state=0))
    folds = GraphBlockKFold(3, graph=grid, node="node")
    assert cross_val_score(model, X, side, cv=folds, scoring="accuracy").mean() > 0.8
