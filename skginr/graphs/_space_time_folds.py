"""Folds of tables in time, for scores that say what was missing."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from skginr._core import TimeScale, check_count, check_option
from skginr.graphs._folds import check_seed
from skginr.graphs._graph import Graph, check_graph
from skginr.graphs._nodes import locate_in_time
from skginr.graphs._partition import connected_blocks

# What is held out, and the pieces that are dealt to folds.
_PIECES = {
    "entries": "entries (a node at a time)",
    "runs": "runs of a node",
    "nodes": "nodes",
    "times": "runs of time",
    "blocks": "regions in a run of time",
}
# Of one length of time.
_IN_RUNS = ("runs", "times", "blocks")
# Steps of a run, where no length is given.
_STEPS = 12
# As GraphBlockKFold.
_REGIONS_PER_FOLD = 4


class SpaceTimeKFold(BaseCrossValidator):
    """K folds of a table of nodes and times, which hold out what will be missing in use.

    Scores depend on what is held out: a single hour is filled from the hour before, a sensor that
    pauses from its neighbours, and a place without a sensor from no record of its own. Hold out
    what will be missing.

    Parameters
    ----------
    n_splits : int, default 5
        Number of folds.
    hold_out : {"entries", "runs", "nodes", "times", "blocks"}, default "runs"
        What a fold is made of:

        - "entries": single times of single nodes, at random;
        - "runs": runs of consecutive times at a node, at other times for other nodes: sensors
          that pause;
        - "nodes": all times of some nodes, at random: places without a sensor
          (:class:`~skginr.GraphBlockKFold` with ``node=`` holds out whole regions);
        - "times": runs of time at all nodes: nothing was recorded;
        - "blocks": regions of the graph, each in runs of time: a network that fails.
    graph : Graph, optional
        Whose nodes X names; "blocks" needs it.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the first that is not the time, if no other could name nodes.
    time : int or column name, optional
        The column of X that holds times, numbers or datetimes. Default: the one column of
        datetimes, or else the only one beside the nodes.
    length : float, str or timedelta, optional
        How long a run is: a number where times are numbers, for datetimes such as "7D", "3MS",
        "week" or a timedelta. Default: twelve steps, the median between the times of a node, or a
        part of all time, one for each fold, where that is less.
    random_state : int, RandomState instance or None, default None
        None: always the same folds. An int: others.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or times or ``length`` are none.
    ValueError
        If there are fewer of these pieces than folds, one time alone where runs are held out, a
        node is unknown, a time missing, several columns could be the node or the time, or
        ``length`` is given where nothing is held out in runs.

    See Also
    --------
    GraphBlockKFold : For tables without times, or to hold out whole regions at all times.
    SpaceTimeSmoother : Takes such folds as ``cv``, to choose its strengths for them.
    GraphImputer : Fills the gaps of a wide table of times by nodes.

    Notes
    -----
    Rows of the same node and time are in one fold, and every row is held out once. Folds are
    evened out by number of rows. Runs that follow each other at a node, or in a region, are in
    different folds: what is held out is as long as ``length`` says. Which fold a row is in does
    not depend on the order of rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from skginr import SpaceTimeKFold
    >>> days = pd.date_range("2024-01-01", periods=6)
    >>> table = pd.DataFrame({"sensor": ["a"] * 6 + ["b"] * 6, "day": days.append(days)})
    >>> for train, test in SpaceTimeKFold(2, hold_out="times", length="3D").split(table):
    ...     print(train, test)
    [0 1 2 6 7 8] [ 3  4  5  9 10 11]
    [ 3  4  5  9 10 11] [0 1 2 6 7 8]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        hold_out: str = "runs",
        graph: Graph | None = None,
        node: Hashable = None,
        time: Hashable = None,
        length: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        check_count("n_splits", n_splits, minimum=2)
        check_option("hold_out", hold_out, _PIECES)
        if graph is not None or hold_out == "blocks":
            check_graph(graph)
        if length is not None and hold_out not in _IN_RUNS:
            raise ValueError(
                f"length is of runs, and hold_out={hold_out!r} has none; leave it out, or hold out "
                f"one of {', '.join(map(repr, _IN_RUNS))}."
            )
        check_seed(random_state)
        self.n_splits = n_splits
        self.hold_out = hold_out
        self.graph = graph
        self.node = node
        self.time = time
        self.length = length
        self.random_state = random_state

    def get_n_splits(
        self, X: ArrayLike | None = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : ignored

        Returns
        -------
        int
        """
        return self.n_splits

    def split(
        self, X: ArrayLike | pd.DataFrame, y: object = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the row numbers of training and test rows, fold by fold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_columns)
            One column of it names the nodes, another holds the times.
        y, groups : ignored

        Yields
        ------
        train, test : ndarray of int
        """
        nodes, column = locate_in_time(X, self.graph, self.node, self.time, owner="SpaceTimeKFold")
        name = f"the column time={column.name!r} of X"
        scale = TimeScale.of(column, name)
        times = scale.numbers(column, name)
        draw = check_random_state(0 if self.random_state is None else self.random_state)
        if self.hold_out in _IN_RUNS:
            pieces, follows = self._runs(nodes, times, scale, draw)
        else:
            keys = [nodes] if self.hold_out == "nodes" else [nodes, times]
            pieces, follows = _numbered(*keys), None
        weights = np.bincount(pieces)
        if len(weights) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} needs as many {_PIECES[self.hold_out]}; X has "
                f"{len(weights)}."
                + (" Lower length." if self.hold_out in _IN_RUNS and self.length else "")
            )
        if follows is None:
            folds = _dealt(weights, self.n_splits, draw)
        else:
            folds = _dealt_in_turn(weights, follows, self.n_splits, draw)
        fold_of_row = folds[pieces]
        for fold in range(self.n_splits):
            yield np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold)

    def _runs(
        self,
        nodes: NDArray[np.intp],
        times: NDArray[np.float64],
        scale: TimeScale,
        draw: np.random.RandomState,
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the run of every row, and whether a run comes after the one before it."""
        first, last = times.min(), times.max()
        if first == last:
            raise ValueError(
                f"hold_out={self.hold_out!r} needs several times; X has one, "
                f"{np.atleast_1d(scale.times([first]))[0]}."
            )
        if self.length is None:
            step = _step(nodes, times)
            length = min(_STEPS * step, (last - first + step) / self.n_splits)
        else:
            length = scale.length(self.length, "length")
        places = nodes
        if self.hold_out == "times":
            places = np.zeros_like(nodes)
        elif self.hold_out == "blocks":
            places = self._regions(nodes)[nodes]
        # Where runs begin is each place's own.
        begins = draw.random_sample(places.max() + 1) * (self.hold_out != "times")
        # One that ends on the next is before it, whatever the last digit.
        runs = np.floor((times - first) / length + begins[places] + 1e-9)
        pieces = _numbered(places, runs)
        place_of = np.empty(pieces.max() + 1, dtype=np.intp)
        place_of[pieces] = places
        return pieces, np.diff(place_of, prepend=-1) == 0

    def _regions(self, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the region of every node of the graph."""
        assert self.graph is not None
        weights = np.bincount(nodes, minlength=self.graph.n_nodes).astype(float)
        n_regions = _REGIONS_PER_FOLD * self.n_splits
        regions = np.empty(self.graph.n_nodes, dtype=np.intp)
        for region, members in enumerate(
            connected_blocks(self.graph.adjacency, weights, n_regions)
        ):
            regions[members] = region
        return regions


def _numbered(*keys: NDArray[Any]) -> NDArray[np.intp]:
    """Return numbers from 0 for rows, the same where all keys are, in the order of the keys."""
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), dtype=bool)
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    numbers = np.empty(len(order), dtype=np.intp)
    numbers[order] = np.cumsum(new)
    return numbers


def _step(nodes: NDArray[np.intp], times: NDArray[np.float64]) -> float:
    """Return the median time from one record of a node to its next, or of all if none has two."""
    order = np.lexsort((times, nodes))
    steps = np.diff(times[order])
    own = steps[(np.diff(nodes[order]) == 0) & (steps > 0)]
    return float(np.median(own if own.size else np.diff(np.unique(times))))


def _dealt(
    weights: NDArray[np.int64], n_folds: int, draw: np.random.RandomState
) -> NDArray[np.intp]:
    """Return folds at random for pieces of some weights, there and back from heavy to light."""
    order = draw.permutation(len(weights))
    order = order[np.argsort(-weights[order], kind="stable")]
    turn, place = np.divmod(np.arange(len(weights)), n_folds)
    folds = np.empty(len(weights), dtype=np.intp)
    folds[order] = np.where(turn % 2 == 0, place, n_folds - 1 - place)
    return folds


def _dealt_in_turn(
    weights: NDArray[np.int64],
    follows: NDArray[np.bool_],
    n_folds: int,
    draw: np.random.RandomState,
) -> NDArray[np.intp]:
    """Return folds for pieces, the lightest each time, but never that of the piece it follows."""
    totals = [0.0] * n_folds
    folds = np.empty(len(weights), dtype=np.intp)
    # Of folds as heavy one is drawn: taken in turn, each would have the same days of the week.
    ties = draw.random_sample((len(weights), n_folds)).tolist()
    before = -1
    for piece, (weight, after, tie) in enumerate(
        zip(weights.tolist(), follows.tolist(), ties, strict=True)
    ):
        avoided = before if after else -1
        free = [fold for fold in range(n_folds) if fold != avoided]
        before = min(free, key=lambda fold: (totals[fold], tie[fold]))
        totals[before] += weight
        folds[piece] = before
    return folds
