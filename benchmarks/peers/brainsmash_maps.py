"""Surrogate maps by brainsmash: reads a task of benchmarks/surrogates.py, writes maps beside it."""

import json
import resource
import sys
import time

import numpy as np
import scipy.sparse as sp
from brainsmash.mapgen.sampled import Sampled
from scipy.sparse.csgraph import dijkstra


def main(path):
    task = np.load(path)
    signal = task["signal"]
    n_nodes = len(signal)
    lengths = sp.csr_array(
        (task["data"], task["indices"], task["indptr"]), shape=(n_nodes, n_nodes)
    )
    before, start = peak_mb(), time.process_time()
    distances = dijkstra(lengths)
    index = np.argsort(distances, axis=1)
    distances = np.take_along_axis(distances, index, axis=1)
    # The nearest quarter of pairs, as in its class for small maps.
    generator = Sampled(signal, distances, index, pv=25, resample=bool(task["resample"]), seed=0)
    maps = generator(n=int(task["n_surrogates"]))
    seconds = time.process_time() - start
    np.save(f"{path}.maps.npy", np.asarray(maps))
    print(json.dumps({"s of CPU": seconds, "MB": peak_mb() - before}))


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


main(sys.argv[1])
