"""Bases solved once and shared: in the process, and between processes on disk."""

import dataclasses
import errno
import math
import os
import threading
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from skginr._core import open_own, warn, warn_once, whole_file
from skginr.spectral.eigen._basis import Basis, Keep

if TYPE_CHECKING:
    import joblib

    Memory: TypeAlias = str | os.PathLike | joblib.Memory | None

# Says what is wrong with a basis of a file, or None: ``doubt(basis, counted=True)``, where False
# leaves out whether eigenvectors are missing, of a basis that was solved here.
Doubt: TypeAlias = Callable[..., str | None]
# Why a folder may not take a file, whose eigenvectors are right all the same.
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
# Dimensions of the parts of a basis in a file.
_DIMENSIONS = {"eigenvectors": 2, "n_available": 0, "tol": 0}
# Bytes of eigenvectors that stay in the process.
_CACHE_BYTES = 1 << 30


def shared_basis(
    key: str,
    compute: Callable[[int, Basis | None, Keep], Basis],
    *,
    n_vectors: int,
    tol: float = np.inf,
    memory: "Memory" = None,
    doubt: Doubt,
) -> Basis:
    """Return at least ``n_vectors`` eigenpairs, from the process or from disk where known.

    Parameters
    ----------
    key : str
        What the basis is kept under, and its file named: everything that it depends on.
    compute : callable
        Returns the basis of so many vectors; called only where none is known, with the basis of
        fewer that is, or None, and what keeps such a one while it computes, or None.
    n_vectors : int
        Eigenpairs wanted; fewer come back where the graph has fewer.
    tol : float, default inf
        A basis kept from a looser tolerance is computed again.
    memory : str, path, joblib.Memory or None, default None
        Folder that keeps bases for other processes.
    doubt : callable
        Says what is wrong with a basis of a file, which may hold anything, or returns None.

    Warns
    -----
    UserWarning
        If a file is not what it should be, and the basis is computed again; or if the folder
        cannot be written to.
    """
    folder = _open_folder(memory)
    file = None if folder is None else folder / f"{key}.npz"
    # One thread solves a basis, the others wait for it.
    with _cache.lock_of(key):
        basis = _cache.get(key)
        # What is known must not be lost to a stricter tolerance.
        most = max(n_vectors, 0 if basis is None else basis.n_vectors)
        replaced = False
        if file is not None and (basis is None or not basis.suffices(n_vectors, tol)):
            found, replaced = _basis_in(file, tol, doubt)
            most = max(most, 0 if found is None else found.n_vectors)
            basis = _more_of(basis, found, tol)
        keep = None if file is None else partial(_keep, file=file, doubt=doubt, replaced=replaced)
        if basis is None or not basis.suffices(n_vectors, tol):
            _cache.count_solve()
            # What is rougher is no start.
            known = basis if basis is not None and basis.tol <= tol else None
            basis = compute(most, known, keep)
        _cache.put(key, basis)
        if keep is not None:
            keep(basis)
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
    """Return the folder of our files, made where absent, or None where that cannot be."""
    folder = folder_of(memory)
    if folder is None:
        return None
    own = folder / "skginr"
    try:
        own.mkdir(parents=True, exist_ok=True)
        if own.is_symlink():
            raise ValueError("its folder 'skginr' is a link, and would be followed elsewhere")
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in _UNWRITABLE:
            _warn_unwritable(own, error)
            return None
        raise ValueError(
            f"memory must be a folder that can be written to; got {str(folder)!r}: {error}."
        ) from error
    return own


def _warn_unwritable(path: Path, error: Exception) -> None:
    warn_once(
        f"{path}-unwritable",
        f"memory cannot keep eigenvectors: {error}. The result is right, but every process will "
        f"compute them again. Name a folder of your own, with room, or memory=None.",
    )


def _more_of(first: Basis | None, second: Basis | None, tol: float) -> Basis | None:
    """Return of two bases that may be known the one of more vectors, to the tolerance if any is."""
    known = [basis for basis in (first, second) if basis is not None]
    return max(known, key=lambda basis: (basis.tol <= tol, basis.n_vectors), default=None)


def _basis_in(file: Path, tol: float, doubt: Doubt) -> tuple[Basis | None, bool]:
    """Return the basis in a file, if it is one, and whether the file is to be replaced."""
    try:
        basis = read_basis(file)
    except FileNotFoundError:
        return None, False
    except Exception as error:
        # Readers of archives and headers raise what they like on what is none.
        reason: str | None = str(error) or type(error).__name__
    else:
        # One that is too rough is solved again in any case.
        if not basis.tol <= tol:
            return basis, False
        reason = doubt(basis)
        if reason is None:
            return basis, False
    warn(
        f"memory has a file that was not believed, {file}: {reason}. The eigenvectors are computed "
        f"again. If this comes back, name a folder that nobody else writes to."
    )
    return None, True


def read_basis(file: Path) -> Basis:
    """Return what a file holds in place of a basis: arrays of some shapes, which may be anything.

    Raises
    ------
    FileNotFoundError
        If there is none.
    PermissionError
        If it is a link, or another's.
    Exception
        If it is damaged: one of several.
    """
    with open_own(file) as stream, zipfile.ZipFile(stream) as members:
        names = [part.name for part in dataclasses.fields(Basis)]
        if sorted(members.namelist()) != sorted(f"{name}.npy" for name in names):
            raise ValueError("its parts are not those of a basis")
        parts = {name: _read_part(members, name) for name in names}
    n_available, tol = int(parts.pop("n_available")), float(parts.pop("tol"))
    return Basis(**parts, n_available=n_available, tol=tol)


def _read_part(members: zipfile.ZipFile, name: str) -> NDArray:
    """Return an array of a file, which is in it byte for byte: nothing is made of less."""
    entry = members.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise ValueError("it is compressed, which none of ours is")
    with members.open(entry) as stream:
        version = npy.read_magic(stream)
        if version != (1, 0):
            raise ValueError("its arrays are of another version")
        shape, _, dtype = npy.read_array_header_1_0(stream)
        if dtype.kind not in "bif" or len(shape) != _DIMENSIONS.get(name, 1):
            raise ValueError("its arrays are of another shape or dtype")
        if math.prod(shape) * dtype.itemsize + stream.tell() != entry.file_size:
            raise ValueError("its arrays are not as long as they say")
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)


def _keep(basis: Basis, file: Path, doubt: Doubt, *, replaced: bool) -> None:
    """Write a basis, unless the file holds as much, or would not be believed."""
    if (not replaced and _suffices(file, basis)) or doubt(basis, counted=False) is not None:
        return
    try:
        if os.path.lexists(file):
            # Only what could have been ours is replaced.
            open_own(file).close()
        with whole_file(file, follow_links=False) as stream:
            # Not asdict, which copies the arrays.
            np.savez(stream, **vars(basis))
    except OSError as error:
        _warn_unwritable(file, error)


def _suffices(file: Path, basis: Basis) -> bool:
    """Say whether ``file`` holds as much as ``basis``, reading no eigenvectors."""
    try:
        with open_own(file) as stream, zipfile.ZipFile(stream) as members:
            n_vectors = len(_read_part(members, "eigenvalues"))
            tol = float(_read_part(members, "tol"))
            return n_vectors >= basis.n_vectors and tol <= basis.tol
    except Exception:
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
