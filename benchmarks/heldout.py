"""The board: what predicts best where nothing was observed, beside what an expert would name.

    python benchmarks/heldout.py                        everything, some hours of two cores
    python benchmarks/heldout.py --methods ours         others' rows are kept
    python benchmarks/heldout.py --methods peers --only georgia --only tokyo
    python benchmarks/heldout.py --resume               go on where a run was stopped
    python benchmarks/heldout.py --report               tables of what has been measured
    python benchmarks/heldout.py --speed                seconds and memory, one thread

The protocol: every choice is made on inner folds of the training rows, each held-out fold is
looked at once, all methods get the same rows and columns. Rows are held out at random, and as
regions (GraphBlockKFold), inner folds likewise. Peers run in environments of their own (make
peers), and never see the values of test rows. Writes a row per fold and method to
benchmarks/results/board.csv, and tables to board.md. With SKGINR_DATA, which names the folder of
real data, all tables; without it the maps that ship with libpysal.
"""

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from pathlib import Path

# One thread each, before any library asks: folds run side by side.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _board_methods import SKGINR, SKLEARN, Fold, smoothed_columns
from _board_peers import PEERS, answers
from _board_report import crps, report
from _board_speed import measure_speed
from _child import TOO_LONG, in_child
from _tables import COUNTIES, SMALL, TABLES, load
from peers._peer import LIMIT
from scipy.special import ndtri
from sklearn.model_selection import KFold, ShuffleSplit

from skginr import GraphBlockKFold

RESULTS = Path(__file__).parent / "results"
BOARD = RESULTS / "board.csv"
# No choice of a default was made on these.
SEED = 3000
SHUFFLES = 3
GROUPS = {"ours": SKGINR, "sklearn": SKLEARN, "peers": PEERS}
HERE_METHODS = SKGINR | SKLEARN
FIELDS = ("table", "kind", "repeat", "fold", "method", "n", "error", "variation", "crps")
FIELDS += ("covered", "seconds", "peak_mb", "failed")


# --- folds


@cache
def folds_of(name):
    """Return the folds of a table: of small ones many, of large ones the first few."""
    table = load(name)
    blocks = partial(GraphBlockKFold, graph=table.graph)
    shuffled = partial(KFold, 5, shuffle=True)
    if name in SMALL:
        random = [(shuffled(random_state=SEED + i), 5) for i in range(SHUFFLES)]
        regions = [(blocks(5), 5), (blocks(7, blocks_per_fold=3), 7)]
    elif name in COUNTIES:
        random, regions = [(shuffled(random_state=SEED), 3)], [(blocks(5), 5)]
    else:
        random = [(ShuffleSplit(2, test_size=0.1, random_state=SEED), 2)]
        regions = [(blocks(10), 2) if name.startswith("bunny") else (blocks(5), 3)]
    found = []
    for kind, splitters in (("random", random), ("regions", regions)):
        for repeat, (splitter, most) in enumerate(splitters):
            splits = list(splitter.split(table.X))[:most]
            for number, (train, test) in enumerate(splits):
                found.append(Fold(table, kind, repeat, number, train, test))
    return found


def key_of(fold, method, name):
    return name, fold.kind, fold.repeat, fold.number, method


# --- measuring


def scored(fold, found):
    """Return the sums of a fold: of squared errors, of scores, of intervals that hold."""
    if "failed" in found:
        return {"failed": str(found["failed"])}
    y, predicted, std = fold.table.y[fold.test], found["mean"], found["std"]
    if not np.isfinite(predicted).all():
        return {"failed": "predictions are not finite"}
    known = np.isfinite(std) & (std > 0)
    # Where nothing is known of a row, as on an island: the spread of the rows that are.
    std = np.where(known, std, fold.y.std()) if known.any() else np.full(len(y), np.nan)
    return {
        "n": len(y),
        "error": ((y - predicted) ** 2).sum(),
        # About one mean for all folds, so that pooled R² is that of all rows together.
        "variation": ((y - fold.table.y.mean()) ** 2).sum(),
        "crps": crps(y, predicted, std).sum(),
        "covered": (np.abs(y - predicted) <= ndtri(0.95) * std).sum() if known.any() else np.nan,
        "seconds": np.sum(found["seconds"]),
        "peak_mb": float(found["peak_mb"]),
    }


def write(fold, method, name, found):
    """Append a row, whole: workers write side by side."""
    row = dict.fromkeys(FIELDS, "") | dict(zip(FIELDS, key_of(fold, method, name), strict=False))
    line = pd.DataFrame([row | scored(fold, found)])[list(FIELDS)]
    with BOARD.open("a", newline="") as file:
        file.write(line.to_csv(index=False, header=False, lineterminator="\n"))


def here(method, fold):
    """Return what a method of this environment says."""
    # Of the protocol, and not of what a fit takes.
    _ = fold.inner
    found = in_child(HERE_METHODS[method], fold, LIMIT)
    if "failed" in found:
        return found
    mean, std = found.pop("said")
    std = np.full(len(fold.test), np.nan) if std is None else np.ravel(std)
    return found | {"mean": np.ravel(mean), "std": std}


def measure(name, kind, method, done):
    """Measure a method on all folds of a table that are not done; return a line that says so."""
    import torch

    torch.set_num_threads(1)
    folds = [fold for fold in folds_of(name) if fold.kind == kind]
    folds = [fold for fold in folds if key_of(fold, method, name) not in done]
    start, told = time.perf_counter(), ""
    if method in PEERS:
        peer = PEERS[method]
        for fold, found in answers(peer, folds, smoothed_columns if peer.variable else None):
            write(fold, method, name, found)
            told = found.get("failed", "")
    else:
        for fold in folds:
            # What took too long once will again.
            found = {"failed": told} if told == TOO_LONG else here(method, fold)
            write(fold, method, name, found)
            told = found.get("failed", "")
    return f"{name}, {kind}, {method}: {time.perf_counter() - start:.0f} s {told}"


def measure_all(names, methods, resume, n_jobs):
    """Measure what is asked for and not held, writing after every fold."""
    absent = {method: PEERS[method].absent for method in methods if method in PEERS}
    for method, why in absent.items():
        if why:
            print(f"left out: {method}: {why}", flush=True)
    methods = [method for method in methods if not absent.get(method)]
    done = set(kept(names, methods, resume))
    jobs = [(name, kind, m) for name in names for kind in ("random", "regions") for m in methods]
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_jobs, mp_context=context) as pool:
        futures = [pool.submit(measure, *job, done) for job in jobs]
        for i, future in enumerate(as_completed(futures), start=1):
            minutes = (time.perf_counter() - start) / 60
            print(f"{i}/{len(jobs)}  {minutes:.0f} min  {future.result()}", flush=True)


def kept(names, methods, resume):
    """Return the keys of rows that stay; the others of what is measured are taken out."""
    if not BOARD.exists():
        BOARD.write_text(",".join(FIELDS) + "\n")
    rows = pd.read_csv(BOARD)
    again = rows["table"].isin(names) & rows["method"].isin(methods)
    if not resume:
        rows = rows[~again]
        rows.to_csv(BOARD, index=False)
    return rows[list(FIELDS[:5])].itertuples(index=False, name=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", choices=TABLES, metavar="TABLE")
    parser.add_argument("--methods", action="append", metavar="ours|sklearn|peers|NAME")
    parser.add_argument("--resume", action="store_true", help="keep what was measured")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--speed", action="store_true", help="measure nothing but time")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    asked = options.methods or ["ours", "sklearn", "peers"]
    methods = [name for one in asked for name in GROUPS.get(one, [one])]
    unknown = set(methods) - set(HERE_METHODS) - set(PEERS)
    if unknown:
        parser.error(f"no such method: {sorted(unknown)}; there are {[*HERE_METHODS, *PEERS]}")
    if options.speed:
        measure_speed(RESULTS / "board-speed.csv")
    elif not options.report:
        measure_all(options.only or list(TABLES), methods, options.resume, options.jobs)
    text = report(BOARD, RESULTS / "board-speed.csv")
    (RESULTS / "board.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
