"""Normal deviations: draws that vary together, and how large they are by rows held out."""

import numpy as np
from numpy.typing import NDArray

# Their covariance is factored: minutes beyond.
_MOST_DRAWN = 5_000
# Tenfold jitters that are tried.
_TRIES = 10
# Share of rows within ``mean +- 1.645 std``.
_SHARE, _WIDTH = 0.9, 1.645


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


def deviation_factor(
    residuals: NDArray[np.float64],
    variances: NDArray[np.float64],
    counts: NDArray[np.float64],
    noise: float = 0.0,
) -> float:
    """Return by which deviations of rows held out are larger than was said of them.

    Times this factor, ``mean +- 1.645 std`` holds for 90% of further rows, as far as these tell:
    fewer than nine cannot, and it is 1 at least.

    Parameters
    ----------
    residuals : ndarray of shape (n_rows,)
        Of rows held out; NaN where it is not known.
    variances : ndarray of shape (n_rows,)
        What was said of them; not finite where nothing was.
    counts : ndarray of shape (n_rows,)
        How often each row was seen.
    noise : float
        Variance beside these, which stays as it is.
    """
    seen = np.isfinite(residuals) & np.isfinite(variances)
    if not seen.any():
        return 1.0
    beyond = np.maximum(residuals[seen] ** 2 - _WIDTH**2 * noise, 0)
    ratios = np.sqrt(beyond / np.maximum(variances[seen], np.finfo(float).tiny))
    order = np.argsort(ratios)
    reached = np.cumsum(counts[seen][order])
    # One more that may be anything.
    wanted = _SHARE * (reached[-1] + 1)
    if wanted > reached[-1]:
        return max(float(ratios.max()) / _WIDTH, 1.0)
    return float(ratios[order][np.searchsorted(reached, wanted)]) / _WIDTH
