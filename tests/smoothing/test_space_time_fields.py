"""Fields in space and time against dense matrices, written out by hand."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from skginr import Graph
from skginr._core import QUIET
from skginr.smoothing.spacetime import Block, FieldFit, FieldModel, Rows, Waves, grid_of
from skginr.smoothing.spacetime._criterion import density
from skginr.smoothing.spacetime._space import SpaceModes
from skginr.smoothing.spacetime._system import FieldSystem
from skginr.smoothing.spacetime._time import Seasons, TimeCovariance, TimeGrid, matern, seasons_of

N_NODES = 9
LEVEL = TimeCovariance(level=2.0)
FAST = TimeCovariance(fading=((1.5, 3.0, 2),))
SLOW = TimeCovariance(level=0.5, waves=((6.0, 1.0),), fading=((1.0, 60.0, 1), (0.5, 2.0, 3)))


@pytest.fixture(scope="module")
def graph():
    """A grid of three by three, of uneven weights."""
    edges = [(i, i + 1) for i in range(8) if i % 3 < 2] + [(i, i + 3) for i in range(6)]
    rows, columns = np.array(edges).T
    weights = np.random.default_rng(0).uniform(0.5, 2, len(edges))
    half = sp.coo_array((weights, (rows, columns)), shape=(N_NODES, N_NODES))
    return Graph.from_adjacency(half + half.T)


@pytest.fixture(scope="module")
def waves(graph):
    return Waves(graph, "combinatorial", None, QUIET)


def strengths_of(periods=(6.0,), time_order=2, **changed):
    """Strengths with something of every part; `changed` by name."""
    model = FieldModel(2, time_order, periods, (2,) * len(periods), 1.0, 20.0, 1.0, 1e-4, "number")
    found = model.at(model.start() + np.linspace(-0.4, 0.4, len(model.names)))
    return dataclasses.replace(found, values=found.values | changed)


def mirrored(covariance, first, second, grid):
    """A covariance in time by its definition: fading parts twice, themselves and mirrored.

    On a circle twice as long as the grid, of which the way round is the shorter one.
    """
    low, high = grid.times[0] - grid.step / 2, grid.times[-1] + grid.step / 2
    lags, sums = np.subtract.outer(first, second), np.add.outer(first, second)
    found = np.full(lags.shape, covariance.level)
    for period, variance in covariance.waves:
        found += variance * np.cos(2 * np.pi * lags / period)
    for variance, reach, order in covariance.fading:
        for apart in (lags, np.minimum(sums - 2 * low, 2 * high - sums)):
            found += variance * matern(apart, reach, order)
    return found


def in_space(waves, strengths, seen):
    """Covariances in space of all four parts, between seen nodes.

    Functions of that of reference between these, with its mean and the rest taken for independent:
    its modes, and eigenvalues of a Laplacian that would have it.
    """
    slow, fast = (strengths.in_time(group).at(np.zeros(1)) for group in ("slow", "fast"))
    kappa, order = strengths.in_space("slow" if slow > fast else "fast")
    fast = (waves.vectors * (kappa**2 + waves.eigenvalues) ** -order) @ waves.vectors.T
    fast = fast[np.ix_(seen, seen)]
    mean = np.full((len(seen), len(seen)), 1 / len(seen))
    rest = np.eye(len(seen)) - mean
    values, modes = np.linalg.eigh(mean @ fast @ mean + rest @ fast @ rest)
    eigenvalues = np.maximum(values ** (-1 / order) - kappa**2, 0)
    found = {"own": np.eye(len(seen))}
    for group in ("slow", "fast"):
        kappa, order = strengths.in_space(group)
        decay = (kappa**2 + eigenvalues) ** -order / waves.size(kappa, order)
        found[group] = (modes * decay) @ modes.T
    found["common"] = np.ones((len(seen), len(seen)))
    return found


def dense(waves, strengths, seen, grid, first, second=None):
    """The covariance of (node, time) pairs: of seen nodes, numbered, at any times."""
    second = first if second is None else second
    found = 0.0
    for group, spatial in in_space(waves, strengths, seen).items():
        temporal = mirrored(strengths.in_time(group), first[1], second[1], grid)
        found = found + spatial[np.ix_(first[0], second[0])] * temporal
    return found


def pairs(n_nodes, times):
    nodes, moments = np.meshgrid(np.arange(n_nodes), times, indexing="ij")
    return nodes.ravel(), moments.ravel()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_matern_covariances_are_those_of_their_spectra(order):
    """The Fourier transform of (a**2 + w**2)**-order, scaled to 1 at no lag."""
    frequencies = np.linspace(-400, 400, 400_001)
    root = 2 * order - 1
    density_of = (root / 2.0**2 + frequencies**2) ** -order
    for lag in (0.3, 1.0, 4.0):
        found = np.sum(density_of * np.cos(frequencies * lag)) / density_of.sum()
        assert matern(np.array([lag]), 2.0, order)[0] == pytest.approx(found, abs=3e-3)


@pytest.mark.parametrize("covariance", [LEVEL, FAST, SLOW], ids=["level", "fast", "slow"])
def test_modes_of_a_grid_make_the_mirrored_covariance_diagonal(covariance):
    grid = TimeGrid(5.0, 0.5, 40)
    modes = grid.from_modes(np.eye(40)).T
    np.testing.assert_allclose(modes @ modes.T, np.eye(40), atol=1e-12)
    full = mirrored(dataclasses.replace(covariance, waves=()), grid.times, grid.times, grid)
    spectrum = grid.spectrum(covariance)
    # Of ranges that are short beside the grid nothing is cut off.
    np.testing.assert_allclose((modes * spectrum) @ modes.T, full, atol=1e-6)


@pytest.mark.parametrize("covariance", [LEVEL, FAST, SLOW], ids=["level", "fast", "slow"])
def test_weighing_with_covariances_on_the_grid_and_between(covariance):
    grid = TimeGrid(5.0, 0.5, 40)
    field = np.random.default_rng(0).standard_normal((3, 40))
    between = np.array([5.0, 9.13, 24.5, 5.21, 7.5])
    for times in (grid.times[::-3], between, between[[0, 4]], np.empty(0)):
        expected = field @ mirrored(
            dataclasses.replace(covariance, waves=()), grid.times, times, grid
        )
        found = grid.weigh(grid.to_modes(field), covariance, times)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_said_of_a_time_is_the_same_whatever_else_is_asked():
    """With ranges longer than the record, too."""
    grid = TimeGrid(0.0, 1.0, 20)
    duals = np.random.default_rng(0).standard_normal((2, 20))
    alone = grid.weigh(duals, SLOW, grid.times)
    beside = grid.weigh(duals, SLOW, np.append(grid.times, 3.3))[:, :-1]
    np.testing.assert_allclose(alone, beside, atol=1e-6)


def test_seasons_are_waves_of_their_variances():
    covariance = TimeCovariance(waves=((24.0, 2.0), (12.0, 0.5)))
    times = np.array([0.0, 1.0, 7.5, 30.0, 1e4])
    seasons = Seasons((24.0, 12.0))
    waves = seasons.at(times)
    found = waves.T @ (seasons.spectrum(covariance)[:, None] * waves)
    lags = np.subtract.outer(times, times)
    np.testing.assert_allclose(found, covariance.at(lags), atol=1e-10)
    assert Seasons(()).at(times).shape == (0, 5)
    assert Seasons(()).spectrum(TimeCovariance()).shape == (0,)


def test_seasons_of_covariates_begin_with_a_constant():
    found = seasons_of(np.arange(5.0), (4.0,), 2)
    np.testing.assert_allclose(found[:, 0], 1.0)
    np.testing.assert_allclose(found[:, 1], np.cos(np.arange(5) * np.pi / 2), atol=1e-12)
    np.testing.assert_allclose(found[:, 4], np.sin(np.arange(5) * np.pi), atol=1e-12)
    np.testing.assert_allclose(seasons_of(np.arange(5.0), (), 2), np.ones((5, 1)))


@pytest.mark.parametrize(
    ("times", "start", "step", "n_times"),
    [
        ([2.0], 2.0, 1.0, 1),
        ([0.0, 1.0, 2.0, 5.0], 0.0, 1.0, 6),
        (np.arange(1000) / 7, 0.0, 1 / 7, 1000),
        # On no grid: a quarter of the mean step.
        ([0.0, 1.0, 2.3, 4.0], 0.0, 1 / 3, 13),
        # Two records far apart: on the grid of both.
        ([0.0, 1.0, 2.0, 4000.0, 4001.0], 0.0, 1.0, 4002),
        # On one that hardly anything is seen of, as long as there is.
        ([0.0, 1.0, 2.0, 3.0, 1e6], 0.0, 100.0, 10_001),
        # On none, most of them close together.
        ([0.0, 1.0, 1.9, 3.0, 90.0], 0.0, 90 / 172, 173),
    ],
)
def test_grids(times, start, step, n_times):
    grid = grid_of(np.asarray(times))
    assert (grid.start, grid.n_times) == (start, n_times)
    assert grid.step == pytest.approx(step)


def test_waves_are_covariances_of_unit_mean_variance(graph, waves):
    laplacian = np.diag(graph.adjacency.sum(axis=1)) - graph.adjacency.toarray()
    unit = np.diag(laplacian).mean()
    precision = 0.3**2 * np.eye(N_NODES) + laplacian / unit
    expected = np.linalg.inv(precision @ precision)
    expected /= np.diag(expected).mean()
    found = (waves.vectors * waves.spectrum(0.3, 2)) @ waves.vectors.T
    np.testing.assert_allclose(found, expected, atol=1e-10)
    columns = waves.columns(np.array([0, 4]), 0.3, 2)
    np.testing.assert_allclose(columns / waves.size(0.3, 2), expected[:, [0, 4]], atol=1e-10)


@pytest.mark.parametrize("n_waves", [None, 4])
@pytest.mark.parametrize("n_seen", [9, 6, 2])
def test_modes_of_seen_nodes_are_orthonormal_and_extend_as_kriging_does(graph, n_waves, n_seen):
    waves = Waves(graph, "combinatorial", n_waves, QUIET)
    seen = np.array([7, 0, 4, 2, 8, 5, 1, 3, 6])[:n_seen]
    space = SpaceModes(waves, seen, 0.5, 2)
    field = np.random.default_rng(0).standard_normal((n_seen, 3))
    np.testing.assert_allclose(space.from_modes(space.to_modes(field)), field, atol=1e-10)
    laplacian = np.diag(graph.adjacency.sum(axis=1)) - graph.adjacency.toarray()
    precision = 0.25 * np.eye(N_NODES) + laplacian / np.diag(laplacian).mean()
    full = np.linalg.inv(precision @ precision)
    elsewhere = np.setdiff1d(np.arange(N_NODES), seen)
    expected = full[np.ix_(elsewhere, seen)] @ np.linalg.solve(full[np.ix_(seen, seen)], field)
    np.testing.assert_allclose(space.extend(field, elsewhere), expected, atol=1e-8)


def observed(n_seen, grid, seed=0):
    """Weights with gaps, a node seen once, and what was observed."""
    random = np.random.default_rng(seed)
    weights = random.integers(0, 3, (n_seen, grid.n_times)).astype(float)
    weights[1] = 0
    weights[1, 3] = 2
    weights[:, 8:11] = 0
    y = random.standard_normal(weights.shape) + np.sin(np.arange(grid.n_times))
    return np.where(weights > 0, y, 0.0), weights


SOLVED = [
    (None, np.arange(9), {}),
    (None, np.array([0, 2, 3, 7, 8]), {}),
    (None, np.arange(9), {"periods": ()}),
    (None, np.array([1, 4]), {"periods": (), "time_order": 1}),
    (None, np.arange(9), {"periods": (6.0, 4.5), "time_order": 3}),
    (5, np.array([0, 2, 3, 7, 8]), {}),
    (None, np.array([0, 2, 3, 7, 8]), {"smooth_fast": 9.0}),
]


@pytest.mark.parametrize(("n_waves", "seen", "given"), SOLVED)
def test_fields_are_those_of_a_dense_gaussian_process(graph, n_waves, seen, given):
    waves = Waves(graph, "combinatorial", None, QUIET)
    strengths, grid = strengths_of(**given), TimeGrid(3.0, 1.0, 20)
    y, weights = observed(len(seen), grid)
    some = waves if n_waves is None else Waves(graph, "combinatorial", n_waves, QUIET)
    system = FieldSystem(strengths, some, seen, grid, weights)
    white = system.solve(y, tolerance=1e-9)
    everything, known = pairs(len(seen), grid.times), (weights > 0).ravel()
    # Truncated waves of few nodes are replaced by columns of the full covariance, scaled by
    # the mean variance of the waves.
    sizes = {g: waves.size(*strengths.in_space(g)) for g in ("slow", "fast")}
    assert n_waves is None or some.size(*strengths.in_space("fast")) < sizes["fast"]
    full = dense(_Scaled(waves, some), strengths, seen, grid, everything)
    kernel = full[np.ix_(known, known)] + np.diag(strengths.noise / weights.ravel()[known])
    expected = full[:, known] @ np.linalg.solve(kernel, y.ravel()[known])
    np.testing.assert_allclose(system.field(white).ravel(), expected, atol=1e-5)
    duals = system.duals(y, white).ravel()
    np.testing.assert_allclose(duals[known], np.linalg.solve(kernel, y.ravel()[known]), atol=1e-4)
    assert not duals[~known].any()
    # Between times of the grid, and what is a node's own beside what is shared.
    asked = np.array([3.0, 7.4, 11.25, 22.0])
    across = dense(_Scaled(waves, some), strengths, seen, grid, pairs(len(seen), asked), everything)
    parts = system.parts(white, asked)
    told = across[:, known] @ duals[known]
    np.testing.assert_allclose(sum(parts.values()).ravel(), told, atol=1e-5)
    common = parts["common"]
    np.testing.assert_allclose(common, common[[0]].repeat(len(seen), axis=0), atol=1e-10)


class _Scaled:
    """All waves, in the scale of some."""

    def __init__(self, waves, some):
        self.vectors, self.eigenvalues, self.size = waves.vectors, waves.eigenvalues, some.size


def test_all_nodes_share_what_is_common(waves):
    """Seen everywhere, on the combinatorial Laplacian, it is the same at every node."""
    spatial = in_space(waves, strengths_of(), np.arange(N_NODES))
    np.testing.assert_allclose(spatial["common"], 1.0, atol=1e-8)
    slow = (waves.vectors * waves.spectrum(*strengths_of().in_space("slow"))) @ waves.vectors.T
    np.testing.assert_allclose(spatial["slow"], slow, atol=1e-8)


def test_few_waves_of_many_nodes_leave_a_rest_at_each(graph, monkeypatch):
    """Where columns of the covariance are too many to solve for."""
    monkeypatch.setattr("skginr.smoothing.spacetime._space._MOST_COLUMNS", 0)
    some, seen = Waves(graph, "combinatorial", 2, QUIET), np.arange(8)
    strengths, grid = strengths_of(smooth_fast=9.0), TimeGrid(3.0, 1.0, 20)
    y, weights = observed(8, grid)
    space = SpaceModes(some, seen, *strengths.in_space("fast"))
    n_modes = some.vectors.shape[1] + 1 + 8
    assert space.n_modes == n_modes
    basis = space.from_modes(np.eye(n_modes))
    spatial = {"own": np.eye(8), "common": np.ones((8, 8))}
    for group in ("slow", "fast"):
        spatial[group] = (basis * space.smooth(*strengths.in_space(group))) @ basis.T
    fast = (some.vectors * some.spectrum(*strengths.in_space("fast"))) @ some.vectors.T
    mean = np.full((8, 8), 1 / 8)
    rest = np.eye(8) - mean
    fast = fast[:8, :8]
    expected = mean @ fast @ mean + rest @ fast @ rest
    np.testing.assert_allclose(spatial["fast"], expected, atol=1e-6)
    system = FieldSystem(strengths, some, seen, grid, weights)
    field = system.field(system.solve(y, tolerance=1e-9))
    full = sum(
        np.kron(spatial[g], mirrored(strengths.in_time(g), grid.times, grid.times, grid))
        for g in spatial
    )
    known = (weights > 0).ravel()
    kernel = full[np.ix_(known, known)] + np.diag(strengths.noise / weights.ravel()[known])
    expected = full[:, known] @ np.linalg.solve(kernel, y.ravel()[known])
    np.testing.assert_allclose(field.ravel(), expected, atol=1e-5)


def block_of(waves, seed=0, n_signals=1):
    """Rows of a block, some of a node and time twice, folds that overlap, and an effect."""
    random = np.random.default_rng(seed)
    nodes, of_node = np.unique(random.integers(0, N_NODES, 30), return_inverse=True)
    times, of_time = np.unique(random.integers(0, 12, 30) * 0.7, return_inverse=True)
    effects = 3 * np.multiply.outer(*2 * [random.standard_normal(30)])
    y = random.standard_normal((30, n_signals)) + 0.3
    weights = random.uniform(0.5, 3, 30)
    folds = [np.arange(0, 30, 7), np.array([29]), np.arange(12)]
    lags = np.subtract.outer(times, times)
    return Block(waves.vectors[nodes], of_node, of_time, lags, y, weights, effects, folds), (
        *(nodes[of_node], times[of_time], effects, y, weights, folds),
    )


def held_out(waves, strengths, nodes, times, effects, y, weights, folds):
    """Log densities of folds given the rest, without the constant of pi."""
    lags = np.subtract.outer(times, times)
    kernel = effects + np.diag(strengths.noise / weights)
    for group in ("slow", "fast", "own", "common"):
        spatial = np.eye(N_NODES) if group == "own" else np.ones((N_NODES, N_NODES))
        if group in ("slow", "fast"):
            spectrum = waves.spectrum(*strengths.in_space(group))
            spatial = (waves.vectors * spectrum) @ waves.vectors.T
        kernel += spatial[np.ix_(nodes, nodes)] * strengths.in_time(group).at(lags)
    value = 0.0
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        told = np.linalg.solve(kernel[np.ix_(rest, rest)], kernel[np.ix_(rest, fold)])
        spread = kernel[np.ix_(fold, fold)] - kernel[np.ix_(fold, rest)] @ told
        for signal in y.T:
            off = signal[fold] - told.T @ signal[rest]
            value -= 0.5 * (off @ np.linalg.solve(spread, off) + np.linalg.slogdet(spread)[1])
    return value


DENSITIES = [
    {"periods": (6.0,)},
    {"periods": ()},
    {"periods": (6.0, 4.5), "time_order": 1},
    {"periods": (6.0,), "time_order": 3},
]


@pytest.mark.parametrize("n_signals", [1, 2])
@pytest.mark.parametrize("given", DENSITIES)
def test_densities_of_rows_held_out(waves, given, n_signals):
    strengths = strengths_of(**given)
    block, rows = block_of(waves, n_signals=n_signals)
    parameters = strengths.model.start() + np.linspace(-0.4, 0.4, len(strengths.model.names))
    value, slope = density(strengths.model, waves, parameters, block)
    assert value == pytest.approx(held_out(waves, strengths, *rows), rel=1e-8)
    for i, name in enumerate(strengths.model.names):
        step = 1e-4 * (np.arange(len(parameters)) == i)
        high, low = (
            held_out(waves, strengths.model.at(parameters + sign * step), *rows) for sign in (1, -1)
        )
        assert slope[i] == pytest.approx((high - low) / 2e-4, rel=2e-3, abs=2e-4), name


class Truth:
    """The posterior of a field, densely, with free coefficients of effects.

    As the method has it: smooth parts at nodes unseen are what kriging by the fast covariance tells
    of those seen, and beside that independent; a node's own part there is a draw of its own.
    """

    def __init__(self, waves, strengths, seen, grid, weights, y, effects):
        self.waves, self.strengths, self.seen, self.grid = waves, strengths, seen, grid
        self.known = (weights > 0).ravel()
        self.entries = tuple(part[self.known] for part in pairs(len(seen), grid.times))
        kernel = self.covariance(self.entries, self.entries)
        self.inverse = np.linalg.inv(
            kernel + np.diag(strengths.noise / weights.ravel()[self.known])
        )
        self.y = y.ravel()[self.known]
        self.effects = effects.reshape(len(effects), -1)[:, self.known]
        self.spread = np.linalg.inv(self.effects @ self.inverse @ self.effects.T)
        self.coefficients = self.spread @ self.effects @ self.inverse @ self.y

    def covariance(self, first, second):
        return dense(self.waves, self.strengths, self.seen, self.grid, first, second)

    def posterior(self, asked, effects):
        """Mean and covariance at (number of a seen node, time) pairs."""
        across = self.covariance(asked, self.entries)
        told = across @ self.inverse
        left = effects - told @ self.effects.T
        mean = told @ self.y + left @ self.coefficients
        covariance = self.covariance(asked, asked) - told @ across.T
        return mean, covariance + left @ self.spread @ left.T


def fitted(waves, strengths, seen, grid, seed=0, n_effects=1):
    """A fit by the public door, and the truth."""
    y, weights = observed(len(seen), grid, seed)
    at, when = np.nonzero(weights)
    random = np.random.default_rng(1)
    effects = random.standard_normal((n_effects, *weights.shape)) + 0.2
    y = y + 1.5 * effects.sum(axis=0)
    rows = Rows(seen[at], grid.times[when], effects[:, at, when].T)
    fit = FieldFit.of(strengths, waves, rows, y[at, when], weights[at, when], grid)
    return fit, Truth(waves, strengths, np.sort(seen), grid, weights, y, effects)


def test_means_and_coefficients_are_generalised_least_squares(waves):
    seen, grid = np.array([0, 2, 3, 7, 8]), TimeGrid(3.0, 1.0, 20)
    fit, truth = fitted(waves, strengths_of(), seen, grid, n_effects=2)
    np.testing.assert_allclose(fit.coefficients, truth.coefficients, atol=2e-3)
    np.testing.assert_allclose(fit.covariance, truth.spread, rtol=1e-2, atol=1e-5)
    asked = np.array([0, 1, 4, 2]), np.array([3.0, 12.0, 22.0, 9.3])
    effects = np.random.default_rng(2).standard_normal((4, 2))
    mean, _ = truth.posterior(asked, effects)
    found = fit.mean(waves, Rows(seen[asked[0]], asked[1], effects))
    np.testing.assert_allclose(found, mean, atol=5e-3)


def test_repeated_rows_count_as_often_as_they_are(waves):
    grid, rng = TimeGrid(0.0, 1.0, 12), np.random.default_rng(0)
    nodes, times = rng.integers(0, 9, 40), rng.integers(0, 12, 40).astype(float)
    y, twice = rng.standard_normal(40), rng.integers(0, 3, 40)
    again = np.repeat(np.arange(40), twice)
    asked = Rows(*pairs(9, grid.times), np.empty((108, 0)))
    weighted, repeated = (
        FieldFit.of(
            strengths_of(),
            waves,
            Rows(nodes[rows], times[rows], np.empty((len(rows), 0))),
            y[rows],
            weights,
            grid,
        ).mean(waves, asked)
        for rows, weights in (
            (np.flatnonzero(twice), twice[twice > 0].astype(float)),
            (again, np.ones(len(again))),
        )
    )
    np.testing.assert_allclose(weighted, repeated, atol=1e-10)


@pytest.mark.parametrize("times", [np.array([1.0, 12.0, 25.0]), np.array([22.0, 30.5])])
def test_beyond_the_record_is_the_field_on_a_longer_grid(waves, times):
    seen, grid = np.arange(9), TimeGrid(3.0, 1.0, 20)
    fit, truth = fitted(waves, strengths_of(), seen, grid)
    reaching = fit.reaching(waves, times, QUIET)
    assert reaching.grid.times[0] <= times.min()
    assert reaching.grid.times[-1] >= times.max()
    assert fit.reaching(waves, grid.times[2:5], QUIET) is fit
    truth = Truth(waves, fit.strengths, seen, reaching.grid, reaching.weights,
                  reaching.columns[0], reaching.columns[1:])  # fmt: skip
    asked, effects = (np.zeros(len(times), dtype=int) + 4, times), np.ones((len(times), 1))
    mean, covariance = truth.posterior(asked, effects)
    off = reaching.mean(waves, Rows(asked[0], times, effects)) - mean
    assert (np.abs(off) < 0.03 * np.sqrt(np.diag(covariance))).all()


def test_draws_are_of_the_posterior(waves):
    """At nodes seen, on the grid, between its times, and beyond the record."""
    seen, times = np.array([0, 2, 3, 7, 8]), np.array([4.0, 12.0, 12.5, 19.0, 26.0])
    fit, _ = fitted(waves, strengths_of(), seen, TimeGrid(3.0, 1.0, 20))
    fit = fit.reaching(waves, times, QUIET)
    truth = Truth(waves, fit.strengths, seen, fit.grid, fit.weights,
                  fit.columns[0], fit.columns[1:])  # fmt: skip
    asked = pairs(3, times)
    effects = np.random.default_rng(2).standard_normal((15, 1))
    rows = Rows(seen[asked[0]], asked[1], effects)
    draws = fit.draws(waves, rows, 1500, np.random.RandomState(0), QUIET)
    mean, covariance = truth.posterior(asked, effects)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(draws.mean(axis=1) - mean), 4.5 * spread / 1500**0.5 + 0.02)
    np.testing.assert_allclose(draws.std(axis=1), spread, rtol=0.08)
    correlation = covariance / np.outer(spread, spread)
    np.testing.assert_allclose(np.corrcoef(draws), correlation, atol=0.12)


def test_draws_at_nodes_without_rows(waves):
    """What is common, what is smooth as kriged, and beside it what seen nodes do not tell."""
    seen, grid = np.array([0, 2, 3, 7, 8]), TimeGrid(3.0, 1.0, 20)
    # Of a reach so short that the nodes seen tell little but what is common.
    strengths = strengths_of(kappa_fast=2.0)
    fit, truth = fitted(waves, strengths, seen, grid)
    elsewhere, times = np.array([1, 4]), np.array([4.0, 12.0])
    nodes, moments = np.repeat(elsewhere, 2), np.tile(times, 2)
    rows = Rows(nodes, moments, np.zeros((4, 1)))
    draws = fit.draws(waves, rows, 1500, np.random.RandomState(0), QUIET)
    at_seen = pairs(5, times)
    prior, across = np.zeros((4, 4)), np.zeros((4, truth.known.sum()))
    for group, spatial in in_space(waves, strengths, seen).items():
        in_time = strengths.in_time(group)
        within = mirrored(in_time, times, times, grid)
        if group == "own":
            prior += np.kron(np.eye(2), within)
            continue
        smooth = np.ones((N_NODES, N_NODES))
        if group != "common":
            smooth = (waves.vectors * waves.spectrum(*strengths.in_space(group))) @ waves.vectors.T
        # Each by its own covariance.
        kriged = smooth[np.ix_(elsewhere, seen)] @ np.linalg.pinv(smooth[np.ix_(seen, seen)])
        prior += np.kron(kriged @ spatial @ kriged.T, within)
        told = spatial[np.ix_(at_seen[0], truth.entries[0])]
        told = told * mirrored(in_time, at_seen[1], truth.entries[1], grid)
        across += np.kron(kriged, np.eye(2)) @ told
        if group != "common":
            left = np.eye(9)[elsewhere]
            left[:, seen] -= kriged
            prior += np.kron(left @ smooth @ left.T, within)
    told = across @ truth.inverse
    left = -told @ truth.effects.T
    mean = told @ truth.y + left @ truth.coefficients
    spread = np.sqrt(np.diag(prior - told @ across.T + left @ truth.spread @ left.T))
    np.testing.assert_allclose(fit.mean(waves, rows), mean, atol=0.02)
    np.testing.assert_array_less(np.abs(draws.mean(axis=1) - mean), 4.5 * spread / 1500**0.5 + 0.02)
    np.testing.assert_allclose(draws.std(axis=1), spread, rtol=0.08)


@pytest.mark.parametrize("edges", [[], [(0, 1), (1, 2), (4, 5), (6, 7), (7, 8)]])
def test_what_is_common_is_so_on_graphs_in_pieces_too(edges):
    """All nodes seen, modes are exact whatever the graph."""
    rows, columns = np.array(edges, dtype=int).reshape(-1, 2).T
    half = sp.coo_array((np.ones(len(edges)), (rows, columns)), shape=(N_NODES, N_NODES))
    waves = Waves(Graph.from_adjacency(half + half.T), "combinatorial", None, QUIET)
    space = SpaceModes(waves, np.arange(N_NODES), 0.4, 2)
    basis = space.from_modes(np.eye(N_NODES))
    np.testing.assert_allclose((basis * space.common()) @ basis.T, 1.0, atol=1e-10)
    for kappa in (0.4, 0.05, 3.0):
        found = (basis * space.smooth(kappa, 2)) @ basis.T
        full = (waves.vectors * waves.spectrum(kappa, 2)) @ waves.vectors.T
        np.testing.assert_allclose(found, full, atol=1e-8)
