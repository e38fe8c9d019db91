"""The smallest eigenpairs of a Laplacian: solved fast, completely, once, and shared."""

from skginr.eigen._basis import (
    Basis,
    equal_to_next,
    errors_of,
    fix_sign,
    make_canonical,
)
from skginr.eigen._cache import (
    bases_of,
    clear_cache,
    folder_of,
    n_solves,
    read_basis,
    remember_basis,
    shared_basis,
)
from skginr.eigen._connected import LEAST_TOL, SOLVERS
from skginr.eigen._solve import check_solver, solve
from skginr.eigen._verify import doubt_of

__all__ = [
    "LEAST_TOL",
    "SOLVERS",
    "Basis",
    "bases_of",
    "check_solver",
    "clear_cache",
    "doubt_of",
    "equal_to_next",
    "errors_of",
    "fix_sign",
    "folder_of",
    "make_canonical",
    "n_solves",
    "read_basis",
    "remember_basis",
    "shared_basis",
    "solve",
]
