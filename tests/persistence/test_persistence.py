import datetime
import inspect
import json
import os
import pickle
import shutil
import struct
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import RandomForestRegressor, StackingRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)

import skginr
from skginr import (
    ArchiveRegressor,
    CorrectedSmoother,
    Graph,
    GraphBlockKFold,
    GraphGaussianProcessRegressor,
    GraphImputer,
    GraphPoissonRegressor,
    GraphSmoother,
    GraphSmootherClassifier,
    MultiGraphEmbedder,
    NeighborMeans,
    ResidualCorrector,
    SeasonalFeatures,
    SharedCorrector,
    SignalDistribution,
    SignalGenerator,
    SIRENClassifier,
    SIRENRegressor,
    SpaceTimeSmoother,
    SpatialGaussianProcessRegressor,
    SpectralEmbedder,
    TangentKernelRegressor,
    ThinPlateSplineRegressor,
    refine_model,
)
from skginr.persistence._file import _CHECKSUM, _N_DIGITS, _file_of

RNG = np.random.default_rng(0)
POINTS = RNG.random((60, 3))
LABELS = [f"n{i}" for i in range(60)]
GRAPH = Graph.from_points(POINTS, labels=LABELS).with_attributes(
    pd.DataFrame({"a": POINTS[:, 0], "word": "x"}, index=LABELS)
)
X = pd.DataFrame({"node": LABELS})
Y = np.sin(4 * POINTS[:, 0]) + POINTS[:, 1]
QUICK = {"preset": "train", "max_epochs": 2, "hidden_units": 8, "random_state": 0}
DISTANCES = np.linalg.norm(POINTS[:, None] - POINTS, axis=2)


def network(**given):
    return SIRENRegressor(**QUICK | given)


def _cases():
    """Estimators, what they are fitted to, and what is asked of them."""
    yield SpectralEmbedder(6, graph=GRAPH), X, None, X
    for method in ("laplacian", "diffusion_map", "isomap", "lle"):
        yield SpectralEmbedder(4, method=method, n_neighbors=5), POINTS, None, RNG.random((9, 3))
        graph = Graph.from_points(POINTS, labels=LABELS, weighted=method not in ("isomap", "lle"))
        yield SpectralEmbedder(4, method=method, graph=graph), X, None, X
    yield SpectralEmbedder(4, affinity="precomputed"), GRAPH.adjacency.toarray(), None, None
    yield SpectralEmbedder(4, affinity="precomputed_distances"), DISTANCES, None, None
    yield SpectralEmbedder(4, graph=GRAPH, output="indexed").set_output(transform="pandas"), X, 0, X
    two = MultiGraphEmbedder({"one": GRAPH, "two": GRAPH}, SpectralEmbedder(3))
    yield two, X.assign(graph="one")[["graph", "node"]], None, None
    both = pd.concat([X.assign(graph="one", signal=i) for i in range(2)])
    shared = SharedCorrector({"one": GRAPH}, corrector=network(), n_masks=2, observed=(0.4, 0.6))
    yield shared, both[["graph", "node", "signal"]], [*Y, *Y[::-1]], (X[::2], Y[::2])
    yield NeighborMeans(graph=GRAPH.with_attributes(GRAPH.attributes[["a"]])), X, None, X
    hours = pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")
    yield SeasonalFeatures(trend=True), pd.DataFrame({"hour": hours}), None, None
    gaps = pd.DataFrame(np.add.outer(np.sin(np.arange(60.0)), Y[:12]), hours, LABELS[:12])
    gaps = gaps.mask(np.arange(720).reshape(60, 12) % 7 == 3)
    yield GraphImputer(graph=GRAPH, add_indicator=True), gaps, None, gaps[10:]
    records = X.assign(time=hours, height=POINTS[:, 2])
    yield SpaceTimeSmoother(graph=GRAPH, periods=["day"]), records, Y, records[::-7]
    days = pd.DataFrame({"day": np.repeat(range(16), 60), "node": np.tile(LABELS, 16)})
    archive = np.concatenate([Y * size for size in range(16)])
    distribution = SignalDistribution(graph=GRAPH, signal="day")
    yield distribution, days, archive, days
    generator = SignalGenerator(graph=GRAPH, signal="day", max_steps=3, hidden_units=4)
    yield generator, days, archive, days
    yield ArchiveRegressor(FrozenEstimator(clone(distribution).fit(days, archive))), X, Y, X
    yield network(), POINTS, Y, POINTS
    yield network(dtype="float64", skip=True, n_layers=4), POINTS, np.column_stack([Y, Y]), POINTS
    yield network(activation="relu", preset="represent"), POINTS, Y.astype(np.float32), POINTS
    yield SIRENRegressor(hidden_units=8, random_state=0), POINTS, np.column_stack([Y, -Y]), POINTS
    coded = np.column_stack([POINTS, np.arange(60) % 3])
    yield network(latent_dim=2), coded, Y, coded
    yield SIRENClassifier(**QUICK), POINTS, np.where(Y > 1, "up", "down"), POINTS
    yield SIRENClassifier(**QUICK), POINTS, Y > 1, POINTS
    yield TangentKernelRegressor(network()), POINTS, Y, POINTS
    yield TangentKernelRegressor(network()), POINTS, np.column_stack([Y, -Y]), POINTS
    yield TangentKernelRegressor(FrozenEstimator(network().fit(POINTS, Y))), POINTS, -Y, POINTS
    yield GraphSmoother(graph=GRAPH, order=2), X, Y, X
    yield GraphSmoother(graph=GRAPH, alpha=0.1, kappa=0.2), X, Y, X
    yield GraphGaussianProcessRegressor(graph=GRAPH), X.assign(a=POINTS[:, 0]), Y, None
    yield SpatialGaussianProcessRegressor(graph=GRAPH, normal_scores=True), X[::2], Y[::2], X
    yield (
        GraphGaussianProcessRegressor(graph=GRAPH, normal_scores=True),
        X,
        np.column_stack([Y, -Y]),
        X,
    )
    yield ThinPlateSplineRegressor(graph=GRAPH), X[::2], Y[::2], X
    yield ThinPlateSplineRegressor(graph=GRAPH), X, np.column_stack([Y, -Y]), X
    yield ResidualCorrector(network(), cv=2), np.column_stack([Y, POINTS]), Y, None
    yield CorrectedSmoother(graph=GRAPH, corrector=network()), X, Y, X
    yield GraphPoissonRegressor(graph=GRAPH), X, np.round(np.exp(Y)), X
    yield GraphPoissonRegressor(graph=GRAPH, alpha=1.0), X, np.exp(np.column_stack([Y, -Y])), X
    yield GraphSmootherClassifier(graph=GRAPH), X, np.where(Y > 1, "high", "low"), X
    yield GraphSmootherClassifier(graph=GRAPH, alpha=1.0), X, np.arange(60) % 3, X
    yield make_pipeline(SpectralEmbedder(6, graph=GRAPH), StandardScaler(), network()), X, Y, X
    table = X.assign(time=np.arange(60.0), kind=pd.Categorical(np.where(Y > 1, "a", "b")))
    columns = make_column_transformer(
        (SpectralEmbedder(6, graph=GRAPH), ["node"]),
        (MinMaxScaler(), ["time"]),
        (OneHotEncoder(), ["kind"]),
    )
    yield make_pipeline(columns, Ridge()), table, Y, table
    union = make_union(SpectralEmbedder(3, graph=GRAPH), SpectralEmbedder(2, graph=GRAPH))
    yield (
        TransformedTargetRegressor(make_pipeline(union, Ridge()), transformer=StandardScaler()),
        X,
        Y,
        X,
    )
    search = GridSearchCV(
        make_pipeline(SpectralEmbedder(graph=GRAPH), Ridge()),
        {"spectralembedder__n_components": [2, 4], "ridge__alpha": [0.1, 1.0]},
        cv=GraphBlockKFold(3, graph=GRAPH),
        scoring="neg_mean_absolute_error",
    )
    yield search, X, Y, X
    yield (
        GridSearchCV(LogisticRegression(), {"C": [1.0, np.inf]}, cv=KFold(3)),
        POINTS,
        Y > 1,
        POINTS,
    )
    stack = StackingRegressor(
        [("smooth", GraphSmoother(graph=GRAPH)), ("space", ThinPlateSplineRegressor(graph=GRAPH))],
        Ridge(),
    )
    yield stack, X, Y, X


CASES = list(_cases())
METHODS = ("predict", "predict_proba", "transform", "score_samples", "decision_function")


def answers(model, asked):
    if isinstance(model, SharedCorrector):
        return {"predict": model.condition(GRAPH, *asked).predict(X)}
    if isinstance(model, SignalDistribution):
        return {"sample": model.sample(3), "means": model.means_}
    if isinstance(model, SignalGenerator):
        return {"sample": model.sample(3), "losses": model.losses_}
    found = {
        name: getattr(model, name)(asked)
        for name in METHODS
        if hasattr(model, name) and not isinstance(model, StackingRegressor)
    }
    if isinstance(model, StackingRegressor):
        found = {"predict": model.predict(asked)}
    knows = hasattr(model, "noise_variance_") or not isinstance(model, SIRENRegressor)
    if knows and "return_std" in inspect.signature(getattr(model, "predict", len)).parameters:
        found["std"] = model.predict(asked, return_std=True)[1]
    return found


def same(a, b):
    if sp.issparse(a):
        return same(a.toarray(), b.toarray())
    if isinstance(a, pd.DataFrame):
        return a.equals(b)
    return a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case[0]).__name__)
def test_a_loaded_model_answers_to_the_bit(case, tmp_path):
    model, inputs, target, asked = case
    model = clone(model).fit(inputs, target)
    asked = inputs if asked is None else asked
    skginr.save(model, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model")
    assert type(loaded) is type(model)
    expected, found = answers(model, asked), answers(loaded, asked)
    assert expected.keys() == found.keys() != set()
    for name in expected:
        assert same(expected[name], found[name]), name
    # As good as new: cloned, fitted again, and saved again.
    again = clone(loaded).fit(inputs, target)
    assert same(answers(again, asked).popitem()[1], expected.popitem()[1])
    skginr.save(loaded, tmp_path / "again")
    assert same(answers(skginr.load(tmp_path / "again"), asked).popitem()[1], found.popitem()[1])


def test_every_estimator_has_a_case():
    exported = {
        kind
        for kind in (getattr(skginr, name) for name in skginr.__all__)
        if isinstance(kind, type) and issubclass(kind, BaseEstimator)
    }
    assert exported == exported & {type(case[0]) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case[0]).__name__)
def test_one_that_is_not_fitted_keeps_its_parameters(case, tmp_path):
    model = clone(case[0])
    skginr.save(model, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model")
    assert repr(loaded) == repr(model)
    known, found = model.get_params(), loaded.get_params()
    assert known.keys() == found.keys()
    for name, value in known.items():
        if isinstance(value, Graph):
            assert found[name].digest == value.digest
        elif value is None or isinstance(value, bool | int | float | str):
            assert repr(found[name]) == repr(value)


def test_a_graph_that_is_shared_stays_shared(tmp_path):
    model = make_pipeline(
        make_union(SpectralEmbedder(3, graph=GRAPH), SpectralEmbedder(2, graph=GRAPH)), Ridge()
    ).fit(X, Y)
    skginr.save(model, tmp_path / "model")
    one, two = (step for _, step in skginr.load(tmp_path / "model")[0].transformer_list)
    assert one.graph is two.graph is one.graph_
    assert one.graph.labels.equals(GRAPH.labels)
    pd.testing.assert_frame_equal(one.graph.attributes, GRAPH.attributes)
    with pytest.raises(ValueError, match="read-only"):
        one.graph.adjacency.data[0] = 7


@pytest.mark.parametrize(
    "labels",
    [
        range(5),
        [3, 1, 4, 15, 9],
        pd.date_range("2026-01-01", periods=5),
        pd.date_range("2026-01-01", periods=5, tz="Europe/Rome"),
        pd.CategoricalIndex(list("abcde"), ordered=True),
        [1.5, 2.5, 3.5, 4.5, 5.5],
        pd.Index(["a", 1, "c", 2.5, False], dtype=object),
        pd.Index([3, 1, 4, 15, 9], dtype="Int64"),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_keep_their_type(labels, tmp_path):
    graph = Graph.from_adjacency(nx.to_scipy_sparse_array(nx.path_graph(5)), labels=labels)
    skginr.save(graph, tmp_path / "graph")
    loaded = skginr.load(tmp_path / "graph")
    assert type(loaded.labels) is type(graph.labels)
    assert loaded.labels.dtype == graph.labels.dtype
    assert loaded.labels.equals(graph.labels)
    assert loaded.digest == graph.digest


def test_columns_that_know_missing_values(tmp_path):
    frame = pd.DataFrame(
        {
            "count": pd.array([1, None, 3], dtype="Int64"),
            "known": pd.array([True, None, False], dtype="boolean"),
            "share": pd.array([1.5, None, 2], dtype="Float32"),
            # Not a number, and not missing.
            "ratio": pd.array([0.0, 1.0, None], dtype="Float64") / pd.array([0, 1, 1]),
        }
    )
    graph = Graph.from_adjacency(np.ones((3, 3)) - np.eye(3)).with_attributes(frame)
    skginr.save(graph, tmp_path / "graph")
    pd.testing.assert_frame_equal(skginr.load(tmp_path / "graph").attributes, graph.attributes)


@pytest.mark.parametrize(
    "zone",
    [
        datetime.timezone(datetime.timedelta(hours=1), "CET1"),
        datetime.timezone(datetime.timedelta(hours=1, seconds=30)),
    ],
)
def test_a_time_zone_that_its_name_does_not_tell_is_refused(zone, tmp_path):
    labels = pd.date_range("2026-01-01", periods=2, tz=zone)
    graph = Graph.from_adjacency([[0, 1], [1, 0]], labels=labels)
    with pytest.raises(TypeError, match=r"model\._labels is a column of datetime64.*numpy"):
        skginr.save(graph, tmp_path / "graph")


@pytest.mark.skipif(sys.platform == "win32", reason="rights and links as POSIX has them")
def test_a_file_has_the_rights_of_others_and_links_stay(tmp_path):
    path, link = tmp_path / "model", tmp_path / "latest"
    before = os.umask(0o027)
    try:
        skginr.save(Ridge(1.0), path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o664)
    link.symlink_to("model")
    skginr.save(Ridge(3.0), link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o664
    assert skginr.load(path).alpha == 3.0


def test_where_it_cannot_be_written_the_error_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.such.model'"):
        skginr.save(Ridge(), tmp_path / "no" / "such" / "model")
    with pytest.raises(IsADirectoryError, match="is no file, and cannot be replaced by one"):
        skginr.save(Ridge(), tmp_path)
    assert not list(tmp_path.iterdir())
    # A name as long as names may be.
    skginr.save(Ridge(), tmp_path / ("m" * 255))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_checkout_that_is_not_installed_saves_too(tmp_path, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("skginr._core._writing.version", version)
    skginr.save(Ridge(2.0), tmp_path / "model")
    assert skginr.load(tmp_path / "model").alpha == 2.0


def test_a_device_that_is_not_there_gives_way_to_the_cpu(tmp_path):
    X = np.linspace(-1, 1, 20)[:, None]
    model = SIRENRegressor("train", random_state=0, max_epochs=2, device="cpu").fit(X, X[:, 0])
    state = model._model.to_state() | {"device": "cuda:7"}
    assert type(model._model).from_state(state).net.device == "cpu"


def test_extended_and_transferred_models(tmp_path):
    square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    mesh, _ = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]]).refine(2)
    fine, _ = mesh.refine()
    model = make_pipeline(SpectralEmbedder(8, graph=mesh), Ridge(0.1))
    model = refine_model(model.fit(mesh.labels.to_frame(), mesh.positions[:, 0]), fine)
    skginr.save(model, tmp_path / "model")
    asked = fine.labels.to_frame()
    assert same(skginr.load(tmp_path / "model").predict(asked), model.predict(asked))


def test_training_goes_on_as_it_would_have(tmp_path):
    model = network(warm_start=True).fit(POINTS, Y)
    skginr.save(model, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.history_, model.history_)
    assert loaded.stop_reason_ == model.stop_reason_
    for one in (model, loaded):
        one.partial_fit(POINTS, Y)
    assert same(loaded.predict(POINTS), model.predict(POINTS))
    assert loaded.n_epochs_ == model.n_epochs_ == 3
    assert loaded.net_ is loaded._model.net


def test_codes_can_be_added_to_a_loaded_network(tmp_path):
    coded = np.column_stack([POINTS, np.arange(60) % 3])
    model = network(latent_dim=2).fit(coded, Y).add_signals(coded + np.array([0, 0, 0, 5]), Y)
    skginr.save(model, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.codes_, model.codes_)
    assert loaded.add_signals(coded + np.array([0, 0, 0, 9]), Y).codes_.shape == (9, 2)


@pytest.mark.parametrize(
    ("model", "path", "kind"),
    [
        (network(callbacks=[print]), r"model\.callbacks\[0\]", "builtin_function"),
        (network(net_params={"optimizer": Ridge}), r"model\.net_params\['optimizer'\]", "Ridge"),
        (make_pipeline(FunctionTransformer(np.log), Ridge()), r"model\.steps\[0\]\[1\]\.func", ""),
        (make_pipeline(SelectKBest(), Ridge()), r"model\.steps\[0\]\[1\]", "SelectKBest"),
        (RandomForestRegressor(), "model", "RandomForestRegressor"),
        (SIRENRegressor(random_state=sp), r"model\.random_state", "module"),
        (OneHotEncoder(dtype=np.floating), r"model\.dtype", "floating"),
        (SimpleImputer(fill_value=np.zeros(2, np.dtype("V3"))), r"model\.fill_value", "V3"),
    ],
    ids=["callback", "class", "function", "unknown step", "forest", "module", "family", "long"],
)
def test_what_cannot_be_kept_is_named_when_it_is_saved(model, path, kind, tmp_path):
    with pytest.raises(TypeError, match=f"{path} is .*{kind}.*joblib"):
        skginr.save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [3, Ridge, "model", None, {"a": Ridge()}], ids=str)
def test_only_estimators_and_graphs_are_saved(model, tmp_path):
    with pytest.raises(TypeError, match="model must be an estimator or a Graph"):
        skginr.save(model, tmp_path / "model")


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "model"
    model = make_pipeline(SpectralEmbedder(6, graph=GRAPH), network()).fit(X, Y)
    skginr.save(model, path)
    return path.read_bytes()


def refused(path, content, match="damaged"):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match):
        skginr.load(path)


def test_a_byte_that_changed_is_noticed(content, tmp_path):
    rng = np.random.default_rng(0)
    header = 8 + struct.unpack("<Q", content[:8])[0]
    # Everywhere, and as often in the header, with all of its first and last bytes.
    places = [*range(16), *range(header - 16, header + 16), *rng.integers(header, size=468)]
    places += [*rng.integers(len(content), size=468), *range(len(content) - 16, len(content))]
    assert len(places) == 1_000
    for place in places:
        other = content[place] ^ int(rng.integers(1, 256))
        refused(tmp_path / "model", content[:place] + bytes([other]) + content[place + 1 :])


def test_a_file_cut_short_or_grown_is_noticed(content, tmp_path):
    for length in [*range(200), *range(200, len(content), 997), len(content) - 1]:
        refused(tmp_path / "model", content[:length])
    refused(tmp_path / "model", content + b"\0")
    refused(tmp_path / "model", content + content)


def by_hand(nodes, arrays=None):
    return b"".join(_file_of(nodes, arrays or {}))


@pytest.mark.parametrize(
    "name",
    [
        *["os.system", "builtins.eval", "subprocess.Popen", "sklearn.svm.SVC", "skginr.save"],
        *["RandomForestRegressor", "", "skginr.network._model:Model", "Graph.__init__"],
    ],
)
def test_a_class_that_is_not_listed_is_not_imported(name, tmp_path, monkeypatch):
    # Without it nothing can be imported by name.
    monkeypatch.delattr("skginr.persistence._classes.importlib")
    for kind in ("object", "tuple object"):
        node = {"kind": kind, "class": name, "state": [], "items": []}
        refused(tmp_path / "model", by_hand([node]), "what skginr.save does not write.*Key")


DEEP = {"node": 0}


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        {},
        [{}],
        [{"kind": "decode"}],
        [{"kind": "_init__"}],
        [{"kind": "made"}],
        [{"kind": "tuple", "items": [{"node": 0}]}],
        [{"kind": "list", "items": [{"node": 7}]}],
        [{"kind": "array", "dtype": "O", "shape": [1], "transposed": False, "writeable": True}],
        [{"kind": "array", "dtype": "<f8", "shape": [9], "transposed": False, "writeable": True}],
        [{"kind": "type", "name": "O"}],
        [
            {"kind": "generator", "state": {"node": 1}},
            {"kind": "dict", "items": [["bit_generator", "os"]]},
        ],
        [{"kind": "object", "class": "Model", "state": []}],
        [{"kind": "object", "class": "Graph", "state": [["_adjacency", 3]]}],
        [
            {"kind": "tuple", "items": [{"node": i + 1}]}
            if i < 9_999
            else {"kind": "list", "items": []}
            for i in range(10_000)
        ],
    ],
    ids=lambda nodes: str(nodes)[:50],
)
def test_nonsense_with_a_right_checksum_is_refused(nodes, tmp_path):
    refused(
        tmp_path / "model", by_hand(nodes, {"0": np.zeros(3)}), "what skginr.save does not write"
    )


def test_sparse_arrays_that_point_beyond_themselves_are_refused(tmp_path):
    array = {"kind": "array", "dtype": "<i8", "shape": [2], "transposed": False, "writeable": True}
    nodes = [
        {
            "kind": "sparse",
            "class": "csr_array",
            "parts": [{"node": 1}, {"node": 2}, {"node": 3}],
            "shape": [1, 5],
        },
        *[array] * 3,
    ]
    arrays = {"1": np.ones(2, int), "2": np.array([0, 9]), "3": np.array([0, 2])}
    refused(tmp_path / "model", by_hand(nodes, arrays), "does not write")


def resealed(content, before, after):
    """Return a file with a change in its header, and the checksum of that."""
    import hashlib

    assert content.count(before) == 1
    assert len(before) == len(after)
    content = content.replace(before, after)
    start = content.index(_CHECKSUM) + len(_CHECKSUM)
    content = content[:start] + b"0" * _N_DIGITS + content[start + _N_DIGITS :]
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:start] + digest + content[start + _N_DIGITS :]


def test_a_later_format_is_named(content, tmp_path):
    later = resealed(content, b'"format_version":"1"', b'"format_version":"9"')
    refused(tmp_path / "model", later, "version 9 of the format.*reads versions up to 1.*Update")
    other = resealed(content, b'"skginr model"', b'"some other!!"')
    refused(tmp_path / "model", other, "not a file of skginr.save")


def test_other_files_are_refused(tmp_path):
    for other in (
        b"",
        b"hello",
        pickle.dumps({"a": 1}),
        b"\xff" * 100,
        b'"checksum":"' + b"0" * 70,
    ):
        refused(tmp_path / "model", other, "not a file of skginr.save")
    with pytest.raises(FileNotFoundError):
        skginr.load(tmp_path / "nowhere")


def test_another_version_of_scikit_learn_warns(content, tmp_path):
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    version = sklearn.__version__.encode()
    changed = content.replace(version, b"0" + version[1:])
    start = changed.index(_CHECKSUM) + len(_CHECKSUM)
    assert changed != content
    digest_at = changed[start : start + _N_DIGITS]
    changed = resealed(changed, b'"checksum":"' + digest_at, b'"checksum":"' + digest_at)
    (tmp_path / "model").write_bytes(changed)
    with pytest.warns(InconsistentVersionWarning):
        skginr.load(tmp_path / "model")


def test_any_reader_of_the_format_sees_the_arrays(content, tmp_path):
    from safetensors import safe_open

    (tmp_path / "model").write_bytes(content)
    with safe_open(tmp_path / "model", "numpy") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
        assert json.loads(file.metadata()["model"])[0]["class"] == "sklearn.pipeline.Pipeline"
    assert [8, 6] in shapes


def test_what_was_there_stays_where_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "model"
    skginr.save(Ridge(1.0), path)
    before = path.read_bytes()
    for broken in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as context:
            context.setattr(broken, lambda *args: (_ for _ in ()).throw(OSError(28, "full")))
            with pytest.raises(OSError, match="full"):
                skginr.save(Ridge(2.0), path)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == ["model"]
    skginr.save(Ridge(2.0), path)
    assert skginr.load(path).alpha == 2.0
    with pytest.raises(FileNotFoundError):
        skginr.save(Ridge(), tmp_path / "no folder" / "model")


def test_pickle_keeps_working():
    model = make_pipeline(SpectralEmbedder(6, n_neighbors=5), network()).fit(POINTS, Y)
    asked = RNG.random((9, 3))
    assert same(pickle.loads(pickle.dumps(model)).predict(asked), model.predict(asked))


KEPT = Path(__file__).parent / "data"
OLD_POINTS = np.random.default_rng(0).random((30, 2))


def test_names_of_earlier_files_are_those_of_today():
    classes = skginr.persistence._classes

    def give(thing, name, state):
        classes.give_state(thing, name, classes.in_todays_words(name, state))

    corrector, network = skginr.ResidualCorrector(), skginr.SIRENRegressor()
    give(corrector, "ResidualCorrector", {"n_predictions": 2, "cv": 3})
    assert corrector.n_prediction_columns == 2
    assert not hasattr(corrector, "n_predictions")
    give(network, "SIRENRegressor", {"preset": "paper"})
    assert network.preset == "reproduce"
    assert classes.in_todays_words("Model", {"preset": "paper"}) == {"preset": "reproduce"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_files_of_earlier_versions_are_still_read(tmp_path):
    """Made by running this file, once for each version of the format."""
    files = sorted(KEPT.glob("model_*.skginr"))
    assert files
    for file in files:
        shutil.copy(file, tmp_path / "model")
        expected = np.load(file.with_suffix(".npy"))
        model = skginr.load(tmp_path / "model")
        # Parameters that were not there then have their defaults.
        assert clone(model)[0].get_params().keys() == SpectralEmbedder().get_params().keys()
        found = model.predict(pd.DataFrame({"node": list("abcdefgh")}))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    # And new rows are placed.
    shutil.copy(KEPT / "points_1.skginr", tmp_path / "model")
    found = skginr.load(tmp_path / "model").predict(OLD_POINTS + 0.01)
    np.testing.assert_allclose(found, np.load(KEPT / "points_1.npy"), rtol=1e-5)


if __name__ == "__main__":
    ring = Graph.from_adjacency(
        nx.to_scipy_sparse_array(nx.cycle_graph(8)), labels=list("abcdefgh")
    )
    table = pd.DataFrame({"node": list("abcdefgh")})
    model = make_pipeline(SpectralEmbedder(3, graph=ring), network()).fit(table, np.arange(8.0))
    KEPT.mkdir(exist_ok=True)
    skginr.save(model, KEPT / "model_1.skginr")
    np.save(KEPT / "model_1.npy", model.predict(table))
    model = make_pipeline(SpectralEmbedder(3, n_neighbors=5), network())
    skginr.save(model.fit(OLD_POINTS, np.arange(30.0)), KEPT / "points_1.skginr")
    np.save(KEPT / "points_1.npy", model.predict(OLD_POINTS + 0.01))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_only_a_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match="path must be a file"):
            skginr.load(path)
    with pytest.raises(FileNotFoundError):
        skginr.load(tmp_path / "nowhere")
