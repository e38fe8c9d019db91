"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

# Windows would write two bytes for a line's end.
_BINARY = getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write, which is there under its name when all is written, and not before.

    It has the rights of the file that it replaces, or those of new files. Where anything fails,
    what was there stays.

    Raises
    ------
    OSError
        If it cannot be written; named after ``path``.
    """
    # What a link names is replaced, and not the link.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise IsADirectoryError(f"{path} is no file, and cannot be replaced by one.")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o7777)
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


def own_version() -> str:
    """Return the version of skginr for a file to name; of a checkout on the path there is none."""
    try:
        return version("skginr")
    except PackageNotFoundError:
        return "unknown"
