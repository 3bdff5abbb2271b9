"""By when will the parcel be there, nine times out of ten? The 90 % quantile of the hours, from distance, weight and
weekday; judged by how near the share of parcels in time comes to 90 %."""

import argparse

import numpy as np
import torch
from torch import nn

Q = 0.9


def parcels(n, rng):
    distance, weight, weekday = rng.gamma(2.0, 150.0, n), rng.exponential(3.0, n), rng.integers(0, 7, n)
    usual = 10 + distance / 25 + 0.8 * weight + 12 * (weekday >= 4)
    hours = usual + rng.gamma(1.5, 2 + distance / 100, n)
    days = np.eye(7)[weekday]
    return np.column_stack([distance / 300, weight / 3, days]).astype(np.float32), hours.astype(np.float32)


def quantile_loss(predicted, hours):
    late = predicted - hours
    return torch.maximum((Q - 1) * late, Q * late).mean()


class Promise(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.hidden = nn.Linear(columns, 48)
        self.second = nn.Linear(48, 48)
        self.out = nn.Linear(48, 1)

    def forward(self, x):
        x = torch.tanh(self.hidden(x))
        x = torch.tanh(self.second(x))
        return self.out(x).squeeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, hours = (torch.from_numpy(a) for a in parcels(2500, rng))
    xv, hours_v = (torch.from_numpy(a) for a in parcels(1500, rng))
    mean, spread = hours.mean(), hours.std()
    target = (hours - mean) / spread
    model = Promise(x.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for index in torch.randperm(len(x)).split(50):
            loss = quantile_loss(model(x[index]), target[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            promised = model(xv) * spread + mean
        in_time = (hours_v <= promised).float().mean().item()
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} in time {in_time:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={1 - abs(in_time - Q):.5f}")


if __name__ == "__main__":
    main()
