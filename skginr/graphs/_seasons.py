"""SeasonalFeatures: where in the day and the year a time is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from skginr._core import (
    TimeScale,
    are_datetimes,
    check_count,
    check_flag,
    check_no_words,
    unchanged_on_error,
)
from skginr.graphs._nodes import as_table

# Of datetimes, where no periods are given.
_USUAL = ("day", "year")


class SeasonalFeatures(TransformerMixin, BaseEstimator):
    """Make sines and cosines of times: whole waves that fit into each period.

    For networks and linear models. A time becomes its place in the day and in the year, so that
    23:59 is beside 0:00. Every column of X must hold times; in a larger table a
    ``ColumnTransformer`` selects it.

    Parameters
    ----------
    periods : sequence of str, float or timedelta, optional
        Lengths of what repeats: numbers where times are numbers; for datetimes "day", "week",
        "year", what pandas reads, such as "12h" or "3MS", or timedeltas. Default: "day" and "year",
        those that the times of ``fit`` go through at least once, in steps that show them.
    n_harmonics : int, default 3
        Waves per period, at most: one, two, ... of them fit into it. Waves no longer than twice the
        shortest step of the times of ``fit`` are left out, because these times cannot show them.
    trend : bool, default False
        Whether the time itself is a column too, from -1 to 1 over the times of ``fit``.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If a column holds no times, or a period is no length of them.
    ValueError
        If a time is missing, a period too short for the steps of the times, or given twice, or
        none is given and none found.

    See Also
    --------
    SpaceTimeSmoother : Reads times as they are, and needs no such columns.
    SpectralEmbedder : Makes the columns that say where in the graph a row is, to stand beside
        these.
    sklearn.preprocessing.SplineTransformer : With ``extrapolation="periodic"``, bumps instead of
        waves, for what changes quickly at one hour. It takes numbers, such as
        ``table["time"].dt.hour``.

    Notes
    -----
    Datetimes with a time zone count by UTC: no hour is there twice. What people do follows their
    clocks; give it those, without a zone: ``table["time"].dt.tz_localize(None)``.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from skginr import SeasonalFeatures
    >>> hours = pd.date_range("2024-06-01", periods=72, freq="h")
    >>> table = pd.DataFrame({"sensor": "a", "hour": hours})
    >>> SeasonalFeatures(n_harmonics=1).set_output(transform="pandas").fit_transform(
    ...     table[["hour"]]
    ... ).iloc[[0, 6, 12]].round(3)
        hour_day_sin1  hour_day_cos1
    0             0.0            1.0
    6             1.0            0.0
    12            0.0           -1.0

    Beside other columns of a table, and in place of waves bumps, by scikit-learn:

    >>> import numpy as np
    >>> from sklearn.preprocessing import SplineTransformer
    >>> table["of_day"] = table["hour"].dt.hour
    >>> bumps = SplineTransformer(knots=np.array([[0], [6], [12], [18], [24]]),
    ...                           extrapolation="periodic")
    >>> columns = make_column_transformer((SeasonalFeatures(), ["hour"]), (bumps, ["of_day"]))
    >>> columns.fit_transform(table).shape
    (72, 10)
    """

    def __init__(
        self,
        periods: Sequence[Any] | None = None,
        *,
        n_harmonics: int = 3,
        trend: bool = False,
    ) -> None:
        self.periods = periods
        self.n_harmonics = n_harmonics
        self.trend = trend

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Learn the scale of the times, and which waves their steps can tell.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_columns)
            Times: numbers or datetimes.
        y : ignored

        Returns
        -------
        self
        """
        check_count("n_harmonics", self.n_harmonics, minimum=1)
        check_flag("trend", self.trend)
        self._check_periods()
        # Of each column: its scale, waves, first and last time.
        self._seasons = []
        for name, column in self._columns(X, reset=True):
            scale = TimeScale.of(column, name)
            times = np.unique(scale.numbers(column, name))
            waves = self._waves_of(times, scale, name)
            self._seasons.append((scale, waves, float(times[0]), float(times[-1])))
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return sines and cosines of times.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_columns)

        Returns
        -------
        ndarray of shape (n_rows, n_features_out)
            By column of X: its trend if there is one, then of each period a sine and a cosine for
            every number of waves.
        """
        check_is_fitted(self)
        made = []
        columns = self._columns(X, reset=False)
        for (name, column), season in zip(columns, self._seasons, strict=True):
            scale, waves, first, last = season
            times = scale.numbers(column, name)
            if self.trend:
                made.append((2 * times - first - last) / ((last - first) or 1.0))
            for _, length, n_waves in waves:
                for wave in range(1, n_waves + 1):
                    # A part of one turn: of large angles sines have fewer digits.
                    angles = 2 * np.pi * np.mod(times * (wave / length), 1.0)
                    made += [np.sin(angles), np.cos(angles)]
        return np.column_stack(made)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the output columns, such as "hour_day_sin1".

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of X's columns, where ``fit`` saw none.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names: list[str] = []
        columns = _check_feature_names_in(self, input_features)
        for column, (_, waves, _, _) in zip(columns, self._seasons, strict=True):
            names += [f"{column}_trend"] if self.trend else []
            for period, _, n_waves in waves:
                for wave in range(1, n_waves + 1):
                    names += [f"{column}_{period}_sin{wave}", f"{column}_{period}_cos{wave}"]
        return np.asarray(names, dtype=object)

    def _check_periods(self) -> None:
        if self.periods is None:
            return
        if isinstance(self.periods, str) or not hasattr(self.periods, "__len__"):
            raise TypeError(f"periods must be a sequence, such as ['day']; got {self.periods!r}.")
        words = [str(period) for period in self.periods]
        if len(set(words)) < len(words) or not words:
            raise ValueError(
                f"periods must be at least one, and none twice; got {list(self.periods)!r}."
            )

    def _waves_of(
        self, times: NDArray[np.float64], scale: TimeScale, name: str
    ) -> list[tuple[str, float, int]]:
        """Return the word and length of every period, and how many waves to fit into it."""
        step = float(np.diff(times).min()) if len(times) > 1 else 0.0
        unit = "" if scale.origin is None else f" {scale.unit}s"
        waves = []
        for period in _USUAL if self.periods is None else self.periods:
            if self.periods is None and scale.origin is None:
                raise ValueError(
                    f"periods must be given where times are numbers, as {name} are: in their unit."
                )
            length = scale.length(period, "periods")
            n_waves = self.n_harmonics
            if step > 0:
                n_waves = min(n_waves, int(np.ceil(length / (2 * step) - 1e-9)) - 1)
            if self.periods is None and not (n_waves and length <= times[-1] - times[0] + step):
                continue
            if n_waves < 1:
                raise ValueError(
                    f"periods must be longer than two steps of the times; {period!r} is "
                    f"{length:g}{unit}, and the shortest step of {name} {step:g}{unit}. Leave it "
                    f"out."
                )
            waves.append((str(period), length, n_waves))
        if not waves:
            raise ValueError(
                f"periods must be given: the times of {name} go through no whole "
                f"{' or '.join(_USUAL)} in steps that show it."
            )
        return waves

    def _columns(self, X: Any, *, reset: bool) -> list[tuple[str, pd.Series]]:
        """Return the columns of X and what to call them, and keep the estimator's book."""
        if isinstance(X, pd.Series | pd.Index):
            raise ValueError(
                f"X must be a table of times; got {type(X).__name__}. Use double brackets, "
                f"table[['time']] (in a ColumnTransformer a list, ['time'])."
            )
        array = np.asarray(X) if isinstance(X, np.ndarray | list | tuple) else None
        of_times = array is not None and array.ndim == 2 and array.dtype.kind in "MO"
        if of_times:
            frame = pd.DataFrame(array)
            of_times = any(are_datetimes(frame[i]) for i in frame)
        if of_times or hasattr(X, "columns") or hasattr(X, "to_pandas"):
            frame = as_table(X)
            validate_data(self, X, reset=reset, skip_check_array=True)
            if 0 in frame.shape:
                raise ValueError(f"X must have rows and columns; got shape {frame.shape}.")
        else:
            check_no_words("X", X)
            frame = pd.DataFrame(validate_data(self, X, dtype=np.float64, reset=reset))
        named = hasattr(X, "columns")
        return [
            (f"X[{frame.columns[i]!r}]" if named else "X", frame.iloc[:, i])
            for i in range(frame.shape[1])
        ]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
