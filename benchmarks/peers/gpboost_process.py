"""GPBoost: Gaussian process on positions, covariates linear; Vecchia's approximation when large."""

import gpboost
import numpy as np
from _peer import main, scaled

# An exact process is in reach up to there.
EXACT = 1000


def process(coordinates, **given):
    approximation = "vecchia" if len(coordinates) > EXACT else "none"
    return gpboost.GPModel(
        gp_coords=coordinates,
        cov_function="matern",
        cov_fct_shape=1.5,
        gp_approx=approximation,
        likelihood="gaussian",
        num_parallel_threads=1,
        **given,
    )


def fit(task):
    task.need("positions")
    rows = scaled(task.covariates, task.train)
    linear = np.column_stack([np.ones(len(rows)), rows])
    model = process(task.positions[task.train])
    model.fit(y=task.y, X=linear[task.train])

    def predict():
        found = model.predict(
            gp_coords_pred=task.positions[task.test],
            X_pred=linear[task.test],
            predict_var=True,
            predict_response=True,
        )
        return found["mu"], np.sqrt(found["var"])

    return predict


if __name__ == "__main__":
    main(fit)
