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
    is_geometry,
    require,
    told_apart,
    unchanged_on_error,
)
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
)
from skginr._core._progress import QUIET, Progress, open_progress
from skginr._core._signals import check_known, check_signal
from skginr._core._splits import Splits, check_splits
from skginr._core._warnings import are_held_out, held_out, saying_all_once, warn, warn_once
from skginr._core._writing import open_own, own_version, whole_file, write_whole

__all__ = [
    "QUIET",
    "IndexedArray",
    "IndexedDtype",
    "Progress",
    "Splits",
    "Watch",
    "are_held_out",
    "as_number",
    "check_count",
    "check_flag",
    "check_frame",
    "check_known",
    "check_no_words",
    "check_numeric",
    "check_option",
    "check_points",
    "check_real",
    "check_signal",
    "check_splits",
    "check_verbose",
    "count_eigenvalues_below",
    "deflate",
    "eigh_subset",
    "factor_positive_definite",
    "graded_eigenvectors",
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
    "subtract_product",
    "told_apart",
    "unchanged_on_error",
    "warn",
    "warn_once",
    "watched",
    "whole_file",
    "write_whole",
]
