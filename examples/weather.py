"""Weather between months, hours and grid points: better than interpolation?

    python examples/weather.py           # two days of temperature, in seconds
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
from sklearn.multioutput import MultiOutputRegressor
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
    """Return the smoother, one for each signal, that predicts groups held out best."""
    search = GridSearchCV(
        MultiOutputRegressor(smoother),
        {f"estimator__{name}": values for name, values in parameters.items()},
        scoring="neg_mean_squared_error",
        cv=GroupKFold(4, shuffle=True, random_state=0),
    )
    best = search.fit(labels[:, None], signals, groups=groups).best_estimator_
    print("   ", {name: getattr(best.estimator, name) for name in parameters}, flush=True)
    return best


def draw_columns(signals, n):
    return signals[:, np.random.default_rng(0).permutation(signals.shape[1])[:n]]


def train(grid, every, step, max_epochs):
    """Return signals at all times and nodes from a network on eigenvectors and time."""
    times, nodes, _ = grid.split(every, step)
    columns = make_column_transformer(
        (SpectralEmbedder(100, graph=grid.graph, laplacian="cotangent"), ["node"]),
        (FunctionTransformer(partial(seasons, n_times=len(grid.dates), period=grid.period)), [1]),
    )
    siren = SIRENRegressor(
        first_gain=2, batch_size=4096, max_epochs=max_epochs, learning_rate=4e-3, random_state=0
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
