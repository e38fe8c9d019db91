"""The sine network as estimators, and what they are made of."""

from skginr.network._classifier import SIRENClassifier
from skginr.network._devices import as_array
from skginr.network._estimator import SIRENEstimator
from skginr.network._model import Model
from skginr.network._regressor import SIRENRegressor
from skginr.network._signal_denoiser import SignalDenoiser
from skginr.network._tangent_regressor import TangentKernelRegressor
from skginr.network._targets import ClassTarget

__all__ = [
    "ClassTarget",
    "Model",
    "SIRENClassifier",
    "SIRENEstimator",
    "SIRENRegressor",
    "SignalDenoiser",
    "TangentKernelRegressor",
    "as_array",
]
