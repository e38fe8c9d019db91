"""Files and bases on disk that are damaged, or made to do harm: what becomes of each.

    python benchmarks/campaign_files.py              # all, about five minutes
    python benchmarks/campaign_files.py --small      # a tenth of it
    python benchmarks/campaign_files.py --only kills

Every part runs in a process of its own, and goes on in another where that one dies. None may load
as what it is not, end a process, raise a foreign error, or make it grow by 200 MB.
"""

import argparse
import collections
import copy
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
from _hostile import REFUSED, Draft, bases, crafted, fitted, network, parts_of, places, resealed
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

import skginr
from skginr import Graph, GraphGaussianProcessRegressor, GraphSmoother, SpectralEmbedder
from skginr.spectral.eigen._cache import clear_cache

MOST_MB = 200
# What may become of a file or a basis; anything else is a failure. "another" is a file whose
# checksum says that it is meant as it is: that loads, and can be used, if it is consistent.
FINE = ("refused", "right", "another")
PATIENCE = 120
# What takes a while to write.
MANY = list(range(200_000))


def main(only, small):
    share = 10 if small else 1
    wanted = [name for name in PARTS if not only or name in only]
    print("| part | cases | " + " | ".join(FINE) + " | failed | growth, MB | seconds | target |")
    print("|---|---|---|---|---|---|---|---|---|")
    met = [report(name, share) for name in wanted]
    return all(met)


def report(name, share):
    """Print what became of the cases of a part, and say whether all is well."""
    start, counts, failed, growth, done = time.perf_counter(), collections.Counter(), [], 0.0, 0
    command = [sys.executable, __file__, "--part", name, "--share", str(share)]
    while True:
        run = subprocess.Popen([*command, "--begin", str(done)], stdout=subprocess.PIPE, text=True)
        before = done
        for line in run.stdout:
            found = json.loads(line)
            if "growth" in found:
                growth = max(growth, found["growth"])
                continue
            done += 1
            counts[found["fate"]] += 1
            if found["fate"] not in FINE:
                failed.append(f"{found['case']}: {found['fate']}")
        if run.wait() == 0:
            break
        failed.append(f"case {done} ended the process: {run.returncode}")
        done += 1
        if done == before + 1 == 1:
            break
    met = not failed and growth < MOST_MB and sum(counts.values()) > 0
    fates = " | ".join(f"{counts[fate]:,}" for fate in FINE)
    print(
        f"| {name} | {done:,} | {fates} | {len(failed)} | {growth:.0f} "
        f"| {time.perf_counter() - start:.0f} | {'met' if met else 'MISSED'} |",
        flush=True,
    )
    for line in failed[:20]:
        print(f"    {line}")
    return met


def run_part(name, share, begin):
    """Print what becomes of each case, as JSON."""
    warnings.simplefilter("ignore")
    # What models print is not ours, as where a file says that they are verbose.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as folder:
        # What the first use of torch takes is not a file's.
        load(Path(folder) / "model", saved(fitted(), Path(folder)), lambda model: True)
        for file in Path(folder).iterdir():
            file.unlink()
        cases = PARTS[name](Path(folder), share)
        first = None
        for number, (case, attack) in enumerate(cases):
            if number < begin:
                continue
            if first is None:
                # What the first use of anything takes is not its own.
                first = peak_mb()
            signal.alarm(PATIENCE)
            print(json.dumps({"case": case, "fate": fate_of(attack)}), file=out, flush=True)
    print(json.dumps({"growth": peak_mb() - (first or peak_mb())}), file=out, flush=True)


def fate_of(attack):
    try:
        return attack()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- files


def load(path, content, fate):
    """Return what becomes of a file, and of a model that it is of."""
    path.write_bytes(content)
    try:
        model = skginr.load(path)
    except ValueError as error:
        # Of Unicode, of JSON and of others there are subclasses, which are not ours.
        return "refused" if type(error) is ValueError else repr(error)
    if fate == REFUSED:
        return "LOADED"
    return "right" if fate(model) else "WRONG"


def flips(folder, share):
    """Yield files with one byte changed, and the checksum of before."""
    content = saved(fitted(), folder)
    for place, value in drawn(content, 1000 // share):
        other = content[:place] + bytes([value]) + content[place + 1 :]
        yield f"byte {place}", lambda other=other: load(folder / "model", other, REFUSED)


def sealed(folder, share):
    """Yield files with one byte changed, and the checksum of that."""
    for model, X, y in models():
        content = saved(model.fit(X, y), folder)
        for place, value in drawn(content, 200 // share):
            other = resealed(content[:place] + bytes([value]) + content[place + 1 :])
            yield f"byte {place}", lambda other=other, X=X, y=y: use(folder / "model", other, X, y)


def models():
    """Yield models and what they are fitted to."""
    graph = Graph.from_networkx(nx.grid_2d_graph(5, 8))
    graph = Graph(graph.adjacency, positions=np.random.default_rng(0).random((40, 2)))
    nodes, y = pd.DataFrame({"node": graph.labels}), np.arange(40.0)
    points = graph.positions
    yield network(warm_start=True, random_state=np.random.RandomState(0)), points, y
    yield make_pipeline(SpectralEmbedder(4, graph=graph), network()), nodes, y
    yield GraphSmoother(graph=graph), nodes, y
    yield GraphGaussianProcessRegressor(graph=graph), nodes, y
    yield make_pipeline(SpectralEmbedder(4, n_neighbors=5), Ridge()), points, y


def use(path, content, X, y):
    path.write_bytes(content)
    try:
        model = skginr.load(path)
    except ValueError as error:
        return "refused" if type(error) is ValueError else repr(error)
    # What a model with other numbers answers is its own; that it does not end the process, ours.
    for act in ("predict", "partial_fit", "fit", "predict"):
        try:
            if act == "fit":
                # A parameter is obeyed, a billion layers too.
                model.set_params(**small_sizes(model))
            getattr(model, act)(*([X] if act == "predict" else [X, y]))
        except Exception:
            continue
    return "another"


def small_sizes(model):
    """Return parameters that make the networks of a model small."""
    sizes = {"max_epochs": 2, "hidden_units": 8, "n_layers": 4, "latent_dim": None}
    names = {name: name.rpartition("__")[2] for name in model.get_params()}
    return {name: sizes[last] for name, last in names.items() if last in sizes}


def mutants(folder, share):
    """Yield files with a part in the place of another, and the checksum of that."""
    rng = np.random.default_rng(2)
    for model, X, y in models():
        good = Draft(model.fit(X, y))
        for i in range(200 // share):
            content = mutant(good, rng).content()
            yield (
                f"{type(model).__name__} {i}",
                lambda content=content, X=X, y=y: use(folder / "model", content, X, y),
            )


def mutant(good, rng):
    """Return a copy of a draft with one value, or one array, that is another."""
    draft = copy.deepcopy(good)
    nodes, arrays = draft.encoder.nodes, draft.encoder.arrays
    if rng.random() < 0.4:
        name = str(rng.choice(list(arrays)))
        array = arrays[name]
        other = OTHER_ARRAYS[int(rng.integers(len(OTHER_ARRAYS)))](array)
        arrays[name] = np.ascontiguousarray(other)
        node = nodes[int(name)]
        if rng.random() < 0.8:
            node |= {"dtype": arrays[name].dtype.str, "shape": list(arrays[name].shape)}
        return draft
    junk = [None, -1, 0, 10**9, 2**70, 0.5, "x", True, [], {"float": "nan"}]
    junk += [{"node": int(rng.integers(len(nodes)))} for _ in junk]
    slots = list(slots_of(nodes))
    parts, key = slots[int(rng.integers(len(slots)))]
    parts[key] = junk[int(rng.integers(len(junk)))]
    return draft


OTHER_ARRAYS = (
    lambda array: array.ravel()[:-1],
    lambda array: np.repeat(array, 2),
    lambda array: array.reshape(1, -1),
    lambda array: array.astype(np.float32),
    lambda array: array.astype(np.int64),
    lambda array: -array if array.dtype != bool else ~array,
    lambda array: np.full_like(array, 99),
    lambda array: array[:0],
    lambda array: np.roll(array, 1),
    lambda array: array.astype(float) * np.nan,
)


def slots_of(value):
    """Yield where in nodes there are values, as containers and keys."""
    for key in range(len(value)) if isinstance(value, list) else list(value):
        if isinstance(value[key], list | dict) and "node" not in value[key]:
            yield from slots_of(value[key])
        elif key != "kind":
            yield value, key


def by_hand(folder, share):
    """Yield files that are made by hand."""
    for name, content, fate in crafted():
        yield name, lambda content=content, fate=fate: load(folder / "model", content, fate)


def saved(model, folder):
    skginr.save(model, folder / "good")
    return (folder / "good").read_bytes()


def drawn(content, count):
    """Yield places of a file, as many in its header as in its arrays, and other bytes there."""
    rng = np.random.default_rng(0)
    header = 8 + int.from_bytes(content[:8], "little")
    for i in range(count):
        low, high = (0, header) if i % 2 else (header, len(content))
        place = int(rng.integers(low, high))
        yield place, int((content[place] + rng.integers(1, 256)) % 256)


# --- bases on disk


def graphs():
    rng = np.random.default_rng(0)
    yield "ring", Graph.from_networkx(nx.cycle_graph(60))
    lattice = nx.convert_node_labels_to_integers(nx.grid_2d_graph(30, 31))
    yield "lattice", Graph.from_networkx(lattice)
    # Of lengths that share no eigenvalue among the first.
    yield "islands", Graph.from_networkx(nx.disjoint_union(nx.path_graph(23), nx.cycle_graph(29)))
    yield "points", Graph.from_points(rng.random((700, 2)))


def basis_attacks(folder, share, attacks, *, only=None):
    """Yield fits that find a file in the place of theirs."""
    for name, graph in graphs():
        if only and name not in only:
            continue
        memory = folder / name
        # More than is asked for later, so that one may be left out.
        right = fit(graph, memory, max_components=20)
        (file,) = memory.rglob("*.npz")
        good, parts = file.read_bytes(), parts_of(file)
        for case, put in attacks(parts, good, memory):

            def attack(put=put, graph=graph, memory=memory, file=file, good=good, right=right):
                clean(file)
                file.write_bytes(good)
                put(file)
                found = fit(graph, memory)
                victim = memory / "victim"
                if victim.exists() and victim.read_text() != "victim":
                    return "OVERWRITTEN"
                clean(file)
                same = found.shape == right.shape and np.allclose(found, right, atol=1e-7)
                return "right" if same else "WRONG"

            yield f"{name}: {case}", attack


def clean(file):
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    elif os.path.lexists(file):
        file.unlink()


def fit(graph, memory, max_components=12):
    clear_cache()
    embedder = SpectralEmbedder(8, graph=graph, max_components=max_components, memory=memory)
    return embedder.fit(np.arange(graph.n_nodes)[:, None]).embedding_


def basis_flips(folder, share):
    def attacks(parts, good, memory):
        rng = np.random.default_rng(1)
        for place in rng.integers(len(good), size=500 // share):
            value = int(good[place]) ^ int(rng.integers(1, 256))
            content = good[:place] + bytes([value]) + good[place + 1 :]
            yield f"byte {place}", lambda file, content=content: file.write_bytes(content)

    return basis_attacks(folder, share, attacks, only=("ring", "islands"))


def basis_by_hand(folder, share):
    def attacks(parts, good, memory):
        yield from bases(parts)
        yield from places(memory)

    return basis_attacks(folder, share, attacks)


# --- kills


def kills(folder, share):
    """Yield processes that are killed while they save."""
    target = folder / "model"
    rng = np.random.default_rng(0)
    for i, delay in enumerate(rng.uniform(0, 0.1, 50 // share)):

        def attack(delay=delay):
            skginr.save(Ridge(1.0), target)
            child = os.fork()
            if child == 0:
                while True:
                    skginr.save(Ridge(MANY), target)
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            alpha = skginr.load(target).alpha
            skginr.save(Ridge(2.0), target)
            if alpha not in (1.0, MANY) or skginr.load(target).alpha != 2.0:
                return "TORN"
            left = [file.name for file in folder.iterdir() if file != target]
            return f"left {left}" if left else "right"

        yield f"kill {i}", attack


PARTS = {
    "flips": flips,
    "sealed": sealed,
    "mutants": mutants,
    "by_hand": by_hand,
    "basis_flips": basis_flips,
    "basis_by_hand": basis_by_hand,
    "kills": kills,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the cases")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="some parts")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--share", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        run_part(given.part, given.share, given.begin)
    else:
        sys.exit(0 if main(given.only, given.small) else 1)
