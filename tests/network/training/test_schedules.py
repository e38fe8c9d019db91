import numpy as np
import pytest
import torch

from skginr.network.training._schedules import Anytime, HalveOnPlateau, WarmupCosine


def test_the_papers_rate_is_halved_as_by_torchs_plateau():
    losses = 1 + np.random.default_rng(0).random(6000)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1000)
    factor, ours = HalveOnPlateau(), []
    expected = []
    for epoch, loss in enumerate(losses):
        theirs.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
        ours.append(factor(epoch, losses[: epoch + 1].tolist()))
    assert ours == expected
    assert ours[-1] < 0.2


def test_the_rate_rises_then_falls_to_zero():
    factor = np.array([WarmupCosine(200)(step, []) for step in range(201)])
    assert factor[9] == 1.0
    assert (np.diff(factor[:10]) > 0).all()
    assert (np.diff(factor[10:]) < 0).all()
    assert factor[105] == pytest.approx(0.5)
    assert factor[200] == pytest.approx(0, abs=1e-12)


def test_the_anytime_rate_rises_then_falls_whatever_the_last_step():
    factor = np.array([Anytime()(step, []) for step in range(5000)])
    assert factor.argmax() == 24
    assert (np.diff(factor[24:]) < 0).all()
    assert factor[100] == pytest.approx(1 / 4)
    assert factor[900] == pytest.approx(1 / 100)
