"""What doctests of the package need; what tests need is in ``tests/conftest.py``."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip examples that read the folder of real data where there is none."""
    if os.environ.get("SKGINR_DATA"):
        return
    skip = pytest.mark.skip(reason="real data: SKGINR_DATA is not set")
    for item in items:
        if isinstance(item, pytest.DoctestItem) and ".fetch_" in item.name:
            item.add_marker(skip)
