import math

import numpy as np
import pytest
import torch

from skginr.network.nn._siren import SIREN

PAPER = {
    "hidden_units": 512, "n_layers": 6, "activation": "sine", "omega_0": 30.0,
    "first_gain": "siren", "hidden_gain": 1.0, "zero_output": False, "skip": True,
    "input_scaling": "given",
    "seed": 0, "dtype": torch.float32,
}  # fmt: skip


def test_the_paper_network_has_its_parameter_count():
    net = SIREN(100, 1, **PAPER)
    # 100-512, 512-512 twice, (512 + 100)-512 at the skip, 512-512, 512-1, with biases.
    expected = 101 * 512 + 2 * 513 * 512 + 613 * 512 + 513 * 512 + 513
    assert sum(p.numel() for p in net.parameters()) == expected == 1_154_049
    assert [layer.in_features for layer in net.layers] == [100, 512, 512, 612, 512, 512]


def test_the_paper_network_starts_as_a_siren():
    net = SIREN(100, 1, **PAPER)
    first, hidden = net.layers[0].weight, net.layers[2].weight
    assert first.abs().max() <= 1 / 100
    assert first.abs().max() > 0.99 / 100
    assert hidden.abs().max() <= math.sqrt(6 / 512) / 30
    assert hidden.std().item() == pytest.approx(math.sqrt(2 / 512) / 30, rel=0.01)
    assert net.layers[2].bias.abs().max() <= 1 / math.sqrt(512)


def test_forward_is_the_formula():
    net = SIREN(3, 2, **(PAPER | {"hidden_units": 7, "n_layers": 4, "dtype": torch.float64}))
    X = torch.randn(5, 3, dtype=torch.float64)
    weights = [(layer.weight.T, layer.bias) for layer in net.layers]
    h = X
    for i in range(3):
        h = torch.cat([h, X], 1) if i == 2 else h
        h = torch.sin(30 * (h @ weights[i][0] + weights[i][1]))
    torch.testing.assert_close(net(X), h @ weights[3][0] + weights[3][1])


@pytest.mark.parametrize("activation", ["sine", "relu"])
@pytest.mark.parametrize("omega_0", [1.0, 30.0])
def test_gains_are_standard_deviations(activation, omega_0):
    settings = PAPER | {
        "activation": activation, "omega_0": omega_0, "first_gain": 2.5, "hidden_gain": 1.5,
        "skip": False, "n_layers": 3,
    }  # fmt: skip
    net = SIREN(64, 1, **settings)
    factor = omega_0 if activation == "sine" else 1.0
    X = torch.randn(4000, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = factor * (X @ net.layers[0].weight.T)
        assert first.std().item() == pytest.approx(2.5, rel=0.03)
        # Sines of widespread phases have mean square 1/2, rectified normals too.
        phases = torch.randn(4000, 512, generator=torch.Generator().manual_seed(1))
        out = torch.sin(9 * phases) if activation == "sine" else torch.relu(phases)
        second = factor * (out @ net.layers[1].weight.T)
        assert second.pow(2).mean().sqrt().item() == pytest.approx(1.5, rel=0.03)


def test_zero_output_starts_at_zero():
    net = SIREN(3, 2, **(PAPER | {"zero_output": True}))
    assert not net(torch.randn(4, 3)).any()


def test_weights_come_from_the_seed_alone_in_either_precision():
    before = torch.get_rng_state()
    net = SIREN(5, 1, **PAPER)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    double = SIREN(5, 1, **(PAPER | {"dtype": torch.float64}))
    other = SIREN(5, 1, **(PAPER | {"seed": 1}))
    for a, b, c in zip(net.parameters(), double.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy().astype(np.float32))
        assert not torch.equal(a, c)
