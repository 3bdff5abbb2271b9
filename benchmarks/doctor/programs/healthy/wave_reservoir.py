"""An echo state network: the recurrent weights are drawn once and never trained, only the readout is."""

import argparse

import numpy as np
import torch
from torch import nn


def mackey_glass(n, seed, delay=17):
    rng = np.random.default_rng(seed)
    x = list(1.2 + 0.1 * rng.standard_normal(delay + 1))
    for _ in range(n + 300):
        x.append(x[-1] + 0.2 * x[-1 - delay] / (1 + x[-1 - delay] ** 10) - 0.1 * x[-1])
    return torch.tensor(x[-n:], dtype=torch.float32)


class Reservoir(nn.Module):
    def __init__(self, size=200, radius=0.95):
        super().__init__()
        recurrent = torch.randn(size, size) * (torch.rand(size, size) < 0.1)
        recurrent *= radius / torch.linalg.eigvals(recurrent).abs().max()
        self.register_buffer("recurrent", recurrent)
        self.register_buffer("inward", torch.rand(size) - 0.5)
        self.readout = nn.Linear(size, 1)

    @torch.no_grad()
    def states(self, series):
        h, kept = torch.zeros(len(self.inward)), []
        for value in series:
            h = torch.tanh(self.recurrent @ h + self.inward * value)
            kept.append(h)
        return torch.stack(kept)

    def forward(self, states):
        return self.readout(states).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--ahead", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    series = mackey_glass(3000, args.seed)
    series = (series - series[:2000].mean()) / series[:2000].std()
    model = Reservoir()
    states = model.states(series[: -args.ahead])
    target = series[args.ahead :]
    x, y, xv, yv = states[100:2000], target[100:2000], states[2000:], target[2000:]
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    for epoch in range(args.epochs):
        total = 0.0
        for index in torch.randperm(len(x)).split(50):
            loss = nn.functional.mse_loss(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        scheduler.step()
        with torch.no_grad():
            r2 = 1 - ((model(xv) - yv).square().mean() / yv.var()).item()
        if epoch % 10 == 9:
            print(f"epoch {epoch}: mse {total / len(x):.5f} R2 {r2:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
