"""Graphs that go by name between processes that have them."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

# Names of graphs that are not to be copied into a message, by the id of the graph: the last counts.
_names: dict[int, list[str]] = {}
# What names mean in this process, and how many workers in it said so.
_graphs: dict[str, tuple[Any, int]] = {}


def name_of_shared(graph: Any) -> str | None:
    """Return the name that a graph is sent as, or None for one that is pickled whole.

    Only what dask sends is read by those who know the name: a file or another pool is not.
    """
    names = _names.get(id(graph))
    return names[-1] if names and _is_being_sent() else None


def _is_being_sent() -> bool:
    """Say whether it is dask that pickles, which has no place of its own to be told."""
    caller: FrameType | None = sys._getframe()
    while caller is not None:
        if caller.f_globals.get("__name__", "").startswith("distributed.protocol."):
            return True
        caller = caller.f_back
    return False


def add_name(graph: Any, name: str) -> None:
    """Have a graph sent as a name from now on; the caller keeps the graph alive as long."""
    _names.setdefault(id(graph), []).append(name)


def drop_name(graph: Any, name: str) -> None:
    """Have it sent as what it was before, or whole."""
    names = _names[id(graph)]
    names.remove(name)
    if not names:
        del _names[id(graph)]


def remember(name: str, graph: Any) -> None:
    """Let a name mean a graph in this process, one that it has already if there is one."""
    known, count = _graphs.get(name, (graph, 0))
    _graphs[name] = known, count + 1


def forget(name: str) -> None:
    """Let a name mean nothing, once all who said that it means something have said so."""
    graph, count = _graphs.get(name, (None, 0))
    if count > 1:
        _graphs[name] = graph, count - 1
    else:
        _graphs.pop(name, None)


def graph_named(name: str) -> Any:
    """Return the graph of a name, which is what unpickling asks for."""
    if name not in _graphs:
        raise LookupError(
            f"this process has no graph named {name!r}: what was sent inside "
            f"skginr.shared_graphs(client, graph) can be read by the workers of that client alone, "
            f"and as long as it lasts."
        )
    return _graphs[name][0]
