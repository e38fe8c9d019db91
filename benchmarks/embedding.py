"""Compares the spectral embedding with its peers, on one core.

Every measurement has a process of its own. Peers live in build/bench-env, which is made on
the first run; graphs and references are kept in build/bench. Ratios are of seconds in the
same run: machines differ, and the seconds of one are of little use on another.

    python benchmarks/embedding.py --quick              small graphs, a minute or two
    python benchmarks/embedding.py --only bunny-100     one case
"""

import argparse
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from _methods import METHODS

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
ENVIRONMENT = BUILD / "bench-env"
FILES = BUILD / "bench"
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA")
ONE_CORE = {f"{library}_NUM_THREADS": "1" for library in THREADS}

OURS, ARPACK = "skginr", "scikit-learn, arpack"
EXACT = "scipy eigsh, shift-invert"
# GiB of address space for one measurement: a method that needs more fails by itself.
MEMORY_LIMIT = 16
# A method is measured again, in turns with the others, where it took less than this.
REPEAT_BELOW = 30


@dataclass(frozen=True)
class Case:
    """One graph and k, the methods that are measured on it, and what is to be reached."""

    graph: str
    quick_graph: str | None
    k: int
    methods: tuple[str, ...]
    laplacian: str = "combinatorial"
    # Method -> how many times as long as ours it should take.
    ratios: dict[str, float] = field(default_factory=dict)
    # What ours should keep to: seconds, peak_mb, residual.
    limits: dict[str, float] = field(default_factory=lambda: {"residual": 1e-6})
    # Methods that should not take less memory.
    no_lighter: tuple[str, ...] = ()
    reference: str | None = EXACT
    repeats: int = 1
    time_limit: int = 600
    note: str = ""

    def small(self):
        """Return the case on a small graph, with nothing to reach."""
        return replace(
            self,
            graph=self.quick_graph,
            k=self.k // 3,
            ratios={},
            limits={},
            no_lighter=(),
            repeats=1,
        )


SLOW_PEERS = ('scipy eigsh, which="SM"', "pygsp", "scikit-network", "umap-learn, spectral layout")
MESH_METHODS = (
    OURS,
    ARPACK,
    "scikit-learn, arpack, same eigen_tol",
    EXACT,
    "scikit-learn, amg",
    "scipy lobpcg, pyamg",
    "primme, Jacobi",
    *SLOW_PEERS,
    "graspologic, truncated",
)
SCALE_FREE_METHODS = (
    OURS,
    "scipy lobpcg, Jacobi",
    "primme, Jacobi",
    "scipy eigsh, largest of the complement",
    "scipy eigsh, inverse by conjugate gradients",
    "scipy lobpcg, pyamg",
    "scikit-learn, amg",
    ARPACK,
    *SLOW_PEERS,
)


def scale_free(laplacian):
    # The normalised Laplacian is much the easier one, so each is compared with its own.
    methods = [name for name in SCALE_FREE_METHODS if METHODS[name].only in (None, laplacian)]
    return Case(
        "barabasi-albert-30000",
        "barabasi-albert-3000",
        30,
        tuple(methods),
        laplacian,
        ratios=dict.fromkeys(methods[1:], 1.0),
        # A factorisation fills in.
        reference="scipy eigsh, inverse by conjugate gradients",
        repeats=2,
        time_limit=100,
    )


def million_random(name):
    # Five million edges, no positions, and no gap: what a social or web graph asks of a solver.
    methods = (
        OURS,
        "scipy lobpcg, Jacobi",
        "primme, Jacobi",
        "scipy eigsh, largest of the complement",
    )
    return Case(
        f"{name}-1000000",
        f"{name}-30000",
        32,
        methods,
        "symmetric",
        ratios=dict.fromkeys(methods[1:], 1.0),
        reference=None,
        time_limit=1500,
    )


CASES = {
    "bunny-100": Case(
        "bunny",
        "bunny-small",
        100,
        MESH_METHODS,
        ratios={ARPACK: 3.0} | dict.fromkeys(SLOW_PEERS, 15.0) | {SLOW_PEERS[0]: 35.0},
        repeats=3,
    ),
    "bunny-300": Case(
        "bunny", "bunny-small", 300, (OURS, ARPACK, EXACT), ratios={ARPACK: 5.0}, repeats=2
    ),
    "small": Case(
        "sphere-3000",
        None,
        64,
        (OURS, EXACT, "primme, Jacobi", ARPACK),
        ratios={EXACT: 1.0, "primme, Jacobi": 1.0},
        repeats=7,
    ),
    "sphere-100": Case(
        "sphere-262144",
        "sphere-16384",
        100,
        (OURS, ARPACK, "scipy lobpcg, pyamg"),
        ratios={ARPACK: 2.5},
        no_lighter=(ARPACK,),
        repeats=2,
        time_limit=300,
    ),
    "million-100": Case(
        "sphere-1048576",
        None,
        100,
        (OURS,),
        limits={"seconds": 180, "peak_mb": 6500, "residual": 1e-6},
        reference=None,
    ),
    "scale-free": scale_free("combinatorial"),
    "scale-free-normalised": scale_free("symmetric"),
    "million-scale-free": million_random("preferential"),
    "million-communities": million_random("communities"),
    "isomap": Case(
        "bunny",
        "bunny-small",
        100,
        ("skginr, isomap of 500 landmarks",),
        limits={"seconds": 10},
        reference=None,
        note="scikit-learn's Isomap is not run: it holds two dense n x n matrices, {full:.1f} GB.",
    ),
}
CURVE = (1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
OVERHEAD = 0.10


# --- the environment of the peers


def peers():
    """Return what the peers' environment holds: package -> version, or why it is absent."""
    kept = ENVIRONMENT / "peers.json"
    if not kept.exists():
        say(f"making {ENVIRONMENT.relative_to(HERE.parent)}")
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        wanted = (HERE / "peers.txt").read_text().splitlines()
        found = {name: install(name) for name in wanted if name and not name.startswith("#")}
        kept.write_text(json.dumps(found, indent=1))
    return json.loads(kept.read_text())


def install(package):
    """Install one peer; return its version, or {"absent": why}."""
    say(f"installing {package}")
    python = ENVIRONMENT / "bin" / "python"
    constraints = HERE.parent / "constraints.txt"
    pip = [python, "-m", "pip", "install", "--quiet", "-c", constraints, package]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        # The first complaint of the linker or of pip says more than the last.
        told = re.search(r"cannot find -l\w+|^ERROR: .*", done.stderr, re.MULTILINE)
        return {"absent": told[0] if told else "pip failed"}
    script = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run(
        [python, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


# --- one measurement


def graph_file(name):
    """Return the file of a graph, made where absent; None where its data are."""
    file = FILES / f"{name}.npz"
    if not file.exists():
        if name.startswith("bunny") and "SKGINR_DATA" not in os.environ:
            return None
        say(f"making the graph {name}")
        part = FILES / "part.npz"
        subprocess.run([sys.executable, HERE / "_graphs.py", name, part], check=True)
        part.rename(file)
    return file


class Bench:
    """Runs methods in processes of their own, and keeps their results by case."""

    def __init__(self):
        self.peers = peers()
        self.references = {}
        FILES.mkdir(parents=True, exist_ok=True)

    def python_of(self, method):
        package = METHODS[method].package if method in METHODS else None
        return ENVIRONMENT / "bin" / "python" if package else sys.executable

    def run(self, method, graph, k, *options, time_limit=600):
        """Return the worker's result, or {"failed": why}."""
        package = METHODS[method].package if method in METHODS else None
        if package and isinstance(self.peers.get(package), dict):
            return {"failed": f"not installed: {self.peers[package]['absent']}"}
        command = [self.python_of(method), HERE / "_worker.py", method, graph, str(k), *options]
        command += ["--memory-limit", str(MEMORY_LIMIT)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=time_limit,
                env=os.environ | ONE_CORE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"over {time_limit} s"}
        if done.returncode:
            return {"failed": reason_of(done)}
        return json.loads(done.stdout.splitlines()[-1])

    def options(self, case, laplacian):
        """Return the options that name the Laplacian and the reference, where there is one."""
        key = case.graph, case.k, laplacian
        if case.reference and key not in self.references:
            self.references[key] = self.make_reference(case.reference, *key)
        file = self.references.get(key)
        return ["--laplacian", laplacian, *(["--reference", file] if file else [])]

    def make_reference(self, method, graph, k, laplacian):
        """Return the file of the reference, which is made where absent; None if that fails."""
        file, part = FILES / f"{graph}-{k}-{laplacian}.npy", FILES / "part.npy"
        if not file.exists():
            say(f"    reference: {method}, {laplacian}")
            options = ("--laplacian", laplacian, "--tol", "1e-12", "--save", part)
            made = self.run(method, graph_file(graph), k, *options, time_limit=1800)
            if "failed" in made:
                say(f"    no reference: {made['failed']}")
                return None
            part.rename(file)
        return file

    def case(self, case):
        """Return method -> result, the fastest of its repeats."""
        file, results = graph_file(case.graph), {}
        for turn in range(case.repeats):
            for method in case.methods:
                before = results.get(method)
                if turn and before.get("seconds", REPEAT_BELOW) >= REPEAT_BELOW:
                    continue
                kind = METHODS[method]
                options = self.options(case, kind.only or case.laplacian)
                now = self.run(method, file, case.k, *options, time_limit=case.time_limit)
                say(f"    {method:45s} {now.get('failed') or format(now['seconds'], '.2f') + ' s'}")
                results[method] = faster(before, now)
        return results

    def curve(self, case):
        """Return tolerance -> result of ours."""
        file, results = graph_file(case.graph), {}
        options = self.options(case, case.laplacian)
        for tol in CURVE:
            results[tol] = self.run(OURS, file, case.k, *options, "--tol", str(tol))
            say(f"    eigen_tol {tol:.0e}  {results[tol].get('failed') or ''}")
        return results

    def overhead(self, case):
        return self.run("overhead", graph_file(case.graph), case.k)


def faster(before, now):
    if before is None or "failed" in before:
        return now
    return before if "failed" in now or before["seconds"] < now["seconds"] else now


def reason_of(done):
    """Return why a worker ended: its exception, or the signal that ended it."""
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1][:100] if lines else f"exit status {done.returncode}"


# --- tables


def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def case_table(case, results):
    header = (
        "method",
        "seconds",
        "times ours",
        "target",
        "memory, MB",
        "peak, MB",
        "residual",
        "drift",
        "angle",
    )
    ours = results[case.methods[0]]
    rows = [row(case, method, result, ours) for method, result in results.items()]
    yield from table(header, rows)


def row(case, method, result, ours):
    kind = METHODS[method]
    other = kind.only and kind.only != case.laplacian
    name = method + (" (normalised Laplacian)" if other else "")
    target = targets(case, method, result, ours)
    if "failed" in result:
        return name, result["failed"], "", target, "", "", "", "", ""
    return (
        name,
        f"{result['seconds']:.2f}",
        "" if "failed" in ours else f"{result['seconds'] / ours['seconds']:.2f}",
        target,
        f"{result['memory_mb']:.0f}",
        f"{result['peak_mb']:.0f}",
        *(f"{result[key]:.0e}" if key in result else "" for key in ("residual", "drift")),
        angle(kind, result),
    )


def angle(kind, result):
    if not kind.comparable:
        return "other vectors"
    return f"{result['angle']:.0e}" if "angle" in result else ""


def targets(case, method, result, ours):
    """Return the targets of a row, each with what came of it."""
    told = []
    if method == case.methods[0]:
        for key, limit in case.limits.items():
            told.append((f"{key} <= {limit:g}", verdict(result.get(key, float("inf")) <= limit)))
    elif "failed" not in ours:
        if method in case.ratios:
            told.append(
                (f">= {case.ratios[method]:g}", verdict_of_ratio(case, method, result, ours))
            )
        if method in case.no_lighter and "failed" not in result:
            told.append(("no less memory", verdict(result["memory_mb"] >= ours["memory_mb"])))
    return "; ".join(f"{target}: {outcome}" for target, outcome in told)


def verdict(met):
    return "met" if met else "MISSED"


def verdict_of_ratio(case, method, result, ours):
    least = case.ratios[method] * ours["seconds"]
    if "failed" in result:
        # Out of time is slower; out of memory or not installed says nothing.
        late = result["failed"].startswith("over ") and case.time_limit >= least
        return "met" if late else "not measured"
    coarse = result.get("residual", 0) > case.limits.get("residual", float("inf"))
    return verdict(result["seconds"] >= least) + (" (less accurate)" if coarse else "")


def curve_table(results):
    rows = []
    for tol, result in results.items():
        if "failed" in result:
            rows.append((f"{tol:.0e}", result["failed"], "", ""))
        else:
            accuracy = (
                f"{result[key]:.0e}" if key in result else "" for key in ("residual", "angle")
            )
            rows.append((f"{tol:.0e}", f"{result['seconds']:.2f}", *accuracy))
    yield from table(("eigen_tol", "seconds", "residual", "angle"), rows)


def overhead_line(result):
    if "failed" in result:
        return f"Overhead of fit over the bare solver: {result['failed']}."
    share = result["fit"] / result["solver"] - 1
    return (
        f"Overhead of fit over the bare solver: {share:.1%} ({result['fit']:.2f} s and "
        f"{result['solver']:.2f} s), target <= {OVERHEAD:.0%}: "
        f"{verdict(share <= OVERHEAD)}."
    )


LEGEND = """\
One core, each measurement in its own process; the fastest of some repeats where short.
"times ours": seconds over skginr's. Memory: above what the process held before the solve;
peak: of the whole process.
Residual: the largest ||L u - lambda u|| over a bound of the largest eigenvalue.
Drift: the largest entry of U'U - I, the vectors U scaled to unit length.
Angle: sine of the largest principal angle to a reference computed to about 1e-12."""


def say(text):
    print(text, flush=True)


def versions(found):
    named = (
        f"{name} not installed ({about['absent']})"
        if isinstance(about, dict)
        else f"{name} {about}"
        for name, about in found.items()
    )
    return "Peers: " + ", ".join(named) + "."


def n_nodes(file):
    import numpy as np

    with np.load(file) as kept:
        return len(kept["indptr"]) - 1


def report(name, case, bench):
    """Measure one case and return the lines of its report."""
    say(f"{name}: {case.graph}, k = {case.k}, {case.laplacian}")
    file = graph_file(case.graph)
    if file is None:
        say("    skipped: SKGINR_DATA is not set")
        return [f"## {name}", "", "Skipped: SKGINR_DATA is not set.", ""]
    n = n_nodes(file)
    lines = [f"## {name}: {case.graph}, {n} nodes, k = {case.k}, {case.laplacian} Laplacian", ""]
    lines += case_table(case, bench.case(case))
    if case.note:
        lines += ["", case.note.format(full=2 * 8 * n**2 / 1e9)]
    if name == "bunny-100":
        lines += ["", *curve_table(bench.curve(case)), "", overhead_line(bench.overhead(case))]
    return [*lines, ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=CASES, help="a case; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small graphs, nothing judged")
    given = parser.parse_args()
    cases = {name: CASES[name] for name in given.only or CASES}
    if given.quick:
        cases = {name: case.small() for name, case in cases.items() if case.quick_graph}
    bench = Bench()
    lines = [line for name, case in cases.items() for line in report(name, case, bench)]
    say("\n".join(["", LEGEND, "", *lines, versions(bench.peers)]))


if __name__ == "__main__":
    main()
