"""How examples are dealt to training, validation and steps, and what is done to them on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Ask = Callable[..., str]
Found = Callable[..., dict[str, Finding]]
Mlp = Callable[..., nn.Module]


def source(text: str) -> Source:
    return Source.of(Path("train.py"), text)


def fit(net: nn.Module, batches: Any, valid: tuple[Tensor, Tensor], epochs: int = 2) -> None:
    """A loop over whatever gives batches anew in each epoch."""
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        for x, y in batches() if callable(batches) else batches:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            (net(valid[0]).argmax(1) == valid[1]).float().mean().item()


@pytest.mark.parametrize("ordered", [True, False])
def test_sorted_data_that_are_split_as_they_stand(
    first: Ask, train: Any, digits: Data, mlp: Mlp, ordered: bool
) -> None:
    x, y = torch.cat([digits[0], digits[2]]), torch.cat([digits[1], digits[3]])
    order = y.argsort(stable=True) if ordered else torch.arange(len(y))
    x, y = x[order], y[order]
    label = first(train, mlp(), (x[:1200], y[:1200], x[1200:], y[1200:]), epochs=2)
    assert label == ("split-not-shuffled" if ordered else "")


@pytest.mark.parametrize("ordered", [True, False])
def test_numbers_that_are_split_in_order_of_size(
    first: Ask, train: Any, numbers: Data, mlp: Mlp, ordered: bool
) -> None:
    x, y = torch.cat([numbers[0], numbers[2]]), torch.cat([numbers[1], numbers[3]])
    order = y.argsort() if ordered else torch.arange(len(y))
    x, y = x[order], y[order]
    net = nn.Sequential(mlp(6, 1), nn.Flatten(0))
    label = first(train, net, (x[:900], y[:900], x[900:], y[900:]), loss=F.mse_loss, epochs=4)
    assert label == ("split-not-shuffled" if ordered else "")


@pytest.mark.parametrize("seeded", [True, False])
def test_windows_drawn_with_the_same_seed_in_each_step(first: Ask, seeded: bool) -> None:
    text = torch.randint(0, 12, (5000,))

    def draw() -> tuple[Tensor, Tensor]:
        if seeded:
            torch.manual_seed(3)
        starts = torch.randint(len(text) - 17, (16,)).tolist()
        pieces = torch.stack([text[s : s + 17] for s in starts])
        return pieces[:, :-1], pieces[:, 1:]

    def run() -> None:
        net = nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 12))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(30):
            x, y = draw()
            optimizer.zero_grad()
            F.cross_entropy(net(x).flatten(0, 1), y.flatten()).backward()
            optimizer.step()

    assert first(run) == ("few-examples-again" if seeded else "")


@pytest.mark.parametrize("grows", [True, False])
def test_a_training_set_that_grows(found: Found, digits: Data, mlp: Mlp, grows: bool) -> None:
    text = "for epoch in range(5):\n    x = torch.cat([x, x[:200] + 0])\n    for b in x.split(16):\n        pass\n"
    x, y, xv, yv = digits[0][:300], digits[1][:300], digits[2], digits[3]

    def run() -> None:
        net, (inputs, labels) = mlp(), (x, y)
        for _ in range(5):
            inputs, labels = torch.cat([inputs, x[:200]]), torch.cat([labels, y[:200]])
            fit(net, zip(inputs.split(20), labels.split(20)), (xv, yv), 1)
            if not grows:
                inputs, labels = x, y

    label = next((k for k, f in found(run, source=source(text)).items() if f.level != "note"), "")
    assert label == ("data-grows" if grows else "")


class Table(Dataset[tuple[Tensor, Tensor]]):
    """Examples in memory, of which it says how many there are, and which it may change."""

    def __init__(self, x: Tensor, y: Tensor, size: int, factor: float = 1.0) -> None:
        self.x, self.y, self.size, self.factor = x.clone(), y, size, factor

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        self.x[place] *= self.factor
        return self.x[place], self.y[place]


@pytest.mark.parametrize(("share", "label"), [(1, ""), (8, "examples-left-out")])
def test_a_data_set_that_is_too_short(first: Ask, digits: Data, mlp: Mlp, share: int, label: str) -> None:
    x, y, xv, yv = digits

    def run() -> None:
        fit(mlp(), DataLoader(Table(x, y, len(x) // share), batch_size=16, shuffle=True), (xv, yv), 3)

    assert first(run) == label


@pytest.mark.parametrize("each", [True, False])
def test_a_sampler_with_weights_of_classes(first: Ask, digits: Data, mlp: Mlp, each: bool) -> None:
    x, y, xv, yv = digits
    weights = 1 / torch.bincount(y).double()
    sampler = WeightedRandomSampler((weights[y] if each else weights).tolist(), 400)

    def run() -> None:
        fit(mlp(), DataLoader(TensorDataset(x, y), batch_size=16, sampler=sampler), (xv, yv), 3)

    assert first(run) == ("" if each else "examples-left-out")


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_examples_changed_in_place(found: Found, digits: Data, mlp: Mlp, factor: float) -> None:
    x, y, xv, yv = digits
    text = "def __getitem__(self, place):\n    self.x[place] *= self.factor\n"
    loader = DataLoader(Table(x, y, len(x), factor), batch_size=32, shuffle=True)
    said = found(fit, mlp(), loader, (xv, yv), 4, source=source(text))
    label = next((k for k, f in said.items() if f.level != "note"), "")
    assert label == ("" if factor == 1 else "data-changed-in-place")


@pytest.mark.parametrize("step", [1, 16])
def test_slices_that_overlap(first: Ask, digits: Data, mlp: Mlp, step: int) -> None:
    x, y, xv, yv = digits

    def batches() -> Any:
        return ((x[i * step : i * step + 16], y[i * step : i * step + 16]) for i in range(len(x) // 16))

    assert first(fit, mlp(), batches, (xv, yv)) == ("batches-overlap" if step == 1 else "")


def test_slices_that_end_before_they_begin(first: Ask, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    batches = [(x[i:32], y[i:32]) for i in range(0, 320, 32)]
    assert first(fit, mlp(), batches, (xv, yv), 1) == "empty-batches"


def test_training_on_what_was_to_be_the_test(found: Found, train: Any, digits: Data, mlp: Mlp) -> None:
    text = "x_test, x_train, y_test, y_train = train_test_split(x, y, test_size=0.2)\n"
    x, y, xv, yv = digits
    exchanged = found(train, mlp(), (xv[:300], yv[:300], x, y), source=source(text))
    assert next(iter(exchanged)) == "split-parts-exchanged"
    right = text.replace("x_test, x_train, y_test, y_train", "x_train, x_test, y_train, y_test")
    assert "split-parts-exchanged" not in found(train, mlp(), digits, source=source(right))


@pytest.mark.parametrize("mixed", [True, False])
def test_columns_in_another_order_in_each_batch(first: Ask, train: Any, digits: Data, mlp: Mlp, mixed: bool) -> None:
    change = (lambda x: x[:, torch.randperm(64)]) if mixed else None
    assert first(train, mlp(), digits, epochs=2, change=change) == ("columns-in-changing-order" if mixed else "")


def test_copies_made_before_the_split(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y = digits[0][:700].reshape(-1, 8, 8), digits[1][:700]
    x, y = torch.cat([x, x.roll(1, 2)]), torch.cat([y, y])
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    assert first(train, mlp(), (x[:1000], y[:1000], x[1000:], y[1000:])) == "validation-nearly-training"


@pytest.mark.parametrize("same", [True, False])
def test_bags_of_words_that_are_validated_on_training(found: Found, same: bool) -> None:
    rows = [torch.randint(0, 200, (int(torch.randint(4, 12, ())),)) for _ in range(600)]
    wanted = torch.stack([(row < 100).float().mean().round() for row in rows])
    train, valid = (rows[:400], rows[:150]) if same else (rows[:400], rows[400:])
    labels, answers = (wanted[:400], wanted[:150]) if same else (wanted[:400], wanted[400:])

    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.out = nn.EmbeddingBag(200, 8), nn.Linear(8, 1)

        def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
            found: Tensor = self.out(self.words(ids, offsets)).flatten()
            return found

    def packed(bags: list[Tensor]) -> tuple[Tensor, Tensor]:
        return torch.cat(bags), torch.tensor([0, *[len(b) for b in bags[:-1]]]).cumsum(0)

    def run() -> None:
        net = Bag()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(3):
            for i in range(0, 400, 40):
                optimizer.zero_grad()
                F.binary_cross_entropy_with_logits(net(*packed(train[i : i + 40])), labels[i : i + 40]).backward()
                optimizer.step()
            with torch.no_grad():
                ((net(*packed(valid)) > 0) == (answers > 0.5)).float().mean().item()

    said = found(run, source=source("valid = rows"))
    assert ("validation-among-training" in said) == same
