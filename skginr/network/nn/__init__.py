"""Networks, in torch only."""

from skginr.network.nn._denoiser import Denoiser
from skginr.network.nn._latent import LatentSIREN
from skginr.network.nn._siren import SIREN, layer_shapes
from skginr.network.nn._tangent import TangentFeatures, tangent_features, tangent_kernel

__all__ = [
    "SIREN",
    "Denoiser",
    "LatentSIREN",
    "TangentFeatures",
    "layer_shapes",
    "tangent_features",
    "tangent_kernel",
]
