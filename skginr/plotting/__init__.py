"""Pictures: of signals and embeddings, and of what a training and a search did."""

from skginr.plotting._mesh import plot_mesh
from skginr.plotting._signal import plot_signal
from skginr.plotting._spectrum import plot_spectrum

__all__ = ["plot_mesh", "plot_signal", "plot_spectrum"]
