"""What holds for the package as a whole: layers, laziness, optional extras, documentation."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skginr
from skginr._core._checks import require

PACKAGE = Path(skginr.__file__).parent

# A room may use only rooms above it here, and a file of a room only files above it in its list;
# see docs/architecture.md.
ROOMS = {
    "_core": """
        _interrupts _warnings _memory _checks _progress _writing _indexed _linalg _multigrid _draws
        _signals _splits _times
    """,
    "graphs": """
        _labels _mesh _polygons _faces _sphere _adjacency _points _shared _partition _graph _nodes
        _observed _folds _space_time_folds _cotangent _laplacians _structural _covariates
        _seasons
    """,
    "network": """
        nn._initialisers nn._siren nn._latent nn._tangent nn._denoiser _inputs training._batches
        training._losses training._validation training._schedules training._stopping
        training._parallel training._loop solving._moments solving._readout solving._posterior
        solving._last_layer
        _devices _settings _presets _parameters _targets _model_state _model _fitting _docstrings
        _estimator _regressor _classifier _tangent_regressor _signal_denoiser
    """,
    "spectral": """
        eigen._basis eigen._subspace eigen._lanczos eigen._operators eigen._davidson
        eigen._iterative eigen._connected eigen._solve eigen._verify eigen._given eigen._cache
        _extension _embedding _isomap _lle _membership _methods _rows _parameters _size _warnings
        _embedder _given_basis _several _alignment _refinement _inspection _waves
    """,
    "smoothing": """
        _gradation _penalty _penalised _generalised _posterior _strength _node_predictor _smoother
        _laplace _held_out _laplace_nodes _lognormal_counts _poisson _smoother_classifier
        _normal_scores _kernels _likelihood _signal_process _process _gaussian_process
        _spatial_process _thin_plate_spline _variogram _surrogates spacetime._time
        spacetime._space spacetime._strengths spacetime._criterion spacetime._blocks
        spacetime._system spacetime._fit _space_time_smoother _imputer
    """,
    "stacking": "_smoothers _rows _blend _residual_corrector _uncertainty _corrected_smoother",
    "fields": """
        _correlations _phase_means _elsewhere _covariance _choice _archive _signal_model
        _archive_regressor _learning _signal_distribution _signal_generator
        _local_kernel _local_features _shared_corrector
    """,
    "prediction": "_frames _design _surface",
    "persistence": "_bounds _classes _random _codec _file _onnx",
    "plotting": """
        _axes _colours _layout _canvas _models _signal _signal_display _animation _record _html
        _mesh _embedding _spectrum _components_display _training_display
    """,
    "datasets": "_files _us_counties _bunny _proteins _brain _reaction_diffusion _weather",
    # ``eigen`` is a program, python -m skginr.distributed.eigen, and named as such.
    "distributed": "_worker_plugin _sharing _eigenproblem eigen",
}
ORDER = [f"skginr.{room}.{name}" for room, files in ROOMS.items() for name in files.split()]


def room_of(module):
    return module.split(".")[1]


def imports_of(path):
    """Every module of the package that a file imports, inside functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            names = names[:1] if node.module != "skginr" else names[1:]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if not (isinstance(node, ast.ImportFrom) and _for_types_only(node, tree)):
            yield from (name for name in names if name.partition(".")[0] == "skginr")


def _for_types_only(node, tree):
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    return any(
        ast.unparse(block.test) == "TYPE_CHECKING"
        and block.lineno < node.lineno <= block.end_lineno
        for block in blocks
    )


def files_of_rooms():
    return {_module(path): path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}


def test_every_file_is_in_its_room():
    assert set(files_of_rooms()) == set(ORDER)
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py"}
    public = [module for module in ORDER if not module.rpartition(".")[2].startswith("_")]
    assert public == ["skginr.distributed.eigen"]


@pytest.mark.parametrize("module", ORDER)
def test_imports_go_one_way(module):
    rooms = list(ROOMS)
    for imported in imports_of(files_of_rooms()[module]):
        if room_of(imported) != room_of(module):
            assert rooms.index(room_of(imported)) < rooms.index(room_of(module)), imported
            # What a room hands out, its own page says: nobody reaches past that.
            assert imported == f"skginr.{room_of(imported)}", imported
        elif imported in ORDER:
            assert ORDER.index(imported) < ORDER.index(module), imported
        else:
            part = [name for name in ORDER if name.startswith(f"{imported}.")]
            assert part, imported
            assert max(map(ORDER.index, part)) < ORDER.index(module), imported


def test_one_file_looks_at_who_has_called():
    looks = {module for module, path in files_of_rooms().items() if "_getframe" in path.read_text()}
    # dask pickles as anybody does, and gives no other sign that it is dask.
    assert looks == {"skginr._core._warnings", "skginr.graphs._shared"}


def test_pages_name_files_that_there_are():
    root = PACKAGE.parent
    architecture = (root / "docs" / "architecture.md").read_text()
    absent = [name for name in ORDER if f"`{name.rpartition('.')[2]}`" not in architecture]
    assert not absent, "say in docs/architecture.md what lives there"
    for page in [root / "README.md", *root.glob("docs/**/*.md")]:
        for name in re.findall(r"(?:tests|benchmarks|examples|docs)/[\w/]+\.py", page.read_text()):
            assert (root / name).exists(), (page, name)


def test_torch_stays_in_its_rooms():
    for module, path in files_of_rooms().items():
        if room_of(module) not in ("network", "persistence"):
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
        ("from skginr import load, predict_frame, save, refine_model", {"torch", "geopandas"}),
        ("from skginr import SIRENRegressor", {"geopandas", "matplotlib"}),
        ("import skginr; skginr.datasets, skginr.plotting", {"torch", "geopandas", "matplotlib"}),
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


def test_extras_that_errors_name_are_there():
    text = (PACKAGE.parent / "pyproject.toml").read_text()
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    code = "".join(path.read_text() for path in files_of_rooms().values())
    named = set(re.findall(r"""["']?extra["']?[:=] *["'](\w+)["']""", code))
    assert len(named) > 5
    # What users may want is all of these, and without what only developers do.
    brought = re.fullmatch(r"skginr\[(.*)\]", *extras["all"])[1].split(",")
    assert named <= set(brought) == set(extras) - {"all", "dev", "docs", "test"}


def test_the_citation_is_of_this_version():
    assert f"\nversion: {skginr.__version__}\n" in (PACKAGE.parent / "CITATION.cff").read_text()


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'Grpah'"):
        skginr.Grpah  # noqa: B018


# What a user may name; of one that goes the changelog says what came in its place.
NAMES = """
    Alignment ArchiveRegressor CorrectedSmoother Graph GraphBlockKFold GraphGaussianProcessRegressor
    GraphImputer GraphPoissonRegressor GraphSmoother GraphSmootherClassifier MultiGraphEmbedder
    NeighborMeans
    ThinPlateSplineRegressor ResidualCorrector SIRENClassifier SIRENRegressor
    SeasonalFeatures SharedCorrector SignalDistribution SignalGenerator SpaceTimeKFold
    SpaceTimeSmoother
    SpatialGaussianProcessRegressor
    SpectralEmbedder TangentKernelRegressor add_basis align correlate_maps default_smoothers
    inspect_spectrum load make_surrogates predict_frame refine_model save save_eigenproblem
    shared_graphs suggest_measurements surface_gradient to_onnx
    datasets.PROTEIN_SURFACES datasets.fetch_bunny datasets.fetch_coads
    datasets.fetch_colorado_climate datasets.fetch_conte69 datasets.fetch_era5_uk
    datasets.fetch_era_interim datasets.fetch_mpi_esm datasets.fetch_navy_winds
    datasets.fetch_protein_surface datasets.fetch_us_election datasets.load_fsaverage5
    datasets.load_us_unemployment datasets.make_reaction_diffusion
    plotting.ComponentsDisplay plotting.SignalDisplay plotting.TrainingDisplay
    plotting.animate_signal plotting.plot_embedding plotting.plot_mesh plotting.plot_record
    plotting.plot_signal plotting.plot_signal_html plotting.plot_spectrum
"""


def test_public_names():
    rooms = {"datasets": skginr.datasets, "plotting": skginr.plotting}
    found = list(skginr.__all__)
    found += [f"{room}.{name}" for room, module in rooms.items() for name in module.__all__]
    assert sorted(found) == sorted(NAMES.split())
    assert dir(skginr) == sorted(["__version__", "datasets", "plotting", *skginr.__all__])
    for name in NAMES.split():
        assert name.rpartition(".")[2] in skginr.__doc__ or "." in name, name


def test_a_name_has_one_address():
    """Whatever is public is nobody else's: no room hands out what another made."""
    homes = {}
    for room in ROOMS:
        module = importlib.import_module(f"skginr.{room}")
        for name in module.__all__:
            homes.setdefault(name, []).append(room)
    assert {name: rooms for name, rooms in homes.items() if len(rooms) > 1} == {}


def public_objects():
    for name in skginr.__all__:
        yield name, getattr(skginr, name)
    for module in (skginr.datasets, skginr.plotting):
        things = ((name, getattr(module, name)) for name in module.__all__)
        yield from ((name, thing) for name, thing in things if callable(thing))


@pytest.mark.parametrize(("name", "thing"), list(public_objects()))
def test_public_objects_are_documented(name, thing):
    text = inspect.getdoc(thing)
    assert "Examples\n--------\n" in text
    assert "Raises\n------" in text or name == "Graph"
    parameters = set(inspect.signature(thing).parameters)
    documented = {
        word.strip(" ,*")
        for line in text.splitlines()
        if " : " in line and not line.startswith(" ")
        for word in line.partition(" : ")[0].split(",")
    }
    assert parameters <= documented


def home_of(name):
    return next(room for room in (skginr, skginr.datasets, skginr.plotting) if name in dir(room))


@pytest.mark.parametrize(("name", "thing"), list(public_objects()))
def test_public_objects_say_what_to_read_next(name, thing):
    """numpydoc asks for it of every method too, or of nothing."""
    section = re.search(r"See Also\n--------\n(.+?)(?:\n\n|\Z)", inspect.getdoc(thing), re.DOTALL)
    entries = [line for line in section[1].splitlines() if not line.startswith(" ")]
    assert 2 <= len(entries) <= 4
    for entry in entries:
        other, description = entry.split(" : ", 1)
        assert description
        elsewhere = other.startswith(("skginr.", "sklearn.", "scipy."))
        address = other if elsewhere else f"{home_of(name).__name__}.{other}"
        assert pkgutil.resolve_name(address) is not thing


def test_the_reference_lists_every_public_object():
    page = (PACKAGE.parent / "docs" / "api.rst").read_text()
    found = []
    for part in page.split(".. currentmodule:: ")[1:]:
        found += [f"{part.split()[0]}.{name}" for name in re.findall(r"^   (\w+)$", part, re.M)]
    public = [f"{home_of(name).__name__}.{name}" for name, _ in public_objects()]
    assert sorted(found) == sorted(public)
