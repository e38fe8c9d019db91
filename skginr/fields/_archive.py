"""An archive of signals, out of a long table of signals and nodes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from skginr._core import are_datetimes, check_known, check_signals
from skginr.graphs import Graph, as_table, check_has_rows, locate_column, position_of

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Signals that there are at least.
_LEAST = 4


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
    of_signal = None if signal is None else position_of("signal", signal, frame, "names signals")
    of_node = None if node is None else position_of("node", node, frame, "names the nodes")
    if of_signal is None and of_node is None:
        of_signal = others[_signal_column(frame.iloc[:, others], graph, owner)]
    if of_node is None:
        of_node = next(i for i in others if i != of_signal)
    if of_signal is None:
        of_signal = next(i for i in others if i != of_node)
    if len({of_signal, of_node, of_phase}) < n_wanted:
        raise ValueError(
            f"{owner} needs a column each for signal, node and phase; got signal={signal!r}, "
            f"node={node!r} and phase={phase!r}, of columns {names}."
        )
    return Columns(of_signal, of_node, of_phase)


def _signal_column(frame: pd.DataFrame, graph: Graph, owner: str) -> int:
    """Return which of two columns names signals: that of times, or that which names no nodes."""
    times = [i for i in (0, 1) if are_datetimes(frame.iloc[:, i])]
    if len(times) == 1:
        return times[0]
    unlike = [i for i in (0, 1) if not _names_nodes(frame.iloc[:, i], graph)]
    if len(unlike) == 1:
        return unlike[0]
    raise ValueError(
        f"{owner} needs signal= to tell which column of X names the signal, and which the node; "
        f"both of {list(frame.columns)} could be either."
    )


def _names_nodes(column: pd.Series, graph: Graph) -> bool:
    try:
        graph.locate(column.infer_objects())
    except (TypeError, ValueError):
        return False
    return True


def numbers_of(column: pd.Series, what: str) -> tuple[_Indices, pd.Index]:
    """Return the number of each entry of a column among its distinct ones, and these, ascending."""
    try:
        numbers, distinct = pd.factorize(column.infer_objects(), sort=True)
    except TypeError as error:
        raise TypeError(
            f"the column {what}={column.name!r} of X must hold numbers, words or times; {error}."
        ) from error
    if (numbers < 0).any():
        raise ValueError(
            f"the column {what}={column.name!r} of X must say the {what} in every row; row "
            f"{int(np.argmin(numbers))} has none."
        )
    return numbers, pd.Index(distinct)


def phase_numbers(column: pd.Series, phases: pd.Index) -> _Indices:
    """Return the numbers of phases that an archive has, or say which it has not."""
    try:
        numbers = phases.get_indexer(pd.Index(column.infer_objects()))
    except TypeError as error:
        raise TypeError(f"phase must be a number, a word or a time; {error}.") from error
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
    values = np.full((len(signals), graph.n_nodes), np.nan)
    twice = pd.DataFrame({"signal": numbers, "node": nodes}).duplicated()
    if twice.any():
        first = int(np.argmax(twice))
        node, signal = graph.labels.tolist()[nodes[first]], signals.tolist()[numbers[first]]
        raise ValueError(
            f"X must have a row for each node of a signal; {int(twice.sum())} rows repeat one, "
            f"first {node!r} of signal {signal!r}. Take the mean, "
            f"table.groupby([...], as_index=False).mean()."
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
        one = signals.tolist()[numbers[int(mixed.argmax())]]
        raise ValueError(f"a signal must have one phase; signal {one!r} has several.")
    return Archive(values, of_signal, signals), phases


def values_of_rows(estimator: Any, X: Any, y: Any) -> _Numbers:
    """Return one number for each row of a table, or say what is wrong with these."""
    frame = as_table(X)
    check_has_rows(frame)
    check_known(y, column="y")
    values = check_signals(y, len(frame), gaps=False)
    if values.shape[1] > 1:
        raise ValueError(
            f"y must be one number per row; got {values.shape[1]} columns. Fit a "
            f"{type(estimator).__name__} of each."
        )
    return values[:, 0]


def fitted_archive(
    estimator: Any, X: Any, y: Any, graph: Graph
) -> tuple[Archive, pd.Index, Columns]:
    """Return the archive that an estimator is fitted to, names of phases, and which columns.

    Parameters
    ----------
    estimator : estimator
        Has ``signal``, ``node`` and ``phase``, and gets ``n_features_in_`` and
        ``feature_names_in_``.
    X, y, graph
        As of its ``fit``.

    Raises
    ------
    ValueError
        If signals do not tell what they have in common, and by how much they differ.
    """
    owner, values = type(estimator).__name__, values_of_rows(estimator, X, y)
    validate_data(estimator, X, reset=True, skip_check_array=True)
    given = estimator.signal, estimator.node, estimator.phase
    columns = find_columns(X, graph, *given, owner=owner)
    archive, phases = read_archive(X, values, graph, columns, None)
    _check_archive(archive, len(phases))
    return archive, phases, columns


def draw_phases(
    phase: Any,
    n_samples: int,
    phases: pd.Index | None,
    frequencies: _Numbers,
    random: np.random.RandomState,
) -> _Indices:
    """Return numbers of phases of new signals: of the one given, or as often as in an archive."""
    if phase is None:
        return random.choice(len(frequencies), n_samples, p=frequencies)
    if phases is None:
        raise ValueError(f"phase={phase!r} was given, and the archive has no phases.")
    return np.repeat(phase_numbers(pd.Series([phase]), phases), n_samples)


def drawn_table(
    values: _Numbers,
    numbers: _Indices,
    phases: pd.Index | None,
    names: dict[str, Hashable],
    graph: Graph,
) -> pd.DataFrame:
    """Return new signals, a row each and a column for each node; the index holds their phases."""
    index = None if phases is None else pd.Index(phases[numbers], name=names["phase"])
    return pd.DataFrame(values, index=index, columns=graph.labels)


def names_of(X: Any, columns: Columns) -> dict[str, Hashable]:
    """Return the names of columns, by what they say."""
    names = as_table(X).columns
    return {what: names[at] for what, at in columns._asdict().items() if at is not None}


def _check_archive(archive: Archive, n_phases: int) -> None:
    """Raise unless signals tell what they have in common, and by how much they differ."""
    values, of_signal, _ = archive
    n_signals = len(values)
    if n_signals < _LEAST:
        raise ValueError(
            f"X must have at least {_LEAST} signals to learn from; got {n_signals}. Of one "
            f"signal use GraphSmoother."
        )
    if n_signals <= n_phases:
        raise ValueError(
            f"X has {n_signals} signals in {n_phases} phases: none is left to tell how signals of "
            f"a phase differ. Give coarser phases, or none."
        )
    if np.isfinite(values).sum(axis=0).max() < 2:
        raise ValueError(
            "X must have nodes that more than one signal was observed at; its signals have no node "
            "in common."
        )
    if (np.isfinite(values).sum(axis=1) >= 2).sum() < _LEAST:
        raise ValueError(
            f"X must have at least {_LEAST} signals with two nodes or more: others do not tell how "
            f"nodes vary together."
        )
    for phase in range(n_phases):
        group = values[of_signal == phase]
        seen = group[:, np.isfinite(group).any(axis=0)]
        if np.any(np.nanmax(seen, axis=0) > np.nanmin(seen, axis=0)):
            break
    else:
        raise ValueError(
            "y must differ between signals of a phase; it is the same in all. There is nothing to "
            "learn."
        )
