"""Weights that differ by many powers of ten: which of them count."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

from skginr._core import with_short_indices

# Times the median weight of an edge, to the power of the order, beyond which rounding decides.
_GIANT = 1e9


def most_that_count(
    sizes: NDArray, first: NDArray[np.intp], second: NDArray[np.intp], alone: NDArray
) -> NDArray:
    """Return what weights of edges are lowered to, shape (n_edges,); infinite where they stay.

    Nodes that stronger edges join than ``_GIANT`` times all that else acts on any of them, edges
    to others and ``alone``, are one, however much stronger these are.
    """
    tree = _strongest_tree(sizes, first, second, len(alone))
    # Groups that join, from the strongest edge on: each has the weight that it is joined by, and
    # that by which it joins another.
    n_nodes = len(alone)
    parent = np.arange(2 * n_nodes)
    joined, leaving = np.full((2, 2 * n_nodes), np.inf, dtype=sizes.dtype)
    leaving[:] = 0
    acting = np.concatenate([alone, np.zeros(n_nodes)])
    top = np.arange(2 * n_nodes)

    def group_of(node: int) -> int:
        while top[node] != node:
            top[node] = node = top[top[node]]
        return node

    new = n_nodes
    for edge in tree[np.argsort(-sizes[tree], kind="stable")].tolist():
        left, right = group_of(int(first[edge])), group_of(int(second[edge]))
        leaving[[left, right]] = joined[new] = sizes[edge]
        acting[new] = max(acting[left], acting[right])
        parent[[left, right]] = top[left] = top[right] = new
        new += 1
    limit = _GIANT * np.maximum(leaving, acting)
    is_one = (joined > limit) & (np.arange(2 * n_nodes) >= n_nodes)
    # The largest group of each node that is one: groups come after their parts.
    outermost = np.full(2 * n_nodes, -1)
    for group in range(new - 1, -1, -1):
        above = outermost[parent[group]] if parent[group] != group else -1
        outermost[group] = above if above >= 0 or not is_one[group] else group
    within = outermost[first]
    same = (within >= 0) & (within == outermost[second])
    return np.where(same, limit[within], np.inf)


def _strongest_tree(
    sizes: NDArray, first: NDArray[np.intp], second: NDArray[np.intp], n_nodes: int
) -> NDArray[np.intp]:
    """Return the edges of a spanning forest that is as strong as there is."""
    there = np.flatnonzero(sizes > 0)
    if len(there) == 0:
        return there
    # The place in order decides: from the strongest on, counted from 1.
    places = np.empty(len(there))
    places[np.argsort(-sizes[there], kind="stable")] = np.arange(1, len(there) + 1)
    graph = sp.csr_array((places, (first[there], second[there])), shape=(n_nodes, n_nodes))
    chosen = minimum_spanning_tree(with_short_indices(graph)).data.astype(np.intp)
    return there[np.argsort(places)[chosen - 1]]


def without_giants(
    stiffness: sp.csr_array,
    kernel: NDArray[np.float64],
    shift: NDArray[np.float64],
    order: int,
) -> sp.csr_array:
    """Return B with weights far beyond the median lowered.

    Such a one joins two nodes as one, and powers of larger ones leave no digit to anything else.
    """
    edges = sp.triu(stiffness, k=1, format="coo")
    linked = -edges.data[edges.data < 0]
    most = _GIANT ** (1 / order) * np.median(linked) if len(linked) else np.inf
    if not (linked > most).any():
        return stiffness
    first, second = edges.coords
    return closed(first, second, np.maximum(edges.data, -most), kernel, shift)


def closed(
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    values: NDArray,
    kernel: NDArray[np.float64] | None,
    shift: NDArray[np.float64],
) -> sp.csr_array:
    """Return the symmetric matrix of off-diagonal entries whose kernel is given, but for a shift.

    In the type of ``values``.
    """
    shape = (len(shift), len(shift))
    above = sp.coo_array((values, (first, second)), shape=shape)
    off_diagonal = sp.csr_array(above + above.T)
    wide = np.asarray(kernel, dtype=values.dtype)
    diagonal = shift - (off_diagonal @ wide) / wide
    return sp.csr_array(off_diagonal + sp.diags_array(diagonal))


def gradation(stiffness: sp.csr_array) -> float:
    """Return the median of the diagonal over the weakest edge that holds a component together."""
    edges = sp.triu(stiffness, k=1, format="coo")
    first, second = edges.coords
    sizes = np.maximum(-edges.data, 0)
    tree = _strongest_tree(sizes, first, second, stiffness.shape[0])
    if len(tree) == 0:
        return 1.0
    diagonal = stiffness.diagonal()
    return float(np.median(diagonal[diagonal > 0]) / sizes[tree].min())
