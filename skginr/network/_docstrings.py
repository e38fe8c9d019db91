"""What the docstrings of estimators that train the same network have in common."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from skginr.network._presets import PRESETS
from skginr.network._settings import DESCENT_SETTINGS, Settings

_T = TypeVar("_T")

_PRESETS = """\
(``last_layer`` comes with the preset.)

**"predict" solves.** Its first layer is drawn at random once: waves of many lengths over the
columns, where wider columns count more. The last layer sees these waves and the columns themselves.
It is the solution of a ridge regression, averaged over several strengths of the ridge; a strength
counts more if it predicts held-out rows well. Rows are held out one by one, exactly, or with
``validation`` in blocks, to predict regions. ``held_out_score_`` is the score on them. Rows with
the same X count as one, held out together. The parameters of training (``learning_rate``,
``batch_size`` and so on) are used by ``partial_fit`` only.

**The others train.** Training ends by whichever comes first of ``max_epochs``, ``patience``,
``target_score`` and ``max_time``; ``stop_reason_`` says which. However it ends, the best weights
seen are kept. If the loss diverges, training goes on from the best weights at a quarter of the
learning rate, with a ConvergenceWarning, three times at most."""

_NETWORK = """\
preset : {"predict", "train", "represent", "reproduce"}, default "predict"
    What the model is for: to predict nodes that were not observed; the same by gradient descent,
    for many rows per node and deeper networks; to memorise every node; or to repeat [1]_ exactly.
hidden_units : int, optional
    Width of the hidden layers.
n_layers : int, optional
    Number of linear layers, first and last included; at least 2.
activation : {"sine", "relu"}, optional
    Sine is sin(omega_0 (W x + b)), ReLU is max(0, W x + b).
omega_0 : float, optional
    Factor inside the sine. It multiplies the effective learning rate too.
first_gain : float, "auto" or "siren", optional
    Standard deviation of the first layer's pre-activations at the start: larger fits finer
    detail, and more noise. "predict" has half of its waves at half of it. "auto" is for "predict"
    only: 1, or 2, 4 or 8 where that predicts held-out rows better. "siren" takes the initialisation
    of [2]_ in all layers.
hidden_gain : float, optional
    The same for the other layers; 1 keeps the distribution from layer to layer.
zero_output : bool, optional
    Whether the last layer starts at zero, so that training starts from <start>.
skip : bool, optional
    Whether the input also enters the middle layer (of two layers, the last).
input_scaling : {"given", "unit"}, optional
    Whether wider columns of X count more ("given"), or all are brought to unit mean square first.
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
    means at least 10 epochs and 200 steps ("train"), 50 epochs and 900 steps
    ("represent"), or until ``patience`` ends ("reproduce").
patience : int or "off", optional
    Epochs without a better loss after which training stops."""

_RUN = """\
max_time : float or "off", optional
    Seconds after which training stops, also within an epoch. Best with
    ``schedule="anytime"``, which does not count on a last step.
validation : float or "off", optional
    Share of the rows, between 0 and 1, held out in blocks of neighbouring rows to see how
    the network does between those it is fitted to. Where it trains, the loss of one such share
    picks the weights and stops the training; where it solves, shares are held out in turn and
    pick the strength of the ridge: 0.2 is for predicting regions.
latent_dim : int, optional
    Length of the code of a signal, for one network of many signals. The last column of X is then a
    number that says which signal a row belongs to. The network sees the code of that signal
    instead, and codes are trained with the network. All signals share one mean and one spread of y.
dtype : {"float32", "float64"}, default "float32"
    Precision of the network.
device : str, default "auto"
    Where to train and predict: "cpu", "cuda", "cuda:1", ...; "auto" is the first CUDA device
    where there is one, else the CPU. "mps" (Apple) must be named, and has float32 only. A model
    fitted on CUDA loads on a machine without.
random_state : int, RandomState instance or None, default None
    Of the initial weights and the order of the rows. An int makes runs on one
    device equal. torch's global random state is not touched.
verbose : {0, 1, 2}, default 0
    Nothing, progress (a bar in a terminal, a few lines in a log or in a worker), or skorch's table
    of epochs.
warm_start : bool, default False
    Whether ``fit`` goes on from the last fit: with its weights, optimiser, <kept> and
    device. The hyper-parameters of the network, ``dtype`` and ``net_params`` must
    stay; those of the training may change.
callbacks : list of skorch callbacks, optional
    Added to those that run the training, as they are: one that keeps notes keeps
    them. One that raises KeyboardInterrupt ends the training. The history has losses of
    epochs, not of batches, which would wait for the device.
net_params : dict, optional
    Any argument of :class:`skorch.NeuralNet` that has no parameter here,
    such as ``{"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}``. A
    ``train_split`` takes the place of ``validation`` where the network trains. With
    ``{"accelerator": Accelerator()}`` of accelerate, all processes that call ``fit`` with the same
    table train one network, on a GPU each: every one takes its share of every batch."""

_ATTRIBUTES = """\
net_ : skorch.NeuralNet
    The trained network; its module is ``net_.module_``.
settings_ : dict
    Every hyper-parameter of the last training, the preset's included; ``max_epochs`` worked
    out where it was to be a number.
held_out_score_ : float
    <score> at rows that were held out, where the last layer was solved for.
history_ : pandas.DataFrame
    One row per epoch: ``train_loss`` (<loss>), ``dur`` in
    seconds, ``lr``, ``average_loss`` (of averaged weights, where looked at), ``held_out_loss``
    (where the last layer was solved for, which is one epoch), and whatever callbacks recorded.
codes_ : pandas.DataFrame of shape (n_signals, latent_dim)
    With ``latent_dim``: the code of each signal, by its number.
n_epochs_ : int
    Epochs trained in all.
stop_reason_ : str
    Why the last training ended.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of str
    Their names, where X is a DataFrame."""

_FAILURE = """\
FloatingPointError
    If training diverges beyond repair. The last fitted model, if any, is kept."""

_REFERENCES = """\
.. [1] D. Grattarola and P. Vandergheynst, "Generalised Implicit Neural
   Representations", NeurIPS 2022.
.. [2] V. Sitzmann et al., "Implicit Neural Representations with Periodic
   Activation Functions", NeurIPS 2020."""


def _table() -> str:
    """Return the presets side by side, blank where a setting has no meaning for one."""
    rows = [["hyper-parameter", *(_shown(name) for name in PRESETS)]]
    for name in (field.name for field in dataclasses.fields(Settings)):
        # The docs of max_epochs say it.
        if name != "auto_epochs":
            rows.append([name, *(_cell(settings, name) for settings in PRESETS.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["=" * width for width in widths]
    rows = [rule, rows[0], rule, *rows[1:], rule]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join(" ".join(row).rstrip() for row in padded)


def _cell(settings: Settings, name: str) -> str:
    meaningless = settings.solves and name in DESCENT_SETTINGS
    return "" if meaningless else _shown(getattr(settings, name))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


_SHARED = {
    "table": _table(),
    "presets": _PRESETS,
    "network parameters": _NETWORK,
    "run parameters": _RUN,
    "attributes": _ATTRIBUTES,
    "failure": _FAILURE,
    "references": _REFERENCES,
}


def documented(**words: str) -> Callable[[type[_T]], type[_T]]:
    """Decorate a class: each ``<name>`` in its docstring becomes the text it stands for."""

    def fill(cls: type[_T]) -> type[_T]:
        # There is none under python -OO.
        docstring = inspect.cleandoc(cls.__doc__ or "")
        for name, text in (_SHARED | words).items():
            docstring = docstring.replace(f"<{name}>", text)
        cls.__doc__ = docstring
        return cls

    return fill
