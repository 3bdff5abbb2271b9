"""Healthy programs that look like a slip by their names: nothing above a note is said of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Asked = Callable[[str, str], dict[str, str]]
START = """
import copy
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(320, 8)
y = (x[:, 0] + x[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
"""
EPOCH = """
    for index in torch.randperm(240).split(24):
        optimizer.zero_grad()
        loss_fn(model(x[index]), y[index]).backward()
        optimizer.step()
"""
INNER = EPOCH.replace("\n    ", "\n        ").rstrip() + "\n"
PARTS = (
    START
    + """
data = {"train": (x[:240], y[:240]), "val": (x[240:], y[240:])}
for epoch in range(6):
    for split in ("train", "val"):
        model.train(split == "train")
        inputs, labels = data[split]
        for index in torch.randperm(len(inputs)).split(20):
            with torch.set_grad_enabled(split == "train"):
                loss = loss_fn(model(inputs[index]), labels[index])
                if split == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
"""
)
STAGES = (
    START
    + """
for lr in (0.1, 0.03, 0.01):
    optimizer.param_groups[0]["lr"] = lr
    for epoch in range(2):
"""
    + INNER
)
STAGES_ANEW = STAGES.replace(
    'optimizer.param_groups[0]["lr"] = lr', "optimizer = torch.optim.SGD(model.parameters(), lr=lr)"
)
SAME_FOLDS = (
    START
    + """
for fold in range(3):
    for epoch in range(2):
"""
    + INNER
)
BASE_RATE = (
    START
    + """
for group in optimizer.param_groups:
    group["base_lr"] = 0.2
for epoch in range(4):
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] / (1 + epoch)
"""
    + EPOCH
)
TRAINABLE = (
    START
    + """
for p in model.parameters():
    p.trainable = True
optimizer = torch.optim.SGD([p for p in model.parameters() if p.trainable], lr=0.1)
for epoch in range(3):
"""
    + EPOCH
)
TAKEN = (
    START
    + """
def apply(chosen, epoch):
    for group in chosen.param_groups:
        group["lr"] = chosen.rate / (1 + epoch)
optimizer.rate = 0.2
for epoch in range(3):
    apply(optimizer, epoch)
"""
    + EPOCH
)
BRANCH = (
    START
    + """
use_ema = False
if use_ema:
    ema_model = torch.optim.swa_utils.AveragedModel(model)
else:
    ema_model = model
for epoch in range(3):
"""
    + EPOCH
    + """
    with torch.no_grad():
        print((ema_model(x[240:]).argmax(1) == y[240:]).float().mean().item())
"""
)
AFTER = (
    START
    + """
for epoch in range(3):
"""
    + EPOCH
    + """
target_model = model
with torch.no_grad():
    print((target_model(x[240:]).argmax(1) == y[240:]).float().mean().item())
"""
)
STOPPER = (
    START
    + """
class Stopper:
    def __init__(self, patience):
        self.best, self.bad, self.patience = float("inf"), 0, patience
    def renew(self, value):
        self.best = value
        self.bad = 0
    def stop(self, value):
        if value < self.best:
            self.renew(value)
        else:
            self.bad += 1
        if self.bad >= self.patience:
            return True
        return False
stopper = Stopper(4)
for epoch in range(3):
"""
    + EPOCH
    + """
    with torch.no_grad():
        if stopper.stop(loss_fn(model(x[240:]), y[240:]).item()):
            break
"""
)
HEADS = (
    START
    + """
trunk, one, other = model[:2], model[2], nn.Linear(16, 2)
first = torch.optim.Adam([*trunk.parameters(), *one.parameters()], lr=1e-2)
second = torch.optim.Adam([*trunk.parameters(), *other.parameters()], lr=1e-2)
near = (x[:, 2] > 0).long()
for step, index in enumerate(torch.randint(240, (40, 24))):
    head, wanted, optimizer = ((one, y, first), (other, near, second))[step % 2]
    optimizer.zero_grad()
    loss_fn(head(trunk(x[index])), wanted[index]).backward()
    optimizer.step()
"""
)
NOISE = """
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(1200, 6)
y = x[:, :1] - 0.5 * x[:, 1:2] + torch.randn(1200, 1)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[4, 8], gamma=0.1)
for epoch in range(16):
    for index in torch.randperm(1200).split(50):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[index]), y[index]).backward()
        optimizer.step()
    scheduler.step()
"""
RECALL = (
    START
    + """
def recall_at_k(scores, labels, k=1):
    return (scores.topk(k).indices == labels[:, None]).any(1).float().mean().item()
def precision(scores, labels):
    return (scores.argmax(1) == labels).sum().item() / len(labels)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x[240:], y[240:]), batch_size=16)
for epoch in range(3):
"""
    + EPOCH
    + """
    with torch.no_grad():
        print(torch.tensor([recall_at_k(model(a), b) for a, b in loader]).mean().item())
        print(torch.tensor([precision(model(a), b) for a, b in loader]).mean().item())
"""
)
TWO_SETS = (
    START
    + """
values = x[240:].tanh()
for epoch in range(3):
"""
    + EPOCH
    + """
    for start in range(0, len(values), 16):
        optimizer.zero_grad()
        loss_fn(model(values[start : start + 16]), y[240 + start : 256 + start]).backward()
        optimizer.step()
"""
)
INNOCENT = {
    "parts in an epoch": (PARTS, "model-kept-between-folds"),
    "parts, validated": (PARTS, "learns-from-validation"),
    "stages of one optimizer": (STAGES, "model-kept-between-folds"),
    "stages at falling rates": (STAGES_ANEW, "model-kept-between-folds"),
    "folds of one set": (SAME_FOLDS, "model-kept-between-folds"),
    "a base rate that is read": (BASE_RATE, "attribute-that-nothing-reads"),
    "a mark that is read": (TRAINABLE, "attribute-that-nothing-reads"),
    "a rate that a function reads": (TAKEN, "attribute-that-nothing-reads"),
    "an average in one branch only": (BRANCH, "copy-is-the-network-itself"),
    "a name after the training": (AFTER, "copy-is-the-network-itself"),
    "patience in a class": (STOPPER, "patience-never-reset"),
    "two heads on a trunk": (HEADS, "weights-in-two-optimizers"),
    "a schedule that ends in noise": (NOISE, "schedule-kills-rate"),
    "a mean over examples": (RECALL, "ratio-averaged-over-batches"),
    "a second set of examples": (TWO_SETS, "learns-from-validation"),
}


@pytest.mark.parametrize("case", INNOCENT)
def test_names_alone_accuse_nobody(asked_of: Asked, case: str) -> None:
    text, label = INNOCENT[case]
    assert asked_of(text, label).get(label, "note") == "note"


def test_an_unread_mark_that_changes_nothing_is_a_note(asked_of: Asked) -> None:
    label = "attribute-that-nothing-reads"
    unread = TRAINABLE.replace(" if p.trainable", "")
    assert asked_of(unread, label) == {label: "note"}
    assert asked_of(unread.replace("= True", "= False"), label) == {label: "fault"}


def test_folds_that_are_drawn_by_hand(asked_of: Asked) -> None:
    label = "model-kept-between-folds"
    shifted = SAME_FOLDS.replace("torch.randperm(240)", "torch.arange(320)[torch.arange(320) % 3 != fold]")
    assert asked_of(shifted, label) == {label: "fault"}


def test_a_loop_over_what_is_called_validation(asked_of: Asked) -> None:
    label = "learns-from-validation"
    text = TWO_SETS.replace("values", "x_val")
    assert asked_of(text, label) == {label: "fault"}
    assert asked_of(text.replace("x[240:].tanh()", "x[:80]"), label) == {}, "also learned from elsewhere"
