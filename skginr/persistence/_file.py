"""One file: a safetensors file whose header has a checksum of every byte."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skginr._core import own_version, saying_all_once, whole_file
from skginr.graphs import Graph
from skginr.persistence._bounds import check_nodes
from skginr.persistence._codec import Decoder, Encoder

FORMAT_VERSION = 1
_FORMAT = "skginr model"
# The key and its place in the header: in a text inside it, quotes would be escaped.
_CHECKSUM = b'"checksum":"'
_N_DIGITS = 64
_NO_CHECKSUM = b"0" * _N_DIGITS
# What Python, NumPy, pandas and torch raise when they are given something else than they take.
_FOREIGN = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError),
)


def save(model: BaseEstimator | Graph, path: str | os.PathLike[str]) -> None:
    """Write an estimator to one file that can be read without running code.

    The file is in the safetensors format: arrays as they are, all else as JSON in its header, with
    a checksum of every byte. It appears under its name when it is whole, and not before.

    Parameters
    ----------
    model : estimator, or Graph
        Fitted or not: of skginr, or a Pipeline, ColumnTransformer, search or another of the usual
        ones of scikit-learn. Their parameters must be numbers, words, and each other.
    path : str or path
        An existing file is replaced.

    Raises
    ------
    TypeError
        If ``model`` is no estimator, or a part of it cannot be kept, such as a function, a callback
        or a class: the message says where it is.
    OSError
        If the file cannot be written. What was there before is then still there.

    See Also
    --------
    load : Reads the file again.
    to_onnx : Writes a network alone, for programs without skginr.

    Notes
    -----
    pickle and joblib keep everything, and run whatever the file says when it is loaded. Here a list
    says which classes a file may hold; only their state is read, and the file does not choose what
    code runs. Weights are kept with the state of their optimiser, so that training goes on as it
    would have. The folder ``memory=`` is written, but :func:`load` does not use it. What an
    interrupted save has left beside the file is removed by the next one.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skginr
    >>> path = Path(tempfile.mkdtemp()) / "model.skginr"
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = skginr.SIRENRegressor(random_state=0).fit(X, X[:, 0])
    >>> skginr.save(model, path)
    >>> bool((skginr.load(path).predict(X) == model.predict(X)).all())
    True
    """
    _check_model(model)
    encoder = Encoder()
    encoder.encode(model, "model")
    try:
        check_nodes(encoder.nodes)
    except ValueError as error:
        raise TypeError(
            f"model must not be nested in itself so often that it could not be loaded: {error}."
        ) from error
    parts = _file_of(encoder.nodes, encoder.arrays)
    with whole_file(Path(path)) as file:
        file.writelines(parts)


def load(path: str | os.PathLike[str]) -> Any:
    """Return the estimator that :func:`save` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    estimator, or Graph
        Predicts what the one that was saved did. A network that was on a GPU comes back there, or
        on the CPU where there is none.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no file, not one of ``save``, was cut short or changed, is of a later version,
        names a class that no file may hold, or holds parts that do not fit together: weights of
        other shapes than the network's, a graph that no builder makes.

    Warns
    -----
    UserWarning
        If a part had ``memory=``, a folder, which is left out.
    sklearn.exceptions.InconsistentVersionWarning
        If a part of scikit-learn was saved by another version of it.

    See Also
    --------
    save : Writes such a file; it comes before.
    to_onnx : Writes files for other programs, which this does not read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.linear_model import Ridge
    >>> import skginr
    >>> path = Path(tempfile.mkdtemp()) / "model.skginr"
    >>> skginr.save(Ridge(0.5), path)
    >>> skginr.load(path)
    Ridge(alpha=0.5)
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        # A pipe would be waited for.
        raise ValueError(f"path must be a file; {str(path)!r} is a folder, a pipe or a device.")
    content = path.read_bytes()
    metadata = _checked_metadata(content, path)
    try:
        # What the checksum has vouched for can still have been made by hand.
        arrays = _arrays_of(content)
        del content
        with saying_all_once():
            model = Decoder(json.loads(metadata["model"]), arrays).decode({"node": 0})
        _check_model(model)
        return model
    except _FOREIGN as error:
        raise _refused(path, error) from error


def _check_model(model: Any) -> None:
    if not isinstance(model, BaseEstimator | Graph):
        raise TypeError(f"model must be an estimator or a Graph; got {type(model).__name__}.")


def _file_of(nodes: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> list[memoryview]:
    """Return what stands before the checksum, itself and after: joined they would be copied."""
    from safetensors.numpy import save as to_bytes

    content = to_bytes(
        arrays,
        metadata={
            "format": _FORMAT,
            "format_version": str(FORMAT_VERSION),
            "skginr_version": own_version(),
            "checksum": _NO_CHECKSUM.decode(),
            "model": json.dumps(nodes, allow_nan=False),
        },
    )
    start = content.index(_CHECKSUM + _NO_CHECKSUM) + len(_CHECKSUM)
    digest = hashlib.sha256(content).hexdigest().encode()
    whole = memoryview(content)
    return [whole[:start], memoryview(digest), whole[start + _N_DIGITS :]]


def _checked_metadata(content: bytes, path: Path) -> dict[str, str]:
    """Return the metadata of a file that is whole and of a version that is known."""
    damaged = ValueError(
        f"{path} is not a file of skginr.save, or is damaged: some of it is missing or has "
        f"changed. Save the model again, or fetch the file again."
    )
    start = content.find(_CHECKSUM) + len(_CHECKSUM)
    digest = content[start : start + _N_DIGITS]
    if start < len(_CHECKSUM) or len(digest) < _N_DIGITS:
        raise damaged
    blank, whole = hashlib.sha256(), memoryview(content)
    for part in (whole[:start], _NO_CHECKSUM, whole[start + _N_DIGITS :]):
        blank.update(part)
    if blank.hexdigest().encode() != digest:
        raise damaged
    try:
        (length,) = struct.unpack_from("<Q", content)
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        known = metadata["format"] == _FORMAT
        of_format = int(metadata["format_version"])
    except (KeyError, RecursionError, TypeError, ValueError, struct.error) as error:
        raise damaged from error
    if not known:
        raise damaged
    if of_format > FORMAT_VERSION:
        raise ValueError(
            f"{path} is of version {of_format} of the format, written by skginr "
            f"{metadata.get('skginr_version')}; skginr {own_version()} reads versions up to "
            f"{FORMAT_VERSION}. Update skginr."
        )
    return metadata


def _arrays_of(content: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        return from_bytes(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _refused(path: Path, error: Exception) -> ValueError:
    what = f"{type(error).__name__}: {error}"
    return ValueError(f"{path} holds what skginr.save does not write ({what}). It was not loaded.")
