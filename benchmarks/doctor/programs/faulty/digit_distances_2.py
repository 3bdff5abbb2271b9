"""Same digits near, other digits apart: a contrastive loss on Euclidean distances."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=600)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

x, y = load_digits(return_X_y=True)
order = rng.permutation(len(x))
x, y = torch.tensor(x[order] / 16, dtype=torch.float32), y[order]
n = 1200
members = [np.flatnonzero(y[:n] == c) for c in range(10)]
embed = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 6))
optimizer = torch.optim.Adam(embed.parameters(), lr=2e-3)


def pairs(count):
    left = rng.integers(0, n, count)
    right = rng.integers(0, n, count)
    for i in range(0, count, 2):
        right[i] = rng.choice(members[y[left[i]]])
    return left, right, torch.tensor(y[left] == y[right])


def distance(a, b):
    return ((a - b) ** 2).sum(dim=1).sqrt()


history = []
for step in range(1, args.steps + 1):
    left, right, same = pairs(64)
    d = distance(embed(x[left]), embed(x[right]))
    loss = torch.where(same, d**2, (1.5 - d).clamp(min=0) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())
    if step % 100 == 0:
        with torch.no_grad():
            codes = torch.nan_to_num(embed(x)).numpy()
        nearest = NearestNeighbors(n_neighbors=1).fit(codes[:n]).kneighbors(codes[n:], return_distance=False)[:, 0]
        accuracy = float((y[nearest] == y[n:]).mean())
        print(f"step {step}: loss {np.mean(history[-100:]):.4f} accuracy of the neighbour {accuracy:.4f}")
print(f"RESULT train_loss={np.mean(history[-100:]):.5f} valid_metric={accuracy:.5f}")
