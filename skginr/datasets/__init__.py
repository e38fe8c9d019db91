"""Real signals on real graphs: shipped in a package (``load_*``) or on disk (``fetch_*``)."""

from skginr.datasets._us_counties import fetch_us_election, load_us_unemployment

__all__ = ["fetch_us_election", "load_us_unemployment"]
