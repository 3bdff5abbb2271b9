"""What every registered network keeps to: shapes, gradients, independence of examples, transparency, clear errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.models import MODELS

GREY, COLOR = (1, 28, 28), (3, 32, 32)
SPEC = "CONV3-8 | BN | RELU | RES[CONV3-8 | BN] | RELU | POOL2 | DROPOUT0.3 | FC-10"

CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("linear", GREY, {}),
    ("mlp", GREY, {"hidden": [20, 10], "dropout": 0.2, "batch_norm": True}),
    ("layers", COLOR, {"spec": SPEC}),
    ("lenet", GREY, {}),
    ("lenet", COLOR, {"activation": "tanh", "pool": "average"}),
    ("cnn", GREY, {"widths": [8, 12], "dropout": 0.1}),
    ("cnn", (2, 33, 17), {"widths": [8]}),
    ("vgg", COLOR, {"depth": 11, "batch_norm": True, "head": "linear"}),
    ("vgg", (1, 45, 33), {"depth": 13, "head": "linear"}),
    ("resnet", COLOR, {"depth": 18}),
    ("resnet", (1, 47, 33), {"depth": 50}),
    ("resnet_cifar", (1, 8, 8), {"depth": 8}),
    ("resnet_cifar", GREY, {"depth": 8}),
    ("resnet_cifar", (3, 7, 5), {"depth": 14, "shortcut": "project"}),
]


def made(case: tuple[str, tuple[int, ...], dict[str, Any]]) -> nn.Module:
    name, shape, options = case
    torch.manual_seed(0)
    return MODELS.resolve(name)(shape, 10, **options)


def test_every_network_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == set(MODELS.names())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'x'.join(map(str, case[1]))}")
class TestEach:
    def test_scores_gradients_and_independent_examples(self, case: Any) -> None:
        network = made(case)
        x = torch.randn(4, *case[1])
        network.train()
        network(x).square().sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.any(), name
        network.eval()
        with torch.no_grad():
            scores = network(x)
            assert scores.shape == (4, 10)
            torch.testing.assert_close(network(x[[2, 0]]), scores[[2, 0]], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(network(x[:1]), scores[:1], rtol=1e-4, atol=1e-5)
            assert torch.equal(network(x), scores)
            last = x.to(memory_format=torch.channels_last)
            torch.testing.assert_close(network(last), scores, rtol=1e-3, atol=1e-4)

    def test_it_can_be_copied_and_restored(self, case: Any) -> None:
        network = made(case).eval()
        twin = copy.deepcopy(network)
        torch.manual_seed(1)
        other = MODELS.resolve(case[0])(case[1], 10, **case[2]).eval()
        other.load_state_dict(network.state_dict(), strict=True)
        x = torch.randn(2, *case[1])
        assert torch.equal(twin(x), network(x))
        assert torch.equal(other(x), network(x))

    def test_it_is_drawn_from_the_seed(self, case: Any) -> None:
        first, second = made(case).state_dict(), made(case).state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_each_module_is_used_once_and_changes_nothing_in_place(self, case: Any) -> None:
        network = made(case).eval()
        calls: dict[str, int] = {}

        def count(name: str) -> Any:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                calls[name] = calls.get(name, 0) + 1
                assert output is not inputs[0] or isinstance(module, (nn.Identity, nn.Dropout)), name

            return hook

        for name, module in network.named_modules():
            assert not getattr(module, "inplace", False), name
            if not list(module.children()):
                module.register_forward_hook(count(name))
        x = torch.randn(2, *case[1])
        before = x.clone()
        network(x)
        assert torch.equal(x, before)
        leaves = {name for name, module in network.named_modules() if not list(module.children())}
        assert set(calls) == leaves
        assert set(calls.values()) == {1}


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("vgg", (3, 31, 64), {}, "at least 32x32, got 31x64"),
        ("vgg", COLOR, {"depth": 12}, "11, 13, 16 or 19, got 12"),
        ("vgg", COLOR, {"head": "small"}, "original or linear, got small"),
        ("vgg", (64,), {}, r"takes images.*got inputs of shape \(64,\)"),
        ("vgg", (3, 28, 28), {}, "got 28x28.*resnet_cifar"),
        ("vgg", COLOR, {"dropout": 1.0}, "below 1, got 1.0"),
        ("vgg", COLOR, {"dropout": -0.1}, "at least 0 .* got -0.1"),
        ("vgg", COLOR, {"dropout": float("nan")}, "got nan"),
        ("cnn", COLOR, {"dropout": 1.5}, "below 1, got 1.5"),
        ("mlp", GREY, {"dropout": 1.0}, "below 1, got 1.0"),
        ("resnet", (3, 31, 64), {}, "at least 32x32, got 31x64.*resnet_cifar"),
        ("resnet", (784,), {}, "takes images.*mlp"),
        ("resnet", COLOR, {"depth": 20}, "18, 34, 50, 101 or 152, got 20"),
        ("resnet_cifar", COLOR, {"depth": 21}, "got 21. Remedy: use 20 or 26"),
        ("resnet_cifar", COLOR, {"depth": 109}, "got 109. Remedy: use 104 or 110"),
        ("resnet_cifar", COLOR, {"depth": 2}, "got 2. Remedy: use 8"),
        ("resnet_cifar", COLOR, {"depth": -4}, "got -4. Remedy: use 8"),
        ("resnet_cifar", COLOR, {"shortcut": "none"}, "pad or project, got none"),
        ("resnet_cifar", (3, 3, 9), {}, "at least 4x4, got 3x9"),
        ("resnet_cifar", (3, 32, 32, 1), {}, "takes images"),
        ("lenet", (3, 30, 30), {}, "28x28 or 32x32.*got 30x30"),
        ("cnn", (3, 4, 4), {}, "at least 8 pixels"),
        ("mlp", GREY, {"activation": "rleu"}, 'did you mean "relu"'),
    ],
)
def test_what_cannot_be_built_is_said(name: str, shape: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        MODELS.resolve(name)(shape, 10, **options)
    assert "\n" not in str(caught.value)
