"""
Rates of few people
===================

Deaths per thousand births, in counties of very different size. Where few children are born, one
death more or less moves the rate a lot. The map of raw rates shows this chance. We draw another
map, and look five years ahead to see which is nearer to the rates
of that time.
"""

# %%
# Sudden infant deaths in the 100 counties of North Carolina, 1974 to 1978. We predict the rate,
# per 1,000 births. Its weight is the births, in thousands: weight times rate is the count.

import geopandas as gpd
import numpy as np
from libpysal.examples import get_path
from matplotlib import pyplot

from skginr import Graph, GraphPoissonRegressor
from skginr.plotting import plot_signal

counties = gpd.read_file(get_path("sids2.shp")).set_crs("EPSG:4267").to_crs("EPSG:32119")
graph = Graph.from_geodataframe(counties, labels="FIPS")
births = counties["BIR74"] / 1000
raw = counties["SID74"] / births
X = counties[["FIPS"]]
model = GraphPoissonRegressor(graph=graph).fit(X, raw, sample_weight=births)
rates = {"raw": raw, "smoothed": model.predict(X)}

# %%
# Left: the maps. Right: the same counties by number of births. All raw rates of 0, and the two
# highest, are of counties with less than 1,600 births. Smoothed rates of such counties are pulled
# to those of their neighbours.

figure, axes = pyplot.subplot_mosaic(
    "AC;BC", figsize=(7, 4), width_ratios=(3, 2), layout="constrained"
)
for pane, name, colour in (("A", "raw", "0.6"), ("B", "smoothed", "C3")):
    plot_signal(counties, rates[name], ax=axes[pane], clim=(0, 5), cmap="YlOrRd", label="per 1,000")
    axes[pane].set_title(f"{name} rates")
    axes["C"].scatter(births, rates[name], s=12, color=colour, label=name)
axes["C"].set(xscale="log", xlabel="births, thousands", ylabel="deaths per 1,000 births")
axes["C"].set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
axes["C"].set_xticks([], minor=True)
axes["C"].legend()
pyplot.show()

# %%
# Which is nearer to the rates of 1979 to 1983? The mean distance, weighted by births:

later = 1000 * counties["SID79"] / counties["BIR79"]
rates["mean of the state"] = np.average(raw, weights=births)
for name, rate in rates.items():
    distance = np.average(abs(rate - later), weights=counties["BIR79"])
    print(f"{name:17} {distance:.2f} per 1,000")

# %%
# The smoothed map is nearer than the raw one. A map with the mean of the state in every county is
# as near as the smoothed one: where the raw rates differ, they do not tell much of the later ones.
# More on such data, with intervals and covariates: :doc:`/howto/rates`.
