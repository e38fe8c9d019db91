import re
from pathlib import Path

import numpy as np

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_code_runs_as_it_stands():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    # A shorter search, the same otherwise.
    short = code.replace("[4, 8, 16, 32, 64]", "[4, 8]")
    assert short != code
    names = {}
    exec(short, names)
    predicted = names["search"].predict(names["counties"][["fips"]])
    assert predicted.shape == (3233,)
    assert np.isfinite(predicted).all()


def test_every_make_target_and_file_it_names_is_there():
    root = Path(__file__).parent.parent
    targets = re.findall(r"^make (\w+)", README, flags=re.MULTILINE)
    makefile = (root / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)
    for path in re.findall(r"\]\(([^)]+)\)", README):
        assert (root / path).is_file(), path
