"""Fully connected layers by oneDNN: torch's values and gradients, and torch's own layer wherever that is wanted."""

from __future__ import annotations

import copy
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional

import chainrule
from chainrule.runtime import linear_products
from chainrule.runtime.linear_products import LinearProduct, onednn_products
from chainrule.training.task import Seen

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch has no such operation here"
)


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """On each processor, and for products of each size."""
    monkeypatch.setattr(linear_products, "available", lambda: True)
    monkeypatch.setattr(linear_products, "LEAST", 1)


def gradients(layer: nn.Linear, x: Tensor, *, kept: bool = False) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = layer(x)
    asked = [x, *layer.parameters()]
    return [y, *torch.autograd.grad((y * y.detach().cos()).sum(), asked, create_graph=kept)]


@settings(deadline=None)  # the first product is compiled
@given(
    rows=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_torchs(rows: list[int], sizes: tuple[int, int], bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    x, weight = torch.randn(*rows, sizes[0]), torch.randn(sizes[1], sizes[0])
    given_bias = torch.randn(sizes[1]) if bias else None
    asked = [value.requires_grad_() for value in (x, weight, given_bias) if value is not None]
    found, right = LinearProduct.apply(x, weight, given_bias), functional.linear(x, weight, given_bias)
    torch.testing.assert_close(found, right)
    upward = torch.randn_like(right)
    torch.testing.assert_close(torch.autograd.grad(found, asked, upward), torch.autograd.grad(right, asked, upward))


def test_inputs_that_lie_otherwise_in_memory(everywhere: None) -> None:
    layer, x = nn.Linear(6, 5), torch.randn(6, 4, 3).permute(2, 1, 0)
    right = layer(x)
    with onednn_products(layer):
        found = layer(x)
        torch.testing.assert_close(found, right)
        found.sum().backward()  # whose gradient is one number, told many times
    torch.testing.assert_close(layer.weight.grad, x.sum((0, 1)).expand(5, 6))


def test_what_is_frozen_gets_no_gradient(everywhere: None) -> None:
    layer = nn.Linear(4, 3)
    layer.weight.requires_grad_(False)
    with onednn_products(layer):
        layer(torch.randn(2, 4)).sum().backward()
    assert layer.weight.grad is None
    assert torch.equal(layer.bias.grad, torch.full((3,), 2.0))


def test_a_gradient_of_the_gradients(everywhere: None) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 3), torch.randn(5, 4)
    right = torch.autograd.grad(sum(g.square().sum() for g in gradients(layer, x, kept=True)), layer.weight)
    with onednn_products(layer):
        found = torch.autograd.grad(sum(g.square().sum() for g in gradients(layer, x, kept=True)), layer.weight)
    torch.testing.assert_close(found, right)


def test_only_torchs_own_layers_are_changed_and_only_meanwhile(everywhere: None) -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    inside = nn.Linear(4, 4)
    inside.forward = lambda x: 3 * x  # type: ignore[method-assign]
    model = nn.Sequential(nn.Linear(4, 4), Doubled(4, 4), inside, nn.ReLU())
    meanwhile = []
    with suppress(KeyError), onednn_products(model):
        meanwhile += ["forward" in vars(part) for part in model]
        raise KeyError
    assert meanwhile == [True, False, True, False]
    assert ["forward" in vars(part) for part in model] == [False, False, True, False]
    assert torch.equal(inside(torch.ones(1, 4)), torch.full((1, 4), 3.0))


def test_a_copy_computes_with_its_own_weights(everywhere: None) -> None:
    layer, x = nn.Linear(4, 3), torch.randn(2, 4)
    with onednn_products(layer), torch.no_grad():
        other = copy.deepcopy(layer)
        sent = pickle.loads(pickle.dumps(layer))
        other.weight.zero_()
        assert torch.equal(other(x), other.bias.expand(2, 3))
        torch.testing.assert_close(sent(x), layer(x))


def test_hooks_are_called(everywhere: None) -> None:
    layer, seen = nn.Linear(4, 3), []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    with onednn_products(layer):
        layer(torch.randn(2, 4))
    assert seen == [(2, 3)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_numbers_are_torchs_bit_for_bit(everywhere: None, dtype: torch.dtype) -> None:
    layer, x = nn.Linear(9, 7, dtype=dtype), torch.randn(5, 9, dtype=dtype)
    right = gradients(layer, x)
    with onednn_products(layer):
        assert all(torch.equal(one, other) for one, other in zip(gradients(layer, x), right))


def test_small_products_are_torchs_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_products, "available", lambda: True)
    monkeypatch.setattr(LinearProduct, "forward", lambda *args: pytest.fail("a small product went to oneDNN"))
    layer, x = nn.Linear(128, 100), torch.randn(64, 128)
    right = gradients(layer, x)
    with onednn_products(layer):
        assert all(torch.equal(one, other) for one, other in zip(gradients(layer, x), right))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own, in make_dual
def test_transforms_and_mixed_precision_see_torchs_layer(everywhere: None) -> None:
    layer, x = nn.Linear(4, 3), torch.randn(5, 2, 4)

    def loss(weight: Tensor, one: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (one,)).square().sum()

    right = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(layer.weight.detach(), x)
    with onednn_products(layer):
        found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(layer.weight.detach(), x)
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16
        with forward_ad.dual_level():
            along = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, torch.ones_like(x)))).tangent
    torch.testing.assert_close(along, layer.weight.sum(1).expand(5, 2, 3))
    torch.testing.assert_close(found, right)


def test_inputs_that_do_not_fit_are_refused_by_torch(everywhere: None) -> None:
    layer = nn.Linear(4, 3)
    with onednn_products(layer), pytest.raises(RuntimeError, match="cannot be multiplied"):
        layer(torch.randn(2, 5))


def test_on_other_processors_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_products, "available", lambda: False)
    layer = nn.Linear(4, 3)
    with onednn_products(layer):
        assert "forward" not in vars(layer)


def test_a_training_takes_it_and_leaves_the_network_as_it_was(
    everywhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    models: list[nn.Module] = []

    def trained(name: str) -> list[float]:
        changed: list[bool] = []

        def watch(seen: Seen) -> None:
            models.append(seen.model)
            changed.append(any("forward" in vars(part) for part in seen.model.modules()))

        settings = {"train.steps": 5, "train.threads": 1, "train.log_every": 1, "model.dropout": 0.0}
        run = chainrule.train("digits-mlp", out=tmp_path / name, settings=settings, observers=[watch], report=False)
        assert changed == [name == "onednn"] * 5
        return [line["loss"] for line in run.history if line["part"] == "train"]

    found = trained("onednn")
    assert not any("forward" in vars(part) for model in models for part in model.modules())
    monkeypatch.setattr(linear_products, "available", lambda: False)
    assert found == pytest.approx(trained("torch"), rel=1e-5)
