"""A signal on a surface never seen, completed by what signals on another have taught.

    python examples/shared_corrector.py    # in half a minute

Textures of one family grow on the Stanford bunny (without SKGINR_DATA, on an ellipsoid). From them
a SharedCorrector learns how values go together, by what is seen around a node: how far
observations are, how the surface turns, what smoothers say. Another grows on a sphere, of which
one node in twenty is observed. R² is of the others, beside that of the least bent surface through
what was observed.
"""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from scipy.spatial import ConvexHull
from sklearn.metrics import r2_score

from skginr import Graph, GraphSmoother, SharedCorrector
from skginr.datasets import fetch_bunny, make_reaction_diffusion
from skginr.plotting import plot_mesh


def main(output=Path("build")):
    """Return R² of what was learned and of the smoother, and draw both."""
    known = fetch_bunny(3) if os.environ.get("SKGINR_DATA") else ellipsoid(1_500, (1, 0.7, 0.5))
    table = pd.concat(
        pd.DataFrame({"mesh": "known", "node": known.labels, "texture": i, "v": grown(known, i)})
        for i in range(4)
    )
    model = SharedCorrector({"known": known}, n_masks=6)
    model.fit(table[["mesh", "node", "texture"]], table["v"])

    sphere = ellipsoid(2_500, (1, 1, 1))
    texture, X = grown(sphere, 100), pd.DataFrame({"node": sphere.labels})
    observed = np.sort(np.random.default_rng(0).choice(len(X), len(X) // 20, replace=False))
    rest = np.setdiff1d(X.index, observed)
    smoother = GraphSmoother(graph=sphere, order=2, laplacian="cotangent", alpha=1e-6)
    given = X.iloc[observed], texture[observed]
    found = {"learned": model.condition(sphere, *given), "least bent": smoother.fit(*given)}
    fields = {"truth": texture, "observed": np.where(X.index.isin(observed), texture, np.nan)}
    scores = {}
    for name, one in found.items():
        fields[name] = one.predict(X)
        scores[name] = r2_score(texture[rest], fields[name][rest])
        print(f"R² of nodes not observed, {name}: {scores[name]:.3f}")
    draw(sphere, fields, scores, output)
    return scores


def ellipsoid(n_points, radii):
    """Return a mesh of points that are spread about evenly."""
    height = 1 - (2 * np.arange(n_points) + 1) / n_points
    turn, ring = np.pi * (3 - 5**0.5) * np.arange(n_points), np.sqrt(1 - height**2)
    points = np.column_stack([ring * np.cos(turn), ring * np.sin(turn), height]) * radii
    return Graph.from_mesh(points, ConvexHull(points).simplices)


def grown(graph, seed):
    """Return a texture of the family: of rates that the seed draws."""
    rng = np.random.default_rng(seed)
    feed, kill = rng.uniform(0.054, 0.062), rng.uniform(0.061, 0.063)
    rates = {"feed": feed, "kill": kill, "laplacian": "random_walk", "random_state": seed}
    return make_reaction_diffusion(graph, n_steps=4_000, **rates)["v"].to_numpy()


def draw(graph, fields, scores, output):
    """Save all fields as seen from one side, what is observed as points."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(1, 4, figsize=(14, 4), layout="constrained")
    look = {"cmap": "viridis", "clim": (fields["truth"].min(), fields["truth"].max())}
    for axis, (name, values) in zip(axes, fields.items(), strict=True):
        plot_mesh(graph, values, ax=axis, **look)
        if name == "observed":
            shown = ~np.isnan(values) & (graph.positions[:, 2] > 0)
            x, y, _ = graph.positions[shown].T
            axis.scatter(x, y, c=values[shown], s=12).set_clim(*look["clim"])
        axis.set_title(f"{name}, R² {scores[name]:.3f}" if name in scores else name)
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "shared_corrector.png", dpi=70)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
