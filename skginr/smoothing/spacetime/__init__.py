"""Fields in space and time: their covariance, its strengths, and systems of observations."""

from skginr.smoothing.spacetime._blocks import Table, draw_blocks
from skginr.smoothing.spacetime._criterion import Block, choose_strengths
from skginr.smoothing.spacetime._fit import FieldFit, Rows
from skginr.smoothing.spacetime._space import Waves
from skginr.smoothing.spacetime._strengths import FieldModel, Strengths
from skginr.smoothing.spacetime._time import TimeGrid, grid_of, seasons_of

__all__ = [
    "Block",
    "FieldFit",
    "FieldModel",
    "Rows",
    "Strengths",
    "Table",
    "TimeGrid",
    "Waves",
    "choose_strengths",
    "draw_blocks",
    "grid_of",
    "seasons_of",
]
