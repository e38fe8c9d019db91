"""A network's last layer, solved for in closed form."""

from skginr.network.solving._last_layer import (
    Solution,
    judge,
    posterior_of_trained,
    solve_last_layer,
)
from skginr.network.solving._moments import moments_of
from skginr.network.solving._posterior import Posterior

__all__ = [
    "Posterior",
    "Solution",
    "judge",
    "moments_of",
    "posterior_of_trained",
    "solve_last_layer",
]
