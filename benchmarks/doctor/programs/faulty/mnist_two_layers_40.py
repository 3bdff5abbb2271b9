"""MNIST with two dense layers and plain SGD; every batch is a slice of a shuffled table."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SIZE = 50


def table(part, count):
    root = os.path.join(os.environ["CHAINRULE_DATA"], "mnist", part)
    with gzip.open(root + "-images-idx3-ubyte.gz", "rb") as f:
        f.read(16)
        x = np.frombuffer(f.read(784 * count), np.uint8).reshape(count, 784)
    with gzip.open(root + "-labels-idx1-ubyte.gz", "rb") as f:
        f.read(8)
        y = np.frombuffer(f.read(count), np.uint8)
    return torch.tensor(x, dtype=torch.float32).div(255), torch.tensor(y).long()


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(784, 64)
        self.second = nn.Linear(64, 10)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def update(net, optimizer, x, y):
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def accuracy(net, x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = table("train", 4000)
    xv, yv = table("t10k", 1000)
    net = Dense()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    order = torch.randperm(len(x))
    losses = []
    for index in order.split(SIZE):
        for epoch in range(args.epochs):
            losses.append(update(net, optimizer, x[index], y[index]))
    print(f"mean loss of the last batches {np.mean(losses[-80:]):.4f}, accuracy {accuracy(net, xv, yv):.4f}")
    with torch.no_grad():
        train_loss = F.cross_entropy(net(x), y).item()
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy(net, xv, yv):.5f}")


if __name__ == "__main__":
    main()
