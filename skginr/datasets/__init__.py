"""Signals on graphs: shipped (``load_*``), on disk (``fetch_*``) or generated (``make_*``)."""

from skginr.datasets._brain import fetch_conte69, load_fsaverage5
from skginr.datasets._bunny import fetch_bunny
from skginr.datasets._proteins import PROTEIN_SURFACES, fetch_protein_surface
from skginr.datasets._reaction_diffusion import make_reaction_diffusion
from skginr.datasets._us_counties import fetch_us_election, load_us_unemployment
from skginr.datasets._weather import (
    fetch_coads,
    fetch_colorado_climate,
    fetch_era5_uk,
    fetch_era_interim,
    fetch_mpi_esm,
    fetch_navy_winds,
)

__all__ = [
    "PROTEIN_SURFACES",
    "fetch_bunny",
    "fetch_coads",
    "fetch_colorado_climate",
    "fetch_conte69",
    "fetch_era5_uk",
    "fetch_era_interim",
    "fetch_mpi_esm",
    "fetch_navy_winds",
    "fetch_protein_surface",
    "fetch_us_election",
    "load_fsaverage5",
    "load_us_unemployment",
    "make_reaction_diffusion",
]
