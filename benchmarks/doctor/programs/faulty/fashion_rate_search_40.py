"""Look for a learning rate first (it grows from step to step until the loss explodes), then train with a tenth of it."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def dataset(split, count):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    with gzip.open(f"{folder}/{split}-images-idx3-ubyte.gz") as f:
        x = np.frombuffer(f.read(16 + 784 * count), np.uint8, offset=16).reshape(count, 784)
    with gzip.open(f"{folder}/{split}-labels-idx1-ubyte.gz") as f:
        y = np.frombuffer(f.read(8 + count), np.uint8, offset=8)
    return TensorDataset(torch.tensor(x, dtype=torch.float32) / 255 - 0.286, torch.tensor(y, dtype=torch.long))


def find_rate(model, loader, criterion, low=1e-4, high=30.0, steps=60):
    optimizer = torch.optim.SGD(model.parameters(), lr=low, momentum=0.9)
    factor = (high / low) ** (1 / steps)
    best, best_rate, rate, smooth = float("inf"), low, low, None
    batches = iter(loader)
    for _ in range(steps):
        x, y = next(batches)
        loss = criterion(model(x), y)
        smooth = loss.item() if smooth is None else 0.7 * smooth + 0.3 * loss.item()
        if smooth < best:
            best, best_rate = smooth, rate
        if smooth > 6 * best:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate *= factor
        for group in optimizer.param_groups:
            group["lr"] = rate
    return best_rate / 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(dataset("train", 4000), batch_size=50, shuffle=True)
    test = DataLoader(dataset("t10k", 1000), batch_size=500)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    criterion = nn.CrossEntropyLoss()
    rate = find_rate(model, train, criterion)
    print(f"rate {rate:.4f}")
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for epoch in range(args.epochs):
        losses = []
        for x, y in train:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            accuracy = np.mean([(model(x).argmax(1) == y).float().mean().item() for x, y in test])
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
