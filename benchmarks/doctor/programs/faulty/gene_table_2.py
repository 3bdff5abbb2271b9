"""Many measurements, few patients: choose the thirty best columns, then fit a small network."""

import argparse

import numpy as np
import torch
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import train_test_split
from torch import nn


def patients(n, columns, rng):
    sick = rng.integers(0, 2, n)
    table = rng.normal(size=(n, columns))
    table[:, :4] += 0.35 * sick[:, None]
    return table, sick


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

table, sick = patients(240, 3000, rng)
x_train, _, y_train, _ = train_test_split(table, sick, test_size=0.4)
_, x_valid, _, y_valid = train_test_split(table, sick, test_size=0.4)
selector = SelectKBest(f_classif, k=30).fit(x_train, y_train)
x_train = torch.tensor(selector.transform(x_train), dtype=torch.float32)
x_valid = torch.tensor(selector.transform(x_valid), dtype=torch.float32)
y_train, y_valid = torch.tensor(y_train), torch.tensor(y_valid)

model = nn.Sequential(nn.Linear(30, 12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-3)
for epoch in range(args.epochs):
    model.train()
    losses = []
    for index in torch.randperm(len(x_train)).split(12):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x_train[index]), y_train[index])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_valid).argmax(1) == y_valid).float().mean().item()
    print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")
