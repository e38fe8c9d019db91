"""Gaps in tables of nodes and times: what fills them best, skginr and what else there is.

    python benchmarks/spacetime.py                          everything, some hours of one core
    python benchmarks/spacetime.py --only colorado --seeds 0
    python benchmarks/spacetime.py --methods SpaceTimeSmoother   other rows stay
    python benchmarks/spacetime.py --report                 the tables of what is there

Colorado: monthly temperature of 376 stations and 1,236 months (SKGINR_DATA), of which single
entries, runs of 12 months or whole stations are held out. Sensors: 60 sensors and 336 hours with a
daily cycle, a sixth missing. Traffic: 207 sensors and 34,272 times, a tenth missing as points and a
tenth as runs of 1 to 12 hours. Seeds 0 to 2 are for this report; whoever chooses anything takes
others (``_spacetime_tables``).

R² is about the mean of held-out rows; coverage that of 90% intervals, which hold noise. A fit may
take 15 minutes of processor. Peers run in environments of their own (make peers).
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
from _spacetime_methods import ELSEWHERE, LIMIT, METHODS
from _spacetime_tables import REPORTED, TABLES, load
from scipy.special import ndtri

FILE = Path(__file__).parent / "results" / "spacetime.csv"
KEYS = ["table", "held out", "seed", "method"]
SCORES = ["R2", "RMSE", "coverage", "CRPS", "seconds", "MB", "failed"]


def measure(task, truth, method):
    """Return a row for each kind of held-out entries."""
    found = in_child(METHODS[method], task, LIMIT)
    for part, rows in task.parts.items():
        keys = dict(zip(KEYS, [task.name, part, task.seed, method], strict=True))
        if "failed" in found:
            yield keys | found
        else:
            mean, std = (None if one is None else one[rows] for one in found["said"])
            row = scores(truth[rows].astype(float), mean, std) | {"seconds": found["seconds"]}
            # Of a peer's own environment it would be the memory of what waits for it.
            yield keys | row | ({} if method in ELSEWHERE else {"MB": found["peak_mb"]})


def scores(y, mean, std):
    if not np.isfinite(mean).all():
        return {"failed": f"{np.mean(~np.isfinite(mean)):.1%} of predictions are not finite"}
    errors = y - mean
    row = {"R2": 1 - np.mean(errors**2) / np.var(y), "RMSE": np.sqrt(np.mean(errors**2))}
    if std is not None:
        row["coverage"] = np.mean(np.abs(errors) <= ndtri(0.95) * std)
        row["CRPS"] = np.mean(crps(y, mean, std))
    return row


def keep(rows):
    """Write rows in place of those of the same table, seed and method."""
    new = pd.DataFrame(rows, columns=KEYS + SCORES)
    if FILE.exists():
        new = pd.concat([pd.read_csv(FILE), new]).drop_duplicates(KEYS, keep="last")
    new.to_csv(FILE, index=False)


def report(seeds):
    """Yield tables of means over seeds."""
    rows = pd.read_csv(FILE)
    rows = rows[rows["seed"].isin(seeds)]
    groups = rows.groupby(KEYS[:2] + KEYS[3:], sort=False)
    table = groups[SCORES[:-1]].mean()
    table.insert(0, "seeds", groups.size())
    table["failed"] = groups["failed"].first().astype(object).fillna("")
    for (name, way), part in table.groupby(level=[0, 1], sort=False):
        yield from ("", f"## {name}, {way}", "")
        part = part.droplevel([0, 1]).sort_values("R2", ascending=False)
        yield from markdown(part.reset_index())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=REPORTED)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    FILE.parent.mkdir(exist_ok=True)
    for seed in () if options.report else options.seeds:
        for name in options.only:
            for way in TABLES[name][1]:
                task, truth = load(name, way, seed)
                for method in options.methods:
                    rows = list(measure(task, truth, method))
                    keep(rows)
                    print(pd.DataFrame(rows).to_string(header=False, index=False), flush=True)
    print("\n".join(report(options.seeds)))


if __name__ == "__main__":
    main()
