"""Losses that do not say what was meant, and the same trainings as they should be."""

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


def numbers(n: int = 400) -> tuple[Tensor, Tensor]:
    """A smooth function of four numbers, with mean 0 and spread 1."""
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(1))
    y = x[:, :1] + x[:, 1:2].sin() + 0.5 * x[:, 2:3] ** 2
    return x, (y - y.mean()) / y.std()


class Exp(nn.Module):
    """exp as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("label", "last", "criterion", "rate"),
    [
        ("loss-broadcasts", nn.Flatten(0), F.mse_loss, 0.02),
        ("loss-broadcasts", nn.Flatten(0), lambda p, y: (p - y).square().mean(), 0.02),
        ("loss-broadcasts", nn.Flatten(0), F.smooth_l1_loss, 0.02),
        ("output-cannot-reach-target", nn.Sigmoid(), F.mse_loss, 0.02),
        ("output-cannot-reach-target", nn.ReLU(), F.l1_loss, 0.02),
        ("output-cannot-reach-target", nn.Softplus(), lambda p, y: ((p - y) ** 2).mean(), 0.02),
        ("loss-with-wrong-sign", nn.Identity(), lambda p, y: -F.mse_loss(p, y), 0.02),
        ("loss-with-wrong-sign", nn.Identity(), lambda p, y: -(y - p).abs().mean(), 0.02),
        ("sum-with-rate-for-mean", nn.Identity(), lambda p, y: F.mse_loss(p, y, reduction="sum"), 0.05),
        ("sum-with-rate-for-mean", nn.Identity(), lambda p, y: ((p - y) ** 2).sum(), 0.05),
        ("loss-detached", nn.Identity(), lambda p, y: torch.tensor(F.mse_loss(p, y).item(), requires_grad=True), 0.02),
        ("loss-detached", nn.Identity(), lambda p, y: F.mse_loss(p.detach(), y), 0.02),
        ("loss-of-few-examples", nn.Identity(), lambda p, y: F.mse_loss(p, y, reduction="none")[0, 0], 0.02),
        ("loss-divided-twice", nn.Identity(), lambda p, y: F.mse_loss(p, y) / 400, 0.05),
        ("poisson-with-wrong-input", Exp(), lambda p, y: F.poisson_nll_loss(p, y.exp().round()), 0.001),
        (
            "root-at-zero",
            nn.Identity(),
            lambda p, y: F.mse_loss(p, y) + (p - p.detach()).square().sum(1).sqrt().mean(),
            0.02,
        ),
        ("division-by-zero", nn.Identity(), lambda p, y: ((p - y) ** 2 / (y - y).abs()).mean(), 0.02),
    ],
)
def test_numbers_faulty(label: str, last: nn.Module, criterion: Any, rate: float, diagnosed: Ask, fit: Any) -> None:
    x, y = numbers()
    assert first(diagnosed(lambda: fit(mlp(1, last, ins=4), criterion, x, y, rate=rate))) == (label, "fault")


@pytest.mark.parametrize(
    ("last", "criterion", "rate"),
    [
        (nn.Identity(), F.mse_loss, 0.02),
        (nn.Identity(), lambda p, y: (p - y).square().mean(), 0.02),
        (nn.Identity(), lambda p, y: -(-((y - p) ** 2)).mean(), 0.02),
        (nn.Identity(), lambda p, y: F.mse_loss(p, y, reduction="sum"), 0.0005),
        (nn.Identity(), lambda p, y: F.mse_loss(p, y) + ((p - p.detach()).square().sum(1) + 1e-8).sqrt().mean(), 0.02),
        (nn.Tanh(), lambda p, y: F.mse_loss(p, y.tanh()), 0.02),
        (nn.Identity(), lambda p, y: F.mse_loss(p, y, reduction="none")[:20].mean(), 0.02),
        (nn.Identity(), lambda p, y: F.mse_loss(p, y) / 2, 0.05),
        (nn.Identity(), lambda p, y: F.poisson_nll_loss(p, y.exp().round()), 0.001),
    ],
)
def test_numbers_healthy(last: nn.Module, criterion: Any, rate: float, diagnosed: Ask, fit: Any) -> None:
    x, y = numbers()
    assert diagnosed(lambda: fit(mlp(1, last, ins=4), criterion, x, y, rate=rate)).healthy


def own_likelihood(sign: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda s, y: sign * (s - s.logsumexp(1, keepdim=True))[torch.arange(len(y)), y].mean()


def overflowing(scores: Tensor, y: Tensor) -> Tensor:
    big = (60 * scores).exp()
    return -(big[torch.arange(len(y)), y] / big.sum(1)).log().mean()


COUNTS = torch.tensor([10.0] + [1.0] * 9)


def uneven(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    kept = (y == 0) | (torch.arange(len(y)) % 8 == 0)
    return x[kept], y[kept]


@pytest.mark.parametrize(
    ("label", "criterion"),
    [
        ("loss-with-wrong-sign", own_likelihood(1.0)),
        ("loss-with-wrong-sign", lambda s, y: -F.cross_entropy(s, y)),
        ("loss-with-wrong-sign", lambda s, y: (F.one_hot(y, 10).float() * s.log_softmax(1)).sum(1).mean()),
        ("real-class-ignored", lambda s, y: F.cross_entropy(s, y, ignore_index=3)),
        ("label-smoothing-too-strong", lambda s, y: F.cross_entropy(s, y, label_smoothing=0.9)),
        ("exponential-overflows", overflowing),
        ("log-of-zero", lambda s, y: -(F.softmax(300 * s, 1)[torch.arange(len(y)), y]).log().mean()),
    ],
)
def test_classes_faulty(label: str, criterion: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = uneven(*digits)
    assert first(diagnosed(lambda: fit(mlp(10), criterion, x, y))) == (label, "fault")


@pytest.mark.parametrize(
    "criterion",
    [
        own_likelihood(-1.0),
        lambda s, y: -(F.one_hot(y, 10).float() * s.log_softmax(1)).sum(1).mean(),
        lambda s, y: F.cross_entropy(s, y, weight=1 / COUNTS),
        lambda s, y: F.cross_entropy(s, y, label_smoothing=0.1),
        lambda s, y: F.multi_margin_loss(s, y),
    ],
)
def test_classes_healthy(criterion: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = uneven(*digits)
    assert diagnosed(lambda: fit(mlp(10), criterion, x, y)).healthy


@pytest.mark.parametrize(("criterion", "wrong"), [(F.cross_entropy, True), (F.binary_cross_entropy_with_logits, False)])
def test_several_true_classes(
    criterion: Any, wrong: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]
) -> None:
    x, y = digits
    facts = torch.stack([y > 4, y % 2 == 0, y % 3 == 0], 1).float()
    found = diagnosed(lambda: fit(mlp(3), criterion, x, facts))
    assert (first(found) == ("softmax-on-several-true-classes", "fault")) if wrong else found.healthy


class Tagger(nn.Module):
    """A number for each place of a sequence of signs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(6, 12), nn.GRU(12, 16, batch_first=True)
        self.out = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(self.embed(x))[0])


def sequences(n: int = 320) -> tuple[Tensor, Tensor]:
    """Sequences (n, 9) that 0 fills up, and for each sign whether it is larger than the one before: 1 or 2."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(1, 6, (n, 9), generator=generator)
    y = 1 + (x > x.roll(1, 1)).long()
    ends = torch.arange(9) >= torch.randint(3, 9, (n, 1), generator=generator)
    return x.masked_fill(ends, 0), y.masked_fill(ends, 0)


@pytest.mark.parametrize(
    ("label", "criterion"),
    [
        ("padding-in-loss", lambda s, y: F.cross_entropy(s.flatten(0, 1), y.flatten())),
        ("scores-reshaped-in-loss", lambda s, y: F.cross_entropy(s.view(32, 3, 9), y, ignore_index=0)),
        ("real-class-ignored", lambda s, y: F.cross_entropy(s.flatten(0, 1), y.flatten(), ignore_index=1)),
    ],
)
def test_sequences_faulty(label: str, criterion: Any, diagnosed: Ask, fit: Any) -> None:
    assert first(diagnosed(lambda: fit(Tagger(), criterion, *sequences()))) == (label, "fault")


def masked(scores: Tensor, y: Tensor) -> Tensor:
    each = F.cross_entropy(scores.transpose(1, 2), y, reduction="none")
    return (each * (y > 0)).sum() / (y > 0).sum()


@pytest.mark.parametrize(
    "criterion",
    [
        lambda s, y: F.cross_entropy(s.transpose(1, 2), y, ignore_index=0),
        lambda s, y: F.cross_entropy(s.reshape(-1, 3), y.reshape(-1), ignore_index=0),
        masked,
    ],
)
def test_sequences_healthy(criterion: Any, diagnosed: Ask, fit: Any) -> None:
    assert diagnosed(lambda: fit(Tagger(), criterion, *sequences())).healthy


class Pair(nn.Module):
    """A trunk with two heads: the class, and how much ink."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
        self.digit, self.ink = nn.Linear(32, 10), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.digit(self.trunk(x)), self.ink(self.trunk(x))[:, 0]


@pytest.mark.parametrize(("scale", "expected"), [(300.0, ("one-task-drowns-the-other", "fault")), (1.0, None)])
def test_two_tasks(scale: float, expected: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    ink = scale * (x.sum(1) - x.sum(1).mean()) / x.sum(1).std()

    def loss(out: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        return F.cross_entropy(out[0], target[:, 0].long()) + 0.5 * F.mse_loss(out[1], target[:, 1])

    found = diagnosed(
        lambda: fit(Pair(), loss, x, torch.stack([y.float(), ink], 1), rate=3e-3, make=torch.optim.Adam, steps=60)
    )
    assert (first(found) == expected) if expected else found.healthy


@pytest.mark.parametrize(("factor", "expected"), [(0.3, ("penalty-too-strong", "fault")), (1e-4, None)])
def test_penalty(factor: float, expected: Any, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    model = mlp(10)

    def loss(scores: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(scores, y) + factor * sum(p.square().sum() for p in model.parameters())

    found = diagnosed(lambda: fit(model, loss, *digits, steps=60))
    assert (first(found) == expected) if expected else found.healthy


class Code(nn.Module):
    """An autoencoder whose code is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(64, 8), nn.Linear(4, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_var = self.encode(x).chunk(2, 1)
        return self.decode(mean + (0.5 * log_var).exp() * torch.randn_like(mean)), mean, log_var


@pytest.mark.parametrize("collapses", [True, False])
def test_divergence(collapses: bool, diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    def loss(out: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
        error = (out[0] - x).square()
        divergence = -0.5 * (1 + out[2] - out[1] ** 2 - out[2].exp()).sum(1)
        return ((error.mean(1) if collapses else 10 * error.sum(1)) + divergence).mean()

    x = digits[0]
    found = diagnosed(lambda: fit(Code(), loss, x, x, rate=5e-3, make=torch.optim.Adam, steps=150))
    assert (first(found) == ("divergence-outweighs-reconstruction", "fault")) if collapses else found.healthy


def test_divergence_that_is_subtracted(diagnosed: Ask, fit: Any, digits: tuple[Tensor, Tensor]) -> None:
    def loss(out: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
        divergence = -0.5 * (1 + out[2] - out[1] ** 2 - out[2].exp()).sum(1)
        return ((out[0] - x).square().sum(1) - divergence).mean()

    x = digits[0]
    found = diagnosed(lambda: fit(Code(), loss, x, x, rate=5e-3, make=torch.optim.Adam, steps=100))
    assert first(found) == ("loss-with-wrong-sign", "fault")
