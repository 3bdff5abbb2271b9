"""What the table warns of, and what it says when a layer refuses its input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chainrule.analysis.design import design_network
from chainrule.analysis.design.known import known_network
from chainrule.core.errors import UsageError


def warned(network: nn.Module, *shape: int, **options: int) -> tuple[str, ...]:
    return design_network(network, [torch.zeros(shape)], **options).warnings  # type: ignore[arg-type]


def test_rows_that_are_never_read() -> None:
    network = nn.Sequential(nn.Conv2d(3, 96, 11, stride=4), nn.Flatten(), nn.Linear(96 * 54 * 54, 2))
    (told, *_) = warned(network, 1, 3, 224, 224)
    assert told == (
        "0: (224 - 11) / 4 + 1 = 54.25 does not divide: it never reads row and column 223 of its input of 224x224; "
        "223 or 227 divide"
    )
    assert not [w for w in warned(nn.Conv2d(3, 4, 3, stride=2, padding=1), 1, 3, 224, 224) if "never" in w]


def test_what_another_branch_reads_is_not_lost() -> None:
    class Branches(nn.Module):
        def __init__(self, second: nn.Module) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 1, 1, stride=2), second

        def forward(self, x: Tensor) -> Tensor:
            return self.first(x) + self.second(x)

    assert not [w for w in warned(Branches(nn.Conv2d(1, 1, 3, 2, 1)), 1, 1, 8, 8) if "never" in w]
    (told,) = (w for w in warned(Branches(nn.Conv2d(1, 1, 1, stride=2)), 1, 1, 8, 8) if "never" in w)
    assert "never reads rows and columns 1, 3, 5, ..., 7 (4 of them)" in told


class Loose(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.never = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(7, 7)

    def forward(self, x: Tensor) -> Tensor:
        self.b(x)
        return self.a(x)


def test_dead_ends_and_parameters_that_nothing_reads() -> None:
    told = warned(Loose(), 1, 4)
    assert told == ("b: what it gives is not used", "56 parameters are not used: never.weight, never.bias")


def test_results_that_are_views_states_or_read_later_are_no_dead_ends() -> None:
    class Fine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y, _ = self.lstm(x)
            y = y.clone()
            y[:, 0] = 0
            return self.out(y[:, -1])

    assert warned(Fine(), 1, 3, 4) == ()


def test_a_field_far_from_what_is_to_be_seen() -> None:
    small = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    (told,) = warned(small, 1, 1, 64, 64)
    assert "sees 3x3 pixels, less than the input, 64x64" in told
    assert warned(small, 1, 1, 64, 64, object_size=3) == ()
    (told,) = warned(small, 1, 1, 64, 64, object_size=5)
    assert "less than objects of 5 pixels" in told
    wide = nn.Sequential(nn.Conv2d(1, 1, 3, padding=30, dilation=30), nn.Conv2d(1, 1, 1))
    (told,) = warned(wide, 1, 1, 64, 64, object_size=4)
    assert "61x61 pixels, far more than objects of 4 pixels" in told
    mixed = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 62 * 62, 2), nn.Linear(2, 2))
    assert [w for w in warned(mixed, 1, 1, 64, 64) if "sees" in w] == []  # the next layer sees everything


def test_one_layer_that_holds_most() -> None:
    network = nn.Sequential(nn.Linear(4, 100), nn.Linear(100, 100), nn.Linear(100, 2))
    assert warned(network, 1, 4) == ("1 (Linear) holds 94 % of all parameters",)


@pytest.mark.parametrize(
    ("layer", "given", "words"),
    [
        (nn.Linear(8, 2), torch.zeros(1, 7), r'"1" \(Linear\).*expected 8 features in the last dimension, got 1x7'),
        (nn.Conv2d(3, 2, 3), torch.zeros(1, 4, 8, 8), r"expected Nx3xHxW of floating numbers.*got 1x4x8x8"),
        (nn.Conv2d(3, 2, 5), torch.zeros(1, 3, 4, 9), r"HxW at least 5x5, got 1x3x4x9"),
        (nn.BatchNorm2d(3), torch.zeros(1, 4, 8, 8), "expected 3 channels in dimension 1, got 1x4x8x8"),
        (nn.Embedding(10, 2), torch.zeros(1, 4), "expected integers .*got 1x4"),
        (nn.LSTM(8, 2), torch.zeros(3, 1, 7), "expected 8 features in the last dimension, got 3x1x7"),
    ],
)
def test_a_layer_that_does_not_take_its_input_is_named(layer: nn.Module, given: Tensor, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        design_network(nn.Sequential(nn.Identity(), layer), [given])
    assert "\n" not in str(caught.value)


def test_registered_networks_by_depth_and_version() -> None:
    for name, parameters in (("resnet50", 25_557_032), ("vgg16_bn", 138_365_992), ("squeezenet1.1", 1_235_496)):
        assert sum(p.numel() for p in known_network(name).network.parameters()) == parameters
    assert known_network("resnet_cifar", (3, 40, 40), {"depth": 32}).shape == (3, 40, 40)
    with pytest.raises(UsageError, match="no resnet of 51: expected 18, 34, 50"):
        known_network("resnet51")
    with pytest.raises(UsageError, match='did you mean "lenet"'):
        known_network("lennet")
    with pytest.raises(UsageError, match="cannot be built so"):
        known_network("lenet", options={"deepness": 3})
    with pytest.raises(UsageError, match="takes its whole training set at once"):
        known_network("knn")
