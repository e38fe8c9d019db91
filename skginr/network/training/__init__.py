"""The loop that trains a network, and what decides how and for how long."""

from skginr.network.training._batches import TensorBatches, TensorTable
from skginr.network.training._loop import EpochBar, Net, RepairDivergence, StopOnDivergence, train
from skginr.network.training._losses import CrossEntropy, Loss, SquaredLoss
from skginr.network.training._schedules import SCHEDULES, Constant, Schedule, factor_of
from skginr.network.training._stopping import (
    EVALUATION_ROWS,
    NO_LIMIT,
    BestWeights,
    StopRules,
    evaluate,
)
from skginr.network.training._validation import BlockSplit, rows_by_chance

__all__ = [
    "EVALUATION_ROWS",
    "NO_LIMIT",
    "SCHEDULES",
    "BestWeights",
    "BlockSplit",
    "Constant",
    "CrossEntropy",
    "EpochBar",
    "Loss",
    "Net",
    "RepairDivergence",
    "Schedule",
    "SquaredLoss",
    "StopOnDivergence",
    "StopRules",
    "TensorBatches",
    "TensorTable",
    "evaluate",
    "factor_of",
    "rows_by_chance",
    "train",
]
