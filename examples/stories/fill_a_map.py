"""
Fill a map, and say how sure it is
==================================

The map shows unemployment in twelve states of the USA. One state did not report, and three in ten
of the other counties are missing too. We fill the gaps and draw how sure each value is. Then we
check what the model says about itself.
"""

# %%
# The data are complete, so we make the gaps ourselves. Counties that touch are neighbours in the
# graph. Those without a value stay in it.

import numpy as np
from matplotlib import pyplot
from sklearn.model_selection import LeaveOneGroupOut

from skginr import Graph, GraphSmoother, predict_frame
from skginr.datasets import load_us_unemployment
from skginr.plotting import plot_signal

states = ["ND", "SD", "NE", "KS", "MN", "IA", "MO", "WI", "IL", "MI", "IN", "OH"]
counties = load_us_unemployment().query("state in @states").to_crs("EPSG:5070")
chance = np.random.default_rng(0).random(len(counties))
hidden = (counties["state"] == "MO") | (chance < 0.3)
counties["reported"] = counties["unemployment"].mask(hidden)
graph = Graph.from_geodataframe(counties, labels="fips")

# %%
# A smoother learns from the counties that reported. ``predict_frame`` predicts all rows of the
# table. Nine in ten values should lie between its columns ``lower`` and ``upper``.

known = counties[~hidden]
model = GraphSmoother(graph=graph).fit(known[["fips"]], known["reported"])
filled = predict_frame(model, counties, target="reported", interval=0.9)
width = (filled["upper"] - filled["lower"]).where(hidden)

figure, axes = pyplot.subplots(2, 2, figsize=(7, 5), layout="constrained")
views = {
    "reported": (counties["reported"], "viridis", (2, 14), "per cent"),
    "filled": (filled["predicted"], "viridis", (2, 14), "per cent"),
    "the truth": (counties["unemployment"], "viridis", (2, 14), "per cent"),
    "width of the 90% interval": (width, "magma_r", (4.5, 8), "points"),
}
for ax, (title, (values, cmap, clim, label)) in zip(axes.flat, views.items(), strict=True):
    plot_signal(counties, values, ax=ax, cmap=cmap, clim=clim, label=label)
    ax.set_title(title)
pyplot.show()

# %%
# The interval is widest inside the state that did not report, far from every known value. How many
# of the hidden values lie inside?

inside = counties["unemployment"].between(filled["lower"], filled["upper"])
missouri = counties["state"] == "MO"
print(f"Missouri:        {inside[missouri].mean():.0%} of {missouri.sum()} counties inside")
single = hidden & ~missouri
print(f"single counties: {inside[single].mean():.0%} of {single.sum()} counties inside")

# %%
# In use you do not know the hidden values. You check with the known ones: hide one state after the
# other and predict it from the rest.

splits = list(LeaveOneGroupOut().split(known, groups=known["state"]))
checked = predict_frame(model, known, target="reported", cv=splits, interval=0.9)
held = known["reported"].between(checked["lower"], checked["upper"])
by_state = held.groupby(known["state"]).mean().sort_values()
print(f"all states: {held.mean():.0%} inside")
print(by_state.iloc[[0, -1]].map("{:.0%}".format).to_string(header=False))

# %%
# The share is near nine in ten over all states, and not in each of them. Counties of one state err
# together. Unemployment in Michigan was higher than in the states around it, as the map shows, and
# from these the model cannot know. The whole story, with a strength that is chosen on regions:
# :doc:`/tutorial`.
