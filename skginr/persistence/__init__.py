"""Files of fitted models that hold numbers and words, and run nothing when they are read."""

from skginr.persistence._file import load, save
from skginr.persistence._onnx import to_onnx

__all__ = ["load", "save", "to_onnx"]
