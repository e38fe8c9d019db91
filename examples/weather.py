"""Weather between months, hours and grid points: better than interpolation?

A field is known at every second (or sixth) time, at every second latitude and longitude, or both,
and wanted at all others. Ours is a SpaceTimeSmoother; beside it stand splines along the axes of the
grid, and the network of the paper. Winds are vectors in space, since east and north turn around a
pole, and compared up to 85 degrees. Needs SKGINR_DATA. ``--full`` is all that is reported.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from sklearn.model_selection import GroupKFold
from weather_peers import compare, network, spline

from skginr import SpaceTimeKFold, SpaceTimeSmoother
from skginr.datasets import fetch_era5_uk, fetch_navy_winds

AXES = ["time", "latitude", "longitude"]
# How it is fetched, columns, and what is known: every n-th time, every n-th latitude and longitude.
DATA = {
    "temperature": (fetch_era5_uk, ["temperature"], [(2, 1), (6, 1), (1, 2), (2, 2)]),
    "winds": (fetch_navy_winds, ["u", "v"], [(2, 1), (1, 2), (2, 2)]),
}


class Field:
    """A row for each time, latitude and longitude, in this order, and which of them are known."""

    def __init__(self, data, every, step, n_times=None):
        found, self.columns = DATA[data][0](), DATA[data][1]
        self.graph, self.steps, self.of_globe = found.graph, (every, step, step), data == "winds"
        places = self.graph.attributes.query("-85 <= latitude <= 85")
        table = found.frame.join(places, on="node", how="inner").sort_values(AXES)
        table = table[table["time"] <= table["time"].unique()[:n_times:every][-1]]
        self.axes = [table[name].unique() for name in AXES]
        self.shape = tuple(map(len, self.axes))
        self.known = (np.indices(self.shape).reshape(3, -1).T % self.steps == 0).all(axis=1)
        self.X, self.truth = table[["node", "time"]], table[self.columns].to_numpy()
        self.vectors = np.ones((len(table), 1, 1))
        if self.of_globe:  # What is smooth is the vector in space. Towards east, towards north:
            up, around = np.radians(table["latitude"]), np.radians(table["longitude"])
            east = [-np.sin(around), np.cos(around), 0 * up]
            north = [-np.sin(up) * np.cos(around), -np.sin(up) * np.sin(around), np.cos(up)]
            self.vectors = np.stack([np.transpose(east), np.transpose(north)], axis=1)

    def fill(self, model):
        """Return the field at all rows from those known."""
        y = np.einsum("nc,ncx->nx", self.truth, self.vectors)
        found = model.fit(self.X[self.known], y[self.known]).predict(self.X)
        return np.einsum("nx,ncx->nc", found.reshape(y.shape), self.vectors)


def smoother(field):
    """Return a smoother whose strengths are chosen by folds that are like what is asked for."""
    (every, step, _), graph, X = field.steps, field.graph, field.X[field.known]
    asked = "times" * (step == 1) or "nodes" * (every == 1) or "entries runs times nodes"
    kinds = [SpaceTimeKFold(8, hold_out=kind, graph=graph) for kind in asked.split()]
    folds = [fold for kind in kinds for fold in kind.split(X)]
    if field.of_globe and every > 1:  # Months that are not known of any year are asked for.
        folds += GroupKFold(6).split(X, groups=X["time"].dt.month)
    return SpaceTimeSmoother(graph=graph, laplacian="cotangent", n_waves=2048, cv=folds)


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw a field of each data set at points not observed."""
    rows = []
    for data in DATA if full else ["temperature"]:
        for every, step in DATA[data][-1] if full else [(2, 2)]:
            field = Field(data, every, step, None if full else 24)
            lines = {"linear spline": spline(field, 1), "cubic spline": spline(field, 3)}
            rows += compare(field, lines, "smoother", ours := field.fill(smoother(field)))
            rows += compare(field, lines, "network", field.fill(network(field, 20 if full else 2)))
            draw(field, ours, lines["linear spline"], output / f"weather_{data}.png")
    return rows


def draw(field, ours, linear, picture):
    """Save a time not observed: the truth, ours, and the residuals of ours and of lines."""
    t = field.shape[0] // (2 * field.steps[0]) * field.steps[0] + field.steps[0] // 2
    truth, ours, linear = (f[:, 0].reshape(field.shape)[t] for f in (field.truth, ours, linear))
    low, high, widest = *np.quantile(truth, [0.005, 0.995]), np.abs(linear - truth).max() / 2
    figure, axes = pyplot.subplots(2, 2, figsize=(14, 8), layout="constrained")
    places = {"origin": "lower", "extent": [*field.axes[2][[0, -1]], *field.axes[1][[0, -1]]]}
    panels = {f"{field.columns[0]}, {str(field.axes[0][t])[:13]}": truth, "ours": ours}
    residuals = {"residual, ours": truth - ours, "residual, linear": truth - linear}
    for axis, (title, values) in zip(axes.flat, (panels | residuals).items(), strict=True):
        of = ("RdBu_r", -widest, widest) if title in residuals else ("viridis", low, high)
        figure.colorbar(axis.imshow(values, of[0], vmin=of[1], vmax=of[2], **places), ax=axis)
        axis.set_title(title)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    main("--full" in sys.argv)
