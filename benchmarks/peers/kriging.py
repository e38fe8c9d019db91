"""gstlearn: kriging on positions, model fitted to the variogram; linear in covariates."""

import gstlearn
import numpy as np
from _peer import main, scaled

LAGS = 20
# Neighbours that a prediction sees where rows are many.
NEIGHBOURS = 64
FEW = 500


def fit(task):
    task.need("positions")
    places = task.positions / task.positions[task.train].std()
    n_axes = places.shape[1]
    gstlearn.defineDefaultSpace(gstlearn.ESpaceType.RN, n_axes)
    columns = scaled(task.covariates, task.train)
    design = np.column_stack([np.ones(len(columns)), columns])
    slopes = np.linalg.lstsq(design[task.train], task.y, rcond=None)[0]
    rest = task.y - design[task.train] @ slopes
    axes = [f"x{i + 1}" for i in range(n_axes)]

    def table(rows, values=None):
        db = gstlearn.Db()
        for name, axis in zip(axes, places[rows].T, strict=True):
            db[name] = np.ascontiguousarray(axis)
        db.setLocators(axes, gstlearn.ELoc.X)
        if values is not None:
            db["y"] = values
            db.setLocators(["y"], gstlearn.ELoc.Z)
        return db

    known = table(task.train, rest)
    reach = 0.5 * np.linalg.norm(np.ptp(places[task.train], axis=0))
    directions = gstlearn.VarioParam.createOmniDirection(LAGS, reach / LAGS)
    variogram = gstlearn.Vario.computeFromDb(directions, known)
    model = gstlearn.Model()
    kinds = [gstlearn.ECov.NUGGET, gstlearn.ECov.EXPONENTIAL, gstlearn.ECov.MATERN]
    model.fit(variogram, kinds)
    model.setDriftIRF(0)
    if len(task.train) <= FEW:
        neighbourhood = gstlearn.NeighUnique.create()
    else:
        neighbourhood = gstlearn.NeighMoving.create(False, NEIGHBOURS, 1e30)

    def predict():
        asked = table(task.test)
        gstlearn.kriging(known, asked, model, neighbourhood)
        return asked["*estim"].ravel() + design[task.test] @ slopes, asked["*stdev"]

    return predict


if __name__ == "__main__":
    main(fit)
