"""Thirty residual layers without normalization; each branch ends in a layer that starts at zero."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.up = nn.Linear(dim, dim)
        self.down = nn.Linear(dim, dim)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


class Deep(nn.Module):
    def __init__(self, dim=48, depth=30):
        super().__init__()
        self.stem = nn.Linear(64, dim)
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()
torch.manual_seed(args.seed)

bunch = load_digits()
x = torch.tensor(bunch.data / 16, dtype=torch.float32)
y = torch.tensor(bunch.target)
order = torch.randperm(len(y))
xt, yt, xv, yv = x[order[:1400]], y[order[:1400]], x[order[1400:]], y[order[1400:]]

model = Deep()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for epoch in range(args.epochs):
    model.train()
    losses = []
    for batch in torch.randperm(len(xt)).split(50):
        loss = nn.functional.cross_entropy(model(xt[batch]), yt[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    train_loss = sum(losses) / len(losses)
    valid = accuracy(model, xv, yv)
    print(f"epoch {epoch} {train_loss:.4f} {valid:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={valid:.5f}")
