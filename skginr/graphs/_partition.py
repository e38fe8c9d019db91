"""Cutting a graph into connected blocks, and dealing the blocks to equal folds."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra

from skginr._core import with_short_indices

# Rounds of moving each seed to the middle of its cell.
_LLOYD_ROUNDS = 8
# Ends from which the eccentricity of a cell's nodes is estimated.
_SWEEPS = 4
# Folds are evened out until they differ by less than this share of their mean.
_SPREAD = 0.05


def balanced_folds(
    adjacency: sp.csr_array,
    weights: NDArray[np.float64],
    n_folds: int,
    blocks_per_fold: int,
    draw: np.random.RandomState | None = None,
) -> NDArray[np.intp]:
    """Return the fold of every node: unions of connected blocks of about equal weight.

    Parameters
    ----------
    adjacency : sparse array of shape (n_nodes, n_nodes)
    weights : ndarray of shape (n_nodes,)
        What to even out, non-negative; zero for nodes that do not matter.
    n_folds : int
    blocks_per_fold : int
        About how many blocks make a fold; small components are blocks of their own.
    draw : RandomState, optional
        Of where to begin; by default a rim.

    Returns
    -------
    ndarray of int of shape (n_nodes,)
    """
    blocks = connected_blocks(adjacency, weights, n_folds * blocks_per_fold, draw)
    folds: list[list[NDArray[np.intp]]] = [[] for _ in range(n_folds)]
    totals = np.zeros(n_folds)
    # Heaviest first to the lightest fold: islands come last and fill the gaps.
    for block in sorted(blocks, key=lambda nodes: -weights[nodes].sum()):
        fold = int(totals.argmin())
        folds[fold].append(block)
        totals[fold] += weights[block].sum()
    while _even_out(adjacency, weights, folds, totals):
        pass
    labels = np.empty(len(weights), dtype=np.intp)
    for fold, members in enumerate(folds):
        for block in members:
            labels[block] = fold
    return labels


def _even_out(
    adjacency: sp.csr_array,
    weights: NDArray[np.float64],
    folds: list[list[NDArray[np.intp]]],
    totals: NDArray[np.float64],
) -> bool:
    """Move weight from a heavy fold to a light one, in place; False if none can be moved."""
    for heavy in np.argsort(-totals, kind="stable"):
        for light in np.argsort(totals, kind="stable"):
            difference = totals[heavy] - totals[light]
            if difference <= _SPREAD * totals.mean():
                break
            moved, kept = _take(adjacency, weights, folds[heavy], difference / 2)
            amount = sum(weights[block].sum() for block in moved)
            if 0 < amount < difference:
                folds[heavy], folds[light] = kept, folds[light] + moved
                totals[heavy] -= amount
                totals[light] += amount
                return True
    return False


def connected_blocks(
    adjacency: sp.csr_array,
    weights: NDArray[np.float64],
    n_blocks: int,
    draw: np.random.RandomState | None = None,
) -> list[NDArray[np.intp]]:
    """Return about ``n_blocks`` connected sets of nodes that together make the graph."""
    target = weights.sum() / n_blocks
    blocks = []
    for nodes in components_of(adjacency, np.arange(adjacency.shape[0])):
        n_parts = min(round(weights[nodes].sum() / target), len(nodes))
        if n_parts < 2:
            blocks.append(nodes)
            continue
        cells = _voronoi_cells(_hops(adjacency[nodes][:, nodes]), n_parts, draw)
        blocks += [nodes[cells == cell] for cell in range(n_parts)]
    return blocks


def components_of(adjacency: sp.csr_array, nodes: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the connected components of the subgraph of ``nodes``, as node sets."""
    n_components, labels = connected_components(adjacency[nodes][:, nodes], directed=False)
    order = np.argsort(labels, kind="stable")
    return np.split(nodes[order], np.bincount(labels, minlength=n_components).cumsum()[:-1])


def _hops(adjacency: sp.csr_array) -> sp.csr_array:
    """Return the same edges, each of length 1."""
    hops = with_short_indices(adjacency)
    hops.data = np.ones(hops.nnz)
    return hops


def _distance_to(hops: sp.csr_array, sources: NDArray[np.intp]) -> NDArray[np.float64]:
    return dijkstra(hops, directed=False, indices=sources, min_only=True)


def _voronoi_cells(
    hops: sp.csr_array, n_cells: int, draw: np.random.RandomState | None
) -> NDArray[np.intp]:
    """Return the cell of every node of a connected graph: connected, compact, none empty."""
    # Farthest-point seeds, from a node at the rim, or from any.
    if draw is None:
        seeds = [int(_distance_to(hops, np.array([0])).argmax())]
    else:
        seeds = [int(draw.randint(hops.shape[0]))]
    while len(seeds) < n_cells:
        seeds.append(int(_distance_to(hops, np.array(seeds)).argmax()))
    cells = _nearest_seed(hops, np.array(seeds))
    for _ in range(_LLOYD_ROUNDS):
        cells = _nearest_seed(hops, _centres(hops, cells))
    return cells


def _centres(hops: sp.csr_array, cells: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return a node of small eccentricity in each cell, by sweeps from far ends."""
    rows = np.repeat(np.arange(hops.shape[0]), np.diff(hops.indptr))
    inside = cells[rows] == cells[hops.indices]
    kept = (hops.data[inside], (rows[inside], hops.indices[inside]))
    within = _hops(sp.csr_array(kept, shape=hops.shape))
    end = _greatest(cells, np.zeros(len(cells)))
    eccentricity = np.zeros(len(cells))
    for _ in range(_SWEEPS):
        eccentricity = np.maximum(eccentricity, _distance_to(within, end))
        end = _greatest(cells, eccentricity)
    return _greatest(cells, -eccentricity)


def _greatest(cells: NDArray[np.intp], score: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the node of greatest score in each cell, the first of equals."""
    order = np.lexsort((np.arange(len(cells)), -score, cells))
    return order[np.searchsorted(cells[order], np.arange(cells.max() + 1))]


def _nearest_seed(hops: sp.csr_array, seeds: NDArray[np.intp]) -> NDArray[np.intp]:
    # Every node joins the cell of its predecessor on a shortest path, so that
    # cells are connected whatever the ties.
    _, _, nearest = dijkstra(
        hops, directed=False, indices=seeds, min_only=True, return_predecessors=True
    )
    rank = np.empty(hops.shape[0], dtype=np.intp)
    rank[seeds] = np.arange(len(seeds))
    return rank[nearest]


def _take(
    adjacency: sp.csr_array,
    weights: NDArray[np.float64],
    blocks: list[NDArray[np.intp]],
    amount: float,
) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]:
    """Part ``blocks`` in two, the first of about weight ``amount``, cutting one if need be."""
    taken, kept, missing = [], [], amount
    for block in sorted(blocks, key=lambda nodes: -weights[nodes].sum()):
        weight = weights[block].sum()
        if 0 < weight <= missing:
            taken.append(block)
            missing -= weight
        else:
            kept.append(block)
    if missing < amount / 2 or not kept:
        return taken, kept
    # Cut the smallest that is large enough: big blocks stay whole.
    whole = min(kept, key=lambda nodes: (weights[nodes].sum() < missing, weights[nodes].sum()))
    order = _outside_in(adjacency[whole][:, whole])
    cumulative = weights[whole[order]].cumsum()
    size = 1 + int(np.abs(cumulative - missing).argmin())
    rest = components_of(adjacency, whole[np.sort(order[size:])]) if size < len(order) else []
    taken.append(whole[np.sort(order[:size])])
    return taken, [block for block in kept if block is not whole] + rest


def _outside_in(adjacency: sp.csr_array) -> NDArray[np.intp]:
    """Return the nodes of a connected graph breadth first from its rim: prefixes are connected."""
    rim = breadth_first_order(adjacency, 0, directed=False, return_predecessors=False)[-1]
    return breadth_first_order(adjacency, rim, directed=False, return_predecessors=False)
