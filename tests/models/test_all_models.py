"""What every registered network keeps to: shapes, gradients, independence of examples, transparency, clear errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.models import MODELS, EachHead, Heads
from chainrule.nn import DropPath

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
    ("resnet_cifar", (3, 7, 5), {"depth": 14, "shortcut": "project", "drop_path": 0.1}),
    ("resnet_cifar", (3, 8, 8), {"depth": 14, "shortcut": "none"}),
    ("alexnet", (3, 67, 67), {"head": "linear"}),
    ("alexnet", (1, 64, 71), {"version": "torchvision", "head": "linear"}),
    ("squeezenet", COLOR, {}),
    ("squeezenet", (1, 19, 23), {"version": 1.1}),
    ("densenet", (3, 33, 29), {}),
    ("densenet_cifar", (1, 9, 7), {"depth": 10}),
    ("densenet_cifar", COLOR, {"depth": 16, "growth": 6, "compression": 1.0}),
    ("inception", COLOR, {"width": 0.125}),
    ("inception", (1, 17, 11), {"width": 0.125, "auxiliary": 0.0}),
    ("inception", (1, 35, 32), {"width": 0.125, "stem_stride": 4, "auxiliary": 1.0}),
    ("mobilenet", COLOR, {"width": 0.25}),
    ("mobilenet", (1, 19, 21), {"width": 0.25, "stem_stride": 1}),
    ("shared_trunk", COLOR, {"trunk": SPEC.removesuffix(" | FC-10"), "head": "FC-12 | RELU | FC-10", "heads": 3}),
    ("vit", COLOR, {"layers": 2}),
    ("vit", GREY, {"patch": 7, "layers": 1, "pool": "class", "positions": "grid", "dropout": 0.1}),
    ("vit", (2, 6, 9), {"patch": 3, "width": 12, "layers": 2, "num_heads": 3, "positions": "sinusoidal"}),
]


def made(case: tuple[str, tuple[int, ...], dict[str, Any]]) -> nn.Module:
    name, shape, options = case
    torch.manual_seed(0)
    return MODELS.resolve(name)(shape, 10, **options)


def test_every_network_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == {name for name in MODELS if not MODELS.entry(name).card.get("fitted")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'x'.join(map(str, case[1]))}")
class TestEach:
    def test_scores_gradients_and_independent_examples(self, case: Any) -> None:
        network = made(case)
        x = torch.randn(4, *case[1])
        network.train()
        given = network(x)
        for scores in given[:2] if isinstance(given, Heads | EachHead) else [given]:
            scores.square().sum().backward(retain_graph=True)
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
        network = made(case)
        calls: dict[str, int] = {}

        def count(name: str) -> Any:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                calls[name] = calls.get(name, 0) + 1
                assert output is not inputs[0] or isinstance(module, (nn.Identity, nn.Dropout, DropPath)), name

            return hook

        for name, module in network.named_modules():
            assert not getattr(module, "inplace", False), name
            if not list(module.children()):
                module.register_forward_hook(count(name))
        x = torch.randn(2, *case[1])
        before = x.clone()
        leaves = {name for name, module in network.named_modules() if not list(module.children())}
        for training in (True, False):
            calls.clear()
            network.train(training)(x)
            assert torch.equal(x, before)
            resting = set() if training else {name for name in leaves if name.startswith("auxiliary.")}
            resting |= {name for name in leaves if name.endswith(".attention.drop")}  # the fused kernel drops by itself
            assert set(calls) == leaves - resting
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
        ("resnet_cifar", COLOR, {"shortcut": "skip"}, "pad, project or none, got skip"),
        ("resnet_cifar", (3, 3, 9), {}, "at least 4x4, got 3x9"),
        ("resnet_cifar", (3, 32, 32, 1), {}, "takes images"),
        ("resnet_cifar", COLOR, {"drop_path": 1.0}, "drop_path is the probability .* below 1, got 1.0"),
        ("resnet", COLOR, {"drop_path": -0.1}, "drop_path is the probability .* got -0.1"),
        ("alexnet", (3, 66, 80), {}, "at least 67x67, got 66x80.*resnet_cifar"),
        ("alexnet", (3, 80, 62), {"version": "torchvision"}, "at least 63x63, got 80x62"),
        ("alexnet", (3, 67, 67), {"version": "2012"}, "note or torchvision, got 2012"),
        ("alexnet", (3, 67, 67), {"version": "torchvision", "split": True}, "never been split.*--model.version note"),
        ("alexnet", (3, 67, 67), {"head": "small"}, "original or linear, got small"),
        ("alexnet", (3, 67, 67), {"dropout": 1.0}, "below 1, got 1.0"),
        ("squeezenet", (3, 20, 32), {}, "at least 21x21, got 20x32.*resnet_cifar"),
        ("squeezenet", (3, 32, 16), {"version": 1.1}, "at least 17x17, got 32x16"),
        ("squeezenet", COLOR, {"version": 1.2}, "1.0 or 1.1, got 1.2"),
        ("squeezenet", COLOR, {"dropout": -1.0}, "got -1.0"),
        ("densenet", (3, 28, 32), {}, "at least 29x29, got 28x32.*densenet_cifar"),
        ("densenet", COLOR, {"depth": 100}, "121, 161, 169 or 201, got 100"),
        ("densenet_cifar", (3, 3, 8), {}, "at least 4x4, got 3x8"),
        ("densenet_cifar", COLOR, {"depth": 41}, "got 41. Remedy: use 40 or 46"),
        ("densenet_cifar", COLOR, {"depth": 4}, "got 4. Remedy: use 10"),
        ("densenet_cifar", COLOR, {"growth": 0}, "at least 1, got 0"),
        ("densenet_cifar", COLOR, {"compression": 0.0}, "above 0, at most 1.*got 0.0"),
        ("densenet_cifar", COLOR, {"compression": 1.1}, "got 1.1"),
        ("densenet_cifar", COLOR, {"growth": 1, "compression": 0.3}, "one channel at least, got 0.3"),
        ("densenet_cifar", COLOR, {"compression": float("nan")}, "got nan"),
        ("inception", (3, 7, 32), {}, "shrinks its images 8 times: expected at least 8x8, got 7x32"),
        ("inception", (3, 31, 32), {"stem_stride": 4}, "at least 32x32, got 31x32"),
        ("inception", COLOR, {"width": 0.0}, "above 0, finite, got 0.0"),
        ("inception", COLOR, {"width": float("nan")}, "above 0.* got nan"),
        ("inception", COLOR, {"auxiliary": -0.3}, "at least 0, finite, got -0.3"),
        ("inception", COLOR, {"auxiliary": float("inf")}, "got inf"),
        ("inception", COLOR, {"stem_stride": 0}, "at least 1, got 0"),
        ("inception", COLOR, {"dropout": 1.0}, "below 1, got 1.0"),
        ("mobilenet", (3, 28, 28), {}, "at least 32x32, got 28x28. Remedy: --model.stem_stride 1"),
        ("mobilenet", (3, 15, 28), {"stem_stride": 1}, "at least 16x16, got 15x28$"),
        ("mobilenet", COLOR, {"stem_stride": 3}, "1 or 2, got 3"),
        ("mobilenet", COLOR, {"width": -1.0}, "above 0, finite, got -1.0"),
        ("mobilenet", COLOR, {"width": float("inf")}, "got inf"),
        ("vit", (3, 30, 32), {}, r"do not fill the images: expected patch 1, 2, got 30x32"),
        ("vit", (3, 3, 8), {}, "at least 4x4, got 3x8. Remedy: give a smaller --model.patch"),
        ("vit", COLOR, {"num_heads": 5}, "a divisor of 64, got 5"),
        ("vit", COLOR, {"pool": "maen"}, 'did you mean "mean"'),
        ("vit", COLOR, {"positions": "gird"}, 'did you mean "grid"'),
        ("vit", COLOR, {"layers": 0}, "layers 0"),
        ("vit", (20,), {}, "this network takes images"),
        ("lenet", (3, 30, 30), {}, "28x28 or 32x32.*got 30x30"),
        ("cnn", (3, 4, 4), {}, "at least 8x8"),
        ("mlp", GREY, {"activation": "rleu"}, 'did you mean "relu"'),
    ],
)
def test_what_cannot_be_built_is_said(name: str, shape: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        MODELS.resolve(name)(shape, 10, **options)
    assert "\n" not in str(caught.value)
