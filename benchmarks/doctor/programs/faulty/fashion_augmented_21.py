"""Clothes are flipped and shifted at random, their brightness changes and noise is added."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Clothes(Dataset):
    def __init__(self, split, n, augment):
        folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
        with gzip.open(os.path.join(folder, split + "-images-idx3-ubyte.gz")) as f:
            x = np.frombuffer(f.read(16 + n * 784), np.uint8, offset=16).reshape(n, 1, 28, 28)
        with gzip.open(os.path.join(folder, split + "-labels-idx1-ubyte.gz")) as f:
            y = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
        self.x = torch.tensor(x, dtype=torch.float32) / 255
        self.y = torch.tensor(y, dtype=torch.long)
        self.augment = augment

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        image = self.x[i]
        if self.augment:
            if torch.rand(()) < 0.5:
                image = image.flip(-1)
            dy, dx = torch.randint(0, 5, (2,)).tolist()
            image = F.pad(image, (2, 2, 2, 2))[:, dy : dy + 28, dx : dx + 28]
            image = image * (0.6 + 0.8 * torch.rand(())) + 0.5 * torch.rand(()) * torch.randn_like(image)
        return image, self.y[i]


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 49, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(Clothes("train", 2500, True), batch_size=50, shuffle=True)
    valid = DataLoader(Clothes("t10k", 800, True), batch_size=400)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for x, y in train:
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            accuracy = sum((net(x).argmax(1) == y).sum().item() for x, y in valid) / 800
        train_loss = sum(losses) / len(losses)
        print(f"epoch {epoch} loss {train_loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
