"""Smoothers: what predicts a signal from its neighbours; and random maps as smooth as one."""

from skginr.smoothing._gaussian_process import GraphGaussianProcessRegressor
from skginr.smoothing._imputer import GraphImputer
from skginr.smoothing._node_predictor import centre_and_spread
from skginr.smoothing._normal_scores import NormalScores
from skginr.smoothing._poisson import GraphPoissonRegressor
from skginr.smoothing._smoother import GraphSmoother
from skginr.smoothing._smoother_classifier import GraphSmootherClassifier
from skginr.smoothing._space_time_smoother import SpaceTimeSmoother
from skginr.smoothing._spatial_process import SpatialGaussianProcessRegressor, has_places
from skginr.smoothing._surrogates import correlate_maps, make_surrogates
from skginr.smoothing._thin_plate_spline import ThinPlateSplineRegressor
from skginr.smoothing.spacetime import Waves

__all__ = [
    "GraphGaussianProcessRegressor",
    "GraphImputer",
    "GraphPoissonRegressor",
    "GraphSmoother",
    "GraphSmootherClassifier",
    "NormalScores",
    "SpaceTimeSmoother",
    "SpatialGaussianProcessRegressor",
    "ThinPlateSplineRegressor",
    "Waves",
    "centre_and_spread",
    "correlate_maps",
    "has_places",
    "make_surrogates",
]
