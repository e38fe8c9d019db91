"""``benchmarks/campaign_graphs.py`` in small: random graphs against answers of many digits."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def campaign(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return __import__("campaign_graphs")


@pytest.mark.parametrize("name", ["smoother", "embedder"])
def test_nothing_is_wrong_without_a_word(campaign, name):
    counts, wrong = campaign.run(name, range(150))
    assert not wrong
    outcomes = Counter()
    for (_, outcome), count in counts.items():
        outcomes[outcome] += count
    assert outcomes["right"] > (120 if name == "smoother" else 80)


def test_the_judge_sees_what_is_wrong(campaign, monkeypatch):
    def off(self, X, y):
        fitted = fit(self, X, y)
        fitted.signal_ = fitted.signal_ * (1 + 1e-3 * np.arange(len(fitted.signal_)))
        return fitted

    fit = campaign.GraphSmoother.fit
    monkeypatch.setattr(campaign.GraphSmoother, "fit", off)
    _, wrong = campaign.run("smoother", range(20))
    assert len(wrong) > 10
