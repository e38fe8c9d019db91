import numpy as np
import pytest


@pytest.fixture(scope="module")
def wave():
    X = np.random.default_rng(0).uniform(-1.7, 1.7, (400, 2))
    return X, np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])
