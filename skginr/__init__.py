"""Learn signals on graphs, meshes and maps as continuous functions, in scikit-learn.

A signal is known at some nodes of a graph: votes per county, charge per vertex of a surface,
traffic per sensor. It is predicted where it was not observed::

    from sklearn.pipeline import make_pipeline
    from skginr import Graph, SIRENRegressor, SpectralEmbedder

    counties = Graph.from_geodataframe(gdf, labels="fips")
    model = make_pipeline(SpectralEmbedder(graph=counties), SIRENRegressor())
    model.fit(table[["fips"]], table["unemployment"])

Graphs
    Graph, built by its from_* methods, never changes. GraphBlockKFold holds out whole regions,
    SpaceTimeKFold what may be missing of records in time. NeighborMeans adds what the neighbours
    are like.
Coordinates of nodes
    SpectralEmbedder; MultiGraphEmbedder for several graphs. align (which gives an Alignment) and
    refine_model take coordinates to other graphs, inspect_spectrum tells how many to use.
    SeasonalFeatures, of times. Eigenvectors from elsewhere: save_eigenproblem, add_basis.
Networks on coordinates
    SIRENRegressor, SIRENClassifier, TangentKernelRegressor.
Smoothers along edges
    GraphSmoother, GraphGaussianProcessRegressor; of rates of counts GraphPoissonRegressor, of
    classes GraphSmootherClassifier. Beside the graph, through space:
    SpatialGaussianProcessRegressor, ThinPlateSplineRegressor. Over nodes and times:
    SpaceTimeSmoother; gaps in a table of times by nodes: GraphImputer. What blends smoothers and
    learns their errors: CorrectedSmoother, ResidualCorrector, default_smoothers.
Archives of signals
    SignalDistribution, to sample and to condition: ArchiveRegressor. Of spots and fronts, by a
    network: SignalGenerator. What many signals on many graphs have in common: SharedCorrector.
Null models
    make_surrogates: random maps as smooth as a given one; correlate_maps, a p-value by them.
Fitted models
    predict_frame (every node, as a table), suggest_measurements (where to measure next),
    surface_gradient, save, load, to_onnx, shared_graphs (on a cluster).

Pictures are in skginr.plotting, data in skginr.datasets.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# torch's threads wait for each other awake, and on cores that are busy with something else wait
# thirty times as long as they work. Its OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from skginr.distributed import save_eigenproblem, shared_graphs
    from skginr.fields import (
        ArchiveRegressor,
        SharedCorrector,
        SignalDistribution,
        SignalGenerator,
    )
    from skginr.graphs import (
        Graph,
        GraphBlockKFold,
        NeighborMeans,
        SeasonalFeatures,
        SpaceTimeKFold,
    )
    from skginr.network import SIRENClassifier, SIRENRegressor, TangentKernelRegressor
    from skginr.persistence import load, save
    from skginr.persistence._onnx import to_onnx
    from skginr.prediction import predict_frame, suggest_measurements, surface_gradient
    from skginr.smoothing import (
        GraphGaussianProcessRegressor,
        GraphImputer,
        GraphPoissonRegressor,
        GraphSmoother,
        GraphSmootherClassifier,
        SpaceTimeSmoother,
        SpatialGaussianProcessRegressor,
        ThinPlateSplineRegressor,
        correlate_maps,
        make_surrogates,
    )
    from skginr.spectral import (
        Alignment,
        MultiGraphEmbedder,
        SpectralEmbedder,
        add_basis,
        align,
        inspect_spectrum,
        refine_model,
    )
    from skginr.stacking import CorrectedSmoother, ResidualCorrector, default_smoothers

__all__ = [
    "Alignment",
    "ArchiveRegressor",
    "CorrectedSmoother",
    "Graph",
    "GraphBlockKFold",
    "GraphGaussianProcessRegressor",
    "GraphImputer",
    "GraphPoissonRegressor",
    "GraphSmoother",
    "GraphSmootherClassifier",
    "MultiGraphEmbedder",
    "NeighborMeans",
    "ResidualCorrector",
    "SIRENClassifier",
    "SIRENRegressor",
    "SeasonalFeatures",
    "SharedCorrector",
    "SignalDistribution",
    "SignalGenerator",
    "SpaceTimeKFold",
    "SpaceTimeSmoother",
    "SpatialGaussianProcessRegressor",
    "SpectralEmbedder",
    "TangentKernelRegressor",
    "ThinPlateSplineRegressor",
    "add_basis",
    "align",
    "correlate_maps",
    "default_smoothers",
    "inspect_spectrum",
    "load",
    "make_surrogates",
    "predict_frame",
    "refine_model",
    "save",
    "save_eigenproblem",
    "shared_graphs",
    "suggest_measurements",
    "surface_gradient",
    "to_onnx",
]

# Imported when first asked for: who only embeds a graph need not wait for torch.
_HOME = {
    "Alignment": "skginr.spectral",
    "ArchiveRegressor": "skginr.fields",
    "CorrectedSmoother": "skginr.stacking",
    "Graph": "skginr.graphs",
    "GraphBlockKFold": "skginr.graphs",
    "GraphGaussianProcessRegressor": "skginr.smoothing",
    "GraphImputer": "skginr.smoothing",
    "GraphPoissonRegressor": "skginr.smoothing",
    "GraphSmoother": "skginr.smoothing",
    "GraphSmootherClassifier": "skginr.smoothing",
    "MultiGraphEmbedder": "skginr.spectral",
    "NeighborMeans": "skginr.graphs",
    "ThinPlateSplineRegressor": "skginr.smoothing",
    "ResidualCorrector": "skginr.stacking",
    "SIRENClassifier": "skginr.network",
    "SIRENRegressor": "skginr.network",
    "SeasonalFeatures": "skginr.graphs",
    "SharedCorrector": "skginr.fields",
    "SignalDistribution": "skginr.fields",
    "SignalGenerator": "skginr.fields",
    "SpaceTimeKFold": "skginr.graphs",
    "SpaceTimeSmoother": "skginr.smoothing",
    "SpatialGaussianProcessRegressor": "skginr.smoothing",
    "SpectralEmbedder": "skginr.spectral",
    "TangentKernelRegressor": "skginr.network",
    "add_basis": "skginr.spectral",
    "align": "skginr.spectral",
    "correlate_maps": "skginr.smoothing",
    "default_smoothers": "skginr.stacking",
    "inspect_spectrum": "skginr.spectral",
    "load": "skginr.persistence",
    "make_surrogates": "skginr.smoothing",
    "predict_frame": "skginr.prediction",
    "save": "skginr.persistence",
    "save_eigenproblem": "skginr.distributed",
    "shared_graphs": "skginr.distributed",
    "suggest_measurements": "skginr.prediction",
    "surface_gradient": "skginr.prediction",
    "to_onnx": "skginr.persistence._onnx",
    "refine_model": "skginr.spectral",
}


# Rooms whose names are public, too.
_ROOMS = ("datasets", "plotting")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"skginr.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__version__"])
