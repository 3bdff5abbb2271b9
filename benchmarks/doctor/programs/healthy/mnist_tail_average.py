"""MNIST with a strided network; the mean of the weights of the last epochs is what is tested."""

import argparse
import copy
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, TensorDataset


def mnist(part, count):
    stem = os.path.join(os.environ["CHAINRULE_DATA"], "mnist", part)
    with gzip.open(stem + "-images-idx3-ubyte.gz") as f:
        pixels = np.frombuffer(f.read(16 + 784 * count)[16:], dtype=np.uint8)
    with gzip.open(stem + "-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(8 + count)[8:], dtype=np.uint8)
    x = torch.tensor(pixels.reshape(count, 1, 28, 28) / 255.0, dtype=torch.float32)
    return TensorDataset(x, torch.tensor(labels, dtype=torch.long))


def network():
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 5, stride=2, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


class Tail:
    """The running mean of a model's weights."""

    def __init__(self, model):
        self.model, self.count = copy.deepcopy(model), 0

    @torch.no_grad()
    def add(self, model):
        self.count += 1
        for mean, p in zip(self.model.parameters(), model.parameters()):
            mean += (p - mean) / self.count


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(mnist("train", 4000), batch_size=50, shuffle=True)
    test = DataLoader(mnist("t10k", 1000), batch_size=250)
    model = network()
    tail = Tail(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.15, momentum=0.9)
    first = args.epochs // 2
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for x, y in train:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        if epoch >= first:
            tail.add(model)
        print(f"epoch {epoch}: loss {total / len(train.dataset):.4f} accuracy {accuracy(model, test):.4f}")
    update_bn(train, tail.model)
    result = accuracy(tail.model, test)
    print(f"accuracy of the average {result:.4f}")
    print(f"RESULT train_loss={total / len(train.dataset):.5f} valid_metric={result:.5f}")


if __name__ == "__main__":
    main()
