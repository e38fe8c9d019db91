"""The cotangent Laplacian of a triangle mesh, as a pair of stiffness and mass."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import require

# A vertex of flat faces alone has next to no area, and its equation divides by that. It gets so
# much of what those around it have, which changes nothing else.
_LEAST_MASS = 1e-3


def cotangent_laplacian(
    positions: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[sp.csr_array, NDArray[np.float64]]:
    """Return the stiffness and lumped mass of the Laplace-Beltrami operator of a mesh.

    By linear finite elements on the intrinsic Delaunay triangulation of the surface, so
    no weight is negative, whatever the shape of the faces; a mesh need be neither closed
    nor manifold nor oriented. Thin faces are thickened by up to 1e-5 of the mean length of a
    side, which makes those of no area harmless.

    Parameters
    ----------
    positions : ndarray of shape (n_vertices, 2 or 3)
        Finite, in any unit.
    faces : ndarray of int of shape (n_faces, 3)
        Triangles, as row numbers of ``positions``.

    Returns
    -------
    stiffness : sparse array of shape (n_vertices, n_vertices)
        Symmetric, positive semi-definite, without units; rows sum to 0.
    mass : ndarray of shape (n_vertices,)
        A third of the area around each vertex, in the square of the unit of ``positions``, and
        at least a thousandth of what its neighbours have on average.
        A vertex in no face has mass 0 and an empty row in ``stiffness``.

    Raises
    ------
    ValueError
        If the positions are neither in the plane nor in space, all faces are without area, or
        the areas are beyond the range of floating-point numbers.
    ModuleNotFoundError
        If robust_laplacian is not installed.

    References
    ----------
    N. Sharp and K. Crane, "A Laplacian for nonmanifold triangle meshes", Computer Graphics
    Forum (SGP), 2020.
    """
    library = require("robust_laplacian", extra="mesh", purpose="The cotangent Laplacian")
    n_vertices, n_dimensions = positions.shape
    if n_dimensions not in (2, 3):
        raise ValueError(
            f"the cotangent Laplacian needs positions in 2 or 3 dimensions; got {n_dimensions}."
        )
    # The library takes vertices in no face into a triangulation of their own.
    used, corners = np.unique(faces, return_inverse=True)
    points, exponent = _standardise(positions[used])
    matrix, areas = library.mesh_laplacian(points, corners.reshape(faces.shape))
    mass = np.zeros(n_vertices)
    with np.errstate(over="ignore", under="ignore"):
        mass[used] = np.ldexp(areas.diagonal(), 2 * exponent)
    if not np.isfinite(matrix.data).all() or not (mass[used] > 0).all() or np.isinf(mass).any():
        raise ValueError(
            "the cotangent Laplacian needs faces of a positive, finite area; "
            f"the {len(faces)} faces given have {mass.sum():g} in all, or the "
            "positions are in a unit so large or small that areas leave the range of floats."
        )
    stiffness = _stiffness(sp.coo_array(matrix), used, n_vertices)
    return stiffness, _floored(mass, stiffness)


def _standardise(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return ``points`` in three dimensions, near 0 and at most 1, and the exponent taken out.

    The library multiplies up to four lengths, so numbers far from 1 leave the range of floats.
    Powers of two change no digit.
    """
    exponent = 0
    for origin in (np.zeros(points.shape[1]), points[0]):
        points = points - np.ldexp(origin, -exponent)
        _, shift = np.frexp(np.abs(points).max())
        points = np.ldexp(points, -shift)
        exponent += int(shift)
    padded = np.zeros((len(points), 3))
    padded[:, : points.shape[1]] = points
    return padded, exponent


def _stiffness(matrix: sp.coo_array, used: NDArray[np.intp], n_vertices: int) -> sp.csr_array:
    """Return ``matrix`` on all vertices, its weights cleaned of rounding."""
    rows, columns = matrix.coords
    # On a Delaunay triangulation no weight is negative: between two right angles, as in
    # a grid, it is zero, and comes back as rounding of either sign.
    keep = (rows != columns) & (matrix.data < 0)
    weights = sp.csr_array(
        (-matrix.data[keep], (used[rows[keep]], used[columns[keep]])),
        shape=(n_vertices, n_vertices),
    )
    weights = (weights + weights.T) / 2
    return sp.csr_array(sp.diags_array(np.asarray(weights.sum(axis=1))) - weights)


def _floored(mass: NDArray[np.float64], stiffness: sp.csr_array) -> NDArray[np.float64]:
    """Return ``mass``, nowhere less than a small share of the mean of the neighbours'."""
    edges = sp.csr_array(stiffness < 0)
    around = (edges @ mass) / np.maximum(np.diff(edges.indptr), 1)
    return np.maximum(mass, _LEAST_MASS * around)
