"""Weather between months, hours and grid points: better than interpolation?
=========================================================================

::

    python examples/weather.py           # a day of temperature, in seconds
    python examples/weather.py --full    # all hours and months, in minutes

A field is known at every second (or sixth) time, at every second latitude and longitude, or
both, and is wanted at all others. Ours are two smoothers, one on the mesh of places and one on a
graph of times, in which neighbours in time are joined, and times a period apart: a day, a year.
One after the other they are the mean of one Gaussian process, whose covariance is a product. Their
orders, strengths and the weight of the period are chosen on folds of what is observed. Beside
them stand splines along the axes of the grid, which do not know of the graph, and the network of
the paper, which sees eigenvectors of the mesh and the time.

Winds are vectors in space, since east and north turn around a pole. They are compared up to 85
degrees: the values stored at the poles are not those of one vector. Needs SKGINR_DATA.
"""

import argparse
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from scipy.interpolate import make_interp_spline
from sklearn.compose import make_column_transformer
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skginr import Graph, GraphSmoother, SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_era5_uk, fetch_navy_winds

# How it is fetched, columns, period, unit, and what is known: every n-th time, every n-th place.
DATA = {
    "temperature": (fetch_era5_uk, ["temperature"], 24, "°C", [(2, 1), (6, 1), (1, 2), (2, 2)]),
    "winds": (fetch_navy_winds, ["u", "v"], 12, "m/s", [(2, 1), (1, 2), (2, 2)]),
}
IN_SPACE = {"order": [2, 3], "alpha": [1e-10]}
IN_TIME = {"order": [1, 2], "alpha": [0.01, 1.0]}
PERIOD_WEIGHTS = [0.03, 0.1, 0.3, 1.0, 3.0]
# By so many signals a smoother is chosen.
N_IN_SPACE, N_IN_TIME = 6, 30


class Grid:
    """A field on a grid of latitudes and longitudes, and on the nodes of the graph."""

    def __init__(self, data, n_times=None):
        fetch, self.columns, self.period, self.unit, self.hold_outs = DATA[data]
        found = fetch()
        self.graph, self.periodic = found.graph, data == "winds"
        # Latitude by latitude, from south to north.
        places = self.graph.attributes.query("-85 <= latitude <= 85")
        places = places.sort_values(["latitude", "longitude"])
        self.labels = places.index.to_numpy()
        self.latitude, self.longitude = (places[name].unique() for name in places)
        self.dates = pd.DatetimeIndex(found.frame["time"].unique()[:n_times])
        table = found.frame.pivot_table(index="time", columns="node", values=self.columns)
        signals = [table[name][self.labels].to_numpy()[:n_times] for name in self.columns]
        # Of shape (n_times, n_nodes, n_columns); what is smooth is the vector in space.
        self.signals = np.stack(signals, axis=-1)
        self.frames = directions(places["latitude"], places["longitude"])
        self.truth = self.signals.reshape(len(self.dates), len(self.latitude), -1, len(signals))
        if self.periodic:
            self.signals = np.einsum("tnc,ncx->tnx", self.signals, self.frames)

    def on_grid(self, signals):
        """Return signals at the nodes as a field, shape (n_times, n_lat, n_lon, n_columns)."""
        if self.periodic:
            signals = np.einsum("tnx,ncx->tnc", signals, self.frames)
        return signals.reshape(self.truth.shape)

    def split(self, every, step):
        """Return the times and nodes observed, and a mask of the grid that is to be predicted."""
        n_times, n_lat, n_lon, _ = self.truth.shape
        observed = np.zeros((n_times, n_lat, n_lon), dtype=bool)
        observed[::every, ::step, ::step] = True
        times, nodes = np.arange(0, n_times, every), np.flatnonzero(observed[0])
        observed[times[-1] + 1 :] = True  # Nobody interpolates beyond the last.
        return times, nodes, ~observed


def directions(latitude, longitude):
    """Return unit vectors towards east and north, shape (n, 2, 3), from degrees."""
    up, around = np.radians(latitude), np.radians(longitude)
    east = np.stack([-np.sin(around), np.cos(around), 0 * up], axis=-1)
    north = [-np.sin(up) * np.cos(around), -np.sin(up) * np.sin(around), np.cos(up)]
    return np.stack([east, np.stack(north, axis=-1)], axis=1)


def smooth(grid, signals, every, step):
    """Return signals at all times and nodes, of which those of the split are looked at."""
    times, nodes, _ = grid.split(every, step)
    n_columns = signals.shape[-1]
    known = signals[np.ix_(times, nodes)]
    if step > 1:
        smoother = GraphSmoother(graph=grid.graph, laplacian="cotangent")
        of_node = known.transpose(1, 0, 2).reshape(len(nodes), -1)
        some = draw_columns(of_node, N_IN_SPACE)
        chosen = choose(smoother, IN_SPACE, grid.labels[nodes], some, groups=nodes)
        everywhere = chosen.fit(grid.labels[nodes, None], of_node).predict(grid.labels[:, None])
        known = everywhere.reshape(-1, len(times), n_columns).transpose(1, 0, 2)
    if every == 1:
        return known
    everywhen = np.arange(len(signals))
    graphs = [of_times(len(everywhen), grid.period, weight) for weight in PERIOD_WEIGHTS]
    of_time = known.reshape(len(times), -1)
    # Mays held out together: what is asked for is a month that is not known of any year.
    chosen = choose(
        GraphSmoother(graph=graphs[0]),
        IN_TIME | {"graph": graphs},
        times,
        draw_columns(of_time, N_IN_TIME),
        groups=times % grid.period,
    )
    # A smoother is linear: what it makes of each time observed, it makes of all signals.
    shares = chosen.fit(times[:, None], np.eye(len(times))).predict(everywhen[:, None])
    found = (shares @ of_time).reshape(len(everywhen), -1, n_columns)
    found[times] = known  # The noise of a month is weather that no other month knows of.
    return found


def of_times(n_times, period, weight):
    """Return the graph that joins times to the next, and to the one a period later."""
    lags = np.abs(np.subtract.outer(np.arange(n_times), np.arange(n_times)))
    return Graph.from_adjacency((lags == 1) + weight * (lags == period))


def choose(smoother, parameters, labels, signals, groups):
    """Return the smoother that predicts groups held out best, all signals alike."""
    search = GridSearchCV(
        smoother,
        parameters,
        scoring="neg_mean_squared_error",
        cv=GroupKFold(4, shuffle=True, random_state=0),
    )
    best = search.fit(labels[:, None], signals, groups=groups).best_estimator_
    print("   ", {name: getattr(best, name) for name in parameters}, flush=True)
    return best


def nth(n):
    return "2nd" if n == 2 else f"{n}th"


def draw_columns(signals, n):
    return signals[:, np.random.default_rng(0).permutation(signals.shape[1])[:n]]


def train(grid, every, step, max_epochs):
    """Return signals at all times and nodes from a network on eigenvectors and time."""
    times, nodes, _ = grid.split(every, step)
    embedder = SpectralEmbedder(100, graph=grid.graph, laplacian="cotangent", scaling="unit")
    columns = make_column_transformer(
        (embedder, ["node"]),
        (FunctionTransformer(partial(seasons, n_times=len(grid.dates), period=grid.period)), [1]),
    )
    siren = SIRENRegressor(
        "train",
        input_scaling="given",
        first_gain=2,
        batch_size=4096,
        max_epochs=max_epochs,
        learning_rate=4e-3,
        random_state=0,
    )
    known = grid.signals[np.ix_(times, nodes)].reshape(len(times) * len(nodes), -1)
    model = make_pipeline(columns, siren).fit(table(times, grid.labels[nodes]), known)
    everything = table(np.arange(len(grid.dates)), grid.labels)
    return model.predict(everything).reshape(grid.signals.shape)


def table(times, labels):
    """Return a row per time and node."""
    columns = {"node": np.tile(labels, len(times)), "time": np.repeat(times, len(labels))}
    return pd.DataFrame(columns)


def seasons(times, n_times, period):
    """Return the time and where in the period it is, of unit mean square."""
    time = np.ravel(times)
    angle = 2 * np.pi * time / period
    line = np.sqrt(3) * (2 * time / n_times - 1)
    return np.stack([line, np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)], axis=1)


def interpolate(grid, every, step, degree):
    """Return the field on the whole grid from splines through the part observed."""
    n_times, n_lat, n_lon, _ = grid.truth.shape
    field, longitudes = grid.truth, np.arange(n_lon)
    if grid.periodic:  # Once more to the west and the east.
        field, longitudes = np.concatenate([field] * 3, axis=2), np.arange(-n_lon, 2 * n_lon)
    found = field[::every, ::step, ::step]
    given = np.arange(n_times)[::every], np.arange(n_lat)[::step], longitudes[::step]
    for axis, (known, n_asked) in enumerate(zip(given, (n_times, n_lat, n_lon), strict=True)):
        found = make_interp_spline(known, found, degree, axis=axis)(np.arange(n_asked))
    return found


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw a field of each data set at points not observed."""
    rows = []
    for data in DATA if full else ["temperature"]:
        grid = Grid(data, None if full else 24)
        print(f"{data}: {grid.graph}, {len(grid.dates)} times", flush=True)
        for every, step in grid.hold_outs if full else [(2, 2)]:
            rows += compare(grid, every, step, 20 if full else 2, output / f"weather_{data}.png")
    return rows


def compare(grid, every, step, max_epochs, picture):
    """Return two rows for each column of the field, and draw it."""
    held_out = grid.split(every, step)[2]
    fields = {
        "ours": grid.on_grid(smooth(grid, grid.signals, every, step)),
        "linear": interpolate(grid, every, step, 1),
        "cubic": interpolate(grid, every, step, 3),
        "network": grid.on_grid(train(grid, every, step, max_epochs)),
    }
    draw(grid, fields, every, picture)
    times = "" if every == 1 else f"every {nth(every)} time"
    places = "" if step == 1 else f"every {nth(step)} latitude and longitude"
    rows = []
    for c, column in enumerate(grid.columns):
        of = {
            name: r2_score(grid.truth[held_out][:, c], field[held_out][:, c])
            for name, field in fields.items()
        }
        known = ", ".join(filter(None, [times, places]))
        print(f"  {column}, known {known}:", ", ".join(f"{n} {s:.4f}" for n, s in of.items()))
        better = "cubic" if of["cubic"] > of["linear"] else "linear"
        row = {
            "experiment": "weather",
            "data": column,
            "paper": None,
            "baseline": of[better],
            "baseline_name": f"{better} spline",
        }
        for name, who in (("ours", "smoothers"), ("network", "network")):
            rows.append(row | {"what": f"R², {who}; known {known}", "ours": of[name]})
    return rows


def draw(grid, fields, every, picture):
    """Save the field at a time not observed: the truth, ours, linear, and their errors."""
    mpl.use("Agg")
    time = every * (len(grid.dates) // (2 * every)) + every // 2
    truth, ours, linear = (
        field[time, :, :, 0] for field in (grid.truth, fields["ours"], fields["linear"])
    )
    stamp = grid.dates[time].strftime("%Y-%m" if grid.periodic else "%Y-%m-%d %H:00")
    figure, axes = pyplot.subplots(
        2,
        3,
        figsize=(16, 6.5) if grid.periodic else (12, 8),
        layout="constrained",
        sharex=True,
        sharey=True,
    )
    look = {
        "origin": "lower",
        "extent": [*grid.longitude[[0, -1]], *grid.latitude[[0, -1]]],
        "aspect": 1 if grid.periodic else 1 / np.cos(np.radians(grid.latitude.mean())),
    }
    low, high = np.quantile(truth, [0.005, 0.995])
    widest = np.quantile(np.abs(linear - truth), 0.99)
    for axis, title, field in (
        (axes[0, 0], f"truth, {stamp}", truth),
        (axes[0, 1], "ours", ours),
        (axes[0, 2], "linear", linear),
    ):
        shown = axis.imshow(field, **look, cmap="viridis", vmin=low, vmax=high)
        axis.set_title(title)
    figure.colorbar(shown, ax=axes[0], label=f"{grid.columns[0]}, {grid.unit}")
    axes[1, 0].axis("off")
    for axis, name, field in ((axes[1, 1], "ours", ours), (axes[1, 2], "linear", linear)):
        error = field - truth
        shown = axis.imshow(error, **look, cmap="RdBu_r", vmin=-widest, vmax=widest)
        axis.set_title(f"error, {name}: {np.sqrt(np.mean(error**2)):.2f} root mean square")
    figure.colorbar(shown, ax=axes[1], label=f"error, {grid.unit}")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="all hours, and winds")
    main(parser.parse_args().full)
