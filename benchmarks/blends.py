"""What the corrected smoother is made of: parts left out one by one, and other ways to blend.

    python benchmarks/blends.py                     all tables but the meshes, about 20 minutes
    python benchmarks/blends.py --only georgia      one table; may be repeated

On the folds of the board (heldout.py). Every smoother is fitted once per fold; what differs is
which of them are blended, by what weights, and whether these are corrected. R² pooled over folds.
Writes benchmarks/results/blends.md.
"""

import argparse
import os
import warnings
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import joblib
import numpy as np
import pandas as pd
from _board_methods import fitted_default
from _board_report import markdown
from _tables import COUNTIES, SMALL
from heldout import folds_of
from scipy.optimize import nnls

from skginr import GraphGaussianProcessRegressor, GraphSmoother
from skginr.stacking._blend import shrunk_weights
from skginr.stacking._smoothers import (
    default_smoothers,
    out_of_folds,
    partitions,
    prior_weights,
)

RESULTS = Path(__file__).parent / "results"
# The default members before there were others.
FORMER = ("process", "symmetric_1", "symmetric_2 for ever", "combinatorial_2 for ever")
IN_SPACE = ("space", "space_scores")
BLEND = "default blend"


def members_of(graph, cv):
    """Return the default smoothers, and those that went: of order 2 without a distance."""
    members = dict(default_smoothers(graph, cv))
    for kind, order in (("symmetric", 1), ("symmetric", 2), ("combinatorial", 2)):
        name = f"{kind}_{order}" + (" for ever" if order > 1 else "")
        members.setdefault(name, GraphSmoother(graph=graph, laplacian=kind, order=order, cv=cv))
    members.setdefault("process", GraphGaussianProcessRegressor(graph=graph))
    return members


def measure(name, number):
    """Return squared errors of every way, and the variation, of one fold."""
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(1)
    fold = folds_of(name)[number]
    graph, X, y = fold.table.graph, fold.rows, fold.y
    parts = partitions(fold.blocks or 10, X, y, 0)
    cv = [split for part in parts for split in part] if fold.blocks else None
    default = [name for name, _ in default_smoothers(graph)]
    known, asked = {}, {}
    for member, smoother in members_of(graph, cv).items():
        smoother.fit(X, y)
        known[member] = np.concatenate(out_of_folds(smoother, X, y, parts))
        asked[member] = smoother.predict(fold.asked)

    def blended(members, weigh, n_parts=None):
        n_parts = n_parts or len(parts)
        columns = np.column_stack([known[m] for m in members])[: n_parts * len(y)]
        weights = weigh(columns, np.tile(y, n_parts), n_parts, members)
        return y.mean() + (np.column_stack([asked[m] for m in members]) - y.mean()) @ weights

    ways = {
        "corrected smoother": fitted_default(fold).predict(fold.asked),
        BLEND: blended(default, to_prior),
    }
    ways["shrunk to equal weights"] = blended(default, evenly)
    ways["one partition judges"] = blended(default, to_prior, 1)
    ways["equal weights"] = blended(default, equal)
    ways["non-negative least squares"] = blended(default, least_squares)
    ways["the best alone"] = blended(default, best)
    former = [m for m in FORMER if m in known]
    ways["former members, least squares, one partition"] = blended(former, least_squares, 1)
    ways["former members, default blend"] = blended(former, to_prior)
    groups = [("process", "process_scores"), ("combinatorial_1",), ("space_scores",), IN_SPACE]
    for left_out in groups:
        rest = [m for m in default if m not in left_out]
        ways[f"without {' and '.join(left_out)}"] = blended(rest, to_prior)
    ways |= {f"{member} alone": asked[member] for member in known}
    truth = fold.table.y[fold.test]
    errors = {way: ((truth - found) ** 2).sum() for way, found in ways.items()}
    variation = ((truth - fold.table.y.mean()) ** 2).sum()
    return {"table": name, "kind": fold.kind, "variation": variation} | errors


def to_prior(columns, signal, n_repeats, names):
    return shrunk_weights(columns, signal, n_repeats, prior_weights(names))


def evenly(columns, signal, n_repeats, names):
    return shrunk_weights(columns, signal, n_repeats)


def equal(columns, signal, n_repeats, names):
    return np.full(columns.shape[1], 1 / columns.shape[1])


def least_squares(columns, signal, n_repeats, names):
    return nnls(columns - signal.mean(), signal - signal.mean())[0]


def best(columns, signal, n_repeats, names):
    errors = ((columns - signal[:, None]) ** 2).sum(axis=0)
    return (np.arange(len(errors)) == errors.argmin()).astype(float)


def report(rows):
    """Print R² by way: means over tables, how often it is above the default blend, the least."""
    table = pd.DataFrame(rows).groupby(["table", "kind"]).sum(min_count=1)
    scores = 1 - table.drop(columns="variation").div(table["variation"], axis=0)
    lines = []
    for kind, part in scores.groupby("kind"):
        # A member that not every graph has is compared where it is.
        above = part.gt(part[BLEND], axis=0).where(part.notna())
        summary = pd.DataFrame(
            {
                "mean R²": part.mean(),
                "median": part.median(),
                "least": part.min(),
                "above the default blend": above.mean(),
                "tables": part.notna().sum(),
            }
        )
        lines += ["", f"### {kind}", "", *markdown(summary.rename_axis("way").reset_index())]
    text = "\n".join(lines)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "blends.md").write_text(text + "\n")
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=[*SMALL, *COUNTIES], action="append")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    jobs = [
        joblib.delayed(measure)(name, number)
        for name in options.only or [*SMALL, *COUNTIES]
        for number in range(len(folds_of(name)))
    ]
    rows = []
    for row in joblib.Parallel(options.jobs, return_as="generator_unordered")(jobs):
        rows.append(row)
        print(f"{len(rows)}/{len(jobs)}  {row['table']}, {row['kind']}", flush=True)
    report(rows)


if __name__ == "__main__":
    main()
