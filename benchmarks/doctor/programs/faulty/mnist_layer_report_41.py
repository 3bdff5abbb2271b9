"""MNIST with a report: after every epoch, how large each layer's output was on average."""

import argparse
import gzip
import os
from collections import defaultdict

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(part, count):
    root = os.path.join(os.environ["CHAINRULE_DATA"], "mnist")
    with gzip.open(os.path.join(root, part + "-images-idx3-ubyte.gz")) as f:
        x = np.frombuffer(f.read(16 + 784 * count), np.uint8, offset=16)
    with gzip.open(os.path.join(root, part + "-labels-idx1-ubyte.gz")) as f:
        y = np.frombuffer(f.read(8 + count), np.uint8, offset=8)
    x = torch.tensor(x.reshape(count, 1, 28, 28) / 255)
    return TensorDataset(x, torch.tensor(y, dtype=torch.long))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(16 * 49, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc(x.flatten(1))


class Watch:
    """Notes the output of every layer that has weights."""

    def __init__(self, model):
        self.seen = defaultdict(list)
        for name, layer in model.named_modules():
            if hasattr(layer, "weight"):
                layer.register_forward_hook(self.hook(name))

    def hook(self, name):
        def note(layer, inputs, output):
            self.seen[name].append(output.abs().mean().item())

        return note

    def report(self):
        return ", ".join(f"{name} {float(sum(values) / len(values)):.3f}" for name, values in self.seen.items())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(load("train", 2500), batch_size=50, shuffle=True)
    test = DataLoader(load("t10k", 800), batch_size=200)
    model = Net().double()
    watch = Watch(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        total = 0.0
        for x, y in train:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        with torch.no_grad():
            accuracy = sum((model(x).argmax(1) == y).sum().item() for x, y in test) / len(test.dataset)
        print(f"epoch {epoch}: loss {total / len(train.dataset):.4f} accuracy {accuracy:.4f}; {watch.report()}")
    print(f"RESULT train_loss={total / len(train.dataset):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
