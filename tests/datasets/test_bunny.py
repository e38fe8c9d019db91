import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pooch
import pytest

from skginr.datasets import _files, fetch_bunny


@pytest.mark.parametrize(("resolution", "n_nodes"), [(1, 34_834), (2, 8_146), (3, 1_887), (4, 453)])
def test_the_bunny_is_one_connected_mesh_of_known_size(data_root, resolution, n_nodes):
    bunny = fetch_bunny(resolution)
    assert (bunny.n_nodes, bunny.n_components) == (n_nodes, 1)
    assert len(np.unique(bunny.faces)) == n_nodes
    # A hand's breadth, in metres.
    assert 0.1 < np.ptp(bunny.positions, axis=0).max() < 0.2


def test_a_resolution_that_is_none_is_refused():
    with pytest.raises(ValueError, match="resolution"):
        fetch_bunny(5)


@pytest.fixture
def publisher(monkeypatch, tmp_path):
    """An address that has the archive made of a folder, and a cache that is empty."""
    (tmp_path / "served" / "bunny" / "reconstruction").mkdir(parents=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = partial(Quiet, directory=tmp_path / "served")
    monkeypatch.setenv("SKGINR_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/bunny.tar.gz"
        monkeypatch.setitem(_files._ARCHIVES, "bunny", (url, "bunny/reconstruction"))
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path / "served"
        server.shutdown()
        thread.join()


def pack(folder, content):
    (folder / "bunny" / "reconstruction" / "bun_zipper_res4.ply").write_bytes(content)
    with tarfile.open(folder / "bunny.tar.gz", "w:gz") as archive:
        archive.add(folder / "bunny", "bunny")


def test_the_bunny_comes_from_its_publisher_once(publisher, data_root):
    pack(publisher, (data_root / "bunny" / "bun_zipper_res4.ply").read_bytes())
    assert fetch_bunny(4).n_nodes == 453
    (publisher / "bunny.tar.gz").unlink()
    assert fetch_bunny(4).n_nodes == 453


def test_a_bunny_that_was_changed_is_refused(publisher, data_root, monkeypatch, tmp_path):
    content = (data_root / "bunny" / "bun_zipper_res4.ply").read_bytes()
    pack(publisher, content.replace(b"0", b"1", 1))
    with pytest.raises(FileNotFoundError, match="is not the one that was published before"):
        fetch_bunny(4)
    # Nothing of it is kept: the next call downloads again.
    pack(publisher, content)
    assert fetch_bunny(4).n_nodes == 453
    (tmp_path / "cache" / "bunny" / "bun_zipper_res4.ply").write_bytes(content[1:])
    with pytest.raises(ValueError, match="Delete it and get it anew"):
        fetch_bunny(4)
    (tmp_path / "bunny").mkdir()
    (tmp_path / "bunny" / "bun_zipper_res4.ply").write_bytes(content[:-1])
    monkeypatch.setenv("SKGINR_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="Delete it and get it anew"):
        fetch_bunny(4)


@pytest.mark.parametrize("page", [b"<html>Log in</html>", b"\x1f\x8b\x08\x00cut"])
def test_what_is_no_archive_is_not_kept(publisher, data_root, page):
    (publisher / "bunny.tar.gz").write_bytes(page)
    with pytest.raises(FileNotFoundError, match="could not download it from http"):
        fetch_bunny(4)
    pack(publisher, (data_root / "bunny" / "bun_zipper_res4.ply").read_bytes())
    assert fetch_bunny(4).n_nodes == 453


def test_where_there_is_no_network_the_error_says_what_to_set(publisher):
    with pytest.raises(FileNotFoundError, match=r"SKGINR_DATA names.*nothing.*could not.*404"):
        fetch_bunny(4)
