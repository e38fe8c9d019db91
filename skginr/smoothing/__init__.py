"""Smoothers: what predicts a signal from its neighbours, along edges or in space."""

from skginr.smoothing._gaussian_process import GraphGaussianProcessRegressor
from skginr.smoothing._node_regressor import centre_and_spread
from skginr.smoothing._smoother import GraphSmoother
from skginr.smoothing._spatial_process import SpatialGaussianProcessRegressor, has_places
from skginr.smoothing._thin_plate_spline import ThinPlateSplineRegressor

__all__ = [
    "GraphGaussianProcessRegressor",
    "GraphSmoother",
    "SpatialGaussianProcessRegressor",
    "ThinPlateSplineRegressor",
    "centre_and_spread",
    "has_places",
]
