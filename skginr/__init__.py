"""Learn signals on graphs, meshes and maps as continuous functions, in scikit-learn."""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# torch's threads wait for each other awake, and on cores that are busy with something else wait
# thirty times as long as they work. Its OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from skginr.distributed import shared_graphs
    from skginr.graphs import Graph, GraphBlockKFold, NeighborMeans
    from skginr.network import SIRENClassifier, SIRENRegressor, TangentKernelRegressor
    from skginr.persistence import load, save
    from skginr.persistence._onnx import to_onnx
    from skginr.prediction import predict_frame, surface_gradient
    from skginr.smoothing import GraphGaussianProcessRegressor, GraphSmoother, PositionInterpolator
    from skginr.spectral import (
        Alignment,
        MultiGraphEmbedder,
        SpectralEmbedder,
        align,
        inspect_spectrum,
        transfer,
    )
    from skginr.stacking import CorrectedSmoother, ResidualCorrector, default_smoothers

__all__ = [
    "Alignment",
    "CorrectedSmoother",
    "Graph",
    "GraphBlockKFold",
    "GraphGaussianProcessRegressor",
    "GraphSmoother",
    "MultiGraphEmbedder",
    "NeighborMeans",
    "PositionInterpolator",
    "ResidualCorrector",
    "SIRENClassifier",
    "SIRENRegressor",
    "SpectralEmbedder",
    "TangentKernelRegressor",
    "align",
    "default_smoothers",
    "inspect_spectrum",
    "load",
    "predict_frame",
    "save",
    "shared_graphs",
    "surface_gradient",
    "to_onnx",
    "transfer",
]

# Imported when first asked for: who only embeds a graph need not wait for torch.
_HOME = {
    "Alignment": "skginr.spectral",
    "CorrectedSmoother": "skginr.stacking",
    "Graph": "skginr.graphs",
    "GraphBlockKFold": "skginr.graphs",
    "GraphGaussianProcessRegressor": "skginr.smoothing",
    "GraphSmoother": "skginr.smoothing",
    "MultiGraphEmbedder": "skginr.spectral",
    "NeighborMeans": "skginr.graphs",
    "PositionInterpolator": "skginr.smoothing",
    "ResidualCorrector": "skginr.stacking",
    "SIRENClassifier": "skginr.network",
    "SIRENRegressor": "skginr.network",
    "SpectralEmbedder": "skginr.spectral",
    "TangentKernelRegressor": "skginr.network",
    "align": "skginr.spectral",
    "default_smoothers": "skginr.stacking",
    "inspect_spectrum": "skginr.spectral",
    "load": "skginr.persistence",
    "predict_frame": "skginr.prediction",
    "save": "skginr.persistence",
    "shared_graphs": "skginr.distributed",
    "surface_gradient": "skginr.prediction",
    "to_onnx": "skginr.persistence._onnx",
    "transfer": "skginr.spectral",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
