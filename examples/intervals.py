"""Intervals around predictions, and how often the truth lies within.

    python examples/intervals.py           # one part of ten, in seconds
    python examples/intervals.py --full    # all parts, and an election (needs SKGINR_DATA)

Around the prediction of any model MAPIE lays an interval as wide as its errors on folds: nine in
ten of new values should lie within. That holds for nodes like those of the folds, and for no
others. So counties are held out here once at random and once in connected regions, and the folds
are of both kinds too: an interval from random folds is too narrow for a region.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from mapie.regression import CrossConformalRegressor
from matplotlib import pyplot
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphBlockKFold, GraphSmoother, SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_us_election, load_us_unemployment

LEVEL = 0.9
N_PARTS, N_FOLDS = 10, 5


def main(full=False, output=Path("build")):
    """Return a row for each model, way to hold out, and kind of folds; draw them."""
    counties = load_us_unemployment().rename(columns={"unemployment": "signal"})
    graph = Graph.from_geodataframe(counties, labels="fips")
    tables = [
        measure("unemployment", graph, counties.dropna(subset=["signal"]), N_PARTS if full else 1)
    ]
    if full:
        data = fetch_us_election(2016)
        votes = data.frame.rename(columns={"election": "signal"})
        tables.append(measure("election 2016", data.graph, votes, N_PARTS))
    found = pd.concat(tables)
    draw(found, output)
    return [
        {
            "experiment": "intervals",
            "data": row.data,
            "what": f"covered, {row.model}, {row.held_out} held out, {row.folds} folds",
            "ours": row.covered,
            "spread": row.spread,
            "paper": None,
            "baseline": LEVEL,
            "baseline_name": "asked for",
        }
        for row in found.itertuples()
    ]


def measure(name, graph, table, n_parts):
    """Return the share of held-out values within their interval, and how wide it is."""
    models = {
        "network": make_pipeline(
            SpectralEmbedder(16, graph=graph, scaling="unit"),
            SIRENRegressor("train", input_scaling="given", random_state=0),
        ),
        "smoother": GraphSmoother(graph=graph),
    }
    splitters = {
        "random": KFold(N_FOLDS, shuffle=True, random_state=1),
        "regions": GraphBlockKFold(N_FOLDS, graph=graph),
    }
    scores = [
        {
            "model": model,
            "held_out": held_out,
            "folds": folds,
            **coverage(estimator, table.iloc[known], table.drop(table.index[known]), splits),
        }
        for part in range(n_parts)
        for held_out, known in ways_to_hold_out(graph, table, part).items()
        for model, estimator in models.items()
        for folds, splits in splitters.items()
    ]
    found = pd.DataFrame(scores).groupby(["model", "held_out", "folds"])
    found = found.agg(
        covered=("covered", "mean"), spread=("covered", "std"), width=("width", "mean")
    )
    print(f"\n{name}, intervals for {LEVEL:.0%}\n{found.round(3).to_string()}", flush=True)
    return found.reset_index().assign(data=name)


def ways_to_hold_out(graph, table, part):
    """Return which rows are known, where one of ten parts is held out in either way."""
    parts = {
        "random": KFold(N_PARTS, shuffle=True, random_state=0),
        "regions": GraphBlockKFold(N_PARTS, graph=graph),
    }
    known = {}
    for way, splitter in parts.items():
        _, held_out = list(splitter.split(table[["fips"]]))[part]
        known[way] = np.delete(np.arange(len(table)), held_out)
    return known


def coverage(model, known, new, folds):
    """Return how many of ``new`` lie within their interval, and its mean width."""
    intervals = CrossConformalRegressor(model, confidence_level=LEVEL, cv=folds)
    intervals.fit_conformalize(known[["fips"]], known["signal"])
    with warnings.catch_warnings():
        # Islands that are held out whole: how little is known of them is part of what is measured.
        warnings.filterwarnings("ignore", ".*in which fit had no row")
        _, limits = intervals.predict_interval(new[["fips"]])
    low, high = limits[:, :, 0].T
    return {
        "covered": new["signal"].between(low, high).mean(),
        "width": np.mean(high - low) / known["signal"].std(),
    }


def draw(found, output):
    """Save what was covered and how wide intervals are, by what was held out."""
    mpl.use("Agg")
    names = found["data"].unique()
    figure, axes = pyplot.subplots(
        1, len(names), figsize=(5.5 * len(names), 4), layout="constrained", squeeze=False
    )
    for axis, name in zip(axes[0], names, strict=True):
        table = found[found["data"] == name]
        for (model, folds), rows in table.groupby(["model", "folds"]):
            marker, colour = ("o", "s")[folds == "regions"], ("C0", "C1")[model == "smoother"]
            for row in rows.itertuples():
                filled = colour if row.held_out == "regions" else "none"
                label = f"{model}, {folds} folds" if row.held_out == "regions" else None
                axis.plot(
                    row.width, row.covered, marker, color=colour, markerfacecolor=filled,
                    markersize=8, label=label,
                )  # fmt: skip
        axis.axhline(LEVEL, color="0.5", linewidth=1)
        axis.set(title=name, xlabel="width of the interval, standard deviations of the signal")
    axes[0, 0].set_ylabel("values within the interval")
    axes[0, 0].legend(title="filled: regions held out; empty: at random")
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "intervals.png", dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all parts, and an election")
    main(parser.parse_args().full)
