"""How many coordinates a network needs to tell the places of a surface apart.

    python examples/embedding_size.py           # a coarser bunny, in seconds
    python examples/embedding_size.py --full    # 2 to 300 coordinates, in about ten minutes

A texture on the Stanford bunny, held out at random and in connected blocks, over the number of
coordinates: one decomposition serves them all. The paper finds that up to three cannot tell the
ears from the tail; that is counted here without any network, by how many nodes have a neighbour
in the embedding that is far away in space. Needs SKGINR_DATA.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from scipy.spatial import KDTree
from sklearn.model_selection import KFold, ValidationCurveDisplay
from sklearn.pipeline import make_pipeline

from skginr import GraphBlockKFold, SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_bunny, make_reaction_diffusion
from skginr.plotting import plot_mesh

SIZE = "spectralembedder__n_components"
N_SPLITS = 2


def main(full=False, output=Path("build")):
    """Return a row for each number of coordinates and way to hold out; draw curves and bunnies."""
    bunny = fetch_bunny(1 if full else 2)
    texture = make_reaction_diffusion(bunny, n_steps=30_000 if full else 3_000)["v"].to_numpy()
    sizes = (2, 3, 4, 8, 16, 32, 64, 100, 200, 300) if full else (2, 4, 32)
    drawn = (2, 3, 4, 100) if full else sizes
    embedder = SpectralEmbedder(graph=bunny, scaling="unit", max_components=max(sizes))
    network = SIRENRegressor("train", input_scaling="given", random_state=0)
    model = make_pipeline(embedder, network)
    X = pd.DataFrame({"node": bunny.labels})
    mpl.use("Agg")
    output.mkdir(parents=True, exist_ok=True)
    rows = strangers(bunny, model, X, drawn) + curves(bunny, model, X, texture, sizes, output)
    draw(bunny, model, X, texture, drawn, output)
    return rows


def strangers(bunny, model, X, sizes):
    """Count nodes whose nearest in the embedding are elsewhere on the bunny."""
    far = 0.1 * np.linalg.norm(np.ptp(bunny.positions, axis=0))
    rows = []
    for size in sizes:
        coordinates = model[:1].set_params(**{SIZE: size}).fit_transform(X)
        # Eight, and the node itself.
        nearest = KDTree(coordinates).query(coordinates, k=9)[1][:, 1:]
        away = np.linalg.norm(bunny.positions[nearest] - bunny.positions[:, None], axis=2)
        rows.append(row("nodes near a stranger", size, (away.max(axis=1) > far).mean()))
    return rows


def curves(bunny, model, X, texture, sizes, output):
    """Return held-out R² over sizes, and save the curves."""
    folds = {
        "random": KFold(N_SPLITS, shuffle=True, random_state=0),
        "blocks": GraphBlockKFold(N_SPLITS, graph=bunny),
    }
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = []
    for axis, (name, cv) in zip(axes, folds.items(), strict=True):
        display = ValidationCurveDisplay.from_estimator(
            model, X, texture, param_name=SIZE, param_range=sizes, cv=cv, score_name="R²", ax=axis
        )
        axis.set(title=f"held out: {name}", xlabel="n_components", xscale="log", ylim=(-1.05, 1.05))
        means = display.test_scores.mean(axis=1)
        rows += [row(f"R², held out: {name}", *pair) for pair in zip(sizes, means, strict=True)]
    figure.savefig(output / "embedding_size.png", dpi=80)
    pyplot.close(figure)
    return rows


def draw(bunny, model, X, texture, sizes, output):
    """Save the texture, and what networks make of half of it."""
    train, test = next(KFold(N_SPLITS, shuffle=True, random_state=0).split(X))
    figure, axes = pyplot.subplots(1, 1 + len(sizes), figsize=(15, 3.4), layout="constrained")
    limits = np.percentile(texture, [1, 99])
    plot_mesh(bunny, texture, ax=axes[0], clim=limits)
    axes[0].set_title("texture")
    for axis, size in zip(axes[1:], sizes, strict=True):
        model.set_params(**{SIZE: size}).fit(X.iloc[train], texture[train])
        plot_mesh(bunny, model.predict(X), ax=axis, clim=limits)
        axis.set_title(f"k = {size}, R² {model.score(X.iloc[test], texture[test]):.3f}")
    figure.savefig(output / "embedding_size_bunny.png", dpi=80)
    pyplot.close(figure)


def row(what, size, value):
    """Return a row of the table, and print it."""
    print(f"{what:24s} k = {size:<4d} {value:.3f}", flush=True)
    return {
        "experiment": "Size of the embedding",
        "data": "bunny",
        "what": f"{what}, k = {size}",
        "ours": float(value),
        "paper": None,
        "baseline": None,
        "baseline_name": None,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="up to 300 coordinates, finest bunny")
    main(parser.parse_args().full)
