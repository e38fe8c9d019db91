"""A new signal on nodes of which another one was learned, without training again.

    python examples/new_signal.py           # the election alone, a short training
    python examples/new_signal.py --full    # and winds, trainings to their end

A network learns the US election of 2012 on the graph of friendships (or the winds of a month on
the sphere). The next election (the next month) is then fitted three ways: by a network of its
own; by one that goes on from the weights of the first (``warm_start``); and in the tangent space
of the first, by one linear system (``TangentKernelRegressor``). Once all nodes are observed, as in
Table 1 of the paper; and once a fifth of the nodes is held out. Needs SKGINR_DATA.
"""

import argparse
import copy
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict

from skginr import SIRENRegressor, SpectralEmbedder, TangentKernelRegressor
from skginr.datasets import fetch_navy_winds, fetch_us_election

K = 100


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw time against accuracy."""
    data = {"election 2016 after 2012": elections()}
    if full:
        data["wind of 1982-02 after 1982-01"] = months()
    rows, drawn = [], {}
    for name, (X, first, second) in data.items():
        settings = {} if full else {"max_epochs": 15, "schedule": "cosine"}
        table = observed_everywhere(X, first, second, settings)
        print(f"\n{name}, all nodes observed\n{table.round(5).to_string()}", flush=True)
        rows += rows_of(name, table)
        drawn[name] = table
    X, first, second = data["election 2016 after 2012"]
    scores = held_out(X, first, second)
    print(f"\nelection 2016 after 2012, R² of five folds\n{scores.round(3).to_string()}")
    found = {"ours": scores["tangent kernel"], "baseline": scores["anew"]}
    rows.append(row("election 2016 after 2012") | {"what": "R², held out"} | found)
    draw(drawn, output)
    return rows


def elections():
    """Return coordinates of the counties, and two signals on them."""
    one, two = (fetch_us_election(year) for year in (2012, 2016))
    X = SpectralEmbedder(K, graph=one.graph, scaling="unit").fit_transform(one.frame[["fips"]])
    return X, *(data.frame["election"].to_numpy() for data in (one, two))


def months():
    """Return coordinates of the sphere's nodes, every third, and the winds of two months."""
    data = fetch_navy_winds()
    january, february = (month for _, month in list(data.frame.groupby("time"))[:2])
    embedder = SpectralEmbedder(K, graph=data.graph, laplacian="cotangent", scaling="unit")
    X = embedder.fit_transform(january[["node"]])
    return X[::3], *(month[["u", "v"]].to_numpy()[::3] for month in (january, february))


def network(preset, **settings):
    """Return a network that takes coordinates as they are."""
    return SIRENRegressor(preset, input_scaling="given", random_state=0, **settings)


def observed_everywhere(X, first, second, settings):
    """Return seconds and R² of each way to the second signal, the first one being known."""
    learned = network("represent", **settings).fit(X, first)
    tangent = TangentKernelRegressor(FrozenEstimator(learned))
    ways = {
        "anew": network("represent", **settings),
        "warm start": copy.deepcopy(learned).set_params(warm_start=True),
        "tangent kernel": tangent,
        "tangent kernel, one signal later": tangent,
    }
    table = {}
    for way, model in ways.items():
        start = time.perf_counter()
        model.fit(X, second)
        table[way] = {
            "seconds": time.perf_counter() - start,
            "R²": r2_score(second, model.predict(X)),
        }
    return pd.DataFrame(table).T


def held_out(X, first, second):
    """Return R² of five folds of the second signal; the first is known at all nodes."""
    learned = FrozenEstimator(network("train").fit(X, first))
    models = {
        "anew": network("train"),
        "tangent kernel": TangentKernelRegressor(learned, alpha=1.0),
    }
    folds = KFold(5, shuffle=True, random_state=0)
    return pd.Series(
        {
            name: r2_score(second, cross_val_predict(model, X, second, cv=folds))
            for name, model in models.items()
        }
    )


def row(data):
    """Return what all rows of the table share."""
    common = {"experiment": "new signal, known graph", "paper": None}
    return common | {"data": data, "baseline_name": "a network of its own"}


def rows_of(data, table):
    """Return the rows of the table of all experiments."""
    anew = table.loc["anew"]
    rows = [{"what": "R², all nodes", "ours": table.loc["tangent kernel", "R²"]}]
    rows[0]["baseline"] = anew["R²"]
    for way, what in (
        ("tangent kernel", "time, share of the baseline's"),
        ("tangent kernel, one signal later", "the same, of each further signal"),
    ):
        share = table.loc[way, "seconds"] / anew["seconds"]
        rows.append({"what": what, "ours": share, "baseline": 1.0})
    return [row(data) | values for values in rows]


def draw(tables, output):
    """Save, of each way, how long it took and how much of the signal is still missing."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(
        1, len(tables), figsize=(6 * len(tables), 4), layout="constrained", squeeze=False
    )
    for axis, (name, table) in zip(axes[0], tables.items(), strict=True):
        for way, values in table.iterrows():
            axis.loglog(values["seconds"], 1 - values["R²"], "o", label=way)
        axis.set(title=name, xlabel="seconds to fit", ylabel="1 - R², all nodes")
        # Whole decades, and labels at those alone.
        axis.set(xlim=decades(axis.get_xlim()), ylim=decades(axis.get_ylim()))
        axis.tick_params(which="minor", labelbottom=False, labelleft=False)
        axis.legend()
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "new_signal.png", dpi=80)
    pyplot.close(figure)


def decades(limits):
    """Return the powers of ten around limits."""
    return 10 ** np.floor(np.log10(limits[0])), 10 ** np.ceil(np.log10(limits[1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="winds too, trainings to their end")
    main(parser.parse_args().full)
