"""The signal at the start: fades with small weights, stays with those of the lectures."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from chainrule.analysis.design.signal import measure_signal
from chainrule.nn import initialize


def deep(scheme: str, activation: type[nn.Module]) -> nn.Sequential:
    layers = [part for _ in range(8) for part in (nn.Linear(200, 200), activation())]
    return initialize(nn.Sequential(*layers), scheme, generator=torch.Generator().manual_seed(0))


def energy(out: Tensor) -> Tensor:
    return out.square().sum() / 2


@pytest.mark.parametrize(
    ("scheme", "activation", "words"),
    [
        ("gaussian", nn.Tanh, ["the activations vanish", "the gradients vanish"]),
        ("xavier", nn.Tanh, []),
        ("he", nn.ReLU, []),
        ("orthogonal", nn.Tanh, []),
    ],
)
def test_spread_per_layer_of_each_scheme(scheme: str, activation: type[nn.Module], words: list[str]) -> None:
    inputs = torch.randn(256, 200, generator=torch.Generator().manual_seed(1))
    network = deep(scheme, activation)
    found = measure_signal(network, inputs, energy)
    seen, value = [], inputs
    for layer in network:
        value = layer(value)
        value.retain_grad()
        seen.append(value)
    energy(value).backward()
    for layer, tensor in zip(found.layers, seen, strict=True):
        assert layer.spread == pytest.approx(float(tensor.detach().std(correction=0)), rel=1e-5)
        assert layer.mean == pytest.approx(float(tensor.detach().mean()), rel=1e-4, abs=1e-7)
        assert layer.gradient == pytest.approx(float(tensor.grad.std(correction=0)), rel=1e-5)  # type: ignore[union-attr]
    said = [line for line in found.verdict if "zero" not in line and "healthy" not in line]
    assert len(said) == len(words)
    assert all(line.startswith(start) for line, start in zip(said, words, strict=True))


def test_large_weights_explode_and_nothing_is_changed() -> None:
    network = nn.Sequential(*[nn.Linear(50, 50, bias=False) for _ in range(6)])
    for layer in network:
        nn.init.normal_(layer.weight, 0, 1)
    before = [p.detach().clone() for p in network.parameters()]
    found = measure_signal(network.eval(), torch.randn(8, 50), energy)
    assert found.verdict[0].startswith("the activations explode: their spread at 5 is ")
    assert found.verdict[1].startswith("the gradients explode: their spread at 0 is ")
    assert all(p.grad is None and torch.equal(p, q) for p, q in zip(network.parameters(), before))
    assert not network.training
    assert not network[0]._forward_hooks


def test_dead_units_are_those_that_are_zero_on_all_examples() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(4))
        network[0].bias.copy_(torch.tensor([0.0, 0.0, 0.0, -100.0]))
    inputs = torch.tensor([[1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 1.0]])
    relu = measure_signal(network, inputs, energy).layers[1]
    assert (relu.silent, relu.zeros) == (0.25, 0.5)


def test_numbers_that_are_not_finite_are_told_and_fit_into_json() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        network[1].weight.fill_(float("inf"))
    found = measure_signal(network, torch.ones(3, 2), energy)
    assert "the activations are not finite" in found.verdict
    json.dumps(found.as_dict(), allow_nan=False)
