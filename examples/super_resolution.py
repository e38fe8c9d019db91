"""A signal on a coarse mesh, predicted on a finer one, in space and in space and time.

    python examples/super_resolution.py           # 1,887 vertices to 7,548, in seconds
    python examples/super_resolution.py --full    # 8,146 to 32,590, and in time, in ten minutes

The Stanford bunny is refined: every face is cut in four. A pattern is grown on the fine mesh, so
that the truth is known at all of its vertices, and only those of the coarse mesh are learned.
Then ``refine_model`` moves the fitted pipeline to the fine mesh, and R² is of vertices never seen,
beside linear interpolation over the faces. The same with time: every tenth step is known at the
coarse vertices, and the steps between them are wanted at the new ones. Needs SKGINR_DATA.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from sklearn.compose import make_column_transformer
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skginr import SIRENRegressor, SpectralEmbedder, refine_model
from skginr.datasets import fetch_bunny, make_reaction_diffusion
from skginr.plotting import plot_mesh

K = 300
EVERY = 10


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw a part of the surface four times."""
    coarse = fetch_bunny(2 if full else 3)
    fine, weights = coarse.refine()
    texture = grow(fine, n_steps=30_000 if full else 3_000)["v"].to_numpy()
    known = texture[: coarse.n_nodes]
    network = SIRENRegressor(
        "train", input_scaling="given", first_gain=0.6, max_epochs=40, random_state=0
    )
    model = make_pipeline(SpectralEmbedder(K, graph=coarse, scaling="unit"), network)
    model.fit(coarse.labels.to_frame(name="node"), known)
    finer = refine_model(model, fine)
    ours, linear = finer.predict(fine.labels.to_frame(name="node")), weights @ known
    new = slice(coarse.n_nodes, None)
    rows = [row("texture at new nodes", texture[new], ours[new], linear[new])]
    draw(coarse, fine, known, {"linear": linear, "ours": ours, "truth": texture}, output)
    return rows + space_and_time(full)


def grow(graph, n_steps):
    return make_reaction_diffusion(graph, laplacian="random_walk", n_steps=n_steps)


def space_and_time(full):
    """Return the row of steps and nodes that are both new."""
    coarse = fetch_bunny(3 if full else 4)
    fine, weights = coarse.refine()
    first, last = (200, 1_000) if full else (100, 200)
    known = grow(fine, range(first, last + 1, EVERY))
    known = known[known["node"].isin(coarse.labels)]
    wanted = grow(fine, range(first + EVERY // 2, last, EVERY))
    new = ~wanted["node"].isin(coarse.labels)

    columns = make_column_transformer(
        (SpectralEmbedder(100, graph=coarse, scaling="unit", output="indexed"), ["node"]),
        (MinMaxScaler((-1, 1)), ["step"]),
    ).set_output(transform="pandas")
    network = SIRENRegressor(
        "train",
        input_scaling="given",
        batch_size=512,
        max_epochs=10 if full else 20,
        random_state=0,
    )
    model = make_pipeline(columns, network).fit(known[["node", "step"]], known["v"])
    ours = refine_model(model, fine).predict(wanted.loc[new, ["node", "step"]])

    by_step = known["v"].to_numpy().reshape(-1, coarse.n_nodes) @ weights.T
    linear = (by_step[1:] + by_step[:-1]).ravel() / 2
    return [row("pattern at new nodes, new steps", wanted.loc[new, "v"], ours, linear[new])]


def row(what, truth, ours, linear):
    """Return a row of the table, and print it."""
    scores = {"ours": r2_score(truth, ours), "baseline": r2_score(truth, linear)}
    print(f"{what}: R² {scores['ours']:.4f}, linear {scores['baseline']:.4f}", flush=True)
    return {
        "experiment": "super-resolution",
        "data": "reaction-diffusion, bunny",
        "what": f"R², {what}",
        "paper": None,
        "baseline_name": "linear over faces and in time" if "step" in what else "linear over faces",
    } | scores


def draw(coarse, fine, known, signals, output):
    """Save the side of the bunny, as known and on the fine mesh."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 4), layout="constrained")
    clim = np.quantile(signals["truth"], [0.001, 0.999])
    plot_mesh(coarse, known, ax=axes[0], clim=clim)
    axes[0].set_title(f"known, {coarse.n_nodes:,} vertices")
    for axis, (name, signal) in zip(axes[1:], signals.items(), strict=True):
        drawn = plot_mesh(fine, signal, ax=axis, clim=clim)
        axis.set_title(f"{name}, {fine.n_nodes:,} vertices")
    low, high = (np.quantile(fine.positions[:, :2], q, axis=0) for q in (0.3, 0.6))
    for axis in axes:
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], low[1] + high[0] - low[0]))
    figure.colorbar(drawn, ax=axes, label="concentration of v")
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "super_resolution.png", dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="finer, and longer")
    main(parser.parse_args().full)
