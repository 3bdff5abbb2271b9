"""Squeeze a digit through twelve numbers and draw it again; share of variance explained judges."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class AutoEncoder(nn.Module):
    def __init__(self, code=12):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, code))
        self.decoder = nn.Sequential(nn.Linear(code, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
torch.manual_seed(args.seed)

x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
x = x[torch.randperm(len(x))]
train, valid = x[:1500], x[1500:]
variance = ((valid - train.mean(0)) ** 2).mean().item()

model = AutoEncoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(args.epochs):
    order = torch.randperm(len(train))
    total = 0.0
    for index in order.split(50):
        batch = train[index]
        loss = nn.functional.mse_loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    with torch.no_grad():
        error = nn.functional.mse_loss(model(valid), valid).item()
    explained = 1 - error / variance
    print(f"epoch {epoch}: train {total / len(train):.5f} valid {error:.5f} explained {explained:.4f}")

print(f"RESULT train_loss={total / len(train):.5f} valid_metric={explained:.5f}")
