"""Graphs that go by name between processes that have them."""

from __future__ import annotations

from typing import Any

# Names of graphs that are not to be copied into a pickle, by the id of the graph.
_names: dict[int, str] = {}
# What names mean in this process.
_graphs: dict[str, Any] = {}


def name_of_shared(graph: Any) -> str | None:
    """Return the name that a graph is pickled as, or None for one that is pickled whole."""
    return _names.get(id(graph))


def set_name(graph: Any, name: str | None) -> None:
    """Have a graph pickled as a name from now on, or with None whole again."""
    if name is None:
        _names.pop(id(graph), None)
    else:
        _names[id(graph)] = name


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
