"""Layers and optimizers at the edges of what can be: finite, or a named error."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import ChainruleError, UsageError
from chainrule.nn import build
from chainrule.optim import OPTIMIZERS

LAYERS = [
    *(
        "RELU",
        "LRELU",
        "ELU",
        "GELU",
        "SIGMOID",
        "TANH",
        "MAXOUT2",
        "LRN",
        "BN",
        "LN",
        "IN",
        "GN2",
        "GAP",
        "DROPOUT0.5",
    ),
    *(
        "POOL1",
        "POOL1 avg",
        "CONV1-3",
        "CONV3-2",
        "UPCONV2-3",
        "FC-3",
        "RES[CONV3-4 | BN]",
        "CAT[CONV1-2 ; ]",
        "RES[CONV3-4 | DROPPATH0.5]",
    ),
]

INPUTS: dict[str, Tensor] = {
    "zeros": torch.zeros(2, 4, 2, 2),
    "all equal": torch.full((2, 4, 2, 2), 3.0),
    "large": torch.full((2, 4, 2, 2), 1e4),
    "both ends": torch.tensor([1e4, -1e4]).repeat(16).reshape(2, 4, 2, 2),
    "tiny": torch.full((2, 4, 2, 2), 1e-30),
    "below what is normal": torch.full((2, 4, 2, 2), 1e-40),
    "one of many": torch.eye(32)[:2].reshape(2, 4, 2, 4),
    "one example": torch.linspace(-1, 1, 16).reshape(1, 4, 2, 2),
    "one place": torch.linspace(-1, 1, 8).reshape(2, 4, 1, 1),
    "no example": torch.zeros(0, 4, 2, 2),
    "a row": torch.linspace(-1, 1, 56).reshape(2, 4, 1, 7),
    "a column": torch.linspace(-1, 1, 56).reshape(2, 4, 7, 1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", sorted(INPUTS))
@pytest.mark.parametrize("spec", LAYERS)
def test_layers_stay_finite_both_ways(spec: str, name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = INPUTS[name].to(dtype).requires_grad_()
    if "IN" in spec and name == "one place":
        spec = "LN"  # torch refuses instance normalization of one value, and says so
    if spec == "IN" and not len(x):
        pytest.skip("torch's instance normalization knows no empty batch")
    net = build(spec, shape=tuple(x.shape[1:])).to(dtype)
    for training in (False, True):
        if training and "BN" in spec and not len(x):
            continue  # there is nothing to average over
        net.train(training)
        out = net(x)
        out.square().sum().sqrt().add(out.sum()).backward() if out.numel() else out.sum().backward()
        assert torch.isfinite(out).all()
        for parameter in net.parameters():
            assert parameter.grad is not None


def gradients(name: str) -> list[Tensor]:
    return {
        "zero": [torch.zeros(3, 2), torch.zeros(3)],
        "large": [torch.full((3, 2), 1e15), torch.full((3,), -1e15)],
        "tiny": [torch.full((3, 2), 1e-30), torch.full((3,), 1e-38)],
        "one of many": [torch.eye(3)[:, :2], torch.eye(3)[0]],
        "alternating": [torch.ones(3, 2), -torch.ones(3)],
    }[name]


@pytest.mark.parametrize("lr", [0.0, 1e-3])
@pytest.mark.parametrize("name", ["zero", "large", "tiny", "one of many", "alternating"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS.names()))
def test_optimizers_stay_finite(optimizer: str, name: str, lr: float) -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 6).reshape(3, 2)), nn.Parameter(torch.zeros(3))]
    before = [weight.detach().clone() for weight in weights]
    if optimizer == "muon" and lr == 0.0:
        with pytest.raises(UsageError, match="expected lr above 0"):
            OPTIMIZERS.resolve(optimizer)(weights, lr=lr)
        return
    stepper = OPTIMIZERS.resolve(optimizer)(weights, lr=lr)
    for turn in range(20):
        for weight, gradient in zip(weights, gradients(name)):
            weight.grad = gradient * (-1 if name == "alternating" and turn % 2 else 1)
        stepper.step()
    assert all(torch.isfinite(weight).all() for weight in weights)
    if lr == 0.0:
        assert all(torch.equal(weight, old) for weight, old in zip(weights, before))


@pytest.mark.parametrize("lr", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS.names()))
def test_rates_that_are_none_are_refused(optimizer: str, lr: float) -> None:
    with pytest.raises(ChainruleError, match="lr is out of range"):
        OPTIMIZERS.resolve(optimizer)([nn.Parameter(torch.zeros(2, 2))], lr=lr)
