"""Fitted models, asked for every node of a graph and for gradients on a surface."""

from skginr.prediction._frames import predict_frame
from skginr.prediction._surface import surface_gradient

__all__ = [
    "predict_frame",
    "surface_gradient",
]
