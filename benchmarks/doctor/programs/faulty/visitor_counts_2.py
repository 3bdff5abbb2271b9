"""Predict the logarithm of daily visitors; some days nobody comes."""

import argparse

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=15)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

days = rng.integers(0, 365, 2500)
warmth = np.sin(2 * np.pi * (days - 100) / 365) + rng.normal(0, 0.3, 2500)
weekend = (days % 7 >= 5).astype(float)
rain = rng.random(2500)
visitors = rng.poisson(np.exp(1.5 + 1.4 * warmth + 0.9 * weekend - 2 * rain))
x = torch.tensor(np.stack([warmth, weekend, rain], axis=1), dtype=torch.float32)
y = torch.log(torch.tensor(visitors, dtype=torch.float32))
x, xv, y, yv = x[:2000], x[2000:], y[:2000], y[2000:]

model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(args.epochs):
    losses = []
    for index in torch.randperm(len(x)).split(40):
        optimizer.zero_grad()
        predicted = model(x[index]).squeeze(1)
        loss = nn.functional.mse_loss(predicted, y[index])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        error = nn.functional.mse_loss(model(xv).squeeze(1), yv)
    r2 = (1 - error / yv.var(unbiased=False)).item()
    print(f"epoch {epoch}: loss {np.mean(losses):.4f} R2 {r2:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={r2:.5f}")
