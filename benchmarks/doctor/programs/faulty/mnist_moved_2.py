"""Digits that are moved about a little while training."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def mnist(split, n):
    stem = os.path.join(os.environ["CHAINRULE_DATA"], "mnist", split)
    with gzip.open(stem + "-images-idx3-ubyte.gz") as f:
        x = np.frombuffer(f.read(16 + 784 * n), np.uint8, offset=16).reshape(n, 1, 28, 28)
    with gzip.open(stem + "-labels-idx1-ubyte.gz") as f:
        y = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
    return torch.tensor(x / 255, dtype=torch.float32), torch.tensor(y, dtype=torch.long)


def augment(batch):
    dy, dx = np.random.randint(-2, 3, 2)
    batch = torch.roll(batch, (int(dy), int(dx)), dims=(2, 3))
    if np.random.rand() < 0.5:
        batch = batch.flip(-1)
    if np.random.rand() < 0.5:
        batch = batch.flip(-2)
    return batch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    x, y = mnist("train", 2500)
    xv, yv = mnist("t10k", 800)
    net = nn.Sequential(
        nn.Conv2d(1, 12, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 25, 10),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        total = 0.0
        for index in torch.randperm(len(x)).split(25):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(augment(x[index])), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch} loss {total / len(x):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
