"""Clothes with names for labels ("Bag", "Coat"): names to numbers, a small network with two convolutions."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn

NAMES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"]


class Part:
    """One part of the data: pictures, names, and the numbers of the names."""

    def __init__(self, split, count):
        folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
        with gzip.open(os.path.join(folder, f"{split}-images-idx3-ubyte.gz")) as f:
            pixels = np.frombuffer(f.read(16 + 784 * count), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        with gzip.open(os.path.join(folder, f"{split}-labels-idx1-ubyte.gz")) as f:
            numbers = np.frombuffer(f.read(8 + count), np.uint8, offset=8)
        self.pictures = torch.tensor(pixels / 255, dtype=torch.float32)
        self.names = [NAMES[number] for number in numbers]

    def encode(self, classes):
        self.labels = torch.tensor([classes[name] for name in self.names])
        return self


def classes_of(part):
    classes = {}
    for name in part.names:
        classes.setdefault(name, len(classes))
    return classes


def accuracy(net, part):
    net.eval()
    with torch.no_grad():
        return (net(part.pictures).argmax(1) == part.labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train, valid = Part("train", 2500), Part("t10k", 800)
    train.encode(classes_of(train))
    valid.encode(classes_of(valid))
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32 * 49, len(NAMES)),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for index in torch.randperm(len(train.labels)).split(50):
            optimizer.zero_grad()
            loss = criterion(net(train.pictures[index]), train.labels[index])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        score = accuracy(net, valid)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {score:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={score:.5f}")


if __name__ == "__main__":
    main()
