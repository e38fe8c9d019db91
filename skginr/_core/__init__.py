"""What every room stands on: checks, warnings, progress, files, linear algebra."""

from skginr._core._checks import (
    as_number,
    check_count,
    check_flag,
    check_frame,
    check_no_words,
    check_numeric,
    check_option,
    check_points,
    check_real,
    check_verbose,
    check_with_noise,
    is_geometry,
    require,
    told_apart,
    unchanged_on_error,
)
from skginr._core._draws import check_drawn, deviation_factor, drawn
from skginr._core._indexed import IndexedArray, IndexedDtype
from skginr._core._interrupts import Watch, held_back, watched
from skginr._core._linalg import (
    count_eigenvalues_below,
    deflate,
    eigh_subset,
    factor_positive_definite,
    graded_eigenvectors,
    one_blas_thread,
    positive_definite_solver,
    solve_refined,
    subtract_product,
    with_short_indices,
)
from skginr._core._memory import available_bytes, check_fits
from skginr._core._multigrid import Multigrid, has_multigrid
from skginr._core._progress import QUIET, Progress, open_progress
from skginr._core._signals import SignalsMixin, check_known, check_signals, check_weights
from skginr._core._splits import Splits, check_splits, splits_of_rows, within
from skginr._core._times import TimeScale, are_datetimes
from skginr._core._warnings import are_held_out, held_out, saying_all_once, warn, warn_once
from skginr._core._writing import open_own, own_version, whole_file, write_whole

__all__ = [
    "QUIET",
    "IndexedArray",
    "IndexedDtype",
    "Multigrid",
    "Progress",
    "SignalsMixin",
    "Splits",
    "TimeScale",
    "Watch",
    "are_datetimes",
    "are_held_out",
    "as_number",
    "available_bytes",
    "check_count",
    "check_drawn",
    "check_fits",
    "check_flag",
    "check_frame",
    "check_known",
    "check_no_words",
    "check_numeric",
    "check_option",
    "check_points",
    "check_real",
    "check_signals",
    "check_splits",
    "check_verbose",
    "check_weights",
    "check_with_noise",
    "count_eigenvalues_below",
    "deflate",
    "deviation_factor",
    "drawn",
    "eigh_subset",
    "factor_positive_definite",
    "graded_eigenvectors",
    "has_multigrid",
    "held_back",
    "held_out",
    "is_geometry",
    "one_blas_thread",
    "open_own",
    "open_progress",
    "own_version",
    "positive_definite_solver",
    "require",
    "saying_all_once",
    "solve_refined",
    "splits_of_rows",
    "subtract_product",
    "told_apart",
    "unchanged_on_error",
    "warn",
    "warn_once",
    "watched",
    "whole_file",
    "with_short_indices",
    "within",
    "write_whole",
]
