"""Adam written out as a small class of its own; a module with two layers is trained with it."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class OwnAdam:
    def __init__(self, params, rate=2e-3, first=0.9, second=0.999, eps=1e-8):
        self.params = list(params)
        self.rate, self.first, self.second, self.eps = rate, first, second, eps
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]
        self.t = 0

    def clear(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def update(self):
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v):
            m.mul_(self.first).add_(p.grad, alpha=1 - self.first)
            v.mul_(self.second).add_(p.grad**2, alpha=1 - self.second)
            mean = m / (1 - self.first**self.t)
            square = v / (1 - self.second**self.t)
            p = p - self.rate * mean / (square.sqrt() + self.eps)


class Net(nn.Module):
    def __init__(self, width=80):
        super().__init__()
        self.one = nn.Linear(64, width)
        self.two = nn.Linear(width, width)
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        return self.out(torch.tanh(self.two(torch.tanh(self.one(x)))))


def split(seed):
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    x, y = torch.tensor(x, dtype=torch.float32)[order] / 8 - 1, torch.tensor(y)[order]
    return x[:1400], y[:1400], x[1400:], y[1400:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y, xv, yv = split(args.seed)
    net = Net()
    optimizer = OwnAdam(net.parameters())
    for epoch in range(args.epochs):
        total = 0.0
        for index in torch.randperm(len(x)).split(40):
            optimizer.clear()
            loss = F.cross_entropy(net(x[index]), y[index])
            loss.backward()
            optimizer.update()
            total += loss.item() * len(index)
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(x):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
