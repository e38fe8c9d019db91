"""The default network on small and middling tables, beside what one would otherwise pick.

    python benchmarks/small_tables.py              # everything, about 20 minutes of two cores
    python benchmarks/small_tables.py --only maps  # one of maps, intervals, classes, ablation, time

Four maps that ship with libpysal and county unemployment; with SKGINR_DATA the US elections, on
the graph of friendships. R² pooled over five folds: rows held out at random (five shuffles of the
small maps, one of the counties, seeds that no choice was made on), and regions (GraphBlockKFold).
Whatever a method chooses it chooses inside the training rows, on folds of the same kind; the
network by ``validation=0.2`` where regions are held out. Classes: accuracy on the 70% of nodes
whose class was not given. Intervals: how many of the rows held out lie within mean +- 1.645
deviations, and the score (CRPS) of these, beside that of five networks, whose variance is how far
they differ and the error of rows that each has held out. Nothing here was used to choose a default:
that was done on other columns and maps (benchmarks/README.md). Prints tables, and writes them to
benchmarks/results/.
"""

import argparse
import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import joblib
import networkx as nx
import numpy as np
import pandas as pd
from _board_report import crps
from _tables import bunny, maps
from sklearn.base import clone
from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skginr import (
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    SIRENClassifier,
    SIRENRegressor,
    SpectralEmbedder,
)
from skginr.network.solving import _readout

RESULTS = Path(__file__).parent / "results"
SEEDS = (2000, 2001, 2002, 2003, 2004)
# Beyond, a Gaussian process of scikit-learn takes minutes, and the ablation hours.
FEW = 500
# Of the average over strengths; a row of the ablation changes it.
SHARPNESS = _readout._SHARPNESS


# --- methods


def network(graph, way, **given):
    given = dict(given)
    embedder = {"graph": graph} | given.pop("embedder", {})
    n_seeds = given.pop("n_seeds", 1)
    if way == "regions" and given.get("preset", "predict") == "predict":
        given.setdefault("validation", 0.2)
    networks = [SIRENRegressor(**given, random_state=seed) for seed in range(n_seeds)]
    together = VotingRegressor([(str(seed), one) for seed, one in enumerate(networks)])
    return make_pipeline(SpectralEmbedder(**embedder), together if n_seeds > 1 else networks[0])


def places(task):
    """Return what turns labels into positions."""
    known = pd.DataFrame(task.positions, index=task.X[task.label])
    return FunctionTransformer(lambda X: known.loc[X.iloc[:, 0]].to_numpy())


def neighbours(task, way):
    sizes = [k for k in (3, 5, 10, 20, 40) if k < 0.5 * len(task.X)]
    return GridSearchCV(
        make_pipeline(places(task), KNeighborsRegressor(weights="distance")),
        {"kneighborsregressor__n_neighbors": sizes},
        cv=inner(task, way),
    )


def process(task, way):
    scale = task.positions.std(axis=0, ddof=1).mean()
    kernel = ConstantKernel() * RBF(0.3 * scale, (1e-3 * scale, 1e2 * scale)) + WhiteKernel(0.3)
    model = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0
    )
    return make_pipeline(places(task), model)


def inner(task, way):
    if way == "regions":
        return GraphBlockKFold(5, graph=task.graph)
    return KFold(5, shuffle=True, random_state=1)


METHODS = {
    "network, defaults": lambda task, way: network(task.graph, way),
    "network trained, as before": lambda task, way: network(
        task.graph, way, preset="train", embedder={"n_components": None, "scaling": "unit"}
    ),
    "nearest neighbours, tuned": neighbours,
    "graph smoother": lambda task, way: GraphSmoother(
        graph=task.graph, cv=inner(task, way) if way == "regions" else None
    ),
    "Gaussian process on positions": process,
}
ABLATION = {
    "defaults": {},
    "trained, on the same coordinates": {"preset": "train"},
    "coordinates of unit width": {"embedder": {"scaling": "unit"}},
    "and 32 of them": {"embedder": {"scaling": "unit", "n_components": 32}},
    "16 coordinates": {"embedder": {"n_components": 16}},
    "random-walk Laplacian": {"embedder": {"laplacian": "random_walk"}},
    "symmetric Laplacian": {"embedder": {"laplacian": "symmetric"}},
    "five seeds, averaged": {"n_seeds": 5},
    "one strength, the best": {"sharpness": 1e6},
    "256 waves": {"hidden_units": 256},
    "64 waves": {"hidden_units": 64},
    "gain 2": {"first_gain": 2.0},
    "gain 0.5": {"first_gain": 0.5},
    "validation off for regions": {"validation": "off"},
}


def predicted(model, task, splits):
    """Return held-out predictions of every row."""
    values = np.empty(len(task.y))
    with warnings.catch_warnings():
        # Islands are held out, signals are noise, and bounds are reached: the scores tell.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in splits:
            fitted = clone(model).fit(task.X.iloc[train], task.y[train])
            values[test] = fitted.predict(task.X.iloc[test])
    return values


def splits_of(task, way):
    """Return lists of folds that hold out every row once."""
    if way == "regions":
        return [list(GraphBlockKFold(5, graph=task.graph).split(task.X))]
    seeds = SEEDS if len(task.X) <= FEW else SEEDS[:1]
    return [list(KFold(5, shuffle=True, random_state=seed).split(task.X)) for seed in seeds]


def score(name, task, way):
    """Return R² of a method by its name, since a worker cannot be sent the method."""
    if name in METHODS:
        model = METHODS[name](task, way)
    else:
        given = dict(ABLATION[name])
        _readout._SHARPNESS = given.pop("sharpness", SHARPNESS)
        model = network(task.graph, way, **given)
    runs = [predicted(model, task, splits) for splits in splits_of(task, way)]
    return float(np.mean([r2_score(task.y, values) for values in runs]))


# --- parts


def part_maps(n_jobs):
    """Yield lines of the table of maps."""
    tasks = list(maps())
    cells = [
        (name, task, way)
        for name in METHODS
        for task in tasks
        for way in ("random", "regions")
        if not (name.startswith("Gaussian") and len(task.X) > FEW)
    ]
    yield from table_of(tasks, cells, n_jobs)


def part_intervals(n_jobs):
    """Yield lines of the table of intervals."""
    cells = [(task, way) for task in maps() for way in ("random", "regions")]
    run = joblib.Parallel(n_jobs=n_jobs)
    found = run(joblib.delayed(intervals)(*cell) for cell in cells)
    yield "| | within 90%: deviations | error held out | five networks | CRPS | | |"
    yield "|---" * 7 + "|"
    for (task, way), values in zip(cells, found, strict=True):
        numbers = " | ".join(f"{value:.3f}" for value in values)
        yield f"| {task.name}, {len(task.X):,}, {way} | {numbers} |"


def intervals(task, way):
    """Return how many rows held out are within intervals, and their CRPS, by three ways."""
    rows = []
    for splits in splits_of(task, way):
        for train, test in splits:
            rows.append(of_fold(task, way, train, test))
    y, mean, std = np.concatenate(rows, axis=-1)
    held = (np.abs(y - mean) <= 1.645 * std).mean(axis=1)
    return [*held, *crps(y, mean, std).mean(axis=1) / task.y.std()]


def of_fold(task, way, train, test):
    """Return y, means and deviations by three ways: (3, 3, n_rows)."""
    means, errors = [], []
    for seed in range(5):
        model = network(task.graph, way).set_params(sirenregressor__random_state=seed)
        with warnings.catch_warnings():
            # Islands are held out.
            warnings.simplefilter("ignore", UserWarning)
            model.fit(task.X.iloc[train], task.y[train])
            mean, std = model.predict(task.X.iloc[test], return_std=True, with_noise=True)
        if seed == 0:
            own = std
        means.append(mean)
        errors.append((1 - model[-1].held_out_score_) * task.y[train].var())
    together = np.var(means, axis=0, ddof=1) + np.mean(errors)
    deviations = [own, np.full(len(test), errors[0] ** 0.5), together**0.5]
    truth = np.broadcast_to(task.y[test], (3, len(test)))
    return np.array([truth, [means[0], means[0], np.mean(means, axis=0)], deviations])


def part_ablation(n_jobs):
    """Yield lines of the table of what the default is made of."""
    tasks = [task for task in maps() if len(task.X) <= FEW]
    cells = [
        (name, task, way) for name in ABLATION for task in tasks for way in ("random", "regions")
    ]
    yield from table_of(tasks, cells, n_jobs)


def table_of(tasks, cells, n_jobs):
    run = joblib.Parallel(n_jobs=n_jobs)
    found = run(joblib.delayed(score)(*cell) for cell in cells)
    scores = {
        (name, task.name, way): value for (name, task, way), value in zip(cells, found, strict=True)
    }
    yield (
        "| random / regions | "
        + " | ".join(f"{task.name}, {len(task.X):,}" for task in tasks)
        + " |"
    )
    yield "|---" * (1 + len(tasks)) + "|"
    for name in dict.fromkeys(name for name, _, _ in cells):
        row = []
        for task in tasks:
            pair = [scores.get((name, task.name, way)) for way in ("random", "regions")]
            row.append(" / ".join("" if s is None else f"{s:.3f}" for s in pair))
        yield f"| {name} | " + " | ".join(row) + " |"


def part_classes(n_jobs):
    """Yield lines of the table of classes."""
    yield "| accuracy, 30% known | network, defaults | symmetric Laplacian | harmonic functions |"
    yield "|---|---|---|---|"
    for name, adjacency, classes, draws in graphs_of_classes():
        graph = Graph.from_adjacency(adjacency)
        X = pd.DataFrame({"node": graph.labels})
        rows = []
        for seed in draws:
            known = one_in_three(classes, seed)
            rest = np.setdiff1d(np.arange(len(classes)), known)
            found = [harmonic(adjacency, known, classes)[rest]]
            for laplacian in ("symmetric", "combinatorial"):
                model = make_pipeline(
                    SpectralEmbedder(graph=graph, laplacian=laplacian),
                    SIRENClassifier(random_state=0),
                ).fit(X.iloc[known], classes[known])
                found.insert(0, model.predict(X.iloc[rest]))
            rows.append([np.mean(some == classes[rest]) for some in found])
        yield f"| {name} | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)) + " |"


def graphs_of_classes():
    club = nx.karate_club_graph()
    sides = np.array([club.nodes[i]["club"] == "Officer" for i in club]).astype(int)
    yield "karate club, 34 nodes, 20 draws", (nx.to_numpy_array(club) > 0) * 1.0, sides, range(20)
    for intra, inter in ((0.05, 0.01), (0.05, 0.02)):
        chances = np.where(np.eye(4), intra, inter)
        model = nx.stochastic_block_model([200] * 4, chances, seed=2000)
        name = f"four blocks of 200, {intra:g} and {inter:g}, 5 draws"
        yield name, nx.to_numpy_array(model), np.repeat(np.arange(4), 200), range(5)


def one_in_three(classes, seed):
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(classes == name) for name in np.unique(classes)]
    return np.sort(np.concatenate([rng.choice(m, round(0.3 * len(m)), False) for m in members]))


def harmonic(adjacency, known, classes):
    """Return the classes by Zhu, Ghahramani and Lafferty's harmonic functions (ICML 2003)."""
    rest = np.setdiff1d(np.arange(len(classes)), known)
    laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
    shares = (classes[:, None] == np.unique(classes)).astype(float)
    right = adjacency[np.ix_(rest, known)] @ shares[known]
    shares[rest] = np.linalg.lstsq(laplacian[np.ix_(rest, rest)], right, rcond=None)[0]
    return np.unique(classes)[shares.argmax(axis=1)]


def part_time(n_jobs):
    """Yield lines of the table of times."""
    yield "| one thread | coordinates, CPU s | network, CPU s | R² of rows held out |"
    yield "|---|---|---|---|"
    tasks = [task for task in maps() if task.name == "unemployment"]
    if "SKGINR_DATA" in os.environ:
        tasks.append(replace(bunny("random_walk", seed=2000), name="texture on the bunny"))
    import torch

    torch.set_num_threads(1)
    for task in tasks:
        start = time.process_time()
        coordinates = SpectralEmbedder(graph=task.graph).fit_transform(task.X)
        middle = time.process_time()
        model = SIRENRegressor(random_state=0).fit(coordinates, task.y)
        end = time.process_time()
        yield (
            f"| {task.name}, {len(task.X):,} rows, k = {coordinates.shape[1]} | "
            f"{middle - start:.1f} | {end - middle:.1f} | {model.held_out_score_:.4f} |"
        )


PARTS = {
    "maps": part_maps,
    "intervals": part_intervals,
    "classes": part_classes,
    "ablation": part_ablation,
    "time": part_time,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--n-jobs", type=int, default=2)
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for part in given.only or PARTS:
        lines = []
        for line in PARTS[part](given.n_jobs):
            print(line, flush=True)
            lines.append(line)
        print()
        (RESULTS / f"small-tables-{part}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
