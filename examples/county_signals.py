"""A signal on US counties: from a table to cross-validated scores and a map.
==========================================================================

::

    python examples/county_signals.py                      # unemployment, 2009
    python examples/county_signals.py --signal election    # 2012, with SKGINR_DATA set

The unemployment table ships in a package, and its graph is the contiguity of the county
polygons. The election is the paper's: its graph is friendships on Facebook.

Every score is on counties that the model did not see, held out in two ways: at random,
each among observed neighbours, or by whole regions. The network is told which it will be:
to predict regions it holds out regions inside, ``validation=0.2``. Where a row of the table
chooses (the size k of the embedding, the strength of a smoother), it does so inside the
training part of each fold: the network by ``held_out_score_``, others on folds.
"""

import argparse
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.base import clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skginr import Graph, GraphBlockKFold, GraphSmoother, SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_us_election, load_us_unemployment
from skginr.plotting import SignalDisplay

K = "spectralembedder__n_components"
# None is the default: as many as help a signal that is smooth.
K_VALUES = [16, 64, 256, None]
# How the network holds rows out inside, to find its strength.
INSIDE = {"random": "off", "blocked": 0.2}
BASELINES = ("nearest neighbours on the map", "graph smoother")


def main(signal, output, n_jobs=2, k_values=K_VALUES, n_splits=5):
    mpl.use("Agg")
    counties, graph, column, label = load(signal)
    table = pd.DataFrame(counties.drop(columns="geometry")).dropna(subset=[column])
    X, y = table[["fips"]], table[column]
    print(graph)
    print(f"{label}: known in {len(table):,} counties, unknown in {len(counties) - len(table)}")

    embedder = SpectralEmbedder(graph=graph)
    default_k = clone(embedder).fit(X).n_components_
    ways = {
        "random": (
            KFold(n_splits, shuffle=True, random_state=0),
            KFold(3, shuffle=True, random_state=1),
        ),
        "blocked": (GraphBlockKFold(n_splits, graph=graph), GraphBlockKFold(3, graph=graph)),
    }
    rows, searches = [], {}
    for way, (outer, inner) in ways.items():
        print(f"\n{way} folds", flush=True)
        network = SIRENRegressor(validation=INSIDE[way], random_state=0)
        search = GridSearchCV(
            make_pipeline(embedder, network),
            {K: k_values},
            scoring=SCORING | {"inside": held_out_inside},
            refit="r2" if way == "random" else False,
            cv=outer,
            n_jobs=n_jobs,
        )
        searches[way] = search.fit(X, y)
        of_k = {score: of_search(search, score) for score in (*SCORING, "inside")}
        found = [
            report(name_of(k, default_k), of_k["r2"][i], of_k["sse"][i], y)
            for i, k in enumerate(k_values)
        ]
        chosen = of_k["inside"].argmax(axis=0), np.arange(n_splits)
        found.append(report("SIREN, k chosen inside", of_k["r2"][chosen], of_k["sse"][chosen], y))
        for name, chooser in baselines(counties, graph, inner).items():
            scores = cross_validate(chooser, X, y, cv=outer, scoring=SCORING, n_jobs=n_jobs)
            found.append(report(name, scores["test_r2"], scores["test_sse"], y))
        rows += [{"folds": way} | row for row in found]
    scores = pd.DataFrame(rows)

    print("\nHeld-out R2: folds pooled, then mean and spread of the folds")
    print(as_table(scores).to_string())

    # Every county by a model that did not see it: those that are known by the models
    # of the random folds, the others by the model refitted on all that are known. Of islands
    # where none is known there is no prediction.
    best = searches["random"].best_estimator_
    reached = np.isin(graph.components, graph.components[graph.locate(X["fips"])])
    predicted = pd.Series(np.nan, index=counties["fips"])
    predicted[reached] = best.predict(counties.loc[reached, ["fips"]])
    predicted[X["fips"]] = cross_val_predict(best, X, y, cv=ways["random"][0], n_jobs=n_jobs)
    counties = counties.assign(predicted=predicted.to_numpy())
    k = searches["random"].best_params_[K] or default_k
    draw(counties, scores, column, label, k, output)
    print(f"\nMap: {output}")


def load(signal):
    """Return the map, its graph, the name of the signal's column and its label."""
    if signal == "election":
        data = fetch_us_election(2012)
        return data.frame, data.graph, "election", "Republican lead 2012, standardised"
    counties = load_us_unemployment()
    graph = Graph.from_geodataframe(counties, labels="fips", method="queen")
    return counties, graph, "unemployment", "unemployment 2009, %"


def baselines(counties, graph, inner):
    """Return what the network has to beat, each tuned on the inner folds."""
    places = Graph.from_geodataframe(counties, labels="fips", method="knn")
    to_positions = FunctionTransformer(lambda X: places.positions[places.locate(X["fips"])])
    neighbors = make_pipeline(to_positions, KNeighborsRegressor(weights="distance"))
    smoother = GraphSmoother(graph=graph)
    grids = (
        {"kneighborsregressor__n_neighbors": [3, 5, 10, 20, 40]},
        {"order": [1, 2], "alpha": [0.03, 0.1, 0.3, 1.0, 3.0]},
    )
    return {
        name: GridSearchCV(model, grid, cv=inner)
        for name, model, grid in zip(BASELINES, (neighbors, smoother), grids, strict=True)
    }


def sum_of_squares(y, predicted):
    return float(((y - predicted) ** 2).sum())


# The sums of squares of the folds make one pooled R2.
SCORING = {"r2": "r2", "sse": make_scorer(sum_of_squares, greater_is_better=False)}


def held_out_inside(model, X, y):
    """Return R² at rows of the training part, of which X is none, that were held out in it."""
    return model[-1].held_out_score_


def of_search(search, score):
    """Return a score of a fitted search, a row for each candidate, a column for each fold."""
    folds = [search.cv_results_[f"split{i}_test_{score}"] for i in range(search.n_splits_)]
    return np.column_stack(folds)


def name_of(k, default):
    return f"SIREN, k = {k}" if k else f"SIREN, k = {default}, the default"


def report(name, r2, negative_sse, y):
    """Return a row of the table, and print it: progress for the one who waits."""
    pooled = 1 + np.sum(negative_sse) / np.sum((y - y.mean()) ** 2)
    print(f"    {name:30s} {pooled:6.3f}", flush=True)
    return {"model": name, "pooled": pooled, "mean": np.mean(r2), "spread": np.std(r2)}


def as_table(scores):
    table = scores.pivot_table(index="model", columns="folds", sort=False)
    ordered = [(score, way) for way in scores["folds"].unique() for score in scores.columns[2:]]
    return table[ordered].swaplevel(axis="columns").round(3)


def arrange(counties):
    """Return the map as it is printed: Alaska, Hawaii and Puerto Rico below the rest."""
    plane = "EPSG:5070"
    # First digits of the code: projection, scale, and place of the middle in metres.
    insets = {
        "02": ("EPSG:3338", 0.33, (-1_850_000, 480_000)),
        "15": ("EPSG:32604", 0.9, (-950_000, 330_000)),
        "72": ("EPSG:32620", 1.2, (1_900_000, 350_000)),
    }
    state = counties["fips"].str[:2]
    # Numbers above those of the states are far islands.
    parts = [counties[~state.isin(insets) & (state <= "56")].to_crs(plane)]
    for code, (crs, scale, (east, north)) in insets.items():
        part = counties[state == code].to_crs(crs)
        if part.empty:
            continue
        west, south, right, top = part.total_bounds
        move = [scale, 0, 0, scale]
        move += [east - scale * (west + right) / 2, north - scale * (south + top) / 2]
        moved = part.geometry.affine_transform(move).set_crs(plane, allow_override=True)
        parts.append(part.set_geometry(moved))
    return gpd.GeoDataFrame(pd.concat(parts))


def draw(counties, scores, column, label, k, output):
    """Save three maps, and the scores against k."""
    figure, axes = pyplot.subplots(2, 2, figsize=(16, 9.5), layout="constrained")
    drawn = arrange(counties)
    SignalDisplay.from_predictions(
        drawn, drawn[column], drawn["predicted"], label=label, ax=axes.flat[:3]
    )
    axes[0, 1].set_title(f"predicted from the other counties, k = {k}")
    plot_scores(scores, axes[1, 1])
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110)
    pyplot.close(figure)


def plot_scores(scores, axis):
    """Draw held-out R2 against k, and the baselines as lines across."""
    for colour, way in zip(("C0", "C1"), scores["folds"].unique(), strict=True):
        rows = scores[scores["folds"] == way].set_index("model")
        siren = rows[rows.index.str.contains("k = ")]
        k = siren.index.str.extract(r"(\d+)", expand=False).astype(int)
        axis.plot(k, siren["pooled"], color=colour, marker="o", label=f"SIREN, {way} folds")
        for style, name in zip(("--", ":"), BASELINES, strict=True):
            level = rows.loc[name, "pooled"]
            axis.axhline(level, color=colour, linestyle=style, label=f"{name}, {way} folds")
    axis.set_xscale("log")
    axis.set_xticks(k, k)
    axis.minorticks_off()
    axis.set(xlabel="k, size of the embedding", ylabel="held-out R², folds pooled")
    axis.set_title("how well counties are predicted that were not observed")
    axis.grid(alpha=0.3)
    # Room for the legend below the lines.
    low, high = axis.get_ylim()
    axis.set_ylim(low - 0.3 * (high - low), high)
    axis.legend(loc="lower left", ncols=2, fontsize="small")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--signal", choices=["unemployment", "election"], default="unemployment")
    parser.add_argument("--output", type=Path, help="where to save the map (PNG)")
    parser.add_argument("--n-jobs", type=int, default=2, help="fits that run side by side")
    given = parser.parse_args()
    default = Path("build") / f"county_{given.signal}.png"
    main(given.signal, given.output or default, given.n_jobs)
