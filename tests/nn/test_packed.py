"""Weights laid out for the kernel: the same numbers, shared weights, and torch's own layer where that is needed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from chainrule.models import TRANSLATION_MODELS
from chainrule.nn import PackedLinear, packed_weights


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 3, 7), (40,), (0,)])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 5), (64, 200), (513, 33)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_layer(shape: tuple[int, ...], sizes: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(*sizes, bias=bias)
    x = torch.randn(*shape, sizes[0])
    wanted = x.double() @ layer.weight.detach().double().T + (layer.bias.detach().double() if bias else 0)
    with torch.no_grad():
        found = packed_weights(layer.eval())(x)
    torch.testing.assert_close(found, wanted.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tie", ["none", "all"])
def test_a_translator_scores_as_before_and_keeps_one_set_of_weights(tie: str) -> None:
    torch.manual_seed(0)
    sizes = {"width": 64, "num_heads": 4, "layers": 2, "hidden": 128, "tie": tie}
    model = TRANSLATION_MODELS.resolve("transformer")(300, 300, **sizes).eval()
    quick = packed_weights(model)
    assert isinstance(quick.head, PackedLinear)
    assert not any(type(part) is nn.Linear for part in quick.modules())
    assert type(model.head) is nn.Linear
    assert all(one is other for one, other in zip(quick.parameters(), model.parameters(), strict=True))
    assert list(quick.state_dict()) == list(model.state_dict())
    source, target = torch.randint(4, 300, (3, 9)), torch.randint(4, 300, (3, 7))
    with torch.no_grad():
        wanted = model(target, model.encode(source))[0]
        for one in (quick, copy.deepcopy(quick)):
            torch.testing.assert_close(one(target, one.encode(source))[0], wanted, rtol=1e-4, atol=1e-4)
    assert packed_weights(quick) is quick


def test_gradients_and_other_types_go_through_torchs_layer() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 4).eval()
    quick, x = packed_weights(layer), torch.randn(3, 6, requires_grad=True)
    quick(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(3, 6))
    with torch.no_grad(), pytest.raises(RuntimeError, match="dtype"):
        quick(x.double())


def test_what_cannot_be_laid_out_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (nn.Linear(4, 4), nn.Conv2d(1, 1, 1).eval(), nn.Linear(4, 4).double().eval()):
        assert packed_weights(model) is model
    seen: list[torch.Size] = []
    watched = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).eval()
    watched[0].register_forward_hook(lambda module, given, found: seen.append(found.shape))
    quick = packed_weights(watched)
    quick(torch.randn(1, 4))
    assert (type(quick[0]), type(quick[1]), len(seen)) == (nn.Linear, PackedLinear, 1)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert packed_weights(watched) is watched


def test_layers_that_torch_reads_itself_still_work() -> None:
    torch.manual_seed(0)
    model, x = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval(), torch.randn(2, 5, 16)
    with torch.no_grad():
        torch.testing.assert_close(packed_weights(model)(x), model(x))
