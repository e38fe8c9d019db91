"""Signals never seen, from a few nodes and an archive of others: skginr and what else there is.

    python benchmarks/fields.py                              everything
    python benchmarks/fields.py --only colorado patterns     some tables
    python benchmarks/fields.py --methods SignalDistribution other rows stay
    python benchmarks/fields.py --report                     the tables of what is there

ERA5: temperature of 1,617 nodes, a week of hours, and every fifth later hour from 1, 5 and 20% of
the nodes. Navy: winds u and v at 2,500 nodes, three years of months, and those of the fourth.
Colorado: months of 376 stations, the last fifth of them from a tenth of the stations that report.
Patterns: samples beside patterns of reaction and diffusion that were held out. Time: fit and
condition on 10,000 nodes.

R² is about the mean of each new signal at its unobserved nodes, squares of all signals added up;
CRPS and energy score (of all of those nodes at once, 50 draws, by the root of their number) are in
units of the signal, and smaller is better; of a method without a spread they are the absolute error
and the norm of errors. Coverage is of 90% intervals. Draws, intervals hold noise. Seconds are
of processor, one thread. Methods may take 15 minutes. pydineof runs in an environment of its own
(make peers).
"""

import argparse
import os
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _board_report import crps, markdown
from _child import in_child
from _fields_methods import ELSEWHERE, LIMIT, METHODS, OURS, SAMPLERS, timed
from _fields_tables import CASES, load, patterns
from scipy.special import ndtri
from scipy.stats import wasserstein_distance

from skginr.smoothing._variogram import Variogram

FILE = Path(__file__).parent / "results" / "fields.csv"
KEYS = ["table", "observed", "seed", "method"]
SCORES = {
    "fields": ["R2", "CRPS", "energy", "coverage", "seconds", "MB"],
    "patterns": ["energy", "variogram", "values", "edges", "seconds", "MB"],
    "time": ["seconds", "by the clock", "MB more", "target"],
}
COLUMNS = [*KEYS, *dict.fromkeys(name for some in SCORES.values() for name in some), "failed"]


# --- new signals


def measure(name, share, seed, method):
    task, truth = load(name, share, seed)
    found = in_child(METHODS[method], task, LIMIT)
    row = dict(zip(KEYS, [name, f"{share:.0%}", seed, method], strict=True))
    if "failed" in found:
        return row | found
    row |= scores(truth, task.asked, found["said"]) | {"seconds": found["seconds"]}
    # Of a peer's own environment it would be the memory of what waits for it.
    return row | ({} if method in ELSEWHERE else {"MB": found["peak_mb"]})


def scores(truth, asked, said):
    if not np.isfinite(said.mean[asked]).all():
        return {"failed": "predictions are not finite"}
    errors, y = (truth - said.mean)[asked], np.where(asked, truth, 0)
    counts = asked.sum(axis=1)
    centres = y.sum(axis=1) / counts
    spread = np.sum((truth - centres[:, None])[asked] ** 2)
    row = {"R2": 1 - np.sum(errors**2) / spread}
    if said.std is not None:
        row["coverage"] = np.mean(np.abs(errors) <= ndtri(0.95) * said.std[asked])
        row["CRPS"] = np.mean(crps(truth[asked], said.mean[asked], said.std[asked]))
    elif said.draws is not None:
        drawn = said.draws[:, asked]
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        row["coverage"] = np.mean((low <= truth[asked]) & (truth[asked] <= high))
        row["CRPS"] = np.mean(ensemble_crps(drawn, truth[asked]))
    else:
        row["CRPS"] = np.mean(np.abs(errors))
    draws = said.mean[None] if said.draws is None else said.draws
    energies = [
        energy_score(draws[:, i, at], truth[i, at]) for i, at in enumerate(asked) if at.any()
    ]
    return row | {"energy": np.mean(energies)}


def ensemble_crps(draws, y):
    """Return the CRPS of draws, first axis, as if there were any number of them (Ferro 2014)."""
    n, ranks = len(draws), np.arange(1, len(draws) + 1).reshape(-1, *[1] * y.ndim)
    # Of sorted values, the sum of all differences.
    apart = 2 * np.sum((2 * ranks - n - 1) * np.sort(draws, axis=0), axis=0)
    return np.mean(np.abs(draws - y), axis=0) - apart / (2 * n * max(n - 1, 1))


def energy_score(draws, y):
    """Return the energy score of draws of shape (n_draws, n_nodes), likewise, by sqrt(n_nodes)."""
    n = len(draws)
    near = np.mean(np.linalg.norm(draws - y, axis=1))
    squares = np.sum(draws**2, axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * draws @ draws.T, 0))
    np.fill_diagonal(apart, 0)
    return (near - apart.sum() / (2 * n * max(n - 1, 1))) / np.sqrt(len(y))


# --- samples


def compare(method, task, n_samples=100):
    """Return how far samples are from held-out patterns."""
    found = in_child(lambda task: SAMPLERS[method](task, n_samples), task, LIMIT)
    row = dict(zip(KEYS, ["patterns", "", 0, method], strict=True))
    if "failed" in found:
        return row | found
    row |= {"seconds": found["seconds"], "MB": found["peak_mb"]}
    return row | distances(found["said"], task)


def distances(samples, task):
    held, edges = task.held, np.array(task.graph.adjacency.tocoo().coords)
    variogram = Variogram(
        task.graph.edge_lengths, held[0], np.random.RandomState(0), n_pairs=10_000
    )
    aim, mean = (variogram.of(some[:, variogram.nodes]) for some in (held, samples))
    steps = [np.abs(some[:, edges[0]] - some[:, edges[1]]).ravel() for some in (samples, held)]
    return {
        "energy": np.mean([energy_score(samples, one) for one in held]),
        "variogram": np.linalg.norm(mean - aim) / np.linalg.norm(aim),
        "values": wasserstein_distance(samples.ravel(), held.ravel()),
        "edges": wasserstein_distance(*steps),
    }


# --- seconds


def time_it():
    """Yield rows of what ours takes on 10,000 nodes."""
    found = in_child(lambda _: timed(), None, LIMIT)
    row = {"table": "time", "observed": "", "seed": 0}
    if "failed" in found:
        yield row | {"method": OURS} | found
    else:
        yield from (row | {"method": line.pop("what")} | line for line in found["said"])


# --- all of it


def keep(rows):
    """Write rows in place of those of the same table, observed share, seed and method."""
    new = pd.DataFrame(rows, columns=COLUMNS)
    if FILE.exists():
        new = pd.concat([read(), new]).drop_duplicates(KEYS, keep="last")
    new.to_csv(FILE, index=False)


def read():
    return pd.read_csv(FILE, dtype={"observed": str}).fillna({"observed": ""})


def report(seeds):
    """Yield tables of means over seeds."""
    rows = read()
    rows = rows[rows["seed"].isin(seeds)]
    for (name, share), part in rows.groupby(["table", "observed"], sort=False):
        columns = SCORES.get(name, SCORES["fields"])
        table = part.groupby("method", sort=False)[columns].mean()
        table["failed"] = part.groupby("method")["failed"].first().astype(object).fillna("")
        if name in CASES:
            table = table.sort_values("R2", ascending=False)
        yield from ("", f"## {name}{share and f', {share} observed'}", "")
        yield from markdown(table.reset_index())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    everything = [*CASES, "patterns", "time"]
    methods = [*METHODS, *SAMPLERS]
    parser.add_argument("--only", nargs="+", choices=everything, default=everything)
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    FILE.parent.mkdir(exist_ok=True)
    for rows in () if options.report else measured(options):
        keep(rows)
        print(pd.DataFrame(rows).to_string(header=False, index=False), flush=True)
    print("\n".join(report(options.seeds)))


def measured(options):
    """Yield lists of rows."""
    for seed in options.seeds:
        for name in CASES:
            for share in CASES[name] if name in options.only else ():
                for method in METHODS:
                    if method in options.methods:
                        yield [measure(name, share, seed, method)]
    if "patterns" in options.only:
        task = patterns()
        yield from ([compare(method, task)] for method in SAMPLERS if method in options.methods)
    if "time" in options.only and OURS in options.methods:
        yield list(time_it())


if __name__ == "__main__":
    main()
