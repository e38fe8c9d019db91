"""Signals of one bump somewhere on a ring, which no Gaussian field is like."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn import clone

import skginr
from skginr import Graph, SignalDistribution, SignalGenerator

RING = Graph.from_networkx(nx.cycle_graph(60))
WIDTHS = {"narrow": 6, "wide": 18}
STEPS = 300
QUICK = {"graph": RING, "signal": "day", "hidden_units": 16, "n_layers": 3}


def bumps(n_signals, seed):
    """Return bumps of two heights and two widths, the sort of each, and the places drawn."""
    rng = np.random.default_rng(seed)
    sorts = np.array(["narrow", "wide"])[np.arange(n_signals) % 2]
    widths = np.array([WIDTHS[sort] for sort in sorts])
    away = (np.arange(60) - rng.integers(60, size=(n_signals, 1))) % 60
    return np.where(away < widths[:, None], 5.0, 2.0), sorts


def table(sorts):
    days = np.repeat(np.arange(len(sorts)), 60)
    return pd.DataFrame(
        {"day": days, "node": np.tile(RING.labels, len(sorts)), "sort": sorts[days]}
    )


ARCHIVE, SORTS = bumps(60, seed=0)
NEW, _ = bumps(40, seed=1)
X, Y = table(SORTS), ARCHIVE.ravel()
PLAIN = X[["day", "node"]]


def n_bumps(signals):
    high = signals > 3.5
    return (high & ~np.roll(high, 1, axis=1)).sum(axis=1)


def energy(samples, new):
    among = cdist(samples, samples)
    return cdist(samples, new).mean() - among.sum() / (len(among) * (len(among) - 1)) / 2


@pytest.fixture(scope="module")
def generator():
    return SignalGenerator(**QUICK, phase="sort", max_steps=STEPS).fit(X, Y)


def test_new_signals_have_bumps_of_two_heights(generator):
    drawn = generator.sample(200).to_numpy()
    assert np.mean(n_bumps(drawn) == 1) > 0.4
    assert np.mean(np.minimum(abs(drawn - 5), abs(drawn - 2)) < 0.5) > 0.9
    # They are not those of the archive again.
    assert np.median(cdist(drawn, ARCHIVE).min(axis=1)) > 1


def test_samples_are_nearer_to_new_signals_than_gaussian_ones(generator):
    drawn = generator.sample(200).to_numpy()
    for marginals in ("gaussian", "normal_scores"):
        field = SignalDistribution(graph=RING, signal="day", phase="sort", marginals=marginals)
        fields = field.fit(X, Y).sample(200).to_numpy()
        assert energy(drawn, NEW) < energy(fields, NEW) - 0.1
        assert np.mean(n_bumps(drawn) == 1) > np.mean(n_bumps(fields) == 1) + 0.1


def test_phases_are_those_asked_for(generator):
    drawn = generator.sample(40)
    assert drawn.shape == (40, 60)
    assert drawn.columns.equals(RING.labels)
    assert drawn.index.name == "sort"
    assert set(drawn.index) == set(WIDTHS)
    assert list(generator.phases_) == sorted(WIDTHS)
    high = {sort: np.mean(generator.sample(30, phase=sort) > 3.5) for sort in WIDTHS}
    assert high["narrow"] < 0.7 * high["wide"]
    with pytest.raises(ValueError, match=r"phase 'none' .*\['narrow', 'wide'\]"):
        generator.sample(phase="none")


def test_the_loss_is_what_a_gaussian_field_leaves_and_falls(generator):
    assert generator.losses_.shape == (STEPS,)
    assert generator.losses_[:5].mean() == pytest.approx(1, abs=0.15)
    assert generator.losses_[-20:].mean() < 0.7
    assert generator.mean_ == pytest.approx(Y.mean())
    assert generator.scale_ == pytest.approx(Y.std())


def test_seeds_decide_and_nothing_else(generator):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same = (SignalGenerator(**QUICK, max_steps=4).fit(PLAIN, Y).sample(5) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    pd.testing.assert_frame_equal(one, same)
    other = SignalGenerator(**QUICK, max_steps=4, random_state=1).fit(PLAIN, Y).sample(5)
    assert not np.allclose(one, other)
    assert not np.allclose(generator.sample(5), generator.sample(5, random_state=1))
    rows = np.random.default_rng(0).permutation(len(X))
    mixed = SignalGenerator(**QUICK, max_steps=4).fit(PLAIN.iloc[rows], Y[rows]).sample(5)
    pd.testing.assert_frame_equal(one, mixed)


def test_units_mean_nothing():
    plain = SignalGenerator(**QUICK, max_steps=4).fit(PLAIN, Y).sample(3)
    scaled = SignalGenerator(**QUICK, max_steps=4).fit(PLAIN, 1e6 * Y - 7e6).sample(3)
    np.testing.assert_allclose(scaled, 1e6 * plain - 7e6, atol=1e4)


def test_copies_answer_alike(generator, tmp_path):
    expected = generator.sample(3)
    skginr.save(generator, tmp_path / "model")
    for copy in (pickle.loads(pickle.dumps(generator)), skginr.load(tmp_path / "model")):
        pd.testing.assert_frame_equal(copy.sample(3), expected)
        np.testing.assert_array_equal(copy.losses_, generator.losses_)
    assert not hasattr(clone(generator), "graph_")
    assert "Graph: 60 nodes" in repr(generator)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update(neighbors=state["neighbors"][:5]), "square csr_array"),
        (lambda state: state["sizes"].update(n_layers=0), "size of a denoiser"),
        (lambda state: state["sizes"].update(n_layers=10**6), "arrays in 1000000 layers"),
        (lambda state: state["sizes"].update(hidden_units=10**6), "have shape"),
        (lambda state: state["weights"]["last.bias"].fill(np.nan), "finite"),
        (lambda state: state["weights"]["variances"].fill(-1), "above 0"),
        (lambda state: state["weights"].pop("waves"), "weights of a denoiser are"),
    ],
)
def test_files_that_hold_no_network_are_refused(generator, change, message):
    state = pickle.loads(pickle.dumps(generator._denoiser.to_state()))
    change(state)
    with pytest.raises(ValueError, match=message):
        type(generator._denoiser).from_state(state)


def test_progress_shows(capfd):
    SignalGenerator(**QUICK, max_steps=2, verbose=1).fit(PLAIN, Y)
    assert "training" in capfd.readouterr().err


def test_graphs_in_parts_and_nodes_without_edges():
    adjacency = RING.adjacency.tolil()
    adjacency[0], adjacency[:, 0] = 0, 0
    adjacency[29, 30] = adjacency[30, 29] = 0
    graph = Graph(adjacency.tocsr(), labels=RING.labels)
    drawn = SignalGenerator(**QUICK | {"graph": graph}, max_steps=3).fit(PLAIN, Y).sample(2)
    assert np.isfinite(drawn.to_numpy()).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[1:], y[1:]), "signal 0 lacks 1 of 60 nodes.*GraphImputer"),
        (lambda X, y: (X[:120], y[:120]), "at least 4 signals"),
        (lambda X, y: (X, np.ones(len(X))), "must differ between signals"),
        (lambda X, y: (X, np.column_stack([y, y])), "Fit a SignalGenerator of each"),
        (lambda X, y: (X[:0], y[:0]), "at least one row"),
        (lambda X, y: (X.assign(node="x"), y), "must hold labels"),
    ],
)
def test_archives_that_tell_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SignalGenerator(**QUICK, phase="sort").fit(*change(X, Y))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"hidden_units": 0}, "hidden_units must be at least 1"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"device": "abacus"}, "device must be 'auto'"),
        ({"signal": "week"}, "signal='week' is not a column"),
        ({"phase": "sort"}, "is not a column"),
    ],
)
def test_parameters_are_checked(given, message):
    model = SignalGenerator(**QUICK).set_params(**given)
    with pytest.raises(ValueError, match=message):
        model.fit(PLAIN, Y)
    assert not hasattr(model, "n_features_in_")


def test_an_archive_without_phases_has_none():
    model = SignalGenerator(**QUICK, max_steps=2).fit(PLAIN, Y)
    assert model.phases_ is None
    with pytest.raises(ValueError, match="the archive has no phases"):
        model.sample(phase="wide")
