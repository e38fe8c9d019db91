"""The basis: eigenpairs in the one form that does not depend on how they were found."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# Eigenvalues that agree to fewer digits are two, however rough they are.
_CLOSE = 1e-6


@dataclass(frozen=True)
class Basis:
    """The first coordinates of a graph, in order of importance.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_vectors,)
        Of a Laplacian, ascending, without the kernel.
    eigenvectors : ndarray of shape (n_nodes, n_vectors)
        Mass-orthonormal, with a fixed sign; each lives on one connected component.
    mass : ndarray of shape (n_nodes,)
        What the eigenvectors are orthonormal in.
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node, the largest first.
    n_available : int
        How many there are in all: nodes less components.
    cuts_eigenspace : ndarray of bool of shape (n_vectors,)
        Whether the next eigenvalue is equal, so that to keep the first k cuts an eigenspace;
        False for the last.
    tol : float
        Tolerance they were computed to; 0 for a direct method.

    Notes
    -----
    Its arrays are read-only: all fits of a process share them.
    """

    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    mass: NDArray[np.float64]
    components: NDArray[np.intp]
    n_available: int
    cuts_eigenspace: NDArray[np.bool_]
    tol: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Arrays that come from another process can be written to.
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def n_vectors(self) -> int:
        """Number of eigenpairs held."""
        return len(self.eigenvalues)

    def suffices(self, n_vectors: int, tol: float) -> bool:
        """Say whether ``n_vectors`` are held to ``tol``, or all there are."""
        return self.n_vectors >= min(n_vectors, self.n_available) and self.tol <= tol


#: What keeps the first pairs of a long solve, where anything does.
Keep: TypeAlias = Callable[[Basis], None] | None


def homes_of(basis: Basis) -> NDArray[np.intp]:
    """Return the connected component on which each eigenvector lives."""
    columns = basis.eigenvectors.T
    return basis.components[[int(np.abs(column).argmax()) for column in columns]]


def errors_of(
    values: NDArray[np.float64],
    *,
    rounding: NDArray[np.float64] | float,
    residual: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Return how far each eigenvalue may be from the true one.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
    rounding : float or ndarray of shape (n_values,)
        Of each. That of the largest says nothing of the others: a node of next to no mass has
        an eigenvalue far beyond all that are of interest.
    residual : float or ndarray of shape (n_values,), default 0.0
        Of their vectors. It bounds the error, which is mostly far smaller: values must agree to
        six digits, too.
    """
    return np.maximum(rounding, np.minimum(residual, _CLOSE * np.abs(values)))


def equal_to_next(values: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say of each eigenvalue whether it and the next are one but for their error.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Sorted.
    errors : ndarray of shape (n_values,)
        See :func:`errors_of`.

    Returns
    -------
    ndarray of bool of shape (n_values,)
        False for the last. No value of a run of equal ones differs from the first by more than
        its own error or that of the first.
    """
    equal = np.zeros(len(values), dtype=bool)
    first = 0
    for i in range(1, len(values)):
        apart = abs(values[i] - values[first])
        equal[i - 1] = apart <= max(errors[i], errors[first])
        if not equal[i - 1]:
            first = i
    return equal


def make_canonical(vectors: NDArray[np.float64], equal: NDArray[np.bool_]) -> None:
    """Replace ``vectors`` by the one basis of each eigenspace that follows from its projector.

    Solvers, and one solver asked for more or fewer vectors, return any rotation. Works in
    place, since the vectors of a million nodes are large.

    Parameters
    ----------
    vectors : ndarray of shape (n_nodes, n_vectors)
        Orthonormal.
    equal : ndarray of bool of shape (n_vectors,)
        Whether the eigenvalue of a vector is that of the next; see :func:`equal_to_next`.
    """
    edges = np.flatnonzero(~equal[:-1]) + 1
    for space in np.split(np.arange(len(equal)), edges):
        if len(space) == 1:
            fix_sign(vectors[:, space[0]])
        elif len(space) > 1:
            vectors[:, space] = _rotate(vectors[:, space])


def fix_sign(vector: NDArray[np.float64]) -> None:
    """Turn ``vector`` into its negative, or not, by a rule that relabelling does not change."""
    # The sum of cubes is zero only for a distribution as heavy on either side,
    # where no rule without the order of the nodes can tell the two apart.
    size = np.abs(vector)
    square = size * size
    skewness = float(square @ vector)
    if abs(skewness) <= 1e-8 * float(square @ size):
        skewness = float(vector[_first_greatest(size)])
    if skewness < 0:
        # Not np.negative(vector, out=vector): NumPy 2.4.6 gets that wrong on strided columns.
        vector *= -1


def _rotate(space: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of ``space`` made from its projector alone.

    One by one, the projection of the node that lies most in what is left.
    """
    left, columns = space, []
    for _ in range(space.shape[1]):
        node = _first_greatest((left**2).sum(axis=1))
        direction = left[node] / np.linalg.norm(left[node])
        columns.append(left @ direction)
        left = left - np.outer(columns[-1], direction)
    return np.column_stack(columns)


def _first_greatest(size: NDArray[np.float64]) -> int:
    """Return the first position whose value is the greatest but for rounding."""
    return int(np.argmax(size >= size.max() * (1 - 1e-6)))
