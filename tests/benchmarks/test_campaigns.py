"""Small versions of the campaigns of benchmarks/, and what single cases of them say."""

import errno
import os
import pickle
import stat
import sys
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import skginr
from skginr import Graph, SpectralEmbedder
from skginr._core._writing import _open_temporary, whole_file
from skginr.spectral import eigen
from skginr.spectral.eigen import _cache

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
posix = pytest.mark.skipif(sys.platform == "win32", reason="rights, links and signals of POSIX")


@pytest.fixture(scope="module")
def campaign():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import campaign_files

        yield campaign_files
    finally:
        sys.path.remove(str(BENCHMARKS))


@posix
@pytest.mark.parametrize(
    ("part", "share"),
    [
        *[("flips", 10), ("sealed", 20), ("mutants", 20), ("by_hand", 1)],
        *[("basis_flips", 25), ("basis_by_hand", 1), ("kills", 10)],
    ],
)
def test_a_campaign_in_small(campaign, part, share, tmp_path):
    before = campaign.peak_mb()
    counts = dict.fromkeys(campaign.FINE, 0)
    failed = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case, attack in campaign.PARTS[part](tmp_path, share):
            fate = campaign.fate_of(attack)
            if fate in counts:
                counts[fate] += 1
            else:
                failed.append((case, fate))
    assert not failed
    wanted = {"flips": 100, "sealed": 50, "mutants": 50, "by_hand": 100, "basis_flips": 40}
    assert sum(counts.values()) >= wanted.get(part, 5)
    assert campaign.peak_mb() - before < campaign.MOST_MB


# --- files


def crafted(campaign, name):
    import _hostile

    return next(content for case, content, _ in _hostile.crafted() if case == name)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("graphs: negative length", "edge_lengths must be non-negative; got -1"),
        ("graphs: asymmetric", "adjacency must be symmetric"),
        ("graphs: faces beyond", "faces must name vertices 0 to 24; got numbers from 0 to 25"),
        ("graphs: a loop", "a graph has loops, or faces that repeat"),
        (
            "networks: hidden_units=1000000000",
            r"weights have shape \(8, 3\) in layers.0.weight, not \(1000000000, 3\)",
        ),
        (
            "optimizers: short exp_avg",
            r"an optimiser keeps have shape \(1,\) in exp_avg, not \(8, 3\)",
        ),
        ("generators: pos=2147483647", "pos of a random generator must be from 0 to 624"),
        ("bombs: words of <U150000000", "1 words of 1 letters in all would take 600000000 bytes"),
        ("bombs: tuples in a set", "parts of parts that are more than the file is"),
        ("bombs: estimators", "parts of parts that are more than the file is"),
        ("bombs: a frame of one value", "a value for every row of its index"),
        ("paths: zone dateutil//etc/hostname", "in the zone 'dateutil//etc/hostname'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(campaign, name, error, tmp_path):
    (tmp_path / "model").write_bytes(crafted(campaign, name))
    with pytest.raises(ValueError, match=f"what skginr.save does not write .*{error}"):
        skginr.load(tmp_path / "model")


def test_a_graph_cannot_pass_for_another(campaign, tmp_path):
    """A digest in a file, of a graph whose eigenvectors this process knows, counts for nothing."""
    import _hostile

    ring = Graph.from_networkx(nx.cycle_graph(25))
    mesh = _hostile.mesh()
    for graph in (ring, mesh):
        SpectralEmbedder(2, graph=graph).fit(graph.labels.to_frame())
    draft = _hostile.Draft(mesh).put(ring.digest, "digest").put(ring.components, "components")
    (tmp_path / "graph").write_bytes(draft.content())
    loaded = skginr.load(tmp_path / "graph")
    assert loaded.digest == mesh.digest
    found = SpectralEmbedder(2, graph=loaded).fit(loaded.labels.to_frame()).embedding_
    expected = SpectralEmbedder(2, graph=mesh).fit(mesh.labels.to_frame()).embedding_
    np.testing.assert_array_equal(found, expected)


def test_folders_of_a_file_are_left_out_with_a_word(tmp_path):
    search = GridSearchCV(
        make_pipeline(SpectralEmbedder(memory="there"), Ridge(), memory="here"),
        {"memory": ["elsewhere"], "ridge__alpha": [1.0]},
    )
    skginr.save(search, tmp_path / "model")
    with pytest.warns(UserWarning, match="left out: the next fit would read") as said:
        loaded = skginr.load(tmp_path / "model")
    assert {str(warning.message).partition(",")[0] for warning in said} == {
        "SpectralEmbedder was saved with memory='there'",
        "Pipeline was saved with memory='here'",
        "GridSearchCV was saved with param_grid['memory']=['elsewhere']",
    }
    assert loaded.estimator.memory is None
    assert loaded.estimator[0].memory is None
    assert loaded.param_grid == {"ridge__alpha": [1.0]}
    # The model that was saved keeps them.
    assert search.estimator.memory == "here"


def test_what_is_wide_or_shared_with_reason_is_kept(tmp_path):
    wide = np.array([["a"], ["b"]], dtype="<U100")
    shared = [1.0, 2.0, 3.0]
    pairs = ((1, 2), (1, 2))
    for model in (
        OneHotEncoder().fit(wide),
        GridSearchCV(Ridge(), [{"alpha": shared}, {"alpha": shared, "tol": shared}] * 20),
        Ridge(frozenset({pairs, (pairs, pairs)})),
    ):
        skginr.save(model, tmp_path / "model")
        loaded = skginr.load(tmp_path / "model")
        assert repr(loaded) == repr(model)
    far_too_wide = OneHotEncoder(categories=[np.array(["a"], dtype="<U9999")])
    with pytest.raises(TypeError, match=r"model\.categories\[0\] is .* far wider than what it"):
        skginr.save(far_too_wide, tmp_path / "model")


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_random_generators_go_on(kind, tmp_path):
    bits = getattr(np.random, kind)(7)
    old = np.random.RandomState(bits)
    old.normal(size=3)
    model = make_pipeline(ShuffleSplit(random_state=0), Ridge()).set_params(ridge=Ridge())
    model = GridSearchCV(Ridge(random_state=old), {}, cv=KFold(2))
    skginr.save(model, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model").estimator.random_state
    np.testing.assert_array_equal(loaded.normal(size=1000), old.normal(size=1000))
    new = np.random.Generator(bits)
    new.integers(9, size=5, dtype=np.uint32)
    skginr.save(Ridge(random_state=new), tmp_path / "model")
    loaded = skginr.load(tmp_path / "model").random_state
    np.testing.assert_array_equal(
        loaded.integers(99, size=99, dtype=np.uint32), new.integers(99, size=99, dtype=np.uint32)
    )


@posix
def test_none_but_the_owner_reads_what_is_being_written(tmp_path, monkeypatch):
    seen = []
    sync = os.fsync

    def fsync(handle):
        (file,) = tmp_path.iterdir()
        seen.append(stat.S_IMODE(file.stat().st_mode))
        sync(handle)

    monkeypatch.setattr("os.fsync", fsync)
    before = os.umask(0o022)
    try:
        skginr.save(Ridge(), tmp_path / "model")
    finally:
        os.umask(before)
    assert seen == [0o600]
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o644


@posix
def test_what_a_kill_has_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    target = tmp_path / "model"
    left, handle = _open_temporary(target)
    other, _ = _open_temporary(tmp_path / "other")
    skginr.save(Ridge(), target)
    # Open, it is another save's.
    assert left.exists()
    os.close(handle)
    # What lies there under such a name and is no file of ours stays, and is not followed.
    victim = tmp_path / "victim"
    victim.write_text("victim")
    link = left.with_name(f"{left.name[:-8]}link.tmp")
    link.symlink_to(victim)
    skginr.save(Ridge(), target)
    assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted([target, other, victim, link])
    assert victim.read_text() == "victim"


# --- bases on disk

PATH = Graph.from_networkx(nx.path_graph(150))
NODES = PATH.labels.to_frame()


def fit(folder, max_components=9):
    eigen.clear_cache()
    embedder = SpectralEmbedder(4, graph=PATH, max_components=max_components, memory=folder)
    return embedder.fit(NODES).embedding_


@pytest.fixture
def kept(tmp_path):
    """The one file of a folder, and what a fit finds with it."""
    expected = fit(tmp_path, max_components=12)
    (file,) = tmp_path.rglob("*.npz")
    return file, expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("doubled", "eigenvectors are not orthonormal, each on one component"),
        ("permuted nodes", "eigenvectors are turned"),
        ("two nodes exchanged", "they are no eigenvectors of this graph"),
        ("NaN", "numbers are not finite"),
        ("the first left out", "eigenvectors are missing"),
        ("negated", "eigenvectors are turned"),
        ("float32", "arrays are of another shape or dtype"),
        ("a node too few", "arrays are of another shape or dtype"),
        ("mass", "masses are those of another graph"),
        ("components", "components are those of another graph"),
        ("n_available", "the number of eigenvectors in all|more eigenvectors than there can be"),
        ("cuts", "eigenvalues that are equal are not marked so"),
        ("values", "they are no eigenvectors of this graph"),
        ("compressed", "it is compressed, which none of ours is"),
        ("a header", "its arrays are not as long as they say"),
        ("one more part", "its parts are not those of a basis"),
        ("words", "not a zip file"),
    ],
)
def test_a_planted_basis_is_not_believed(campaign, kept, name, reason):
    import _hostile

    file, expected = kept
    dict(_hostile.bases(_hostile.parts_of(file)))[name](file)
    solved = eigen.n_solves()
    with pytest.warns(UserWarning, match=f"was not believed, .*npz: .*({reason}).*again"):
        found = fit(file.parent.parent)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert eigen.n_solves() == solved + 1
    # In its place is the right one now.
    np.testing.assert_array_equal(fit(file.parent.parent), found)
    assert eigen.n_solves() == solved + 1


@posix
@pytest.mark.parametrize(
    "name", ["a link", "a link to a basis", "a link to nothing", "a pipe", "a folder"]
)
def test_only_regular_files_of_ones_own_are_read_and_replaced(campaign, kept, name):
    import _hostile

    file, expected = kept
    folder = file.parent.parent
    dict(_hostile.places(folder))[name](file)
    before = os.lstat(file)
    with pytest.warns(UserWarning, match="^memory ") as said:
        np.testing.assert_allclose(fit(folder), expected, atol=1e-12)
    words = [str(warning.message) for warning in said]
    assert len(words) == 2
    assert "was not believed" in words[0]
    assert "is no regular file of this user" in words[0]
    assert "memory cannot keep eigenvectors" in words[1]
    assert os.lstat(file).st_ino == before.st_ino
    victim = folder / "victim"
    assert victim.read_text() == "victim"


@posix
def test_the_file_of_another_user_is_not_believed(kept, monkeypatch):
    file, expected = kept
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.warns(UserWarning, match="is no regular file of this user"):
        np.testing.assert_allclose(fit(file.parent.parent), expected, atol=1e-12)


@posix
def test_a_folder_of_ours_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "skginr").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="its folder 'skginr' is a link"):
        fit(tmp_path)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.mkdir"])
def test_where_there_is_no_room_the_result_comes_back(where, number, tmp_path, monkeypatch):
    expected = fit(None)

    def fails(*arguments, **given):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(where, fails)
    with pytest.warns(UserWarning, match="memory cannot keep eigenvectors: .*result is right"):
        found = fit(tmp_path)
    np.testing.assert_array_equal(found, expected)
    assert not list(tmp_path.rglob("*.*"))


def test_eigenvalues_of_a_fit_are_its_own():
    first = SpectralEmbedder(4, graph=PATH).fit(NODES)
    expected = first.eigenvalues_.copy()
    first.eigenvalues_ /= 7
    again = SpectralEmbedder(4, graph=PATH).fit(NODES)
    np.testing.assert_array_equal(again.eigenvalues_, expected)
    # Closed form of the path.
    closed = 2 - 2 * np.cos(np.pi * np.arange(1, 5) / 150)
    np.testing.assert_allclose(again.eigenvalues_, closed, rtol=1e-9)


@pytest.mark.parametrize("method", ["laplacian", "diffusion_map", "isomap"])
def test_no_array_of_a_basis_can_be_written_to(method):
    eigen.clear_cache()
    embedder = SpectralEmbedder(2, n_neighbors=5, method=method)
    embedder.fit(np.random.default_rng(0).random((40, 2)))
    for _, basis in _cache._cache.items():
        for kept in (basis, pickle.loads(pickle.dumps(basis))):
            for array in (kept.eigenvalues, kept.eigenvectors, kept.mass, kept.components):
                with pytest.raises(ValueError, match="read-only"):
                    array += 1
    embedder.embedding_ += 1


def test_coordinates_that_cannot_be_checked_are_not_kept(tmp_path):
    SpectralEmbedder(1, graph=PATH, method="isomap", memory=tmp_path).fit(NODES)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_link_in_the_way_is_replaced_and_not_followed(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("victim")
    link.symlink_to(victim)
    with whole_file(link, follow_links=False) as file:
        file.write(b"new")
    assert victim.read_text() == "victim"
    assert link.read_text() == "new"
    assert not link.is_symlink()


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    pair = (1.0,)
    for _ in range(40):
        pair = (pair, pair)
    with pytest.raises(TypeError, match="must not be nested in itself so often"):
        skginr.save(Ridge(pair), tmp_path / "model")
    with pytest.raises(TypeError, match=r"model\.alpha is a dtype of 8000 bytes, more than 4096"):
        skginr.save(Ridge(np.dtype("U2000")), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_of_a_compiled_network_have_the_names_of_any_other(campaign, tmp_path):
    import _hostile

    model = _hostile.network().fit(_hostile.POINTS, _hostile.SIGNAL)
    draft = _hostile.Draft(model)
    weights = model._model.to_state()["weights"]
    draft.put({f"_orig_mod.{name}": array for name, array in weights.items()}, "_model", "weights")
    (tmp_path / "model").write_bytes(draft.content())
    found = skginr.load(tmp_path / "model").predict(_hostile.POINTS)
    np.testing.assert_array_equal(found, model.predict(_hostile.POINTS))
