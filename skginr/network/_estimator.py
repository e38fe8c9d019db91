"""What estimators that train the same network share: hyper-parameters, fitting, going on."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from skorch.callbacks import Callback

from skginr._core import (
    check_count,
    check_flag,
    check_no_words,
    check_option,
    check_real,
    require,
    unchanged_on_error,
    warn_once,
)
from skginr.network._inputs import Columns, last_of, validate_inputs
from skginr.network._model import DTYPES, Model, Target, build_net, plain_torch, resolve_device
from skginr.network._model_state import OWN_PARAMS, OWN_PARTS
from skginr.network._presets import DESCENT_SETTINGS, NETWORK_SETTINGS, NO_LIMIT, PRESETS, Settings
from skginr.network.solving import Solution, judge
from skginr.network.training import (
    SCHEDULES,
    BestWeights,
    Constant,
    EpochBar,
    Loss,
    RepairDivergence,
    Schedule,
    StopOnDivergence,
    StopRules,
    TensorTable,
    factor_of,
    rows_by_chance,
    train,
)

# Rows from which on a training by descent is tried as well, and up to which all have a say in that.
_ENOUGH_TO_DESCEND, _ENOUGH_TO_TELL = 1000, 50_000
# Which share of them is held out, and how many standard errors of the difference the descent has
# to be better by.
_HELD_OUT, _CHANCE = 0.1, 2.0
# Between weights of rows that are solved for.
_LARGEST_RATIO = 1e8


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
        goes_on = self.warm_start and hasattr(self, "net_")
        with plain_torch():
            settings, model, table = self._prepare(X, y, sample_weight, goes_on=goes_on)
            if not goes_on and self._may_descend(settings, table):
                model, settings, n_epochs, reason = self._solve_or_descend(model, settings, table)
            else:
                n_epochs, reason = self._train(model, settings, table)
        worked_out: dict[str, Any] = {"max_epochs": n_epochs if n_epochs < NO_LIMIT else "auto"}
        if model.solution is not None:
            worked_out["first_gain"] = model.solution.first_gain
        self._keep(model, settings, **worked_out)
        self.stop_reason_ = reason
        return self

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
        settings = self._resolve_settings()
        X, y = self._check_data(X, y, reset=False)
        X, y, weight = self._weighted(X, y, self._row_weights(X, y, sample_weight))
        known.target.check(y)
        signals = np.unique(last_of(X))
        repeated = np.intersect1d(signals, known.signals)
        if len(repeated):
            raise ValueError(
                f"X's last column must name new signals only; {repeated[0]:g} is known. Give it "
                f"another number."
            )
        start = np.tile(known.codes.mean(axis=0), (len(signals), 1))
        new = known.of_signals(signals, start)
        new.net.module_.layers.requires_grad_(False)
        _, reason = self._train(new, settings, new.table(X, y, weight))
        signals = np.concatenate([known.signals, new.signals])
        order = np.argsort(signals)
        extended = copy.deepcopy(self)
        extended._model = known.of_signals(
            signals[order], np.concatenate([known.codes, new.codes])[order]
        )
        extended.net_ = extended._model.net
        extended.stop_reason_ = reason
        return extended

    def _may_descend(self, settings: Settings, table: TensorTable) -> bool:
        """Say whether a descent is worth a try beside a last layer that was solved for.

        Of regions one tenth of the rows is too few to tell.
        """
        own = any(getattr(self, name) is not None for name in NETWORK_SETTINGS)
        by_rows = settings.last_layer == "solved" and settings.validation == "off"
        return by_rows and not own and len(table) >= _ENOUGH_TO_DESCEND

    def _solve_or_descend(
        self, solved: Model, settings: Settings, table: TensorTable
    ) -> tuple[Model, Settings, int, str]:
        """Return a model whose last layer was solved for, or one trained if it predicts better.

        In a descent all layers learn, which pays where there are many rows and little noise.
        """
        some, descent = table, self._settings_of("train")
        if len(table) > _ENOUGH_TO_TELL:
            share = _ENOUGH_TO_TELL / len(table)
            some, _ = table.parted(rows_by_chance(table.X, share, salt=1))
        n_epochs, reason = self._train(solved, settings, some)
        found = self._try(solved, descent, some)
        if found is None:
            if some is not table:
                n_epochs, reason = self._train(solved, settings, table)
            return solved, settings, n_epochs, reason
        trained = solved.untrained("train", descent)
        trained.adapt_to(table, descent)
        n_epochs, _ = self._train(trained, descent, table)
        trained.solution, other = found
        scores = f"{trained.solution.held_out_score:.3f}, solved {other:.3f}"
        reason = f"trained as 'train' ({self._loss.score} of rows held out {scores})"
        return trained, descent, n_epochs, reason

    def _try(
        self, solved: Model, descent: Settings, table: TensorTable
    ) -> tuple[Solution, float] | None:
        """Return what rows held out say of a descent on the others, None if it is no better.

        And the score of the layer that was solved for on the same rows.
        """
        held_out = rows_by_chance(table.X, _HELD_OUT)
        held, kept = table.parted(held_out)
        if len(held) == 0 or len(kept) == 0:
            return None
        model = solved.untrained("train", descent)
        model.adapt_to(kept, descent)
        try:
            with warnings.catch_warnings():
                # Of no use to who did not ask for a descent.
                warnings.simplefilter("ignore", ConvergenceWarning)
                self._train(model, descent, kept, callbacks=[])
        except FloatingPointError:
            return None
        assert solved.held_out is not None
        solved_for = solved.held_out.cpu()[torch.from_numpy(held_out)]
        outputs, y = model.outputs(held), held.y.cpu()
        weight = None if held.weight is None else held.weight.cpu()
        if not self._is_better(outputs, solved_for, y, weight):
            return None
        judged = judge(self._loss, outputs, y, weight)
        _, other, _ = judge(self._loss, solved_for, y, weight)
        reach = None if solved.solution is None else solved.solution.reach
        return Solution(float(descent.first_gain), *judged, reach), other

    def _is_better(
        self,
        outputs: torch.Tensor,
        others: torch.Tensor,
        y: torch.Tensor,
        weight: torch.Tensor | None,
    ) -> bool:
        """Say whether outputs are better than others by more than rows differ by chance."""
        gain = self._loss.of_rows(others.double(), y) - self._loss.of_rows(outputs.double(), y)
        if weight is not None:
            gain = gain * weight
        return float(gain.mean()) > _CHANCE * float(gain.std()) / np.sqrt(len(gain))

    def _train(
        self,
        model: Model,
        settings: Settings,
        table: TensorTable,
        callbacks: list[Any] | None = None,
    ) -> tuple[int, str]:
        """Train, and return the most epochs that it was to take and why it ended.

        ``callbacks`` are the user's by default.
        """
        callbacks = (self.callbacks or []) if callbacks is None else callbacks
        model.take_settings(settings)
        steps = model.set_batches(table, settings.batch_size)
        if settings.last_layer == "solved":
            return self._solve(model, settings, table)
        n_epochs = settings.n_epochs(steps)
        average = settings.schedule == "anytime"
        best = BestWeights(_rules(settings), loss=self._loss, average=average)
        schedule = Schedule(factor_of(settings.schedule, n_epochs * steps))
        train(
            model.net,
            table,
            n_epochs=n_epochs,
            learning_rate=settings.learning_rate,
            max_time=best.rules.max_time,
            accelerator=self._accelerator,
            callbacks=[
                *_named(
                    schedule=schedule,
                    divergence=RepairDivergence(best, schedule),
                    progress=EpochBar(n_epochs) if self.verbose == 1 else None,
                ),
                *callbacks,
                # Last, since it may stop the training: the others have seen the epoch.
                ("best", best),
            ],
        )
        stopped = "stopped by a callback" if model.net.stop_requested_ else None
        return n_epochs, best.reason_ or stopped or f"reached max_epochs={n_epochs}"

    def _solve(self, model: Model, settings: Settings, table: TensorTable) -> tuple[int, str]:
        train(
            model.net,
            table,
            n_epochs=1,
            learning_rate=settings.learning_rate,
            accelerator=self._accelerator,
            callbacks=[
                *_named(progress=EpochBar(1) if self.verbose == 1 else None),
                *(self.callbacks or []),
            ],
            solver=partial(model.solve, table, settings),
        )
        assert model.solution is not None
        score = f"{self._loss.score} of rows held out {model.solution.held_out_score:.3f}"
        return 1, f"solved for the last layer ({score})"

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, **target: Any) -> Self:
        """Train for one epoch; ``target`` is for the first call to make its target of."""
        goes_on = hasattr(self, "net_")
        with plain_torch():
            settings, model, table = self._prepare(X, y, sample_weight, goes_on=goes_on, **target)
            # Nothing is chosen after one epoch, so that no row need be held out.
            settings = dataclasses.replace(settings, validation="off")
            model.take_settings(settings)
            model.set_batches(table, settings.batch_size)
            train(
                model.net,
                table,
                n_epochs=1,
                learning_rate=settings.learning_rate,
                accelerator=self._accelerator,
                callbacks=[
                    *_named(schedule=Schedule(Constant()), divergence=StopOnDivergence()),
                    *(self.callbacks or []),
                ],
            )
        if model.solution is not None:
            model.solution = dataclasses.replace(model.solution, holds=False)
        self._keep(model, settings, max_epochs=1, schedule="constant")
        self.stop_reason_ = "partial_fit trains one epoch"
        return self

    @property
    def history_(self) -> pd.DataFrame:
        """One row per epoch of training."""
        check_is_fitted(self)
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
                "a model has held_out_score_ if preset 'predict' fitted it, until partial_fit."
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
        check_is_fitted(self)
        return len(self.net_.history)

    def _settings_of(self, preset: str) -> Settings:
        """Return a preset with the given hyper-parameters in place."""
        given = {
            field.name: value
            for field in dataclasses.fields(Settings)
            if (value := getattr(self, field.name, None)) is not None
        }
        return dataclasses.replace(PRESETS[preset], **given)

    def _resolve_settings(self, *, goes_on: bool = False) -> Settings:
        """Return the preset with the given hyper-parameters in place, checked."""
        check_option("preset", self.preset, PRESETS)
        # What was trained in place of a last layer that is solved for goes on as it was trained.
        by_descent = goes_on and self.preset == "predict"
        settings = self._settings_of(self._model.preset if by_descent else self.preset)
        check_count("hidden_units", settings.hidden_units, minimum=1)
        check_count("n_layers", settings.n_layers, minimum=2)
        check_option("activation", settings.activation, ("sine", "relu"))
        check_real("omega_0", settings.omega_0, minimum=0, strict=True)
        _check_first_gain(settings)
        check_real("hidden_gain", settings.hidden_gain, minimum=0, strict=True)
        check_flag("zero_output", settings.zero_output)
        check_flag("skip", settings.skip)
        check_option("input_scaling", settings.input_scaling, ("unit", "given"))
        check_real("learning_rate", settings.learning_rate, minimum=0, strict=True)
        check_real("weight_decay", settings.weight_decay, minimum=0)
        _check_betas(settings.betas)
        check_option("schedule", settings.schedule, SCHEDULES)
        check_option("sampling", settings.sampling, ("shuffle", "draw"))
        for name, word in (("batch_size", "all"), ("max_epochs", "auto"), ("patience", "off")):
            check_count(name, getattr(settings, name), minimum=1, word=word)
        _check_below_one("target_score", settings.target_score, minimum=-np.inf)
        _check_below_one("validation", settings.validation, minimum=0)
        check_real("max_time", settings.max_time, minimum=0, strict=True, word="off")
        if self.latent_dim is not None:
            check_count("latent_dim", self.latent_dim, minimum=1)
        check_option("dtype", self.dtype, DTYPES)
        check_flag("warm_start", self.warm_start)
        _check_net_params(self.net_params, self.random_state, type(self).__name__)
        if "criterion" in (self.net_params or {}):
            if self.target_score not in (None, "off"):
                raise ValueError(
                    f"target_score={self.target_score} needs {self._loss.name}, but net_params "
                    f"names another criterion. Give one of the two."
                )
            settings = dataclasses.replace(settings, target_score="off")
        if settings.validation != "off" and "train_split" in (self.net_params or {}):
            raise ValueError(
                f"validation={settings.validation} and net_params={{'train_split': ...}} both hold "
                f"rows out. Give one of the two."
            )
        if settings.last_layer == "solved":
            self._check_solvable()
        if self.verbose not in (0, 1, 2):
            raise ValueError(f"verbose must be 0, 1 or 2; got {self.verbose!r}.")
        _check_callbacks(self.callbacks)
        return settings

    def _check_solvable(self) -> None:
        """Refuse what has no meaning where the last layer is solved for."""
        of_descent = [name for name in DESCENT_SETTINGS if getattr(self, name) is not None]
        if self.latent_dim is not None:
            of_descent.append("latent_dim")
        of_descent += {"criterion", "train_split"} & set(self.net_params or {})
        if of_descent:
            raise ValueError(
                f"{of_descent[0]} is for a training by descent, and preset={self.preset!r} solves "
                f"for its last layer. Leave it out, or give {type(self).__name__}('train')."
            )

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, *, goes_on: bool, **target: Any
    ) -> tuple[Settings, Model, TensorTable]:
        """Check everything, and return what a training needs; the estimator stays as it is."""
        settings = self._resolve_settings(goes_on=goes_on)
        X, y = self._check_data(X, y, reset=not goes_on)
        X, y, weight = self._weighted(X, y, self._row_weights(X, y, sample_weight))
        if goes_on:
            self._model.target.check(y)
            model = self._fitted_model(settings)
        else:
            model = self._new_model(X, self._target(y, weight, **target), settings)
        if settings.last_layer == "solved" and weight is not None:
            _check_ratio(weight)
        table = model.table(X, y, weight)
        if not goes_on:
            model.adapt_to(table, settings)
        return settings, model, table

    def _target(self, y: NDArray, weight: NDArray | None) -> Target:
        """Return what becomes of y."""
        raise NotImplementedError

    def _check_data(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray | Columns, NDArray]:
        """Return X and y, or raise where they cannot be learned from."""
        raise NotImplementedError

    def _row_weights(self, X: NDArray | Columns, y: NDArray, sample_weight: Any) -> NDArray | None:
        """Return how much each row counts, in any unit."""
        if sample_weight is None:
            return None
        check_no_words("sample_weight", sample_weight)
        return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

    def _validate(self, X: Any, *, reset: bool, **target: Any) -> Any:
        try:
            return validate_inputs(self, X, reset=reset, dtype=[np.float64, np.float32], **target)
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            raise ValueError(
                f"X and y must hold numbers: {error}. Node labels become numbers in a pipeline: "
                f"make_pipeline(SpectralEmbedder(graph=...), {type(self).__name__}())."
            ) from error

    def _weighted(
        self, X: NDArray | Columns, y: NDArray, weight: NDArray | None
    ) -> tuple[NDArray | Columns, NDArray, NDArray | None]:
        """Return X, y and weights of mean 1 or None, without the rows of weight zero."""
        if weight is None:
            return X, y, None
        if "criterion" in (self.net_params or {}):
            raise ValueError(
                f"weights of rows need {self._loss.name}, but net_params names another criterion. "
                f"Give one of the two."
            )
        if not weight.any():
            raise ValueError("sample_weight must be positive for some row; all are zero.")
        used = weight > 0
        # Divided by the largest first: their sum may be beyond all numbers.
        weight = weight[used] / weight.max()
        return X[used], y[used], weight / weight.mean()

    def _new_model(self, X: NDArray | Columns, target: Target, settings: Settings) -> Model:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        signals = self._signals(X)
        net = build_net(
            X.shape[1],
            target,
            settings,
            latent=(len(signals), self.latent_dim) if signals is not None else None,
            seed=seed,
            dtype=self.dtype,
            device=resolve_device(self.device, self.dtype),
            verbose=int(self.verbose > 1),
            net_params=self._net_params,
        )
        return Model(net, target, seed, self.dtype, self._net_params, signals, preset=self.preset)

    @property
    def _net_params(self) -> dict[str, Any]:
        """What the network is made with: not who trains it."""
        given = self.net_params or {}
        return {name: value for name, value in given.items() if name != "accelerator"}

    @property
    def _accelerator(self) -> Any:
        return (self.net_params or {}).get("accelerator")

    def _signals(self, X: NDArray | Columns) -> NDArray | None:
        """Return the numbers of the signals, in order, or None where X does not name any."""
        if self.latent_dim is None:
            return None
        if X.shape[1] < 2:
            raise ValueError(
                f"X must have coordinates and, last, the number of the signal with "
                f"latent_dim={self.latent_dim}; got {X.shape[1]} column."
            )
        return np.unique(last_of(X))

    def _fitted_model(self, settings: Settings) -> Model:
        """Return the model to go on with, if the network asked for is still the same."""
        model = self._model
        fixed = {
            name: (getattr(model.net, f"module__{name}"), getattr(settings, name))
            for name in NETWORK_SETTINGS
        }
        fixed["latent_dim"] = getattr(model.net, "module__latent_dim", None), self.latent_dim
        fixed["dtype"] = model.dtype, self.dtype
        fixed["net_params"] = model.net_params, self._net_params
        for name, (was, now) in fixed.items():
            if was != now:
                raise ValueError(
                    f"training goes on with the same network, but {name} was {was!r} and is now "
                    f"{now!r}. Fit a new model, with warm_start=False."
                )
        return model

    def _keep(self, model: Model, settings: Settings, **worked_out: Any) -> None:
        """Make a trained model this estimator's, at the very end: a failed fit keeps the last."""
        model.held_out = None
        self._model = model
        self.net_ = model.net
        self.settings_ = dataclasses.asdict(settings) | worked_out
        del self.settings_["auto_epochs"]

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
        return hasattr(self, "net_")


def _check_ratio(weight: NDArray[np.float64]) -> None:
    """Refuse weights of which the least are lost in rounding beside the largest."""
    if weight.max() > _LARGEST_RATIO * weight.min():
        raise ValueError(
            f"sample_weight must be within a factor of {_LARGEST_RATIO:.0e}, apart from 0, which "
            f"leaves a row out; the largest is {weight.max() / max(weight.min(), 1e-300):.3g} "
            f"times the least. Bring the least up or to 0, or give preset='train'."
        )


def _named(**callbacks: Callback | None) -> list[tuple[str, Callback]]:
    return [(name, callback) for name, callback in callbacks.items() if callback is not None]


def _rules(settings: Settings) -> StopRules:
    """Return when the training is to stop; what is off is None."""
    given = {
        name: None if (value := getattr(settings, name)) == "off" else value
        for name in ("patience", "target_score", "max_time")
    }
    return StopRules(**given, until_converged=settings.goes_on_until_converged)


def _check_below_one(name: str, value: Any, *, minimum: float) -> None:
    check_real(name, value, minimum=minimum, strict=True, word="off")
    if value != "off" and value >= 1:
        raise ValueError(f"{name} must be below 1; got {value}.")


def _check_first_gain(settings: Settings) -> None:
    # What is solved for can try several, and has no layers to start as those of a SIREN do.
    word = "auto" if settings.last_layer == "solved" else "siren"
    check_real("first_gain", settings.first_gain, minimum=0, strict=True, word=word)


def _check_betas(betas: Any) -> None:
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise TypeError(f"betas must be a pair of numbers, such as (0.9, 0.999); got {betas!r}.")
    for beta in betas:
        check_real("betas", beta, minimum=0)
        if beta >= 1:
            raise ValueError(f"betas must be below 1; got {betas}.")


def _check_callbacks(callbacks: Any) -> None:
    if not isinstance(callbacks, list | None):
        raise TypeError(f"callbacks must be a list or None; got {type(callbacks).__name__}.")
    for item in callbacks or []:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        if not isinstance(callback, Callback | type):
            raise TypeError(
                f"callbacks must hold skorch callbacks, or pairs of a name and one; got {item!r}."
            )


def _check_net_params(net_params: Any, random_state: Any, owner: str) -> None:
    if not isinstance(net_params, dict | None):
        raise TypeError(f"net_params must be a dict or None; got {type(net_params).__name__}.")
    for key in net_params or {}:
        if not isinstance(key, str):
            raise TypeError(f"net_params must have names for keys; got {key!r}.")
        if key in OWN_PARAMS:
            raise ValueError(
                f"net_params must not set {key!r}; give {owner}({OWN_PARAMS[key]}=...)."
            )
        if key.partition("__")[0] in OWN_PARTS:
            raise ValueError(
                f"net_params must not set {key!r}: the network and its batches, and what runs "
                f"the training, are {owner}'s own. skorch's NeuralNet has others."
            )
    _check_accelerator((net_params or {}).get("accelerator"), random_state, owner)


def _check_accelerator(accelerator: Any, random_state: Any, owner: str) -> None:
    if accelerator is None:
        return
    accelerate = require("accelerate", extra="accelerate", purpose="net_params['accelerator']")
    if not isinstance(accelerator, accelerate.Accelerator):
        raise TypeError(
            f"net_params['accelerator'] must be an accelerate.Accelerator; got "
            f"{type(accelerator).__name__}."
        )
    if accelerator.num_processes > 1 and not isinstance(random_state, Integral):
        raise ValueError(
            f"random_state must be an integer where {accelerator.num_processes} processes train "
            f"together, so that all begin with the same weights; got {random_state!r}. Give "
            f"{owner}(random_state=0)."
        )
