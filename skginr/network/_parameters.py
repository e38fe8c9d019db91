"""What estimators of the network are given: checked, all of it, and made settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from skorch.callbacks import Callback

from skginr._core import check_count, check_flag, check_option, require
from skginr.network._devices import DTYPES
from skginr.network._presets import PRESETS
from skginr.network._settings import DESCENT_SETTINGS, NETWORK_SETTINGS, Settings
from skginr.network.training import Loss

# skorch's names of what has a hyper-parameter of its own.
OWN_PARAMS = {
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
OWN_PARTS = ("module", "dataset", "iterator_train", "iterator_valid", "callbacks")


def resolve(preset: Any, given: Mapping[str, Any], *, owner: str, loss: type[Loss]) -> Settings:
    """Return a preset with what is given in place of its own values, all of it checked.

    Parameters
    ----------
    preset : str
    given : mapping
        Every parameter of an estimator by name; None leaves one to the preset.
    owner : str
        The estimator's class, which errors name.
    loss : Loss
        What it minimises.

    Raises
    ------
    TypeError, ValueError
        If a parameter is none that there can be, or two of them do not go together.
    """
    check_option("preset", preset, PRESETS)
    settings = _with_given(preset, given)
    settings.check()
    if given["latent_dim"] is not None:
        check_count("latent_dim", given["latent_dim"], minimum=1)
    check_option("dtype", given["dtype"], DTYPES)
    check_flag("warm_start", given["warm_start"])
    _check_net_params(given["net_params"], given["random_state"], owner)
    net_params = given["net_params"] or {}
    if "criterion" in net_params:
        if given["target_score"] not in (None, "off"):
            raise ValueError(
                f"target_score={given['target_score']} needs {loss.name}, but net_params names "
                f"another criterion. Give one of the two."
            )
        settings = dataclasses.replace(settings, target_score="off")
    if settings.validation != "off" and "train_split" in net_params:
        raise ValueError(
            f"validation={settings.validation} and net_params={{'train_split': ...}} both hold "
            f"rows out. Give one of the two."
        )
    if settings.solves:
        _check_solvable(preset, given, net_params, owner)
    if given["verbose"] not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1 or 2; got {given['verbose']!r}.")
    _check_callbacks(given["callbacks"])
    return settings


def descent_instead(settings: Settings, given: Mapping[str, Any]) -> Settings | None:
    """Return how to train by descent what settings solve for, None where that is not to be tried.

    A network whose shape was given is one for its last layer, and of regions one tenth of the rows,
    by which it would be judged, is too few to tell.
    """
    by_rows = settings.solves and settings.validation == "off"
    if not by_rows or any(given[name] is not None for name in NETWORK_SETTINGS):
        return None
    return _with_given("train", given)


def _with_given(preset: str, given: Mapping[str, Any]) -> Settings:
    names = (field.name for field in dataclasses.fields(Settings))
    own = {name: value for name in names if (value := given.get(name)) is not None}
    return dataclasses.replace(PRESETS[preset], **own)


def _check_solvable(
    preset: str, given: Mapping[str, Any], net_params: dict[str, Any], owner: str
) -> None:
    """Refuse what has no meaning where the last layer is solved for."""
    of_descent = [name for name in (*DESCENT_SETTINGS, "latent_dim") if given[name] is not None]
    of_descent += {"criterion", "train_split"} & set(net_params)
    if of_descent:
        raise ValueError(
            f"{of_descent[0]} is for a training by descent, and preset={preset!r} solves for its "
            f"last layer. Leave it out, or give {owner}('train')."
        )


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
