"""The last layer in closed form, against fits without the rows that are held out."""

import numpy as np
import pytest
import torch

from skginr.network.solving._readout import (
    LeaveBlocksOut,
    LeaveOneOut,
    RidgeProblem,
    solve_readout,
    strengths_tried,
)

STRENGTHS = 10.0 ** torch.arange(-2, 2, dtype=torch.float64)


@pytest.fixture(params=[(40, 12), (15, 40)], ids=["more rows", "more features"])
def table(request):
    """Features, targets, weights and priors: means far from 0, and some features expected large."""
    n_rows, n_features = request.param
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 2, n_rows)
    parts = (
        rng.standard_normal((n_rows, n_features)) + 1,
        rng.standard_normal((n_rows, 2)) + 3,
        weight / weight.mean(),
        rng.uniform(0.3, 2, n_features),
    )
    return tuple(torch.from_numpy(part) for part in parts)


def problem_of(table):
    features, target, weight, prior = table
    return RidgeProblem(lambda rows: features[rows], target, weight, prior, STRENGTHS)


def directly(table, kept, strength):
    """Return the ridge regression of some rows, by its normal equations, as a function."""
    features, target, weight, prior = (part.numpy() for part in table)
    X, y, w = features[kept] * prior, target[kept], weight[kept]
    mean, mean_y = w @ X / w.sum(), w @ y / w.sum()
    centred = X - mean
    products = (w[:, None] * centred).T @ centred + strength * np.eye(X.shape[1])
    slope = np.linalg.solve(products, (w[:, None] * centred).T @ (y - mean_y))
    return lambda rows: mean_y + (features[rows] * prior - mean) @ slope


@pytest.mark.parametrize("kept", [1 << 25, 100], ids=["kept", "made again"])
def test_rows_left_out_are_as_if_fitted_without_them(table, kept, monkeypatch):
    monkeypatch.setattr("skginr.network.solving._readout._KEPT", kept)
    missing = torch.cat([part for _, part in LeaveOneOut(problem_of(table)).residuals()])
    n_rows = len(table[0])
    for row in range(n_rows):
        others = np.delete(np.arange(n_rows), row)
        for number, strength in enumerate(STRENGTHS.tolist()):
            expected = table[1][row].numpy() - directly(table, others, strength)(row)
            np.testing.assert_allclose(missing[row, :, number], expected, atol=1e-9)


@pytest.mark.parametrize("kept", [1 << 25, 100], ids=["kept", "made again"])
def test_blocks_left_out_are_as_if_fitted_without_them(table, kept, monkeypatch):
    monkeypatch.setattr("skginr.network.solving._readout._KEPT", kept)
    blocks = torch.arange(len(table[0])) % 4
    way = LeaveBlocksOut(problem_of(table), blocks)
    missing = torch.cat([part for _, part in way.residuals()])
    for block in range(4):
        inside, others = (np.flatnonzero(blocks == block), np.flatnonzero(blocks != block))
        for number, strength in enumerate(STRENGTHS.tolist()):
            expected = table[1][inside].numpy() - directly(table, others, strength)(inside)
            np.testing.assert_allclose(missing[inside][:, :, number], expected, atol=1e-9)


def test_the_layer_is_the_average_of_its_strengths(table):
    """Weights and held-out predictions are averages with the shares that errors give."""
    features, target, weight, _ = table
    found = solve_readout(problem_of(table))
    everything = np.arange(len(target))
    fits = np.stack([directly(table, everything, s)(everything) for s in STRENGTHS.tolist()])
    missing = torch.cat([part for _, part in LeaveOneOut(problem_of(table)).residuals()]).numpy()
    errors = np.einsum("i,iok->ok", weight.numpy(), missing**2)
    shares = np.exp(-0.6 * np.sqrt(len(target)) * (errors / errors.min(axis=1)[:, None] - 1))
    shares /= shares.sum(axis=1)[:, None]
    np.testing.assert_allclose(
        features @ found.weight.T + found.bias, np.einsum("kio,ok->io", fits, shares), atol=1e-9
    )
    np.testing.assert_allclose(
        target - found.held_out, np.einsum("iok,ok->io", missing, shares), atol=1e-9
    )


def test_one_strength_serves_all_outputs_if_asked(table):
    """Of two outputs with other errors, one layer of both is not that of each."""
    together = solve_readout(problem_of(table), together=True)
    apart = solve_readout(problem_of(table))
    assert not torch.allclose(together.weight, apart.weight, rtol=1e-4)


def test_noise_gives_the_mean_and_a_line_the_line():
    rng = np.random.default_rng(1)
    features = torch.from_numpy(rng.standard_normal((200, 5)))
    noise = torch.from_numpy(rng.standard_normal((200, 1))) + 7
    line = features @ torch.arange(1.0, 6, dtype=torch.float64)[:, None] - 2
    target = torch.cat([noise, line], dim=1)
    ones = torch.ones(200, dtype=torch.float64)
    strengths = strengths_tried(target.device)
    problem = RidgeProblem(lambda rows: features[rows], target, ones, ones[:5], strengths)
    found = solve_readout(problem)
    # Of noise, no worse than the mean of the others, nearly: what is left of slopes is small.
    held_out, slopes = (noise[:, 0] - found.held_out[:, 0]).var(), found.weight[0].norm()
    assert held_out < 1.04 * noise.var()
    exact = torch.linalg.lstsq(features - features.mean(dim=0), noise - noise.mean()).solution
    assert 0 < slopes < exact.norm()
    np.testing.assert_allclose(found.bias[0], noise.mean(), atol=0.02)
    np.testing.assert_allclose(found.weight[1], np.arange(1, 6), atol=1e-6)
    np.testing.assert_allclose(found.bias[1], -2, atol=1e-6)
    np.testing.assert_allclose(found.held_out[:, 1:], line, atol=1e-6)
