"""Data files that no package ships: in a folder of the user's, or at their publisher's."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from skginr._core import require, write_whole

_VARIABLE = "SKGINR_DATA"
# Archives that hold a folder's files as they are published, and where in them those lie. What is
# not among them was made of published files, as the README beside it says.
_ARCHIVES = {
    "bunny": ("https://graphics.stanford.edu/pub/3Dscanrep/bunny.tar.gz", "bunny/reconstruction"),
}


def data_path(folder: str, name: str, *, owner: str) -> Path:
    """Return the path of a file that is as expected, or say what to do.

    It is looked for in the folder that ``SKGINR_DATA`` names, and if it is not there and its
    publisher has it, downloaded, once.

    Parameters
    ----------
    folder, name : str
        Below the data folder.
    owner : str
        The function that asks, for the error.
    """
    root = os.environ.get(_VARIABLE)
    if root and (path := Path(root, folder, name)).is_file():
        return _checked(path, folder, name, owner)
    if folder in _ARCHIVES:
        return _downloaded(folder, name, owner)
    if not root:
        raise FileNotFoundError(
            f"{owner} reads {folder}/{name} from the folder that the environment variable "
            f"{_VARIABLE} names, but it is not set. Its documentation says where the files are "
            f"published."
        )
    raise FileNotFoundError(f"{owner} reads {path}, which is not there. {_VARIABLE} is {root!r}.")


def _checked(path: Path, folder: str, name: str, owner: str) -> Path:
    """Return the path, or refuse a file that was cut short, changed or replaced."""
    if not _is_expected(path.read_bytes(), folder, name):
        raise ValueError(
            f"{path} is not the file that {owner} expects, whose SHA-256 is "
            f"{_registry()[f'{folder}/{name}']}. Delete it and get it anew."
        )
    return path


def _is_expected(content: bytes, folder: str, name: str) -> bool:
    return hashlib.sha256(content).hexdigest() == _registry()[f"{folder}/{name}"]


def _downloaded(folder: str, name: str, owner: str) -> Path:
    """Return the path of a file in the user's cache, taken from its archive if it is not there.

    The archive may be packed anew by its publisher: what is taken from it may not change.
    """
    url, inside = _ARCHIVES[folder]
    purpose = f"{owner}, where {_VARIABLE} names no folder with {folder}/{name},"
    pooch = require("pooch", extra="data", purpose=purpose)
    kept = Path(pooch.os_cache("skginr"), folder, name)
    if kept.is_file():
        return _checked(kept, folder, name, owner)
    with tempfile.TemporaryDirectory() as scratch:
        member = f"{inside}/{name}"
        untar = pooch.Untar(members=[member], extract_dir="archive")
        try:
            with _without_advice(pooch.get_logger()):
                pooch.retrieve(
                    url, None, "archive.tar.gz", scratch, processor=untar, progressbar=True
                )
            content = Path(scratch, "archive", member).read_bytes()
            if not _is_expected(content, folder, name):
                raise ValueError(f"the {name} in it is not the one that was published before.")
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
            raise FileNotFoundError(
                f"{owner} looked for {folder}/{name} in the folder that {_VARIABLE} names, "
                f"{os.environ.get(_VARIABLE)!r}, and could not download it from {url}: {error} Put "
                f"the file there, or try again."
            ) from error
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(content, kept)
    return kept


@contextlib.contextmanager
def _without_advice(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from telling the user to note down the hash of the archive."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@cache
def _registry() -> dict[str, str]:
    """Return the SHA-256 of every file, by folder and name."""
    lines = Path(__file__).with_name("registry.txt").read_text().splitlines()
    return dict(line.split() for line in lines)
