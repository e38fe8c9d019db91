"""What a long table of nodes and times costs in memory, coordinates indexed or as an array.

    python benchmarks/memory.py                     # ten million rows, about 15 minutes
    python benchmarks/memory.py --rows 1000000      # about two minutes

Each line is a process of its own: the most memory it ever held, beyond that after its imports and
with the table and the signal in place. Where it predicts, the model was fitted to few rows.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from _graphs import sphere
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skginr import Graph, SIRENRegressor, SpectralEmbedder

N_NODES = 35_000
FEW_ROWS = 10 * N_NODES
# Rows of an array of coordinates, as a share of those of an indexed column.
ARRAY_SHARE = 0.1
TARGET_MB = 1500


def main(n_rows):
    print("| task | output | k | rows | seconds | peak, MB | bytes a row | target |")
    print("|---|---|---|---|---|---|---|---|")
    for task in ("fit", "predict"):
        for output, share in (("indexed", 1), ("array", ARRAY_SHARE)):
            for k in (10, 100):
                report(task, output, k, int(share * n_rows))


def report(task, output, k, n_rows):
    command = [sys.executable, __file__, "--task", task, "--output", output]
    command += ["--k", str(k), "--rows", str(n_rows)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    target = ""
    if output == "indexed":
        target = f"<= {TARGET_MB}: {'met' if found['mb'] <= TARGET_MB else 'MISSED'}"
    per_row = found["mb"] * 2**20 / n_rows
    print(
        f"| {task} | {output} | {k} | {n_rows:,} | {found['seconds']:.0f} | {found['mb']:.0f} "
        f"| {per_row:.0f} | {target} |",
        flush=True,
    )


def measure(task, output, k, n_rows):
    graph = Graph.from_adjacency(sphere(N_NODES)[0])
    # Loads what torch loads at the first step.
    SIRENRegressor("train", max_epochs=1).fit([[0], [1]], [0, 1])
    X, y = table(n_rows)
    columns = make_column_transformer(
        (SpectralEmbedder(k, graph=graph, output=output), ["node"]), (MinMaxScaler(), ["time"])
    ).set_output(transform="pandas")
    network = SIRENRegressor("train", max_epochs=1, batch_size=4096, device="cpu", random_state=0)
    model = make_pipeline(columns, network)
    if task == "predict":
        model.fit(X[:FEW_ROWS], y[:FEW_ROWS])
    before, start = peak_mb(), time.perf_counter()
    if task == "fit":
        model.fit(X, y)
    else:
        model.predict(X)
    return {"mb": peak_mb() - before, "seconds": time.perf_counter() - start}


def table(n_rows):
    """Return rows of nodes and times, and a wave."""
    n_times = -(-n_rows // N_NODES)
    node = np.tile(np.arange(N_NODES), n_times)[:n_rows]
    moment = np.repeat(np.arange(n_times, dtype=float), N_NODES)[:n_rows]
    return pd.DataFrame({"node": node, "time": moment}), np.sin(moment)


def peak_mb():
    """Return the most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="of indexed columns")
    parser.add_argument("--task", choices=["fit", "predict"], help="one line only, as JSON")
    parser.add_argument("--output", choices=["indexed", "array"], default="indexed")
    parser.add_argument("--k", type=int, default=100)
    given = parser.parse_args()
    if given.task is None:
        main(given.rows)
    else:
        print(json.dumps(measure(given.task, given.output, given.k, given.rows)))
