"""How time and memory grow with the graph, and a search on a cluster of processes.

    python benchmarks/scaling.py           # up to a million nodes, about 10 minutes
    python benchmarks/scaling.py --small   # up to 65,536, about a minute

Needs Linux. Each line of the first table is a process of its own on one thread, and its memory is
what it grew by at its peak. A straight line through the logarithms of the last two sizes says what
ten and a hundred million nodes would take; nothing of that size was run. The second table is a
search over k on the workers of a cluster of this machine, and the pickle of a task's model.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from _graphs import load
from distributed import Client, LocalCluster
from distributed.protocol import pickle
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    SIRENRegressor,
    SpectralEmbedder,
    shared_graphs,
)
from skginr.spectral.eigen._cache import clear_cache

SIZES = (16_384, 65_536, 262_144, 1_048_576)
BEYOND = (10_000_000, 100_000_000)
K = 100
FOLDER = Path("build/scaling")


def main(sizes):
    """Print both tables."""
    for n_nodes in sizes:
        if not kept(n_nodes).exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            # In a process of its own: the hull takes more memory than what is measured.
            script = Path(__file__).with_name("_graphs.py")
            command = [sys.executable, script, f"sphere-{n_nodes}", kept(n_nodes)]
            subprocess.run(command, check=True)
    print("| task | nodes | seconds | memory, MB | grows as n to the (seconds; MB) |")
    print("|---|---|---|---|---|")
    for task in TASKS:
        found = [run(task, n_nodes) for n_nodes in sizes]
        seconds, mb = ([result[name] for result in found] for name in ("seconds", "mb"))
        powers = slope(sizes, seconds), slope(sizes, mb)
        for n_nodes, *row in zip(sizes, seconds, mb, strict=True):
            print(f"| {task} | {n_nodes:,} | {row[0]:.2f} | {row[1]:.0f} | |")
        for n_nodes in BEYOND:
            ratio = n_nodes / sizes[-1]
            row = [
                value * ratio**power
                for value, power in zip((seconds[-1], mb[-1]), powers, strict=True)
            ]
            print(
                f"| {task} | {n_nodes:,}, extrapolated | {row[0]:,.0f} | {row[1]:,.0f} "
                f"| {powers[0]:.2f}; {powers[1]:.2f} |",
                flush=True,
            )
    print()
    on_a_cluster(sizes[1])


def kept(n_nodes):
    """Return the file of the triangulated sphere."""
    return FOLDER / f"sphere-{n_nodes}.npz"


def slope(sizes, values):
    """Return the power of n that the last two sizes say."""
    return np.log(values[-1] / values[-2]) / np.log(sizes[-1] / sizes[-2])


def run(task, n_nodes):
    command = [sys.executable, __file__, "--task", task, "--nodes", str(n_nodes)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=one_thread, check=True)
    return json.loads(done.stdout)


def neighbours(n_nodes):
    _, points = load(kept(n_nodes))
    return lambda: Graph.from_points(points)


def embedding(n_nodes):
    graph, table, _ = wave(n_nodes)
    return lambda: SpectralEmbedder(K, graph=graph).fit(table)


def smoother(n_nodes):
    graph, table, y = wave(n_nodes)
    return lambda: GraphSmoother(graph=graph).fit(table[::2], y[::2])


def epoch(n_nodes):
    X = np.random.default_rng(0).normal(size=(n_nodes, K)).astype(np.float32)
    y = np.sin(X[:, 0])
    network = SIRENRegressor("train", max_epochs=1, batch_size=4096, random_state=0, device="cpu")
    # Loads what torch loads at the first step.
    SIRENRegressor("train", max_epochs=1).fit([[0], [1]], [0, 1])
    return lambda: network.fit(X, y)


TASKS = {
    "neighbour graph of points": neighbours,
    f"embedding, k = {K}": embedding,
    "smoother, strength chosen, half observed": smoother,
    f"one epoch of the network, k = {K}": epoch,
}


def wave(n_nodes):
    """Return a sphere, its nodes, and a noisy wave on them."""
    adjacency, points = load(kept(n_nodes))
    noise = np.random.default_rng(0).normal(scale=0.1, size=n_nodes)
    graph = Graph.from_adjacency(adjacency)
    return graph, pd.DataFrame({"node": graph.labels}), np.sin(5 * points[:, 0]) + noise


def measure(task, n_nodes):
    """Return the seconds of a task, and what its process grew by."""
    do = TASKS[task](n_nodes)
    # The peak from here on is asked for, and not that of making the graph.
    Path("/proc/self/clear_refs").write_text("5")
    before, start = memory_mb("VmRSS"), time.perf_counter()
    do()
    return {"seconds": time.perf_counter() - start, "mb": memory_mb("VmHWM") - before}


def memory_mb(name):
    """Return what Linux says of the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def on_a_cluster(n_nodes):
    """Print how long a search takes on one and on two workers, and the bytes of a task."""
    graph, table, y = wave(n_nodes)
    splits = list(GraphBlockKFold(4, graph=graph).split(table))
    model = make_pipeline(
        SpectralEmbedder(graph=graph, max_components=64),
        SIRENRegressor("train", max_epochs=10, random_state=0, device="cpu"),
    )
    grid = {"spectralembedder__n_components": [8, 16, 32, 64]}
    search = GridSearchCV(model, grid, cv=splits, refit=False, n_jobs=-1)
    # Not the model itself: the search would send a fitted one along with every task.
    clone(model[0]).fit(table)
    print(f"| search of 16 fits on {n_nodes:,} nodes | seconds | bytes of a task's estimator |")
    print("|---|---|---|")
    for n_workers in (1, 2):
        with (
            LocalCluster(
                n_workers=n_workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            client.amm.stop()
            # Loads torch.
            client.run(measure, list(TASKS)[-1], SIZES[0])
            scatter = [table, y, *(rows for split in splits for rows in split)]
            for shared in (False, True):
                client.run(clear_cache)
                graphs = (graph,) if shared else ()
                start = time.perf_counter()
                with (
                    joblib.parallel_config("dask", scatter=scatter),
                    shared_graphs(client, *graphs),
                ):
                    n_bytes = len(pickle.dumps(model))
                    search.fit(table, y)
                how = "graph shared" if shared else "graph in every task"
                print(
                    f"| {n_workers} workers, {how} | {time.perf_counter() - start:.1f} "
                    f"| {n_bytes:,} |",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="up to 65,536 nodes")
    parser.add_argument("--task", choices=list(TASKS), help="one line only, as JSON")
    parser.add_argument("--nodes", type=int, default=SIZES[0])
    given = parser.parse_args()
    if given.task is None:
        main(SIZES[: 2 if given.small else 4])
    else:
        print(json.dumps(measure(given.task, given.nodes)))
