"""``benchmarks/fields.py`` in small: what it scores and what its methods say."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from skginr import Graph


@pytest.fixture
def modules(monkeypatch):
    """Import of the modules of benchmarks/fields.py by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return __import__


@pytest.fixture
def task(modules):
    """Waves on a sphere over a yearly cycle, noise .1, a fifth observed; gaps in the archive."""
    tables = modules("_fields_tables")
    rng = np.random.default_rng(0)
    latitude, longitude = np.degrees(np.arcsin(rng.uniform(-1, 1, 60))), rng.uniform(0, 360, 60)
    graph = Graph.from_sphere(latitude, longitude)
    waves = graph.positions @ rng.standard_normal((3, 48))
    phase = np.arange(48) % 4
    values = (waves + phase).T + 0.1 * rng.standard_normal((48, 60))
    values[rng.random(values.shape) < 0.05] = np.nan
    places = pd.DataFrame({"latitude": latitude, "longitude": longitude})
    months = np.arange(48)
    times = (months[:40], months[40:]), (months[:32], months[32:40])
    tables.TABLES["waves"] = lambda _: (graph, places, values, phase, times)
    return tables.load("waves", 0.2, 0)


def test_what_is_held_out_is_nowhere_in_the_task(task):
    known, truth = task
    assert known.asked.any(axis=1).all()
    assert np.isnan(known.seen[known.asked]).all()
    assert np.isfinite(truth[known.asked]).all()
    observed = np.isfinite(known.seen)
    np.testing.assert_array_equal(known.seen[observed], truth[observed])
    np.testing.assert_array_equal(observed.sum(1), np.round(0.2 * np.isfinite(truth).sum(1)))
    inner, inner_truth = known.inner
    np.testing.assert_array_equal(inner_truth, known.archive[32:])
    np.testing.assert_array_equal(inner.archive, known.archive[:32])
    assert not np.isfinite(inner.seen[inner.asked]).any()


def test_shares_observe_the_same_nodes_in_every_signal(modules):
    tables = modules("_fields_tables")
    rng = np.random.default_rng(3)
    first, second = rng.permutation(1000)[:10], rng.permutation(1000)[:50]
    for share, expected in ((0.01, first), (0.05, second)):
        observed = tables.same_nodes(1000, share, np.random.default_rng(3))
        np.testing.assert_array_equal(np.flatnonzero(observed[0]), np.sort(expected))


@pytest.mark.filterwarnings("ignore")
def test_methods_find_waves(modules, task):
    known, truth = task
    fields, methods = modules("fields"), modules("_fields_methods")
    found = {
        name: fields.scores(truth, known.asked, method(known))
        for name, method in methods.METHODS.items()
        if name not in methods.ELSEWHERE
    }
    base = found["phase mean"]
    assert 0.8 < base["coverage"] < 0.97
    peers = ("Matérn", "probabilistic PCA", "GraphSmoother", "analogs")
    for name in (methods.OURS, *(f"phase mean + {peer}" for peer in peers)):
        row = found[name]
        assert row["R2"] > base["R2"] + 0.1
        assert row["CRPS"] < base["CRPS"]
        assert row["energy"] < base["energy"]
    # It is what the values come from.
    row = found["phase mean + probabilistic PCA"]
    assert row["R2"] > 0.98
    assert 0.8 < row["coverage"] < 0.97
    assert row["CRPS"] < 1.4 * 0.1 / np.pi**0.5


def test_a_distribution_is_conditioned_as_in_closed_form(modules):
    methods = modules("_fields_methods")
    covariance = np.array([[2.0, 1.0, 0.3], [1.0, 1.5, 0.6], [0.3, 0.6, 1.0]])
    seen = np.array([[3.0, np.nan, np.nan], [np.nan, 1.0, -1.0], [1.0, np.nan, np.nan]])
    said = methods.conditioned(covariance, seen)
    np.testing.assert_allclose(said.mean[0, 1:], [1.5, 0.45])
    np.testing.assert_allclose(said.std[2, 1:], np.sqrt([1.0, 1 - 0.045]))
    weights = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    np.testing.assert_allclose(said.mean[1, 0], weights @ [1, -1])
    assert said.draws.shape == (methods.DRAWS, 3, 3)
    np.testing.assert_allclose(said.draws[:, 0, 0], 3)
    np.testing.assert_allclose(said.draws[:, 0, 1:].mean(0), said.mean[0, 1:], atol=0.4)


def test_components_with_gaps_are_near_those_without(modules):
    methods = modules("_fields_methods")
    rng = np.random.default_rng(0)
    loadings = rng.standard_normal((40, 2))
    values = rng.standard_normal((500, 2)) @ loadings.T + 0.3 * rng.standard_normal((500, 40))
    gappy = np.where(rng.random(values.shape) < 0.5, np.nan, values)
    for some in (values, gappy):
        found, noise = methods.components_of(some, 2)
        assert noise == pytest.approx(0.09, rel=0.05)
        aim = loadings @ loadings.T
        assert np.linalg.norm(found @ found.T - aim) < 0.15 * np.linalg.norm(aim)


def test_scores_of_draws_are_those_of_their_distribution(modules):
    fields = modules("fields")
    rng = np.random.default_rng(0)
    y = np.array([0.0, 1.0, -2.5])
    draws = rng.standard_normal((20_000, 3))
    expected = fields.crps(y, np.zeros(3), np.ones(3))
    np.testing.assert_allclose(fields.ensemble_crps(draws, y), expected, rtol=0.02)
    # Of one node the energy score is the CRPS, and few draws are not worse than many.
    few = [fields.energy_score(rng.standard_normal((3, 1)), y[1:2]) for _ in range(5000)]
    assert np.mean(few) == pytest.approx(expected[1], rel=0.05)
    # The closed form against its definition.
    grid = np.linspace(-8, 8, 4001)
    definition = np.trapezoid((norm.cdf(grid) - (grid >= 1)) ** 2, grid)
    assert expected[1] == pytest.approx(definition, rel=1e-2)


def test_samples_are_judged_by_more_than_their_width(modules, tmp_path, monkeypatch):
    fields, tables = modules("fields"), modules("_fields_tables")
    methods = modules("_fields_methods")
    monkeypatch.setattr(tables, "KEPT", tmp_path)
    task = tables.patterns(400, n_seeds=8, n_held=4, stages=(200,))
    assert task.archive.shape == (8, 400)
    again = tables.patterns(400, n_seeds=8, n_held=4, stages=(200,))
    np.testing.assert_array_equal(again.held, task.held)
    found = {
        name: fields.distances(methods.SAMPLERS[name](task, 8), task)
        for name in ("white noise", "the archive itself", "probabilistic PCA")
    }
    for way in ("variogram", "values", "edges"):
        assert found["the archive itself"][way] < found["white noise"][way]
    assert found["probabilistic PCA"]["variogram"] < found["white noise"]["variogram"]


def test_rows_are_kept_and_told(modules, tmp_path, monkeypatch):
    fields = modules("fields")
    monkeypatch.setattr(fields, "FILE", tmp_path / "fields.csv")
    row = {"table": "patterns", "observed": "", "seed": 0, "method": "white noise"}
    fields.keep([row | {"energy": 1.0}])
    fields.keep([row | {"energy": 2.0}, row | {"method": "other", "failed": "too long"}])
    lines = list(fields.report([0]))
    assert "## patterns" in lines
    assert any(line.startswith("| white noise | 2 |") for line in lines)
    assert any("other" in line and "too long" in line for line in lines)
    assert list(fields.report([1])) == []
