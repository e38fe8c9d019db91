"""Whose objects a file may hold: named here, or refused."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator

from skginr._core import warn

# Ours, under names that stay when a class moves to another module.
_OURS = {
    "Alignment": "skginr:Alignment",
    "ArchiveRegressor": "skginr:ArchiveRegressor",
    "Blend": "skginr.fields._correlations:Blend",
    "Conditioned": "skginr.fields._covariance:Conditioned",
    "Everywhere": "skginr.fields._correlations:Everywhere",
    "FieldCovariance": "skginr.fields._covariance:FieldCovariance",
    "OfDistance": "skginr.fields._correlations:OfDistance",
    "OfWaves": "skginr.fields._correlations:OfWaves",
    "PhaseMeans": "skginr.fields._phase_means:PhaseMeans",
    "SignalDistribution": "skginr:SignalDistribution",
    "SignalDenoiser": "skginr.network._signal_denoiser:SignalDenoiser",
    "SignalGenerator": "skginr:SignalGenerator",
    "SignalModel": "skginr.fields._signal_model:SignalModel",
    "ArchiveColumns": "skginr.fields._archive:Columns",
    "AffinityRows": "skginr.spectral._rows:AffinityRows",
    "ClassTarget": "skginr.network._targets:ClassTarget",
    "Bernoulli": "skginr.smoothing._laplace:Bernoulli",
    "ConditionedCorrector": "skginr.fields._shared_corrector:ConditionedCorrector",
    "CorrectedSmoother": "skginr:CorrectedSmoother",
    "Covariance": "skginr.smoothing._kernels:Covariance",
    "CovariateKernel": "skginr.smoothing._kernels:CovariateKernel",
    "DiffusionMap": "skginr.spectral._methods:DiffusionMap",
    "DistanceKernel": "skginr.graphs._points:DistanceKernel",
    "DistanceRows": "skginr.spectral._rows:DistanceRows",
    "Embedding": "skginr.spectral._embedding:Embedding",
    "Graph": "skginr:Graph",
    "GraphBlockKFold": "skginr:GraphBlockKFold",
    "GraphGaussianProcessRegressor": "skginr:GraphGaussianProcessRegressor",
    "GraphImputer": "skginr:GraphImputer",
    "GraphPoissonRegressor": "skginr:GraphPoissonRegressor",
    "GraphSmoother": "skginr:GraphSmoother",
    "GraphSmootherClassifier": "skginr:GraphSmootherClassifier",
    "Isomap": "skginr.spectral._methods:Isomap",
    "Kernel": "skginr.spectral._embedding:Kernel",
    "LaplaceProblem": "skginr.smoothing._laplace:LaplaceProblem",
    "LaplacianEigenmap": "skginr.spectral._methods:LaplacianEigenmap",
    "LinearKernel": "skginr.smoothing._kernels:LinearKernel",
    "LocallyLinearEmbedding": "skginr.spectral._methods:LocallyLinearEmbedding",
    "LocalKernel": "skginr.fields._local_kernel:LocalKernel",
    "Mode": "skginr.smoothing._laplace:Mode",
    "Model": "skginr.network._model:Model",
    "MultiGraphEmbedder": "skginr:MultiGraphEmbedder",
    "NeighborKernel": "skginr.graphs._points:NeighborKernel",
    "NeighborMeans": "skginr:NeighborMeans",
    "NodeKernel": "skginr.smoothing._kernels:NodeKernel",
    "NormalScores": "skginr.smoothing._normal_scores:NormalScores",
    "Observations": "skginr.smoothing._signal_process:Observations",
    "Penalty": "skginr.smoothing._penalty:Penalty",
    "Places": "skginr.smoothing._kernels:Places",
    "Poisson": "skginr.smoothing._laplace:Poisson",
    "PointRows": "skginr.spectral._rows:PointRows",
    "PositionInterpolator": "skginr:ThinPlateSplineRegressor",
    "RateFit": "skginr.smoothing._poisson:RateFit",
    "ResidualCorrector": "skginr:ResidualCorrector",
    "RowIndex": "skginr.spectral._rows:_RowIndex",
    "SIRENClassifier": "skginr:SIRENClassifier",
    "SIRENRegressor": "skginr:SIRENRegressor",
    "SeasonalFeatures": "skginr:SeasonalFeatures",
    "SharedCorrector": "skginr:SharedCorrector",
    "SignalProcess": "skginr.smoothing._signal_process:SignalProcess",
    "SignalTarget": "skginr.network._targets:SignalTarget",
    "SpaceKernel": "skginr.smoothing._kernels:SpaceKernel",
    "FieldFit": "skginr.smoothing.spacetime:FieldFit",
    "FieldModel": "skginr.smoothing.spacetime:FieldModel",
    "SpaceTimeKFold": "skginr:SpaceTimeKFold",
    "SpaceTimeSmoother": "skginr:SpaceTimeSmoother",
    "Strengths": "skginr.smoothing.spacetime:Strengths",
    "TimeGrid": "skginr.smoothing.spacetime._time:TimeGrid",
    "Waves": "skginr.smoothing.spacetime:Waves",
    "SpatialGaussianProcessRegressor": "skginr:SpatialGaussianProcessRegressor",
    "SmoothFit": "skginr.smoothing._generalised:SmoothFit",
    "SmoothProblem": "skginr.smoothing._generalised:SmoothProblem",
    "SpectralEmbedder": "skginr:SpectralEmbedder",
    "Spread": "skginr.stacking._uncertainty:Spread",
    "TangentKernelRegressor": "skginr:TangentKernelRegressor",
    "TimeScale": "skginr._core:TimeScale",
}

# Of other packages, those whose state is numbers, words and each other.
_THEIRS = {
    "sklearn.compose": ["ColumnTransformer", "TransformedTargetRegressor"],
    "sklearn.decomposition": ["PCA", "TruncatedSVD"],
    "sklearn.dummy": ["DummyClassifier", "DummyRegressor"],
    "sklearn.frozen": ["FrozenEstimator"],
    "sklearn.gaussian_process": ["GaussianProcessRegressor"],
    "sklearn.gaussian_process.kernels": [
        *["ConstantKernel", "DotProduct", "Exponentiation", "Matern", "Product"],
        *["RationalQuadratic", "RBF", "Sum", "WhiteKernel"],
    ],
    "sklearn.impute": ["MissingIndicator", "SimpleImputer"],
    "sklearn.kernel_ridge": ["KernelRidge"],
    "sklearn.linear_model": [
        *["BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lasso", "LassoCV"],
        *["LinearRegression", "LogisticRegression", "Ridge", "RidgeClassifier", "RidgeCV"],
    ],
    "sklearn.model_selection": [
        *["GridSearchCV", "GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneGroupOut"],
        *["PredefinedSplit", "RandomizedSearchCV", "RepeatedKFold", "ShuffleSplit"],
        *["StratifiedKFold", "TimeSeriesSplit"],
    ],
    "sklearn.multioutput": ["MultiOutputClassifier", "MultiOutputRegressor"],
    "sklearn.pipeline": ["FeatureUnion", "Pipeline"],
    "sklearn.preprocessing": [
        *["FunctionTransformer", "KBinsDiscretizer", "LabelBinarizer", "LabelEncoder"],
        *["MaxAbsScaler", "MinMaxScaler", "Normalizer", "OneHotEncoder", "OrdinalEncoder"],
        *["PolynomialFeatures", "PowerTransformer", "QuantileTransformer", "RobustScaler"],
        "StandardScaler",
    ],
    "sklearn.ensemble": ["StackingClassifier", "StackingRegressor", "VotingRegressor"],
    "sklearn.metrics._scorer": ["_PassthroughScorer"],
    "sklearn.utils": ["Bunch"],
}

_HOME = {name: home.split(":") for name, home in _OURS.items()} | {
    f"{module}.{name}": [module, name] for module, names in _THEIRS.items() for name in names
}


_BY_CLASS: dict[str, list[str]] = {}
for _name, (_, _kind) in _HOME.items():
    _BY_CLASS.setdefault(_kind, []).append(_name)


def name_of(kind: type) -> str | None:
    """Return the name under which a class is stored, or None for one that may not be."""
    for name in _BY_CLASS.get(kind.__name__, []):
        if class_named(name) is kind:
            return name
    return None


def class_named(name: str) -> Any:
    """Return the class of a name, or raise a KeyError for one that no file may hold."""
    module, kind = _HOME[name]
    return getattr(importlib.import_module(module), kind)


def take_state(thing: Any, name: str) -> Any:
    """Return what an object of a listed class is made of: a dict, or the fields of a tuple."""
    if hasattr(thing, "to_state"):
        return thing.to_state()
    if isinstance(thing, tuple):
        return tuple(thing)
    if isinstance(thing, dict):
        return dict(thing)
    state = thing.__getstate__()
    return {
        key: value for key, value in (state or {}).items() if key not in _LEFT_OUT.get(name, ())
    }


# Names in earlier files, by class: of attributes, and of presets.
_FORMER_ATTRIBUTES = {"ResidualCorrector": {"n_predictions": "n_prediction_columns"}}
_FORMER_PRESETS = {"paper": "reproduce"}
_HAVE_PRESETS = ("Model", "SIRENClassifier", "SIRENRegressor")


def in_todays_words(name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an object with attributes and presets as they are called now."""
    former = _FORMER_ATTRIBUTES.get(name, {})
    state = {former.get(key, key): value for key, value in state.items()}
    if name in _HAVE_PRESETS and state.get("preset") in _FORMER_PRESETS:
        state["preset"] = _FORMER_PRESETS[state["preset"]]
    return state


def give_state(thing: Any, name: str, state: Any) -> None:
    """Make an empty object what it was, with defaults for parameters that are younger than it."""
    if isinstance(thing, BaseEstimator):
        parameters = inspect.signature(type(thing)).parameters
        state = {name: it.default for name, it in parameters.items()} | state
        _drop_folders(type(thing).__name__, state)
    if isinstance(thing, dict):
        thing.update(state)
    elif hasattr(thing, "__setstate__"):
        thing.__setstate__(state)
    else:
        thing.__dict__.update(state)
    if name in _RESTORED:
        _RESTORED[name](thing)


# Parameters whose values a search gives to what it fits.
_SEARCHED = ("param_grid", "param_distributions")


def _drop_folders(owner: str, state: dict[str, Any]) -> None:
    """Leave out folders that the next fit would read from, unpickling what it finds, or write to.

    Where that is was the choice of whoever made the file.
    """
    if state.get("memory") is not None:
        _warn_dropped(owner, "memory", state["memory"])
        state["memory"] = None
    for name in _SEARCHED:
        grids = state.get(name)
        for grid in grids if isinstance(grids, list | tuple) else [grids]:
            if not isinstance(grid, dict):
                continue
            for key in [key for key in grid if str(key).rpartition("__")[2] == "memory"]:
                _warn_dropped(owner, f"{name}[{key!r}]", grid.pop(key))


def _warn_dropped(owner: str, name: str, folder: Any) -> None:
    warn(
        f"{owner} was saved with {name}={folder!r}, which was left out: the next fit would read, "
        f"and believe, what lies in a folder that the file chose. If it is your own, give it again "
        f"with set_params."
    )


# Made again from the rest.
_LEFT_OUT = {
    "NeighborKernel": ("_tree",),
    "sklearn.model_selection.GridSearchCV": ("scorer_",),
    "sklearn.model_selection.RandomizedSearchCV": ("scorer_",),
}


def _restore_tree(kernel: Any) -> None:
    kernel._tree = cKDTree(kernel._scaled)
    _restore_limit(kernel)


def _restore_limit(kernel: Any) -> None:
    # Files of the first version do not say: no point was far from all, and all edges faded.
    kernel.__dict__.setdefault("_limit", kernel._reach)
    kernel.__dict__.setdefault("_faded", True)


def _restore_scorer(search: Any) -> None:
    if hasattr(search, "cv_results_"):
        search.scorer_, _ = search._get_scorers()


_RESTORED: dict[str, Callable[[Any], None]] = {
    "DistanceKernel": _restore_limit,
    "NeighborKernel": _restore_tree,
    "sklearn.model_selection.GridSearchCV": _restore_scorer,
    "sklearn.model_selection.RandomizedSearchCV": _restore_scorer,
}
