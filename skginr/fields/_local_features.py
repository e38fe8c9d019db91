"""What is seen of a node: what lies around it, and the nearest observations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from skginr._core import positive, positive_definite_solver
from skginr.fields._local_kernel import LocalKernel, Pairs, pairs_of
from skginr.graphs import Graph, laplacian_of

# Observations that kriging uses, and those whose values and places are features.
N_NEIGHBORS, _NEAREST = 24, 6
# Strengths of smoothers of order 1 and 2, by the distance of observations.
_STRENGTHS = (0.03, 0.003)
# What draws a smoother to the mean where nothing is near, beside its strength.
_DRAW = (1e-3, 1e-7)
# By how much a signal may be stretched beside those that were learned, observations by which that
# is judged, and how sure it has to be, in standard errors.
_STRETCHES, _LEFT_OUT, _SURE = 2.0 ** np.arange(-1.5, 3.1, 0.5), 400, 2.5
# Diffusion by which the curvature is smoothed, in squared units; its size where it is cut off.
_SMOOTHED, _MOST_CURVED = (2.0, 8.0, 32.0), 3.0


class Place(NamedTuple):
    """A graph as its nodes see it, turned and moved anyhow, in units of its mean edge.

    Or of several edges, where a signal is stretched beside those that were learned.

    Attributes
    ----------
    edge : float
        Mean length of an edge.
    points, normals : ndarray of shape (n_nodes, 3)
        Normals point outwards where the surface is closed, and are 0 without faces.
    stiffness : sparse array of shape (n_nodes, n_nodes)
    mass : ndarray of shape (n_nodes,)
    curvature : ndarray of shape (n_nodes, 4 or 0)
        Mean curvature, by itself and smoothed.
    """

    edge: float
    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    stiffness: sp.csr_array
    mass: NDArray[np.float64]
    curvature: NDArray[np.float64]


class Seen(NamedTuple):
    """What is seen of nodes, a row for each, of a signal that is known at some.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows, 3)
        Of kriging, and of smoothers of order 1 and 2.
    deviation : ndarray of shape (n_rows,)
        What kriging says of its own.
    nearby : ndarray of shape (n_rows, 6)
        Values of the nearest observations.
    columns : ndarray of shape (n_rows, n_columns)
        Where these are, how weights of kriging are spread, and the shape of the surface.
    spacing : ndarray of shape (n_rows,)
        About how far observations are from each other, as a logarithm.
    """

    predictions: NDArray[np.float64]
    deviation: NDArray[np.float64]
    nearby: NDArray[np.float64]
    columns: NDArray[np.float64]
    spacing: NDArray[np.float64]


def place_of(graph: Graph, *, surface: bool, stretch: float = 1.0) -> Place:
    """Return a graph as its nodes see it; with ``surface``, as a mesh."""
    first, second = sp.triu(graph.adjacency, k=1, format="coo").coords
    given = np.asarray(graph.positions)
    given = given - given.mean(axis=0)
    edge = 1 / stretch
    unit = positive(np.linalg.norm(given[first] - given[second], axis=1).mean()) * stretch
    points = np.zeros((graph.n_nodes, 3))
    points[:, : given.shape[1]] = given / unit
    if not surface:
        stiffness, mass, _ = laplacian_of(graph, "combinatorial")
        # As if all edges were of one weight, that of a mean one.
        stiffness = stiffness / positive(graph.adjacency.data.mean())
        flat, bare = np.zeros_like(points), np.empty((len(points), 0))
        return Place(edge, points, flat, stiffness, edge**2 * mass, bare)
    stiffness, mass, _ = laplacian_of(graph, "cotangent")
    mass = mass / unit**2
    normals = _normals(points, np.asarray(graph.faces))
    bent = ((stiffness @ points) * normals).sum(axis=1) / mass
    bent = np.clip(bent, -_MOST_CURVED, _MOST_CURVED)
    right = (mass * bent)[:, None]
    smooth = [
        positive_definite_solver(sp.diags_array(mass) + time * stiffness)(right)
        for time in _SMOOTHED
    ]
    return Place(edge, points, normals, stiffness, mass, np.hstack([bent[:, None], *smooth]))


def _normals(points: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return unit normals of vertices, out of the body if faces go round one."""
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    part, side = _sides(faces)
    across = across * side[:, None]
    volumes = np.bincount(part, weights=(corners[:, 0] * across).sum(axis=1))
    sizes = np.bincount(part, weights=np.abs(corners[:, 0] * across).sum(axis=1))
    # Of a surface that is not closed, away from its middle.
    inwards = volumes < -1e-9 * sizes
    across[inwards[part]] *= -1
    normals = np.zeros_like(points)
    for corner in faces.T:
        np.add.at(normals, corner, across)
    return normals / positive(np.linalg.norm(normals, axis=1, keepdims=True))


def _sides(faces: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return to which part of a surface faces belong, and which of them to turn over, as -1.

    So that all of a part go round the same way. If they do as they are given, they are one part:
    walls of a hollow look the other way then.
    """
    n_faces = len(faces)
    turns = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    ahead = turns[:, 0] < turns[:, 1]
    edge = np.unique(np.sort(turns, axis=1), axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(edge, kind="stable")
    shared = edge[order][1:] == edge[order][:-1]
    first, second = order[:-1][shared], order[1:][shared]
    alike = ahead[first] != ahead[second]
    if alike.all():
        return np.zeros(n_faces, dtype=np.intp), np.ones(n_faces)
    # Every face twice, as it is and turned over, joined to its neighbours as they go along.
    first, second = first // 3, second // 3
    over = np.where(alike, second, second + n_faces)
    back = np.where(alike, second + n_faces, second)
    ends = np.concatenate([first, first + n_faces]), np.concatenate([over, back])
    joined = sp.coo_array((np.ones(len(ends[0])), ends), shape=(2 * n_faces, 2 * n_faces))
    label = connected_components(joined, directed=False)[1]
    kept, turned = label[:n_faces], label[n_faces:]
    _, part = np.unique(np.minimum(kept, turned), return_inverse=True)
    return part, np.where(kept <= turned, 1.0, -1.0)


def nearest(
    place: Place, observed: NDArray[np.intp], rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return distances and numbers, among the observed, of those nearest to nodes."""
    n_neighbors = min(N_NEIGHBORS, len(observed))
    tree = cKDTree(place.points[observed])
    return tree.query(place.points[rows], k=np.arange(1, n_neighbors + 1))


def pairs_at(place: Place, rows: NDArray[np.intp], near: NDArray[np.intp]) -> Pairs:
    """Return nodes and those near them, for the fit of a kernel."""
    points, normals = place.points, place.normals
    return pairs_of(points[rows], normals[rows], points[near], normals[near])


class LeftOut(NamedTuple):
    """Observations that are left out, and those nearest to each.

    Attributes
    ----------
    points, normals : ndarray of shape (n_left_out, 3)
    around : tuple of ndarray of shape (n_left_out, n_neighbors, 3)
        Points and normals of the nearest.
    values : ndarray of shape (n_left_out,)
    nearby : ndarray of shape (n_left_out, n_neighbors)
        Values of the nearest.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    around: tuple[NDArray[np.float64], NDArray[np.float64]]
    values: NDArray[np.float64]
    nearby: NDArray[np.float64]

    @classmethod
    def of(cls, place: Place, observed: NDArray[np.intp], values: NDArray[np.float64]) -> LeftOut:
        """Return some of the observations, evenly among values: their order does not count."""
        chosen = np.argsort(values, kind="stable")[:: -(-len(values) // _LEFT_OUT)]
        _, near = nearest(place, observed, observed[chosen])
        near, rows = near[:, 1:], observed[chosen]
        around = place.points[observed[near]], place.normals[observed[near]]
        return cls(place.points[rows], place.normals[rows], around, values[chosen], values[near])

    def errors(
        self, kernel: LocalKernel, stretch: float = 1.0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return errors of kriging from the nearest, and the deviations that it says."""
        around = self.around[0] / stretch, self.around[1]
        found, deviation, _ = kernel.krige(self.points / stretch, self.normals, around, self.nearby)
        return found - self.values, deviation


def stretch_of(left_out: LeftOut, kernel: LocalKernel) -> float:
    """Return by how much a signal is stretched beside those that a kernel was learned from.

    That by which kriging tells observations best from the others, if it is clearly better.
    """
    errors = [left_out.errors(kernel, stretch)[0] ** 2 for stretch in (1.0, *_STRETCHES)]
    best = int(np.argmin([error.mean() for error in errors[1:]]))
    gain = errors[0] - errors[1 + best]
    sure = gain.mean() > _SURE * gain.std() / np.sqrt(len(gain))
    return float(_STRETCHES[best]) if sure else 1.0


def misfit_of(left_out: LeftOut, kernel: LocalKernel, stretch: float = 1.0) -> float:
    """Return how large errors of kriging are, in the deviations that it says."""
    errors, deviation = left_out.errors(kernel, stretch)
    return float(np.sqrt(np.mean((errors / deviation) ** 2)))


def see(
    place: Place,
    observed: NDArray[np.intp],
    values: NDArray[np.float64],
    rows: NDArray[np.intp],
    kernel: LocalKernel,
) -> Seen:
    """Return what is seen of nodes.

    Parameters
    ----------
    place : Place
    observed : ndarray of int of shape (n_observed,)
        Nodes.
    values : ndarray of shape (n_observed,)
        About 0, and of variance 1.
    rows : ndarray of int of shape (n_rows,)
        Nodes that are looked at.
    kernel : LocalKernel
    """
    spacing = place.edge * float(np.sqrt(len(place.points) / len(observed)))
    distances, near = nearest(place, observed, rows)
    known = observed[near]
    around = (place.points[known], place.normals[known])
    points, normals = place.points[rows], place.normals[rows]
    kriged, deviation, weights = kernel.krige(points, normals, around, values[near])
    smooth = [_smoothed(place, observed, values, spacing, order)[rows] for order in (1, 2)]
    # No prediction far beyond what was observed.
    least, most = values.min(), values.max()
    room = 0.2 * (most - least)
    predictions = np.clip(np.column_stack([kriged, *smooth]), least - room, most + room)

    first = slice(min(_NEAREST, near.shape[1]))
    moved = around[0][:, first] - points[:, None]
    above = np.einsum("nkd,nd->nk", moved, normals)
    below = -np.einsum("nkd,nkd->nk", moved, around[1][:, first])
    nearby, spacings = values[near], np.full(len(rows), np.log(spacing))
    shape = [above / spacing, below / spacing, place.curvature[rows]]
    columns = [
        distances[:, first] / spacing,
        *(shape if place.curvature.size else []),
        nearby[:, first].std(axis=1),
        nearby[:, : 2 * _NEAREST].std(axis=1),
        (weights * nearby**2).sum(axis=1),
        weights.sum(axis=1),
        np.abs(weights).sum(axis=1),
        np.log(deviation),
        spacings,
    ]
    return Seen(predictions, deviation, nearby[:, first], np.column_stack(columns), spacings)


def _smoothed(
    place: Place,
    observed: NDArray[np.intp],
    values: NDArray[np.float64],
    spacing: float,
    order: int,
) -> NDArray[np.float64]:
    """Return the signal that is near observations and little bent, at all nodes."""
    known, right = np.zeros((2, len(place.points)))
    known[observed], right[observed] = 1.0, values
    strength = _STRENGTHS[order - 1] * spacing ** (2 * (order - 1))
    rough = place.stiffness
    if order == 2:
        rough = rough @ sp.diags_array(1 / place.mass) @ rough
    drawn = known + _DRAW[order - 1] * strength * place.mass
    return positive_definite_solver(sp.diags_array(drawn) + strength * rough)(right[:, None])[:, 0]
