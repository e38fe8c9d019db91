"""What is available where the system says so in one way or another, and what is refused."""

import os

import pytest

from skginr._core import _memory, check_fits
from skginr._core._memory import available_bytes

GB = 10**9


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Write files of a system in place of this one's."""
    monkeypatch.setattr(_memory, "_ROOT", tmp_path)

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


def meminfo(available, swap=0):
    return f"MemTotal: 99 kB\nMemAvailable: {available} kB\nHugetlb: none\nSwapFree: {swap} kB\n"


def test_of_this_machine_it_is_some_number():
    assert available_bytes() is None or 0 < available_bytes() < 2**50


def test_what_the_machine_has_and_what_it_can_swap(system):
    system({"proc/meminfo": meminfo(1000, swap=24)})
    assert available_bytes() == 1024 * 1024


@pytest.mark.parametrize("place", ["job/step", "job"])
def test_a_group_or_one_around_it_may_leave_less(system, place):
    folder = f"sys/fs/cgroup/{place}"
    system(
        {
            "proc/meminfo": meminfo(10**6),
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/memory.max": "max\n",
            f"{folder}/memory.max": "5000\n",
            f"{folder}/memory.current": "4500\n",
            f"{folder}/memory.stat": "anon 1\ninactive_file 300\n",
        }
    )
    assert available_bytes() == 800


def test_groups_of_the_older_kind(system):
    folder = "sys/fs/cgroup/memory"
    system(
        {
            "proc/meminfo": meminfo(10**6),
            # As in a container, which does not see where it is.
            "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/0a1b\n",
            f"{folder}/memory.limit_in_bytes": "5000\n",
            f"{folder}/memory.usage_in_bytes": "6000\n",
            f"{folder}/memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
        }
    )
    assert available_bytes() == 0


def test_elsewhere_all_the_memory_of_the_machine_or_nothing_known(system, monkeypatch):
    sizes = {"SC_PHYS_PAGES": 7, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    assert available_bytes() == 7 * 4096
    monkeypatch.delattr(os, "sysconf")
    assert available_bytes() is None
    check_fits(10**18, "it", "")


def test_what_does_not_fit_says_so_in_gigabytes(monkeypatch):
    monkeypatch.setattr(_memory, "available_bytes", lambda: 3 * GB)
    check_fits(3 * GB, "it", "")
    with pytest.raises(
        MemoryError, match=r"^A graph of 2 nodes needs about 3\.5 GB of memory; 3\.0 GB .* Less\.$"
    ):
        check_fits(3.5 * GB, "A graph of 2 nodes", "Less.")


def test_small_things_are_begun_without_a_look(monkeypatch):
    monkeypatch.setattr(_memory, "available_bytes", lambda: 0)
    check_fits(0.99 * GB, "it", "")
