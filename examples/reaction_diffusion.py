"""A pattern that grows on a surface: learned at every tenth step, and asked for between them.

    python examples/reaction_diffusion.py           # 300 steps on 453 vertices, in seconds
    python examples/reaction_diffusion.py --full    # 3,000 steps on 8,146, in about ten minutes

Substances diffuse and react on the Stanford bunny. One network takes where a node is, by its
spectral coordinates, and the step. The long table has a row for every node and known step; its
coordinates are not copied once for each (``output="indexed"``): a row takes 4 bytes, not 400.
R² is of the steps that are farthest from any known, beside the mean of the two around them, which
is hard to beat where steps are so close. Needs SKGINR_DATA.
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.compose import make_column_transformer
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skginr import SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_bunny, make_reaction_diffusion
from skginr.plotting import plot_mesh

EVERY = 10


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw the pattern at a step not known, and R² by step."""
    bunny, last = (fetch_bunny(2), 3_000) if full else (fetch_bunny(4), 300)
    known = grow(bunny, range(0, last + 1, EVERY))
    between = grow(bunny, range(EVERY // 2, last, EVERY))
    columns = make_column_transformer(
        (SpectralEmbedder(100, graph=bunny, scaling="unit", output="indexed"), ["node"]),
        (MinMaxScaler((-5, 5)), ["step"]),
    ).set_output(transform="pandas")
    network = SIRENRegressor(
        "represent",
        input_scaling="given",
        first_gain=1.5,
        learning_rate=2e-3,
        batch_size=512,
        schedule="cosine",
        max_epochs=4 if full else 12,
        target_score="off",
        random_state=0,
        verbose=int(full),
    )
    start = time.perf_counter()
    model = make_pipeline(columns, network).fit(known[["node", "step"]], known["v"])
    print(f"{len(known):,} rows in {time.perf_counter() - start:.0f} s", flush=True)
    fields = pd.DataFrame(
        {
            "truth": between["v"],
            "network": model.predict(between[["node", "step"]]),
            "linear": mean_of_neighbours(known["v"], bunny.n_nodes),
        }
    )
    ours, linear = (r2_score(fields["truth"], fields[name]) for name in ("network", "linear"))
    print(f"R² of steps between: network {ours:.4f}, linear in time {linear:.6f}")
    draw(bunny, fields, between["step"], output)
    return [
        {
            "experiment": "time",
            "data": "reaction-diffusion, bunny",
            "what": f"R² of steps between every {EVERY}th of {last:,}",
            "ours": ours,
            "paper": None,
            "baseline": linear,
            "baseline_name": "linear in time",
        }
    ]


def grow(graph, n_steps):
    """Return the pattern whose steps are smooth over the surface, not over the root of degrees."""
    return make_reaction_diffusion(graph, laplacian="random_walk", n_steps=n_steps)


def mean_of_neighbours(values, n_nodes):
    """Return the pattern in the middle between known steps, from a line."""
    by_step = values.to_numpy().reshape(-1, n_nodes)
    return (by_step[1:] + by_step[:-1]).ravel() / 2


def draw(bunny, fields, step, output):
    """Save the pattern and the network's at the last step asked for, and the error by step."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    last = fields[step == step.max()]
    clim = last["truth"].min(), last["truth"].max()
    for axis, name in zip(axes, ("truth", "network"), strict=False):
        drawn = plot_mesh(bunny, last[name].to_numpy(), ax=axis, cmap="viridis", clim=clim)
        axis.set_title(f"{name}, step {step.max():,}")
    figure.colorbar(drawn, ax=axes[1], shrink=0.7, label="concentration of v")
    for name in ("network", "linear"):
        error = (fields[name] - fields["truth"]).pow(2).groupby(step).mean()
        axes[2].semilogy(np.sqrt(error), label=name)
    axes[2].set(xlabel="step", ylabel="root mean square error", title="error between known steps")
    axes[2].legend()
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "reaction_diffusion.png", dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="3,000 steps")
    main(parser.parse_args().full)
