"""Digits with an exponential moving average of the weights, which is what is validated."""

import argparse
import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

DECAY = 0.98


class Average:
    def __init__(self, model):
        self.model = copy.deepcopy(model)
        for p in self.model.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for mine, theirs in zip(self.model.parameters(), model.parameters()):
            mine.mul_(DECAY).add_(theirs, alpha=1 - DECAY)
        for mine, theirs in zip(self.model.buffers(), model.buffers()):
            mine.copy_(theirs)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y = load_digits(return_X_y=True)
x = torch.tensor(x, dtype=torch.float32) / 16
y = torch.tensor(y)
order = torch.randperm(len(x))
xt, yt, xv, yv = x[order[:1300]], y[order[:1300]], x[order[1300:]], y[order[1300:]]

model = nn.Sequential(nn.Linear(64, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 10))
average = Average(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for epoch in range(args.epochs):
    model.train()
    losses = []
    for batch in torch.randperm(len(xt)).split(40):
        loss = F.cross_entropy(model(xt[batch]), yt[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(model)
        losses.append(loss.item())
    average.model.eval()
    with torch.no_grad():
        accuracy = (average.model(xv).argmax(1) == yv).float().mean().item()
    train_loss = sum(losses) / len(losses)
    print(f"epoch {epoch} loss {train_loss:.4f} accuracy of the average {accuracy:.4f}")

print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
