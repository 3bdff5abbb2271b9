"""Learned by heart, told from learned and from not learned."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor.checks.learning.overfitting import overfits


def train(x: Tensor, y: Tensor, held: tuple[Tensor, Tensor], steps: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print((net(held[0]).argmax(1) == held[1]).float().mean().item())


def labels_of(x: Tensor) -> Tensor:
    return x[:, :3].argmax(1)


def chance(x: Tensor) -> Tensor:
    return torch.randint(3, (len(x),), generator=torch.Generator().manual_seed(len(x)))


@pytest.mark.parametrize(
    ("rule", "count", "steps", "found"),
    [(chance, 60, 200, ["overfits"]), (labels_of, 600, 200, []), (chance, 60, 2, [])],
    ids=["by heart", "learned", "not learned"],
)
def test_overfitting(rule: Callable[[Tensor], Tensor], count: int, steps: int, found: list[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    x, held = torch.randn(count, 20, generator=generator), torch.randn(200, 20, generator=generator)
    with Watch() as watch:
        train(x, rule(x), (held, rule(held)), steps)
    answered = diagnose(Case(watch.seen), "a training", checks=[overfits])
    assert not answered.broken
    assert [each.label for each in answered.findings] == found
