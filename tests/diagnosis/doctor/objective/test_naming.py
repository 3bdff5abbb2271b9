"""Metrics of what is right and counted wrong: other names, scores for classes, sums that run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.diagnosis.doctor.findings import Diagnosis

Ask = Callable[[Callable[[], Any]], Diagnosis]


def first(diagnosis: Diagnosis) -> tuple[str, str]:
    assert diagnosis.findings, "nothing was found"
    return diagnosis.findings[0].label, diagnosis.findings[0].level


def mlp(out: int, *last: nn.Module, ins: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(ins, 32), nn.ReLU(), nn.Linear(32, out), *last)


@pytest.mark.parametrize(
    ("expected", "read"),
    [
        (("answers-under-other-names", "fault"), lambda s, y: (s.argmax(1) + 1 == y).float().mean()),
        (("scores-for-classes-in-metric", "fault"), lambda s, y: (s.max(1)[0] == y).float().mean()),
        (("metric-over-entries", "warning"), lambda s, y: ((s > 0) == (F.one_hot(y, 10) > 0)).float().mean()),
        (None, lambda s, y: (s.argmax(1) == y).float().mean()),
        (None, lambda s, y: (s.max(1)[1] == y).float().mean()),
    ],
)
def test_names_of_classes(expected: Any, read: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        print(f"accuracy {read(model(x[1000:]), y[1000:]).item():.4f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], rate=0.5, steps=150, after=evaluate))
    assert (first(found) == expected) if expected else found.healthy


@pytest.mark.parametrize(
    ("expected", "read"),
    [
        (("decision-inverted", "fault"), lambda s, y: ((s < 0).float() == y).float().mean().item()),
        (("answers-under-other-names", "fault"), lambda s, y: ((s > 0).float() == 2 * y - 1).float().mean().item()),
        (("ranking-upside-down", "fault"), lambda s, y: roc_auc_score(y.numpy(), torch.sigmoid(-s).numpy())),
        (("ranking-metric-of-decisions", "warning"), lambda s, y: roc_auc_score(y.numpy(), (s > 0).float().numpy())),
        (("argmax-of-one-score", "fault"), lambda s, y: (s[:, None].argmax(1) == y).float().mean().item()),
        (None, lambda s, y: roc_auc_score(y.numpy(), torch.sigmoid(s).numpy())),
        (None, lambda s, y: ((s > 0).float() == y).float().mean().item()),
    ],
)
def test_yes_or_no(expected: Any, read: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits[0], (digits[1] > 4).float()
    model = mlp(1, nn.Flatten(0))

    def evaluate() -> None:
        print(f"metric {read(model(x[1000:]), y[1000:]):.4f}")

    loss = F.binary_cross_entropy_with_logits
    found = diagnosed(lambda: fit(model, loss, x[:1000], y[:1000], rate=0.5, steps=150, after=evaluate))
    assert (first(found) == expected) if expected else found.healthy


@pytest.mark.parametrize("slip", ["right", "both", "loss", ""])
def test_sums_that_run_on(slip: str, diagnosed: Ask, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)

    def train() -> None:
        right = size = 0
        total = 0.0
        for _ in range(4):
            right, size = (right if slip in ("right", "both") else 0), (size if slip == "both" else 0)
            total = total if slip == "loss" else 0.0
            for part in range(0, 960, 32):
                loss = F.cross_entropy(model(x[part : part + 32]), y[part : part + 32])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() / 30
            with torch.no_grad():
                for part in range(1000, 1797, 200):
                    right += (model(x[part : part + 200]).argmax(1) == y[part : part + 200]).sum().item()
                    size += len(y[part : part + 200])
            print(
                f"loss {total:.4f} accuracy {right / size:.4f}" if slip == "both" else f"{total:.4f} {right / 797:.4f}"
            )

    found = diagnosed(train)
    assert (first(found) == ("metric-not-reset", "fault")) if slip else found.healthy


@pytest.mark.parametrize(("expected", "size"), [("metric-mean-of-uneven-batches", 130), (None, 100)])
def test_mean_of_means(
    expected: str | None, size: int, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]
) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        parts = torch.arange(1000, 1400).split(size)
        shares = [(model(x[i]).argmax(1) == y[i]).float().mean().item() for i in parts]
        print(f"accuracy {sum(shares) / len(shares):.5f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], after=evaluate))
    named = {each.label for each in found.findings}
    assert (expected in named) if expected else found.healthy


@pytest.mark.parametrize("divisor", [992, 797])
def test_divided_by_another_part(divisor: int, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        print(f"accuracy {(model(x[1000:]).argmax(1) == y[1000:]).sum().item() / divisor:.4f}")

    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], rate=0.5, steps=100, after=evaluate))
    assert found.healthy if divisor == 797 else first(found)[0] == "metric-divided-wrongly"


def test_one_answer(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def evaluate() -> None:
        print(f"accuracy {(model(x[1000:]).argmax(1) == y[1000:]).float().mean().item():.4f}")

    x = torch.zeros_like(x)
    found = diagnosed(lambda: fit(model, F.cross_entropy, x[:1000], y[:1000], after=evaluate))
    assert first(found) == ("one-answer-for-all", "warning")


@pytest.mark.parametrize(
    ("label", "back"),
    [
        ("prediction-not-scaled-back", lambda p: (p * 50 + 400) * 50 + 400),
        ("prediction-not-scaled-back", lambda p: p * 2 + 1),
        (None, lambda p: p * 50 + 400),
    ],
)
def test_scaled_back_by_other_numbers(label: str | None, back: Any, diagnosed: Ask, fit: Any) -> None:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(3))
    y = x[:, :1] + x[:, 1:2].sin()
    model = mlp(1, ins=4)

    def evaluate() -> None:
        print(f"error {F.mse_loss(back(model(x[400:])), 50 * y[400:] + 400).item():.4f}")

    found = diagnosed(lambda: fit(model, F.mse_loss, x[:400], y[:400], steps=80, after=evaluate))
    assert (first(found) == (label, "fault")) if label else found.healthy


@pytest.mark.parametrize("signed", [True, False])
def test_errors_that_cancel_in_a_metric(signed: bool, diagnosed: Ask, fit: Any) -> None:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(3))
    y = x[:, :1] + x[:, 1:2].sin()
    model = mlp(1, ins=4)

    def evaluate() -> None:
        error = model(x[400:]) - y[400:]
        print(f"error {(error.mean() if signed else error.abs().mean()).item():.4f}")

    found = diagnosed(lambda: fit(model, F.mse_loss, x[:400], y[:400], steps=80, after=evaluate))
    assert (first(found) == ("errors-cancel", "warning")) if signed else found.healthy
