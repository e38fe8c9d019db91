"""Rows near each other and far, of a table too large to look at whole."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

_Rows = NDArray[np.intp]

# Rows of a block: a few of these take the time of a matrix product, where one of all takes hours.
_SIZE = 400
# Nodes looked at around one, for a long time; and those besides, anywhere.
_NEAR, _FAR = 8, 4
# Consecutive times at as many nodes as there are.
_MOMENTS = 3


@dataclasses.dataclass(frozen=True)
class Table:
    """Which node and which time each row is of.

    Parameters
    ----------
    nodes, times : ndarray of int, shape (n_rows,)
        Times are numbered in their order.
    """

    nodes: _Rows
    times: _Rows

    @property
    def n_times(self) -> int:
        return int(self.times.max()) + 1


def draw_blocks(
    table: Table, adjacency: sp.csr_array, n_blocks: int, random: np.random.RandomState
) -> list[_Rows]:
    """Return rows of blocks, of three kinds in turn around rows drawn at random.

    Many nodes at a few times, which tell how far the field is alike in space; a few nodes that are
    near at all times around one, which tell how fast it changes; and some nodes at times drawn at
    random, which tell what stays, and comes again.
    """
    if len(table.nodes) <= _SIZE:
        return [np.arange(len(table.nodes))]
    finder = _Finder(table, adjacency)
    kinds = [_many_nodes, _many_times, _scattered]
    return [kinds[b % len(kinds)](finder, random) for b in range(n_blocks)]


class _Finder:
    """Finds the rows of nodes and times."""

    def __init__(self, table: Table, adjacency: sp.csr_array) -> None:
        self.table = table
        self.adjacency = sp.csr_matrix(adjacency)
        self.n_times = table.n_times
        self._by_node = np.argsort(table.nodes, kind="stable")
        self._first = np.searchsorted(table.nodes[self._by_node], np.arange(adjacency.shape[0] + 1))
        self._observed = np.diff(self._first) > 0

    def around(self, node: int) -> _Rows:
        """Return observed nodes, the nearest by hops first, and those of other components last."""
        reached = breadth_first_order(
            self.adjacency, node, directed=False, return_predecessors=False
        )
        others = np.setdiff1d(np.flatnonzero(self._observed), reached, assume_unique=True)
        return np.concatenate([reached[self._observed[reached]], others])

    def rows_of_enough(self, nodes: _Rows, n_nodes: int) -> _Rows:
        """Return the rows of so many nodes, the first ones, or of as many as make a block."""
        n_rows = np.cumsum(self._first[nodes + 1] - self._first[nodes])
        enough = max(int(np.searchsorted(n_rows, _SIZE)) + 1, n_nodes)
        return np.concatenate([self.rows_of(node) for node in nodes[:enough]])

    def rows_of(self, node: int) -> _Rows:
        return self._by_node[self._first[node] : self._first[node + 1]]


def _many_nodes(finder: _Finder, random: np.random.RandomState) -> _Rows:
    """Return rows of nodes around one, at a few consecutive times."""
    first = random.randint(len(finder.table.nodes))
    near_time = finder.table.times[first]
    found: list[_Rows] = []
    n_found = 0
    for node in finder.around(int(finder.table.nodes[first])):
        rows = finder.rows_of(node)
        off = np.abs(finder.table.times[rows] - near_time)
        rows = rows[off <= _MOMENTS // 2]
        found.append(rows)
        n_found += len(rows)
        if n_found >= _SIZE:
            break
    return np.concatenate(found)[:_SIZE]


def _many_times(finder: _Finder, random: np.random.RandomState) -> _Rows:
    """Return rows of the nodes nearest to one, at the times nearest to one."""
    first = random.randint(len(finder.table.nodes))
    nodes = finder.around(int(finder.table.nodes[first]))
    rows = finder.rows_of_enough(nodes, _NEAR - 2)
    off = np.abs(finder.table.times[rows] - finder.table.times[first])
    return rows[np.argsort(off, kind="stable")[:_SIZE]]


def _scattered(finder: _Finder, random: np.random.RandomState) -> _Rows:
    """Return rows of nodes near one and of some far from it, at any times."""
    first = random.randint(len(finder.table.nodes))
    nodes = finder.around(int(finder.table.nodes[first]))
    near, far = nodes[:_NEAR], random.permutation(nodes[_NEAR:])
    rows = finder.rows_of_enough(np.concatenate([near, far]), _NEAR + _FAR)
    # At times that are the same for all of them.
    order = random.permutation(finder.n_times)
    return rows[np.argsort(order[finder.table.times[rows]], kind="stable")[:_SIZE]]
