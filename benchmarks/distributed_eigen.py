"""Eigenvectors by SLEPc on one rank and on two, beside a fit here.

    python benchmarks/distributed_eigen.py           # up to a million nodes, about 20 minutes
    python benchmarks/distributed_eigen.py --small   # 65,536 nodes, about a minute

Needs Linux, and Debian's packages of slepc4py and OpenMPI or slepc4py in this environment; see
docs/scaling.md. Spheres are triangulated, 32 coordinates of the combinatorial Laplacian. Every line
is a process of its own, or one per rank, with one thread each; CPU seconds tell how much of the
time was the machine's being busy with something else. Memory is the peak of a process, of the
largest rank. The residual is that of the eigenproblem in units of the eigenvalue; the angle is
between the span of the first 32 and that of the fit's.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _graphs import load

from skginr import Graph, SpectralEmbedder, add_basis, save_eigenproblem
from skginr.distributed import eigen
from skginr.graphs import laplacian_of

K = 32
SIZES = (262_144, 1_048_576)
TASKS = ("fit", "save", "add")
FOLDER = Path("build/distributed")


def main(sizes):
    """Print a line for every way and size."""
    print("| nodes | what | seconds | CPU seconds | peak, MB | residual / lambda | sine of angle |")
    print("|---|---|---|---|---|---|---|")
    for n_nodes in sizes:
        if not kept(n_nodes).exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            script = Path(__file__).with_name("_graphs.py")
            subprocess.run([sys.executable, script, f"sphere-{n_nodes}", kept(n_nodes)], check=True)
        show(n_nodes, "fit", run("fit", n_nodes))
        folder = problem(n_nodes)
        shutil.rmtree(folder, ignore_errors=True)
        show(n_nodes, "save_eigenproblem", run("save", n_nodes))
        for n_ranks in (1, 2):
            show(n_nodes, f"SLEPc, {n_ranks} rank{'s' * (n_ranks > 1)}", solve(folder, n_ranks))
            show(n_nodes, "add_basis, checks and all", run("add", n_nodes))


def show(n_nodes, what, found):
    words = [f"{found['seconds']:,.1f}", f"{found['cpu']:,.1f}", f"{found['mb']:,.0f}"]
    words += [f"{found[name]:.1e}" if name in found else "" for name in ("residual", "sine")]
    print(f"| {n_nodes:,} | {what} | {' | '.join(words)} |", flush=True)


def kept(n_nodes):
    """Return the file of the triangulated sphere."""
    return FOLDER / f"sphere-{n_nodes}.npz"


def problem(n_nodes):
    return FOLDER / f"eigenproblem-{n_nodes}"


def run(task, n_nodes):
    command = [sys.executable, __file__, "--task", task, "--nodes", str(n_nodes)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=one_thread, check=True)
    return json.loads(done.stdout)


def solve(folder, n_ranks):
    """Return what the program of SLEPc took."""
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        # A rank that waits leaves its core to what else there is.
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }
    python = sys.executable
    debian = sorted(Path("/usr/lib").glob("slepcdir/slepc*/*-real"))
    if debian:
        python = "/usr/bin/python3"
        env["SLEPC_DIR"] = str(debian[-1])
        env["PETSC_DIR"] = str(sorted(Path("/usr/lib").glob("petscdir/petsc*/*-real"))[-1])
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["mpirun", "-n", str(n_ranks), python, eigen.__file__, folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    mb = re.search(r"at most ([\d,]+) MB a rank", done.stdout)[1]
    return {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "mb": float(mb.replace(",", "")),
    }


def measure(task, n_nodes):
    """Return what a task took in this process, and how good the eigenvectors are."""
    graph = Graph.from_adjacency(load(kept(n_nodes))[0])
    embedder = SpectralEmbedder(K, graph=graph, max_components=K, scaling="unit")
    vectors = FOLDER / f"vectors-{n_nodes}.npy"
    nodes = graph.labels.to_frame()[:1]
    do = {
        "fit": lambda: embedder.fit(nodes),
        "save": lambda: save_eigenproblem(embedder, problem(n_nodes)),
        "add": lambda: add_basis(
            embedder, np.load(problem(n_nodes) / "eigenvectors.npy", mmap_mode="r")
        ),
    }[task]
    Path("/proc/self/clear_refs").write_text("5")
    start, cpu = time.perf_counter(), time.process_time()
    do()
    found = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    found["mb"] = peak_mb()
    if task == "save":
        return found
    embedder.fit(nodes)
    U = embedder.embedding_ / np.sqrt(n_nodes)
    residual = laplacian_of(graph, "combinatorial").stiffness @ U - U * embedder.eigenvalues_
    found["residual"] = float((np.linalg.norm(residual, axis=0) / embedder.eigenvalues_).max())
    if task == "fit":
        np.save(vectors, U)
    else:
        fitted = np.load(vectors)
        found["sine"] = float(np.linalg.norm(U - fitted @ (fitted.T @ U), 2))
    return found


def peak_mb():
    """Return the most memory since it was last reset, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="65,536 nodes")
    parser.add_argument("--task", choices=TASKS, help="one line only, as JSON")
    parser.add_argument("--nodes", type=int, default=SIZES[0])
    given = parser.parse_args()
    if given.task is None:
        main([65_536] if given.small else SIZES)
    else:
        print(json.dumps(measure(given.task, given.nodes)))
