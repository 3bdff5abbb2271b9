"""Digits by their profiles: the ink of each row, of each column and of both diagonals, then a small network."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


def profiles(images):
    """For each picture its 8 rows, 8 columns and 30 diagonals, summed."""
    table = []
    row = np.empty(46, dtype=np.float32)
    for image in images:
        row[:8] = image.sum(axis=1)
        row[8:16] = image.sum(axis=0)
        for k in range(-7, 8):
            row[16 + k + 7] = np.trace(image, offset=k)
            row[31 + k + 7] = np.trace(image[:, ::-1], offset=k)
        table.append(row)
    return np.stack(table)


class Net(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, x):
        return self.layers(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    table = profiles(digits.images / 16)
    x, xv, y, yv = train_test_split(
        table, digits.target, test_size=0.25, random_state=args.seed, stratify=digits.target
    )
    center, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    x, xv = torch.from_numpy((x - center) / spread), torch.from_numpy((xv - center) / spread)
    y, yv = torch.from_numpy(y), torch.from_numpy(yv)

    net = Net(x.shape[1], 64, 10)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
    loss_function = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for index in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = loss_function(net(x[index]), y[index])
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
