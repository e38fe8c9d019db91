"""
Spectral coordinates of a surface
=================================

A model needs numbers for each node. ``SpectralEmbedder`` makes them from the mesh alone. Here is
what they look like on the cortex of a human brain, and how many of them a map of it needs.
"""

# %%
# The surface comes with nilearn: 10,242 vertices of the left hemisphere, seen from the left. The
# cotangent Laplacian belongs to the surface and not to its triangles.

import numpy as np
from matplotlib import pyplot
from sklearn.linear_model import LinearRegression

from skginr import SpectralEmbedder
from skginr.datasets import load_fsaverage5
from skginr.plotting import plot_embedding, plot_signal

brain = load_fsaverage5()
graph, depth = brain.graph, brain.frame["sulcal_depth"]
side = {"right": (0, -1, 0), "up": (0, 0, 1)}
embedder = SpectralEmbedder(200, graph=graph, laplacian="cotangent", scaling="unit")
coordinates = np.asarray(embedder.fit_transform(brain.frame[["vertex"]]))

figure, axes = pyplot.subplots(2, 3, figsize=(7, 4.4), layout="constrained")
which = [1, 2, 3, 10, 50, 200]
plot_embedding(embedder, components=which, ax=axes.ravel(), **side)
for ax, number in zip(axes.flat, which, strict=True):
    ax.set_title(f"coordinate {number}")
pyplot.show()

# %%
# The first coordinate goes from the front to the back. Later ones change over shorter distances, as
# higher tones of a drum do.
#
# A map on the surface is a weighted sum of coordinates. The more there are, the finer the detail.

figure, axes = pyplot.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
style = side | {"clim": (-1.5, 1.5), "cmap": "RdBu_r", "legend": False}
plot_signal(graph, depth, ax=axes[0], **style)
axes[0].set_title("depth of the folds")
for ax, size in zip(axes[1:], (20, 200), strict=True):
    fit = LinearRegression().fit(coordinates[:, :size], depth)
    plot_signal(graph, fit.predict(coordinates[:, :size]), ax=ax, **style)
    ax.set_title(f"sum of {size} coordinates")
    print(f"{size} coordinates: R² {fit.score(coordinates[:, :size], depth):.2f}")
pyplot.show()

# %%
# All values were known here, so this R² says how much the coordinates can hold. It does not say how
# well they predict; for that, hide a part of the values (:doc:`/leakage`). On a map:
# :doc:`/concepts`.
