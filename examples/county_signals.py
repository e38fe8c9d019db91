"""A signal on US counties: from a table to cross-validated scores and a map.

    python examples/county_signals.py                      # unemployment, 2009
    python examples/county_signals.py --signal election    # with SKGINR_DATA set

The unemployment table ships in a package and its graph is the contiguity of the county
polygons. The election of 2012 is the paper's: its graph is friendships on Facebook.
Every model is scored on counties that it did not see, in two ways: held out at random,
among observed neighbours, and held out by regions. Choices (the size k of the embedding,
the strength of a smoother) are made inside the training part of each fold.
"""

import argparse
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
from shapely.affinity import affine_transform
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skginr import Graph, GraphBlockKFold, GraphSmoother, SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_us_election, load_us_unemployment
from skginr.plotting import plot_prediction

mpl.use("Agg")

K = "spectralembedder__n_components"
K_VALUES = [4, 8, 16, 32, 64, 100]
ALPHAS = np.logspace(-2, 1, 7)
NEIGHBORS = [3, 5, 10, 20, 40]


def sum_of_squares(y, predicted):
    return float(((y - predicted) ** 2).sum())


# The second turns folds into one pooled R2.
SCORING = {"r2": "r2", "sse": make_scorer(sum_of_squares, greater_is_better=False)}


def load(signal):
    """Return (map, graph, name of the signal's column, its label)."""
    if signal == "election":
        data = fetch_us_election(2012)
        return data.frame, data.graph, "election", "Republican lead 2012 (standardised)"
    counties = load_us_unemployment()
    graph = Graph.from_geodataframe(counties, labels="fips", method="queen")
    return counties, graph, "unemployment", "unemployment 2009, %"


def positions_of(counties):
    """Return a transformer from FIPS codes to points in space, for neighbours on the map."""
    places = Graph.from_geodataframe(counties, labels="fips", method="knn")
    return FunctionTransformer(lambda X: places.positions[places.locate(X.iloc[:, 0])])


def summary(name, r2, sse, y):
    """Return a row of the table: folds pooled, and their mean and spread."""
    pooled = 1 + np.sum(sse) / np.sum((y - y.mean()) ** 2)
    return {"model": name, "pooled": pooled, "mean": np.mean(r2), "spread": np.std(r2)}


def score_search(search, X, y):
    """Fit a grid search over k and return a row of the table for each k."""
    search.fit(X, y)
    results = search.cv_results_
    folds = range(search.n_splits_)
    return [
        summary(
            f"SIREN, k = {params[K]}",
            [results[f"split{fold}_test_r2"][i] for fold in folds],
            [results[f"split{fold}_test_sse"][i] for fold in folds],
            y,
        )
        for i, params in enumerate(results["params"])
    ]


def score(name, model, X, y, cv, n_jobs):
    scores = cross_validate(model, X, y, cv=cv, scoring=SCORING, n_jobs=n_jobs)
    row = summary(name, scores["test_r2"], scores["test_sse"], y)
    print(f"    {name:34s} pooled R2 {row['pooled']:6.3f}", flush=True)
    return row


def arrange(counties):
    """Return the map as printed: Alaska, Hawaii and Puerto Rico below the rest, in the plane."""
    if "state" not in counties:
        return counties.to_crs("EPSG:5070")
    # State: projection, scale, and where its middle goes (metres east, north).
    insets = {
        "AK": ("EPSG:3338", 0.33, (-1_850_000, 480_000)),
        "HI": ("EPSG:32604", 0.9, (-950_000, 330_000)),
        "PR": ("EPSG:32620", 1.2, (1_900_000, 350_000)),
    }
    parts = [
        counties[~counties["state"].isin([*insets, "AS", "GU", "MP", "VI"])].to_crs("EPSG:5070")
    ]
    for state, (crs, scale, (east, north)) in insets.items():
        part = counties[counties["state"] == state].to_crs(crs)
        x0, y0, x1, y1 = part.total_bounds
        shift = [east - scale * (x0 + x1) / 2, north - scale * (y0 + y1) / 2]
        moved = part.geometry.map(
            lambda shape, s=scale, d=shift: affine_transform(shape, [s, 0, 0, s, *d])
        )
        parts.append(part.set_geometry(gpd.GeoSeries(moved, index=part.index, crs=None)))
        parts[-1] = parts[-1].set_crs("EPSG:5070", allow_override=True)
    return gpd.GeoDataFrame(pd.concat(parts), crs="EPSG:5070")


def plot_scores(table, axis):
    """Draw held-out R2 against k, with the baselines as lines across."""
    for colour, (folds, rows) in zip(("C0", "C1"), table.groupby("folds", sort=False), strict=True):
        siren = rows[rows["k"].notna()]
        axis.errorbar(
            siren["k"],
            siren["mean"],
            siren["spread"],
            color=colour,
            marker="o",
            capsize=3,
            label=f"SIREN, {folds} folds",
        )
        for style, name in (("--", "kNN on the map"), (":", "graph smoother")):
            value = rows.loc[rows["model"] == name, "mean"].item()
            axis.axhline(value, color=colour, linestyle=style, label=f"{name}, {folds} folds")
    axis.set_xscale("log")
    axis.set_xticks(K_VALUES, K_VALUES)
    axis.minorticks_off()
    axis.set(xlabel="k, size of the embedding", ylabel="held-out R² (mean and spread of folds)")
    axis.set_title("held-out R² by size of the embedding")
    axis.legend(fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))


def main(signal, output, n_jobs):
    counties, graph, column, label = load(signal)
    print(graph)
    table = pd.DataFrame(counties.drop(columns="geometry")).dropna(subset=[column])
    X, y = table[["fips"]], table[column]
    print(f"{len(table):,} counties with {label}; {len(counties) - len(table)} without")

    model = make_pipeline(SpectralEmbedder(graph=graph), SIRENRegressor(random_state=0))
    map_neighbors = make_pipeline(positions_of(counties), KNeighborsRegressor(weights="distance"))
    baselines = {
        "kNN on the map": GridSearchCV(
            map_neighbors,
            {"kneighborsregressor__n_neighbors": NEIGHBORS},
            cv=KFold(5, shuffle=True, random_state=1),
        ),
        "graph smoother": GridSearchCV(
            GraphSmoother(graph=graph),
            {"order": [1, 2], "alpha": ALPHAS},
            cv=KFold(5, shuffle=True, random_state=1),
        ),
    }
    ways = {
        "random": KFold(5, shuffle=True, random_state=0),
        "blocked": GraphBlockKFold(5, graph=graph),
    }
    rows, searches = [], {}
    for folds, cv in ways.items():
        print(f"{folds} folds", flush=True)
        searches[folds] = GridSearchCV(
            model, {K: K_VALUES}, cv=cv, scoring=SCORING, refit="r2", n_jobs=n_jobs, verbose=1
        )
        found = score_search(searches[folds], X, y)
        print(f"    best k {searches[folds].best_params_[K]}")
        found += [score(name, m, X, y, cv, n_jobs) for name, m in baselines.items()]
        rows += [{"folds": folds} | row for row in found]
    scores = pd.DataFrame(rows)
    scores["k"] = scores["model"].str.extract(r"k = (\d+)", expand=False).astype(float)

    print("\nheld-out R2, pooled over folds, and mean and spread of the folds")
    shown = scores.drop(columns="k").set_index(["model", "folds"]).unstack("folds")  # noqa: PD010
    shown = shown.swaplevel(axis=1).reindex(columns=ways, level=0).reindex(scores["model"].unique())
    print(shown.round(3).to_string())

    # Every county by a model that did not see it; those without a rate by all the others.
    best = searches["random"].best_estimator_
    predicted = pd.Series(best.predict(counties[["fips"]]), index=counties["fips"])
    predicted[X["fips"]] = cross_val_predict(best, X, y, cv=ways["random"], n_jobs=n_jobs)
    counties = counties.assign(predicted=predicted.to_numpy())
    draw(counties, scores, column, label, best[0].n_components_, output)
    print(f"\nmap: {output}")


def draw(counties, scores, column, label, k, output):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(17, 11), layout="constrained")
    drawn = arrange(counties)
    plot_prediction(drawn, drawn[column], drawn["predicted"], label=label, axes=axes.flat[:3])
    axes.flat[1].set_title(f"predicted by SIREN from other counties, k = {k}")
    plot_scores(scores, axes.flat[3])
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--signal", choices=["unemployment", "election"], default="unemployment")
    parser.add_argument("--output", type=Path, help="where to save the map (PNG)")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes that fit in parallel")
    arguments = parser.parse_args()
    main(
        arguments.signal,
        arguments.output or Path("build") / f"county_{arguments.signal}.png",
        arguments.n_jobs,
    )
