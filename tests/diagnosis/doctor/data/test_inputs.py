"""Inputs that are no numbers, not scaled, squeezed, rounded, scrambled, or in another order of axes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks.data._layout import other_reading
from chainrule.diagnosis.doctor.checks.data._scale import far_values

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Ask = Callable[..., str]
Mlp = Callable[..., nn.Module]


def both(data: Data, change: Callable[[Tensor], Tensor]) -> Data:
    x, y, xv, yv = data
    return change(x), y, change(xv), yv


def pictures(data: Data) -> Data:
    return both(data, lambda x: x.reshape(-1, 1, 8, 8))


def convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10))


def text(size: int = 900, length: int = 20, words: int = 300, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Texts of tokens from 2 on, filled up with 0; some words say the class."""
    generator = torch.Generator().manual_seed(seed)
    shares = 1 / torch.arange(3, words + 3).double()
    tokens = torch.multinomial(shares, size * length, replacement=True, generator=generator).reshape(size, length) + 2
    labels = torch.randint(2, (size,), generator=generator)
    for place in range(0, 6, 2):
        marks = 100 + labels * 20 + torch.randint(20, (size,), generator=generator)
        tokens[:, place] = torch.where(torch.rand(size, generator=generator) < 0.6, marks, tokens[:, place])
    lengths = torch.randint(6, length + 1, (size,), generator=generator)
    return tokens.masked_fill(torch.arange(length) >= lengths[:, None], 0), labels


def texts(**options: int) -> Data:
    return *text(**options), *text(300, seed=1, **options)


class Reader(nn.Module):
    """The last state of a GRU over embedded tokens."""

    def __init__(self, words: int = 400) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 16, padding_idx=0)
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.out = nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(x))
        return self.out(states[:, -1])


def test_healthy_trainings_are_let_be(first: Ask, train: Any, digits: Data, numbers: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), digits) == ""
    assert first(train, convolution(), pictures(digits)) == ""
    regression = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
    assert first(train, regression, numbers, loss=nn.functional.mse_loss) == ""


def test_a_reader_of_texts_is_let_be(first: Ask, train: Any) -> None:
    assert first(train, Reader(), texts(), epochs=3) == ""


def test_nan_from_a_division_by_zero(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    mean, spread = digits[0].mean(0), digits[0].std(0)
    assert first(train, mlp(), both(digits, lambda x: (x - mean) / spread)) == "input-not-finite"


def test_nan_among_targets(first: Ask, train: Any, numbers: Data) -> None:
    x, y, xv, yv = numbers
    y = torch.where(y < -2, torch.nan, y)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
    assert first(train, net, (x, y, xv, yv), loss=nn.functional.mse_loss) == "target-not-finite"


def test_all_examples_the_same(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), both(digits, torch.zeros_like)) == "inputs-all-equal"


@pytest.mark.parametrize("change", [lambda x: x * 255 * 4, lambda x: x + 60])
def test_far_from_the_unit_scale(first: Ask, train: Any, digits: Data, mlp: Mlp, change: Any) -> None:
    assert first(train, mlp(), both(digits, change), rate=3e-3) == "input-not-scaled"


def test_columns_of_very_different_scale(first: Ask, train: Any, numbers: Data) -> None:
    factor = torch.tensor([1.0, 0.01, 3e3, 1.0, 20.0, 0.1])
    net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
    assert first(train, net, both(numbers, lambda x: x * factor), loss=nn.functional.mse_loss) == "input-not-scaled"


def test_divided_twice(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), both(digits, lambda x: x / 255)) == "input-squeezed"


def test_a_placeholder_squeezes_the_rest(first: Ask, train: Any, numbers: Data) -> None:
    holes = torch.rand(1200, 6, generator=torch.Generator().manual_seed(1)) < 0.1
    x = torch.cat([numbers[0], numbers[2]]).masked_fill(holes, -999.0)
    x = (x - x.mean(0)) / x.std(0)
    net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
    data = (x[:900], numbers[1], x[900:], numbers[3])
    assert first(train, net, data, loss=nn.functional.mse_loss, epochs=6) == "input-squeezed"


def test_far_values_are_told_from_a_long_tail() -> None:
    generator = torch.Generator().manual_seed(0)
    tail = torch.randn(500, 1, generator=generator).exp()
    holes = torch.cat([torch.randn(450, 1, generator=generator), torch.full((50, 1), -999.0)])
    assert far_values(torch.cat([tail, holes], 1)).sum(0).tolist() == [0, 50]


def test_a_division_of_whole_numbers(first: Ask, train: Any, digits: Data, mlp: Mlp, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("x = images // 255\n")
    data = both(digits, lambda x: (x * 255).long().div(255, rounding_mode="floor").float())
    assert first(train, mlp(), data, source=Source.read(program)) == "input-rounded-away"
    program.write_text("x = images / 255\nhalf = 5 // 2\n")
    assert first(train, mlp(), digits, source=Source.read(program)) == ""


def test_clipped_columns(found: Any, train: Any, numbers: Data) -> None:
    net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))
    clipped = both(numbers, lambda x: x.clamp(-0.8, 0.8))
    assert "input-clipped" in found(train, net, clipped, loss=nn.functional.mse_loss)


def test_nearly_all_words_unknown(first: Ask, train: Any) -> None:
    data = tuple(torch.where((t > 12) | ((t > 1) & (t % 3 > 0)), 1, t) if t.ndim == 2 else t for t in texts(words=2000))
    wide = tuple(torch.where(t > 1, t + torch.randint(3, t.shape) * 5, t) if t.ndim == 2 else t for t in data)
    assert first(train, Reader(), wide) == "tokens-mostly-unknown"


@pytest.mark.slow
def test_mostly_padding(first: Ask, train: Any) -> None:
    x, y, xv, yv = texts()
    wide = (nn.functional.pad(x, (0, 100)), y, nn.functional.pad(xv, (0, 100)), yv)
    assert first(train, Reader(), wide, epochs=2, rate=2e-2) == "input-mostly-padding"


def test_cut_to_three_words(first: Ask, train: Any) -> None:
    x, y, xv, yv = texts(length=24)
    net = Reader()

    full = x.clone()
    full[full == 0] = 5

    def run() -> None:
        train(net, (full, y, xv, yv), change=lambda t: t[:, :3], change_valid=lambda t: t[:, :3])

    assert first(run) == "sequences-truncated"


def test_axes_exchanged_before_the_network(first: Ask, train: Any, digits: Data) -> None:
    x, y, xv, yv = digits
    mix = torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(0))

    def color(x: Tensor) -> Tensor:
        return nn.functional.interpolate(x.reshape(-1, 1, 8, 8), size=(16, 16), mode="bilinear").reshape(
            -1, 16, 16, 1
        ) * (mix.mean((1, 2)) + 0.2)

    def net() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(128, 10)
        )

    wrong = (color(x).reshape(-1, 3, 16, 16), y, color(xv).reshape(-1, 3, 16, 16), yv)
    right = (color(x).permute(0, 3, 1, 2), y, color(xv).permute(0, 3, 1, 2), yv)
    assert first(train, net(), wrong) == "axes-exchanged"
    assert first(train, net(), right) == ""


def test_a_smooth_reading_is_found_by_its_shape() -> None:
    time = torch.linspace(0, 6, 40)
    waves = torch.stack([torch.sin(time + 0.1 * i) for i in range(64)])[:, :, None] * torch.tensor([1.0, -1.0, 2.0])
    assert other_reading(waves) is None
    found = other_reading(waves.transpose(1, 2).reshape(64, 40, 3))
    assert found is not None
    assert found[0] == (64, 3, 40)


class Rows(nn.Module):
    """A GRU over the rows of a picture."""

    def __init__(self, order: Callable[[Tensor], Tensor], *, batch_first: bool = False) -> None:
        super().__init__()
        self.order = order
        self.gru = nn.GRU(8, 24, batch_first=batch_first)
        self.out = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, last = self.gru(self.order(x.reshape(-1, 8, 8)))
        return self.out(last[0] if last.shape[1] == len(x) else states[:, -1])


def test_reshape_where_axes_are_exchanged_inside_of_the_network(first: Ask, train: Any, digits: Data) -> None:
    assert first(train, Rows(lambda x: x.reshape(8, -1, 8)), digits, epochs=1) == "axes-exchanged"
    assert first(train, Rows(lambda x: x.transpose(0, 1)), digits, epochs=1) == ""


def test_a_recurrent_layer_over_the_batch(first: Ask, train: Any, digits: Data) -> None:
    assert first(train, Rows(lambda x: x), digits, epochs=1) == "batch-and-time-exchanged"
    assert first(train, Rows(lambda x: x, batch_first=True), digits, epochs=1) == ""
