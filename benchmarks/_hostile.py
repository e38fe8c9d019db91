"""Files and bases made by hand, with right checksums, as an attacker may leave them.

Each has a name, a content, and what has to become of it: a refusal, or a check of what was loaded.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import Graph, SIRENClassifier, SIRENRegressor, SpectralEmbedder
from skginr.persistence._codec import Encoder
from skginr.persistence._file import _CHECKSUM, _N_DIGITS, _file_of

REFUSED = "refused"
RNG = np.random.default_rng(0)
POINTS = RNG.random((40, 3))
SIGNAL = np.sin(4 * POINTS[:, 0]) + POINTS[:, 1]
HUGE = 10**9


class Draft:
    """A file that is being written, whose parts can be put in place of others."""

    def __init__(self, model: Any) -> None:
        self.encoder = Encoder()
        self.encoder.encode(model, "model")

    def content(self) -> bytes:
        return b"".join(_file_of(self.encoder.nodes, self.encoder.arrays))

    def put(self, value: Any, *path: Any) -> Draft:
        """Put a value where a path of keys leads."""
        return self.raw(self.encoder.encode(value, "it"), *path)

    def node(self, node: dict[str, Any], *path: Any) -> Draft:
        """Put a node there that no writer makes."""
        self.encoder.nodes.append(node)
        return self.raw({"node": len(self.encoder.nodes) - 1}, *path)

    def raw(self, value: Any, *path: Any) -> Draft:
        parts, place = self._slot(*path)
        parts[place] = value
        return self

    def value(self, *path: Any) -> Any:
        """Return a copy of the array there."""
        parts, place = self._slot(*path)
        return self.encoder.arrays[str(parts[place]["node"])].copy()

    def _slot(self, *path: Any) -> tuple[list[Any], int]:
        node = self.encoder.nodes[0]
        for i, key in enumerate(path):
            parts, place = self._part(node, key)
            if i == len(path) - 1:
                return parts, place
            node = self.encoder.nodes[parts[place]["node"]]
        raise KeyError(path)

    @staticmethod
    def _part(node: dict[str, Any], key: Any) -> tuple[list[Any], int]:
        if node["kind"] == "sparse":
            return node["parts"], ["data", "indices", "indptr"].index(key)
        if node["kind"] in ("list", "tuple"):
            return node["items"], key
        pairs = node["state"] if node["kind"] == "object" else node["items"]
        for pair in pairs:
            if pair[0] == key:
                return pair, 1
        pairs.append([key, None])
        return pairs[-1], 1


def network(kind: type = SIRENRegressor, **given: Any) -> Any:
    quick = {"preset": "train", "max_epochs": 2, "hidden_units": 8, "random_state": 0}
    return kind(**quick | given)


def mesh() -> Graph:
    """A small mesh with all that a graph may have."""
    square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    fine, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(2)
    n = fine.n_nodes
    return Graph(
        fine.adjacency,
        labels=[f"n{i}" for i in range(n)],
        edge_lengths=fine.edge_lengths,
        positions=fine.positions,
        faces=fine.faces,
        node_areas=fine.node_areas,
        attributes=pd.DataFrame({"a": np.arange(float(n))}),
    )


def resealed(content: bytes) -> bytes:
    """Return a file with the checksum of what it is, if it has a place for one."""
    start = content.find(_CHECKSUM) + len(_CHECKSUM)
    if start < len(_CHECKSUM):
        return content
    blank = content[:start] + b"0" * _N_DIGITS + content[start + _N_DIGITS :]
    digest = hashlib.sha256(blank).hexdigest().encode()
    return content[:start] + digest + content[start + _N_DIGITS :]


def fitted() -> Any:
    """Return a pipeline whose every byte is to be changed."""
    graph = Graph.from_points(POINTS, labels=[f"n{i}" for i in range(len(POINTS))])
    model = make_pipeline(SpectralEmbedder(6, graph=graph), network())
    return model.fit(pd.DataFrame({"node": graph.labels}), SIGNAL)


def crafted() -> Iterator[tuple[str, bytes, Any]]:
    """Yield the name, the content and the fate of files."""
    for family in (_graphs, _networks, _optimizers, _generators, _bombs, _paths, _others):
        for name, draft, fate in family():
            yield f"{family.__name__[1:]}: {name}", draft.content(), fate


def _changed(array: Any, place: Any, value: Any) -> Any:
    array = array.copy()
    array[place] = value
    return array


def _graphs() -> Iterator[tuple[str, Draft, Any]]:
    graph = mesh()
    n = graph.n_nodes

    def with_part(name: str, value: Any, *path: Any) -> tuple[str, Draft, Any]:
        return name, Draft(graph).put(value, *path), REFUSED

    data = graph.adjacency.data
    for word, value in (("negative", -1.0), ("NaN", np.nan), ("infinite", np.inf), ("zero", 0.0)):
        changed = _changed(data, 0, value)
        yield with_part(f"{word} weight", changed, "_adjacency", "data")
        yield with_part(f"{word} length", changed, "_edge_lengths")
    yield with_part("asymmetric", _changed(data, 0, 7.0), "_adjacency", "data")
    lengths = graph.edge_lengths.data
    yield with_part("asymmetric lengths", _changed(lengths, 0, 7.0), "_edge_lengths")
    yield with_part("lengths of fewer edges", lengths[:-2].copy(), "_edge_lengths")
    indices, indptr = graph.adjacency.indices, graph.adjacency.indptr
    yield with_part("indices beyond", _changed(indices, 0, 99), "_adjacency", "indices")
    yield with_part("negative indices", _changed(indices, 0, -1), "_adjacency", "indices")
    yield with_part("rows beyond", _changed(indptr, -1, 9999), "_adjacency", "indptr")
    yield with_part("weights of float32", data.astype(np.float32), "_adjacency", "data")
    loops = graph.adjacency.tolil()
    loops[0, 0] = 1.0
    bare = Draft(graph).put(None, "_edge_lengths")
    yield "a loop", bare.put(loops.tocsr(), "_adjacency"), REFUSED
    yield with_part("dense", graph.adjacency.toarray(), "_adjacency")
    faces = graph.faces
    yield with_part("faces beyond", _changed(faces, 0, [0, 1, n]), "_faces")
    yield with_part("faces below", _changed(faces, 0, [0, 1, -1]), "_faces")
    yield with_part("flat faces", _changed(faces, 0, [0, 1, 1]), "_faces")
    yield with_part("a face twice", _changed(faces, 0, faces[1]), "_faces")
    yield with_part("faces of floats", faces.astype(float), "_faces")
    yield with_part("faces of four", np.column_stack([faces, faces[:, 0]]), "_faces")
    yield with_part("positions of NaN", _changed(graph.positions, 0, np.nan), "_positions")
    yield with_part("too few positions", graph.positions[1:].copy(), "_positions")
    yield with_part("no positions", None, "_positions")
    yield with_part("too few labels", graph.labels[1:], "_labels")
    yield with_part("repeated labels", pd.Index(["x"] * n), "_labels")
    yield with_part("missing labels", pd.Index([None, *graph.labels[1:]], dtype=object), "_labels")
    yield with_part("labels of a long range", pd.RangeIndex(HUGE), "_labels")
    yield with_part("negative areas", _changed(graph.node_areas, 0, -1.0), "_node_areas")
    yield with_part("too few areas", graph.node_areas[1:].copy(), "_node_areas")
    yield with_part("attributes of others", graph.attributes.iloc[1:], "_attributes")
    other = Graph.from_adjacency(np.ones((n, n)) - np.eye(n))

    def digest_is_own(loaded: Any) -> bool:
        return bool(loaded.digest == graph.digest != other.digest)

    yield "claims another's digest", Draft(graph).put(other.digest, "digest"), digest_is_own


def _networks() -> Iterator[tuple[str, Draft, Any]]:
    model = network().fit(POINTS, SIGNAL)

    def with_part(name: str, value: Any, *path: Any) -> tuple[str, Draft, Any]:
        return name, Draft(model).put(value, "_model", *path), REFUSED

    for size in (HUGE, 20_000, 0, -1, True, "8", 8.0, 9):
        yield with_part(f"hidden_units={size!r}", size, "network", "hidden_units")
    for size in (HUGE, 1, 5, -4):
        yield with_part(f"n_layers={size}", size, "network", "n_layers")
    yield with_part("n_inputs", HUGE, "n_inputs")
    yield with_part("skip", True, "network", "skip")
    yield with_part("activation", "tanh", "network", "activation")
    yield with_part("omega_0", np.nan, "network", "omega_0")
    yield with_part("seed", -1, "seed")
    yield with_part("dtype", "float64", "dtype")
    yield with_part("preset", "other", "preset")
    yield with_part("learning_rate", -1.0, "learning_rate")
    yield with_part("module of net_params", {"module__hidden_units": HUGE}, "net_params")
    yield with_part("optimizer of net_params", {"optimizer": "SGD"}, "net_params")
    yield with_part("signals", np.arange(3.0), "signals")
    weight = "weights", "layers.1.weight"
    yield with_part("weights of NaN", np.full((8, 8), np.nan, np.float32), *weight)
    yield with_part("weights of float64", np.zeros((8, 8)), *weight)
    yield with_part("weights of another shape", np.zeros((8, 9), np.float32), *weight)
    yield with_part("weights of another name", np.zeros(3, np.float32), "weights", "other")
    yield with_part("mean of two", np.zeros(2), "target", "mean")
    yield with_part("spread of zero", np.zeros(1), "target", "spread")
    yield with_part("outputs", HUGE, "target", "n_outputs")
    yield with_part("dtype of y", np.dtype("U900"), "target", "dtype")
    yield with_part("no target", Ridge(), "target")
    classes = network(SIRENClassifier).fit(POINTS, SIGNAL > 1)
    draft = Draft(classes).put(np.array([True, False]), "_model", "target", "classes")
    yield "classes out of order", draft, REFUSED


def _optimizers() -> Iterator[tuple[str, Draft, Any]]:
    model = network(warm_start=True).fit(POINTS, SIGNAL)
    single = np.float32

    def with_part(name: str, value: Any, *path: Any) -> tuple[str, Draft, Any]:
        return name, Draft(model).put(value, "_model", "optimizer", *path), REFUSED

    first = "state", 0
    for name in ("exp_avg", "exp_avg_sq"):
        yield with_part(f"short {name}", np.zeros(1, single), *first, name)
        yield with_part(f"long {name}", np.zeros((8, 99), single), *first, name)
        yield with_part(f"{name} of float64", np.zeros((8, 3)), *first, name)
        yield with_part(f"{name} of NaN", np.full((8, 3), np.nan, single), *first, name)
        yield with_part(f"{name} of words", "words", *first, name)
    yield with_part("negative squares", np.full((8, 3), -1, single), *first, "exp_avg_sq")
    yield with_part("another name", np.zeros(1, single), *first, "max_exp_avg_sq")
    yield with_part("steps of a vector", np.zeros(9, single), *first, "step")
    yield with_part("steps below zero", np.array(-5, single), *first, "step")
    yield with_part("a parameter beyond", {"step": np.array(1, single)}, "state", 99)
    group = "param_groups", 0
    yield with_part("fewer parameters", [0, 1], *group, "params")
    yield with_part("no groups", [], "param_groups")
    yield with_part("lr of NaN", np.nan, *group, "lr")
    yield with_part("negative eps", -1.0, *group, "eps")
    yield with_part("betas of 2", [2.0, 2.0], *group, "betas")
    yield with_part("three betas", [0.9, 0.9, 0.9], *group, "betas")

    def flags_are_own(loaded: Any) -> bool:
        return loaded.net_.optimizer_.param_groups[0]["foreach"] is None

    draft = Draft(model).put(True, "_model", "optimizer", *group, "foreach")
    yield "how it computes", draft, flags_are_own


def _generators() -> Iterator[tuple[str, Draft, Any]]:
    old = network(random_state=np.random.RandomState(0))
    at = "random_state"

    def old_with(value: Any, *path: Any) -> Draft:
        draft = Draft(old)
        draft.encoder.nodes[0]["state"] = [
            pair for pair in draft.encoder.nodes[0]["state"] if pair[0] != at
        ]
        state = np.random.RandomState(0).get_state(legacy=False)
        inner = state
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        reference = draft.encoder.encode(state, at)
        return draft.node({"kind": "random state", "state": reference}, at)

    for place in (625, -1, 2**31 - 1, 2**40, "0", 1.5):
        yield f"pos={place!r}", old_with(place, "state", "pos"), REFUSED
    yield "short key", old_with(np.zeros(3, np.uint32), "state", "key"), REFUSED
    yield "key of floats", old_with(np.zeros(624), "state", "key"), REFUSED
    yield "gauss", old_with(np.nan, "gauss"), REFUSED
    yield "has_gauss", old_with(7, "has_gauss"), REFUSED
    for name, part, value in (
        ("Philox", "buffer_pos", 9999),
        ("Philox", "buffer_pos", -1),
        ("Philox", "buffer", np.zeros(1, np.uint64)),
        ("PCG64", "has_uint32", 7),
        ("PCG64", "uinteger", 2**40),
        ("PCG64", "bit_generator", "os"),
        ("SFC64", "state", {"state": np.zeros(1, np.uint64)}),
        ("PCG64", "state", {"state": 2**200, "inc": 1}),
    ):
        state = getattr(np.random, name)(0).state | {part: value}
        draft = Draft(GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}))
        reference = draft.encoder.encode(state, at)
        draft.node({"kind": "generator", "state": reference}, "cv")
        yield f"{name}: {part}", draft, REFUSED


def _bombs() -> Iterator[tuple[str, Draft, Any]]:
    def ridge(node: dict[str, Any], *more: dict[str, Any]) -> Draft:
        draft = Draft(Ridge())
        draft.encoder.nodes += more
        return draft.node(node, "alpha")

    for dtype in ("<U150000000", "|S600000000"):
        words = {"kind": "words", "dtype": dtype, "shape": [1], "items": ["a"]}
        yield f"words of {dtype}", ridge(words), REFUSED
    items = ["a" * 4000, *["b"] * 20_000]
    words = {"kind": "words", "dtype": "<U4000", "shape": [len(items)], "items": items}
    yield "one long word", ridge(words), REFUSED

    def nested(kind: str, copies: int, depth: int) -> list[dict[str, Any]]:
        # Node 0 is the estimator.
        inner: list[dict[str, Any]] = [{"kind": kind, "items": ["a", "b"]}]
        for i in range(depth):
            inner.append({"kind": kind, "items": [{"node": 1 + i}] * copies})
        return inner

    for kind in ("tuple", "frozenset", "list"):
        parts = nested(kind, 2, 40)
        last = {"node": len(parts)}
        yield f"{kind}s in a set", ridge({"kind": "set", "items": [last]}, *parts), REFUSED
        keys = {"kind": "dict", "items": [[last, 1]]}
        yield f"{kind}s as keys", ridge(keys, *parts), REFUSED
        yield f"{kind}s in a list", ridge({"kind": "list", "items": [last]}, *parts), REFUSED
    chain = nested("tuple", 1, 20_000)
    # Made from the inside, no deeper than one at a time.
    order = {"kind": "list", "items": [{"node": 1 + i} for i in range(len(chain))]}
    yield "a chain", ridge(order, *chain), REFUSED
    hashed = {"kind": "set", "items": [{"node": len(chain)}]}
    both = {"kind": "list", "items": [{"node": len(chain) + 1}, {"node": len(chain) + 2}]}
    yield "the hash of a chain", ridge(both, *chain, order, hashed), REFUSED
    scalar = {"kind": "range", "limits": [0, HUGE, 1], "name": None}
    series = {"kind": "series", "column": {"array": 5}, "index": {"node": 1}, "name": None}
    yield "a series of one value", ridge(series, scalar), REFUSED
    names = {"kind": "range", "limits": [0, 1, 1], "name": None}
    frame = {
        "kind": "frame",
        "columns": [{"array": 5}],
        "names": {"node": 2},
        "index": {"node": 1},
    }
    yield "a frame of one value", ridge(frame, scalar, names), REFUSED
    yield "a wide dtype", ridge({"kind": "dtype", "dtype": "<U150000000"}), REFUSED
    pairs = [
        {
            "kind": "object",
            "class": "sklearn.frozen.FrozenEstimator",
            "state": [["estimator", {"node": i + 2}], ["other", {"node": i + 2}]],
        }
        for i in range(40)
    ]
    last = {"kind": "list", "items": []}
    yield "estimators", ridge({"kind": "list", "items": [{"node": 1}]}, *pairs, last), REFUSED


def _paths() -> Iterator[tuple[str, Draft, Any]]:
    model = make_pipeline(StandardScaler(), Ridge(), memory="somewhere")

    def has_no_memory(loaded: Any) -> bool:
        return loaded.memory is None

    yield "memory of a pipeline", Draft(model), has_no_memory
    yield "memory of an embedder", Draft(SpectralEmbedder(memory="somewhere")), has_no_memory
    search = GridSearchCV(make_pipeline(Ridge()), {"memory": ["somewhere"], "ridge__alpha": [1.0]})
    yield "memory of a search", Draft(search), lambda loaded: "memory" not in loaded.param_grid
    times = pd.date_range("2026-01-01", periods=3, tz="Europe/Rome")
    graph = Graph.from_adjacency(np.ones((3, 3)) - np.eye(3), labels=times)
    for zone in ("dateutil//etc/hostname", "dateutil/../../x", "tzlocal()", "../x", "/etc/x", 3):
        draft = Draft(graph)
        for node in draft.encoder.nodes:
            if "zone" in node.get("column", {}):
                node["column"]["zone"] = zone
        yield f"zone {zone}", draft, REFUSED
    draft = Draft(mesh())
    for node in draft.encoder.nodes:
        if "words" in node.get("column", {}):
            node["column"]["dtype"] = "datetime64[ns, dateutil//etc/hostname]"
    yield "words that are times", draft, REFUSED


def _others() -> Iterator[tuple[str, Draft, Any]]:
    for name in ("os.system", "builtins.eval", "sklearn.svm.SVC"):
        draft = Draft(Ridge())
        yield name, draft.node({"kind": "object", "class": name, "state": []}, "alpha"), REFUSED
    beyond = {"kind": "list", "items": [{"node": 999}]}
    yield "a node beyond", Draft(Ridge()).node(beyond, "alpha"), REFUSED
    below = {"kind": "list", "items": [{"node": -1}]}
    yield "a node below", Draft(Ridge()).node(below, "alpha"), REFUSED


# --- bases on disk


def parts_of(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def bases(parts: dict[str, np.ndarray]) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield names, and what puts a basis in place of a file that is none of its graph."""
    values, vectors = parts["eigenvalues"], parts["eigenvectors"]

    def saved(**changed: Any) -> Callable[[Path], None]:
        return lambda file: np.savez(file, **parts | changed)

    yield "doubled", saved(eigenvectors=2 * vectors)
    yield "negated", saved(eigenvectors=-vectors)
    yield "one negated", saved(eigenvectors=vectors * np.where(np.arange(len(values)) == 1, -1, 1))
    yield "permuted nodes", saved(eigenvectors=vectors[::-1].copy())
    yield "two nodes exchanged", saved(eigenvectors=vectors[[1, 0, *range(2, len(vectors))]])
    yield "permuted vectors", saved(eigenvectors=vectors[:, ::-1].copy())
    yield "NaN", saved(eigenvectors=np.full_like(vectors, np.nan))
    yield "one infinity", saved(eigenvectors=_changed(vectors, (0, 0), np.inf))
    yield "one entry", saved(eigenvectors=_changed(vectors, (0, 0), vectors[0, 0] + 1e-3))
    yield "zeros", saved(eigenvectors=np.zeros_like(vectors))
    kept = np.arange(len(values)) > 0
    cuts = parts["cuts_eigenspace"]
    yield (
        "the first left out",
        saved(
            eigenvalues=values[kept],
            eigenvectors=vectors[:, kept],
            cuts_eigenspace=cuts[kept],
            n_available=parts["n_available"],
        ),
    )
    turned = vectors.copy()
    turned[:, :2] = turned[:, :2] @ np.array([[0.6, -0.8], [0.8, 0.6]])
    yield "turned", saved(eigenvectors=turned)
    yield "values", saved(eigenvalues=values * 1.001)
    yield "values of NaN", saved(eigenvalues=np.full_like(values, np.nan))
    yield "negative values", saved(eigenvalues=-values)
    yield "values descending", saved(eigenvalues=values[::-1].copy())
    yield "no vectors", saved(eigenvalues=values[:0], eigenvectors=vectors[:, :0])
    yield "float32", saved(eigenvectors=vectors.astype(np.float32))
    yield "complex", saved(eigenvectors=vectors.astype(complex))
    yield "objects", saved(eigenvectors=vectors.astype(object))
    yield "transposed", saved(eigenvectors=vectors.T.copy())
    yield "a node too few", saved(eigenvectors=vectors[1:])
    yield "three dimensions", saved(eigenvectors=vectors[None])
    yield "mass", saved(mass=2 * parts["mass"])
    yield "components", saved(components=parts["components"] + 1)
    yield "n_available", saved(n_available=0)
    yield "n_available beyond", saved(n_available=HUGE)
    yield "tol", saved(tol=-1.0)
    yield "tol of NaN", saved(tol=np.nan)
    yield "cuts", saved(cuts_eigenspace=~cuts)
    yield "one more part", saved(more=np.zeros(3))
    yield "compressed", lambda file: np.savez_compressed(file, **parts)
    yield "a bomb", _bomb
    yield "a header", lambda file: file.write_bytes(_with_header(parts))
    yield "empty", lambda file: file.write_bytes(b"")
    yield "words", lambda file: file.write_bytes(b"words")
    yield "cut short", lambda file: file.write_bytes(file.read_bytes()[:-100])


def _bomb(file: Path) -> None:
    """Write 4 GB of zeros in 4 MB."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as members:
        for name in ("eigenvalues", "eigenvectors", "mass", "components", "cuts_eigenspace"):
            with members.open(f"{name}.npy", "w", force_zip64=True) as stream:
                header = {"descr": "<f8", "fortran_order": False, "shape": (10**8,)}
                np.lib.format.write_array_header_1_0(stream, header)
                for _ in range(8):
                    stream.write(bytes(10**6))


def _with_header(parts: dict[str, np.ndarray]) -> bytes:
    """Return a basis whose vectors say that they are far more."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as members:
        for name, array in parts.items():
            stream = io.BytesIO()
            if name == "eigenvectors":
                header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**4)}
                np.lib.format.write_array_header_1_0(stream, header)
            else:
                np.lib.format.write_array(stream, array)
            members.writestr(f"{name}.npy", stream.getvalue())
    return content.getvalue()


def places(folder: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield what may lie in the place of a file; a victim in the folder must stay as it is."""
    victim = folder / "victim"

    def link(file: Path) -> None:
        file.symlink_to(victim)

    def good_link(file: Path) -> None:
        (folder / "elsewhere.npz").write_bytes(file.read_bytes())
        file.unlink()
        file.symlink_to(folder / "elsewhere.npz")

    def others(file: Path) -> None:
        if os.geteuid() == 0:
            os.chown(file, 12345, 12345)
        else:
            file.symlink_to(victim)

    for name, put, is_removed in (
        ("a link", link, True),
        ("a link to a basis", good_link, False),
        ("a link to nothing", lambda file: file.symlink_to(folder / "nothing"), True),
        ("a link to a device", lambda file: file.symlink_to("/dev/zero"), True),
        ("a pipe", os.mkfifo, True),
        ("a folder", lambda file: file.mkdir(), True),
        ("another's file", others, os.geteuid() != 0),
    ):

        def place(
            file: Path, put: Callable[[Path], Any] = put, is_removed: bool = is_removed
        ) -> None:
            victim.write_text("victim")
            if is_removed:
                file.unlink()
            put(file)

        yield name, place
