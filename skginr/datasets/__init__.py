"""Signals on graphs: shipped (``load_*``), on disk (``fetch_*``) or generated (``make_*``)."""

from skginr.datasets._brain import fetch_conte69, fetch_fsaverage5
from skginr.datasets._bunny import fetch_bunny
from skginr.datasets._proteins import PROTEIN_SURFACES, fetch_protein_surface
from skginr.datasets._reaction_diffusion import make_reaction_diffusion
from skginr.datasets._us_counties import fetch_us_election, load_us_unemployment
from skginr.datasets._weather import fetch_era5_uk, fetch_navy_winds

__all__ = [
    "PROTEIN_SURFACES",
    "fetch_bunny",
    "fetch_conte69",
    "fetch_era5_uk",
    "fetch_fsaverage5",
    "fetch_navy_winds",
    "fetch_protein_surface",
    "fetch_us_election",
    "load_us_unemployment",
    "make_reaction_diffusion",
]
