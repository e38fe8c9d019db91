"""Weather between months, hours and grid points: better than interpolation?

    python examples/weather.py --data winds          # with SKGINR_DATA set
    python examples/weather.py --data temperature --full

A field is known at every second (or sixth) time, at every second latitude and longitude, or
both, and is wanted at all others. The model is a Gaussian process over space and over time, one
after the other: first from the nodes observed to all nodes of the graph, then from the times
observed to all times. Its length scales and noise maximise the likelihood of the rows observed.
Where kernels compete, the one that predicts observed times best from the other observed times
is taken: nothing that is held out is looked at.

Winds are vectors in space, since east and north turn around a pole. They are compared up to 85
degrees: the values stored at the poles are not those of one vector, and no method leans on them.
A month observed keeps its own weather: noise over time is weather that no other month knows of.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from scipy.interpolate import RegularGridInterpolator, make_interp_spline
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, ExpSineSquared, Matern, WhiteKernel
from sklearn.metrics import r2_score

from skginr.datasets import fetch_era5_uk, fetch_navy_winds

# Signals and meridians by which a process chooses its length scales.
N_SIGNALS, N_MERIDIANS = 60, 12
SPACE = ConstantKernel() * Matern(0.1, (1e-3, 10), nu=1.5) + WhiteKernel(1e-2, (1e-6, 1))


def over_time(period, nu, rest):
    """Return a kernel: of means, of a cycle, of changes, and of what is left."""
    return (
        ConstantKernel(1.0, (1e-5, 1e3))
        + ConstantKernel() * ExpSineSquared(1.0, period, periodicity_bounds="fixed")
        + ConstantKernel() * Matern(10.0, (0.1, 1e3), nu=nu)
        + rest
    )


MONTHS = over_time(12, 0.5, WhiteKernel(0.1, (1e-6, 10)))
HOURS = over_time(24, 1.5, ConstantKernel(0.1) * Matern(2.0, (0.1, 1e3), nu=1.5))


DATA = {
    "winds": (fetch_navy_winds, ["u", "v"], MONTHS, [(2, 1), (1, 2), (2, 2)]),
    "temperature": (fetch_era5_uk, ["temperature"], HOURS, [(2, 1), (6, 1), (1, 2), (2, 2)]),
}


class Grid:
    """A field on a grid of latitudes and longitudes, and on the nodes of the graph."""

    def __init__(self, data, n_times=None):
        fetch, self.columns, self.kernel, self.hold_outs = DATA[data]
        found = fetch()
        self.graph = found.graph
        self.periodic = data == "winds"
        # Latitude by latitude, from south to north.
        places = self.graph.attributes.query("-85 <= latitude <= 85")
        places = places.sort_values(["latitude", "longitude"])
        self.latitude, self.longitude = (places[name].unique() for name in places)
        self.positions = self.graph.positions[self.graph.locate(places.index)]
        self.times = found.frame["time"].unique()[:n_times]
        table = found.frame.pivot_table(index="time", columns="node", values=self.columns)
        signals = [table[name][places.index].to_numpy() for name in self.columns]
        self.smooth = np.stack(signals, axis=-1)[: len(self.times)]
        self.frames = directions(places["latitude"], places["longitude"])
        self.truth = self.on_grid(self.smooth)
        if self.periodic:
            # What is smooth is the vector in space.
            self.smooth = np.einsum("tnc,ncx->tnx", self.smooth, self.frames)

    def on_grid(self, signals):
        """Return signals at the nodes as a field, shape (n_times, n_lat, n_lon, n_columns)."""
        if signals.shape[-1] == 3:
            signals = np.einsum("tnx,ncx->tnc", signals, self.frames)
        return signals.reshape(len(signals), len(self.latitude), len(self.longitude), -1)

    def split(self, every, step):
        """Return the times and nodes observed, and a mask of the grid that is to be predicted."""
        times = np.arange(0, len(self.times), every)
        rows, cols = np.indices(self.truth.shape[1:3]).reshape(2, -1)
        nodes = np.flatnonzero((rows % step == 0) & (cols % step == 0))
        held_out = np.ones(self.truth.shape[:3], dtype=bool)
        held_out[np.ix_(times, *(np.arange(0, n, step) for n in held_out.shape[1:]))] = False
        held_out[times[-1] + 1 :] = False  # Nobody interpolates beyond the last.
        return times, nodes, held_out


def directions(latitude, longitude):
    """Return unit vectors towards east and north, shape (..., 2, 3), from degrees."""
    up, around = np.radians(latitude), np.radians(longitude)
    zero = np.zeros_like(up)
    east = np.stack([-np.sin(around), np.cos(around), zero], axis=-1)
    north = [-np.sin(up) * np.cos(around), -np.sin(up) * np.sin(around), np.cos(up)]
    return np.stack([east, np.stack(north, axis=-1)], axis=-2)


def interpolate(grid, every, step, degree):
    """Return the field on the whole grid from splines through the part observed."""
    n_times, n_lat, n_lon, _ = grid.truth.shape
    field, lon = grid.truth, np.arange(n_lon)
    if grid.periodic:
        half = n_lon // 4 * 2
        field = np.concatenate([field[:, :, -half:], field, field[:, :, : half + 1]], axis=2)
        lon = np.arange(-half, n_lon + half + 1)
    axes = [np.arange(0, n_times, every), np.arange(0, n_lat, step), lon[::step]]
    wanted = [np.arange(axes[0][-1] + 1), np.arange(n_lat), np.arange(n_lon)]
    known = field[::every, ::step, ::step]
    if degree == 1:
        points = np.stack(np.meshgrid(*wanted, indexing="ij"), axis=-1)
        found = RegularGridInterpolator(axes, known)(points)
    else:
        # What RegularGridInterpolator(method="cubic") does, for all points of an axis together.
        found = known
        for axis, (given, asked) in enumerate(zip(axes, wanted, strict=True)):
            found = make_interp_spline(given, found, degree, axis=axis)(asked)
    rest = np.full((n_times - len(found), *found.shape[1:]), np.nan)
    return np.concatenate([found, rest])


def ours(grid, every, step):
    """Return the field on the whole grid by Gaussian processes over space, then time."""
    times, nodes, _ = grid.split(every, step)
    smooth = grid.smooth[times]
    n_times, n_nodes, n_columns = smooth.shape
    if step > 1:
        # Every time and component is a signal over the nodes.
        signals = smooth[:, nodes].transpose(1, 0, 2).reshape(len(nodes), -1)
        # Neighbours at all latitudes: tropics and middle latitudes differ.
        near = np.flatnonzero(nodes % len(grid.longitude) < step * N_MERIDIANS)
        found = krige(grid.positions[nodes], signals, grid.positions, SPACE, near)
        smooth = found.reshape(n_nodes, n_times, n_columns).transpose(1, 0, 2)
    if every > 1:
        # Every node and component is a signal over the times.
        asked = np.arange(len(grid.times))[:, None]
        found = krige(times[:, None], smooth.reshape(n_times, -1), asked, grid.kernel)
        found = found.reshape(-1, n_nodes, n_columns)
        found[times] = smooth
        smooth = found
    return grid.on_grid(smooth)


def krige(places, signals, asked, kernel, near=slice(None)):
    """Return signals, known as (n_places, n_signals), where asked; ``near`` chooses the scales."""
    some = np.random.default_rng(0).permutation(signals.shape[1])[:N_SIGNALS]
    centre, spread = signals.mean(), signals.std()
    scaled = (signals - centre) / spread
    with warnings.catch_warnings():
        # A term that is of no use goes to its bound.
        warnings.simplefilter("ignore", ConvergenceWarning)
        tuned = GaussianProcessRegressor(kernel, alpha=1e-6)
        tuned.fit(places[near], scaled[near][:, some])
    print(f"    {tuned.kernel_}", flush=True)
    process = GaussianProcessRegressor(tuned.kernel_, alpha=1e-6, optimizer=None)
    return centre + spread * process.fit(places, scaled).predict(asked)


def main(data, output, n_times=None, hold_outs=None):
    mpl.use("Agg")
    grid = Grid(data, n_times)
    print(grid.graph, f"{len(grid.times)} times")
    rows = []
    for every, step in hold_outs or grid.hold_outs:
        held_out = grid.split(every, step)[2]
        print(f"known: every {every}. time, every {step}. latitude and longitude", flush=True)
        fields = {
            "ours": ours(grid, every, step),
            "linear": interpolate(grid, every, step, 1),
            "cubic": interpolate(grid, every, step, 3),
        }
        for c, column in enumerate(grid.columns):
            truth = grid.truth[held_out][:, c]
            scores = {n: r2_score(truth, f[held_out][:, c]) for n, f in fields.items()}
            rows.append({"times": every, "grid": step, "signal": column} | scores)
    table = pd.DataFrame(rows).set_index(["times", "grid", "signal"])
    print("\nR2 of points held out; known is every n-th time and every n-th point of the grid")
    print(table.round(4).to_string())
    draw(grid, fields, every, output)
    print(f"\nMap: {output}")
    return table


def draw(grid, fields, every, output):
    """Save the field at a time and at points not observed: truth, ours, linear, their errors."""
    time = every * (len(grid.times) // (2 * every)) + every // 2
    truth = grid.truth[time, :, :, 0]
    extent = [grid.longitude[0], grid.longitude[-1], grid.latitude[0], grid.latitude[-1]]
    aspect = 1 if grid.periodic else 1 / np.cos(np.radians(grid.latitude.mean()))
    size = (16, 6.5) if grid.periodic else (12, 8)
    figure, axes = pyplot.subplots(
        2, 3, figsize=size, layout="constrained", sharex=True, sharey=True
    )
    label = "wind towards east, m/s" if grid.periodic else "temperature, °C"
    errors = [fields[name][time, :, :, 0] - truth for name in ("ours", "linear")]
    widest = np.quantile(np.abs(errors), 0.99)
    low, high = np.quantile(truth, [0.005, 0.995])
    if grid.periodic:
        low, high = -max(-low, high), max(-low, high)
    look = {"origin": "lower", "extent": extent, "aspect": aspect}
    kinds = {"cmap": "RdBu_r" if grid.periodic else "viridis", "vmin": low, "vmax": high}
    stamp = pd.Timestamp(grid.times[time]).strftime("%Y-%m" if grid.periodic else "%Y-%m-%d %H:00")
    for axis, (title, field) in zip(
        axes[0],
        [
            (f"truth, {stamp}", truth),
            ("ours", fields["ours"][time, :, :, 0]),
            ("linear", fields["linear"][time, :, :, 0]),
        ],
        strict=True,
    ):
        shown = axis.imshow(field, **look, **kinds)
        axis.set_title(title)
    figure.colorbar(shown, ax=axes[0], label=label)
    axes[1, 0].axis("off")
    for axis, error, name in zip(axes[1, 1:], errors, ("ours", "linear"), strict=True):
        shown = axis.imshow(error, **look, cmap="RdBu_r", vmin=-widest, vmax=widest)
        axis.set_title(f"error of {name}: {np.sqrt((error**2).mean()):.2f} root mean square")
    figure.colorbar(shown, ax=axes[1], label="error")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=100)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=list(DATA), default="temperature")
    parser.add_argument("--full", action="store_true", help="all times, not the first two days")
    parser.add_argument("--output", type=Path, help="where to save the map (PNG)")
    given = parser.parse_args()
    # Months are few: the annual cycle needs them all.
    short = None if given.full or given.data == "winds" else 48
    main(given.data, given.output or Path("build") / f"weather_{given.data}.png", short)
