"""Where data files lie that no package ships."""

import os
from pathlib import Path

_VARIABLE = "SKGINR_DATA"


def data_path(*parts: str, owner: str) -> Path:
    """Return the path of a file in the folder that ``SKGINR_DATA`` names, or say what to do.

    Parameters
    ----------
    *parts : str
        Folders and file name below the data folder.
    owner : str
        The function that asks, for the error.
    """
    root = os.environ.get(_VARIABLE)
    if not root:
        raise FileNotFoundError(
            f"{owner} reads {'/'.join(parts)} from the folder that the environment variable "
            f"{_VARIABLE} names, but it is not set. Its documentation says where the files are "
            f"published."
        )
    path = Path(root, *parts)
    if not path.is_file():
        raise FileNotFoundError(
            f"{owner} reads {path}, which is not there. {_VARIABLE} is {root!r}."
        )
    return path
