"""GPBoost: effects of nodes, of nodes by season and of times, then a process in space and time.

In two steps, since of a Vecchia process and grouped effects at once there is only a latent kind.
Linear terms are place and two harmonics, and their products. The process's parameters are sought
from those of a stretch of times with few rows.
"""

import gpboost
import numpy as np
from _peer import scaled
from _wide import main

# Rows of that stretch.
ROWS = 8000


def fill(table):
    seen = np.isfinite(table.known)
    y = table.known[seen].astype(float)
    linear, groups, places = columns_of(table)
    asked = table.held
    effects = gpboost.GPModel(
        group_data=groups(seen), likelihood="gaussian", num_parallel_threads=1
    )
    effects.fit(y=y, X=linear(seen))

    def usual(mask, **given):
        return effects.predict(group_data_pred=groups(mask), X_pred=linear(mask), **given)

    left = y - usual(seen)["mu"]
    found = usual(asked, predict_var=True, predict_response=False)
    process = in_space_and_time(left, places(seen)).predict(
        y=left, gp_coords_pred=places(asked), predict_var=True, predict_response=True
    )
    mean, std = np.full((2, *seen.shape), np.nan)
    mean[asked] = found["mu"] + process["mu"]
    std[asked] = np.sqrt(found["var"] + process["var"])
    return mean, std


def in_space_and_time(y, coordinates):
    """Return a process of all rows, after one of the middle times."""
    middle = np.median(coordinates[:, 0])
    near = np.argsort(np.abs(coordinates[:, 0] - middle), kind="stable")[:ROWS]
    part = process_of(coordinates[near])
    part.fit(y=y[near])
    whole = process_of(coordinates)
    whole.set_optim_params({"init_cov_pars": np.ravel(part.get_cov_pars())})
    whole.fit(y=y)
    return whole


def process_of(coordinates):
    return gpboost.GPModel(
        gp_coords=coordinates,
        cov_function="matern_space_time",
        cov_fct_shape=0.5,
        gp_approx="vecchia",
        likelihood="gaussian",
        num_parallel_threads=1,
    )


def columns_of(table):
    """Return functions of a mask: linear columns, groups, and time before place."""
    n_times, n_nodes = table.known.shape
    n_seasons = int(table.season.max()) + 1
    angle = 2 * np.pi * table.season[:, None] / n_seasons * [1, 2]
    waves = np.hstack([np.ones((n_times, 1)), np.cos(angle), np.sin(angle)])
    places = scaled(table.places, np.arange(n_nodes))
    with_one = np.hstack([np.ones((n_nodes, 1)), places])

    def linear(mask):
        time, node = np.nonzero(mask)
        return (waves[time][:, :, None] * with_one[node][:, None, :]).reshape(len(time), -1)

    def groups(mask):
        time, node = np.nonzero(mask)
        return np.column_stack([node, n_seasons * node + table.season[time], time])

    def coordinates(mask):
        time, node = np.nonzero(mask)
        return np.column_stack([time, places[node]])

    return linear, groups, coordinates


if __name__ == "__main__":
    main(fill)
