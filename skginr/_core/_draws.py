"""Draws of values that vary together."""

import numpy as np
from numpy.typing import NDArray

# Their covariance is factored: minutes beyond.
_MOST_DRAWN = 5_000
# Tenfold jitters that are tried.
_TRIES = 10


def check_drawn(n_rows: int) -> None:
    """Raise ``ValueError`` if so many distinct rows are too many to be drawn together."""
    if n_rows > _MOST_DRAWN:
        raise ValueError(
            f"X has {n_rows} distinct rows; at most {_MOST_DRAWN} can be drawn together. Draw "
            f"fewer: of separate parts of X, draws do not belong together."
        )


def drawn(
    covariance: NDArray[np.float64],
    jitter: float,
    n_samples: int,
    random_state: np.random.RandomState,
) -> NDArray[np.float64]:
    """Return normal draws about 0, of shape (n_rows, n_samples).

    ``jitter``, what is rounding beside the covariance, is added to its diagonal: tenfold until it
    can be factored.
    """
    steps = random_state.standard_normal((len(covariance), n_samples))
    for size in jitter * 10.0 ** np.arange(_TRIES):
        try:
            return np.linalg.cholesky(covariance + size * np.eye(len(covariance))) @ steps
        except np.linalg.LinAlgError:
            continue
    raise ValueError("X names rows whose covariance is none, to the precision of numbers.")
