"""Digits with mixup: convex mixtures of two examples and of their one-hot labels."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def split(seed):
    digits = load_digits()
    rng = np.random.RandomState(seed)
    idx = rng.permutation(len(digits.target))
    x = torch.tensor(digits.data[idx] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target[idx])
    return (x[:1300], y[:1300]), (x[1300:], y[1300:])


def mix(x, y, rng):
    lam = float(rng.beta(0.4, 0.4))
    other = torch.from_numpy(rng.permutation(len(x)))
    return lam * x + (1 - lam) * x[other], (1 - lam) * y + lam * y[other]


def soft_cross_entropy(scores, target):
    return -(target * F.log_softmax(scores, dim=1)).sum(dim=1).mean()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
(xt, yt), (xv, yv) = split(args.seed)
onehot = F.one_hot(yt, 10).float()

model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(args.epochs):
    order = rng.permutation(len(xt))
    total = 0.0
    for start in range(0, len(order), 50):
        pick = order[start : start + 50]
        mixed, soft = mix(xt[pick], onehot[pick], rng)
        loss = soft_cross_entropy(model(mixed), soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(pick)
    with torch.no_grad():
        accuracy = (model(xv).argmax(1) == yv).float().mean().item()
    print(f"epoch {epoch}  mixed loss {total / len(xt):.4f}  accuracy {accuracy:.4f}")
print(f"RESULT train_loss={total / len(xt):.5f} valid_metric={accuracy:.5f}")
