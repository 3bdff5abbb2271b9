"""A stack of dilated convolutions predicts, at every place of a series, the value that comes next."""

import argparse

import numpy as np
import torch
from torch import nn

SPAN = 64


def make_series(n, rng):
    t = np.arange(n)
    values = np.sin(2 * np.pi * t / 19) + 0.6 * np.sin(2 * np.pi * t / 5.7 + 0.4)
    drift = np.zeros(n)
    for i in range(1, n):
        drift[i] = 0.7 * drift[i - 1] + rng.normal(0, 0.35)
    return (values + drift).astype(np.float32)


class Chomp(nn.Module):
    """Cuts what the padding has added on the right."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return x[:, :, : -self.size]


class Level(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        pad = 2 * dilation
        self.body = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=pad, dilation=dilation), Chomp(pad), nn.ReLU(),
            nn.Conv1d(channels, channels, 3, padding=pad, dilation=dilation), Chomp(pad),
        )  # fmt: skip

    def forward(self, x):
        return torch.relu(x + self.body(x))


class Forecaster(nn.Module):
    def __init__(self, channels=24):
        super().__init__()
        self.enter = nn.Conv1d(1, channels, 1)
        self.levels = nn.Sequential(*[Level(channels, d) for d in (1, 2, 4)])
        self.leave = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        return self.leave(self.levels(self.enter(x)))


def pieces(values, starts):
    index = torch.as_tensor(starts)[:, None] + torch.arange(SPAN + 1)
    part = values[index].unsqueeze(1)
    return part[:, :, :-1], part[:, :, 1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    series = make_series(3000, np.random.default_rng(args.seed))
    train, valid = series[:2400], series[2400:]
    mean, std = train.mean(), train.std()
    train, valid = torch.from_numpy((train - mean) / std), torch.from_numpy((valid - mean) / std)
    xv, yv = pieces(valid, range(0, len(valid) - SPAN - 1, 16))
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for step in range(1, args.steps + 1):
        x, y = pieces(train, torch.randint(0, len(train) - SPAN - 1, (16,)))
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 0:
            model.eval()
            with torch.no_grad():
                error = (model(xv) - yv)[:, :, 16:].square().mean()
            model.train()
            r2 = 1 - (error / yv.var()).item()
            print(f"step {step}: mse {np.mean(losses[-100:]):.4f} R2 {r2:.4f}")
    print(f"RESULT train_loss={np.mean(losses[-100:]):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
