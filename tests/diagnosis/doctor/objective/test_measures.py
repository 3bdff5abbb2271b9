"""How answers are compared and judged: slips in whole programs, and their right twins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Asked = Callable[[str, str], dict[str, str]]
START = """
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0)
x, xv = torch.randn(240, 6), torch.randn(90, 6)
level, level_v = x[:, 0] + 0.5 * x[:, 1], xv[:, 0] + 0.5 * xv[:, 1]
y, yv = level + 0.3 * torch.randn(240), level_v + 0.3 * torch.randn(90)
"""
FIT = """
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(3):
    for index in torch.randperm(240).split(24):
        loss = {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        {judged}
"""
LINE = START + "model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0))\n"
OVERLAP = (
    START
    + """
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 6))
masks = (x > 0.5).float()
def overlap(p, t):
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
"""
    + FIT
)
WRITTEN_LOGITS = "(F.softplus(model(x[index])) - model(x[index]) * masks[index]).mean()"
SPREAD = (
    START
    + """
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.mean, self.log = nn.Linear(6, 16), nn.Linear(16, 1), nn.Linear(16, 1)
    def forward(self, x):
        h = self.body(x).tanh()
        return self.mean(h).squeeze(1), self.log(h).squeeze(1).exp()
model = Two()
likelihood = nn.GaussianNLLLoss()
def loss_of(index):
    mean, {name} = model(x[index])
    return likelihood(mean, y[index], {given})
def inside():
    mean, second = model(xv)
    print(f"{{((yv - mean).abs() < 1.28 * second{root}).float().mean():.4f}}")
"""
    + FIT.format(loss="loss_of(index)", judged="inside()")
)
DRAWN = (
    LINE
    + """
log_var = torch.zeros(24, requires_grad=True)
"""
    + FIT.format(
        loss="((model(x[index]) + torch.exp({half}log_var) * torch.randn(24) - y[index]) ** 2).mean()", judged="pass"
    )
)
QUANTILE = (
    LINE
    + """
Q = 0.9
def pinball(predicted, target):
    error = {error}
    return torch.maximum(Q * error, (Q - 1) * error).mean()
"""
    + FIT.format(loss="pinball(model(x[index]), y[index])", judged="pass")
)
ORDER = (
    START
    + """
from torch.utils.data import DataLoader, TensorDataset
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
held = DataLoader(TensorDataset(xv, (level_v > 0).long()), batch_size=30, shuffle={shuffle})
def judge():
    found = torch.cat([model(a).argmax(1) for a, _ in held])
    print(f"{{(found == held.dataset.tensors[1]).float().mean():.3f}}")
"""
    + FIT.format(loss="F.cross_entropy(model(x[index]), (level[index] > 0).long())", judged="judge()")
)
DRAWN_ORDER = (
    START
    + """
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
truth = (level_v > 0).long()
def judge():
    order = {order}
    found = torch.cat([model(xv[i]).argmax(1) for i in order.split(30)])
    print(f"{{(found == truth).float().mean():.3f}}")
"""
    + FIT.format(loss="F.cross_entropy(model(x[index]), (level[index] > 0).long())", judged="judge()")
)
SKLEARN = (
    START
    + """
from sklearn.metrics import r2_score
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0))
def judge():
    told, size = model(xv).numpy() * 2 + 1, {size}
    pieces = range(0, 90, size)
    print(f"{{np.mean([r2_score({pair}) for i in pieces]):.4f}}")
"""
    + FIT.format(loss="F.mse_loss(model(x[index]), y[index])", judged="judge()")
)
PIECES = "yv[i : i + size].numpy() * 2 + 1, told[i : i + size]"
BY_HAND = (
    LINE
    + """
def judge():
    told, truth = model(xv).numpy(), yv.numpy()
    pieces = [(told[i : i + {size}], truth[i : i + {size}]) for i in {over}]
    print(f"{{np.mean([1 - ((p - t) ** 2).mean() / t.var() for p, t in pieces]):.4f}}")
"""
    + FIT.format(loss="F.mse_loss(model(x[index]), y[index])", judged="judge()")
)
IN_TORCH = (
    START
    + """
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0))
truth = level_v > 1.2
def judge():
    shares, hits, all_of = [], 0.0, 0.0
    for a, t in zip(xv.split(9), truth.split(9)):
        found = model(a) > 0
        share = 2 * (found & t).sum() / (found.sum() + t.sum())
        shares.append(share.item())
        hits, all_of = hits + 2 * (found & t).sum().item(), all_of + (found.sum() + t.sum()).item()
    print(f"{{{told}:.4f}}")
"""
    + FIT.format(
        loss="F.binary_cross_entropy_with_logits(model(x[index]), (level[index] > 1.2).float())", judged="judge()"
    )
)
SLIPS = {
    "overlap": (
        "scores-where-overlap-takes-probabilities",
        OVERLAP.format(loss="overlap(model(x[index]), masks[index])", judged="pass"),
        OVERLAP.format(loss="overlap(model(x[index]).sigmoid(), masks[index])", judged="pass"),
    ),
    "written out": (
        "scores-where-overlap-takes-probabilities",
        OVERLAP.format(loss="overlap(2 * model(x[index]), masks[index])", judged="pass"),
        OVERLAP.format(loss=WRITTEN_LOGITS, judged="pass"),
    ),
    "spread by name": (
        "spread-for-variance",
        SPREAD.format(name="spread", given="spread", root=""),
        SPREAD.format(name="spread", given="spread**2", root=""),
    ),
    "spread by use": (
        "spread-for-variance",
        SPREAD.format(name="second", given="second", root=""),
        SPREAD.format(name="var", given="var", root=".sqrt()"),
    ),
    "spread of a draw": ("spread-for-variance", DRAWN.format(half=""), DRAWN.format(half="0.5 * ")),
    "quantile": (
        "quantiles-exchanged",
        QUANTILE.format(error="predicted - target"),
        QUANTILE.format(error="target - predicted"),
    ),
    "order of a loader": (
        "predictions-in-another-order",
        ORDER.format(shuffle=True),
        ORDER.format(shuffle=False),
    ),
    "order drawn": (
        "predictions-in-another-order",
        DRAWN_ORDER.format(order="torch.randperm(90)"),
        DRAWN_ORDER.format(order="torch.arange(90)"),
    ),
    "ratio of scikit-learn": (
        "ratio-averaged-over-batches",
        SKLEARN.format(size=6, pair=PIECES),
        SKLEARN.format(size=90, pair=PIECES),
    ),
    "arguments scaled back": (
        "metric-arguments-exchanged",
        SKLEARN.format(size=90, pair="told, yv.numpy() * 2 + 1"),
        SKLEARN.format(size=90, pair=PIECES),
    ),
    "ratio by hand": (
        "ratio-averaged-over-batches",
        BY_HAND.format(size=6, over="range(0, 90, 6)"),
        BY_HAND.format(size=90, over="[0]"),
    ),
    "ratio in torch": (
        "ratio-averaged-over-batches",
        IN_TORCH.format(told="np.mean(shares)"),
        IN_TORCH.format(told="hits / all_of"),
    ),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_is_told_and_its_right_twin_is_not(asked_of: Asked, case: str) -> None:
    label, faulty, right = SLIPS[case]
    assert asked_of(faulty, label).get(label) in ("fault", "warning")
    assert label not in asked_of(right, label)
