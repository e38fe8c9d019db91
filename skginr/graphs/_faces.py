"""Meshes as people hold them: objects, faces of any number of corners, vertices split at seams."""

from itertools import combinations
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from skginr._core import check_numeric, check_real
from skginr.graphs._mesh import are_repeated

# Kinds of cells of meshio that are no faces, and stand beside them in many files.
_LESS = ("vertex", "line", "line3")
# What to do with cells that are no faces.
_SOLIDS = (
    "Of solids, the edges make a graph: pairs = np.vstack([cells[:, [i, j]] for i in range(4) for "
    "j in range(i)]) and Graph.from_edges(pd.DataFrame(pairs, columns=['a', 'b']), 'a', 'b') for "
    "tetrahedra."
)
# How to give what holds a mesh, and is none that we read.
_REMEDIES = {
    "trimesh": "Of a scene, scene.to_mesh() is one mesh; of a point cloud, Graph.from_points.",
    "nibabel": "Give Graph.from_mesh(*image.agg_data(('pointset', 'triangle'))).",
    "pyvista": "Give Graph.from_mesh(mesh.points, mesh.regular_faces).",
}
# Of the cube of their longest side: cells of four corners with half of them beyond are solids.
_SOLID = 0.2
# Faces that are measured at a time.
_CHUNK = 200_000
# Lengths of diagonals that differ by less are equal.
_TIE = 1e-9


class Polygons(NamedTuple):
    """Faces with any number of corners.

    Attributes
    ----------
    corners : ndarray of int of shape (n_corners,)
        Vertex numbers, face by face, in the order around each.
    ends : ndarray of int of shape (n_faces + 1,)
        Where in ``corners`` each face begins, and the last ends.
    """

    corners: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of corners of each face."""
        return np.diff(self.ends)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Face of each corner."""
        return np.repeat(np.arange(len(self.ends) - 1), self.sizes)

    @property
    def following(self) -> NDArray[np.int64]:
        """The corner after each, around its face."""
        after = np.arange(1, len(self.corners) + 1)
        filled = self.sizes > 0
        after[self.ends[1:][filled] - 1] = self.ends[:-1][filled]
        return self.corners[after]

    def renamed(self, corners: NDArray[np.int64]) -> Self:
        """Return the same faces of other vertices, a corner that is the next one left out."""
        other = type(self)(corners, self.ends)
        kept = other.corners != other.following
        sizes = np.bincount(self.owners[kept], minlength=len(self.ends) - 1)
        return type(self)(corners[kept], np.append(0, np.cumsum(sizes)))


def mesh_parts(vertices: Any, faces: Any) -> tuple[Any, Any]:
    """Return what was given as vertices and faces, or the two of an object that holds both.

    Raises
    ------
    TypeError
        If ``vertices`` is an object that holds no faces, or faces are given beside it.
    """
    parts = _parts_of(vertices)
    if parts is None:
        if faces is None:
            package = type(vertices).__module__.partition(".")[0]
            remedy = _REMEDIES.get(package, "Points without faces go to Graph.from_points.")
            name = f"{type(vertices).__module__}.{type(vertices).__name__}"
            raise TypeError(
                f"faces must be given, unless vertices is a trimesh.Trimesh or a meshio.Mesh, "
                f"which have their own; vertices is a {name.removeprefix('builtins.')}. {remedy}"
            )
        return vertices, faces
    if faces is not None:
        raise TypeError(
            f"faces must be left out where vertices is a {type(vertices).__name__}, which has its "
            f"own: Graph.from_mesh(mesh), or Graph.from_mesh(mesh.vertices, faces)."
        )
    return parts


def _parts_of(mesh: Any) -> tuple[Any, Any] | None:
    package = type(mesh).__module__.partition(".")[0]
    if package == "meshio" and hasattr(mesh, "cells"):
        return mesh.points, _faces_of_cells(mesh.cells)
    if package == "trimesh" and hasattr(mesh, "vertices") and hasattr(mesh, "faces"):
        return np.asarray(mesh.vertices), np.asarray(mesh.faces)
    return None


def _faces_of_cells(cells: Any) -> Any:
    """Return the faces of blocks of meshio, in their order."""
    blocks = [block for block in cells if block.type not in _LESS]
    if not blocks:
        raise ValueError(
            "a mesh must have faces; got points or lines alone. Lines go to Graph.from_edges."
        )
    others = {block.type for block in blocks} - {"triangle", "quad", "polygon"}
    if others:
        raise ValueError(
            f"a mesh must have cells that are triangles, quads or polygons; got "
            f"{', '.join(sorted(others))}. {_SOLIDS}"
        )
    tables = [np.asarray(block.data) for block in blocks]
    if len({table.shape[1:] for table in tables}) == 1:
        return np.concatenate(tables)
    return [face for table in tables for face in table.tolist()]


def read_faces(faces: ArrayLike, n_vertices: int) -> Polygons:
    """Return faces as they come: rows of one length, padded ones, or lists of several lengths.

    Whole numbers may be floats. In tables of four columns and more, what a row lacks at its end may
    be NaN, masked, negative, or its last corner again.

    Raises
    ------
    TypeError
        If a corner is no whole number.
    ValueError
        If a corner is no vertex, or a face has less than three different ones.
    """
    plain = _plain_table(faces)
    if plain is not None:
        _check_numbers(plain, n_vertices, is_padded=plain.shape[1] > 3)
        corners = plain.astype(np.int64).ravel()
        polygons = Polygons(corners, np.arange(0, len(corners) + 1, plain.shape[1]))
        _check_corners(polygons)
        return polygons
    table = _table_of(faces)
    missing = np.isnan(table)
    if table.shape[1] > 3:
        missing |= table < 0
    gaps = (missing[:, :-1] & ~missing[:, 1:]).any(axis=1)
    if gaps.any():
        row = int(gaps.argmax())
        raise ValueError(
            f"faces may lack corners at the end of a row alone; got {table[row].tolist()} in row "
            f"{row}."
        )
    numbers = table[~missing]
    _check_numbers(numbers, n_vertices, is_padded=table.shape[1] > 3)
    sizes = (~missing).sum(axis=1)
    polygons = Polygons(numbers.astype(np.int64), np.append(0, np.cumsum(sizes)))
    if table.shape[1] > 3:
        polygons = polygons.renamed(polygons.corners)
    _check_corners(polygons)
    return polygons


def _plain_table(faces: Any) -> NDArray[np.integer] | None:
    """Return a table of integers that lacks no corner, as which most meshes come, else None."""
    if isinstance(faces, np.ma.MaskedArray) or _is_ragged(faces):
        return None
    table: NDArray[Any] = np.asarray(faces)
    if table.ndim != 2 or table.shape[1] < 3 or len(table) == 0 or table.dtype.kind not in "iu":
        return None
    if table.shape[1] > 3:
        following = zip(table.T, np.roll(table, -1, axis=1).T, strict=True)
        if table.min() < 0 or any((corner == after).any() for corner, after in following):
            return None
    return table


def _table_of(faces: Any) -> NDArray[np.float64]:
    """Return a row of numbers per face, NaN where it has fewer corners than others."""
    if isinstance(faces, np.ma.MaskedArray):
        table = np.ma.filled(faces.astype(np.float64), np.nan)
    elif _is_ragged(faces):
        rows = [check_numeric("faces", row) for row in faces]
        table = np.full((len(rows), max(map(len, rows))), np.nan)
        lengths = np.array([len(row) for row in rows])
        table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    else:
        given = np.asarray(faces)
        if given.dtype.kind not in "iuf":
            raise TypeError(f"faces must hold integers, counted from 0; got dtype {given.dtype}.")
        table = given.astype(np.float64)
    if table.ndim != 2 or table.shape[1] < 3 or table.shape[0] == 0:
        raise ValueError(
            f"faces must have shape (n_faces, 3), three vertex numbers per triangle (or more of "
            f"them per polygon); got shape {table.shape}."
        )
    return table


def _is_ragged(faces: Any) -> bool:
    """Say whether faces are rows of several lengths, of which no array can be made."""
    if isinstance(faces, np.ndarray) and faces.dtype != object:
        return False
    if not isinstance(faces, list | tuple | np.ndarray):
        return False
    if not all(isinstance(row, list | tuple | np.ndarray) for row in faces):
        return False
    return len({len(row) for row in faces}) > 1


def _check_numbers(numbers: NDArray[Any], n_vertices: int, *, is_padded: bool) -> None:
    if numbers.dtype.kind == "f" and len(parts := numbers[numbers != np.round(numbers)]):
        raise TypeError(f"faces must hold integers, counted from 0; got {parts[0]:g}.")
    if numbers.min(initial=0) < 0 or numbers.max(initial=0) >= n_vertices:
        padded = " What pads short rows must be negative, NaN or masked." if is_padded else ""
        raise ValueError(
            f"faces must name vertices 0 to {n_vertices - 1}; got numbers from "
            f"{numbers.min():.0f} to {numbers.max():.0f}. If your file counts from 1, subtract "
            f"1.{padded}"
        )


def _check_corners(polygons: Polygons) -> None:
    """Raise unless every face has three corners or more, each once."""
    sizes = polygons.sizes
    wrong = sizes < 3
    if sizes[0] <= 4 and (sizes == sizes[0]).all():
        table = polygons.corners.reshape(len(wrong), -1)
        for i, j in combinations(range(table.shape[1]), 2):
            wrong |= table[:, i] == table[:, j]
    else:
        owners = polygons.owners
        order = np.lexsort((polygons.corners, owners))
        again = (np.diff(polygons.corners[order]) == 0) & (np.diff(owners[order]) == 0)
        wrong[owners[order][1:][again]] = True
    if wrong.any():
        row = int(wrong.argmax())
        corners = polygons.corners[polygons.ends[row] : polygons.ends[row + 1]]
        raise ValueError(
            f"a face must have three different vertices; got {corners.tolist()} in row {row}, one "
            f"of {int(wrong.sum())}. Drop degenerate faces: of triangles, "
            f"faces[(np.diff(np.sort(faces)) > 0).all(axis=1)] are the others."
        )


def triangulate(positions: NDArray[np.float64], polygons: Polygons) -> NDArray[np.int64]:
    """Return the triangles of faces, quadrilaterals cut along their shorter diagonal.

    Raises
    ------
    ValueError
        If a face has five corners or more, or those of four are solids.
    """
    sizes = polygons.sizes
    if sizes.max() > 4:
        row = int((sizes > 4).argmax())
        raise ValueError(
            f"faces of a graph of vertices must be triangles or quadrilaterals; row {row} has "
            f"{sizes[row]} corners. Cut them into triangles, or where each face has a value, "
            f"Graph.from_mesh(vertices, faces, on='faces') is their graph."
        )
    if (sizes == 3).all():
        return polygons.corners.reshape(-1, 3)
    starts = polygons.ends[:-1]
    first = polygons.corners[starts[:, None] + np.arange(3)]
    quads = polygons.corners[starts[sizes == 4][:, None] + np.arange(4)]
    _check_flat(positions, quads)
    a, b, c, d = quads.T
    across, other = (
        np.linalg.norm(positions[i] - positions[j], axis=1) for i, j in ((a, c), (b, d))
    )
    turned = (other < (1 - _TIE) * across)[:, None]
    halves = np.where(
        turned[:, None],
        np.stack([np.column_stack([a, b, d]), np.column_stack([b, c, d])], axis=1),
        np.stack([np.column_stack([a, b, c]), np.column_stack([a, c, d])], axis=1),
    )
    # In the place of the face that they are cut from.
    triangles = np.repeat(first, sizes - 2, axis=0)
    triangles[np.repeat(sizes == 4, sizes - 2)] = halves.reshape(-1, 3)
    return triangles


def _check_flat(positions: NDArray[np.float64], quads: NDArray[np.int64]) -> None:
    """Raise if cells of four corners are tetrahedra."""
    sides = [np.sort(quads[:, [i, (i + 1) % 4]], axis=1) for i in range(4)]
    n = len(positions)
    known = np.unique(np.concatenate([side[:, 0] * n + side[:, 1] for side in sides]))
    diagonals = [np.sort(quads[:, pair], axis=1) for pair in ([0, 2], [1, 3])]
    shared = np.stack([np.isin(pair[:, 0] * n + pair[:, 1], known) for pair in diagonals])
    solid = shared.any(axis=0).mean() > 0.5
    if not solid and positions.shape[1] == 3:
        edges = positions[quads[:, 1:]] - positions[quads[:, :1]]
        longest = np.linalg.norm(edges, axis=2).max(axis=1)
        longest = np.where(longest > 0, longest, 1.0)
        solid = np.median(np.abs(np.linalg.det(edges / longest[:, None, None]))) > _SOLID
    if solid:
        raise ValueError(
            f"faces of four corners must be quadrilaterals; these are tetrahedra, or far from "
            f"flat. {_SOLIDS}"
        )


def merged_vertices(positions: NDArray[np.float64], merge: bool | float) -> NDArray[np.intp] | None:
    """Return the first vertex at the place of each, or within a distance of it; None for no change.

    Parameters
    ----------
    positions : ndarray of shape (n_vertices, n_dimensions)
    merge : bool or float
        Whether vertices in one place are one, or how far they may be apart.
    """
    if isinstance(merge, bool | np.bool_):
        if not merge:
            return None
        places = pd.DataFrame(positions).groupby(list(range(positions.shape[1])), sort=False)
        group = places.ngroup().to_numpy()
    else:
        check_real("merge", merge, minimum=0)
        pairs = cKDTree(positions).query_pairs(float(merge), output_type="ndarray")
        shape = (len(positions), len(positions))
        links = sp.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=shape)
        _, group = connected_components(links, directed=False)
    first = np.empty(group.max() + 1, dtype=np.intp)
    # Of those written to one place the last stays.
    first[group[::-1]] = np.arange(len(group))[::-1]
    return first[group]


def check_distinct(polygons: Polygons) -> None:
    """Raise if two faces have the same corners."""
    sizes = polygons.sizes
    table = np.full((len(sizes), sizes.max(initial=0)), -1)
    table[np.arange(table.shape[1]) < sizes[:, None]] = polygons.corners
    again = are_repeated(table, in_any_order=True)
    if again.any():
        row = int(again.argmax())
        table.sort(axis=1)
        first = int((table == table[row]).all(axis=1).argmax())
        raise ValueError(
            f"faces that are nodes must be distinct; row {row} has the corners of row {first}, and "
            f"{int(again.sum())} rows repeat another. Drop them, with their values."
        )


def face_graph(
    positions: NDArray[np.float64], polygons: Polygons
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the pairs of faces with a side in common, and the centroids and areas of all.

    Raises
    ------
    ValueError
        If positions are neither in the plane nor in space.
    """
    if positions.shape[1] not in (2, 3):
        raise ValueError(
            f"on='faces' needs vertices in 2 or 3 dimensions; got {positions.shape[1]}."
        )
    n_faces = len(polygons.ends) - 1
    centroids, areas = np.empty((n_faces, positions.shape[1])), np.empty(n_faces)
    for start in range(0, n_faces, _CHUNK):
        some = slice(start, start + _CHUNK)
        ends = polygons.ends[start : start + _CHUNK + 1]
        part = Polygons(polygons.corners[ends[0] : ends[-1]], ends - ends[0])
        centroids[some], areas[some] = _centroids(positions, part)
    return _pairs_of_faces(polygons, len(positions)), centroids, areas


def _pairs_of_faces(polygons: Polygons, n_vertices: int) -> NDArray[np.int64]:
    """Return the pairs of faces with a side in common."""
    following = polygons.following
    # Both ends of a side as one number.
    sides = np.minimum(polygons.corners, following) * n_vertices
    sides += np.maximum(polygons.corners, following)
    order = np.argsort(sides, kind="stable")
    sides, owners = sides[order], polygons.owners[order]
    pairs = []
    # Those next to each other; where a side has three faces or more, also those two places apart.
    for apart in range(1, len(sides)):
        same = sides[apart:] == sides[:-apart]
        if not same.any():
            break
        pairs.append(np.column_stack([owners[:-apart][same], owners[apart:][same]]))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def _centroids(
    positions: NDArray[np.float64], polygons: Polygons
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centroid and the area of each face, from triangles around the mean of corners."""
    n_dimensions, owners = positions.shape[1], polygons.owners
    members = sp.csr_array((np.ones(len(owners)), (owners, np.arange(len(owners)))))
    middle = (members @ positions[polygons.corners]) / polygons.sizes[:, None]
    here, after = (
        np.pad(positions[corners] - middle[owners], ((0, 0), (0, 3 - n_dimensions)))
        for corners in (polygons.corners, polygons.following)
    )
    triangles = np.cross(here, after) / 2
    whole = members @ triangles
    areas = np.linalg.norm(whole, axis=1)
    towards = whole / np.where(areas > 0, areas, 1.0)[:, None]
    # Those outside of a face that is not convex count against it.
    signed = np.einsum("ij,ij->i", triangles, towards[owners])
    moment = members @ (signed[:, None] * (here + after) / 3)
    shift = moment / np.where(areas > 0, areas, 1.0)[:, None]
    return middle + shift[:, :n_dimensions], areas
