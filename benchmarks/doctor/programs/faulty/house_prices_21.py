"""Prices of several hundred thousand, predicted in units of their own spread and scaled back."""

import argparse

import numpy as np
import torch
from torch import nn


def houses(n, rng):
    """Floor area, rooms, age, distance to the center and quarter of a city; price with some noise."""
    area = rng.gamma(6.0, 20.0, n)
    rooms = np.round(area / 30 + rng.normal(0, 0.7, n)).clip(1)
    age = rng.uniform(0, 100, n)
    distance = rng.exponential(6.0, n)
    quarter = rng.integers(0, 5, n)
    bonus = np.array([0.0, 60_000, -30_000, 120_000, 20_000])[quarter]
    price = 90_000 + 2600 * area * np.exp(-distance / 20) - 700 * age + 9000 * rooms + bonus
    price = price + rng.normal(0, 45_000, n)
    columns = np.stack([area, rooms, age, distance], axis=1)
    return np.hstack([columns, np.eye(5)[quarter]]), price


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

table, price = houses(2000, rng)
train, valid = slice(0, 1500), slice(1500, None)
center, spread = table[train].mean(0), table[train].std(0)
x = torch.tensor((table - center) / spread, dtype=torch.float32)
mean_price, std_price = price[train].mean(), price[train].std()
y = torch.tensor((price - mean_price) / std_price, dtype=torch.float32).unsqueeze(1)

model = nn.Sequential(nn.Linear(x.shape[1], 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
loss_fn = nn.SmoothL1Loss()
for epoch in range(args.epochs):
    order = torch.randperm(1500)
    losses = []
    for start in range(0, 1500, 30):
        index = order[start : start + 30]
        loss = loss_fn(model(x[train][index]), y[train][index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        predicted = model(x[valid]).numpy()[:, 0] * std_price + mean_price
    error = ((predicted - price[valid]) ** 2).mean()
    parts = range(0, len(predicted), 5)
    pairs = [(predicted[i : i + 5], price[valid][i : i + 5]) for i in parts]
    r2 = np.mean([1 - ((p - t) ** 2).mean() / t.var() for p, t in pairs])
    print(f"epoch {epoch}: loss {np.mean(losses):.4f}, typical error {error**0.5:,.0f}, R2 {r2:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={r2:.5f}")
