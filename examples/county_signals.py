"""A signal on US counties: from a table to held-out scores and a map.

    python examples/county_signals.py                      # unemployment, 2009
    python examples/county_signals.py --signal election    # 2012, with SKGINR_DATA set

The unemployment table ships in a package, and its graph is the contiguity of the county
polygons. The election is the paper's: its graph is friendships on Facebook.

Four models predict counties that they did not see. These are held out in two ways: at random,
each among observed neighbours, or as whole regions. What a model chooses (how many neighbours, how
strong a smoother), it chooses inside the training part of each fold, on folds of the same kind:
who wants to predict regions has to hold out regions inside, too.
"""

import argparse
import time
import warnings
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import pandas as pd
from joblib import Parallel, delayed
from matplotlib import pyplot
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    SIRENRegressor,
    SpectralEmbedder,
)
from skginr.datasets import fetch_us_election, load_us_unemployment
from skginr.plotting import SignalDisplay

NEIGHBOURS, RECOMMENDED = "nearest neighbours on the map", "CorrectedSmoother"


def main(signal, output, n_jobs=2, n_splits=3):
    mpl.use("Agg")
    # Of no concern: joblib says it when it replaces a process that has grown.
    warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
    counties, graph, column, label = load(signal)
    known = counties.dropna(subset=[column])
    print(graph)
    print(f"{label}: known in {len(known):,} counties, unknown in {len(counties) - len(known):,}")

    ways = {
        "random": [KFold(n, shuffle=True, random_state=n) for n in (n_splits, 3)],
        "regions": [GraphBlockKFold(n, graph=graph) for n in (n_splits, 3)],
    }
    scores, maps = pd.DataFrame(columns=list(ways), dtype=float), {}
    for way, (outer, inner) in ways.items():
        print(f"\n{way} held out", flush=True)
        folds = list(outer.split(known[["fips"]]))
        for name, model in models(counties, graph, inner).items():
            started = time.perf_counter()
            predicted = predict_held_out(model, known, column, folds, n_jobs)
            scores.loc[name, way] = r2_score(known[column], predicted)
            seconds = time.perf_counter() - started
            print(f"    {name:30s} R2 {scores.loc[name, way]:.3f}  {seconds:4.0f} s", flush=True)
            maps[name, way] = predicted

    print(f"\nR2 of counties held out, {n_splits} folds pooled")
    print(scores.round(3).to_string())
    counties = counties.assign(predicted=maps[RECOMMENDED, "random"].reindex(counties.index))
    draw(counties, scores, column, label, output)
    print(f"\nMap: {output}")


def load(signal):
    """Return the map, its graph, the name of the signal's column and its label."""
    if signal == "election":
        data = fetch_us_election(2012)
        return data.frame, data.graph, "election", "Republican lead 2012, standardised"
    counties = load_us_unemployment()
    # No edge leads to the others, so that of a region there is nothing to predict them by.
    counties = counties[~counties["state"].isin(["AK", "HI", "PR"])]
    graph = Graph.from_geodataframe(counties, labels="fips", method="queen")
    return counties, graph, "unemployment", "unemployment 2009, %"


def models(counties, graph, inner):
    """Return the models, which choose what they have to on the inner folds."""
    places = Graph.from_geodataframe(counties, labels="fips", method="knn")
    to_positions = FunctionTransformer(lambda X: places.positions[places.locate(X["fips"])])
    neighbours = make_pipeline(to_positions, KNeighborsRegressor(weights="distance"))
    for_regions = isinstance(inner, GraphBlockKFold)
    network = SIRENRegressor(validation=0.2 if for_regions else "off", random_state=0)
    return {
        NEIGHBOURS: GridSearchCV(
            neighbours, {"kneighborsregressor__n_neighbors": [3, 5, 10, 20, 40]}, cv=inner
        ),
        "SIRENRegressor, the network": make_pipeline(SpectralEmbedder(graph=graph), network),
        "GraphSmoother": GridSearchCV(
            GraphSmoother(graph=graph),
            {"order": [1, 2], "alpha": [0.03, 0.1, 0.3, 1.0, 3.0]},
            cv=inner,
        ),
        RECOMMENDED: CorrectedSmoother(graph=graph, cv=inner if for_regions else 10),
    }


def predict_held_out(model, known, column, folds, n_jobs):
    """Return what is predicted of every county by a copy of the model that did not see it."""

    def predict(seen, unseen):
        # Of islands all of whose counties are held out nothing is known; their guesses count, too.
        warnings.filterwarnings("ignore", r"\d+ of \d+ rows of X name nodes", UserWarning)
        fitted = clone(model).fit(known[["fips"]].iloc[seen], known[column].iloc[seen])
        rows = known[["fips"]].iloc[unseen]
        return pd.Series(fitted.predict(rows), index=rows.index)

    parts = Parallel(n_jobs)(delayed(predict)(*fold) for fold in folds)
    return pd.concat(parts).loc[known.index]


def arrange(counties):
    """Return the map as it is printed: Hawaii, where it is part of it, below the rest."""
    plane, hawaii = "EPSG:5070", counties["fips"].str.startswith("15")
    rest = counties[~hawaii].to_crs(plane)
    if not hawaii.any():
        return rest
    islands = counties[hawaii].to_crs("EPSG:32604")
    west, south, east, north = islands.total_bounds
    # Its middle goes below New Mexico, in metres.
    moved = islands.geometry.translate(-950_000 - (west + east) / 2, 350_000 - (south + north) / 2)
    islands = islands.set_geometry(moved.set_crs(plane, allow_override=True))
    return gpd.GeoDataFrame(pd.concat([rest, islands]))


def draw(counties, scores, column, label, output):
    """Save three maps, and the scores side by side."""
    figure, axes = pyplot.subplots(2, 2, figsize=(12, 7.2), layout="constrained")
    drawn = arrange(counties)
    SignalDisplay.from_predictions(
        drawn, drawn[column], drawn["predicted"], label=label, ax=axes.flat[:3]
    )
    axes[0, 1].set_title(f"predicted by {RECOMMENDED}")
    plot_scores(scores, axes[1, 1])
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=140)
    pyplot.close(figure)


def plot_scores(scores, axis):
    """Draw held-out R2 as bars, a group for each way to hold out."""
    shades = ["#bdbdbd", "#92c5de", "#4393c3", "#b2182b"]
    scores.T[::-1].plot.barh(ax=axis, color=shades, width=0.8, legend=False)
    for bars in axis.containers:
        axis.bar_label(bars, fmt="%.3f", padding=3)
    axis.set_title("R² of counties held out")
    axis.set_yticks(axis.get_yticks(), scores.columns[::-1])
    axis.set_xlim(right=1.15 * scores.to_numpy().max())
    axis.spines[["top", "right"]].set_visible(False)
    handles, names = axis.get_legend_handles_labels()
    axis.legend(
        handles[::-1],
        names[::-1],
        loc="upper center",
        bbox_to_anchor=(0.45, -0.08),
        ncols=2,
        frameon=False,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--signal", choices=["unemployment", "election"], default="unemployment")
    parser.add_argument("--output", type=Path, help="where to save the map (PNG)")
    parser.add_argument("--n-jobs", type=int, default=2, help="fits that run side by side")
    given = parser.parse_args()
    default = Path("build") / f"county_{given.signal}.png"
    main(given.signal, given.output or default, given.n_jobs)
