"""How time and memory grow with the graph, to ten million nodes, and a search on a cluster.

    python benchmarks/scaling.py           # to ten million nodes: an hour, 20 GB of memory
    python benchmarks/scaling.py --small   # to 262,442, some minutes
    python benchmarks/scaling.py --cluster # the search alone

Needs Linux. Every task is a process of its own on one thread, and its memory is what it grew by at
its peak. Graphs, eigenvectors and lines that are done are kept in build/scaling: a run that was
ended goes on from there, and a deleted folder begins anew.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from _graphs import geodesic
from distributed import Client, LocalCluster
from distributed.protocol import pickle
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    SIRENRegressor,
    SpectralEmbedder,
    load,
    save,
    shared_graphs,
)
from skginr.spectral.eigen._cache import clear_cache

# Of the geodesic spheres: 65,612, 262,442, 1,049,762 and 10,000,002 vertices.
FREQUENCIES = (81, 162, 324, 1000)
# Beyond, a hundred coordinates are gigabytes of a table that 16 tell as much about.
MOST_WITH_MANY = 2_000_000
FEW, MANY = 16, 100
FOLDER = Path("build/scaling")
BASES, RESULTS = FOLDER / "bases", FOLDER / "results.jsonl"
COLUMNS = ("seconds", "cpu", "peak")


def main(frequencies):
    """Print the table of sizes, and the powers of n by which it grows."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("| task | nodes | seconds | CPU seconds | peak, GB | bytes a node |")
    print("|---|---|---|---|---|---|")
    for task in TASKS:
        for frequency in frequencies:
            n_nodes = size_of(frequency)
            if task != "many" or n_nodes <= MOST_WITH_MANY:
                run(task, frequency)
            for name, line in lines_of(task, n_nodes).items():
                seconds, cpu, peak = (line[column] for column in COLUMNS)
                print(
                    f"| {name} | {n_nodes:,} | {seconds:.1f} | {cpu:.1f} | {peak / 1e9:.2f} "
                    f"| {peak / n_nodes:,.0f} |",
                    flush=True,
                )
    print("\n| task | CPU seconds grow as n to the | peak |\n|---|---|---|")
    for task in TASKS:
        sizes = [size_of(frequency) for frequency in frequencies]
        first, last = (lines_of(task, size) for size in (sizes[0], sizes[-1]))
        for name in first.keys() & last.keys():
            powers = [
                np.log(last[name][column] / first[name][column]) / np.log(sizes[-1] / sizes[0])
                for column in ("cpu", "peak")
            ]
            print(f"| {name} | {powers[0]:.2f} | {powers[1]:.2f} |")


def size_of(frequency):
    return 10 * frequency**2 + 2


def lines_of(task, n_nodes):
    """Return what is known of a task: name -> seconds, cpu and peak."""
    if not RESULTS.exists():
        return {}
    lines = map(json.loads, RESULTS.read_text().splitlines())
    return {line["name"]: line for line in lines if line["of"] == [task, n_nodes]}


def run(task, frequency):
    """Do a task in a process of its own, unless it is done."""
    if lines_of(task, size_of(frequency)):
        return
    command = [
        sys.executable,
        "-W",
        "ignore",
        __file__,
        "--task",
        task,
        "--frequency",
        str(frequency),
    ]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=one_thread, check=False)
    if done.returncode:
        print(f"{task} of {size_of(frequency):,} nodes ended with {done.returncode}", flush=True)
    else:
        with RESULTS.open("a") as stream:
            stream.write(done.stdout)


def points(frequency):
    positions, _ = geodesic(frequency)
    yield "`Graph.from_points`, 10 neighbours", lambda: Graph.from_points(positions)


def mesh(frequency):
    positions, faces = geodesic(frequency)
    made = []
    yield "`Graph.from_mesh`", lambda: made.append(Graph.from_mesh(positions, faces))
    yield "`save` of the graph", lambda: save(made[0], kept(frequency))


def smoother(frequency):
    graph, table, y = wave(frequency)
    model = GraphSmoother(graph=graph, verbose=1)
    yield (
        "`GraphSmoother`, strength chosen, half observed",
        lambda: model.fit(table[::2], y[::2]),
    )
    yield "`predict` of the smoother", lambda: model.predict(table)


def embedding(frequency):
    yield from eigenvectors(frequency, FEW, BASES)


def many(frequency):
    yield from eigenvectors(frequency, MANY, None)


def eigenvectors(frequency, k, memory):
    graph, table, _ = wave(frequency)
    model = SpectralEmbedder(k, graph=graph, max_components=k, memory=memory, verbose=1)
    yield f"`SpectralEmbedder({k})`", lambda: model.fit(table)


def network(frequency):
    graph, table, y = wave(frequency)
    embedder = SpectralEmbedder(
        FEW, graph=graph, max_components=FEW, memory=BASES, output="indexed"
    )
    columns = make_column_transformer((embedder, ["node"]))
    columns.set_output(transform="pandas")
    network = SIRENRegressor("train", max_epochs=1, batch_size=4096, random_state=0, device="cpu")
    # Loads what torch loads at the first step.
    SIRENRegressor("train", max_epochs=1).fit([[0], [1]], [0, 1])
    rows = []
    yield (
        f"the {FEW} eigenvectors read and checked, an indexed column of them",
        lambda: rows.append(columns.fit_transform(table)),
    )
    yield "one epoch of `SIRENRegressor`", lambda: network.fit(rows[0], y)
    yield "`predict` of the network", lambda: network.predict(rows[0])


TASKS = {
    "points": points,
    "mesh": mesh,
    "smoother": smoother,
    "many": many,
    "embedding": embedding,
    "network": network,
}


def kept(frequency):
    """Return the file of the sphere's graph."""
    return FOLDER / f"sphere-{frequency}.skginr"


def wave(frequency):
    """Return a sphere, its nodes, and a noisy wave on them."""
    graph = load(kept(frequency))
    noise = np.random.default_rng(0).normal(scale=0.1, size=graph.n_nodes)
    y = np.sin(5 * graph.positions[:, 0]) + noise
    return graph, pd.DataFrame({"node": graph.labels}), y


def measure(task, frequency):
    """Print a line of JSON for every part of a task."""
    for name, do in TASKS[task](frequency):
        # The peak from here on is asked for, and not that of making the graph.
        Path("/proc/self/clear_refs").write_text("5")
        before, start, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
        do()
        numbers = time.perf_counter() - start, time.process_time() - cpu, memory("VmHWM") - before
        line = dict(zip(COLUMNS, numbers, strict=True))
        print(json.dumps({"of": [task, size_of(frequency)], "name": name} | line))


def memory(name):
    """Return bytes that Linux says of the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def on_a_cluster(frequency):
    """Print how long a search takes on one and on two workers, and the bytes of a task."""
    positions, faces = geodesic(frequency)
    graph = Graph.from_mesh(positions, faces)
    table = pd.DataFrame({"node": graph.labels})
    y = np.sin(5 * positions[:, 0])
    splits = list(GraphBlockKFold(4, graph=graph).split(table))
    model = make_pipeline(
        SpectralEmbedder(graph=graph, max_components=64),
        SIRENRegressor("train", max_epochs=10, random_state=0, device="cpu"),
    )
    grid = {"spectralembedder__n_components": [8, 16, 32, 64]}
    search = GridSearchCV(model, grid, cv=splits, refit=False, n_jobs=-1)
    # Not the model itself: the search would send a fitted one along with every task.
    clone(model[0]).fit(table)
    print(
        f"| search of 16 fits on {graph.n_nodes:,} nodes | seconds | times as fast "
        f"| bytes of a task's estimator |"
    )
    print("|---|---|---|---|")
    alone = None
    for how, n_workers, graphs in (
        ("one worker, one after the other", 1, ()),
        ("two workers, graph in every task", 2, ()),
        ("two workers, graph shared", 2, (graph,)),
    ):
        seconds, n_bytes = search_on(n_workers, search, table, y, splits, graphs)
        alone = alone or seconds
        print(f"| {how} | {seconds:.1f} | {alone / seconds:.2f} | {n_bytes:,} |", flush=True)


def search_on(n_workers, search, table, y, splits, graphs):
    """Return the seconds of a search, and the bytes of a task's estimator."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.amm.stop()
        # Loads torch.
        client.run(lambda: SIRENRegressor("train", max_epochs=1).fit([[0], [1]], [0, 1]) and None)
        client.run(clear_cache)
        scatter = [table, y, *(rows for split in splits for rows in split)]
        start = time.perf_counter()
        if n_workers == 1:
            # With one worker joblib would fit in this process.
            client.submit(fit_in_turn, search, table, y).result()
            return time.perf_counter() - start, len(pickle.dumps(search.estimator))
        with joblib.parallel_config("dask", scatter=scatter), shared_graphs(client, *graphs):
            n_bytes = len(pickle.dumps(search.estimator))
            search.fit(table, y)
        return time.perf_counter() - start, n_bytes


def fit_in_turn(search, table, y):
    """Do a search in this process."""
    search.set_params(n_jobs=None).fit(table, y)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="to 262,442 nodes")
    parser.add_argument("--cluster", action="store_true", help="the search on a cluster alone")
    parser.add_argument("--again", action="store_true", help="forget what was done before")
    parser.add_argument("--task", choices=list(TASKS), help="one task only, as lines of JSON")
    parser.add_argument("--frequency", type=int, default=FREQUENCIES[0])
    given = parser.parse_args()
    if given.task is not None:
        measure(given.task, given.frequency)
    else:
        if given.again:
            shutil.rmtree(FOLDER, ignore_errors=True)
        if not given.cluster:
            main(FREQUENCIES[:2] if given.small else FREQUENCIES)
            print()
        on_a_cluster(FREQUENCIES[0])
