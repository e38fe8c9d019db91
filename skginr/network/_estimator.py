"""What estimators that train the same network share: hyper-parameters, fitting, going on."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import unchanged_on_error, warn_once
from skginr.network._devices import plain_torch, resolve_device
from skginr.network._fitting import Fitter, Outcome, solve_or_descend
from skginr.network._inputs import Inputs, check_ratio, check_weight
from skginr.network._model import Model
from skginr.network._parameters import descent_instead, resolve
from skginr.network._settings import Settings
from skginr.network._targets import Target
from skginr.network.training import Loss, Net, TensorTable


class SIRENEstimator(BaseEstimator):
    """A sine network on coordinates; what becomes of y is a subclass's to say."""

    _loss: ClassVar[type[Loss]]
    #: What is predicted where X says nothing.
    _guess: ClassVar[str]

    def __init__(
        self,
        preset: str = "predict",
        *,
        hidden_units: int | None = None,
        n_layers: int | None = None,
        activation: str | None = None,
        omega_0: float | None = None,
        first_gain: float | str | None = None,
        hidden_gain: float | None = None,
        zero_output: bool | None = None,
        skip: bool | None = None,
        input_scaling: str | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        betas: tuple[float, float] | None = None,
        schedule: str | None = None,
        batch_size: int | str | None = None,
        sampling: str | None = None,
        max_epochs: int | str | None = None,
        patience: int | str | None = None,
        target_score: float | str | None = None,
        max_time: float | str | None = None,
        validation: float | str | None = None,
        latent_dim: int | None = None,
        dtype: str = "float32",
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        callbacks: list[Any] | None = None,
        net_params: dict[str, Any] | None = None,
    ) -> None:
        self.preset = preset
        self.hidden_units = hidden_units
        self.n_layers = n_layers
        self.activation = activation
        self.omega_0 = omega_0
        self.first_gain = first_gain
        self.hidden_gain = hidden_gain
        self.zero_output = zero_output
        self.skip = skip
        self.input_scaling = input_scaling
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.betas = betas
        self.schedule = schedule
        self.batch_size = batch_size
        self.sampling = sampling
        self.max_epochs = max_epochs
        self.patience = patience
        self.target_score = target_score
        self.max_time = max_time
        self.validation = validation
        self.latent_dim = latent_dim
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.net_params = net_params

    @unchanged_on_error
    def fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Coordinates.
        y : array-like of shape (n_rows,), or of a signal (n_rows, n_outputs)
            What is to be learned, known in every row: a row where it is not is left out of the
            table.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row in the loss and in the scale of the target, non-negative;
            2 counts as the row twice, 0 as not at all: exactly with ``batch_size="all"``,
            on average otherwise, since batches are made by row.

        Returns
        -------
        self
        """
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        with plain_torch():
            settings, model, table = self._prepare(X, y, sample_weight, goes_on=goes_on)
            descent = None if goes_on else descent_instead(settings, vars(self))
            if descent is None:
                outcome = self._fitter.fit(model, settings, table)
            else:
                outcome = solve_or_descend(self._fitter, model, settings, descent, table)
        self._weighed = sample_weight is not None
        return self._keep(outcome)

    def add_signals(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Return a copy that knows more signals: their codes are trained, the layers are kept.

        For ``latent_dim`` only. Codes start from the mean of those that are known.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`, of signals that were not in it.

        Returns
        -------
        SIRENRegressor or SIRENClassifier
            As this is. Its ``stop_reason_`` is that of the codes, its ``history_`` still that of
            the layers.
        """
        check_is_fitted(self)
        known = self._model
        if known.signals is None:
            raise ValueError(
                "add_signals needs a model that was fitted with latent_dim; this one has no codes."
            )
        settings = self._settings()
        X, y, weight, once = self._check_rows(X, y, sample_weight, settings, reset=False)
        known.target.check(y)
        signals = np.unique(X.last)
        repeated = np.intersect1d(signals, known.signals)
        if len(repeated):
            raise ValueError(
                f"X's last column must name new signals only; {repeated[0]:g} is known. Give it "
                f"another number."
            )
        start = np.tile(known.codes.mean(axis=0), (len(signals), 1))
        new = known.of_signals(signals, start)
        new.net.module_.layers.requires_grad_(False)
        outcome = self._fitter.fit(new, settings, new.table(X, y, weight, once))
        signals = np.concatenate([known.signals, new.signals])
        order = np.argsort(signals)
        extended = copy.deepcopy(self)
        extended._model = known.of_signals(
            signals[order], np.concatenate([known.codes, new.codes])[order]
        )
        extended.stop_reason_ = outcome.reason
        return extended

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, **target: Any) -> Self:
        """Train for one epoch; ``target`` is for the first call to make its target of."""
        goes_on = self.__sklearn_is_fitted__()
        with plain_torch():
            settings, model, table = self._prepare(X, y, sample_weight, goes_on=goes_on, **target)
            return self._keep(self._fitter.fit_one_epoch(model, settings, table))

    @property
    def net_(self) -> Net:
        """The trained network of skorch."""
        check_is_fitted(self)
        return self._model.net

    @property
    def history_(self) -> pd.DataFrame:
        """One row per epoch of training."""
        history = pd.DataFrame.from_records(self.net_.history, exclude=["batches"])
        # Marks that skorch keeps for its own table.
        return history.loc[:, ~history.columns.str.endswith(("_best", "_batch_count"))]

    @property
    def held_out_score_(self) -> float:
        """R² or accuracy at rows that were held out when the last layer was solved for."""
        check_is_fitted(self)
        solution = self._model.solution
        if solution is None or not solution.holds:
            raise AttributeError(
                "a model has held_out_score_ if preset 'predict' fitted it, until partial_fit or "
                "warm_start trains it further."
            )
        return solution.held_out_score

    @property
    def codes_(self) -> pd.DataFrame:
        """The code of each signal, by its number in X's last column."""
        check_is_fitted(self)
        if self._model.signals is None:
            raise AttributeError("a model has codes_ if it was fitted with latent_dim.")
        return pd.DataFrame(self._model.codes, index=pd.Index(self._model.signals, name="signal"))

    @property
    def n_epochs_(self) -> int:
        """Epochs trained in all."""
        return len(self.net_.history)

    def _settings(self, *, goes_on: bool = False) -> Settings:
        """Return the preset with the given hyper-parameters in place, all checked."""
        # What was trained in place of a last layer that is solved for goes on as it was trained.
        by_descent = goes_on and self.preset == "predict"
        preset = self._model.preset if by_descent else self.preset
        return resolve(preset, vars(self), owner=type(self).__name__, loss=self._loss)

    @property
    def _fitter(self) -> Fitter:
        accelerator = (self.net_params or {}).get("accelerator")
        return Fitter(self.callbacks or [], accelerator, shows_progress=self.verbose == 1)

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, *, goes_on: bool, **target: Any
    ) -> tuple[Settings, Model, TensorTable]:
        """Check everything, and return what a training needs; the estimator stays as it is."""
        settings = self._settings(goes_on=goes_on)
        X, y, weight, once = self._check_rows(X, y, sample_weight, settings, reset=not goes_on)
        if goes_on:
            model = self._model
            model.target.check(y)
            model.check_same(
                settings,
                latent_dim=self.latent_dim,
                dtype=self.dtype,
                net_params=self._net_params,
            )
            return settings, model, model.table(X, y, weight, once)
        model = self._new_model(X, self._target(y, weight, **target), settings)
        table = model.table(X, y, weight, once)
        model.adapt_to(table, settings)
        return settings, model, table

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any, settings: Settings, *, reset: bool
    ) -> tuple[Inputs, NDArray, NDArray | None, float]:
        """Return X, y, weights of mean 1 or None, and the weight that a row seen once then has.

        Without the rows of weight zero.
        """
        X, y = self._check_data(X, y, reset=reset)
        if sample_weight is None:
            return X, y, None, 1.0
        if "criterion" in (self.net_params or {}):
            raise ValueError(
                f"weights of rows need {self._loss.name}, but net_params names another criterion. "
                f"Give one of the two."
            )
        used, weight, seen_once = check_weight(sample_weight, X)
        if settings.solves:
            check_ratio(weight)
        return X.select(used), y[used], weight, seen_once

    def _target(self, y: NDArray, weight: NDArray | None) -> Target:
        """Return what becomes of y."""
        raise NotImplementedError

    def _check_data(self, X: Any, y: Any, *, reset: bool) -> tuple[Inputs, NDArray]:
        """Return X and y, or raise where they cannot be learned from."""
        raise NotImplementedError

    def _new_model(self, X: Inputs, target: Target, settings: Settings) -> Model:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Model.build(
            X.shape[1],
            target,
            settings,
            signals=self._signals(X),
            latent_dim=self.latent_dim,
            device=resolve_device(self.device, self.dtype),
            verbose=int(self.verbose > 1),
            seed=seed,
            dtype=self.dtype,
            net_params=self._net_params,
            preset=self.preset,
        )

    @property
    def _net_params(self) -> dict[str, Any]:
        """What the network is made with: not who trains it."""
        given = self.net_params or {}
        return {name: value for name, value in given.items() if name != "accelerator"}

    def _signals(self, X: Inputs) -> NDArray | None:
        """Return the numbers of the signals, in order, or None where X does not name any."""
        if self.latent_dim is None:
            return None
        if X.shape[1] < 2:
            raise ValueError(
                f"X must have coordinates and, last, the number of the signal with "
                f"latent_dim={self.latent_dim}; got {X.shape[1]} column."
            )
        return np.unique(X.last)

    def _keep(self, outcome: Outcome) -> Self:
        """Make a fitted model this estimator's, at the very end: a failed fit keeps the last."""
        self._model = outcome.model
        self.settings_ = outcome.settings.shown()
        self.stop_reason_ = outcome.reason
        return self

    def _warn_if_nothing_learned(self) -> None:
        solution = self._model.solution
        if solution is not None and solution.holds and not solution.learned:
            warn_once(
                "nothing learned",
                f"{type(self).__name__} has found nothing in X to predict y by: rows that were "
                f"held out are predicted no better than by {self._guess}, which is about what "
                f"predict returns. See held_out_score_; give more rows, other columns, or another "
                f"graph.",
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")
