"""GPBoost: Poisson counts with a Gaussian process on positions, covariates linear, by Laplace.

    python peers/gpboost_counts.py TASK.npz OUT.npz [TASK.npz OUT.npz ...]

Writes the mean and variance of the logarithm of the rate in test rows.
"""

import sys

import gpboost
import numpy as np
from _peer import scaled

# An exact process is in reach up to there.
EXACT = 1000


def fit(task):
    train, test = task["train"], task["test"]
    rows = scaled(task["covariates"], train)
    linear = np.column_stack([np.ones(len(rows)), rows])
    places, offset = scaled(task["positions"], train), np.log(task["exposures"])
    model = gpboost.GPModel(
        gp_coords=places[train],
        cov_function="matern",
        cov_fct_shape=1.5,
        gp_approx="vecchia" if len(train) > EXACT else "none",
        likelihood="poisson",
        num_parallel_threads=1,
    )
    model.fit(y=task["counts"], X=linear[train], offset=offset[train])
    found = model.predict(
        gp_coords_pred=places[test],
        X_pred=linear[test],
        predict_var=True,
        predict_response=False,
    )
    return {"mean": found["mu"], "variance": found["var"]}


if __name__ == "__main__":
    for source, target in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        with np.load(source) as kept:
            np.savez(target, **fit(dict(kept)))
