"""An archive of signals, out of a long table of signals and nodes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skginr._core import are_datetimes
from skginr.graphs import Graph, as_table, locate_column, node_column, position_of

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]


class Columns(NamedTuple):
    """The positions of the columns of a table; None for one that it has not."""

    signal: int | None
    node: int
    phase: int | None


class Archive(NamedTuple):
    """Signals side by side.

    Attributes
    ----------
    values : ndarray of shape (n_signals, n_nodes)
        NaN where not observed.
    phases : ndarray of shape (n_signals,)
        Numbers of phases.
    signals : Index
        Their names, in ascending order.
    """

    values: _Numbers
    phases: _Indices
    signals: pd.Index


def find_columns(
    X: Any,
    graph: Graph,
    signal: Hashable,
    node: Hashable,
    phase: Hashable,
    *,
    owner: str,
) -> Columns:
    """Return which column of a table names the signal, which the node and which the phase.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, 2) or (n_rows, 3)
    graph : Graph
    signal, node, phase : int, column name or None
        Where ``phase`` is None there is none.
    owner : str
        Whose these are, for errors.

    Raises
    ------
    ValueError
        If one is not a column of X, or X has others.
    """
    frame = as_table(X)
    names = list(frame.columns)
    of_phase = None if phase is None else position_of("phase", phase, frame, "says the phase")
    n_wanted = 2 if of_phase is None else 3
    if len(names) != n_wanted:
        what = "the signal and the node" + ("" if of_phase is None else ", and the phase")
        raise ValueError(
            f"{owner} takes a table whose columns name {what}; got columns {names}. Select them, "
            f"and give phase= where one says what signals have in common, such as a month."
        )
    others = [i for i in range(len(names)) if i != of_phase]
    if signal is not None:
        of_signal = position_of("signal", signal, frame, "names the signals")
    elif node is not None:
        of_node = position_of("node", node, frame, "names the nodes")
        of_signal = next(i for i in others if i != of_node)
    else:
        times = [i for i in others if are_datetimes(frame.iloc[:, i])]
        rest = frame.iloc[:, others]
        besides = others.index(times[0]) if len(times) == 1 else None
        of_node = others[node_column(rest, graph, None, owner=owner, besides=besides)]
        of_signal = next(i for i in others if i != of_node)
    of_node = next(i for i in others if i != of_signal)
    if len({of_signal, of_node, of_phase}) < n_wanted:
        raise ValueError(
            f"{owner} needs a column each for signal, node and phase; got signal={signal!r}, "
            f"node={node!r} and phase={phase!r}, of columns {names}."
        )
    return Columns(of_signal, of_node, of_phase)


def numbers_of(column: pd.Series, what: str) -> tuple[_Indices, pd.Index]:
    """Return the number of each entry of a column among its distinct ones, and these, ascending."""
    numbers, distinct = pd.factorize(column.infer_objects(), sort=True)
    if (numbers < 0).any():
        raise ValueError(
            f"the column {what}={column.name!r} of X must say the {what} in every row; row "
            f"{int(np.argmin(numbers))} has none."
        )
    return numbers, pd.Index(distinct)


def phase_numbers(column: pd.Series, phases: pd.Index) -> _Indices:
    """Return the numbers of phases that an archive has, or say which it has not."""
    numbers = phases.get_indexer(pd.Index(column.infer_objects()))
    if (numbers < 0).any():
        unknown = column.tolist()[int(np.argmin(numbers))]
        raise ValueError(
            f"phase {unknown!r} is in no signal of the archive, which has {phases[:20].tolist()}. "
            f"Nothing is known of it."
        )
    return numbers


def read_archive(
    X: Any, y: _Numbers, graph: Graph, columns: Columns, phases: pd.Index | None
) -> tuple[Archive, pd.Index]:
    """Return the signals of a table, and the names of phases: those given, or its own.

    Raises
    ------
    ValueError
        If a signal has a node twice or more than one phase, or a phase is unknown.
    """
    frame = as_table(X)
    nodes, _ = locate_column(X, graph, frame.columns[columns.node], owner="X")
    numbers, signals = numbers_of(frame.iloc[:, columns.signal], "signal")
    names = frame.iloc[:, columns.signal].tolist()
    values = np.full((len(signals), graph.n_nodes), np.nan)
    twice = pd.DataFrame({"signal": numbers, "node": nodes}).duplicated()
    if twice.any():
        first = int(np.argmax(twice))
        raise ValueError(
            f"X must have a row for each node of a signal; {int(twice.sum())} rows repeat one, "
            f"first {graph.labels.tolist()[nodes[first]]!r} of signal {names[first]!r}. Take the "
            f"mean, table.groupby([...], as_index=False).mean()."
        )
    values[numbers, nodes] = y
    of_signal = np.zeros(len(signals), dtype=np.intp)
    if columns.phase is None:
        return Archive(values, of_signal, signals), pd.Index([0])
    column = frame.iloc[:, columns.phase]
    if phases is None:
        of_row, phases = numbers_of(column, "phase")
    else:
        of_row = phase_numbers(column, phases)
    of_signal[numbers] = of_row
    mixed = of_signal[numbers] != of_row
    if mixed.any():
        raise ValueError(
            f"a signal must have one phase; signal {names[int(mixed.argmax())]!r} has several."
        )
    return Archive(values, of_signal, signals), phases
