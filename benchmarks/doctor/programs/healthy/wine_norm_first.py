"""Wines told apart from raw measurements: batch normalization is the first layer and does the scaling; repeated splits."""

import argparse

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import ShuffleSplit
from torch import nn


class WineNet(nn.Module):
    def __init__(self, inputs, classes, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(inputs, affine=False),
            nn.Linear(inputs, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, classes),
        )

    def forward(self, x):
        return self.layers(x)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(dim=1) == y).float().mean().item()


def fit(net, x, y, xv, yv, epochs):
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    print(f"  before training: accuracy {accuracy(net, xv, yv):.4f}")
    for epoch in range(epochs):
        net.train()
        total, count = 0.0, 0
        for index in torch.randperm(len(x)).split(20):
            if len(index) < 2:
                continue
            loss = nn.functional.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
            count += len(index)
        result = accuracy(net, xv, yv)
    return total / count, result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = load_wine(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    losses, scores = [], []
    for train, valid in ShuffleSplit(4, test_size=0.35, random_state=args.seed).split(x):
        net = WineNet(x.shape[1], int(y.max()) + 1)
        loss, score = fit(net, x[train], y[train], x[valid], y[valid], args.epochs)
        print(f"split: loss {loss:.4f} accuracy {score:.4f}")
        losses.append(loss)
        scores.append(score)
    print(f"RESULT train_loss={sum(losses) / 4:.5f} valid_metric={sum(scores) / 4:.5f}")


if __name__ == "__main__":
    main()
