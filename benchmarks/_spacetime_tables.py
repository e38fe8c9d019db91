"""Tables of nodes and times, and what is held out of them.

``load("colorado", "runs", seed)`` returns a task, which holds all that a method may know, and the
values of its held-out rows. Seeds 0, 1, 2 are for reporting only; take 100, 101, ... to choose
anything. Another seed draws other sensors and another traffic, too; of Colorado there is one, so
that there only what is held out is new.
"""

import os
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from skginr import Graph
from skginr.datasets import fetch_colorado_climate

REPORTED = (0, 1, 2)


@dataclass(frozen=True)
class Table:
    """A signal at the nodes of a graph in time."""

    graph: Graph
    times: pd.DatetimeIndex
    # Of shape (n_times, n_nodes), NaN where nothing was ever recorded.
    records: np.ndarray
    # Numbers from 0 of the month, or the hour of the day, ... of every time.
    season: np.ndarray
    periods: tuple
    # Coordinates of nodes, then what else is known of them.
    places: pd.DataFrame
    covariates: tuple = ()
    node: str = "sensor"


@dataclass(frozen=True)
class Task:
    """A table without its held-out values, and which they are."""

    name: str
    held_out: str
    seed: int
    # Its records are NaN where they are held out.
    table: Table
    held: np.ndarray
    # Kinds of held-out rows that are scored apart: {name: which of them}.
    parts: dict[str, np.ndarray]

    @property
    def known(self):
        return self.table.records

    @property
    def train(self):
        """Return X, a row for each node and time, and y."""
        seen = np.isfinite(self.known)
        return self.rows(seen), self.known[seen]

    @property
    def test(self):
        """Return X of held-out rows, times in turn."""
        return self.rows(self.held)

    def rows(self, mask):
        table = self.table
        time, node = np.nonzero(mask)
        columns = {table.node: table.graph.labels[node], "time": table.times[time]}
        columns |= {name: table.places[name].to_numpy()[node] for name in table.covariates}
        return pd.DataFrame(columns)


def load(name, held_out, seed):
    """Return a task, and the values of its held-out rows."""
    make, ways = TABLES[name]
    table = make(seed)
    parts = ways[held_out](table, np.random.default_rng([seed, 1]))
    held = np.any(list(parts.values()), axis=0)
    truth = table.records[held]
    known = np.where(held, np.nan, table.records)
    hidden = Table(**{**vars(table), "records": known})
    return Task(name, held_out, seed, hidden, held, {k: v[held] for k, v in parts.items()}), truth


# --- tables


def colorado(_):
    data = fetch_colorado_climate()
    labels, frame = data.graph.labels, data.frame
    wide = frame.pivot_table(index="time", columns="station", values="temperature")[labels]
    places = data.graph.attributes[["longitude", "latitude", "elevation"]]
    return Table(
        data.graph,
        wide.index,
        wide.to_numpy(),
        wide.index.month.to_numpy() - 1,
        ("year",),
        places,
        ("elevation",),
        "station",
    )


def sensors(seed, n_sensors=60, n_hours=336):
    """A fortnight of hours: a daily cycle that differs from place to place, and weather for all."""
    rng = np.random.default_rng([seed, 0])
    positions = rng.random((n_sensors, 2))
    offset, size, shift = smooth(positions, 0.3, 3, rng)
    times = pd.date_range("2024-06-01", periods=n_hours, freq="h")
    hours = np.arange(n_hours)[:, None]
    weather = smooth(hours, 12, 1, rng)[0][:, None]
    daily = (5 + size) * np.cos(2 * np.pi * (hours - 14 - 0.7 * shift) / 24)
    signal = 15 + 3 * offset + daily + 2 * weather
    values = signal + 0.025 * signal.std() * rng.standard_normal(signal.shape)
    return _on_points(positions, times, values, times.hour.to_numpy(), ("day",))


def traffic(seed, n_sensors=207, n_days=119):
    """Speeds on roads every five minutes: rush hours of working days, congestion that spreads."""
    rng = np.random.default_rng([seed, 0])
    positions = _along_roads(n_sensors, rng)
    times = pd.date_range("2012-03-01", periods=288 * n_days, freq="5min")
    free, morning, evening = smooth(positions, 0.2, 3, rng)
    hour = (np.arange(288) / 12)[:, None]
    rush = 20 * (1 + np.tanh(morning)) * _bump(hour, 8, 1)
    rush = np.stack([rush, 20 * (1 + np.tanh(evening)) * _bump(hour, 17.5, 1.5)])
    # No day's rush is the last one's, and on Saturdays and Sundays there is little.
    daily = 1 + 0.3 * smooth(positions, 0.2, 2 * n_days, rng).reshape(2, n_days, 1, n_sensors)
    working = np.where(times[::288].dayofweek < 5, 1, 0.25)[:, None, None]
    slowed = sum(working * daily[i] * rush[i] for i in range(2)).astype(np.float32)
    slowed = slowed.reshape(-1, n_sensors)
    near = np.exp(-0.5 * (cdist(positions, positions) / 0.05) ** 2).astype(np.float32)
    for start in rng.integers(len(times), size=20 * n_days):
        minutes = 5 * np.arange(min(72, len(times) - start), dtype=np.float32)
        course = np.minimum(minutes / 15, 1) * np.exp(-minutes / rng.uniform(20, 90))
        depth = rng.gamma(2, 10) * near[rng.integers(n_sensors)]
        slowed[start : start + len(minutes)] += course[:, None] * depth
    noise = 1.5 * rng.standard_normal(slowed.shape, dtype=np.float32)
    values = np.maximum(65 + 3 * free.astype(np.float32) - slowed + noise, 3)
    season = (times.dayofweek * 288 + times.hour * 12 + times.minute // 5).to_numpy()
    return _on_points(positions, times, values, season, ("day", "week"))


def _on_points(positions, times, values, season, periods):
    graph = Graph.from_points(positions)
    places = pd.DataFrame(positions, columns=["x", "y"])
    return Table(graph, times, values, season, periods, places)


def _along_roads(n_points, rng, n_roads=9):
    """Return points near straight roads across a square."""
    ends = rng.random((2, n_roads, 2))
    road, along = rng.integers(n_roads, size=n_points), rng.random((n_points, 1))
    on = (1 - along) * ends[0, road] + along * ends[1, road]
    return on + 0.005 * rng.standard_normal((n_points, 2))


def _bump(hour, at, width):
    return np.exp(-0.5 * ((hour - at) / width) ** 2)


def smooth(places, reach, n_fields, rng):
    """Return fields of variance 1, of shape (n_fields, n_places), that vary over a distance."""
    covariance = np.exp(-0.5 * (cdist(places, places) / reach) ** 2)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    return rng.standard_normal((n_fields, len(places))) @ root.T


# --- what is held out


def entries(table, rng, share=0.1):
    seen = np.isfinite(table.records)
    return {"entries": seen & (rng.random(seen.shape) < share)}


def years(table, rng, share=0.1, length=12):
    """Runs of twelve months at a station, wherever it has a record at the first of them."""
    held = np.zeros(table.records.shape, bool)
    for node, seen in enumerate(np.isfinite(table.records).T):
        records = np.flatnonzero(seen)
        # A station of a year or two would be held out as a whole.
        if len(records) >= 3 * length:
            for start in rng.choice(records, int(share * len(records) / length + rng.random())):
                held[start : start + length, node] = seen[start : start + length]
    return {"runs": held}


def whole_nodes(table, rng, share=0.2):
    n_nodes = table.graph.n_nodes
    held = np.isfinite(table.records)
    held[:, rng.permutation(n_nodes)[int(share * n_nodes) :]] = False
    return {"stations": held}


def points_and_runs(table, rng, points, runs, lengths):
    """Both at once, shares of all entries; a point within a run counts as of the run."""
    shape = table.records.shape
    n_runs = round(-np.log1p(-runs) * shape[0] / np.mean(lengths))
    ends = np.zeros((shape[0] + 1, shape[1]), np.int32)
    first = rng.integers(shape[0], size=(n_runs, shape[1]))
    last = np.minimum(first + rng.integers(*lengths, size=first.shape, endpoint=True), shape[0])
    nodes = np.broadcast_to(np.arange(shape[1]), first.shape)
    np.add.at(ends, (first, nodes), 1)
    np.add.at(ends, (last, nodes), -1)
    inside = np.cumsum(ends[:-1], axis=0) > 0
    alone = (rng.random(shape, dtype=np.float32) < points) & ~inside
    return {"points": alone, "runs": inside}


def gaps(table, rng):
    found = points_and_runs(table, rng, 0.07, 0.1, (2, 12))
    return {"gaps": found["points"] | found["runs"]}


TABLES = {
    "sensors": (sensors, {"gaps": gaps}),
    "traffic": (
        traffic,
        {"points and runs": partial(points_and_runs, points=0.11, runs=0.1, lengths=(12, 144))},
    ),
}
if "SKGINR_DATA" in os.environ:
    ways = {"entries": entries, "runs": years, "stations": whole_nodes}
    TABLES = {"colorado": (colorado, ways)} | TABLES
