"""Friedman's function with a little noise on the inputs of each batch, which keeps a wide network smooth."""

import argparse

import torch
from sklearn.datasets import make_friedman1
from torch import nn

BATCH, JITTER = 32, 0.2


def prepare(seed):
    x, y = make_friedman1(n_samples=1300, n_features=8, noise=0.5, random_state=seed)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    train, valid = slice(0, 1000), slice(1000, None)
    x = (x - x[train].mean(0)) / x[train].std(0)
    y = (y - y[train].mean()) / y[train].std()
    return x[train].clone(), y[train].clone(), x[valid].clone(), y[valid].clone()


def train_epoch(model, optimizer, x, y):
    model.train()
    total = 0.0
    starts = torch.arange(0, len(x), BATCH)
    for start in starts[torch.randperm(len(starts))].tolist():
        inputs, targets = x[start : start + BATCH], y[start : start + BATCH]
        inputs += JITTER * torch.randn_like(inputs)
        loss = nn.functional.mse_loss(model(inputs).squeeze(1), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(targets)
    return total / len(x)


def r_squared(model, x, y):
    model.eval()
    with torch.no_grad():
        error = (model(x).squeeze(1) - y).square().sum()
    return 1 - (error / (y - y.mean()).square().sum()).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y, xv, yv = prepare(args.seed)
    model = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        loss = train_epoch(model, optimizer, x, y)
        r2 = r_squared(model, xv, yv)
        print(f"epoch {epoch}: mse {loss:.4f} R2 {r2:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={r2:.5f}")
