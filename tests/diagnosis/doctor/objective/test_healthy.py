"""Healthy programs that look like a fault of the loss or the metric, of which the doctor says nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Asked = Callable[[str, str], dict[str, str]]
START = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
torch.manual_seed(0)
x = torch.randn(500, 6)
y = x[:, :1] + 0.5 * x[:, 1:2] + 0.3 * torch.randn(500, 1)
def fit(model, loss_of, judged, epochs=3):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(400).split(40):
            optimizer.zero_grad()
            loss_of(rows).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(f"{judged():.4f}")
"""
SQUARE = """
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
def answers(x):
    mean, raw = model(x).chunk(2, 1)
    return mean, F.softplus(raw) + 1e-4
def loss_of(rows):
    mean, {name} = answers(x[rows])
    return F.gaussian_nll_loss(mean, y[rows], {name})
fit(model, loss_of, lambda: (answers(x[400:])[0] - y[400:]).square().mean())
"""
PINBALL = """
{name} = 0.1  # one delivery in ten may be late
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(p=0.1), nn.Linear(16, 1))
def pinball(prediction, target):
    error = target - prediction
    return torch.maximum((1 - {name}) * error, -{name} * error).mean()
scores = []
def judged():
    scores.append(pinball(model(x[400:]), y[400:]).item())
    return scores[-1]
fit(model, lambda rows: pinball(model(x[rows]), y[rows]), judged)
best_epochs = np.argsort(scores)[:3]
"""
BOXES = """
boxes = torch.cat([0.3 + 0.4 * torch.rand(500, 2), 0.2 + 0.3 * torch.rand(500, 2)], 1)  # center and size
def corners(box):
    return {corners}
def iou(a, b):
    {before}
    far, near = torch.minimum(a[:, 2:], b[:, 2:]), torch.maximum(a[:, :2], b[:, :2])
    inter = (far - near).clamp(min=0).prod(1)
    area = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return inter / (area - inter).clamp(min=1e-6)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 4))
fit(model, lambda rows: F.smooth_l1_loss(model(boxes[rows] + 0.01), boxes[rows]),
    lambda: iou(model(boxes[400:] + 0.01), boxes[400:]).mean())
"""
CORNERS = "torch.cat([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], 1)"
AUTOCODE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.read, self.write = nn.Linear(6, 8), nn.Linear(4, 6)
    def forward(self, x):
        mean, log_var = self.read(x).chunk(2, 1)
        z = mean + torch.exp({half}log_var) * torch.randn_like(mean)
        return self.write(z), mean, log_var
model = Net()
def loss_of(rows):
    out, mean, log_var = model(x[rows])
    divergence = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1).mean()
    return (out - x[rows]).square().sum(1).mean() + divergence
fit(model, loss_of, lambda: (model(x[400:])[0] - x[400:]).square().mean())
"""
MAPS = """
maps = (torch.rand(500, 6, 6) > 0.9).long() * torch.randint(1, 3, (500, 6, 6))
pictures = maps[:, None].float() + 0.2 * torch.randn(500, 1, 6, 6)
model = nn.Conv2d(1, 3, 1)
def judged():
    predicted = model(pictures[400:]).argmax(1)
    return {judged}
fit(model, lambda rows: F.cross_entropy(model(pictures[rows]), maps[rows]), judged)
"""
F1 = """sum(2 * ((predicted == k) & (maps[400:] == k)).sum()
               / ((predicted == k).sum() + (maps[400:] == k).sum()) for k in (1, 2)) / 2"""
HEALTHY = {
    "a square": ("spread-for-variance", SQUARE.format(name="sigma2")),
    "a square in words": ("spread-for-variance", SQUARE.format(name="sigma_squared")),
    "a scale": ("spread-for-variance", SQUARE.format(name="scale")),
    "half a logarithm": ("spread-for-variance", AUTOCODE.format(half="0.5 * ")),
    "a share beyond": ("quantiles-exchanged", PINBALL.format(name="ALPHA")),
    "a share beyond under another name": ("quantiles-exchanged", PINBALL.format(name="Q")),
    "scores that are losses": ("worst-taken-for-best", PINBALL.format(name="ALPHA")),
    "centers made corners": (
        "boxes-in-two-notations",
        BOXES.format(corners=CORNERS, before="a, b = corners(a), corners(b)"),
    ),
    "maps": ("absent-labels-flatter", MAPS.format(judged=F1)),
}


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_program_is_accused_of_nothing(asked_of: Asked, case: str) -> None:
    label, text = HEALTHY[case]
    assert asked_of(START + text, label).get(label, "note") == "note"


FAULTY = {
    "a spread by its name alone": ("spread-for-variance", SQUARE.format(name="sigma"), "warning"),
    "a whole logarithm": ("spread-for-variance", AUTOCODE.format(half=""), "fault"),
    "centers taken for corners": ("boxes-in-two-notations", BOXES.format(corners="box", before="pass"), "fault"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_what_was_seen_makes_a_fault_and_a_name_a_warning(asked_of: Asked, case: str) -> None:
    label, text, level = FAULTY[case]
    assert asked_of(START + text, label) == {label: level}


def test_places_of_maps_that_are_ground(asked_of: Asked) -> None:
    shares = "(predicted == maps[400:]).float().mean()"
    found = asked_of(START + MAPS.format(judged=shares).replace("lr=3e-3", "lr=1e-4"), "absent-labels-flatter")
    assert set(found.values()) <= {"warning"}
