"""SIRENRegressor: a sine network on coordinates, as a scikit-learn regressor."""

import dataclasses
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from skorch import NeuralNetRegressor

from skginr._batches import TensorBatches, TensorTable
from skginr._checks import check_count, check_flag, check_option, check_real
from skginr._presets import PRESETS, Settings
from skginr._training import (
    EpochBar,
    RecordRate,
    StopOnDivergence,
    WeightedMSELoss,
    keep_best,
    schedule_callback,
)
from skginr.nn import SIREN

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Rows that go through the network at once in predict.
_PREDICT_ROWS = 1 << 16


class SIRENRegressor(RegressorMixin, BaseEstimator):
    """Multilayer perceptron with sine activations, trained by skorch.

    Made for the coordinates of a :class:`~skginr.SpectralEmbedder`, whose columns have
    unit mean square; scale other columns so. The target is standardised inside, one
    output at a time. The network and its training come from a preset, and every
    hyper-parameter left at None is the preset's:

    =============== ========= =========== ===========
    hyper-parameter "predict" "represent" "paper"
    =============== ========= =========== ===========
    hidden_units    128       256         512
    n_layers        4         4           6
    activation      "sine"    "sine"      "sine"
    omega_0         1         1           30
    first_gain      1.2       4           "siren"
    hidden_gain     1         2           1
    zero_output     True      True        False
    skip            False     False       True
    learning_rate   2e-3      2e-3        1e-4
    weight_decay    0.01      0           0.01
    schedule        "cosine"  "cosine"    "plateau"
    batch_size      256       2048        5000
    sampling        "shuffle" "shuffle"   "draw"
    max_epochs      "auto"    "auto"      "auto"
    patience        "off"     "off"       5000
    =============== ========= =========== ===========

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
        Of AdamW.
    schedule : {"cosine", "plateau", "constant"}, optional
        Rise over 5% of the steps, then fall along a cosine; halve after 1000 epochs
        without a better loss; or stay.
    batch_size : int or "all", optional
        Rows per step at most, split evenly. "all" makes one step per epoch.
    sampling : {"shuffle", "draw"}, optional
        An epoch is every row once in random order, or one random draw of
        ``batch_size`` rows.
    max_epochs : int or "auto", optional
        Epochs of training. "auto" means at least 10 epochs and 200 steps ("predict"),
        50 epochs and 900 steps ("represent"), or until ``patience`` ends ("paper").
    patience : int or "off", optional
        Epochs without a better loss after which training stops.
    dtype : {"float32", "float64"}, default "float32"
        Precision of the network.
    device : str, default "auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where
        there is one. A model fitted on CUDA loads on a machine without.
    random_state : int, RandomState instance or None, default None
        Of the initial weights and the order of the rows. An int makes runs on one
        device equal. The global random state is not touched.
    verbose : {0, 1, 2}, default 0
        Nothing, a progress bar, or skorch's table of epochs.
    warm_start : bool, default False
        Whether ``fit`` goes on from the last fit: weights, optimiser, target scale.
    callbacks : list of skorch callbacks, optional
        Added to those that run the training.
    net_params : dict, optional
        Any other argument of :class:`skorch.NeuralNetRegressor`, such as
        ``{"optimizer__betas": (0.9, 0.99)}``; wins over the arguments above. With
        a ``train_split``, the best weights are those of the best validation loss.

    Attributes
    ----------
    net_ : skorch.NeuralNetRegressor
        The trained network; its module is ``net_.module_``.
    settings_ : dict
        Every hyper-parameter in use, the preset's included.
    history_ : pandas.DataFrame
        One row per epoch: ``train_loss`` (of the standardised target), ``dur`` in
        seconds, ``lr`` and whatever callbacks recorded.
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
        If training diverges; no model is kept.

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
    >>> model = SIRENRegressor("represent", random_state=0, max_epochs=200)
    >>> model.fit(X, np.sin(5 * X[:, 0])).score(X, np.sin(5 * X[:, 0])) > 0.99
    True
    >>> model.stop_reason_
    'reached max_epochs=200'
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
        schedule: str | None = None,
        batch_size: int | str | None = None,
        sampling: str | None = None,
        max_epochs: int | str | None = None,
        patience: int | str | None = None,
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
        self.schedule = schedule
        self.batch_size = batch_size
        self.sampling = sampling
        self.max_epochs = max_epochs
        self.patience = patience
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.net_params = net_params

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
            2 counts as the row twice, 0 as not at all.

        Returns
        -------
        self
        """
        settings = self._resolve_settings()
        goes_on = self.warm_start and hasattr(self, "net_")
        X, y, weight = self._check_data(X, y, sample_weight, reset=not goes_on)
        if not goes_on:
            self._start(X, y, weight, settings)
        self._train(self._table(X, y, weight), settings)
        return self

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
        settings = self._resolve_settings()
        first = not hasattr(self, "net_")
        X, y, weight = self._check_data(X, y, sample_weight, reset=first)
        if first:
            self._start(X, y, weight, settings)
        one_epoch = dataclasses.replace(settings, max_epochs=1, schedule="constant")
        self._train(self._table(X, y, weight), one_epoch)
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
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        scaled = self.net_.predict(TensorTable(self._to_device(X)))
        y = scaled.astype(np.float64) * self._y_scale + self._y_mean
        return (y if self._y_is_table else y[:, 0]).astype(self._y_dtype, copy=False)

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
        check_option("schedule", settings.schedule, ("cosine", "plateau", "constant"))
        check_option("sampling", settings.sampling, ("shuffle", "draw"))
        for name, word in (("batch_size", "all"), ("max_epochs", "auto"), ("patience", "off")):
            check_count(name, getattr(settings, name), minimum=1, word=word)
        check_option("dtype", self.dtype, _DTYPES)
        check_flag("warm_start", self.warm_start)
        if self.verbose not in (0, 1, 2):
            raise ValueError(f"verbose must be 0, 1 or 2; got {self.verbose!r}.")
        for name, kind in (("callbacks", list), ("net_params", dict)):
            if not isinstance(getattr(self, name), kind | None):
                raise TypeError(
                    f"{name} must be a {kind.__name__} or None; got "
                    f"{type(getattr(self, name)).__name__}."
                )
        return settings

    def _check_data(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        if y is not None and pd.isna(np.asarray(y, dtype=object)).any():
            n_missing = int(pd.isna(np.asarray(y, dtype=object)).sum())
            raise ValueError(
                f"y must be known in every row; {n_missing} values are NaN or missing. Leave "
                f"such rows out, table.dropna(subset=['signal']): their nodes stay in the graph."
            )
        float_y = getattr(y, "dtype", None) == np.float32
        X, y = validate_data(
            self,
            X,
            y,
            reset=reset,
            dtype=[np.float64, np.float32],
            multi_output=True,
            y_numeric=True,
        )
        self._y_dtype = np.float32 if float_y else np.float64
        self._y_is_table = y.ndim == 2
        y = y.reshape(len(y), -1).astype(np.float64)
        if sample_weight is None:
            return X, y, None
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("sample_weight must be positive for some row; all are zero.")
        used = weight > 0
        return X[used], y[used], weight[used] / weight[used].mean()

    def _start(self, X: NDArray, y: NDArray, weight: NDArray | None, settings: Settings) -> None:
        """Set the scale of the target and build an untrained network."""
        self._y_mean = np.average(y, axis=0, weights=weight)
        spread = np.sqrt(np.average((y - self._y_mean) ** 2, axis=0, weights=weight))
        # A constant target is predicted by its mean.
        constant = spread <= 1e-12 * np.abs(self._y_mean)
        self._y_scale = np.where(constant, 1.0, spread)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.settings_ = {
            field.name: getattr(settings, field.name)
            for field in dataclasses.fields(settings)
            if field.name != "auto_epochs"
        }
        self.net_ = self._build_net(X.shape[1], y.shape[1], settings)

    def _build_net(self, n_inputs: int, n_outputs: int, settings: Settings) -> NeuralNetRegressor:
        own = {
            "module": SIREN,
            "module__n_inputs": n_inputs,
            "module__n_outputs": n_outputs,
            "module__hidden_units": settings.hidden_units,
            "module__n_layers": settings.n_layers,
            "module__activation": settings.activation,
            "module__omega_0": settings.omega_0,
            "module__first_gain": settings.first_gain,
            "module__hidden_gain": settings.hidden_gain,
            "module__zero_output": settings.zero_output,
            "module__skip": settings.skip,
            "module__seed": self._seed,
            "module__dtype": _DTYPES[self.dtype],
            "criterion": WeightedMSELoss,
            "optimizer": torch.optim.AdamW,
            "lr": settings.learning_rate,
            "iterator_train": TensorBatches,
            "iterator_train__sampling": settings.sampling,
            "iterator_valid": TensorBatches,
            "iterator_valid__batch_size": _PREDICT_ROWS,
            "train_split": None,
            "device": self._resolve_device(),
            "verbose": int(self.verbose > 1),
        }
        extra = self.net_params or {}
        if "optimizer" not in extra:
            own |= {"optimizer__weight_decay": settings.weight_decay, "optimizer__fused": True}
        return NeuralNetRegressor(**(own | extra)).initialize()

    def _train(self, table: TensorTable, settings: Settings) -> None:
        net = self.net_
        n_rows = len(table)
        size = n_rows if settings.batch_size == "all" else int(settings.batch_size)
        steps = len(TensorBatches(table, size, settings.sampling))
        n_epochs = settings.n_epochs(steps)
        n_before = len(net.history)
        # Where skorch keeps them; its set_params takes them before training only.
        net.iterator_train__batch_size = size
        # Another order of rows each time training goes on.
        net.iterator_train__seed = (self._seed + n_before) % 2**31
        net.set_params(lr=settings.learning_rate)
        for group in net.optimizer_.param_groups:
            group["initial_lr"] = group["lr"]
        patience = n_epochs if settings.patience == "off" else int(settings.patience)
        best = keep_best(patience, validated=net.train_split is not None)
        own = [
            ("divergence", StopOnDivergence()),
            ("rate", RecordRate()),
            ("schedule", schedule_callback(settings.schedule, n_epochs * steps)),
            ("progress", EpochBar(n_epochs) if self.verbose == 1 else None),
        ]
        net.callbacks = [pair for pair in own if pair[1] is not None] + (self.callbacks or [])
        net.callbacks.append(("best", best))
        net.initialize_callbacks()
        try:
            net.partial_fit(table, epochs=n_epochs)
        except FloatingPointError:
            del self.net_
            raise
        if best.misses_ >= patience:
            self.stop_reason_ = f"no better {best.monitor} for {patience} epochs"
        elif len(net.history) - n_before >= n_epochs:
            self.stop_reason_ = f"reached max_epochs={n_epochs}"
        else:
            self.stop_reason_ = "interrupted"

    def _resolve_device(self) -> str:
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        try:
            # Allocating is what shows whether the device is there.
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise ValueError(
                f"device must be 'auto' or a torch device of this machine, such as 'cpu' or "
                f"'cuda'; got {self.device!r} ({str(error).splitlines()[0]})."
            ) from error
        return self.device

    def _table(self, X: NDArray, y: NDArray, weight: NDArray | None) -> TensorTable:
        scaled = (y - self._y_mean) / self._y_scale
        parts = [X, scaled] if weight is None else [X, scaled, weight]
        return TensorTable(*map(self._to_device, parts))

    def _to_device(self, array: NDArray) -> torch.Tensor:
        # A copy: torch knows neither read-only memory nor negative strides.
        array = np.array(array, dtype=self.dtype, order="C")
        return torch.from_numpy(array).to(self.net_.device)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
