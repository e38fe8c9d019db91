"""From a triangle mesh to neighbour pairs and vertex areas."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from skginr._core import warn


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
    again = are_repeated(array)
    if again.any():
        warn(
            f"faces has {int(again.sum())} faces that are listed before, the first in row "
            f"{int(again.argmax())}, which were dropped: each counts once. Drop them first to "
            f"silence this."
        )
    return array[~again]


def are_repeated(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of every face whether it was listed before, turned however."""
    return pd.DataFrame(np.sort(faces, axis=1)).duplicated().to_numpy()


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
    u = vertices[faces[:, 1]] - vertices[faces[:, 0]]
    v = vertices[faces[:, 2]] - vertices[faces[:, 0]]
    if vertices.shape[1] <= 3:
        pad = ((0, 0), (0, 3 - vertices.shape[1]))
        face_areas = 0.5 * np.linalg.norm(np.cross(np.pad(u, pad), np.pad(v, pad)), axis=1)
    else:
        # Lagrange's identity: right in any number of dimensions.
        squared = (u * u).sum(1) * (v * v).sum(1) - (u * v).sum(1) ** 2
        face_areas = 0.5 * np.sqrt(np.maximum(squared, 0.0))
    areas = np.zeros(len(vertices))
    np.add.at(areas, faces, face_areas[:, None] / 3)
    return areas
