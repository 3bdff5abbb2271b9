"""What is learned from, what moves and what is read: slips in whole programs, and their right twins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Asked = Callable[[str, str], dict[str, str]]
START = """
import copy
import torch
from torch import nn
torch.manual_seed(0)
x, xv = torch.randn(240, 8), torch.randn(80, 8)
y, yv = (x[:, 0] + x[:, 1] > 0).long(), (xv[:, 0] + xv[:, 1] > 0).long()
def network():
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))
model = network()
criterion = nn.CrossEntropyLoss()
"""
FIT = """
for epoch in range(2):
    for index in torch.randperm(240).split(24):
        loss = criterion(model(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
USUAL = START + "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"

ONE_LINE = (
    USUAL
    + """
for epoch in range(6):
    for start in range(0, len(x), 10):
        loss = criterion(model(x[start : start + 10]), y[start : start + 10])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for {x}, {y} in zip(xv.split(20), yv.split(20)):
            print(f"{{(model({x}).argmax(1) == {y}).float().mean():.3f}}")
"""
)
PHASES = (
    USUAL
    + """
parts = {{"train": (x, y), "valid": (xv, yv)}}
for epoch in range(3):
    for phase in ("train", "valid"):
        model.train(phase == "train")
        inputs, targets = parts[phase]
        for index in torch.randperm(len(inputs)).split(20):
            loss = criterion(model(inputs[index]), targets[index])
            optimizer.zero_grad()
            {guard}
                loss.backward()
                optimizer.step()
"""
)
FOLDS = (
    START
    + """
from sklearn.model_selection import KFold
for inside, outside in KFold(4).split(x):
    {new}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for epoch in range(3):
        for index in torch.as_tensor(inside)[torch.randperm(len(inside))].split(20):
            loss = criterion(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
"""
)
RATES = (
    START
    + """
for rate in (0.05, 0.1, 0.2):
    {new}
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for epoch in range(3):
        for index in torch.randperm(240).split(24):
            loss = criterion(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
"""
)
SEARCH = (
    START
    + """
kept = copy.deepcopy(model.state_dict())
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
for step in range(40):
    optimizer.param_groups[0]["lr"] = 1e-3 * 1.4**step
    index = torch.randint(240, (24,))
    loss = criterion(model(x[index]), y[index])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
{restore}
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
"""
    + FIT
)
OWN_STEPS = (
    START
    + """
for step in range(30):
    index = torch.randint(240, (24,))
    criterion(model(x[index]), y[index]).backward()
    with torch.no_grad():
        for p in model.parameters():
            {update}
            p.grad = None
"""
)
OWN_OPTIMIZER = (
    START
    + """
class Plain(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {{"lr": lr}})
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                {update}
optimizer = Plain(model.parameters(), lr=0.1)
"""
    + FIT
)
WAVES = """
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(60, 9).cumsum(1)
class Walker(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.GRUCell(1, 8), nn.Linear(8, 1)
    def forward(self, value, state):
        state = self.cell(value[:, None], state)
        return self.out(state)[:, 0], state
model = Walker()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for rows in x.split(6):
    state, loss = torch.zeros(6, 8), 0.0
    optimizer.zero_grad()
    for t in range(8):
        guess, state = model(rows[:, t], state)
        {then}
    {last}
    optimizer.step()
"""
SCALED = (
    USUAL
    + """
for index in torch.randperm(240).repeat(3).split(24):
    loss = criterion(model(x[index]), y[index])
    optimizer.zero_grad()
    (loss * 4096.0).backward()
    {first}
    {second}
    optimizer.step()
"""
)
CLIP = "nn.utils.clip_grad_norm_(model.parameters(), 0.1)"
UNSCALE = "for p in model.parameters(): p.grad /= 4096.0"
THAWED = (
    START
    + """
for p in model[0].parameters():
    p.requires_grad_(False)
optimizer = torch.optim.Adam({owned}, lr=0.01)
for epoch in range(6):
    if epoch == 3:
        for p in model[0].parameters():
            p.requires_grad_(True)
        {more}
    for index in torch.randperm(240).split(24):
        loss = criterion(model(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
)
STEEP = (
    START
    + """
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma={gamma})
for epoch in range(8):
    for index in torch.randperm(240).split(24):
        loss = criterion(model(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
"""
)
CLIPPED = (
    USUAL
    + """
params = model.parameters(){every}
for step in range(12):
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    nn.utils.clip_grad_norm_(params, 1.0)
    optimizer.step()
"""
)
PATIENCE = (
    USUAL
    + FIT
    + """
best, waited = float("inf"), 0
for epoch in range(6):
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if loss.item() < best:
        best = loss.item()
        {reset}
    else:
        waited += 1
    if waited >= 3:
        break
"""
)
TEACHER = (
    USUAL
    + """
teacher = {copy}
for step in range(12):
    with torch.no_grad():
        wanted = teacher(x).softmax(1)
    loss = criterion(model(x), y) + criterion(model(x), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
)
TWO = (
    START
    + """
head, body = model[2], model[0]
one = torch.optim.SGD(body.parameters(), lr=0.05)
other = torch.optim.SGD({owned}, lr=0.05)
for step in range(12):
    for optimizer in (one, other):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
)
SCHEDULE = (
    START
    + """
first = torch.optim.SGD(model.parameters(), lr=0.1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
schedule = torch.optim.lr_scheduler.StepLR({of}, 2)
for step in range(20):
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
"""
)
SLIPS = {
    "training-data-overwritten": (ONE_LINE.format(x="x", y="y"), ONE_LINE.format(x="a", y="b")),
    "learns-from-validation": (PHASES.format(guard="if True:"), PHASES.format(guard='if phase == "train":')),
    "model-kept-between-folds": (FOLDS.format(new=""), FOLDS.format(new="model = network()")),
    "ruined-by-rate-search": (SEARCH.format(restore=""), SEARCH.format(restore="model.load_state_dict(kept)")),
    "update-of-a-copy": (
        OWN_STEPS.format(update="p = p - 0.1 * p.grad"),
        OWN_STEPS.format(update="p -= 0.1 * p.grad"),
    ),
    "backward-through-same-past": (
        WAVES.format(
            then="loss = loss + (guess - rows[:, t + 1]).square().mean(); loss.backward(retain_graph=True)", last=""
        ),
        WAVES.format(then="loss = loss + (guess - rows[:, t + 1]).square().mean()", last="loss.backward()"),
    ),
    "clipped-before-unscaling": (SCALED.format(first=CLIP, second=UNSCALE), SCALED.format(first=UNSCALE, second=CLIP)),
    "parameters-left-out": (
        THAWED.format(owned="model[2].parameters()", more=""),
        THAWED.format(
            owned="model[2].parameters()", more='optimizer.add_param_group({"params": model[0].parameters()})'
        ),
    ),
    "schedule-kills-rate": (STEEP.format(gamma=0.01), STEEP.format(gamma=0.8)),
    "clipping-without-effect": (CLIPPED.format(every=""), CLIPPED.format(every="\nparams = [*params]")),
    "patience-never-reset": (PATIENCE.format(reset=""), PATIENCE.format(reset="waited = 0")),
    "copy-is-the-network-itself": (TEACHER.format(copy="model"), TEACHER.format(copy="copy.deepcopy(model)")),
    "weights-in-two-optimizers": (TWO.format(owned="model.parameters()"), TWO.format(owned="head.parameters()")),
    "schedule-of-another-optimizer": (SCHEDULE.format(of="first"), SCHEDULE.format(of="optimizer")),
    "method-not-called": (USUAL + FIT.replace("step()", "step()\n        optimizer.zero_grad"), USUAL + FIT),
    "loss-scale-not-undone": (
        SCALED.format(first="", second="").replace("lr=0.1", "lr=0.02"),
        SCALED.format(first=UNSCALE, second="").replace("lr=0.1", "lr=0.02"),
    ),
    "debugging-left-on": (
        USUAL + "torch.autograd.set_detect_anomaly(True)\n" + FIT + "torch.autograd.set_detect_anomaly(False)\n",
        USUAL + FIT,
    ),
}


@pytest.mark.filterwarnings("ignore:.*empty generator", "ignore:Detected call of")  # torch sees some of it itself
@pytest.mark.parametrize("label", SLIPS)
def test_a_slip_is_told_and_its_right_twin_is_not(asked_of: Asked, label: str) -> None:
    faulty, right = SLIPS[label]
    assert asked_of(faulty, label).get(label) in ("fault", "warning")
    assert label not in asked_of(right, label)


@pytest.mark.parametrize(
    "setting",
    [
        "optimizer.lr = 0.5",
        "optimizer.defaults['lr'] = 0.5",
        "optimizer.param_groups[0]['learning_rate'] = 0.5",
        "model[0].requires_grad = False",
        "model[0].weight.require_grad = False",
        "criterion.weights = torch.ones(2)",
    ],
)
def test_what_nothing_reads(asked_of: Asked, setting: str) -> None:
    label = "attribute-that-nothing-reads"
    assert asked_of(USUAL + setting + FIT, label).get(label) == "fault"


@pytest.mark.parametrize(
    "setting",
    [
        "optimizer.param_groups[0]['lr'] = 0.5",
        "model[0].requires_grad_(False)",
        "model[0].weight.requires_grad = False",
        "criterion.weight = torch.ones(2)",
        "schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=100)",
    ],
)
def test_what_is_read(asked_of: Asked, setting: str) -> None:
    label = "attribute-that-nothing-reads"
    assert label not in asked_of(USUAL + setting + FIT, label)


def test_one_network_for_all_settings(asked_of: Asked) -> None:
    label = "model-kept-between-folds"
    assert asked_of(RATES.format(new=""), label).get(label) == "fault"
    assert label not in asked_of(RATES.format(new="model = network()"), label)


def test_an_optimizer_of_ones_own_that_moves_a_copy(asked_of: Asked) -> None:
    label = "update-of-a-copy"
    assert asked_of(OWN_OPTIMIZER.format(update="p = p - group['lr'] * p.grad"), label).get(label) == "fault"
    assert label not in asked_of(OWN_OPTIMIZER.format(update="p.sub_(p.grad, alpha=group['lr'])"), label)


def test_a_training_that_is_left_with_one_batch(asked_of: Asked) -> None:
    label = "training-data-overwritten"
    text = (
        ONE_LINE.format(x="a", y="b")
        .replace("range(6)", "range(12)")
        .replace("optimizer.step()\n", "optimizer.step()\n    x, y = x[-10:], y[-10:]\n")
    )
    assert asked_of(text, label).get(label) == "fault"
