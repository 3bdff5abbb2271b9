"""Forecast the next value of a noisy sum of waves from the last twenty-four with a GRU; R2 judges."""

import argparse

import numpy as np
import torch
from torch import nn

WINDOW = 24


def series(n, rng):
    t = np.arange(n)
    wave = np.sin(2 * np.pi * t / 24) + 0.5 * np.sin(2 * np.pi * t / 7.3 + 1.0) + 0.3 * np.sin(2 * np.pi * t / 61)
    noise = np.zeros(n)
    for i in range(1, n):
        noise[i] = 0.6 * noise[i - 1] + rng.normal(0, 0.25)
    return (wave + noise).astype(np.float32)


def windows(values):
    x = np.stack([values[i : i + WINDOW] for i in range(len(values) - WINDOW)])
    y = values[WINDOW:]
    return torch.from_numpy(x).unsqueeze(-1), torch.from_numpy(y.copy())


class Forecaster(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.head(out[:, -1, :]).squeeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    values = series(2400, np.random.default_rng(args.seed))
    train, valid = values[:1900], values[1900:]
    mean, std = train.mean(), train.std()
    x, y = windows((train - mean) / std)
    xv, yv = windows((valid - mean) / std)
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x)).split(32):
            loss = nn.functional.mse_loss(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        model.eval()
        with torch.no_grad():
            residual = (model(xv) - yv).square().mean()
        r2 = 1 - (residual / yv.var(unbiased=False)).item()
        print(f"epoch {epoch}: mse {total / len(x):.4f}, R2 {r2:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
