"""What layers make of each other: faulty networks and their sound twins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor]
Train = Callable[..., Any]
Found = Callable[..., tuple[Finding, ...]]


def above_note(findings: tuple[Finding, ...]) -> list[str]:
    return [f.label for f in findings if f.level != "note"]


def curved() -> Data:
    x = torch.randn(512, 6)
    return x, (x[:, 0].abs() + x[:, 1] * x[:, 2]).unsqueeze(1)


def test_layers_without_an_activation_are_one_linear_map(train: Train, found: Found) -> None:
    faulty = nn.Sequential(nn.Linear(6, 64), nn.Linear(64, 64), nn.Linear(64, 1))
    sound = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    first = found(train(faulty, *curved(), loss_of=F.mse_loss, steps=40))[0]
    assert (first.label, first.level, first.where) == ("no-activation", "fault", "Sequential.0")
    assert first.tried is not None
    assert above_note(found(train(sound, *curved(), loss_of=F.mse_loss, steps=40))) == []


def test_convolutions_without_an_activation_too(digits: Data, train: Train, found: Found) -> None:
    x, y = digits[0].reshape(-1, 1, 8, 8), digits[1]
    faulty = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(256, 10))
    first = found(train(faulty, x, y))[0]
    assert (first.label, first.level) == ("no-activation", "fault")


def test_factorizations_separable_convolutions_and_codes_are_meant_so(digits: Data, train: Train, found: Found) -> None:
    x, y = digits
    low_rank = nn.Sequential(nn.Linear(64, 4, bias=False), nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 10))
    assert above_note(found(train(low_rank, x, y), "no-activation")) == []
    separable = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    assert above_note(found(train(separable, x.reshape(-1, 1, 8, 8), y), "no-activation")) == []
    coder = nn.Sequential(
        nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2), nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 64)
    )
    assert above_note(found(train(coder, x, x, loss_of=F.mse_loss))) == []


def test_a_layer_of_one_or_two_units_between_wide_ones(digits: Data, train: Train, found: Found) -> None:
    def narrowed(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, width), nn.ReLU(), nn.Linear(width, 10))

    first = found(train(narrowed(1), *digits, steps=40))[0]
    assert (first.label, first.level, first.where) == ("layer-too-narrow", "fault", "Sequential.2")
    assert above_note(found(train(narrowed(24), *digits, steps=40))) == []


def test_dropout_on_the_scores(digits: Data, train: Train, found: Found) -> None:
    faulty = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.Dropout(0.5))
    sound = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
    assert found(train(faulty, *digits))[0].label == "dropout-on-scores"
    assert above_note(found(train(sound, *digits))) == []


def test_remarks_are_notes(digits: Data, train: Train, found: Found) -> None:
    normed = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10), nn.BatchNorm1d(10))
    notes = {f.label: f.level for f in found(train(normed, *digits), "bias-before-norm", "norm-on-scores")}
    assert notes["bias-before-norm"] == notes["norm-on-scores"] == "note"
    deep = nn.Sequential(nn.Linear(64, 16), *[p for _ in range(17) for p in (nn.ReLU(), nn.Linear(16, 16))], nn.ReLU(),
                         nn.Linear(16, 10))  # fmt: skip
    assert "deep-without-skips" in {f.label for f in found(train(deep, *digits), "deep-without-skips")}
    large = nn.Sequential(nn.Linear(64, 400), nn.ReLU(), nn.Linear(400, 10))
    few = digits[0][:16], digits[1][:16]
    assert "more-parameters-than-examples" in {
        f.label for f in found(train(large, *few, batch=16), "more-parameters-than-examples")
    }
    shared = nn.Linear(32, 32)
    twice = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(32, 10))
    assert "layer-used-twice" in {f.label for f in found(train(twice, *digits), "layer-used-twice")}


class Rows(nn.Module):
    """Attention over the rows of a digit, with scores and weights as they are given."""

    def __init__(self, scale: Callable[[Tensor, int], Tensor], dim: int | None = -1, width: int = 32) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(8, width), nn.Parameter(torch.randn(8, width) * 0.1)
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.head, self.scale, self.dim = nn.Linear(width, 10), scale, dim
        for layer in (self.q, self.k):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(width) * 1.5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(self.embed(x.reshape(-1, 8, 8)) + self.place, (32,))
        scores = self.scale(self.q(x) @ self.k(x).transpose(-2, -1), x.shape[-1])
        return self.head((scores.softmax(dim=self.dim) @ self.v(x)).mean(1))


@pytest.mark.parametrize("scale", ["divided", "before"])
def test_sound_attention_is_left_alone(scale: str, digits: Data, train: Train, found: Found) -> None:
    model = Rows(lambda s, d: s / math.sqrt(d))
    if scale == "before":
        model = Rows(lambda s, d: s)
        model.q.register_forward_hook(lambda module, given, out: out * 32**-0.5)
    assert above_note(found(train(model, *digits))) == []


def test_scores_multiplied_by_the_root_of_the_width(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Rows(lambda s, d: s * math.sqrt(d)), *digits))[0]
    assert (first.label, first.level) == ("attention-scaled-the-wrong-way", "fault")
    assert first.where.startswith("test_structure.py:")


def test_scores_that_are_not_scaled_are_named(digits: Data, train: Train, found: Found) -> None:
    labels = {f.label for f in found(train(Rows(lambda s, d: s), *digits), "attention-not-scaled")}
    assert labels == {"attention-not-scaled"}


def test_a_softmax_over_the_queries(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Rows(lambda s, d: s / math.sqrt(d), dim=-2), *digits))[0]
    assert (first.label, first.level) == ("attention-over-wrong-axis", "fault")
