"""
From a coarse mesh to a fine one
================================

A network holds a signal as a continuous function of the place on the mesh. So it can be evaluated
between the vertices from which it was learned. Here it is learned on 288 vertices of a torus, and
evaluated on 4,608.
"""

# %%
# The signal is made of waves around the torus, so that the truth is known everywhere.

import numpy as np
from matplotlib import pyplot
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline

from skginr import Graph, SIRENRegressor, SpectralEmbedder, refine_model
from skginr.plotting import plot_signal


def make_torus(n_around=24, n_across=12):
    """Return a triangle mesh."""
    i, j = (part.ravel() for part in np.indices((n_around, n_across)))
    a, b = 2 * np.pi * i / n_around, 2 * np.pi * j / n_across
    places = np.column_stack([(2 + np.cos(b)) * np.cos(a), (2 + np.cos(b)) * np.sin(a), np.sin(b)])
    along, across = (i + 1) % n_around * n_across, (j + 1) % n_across
    node, right, up, both = i * n_across + j, along + j, i * n_across + across, along + across
    lower, upper = np.column_stack([node, right, both]), np.column_stack([node, both, up])
    return Graph.from_mesh(places, np.concatenate([lower, upper]))


def make_signal(graph):
    """Return waves around the torus."""
    x, y, z = graph.positions.T
    a, b = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y) - 2)
    return np.sin(4 * a + b) + np.cos(3 * a) * np.cos(2 * b)


coarse = make_torus()
fine, weights = coarse.refine(2)
values = make_signal(coarse)

# %%
# The network is fitted once, on the coarse mesh. ``refine_model`` moves it to the fine mesh without
# training: the vertices that it knows keep their coordinates, and new ones get theirs in between.

model = make_pipeline(
    SpectralEmbedder(59, graph=coarse, laplacian="cotangent"), SIRENRegressor(random_state=0)
)
model.fit(coarse.labels.to_frame(), values)
on_fine = refine_model(model, fine).predict(fine.labels.to_frame())

view = {"right": (1, 0, 0), "up": (0, 0.7, 0.7), "cmap": "RdBu_r"}
figure, axes = pyplot.subplots(2, 2, figsize=(7, 5), layout="constrained")
plot_signal(coarse, values, ax=axes[0, 0], clim=(-2, 2), **view)
axes[0, 0].set_title("learned on 288 vertices")
plot_signal(fine, on_fine, ax=axes[0, 1], clim=(-2, 2), **view)
axes[0, 1].set_title("evaluated on 4,608")
residual = make_signal(fine) - weights @ values
plot_signal(fine, residual, ax=axes[1, 0], clim=(-0.5, 0.5), **view)
axes[1, 0].set_title("residual of linear interpolation")
residual = make_signal(fine) - on_fine
plot_signal(fine, residual, ax=axes[1, 1], clim=(-0.5, 0.5), **view)
axes[1, 1].set_title("residual of the network")
pyplot.show()

# %%
# R² at the vertices that are new, beside linear interpolation over the faces:

new = np.arange(fine.n_nodes) >= coarse.n_nodes
truth = make_signal(fine)[new]
print(f"network              {r2_score(truth, on_fine[new]):.3f}")
print(f"linear interpolation {r2_score(truth, (weights @ values)[new]):.3f}")
