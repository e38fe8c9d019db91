"""What learns the errors of smoothers."""

from skginr.stacking._correction import CorrectedSmoother, ResidualCorrector, default_smoothers

__all__ = [
    "CorrectedSmoother",
    "ResidualCorrector",
    "default_smoothers",
]
