"""From a triangle mesh to neighbour pairs and vertex areas."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from skginr._core import warn

# Of splitmix64: what it adds, and by what it multiplies after each shift.
_STEP = 0x9E3779B97F4A7C15
_MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
# Faces that are worked on at a time.
_CHUNK = 200_000


def check_faces(faces: ArrayLike, n_vertices: int) -> NDArray[np.int64]:
    """Return ``faces`` as an int array of shape (n_faces, 3) of distinct vertex numbers.

    Faces that are listed again, turned however, are dropped with a warning: they would count twice
    in areas and in the cotangent Laplacian.
    """
    array = np.asarray(faces)
    if array.ndim != 2 or array.shape[1] != 3 or array.shape[0] == 0:
        raise ValueError(
            f"faces must have shape (n_faces, 3), three vertex numbers per triangle; "
            f"got shape {array.shape}."
        )
    if array.dtype.kind not in "iu":
        raise TypeError(f"faces must hold integers, counted from 0; got dtype {array.dtype}.")
    array = array.astype(np.int64)
    if array.min() < 0 or array.max() >= n_vertices:
        raise ValueError(
            f"faces must name vertices 0 to {n_vertices - 1}; got numbers from {array.min()} to "
            f"{array.max()}. If your file counts from 1, subtract 1."
        )
    a, b, c = array.T
    flat = (a == b) | (b == c) | (c == a)
    if flat.any():
        row = int(flat.argmax())
        raise ValueError(
            f"a face must have three different vertices; got {array[row].tolist()} in row {row}, "
            f"one of {int(flat.sum())}. Drop degenerate faces."
        )
    return distinct_faces(array)


def distinct_faces(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return triangles without those that were listed before, of which it warns."""
    again = are_repeated(faces, in_any_order=True)
    if again.any():
        warn(
            f"faces has {int(again.sum())} faces that are listed before, the first in row "
            f"{int(again.argmax())}, which were dropped: each counts once. Drop them first to "
            f"silence this."
        )
        return faces[~again]
    return faces


def are_repeated(table: NDArray[Any], *, in_any_order: bool = False) -> NDArray[np.bool_]:
    """Say of every row of numbers whether it was listed before, or its numbers in another order."""
    marks = np.zeros(len(table), dtype=np.uint64)
    for place, column in enumerate(table.T):
        marks += _mixed(column, 0 if in_any_order else place)
    ordered = np.sort(marks)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    again = np.zeros(len(table), dtype=np.bool_)
    if len(twice):
        # Few rows, where rows are distinct, and of different ones the marks may still be the same.
        some = np.flatnonzero(np.isin(marks, twice))
        rows = np.sort(table[some], axis=1) if in_any_order else table[some]
        again[some] = pd.DataFrame(rows).duplicated()
    return again


def _mixed(numbers: NDArray[Any], place: int) -> NDArray[np.uint64]:
    """Return numbers spread over all of 64 bits, the same for the same (splitmix64)."""
    # Adding 0 makes 0 of -0.
    bits = (numbers + 0.0).view(np.uint64) if numbers.dtype.kind == "f" else numbers.astype("u8")
    bits += np.uint64((place + 1) * _STEP % 2**64)
    for shift, factor in _MIXERS:
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    return bits


def face_pairs(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sides of all faces, shape (3 * n_faces, 2), shared sides repeated."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def subdivide(faces: NDArray[np.int64], n_vertices: int) -> tuple[NDArray[np.int64], sp.csr_array]:
    """Cut every face in four, at the middles of its sides.

    Parameters
    ----------
    faces : ndarray of int of shape (n_faces, 3)
    n_vertices : int

    Returns
    -------
    faces : ndarray of int of shape (4 * n_faces, 3)
        Turned as those they are cut from. New vertices are numbered from ``n_vertices``.
    weights : sparse array of shape (n_vertices + n_sides, n_vertices)
        Every vertex as a mean of old ones: itself, or the two ends of its side.
    """
    ends = np.sort(face_pairs(faces), axis=1)
    sides, middles = np.unique(ends, axis=0, return_inverse=True)
    a, b, c = faces.T
    ab, bc, ca = n_vertices + middles.reshape(3, -1)
    corners = [a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]
    rows = np.repeat(np.arange(len(sides)), 2)
    halves = sp.csr_array(
        (np.full(sides.size, 0.5), (rows, sides.ravel())), shape=(len(sides), n_vertices)
    )
    weights = sp.vstack([sp.eye_array(n_vertices), halves], format="csr")
    return np.concatenate([np.column_stack(corner) for corner in corners]), weights


def vertex_areas(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a third of the area of the faces around each vertex, shape (n_vertices,)."""
    areas = np.zeros(len(vertices))
    for start in range(0, len(faces), _CHUNK):
        some = faces[start : start + _CHUNK]
        np.add.at(areas, some.ravel(), np.repeat(_areas(vertices, some) / 3, 3))
    return areas


def _areas(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the area of each face."""
    u = vertices[faces[:, 1]] - vertices[faces[:, 0]]
    v = vertices[faces[:, 2]] - vertices[faces[:, 0]]
    if vertices.shape[1] <= 3:
        pad = ((0, 0), (0, 3 - vertices.shape[1]))
        return 0.5 * np.linalg.norm(np.cross(np.pad(u, pad), np.pad(v, pad)), axis=1)
    # Lagrange's identity: right in any number of dimensions.
    squared = (u * u).sum(1) * (v * v).sum(1) - (u * v).sum(1) ** 2
    return 0.5 * np.sqrt(np.maximum(squared, 0.0))
