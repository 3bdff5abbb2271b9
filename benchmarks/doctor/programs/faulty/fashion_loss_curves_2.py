"""Training and validation loss of a convolutional network, collected for a plot."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def dataset(split, n):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    with gzip.open(os.path.join(folder, f"{split}-images-idx3-ubyte.gz")) as f:
        x = np.frombuffer(f.read(16 + 784 * n), np.uint8, offset=16).reshape(n, 1, 28, 28)
    with gzip.open(os.path.join(folder, f"{split}-labels-idx1-ubyte.gz")) as f:
        y = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
    return TensorDataset(torch.tensor(x / 255, dtype=torch.float32), torch.tensor(y, dtype=torch.long))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(dataset("train", 2000), batch_size=40, shuffle=True)
    valid = DataLoader(dataset("t10k", 3000), batch_size=100)
    model = nn.Sequential(
        nn.Conv2d(1, 24, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(24 * 49, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    curves = {"train": [], "valid": []}
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves["train"].append(sum(losses) / len(losses))
        model.eval()
        losses, right = [], 0
        for x, y in valid:
            scores = model(x)
            losses.append(criterion(scores, y))
            right += int((scores.argmax(1) == y).sum())
        curves["valid"].append(sum(losses) / len(losses))
        accuracy = right / len(valid.dataset)
        print(f"epoch {epoch}: {curves['train'][-1]:.4f} {float(curves['valid'][-1]):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={curves['train'][-1]:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
