"""Archives of signals: how they are distributed, and what is learned across signals and graphs."""

from skginr.fields._archive_regressor import ArchiveRegressor
from skginr.fields._shared_corrector import SharedCorrector
from skginr.fields._signal_distribution import SignalDistribution
from skginr.fields._signal_generator import SignalGenerator

__all__ = ["ArchiveRegressor", "SharedCorrector", "SignalDistribution", "SignalGenerator"]
