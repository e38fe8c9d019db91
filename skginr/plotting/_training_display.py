"""How a training went."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skginr.plotting._axes import axes_of
from skginr.plotting._models import network_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What is drawn of a history: its name, and how.
_LOSSES: dict[str, tuple[str, dict[str, Any]]] = {
    "train_loss": ("rows trained on", {"color": "C0", "linewidth": 1.0}),
    "valid_loss": ("rows held out", {"color": "C1", "linewidth": 1.0}),
    "average_loss": ("averaged weights", {"color": "C3", "marker": "o", "markersize": 3.5}),
}
# Rates below this share of the largest are off the picture: a cosine ends at nothing.
_LEAST_RATE = 1e-3


class TrainingDisplay:
    """The loss and the learning rate of a training by epoch, and why it ended.

    Made by :meth:`from_estimator`.

    Parameters
    ----------
    history : pandas.DataFrame
        The ``history_`` of a network.
    stop_reason : str
        Its ``stop_reason_``.

    Attributes
    ----------
    axes_ : ndarray of two matplotlib Axes
        Loss and learning rate.
    figure_ : matplotlib Figure

    Raises
    ------
    TypeError
        If the model does not end in a network.
    ValueError
        If its last layer was solved for, so that there was no training.
    NotFittedError
        If it is not fitted.
    ModuleNotFoundError
        If matplotlib is not installed (extra ``plot``).

    See Also
    --------
    skginr.SIRENRegressor : Its ``history_`` is what is drawn; presets other than "predict" have a
        training.
    ComponentsDisplay : Held-out scores of a search over the number of components.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import SIRENRegressor
    >>> from skginr.plotting import TrainingDisplay
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> network = SIRENRegressor("train", max_epochs=20, random_state=0)
    >>> network.fit(X, np.sin(4 * X[:, 0]))
    SIRENRegressor(max_epochs=20, preset='train', random_state=0)
    >>> display = TrainingDisplay.from_estimator(network)
    >>> display.axes_[0].get_title()
    'reached max_epochs=20'
    """

    def __init__(self, history: pd.DataFrame, stop_reason: str) -> None:
        if "lr" not in history:
            raise ValueError(
                f"TrainingDisplay draws a training, and there was none: {stop_reason}. See "
                f"held_out_score_, or fit SIRENRegressor('train')."
            )
        # A model that was solved for, and goes on by partial_fit, has no rate before that.
        self.history = history[history["lr"].notna()]
        self.stop_reason = stop_reason

    @classmethod
    def from_estimator(cls, model: Any, *, ax: Sequence[Axes] | None = None) -> Self:
        """Draw the training of a fitted network.

        Parameters
        ----------
        model : SIRENRegressor or SIRENClassifier
            Or a Pipeline, search or TransformedTargetRegressor that ends in one.
        ax : two matplotlib Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        TrainingDisplay

        Examples
        --------
        >>> import numpy as np
        >>> from skginr import SIRENRegressor
        >>> from skginr.plotting import TrainingDisplay
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> network = SIRENRegressor("train", max_epochs=5, random_state=0).fit(X, X[:, 0])
        >>> TrainingDisplay.from_estimator(network).axes_.shape
        (2,)
        """
        network = network_of(model)
        return cls(network.history_, network.stop_reason_).plot(ax=ax)

    def plot(self, *, ax: Sequence[Axes] | None = None) -> Self:
        """Draw again, on other axes.

        Parameters
        ----------
        ax : two matplotlib Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        TrainingDisplay
            This one.
        """
        shape = {"figsize": (7, 5), "sharex": True, "height_ratios": (3, 1)}
        loss, rate = axes_of(ax, 2, purpose="TrainingDisplay", n_columns=1, **shape)
        epochs = np.arange(1, len(self.history) + 1)
        for column, (label, style) in _LOSSES.items():
            if column in self.history:
                # Averaged weights are looked at now and then.
                there = self.history[column].notna().to_numpy()
                values = self.history[column].to_numpy()[there]
                loss.plot(epochs[there], values, label=label, **style)
        loss.set(yscale="log", ylabel="loss")
        loss.set_title(textwrap.fill(self.stop_reason, 70), fontsize="medium")
        loss.legend(frameon=False)
        loss.grid(alpha=0.3)
        lr = self.history["lr"].to_numpy()
        rate.plot(epochs, lr, color="0.3", linewidth=1.0)
        rate.set(xlabel="epoch", ylabel="learning rate")
        if lr.min() < lr.max() / 10:
            rate.set_yscale("log")
            rate.set_ylim(max(lr.min() / 1.5, _LEAST_RATE * lr.max()), 1.5 * lr.max())
        else:
            rate.set_ylim(0, 1.2 * lr.max())
        rate.grid(alpha=0.3)
        self.axes_ = np.array([loss, rate], dtype=object)
        self.figure_ = loss.figure
        return self
