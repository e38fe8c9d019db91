"""Pictures: of signals and embeddings, and of what a training and a search did."""

from skginr.plotting._animation import animate_signal
from skginr.plotting._components_display import ComponentsDisplay
from skginr.plotting._embedding import plot_embedding
from skginr.plotting._html import plot_signal_html
from skginr.plotting._mesh import plot_mesh
from skginr.plotting._record import plot_record
from skginr.plotting._signal import plot_signal
from skginr.plotting._signal_display import SignalDisplay
from skginr.plotting._spectrum import plot_spectrum
from skginr.plotting._training_display import TrainingDisplay

__all__ = [
    "ComponentsDisplay",
    "SignalDisplay",
    "TrainingDisplay",
    "animate_signal",
    "plot_embedding",
    "plot_mesh",
    "plot_record",
    "plot_signal",
    "plot_signal_html",
    "plot_spectrum",
]
