"""One trunk and two heads: which digit, and how much ink (scaled), with a weighted sum of losses."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class TwoHeads(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.digit = nn.Linear(width, 10)
        self.ink = nn.Linear(width, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.digit(h), self.ink(h).squeeze(-1)


def prepare(seed):
    bunch = load_digits()
    x = torch.tensor(bunch.data, dtype=torch.float32)
    y = torch.tensor(bunch.target)
    ink = x.sum(1)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    x, y, ink = x[order] / 16, y[order], ink[order]
    cut = 1400
    return [t[:cut] for t in (x, y, ink)], [t[cut:] for t in (x, y, ink)]


def main(seed, epochs):
    torch.manual_seed(seed)
    (x, y, ink), (xv, yv, inkv) = prepare(seed)
    net = TwoHeads()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(x)).split(35):
            scores, amount = net(x[batch])
            loss = F.cross_entropy(scores, y[batch]) + 0.5 * F.mse_loss(amount, ink[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            scores, amount = net(xv)
            accuracy = (scores.argmax(1) == yv).float().mean().item()
            error = F.mse_loss(amount, inkv).item()
        print(f"epoch {epoch}: loss {total / len(x):.4f}, accuracy {accuracy:.4f}, ink error {error:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    main(args.seed, args.epochs)
