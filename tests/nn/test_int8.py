"""Weights of 8 bits: the integers of the formula, within its bound, each input by itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.models import TRANSLATION_MODELS
from chainrule.nn import Int8Linear, _int8, int8_weights

Array = np.ndarray


def by_hand(weight: Array, bias: Array, x: Array) -> tuple[Array, Array, Array]:
    """The layer in integers of 64 bits; how far it may be from the product of real numbers; one step of one factor."""
    s, r = np.abs(weight).max(1) / 127, np.abs(x).max(1, keepdims=True) / 127
    v = np.rint(weight / s[:, None]).astype(np.int64)
    z = np.rint(x / r).astype(np.int64)
    bound = s / 2 * np.abs(x).sum(1, keepdims=True) + r / 2 * np.abs(weight).sum(1) + x.shape[1] * s * r / 4
    return s * r * (z @ v.T) + bias, bound, 127 * s * r


def layer_of(inputs: int, outputs: int, *, bias: bool = True, seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        layer.weight *= torch.rand(outputs, 1) * 3  # rows of different sizes
    return layer


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    inputs=st.sampled_from([1, 3, 16, 64, 200, 2048]),
    outputs=st.sampled_from([1, 5, 64, 257]),
    shape=st.sampled_from([(), (1,), (7,), (2, 3), (40,), (0,)]),
    bias=st.booleans(),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_it_is_the_formula_and_within_its_bound(
    seed: int, inputs: int, outputs: int, shape: tuple[int, ...], bias: bool, scale: float
) -> None:
    layer = layer_of(inputs, outputs, bias=bias, seed=seed)
    x = scale * torch.randn(*shape, inputs)
    got = Int8Linear(layer)(x)
    assert got.shape == (*shape, outputs)
    rows, weight = x.double().reshape(-1, inputs).numpy(), layer.weight.detach().double().numpy()
    add = layer.bias.detach().double().numpy() if bias else np.zeros(outputs)
    wanted, bound, step = by_hand(weight, add, rows)
    found = got.double().reshape(-1, outputs).numpy()
    rounding = 2e-6 * (np.abs(rows) @ np.abs(weight).T + np.abs(add))
    assert np.all(np.abs(found - (rows @ weight.T + add)) <= bound + rounding)
    # a number in the middle between two steps may go to the other one in float32
    assert np.all(np.abs(found - wanted) <= 4 * step + rounding)
    if len(rows) > 5 and outputs > 1:  # most numbers do not
        assert np.median(np.abs(found - wanted) / rounding) <= 1


def test_whole_numbers_are_exact() -> None:
    """Weights and inputs that are whole, with 127 among them, are their own integers: so is their product."""
    generator = torch.Generator().manual_seed(3)
    layer = nn.Linear(512, 96, bias=False)
    whole = torch.randint(-127, 128, (96, 512), generator=generator).float()
    x = torch.randint(-127, 128, (9, 512), generator=generator).float()
    whole[:, 0] = x[:, 1] = 127
    layer.weight.data = whole
    torch.testing.assert_close(Int8Linear(layer)(x), (x.double() @ whole.double().T).float(), rtol=1e-6, atol=0)


def test_no_input_changes_what_is_computed_of_another() -> None:
    layer = Int8Linear(layer_of(64, 40))
    x = torch.randn(6, 64) * torch.tensor([1e-3, 1.0, 1e3, 0.0, 5.0, 1e-20]).unsqueeze(1)
    together = layer(x)
    assert all(torch.equal(layer(row), other) for row, other in zip(x, together))
    assert torch.equal(together[3], layer.product.bias)


def test_what_is_no_number_shows() -> None:
    x = torch.zeros(3, 8)
    x[1, 2], x[2, 2] = torch.nan, torch.inf
    found = Int8Linear(layer_of(8, 4))(x)
    assert found[0].isfinite().all()
    assert not found[1:].isfinite().any()


@pytest.mark.parametrize("tie", ["none", "target", "all"])
def test_a_translator_keeps_its_embeddings_and_nearly_its_scores(tie: str) -> None:
    torch.manual_seed(0)
    sizes = {"width": 64, "num_heads": 4, "layers": 2, "hidden": 128, "tie": tie}
    model = TRANSLATION_MODELS.resolve("transformer")(300, 300, **sizes).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quick = int8_weights(model)
    assert isinstance(quick.head, Int8Linear)
    assert not any(isinstance(part, nn.Linear) for part in quick.modules())
    assert torch.equal(quick.embed_target.weight, model.embed_target.weight)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    source, target = torch.randint(4, 300, (3, 9)), torch.randint(4, 300, (3, 7))
    with torch.no_grad():
        wanted, got = (one(target, one.encode(source))[0] for one in (model, quick))
    assert float((got - wanted).norm() / wanted.norm()) < 0.05
    assert not got.requires_grad
    assert not torch.equal(got, wanted)
    again = copy.deepcopy(quick)
    with torch.no_grad():
        assert torch.equal(again(target, again.encode(source))[0], got)


def test_one_layer_in_two_places_stays_one_and_a_layer_alone_is_made() -> None:
    layer = layer_of(16, 16)
    both = int8_weights(nn.Sequential(layer, nn.ReLU(), layer).eval())
    assert both[0] is both[2]
    assert isinstance(int8_weights(layer.eval()), Int8Linear)


def test_layers_that_others_read_stay_as_they_are() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), nn.Linear(16, 4)).eval()
    quick, x = int8_weights(model), torch.randn(2, 5, 16)
    assert isinstance(quick[1], Int8Linear)
    with torch.no_grad():
        torch.testing.assert_close(quick[0](x), model[0](x))
        torch.testing.assert_close(quick(x), model(x), atol=0.05, rtol=0.05)


def test_nothing_flows_back() -> None:
    x = torch.randn(2, 8, requires_grad=True)
    assert not Int8Linear(layer_of(8, 4))(x).requires_grad


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(4, 4), "do not learn"),
        (nn.Conv2d(1, 1, 1).eval(), "Conv2d has no fully connected layer"),
        (nn.Linear(4, 4).double().eval(), "expected float32 on a CPU, got torch.float64 on cpu"),
    ],
)
def test_what_cannot_be_made_is_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        int8_weights(model)
    assert message in str(caught.value)


def test_a_torch_without_the_product_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    _int8._check_product.cache_clear()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"no product of 8-bit integers here.*leave int8 out"):
        Int8Linear(nn.Linear(4, 4))


def test_a_product_that_is_not_exact_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the instructions sums of two products are cut off at 2^15."""
    _int8._check_product.cache_clear()
    right = _int8._Product.__call__

    def cut(self: _int8._Product, x: Tensor, scale: Tensor) -> Tensor:
        return right(self, x, scale).clamp_max(32 * 32767 - 64 * 128 * 127)  # 32 pairs

    monkeypatch.setattr(_int8._Product, "__call__", cut)
    with pytest.raises(UsageError, match="not exact here"):
        Int8Linear(nn.Linear(4, 4))
