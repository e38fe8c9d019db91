"""Networks, in torch only."""

from skginr.nn._latent import LatentSIREN
from skginr.nn._siren import SIREN, layer_shapes
from skginr.nn._tangent import TangentFeatures, tangent_features, tangent_kernel

__all__ = [
    "SIREN",
    "LatentSIREN",
    "TangentFeatures",
    "layer_shapes",
    "tangent_features",
    "tangent_kernel",
]
