"""Losses of pairs, of signs, of similarities, of a second training; and what a loss says of the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chainrule.diagnosis.doctor.findings import Diagnosis

Ask = Callable[[Callable[[], Any]], Diagnosis]


def first(diagnosis: Diagnosis) -> tuple[str, str]:
    assert diagnosis.findings, "nothing was found"
    return diagnosis.findings[0].label, diagnosis.findings[0].level


def mlp(out: int, *last: nn.Module, ins: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(ins, 32), nn.ReLU(), nn.Linear(32, out), *last)


def run(model: nn.Module, loss_of: Callable[[], Tensor], steps: int = 40, rate: float = 3e-3) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("exchanged", [True, False])
@pytest.mark.parametrize("form", ["triplets", "pairs"])
def test_pairs(exchanged: bool, form: str, diagnosed: Ask, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(8)
    kinds = [(y == c).nonzero().flatten() for c in range(10)]

    def triplets() -> Tensor:
        a, n = torch.randint(1797, (64,)), torch.randint(1797, (64,))
        p = torch.stack([kinds[c][torch.randint(150, (1,))][0] for c in y[a].tolist()])
        n = torch.where(y[n] == y[a], (n + 1) % 1797, n)
        given = (model(x[a]), model(x[n]), model(x[p])) if exchanged else (model(x[a]), model(x[p]), model(x[n]))
        return F.triplet_margin_loss(*given, margin=0.4)

    def pairs() -> Tensor:
        a, b = torch.randint(1797, (64,)), torch.randint(1797, (64,))
        p = torch.stack([kinds[c][torch.randint(150, (1,))][0] for c in y[a].tolist()])
        b = torch.where(torch.arange(64) < 32, p, b)
        same = (y[a] == y[b]).float()
        distance = (model(x[a]) - model(x[b])).norm(dim=1)
        near, far = distance.square(), (2 - distance).clamp_min(0).square()
        return ((1 - same) * near + same * far if exchanged else same * near + (1 - same) * far).mean()

    found = diagnosed(lambda: run(model, triplets if form == "triplets" else pairs))
    assert (first(found) == ("positive-and-negative-exchanged", "fault")) if exchanged else found.healthy


@pytest.mark.parametrize(
    ("targets", "wrong"),
    [
        (lambda n: torch.zeros(n, dtype=torch.long), True),
        (lambda n: torch.arange(n).roll(1), True),
        (torch.arange, False),
    ],
)
def test_contrast(targets: Any, wrong: bool, diagnosed: Ask, digits: tuple[Tensor, Tensor]) -> None:
    x, model = digits[0], mlp(16)

    def loss() -> Tensor:
        chosen = x[torch.randint(1797, (32,))]
        a, b = (F.normalize(model(chosen + 0.05 * torch.randn_like(chosen)), dim=1) for _ in range(2))
        return F.cross_entropy(a @ b.T / 0.2, targets(32))

    found = diagnosed(lambda: run(model, loss))
    assert (first(found) == ("contrast-with-wrong-partner", "fault")) if wrong else found.healthy


def half(score: Tensor, y: Tensor) -> Tensor:
    return -(y * torch.sigmoid(score).clamp(1e-6, 1 - 1e-6).log()).mean()


def overlap(score: Tensor, y: Tensor) -> Tensor:
    p = torch.sigmoid(score)
    return 2 * (p * y).sum() / (p.sum() + y.sum())


@pytest.mark.parametrize(
    ("label", "criterion"),
    [
        ("class-never-counts", lambda s, y: (1 - y * s).clamp_min(0).mean()),
        ("class-never-counts", F.soft_margin_loss),
        ("class-never-counts", half),
        ("loss-with-wrong-sign", overlap),
        (None, lambda s, y: (1 - (2 * y - 1) * s).clamp_min(0).mean()),
        (None, lambda s, y: F.soft_margin_loss(s, 2 * y - 1)),
        (None, lambda s, y: 1 - overlap(s, y)),
    ],
)
def test_yes_or_no(label: str | None, criterion: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits[0], (digits[1] > 4).float()
    found = diagnosed(lambda: fit(mlp(1, nn.Flatten(0)), criterion, x, y, rate=0.3, steps=80))
    assert (first(found) == (label, "fault")) if label else found.healthy


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("label", "out", "criterion"),
    [
        ("errors-cancel", 1, lambda p, y: (p - y).mean()),
        ("errors-cancel", 1, lambda p, y: (p - y).mean() ** 2),
        ("loss-broadcasts", 3, F.mse_loss),
        ("loss-of-few-examples", 1, lambda p, y: (p - y).square().min()),
        (None, 1, F.mse_loss),
    ],
)
def test_numbers(label: str | None, out: int, criterion: Any, diagnosed: Ask, fit: Any) -> None:
    x = torch.randn(400, 4, generator=torch.Generator().manual_seed(1))
    y = x[:, :1] + x[:, 1:2].sin()
    found = diagnosed(lambda: fit(mlp(out, ins=4), criterion, x, y, rate=0.02))
    assert (first(found) == (label, "fault")) if label else found.healthy


def quantiles(sign: float) -> Callable[[Tensor, Tensor], Tensor]:
    q = torch.tensor([0.1, 0.9])
    return lambda p, y: torch.maximum(q * (sign * (y - p)), (q - 1) * (sign * (y - p))).mean()


def likelihood(factor: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda p, y: ((y - p[:, :1]).square() * (-p[:, 1:]).exp() + factor * p[:, 1:]).mean()


@pytest.mark.parametrize(
    ("label", "out", "criterion"),
    [
        ("quantiles-exchanged", 2, quantiles(-1.0)),
        ("variance-unpunished", 2, likelihood(0.0)),
        ("output-cannot-reach-target", 1, lambda p, y: F.mse_loss(p.clamp(0, 1), y)),
        (None, 2, quantiles(1.0)),
        (None, 2, likelihood(1.0)),
        (None, 1, lambda p, y: F.mse_loss(p.clamp(-9, 9), y)),
    ],
)
def test_written_out(label: str | None, out: int, criterion: Any, diagnosed: Ask, fit: Any) -> None:
    x = torch.randn(400, 4, generator=torch.Generator().manual_seed(1))
    y = x[:, :1] + x[:, 1:2].sin()
    found = diagnosed(lambda: fit(mlp(out, ins=4), criterion, x, y, rate=0.02))
    assert (first(found) == (label, "fault")) if label else found.healthy


@pytest.mark.parametrize("where", ["training", "evaluation", ""])
def test_same_targets(where: str, diagnosed: Ask, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(10)

    def train() -> None:
        places = iter(torch.arange(960).split(32))

        def loss() -> Tensor:
            i = next(places)
            return F.cross_entropy(model(x[i]), y[: len(i)] if where == "training" else y[i])

        run(model, loss, steps=30)
        right = 0
        with torch.no_grad():
            for i in torch.arange(1000, 1500).split(100):
                right += (model(x[i]).argmax(1) == (y[:100] if where == "evaluation" else y[i])).sum().item()
        print(f"accuracy {right / 500:.4f}")

    found = diagnosed(train)
    assert (first(found) == ("same-targets-every-step", "fault")) if where else found.healthy


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_penalty_that_is_subtracted(sign: float, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    model = mlp(10)

    def loss(scores: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(scores, y) + sign * 1e-3 * sum(p.square().sum() for p in model.parameters())

    found = diagnosed(lambda: fit(model, loss, *digits, steps=60))
    assert (first(found) == ("loss-with-wrong-sign", "fault")) if sign < 0 else found.healthy


@pytest.mark.parametrize("wrong", [True, False])
def test_classes_as_amounts_in_small_batches(wrong: bool, diagnosed: Ask, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    model = mlp(1, nn.Flatten(0)) if wrong else mlp(10)

    def train() -> None:
        places = iter(torch.arange(400).split(2))

        def loss() -> Tensor:
            i = next(places)
            return F.mse_loss(model(x[i]), y[i].float()) if wrong else F.cross_entropy(model(x[i]), y[i])

        run(model, loss, steps=100)
        with torch.no_grad():
            answer = model(x[1000:])
            print(f"accuracy {((answer.round() if wrong else answer.argmax(1)) == y[1000:]).float().mean().item():.4f}")

    found = diagnosed(train)
    assert (first(found) == ("squared-error-on-classes", "fault")) if wrong else found.healthy


@pytest.mark.parametrize("wrong", [True, False])
def test_second_training(wrong: bool, diagnosed: Ask, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    teacher, student = mlp(10), mlp(10)

    def follow() -> Tensor:
        i = torch.randint(1797, (32,))
        scores, goal = student(x[i]), teacher(x[i]).detach().softmax(1)
        return F.kl_div(scores.softmax(1) if wrong else scores.log_softmax(1), goal, reduction="batchmean")

    def train() -> None:
        i = torch.randint(1797, (32,))
        run(teacher, lambda: F.cross_entropy(teacher(x[i]), y[i]))
        run(student, follow)

    found = diagnosed(train)
    assert (first(found) == ("kl-without-logarithm", "fault")) if wrong else found.healthy


@pytest.mark.parametrize("wrong", [True, False])
def test_softmax_over_nothing(wrong: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    def loss(scores: Tensor, y: Tensor) -> Tensor:
        away = torch.zeros_like(scores, dtype=torch.bool)
        away[0, :] = wrong
        return F.nll_loss(scores.masked_fill(away, -torch.inf).log_softmax(1), y)

    found = diagnosed(lambda: fit(mlp(10), loss, *digits))
    assert (first(found) == ("softmax-of-nothing", "fault")) if wrong else found.healthy


def test_yes_or_no_for_exclusive_classes(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits[0], F.one_hot(digits[1], 10).float()
    found = diagnosed(lambda: fit(mlp(10), F.binary_cross_entropy_with_logits, x, y))
    assert ("binary-loss-on-exclusive-classes", "note") in [(each.label, each.level) for each in found.findings]
    assert found.healthy


@pytest.mark.parametrize("scale", [30.0, 1.0])
def test_first_loss(scale: float, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    model = mlp(10)
    with torch.no_grad():
        next(iter(model[2].parameters())).mul_(scale)
    found = diagnosed(lambda: fit(model, F.cross_entropy, *digits))
    assert ("initial-loss-off" in {each.label for each in found.findings}) == (scale > 1)
