"""A network with what its numbers mean: what a fit makes, and a prediction needs."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from skginr._core import warn_once
from skginr.network._devices import (
    DTYPES,
    as_array,
    as_tensor,
    check_digits,
    in_double,
    plain_torch,
    there_or_cpu,
    to_device,
)
from skginr.network._inputs import Inputs
from skginr.network._model_state import (
    arrays_of,
    check_network,
    check_signals,
    checked_optimizer,
    tensors_of,
)
from skginr.network._presets import PRESETS
from skginr.network._settings import NETWORK_SETTINGS, Settings
from skginr.network._targets import ClassTarget, SignalTarget, Target
from skginr.network.nn import SIREN, LatentSIREN, TangentFeatures, tangent_features
from skginr.network.solving import (
    Posterior,
    Solution,
    moments_of,
    posterior_of_trained,
    solve_last_layer,
)
from skginr.network.training import (
    EVALUATION_ROWS,
    BlockSplit,
    Net,
    TensorBatches,
    TensorTable,
    evaluate,
)

# Of a gradient, or of features, at once: what every layer made of them is kept until then.
_GRADIENT_ROWS = 1 << 13
# So many times as far from the mean as any y is no prediction to be silent about.
_BEYOND = 3.0


class Model:
    """A network, what its target means, and the seed and precision it was made with.

    Of many signals, ``signals`` are what names them in the last column of X, in order. ``preset``
    is the one that the training follows, ``solution`` what rows held out say of "predict", and
    ``posterior`` how far the last layer of a signal may be off.
    """

    def __init__(
        self,
        net: Net,
        target: Target,
        *,
        seed: int,
        dtype: str,
        net_params: dict[str, Any],
        signals: NDArray | None = None,
        preset: str = "train",
        solution: Solution | None = None,
        posterior: Posterior | None = None,
    ) -> None:
        self.net = net
        self.target = target
        self.seed = seed
        self.dtype = dtype
        self.net_params = net_params
        self.signals = signals
        self.preset = preset
        self.solution = solution
        self.posterior = posterior

    @classmethod
    def build(
        cls,
        n_inputs: int,
        target: Target,
        settings: Settings,
        *,
        signals: NDArray | None = None,
        latent_dim: int | None = None,
        device: str,
        verbose: int = 0,
        **made_with: Any,
    ) -> Self:
        """Return a model that is not trained yet.

        Parameters
        ----------
        n_inputs : int
            Columns of X.
        target : Target
        settings : Settings
        signals : ndarray, optional
            Of many signals, their numbers, in order.
        latent_dim : int, optional
            And the length of their codes.
        device : str
        verbose : int
            As skorch has it.
        **made_with
            ``seed``, ``dtype``, ``net_params`` and the rest, as of the class.
        """
        dtype, net_params = made_with["dtype"], made_with["net_params"]
        network = settings.network
        if signals is not None:
            network |= {"n_signals": len(signals), "latent_dim": latent_dim}
        own = {
            "module": SIREN if signals is None else LatentSIREN,
            "module__n_inputs": n_inputs,
            "module__n_outputs": target.n_columns,
            "module__seed": made_with["seed"],
            "module__dtype": DTYPES[dtype],
            **{f"module__{name}": value for name, value in network.items()},
            "criterion": target.loss,
            "optimizer": torch.optim.AdamW,
            "lr": settings.learning_rate,
            "iterator_train": TensorBatches,
            "iterator_valid": TensorBatches,
            "iterator_valid__batch_size": EVALUATION_ROWS,
            "train_split": None,
            "device": device,
            "verbose": verbose,
        } | net_params
        known = inspect.signature(own["optimizer"]).parameters
        for name, value in settings.optimizer.items():
            if name in known:
                own.setdefault(f"optimizer__{name}", value)
        if own["optimizer"] is torch.optim.AdamW:
            own.setdefault("optimizer__fused", True)
        return cls(Net(**own).initialize(), target, signals=signals, **made_with)

    def untrained(self, preset: str, settings: Settings, table: TensorTable) -> Model:
        """Return a model of the same target with another network, from the same seed."""
        model = Model.build(
            self.net.module__n_inputs,
            self.target,
            settings,
            device=self.net.device,
            verbose=self.net.verbose,
            preset=preset,
            **self._made_with,
        )
        model.adapt_to(table, settings)
        return model

    @property
    def _made_with(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype, "net_params": self.net_params}

    def check_same(self, settings: Settings, **given: Any) -> None:
        """Raise unless the network asked for, to go on with, is still this one."""
        module = self.net.get_params_for("module")
        fixed = {name: (module[name], now) for name, now in settings.network.items()}
        own = self._made_with | {"latent_dim": module.get("latent_dim")}
        fixed |= {name: (own[name], now) for name, now in given.items()}
        for name, (was, now) in fixed.items():
            if was != now:
                raise ValueError(
                    f"training goes on with the same network, but {name} was {was!r} and is now "
                    f"{now!r}. Fit a new model, with warm_start=False."
                )

    def table(
        self, X: NDArray | Inputs, y: NDArray, weight: NDArray | None, seen_once: float = 1.0
    ) -> TensorTable:
        """Return the data as the network takes it, on its device."""
        X = Inputs.of(X)
        weights = None if weight is None else self._on_device("sample_weight", weight)
        if self.dtype == "float32" and X.dense is not None:
            check_digits(X.dense)
        values = self._on_device("y", self.target.encode(y))
        return TensorTable(self._inputs(X), values, weights, seen_once)

    def adapt_to(self, table: TensorTable, settings: Settings) -> None:
        """Make the first layer one for inputs as wide as these are, before the first training."""
        if not settings.solves and settings.input_scaling == "given":
            return
        module = self._network
        moments = moments_of(table)
        # The last column of many signals is a name.
        n_inputs = self.net.module__n_inputs - (self.signals is not None)
        scale = moments.unit_scale[:n_inputs]
        module.scale_inputs(scale.to(self.net.device, DTYPES[self.dtype]))
        if settings.solves:
            spread = moments.spread
            if settings.input_scaling == "unit":
                spread = spread * scale
            module.spread_first_layer(spread)

    def set_up(self, settings: Settings, table: TensorTable) -> int:
        """Set what may change from one training to the next; return the steps of an epoch.

        Rows drawn and held out, the size and order of batches, and what the optimiser is told.
        """
        net = self.net
        net.iterator_train__sampling = settings.sampling
        if "train_split" not in self.net_params:
            # What is solved for holds rows out by itself, and is of all of them.
            held_out = settings.validation != "off" and not settings.solves
            net.train_split = (
                BlockSplit(float(settings.validation), self.seed) if held_out else None
            )
        for name, value in settings.optimizer.items():
            if f"optimizer__{name}" not in self.net_params:
                for group in net.optimizer_.param_groups:
                    if name in group:
                        group[name] = value
        rows = table if net.train_split is None else net.get_split_datasets(table)[0]
        # Where skorch keeps them; its set_params takes them before training only.
        size = settings.batch_size
        net.iterator_train__batch_size = len(rows) if size == "all" else int(size)
        # Another order of rows each time training goes on.
        net.iterator_train__seed = (self.seed + len(net.history)) % 2**31
        return len(net.get_iterator(rows, training=True))

    def solve(
        self, table: TensorTable, settings: Settings
    ) -> tuple[dict[str, float], torch.Tensor]:
        """Solve for the last layer, and return what the history keeps of it.

        And the prediction of each row of the table when it was held out.
        """
        # A first layer that goes on stays as it is.
        known = self.solution
        solution, self.posterior, held_out = solve_last_layer(
            self._network,
            table,
            self.target.loss,
            first_gain=settings.first_gain if known is None else known.first_gain,
            validation=settings.validation,
            seed=self.seed,
        )
        loss = evaluate(self.net, table, self.target.loss).loss
        self.solution = solution
        return {"train_loss": loss, "held_out_loss": solution.held_out_loss}, held_out

    def predict(self, X: NDArray | Inputs) -> NDArray[np.floating]:
        """Return what the network says at coordinates X: a signal, or probabilities."""
        table = TensorTable(self._inputs(X))
        outputs = np.empty((len(table), self.target.n_columns), dtype=self.dtype)
        start = 0
        # Written to one array: outputs kept one by one would lie between the memory of batches,
        # which could then not be used again.
        with plain_torch():
            for part in self.net.forward_iter(table):
                outputs[start : start + len(part)] = part.numpy()
                start += len(part)
        if not np.isfinite(outputs).all():
            rows = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
            raise ValueError(
                f"X must not lie so far beyond the rows that were fitted that the network "
                f"overflows; row {rows[0]} does, and {len(rows) - 1} others. Scale it as those."
            )
        self._warn_if_beyond(outputs)
        return self.target.decode(outputs)

    def variance(self, X: NDArray | Inputs) -> NDArray[np.float64]:
        """Return that of the signal at coordinates X, in units of the outputs squared."""
        return self._of_features(self._inputs(X), self._known_posterior().variance)

    def draws(
        self, X: NDArray | Inputs, n_samples: int, random: np.random.RandomState
    ) -> NDArray[np.float64]:
        """Return how far the signal may be off: (n_rows, n_outputs, n_samples)."""
        drawn = self._known_posterior().draw(n_samples, random)
        return self._of_features(self._inputs(X), drawn.at)

    @property
    def noise_variance(self) -> NDArray[np.float64]:
        """That of a row seen once, in units of the outputs squared."""
        return self._known_posterior().noise_variance

    def find_posterior(self, table: TensorTable) -> Posterior:
        """Find how far the last layer, which was trained, may be off by the rows it has seen."""
        self.posterior = posterior_of_trained(self._network, table)
        return self.posterior

    def factors(
        self, held: TensorTable, outputs: torch.Tensor
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return by which deviations are larger at rows held out, of the signal and the noise.

        Parameters
        ----------
        held : TensorTable
            Of these.
        outputs : Tensor of shape (n_rows, n_outputs)
            What the network says of them.
        """
        posterior = self._known_posterior()
        variances = torch.from_numpy(self._of_features(held.X, posterior.variance))
        residuals = held.y.cpu().double() - outputs.cpu().double()
        return posterior.factors(residuals, variances, held.counts)

    def forget_held_out(self) -> None:
        """Say no more what rows held out said: the network is another now."""
        self.posterior = None
        if self.solution is not None:
            self.solution = dataclasses.replace(self.solution, holds=False)

    def _known_posterior(self) -> Posterior:
        """Return how far the last layer may be off, or say why that is not known."""
        if self.posterior is not None:
            return self.posterior
        if self.solution is None:
            raise ValueError(
                f"deviations are known of preset='predict', which holds rows out to tell them; "
                f"this network was trained by {self.preset!r}."
            )
        if self.solution.holds:
            raise ValueError(
                "this model is from a file of an earlier version, which tells nothing of "
                "deviations: fit it again first."
            )
        raise ValueError(
            "the network was trained on after the fit whose deviations were known: fit it again, "
            "with warm_start=False."
        )

    def _of_features(
        self, inputs: Inputs, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> NDArray[np.float64]:
        """Return what a function says of features of the last layer, row by row."""
        module, parts = self._network.eval(), []
        with plain_torch(), torch.no_grad():
            for start in range(0, len(inputs), _GRADIENT_ROWS):
                batch = inputs[start : start + _GRADIENT_ROWS].to(self.net.device)
                features = in_double(module.features(batch))
                parts.append(function(features).cpu().numpy())
        return np.concatenate(parts)

    def outputs(self, table: TensorTable) -> torch.Tensor:
        """Return what the network says of the rows of a table, in its own units."""
        return torch.cat(list(self.net.forward_iter(TensorTable(table.X))))

    def _warn_if_beyond(self, outputs: NDArray[np.floating]) -> None:
        """Say so where outputs are much farther from the mean than any y was."""
        known = self.solution
        reach = known.reach if known is not None and known.holds else None
        farthest = float(np.abs(outputs).max(initial=0.0))
        if reach is not None and farthest > _BEYOND * reach:
            warn_once(
                "beyond y",
                f"values are predicted that are {farthest / reach:.3g} times as far from the mean "
                f"of y as any that was fitted: rows of X are unlike all of those. To predict "
                f"whole regions, fit with validation=0.2.",
            )

    def gradient(self, X: NDArray | Inputs) -> NDArray[np.float64]:
        """Return derivatives of the outputs by the columns of X: (n_rows, n_outputs, n_inputs)."""
        inputs, module = self._inputs(X), self._network.eval()
        n_outputs = self.target.n_columns
        gradient = np.empty((len(inputs), n_outputs, self.net.module__n_inputs))
        for start in range(0, len(inputs), _GRADIENT_ROWS):
            rows = slice(start, start + _GRADIENT_ROWS)
            with plain_torch():
                batch = inputs[rows].detach().to(self.net.device, copy=True).requires_grad_()
                outputs = module(batch)
                for i in range(n_outputs):
                    # Rows do not depend on each other: of a sum over rows, each has its own.
                    (found,) = torch.autograd.grad(outputs[:, i].sum(), batch, retain_graph=True)
                    gradient[rows, i] = found.cpu().numpy()
        return gradient

    def tangent_features(self, X: NDArray) -> TangentFeatures:
        """Return the gradients of the outputs by all weights at coordinates X, as factors."""
        with plain_torch():
            return tangent_features(self._network, self._inputs(X)[:])

    def to_state(self) -> dict[str, Any]:
        """Return what a file keeps of it: numbers and words."""
        net = self.net
        latent = None if self.signals is None else net.module__latent_dim
        return {
            "n_inputs": net.module__n_inputs,
            "network": {name: getattr(net, f"module__{name}") for name in NETWORK_SETTINGS},
            "latent_dim": latent,
            "learning_rate": net.lr,
            "weights": {
                name: as_array(value) for name, value in self._network.state_dict().items()
            },
            "optimizer": arrays_of(net.optimizer_.state_dict()),
            "history": [dict(row) for row in net.history],
            "device": net.device,
            "target": self.target,
            **self._made_with,
            "signals": self.signals,
            "preset": self.preset,
            "solution": None if self.solution is None else dataclasses.asdict(self.solution),
            "posterior": None if self.posterior is None else vars(self.posterior).copy(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Model:
        """Return the model of a state, on its device if that is there, else on the CPU.

        Raises
        ------
        TypeError, ValueError
            If the state is none that :meth:`to_state` returns. Nothing is built before that is
            known.
        """
        # A file may be older than the last of these: "predict" was then what is "train" now.
        state = {"preset": "train", "solution": None, "posterior": None} | state
        state["weights"] = {
            # What torch.compile puts before names, which is not there any more.
            name.removeprefix("_orig_mod."): value
            for name, value in state["weights"].items()
        }
        state["network"] = {"input_scaling": "given"} | state["network"]
        target, signals = state["target"], state["signals"]
        if not isinstance(target, SignalTarget | ClassTarget):
            raise TypeError(f"a network has no {type(target).__name__} for a target")
        target.check_whole()
        if state["preset"] not in PRESETS:
            raise ValueError(f"no network has the preset {state['preset']!r}")
        solution = None if state["solution"] is None else Solution(**state["solution"])
        if solution is not None:
            solution.check_whole()
        check_signals(signals)
        check_network(state, target.n_columns)
        posterior = None if state["posterior"] is None else Posterior(**state["posterior"])
        if posterior is not None:
            last = state["weights"][f"layers.{state['network']['n_layers'] - 1}.weight"]
            posterior.check_whole(last.shape[1], len(last))
        settings = dataclasses.replace(
            PRESETS["train"], learning_rate=state["learning_rate"], **state["network"]
        )
        model = cls.build(
            state["n_inputs"],
            target,
            settings,
            signals=signals,
            latent_dim=state["latent_dim"],
            device=there_or_cpu(state["device"], state["dtype"]),
            solution=solution,
            posterior=posterior,
            **{name: state[name] for name in ("seed", "dtype", "net_params", "preset")},
        )
        net = model.net
        model._network.load_state_dict(tensors_of(state["weights"]))
        kept = state["optimizer"]
        if isinstance(net.optimizer_, torch.optim.AdamW):
            # No file names another.
            kept = checked_optimizer(kept, net.optimizer_)
        net.optimizer_.load_state_dict(tensors_of(kept))
        for row in state["history"]:
            net.history.new_epoch()
            for name, value in row.items():
                net.history.record(name, value)
        return model

    @property
    def codes(self) -> NDArray[np.floating]:
        """The code of each signal, shape (n_signals, latent_dim)."""
        return self.net.module_.codes.detach().cpu().numpy().copy()

    def of_signals(self, signals: NDArray, codes: NDArray) -> Model:
        """Return a model with the same layers, as they are, and these codes to be trained."""
        net = copy.deepcopy(self.net)
        net.module_.codes = torch.nn.Parameter(torch.from_numpy(codes).to(net.device))
        net.module__n_signals = len(signals)
        net.initialize_optimizer()
        return Model(net, self.target, signals=signals, preset=self.preset, **self._made_with)

    @property
    def _network(self) -> Any:
        """The network as written: what torch.compile makes of it goes backward once only."""
        return getattr(self.net.module_, "_orig_mod", self.net.module_)

    def _inputs(self, X: NDArray | Inputs) -> Inputs:
        """Return X as the network takes it, on its device."""
        X, n_inputs = Inputs.of(X), self.net.module__n_inputs
        # scikit-learn counts an indexed column as one, whatever its table.
        if X.shape[1] != n_inputs:
            raise ValueError(
                f"X must have the {n_inputs} columns that the model was fitted with, those of "
                f"the tables of indexed columns counted; got {X.shape[1]}. Was the embedding "
                f"fitted again, with another n_components or output?"
            )
        if self.signals is not None:
            X = X.with_last(_find_signals(X.last, self.signals))
        tensors = X.converted(lambda array: as_tensor("X", array, self.dtype))
        return to_device("X", tensors, self.net.device)

    def _on_device(self, name: str, array: NDArray) -> torch.Tensor:
        return to_device(name, as_tensor(name, array, self.dtype), self.net.device)


def _find_signals(names: NDArray, signals: NDArray) -> NDArray[np.intp]:
    """Return where in ``signals``, in order, each name is."""
    positions = np.searchsorted(signals, names).clip(max=len(signals) - 1)
    unknown = np.unique(names[signals[positions] != names])
    if len(unknown):
        raise ValueError(
            f"X's last column must name signals that the model knows, {len(signals)} from "
            f"{signals[0]:g} to {signals[-1]:g}; got {', '.join(f'{u:g}' for u in unknown[:5])}. "
            f"add_signals fits codes of new ones."
        )
    return positions
