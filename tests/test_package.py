"""What holds for the package as a whole: layers, laziness, optional extras, documentation."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import skginr
from skginr._checks import require

PACKAGE = Path(skginr.__file__).parent

# Each module may import only those above it; see docs/architecture.md.
LAYERS = [
    "_interrupts",
    "_checks",
    "_progress",
    "_writing",
    "_indexed",
    "_linalg",
    "graphs",
    "_cotangent",
    "laplacians",
    "_structural",
    "covariates",
    "eigen",
    "extension",
    "embeddings",
    "alignment",
    "refinement",
    "inspection",
    "_worker_plugin",
    "sharing",
    "surface",
    "frames",
    "model_selection",
    "_penalised",
    "_generalised",
    "_signals",
    "_splits",
    "smoothing",
    "processes",
    "interpolation",
    "nn",
    "_inputs",
    "_batches",
    "_moments",
    "_losses",
    "_validation",
    "_readout",
    "_solving",
    "_presets",
    "_schedules",
    "_stopping",
    "_parallel",
    "_training",
    "_model_state",
    "_model",
    "_docstrings",
    "_estimator",
    "regression",
    "classification",
    "tangent",
    "correction",
    "persistence",
    "datasets",
    "plotting",
]


def layer_of(module):
    return module.removeprefix("skginr").lstrip(".").partition(".")[0]


def imports_of(path):
    """Every module of the package that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            names = names[:1] if node.module != "skginr" else names[1:]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if not (isinstance(node, ast.ImportFrom) and _for_types_only(node, path)):
            yield from (name for name in names if name.partition(".")[0] == "skginr")


def _for_types_only(node, path):
    blocks = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.If)]
    return any(
        ast.unparse(block.test) == "TYPE_CHECKING"
        and block.lineno < node.lineno <= block.end_lineno
        for block in blocks
    )


def test_imports_go_one_way():
    files = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]
    assert {layer_of(_module(path)) for path in files} == set(LAYERS)
    for path in files:
        own = layer_of(_module(path))
        for imported in imports_of(path):
            if layer_of(imported) != own:
                assert LAYERS.index(layer_of(imported)) < LAYERS.index(own), (path, imported)


def test_builders_do_not_import_the_graph():
    for path in (PACKAGE / "graphs").glob("_*.py"):
        if path.stem not in ("__init__", "_graph", "_nodes", "_observed"):
            assert "skginr.graphs._graph" not in set(imports_of(path)), path


def test_torch_stays_in_its_modules():
    may = {
        "nn",
        "_batches",
        "_moments",
        "_readout",
        "_solving",
        "_losses",
        "_validation",
        "_schedules",
        "_stopping",
        "_parallel",
        "_training",
        "_model",
        "_model_state",
        "_estimator",
        "tangent",
        "persistence",
    }
    for path in PACKAGE.rglob("*.py"):
        if layer_of(_module(path)) not in may:
            roots = {
                name.partition(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in ([node.module] if isinstance(node, ast.ImportFrom) else
                             [alias.name for alias in node.names])
            }  # fmt: skip
            assert not roots & {"torch", "skorch"}, path


def _module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import skginr", {"torch", "geopandas", "sklearn", "scipy"}),
        ("from skginr import Graph, SpectralEmbedder", {"torch", "skorch", "geopandas"}),
        ("from skginr import GraphBlockKFold, GraphSmoother", {"torch", "geopandas"}),
        ("from skginr import load, predict_frame, save, transfer", {"torch", "geopandas"}),
        ("from skginr import SIRENRegressor", {"geopandas", "matplotlib"}),
        ("import skginr.datasets, skginr.plotting", {"torch", "geopandas", "matplotlib"}),
    ],
)
def test_heavy_packages_are_imported_when_needed(statement, absent):
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not absent & set(run.stdout.split())


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_asleep_unless_told_otherwise(given, found):
    code = "import skginr, os\nprint(os.environ['OMP_WAIT_POLICY'])"
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    env |= {} if given is None else {"OMP_WAIT_POLICY": given}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert run.stdout.strip() == found


def test_a_missing_extra_is_named():
    with pytest.raises(ModuleNotFoundError, match=r"drawing needs nowhere.*skginr\[plot\]"):
        require("nowhere.at_all", extra="plot", purpose="drawing")


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'Grpah'"):
        skginr.Grpah  # noqa: B018
    assert set(skginr.__all__) <= set(dir(skginr))


def public_objects():
    import skginr.datasets
    import skginr.plotting

    for name in skginr.__all__:
        yield name, getattr(skginr, name)
    for module in (skginr.datasets, skginr.plotting):
        things = ((name, getattr(module, name)) for name in module.__all__)
        yield from ((name, thing) for name, thing in things if callable(thing))


@pytest.mark.parametrize(("name", "thing"), list(public_objects()))
def test_public_objects_are_documented(name, thing):
    text = inspect.getdoc(thing)
    assert "Examples\n--------" in text or name.startswith("fetch_")
    assert "Raises\n------" in text or name == "Graph"
    parameters = set(inspect.signature(thing).parameters)
    documented = {
        word.strip(" ,*")
        for line in text.splitlines()
        if " : " in line and not line.startswith(" ")
        for word in line.partition(" : ")[0].split(",")
    }
    assert parameters <= documented
