"""Counts and classes on maps: held-out deviance, coverage and log loss beside what else there is.

    python benchmarks/counts.py                        # everything, about 40 minutes of one core
    python benchmarks/counts.py --only sids classes    # some parts: sids, votes, classes

Counts: sudden infant deaths among births in 100 counties (libpysal's sids2), by all births or with
the share of non-white ones as a covariate; and with SKGINR_DATA the Republican votes of 2016 in
3,106 counties, one in a thousand drawn, so that counts are small. Rows held out at random, and
regions (GraphBlockKFold), folds drawn anew in each repetition. Deviance is Poisson's, mean over
rows (of rates: weighted by exposure); coverage that of 90% intervals of the counts held out.

Classes: who won a county in 2016 and the state of a county, where three or one in ten are known,
and the sign of the charge at a protein's surface: log loss, error of confidence in ten bins,
accuracy.

Defaults were chosen on simulated counts and classes, unemployment and the election of 2012. GPBoost
runs in the environment of ``make peers``, and is left out where there is none. Empirical Bayes is
computed here, since esda's rates take the counts that are held out. pyinla fetches a program that
asks for a licence, and is not among the peers.
"""

import argparse
import os
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import geopandas as gpd
import numpy as np
import pandas as pd
from _board_peers import ENVIRONMENTS, ONE_CORE, SCRIPTS
from libpysal.examples import get_path
from scipy.sparse.csgraph import dijkstra
from scipy.special import xlogy
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphPoissonRegressor,
    GraphSmoother,
    GraphSmootherClassifier,
    SpectralEmbedder,
)
from skginr.datasets import load_us_unemployment
from skginr.smoothing._lognormal_counts import quantile

RESULTS = Path(__file__).parent / "results"
SHARE = 1000


@dataclass(frozen=True)
class Counts:
    """Counts among exposures at the nodes of a map; X names them first."""

    name: str
    graph: Graph
    X: pd.DataFrame
    counts: np.ndarray
    exposures: np.ndarray
    positions: np.ndarray

    @property
    def rates(self):
        return self.counts / self.exposures


def sids(year, covariates):
    frame = gpd.read_file(get_path("sids2.shp"))
    births = frame[f"BIR{year}"].to_numpy(float)
    X = frame[["FIPS"]].assign(other=frame[f"NWBIR{year}"] / births)
    centres = frame.geometry.representative_point()
    return Counts(
        f"sids 19{year}{', covariate' if covariates else ''}",
        Graph.from_geodataframe(frame, labels="FIPS"),
        X if covariates else X[["FIPS"]],
        frame[f"SID{year}"].to_numpy(float),
        births,
        np.column_stack([centres.x, centres.y]),
    )


def votes(year=2016):
    frame = counties()
    total, won = frame[f"total_{year}"].to_numpy(), frame[f"gop_{year}"].to_numpy()
    drawn = np.random.default_rng(0).binomial(won.astype(int), 1 / SHARE).astype(float)
    places = frame[["lon", "lat"]].to_numpy() * [0.78, 1]
    graph = Graph.from_geodataframe(frame, labels="fips")
    return Counts(f"votes {year}", graph, frame[["fips"]], drawn, total / SHARE, places)


def counties():
    return gpd.read_file(Path(os.environ["SKGINR_DATA"], "us_counties", "us_counties.gpkg"))


# --- methods of counts: from training rows to the log rate of test rows, and its variance


def ours(table, train, test, folds, **given):
    model = GraphPoissonRegressor(graph=table.graph, cv=folds, **given)
    model.fit(table.X.iloc[train], table.rates[train], table.exposures[train])
    rates = model.predict(table.X.iloc[test])
    low, high = model.predict_counts(table.X.iloc[test], table.exposures[test])
    return rates, low, high


def normal(table, train, test, folds):
    """Squares of rates, weighted by exposure, as if noise were normal."""
    weights = table.exposures / table.exposures[train].mean()
    model = GraphSmoother(graph=table.graph, cv=folds)
    model.fit(table.X.iloc[train], table.rates[train], weights[train])
    mean, std = model.predict(table.X.iloc[test], return_std=True)
    rates = np.maximum(mean, 0.01 * table.rates[train].mean())
    spread = 1.645 * np.sqrt(std**2 + model.noise_variance_ / weights[test])
    exposures = table.exposures[test]
    return rates, exposures * (mean - spread), exposures * (mean + spread)


def global_rate(table, train, test, folds):
    """What empirical Bayes says where no count is known."""
    rate = table.counts[train].sum() / table.exposures[train].sum()
    return np.full(len(test), rate), None, None


def neighbour_rate(table, train, test, folds):
    """Counts of the neighbours by their exposures, pulled to all as by empirical Bayes."""
    nodes = table.graph.locate(table.X.iloc[:, 0])
    counts, exposures = (np.zeros(table.graph.n_nodes) for _ in range(2))
    counts[nodes[train]], exposures[nodes[train]] = table.counts[train], table.exposures[train]
    rate = counts.sum() / exposures.sum()
    known = exposures > 0
    between = exposures[known] @ (counts[known] / exposures[known] - rate) ** 2
    prior = max(between / exposures.sum() - rate / exposures[known].mean(), 1e-12)
    joined = table.graph.adjacency[nodes[test]] > 0
    near, among = joined @ counts, joined @ exposures
    pulled = prior / (prior + rate / np.maximum(among, 1e-12))
    return pulled * near / np.maximum(among, 1e-12) + (1 - pulled) * rate, None, None


def spectral(table, train, test, folds):
    """Poisson regression on covariates and as many spectral columns as are best on folds."""
    embedder = SpectralEmbedder(graph=table.graph, max_components=32)
    columns, label = table.X.iloc[:, 1:].to_numpy(), table.X.columns[0]
    folds = folds or KFold(10, shuffle=True, random_state=0)
    inner, mean = list(folds.split(table.X.iloc[train])), table.rates[train].mean()
    searches = []
    for n_components in (2, 4, 8, 16, 32):
        embedder.set_params(n_components=n_components)
        X = np.hstack([embedder.fit_transform(table.X[[label]]), columns])
        search = GridSearchCV(
            make_pipeline(StandardScaler(), PoissonRegressor(max_iter=1000)),
            {"poissonregressor__alpha": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
            cv=inner,
            scoring="neg_mean_poisson_deviance",
        )
        weights = {"poissonregressor__sample_weight": table.exposures[train]}
        search.fit(X[train], table.rates[train] / mean, **weights)
        searches.append((search.best_score_, n_components, search.predict(X[test]) * mean))
    return max(searches)[2], None, None


METHODS = {
    "GraphPoissonRegressor": ours,
    "the same without own effects": partial(ours, overdispersion=0.0),
    "GraphSmoother of rates": normal,
    "PoissonRegressor, spectral columns": spectral,
    "neighbours, empirical Bayes": neighbour_rate,
    "rate of all": global_rate,
}


def gpboost(table, splits):
    """Return what GPBoost says of every fold, in one process; None without its environment."""
    python = ENVIRONMENTS / "gpboost" / "bin" / "python"
    if not python.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, (train, test) in enumerate(splits):
            source, target = (Path(folder, f"{number}{end}.npz") for end in ("", ".out"))
            np.savez(
                source,
                train=train,
                test=test,
                counts=table.counts[train],
                exposures=table.exposures,
                covariates=table.X.iloc[:, 1:].to_numpy(float),
                positions=table.positions,
            )
            names += [source, target]
        command = [python, SCRIPTS / "gpboost_counts.py", *names]
        subprocess.run(command, check=True, env=os.environ | ONE_CORE, stdout=subprocess.DEVNULL)
        answers = []
        for (_, test), target in zip(splits, names[1::2], strict=True):
            with np.load(target) as kept:
                mean, variance = kept["mean"], kept["variance"]
            centres = mean + np.log(table.exposures[test])
            ends = [quantile(share, centres, variance) for share in (0.05, 0.95)]
            answers.append((np.exp(mean), *ends))
    return answers


def compare(table, n_repetitions, n_folds):
    """Return a row for each method, way to hold out and repetition."""
    rows = []
    for way in ("random", "regions"):
        for seed in range(n_repetitions):
            outer = (
                KFold(n_folds, shuffle=True, random_state=seed)
                if way == "random"
                else GraphBlockKFold(5, graph=table.graph, random_state=seed)
            )
            inner = None if way == "random" else GraphBlockKFold(5, graph=table.graph)
            splits = list(outer.split(table.X))
            answers = {
                name: [method(table, train, test, inner) for train, test in splits]
                for name, method in METHODS.items()
            }
            answers["GPBoost, process on positions"] = gpboost(table, splits)
            for name, found in answers.items():
                if found is not None:
                    row = measured(table, splits, found)
                    rows.append({"table": table.name, "held out": way, "method": name} | row)
    return rows


def measured(table, splits, found):
    tested = np.concatenate([test for _, test in splits])
    expected = table.exposures[tested] * np.concatenate([rates for rates, _, _ in found])
    counts = table.counts[tested]
    deviance = 2 * (xlogy(counts, counts / expected) - counts + expected)
    row = {"deviance": deviance.mean(), "coverage": np.nan, "width": np.nan}
    if found[0][1] is not None:
        low, high = (np.concatenate([part[i] for part in found]) for i in (1, 2))
        row["coverage"] = ((low <= counts) & (counts <= high)).mean()
        row["width"] = np.median(high - low)
    return row


# --- classes


def winners():
    frame = counties()
    graph = Graph.from_geodataframe(frame, labels="fips")
    return graph, frame["fips"], np.where(frame["gop_2016"] > frame["dem_2016"], "R", "D")


def states():
    frame = load_us_unemployment().cx[-125:-66, 24:50]
    return Graph.from_geodataframe(frame, labels="fips"), frame["fips"], frame["state"].to_numpy()


def charges(name="1Q5H_B"):
    with np.load(Path(os.environ["SKGINR_DATA"], "protein_surfaces", f"{name}.npz")) as kept:
        graph = Graph.from_mesh(kept["vertices"].astype(float), kept["faces"])
        return graph, graph.labels.to_series(), np.where(kept["charge"] > 0, "+", "-")


def of_smoother(graph, nodes, known, y):
    X = graph.labels[nodes].to_frame(name="node")
    model = GraphSmootherClassifier(graph=graph).fit(X.iloc[known], y[known])
    return model.predict_proba(X), model.classes_


def of_labels(kind, grid):
    """Labels that spread along the edges, by the strength that is best on five folds."""

    def method(graph, nodes, known, y):
        steps = graph.adjacency / graph.adjacency.mean()
        classes = np.unique(y[known])

        def probabilities(given, parameter):
            labels = np.full(graph.n_nodes, -1)
            labels[nodes[given]] = np.searchsorted(classes, y[given])
            model = kind(kernel=lambda X, _: steps, max_iter=500, **parameter)
            with np.errstate(invalid="ignore", divide="ignore"):
                model.fit(np.arange(graph.n_nodes)[:, None], labels)
            found = np.full((graph.n_nodes, len(classes)), 1e-3)
            found[:, model.classes_] += np.nan_to_num(model.label_distributions_)
            return found / found.sum(axis=1, keepdims=True)

        def loss(parameter):
            folds = KFold(5, shuffle=True, random_state=0).split(known)
            return sum(
                log_loss(
                    y[known[test]],
                    probabilities(known[train], parameter)[nodes[known[test]]],
                    labels=classes,
                )
                for train, test in folds
            )

        best = min(grid, key=loss) if len(grid) > 1 else grid[0]
        return probabilities(known, best)[nodes], classes

    return method


def of_columns(graph, nodes, known, y):
    X = graph.labels[nodes].to_frame(name="node")
    embedded = SpectralEmbedder(64, graph=graph).fit_transform(X)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        {"logisticregression__C": [1e-3, 1e-2, 0.1, 1.0, 10.0]},
        cv=KFold(5, shuffle=True, random_state=0),
        scoring="accuracy",
    )
    search.fit(embedded[known], y[known])
    return search.predict_proba(embedded), search.classes_


def of_neighbours(graph, nodes, known, y):
    distances = dijkstra(graph.adjacency, indices=nodes[known], unweighted=True)
    distances = np.minimum(distances, 1e3)[:, nodes].T
    search = GridSearchCV(
        KNeighborsClassifier(metric="precomputed"),
        {"n_neighbors": [1, 3, 5, 10, 20, 40]},
        cv=KFold(5, shuffle=True, random_state=0),
        scoring="accuracy",
    )
    search.fit(distances[known], y[known])
    found = search.predict_proba(distances) + 1e-3
    return found / found.sum(axis=1, keepdims=True), search.classes_


CLASSIFIERS = {
    "GraphSmootherClassifier": of_smoother,
    "LabelSpreading": of_labels(LabelSpreading, [{"alpha": a} for a in (0.2, 0.5, 0.8, 0.95)]),
    "LabelPropagation": of_labels(LabelPropagation, [{}]),
    "logistic regression, 64 spectral columns": of_columns,
    "nearest neighbours along edges": of_neighbours,
}
KINDS = {"winner 2016": (winners, 0.3), "state": (states, 0.1), "charge": (charges, 0.1)}


def classify(name, n_repetitions):
    make, share = KINDS[name]
    graph, labels, y = make()
    nodes, rows = graph.locate(labels), []
    for seed in range(n_repetitions):
        order = np.random.default_rng(seed).permutation(len(y))
        known, others = np.split(order, [int(share * len(y))])
        others = others[np.isin(y[others], y[known])]
        for method, predict in CLASSIFIERS.items():
            found, classes = predict(graph, nodes, known, y)
            said = found[others].max(axis=1)
            right = classes[found[others].argmax(axis=1)] == y[others]
            bins = np.minimum((10 * said).astype(int), 9)
            apart = np.bincount(bins, said - right, 10)
            rows.append(
                {
                    "table": name,
                    "method": method,
                    "log loss": log_loss(y[others], found[others], labels=classes),
                    "confidence off by": np.abs(apart).sum() / len(others),
                    "accuracy": right.mean(),
                }
            )
    return rows


def show(rows, keys, name):
    frame = pd.DataFrame(rows)
    groups = frame.groupby(keys, sort=False)
    mean, error = groups.mean(numeric_only=True), groups.sem(numeric_only=True)
    table = mean.join(error.iloc[:, :1].add_suffix(", error"))
    print(table.round(3).to_string(), flush=True)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / f"{name}.csv")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=["sids", "votes", "classes"])
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    parts = arguments.only or ["sids", "votes", "classes"]
    real = "SKGINR_DATA" in os.environ
    # Islands and classes without a row are held out: the scores tell.
    warnings.simplefilter("ignore")
    keys = ["table", "held out", "method"]
    if "sids" in parts:
        tables = [sids(year, given) for year in (74, 79) for given in (False, True)]
        rows = [compare(table, arguments.repetitions, 10) for table in tables]
        show(chain(*rows), keys, "counts_sids")
    if "votes" in parts and real:
        show(compare(votes(), 1, 5), keys, "counts_votes")
    if "classes" in parts:
        names = [name for name in KINDS if real or name == "state"]
        rows = [classify(name, arguments.repetitions) for name in names]
        show(chain(*rows), ["table", "method"], "classes")


if __name__ == "__main__":
    main()
