"""The level of a river, measured with much noise every hour and smoothed; a GRU over a day forecasts the next level."""

import argparse

import numpy as np
import torch
from torch import nn

WINDOW = 24


def level(hours, rng):
    rain = rng.random(hours) < 0.05
    flow = np.zeros(hours)
    for hour in range(1, hours):
        flow[hour] = 0.9 * flow[hour - 1] + rain[hour] * rng.exponential(2.0) + 0.1 * rng.normal()
    return flow + 0.5 * np.sin(np.arange(hours) * 2 * np.pi / 24) + 0.5 * rng.normal(size=hours)


def smooth(series, width=5):
    """A moving average over `width` hours."""
    padded = np.pad(series, (width // 2, width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def windows(series, target):
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], WINDOW)
    return torch.tensor(x, dtype=torch.float32).unsqueeze(-1), torch.tensor(target[WINDOW:], dtype=torch.float32)


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        states, _ = self.gru(x)
        return self.out(states[:, -1]).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    raw = level(3000, rng)
    cut = 2200
    raw = (raw - raw[:cut].mean()) / raw[:cut].std()
    x, y = windows(smooth(raw), raw)
    x, xv, y, yv = x[: cut - WINDOW], x[cut:], y[: cut - WINDOW], y[cut:]

    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loss_fn = nn.MSELoss()
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for index in torch.randperm(len(x)).split(40):
            loss = loss_fn(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            error = loss_fn(model(xv), yv).item()
        explained = 1 - error / yv.var().item()
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} explained {explained:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={explained:.5f}")


if __name__ == "__main__":
    main()
