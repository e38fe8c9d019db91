"""One step of preset "represent" on a device: how it can be run, how long it takes, what it calls.

The library's is timed within its own fit. Bare ones do the same arithmetic without it: gather the
rows, forward and backward, AdamW, and the mean of the weights.
"""

import statistics
import time
from collections import Counter

import torch
from skorch.callbacks import Callback

from skginr.network._presets import PRESETS
from skginr.network.nn._siren import SIREN
from skginr.network.solving._moments import moments_of
from skginr.network.training._batches import TensorTable
from skginr.network.training._schedules import Anytime

SETTINGS = PRESETS["represent"]
# Of the mean of the weights, as the library has it.
TAIL = 13
# Launched before anything is measured, and steps that are looked at in the profiler.
WARM_UP, PROFILED = 5, 10


def wait(device):
    """Wait until the device has done what it was told."""
    if device.split(":")[0] == "mps":
        torch.mps.synchronize()
    elif device.split(":")[0] != "cpu":
        torch.cuda.synchronize()


def network(n_inputs, device):
    return SIREN(n_inputs, 1, **SETTINGS.network, seed=0, dtype=torch.float32).to(device)


def flops(n_inputs, n_rows):
    """Return the floating-point operations of the layers, forward and backward, in a step.

    Three products a layer: of its outputs, of the gradient by its weights, and, but for the first
    layer, of the gradient by its inputs.
    """
    first, *others = (layer.weight.numel() for layer in network(n_inputs, "cpu").layers)
    return 2 * n_rows * (2 * first + 3 * sum(others))


def matrix_rate(device, size):
    """Return the floating-point operations a second of a large matrix product."""
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    seconds = []
    for _ in range(8):
        wait(device)
        start = time.perf_counter()
        a @ b
        wait(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(seconds[3:])


# --- bare steps


class BareStep:
    """A step as one would write it by hand."""

    capturable = False

    def __init__(self, X, y):
        self.X, self.y = X, y
        self.net = network(X.shape[1], X.device)
        # Inputs are brought to unit size in every step, as a fit does.
        self.net.scale_inputs(moments_of(TensorTable(X, y)).unit_scale.to(X))
        self.weights = list(self.net.parameters())
        self.means = [weights.detach().clone() for weights in self.weights]
        self.optimizer = torch.optim.AdamW(
            self.weights,
            lr=self.number(SETTINGS.learning_rate),
            betas=SETTINGS.betas,
            weight_decay=SETTINGS.weight_decay,
            fused=True,
            capturable=self.capturable,
        )
        self.factor, self.n_steps = Anytime(), 0

    def number(self, value):
        return value

    def __call__(self, rows):
        (group,) = self.optimizer.param_groups
        group["lr"] = SETTINGS.learning_rate * self.factor(self.n_steps, [])
        self.n_steps += 1
        self.descend(rows)
        with torch.no_grad():
            torch._foreach_lerp_(self.means, self.weights, min(1.0, TAIL / self.n_steps))

    def descend(self, rows):
        self.optimizer.zero_grad()
        prediction = self.net(self.X[rows])
        torch.nn.functional.mse_loss(prediction, self.y[rows]).backward()
        self.optimizer.step()


class CapturedStep(BareStep):
    """The same, captured once into a CUDA graph and replayed; on a CPU only run again.

    What changes from step to step, rows, rate and share, is written to where the graph reads it.
    """

    capturable = True

    def __init__(self, X, y, n_rows):
        super().__init__(X, y)
        self.rows = torch.zeros(n_rows, dtype=torch.int64, device=X.device)
        self.rate = self.optimizer.param_groups[0]["lr"]
        self.share = self.number(1.0)
        self.replay = self.all_of_it
        if X.device.type == "cuda":
            self.capture()

    def number(self, value):
        return torch.tensor(value, device=self.X.device)

    def __call__(self, rows):
        self.rate.fill_(SETTINGS.learning_rate * self.factor(self.n_steps, []))
        self.n_steps += 1
        self.share.fill_(min(1.0, TAIL / self.n_steps))
        self.rows.copy_(rows)
        self.replay()

    def all_of_it(self):
        self.descend(self.rows)
        with torch.no_grad():
            # A share that lies on the device is beyond _foreach_lerp_.
            change = torch._foreach_sub(self.weights, self.means)
            torch._foreach_mul_(change, self.share)
            torch._foreach_add_(self.means, change)

    def capture(self):
        """Record all kernels of a step; the steps that this takes first are undone."""
        start = [weights.detach().clone() for weights in self.weights]
        # Memory, libraries and the optimiser's state are prepared beside the capture.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.all_of_it()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            self.all_of_it()
        self.replay = graph.replay
        with torch.no_grad():
            for weights, mean, first in zip(self.weights, self.means, start, strict=True):
                weights.copy_(first)
                mean.copy_(first)
            for state in self.optimizer.state.values():
                for kept in state.values():
                    kept.zero_()


def batches(n_rows, batch_size, device):
    """Return the rows of one step after another, for ever."""
    generator = torch.Generator().manual_seed(0)
    while True:
        order = torch.randperm(n_rows, generator=generator).to(device)
        yield from order.split(batch_size)


def seconds_a_step(step, batch_size, n_steps, repeats=3):
    """Return the median seconds of a step, over runs of many."""
    device = str(step.X.device)
    rows = batches(len(step.X), batch_size, step.X.device)
    for _ in range(WARM_UP):
        step(next(rows))
    seconds = []
    for _ in range(repeats):
        # The order of rows is drawn beforehand.
        given = [next(rows) for _ in range(n_steps)]
        wait(device)
        start = time.perf_counter()
        for some in given:
            step(some)
        wait(device)
        seconds.append((time.perf_counter() - start) / n_steps)
    return statistics.median(seconds)


def disagreement(X, y, batch_size, n_steps=10):
    """Return how far a captured step's weights are from a bare one's after some steps.

    As the largest difference over the largest weight.
    """
    bare, captured = BareStep(X, y), CapturedStep(X, y, batch_size)
    rows = batches(len(X), batch_size, X.device)
    for _ in range(n_steps):
        some = next(rows)
        bare(some)
        captured(some)
    pairs = zip(bare.weights + bare.means, captured.weights + captured.means, strict=True)
    return max(float((a - b).detach().abs().max() / a.detach().abs().max()) for a, b in pairs)


# --- the library's


class Clock(Callback):
    """Seconds of a step in every epoch, with what an epoch adds: the order of rows, the losses."""

    def __init__(self, device):
        self.device, self.seconds = device, []

    def on_epoch_begin(self, net, **kwargs):
        wait(self.device)
        self.start = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        wait(self.device)
        seconds = time.perf_counter() - self.start
        if not self.seconds:
            self.first = seconds
        self.seconds.append(seconds / net.history[-1, "train_batch_count"])


class Profile(Callback):
    """Profiles some steps in the middle of the first epoch."""

    def __init__(self, device):
        self.device, self.n_steps = device, 0
        self.profiler = profiler(device)

    def on_batch_begin(self, net, training, **kwargs):
        if training:
            self.n_steps += 1
            if self.n_steps == WARM_UP:
                wait(self.device)
                self.profiler.start()
            if self.n_steps == WARM_UP + PROFILED:
                self.profiler.stop()


def library(X, y, batch_size, callback, n_epochs, device, **given):
    from skginr import SIRENRegressor

    SIRENRegressor(
        "represent",
        batch_size=batch_size,
        max_epochs=n_epochs,
        target_score="off",
        random_state=0,
        device=device,
        callbacks=[callback],
        **given,
    ).fit(X, y)
    return callback


def seconds_in_library(X, y, batch_size, n_epochs, device, **given):
    """Return the median seconds of a step within fit, and those of the first epoch.

    That warms up, and is not among the others.
    """
    clock = library(X, y, batch_size, Clock(device), n_epochs + 1, device, **given)
    return statistics.median(clock.seconds[1:]), clock.first


def calls_in_library(X, y, batch_size, device):
    return calls(library(X, y, batch_size, Profile(device), 1, device).profiler)


# --- what is called


def profiler(device):
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.split(":")[0] == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    return torch.profiler.profile(activities=activities)


def calls_of(step, batch_size):
    """Return what a bare step calls."""
    device = str(step.X.device)
    rows = batches(len(step.X), batch_size, step.X.device)
    given = [next(rows) for _ in range(WARM_UP + PROFILED)]
    for some in given[:WARM_UP]:
        step(some)
    wait(device)
    with profiler(device) as profile:
        for some in given[WARM_UP:]:
            step(some)
    return calls(profile)


def calls(profile):
    """Return, of a profile of some steps, calls a step by kind.

    ``operators`` are torch's, on the host, that no other of them called; ``launches`` and ``waits``
    are CUDA's calls on the host; ``kernels`` ran on the card.
    """
    found = Counter()
    for event in profile.events():
        name = event.name
        if event.device_type != torch.autograd.DeviceType.CPU:
            copies = name.startswith(("Memcpy", "Memset"))
            # Names that torch gives to stretches of time are shown beside the kernels in them.
            if not copies and not getattr(event, "is_user_annotation", False):
                found["kernels"] += 1
        elif name.startswith("aten::"):
            parent = event.cpu_parent
            found["operators"] += parent is None or not parent.name.startswith("aten::")
        elif name.startswith(("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch")):
            found["launches"] += 1
        elif name.startswith(("cudaMemcpy", "cudaMemset")):
            found["copies"] += 1
        elif name.startswith("cuda") and "Synchronize" in name:
            found["waits"] += 1
    kinds = ["operators"]
    if found["launches"]:
        kinds += ["launches", "kernels", "copies", "waits"]
    return {kind: found[kind] / PROFILED for kind in kinds}
