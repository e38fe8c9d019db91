"""What a file may make of a few bytes: as much as its content accounts for, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

# Every node may be reached in several ways, and what looks at all of them (a hash, a copy) takes
# as long as there are ways: of nested pairs that share their parts, two to the power of the depth.
_MOST_WAYS, _FREE_WAYS = 100, 10_000
# Python's own functions go down by calls of C.
_MOST_DEPTH = 400
# Words lie in fields as wide as the dtype says, whatever they are; so many bytes for each letter.
_MOST_PADDING, _FREE_BYTES = 256, 1 << 12


def check_nodes(nodes: list[dict[str, Any]]) -> None:
    """Raise a ValueError if nodes lead to much more than they are.

    Parameters
    ----------
    nodes : list of dict
        That name each other by number. Cycles are counted once around.
    """
    parts = [list(_references(node)) for node in nodes]
    ways, depths = [0] * len(nodes), [0] * len(nodes)
    is_open = [False] * len(nodes)
    total, content = 0, sum(1 + len(part) for part in parts)
    most = _FREE_WAYS + _MOST_WAYS * content
    for root in range(len(nodes)):
        pending = [] if ways[root] else [(root, iter(parts[root]))]
        while pending:
            number, rest = pending[-1]
            is_open[number] = True
            for other in rest:
                if not 0 <= other < len(nodes):
                    raise ValueError(f"there is no node {other}")
                if ways[other] == 0 and not is_open[other]:
                    pending.append((other, iter(parts[other])))
                    break
            else:
                pending.pop()
                is_open[number] = False
                # Of one that is open still, this is a way around a cycle.
                ways[number] = 1 + sum(ways[other] for other in parts[number])
                depths[number] = 1 + max((depths[other] for other in parts[number]), default=0)
                total += ways[number]
                if total > most or depths[number] > _MOST_DEPTH:
                    raise ValueError("it holds parts of parts that are more than the file is")


def _references(value: Any) -> Iterator[int]:
    """Yield the numbers of the nodes that a node names, as often as it does."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            if "node" in part:
                if type(part["node"]) is not int:
                    raise ValueError(f"{part['node']!r} is no number of a node")
                yield part["node"]
            pending.extend(value for name, value in part.items() if name != "node")


def check_words(dtype: np.dtype, words: list[Any]) -> None:
    """Raise a ValueError if an array of words would be far wider than the words in it.

    Parameters
    ----------
    dtype : dtype
        Of the array: objects, text or bytes.
    words : list
        All of them.
    """
    if dtype.kind not in "OUS":
        raise ValueError(f"words cannot be of {dtype}")
    letters = sum(len(word) for word in words if isinstance(word, str | bytes))
    most = _FREE_BYTES + _MOST_PADDING * (len(words) + letters)
    if dtype.kind != "O" and dtype.itemsize * len(words) > most:
        raise ValueError(
            f"{len(words)} words of {letters} letters in all would take "
            f"{dtype.itemsize * len(words)} bytes as {dtype.str}"
        )
