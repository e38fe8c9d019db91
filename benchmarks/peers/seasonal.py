"""statsmodels: STL of every node's series, of which what is not seasonal is interpolated.

STL takes no gaps: they are filled before by means of seasons plus what is left, interpolated.
"""

import numpy as np
import pandas as pd
from _wide import main
from statsmodels.tsa.seasonal import STL


def fill(table):
    period = int(table.season.max()) + 1
    # Its smooth parts need not be computed at each of thousands of steps in a period.
    jump = 1 + period // 50
    filled = np.empty(table.known.shape)
    for node, values in enumerate(table.known.T):
        series = pd.Series(values)
        means = series.groupby(table.season).transform("mean").fillna(series.mean())
        first = means + interpolated(series - means)
        seasonal = STL(first, period=period, trend_jump=jump, low_pass_jump=jump).fit().seasonal
        filled[:, node] = seasonal + interpolated(series - seasonal)
    return filled


def interpolated(series):
    return series.interpolate("linear", limit_direction="both")


if __name__ == "__main__":
    main(fill)
