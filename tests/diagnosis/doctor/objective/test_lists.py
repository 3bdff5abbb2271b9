"""How lists, boxes and several labels are judged: the wrong end of an order, known items, notations, what is absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._events import Observation
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.objective._absent import absent_flatter
from chainrule.diagnosis.doctor.checks.objective._boxes import two_notations
from chainrule.diagnosis.doctor.checks.objective._ranking import known_recommended, worst_for_best


def above_note(case: Case, check: Check) -> list[str]:
    return [f.label for f in diagnose(case, "test", checks=[check]).findings if f.level != "note"]


def program(*lines: str) -> Source:
    body = "\n".join(f"    {line}" for line in lines)
    called = "scores = a @ b.T\nrecall(scores, torch.cdist(a, b), held)\n"
    return Source.of(Path("train.py"), f"def recall(scores, distances, held):\n{body}\n{called}")


WORST = [
    "best = np.argsort(scores, axis=1)[:, :10]",
    "best = scores.argsort(dim=1)[:, :TOP]",
    "best = torch.topk(scores, 10, largest=False).indices",
    "best = np.argsort(-scores, axis=1)[:, -10:]",
    "best = torch.sort(scores).indices[:10]",
    "best = torch.topk(torch.cdist(a, b), 10).indices",
    "nearest = np.argsort(-distances)[:10]",
]
GOOD = [
    "best = np.argsort(-scores, axis=1)[:, :10]",
    "best = scores.argsort(dim=1, descending=True)[:, :TOP]",
    "best = np.argsort(scores, axis=1)[:, ::-1][:, :10]",
    "best = np.argsort(scores)[-10:]",
    "best = torch.topk(scores, 10).indices",
    "best = torch.topk(-distances, 10).indices",
    "nearest = np.argsort(distances)[:10]",
    "hardest = np.argsort(scores)[:10]",
    "best = losses.topk(10).indices",
    "scores = -torch.cdist(a, b)",
]


@pytest.mark.parametrize("line", WORST + GOOD)
def test_which_end_of_an_order_is_taken(line: str) -> None:
    found = above_note(Case(Observation(), program(line, "return held[best].mean()")), worst_for_best)
    assert found == (["worst-taken-for-best"] if line in WORST else [])


@pytest.mark.parametrize("scores", ["[pinball(p, y) for p in every]", "read(file)", "losses"])
def test_scores_of_which_nobody_knows_what_they_are(scores: str) -> None:
    text = f"scores = {scores}\nbest = np.argsort(scores)[:3]\n"
    assert above_note(Case(Observation(), Source.of(Path("train.py"), text)), worst_for_best) == []


def test_an_order_that_has_a_name() -> None:
    lines = ("order = np.argsort(scores)", "top = order[:10]", "return held[top].sum()")
    assert above_note(Case(Observation(), program(*lines)), worst_for_best) == ["worst-taken-for-best"]


class Factors(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(60, 8), nn.Embedding(80, 8)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        return (self.user(user) * self.item(item)).sum(1)


@pytest.mark.parametrize("taken_out", [False, True])
def test_known_items_in_the_list(taken_out: bool) -> None:
    torch.manual_seed(0)
    liked = torch.randn(60, 4) @ torch.randn(4, 80) > 3.0
    pairs = liked.nonzero()
    net = Factors()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-2)
    with Watch() as watch:
        for _ in range(15):
            for index in torch.randperm(len(pairs)).split(32):
                user, item = pairs[index].T
                others = torch.randint(80, (len(index),))
                scores = net(torch.cat([user, user]), torch.cat([item, others]))
                target = torch.cat([torch.ones(len(index)), torch.zeros(len(index))])
                loss = F.binary_cross_entropy_with_logits(scores, target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    lines = ["scores[held] = -1e9"] * taken_out + ["best = torch.topk(scores, 10).indices", "return best"]
    found = above_note(Case(watch.seen, program(*lines)), known_recommended)
    assert found == ([] if taken_out else ["known-items-recommended"])


CORNERS = "return (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)"
SIZES = "return (torch.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - a[:, :2]).clamp(min=0).prod(1)"


@pytest.mark.parametrize("read", [CORNERS, SIZES, "return torchvision.ops.box_iou(a, b)"])
@pytest.mark.parametrize("corners", [True, False])
def test_notations_of_boxes(read: str, corners: bool) -> None:
    torch.manual_seed(0)
    low, size = 0.6 * torch.rand(400, 2), 0.05 + 0.3 * torch.rand(400, 2)
    boxes = torch.cat([low, low + size if corners else size], 1)
    net = nn.Linear(6, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Watch() as watch:
        for start in range(0, 400, 40):
            loss = F.smooth_l1_loss(net(torch.randn(40, 6)), boxes[start : start + 40])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = above_note(Case(watch.seen, program(read)), two_notations)
    assert found == ([] if corners == (read != SIZES) else ["boxes-in-two-notations"])


def shares(right: Tensor, predicted: Tensor, truth: Tensor) -> Any:
    return right.float().mean()


def f1(right: Tensor, predicted: Tensor, truth: Tensor) -> Any:
    return 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())


@pytest.mark.parametrize(
    ("metric", "least", "expected"), [(shares, 1.2, "absent-labels-flatter"), (f1, 1.2, ""), (shares, -0.2, "")]
)
def test_labels_that_are_absent_anyway(metric: Any, least: float, expected: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(700, 10)
    y = (x[:, :6] + 0.7 * torch.randn(700, 6) > least).float()
    net = nn.Linear(10, 6)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-2)
    with Watch(prints=True) as watch:
        for start in range(0, 500, 25):
            loss = F.binary_cross_entropy_with_logits(net(x[start : start + 25]), y[start : start + 25])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            predicted, truth = torch.sigmoid(net(x[500:])) > 0.5, y[500:] > 0.5
        print(f"score {float(metric(predicted == truth, predicted, truth)):.4f}")
    assert above_note(Case(watch.seen), absent_flatter) == ([expected] if expected else [])
