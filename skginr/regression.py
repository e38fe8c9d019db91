"""SIRENRegressor: a sine network on coordinates, as a scikit-learn regressor."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from skorch.callbacks import Callback

from skginr._batches import TensorTable
from skginr._checks import (
    check_count,
    check_flag,
    check_numeric,
    check_option,
    check_real,
    unchanged_on_error,
)
from skginr._model import DTYPES, Model, TargetScale, build_net, resolve_device
from skginr._presets import NETWORK_SETTINGS, NO_LIMIT, PRESETS, Settings
from skginr._schedules import SCHEDULES, Constant, Schedule, factor_of
from skginr._stopping import BestWeights, StopRules
from skginr._training import EpochBar, RepairDivergence, StopOnDivergence, train

# skorch's names of what has a hyper-parameter of its own.
_OWN_PARAMS = {
    "lr": "learning_rate",
    "optimizer__lr": "learning_rate",
    "max_epochs": "max_epochs",
    "batch_size": "batch_size",
    "callbacks": "callbacks",
    "device": "device",
    "verbose": "verbose",
    "warm_start": "warm_start",
}


# And of what is made here.
_OWN_PARTS = ("module", "dataset", "iterator_train", "iterator_valid", "callbacks")


class SIRENRegressor(RegressorMixin, BaseEstimator):
    """Multilayer perceptron with sine activations, trained by skorch.

    Made for the coordinates of a :class:`~skginr.SpectralEmbedder`, whose columns have
    unit mean square; scale other columns so. The target is standardised inside, one
    output at a time. The network and its training come from a preset, and every
    hyper-parameter left at None is the preset's:

    =============== ============ ============ ============
    hyper-parameter "predict"    "represent"  "paper"
    =============== ============ ============ ============
    hidden_units    128          256          512
    n_layers        4            4            6
    activation      "sine"       "sine"       "sine"
    omega_0         1            1            30
    first_gain      1.2          6            "siren"
    hidden_gain     1            2            1
    zero_output     True         True         False
    skip            False        False        True
    learning_rate   2e-3         4e-3         1e-4
    weight_decay    0.01         0            0.01
    betas           (0.9, 0.999) (0.8, 0.97)  (0.9, 0.999)
    schedule        "cosine"     "anytime"    "plateau"
    batch_size      256          2048         5000
    sampling        "shuffle"    "shuffle"    "draw"
    max_epochs      "auto"       "auto"       "auto"
    patience        "off"        "off"        5000
    target_score    "off"        0.9999       "off"
    max_time        "off"        "off"        "off"
    validation      "off"        "off"        "off"
    =============== ============ ============ ============

    Training ends by whichever comes first of ``max_epochs``, ``patience``, ``target_score`` and
    ``max_time``; ``stop_reason_`` says which. However it ends, the best weights seen are kept.
    Where the loss is lost, training goes on from the best weights at a quarter of the rate, with
    a ConvergenceWarning, three times at most.

    Parameters
    ----------
    preset : {"predict", "represent", "paper"}, default "predict"
        What the model is for: to predict nodes that were not observed, to memorise
        every node, or to repeat [1]_ exactly.
    hidden_units : int, optional
        Width of the hidden layers.
    n_layers : int, optional
        Number of linear layers, first and last included; at least 2.
    activation : {"sine", "relu"}, optional
        Sine is sin(omega_0 (W x + b)), ReLU is max(0, W x + b).
    omega_0 : float, optional
        Factor inside the sine. It multiplies the effective learning rate too.
    first_gain : float or "siren", optional
        Standard deviation of the first layer's pre-activations at the start, for
        inputs of unit variance: larger fits finer detail, and more noise. "siren"
        takes the initialisation of [2]_ in all layers.
    hidden_gain : float, optional
        The same for the other layers; 1 keeps the distribution from layer to layer.
    zero_output : bool, optional
        Whether the last layer starts at zero, so that training starts from the mean.
    skip : bool, optional
        Whether the input also enters the middle layer.
    learning_rate : float, optional
        Of AdamW; its largest value under a schedule.
    weight_decay : float, optional
        Of AdamW, or another optimiser that has it.
    betas : pair of float, optional
        Of AdamW: how slowly the means of gradients and their squares forget.
    schedule : {"anytime", "cosine", "plateau", "constant"}, optional
        Of the learning rate. "anytime": rise over 25 steps, then fall as
        (1 + step / 100)^-2, whenever training is to end, and average the weights over the last
        steps; "cosine": rise over 5% of the steps, then fall along a cosine; "plateau": halve
        after 1000 epochs without a better loss; "constant": stay.
    batch_size : int or "all", optional
        Rows per step at most, split evenly. "all" makes one step per epoch.
    sampling : {"shuffle", "draw"}, optional
        An epoch is every row once in random order, or one random draw of
        ``batch_size`` rows.
    max_epochs : int or "auto", optional
        Epochs of training. "auto" means with ``schedule="anytime"`` until it has converged: the
        loss fell by less than a quarter while the training became twice as long. Otherwise it
        means at least 10 epochs and 200 steps ("predict"), 50 epochs and 900 steps
        ("represent"), or until ``patience`` ends ("paper").
    patience : int or "off", optional
        Epochs without a better loss after which training stops.
    target_score : float or "off", optional
        R² of the training rows (with ``validation``, of those held out) at which training
        stops, below 1. Errors are measured against the variance of all rows; where a training
        goes on, of the rows it began with.
    max_time : float or "off", optional
        Seconds after which training stops, also within an epoch. Best with
        ``schedule="anytime"``, which does not count on a last step.
    validation : float or "off", optional
        Share of the rows, between 0 and 1, held out in blocks of neighbouring rows to see how
        the network does between those it trains on: their loss picks the weights and stops the
        training.
    dtype : {"float32", "float64"}, default "float32"
        Precision of the network.
    device : str, default "auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where
        there is one. A model fitted on CUDA loads on a machine without.
    random_state : int, RandomState instance or None, default None
        Of the initial weights and the order of the rows. An int makes runs on one
        device equal. torch's global random state is not touched.
    verbose : {0, 1, 2}, default 0
        Nothing, a progress bar, or skorch's table of epochs.
    warm_start : bool, default False
        Whether ``fit`` goes on from the last fit: with its weights, optimiser, target
        scale and device. The hyper-parameters of the network, ``dtype`` and ``net_params`` must
        stay; those of the training may change.
    callbacks : list of skorch callbacks, optional
        Added to those that run the training, as they are: one that keeps notes keeps
        them. One that raises KeyboardInterrupt ends the training. The history has losses of
        epochs, not of batches, which would wait for the device.
    net_params : dict, optional
        Any argument of :class:`skorch.NeuralNetRegressor` that has no parameter here,
        such as ``{"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}``. A
        ``train_split`` takes the place of ``validation``.

    Attributes
    ----------
    net_ : skorch.NeuralNetRegressor
        The trained network; its module is ``net_.module_``.
    settings_ : dict
        Every hyper-parameter of the last training, the preset's included; ``max_epochs`` worked
        out where it was to be a number.
    history_ : pandas.DataFrame
        One row per epoch: ``train_loss`` (of the standardised target), ``dur`` in
        seconds, ``lr``, ``average_loss`` (of averaged weights, where looked at), and whatever
        callbacks recorded.
    n_epochs_ : int
        Epochs trained in all.
    stop_reason_ : str
        Why the last training ended.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    ValueError
        If a hyper-parameter is out of range, X or y is not finite, or lengths differ.
    FloatingPointError
        If training diverges beyond repair. The last fitted model, if any, is kept.

    References
    ----------
    .. [1] D. Grattarola and P. Vandergheynst, "Generalised Implicit Neural
       Representations", NeurIPS 2022.
    .. [2] V. Sitzmann et al., "Implicit Neural Representations with Periodic
       Activation Functions", NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import SIRENRegressor
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> model = SIRENRegressor("represent", random_state=0)
    >>> model.fit(X, np.sin(5 * X[:, 0])).score(X, np.sin(5 * X[:, 0])) > 0.99
    True
    >>> model.stop_reason_.split(" (")[0]
    'reached target_score=0.9999'
    """

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
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            The signal, finite. Rows whose signal is unknown are left out of the table.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row in the loss and in the scale of the target, non-negative;
            2 counts as the row twice, 0 as not at all: exactly with ``batch_size="all"``,
            on average otherwise, since batches are made by row.

        Returns
        -------
        self
        """
        goes_on = self.warm_start and hasattr(self, "net_")
        settings, model, table = self._prepare(X, y, sample_weight, goes_on=goes_on)
        model.take_settings(settings)
        steps = model.set_batches(table, settings.batch_size)
        n_epochs = settings.n_epochs(steps)
        best = BestWeights(_rules(settings), average=settings.schedule == "anytime")
        schedule = Schedule(factor_of(settings.schedule, n_epochs * steps))
        train(
            model.net,
            table,
            n_epochs=n_epochs,
            learning_rate=settings.learning_rate,
            max_time=best.rules.max_time,
            callbacks=[
                *_named(
                    schedule=schedule,
                    divergence=RepairDivergence(best, schedule),
                    progress=EpochBar(n_epochs) if self.verbose == 1 else None,
                ),
                *(self.callbacks or []),
                # Last, since it may stop the training: the others have seen the epoch.
                ("best", best),
            ],
        )
        self._keep(model, settings, max_epochs=n_epochs if n_epochs < NO_LIMIT else "auto")
        stopped = "stopped by a callback" if model.net.stop_requested_ else None
        self.stop_reason_ = best.reason_ or stopped or f"reached max_epochs={n_epochs}"
        return self

    @unchanged_on_error
    def partial_fit(
        self,
        X: ArrayLike | pd.DataFrame,
        y: ArrayLike | pd.Series | pd.DataFrame,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch on these rows, at a constant learning rate.

        The first call sets the scale of the target.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.

        Returns
        -------
        self
        """
        goes_on = hasattr(self, "net_")
        settings, model, table = self._prepare(X, y, sample_weight, goes_on=goes_on)
        # Nothing is chosen after one epoch, so that no row need be held out.
        settings = dataclasses.replace(settings, validation="off")
        model.take_settings(settings)
        model.set_batches(table, settings.batch_size)
        train(
            model.net,
            table,
            n_epochs=1,
            learning_rate=settings.learning_rate,
            callbacks=[
                *_named(schedule=Schedule(Constant()), divergence=StopOnDivergence()),
                *(self.callbacks or []),
            ],
        )
        self._keep(model, settings, max_epochs=1, schedule="constant")
        self.stop_reason_ = "partial_fit trains one epoch"
        return self

    def predict(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.floating]:
        """Return the signal at coordinates X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs), as y was
            In float32 if y was, else float64.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._model.predict(X)

    @property
    def history_(self) -> pd.DataFrame:
        """One row per epoch of training."""
        check_is_fitted(self)
        history = pd.DataFrame.from_records(self.net_.history, exclude=["batches"])
        # Marks that skorch keeps for its own table.
        return history.loc[:, ~history.columns.str.endswith(("_best", "_batch_count"))]

    @property
    def n_epochs_(self) -> int:
        """Epochs trained in all."""
        check_is_fitted(self)
        return len(self.net_.history)

    def _resolve_settings(self) -> Settings:
        """Return the preset with the given hyper-parameters in place, checked."""
        check_option("preset", self.preset, PRESETS)
        given = {
            field.name: value
            for field in dataclasses.fields(Settings)
            if (value := getattr(self, field.name, None)) is not None
        }
        settings = dataclasses.replace(PRESETS[self.preset], **given)
        check_count("hidden_units", settings.hidden_units, minimum=1)
        check_count("n_layers", settings.n_layers, minimum=2)
        check_option("activation", settings.activation, ("sine", "relu"))
        check_real("omega_0", settings.omega_0, minimum=0, strict=True)
        check_real("first_gain", settings.first_gain, minimum=0, strict=True, word="siren")
        check_real("hidden_gain", settings.hidden_gain, minimum=0, strict=True)
        check_flag("zero_output", settings.zero_output)
        check_flag("skip", settings.skip)
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
        check_option("dtype", self.dtype, DTYPES)
        check_flag("warm_start", self.warm_start)
        _check_net_params(self.net_params)
        if "criterion" in (self.net_params or {}):
            if self.target_score not in (None, "off"):
                raise ValueError(
                    f"target_score={self.target_score} needs the squared loss, but net_params "
                    f"names another criterion. Give one of the two."
                )
            settings = dataclasses.replace(settings, target_score="off")
        if settings.validation != "off" and "train_split" in (self.net_params or {}):
            raise ValueError(
                f"validation={settings.validation} and net_params={{'train_split': ...}} both hold "
                f"rows out. Give one of the two."
            )
        if self.verbose not in (0, 1, 2):
            raise ValueError(f"verbose must be 0, 1 or 2; got {self.verbose!r}.")
        _check_callbacks(self.callbacks)
        return settings

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, *, goes_on: bool
    ) -> tuple[Settings, Model, TensorTable]:
        """Check everything, and return what a training needs; the estimator stays as it is."""
        settings = self._resolve_settings()
        X, y, weight = self._check_data(X, y, sample_weight, goes_on=goes_on)
        model = self._fitted_model(settings) if goes_on else self._new_model(X, y, weight, settings)
        return settings, model, model.table(X, y, weight)

    def _validate(self, X: Any, y: Any = "no_validation", *, reset: bool) -> Any:
        targets = {} if isinstance(y, str) else {"multi_output": True, "y_numeric": True}
        try:
            return validate_data(self, X, y, reset=reset, dtype=[np.float64, np.float32], **targets)
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            raise ValueError(
                f"X and y must hold numbers: {error}. Node labels become numbers in a pipeline: "
                f"make_pipeline(SpectralEmbedder(graph=...), SIRENRegressor())."
            ) from error

    def _check_data(
        self, X: Any, y: Any, sample_weight: Any, *, goes_on: bool
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """Return X, y and weights of mean 1 or None, without the rows of weight zero."""
        # No y, and a complex one, are scikit-learn's to report.
        given = np.asarray(y)
        unchecked = y is None or given.dtype.kind == "c"
        n_missing = 0 if unchecked else int(np.isnan(check_numeric("y", y)).sum())
        if n_missing:
            raise ValueError(
                f"y must be known in every row; {n_missing} values are NaN or missing. Leave "
                f"such rows out, table.dropna(subset=['signal']): their nodes stay in the graph."
            )
        # Read before scikit-learn makes it float64.
        single = given.dtype == np.float32
        X, y = self._validate(X, y, reset=not goes_on)
        if single:
            y = y.astype(np.float32)
        if goes_on and self._model.n_outputs != (y.shape[1] if y.ndim == 2 else None):
            raise ValueError(
                f"y must have as many outputs as the model that goes on, "
                f"{self._model.n_outputs or 'one, as a vector'}; got shape {y.shape}. Fit a new "
                f"model, with warm_start=False."
            )
        if sample_weight is None:
            return X, y, None
        if "criterion" in (self.net_params or {}):
            raise ValueError(
                "sample_weight needs the squared loss, but net_params names another criterion. "
                "Give one of the two."
            )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("sample_weight must be positive for some row; all are zero.")
        used = weight > 0
        # Divided by the largest first: their sum may be beyond all numbers.
        weight = weight[used] / weight.max()
        return X[used], y[used], weight / weight.mean()

    def _new_model(
        self, X: NDArray, y: NDArray, weight: NDArray | None, settings: Settings
    ) -> Model:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        scale = TargetScale(y, weight)
        net = build_net(
            X.shape[1],
            scale.n_columns,
            settings,
            seed=seed,
            dtype=self.dtype,
            device=resolve_device(self.device),
            verbose=int(self.verbose > 1),
            net_params=self.net_params or {},
        )
        return Model(net, scale, seed, self.dtype, self.net_params or {})

    def _fitted_model(self, settings: Settings) -> Model:
        """Return the model to go on with, if the network asked for is still the same."""
        model = self._model
        fixed = {
            name: (getattr(model.net, f"module__{name}"), getattr(settings, name))
            for name in NETWORK_SETTINGS
        }
        fixed["dtype"] = model.dtype, self.dtype
        fixed["net_params"] = model.net_params, self.net_params or {}
        for name, (was, now) in fixed.items():
            if was != now:
                raise ValueError(
                    f"training goes on with the same network, but {name} was {was!r} and is now "
                    f"{now!r}. Fit a new model, with warm_start=False."
                )
        return model

    def _keep(self, model: Model, settings: Settings, **worked_out: Any) -> None:
        """Make a trained model this estimator's, at the very end: a failed fit keeps the last."""
        self._model = model
        self.net_ = model.net
        self.settings_ = dataclasses.asdict(settings) | worked_out
        del self.settings_["auto_epochs"]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


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


def _check_net_params(net_params: Any) -> None:
    if not isinstance(net_params, dict | None):
        raise TypeError(f"net_params must be a dict or None; got {type(net_params).__name__}.")
    for key in net_params or {}:
        if not isinstance(key, str):
            raise TypeError(f"net_params must have names for keys; got {key!r}.")
        if key in _OWN_PARAMS:
            raise ValueError(
                f"net_params must not set {key!r}; give SIRENRegressor({_OWN_PARAMS[key]}=...)."
            )
        if key.partition("__")[0] in _OWN_PARTS:
            raise ValueError(
                f"net_params must not set {key!r}: the network and its batches, and what runs "
                f"the training, are SIRENRegressor's own. skorch's NeuralNetRegressor has others."
            )
