"""Bases solved once and shared: in the process, and between processes on disk."""

import dataclasses
import os
import threading
import zipfile
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from skginr._writing import whole_file
from skginr.eigen._basis import Basis

if TYPE_CHECKING:
    import joblib

    Memory: TypeAlias = str | os.PathLike | joblib.Memory | None

# What reading a file raises that is not there, not whole, or something else.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
# Bytes of eigenvectors that stay in the process.
_CACHE_BYTES = 1 << 30


def shared_basis(
    key: str,
    compute: Callable[[int], Basis],
    *,
    n_vectors: int,
    tol: float = np.inf,
    memory: "Memory" = None,
) -> Basis:
    """Return at least ``n_vectors`` eigenpairs, from the process or from disk where known.

    Parameters
    ----------
    key : str
        What the basis is kept under, and its file named: everything that it depends on.
    compute : callable
        Returns the basis of so many vectors; called only where none is known.
    n_vectors : int
        Eigenpairs wanted; fewer come back where the graph has fewer.
    tol : float, default inf
        A basis kept from a looser tolerance is computed again.
    memory : str, path, joblib.Memory or None, default None
        Folder that keeps bases for other processes.
    """
    folder = _open_folder(memory)
    file = None if folder is None else folder / f"{key}.npz"
    # One thread solves a basis, the others wait for it.
    with _cache.lock_of(key):
        basis = _cache.get(key)
        # What is known must not be lost to a stricter tolerance.
        most = max(n_vectors, 0 if basis is None else basis.n_vectors)
        if basis is None or not basis.suffices(n_vectors, tol):
            basis = None if file is None else read_basis(file)
            most = max(most, 0 if basis is None else basis.n_vectors)
        if basis is None or not basis.suffices(n_vectors, tol):
            _cache.count_solve()
            basis = compute(most)
        _cache.put(key, basis)
        if file is not None:
            write_basis(basis, file)
    return basis


def n_solves() -> int:
    """Return how many decompositions this process has computed."""
    return _cache.n_solves


def bases_of(digest: str) -> dict[str, Basis]:
    """Return the bases of a graph that this process knows, by their keys."""
    return {key: basis for key, basis in _cache.items() if key.startswith(f"{digest}-")}


def remember_basis(key: str, basis: Basis) -> None:
    """Keep a basis that another process has solved, unless more is known here."""
    with _cache.lock_of(key):
        known = _cache.get(key)
        if known is None or not known.suffices(basis.n_vectors, basis.tol):
            _cache.put(key, basis)


def clear_cache() -> None:
    """Forget every basis kept in this process."""
    _cache.clear()


def folder_of(memory: "Memory") -> Path | None:
    """Return the folder that a ``memory`` argument names, as scikit-learn takes it."""
    location = getattr(memory, "location", memory)
    if location is None:
        return None
    if not isinstance(location, str | os.PathLike):
        raise TypeError(
            f"memory must be a folder, a joblib.Memory or None; got {type(memory).__name__}."
        )
    return Path(location)


def _open_folder(memory: "Memory") -> Path | None:
    """Return the folder of our files, made where absent: to write comes after a long solve."""
    folder = folder_of(memory)
    if folder is None:
        return None
    try:
        (folder / "skginr").mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"memory must be a folder that can be written to; got {str(folder)!r}: {error}."
        ) from error
    return folder / "skginr"


def read_basis(file: Path) -> Basis | None:
    """Return the basis in ``file``, or None where there is none or it is damaged."""
    try:
        with open(file, "rb") as stream, np.load(stream) as arrays:
            parts = {name: arrays[name] for name in arrays.files}
        n_available, tol = int(parts.pop("n_available")), float(parts.pop("tol"))
        return Basis(**parts, n_available=n_available, tol=tol)
    except _DAMAGED:
        return None


def write_basis(basis: Basis, file: Path) -> None:
    """Write ``basis`` unless ``file`` already holds as much; whole or not at all."""
    if _suffices(file, basis):
        return
    with whole_file(file) as stream:
        np.savez(stream, **dataclasses.asdict(basis))


def _suffices(file: Path, basis: Basis) -> bool:
    """Say whether ``file`` holds as much as ``basis``, reading no eigenvectors."""
    try:
        with open(file, "rb") as stream, np.load(stream) as arrays:
            return len(arrays["eigenvalues"]) >= basis.n_vectors and arrays["tol"] <= basis.tol
    except _DAMAGED:
        return False


class _BasisCache:
    """The most recently used bases, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.n_solves = 0
        self._max_bytes = max_bytes
        self._bases: OrderedDict[str, Basis] = OrderedDict()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def lock_of(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks[key]

    def count_solve(self) -> None:
        with self._guard:
            self.n_solves += 1

    def get(self, key: str) -> Basis | None:
        with self._guard:
            if key in self._bases:
                self._bases.move_to_end(key)
            return self._bases.get(key)

    def put(self, key: str, basis: Basis) -> None:
        with self._guard:
            self._bases[key] = basis
            self._bases.move_to_end(key)
            size = sum(kept.eigenvectors.nbytes for kept in self._bases.values())
            while size > self._max_bytes and len(self._bases) > 1:
                _, dropped = self._bases.popitem(last=False)
                size -= dropped.eigenvectors.nbytes

    def items(self) -> list[tuple[str, Basis]]:
        with self._guard:
            return list(self._bases.items())

    def clear(self) -> None:
        with self._guard:
            self._bases.clear()


_cache = _BasisCache(_CACHE_BYTES)
