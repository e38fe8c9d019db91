"""Peers, each in an environment of its own, and how the board tells them of a fold by a file.

python benchmarks/_board_peers.py              makes build/peers/, some minutes and 8 GB
python benchmarks/_board_peers.py gpboost      one environment
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _child import TOO_LONG
from peers._peer import TOO_SLOW

HERE = Path(__file__).parent
SCRIPTS = HERE / "peers"
ENVIRONMENTS = HERE.parent / "build" / "peers"
ONE_CORE = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


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
    """Yield what a peer says of each fold, as soon as it has said it.

    One process for all folds, since starting takes longer than fitting; where it ends early,
    another goes on with what is left, unless it was too slow.
    """
    waiting = list(folds)
    while waiting:
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder, str(i)) for i in range(len(waiting))]
            pairs = [(name.with_suffix(".npz"), name.with_suffix(".out.npz")) for name in names]
            for fold, (source, _) in zip(waiting, pairs, strict=True):
                write_task(fold, source, smoothed(fold) if smoothed else None)
            errors = Path(folder, "errors")
            process = start(peer, pairs, errors)
            for found in appearing(process, [target for _, target in pairs]):
                yield waiting.pop(0), found
            if waiting and -process.returncode in TOO_SLOW:
                yield from ((fold, {"failed": TOO_LONG}) for fold in waiting)
                return
            if waiting:
                yield waiting.pop(0), {"failed": reason_of(process, errors.read_text())}


def start(peer, pairs, errors):
    command = [peer.python, SCRIPTS / f"{peer.script}.py", *sum(pairs, ())]
    with errors.open("w") as file:
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=file, env=os.environ | ONE_CORE
        )


def appearing(process, files):
    """Yield what is in files, in turn, until the process that writes them has ended."""
    running = True
    while running:
        # Asked before looking, so that what it writes last is seen.
        running = process.poll() is None
        while files and files[0].exists():
            with np.load(files.pop(0)) as kept:
                yield {name: kept[name] for name in kept.files}
        time.sleep(0.1)


def reason_of(process, errors):
    if process.returncode < 0:
        return f"ended by signal {-process.returncode}"
    lines = errors.strip().splitlines()
    return lines[-1][:150] if lines else f"exit status {process.returncode}"


if __name__ == "__main__":
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    every = sorted(file.stem for file in (SCRIPTS / "requirements").glob("*.txt"))
    for name in sys.argv[1:] or every:
        install(name)
