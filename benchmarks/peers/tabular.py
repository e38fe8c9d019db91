"""TabICL: a pretrained model of tables, given smoothers' columns, positions, covariates and degree.

TABICL_WEIGHTS names the file of its weights, without which it is left out.
"""

import os

import numpy as np
from _peer import main
from tabicl import TabICLRegressor


def fit(task):
    degree = np.bincount(task.edges[0], minlength=task.n_nodes)[task.nodes]
    columns = [degree[:, None], task.covariates, task.positions, task.smoothed]
    columns = np.hstack([part for part in columns if part is not None])
    model = TabICLRegressor(model_path=os.environ["TABICL_WEIGHTS"], random_state=0, n_jobs=1)
    model.fit(columns[task.train], task.y)
    return lambda: (model.predict(columns[task.test]), None)


if __name__ == "__main__":
    main(fit)
