"""Archives of signals, and new signals of which little is observed.

``load("era5", 0.05, seed)`` returns a task, which holds all that a method may know, and the values
of the new signals. Seed 0 is for reporting; take 100, 101, ... to choose anything. Whoever chooses
within a method does it on ``task.inner``: the last signals of the archive, observed alike.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _graphs import sphere

from skginr import Graph
from skginr.datasets import (
    fetch_colorado_climate,
    fetch_era5_uk,
    fetch_navy_winds,
    make_reaction_diffusion,
)

KEPT = Path(__file__).parent.parent / "build"
# Nodes of a table, at most.
MOST_NODES = 2500


@dataclass(frozen=True)
class Task:
    """An archive, and what is observed of new signals."""

    graph: Graph
    # Coordinates of nodes, in degrees, and what else is known of them.
    places: pd.DataFrame
    # Of shape (n_signals, n_nodes), NaN where nothing was recorded, and the phase of each.
    archive: np.ndarray
    phase: np.ndarray
    # New ones, of shape (n_new, n_nodes), NaN but where they are observed.
    seen: np.ndarray
    seen_phase: np.ndarray
    # Which values of them are scored.
    asked: np.ndarray
    # A task of signals of the archive and their values, by which a method may choose.
    inner: tuple | None = None

    @property
    def n_phases(self):
        return 1 + max(self.phase.max(), self.seen_phase.max())


# --- what is held out


def load(name, share, seed):
    """Return a task, and the values of its new signals."""
    rng = np.random.default_rng(seed)
    graph, places, values, phase, times = TABLES[name](rng)
    if np.isfinite(values).all():
        observed = same_nodes(len(graph.labels), share, rng)
    else:
        observed = some_reporters(values, share, rng)
    (archive, new), (earlier, later) = times

    def task(archive, new, inner=None):
        asked = np.isfinite(values) & ~observed
        known = np.where(observed, values, np.nan)
        told = values[archive], phase[archive], known[new], phase[new], asked[new], inner
        return Task(graph, places, *told), values[new]

    return task(archive, new, task(earlier, later))


def same_nodes(n_nodes, share, rng):
    """Return the nodes observed of every signal; another share goes on where the last one ended."""
    for some in SHARES:
        drawn = rng.permutation(n_nodes)[: max(5, int(some * n_nodes))]
        if some == share:
            break
    return np.isin(np.arange(n_nodes), drawn)[None]


def some_reporters(values, share, rng):
    """Return a share of those that report, for each signal anew."""
    order = np.where(np.isfinite(values), rng.random(values.shape), np.inf)
    place = order.argsort(axis=1).argsort(axis=1)
    return place < np.maximum(1, np.round(share * np.isfinite(values).sum(axis=1)))[:, None]


# --- tables


def era5(_):
    """Hours of temperature: the first week, and every fifth hour after it."""
    hours = np.arange(240)
    times = (hours[:168], hours[168::5]), (hours[:120], hours[120:168:5])
    data = fetch_era5_uk()
    wide = data.frame.pivot_table(index="time", columns="node", values="temperature")
    return data.graph, data.graph.attributes, wide.to_numpy(), hours % 24, times


def navy(name, rng):
    """Months of wind: three years, and the fourth."""
    months = np.arange(48)
    times = (months[:36], months[36:]), (months[:24], months[24:36])
    data = fetch_navy_winds()
    wide = data.frame.pivot_table(index="time", columns="node", values=name)
    wide = wide.iloc[:, np.sort(rng.permutation(wide.shape[1])[:MOST_NODES])]
    places = data.graph.attributes.loc[wide.columns]
    graph = Graph.from_sphere(places["latitude"], places["longitude"], labels=wide.columns)
    return graph, places, wide.to_numpy(), months % 12, times


def colorado(_):
    """Months of temperature at stations, of which few report: the last fifth is new."""
    data = fetch_colorado_climate()
    wide = data.frame.pivot_table(index="time", columns="station", values="temperature")
    wide = wide[data.graph.labels]
    months = np.arange(len(wide))
    first, new = np.split(months, [int(0.8 * len(months))])
    earlier, later = np.split(first, [int(0.8 * len(first))])
    places = data.graph.attributes[["latitude", "longitude", "elevation"]]
    times = (first, new), (earlier, later[::5])
    return data.graph, places, wide.to_numpy(), wide.index.month.to_numpy() - 1, times


SHARES = (0.01, 0.05, 0.2)
TABLES, CASES = {}, {}
if "SKGINR_DATA" in os.environ:
    TABLES = {
        "era5": era5,
        "u": lambda rng: navy("u", rng),
        "v": lambda rng: navy("v", rng),
        "colorado": colorado,
    }
    CASES = {name: (0.1,) if name == "colorado" else SHARES for name in TABLES}


# --- patterns


@dataclass(frozen=True)
class Patterns:
    """Signals whose values are of two kinds: spots, and what lies between them."""

    graph: Graph
    # Of shape (n_signals, n_nodes), and others like them.
    archive: np.ndarray
    held: np.ndarray


# Spots of about ten nodes across, that divide until there is no room left; with less food they die
# out from some noise.
PATTERN = {"feed": 0.045, "kill": 0.065, "diffusion": (1.0, 0.5), "laplacian": "random_walk"}
STAGES = (300, 1000, 4000)
N_SEEDS, N_HELD = 60, 20


def patterns(n_nodes=2000, n_seeds=N_SEEDS, n_held=N_HELD, stages=STAGES):
    """Return patterns grown from other noise each, at all stages; kept on disk."""
    adjacency, positions = sphere(n_nodes)
    graph = Graph(adjacency, positions=positions)
    file = KEPT / f"fields-{n_nodes}-{n_seeds}-{n_held}-{'-'.join(map(str, stages))}.npy"
    if not file.exists():
        grown = [
            make_reaction_diffusion(graph, n_steps=list(stages), random_state=seed, **PATTERN)["v"]
            for seed in range(n_seeds + n_held)
        ]
        file.parent.mkdir(exist_ok=True)
        np.save(file, np.reshape(grown, (-1, n_nodes)))
    kept = np.load(file)
    return Patterns(graph, *np.split(kept, [n_seeds * len(stages)]))
