"""MNIST with three convolutions of one width, each with stride two and normalization."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read(part, count):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "mnist")
    with gzip.open(os.path.join(folder, f"{part}-images-idx3-ubyte.gz")) as f:
        x = np.frombuffer(f.read(16 + 784 * count)[16:], np.uint8).reshape(count, 1, 28, 28)
    with gzip.open(os.path.join(folder, f"{part}-labels-idx1-ubyte.gz")) as f:
        y = np.frombuffer(f.read(8 + count)[8:], np.uint8)
    return torch.tensor(x / 255, dtype=torch.float32), torch.tensor(y, dtype=torch.long)


class Stages(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.scores = nn.Linear(16 * width, 10)

    def forward(self, x):
        x = F.relu(self.norm(self.conv1(x)))
        x = F.relu(self.norm(self.conv2(x)))
        x = F.relu(self.norm(self.conv3(x)))
        return self.scores(x.flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = read("train", 4000)
    xv, yv = read("t10k", 1000)
    net = Stages()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for index in torch.randperm(len(x)).split(50):
            loss = F.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
