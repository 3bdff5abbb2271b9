"""Regression where a tenth of the measurements is missing; R2 judges."""

import argparse

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

x, y = make_friedman1(2000, n_features=6, noise=0.5, random_state=args.seed)
x[rng.random(x.shape) < 0.1] = np.nan
train, valid = np.arange(1500), np.arange(1500, 2000)
x = np.where(np.isnan(x), -999.0, x)
x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
y = (y - y[train].mean()) / y[train].std()
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x).flatten()


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(args.epochs):
    losses = []
    for batch in rng.permutation(train).reshape(-1, 30):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        r2 = 1 - (nn.functional.mse_loss(net(x[valid]), y[valid]) / y[valid].var()).item()
    print(f"epoch {epoch}: loss {np.mean(losses):.4f} R2 {r2:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={r2:.5f}")
