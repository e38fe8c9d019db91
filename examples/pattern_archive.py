"""New patterns like those of an archive: spots that a Gaussian field does not have.

Spots grow on a sphere from noise, by the Gray-Scott model. Of the patterns that it made from forty
seeds ``SignalGenerator`` learns to make others out of noise, by a diffusion model on the graph;
``SignalDistribution``, which is Gaussian, has their mean and covariance right, and no spots. The
picture has patterns that neither has seen above, then samples of the two. ``--full`` trains longer
on more patterns.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from skginr import Graph, SignalDistribution, SignalGenerator
from skginr.datasets import make_reaction_diffusion

N_HELD = 10
SPOTS = {"feed": 0.045, "kill": 0.065, "diffusion": (1.0, 0.5), "laplacian": "random_walk"}


def main(full=False, output=Path("build")):
    """Return the energy score of new patterns by each sampler, and draw some of its samples."""
    graph = sphere(1000)
    n_archive = 120 if full else 40
    size = {} if full else {"max_steps": 400, "hidden_units": 16}
    grown = [
        make_reaction_diffusion(graph, n_steps=1000, random_state=seed, **SPOTS)["v"].to_numpy()
        for seed in range(n_archive + N_HELD)
    ]
    archive, held = np.split(np.array(grown), [n_archive])
    pattern, node = np.indices(archive.shape).reshape(2, -1)
    X = pd.DataFrame({"pattern": pattern, "node": graph.labels[node]})
    drawn = {"new pattern": held}
    for model in (
        SignalGenerator(graph=graph, signal="pattern", node="node", **size),
        SignalDistribution(graph=graph, signal="pattern", node="node"),
    ):
        drawn[type(model).__name__] = model.fit(X, archive.ravel()).sample(40).to_numpy()
    scores = {name: energy(samples, held) for name, samples in drawn.items() if samples is not held}
    print(pd.Series(scores, name="energy score of new patterns").round(4).to_string())
    draw(graph, drawn, held.max(), output)
    return scores


def sphere(n_nodes):
    """Return a triangulated sphere of evenly spread nodes."""
    place = np.arange(n_nodes) + 0.5
    height, angle = 1 - 2 * place / n_nodes, np.pi * (1 + 5**0.5) * place
    ring = np.sqrt(1 - height**2)
    points = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])
    return Graph.from_mesh(points, ConvexHull(points).simplices)


def energy(samples, new):
    """Return the energy score, a mean over nodes: the smaller, the more are samples like these."""
    among = cdist(samples, samples)
    spread = among.sum() / (len(among) * (len(among) - 1))
    return (cdist(samples, new).mean() - spread / 2) / samples.shape[1] ** 0.5


def draw(graph, drawn, most, output):
    """Save rows of samples."""
    output.mkdir(parents=True, exist_ok=True)
    figure, rows = pyplot.subplots(3, 6, figsize=(12, 6.4), layout="constrained")
    front = graph.positions[:, 2] > 0
    x, y = graph.positions[front, :2].T
    for row, (name, samples) in zip(rows, drawn.items(), strict=True):
        for axis, sample in zip(row, samples, strict=False):
            axis.scatter(x, y, c=sample[front], s=36, vmin=0, vmax=most)
            axis.set_title(name, fontsize="medium")
            axis.set_aspect("equal")
            axis.set_axis_off()
    figure.savefig(output / "archive_patterns.png", dpi=70)
    pyplot.close(figure)


if __name__ == "__main__":
    main("--full" in sys.argv)
