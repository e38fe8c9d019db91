"""The smallest eigenpairs of a Laplacian, solved once and shared.

The kernel is known: one vector per connected component. It is deflated, and every
component is solved by itself, so that no eigenvalue of one hides behind an equal
eigenvalue of another.
"""

import dataclasses
import os
import tempfile
import threading
import zipfile
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from skginr._linalg import count_eigenvalues_below, factor_positive_definite
from skginr.laplacians import Laplacian, laplacian

if TYPE_CHECKING:
    import joblib

# Up to this many nodes LAPACK on the full matrix is fastest, and complete.
_DENSE_NODES = 500
# Beyond so many the full matrix takes gigabytes, and minutes.
_MAX_DENSE_NODES = 12_000
# The shift, as a share of the mean diagonal: far enough from zero to factor
# safely, near enough to tell the smallest eigenvalues apart.
_SHIFT = 1e-4
# Two eigenvalues nearer than this share of the largest are one eigenspace.
_DEGENERATE = 1e-9
# What reading a file raises that is not there, not whole, or something else.
_DAMAGED = (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
# Bytes of eigenvectors that stay in the process.
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Basis:
    """The first eigenpairs outside the kernel, ascending.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_vectors,)
    eigenvectors : ndarray of shape (n_nodes, n_vectors)
        Mass-orthonormal, with a fixed sign; each lives on one connected component.
    mass : ndarray of shape (n_nodes,)
        What the eigenvectors are orthonormal in.
    components : ndarray of int of shape (n_nodes,)
        Connected component of each node, the largest first.
    n_available : int
        How many there are in all: nodes less components.
    """

    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]
    mass: NDArray[np.float64]
    components: NDArray[np.intp]
    n_available: int

    @property
    def n_vectors(self) -> int:
        """Number of eigenpairs held."""
        return len(self.eigenvalues)

    def suffices(self, n_vectors: int) -> bool:
        """Say whether ``n_vectors`` are held, or all there are."""
        return self.n_vectors >= min(n_vectors, self.n_available)

    def cuts_eigenspace(self, k: int) -> bool:
        """Say whether eigenvalue k + 1 equals eigenvalue k, counted from 1."""
        if not 0 < k < self.n_vectors:
            return False
        gap = self.eigenvalues[k] - self.eigenvalues[k - 1]
        return bool(gap <= _DEGENERATE * max(self.eigenvalues[-1], np.finfo(float).tiny))


def spectral_basis(
    adjacency: sp.csr_array,
    *,
    digest: str,
    kind: str,
    n_vectors: int,
    memory: "str | os.PathLike | joblib.Memory | None" = None,
) -> Basis:
    """Return at least ``n_vectors`` eigenpairs, from the process or from disk where known.

    Parameters
    ----------
    adjacency : sparse array of shape (n_nodes, n_nodes)
        Symmetric, non-negative.
    digest : str
        Fingerprint of ``adjacency``: what the basis is kept under.
    kind : {"combinatorial", "symmetric", "random_walk"}
        See :func:`skginr.laplacians.laplacian`.
    n_vectors : int
        Eigenpairs wanted; fewer come back where the graph has fewer.
    memory : str, path, joblib.Memory or None, default None
        Folder that keeps bases for other processes.
    """
    folder = folder_of(memory)
    file = None if folder is None else folder / "skginr" / f"{digest}-{kind}.npz"
    # One thread solves a basis, the others wait for it.
    key = digest, kind
    with _cache.lock_of(key):
        basis = _cache.get(key)
        if basis is None or not basis.suffices(n_vectors):
            basis = None if file is None else read_basis(file)
        if basis is None or not basis.suffices(n_vectors):
            _cache.count_solve()
            basis = solve(adjacency, laplacian(adjacency, kind), n_vectors)
        _cache.put(key, basis)
        if file is not None:
            write_basis(basis, file)
    return basis


def n_solves() -> int:
    """Return how many decompositions this process has computed."""
    return _cache.n_solves


def clear_cache() -> None:
    """Forget every basis kept in this process."""
    _cache.clear()


def folder_of(memory: "str | os.PathLike | joblib.Memory | None") -> Path | None:
    """Return the folder that a ``memory`` argument names, as scikit-learn takes it."""
    location = getattr(memory, "location", memory)
    if location is None:
        return None
    if not isinstance(location, str | os.PathLike):
        raise TypeError(
            f"memory must be a folder, a joblib.Memory or None; got {type(memory).__name__}."
        )
    return Path(location)


def read_basis(file: Path) -> Basis | None:
    """Return the basis in ``file``, or None where there is none or it is damaged."""
    try:
        with np.load(file) as arrays:
            parts = {name: arrays[name] for name in arrays.files}
        n_available = int(parts.pop("n_available"))
        return Basis(**parts, n_available=n_available)
    except _DAMAGED:
        return None


def write_basis(basis: Basis, file: Path) -> None:
    """Write ``basis`` unless ``file`` already holds as much; whole or not at all."""
    if _n_vectors_in(file) >= basis.n_vectors:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        np.savez(part, **dataclasses.asdict(basis))
    os.replace(part.name, file)


def _n_vectors_in(file: Path) -> int:
    """Return how many eigenpairs ``file`` holds, reading no more than their eigenvalues."""
    try:
        with np.load(file) as arrays:
            return len(arrays["eigenvalues"])
    except _DAMAGED:
        return 0


def solve(adjacency: sp.csr_array, operator: Laplacian, n_vectors: int) -> Basis:
    """Compute the first ``n_vectors`` eigenpairs outside the kernel of ``operator``.

    Raises
    ------
    RuntimeError
        If the iteration fails on a component too large for a dense solver.
    """
    components = _components_by_size(adjacency)
    n_nodes = adjacency.shape[0]
    # K u = lambda M u becomes an ordinary problem in v = M^1/2 u.
    root = np.sqrt(operator.mass)
    scale = sp.diags_array(1 / root)
    matrix = sp.csr_array(scale @ operator.stiffness @ scale)
    kernel = root * operator.kernel
    nodes_of = np.split(np.argsort(components, kind="stable"), np.bincount(components).cumsum())
    found = []
    for nodes in nodes_of[:-1]:
        k = min(n_vectors, len(nodes) - 1)
        if k > 0:
            values, vectors = _solve_connected(matrix[nodes][:, nodes], kernel[nodes], k)
            vectors = _canonical(values, vectors)
            found += [
                (value, nodes, vector) for value, vector in zip(values, vectors.T, strict=True)
            ]
    found.sort(key=lambda pair: pair[0])
    found = found[:n_vectors]
    vectors = np.zeros((n_nodes, len(found)))
    for column, (_, nodes, vector) in enumerate(found):
        vectors[nodes, column] = vector
    vectors /= root[:, None]
    values = np.array([value for value, _, _ in found])
    for array in (values, vectors, operator.mass, components):
        array.flags.writeable = False
    n_available = n_nodes - int(components.max()) - 1
    return Basis(values, vectors, operator.mass, components, n_available)


def _components_by_size(adjacency: sp.csr_array) -> NDArray[np.intp]:
    n_components, labels = connected_components(adjacency, directed=False)
    by_size = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(n_components, dtype=np.intp)
    rank[by_size] = np.arange(n_components)
    return rank[labels]


def _solve_connected(
    matrix: sp.csr_array, kernel: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the k smallest eigenpairs orthogonal to ``kernel``."""
    kernel = kernel / np.linalg.norm(kernel)
    n = matrix.shape[0]
    pairs = None
    if n > _DENSE_NODES and k <= n // 4:
        pairs = _shift_invert(matrix, kernel, k)
    if pairs is None:
        if n > _MAX_DENSE_NODES:
            raise RuntimeError(
                f"the iteration did not find all of the first {k} eigenvectors of a component of "
                f"{n} nodes, too many for a dense solver. Ask for a few more, or fewer."
            )
        pairs = _dense(matrix, kernel, k)
    values, vectors = pairs
    return np.maximum(values, 0.0), vectors


def _dense(
    matrix: sp.csr_array, kernel: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    bound = float(abs(matrix).sum(axis=1).max())
    # The kernel is moved above everything else.
    lifted = matrix.toarray() + 2 * bound * np.outer(kernel, kernel)
    return eigh(lifted, subset_by_index=(0, k - 1), overwrite_a=True)


def _shift_invert(
    matrix: sp.csr_array, kernel: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the pairs by Lanczos iteration, or None if it failed or missed one."""
    n = matrix.shape[0]
    shift = _SHIFT * matrix.diagonal().mean()
    factor = factor_positive_definite(matrix + shift * sp.eye_array(n))

    def invert(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = x.ravel()
        y = factor.solve(x - kernel * (kernel @ x))
        return y - kernel * (kernel @ y)

    start = np.random.default_rng(0).standard_normal(n)
    try:
        values, vectors = eigsh(
            matrix,
            k=k,
            sigma=-shift,
            OPinv=LinearOperator((n, n), matvec=invert, dtype=np.float64),
            which="LM",
            v0=start - kernel * (kernel @ start),
        )
    except ArpackNoConvergence:
        return None
    order = np.argsort(values, kind="stable")
    values, vectors = values[order], vectors[:, order]
    return (values, vectors) if _is_complete(matrix, values) else None


def _is_complete(matrix: sp.csr_array, values: NDArray[np.float64]) -> bool:
    """Say whether no eigenvalue is missing below the last gap between ``values``.

    A Lanczos iteration can pass over copies of a multiple eigenvalue, and every
    residual look perfect.
    """
    gaps = np.diff(values, prepend=0.0)
    last = int(np.flatnonzero(gaps > _DEGENERATE * values[-1]).max(initial=0))
    count = count_eigenvalues_below(matrix, values[last] - gaps[last] / 2)
    # The kernel is below too.
    return count is None or count == last + 1


def _canonical(values: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the one basis of each eigenspace that depends on the eigenspace alone.

    Solvers, and one solver asked for more or fewer vectors, return any rotation.
    """
    edges = np.flatnonzero(np.diff(values) > _DEGENERATE * values[-1]) + 1
    spaces = np.split(np.arange(len(values)), edges)
    columns = [
        _fix_sign(vectors[:, space[0]])[:, None] if len(space) == 1 else _rotate(vectors[:, space])
        for space in spaces
    ]
    return np.hstack(columns)


def _fix_sign(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``vector`` or its negative, by a rule that relabelling nodes does not change."""
    # The sum of cubes is zero only for a distribution as heavy on either side,
    # where no rule without the order of the nodes can tell the two apart.
    skewness = float((vector**3).sum())
    if abs(skewness) <= 1e-8 * float((np.abs(vector) ** 3).sum()):
        skewness = float(vector[_first_greatest(np.abs(vector))])
    return vector if skewness >= 0 else -vector


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


class _BasisCache:
    """The most recently used bases, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.n_solves = 0
        self._max_bytes = max_bytes
        self._bases: OrderedDict[tuple[str, str], Basis] = OrderedDict()
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def lock_of(self, key: tuple[str, str]) -> threading.Lock:
        with self._guard:
            return self._locks[key]

    def count_solve(self) -> None:
        with self._guard:
            self.n_solves += 1

    def get(self, key: tuple[str, str]) -> Basis | None:
        with self._guard:
            if key in self._bases:
                self._bases.move_to_end(key)
            return self._bases.get(key)

    def put(self, key: tuple[str, str], basis: Basis) -> None:
        with self._guard:
            self._bases[key] = basis
            self._bases.move_to_end(key)
            size = sum(kept.eigenvectors.nbytes for kept in self._bases.values())
            while size > self._max_bytes and len(self._bases) > 1:
                _, dropped = self._bases.popitem(last=False)
                size -= dropped.eigenvectors.nbytes

    def clear(self) -> None:
        with self._guard:
            self._bases.clear()


_cache = _BasisCache(_CACHE_BYTES)
