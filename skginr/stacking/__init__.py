"""What learns the errors of smoothers."""

from skginr.stacking._corrected_smoother import CorrectedSmoother
from skginr.stacking._residual_corrector import ResidualCorrector
from skginr.stacking._smoothers import check_regressor, default_smoothers

__all__ = [
    "CorrectedSmoother",
    "ResidualCorrector",
    "check_regressor",
    "default_smoothers",
]
