"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

# Windows would write two bytes for a line's end.
_BINARY = getattr(os, "O_BINARY", 0)
# A link is no file, and what waits for a writer must not be waited for.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextlib.contextmanager
def whole_file(path: Path, *, follow_links: bool = True) -> Iterator[BinaryIO]:
    """Open a file to write, which is there under its name when all is written, and not before.

    It has the rights of the file that it replaces, or those of new files; until then none but the
    owner can read it. Where anything fails, what was there stays. What a process that was killed
    has left is removed when the same file is written again.

    Parameters
    ----------
    path : Path
    follow_links : bool, default True
        Whether what a link names is replaced, or the link.

    Raises
    ------
    OSError
        If it cannot be written; named after ``path``.
    """
    target = Path(os.path.realpath(path)) if follow_links else path
    if target.exists() and not target.is_file() and not target.is_symlink():
        raise IsADirectoryError(f"{path} is no file, and cannot be replaced by one.")
    try:
        _remove_left(target)
        rights = _rights_of(target)
        temporary, handle = _open_temporary(target)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                # Open, so that it stays locked until it has its name.
                temporary.chmod(rights)
                if fcntl is not None:
                    temporary.replace(target)
            if fcntl is None:
                temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_whole(content: bytes, path: Path) -> None:
    """Write a file by :func:`whole_file`."""
    with whole_file(path) as file:
        file.write(content)


def open_own(path: Path) -> BinaryIO:
    """Open a file to read, if it is a regular file of one's own and no link.

    Raises
    ------
    FileNotFoundError
        If there is none.
    PermissionError
        If it is another's, or something else than a file.
    OSError
        If it cannot be read.
    """
    reason = PermissionError(f"{path} is no regular file of this user")
    # Looked at before as well as after: to open a device may do something.
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise reason
    handle = os.open(path, os.O_RDONLY | _BINARY | _NO_LINK)
    try:
        if not _is_own_file(os.fstat(handle)):
            raise reason
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _is_own_file(found: os.stat_result) -> bool:
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return own and stat.S_ISREG(found.st_mode)


def _prefix_of(target: Path) -> str:
    """Return what the names of temporaries of a file begin with, however long its own is."""
    return f".skginr-{hashlib.blake2b(os.fsencode(target.name), digest_size=8).hexdigest()}-"


def _open_temporary(target: Path) -> tuple[Path, int]:
    """Return a new file beside ``target`` that only its owner can read, locked while it is open."""
    while True:
        path = target.with_name(f"{_prefix_of(target)}{secrets.token_hex(8)}.tmp")
        # It must not be there: neither a file nor a link is followed.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600)
        _lock(handle, wait=True)
        if fcntl is None or os.fstat(handle).st_nlink:
            return path, handle
        # Another process took it for one that was left, before it was locked.
        os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Say whether a file was locked, which a kill undoes; not all file systems can."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove_left(target: Path) -> None:
    """Remove temporaries of ``target`` that nobody writes any more, where they are one's own."""
    prefix, left = _prefix_of(target), []
    # A folder that can be written to need not be one that can be listed.
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(prefix)]
    for path in left:
        # What cannot be removed is in nobody's way.
        with contextlib.suppress(OSError), open_own(Path(path)) as file:
            if _lock(file.fileno(), wait=False) and fcntl is not None:
                os.unlink(path)
        if fcntl is None:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _rights_of(target: Path) -> int:
    """Return the rights of a file, or those that a new one has in its folder."""
    if target.exists() and not target.is_symlink():
        return target.stat().st_mode & 0o7777
    # The mask of rights can only be read by setting it, which other threads would notice.
    probe = target.with_name(f"{_prefix_of(target)}{secrets.token_hex(8)}.tmp")
    handle = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)
    try:
        return os.fstat(handle).st_mode & 0o7777
    finally:
        os.close(handle)
        os.unlink(probe)


def own_version() -> str:
    """Return the version of skginr for a file to name; of a checkout on the path there is none."""
    try:
        return version("skginr")
    except PackageNotFoundError:
        return "unknown"
