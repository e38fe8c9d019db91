"""Held-out scores: what predicts best where nothing was observed.

    python benchmarks/heldout.py                  everything, about two hours of two cores
    python benchmarks/heldout.py --only election  one part; may be repeated
    python benchmarks/heldout.py --only speed     seconds and memory, one thread
    python benchmarks/heldout.py --resume         go on where a run was stopped
    python benchmarks/heldout.py --quick          one fold of each, of one protein
    python benchmarks/heldout.py --report         tables and plots of what has been measured

The protocol: every choice is made on inner folds of the training rows, each held-out fold is
looked at once, all competitors get the same inputs. Rows are held out at random, and in connected
blocks (GraphBlockKFold), inner folds likewise. R² is pooled: squared errors of all folds over
squared deviations from the mean. Differences are paired by fold. Writes heldout.csv, the tables
and plots to benchmarks/results/. Real data only: SKGINR_DATA names its folder.
"""

import argparse
import csv
import os
import re
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

# One thread each, before any library asks: folds run side by side.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import joblib
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    NeighborMeans,
    ResidualCorrector,
    SIRENRegressor,
    SpectralEmbedder,
    ThinPlateSplineRegressor,
    default_smoothers,
)
from skginr.graphs._structural import structural_columns

RESULTS = Path(__file__).parent / "results"
TABLE = RESULTS / "heldout.csv"
SPEED = RESULTS / "heldout-speed.csv"
# Not used by anything that was looked at while the recipes were made.
SEED = 2000
K = 100
# How many of ten folds of blocks are looked at; of proteins, only the first five are.
BLOCKED = {"bunny": 1, "proteins": 1, "election": 7}
# Forests take minutes beyond.
LARGE = 20_000
BOOSTING = HistGradientBoostingRegressor(max_iter=200, early_stopping=True, random_state=0)
PROTEINS = [
    *("1A2K_AB", "1JKG_A", "1JKG_B", "1NPO_A", "1O9Y_D", "1Q5H_B", "1SOT_A", "1T0F_A"),
    *("1XPJ_A", "1XT9_A", "1XUA_B", "1YLQ_A", "2A2L_B", "2AQX_A", "2HEK_A"),
]
OURS = "corrected smoothers"
OURS_IN_SPACE = "corrected smoothers and spline"
ABLATIONS = ("their blend, no correction", "ridge corrects", "boosting corrects")


# --- problems


@dataclass
class Problem:
    """A signal on a graph, and how rows are held out."""

    name: str
    graph: Graph
    X: pd.DataFrame
    y: np.ndarray
    folds: dict[str, list]

    @property
    def in_space(self):
        return self.graph.faces is not None


def folds_of(graph, X, random, n_blocked):
    """Return random splits, and the first few of folds of connected blocks."""
    blocked = GraphBlockKFold(10, graph=graph).split(X)
    return {"random": list(random.split(X)), "blocked": list(blocked)[:n_blocked]}


def bunny(laplacian):
    from skginr.datasets import fetch_bunny, make_reaction_diffusion

    graph = fetch_bunny()
    y = make_reaction_diffusion(graph, laplacian=laplacian)["v"].to_numpy()
    X = graph.labels.to_frame(index=False, name="node")
    random = ShuffleSplit(5, test_size=0.1, random_state=SEED)
    return Problem(f"bunny, {laplacian}", graph, X, y, folds_of(graph, X, random, BLOCKED["bunny"]))


def protein(name):
    arrays = np.load(Path(os.environ["SKGINR_DATA"], "protein_surfaces", f"{name}.npz"))
    graph = Graph.from_mesh(arrays["vertices"].astype(float), arrays["faces"])
    X = graph.labels.to_frame(index=False, name="node")
    random = ShuffleSplit(5, test_size=0.1, random_state=SEED)
    folds = folds_of(graph, X, random, BLOCKED["proteins"])
    return Problem(f"protein {name}", graph, X, arrays["charge"].astype(float), folds)


def election(year, covariates):
    from skginr.datasets import fetch_us_election

    bunch = fetch_us_election(year)
    frame = bunch.frame.set_index("fips").loc[bunch.graph.labels]
    X = bunch.graph.labels.to_frame(index=False, name="fips")
    if covariates:
        table = pd.DataFrame(frame.drop(columns=["name", "election", "geometry"]))
        graph = bunch.graph.with_attributes(table.astype(float))
        X = NeighborMeans(graph=graph).set_output(transform="pandas").fit_transform(X)
        X = X.infer_objects()
    random = KFold(10, shuffle=True, random_state=SEED)
    folds = folds_of(bunch.graph, X, random, BLOCKED["election"])
    what = "covariates" if covariates else "topology"
    y = frame["election"].to_numpy()
    return Problem(f"election {year}, {what}", bunch.graph, X, y, folds)


def problems_of(part, quick):
    """Yield (function, arguments), so that workers load for themselves."""
    if part == "bunny":
        yield from ((bunny, (kind,)) for kind in ("symmetric", "random_walk"))
    if part == "proteins":
        yield from ((protein, (name,)) for name in (("1NPO_A",) if quick else PROTEINS))
    if part == "election":
        yield from ((election, (year, c)) for c in (False, True) for year in (2012, 2016))


# --- competitors


def measure(problem, kind, train, test):
    """Yield (method, inner R², prediction of the test rows, seconds) of every competitor."""
    X, y = problem.X, problem.y
    X_train, X_test, y_train = X.iloc[train], X.iloc[test], y[train]
    inner = inner_folds(problem, kind, X_train)
    yield from smoothers_and_corrections(problem, inner, X_train, X_test, y_train)
    rows = features(problem)
    inputs = {"eigenvectors": rows}
    if problem.in_space:
        inputs["positions"] = problem.graph.positions[problem.graph.locate(X.iloc[:, 0])]
    for name, model, given in table_models(problem, inner):
        start = time.perf_counter()
        fitted = clone(model).fit(inputs[given][train], y_train)
        predicted = np.ravel(fitted.predict(inputs[given][test]))
        # What has nothing to tune is shown and not chosen from: it takes long, and is far behind.
        score = getattr(fitted, "best_score_", np.nan)
        yield f"{name} on {given}", score, predicted, time.perf_counter() - start
    yield boosting_then_smoothing(problem, inner, rows, train, test)


def inner_folds(problem, kind, X):
    """Return how a user would choose: by folds of training rows held out as the test rows are."""
    if kind == "blocked":
        return list(GraphBlockKFold(5, graph=problem.graph).split(X))
    return list(KFold(10, shuffle=True, random_state=0).split(X))


def features(problem):
    """Return what tables of numbers can know of the rows: eigenvectors, degrees, covariates."""
    labels = problem.X.iloc[:, [0]]
    embedder = SpectralEmbedder(K, graph=problem.graph, structural_features=True)
    return np.hstack([embedder.fit_transform(labels), problem.X.iloc[:, 1:].to_numpy(float)])


def table_models(problem, inner):
    """Return (name, model, inputs)."""
    neighbors = GridSearchCV(
        make_pipeline(StandardScaler(), KNeighborsRegressor(weights="distance")),
        {"kneighborsregressor__n_neighbors": [3, 5, 8, 12, 20, 40]},
        cv=inner,
    )
    trees = ExtraTreesRegressor(100, max_features=0.3, min_samples_leaf=2, random_state=0)
    # Coordinates stay as wide as they are, which says what a smooth signal is made of.
    covariates = list(range(1 - problem.X.shape[1], 0))
    columns = make_column_transformer((StandardScaler(), covariates), remainder="passthrough")
    solved = make_pipeline(columns, SIRENRegressor(random_state=0))
    trained = make_pipeline(StandardScaler(), SIRENRegressor("train", random_state=0))
    models = [
        ("boosting", BOOSTING, "eigenvectors"),
        ('SIREN "predict"', solved, "eigenvectors"),
        ('SIREN "train"', trained, "eigenvectors"),
    ]
    if problem.graph.n_nodes < LARGE:
        models.append(("forest", trees, "eigenvectors"))
    if not problem.in_space:
        return [*models, ("nearest neighbours", neighbors, "eigenvectors")]
    return [*models, ("nearest neighbours", neighbors, "positions")]


def smoothers_and_corrections(problem, inner, X, X_test, y):
    """Yield every smoother, the corrected whole, and what other correctors make of the same."""
    # By random folds, as they are by default.
    cv = 10 if len(inner) == 10 else inner
    smoothers = default_smoothers(problem.graph, None if cv == 10 else cv)
    if problem.in_space:
        smoothers.append(("thin-plate spline", ThinPlateSplineRegressor(graph=problem.graph)))
    start = time.perf_counter()
    stack = CorrectedSmoother(
        graph=problem.graph,
        smoothers=smoothers,
        corrector=ResidualCorrector(DummyRegressor()),
        cv=cv,
    ).fit(X, y)
    seconds = time.perf_counter() - start
    predicted = {name: s.predict(X_test) for name, s in stack.smoothers_.items()}
    for name, prediction in predicted.items():
        title = re.sub("_([0-9])$", r", order \1", name).replace("_", " ")
        yield title, stack.scores_[name], prediction, np.nan
    for spline in (False, True)[: 1 + problem.in_space]:
        names = [name for name in predicted if spline or name != "thin-plate spline"]
        seen = columns(problem, X, stack.out_of_fold_[names].to_numpy())
        new = columns(problem, X_test, np.column_stack([predicted[name] for name in names]))
        for method, regressor in correctors(spline):
            start = time.perf_counter()
            corrector = ResidualCorrector(
                regressor, n_prediction_columns=len(names), cv=5 if cv == 10 else cv
            ).fit(seen, y)
            corrected = corrector.predict(new)
            took = time.perf_counter() - start + seconds
            yield method, np.nan, corrected, took


def correctors(spline):
    if spline:
        return [(OURS_IN_SPACE, None), (f"{ABLATIONS[0]}, and spline", DummyRegressor())]
    boosting = HistGradientBoostingRegressor(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=8, random_state=0
    )
    ridge = RidgeCV(np.logspace(-3, 5, 9))
    return [(OURS, None), *zip(ABLATIONS, (DummyRegressor(), ridge, boosting), strict=True)]


def columns(problem, X, predictions):
    """Return what a CorrectedSmoother shows its corrector."""
    nodes = problem.graph.locate(X.iloc[:, 0])
    return np.hstack([predictions, structural_columns(problem.graph.adjacency)[nodes]])


def boosting_then_smoothing(problem, inner, rows, train, test):
    """Return boosting whose out-of-fold residuals are smoothed over the graph and added."""
    start = time.perf_counter()
    labels, y = problem.X.iloc[:, [0]], problem.y[train]
    few = inner if len(inner) < 10 else KFold(3, shuffle=True, random_state=0)
    unseen = cross_val_predict(BOOSTING, rows[train], y, cv=few)
    smoother = GraphSmoother(graph=problem.graph, order=2, laplacian="symmetric", cv=inner)
    smoother.fit(labels.iloc[train], y - unseen)
    score = r2_score(y, unseen + smoother.predict_out_of_fold(inner))
    predicted = clone(BOOSTING).fit(rows[train], y).predict(rows[test])
    predicted = predicted + smoother.predict(labels.iloc[test])
    return "boosting, residuals smoothed", score, predicted, time.perf_counter() - start


# --- running


def run(make, arguments, kind, fold):
    """Measure one fold of one problem."""
    warnings.filterwarnings("ignore", category=UserWarning)
    import torch

    torch.set_num_threads(1)
    problem = make(*arguments)
    train, test = problem.folds[kind][fold]
    y = problem.y[test]
    # About one mean for all folds, so that pooled R² is that of all rows together.
    variation = float(((y - problem.y.mean()) ** 2).sum())
    return [
        {
            "problem": problem.name,
            "folds": kind,
            "fold": fold,
            "method": method,
            "inner": inner,
            "error": float(((y - predicted) ** 2).sum()),
            "variation": variation,
            "r2": r2_score(y, predicted),
            "seconds": seconds,
        }
        for method, inner, predicted, seconds in measure(problem, kind, train, test)
    ]


def tasks_of(part, quick):
    """Yield one task per fold."""
    for make, arguments in problems_of(part, quick):
        n_random = 10 if part == "election" else 5
        n_blocked = 0 if arguments[0] in PROTEINS[5:] else BLOCKED[part]
        for kind, n in (("random", n_random), ("blocked", n_blocked)):
            yield from ((make, arguments, kind, fold) for fold in range(1 if quick else n))


def name_of(make, arguments):
    if make is election:
        return f"election {arguments[0]}, {'covariates' if arguments[1] else 'topology'}"
    return f"protein {arguments[0]}" if make is protein else f"bunny, {arguments[0]}"


def append(rows):
    new = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        if new:
            writer.writeheader()
        writer.writerows(rows)


# --- speed


def bunny_corrected():
    """Return seconds to fit the whole, and its held-out R²."""
    problem = bunny("symmetric")
    train, test = problem.folds["random"][0]
    model = CorrectedSmoother(graph=problem.graph)
    return fit_and_score(model, problem.X, problem.y, problem.y, train, test)


def million_smoothed(noise):
    """Return seconds to smooth a noisy wave on a sphere, strength chosen, and held-out R²."""
    from _graphs import sphere

    adjacency, points = sphere(1_048_576)
    graph = Graph.from_adjacency(adjacency)
    truth = np.sin(9 * points[:, 0]) * np.cos(7 * points[:, 1]) + points[:, 2]
    rng = np.random.default_rng(SEED)
    y = truth + noise * rng.standard_normal(len(truth))
    nodes = rng.permutation(len(truth))
    X = graph.labels.to_frame(index=False, name="node")
    model = GraphSmoother(graph=graph, order=2)
    train, test = np.split(nodes, [len(nodes) * 9 // 10])
    return fit_and_score(model, X, y, truth, train, test)


def fit_and_score(model, X, y, truth, train, test):
    start = time.perf_counter()
    model.fit(X.iloc[train], y[train])
    return time.perf_counter() - start, r2_score(truth[test], model.predict(X.iloc[test]))


def in_own_process(measure, *arguments):
    """Return what it returns, on one thread, and the peak of memory in GB."""
    import resource

    import torch

    torch.set_num_threads(1)
    result = measure(*arguments)
    return *result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def measure_speed():
    """Write what fitting takes, nothing else running, every row in a process of its own."""
    jobs = {
        "the whole corrector, bunny": (bunny_corrected,),
        "GraphSmoother, million nodes, little noise": (million_smoothed, 0.01),
        "GraphSmoother, million nodes, as much noise as signal": (million_smoothed, 1.0),
    }
    rows = []
    for name, job in jobs.items():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds, score, memory = pool.submit(in_own_process, *job).result()
        rows.append({"what": name, "seconds": seconds, "R²": score, "peak GB": memory})
        print(f"{name}: {seconds:.0f} s", flush=True)
    pd.DataFrame(rows).to_csv(SPEED, index=False)


# --- reports


def report():
    """Print the tables of what has been measured, and draw it."""
    lines = []
    if TABLE.exists():
        lines += report_scores()
    if SPEED.exists():
        lines += ["", "### One thread", "", *markdown(pd.read_csv(SPEED))]
    text = "\n".join(lines)
    (RESULTS / "heldout.md").write_text(text + "\n")
    print(text)


def report_scores():
    """Return the lines of a table per group of problems, and draw each."""
    table = pd.read_csv(TABLE)
    table["group"] = table["problem"].where(~table["problem"].str.startswith("protein"), "proteins")
    lines = []
    for (group, kind), part in table.groupby(["group", "folds"], sort=False):
        part = with_chosen(part)
        n_folds = part.drop_duplicates(["problem", "fold"]).shape[0]
        lines += ["", f"### {group}, {kind} folds ({n_folds})", "", *markdown(summary(part))]
        draw(group, kind, part)
    return lines


def with_chosen(part):
    """Add, per fold, the baseline that inner folds would choose."""
    baselines = part[~part["method"].map(is_ours) & part["inner"].notna()]
    chosen = [("best baseline by inner folds", baselines)]
    graph_only = baselines[~baselines["method"].str.contains("positions|spline")]
    if len(graph_only) < len(baselines):
        chosen = [
            ("best baseline by inner folds, graph only", graph_only),
            ("best baseline by inner folds, positions too", baselines),
        ]
    rows = [
        choices.loc[choices.groupby(["problem", "fold"])["inner"].idxmax()].assign(method=name)
        for name, choices in chosen
    ]
    return pd.concat([part, *rows])


def is_ours(method):
    return method in (OURS, OURS_IN_SPACE) or "correct" in method


def pooled(rows):
    """Return R² pooled over folds, and averaged over problems."""
    sums = rows.groupby("problem")[["error", "variation"]].sum()
    return float((1 - sums["error"] / sums["variation"]).mean())


def summary(part):
    """Return one row per method: R², spread, and how much ours is better, fold by fold."""
    by_fold = part.pivot_table(index=["problem", "fold"], columns="method", values="r2")
    rows = []
    for method, mine in part.groupby("method"):
        row = {"method": method, "R²": pooled(mine), "mean": mine["r2"].mean()}
        row |= {"sd": within(mine), "seconds": mine["seconds"].median()}
        for ours in (OURS, OURS_IN_SPACE):
            if ours in by_fold and ours != method:
                gain = by_fold[ours] - by_fold[method]
                row[f"{ours} minus it"] = f"{gain.mean():+.5f} ({(gain > 0).sum()}/{len(gain)})"
        rows.append(row)
    return pd.DataFrame(rows).sort_values("R²", ascending=False)


def within(rows):
    """Return the standard deviation over the folds of a problem, averaged over problems."""
    return rows.groupby("problem")["r2"].std().mean()


def markdown(table):
    yield "| " + " | ".join(table.columns) + " |"
    yield "|---" * table.shape[1] + "|"
    for row in table.itertuples(index=False):
        cells = [f"{cell:.5g}" if isinstance(cell, float) else str(cell) for cell in row]
        yield "| " + " | ".join(cell.replace("nan", "") for cell in cells) + " |"


def draw(group, kind, part):
    """Draw every fold's share of variance left unexplained, a line per method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    order = part.groupby("method").apply(pooled, include_groups=False).sort_values()
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(order) + 1.2), layout="constrained")
    for height, method in enumerate(order.index):
        left = 1 - part.loc[part["method"] == method, "r2"]
        color = "tab:red" if method in (OURS, OURS_IN_SPACE) else "tab:gray"
        axes.plot(left, np.full(len(left), height), "o", color=color, alpha=0.4, ms=4, mew=0)
        axes.plot(1 - order[method], height, "|", color=color, ms=14, mew=2)
    axes.set(xscale="log", xlabel="1 - R² on held-out nodes (dots: folds; bars: pooled)")
    axes.set_yticks(range(len(order)), order.index)
    axes.set_title(f"{group}, {kind} folds")
    axes.invert_xaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    name = f"heldout-{group}-{kind}.png".replace(", ", "-").replace(" ", "-")
    figure.savefig(RESULTS / name, dpi=150)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = ("bunny", "proteins", "election", "speed")
    parser.add_argument("--only", choices=parts, action="append")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    chosen = options.only or parts
    if not (options.report or options.resume):
        for table in {SPEED if part == "speed" else TABLE for part in chosen}:
            table.unlink(missing_ok=True)
    if not options.report:
        measure_all(chosen, options.quick, options.jobs)
        if "speed" in chosen and not options.quick and not SPEED.exists():
            measure_speed()
    report()


def measure_all(parts, quick, n_jobs):
    """Measure what the table does not hold yet, writing after every fold."""
    done = set()
    if TABLE.exists():
        kept = pd.read_csv(TABLE)
        done = set(zip(kept["problem"], kept["folds"], kept["fold"], strict=True))
    tasks = [task for part in parts for task in tasks_of(part, quick)]
    tasks = [t for t in tasks if (name_of(t[0], t[1]), t[2], t[3]) not in done]
    # A first look at everything before a second at anything.
    tasks.sort(key=lambda task: task[3])
    start = time.perf_counter()
    results = joblib.Parallel(n_jobs, return_as="generator_unordered")(
        joblib.delayed(run)(*task) for task in tasks
    )
    for i, rows in enumerate(results, start=1):
        append(rows)
        ours = {row["method"]: row["r2"] for row in rows}[OURS]
        first = rows[0]
        minutes = (time.perf_counter() - start) / 60
        what = f"{first['problem']}, {first['folds']} fold {first['fold']}"
        print(f"{i}/{len(tasks)}  {minutes:.0f} min  {what}: {ours:.5f}", flush=True)


if __name__ == "__main__":
    main()
