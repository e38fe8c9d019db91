"""Graphs that go by name between processes that have them."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

# Names of graphs that are not to be copied into a pickle, by the id of the graph.
_names: dict[int, str] = {}
# What names mean in this process.
_graphs: dict[str, Any] = {}


def name_of_shared(graph: Any) -> str | None:
    """Return the name that a graph is pickled as, or None for one that is pickled whole.

    Only what dask sends is read by those who know the name: a file or another pool is not.
    """
    name = _names.get(id(graph))
    return name if name is not None and _is_being_sent() else None


def _is_being_sent() -> bool:
    """Say whether it is dask that pickles, which has no place of its own to be told."""
    caller: FrameType | None = sys._getframe()
    while caller is not None:
        if caller.f_globals.get("__name__", "").startswith("distributed."):
            return True
        caller = caller.f_back
    return False


def set_name(graph: Any, name: str | None) -> str | None:
    """Have a graph sent as a name from now on, or with None whole; return what it was before."""
    before = _names.pop(id(graph), None)
    if name is not None:
        _names[id(graph)] = name
    return before


def remember(name: str, graph: Any) -> None:
    """Let a name mean a graph in this process."""
    _graphs[name] = graph


def forget(name: str) -> None:
    """Let a name mean nothing."""
    _graphs.pop(name, None)


def graph_named(name: str) -> Any:
    """Return the graph of a name, which is what unpickling asks for."""
    if name not in _graphs:
        raise LookupError(
            f"this process has no graph named {name!r}: what was pickled inside "
            f"skginr.shared_graphs(client, graph) can be read by the workers of that client alone, "
            f"and as long as it lasts."
        )
    return _graphs[name]
