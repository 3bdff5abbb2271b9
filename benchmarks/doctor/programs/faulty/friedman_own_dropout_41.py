"""A regression with a dropout layer of its own; rows in batches, validation in pieces."""

import argparse

import torch
from sklearn.datasets import make_friedman2
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=40)
args = parser.parse_args()
torch.manual_seed(args.seed)


class Drop(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        keep = (torch.rand_like(x) > self.p).float()
        return x * keep / (1 - self.p)


def standard(values, part):
    return (values - part.mean(0)) / part.std(0)


features, target = make_friedman2(n_samples=1500, noise=20.0, random_state=args.seed)
features = torch.tensor(features, dtype=torch.float32)
target = torch.tensor(target, dtype=torch.float32)
features, target = standard(features, features[:1100]), standard(target, target[:1100])
x, y = features[:1100], target[:1100]
xv, yv = features[1100:], target[1100:]

model = nn.Sequential(
    nn.Linear(4, 64),
    nn.ReLU(),
    Drop(0.2),
    nn.Linear(64, 64),
    nn.ReLU(),
    Drop(0.2),
    nn.Linear(64, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.MSELoss()

for epoch in range(args.epochs):
    model.train()
    order = torch.randperm(len(x))
    losses = []
    for start in range(0, len(x), 32):
        rows = order[start : start + 32]
        prediction = model(x[rows])[:, 0]
        loss = loss_fn(prediction, y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    squares = 0.0
    with torch.no_grad():
        for x, y in zip(xv.split(50), yv.split(50)):
            squares += (model(x)[:, 0] - y).square().sum().item()
    r2 = 1 - squares / (yv - yv.mean()).square().sum().item()
    train_loss = sum(losses) / len(losses)
    print(f"epoch {epoch}: mse {train_loss:.4f} R2 {r2:.4f}")

print(f"RESULT train_loss={train_loss:.5f} valid_metric={r2:.5f}")
