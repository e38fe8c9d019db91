"""What fitting takes on one thread, nothing else running, every row in a process of its own."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from _graphs import sphere
from _tables import load
from peers._peer import peak_mb
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit

from skginr import CorrectedSmoother, Graph, GraphSmoother

SEED = 3000


def corrected(name):
    """Return seconds to fit the whole on a table, and its held-out R²."""
    table = load(name)
    split = ShuffleSplit(1, test_size=0.1, random_state=SEED)
    train, test = next(split.split(table.X))
    return fit_and_score(
        CorrectedSmoother(graph=table.graph), table.X, table.y, table.y, train, test
    )


def wave(n):
    """Return a sphere's graph, its nodes as X, and a wave on it."""
    adjacency, points = sphere(n)
    graph = Graph.from_adjacency(adjacency)
    truth = np.sin(9 * points[:, 0]) * np.cos(7 * points[:, 1]) + points[:, 2]
    return graph, graph.labels.to_frame(index=False, name="node"), truth


def sphere_corrected(n):
    graph, X, truth = wave(n)
    return on_sphere(CorrectedSmoother(graph=graph), X, truth, noise=0.3)


def sphere_smoothed(n, noise):
    """Return seconds to smooth a noisy wave, strength chosen, and held-out R²."""
    graph, X, truth = wave(n)
    return on_sphere(GraphSmoother(graph=graph, order=2), X, truth, noise)


def on_sphere(model, X, truth, noise):
    rng = np.random.default_rng(SEED)
    y = truth + noise * rng.standard_normal(len(truth))
    train, test = np.split(rng.permutation(len(truth)), [len(truth) * 9 // 10])
    return fit_and_score(model, X, y, truth, train, test)


def fit_and_score(model, X, y, truth, train, test):
    start = time.perf_counter()
    model.fit(X.iloc[train], y[train])
    return time.perf_counter() - start, r2_score(truth[test], model.predict(X.iloc[test]))


JOBS = {
    "CorrectedSmoother, sphere of 3,000 nodes": (sphere_corrected, 3_000),
    "CorrectedSmoother, 3,215 counties with places": (corrected, "unemployment"),
    "CorrectedSmoother, bunny": (corrected, "bunny, symmetric"),
    "GraphSmoother, million nodes, little noise": (sphere_smoothed, 1_048_576, 0.01),
    "GraphSmoother, million nodes, as much noise as signal": (sphere_smoothed, 1_048_576, 1.0),
}


def alone(measure, *arguments):
    """Return what it returns, on one thread, and the peak of memory in GB."""
    import torch

    torch.set_num_threads(1)
    result = measure(*arguments)
    return *result, peak_mb() / 1024


def measure_speed(file):
    rows = []
    context = multiprocessing.get_context("spawn")
    for name, job in JOBS.items():
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            seconds, score, memory = pool.submit(alone, *job).result()
        rows.append({"what": name, "seconds": seconds, "R²": score, "peak GB": memory})
        print(f"{name}: {seconds:.1f} s", flush=True)
    pd.DataFrame(rows).to_csv(file, index=False)
