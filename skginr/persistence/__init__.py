"""Files of fitted models that hold numbers and words, and run nothing when they are read."""

from skginr.persistence._file import load, save

__all__ = ["load", "save"]
