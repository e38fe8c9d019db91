"""Fitted models, asked for every node of a graph, for where to measure next, and for gradients."""

from skginr.prediction._design import suggest_measurements
from skginr.prediction._frames import predict_frame
from skginr.prediction._surface import surface_gradient

__all__ = [
    "predict_frame",
    "suggest_measurements",
    "surface_gradient",
]
