"""Learn signals on graphs, meshes and maps as continuous functions, in scikit-learn."""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# torch's threads wait for each other awake, and on cores that are busy with something else wait
# thirty times as long as they work. Its OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from skginr.alignment import Alignment, align
    from skginr.classification import SIRENClassifier
    from skginr.correction import CorrectedSmoother, ResidualCorrector, default_smoothers
    from skginr.covariates import NeighborMeans
    from skginr.embeddings import MultiGraphEmbedder, SpectralEmbedder
    from skginr.frames import predict_frame
    from skginr.graphs import Graph
    from skginr.inspection import inspect_spectrum
    from skginr.interpolation import PositionInterpolator
    from skginr.model_selection import GraphBlockKFold
    from skginr.persistence import load, save
    from skginr.persistence._onnx import to_onnx
    from skginr.processes import GraphGaussianProcessRegressor
    from skginr.refinement import transfer
    from skginr.regression import SIRENRegressor
    from skginr.sharing import shared_graphs
    from skginr.smoothing import GraphSmoother
    from skginr.surface import surface_gradient
    from skginr.tangent import TangentKernelRegressor

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
    "Alignment": "skginr.alignment",
    "CorrectedSmoother": "skginr.correction",
    "Graph": "skginr.graphs",
    "GraphBlockKFold": "skginr.model_selection",
    "GraphGaussianProcessRegressor": "skginr.processes",
    "GraphSmoother": "skginr.smoothing",
    "MultiGraphEmbedder": "skginr.embeddings",
    "NeighborMeans": "skginr.covariates",
    "PositionInterpolator": "skginr.interpolation",
    "ResidualCorrector": "skginr.correction",
    "SIRENClassifier": "skginr.classification",
    "SIRENRegressor": "skginr.regression",
    "SpectralEmbedder": "skginr.embeddings",
    "TangentKernelRegressor": "skginr.tangent",
    "align": "skginr.alignment",
    "default_smoothers": "skginr.correction",
    "inspect_spectrum": "skginr.inspection",
    "load": "skginr.persistence",
    "predict_frame": "skginr.frames",
    "save": "skginr.persistence",
    "shared_graphs": "skginr.sharing",
    "surface_gradient": "skginr.surface",
    "to_onnx": "skginr.persistence._onnx",
    "transfer": "skginr.refinement",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
