"""How much wider intervals have to be, by rows held out."""

import numpy as np
from numpy.typing import NDArray

# Share of rows within ``mean +- 1.645 std``.
_SHARE, _WIDTH = 0.9, 1.645


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
