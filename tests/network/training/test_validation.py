import numpy as np
import pytest
from scipy.spatial import cKDTree
from skorch.dataset import ValidSplit

from skginr import SIRENRegressor
from skginr.network.training._validation import BlockSplit

QUICK = {"max_epochs": 15, "hidden_units": 32, "random_state": 0}


@pytest.mark.parametrize("seed", range(10))
def test_a_block_that_is_most_rows_is_not_held_out_whole(seed):
    X = np.random.default_rng(0).standard_normal((1000, 2))
    X[:900] = 0
    assert 0.03 < BlockSplit(0.1, seed).rows_held_out(X).mean() <= 0.15


def test_the_validation_loss_is_a_weighted_mean(wave):
    X, y = wave
    held = (
        SIRENRegressor("train", validation=0.2, **QUICK)
        .fit(X, y)
        .net_.train_split.rows_held_out(X.astype(np.float32))
    )
    weight = np.where(held, 1e-6, 1.0)
    model = SIRENRegressor("train", validation=0.2, **QUICK).fit(X, y, sample_weight=weight)
    errors = (model.predict(X) - y)[held] ** 2
    scale = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    assert model.history_["valid_loss"].min() == pytest.approx(errors.mean() / scale, rel=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_blocks_of_neighbours_are_held_out(share):
    X = np.random.default_rng(0).random((2000, 2))
    held = BlockSplit(share, seed=0).rows_held_out(X)
    assert share * 0.99 <= held.mean() <= share * 1.5 + 0.02
    nearest = cKDTree(X).query(X, k=2)[1][:, 1]
    # At random a share of them would be.
    assert held[nearest][held].mean() > 0.8
    np.testing.assert_array_equal(held, BlockSplit(share, seed=0).rows_held_out(X))
    assert (held != BlockSplit(share, seed=1).rows_held_out(X)).any()


@pytest.mark.parametrize("n_rows", [2, 3, 10])
def test_some_rows_are_held_out_and_some_are_not(n_rows):
    for X in (np.zeros((n_rows, 2)), np.random.default_rng(0).random((n_rows, 2))):
        assert 0 < BlockSplit(0.3, seed=0).rows_held_out(X).sum() < n_rows


def test_rows_held_out_pick_the_weights_and_end_the_training(wave):
    X, y = wave
    noisy = y + np.random.default_rng(0).standard_normal(400)
    settings = {"schedule": "constant", "learning_rate": 5e-3, "random_state": 0}
    long = SIRENRegressor("represent", max_epochs=150, target_score="off", **settings)
    held = SIRENRegressor("represent", validation=0.2, patience=30, max_epochs=150, **settings)
    assert held.fit(X, noisy).stop_reason_ == "no better valid_loss for 30 epochs"
    assert held.score(X, y) > long.fit(X, noisy).score(X, y) + 0.2
    best = held.history_["valid_loss"].min()
    assert best < held.history_["valid_loss"].iloc[-1]


def test_a_validation_split_picks_the_weights(wave):
    X, _ = wave
    noise = np.random.default_rng(0).standard_normal(400)
    model = SIRENRegressor(
        "represent", random_state=0, max_epochs=80, patience=20,
        net_params={"train_split": ValidSplit(5)},
    ).fit(X, noise)  # fmt: skip
    history = model.history_
    assert model.stop_reason_ == "no better valid_loss for 20 epochs"
    # Noise is not learned: the weights are of an early epoch, or those of the start.
    assert len(history) - history["valid_loss"].argmin() <= 21
    assert history["train_loss"].iloc[-1] < 0.2
    assert model.score(X, noise) < 0.3


@pytest.mark.filterwarnings("ignore:SIRENRegressor has found nothing")
@pytest.mark.parametrize("preset", ["predict", "train"])
@pytest.mark.parametrize("n_rows", [2, 3, 5, 8])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.9])
def test_a_row_is_left_to_train_on_however_few_there_are(preset, n_rows, share):
    X = np.random.default_rng(0).standard_normal((n_rows, 3))
    held = BlockSplit(share, 0).rows_held_out(X)
    assert 0 < held.sum() < n_rows
    settings = {} if preset == "predict" else {"max_epochs": 3}
    model = SIRENRegressor(preset, validation=share, random_state=0, **settings)
    assert np.isfinite(model.fit(X, X[:, 0]).predict(X)).all()
