"""A two-layer perceptron on the digits: own module, SGD with momentum, batches cut from a permutation."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Perceptron(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.hidden = nn.Linear(64, width)
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        h = F.relu(self.hidden(x))
        return self.out(h)


def load(seed):
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    cut = 1400
    mean, std = x[:cut].mean(axis=0), x[:cut].std(axis=0)
    x = (x - mean) / (std + 1e-6)
    x = torch.from_numpy(x).float()
    y = torch.from_numpy(y)
    return x[:cut], y[:cut], x[cut:], y[cut:]


def evaluate(net, x, y):
    net.eval()
    with torch.no_grad():
        scores = net(x)
        return F.cross_entropy(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    xt, yt, xv, yv = load(args.seed)
    net = Perceptron(50)
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.999)
    for epoch in range(args.epochs):
        net.train()
        perm = torch.randperm(len(xt))
        for i in range(0, len(xt), 50):
            idx = perm[i : i + 50]
            loss = F.cross_entropy(net(xt[idx]), yt[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        train_loss, train_acc = evaluate(net, xt, yt)
        valid_loss, valid_acc = evaluate(net, xv, yv)
        print(f"{epoch}: train {train_loss:.4f}/{train_acc:.3f} valid {valid_loss:.4f}/{valid_acc:.3f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={valid_acc:.5f}")


if __name__ == "__main__":
    main()
