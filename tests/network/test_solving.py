"""The default network, whose last layer is solved for: what it predicts, and what it says of it."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_swiss_roll
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

import skginr
from skginr import Graph, GraphBlockKFold, SIRENClassifier, SIRENRegressor, SpectralEmbedder

LATTICE = Graph.from_networkx(nx.convert_node_labels_to_integers(nx.grid_2d_graph(16, 14)))
NODES = pd.DataFrame({"node": LATTICE.labels})
ACROSS, DOWN = np.divmod(np.arange(LATTICE.n_nodes), 14)
SIGNAL = np.sin(ACROSS / 3) * np.cos(DOWN / 4)


def noisy(scale=0.5, seed=0):
    return SIGNAL + scale * np.random.default_rng(seed).standard_normal(len(SIGNAL))


def coordinates(**given):
    return SpectralEmbedder(graph=LATTICE, **given).fit_transform(NODES)


@pytest.mark.filterwarnings("ignore:.*found nothing in X")
def test_a_curve_over_k_rises_and_stays_up():
    y = np.sin(ACROSS) * np.cos(0.7 * DOWN) + 0.3 * np.random.default_rng(0).standard_normal(224)
    model = make_pipeline(SpectralEmbedder(graph=LATTICE), SIRENRegressor(random_state=0))
    sizes = [1, 2, 4, 8, 16, 32, 64, 128, None]
    search = GridSearchCV(
        model,
        {"spectralembedder__n_components": sizes},
        cv=KFold(5, shuffle=True, random_state=0),
    )
    curve = search.fit(NODES, y).cv_results_["mean_test_score"]
    assert curve[0] < 0.1 < 0.4 < curve.max()
    # Coordinates that say nothing of the signal cost little, even as many as there are rows.
    assert curve[5:].min() > 0.75 * curve.max()


def test_held_out_score_is_that_of_rows_left_out_one_by_one():
    y, X = noisy()[:60], coordinates()[:60]
    # One gain, since the search for it sees all rows.
    model = SIRENRegressor(random_state=0, first_gain=1.0, dtype="float64")
    fitted = clone(model).fit(X, y)
    predicted = cross_val_predict(model, X, y, cv=len(y))
    # Another first layer is drawn for other rows: the same up to that.
    assert fitted.held_out_score_ == pytest.approx(r2_score(y, predicted), abs=0.03)
    assert fitted.score(X, y) > fitted.held_out_score_ + 0.1


def test_held_out_blocks_foretell_regions():
    """One by one, rows are predicted by their neighbours: of regions that says too much."""
    y, X = noisy(0.2), coordinates()
    one_by_one = SIRENRegressor(random_state=0).fit(X, y).held_out_score_
    by_blocks = SIRENRegressor(validation=0.2, random_state=0).fit(X, y)
    folds = GraphBlockKFold(5, graph=LATTICE)
    model = SIRENRegressor(validation=0.2, random_state=0)
    found = r2_score(y, cross_val_predict(model, X, y, cv=folds.split(NODES)))
    assert found < one_by_one - 0.1
    assert abs(by_blocks.held_out_score_ - found) < abs(one_by_one - found)
    losses = by_blocks.history_[["train_loss", "held_out_loss"]].iloc[-1]
    assert losses["train_loss"] < losses["held_out_loss"]
    assert losses["held_out_loss"] == pytest.approx(1 - by_blocks.held_out_score_, rel=1e-6)


@pytest.mark.parametrize("validation", [None, 0.25])
def test_weights_count_rows(validation):
    """Two copies of a row are one of twice the weight, whatever is held out."""
    X, y = coordinates()[:90], noisy()[:90]
    copies = np.random.default_rng(1).integers(0, 4, 90)
    model = SIRENRegressor(validation=validation, random_state=0, dtype="float64")
    weighted = clone(model).fit(X, y, sample_weight=copies)
    repeated = clone(model).fit(np.repeat(X, copies, axis=0), np.repeat(y, copies))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-8)
    assert weighted.held_out_score_ == pytest.approx(repeated.held_out_score_)


def test_a_row_does_not_predict_its_twin():
    """Noise measured twice: rows held out with their twins score 0, alone they would score 1."""
    X = np.random.default_rng(0).standard_normal((80, 6))
    y = np.random.default_rng(1).standard_normal(80)
    model = SIRENRegressor(random_state=0).fit(np.repeat(X, 2, axis=0), np.repeat(y, 2))
    assert model.held_out_score_ < 0.05


def test_nothing_learned_is_said_once():
    X = coordinates()
    y = np.random.default_rng(0).standard_normal(len(X))
    model = SIRENRegressor(random_state=0).fit(X, y)
    assert model.held_out_score_ <= 0
    with pytest.warns(UserWarning, match="found nothing in X to predict y by") as said:
        predicted = model.predict(X)
    assert len(said) == 1
    assert predicted.std() < 0.3
    sides = np.where(y > 0, "up", "down")
    model = SIRENClassifier(random_state=0).fit(X, sides)
    with pytest.warns(UserWarning, match="than by the most frequent class"):
        model.predict(X)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_epochs": 30}, "max_epochs is for a training by descent"),
        ({"schedule": "cosine"}, "schedule is for"),
        ({"patience": 3}, "patience is for"),
        ({"target_score": 0.9}, "target_score is for"),
        ({"max_time": 3}, "max_time is for"),
        ({"latent_dim": 3}, "latent_dim is for"),
    ],
)
def test_settings_of_a_descent_are_refused_and_train_takes_them(given, message):
    X = np.column_stack([coordinates(n_components=3), np.arange(len(SIGNAL)) % 2])
    with pytest.raises(ValueError, match=message):
        SIRENRegressor(random_state=0, **given).fit(X, SIGNAL)
    advised = SIRENRegressor("train", random_state=0, **given).fit(X, SIGNAL)
    assert "solved" not in advised.stop_reason_
    with pytest.raises(AttributeError, match="held_out_score_"):
        _ = advised.held_out_score_


def test_the_gain_is_as_large_as_the_signal_is_wiggly():
    X = np.linspace(-1, 1, 300)[:, None]
    calm = SIRENRegressor(random_state=0).fit(X, np.sin(2 * X[:, 0]))
    lively = SIRENRegressor(random_state=0).fit(X, np.sin(20 * X[:, 0]))
    assert calm.settings_["first_gain"] < lively.settings_["first_gain"]
    assert lively.held_out_score_ > 0.999
    # Another range of X is another spread of its waves.
    wider = SIRENRegressor(random_state=0).fit(1000 * X, np.sin(20 * X[:, 0]))
    assert wider.held_out_score_ > 0.999


def test_classes_as_harmonic_functions_find_them():
    """Zhu, Ghahramani and Lafferty, ICML 2003, on blocks that a tenth of the labels tells apart."""
    blocks = nx.stochastic_block_model([80] * 3, 0.12 * np.eye(3) + 0.02, seed=0)
    adjacency, truth = nx.to_numpy_array(blocks), np.repeat(["a", "b", "c"], 80)
    graph = Graph.from_adjacency(adjacency)
    X = pd.DataFrame({"node": graph.labels})
    ours, theirs = [], []
    for seed in range(3):
        known = np.random.default_rng(seed).permutation(240)[:72]
        rest = np.setdiff1d(np.arange(240), known)
        model = make_pipeline(SpectralEmbedder(graph=graph), SIRENClassifier(random_state=0))
        model.fit(X.iloc[known], truth[known])
        ours.append(model.score(X.iloc[rest], truth[rest]))
        shares = pd.get_dummies(truth).to_numpy(float)
        laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
        right = adjacency[np.ix_(rest, known)] @ shares[known]
        harmonic = np.linalg.solve(laplacian[np.ix_(rest, rest)], right)
        theirs.append(np.mean(np.array(["a", "b", "c"])[harmonic.argmax(axis=1)] == truth[rest]))
    assert np.mean(ours) > np.mean(theirs) - 0.02 > 0.5


def test_probabilities_are_as_often_right_as_they_say():
    rng = np.random.default_rng(0)
    X = coordinates()
    chance = 1 / (1 + np.exp(-3 * SIGNAL))
    confidence, right = [], []
    for _ in range(10):
        y = rng.uniform(size=len(chance)) < chance
        train = rng.permutation(len(y))[:150]
        test = np.setdiff1d(np.arange(len(y)), train)
        model = SIRENClassifier(random_state=0).fit(X[train], y[train])
        found = model.predict_proba(X[test])
        confidence.append(found.max(axis=1))
        right.append(model.classes_[found.argmax(axis=1)] == y[test])
    confidence, right = np.concatenate(confidence), np.concatenate(right)
    for low, high in ((0.5, 0.65), (0.65, 0.8), (0.8, 1.0)):
        some = (confidence >= low) & (confidence < high)
        assert some.sum() > 100
        assert right[some].mean() == pytest.approx(confidence[some].mean(), abs=0.1)


def test_gains_of_words_are_of_the_preset():
    with pytest.raises(TypeError, match="first_gain must be a number or 'auto'; got 'siren'"):
        SIRENRegressor(first_gain="siren").fit(coordinates(), SIGNAL)
    with pytest.raises(TypeError, match="first_gain must be a number or 'siren'; got 'auto'"):
        SIRENRegressor("train", first_gain="auto").fit(coordinates(), SIGNAL)


def test_float32_and_float64_say_the_same():
    X, y = coordinates(), noisy()
    found = [
        SIRENRegressor(dtype=d, random_state=0).fit(X, y).predict(X) for d in ("float32", "float64")
    ]
    np.testing.assert_allclose(*found, atol=2e-3)


def test_outputs_have_strengths_of_their_own():
    """A smooth signal beside noise is predicted as by itself."""
    X, noise = coordinates(), np.random.default_rng(0).standard_normal(len(SIGNAL))
    given = {"random_state": 0, "first_gain": 1.0}
    both = SIRENRegressor(**given).fit(X, np.column_stack([SIGNAL, noise]))
    alone = SIRENRegressor(**given).fit(X, SIGNAL)
    np.testing.assert_allclose(both.predict(X)[:, 0], alone.predict(X), atol=1e-4)


def test_going_on_solves_again_with_the_same_first_layer(tmp_path):
    X, y = coordinates(), noisy()
    model = SIRENRegressor(random_state=0, warm_start=True).fit(X[:100], y[:100])
    first = model.net_.module_.first.weight.clone()
    gain = model.settings_["first_gain"]
    model.fit(X, y)
    assert (model.net_.module_.first.weight == first).all()
    assert model.settings_["first_gain"] == gain
    assert model.n_epochs_ == 2
    skginr.save(model, tmp_path / "model.skginr")
    loaded = skginr.load(tmp_path / "model.skginr")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.held_out_score_ == model.held_out_score_
    np.testing.assert_array_equal(loaded.fit(X, y).predict(X), model.fit(X, y).predict(X))
    before = model.score(X, SIGNAL)
    model.partial_fit(X, y)
    assert abs(model.score(X, SIGNAL) - before) < 0.2


def test_callbacks_see_the_fit():
    seen = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.history[-1, "held_out_loss"])

    model = SIRENRegressor(random_state=0, callbacks=[Look()]).fit(coordinates(), noisy())
    assert seen == model.history_["held_out_loss"].tolist()


@pytest.mark.parametrize("y", [np.full(20, 3.0), np.arange(20.0)])
def test_few_rows_and_constants(y):
    X = np.arange(20.0)[:, None]
    assert SIRENRegressor(random_state=0).fit(X, y).score(X, y) > 0.999
    one = SIRENRegressor(random_state=0).fit(X[:1], y[:1])
    assert one.predict(X[:1]) == pytest.approx(y[:1])


@pytest.fixture(scope="module")
def roll():
    X, along = make_swiss_roll(3000, random_state=0)
    return X / X.std(axis=0), np.sin(along) * X[:, 1]


class TestDescent:
    """Where rows are many, a training by descent is tried too."""

    def test_it_is_kept_where_it_predicts_better(self, roll):
        X, y = roll
        train, test = slice(0, 2000), slice(2000, 3000)
        model = SIRENRegressor(random_state=0).fit(X[train], y[train])
        by_descent = SIRENRegressor("train", random_state=0).fit(X[train], y[train])
        solved = SIRENRegressor(n_layers=2, random_state=0).fit(X[train], y[train])
        scores = [m.score(X[test], y[test]) for m in (model, by_descent, solved)]
        assert scores[0] == max(scores)
        assert scores[1] != scores[2]
        assert model.held_out_score_ == pytest.approx(scores[0], abs=0.05)

    def test_signals_that_each_is_better_at(self):
        rng = np.random.default_rng(0)
        X = rng.uniform(-1, 1, (1500, 2))
        line = X @ [2.0, 1.0] + rng.standard_normal(1500)
        assert "solved" in SIRENRegressor(random_state=0).fit(X, line).stop_reason_
        columns = rng.standard_normal((4000, 12))
        curved = np.prod(np.sin(columns[:, :3]), axis=1)
        model = SIRENRegressor(random_state=0).fit(columns, curved)
        expected = SIRENRegressor("train", random_state=0).fit(columns, curved)
        assert model.stop_reason_.startswith("trained as 'train' (R² of rows held out")
        np.testing.assert_array_equal(model.predict(columns), expected.predict(columns))
        assert {"n_layers": 4, "last_layer": "trained"}.items() <= model.settings_.items()

    def test_it_goes_on_as_it_was_trained(self, tmp_path):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((4000, 12))
        y = np.prod(np.sin(X[:, :3]), axis=1)
        model = SIRENRegressor(random_state=0, warm_start=True).fit(X, y)
        assert "trained" in model.stop_reason_
        skginr.save(model, tmp_path / "model.skginr")
        for some in (model, skginr.load(tmp_path / "model.skginr")):
            before, n_before = some.history_["train_loss"].iloc[-1], some.n_epochs_
            some.fit(X, y)
            assert some.n_epochs_ == 2 * n_before
            assert some.history_["train_loss"].iloc[-1] < before
            some.partial_fit(X, y)

    def test_one_that_diverges_is_left_alone(self, roll):
        X, y = roll
        model = SIRENRegressor(random_state=0, learning_rate=1e30).fit(X, y)
        assert "solved" in model.stop_reason_

    def test_of_very_many_rows_a_part_decides(self, monkeypatch):
        """All rows are fitted, whichever way a part of them says."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((4000, 12))
        curved = np.prod(np.sin(X[:, :3]), axis=1)
        line = X[:, 0] + rng.standard_normal(4000)
        fits = {"y": curved, "line": line}
        expected = {name: SIRENRegressor(random_state=0).fit(X, y) for name, y in fits.items()}
        monkeypatch.setattr("skginr.network._fitting._ENOUGH_TO_TELL", 3000)
        for name, y in fits.items():
            found = SIRENRegressor(random_state=0).fit(X, y)
            assert found.stop_reason_[:6] == expected[name].stop_reason_[:6]
            np.testing.assert_array_equal(found.predict(X), expected[name].predict(X))

    def test_regions_are_solved_for(self, roll):
        X, y = roll
        assert "solved" in SIRENRegressor(validation=0.2, random_state=0).fit(X, y).stop_reason_


def test_predictions_far_beyond_y_are_said():
    """Held out as regions, where single rows told that little smoothing will do."""
    X, y = coordinates(n_components=12), noisy(0.2)
    train = ACROSS < 10
    with pytest.warns(UserWarning, match="times as far from the mean of y as any.*validation=0.2"):
        SIRENRegressor(random_state=0, first_gain=0.2).fit(X[train], y[train]).predict(100 * X)
    model = SIRENRegressor(validation=0.2, random_state=0).fit(X[train], y[train])
    assert np.abs(model.predict(X)).max() < 3 * np.abs(y - y.mean()).max()


@pytest.mark.parametrize(
    "change",
    [
        {"reach": "far"},
        {"reach": -1.0},
        {"held_out_score": float("nan")},
        {"learned": 1.0},
        {"first_gain": 0.0},
        {"more": 1.0},
    ],
)
def test_what_a_file_says_of_rows_held_out_is_not_believed(change):
    model = SIRENRegressor(random_state=0).fit(coordinates(n_components=4), SIGNAL)._model
    state = model.to_state()
    same = type(model).from_state(model.to_state())
    assert same.solution == model.solution
    state["solution"] |= change
    with pytest.raises((TypeError, ValueError)):
        type(model).from_state(state)
    with pytest.raises(ValueError, match="no network has the preset 'best'"):
        type(model).from_state(model.to_state() | {"preset": "best"})


def test_of_equal_rows_nothing_is_learned():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(60)
    model = SIRENRegressor(random_state=0).fit(np.ones((60, 3)), y)
    assert model.held_out_score_ == pytest.approx(0, abs=1e-6)
    with pytest.warns(UserWarning, match="found nothing"):
        np.testing.assert_allclose(model.predict(np.ones((2, 3))), y.mean(), atol=1e-6)


def test_the_held_out_score_is_of_rows_not_of_their_means():
    """Forty values measured often: the noise of a measurement is not averaged away."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 40, (1500, 1)) / 20 - 1
    y = np.sin(3 * X[:, 0]) + rng.standard_normal(1500)
    for preset in ({}, {"n_layers": 2}):
        model = SIRENRegressor(random_state=0, **preset).fit(X, y)
        ceiling = r2_score(y, np.sin(3 * X[:, 0]))
        assert model.held_out_score_ == pytest.approx(ceiling, abs=0.03)


def test_columns_that_float32_cannot_tell_are_refused_or_said():
    X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y = np.sin(3 * X[:, 0])
    for some in (X + 1e9, X * 1e-200):
        with pytest.raises(ValueError, match="X must vary in float32 too; column 0"):
            SIRENRegressor(random_state=0).fit(some, y)
    with pytest.warns(UserWarning, match="float32 keeps few digits: column 0"):
        SIRENRegressor(random_state=0).fit(X + 1e6, y)
    advised = SIRENRegressor(random_state=0, dtype="float64").fit(X + 1e6, y)
    assert advised.predict(X + 1e6) == pytest.approx(
        SIRENRegressor(random_state=0, dtype="float64").fit(X, y).predict(X), abs=1e-3
    )


def test_an_overflow_is_an_error():
    X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y = np.sin(3 * X[:, 0])
    for model in (SIRENRegressor(random_state=0), SIRENClassifier(random_state=0)):
        fitted = model.fit(X, y > 0)
        with pytest.raises(ValueError, match="the network overflows; row 0"):
            fitted.predict(X * 3e38)


def test_what_rows_held_out_say_is_of_the_fit_alone():
    X, y = coordinates(), noisy()
    model = SIRENRegressor(random_state=0).fit(X, np.random.default_rng(0).standard_normal(len(X)))
    model.partial_fit(X, y)
    with pytest.raises(AttributeError, match="until partial_fit"):
        _ = model.held_out_score_
    # Another signal was learned since: there is no warning.
    model.predict(X)


@pytest.mark.parametrize("n_rows", [100, 1200])
def test_what_the_caller_has_set_in_torch_changes_nothing(n_rows):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 3))
    y = np.prod(np.sin(X), axis=1)
    expected = SIRENRegressor(random_state=0).fit(X, y)
    contexts = torch.inference_mode(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16)
    for context in contexts:
        with context:
            model = SIRENRegressor(random_state=0).fit(X, y)
            np.testing.assert_array_equal(model.predict(X), expected.predict(X))
        model.gradient(X)
        model.partial_fit(X, y)


def test_weights_too_far_apart_are_refused():
    X, y = coordinates(), noisy()
    weight = np.ones(len(y))
    weight[0] = 1e12
    with pytest.raises(ValueError, match="sample_weight must be within a factor of 1e\\+08"):
        SIRENRegressor(random_state=0).fit(X, y, sample_weight=weight)
    SIRENRegressor("train", random_state=0).fit(X, y, sample_weight=weight)
    weight[1:] = 0
    SIRENRegressor(random_state=0).fit(X, y, sample_weight=weight)
