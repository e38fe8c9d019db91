"""How much memory there is, and what to say before something is begun that needs more."""

import os
from pathlib import Path

# What needs less is begun without a look.
_SMALL = 1e9
_ROOT = Path("/")
# Of each kind of control group: its folder, and the files of what is allowed and used.
_GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}


def check_fits(n_bytes: float, what: str, advice: str) -> None:
    """Raise ``MemoryError`` if more memory is needed than there is, as far as one can tell.

    Parameters
    ----------
    n_bytes : float
        What is needed beside what the process holds, a little less rather than more.
    what : str
        Begins the sentence: what needs it, with its size.
    advice : str
        Ends it: what to do instead.
    """
    if not fits(n_bytes):
        raise MemoryError(
            f"{what} needs about {n_bytes / 1e9:.1f} GB of memory; "
            f"{(available_bytes() or 0) / 1e9:.1f} GB are available. {advice}"
        )


def fits(n_bytes: float) -> bool:
    """Say whether there is memory for so much, as far as one can tell."""
    available = available_bytes() if n_bytes >= _SMALL else None
    return available is None or n_bytes <= available


def available_bytes() -> int | None:
    """Return how many bytes this process may still take, or None where nothing says so."""
    free = _numbers_of(_ROOT / "proc/meminfo")
    if "MemAvailable:" in free:
        # In kilobytes. What is swapped out is slow, and no failure.
        known = 1024 * (free["MemAvailable:"] + free.get("SwapFree:", 0))
        return max(min([known, *_left_in_groups()]), 0)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _left_in_groups() -> list[int]:
    """Return what the control groups of this process leave it: of containers, jobs of clusters."""
    left = []
    for line in _text_of(_ROOT / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        for kind in set(kinds.split(",")) & set(_GROUPS):
            folder, allowed, used = _GROUPS[kind]
            # A limit may be that of a group around its own.
            own = _ROOT / folder / path.lstrip("/")
            for group in (own, *own.parents)[: len(Path(path).parts)]:
                numbers = [_text_of(group / name).strip() for name in (allowed, used)]
                if all(number.isdecimal() for number in numbers):
                    # Files that were read are counted, and given up first.
                    files = _numbers_of(group / "memory.stat")
                    idle = files.get("total_inactive_file", files.get("inactive_file", 0))
                    left.append(int(numbers[0]) - int(numbers[1]) + idle)
    return left


def _numbers_of(file: Path) -> dict[str, int]:
    """Return the first number of each line, by the word before it."""
    words = [line.split() for line in _text_of(file).splitlines()]
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdecimal()}


def _text_of(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
