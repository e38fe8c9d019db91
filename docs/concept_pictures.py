"""Draws the pictures of concepts.md, and prints the numbers beside them.

    python docs/concept_pictures.py docs/images

The map is that of the tutorial, the texture is made.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphSmoother,
    SIRENRegressor,
    SpectralEmbedder,
)
from skginr.datasets import load_us_unemployment, make_reaction_diffusion
from skginr.plotting import plot_signal


def draw_coordinates(counties, graph):
    """Return a picture of six spectral coordinates on the map."""
    embedder = SpectralEmbedder(40, graph=graph, scaling="unit")
    coordinates = np.asarray(embedder.fit_transform(counties[["fips"]]))
    figure, axes = pyplot.subplots(2, 3, figsize=(10, 5.6), layout="constrained")
    for ax, k in zip(axes.flat, (1, 2, 3, 4, 10, 40), strict=True):
        plot_signal(counties, coordinates[:, k - 1], ax=ax, clim=(-2, 2), cmap="RdBu_r")
        ax.set_title(f"coordinate {k}")
    return figure


def draw_folds(counties, graph):
    """Return a picture of random and of blocked folds, and the scores of both."""
    X, y = counties[["fips"]], counties["unemployment"]
    places = counties.geometry.centroid.get_coordinates()
    ways = {
        "single counties": KFold(5, shuffle=True, random_state=0),
        "whole regions": GraphBlockKFold(5, graph=graph, random_state=0),
    }
    scores = {}
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for ax, (way, folds) in zip(axes, ways.items(), strict=True):
        splits = list(folds.split(X))
        fold = np.empty(len(X), dtype=object)
        for i, (_, test) in enumerate(splits):
            fold[test] = f"fold {i + 1}"
        smoothed = cross_val_predict(GraphSmoother(graph=graph, cv=folds), X, y, cv=splits)
        nearest = cross_val_predict(KNeighborsRegressor(5), places, y, cv=splits)
        scores[way] = {"smoother": r2_score(y, smoothed), "nearest": r2_score(y, nearest)}
        plot_signal(counties, fold, ax=ax)
        said = ", ".join(f"{name} {score:.2f}" for name, score in scores[way].items())
        ax.set_title(f"{way}: R² {said}")
    return figure, scores


def make_sheet(side=40):
    """Return a flat mesh, and a texture on it."""
    places = np.stack(np.meshgrid(range(side), range(side), indexing="ij"), -1).reshape(-1, 2)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    lower = np.column_stack([corner, corner + 1, corner + side])
    upper = np.column_stack([corner + 1, corner + side + 1, corner + side])
    vertices = np.column_stack([places, np.zeros(len(places))])
    graph = Graph.from_mesh(vertices, np.concatenate([lower, upper]))
    texture = make_reaction_diffusion(graph, laplacian="random_walk", n_steps=6_000)
    return graph, texture["v"].to_numpy()


def draw_models(side=40, row=20):
    """Return a picture of what each model says along a cut through a texture, and the scores."""
    graph, texture = make_sheet(side)
    X = pd.DataFrame({"vertex": graph.labels})
    seen = np.random.default_rng(0).random(graph.n_nodes) < 0.3
    models = {
        "smoother": GraphSmoother(graph=graph),
        "network": make_pipeline(SpectralEmbedder(graph=graph), SIRENRegressor(random_state=0)),
        "corrected smoother": CorrectedSmoother(graph=graph, random_state=0),
    }
    cut = slice(row * side, (row + 1) * side)
    scores = {}
    figure, axes = pyplot.subplots(3, 1, figsize=(8, 6.5), layout="constrained", sharex=True)
    for ax, (name, model) in zip(axes, models.items(), strict=True):
        predicted = model.fit(X[seen], texture[seen]).predict(X)
        scores[name] = r2_score(texture[~seen], predicted[~seen])
        ax.plot(texture[cut], color="0.7", linewidth=4, label="the truth")
        ax.plot(predicted[cut], color="C0", label="predicted")
        ax.plot(np.flatnonzero(seen[cut]), texture[cut][seen[cut]], "ko", label="observed")
        ax.set_title(f"{name}: R² {scores[name]:.3f} where nothing was observed")
    scores["weight of the correction"] = models["corrected smoother"].corrector_.weight_
    axes[0].legend(loc="lower center")
    axes[-1].set_xlabel("node along the cut")
    return figure, scores


def main(folder):
    """Write the pictures to a folder, and return the scores that they show."""
    counties = load_us_unemployment().cx[-84:-66, 38.5:48].to_crs("EPSG:5070")
    graph = Graph.from_geodataframe(counties, labels="fips")
    figures = {"coordinates": draw_coordinates(counties, graph)}
    figures["folds"], of_folds = draw_folds(counties, graph)
    figures["cut"], of_models = draw_models()
    for name, figure in figures.items():
        figure.savefig(Path(folder) / f"concept_{name}.png", dpi=80)
    return of_folds, of_models


if __name__ == "__main__":
    print(*main(sys.argv[1]), sep="\n")
