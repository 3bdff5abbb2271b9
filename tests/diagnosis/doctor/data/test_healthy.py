"""Healthy programs that look like a fault of the data, of which the doctor says nothing."""

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
def mlp(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))
def fit(model, x, y, xv, yv, loss_fn, epochs=2, change=None):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        model.train()
        if change is not None:
            change(x, y)
        for rows in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            loss_fn(model(x[rows]), y[rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            loss_fn(model(xv), yv).item()
"""
RETURNS = """
returns = torch.randn(900)  # as unpredictable as on a market
x, y = returns.unfold(0, 8, 1)[:-1], returns[8:, None]
fit(mlp(8, 1), x[:700], y[:700], x[700:], y[700:], F.mse_loss)
"""
DIRECTIONS = """
returns, volume = torch.randn(901), torch.randn(901)  # up or down tomorrow, by a table of today
x, y = torch.stack([returns, volume], 1)[:-1], (returns[1:] > 0).long()
fit(mlp(2, 2), x[:700], y[:700], x[700:], y[700:], F.cross_entropy)
"""
SHUFFLED = """
x = torch.randn(900, 12)
y = x[:, :4].argmax(1)
def change(x, y):
    order = torch.randperm(len(x))
    x[:], y[:] = x[order], y[order]
train, labels = x[:700].clone(), y[:700].clone()
fit(mlp(12, 4), train, labels, x[700:], y[700:], F.cross_entropy, epochs=3, change=change)
"""
ARRAYS = """
kind, profile = torch.randint(0, 3, (900,)), torch.randn(3, 40)
raw = (profile[kind] + 1.2 * torch.randn(900, 40)) * (0.5 + torch.rand(900, 1)) + 2 * torch.randn(900, 1)
x = (raw - raw.mean(1, keepdim=True)) / raw.std(1, keepdim=True)
fit(mlp(40, 3), x[:700], kind[:700], x[700:], kind[700:], F.cross_entropy)
"""
SHAPES = """
n, size = 240, 16
rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
center, radius = 4 + 8 * torch.rand(n, 2), 2 + torch.rand(n)
away = ((rows - center[:, :1, None]) ** 2 + (columns - center[:, 1:, None]) ** 2).sqrt() / radius[:, None, None]
masks = (away < 1).long() + (away < 0.6).long()
x = (masks.float() + 0.3 * torch.randn(n, size, size))[:, None]
"""
UPSAMPLED = (
    SHAPES
    + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.head = nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.Conv2d(8, 3, 1)
    def forward(self, x):
        {name} = self.head(F.relu(self.down(x)))
        return F.interpolate({name}, size=x.shape[-2:], mode="bilinear")
fit(Net(), x[:180], masks[:180], x[180:], masks[180:], F.cross_entropy)
"""
)
SHARPENED = (
    SHAPES
    + """
target = x + 0.1
low = F.interpolate(target, scale_factor=0.5, mode="bilinear")
inputs = F.interpolate(low, size=16, mode="bilinear")
fit(nn.Conv2d(1, 1, 5, padding=2), inputs[:180], target[:180], inputs[180:], target[180:], F.mse_loss)
"""
)
TWO_HEADS = """
x = torch.randn(700, 12)
y = x[:, :4].argmax(1)
trunk, first, second = nn.Sequential(nn.Linear(12, 32), nn.ReLU()), nn.Linear(32, 4), nn.Linear(32, 2)
optimizer = torch.optim.Adam([*trunk.parameters(), *first.parameters(), *second.parameters()], lr=3e-3)
for epoch in range(4):
    for step, rows in enumerate(torch.randperm(500).split(25)):
        head, wanted = ((first, y), (second, y % 2))[step % 2]
        optimizer.zero_grad()
        F.cross_entropy(head(trunk(x[rows])), wanted[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        h = trunk(x[500:])
        right = (first(h).argmax(1) == y[500:]).float().mean(), (second(h).argmax(1) == y[500:] % 2).float().mean()
"""
FLOODS = """
x = torch.rand(1500, 4)  # a flood of twenty more on the 2 % of days with storm and spring tide
y = (0.5 * x[:, 0] + 0.4 * x[:, 1] + 0.05 * torch.randn(1500) + 20 * (x[:, 2] > 0.98).float())[:, None]
fit(mlp(4, 1), x[:1200], y[:1200], x[1200:], y[1200:], F.mse_loss)
"""
RISKS = """
risk = torch.rand(1200, 1)  # profit or loss on risky crops, of which nobody can know which before
x = torch.cat([risk, 0.3 * torch.rand(1200, 1)], 1)
y = torch.where(torch.rand(1200, 1) < 0.55, 1.0, -1.0) * risk
fit(mlp(2, 1), x[:1000], y[:1000], x[1000:], y[1000:], F.mse_loss)
"""
CURVES = """
n = torch.arange(900)
series = torch.sin(n / 9) + 0.5 * torch.sin(n / 31) + 0.1 * torch.randn(900)
x, y = series.unfold(0, 12, 1)[:-1], series[12:, None]
losses = []
def loss_fn(answers, wanted):
    losses.append(F.mse_loss(answers, wanted).item())
    return F.mse_loss(answers, wanted)
fit(mlp(12, 1), x[:700], y[:700], x[700:], y[700:], loss_fn)
curve = np.convolve(losses, np.ones(9) / 9, mode="same")  # for the plot
"""
HEALTHY = {
    "returns": ("labels-unrelated", RETURNS),
    "directions": ("labels-unrelated", DIRECTIONS),
    "risks": ("labels-unrelated", RISKS),
    "shuffled where they lie": ("data-changed-in-place", SHUFFLED),
    "arrays of genes": ("scaled-over-wrong-axis", ARRAYS),
    "masks that a network makes larger": ("mask-blended", UPSAMPLED.format(name="mask_logits")),
    "the same under another name": ("mask-blended", UPSAMPLED.format(name="mask")),
    "sharper pictures": ("mask-blended", SHARPENED),
    "heads on a trunk": ("augmentation-in-evaluation", TWO_HEADS),
    "floods": ("gross-errors-kept", FLOODS),
    "a sign that nobody knows": ("circle-cut-open", RISKS),
    "a smoothed plot": ("smoothed-with-the-future", CURVES),
}


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_program_is_accused_of_nothing(asked_of: Asked, case: str) -> None:
    label, text = HEALTHY[case]
    assert asked_of(START + text, label).get(label, "note") == "note"
