"""How worn is the machine? Six sensors; trained on the first months, validated on the months after them."""

import argparse

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn


def measurements(n, rng):
    """Wear grows by and by, is taken back by repairs, and moves every sensor."""
    wear = np.zeros(n)
    for i in range(1, n):
        wear[i] = wear[i - 1] + rng.exponential(0.02)
        if rng.random() < 0.004:
            wear[i] *= 0.6
    temperature = 40 + 3 * wear + rng.normal(0, 2, n)
    vibration = 0.5 + 0.2 * np.sqrt(wear) + rng.normal(0, 0.1, n)
    current = 12 + 0.8 * wear + 2 * np.sin(np.arange(n) / 24) + rng.normal(0, 0.5, n)
    load = rng.uniform(0, 1, n)
    noise = 60 + 5 * load + 1.5 * wear * load + rng.normal(0, 1, n)
    return np.column_stack([temperature, vibration, current, load, noise, rng.normal(size=n)]), wear


def tensors(table, wear):
    return torch.tensor(table, dtype=torch.float32), torch.tensor(wear, dtype=torch.float32).unsqueeze(1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=25)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

table, wear = measurements(3000, rng)
cut = 2400
scaler = StandardScaler()
train_table = scaler.fit_transform(table[:cut])
valid_table = scaler.fit_transform(table[cut:])
x, y = tensors(train_table, wear[:cut])
x_valid, y_valid = tensors(valid_table, wear[cut:])
middle, scale = y.mean(), y.std()

model = nn.Sequential(nn.Linear(x.shape[1], 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(args.epochs):
    model.train()
    running = 0.0
    for index in torch.randperm(cut).split(40):
        optimizer.zero_grad()
        loss = criterion(model(x[index]), (y[index] - middle) / scale)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(index)
    model.eval()
    with torch.no_grad():
        error = (model(x_valid) * scale + middle - y_valid).abs().mean().item()
    judged = 1 - error / scale.item()
    print(f"epoch {epoch}: loss {running / cut:.4f}, mean error {error:.3f}, as a share of the spread {1 - judged:.4f}")
print(f"RESULT train_loss={running / cut:.5f} valid_metric={judged:.5f}")
