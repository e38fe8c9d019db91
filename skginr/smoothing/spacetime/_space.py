"""Covariances in space, of the eigenvectors of a graph's Laplacian."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import Progress, positive_definite_solver
from skginr.graphs import Graph, laplacian_of
from skginr.spectral import waves_of

_Numbers = NDArray[np.float64]

# Nodes up to which all eigenvectors are found, and how many on larger graphs.
_ALL_WAVES, _N_WAVES = 3_000, 1_000
# Observed nodes up to which covariances with these are solved for, where waves are not all.
_MOST_COLUMNS = 3_000
# Of the largest variance of a mode.
_ROUNDING = 1e-13


class Waves:
    """Eigenvectors of a graph, of which covariances in space are made.

    A Matérn covariance of order p is ``sum_j (kappa**2 + lambda_j)**-p u_j u_j'``, scaled to unit
    mean variance at nodes, eigenvalues in units of the mean degree over the mass.

    Parameters
    ----------
    graph : Graph
    kind : str
        Of the Laplacian.
    n_waves : int or None
        None: all, on graphs of up to 3,000 nodes, and else 1,000.
    progress : Progress
    """

    def __init__(self, graph: Graph, kind: str, n_waves: int | None, progress: Progress) -> None:
        if n_waves is None:
            n_waves = graph.n_nodes if graph.n_nodes <= _ALL_WAVES else _N_WAVES
        operator = laplacian_of(graph, kind)
        values, vectors = waves_of(graph, kind, min(n_waves, graph.n_nodes), progress)
        mass = operator.mass.mean()
        unit = float(np.mean(operator.stiffness.diagonal() / operator.mass)) or 1.0
        self.eigenvalues, self.vectors = np.maximum(values, 0.0) / unit, vectors * mass**0.5
        self._sizes = np.mean(self.vectors**2, axis=0)
        self._stiffness, self._mass = operator.stiffness / (unit * mass), operator.mass / mass

    @property
    def complete(self) -> bool:
        """Whether these are all eigenvectors that there are."""
        return self.vectors.shape[1] == len(self.vectors)

    def spectrum(self, kappa: float, order: int) -> _Numbers:
        """Return variances of waves in a covariance."""
        return (kappa**2 + self.eigenvalues) ** -float(order) / self.size(kappa, order)

    def size(self, kappa: float, order: int) -> float:
        """Return the mean variance at nodes before it is scaled."""
        return float((kappa**2 + self.eigenvalues) ** -float(order) @ self._sizes)

    def coefficients(self, fields: _Numbers) -> _Numbers:
        """Return what fields of shape (n_fields, n_nodes) have of each eigenvector."""
        return (fields * self._mass) @ self.vectors

    def columns(self, nodes: NDArray[np.intp], kappa: float, order: int) -> _Numbers:
        """Return covariances of all nodes with some, not scaled, of all eigenvectors there are."""
        solve = positive_definite_solver(self._stiffness + sp.diags_array(kappa**2 * self._mass))
        found = np.zeros((len(self.vectors), len(nodes)))
        found[nodes, np.arange(len(nodes))] = 1.0
        for _ in range(order - 1):
            found = self._mass[:, None] * solve(found)
        return solve(found)


class SpaceModes:
    """Orthonormal modes of the nodes observed, and what is known from these of all others.

    The first is the same at all of them, whatever the edges between them. The covariance of
    reference, restricted to these nodes and to what has no mean, has the inverse root of a
    Laplacian of theirs: covariances of other reaches are functions of it, and independent in the
    same modes. Where all nodes are seen that is exact; else the mean of a smooth part and the rest
    of it are taken for independent.

    Parameters
    ----------
    waves : Waves
    nodes : ndarray of int
        Distinct nodes.
    kappa, order
        Of the covariance of reference.
    """

    def __init__(self, waves: Waves, nodes: NDArray[np.intp], kappa: float, order: int) -> None:
        self._waves, self._nodes = waves, nodes
        self._decay = (kappa**2 + waves.eigenvalues) ** -float(order)
        self._columns: _Numbers | None = None
        rooted = waves.vectors[nodes] * np.sqrt(self._decay)
        if not waves.complete and len(nodes) <= _MOST_COLUMNS:
            self._columns = waves.columns(nodes, kappa, order)
        spanned = rooted if self._columns is None else self._columns[nodes]
        basis, triangle = scipy.linalg.qr(
            np.column_stack([np.ones(len(nodes)), spanned]), mode="economic"
        )
        inside = triangle[:, 1:] @ (triangle[:, 1:].T if self._columns is None else basis)
        variances, turn = np.linalg.eigh(inside[1:, 1:])
        self._modes = np.column_stack([basis[:, 0], basis[:, 1:] @ turn])
        variances = np.append(inside[0, 0], variances)
        # What rounding has made of modes that no wave is seen in.
        self._variances = np.maximum(variances, _ROUNDING * variances.max())
        # Covariances of the first with the others.
        self._with_first = turn.T @ inside[1:, 0]
        self._eigenvalues = np.maximum(self._variances ** (-1 / order) - kappa**2, 0.0)

    @property
    def n_modes(self) -> int:
        """Number of modes: of waves, and if these are fewer than nodes, what is left at each."""
        n_nodes, n_waves = self._modes.shape
        return n_waves if n_waves == n_nodes else n_waves + n_nodes

    def to_modes(self, field: _Numbers) -> _Numbers:
        """Return a field of shape (n_nodes, n_times) in modes."""
        inside = self._modes.T @ field
        if self.n_modes == len(inside):
            return inside
        return np.concatenate([inside, field - self._modes @ inside])

    def from_modes(self, modes: _Numbers) -> _Numbers:
        """Return the field of modes."""
        n_waves = self._modes.shape[1]
        inside, rest = modes[:n_waves], modes[n_waves:]
        if not len(rest):
            return self._modes @ inside
        return rest + self._modes @ (inside - self._modes.T @ rest)

    def smooth(self, kappa: float, order: int) -> _Numbers:
        """Return variances of modes in the covariance that waves have such variances in."""
        found = np.zeros(self.n_modes)
        decay = (kappa**2 + self._eigenvalues) ** -float(order)
        found[: len(decay)] = decay / self._waves.size(kappa, order)
        return found

    def common(self) -> _Numbers:
        """Return variances of modes of what is the same everywhere."""
        found = np.zeros(self.n_modes)
        found[0] = len(self._modes)
        return found

    def extend(self, field: _Numbers, nodes: NDArray[np.intp]) -> _Numbers:
        """Return what is expected at other nodes of a smooth field known at these.

        Parameters
        ----------
        field : ndarray of shape (n_observed_nodes, n_times)
        nodes : ndarray of int
        """
        inside = self._modes @ self._divide(self._modes.T @ field)
        if self._columns is not None:
            return self._columns[nodes] @ inside
        vectors = self._waves.vectors
        return (vectors[nodes] * self._decay) @ (vectors[self._nodes].T @ inside)

    def _divide(self, inside: _Numbers) -> _Numbers:
        """Return the inverse of the covariance of reference, in modes, times a field."""
        first, others = self._variances[0], self._variances[1:]
        slopes = self._with_first / others
        left = max(first - slopes @ self._with_first, _ROUNDING * first)
        of_first = (inside[0] - slopes @ inside[1:]) / left
        return np.vstack([of_first, inside[1:] / others[:, None] - np.outer(slopes, of_first)])
