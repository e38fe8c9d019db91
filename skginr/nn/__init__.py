"""Networks, in torch only."""

from skginr.nn._siren import SIREN

__all__ = ["SIREN"]
