"""Quantile and squared loss together: the middle, and an interval that should hold 80 percent; R2 judges."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn

QUANTILES = torch.tensor([0.1, 0.9])


class ThreeOutputs(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 24), nn.Tanh(), nn.Dropout(0.2))
        self.middle = nn.Linear(24, 1)
        self.edges = nn.Linear(24, 2)

    def forward(self, x):
        h = self.body(x)
        return self.middle(h)[:, 0], self.edges(h)


def pinball(edges, y):
    gap = y[:, None] - edges
    return torch.maximum(QUANTILES * gap, (QUANTILES - 1) * gap).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    table, progress = load_diabetes(return_X_y=True)
    order = np.random.default_rng(args.seed).permutation(len(table))
    x = torch.tensor(table[order] * 20, dtype=torch.float32)
    y = torch.tensor((progress[order] - 150) / 77, dtype=torch.float32)
    x, xv, y, yv = x[:330], x[330:], y[:330], y[330:]
    model = ThreeOutputs(10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(x)).split(22):
            middle, edges = model(x[batch])
            loss = nn.functional.mse_loss(middle, y[batch]) + pinball(edges, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        model.eval()
        with torch.no_grad():
            middle, edges = model(xv)
        r2 = 1 - ((middle - yv).square().mean() / yv.var(unbiased=False)).item()
        inside = ((edges[:, 0] < yv) & (yv < edges[:, 1])).float().mean().item()
        if epoch % 10 == 9:
            print(f"epoch {epoch}: loss {total / len(x):.4f} R2 {r2:.4f} inside {inside:.2f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
