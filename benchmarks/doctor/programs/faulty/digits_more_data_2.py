"""Shifted copies enlarge the training set anew in every epoch."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=14)
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32) / 16
labels = torch.tensor(digits.target)
order = torch.randperm(len(images))
x, y = images[order[:1200]], labels[order[:1200]]
xv, yv = images[order[1200:]], labels[order[1200:]]


def shifted(batch):
    step = int(torch.randint(0, 2, ())) * 2 - 1
    return torch.roll(batch, step, dims=2)


model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(args.epochs):
    x, y = torch.cat([x, shifted(x[:1200])]), torch.cat([y, y[:1200]])
    losses = []
    for index in torch.randperm(len(x)).split(16):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[index]), y[index])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        accuracy = (model(xv).argmax(1) == yv).float().mean().item()
    train_loss = sum(losses) / len(losses)
    print(f"epoch {epoch}: loss {train_loss:.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
