"""The board's peers: each in an environment of its own, told of a fold by a file.

python benchmarks/_board_peers.py              makes build/peers/, a few minutes and 5 GB
python benchmarks/_board_peers.py gpboost      one environment
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SCRIPTS = HERE / "peers"
ENVIRONMENTS = HERE.parent / "build" / "peers"
ONE_CORE = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
TOO_LONG = "too long"
# The signal that ends a peer at its limit.
ALARM = -14


@dataclass(frozen=True)
class Peer:
    """A script, the environment it runs in, and what must be set for it to run."""

    script: str
    environment: str
    variable: str | None = None

    @property
    def python(self):
        return ENVIRONMENTS / self.environment / "bin" / "python"

    @property
    def versions(self):
        """Return {package: version}, or {"absent": why}."""
        kept = ENVIRONMENTS / f"{self.environment}.json"
        return json.loads(kept.read_text()) if kept.exists() else {"absent": "make peers"}

    @property
    def absent(self):
        """Return why it cannot run, or None."""
        if "absent" in self.versions:
            return self.versions["absent"]
        if self.variable and self.variable not in os.environ:
            return f"{self.variable} names no file of weights"
        return None


PEERS = {
    "GPBoost, process": Peer("gpboost_process", "gpboost"),
    "GPBoost, trees and process": Peer("gpboost_trees", "gpboost"),
    "GeometricKernels, Matérn": Peer("graph_matern", "geometric_kernels"),
    "fast-graph-gp": Peer("grf_process", "fast_graph_gp"),
    "dgmrf": Peer("deep_gmrf", "dgmrf"),
    "gstlearn, kriging": Peer("kriging", "gstlearn"),
    "mgwr, GWR": Peer("gwr", "mgwr"),
    "PyTorch Geometric, residuals propagated": Peer("gnn", "torch_geometric"),
    "TabICL": Peer("tabular", "tabicl", "TABICL_WEIGHTS"),
}


# --- environments


def install(environment):
    """Make an environment, and keep what came of it."""
    folder = ENVIRONMENTS / environment
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python, wanted = folder / "bin" / "python", SCRIPTS / "requirements" / f"{environment}.txt"
    pip = [python, "-m", "pip", "install", "--quiet", "-r", wanted]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        told = re.search(r"^ERROR: .*", done.stderr, re.MULTILINE)
        found = {"absent": (told[0] if told else "pip failed")[:150]}
    else:
        names = re.findall(r"^[\w-]+", wanted.read_text(), re.MULTILINE)
        script = "import importlib.metadata as m, json, sys; "
        script += "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
        told = subprocess.run([python, "-c", script, *names], capture_output=True, check=True)
        found = json.loads(told.stdout)
    (ENVIRONMENTS / f"{environment}.json").write_text(json.dumps(found))
    print(f"{environment}: {found}", flush=True)


# --- runs


def write_task(fold, file, smoothed=None):
    """Write all that a peer may know: not the values of test rows."""
    table, graph = fold.table, fold.table.graph
    number = np.empty(len(fold.train), int)
    for i, (_, held) in enumerate(fold.inner):
        number[held] = i
    given = {
        **{part: getattr(graph.adjacency, part) for part in ("indptr", "indices", "data")},
        "nodes": table.nodes,
        "covariates": table.covariates,
        "train": fold.train,
        "test": fold.test,
        "y": fold.y,
        "fold": number,
    }
    if graph.faces is not None:
        given |= {"vertices": graph.positions, "faces": graph.faces}
    given |= {} if table.positions is None else {"positions": table.positions}
    given |= {} if smoothed is None else {"smoothed": smoothed}
    np.savez(file, **given)


def answers(peer, folds, smoothed=None):
    """Yield what a peer says of each fold, as soon as its process ends.

    One process for all folds, since starting takes longer than fitting; where it is ended, another
    goes on with what is left, unless it was too slow.
    """
    with tempfile.TemporaryDirectory() as folder:
        waiting = list(enumerate(folds))
        while waiting:
            pairs = [(Path(folder, f"{i}.npz"), Path(folder, f"{i}-out.npz")) for i, _ in waiting]
            for (_, fold), (source, _) in zip(waiting, pairs, strict=True):
                write_task(fold, source, smoothed(fold) if smoothed else None)
            command = [peer.python, SCRIPTS / f"{peer.script}.py", *sum(pairs, ())]
            done = subprocess.run(
                command, capture_output=True, text=True, env=os.environ | ONE_CORE, check=False
            )
            while waiting and pairs[0][1].exists():
                with np.load(pairs.pop(0)[1]) as kept:
                    yield waiting.pop(0)[1], {name: kept[name] for name in kept.files}
            if waiting and done.returncode == ALARM:
                yield from ((fold, {"failed": TOO_LONG}) for _, fold in waiting)
                return
            if waiting:
                yield waiting.pop(0)[1], {"failed": reason_of(done)}


def reason_of(done):
    lines = done.stderr.strip().splitlines()
    ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else ""
    return ended or (lines[-1][:150] if lines else f"exit status {done.returncode}")


if __name__ == "__main__":
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    every = dict.fromkeys(peer.environment for peer in PEERS.values())
    for name in sys.argv[1:] or every:
        install(name)
