"""Build what would be released, look into it, and run the README's first lines from it alone.

    python .ci/check_wheel.py    # needs build and twine, of the extra test

The wheel is installed, with the extra that the README names, into an empty environment, and run in
a folder without a checkout. The scores that it prints have to be those that the README states.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Between one BLAS and another; the README states two digits.
TOLERANCE = 0.011


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        built = folder / "dist"
        call(sys.executable, "-m", "build", "--outdir", built, ROOT)
        sdist, wheel = next(built.glob("*.tar.gz")), next(built.glob("*.whl"))
        call(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
        check_contents(sdist, wheel)

        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        constraints = ROOT / "constraints.txt"
        call(python, "-m", "pip", "install", "--quiet", "-c", constraints, f"{wheel}[data]")
        code, stated = first_lines((ROOT / "README.md").read_text())
        # Neither the folder nor the environment knows of the checkout.
        elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        printed = subprocess.run(
            [python, "-W", "error", "-c", code],
            cwd=folder,
            env=elsewhere,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout
        print(printed)
        check_scores(printed, stated)
    print("The wheel alone does what the README says.")


def call(*command):
    print("+", *command, flush=True)
    subprocess.run(list(map(str, command)), check=True)


def check_contents(sdist, wheel):
    """Raise where a file of the package is missing, or anything else is there."""
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skginr").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = set(opened.namelist())
    compare("wheel", {name for name in in_wheel if ".dist-info/" not in name}, package)
    with tarfile.open(sdist) as opened:
        files = {member.name.partition("/")[2] for member in opened if member.isfile()}
    beside = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    compare("sdist", {name for name in files if ".egg-info/" not in name}, package | beside)


def compare(what, found, wanted):
    if found != wanted:
        raise SystemExit(
            f"{what}: missing {sorted(wanted - found)}, not wanted {sorted(found - wanted)}"
        )


def first_lines(readme):
    """Return the README's first Python block, and the block of scores after it."""
    found = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", readme, flags=re.DOTALL)
    return found[1], found[2]


def check_scores(printed, stated):
    """Raise unless the same names stand before the same scores."""
    ours, wanted = (
        {
            name.strip(): float(score)
            for name, score in re.findall(r"(.+?)\s+(\d\.\d+)$", text, re.M)
        }
        for text in (printed, stated)
    )
    if ours.keys() != wanted.keys() or not wanted:
        raise SystemExit(f"printed: {ours}; the README states {wanted}")
    if any(abs(ours[name] - wanted[name]) > TOLERANCE for name in wanted):
        raise SystemExit(f"printed: {ours}; the README states {wanted}")


if __name__ == "__main__":
    main()
