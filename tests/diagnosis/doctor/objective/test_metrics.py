"""Metrics that measure something else, and the same evaluations as they should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.metrics import r2_score
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from chainrule.diagnosis.doctor.findings import Diagnosis

Ask = Callable[[Callable[[], Any]], Diagnosis]


def first(diagnosis: Diagnosis) -> tuple[str, str]:
    assert diagnosis.findings, "nothing was found"
    return diagnosis.findings[0].label, diagnosis.findings[0].level


def mlp(out: int, *last: nn.Module, ins: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(ins, 32), nn.ReLU(), nn.Linear(32, out), *last)


@pytest.mark.parametrize("wrong", [True, False])
def test_last_batch(wrong: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        right = total = 0
        for part in range(1000, 1797, 200):
            hits = (model(x[part : part + 200]).argmax(1) == y[part : part + 200]).sum().item()
            right = hits if wrong else right + hits
            total += len(y[part : part + 200])
        print(f"accuracy {right / total:.4f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], after=evaluate))
    assert (first(found) == ("metric-of-last-batch", "fault")) if wrong else found.healthy


def test_parts_that_are_each_reported_are_no_batches(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        shares = [(model(x[p]).argmax(1) == y[p]).float().mean().item() for p in (slice(1000), slice(1000, 1797))]
        print(f"accuracy {shares[0]:.4f} and {shares[1]:.4f}")

    assert diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], after=evaluate)).healthy


@pytest.mark.parametrize(
    ("last", "criterion", "limit", "wrong"),
    [
        (nn.Sigmoid(), F.binary_cross_entropy, 0.0, True),
        (nn.Identity(), F.binary_cross_entropy_with_logits, 0.5, True),
        (nn.Sigmoid(), F.binary_cross_entropy, 0.5, False),
        (nn.Identity(), F.binary_cross_entropy_with_logits, 0.0, False),
    ],
)
def test_threshold(
    last: nn.Module, criterion: Any, limit: float, wrong: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]
) -> None:
    x, y = digits[0], (digits[1] > 4).float()[:, None]
    model = mlp(1, last)

    def evaluate() -> None:
        print(f"accuracy {((model(x[1000:]) > limit).float() == y[1000:]).float().mean().item():.4f}")

    found = diagnosed(lambda: fit(model, criterion, x[:1000], y[:1000], after=evaluate))
    assert (first(found) == ("wrong-threshold", "fault")) if wrong else found.healthy


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("wrong", [True, False])
def test_units(wrong: bool, library: bool, diagnosed: Ask, fit: Any) -> None:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(3))
    y = 400 + 50 * (x[:, :1] + x[:, 1:2].sin())
    mean, spread = y[:400].mean(), y[:400].std()
    model = mlp(1, ins=4)

    def evaluate() -> None:
        predicted = model(x[400:]) if wrong else model(x[400:]) * spread + mean
        if library:
            print(f"R2 {r2_score(y[400:].numpy(), predicted.numpy()):.4f}")
        else:
            print(f"error {F.mse_loss(predicted, y[400:]).item():.4f}")

    found = diagnosed(lambda: fit(model, F.mse_loss, x[:400], (y[:400] - mean) / spread, steps=80, after=evaluate))
    assert (first(found) == ("prediction-not-scaled-back", "fault")) if wrong else found.healthy


@pytest.mark.parametrize("wrong", [True, False])
def test_padding(wrong: bool, diagnosed: Ask, fit: Any) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(1, 6, (400, 9), generator=generator)
    ends = torch.arange(9) >= torch.randint(3, 9, (400, 1), generator=generator)
    x, y = x.masked_fill(ends, 0), (1 + (x > 2).long()).masked_fill(ends, 0)
    model = nn.Sequential(nn.Embedding(6, 12), nn.Linear(12, 3))

    def evaluate() -> None:
        hits = model(x[320:]).argmax(-1) == y[320:]
        print(f"accuracy {(hits if wrong else hits[y[320:] > 0]).float().mean().item():.4f}")

    def loss(scores: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=0)

    found = diagnosed(lambda: fit(model, loss, x[:320], y[:320], after=evaluate))
    assert (first(found) == ("padding-in-metric", "fault")) if wrong else found.healthy


@pytest.mark.parametrize(
    ("label", "read"),
    [
        ("metric-broadcasts", lambda s, y: (s.argmax(1, keepdim=True) == y).float().mean()),
        ("argmax-over-wrong-axis", lambda s, y: (s.argmax(0) == y[:10]).float().mean()),
        (None, lambda s, y: (s.argmax(1) == y).float().mean()),
    ],
)
def test_shares(label: str | None, read: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        print(f"accuracy {read(model(x[1000:1100]), y[1000:1100]).item():.4f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], after=evaluate))
    assert (first(found) == (label, "fault")) if label else found.healthy


@pytest.mark.parametrize("wrong", [True, False])
def test_divided_by_batches(wrong: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        hits = [(model(x[p : p + 200]).argmax(1) == y[p : p + 200]).sum().item() for p in range(1000, 1797, 200)]
        print(f"accuracy {sum(hits) / (len(hits) if wrong else 797):.4f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], after=evaluate))
    assert (first(found) == ("metric-divided-wrongly", "fault")) if wrong else found.healthy


@pytest.mark.parametrize("wrong", [True, False])
def test_arguments(wrong: bool, diagnosed: Ask, fit: Any) -> None:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(3))
    y = x[:, :1] + x[:, 1:2].sin()
    model = mlp(1, ins=4)

    def evaluate() -> None:
        pair = [y[400:].numpy(), model(x[400:]).numpy()]
        print(f"R2 {r2_score(*(reversed(pair) if wrong else pair)):.4f}")

    found = diagnosed(lambda: fit(model, F.mse_loss, x[:400], y[:400], after=evaluate))
    assert (first(found) == ("metric-arguments-exchanged", "fault")) if wrong else found.healthy


@pytest.mark.parametrize("held_out", [True, False])
def test_on_training_data(held_out: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits[0][:1600], digits[1][:1600]
    model = mlp(10)
    part = slice(1280, 1600) if held_out else slice(0, 320)

    def evaluate() -> None:
        print(f"accuracy {(model(x[part]).argmax(1) == y[part]).float().mean().item():.4f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1280], y[:1280], after=evaluate))
    assert ("metric-on-training-data" in [each.label for each in found.findings]) is not held_out
    assert found.healthy  # nobody has promised to hold something out


def test_remainder(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    for drop in (True, False):
        model = mlp(10)

        def evaluate(model: nn.Module = model, drop: bool = drop) -> None:
            for part, _ in DataLoader(TensorDataset(x[1000:], y[1000:]), 150, drop_last=drop):
                model(part)

        found = diagnosed(lambda m=model, e=evaluate: fit(m, F.cross_entropy, x[:1000], y[:1000], after=e))
        assert ("remainder-not-evaluated" in [each.label for each in found.findings]) is drop


def test_class_numbers_as_amounts(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(1)

    def evaluate() -> None:
        print(f"accuracy {(model(x[1000:])[:, 0].round() == y[1000:]).float().mean().item():.4f}")

    target = y.float()[:, None]
    found = diagnosed(lambda: fit(model, F.mse_loss, x[:1000], target[:1000], rate=0.01, after=evaluate))
    assert first(found) == ("squared-error-on-classes", "fault")
