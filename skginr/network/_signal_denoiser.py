"""Signals on a graph out of noise: a denoising network, trained and drawn from."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from skginr.network._devices import as_array, as_tensor, plain_torch, resolve_device, there_or_cpu
from skginr.network._model_state import check_arrays, check_whole, tensors_of
from skginr.network.nn import Denoiser
from skginr.network.training import (
    EpochBar,
    Net,
    Schedule,
    SquaredLoss,
    StopOnDivergence,
    TensorBatches,
    TensorTable,
    factor_of,
    train,
)

# Of Adam.
_RATE, _BETAS = 4e-3, (0.9, 0.99)
# Signals of a batch: of so many nodes in all, about, but neither fewer nor more than these.
_BATCH_NODES, _BATCH = 12_000, (4, 64)
# Signals drawn at a time.
_DRAWN = 32
# Noise that signals are drawn out of: from so many deviations of the widest wave down to so much,
# in steps that are powers, so that most are where there is little.
_MOST, _LEAST, _N_STEPS, _POWER = 4.0, 0.02, 18, 7
# Waves next to each other whose variances are averaged, and the least that a variance is.
_SMOOTH, _FLOOR = 7, 1e-3


@dataclasses.dataclass(eq=False)
class SignalDenoiser:
    """A trained :class:`~skginr.network.nn.Denoiser`, and the graph that it is of.

    Attributes
    ----------
    neighbors : csr_array of shape (n_nodes, n_nodes)
        Takes means over neighbours.
    sizes : dict
        ``n_phases``, ``hidden_units`` and ``n_layers`` of the network.
    module : Denoiser
    losses : ndarray of shape (n_steps,)
        Mean squares in training, in units of those of a Gaussian field.
    """

    neighbors: sp.csr_array
    sizes: dict[str, int]
    module: Denoiser
    losses: NDArray[np.float64]

    @classmethod
    def trained(
        cls,
        signals: NDArray[np.float64],
        phases: NDArray[np.intp],
        neighbors: sp.csr_array,
        waves: tuple[NDArray[np.float64], NDArray[np.float64]],
        *,
        max_steps: int,
        device: str,
        seed: int,
        verbose: int,
        **sizes: int,
    ) -> Self:
        """Return one that has seen signals, under skorch.

        Signals are of mean 0 and unit variance, ``phases`` their numbers, ``waves`` eigenvalues
        and orthonormal eigenvectors.
        """
        device = resolve_device(device, "float32")
        eigenvalues, vectors = (as_tensor("graph", part, "float32") for part in waves)
        variances = as_tensor("y", _variances(signals, waves[1]), "float32")
        X = as_tensor("y", np.column_stack([signals, phases]), "float32").to(device)
        # Weights and noise are drawn from a seed, and the user's own goes on as it was.
        with torch.random.fork_rng([device] * device.startswith("cuda")), plain_torch():
            torch.manual_seed(seed)
            module = Denoiser(_sparse(neighbors), vectors, eigenvalues, variances, **sizes)
            net = Net(
                module.start(),
                criterion=SquaredLoss,
                optimizer=torch.optim.Adam,
                optimizer__betas=_BETAS,
                iterator_train=TensorBatches,
                iterator_train__batch_size=int(np.clip(_BATCH_NODES // signals.shape[1], *_BATCH)),
                iterator_train__sampling="draw",
                iterator_train__seed=seed,
                train_split=None,
                device=device,
                verbose=0,
            ).initialize()
            callbacks = [("schedule", Schedule(factor_of("cosine", max_steps)))]
            callbacks += [("divergence", StopOnDivergence())]
            callbacks += [("progress", EpochBar(max_steps))] * bool(verbose)
            table = TensorTable(X, torch.zeros(len(X), 1, device=device))
            train(net, table, n_epochs=max_steps, learning_rate=_RATE, callbacks=callbacks)
        return cls(neighbors, sizes, net.module_, np.array(net.history[:, "train_loss"]))

    def draw(self, phases: NDArray[np.intp], random: np.random.RandomState) -> NDArray[np.float64]:
        """Return new signals of phases, shape (n_signals, n_nodes)."""
        noise = random.standard_normal((len(phases), self.neighbors.shape[0]))
        groups = [slice(at, at + _DRAWN) for at in range(0, len(phases), _DRAWN)]
        with plain_torch(), torch.no_grad():
            return np.concatenate([self._out_of(noise[some], phases[some]) for some in groups])

    def _out_of(self, noise: NDArray[np.float64], phases: NDArray[np.intp]) -> NDArray[np.float64]:
        """Follow what a signal most likely was before there was so much noise, by Heun's steps."""
        variances = self.module.variances
        device = variances.device
        most = _MOST * float(variances.max()) ** 0.5
        steps = torch.linspace(most ** (1 / _POWER), _LEAST ** (1 / _POWER), _N_STEPS)
        steps = steps.to(device) ** _POWER
        numbers = torch.from_numpy(phases).to(device)
        signals = most * torch.from_numpy(noise.T.copy()).to(device, torch.float32)

        def slope(signals: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            return (signals - self.module.denoise(signals, at, numbers)) / at

        for now, after in itertools.pairwise(steps):
            here = slope(signals, now)
            there = slope(signals + (after - now) * here, after)
            signals = signals + (after - now) * (here + there) / 2
        return as_array(self.module.denoise(signals, steps[-1], numbers)).T.astype(float)

    def __getstate__(self) -> dict[str, Any]:
        return self.to_state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(self.from_state(state).__dict__)

    def to_state(self) -> dict[str, Any]:
        """Return what a file keeps of it: numbers and words."""
        weights = {name: as_array(part) for name, part in self.module.state_dict().items()}
        return {
            "neighbors": self.neighbors,
            "sizes": self.sizes,
            "weights": weights,
            "losses": self.losses,
            "device": str(self.module.variances.device),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return the one of a state, on its device if that is there, else on the CPU.

        Or raise before anything is built, unless :meth:`to_state` may have returned that state.
        """
        sizes, weights, neighbors = state["sizes"], state["weights"], state["neighbors"]
        if not isinstance(neighbors, sp.csr_array) or len(set(neighbors.shape)) > 1:
            raise ValueError("the neighbors of a denoiser must be a square csr_array")
        if set(sizes) != {"n_phases", "hidden_units", "n_layers"}:
            raise ValueError(f"a denoiser has no sizes {sorted(map(str, sizes))}")
        for size in sizes.values():
            check_whole("the size of a denoiser", size, 1, 2**31 - 1)
        if sizes["n_layers"] > len(weights):
            raise ValueError(f"a denoiser has {len(weights)} arrays in {sizes['n_layers']} layers")
        n_waves, n_nodes = len(weights["eigenvalues"]), neighbors.shape[0]
        with torch.device("meta"):
            empty = (torch.empty(n_nodes, n_waves), torch.empty(n_waves), torch.empty(n_waves + 1))
            plan = Denoiser(torch.empty(0), *empty, **sizes).state_dict()
        shapes = {name: tuple(part.shape) for name, part in plan.items()}
        check_arrays("weights of a denoiser", weights, shapes, np.dtype(np.float32))
        if (weights["variances"] <= 0).any():
            raise ValueError("a denoiser has variances that are not above 0")
        given = (tensors_of(weights[name]) for name in ("waves", "eigenvalues", "variances"))
        with torch.random.fork_rng(devices=[]):
            module = Denoiser(_sparse(neighbors), *given, **sizes)
        module.load_state_dict(tensors_of(weights))
        device = there_or_cpu(state["device"], "float32")
        return cls(neighbors, sizes, module.to(device), state["losses"])


def _variances(signals: NDArray[np.float64], waves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return those of coefficients of waves, and of each of the others.

    Means of those next to each other, as few signals leave each unsure.
    """
    squares = ((signals @ waves) ** 2).mean(axis=0)
    n_nodes, n_waves = waves.shape
    left = (n_nodes - squares.sum()) / max(1, n_nodes - n_waves)
    padded = np.pad(squares, _SMOOTH // 2, mode="edge")
    level = np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")
    return np.maximum(np.append(level, left), _FLOOR)


def _sparse(matrix: sp.csr_array) -> torch.Tensor:
    # By coordinates: torch says of its rows that they are not finished.
    entries = matrix.tocoo()
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.array(entries.coords)),
        torch.from_numpy(entries.data.astype(np.float32)),
        entries.shape,
        check_invariants=True,
    ).coalesce()
