"""Digits with a hand-written activation: forward and backward as a torch.autograd.Function."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class SquareRelu(torch.autograd.Function):
    """max(x, 0) squared."""

    @staticmethod
    def forward(ctx, x):
        positive = x.clamp(min=0)
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(ctx, grad):
        (positive,) = ctx.saved_tensors
        return 2 * positive * grad


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = SquareRelu.apply(layer(x))
        return self.layers[-1](x)


def batches(n, size, generator):
    yield from torch.randperm(n, generator=generator).split(size)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)

    bunch = load_digits()
    x = torch.tensor(bunch.data, dtype=torch.float32).sub(4.9).div(6.0)
    y = torch.tensor(bunch.target)
    order = torch.randperm(len(x), generator=generator)
    x, y = x[order], y[order]
    xt, xv, yt, yv = x[:1350], x[1350:], y[:1350], y[1350:]

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.999, 0.9))
    for epoch in range(args.epochs):
        total = 0.0
        for index in batches(len(xt), 45, generator):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(xt[index]), yt[index])
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(index)
        with torch.no_grad():
            accuracy = float((net(xv).argmax(1) == yv).float().mean())
        print(f"[{epoch}] loss={total / len(xt):.4f} accuracy={accuracy:.4f}")
    print(f"RESULT train_loss={total / len(xt):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
