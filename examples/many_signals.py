"""Many signals in one network: electrostatic potentials of proteins, each on its own surface.

    python examples/many_signals.py           # four surfaces, a short training
    python examples/many_signals.py --full    # all fifteen, and fourteen and the fifteenth

The network takes the coordinates of a vertex on its surface and a code of the surface, which is
learned with the weights (``latent_dim``). A surface that comes later gets a code with the network
left as it is (``add_signals``). That is quick, and no good: eigenvectors of different surfaces
have little in common, so that what the network knows of others says nothing of a new one. Beside
both stands a linear model on the coordinates of each surface alone. Needs SKGINR_DATA.
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from skginr import MultiGraphEmbedder, SIRENRegressor, SpectralEmbedder
from skginr.datasets import PROTEIN_SURFACES, fetch_protein_surface
from skginr.plotting import plot_mesh

K = 100


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw surfaces as the network holds them."""
    names = PROTEIN_SURFACES if full else ("1NPO_A", "1O9Y_D", "1XPJ_A", "2AQX_A")
    surfaces = [fetch_protein_surface(name) for name in names]
    X, y = table_of(surfaces)
    number = X[:, -1]
    network = SIRENRegressor(
        "represent",
        input_scaling="given",
        latent_dim=16,
        schedule="cosine",
        max_epochs=60 if full else 12,
        target_score="off",
        random_state=0,
        verbose=int(full),
    )

    known = number < len(names) - 1
    start = time.perf_counter()
    network.fit(X[known], y[known])
    trained = time.perf_counter() - start
    every = clone(network).fit(X, y)

    start = time.perf_counter()
    new = network.set_params(max_epochs=5).add_signals(X[~known], y[~known])
    added = time.perf_counter() - start
    held = new.predict(X)
    scores = pd.DataFrame(
        {
            "all but the last": scores_of(number, y, held),
            "all in one": scores_of(number, y, every.predict(X)),
            "linear, each alone": scores_of(number, y, linear(X, y)),
        }
    ).set_axis(pd.Index(names, name="surface"))
    print(scores.round(4).to_string())
    print(f"trained in {trained:.0f} s; the last surface's code in {added:.1f} s", flush=True)
    draw(surfaces, names, y, held, number, output)
    common = {"experiment": "many signals", "paper": None, "baseline_name": "linear, each alone"}
    what = {
        f"mean R² of {len(names)} in one network": ("all in one", scores.mean()),
        f"mean R² of {len(names) - 1} in one network": ("all but the last", scores[:-1].mean()),
        f"R² of a new one, {names[-1]}, from its code alone": ("all but the last", scores.iloc[-1]),
    }
    rows = []
    for text, (which, table) in what.items():
        found = {"ours": float(table[which]), "baseline": float(table["linear, each alone"])}
        rows.append(common | {"data": "proteins", "what": text} | found)
    times = {"ours": added / trained, "baseline": 1.0, "baseline_name": "training"}
    return [*rows, common | {"data": "proteins", "what": "time of its code"} | times]


def table_of(surfaces):
    """Return coordinates with the number of the surface last, and the standardised potentials."""
    graphs = {i: surface.graph for i, surface in enumerate(surfaces)}
    nodes = pd.concat(
        [surface.frame.assign(surface=i) for i, surface in enumerate(surfaces)], ignore_index=True
    )
    embedder = MultiGraphEmbedder(
        graphs, SpectralEmbedder(K, scaling="unit", component_features=False)
    )
    X = embedder.fit_transform(nodes[["surface", "vertex"]])
    charge = nodes.groupby("surface")["charge"]
    y = (nodes["charge"] - charge.transform("mean")) / charge.transform("std")
    return np.column_stack([X, nodes["surface"]]), y.to_numpy()


def linear(X, y):
    """Return the fit of a linear model to each surface."""
    predicted = np.empty_like(y)
    for i in np.unique(X[:, -1]):
        rows = X[:, -1] == i
        predicted[rows] = LinearRegression().fit(X[rows], y[rows]).predict(X[rows])
    return predicted


def scores_of(number, y, predicted):
    """Return R² of each surface."""
    return [r2_score(y[number == i], predicted[number == i]) for i in np.unique(number)]


def draw(surfaces, names, y, held, number, output):
    """Save potentials above and what the network holds below: two surfaces and the new one."""
    mpl.use("Agg")
    shown = [0, 1, len(names) - 1]
    figure, axes = pyplot.subplots(2, 3, figsize=(12, 8), layout="constrained")
    for column, i in enumerate(shown):
        rows = number == i
        widest = np.percentile(np.abs(y[rows]), 98)
        title = f"{names[i]}, new: its code alone" if i == shown[-1] else names[i]
        for axis, values in zip(axes[:, column], (y, held), strict=True):
            look = {"cmap": "RdBu_r", "clim": (-widest, widest)}
            plot_mesh(surfaces[i].graph, values[rows], ax=axis, **look)
        axes[0, column].set_title(title)
    for axis, label in zip(axes[:, 0], ("potential", "in the network"), strict=True):
        axis.text(-0.05, 0.5, label, rotation=90, va="center", transform=axis.transAxes)
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "many_signals.png", dpi=65)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all surfaces")
    main(parser.parse_args().full)
