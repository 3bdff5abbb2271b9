"""Two hundred patients, forty measurements that say little: a small network, validated on fifty."""

import argparse

import numpy as np
import torch
from torch import nn

COLUMNS = 40


def clinic(n, rng):
    ill = rng.integers(0, 2, n)
    values = rng.normal(size=(n, COLUMNS))
    values[:, :5] += 0.45 * ill[:, None]
    values[:, 5] *= 1 + 0.5 * ill
    return values.astype(np.float32), ill


class Diagnosis:
    def __init__(self, lr):
        self.net = nn.Sequential(nn.Linear(COLUMNS, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=lr)

    def epoch(self, x, y):
        self.net.train()
        losses = []
        for index in torch.randperm(len(x)).split(15):
            loss = nn.functional.cross_entropy(self.net(x[index]), y[index])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    def score(self, x, y):
        self.net.eval()
        with torch.no_grad():
            return (self.net(x).argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, y = (torch.from_numpy(a) for a in clinic(200, rng))
    xv, yv = x[150:], y[150:]
    model = Diagnosis(lr=3e-3)
    accuracies = []
    for epoch in range(args.epochs):
        loss = model.epoch(x[:150], y[:150])
        accuracies.append(model.score(xv, yv))
        if epoch % 5 == 4:
            print(f"epoch {epoch}: loss {loss:.4f} accuracy {accuracies[-1]:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={max(accuracies):.5f}")


if __name__ == "__main__":
    main()
