"""GPBoost: boosted trees of covariates plus a Gaussian process on positions."""

import gpboost
import numpy as np
from _peer import main
from gpboost_process import process

PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.1,
    "max_depth": 3,
    "min_data_in_leaf": 5,
    "num_threads": 1,
    "verbose": -1,
}
MOST_TREES = 100
# Of the inner folds: each trains a process for every tree.
FOLDS = 2


def fit(task):
    task.need("covariates")
    task.need("positions")
    columns, places = task.covariates[task.train], task.positions[task.train]
    model = process(places)
    found = gpboost.cv(
        PARAMETERS,
        gpboost.Dataset(columns, task.y),
        gp_model=model,
        num_boost_round=MOST_TREES,
        early_stopping_rounds=10,
        folds=list(task.splits())[:FOLDS],
        use_gp_model_for_validation=True,
        metric="mse",
    )
    n_trees = max(1, len(next(iter(found.values()))))
    model = process(places)
    booster = gpboost.train(
        PARAMETERS, gpboost.Dataset(columns, task.y), gp_model=model, num_boost_round=n_trees
    )

    def predict():
        found = booster.predict(
            data=task.covariates[task.test],
            gp_coords_pred=task.positions[task.test],
            predict_var=True,
            pred_latent=False,
        )
        return found["response_mean"], np.sqrt(found["response_var"])

    return predict


if __name__ == "__main__":
    main(fit)
