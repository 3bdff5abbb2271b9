"""Counts whose logarithm is a smooth function: Poisson loss on a rate that cannot be negative, deviance explained
judges."""

import argparse

import torch
from torch import nn


def counts(n, generator):
    x = torch.rand(n, 4, generator=generator) * 2 - 1
    log_rate = 1.2 + 1.2 * torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3]
    return x, torch.poisson(log_rate.exp(), generator=generator)


def deviance(rate, y):
    return 2 * (torch.xlogy(y, y) - y * rate.clamp(min=1e-6).log() - y + rate).mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=25)
args = parser.parse_args()
torch.manual_seed(args.seed)
generator = torch.Generator().manual_seed(args.seed)
x, y = counts(2000, generator)
xv, yv = counts(800, generator)
base = deviance(y.mean().expand(len(yv)), yv)

model = nn.Sequential(nn.Linear(4, 48), nn.Tanh(), nn.Linear(48, 24), nn.Tanh(), nn.Linear(24, 1), nn.Softplus())
loss_fn = nn.PoissonNLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(args.epochs):
    order = torch.randperm(len(x), generator=generator)
    losses = []
    for index in order.split(40):
        rate = model(x[index]).squeeze(1)
        loss = loss_fn(rate, y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        explained = 1 - deviance(model(xv).squeeze(1), yv) / base
    train_loss = sum(losses) / len(losses)
    print(f"epoch {epoch} loss {train_loss:.4f} deviance explained {explained:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={explained:.5f}")
