"""Random maps as smooth as a given one: how near, how fast, and are p-values by them right.

    python benchmarks/surrogates.py                 all of it, about 40 minutes
    python benchmarks/surrogates.py --only brain    or conte69, or pvalues

brain: maps of fsaverage5, ours beside brainsmash's. That runs in an environment of its own, and is
left out where there is none: BRAINSMASH_PYTHON names the interpreter, else it is

    python -m venv build/peers/brainsmash
    build/peers/brainsmash/bin/pip install brainsmash==0.11.0 "numpy<2.5"

conte69: 32,492 vertices (SKGINR_DATA). pvalues: how often two maps that have nothing to do with
each other correlate at a nominal 5%. Writes benchmarks/results/surrogates.md.

The mismatch is the root mean square of the difference of two variograms, over that of the
signal's: of the mean variogram of surrogates, and the median of those of each. Over pairs that were
not used to fit, the nearest quarter, 25 distances.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import scipy.sparse as sp
from _board_report import markdown
from _worker import peak_mb
from scipy.spatial.distance import cdist

from skginr import Graph, correlate_maps, make_surrogates
from skginr.datasets import fetch_conte69, load_fsaverage5, load_us_unemployment
from skginr.graphs import laplacian_of
from skginr.smoothing._variogram import Variogram

HERE = Path(__file__).parent
PEER = HERE.parent / "build" / "peers" / "brainsmash" / "bin" / "python"
LEVEL, N_NULL = 0.05, 99


def mismatch(graph, signal, surrogates):
    unit = signal / np.nanstd(signal)
    rng = np.random.RandomState(12345)
    variogram = Variogram(graph.edge_lengths, unit, rng, n_pairs=10_000)
    aim, maps = variogram.of_signal, surrogates[:, None, variogram.nodes] / np.nanstd(signal)
    each = np.array([variogram.of(one) for one in maps])
    of_each = np.linalg.norm(each - aim, axis=1) / np.linalg.norm(aim)
    mean = np.linalg.norm(each.mean(axis=0) - aim) / np.linalg.norm(aim)
    return {"mismatch of mean": float(mean), "of each": float(np.median(of_each))}


def alone(function, *arguments):
    """Call a function in a process of its own, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def ours(graph, signal, n_surrogates=100):
    before, start = peak_mb(), time.process_time()
    maps = make_surrogates(graph, signal, n_surrogates=n_surrogates)
    seconds = time.process_time() - start
    return {"s of CPU": seconds, "MB": peak_mb() - before} | mismatch(graph, signal, maps)


def brainsmash(graph, signal, n_surrogates, resample):
    python = Path(os.environ.get("BRAINSMASH_PYTHON", PEER))
    if not python.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        lengths = graph.edge_lengths
        parts = {"data": lengths.data, "indices": lengths.indices, "indptr": lengths.indptr}
        np.savez(path, signal=signal, n_surrogates=n_surrogates, resample=resample, **parts)
        command = [python, HERE / "peers" / "brainsmash_maps.py", path]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(run.stdout.splitlines()[-1])
        return found | mismatch(graph, signal, np.load(f"{path}.maps.npy"))


def brain():
    data = load_fsaverage5()
    for name in ("thickness", "curvature", "sulcal_depth"):
        signal = data.frame[name].to_numpy()
        rows = {"skginr": alone(ours, data.graph, signal)}
        for resample in (True, False):
            label = f"brainsmash, {'same values' if resample else 'Gaussian values'}, 20 maps"
            rows[label] = brainsmash(data.graph, signal, 20, resample)
        yield from ({"map": name, "by": by} | row for by, row in rows.items() if row)


def heat(graph, reach):
    """Return what draws noise that has diffused over a mesh: smoother than any of our fields."""
    operator = laplacian_of(graph, "cotangent")
    step = sp.diags_array(operator.mass) + reach**2 / 16 * operator.stiffness
    factor = sp.linalg.splu(sp.csc_array(step))

    def draw(rng, n_maps):
        block = rng.standard_normal((graph.n_nodes, n_maps)) / operator.mass[:, None] ** 0.5
        for _ in range(8):
            block = factor.solve(operator.mass[:, None] * block)
        return block.T

    return draw


def conte69():
    data = fetch_conte69()
    known = data.frame["myelin"].notna()
    smooth = heat(data.graph, 8.0)(np.random.default_rng(0), 1)[0]
    signals = {
        "thickness, wall masked": data.frame["thickness"],
        "gradient, wall masked": data.frame["gradient"],
        "diffused noise, no mask": smooth,
        "myelin, upper tenth, binary": (data.frame["myelin"].rank(pct=True) > 0.9).where(known),
    }
    for name, signal in signals.items():
        yield {"map": name} | alone(ours, data.graph, np.asarray(signal, dtype=float))


def sphere():
    """2,500 points on a sphere of radius 100, and maps diffused over it."""
    n = 2500
    middle = np.arange(n) + 0.5
    longitude = np.degrees(np.pi * (1 + 5**0.5) * middle) % 360 - 180
    ball = Graph.from_sphere(np.degrees(np.arcsin(1 - 2 * middle / n)), longitude)
    graph = Graph.from_mesh(100 * ball.positions, ball.faces)
    return graph, {f"diffused by {reach}": heat(graph, reach) for reach in (5, 10, 20)}


def counties():
    """The map of counties, all its islands, and processes in space."""
    graph = Graph.from_geodataframe(load_us_unemployment(), labels="fips")
    apart = cdist(graph.positions, graph.positions) / 1000

    def process(covariance):
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return lambda rng, n_maps: (root @ rng.standard_normal((len(root), n_maps))).T

    return graph, {
        "Gaussian, 150 km": process(np.exp(-((apart / 150) ** 2))),
        "Gaussian, 400 km": process(np.exp(-((apart / 400) ** 2))),
        "exponential, 200 km, with noise": process(
            0.8 * np.exp(-apart / 200) + 0.2 * np.eye(len(apart))
        ),
    }


def one_pair(graph, first, second, seed):
    surrogates = make_surrogates(graph, first, n_surrogates=N_NULL, random_state=seed)
    by_surrogates = correlate_maps(graph, first, second, surrogates=surrogates)
    rng = np.random.default_rng(seed)
    permuted = rng.permuted(np.tile(first, (N_NULL, 1)), axis=1)
    by_permutation = correlate_maps(graph, first, second, surrogates=permuted)
    return by_surrogates.pvalue <= LEVEL, by_permutation.pvalue <= LEVEL


def pvalues(n_pairs):
    for place, (graph, kinds) in {"sphere": sphere(), "counties": counties()}.items():
        every = []
        for name, draw in kinds.items():
            maps = draw(np.random.default_rng(1), 2 * n_pairs)
            found = joblib.Parallel(2)(
                joblib.delayed(one_pair)(graph, maps[i], maps[n_pairs + i], i)
                for i in range(n_pairs)
            )
            every += found
            yield row_of(place, name, found)
        yield row_of(place, "all", every)


def row_of(place, name, found):
    ours, naive = np.mean(found, axis=0)
    error = (LEVEL * (1 - LEVEL) / len(found)) ** 0.5
    row = {"graph": place, "maps": name, "pairs": len(found), "surrogates": ours}
    return row | {"permutation": naive, "standard error at 5%": error}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["brain", "conte69", "pvalues"])
    parser.add_argument("--pairs", type=int, default=110, help="of each kind of maps")
    given = parser.parse_args()
    parts = {"brain": brain, "conte69": conte69, "pvalues": lambda: pvalues(given.pairs)}
    lines = []
    for name, part in parts.items():
        if given.only in (None, name):
            table = ["", f"## {name}", "", *markdown(pd.DataFrame(list(part())))]
            print("\n".join(table), flush=True)
            lines += table
    results = HERE / "results" / "surrogates.md"
    results.parent.mkdir(exist_ok=True)
    results.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
