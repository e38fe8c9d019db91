"""mgwr: geographically weighted regression, bandwidth by AICc."""

import numpy as np
from _peer import main, scaled
from mgwr.gwr import GWR
from mgwr.sel_bw import Sel_BW


def fit(task):
    task.need("positions")
    task.need("covariates")
    columns, places = scaled(task.covariates, task.train), task.positions
    y, known = task.y[:, None], list(map(tuple, places[task.train]))
    # Fewer neighbours than this cannot carry as many slopes.
    least = 2 * columns.shape[1] + 4
    found = Sel_BW(known, y, columns[task.train], n_jobs=1).search(bw_min=least, criterion="AICc")
    model = GWR(known, y, columns[task.train], found, n_jobs=1)
    fitted = model.fit()

    def predict():
        answer = model.predict(
            places[task.test], columns[task.test], fitted.scale, fitted.resid_response
        )
        return answer.predictions, np.full(len(task.test), np.sqrt(fitted.scale))

    return predict


if __name__ == "__main__":
    main(fit)
