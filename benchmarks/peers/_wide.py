"""What scripts are run by that fill a wide table of times and nodes.

    python peers/seasonal.py TASK.npz OUT.npz

A script hands ``fill(table)``, which returns the table without gaps, or that and the standard
deviations. Values of held-out entries are not in the file.
"""

import sys
from dataclasses import dataclass

import numpy as np
from _peer import limit


@dataclass
class Wide:
    # Of shape (n_times, n_nodes): values, NaN where they are unknown, and what is asked for.
    known: np.ndarray
    held: np.ndarray
    # Numbers from 0 of the month, or the hour of the day, ... of every time.
    season: np.ndarray
    # Coordinates of nodes, and what else is known of them.
    places: np.ndarray
    # Processor time it may take.
    seconds: np.ndarray
    # What of a script is meant.
    variant: np.ndarray | None = None


def main(fill):
    source, target = sys.argv[1:]
    with np.load(source) as kept:
        table = Wide(**kept)
    limit(int(table.seconds))
    found = fill(table)
    mean, std = found if isinstance(found, tuple) else (found, None)
    answer = {"mean": mean[table.held]} | ({} if std is None else {"std": std[table.held]})
    np.savez(target, **answer)
