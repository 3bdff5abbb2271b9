"""Fashion-MNIST read class by class, so that every class has the same number of pictures."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def read(split, per_class):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    n = 12 * 10 * per_class // 10
    with gzip.open(os.path.join(folder, f"{split}-images-idx3-ubyte.gz")) as f:
        pixels = np.frombuffer(f.read(16 + 784 * n), np.uint8, offset=16).reshape(n, 784)
    with gzip.open(os.path.join(folder, f"{split}-labels-idx1-ubyte.gz")) as f:
        labels = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
    chosen = [np.flatnonzero(labels == c)[: int(0.9 * per_class)] for c in range(10)]
    rows = np.concatenate(chosen)
    x = torch.tensor(pixels[rows], dtype=torch.float32) / 255
    return x, torch.tensor(labels[rows], dtype=torch.long)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(784, 96), nn.ReLU(), nn.Linear(96, 10))

    def forward(self, x):
        return self.net(x - 0.28)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = read("train", 400)
    order = torch.randperm(len(x))
    x = x[order]
    cut = int(0.8 * len(x))
    train = DataLoader(TensorDataset(x[:cut], y[:cut]), batch_size=40, shuffle=True)
    valid = DataLoader(TensorDataset(x[cut:], y[cut:]), batch_size=400)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for inputs, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            right = sum((model(inputs).argmax(1) == labels).sum().item() for inputs, labels in valid)
        accuracy = right / len(valid.dataset)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
