"""The smallest eigenpairs of a Laplacian: solved fast, completely, once, and shared."""

from skginr.spectral.eigen._basis import Basis, Keep, equal_to_next, fix_sign
from skginr.spectral.eigen._cache import (
    bases_of,
    clear_cache,
    folder_of,
    n_solves,
    read_basis,
    remember_basis,
    shared_basis,
)
from skginr.spectral.eigen._connected import LEAST_TOL
from skginr.spectral.eigen._given import (
    Eigenproblem,
    GivenError,
    basis_of_given,
    eigenproblem,
    misfit,
)
from skginr.spectral.eigen._solve import check_solver, solve
from skginr.spectral.eigen._verify import doubt_of

__all__ = [
    "LEAST_TOL",
    "Basis",
    "Eigenproblem",
    "GivenError",
    "Keep",
    "bases_of",
    "basis_of_given",
    "check_solver",
    "clear_cache",
    "doubt_of",
    "eigenproblem",
    "equal_to_next",
    "fix_sign",
    "folder_of",
    "misfit",
    "n_solves",
    "read_basis",
    "remember_basis",
    "shared_basis",
    "solve",
]
