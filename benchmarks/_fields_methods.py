"""What says of a new signal where it was not observed, by an archive of others: skginr and peers.

Each goes from a task to a ``Said``. Those named after the phase mean share one (``usual``) and tell
of what is left of it, the anomaly.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
from _board_peers import Peer
from _graphs import sphere
from _spacetime_methods import in_environment, usual_values
from peers._peer import cpu_seconds, peak_mb
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from skginr import Graph, GraphSmoother, SignalDistribution, SignalGenerator
from skginr.graphs import sphere_points

# Seconds of processor that all of a method may take on a task.
LIMIT = 900
DRAWS = 50
# Of components and of nearest signals, among which methods choose.
NUMBERS = (1, 2, 3, 5, 8, 12, 20, 30)


@dataclass
class Said:
    """Of new signals, noise included, all of shape (n_new, n_nodes)."""

    mean: np.ndarray
    std: np.ndarray | None = None
    # Signals as they may be, of shape (n_draws, n_new, n_nodes).
    draws: np.ndarray | None = None

    def __add__(self, usual):
        draws = None if self.draws is None else self.draws + usual
        return Said(self.mean + usual, self.std, draws)


# --- ours


def ours(task):
    model = SignalDistribution(graph=task.graph, node="node", signal="signal", phase="phase")
    model.fit(*rows(task, task.archive, task.phase))
    found = []
    for signal, phase in zip(task.seen, task.seen_phase, strict=True):
        everywhere = pd.DataFrame({"node": task.graph.labels, "phase": phase})
        at = np.isfinite(signal)
        one = model.condition(everywhere[at], signal[at])
        mean, std = one.predict(everywhere, return_std=True, with_noise=True)
        found.append((mean, std, one.sample_y(everywhere, DRAWS, with_noise=True).T))
    mean, std, draws = (np.stack(part) for part in zip(*found, strict=True))
    return Said(mean, std, draws.swapaxes(0, 1))


def rows(task, signals, phase):
    """Return X, a row for each value of each signal, and y."""
    signal, node = np.nonzero(np.isfinite(signals))
    X = {"signal": signal, "node": task.graph.labels[node], "phase": np.asarray(phase)[signal]}
    return pd.DataFrame(X), signals[signal, node]


# --- phases


def usual(task):
    """Return the mean of each phase, of shape (n_phases, n_nodes), and anomalies of the archive.

    Those are made as wide as anomalies of signals that are not in the mean.
    """
    known = np.isfinite(task.archive)
    if known.all():
        means = np.tile(task.archive.mean(axis=0), (task.n_phases, 1))
        for phase in np.unique(task.phase):
            means[phase] = task.archive[task.phase == phase].mean(axis=0)
    else:
        table = SimpleNamespace(places=task.places, season=task.phase)
        means, _ = usual_values(task.archive, table)
    counts = np.stack([known[task.phase == phase].sum(axis=0) for phase in range(task.n_phases)])
    counts = np.maximum(counts, 2)
    wider = np.sqrt(counts / (counts - 1))[task.phase]
    return means, wider * (task.archive - means[task.phase])


def centred(task):
    """Return the task of anomalies, and the means of the phases of its new signals."""
    means, archive = usual(task)
    normal, inner = means[task.seen_phase], task.inner
    if inner is not None:
        within, usual_within = centred(inner[0])
        inner = within, inner[1] - usual_within
    return replace(task, archive=archive, seen=task.seen - normal, inner=inner), normal


def of_anomalies(method, task):
    """Let a method predict anomalies, and add the means of their phases."""
    anomalies, normal = centred(task)
    return method(anomalies) + normal


def phase_alone(task):
    """The mean of the phase; anomalies of the archive around it."""
    wide = np.broadcast_to(spread(task.archive), task.seen.shape)
    drawn = np.random.default_rng(0).choice(len(task.archive), DRAWS)
    draws = np.broadcast_to(filled(task)[drawn, None], (DRAWS, *task.seen.shape))
    return Said(np.zeros(task.seen.shape), wide, draws)


def spread(archive):
    """Return standard deviations of nodes, about 0; the mean one where little was recorded."""
    counts = np.isfinite(archive).sum(axis=0)
    variance = np.nansum(archive**2, axis=0) / np.maximum(counts, 1)
    return np.sqrt(np.where(counts < 10, variance[counts >= 10].mean(), variance))


def filled(task):
    """Return the archive, the mean of the phase where it has a gap."""
    return np.where(np.isfinite(task.archive), task.archive, usual(task)[0][task.phase])


def chosen(predict, settings, task):
    """Return the setting by which held-out signals of the archive are nearest to their mean."""
    inner, truth = task.inner
    errors = [np.mean((predict(inner, *one) - truth)[inner.asked] ** 2) for one in settings]
    return settings[np.argmin(errors)]


# --- Gaussian distributions of anomalies


def conditioned(covariance, seen):
    """Return what a Gaussian distribution of mean 0, noise included, says of new signals."""
    wide = np.sqrt(np.diag(covariance))
    unit = covariance / wide[:, None] / wide
    root = np.linalg.cholesky(unit + 1e-8 * np.eye(len(unit))) * wide[:, None]
    free = np.random.default_rng(0).standard_normal((DRAWS, len(root))) @ root.T
    mean, std = np.empty(seen.shape), np.empty(seen.shape)
    draws = np.empty((DRAWS, *seen.shape))
    for signals, at in alike(seen):
        weights = weights_of(covariance[at], at)
        left = wide**2 - np.einsum("ij,ij->j", covariance[at], weights)
        mean[signals] = seen[np.ix_(signals, at)] @ weights
        std[signals] = np.sqrt(np.maximum(left, 0))
        shift = seen[np.ix_(signals, at)] - free[:, None, at]
        draws[:, signals] = free[:, None] + shift @ weights
    return Said(mean, std, draws)


def weights_of(rows_of_covariance, at):
    """Return weights of observed nodes, of shape (n_observed, n_nodes)."""
    return cho_solve(cho_factor(rows_of_covariance[:, at]), rows_of_covariance)


def alike(seen):
    """Yield numbers of signals that are observed at the same nodes, and these."""
    patterns, which = np.unique(np.isfinite(seen), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        yield np.flatnonzero(which == number), np.flatnonzero(pattern)


def matern(task):
    """A Matérn covariance of distance between points, as wide at each node as its anomalies."""
    apart = distances(task)

    def some_rows(at, reach, smoothness, noise, wide):
        found = of_distance(apart[at] / reach, smoothness) * wide[at, None] * wide
        found[np.arange(len(at)), at] += noise * np.mean(wide[at] ** 2)
        return found

    def predict(inner, *setting):
        wide, mean = spread(inner.archive), np.empty(inner.seen.shape)
        for signals, at in alike(inner.seen):
            weights = weights_of(some_rows(at, *setting, wide), at)
            mean[signals] = inner.seen[np.ix_(signals, at)] @ weights
        return mean

    settings = [
        (reach, smoothness, noise)
        for reach in (0.05, 0.1, 0.2, 0.5, 1, 2)
        for smoothness in (0.5, 1.5, 2.5)
        for noise in (1e-4, 1e-2, 0.1)
    ]
    setting = chosen(predict, settings, task)
    everywhere = np.arange(len(apart))
    return conditioned(some_rows(everywhere, *setting, spread(task.archive)), task.seen)


def of_distance(r, smoothness):
    if smoothness == 0.5:
        return np.exp(-r)
    if smoothness == 1.5:
        return (1 + 3**0.5 * r) * np.exp(-(3**0.5) * r)
    return (1 + 5**0.5 * r + 5 / 3 * r**2) * np.exp(-(5**0.5) * r)


def distances(task):
    points = sphere_points(task.places["latitude"], task.places["longitude"])
    apart = cdist(points, points)
    return apart / np.median(apart)


def principal_components(task):
    """Probabilistic PCA, its number of components chosen on signals held out."""

    def predict(inner, n_components):
        loadings, noise = components_of(inner.archive, n_components)
        mean = np.empty(inner.seen.shape)
        for signals, at in alike(inner.seen):
            among = noise * np.eye(n_components) + loadings[at].T @ loadings[at]
            codes = np.linalg.solve(among, loadings[at].T @ inner.seen[np.ix_(signals, at)].T)
            mean[signals] = (loadings @ codes).T
        return mean

    most = len(task.inner[0].archive) - 1
    (n_components,) = chosen(predict, [(n,) for n in NUMBERS if n <= most], task)
    loadings, noise = components_of(task.archive, n_components)
    return conditioned(loadings @ loadings.T + noise * np.eye(len(loadings)), task.seen)


def components_of(archive, n_components, n_rounds=100, tolerance=1e-4):
    """Return loadings and the variance of noise, by Tipping and Bishop (1999).

    In closed form; where there are gaps by expectation and maximisation from there on.
    """
    known = np.isfinite(archive)
    values, n_nodes = np.where(known, archive, 0), archive.shape[1]
    _, singular, axes = np.linalg.svd(values, full_matrices=False)
    variances = singular**2 / len(values)
    noise = variances[n_components:].sum() / (n_nodes - n_components)
    loadings = axes[:n_components].T * np.sqrt(np.maximum(variances[:n_components] - noise, 0))
    one, before = np.eye(n_components), np.inf
    for _ in range(0 if known.all() else n_rounds):
        if abs(noise / before - 1) < tolerance:
            break
        before = noise
        squares = (loadings[:, :, None] * loadings[:, None]).reshape(n_nodes, -1)
        doubt = np.linalg.inv((known @ squares).reshape(-1, *one.shape) + noise * one)
        codes = np.einsum("tij,tj->ti", doubt, values @ loadings)
        seconds = codes[:, :, None] * codes[:, None] + noise * doubt
        of_node = (known.T @ seconds.reshape(len(values), -1)).reshape(-1, *one.shape)
        aim = values.T @ codes
        mean = seconds.mean(axis=0)
        loadings = np.linalg.solve(of_node + 1e-9 * np.trace(mean) * one, aim[..., None])[..., 0]
        noise = (np.sum(values**2) - np.sum(loadings * aim)) / known.sum()
        # Codes of variance 1, which it would come to by itself, slowly (Liu, Rubin and Wu 1998).
        loadings = loadings @ np.linalg.cholesky(mean)
    return loadings, noise


# --- others


def analogs(task):
    """The nearest signals of the archive on what is observed; how many, chosen on held-out ones."""

    def members(inner, n_members):
        whole, found = filled(inner), []
        for signal in inner.seen:
            at = np.flatnonzero(np.isfinite(signal))
            apart = (inner.archive[:, at] - signal[at]) ** 2
            shared = np.isfinite(apart).sum(axis=1)
            apart = np.nansum(apart, axis=1) / np.maximum(shared, 1)
            apart[shared < shared.max() / 2] = np.inf
            found.append(whole[np.argsort(apart)[:n_members]])
        return np.stack(found, axis=1)

    def predict(inner, n_members):
        return members(inner, n_members).mean(axis=0)

    # One alone has no spread.
    (n_members,) = chosen(predict, [(n,) for n in NUMBERS if n > 1], task)
    found = members(task, n_members)
    return Said(found.mean(axis=0), draws=found)


def smoothed(task, order):
    """GraphSmoother, which knows of the new signal alone."""
    labels = task.graph.labels.to_frame(index=False, name="node")
    at = np.isfinite(task.seen).any(axis=0)
    model = GraphSmoother(graph=task.graph, order=order).fit(labels[at], task.seen[:, at].T)
    mean, std = model.predict(labels, return_std=True, with_noise=True)
    draws = model.sample_y(labels, DRAWS, with_noise=True)
    return Said(mean.T, std.T, draws.transpose(2, 1, 0))


def reconstructed(task):
    """DINEOF of the archive and all new signals in one matrix."""
    values = np.vstack([task.archive, task.seen])
    recorded = np.isfinite(values).any(axis=0)
    held = np.vstack([np.zeros(task.archive.shape, bool), task.asked])[:, recorded]
    season = np.concatenate([task.phase, task.seen_phase])
    table = SimpleNamespace(season=season, places=task.places[recorded])
    matrix = SimpleNamespace(known=values[:, recorded], held=held, table=table)
    found = np.full(held.shape, np.nan)
    found[held] = in_environment(matrix, Peer("dineof", "pydineof"))[0]
    mean = usual(task)[0][task.seen_phase]
    mean[:, recorded] = found[len(task.archive) :]
    return Said(mean)


OURS = "SignalDistribution"
ELSEWHERE = {
    "pydineof": reconstructed,
    "phase mean + pydineof": partial(of_anomalies, reconstructed),
}
METHODS = {
    OURS: ours,
    "phase mean": partial(of_anomalies, phase_alone),
    "phase mean + GraphSmoother": partial(of_anomalies, partial(smoothed, order=1)),
    "phase mean + GraphSmoother, order 2": partial(of_anomalies, partial(smoothed, order=2)),
    "phase mean + Matérn": partial(of_anomalies, matern),
    "phase mean + probabilistic PCA": partial(of_anomalies, principal_components),
    "phase mean + analogs": partial(of_anomalies, analogs),
    "analogs": analogs,
} | ELSEWHERE


# --- samples of patterns: from an archive and a number of them


def sampled(patterns, n_samples, sampler=SignalDistribution, **given):
    """Our samples, without a phase."""
    signal, node = np.indices(patterns.archive.shape).reshape(2, -1)
    X = pd.DataFrame({"signal": signal, "node": patterns.graph.labels[node]})
    model = sampler(graph=patterns.graph, node="node", signal="signal", **given)
    return model.fit(X, patterns.archive.ravel()).sample(n_samples).to_numpy()


def of_components(patterns, n_samples):
    """Draws of probabilistic PCA with as many components as tell of nine tenths of the variance."""
    mean, rng = patterns.archive.mean(axis=0), np.random.default_rng(0)
    left = patterns.archive - mean
    variances = np.linalg.svd(left, compute_uv=False) ** 2
    n_components = 1 + int(np.searchsorted(np.cumsum(variances) / variances.sum(), 0.9))
    loadings, noise = components_of(left, n_components)
    codes = rng.standard_normal((n_samples, n_components))
    return mean + codes @ loadings.T + noise**0.5 * rng.standard_normal((n_samples, len(mean)))


def white(patterns, n_samples):
    """Each node by itself, as wide as in the archive."""
    mean, std = patterns.archive.mean(axis=0), patterns.archive.std(axis=0)
    return mean + std * np.random.default_rng(0).standard_normal((n_samples, len(mean)))


def drawn_again(patterns, n_samples):
    """Signals of the archive: no sampler does better, and none of these is new."""
    order = np.random.default_rng(0).permutation(len(patterns.archive))
    return patterns.archive[order[:n_samples]]


SAMPLERS = {
    f"{OURS}, gaussian": partial(sampled, marginals="gaussian"),
    f"{OURS}, normal_scores": partial(sampled, marginals="normal_scores"),
    "SignalGenerator": partial(sampled, sampler=SignalGenerator),
    "probabilistic PCA": of_components,
    "white noise": white,
    "the archive itself": drawn_again,
}


# --- seconds


def timed(n_nodes=10_000, n_signals=100, observed=(100, 2000)):
    """Return what a fit and conditioning take, in seconds of processor, and the most memory."""
    adjacency, positions = sphere(n_nodes)
    graph = Graph(adjacency, positions=positions)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((n_signals + 1, 3))
    values = np.sin(4 * np.linalg.norm(positions - centres[:, None], axis=2))
    values += 0.1 * rng.standard_normal(values.shape)
    signal, node = np.indices((n_signals, n_nodes)).reshape(2, -1)
    X = pd.DataFrame({"signal": signal, "node": graph.labels[node]})
    everywhere = graph.labels.to_frame(index=False, name="node")
    before = peak_mb()

    def row(what, target, run):
        start, clock = cpu_seconds(), time.perf_counter()
        found = run()
        spent = {"seconds": cpu_seconds() - start, "by the clock": time.perf_counter() - clock}
        lines.append({"what": what, "target": target} | spent | {"MB more": peak_mb() - before})
        return found

    lines = []
    model = SignalDistribution(graph=graph, node="node", signal="signal")
    what = f"fit, {n_signals} signals of {n_nodes:,} nodes"
    row(what, 300, partial(model.fit, X, values[:-1].ravel()))
    for some in observed:
        at, told = rng.permutation(n_nodes)[:some], f"{some:,} observed"
        new = everywhere.iloc[at], values[-1, at]
        one = row(f"condition, {told}", 1, partial(model.condition, *new))
        row(f"predict, {told}", 1, partial(one.predict, everywhere))
        row(f"predict with std, {told}", None, partial(one.predict, everywhere, return_std=True))
        row(f"{DRAWS} draws, {told}", None, partial(one.sample_y, everywhere, DRAWS))
    return lines
