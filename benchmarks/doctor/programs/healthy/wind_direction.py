"""Where will the wind come from? The direction is learned as a point on a circle."""

import argparse
import math

import torch
from torch import nn


def weather(n, generator):
    """Six readings of a station; the direction in degrees, mostly from the north."""
    readings = torch.randn(n, 6, generator=generator)
    north = 1.2 + readings[:, 0] + 0.6 * readings[:, 1] * readings[:, 2]
    east = 0.9 * readings[:, 3] - 0.7 * torch.tanh(readings[:, 4]) + 0.2 * readings[:, 5]
    north = north + 0.15 * torch.randn(n, generator=generator)
    east = east + 0.15 * torch.randn(n, generator=generator)
    return readings, torch.rad2deg(torch.atan2(east, north)) % 360


def encode(degrees):
    radians = torch.deg2rad(degrees)
    return torch.stack([radians.sin(), radians.cos()], dim=1)


def decode(outputs):
    return torch.rad2deg(torch.atan2(outputs[:, 0], outputs[:, 1])) % 360


def agreement(predicted, degrees):
    """The mean cosine of the angle between what was predicted and what came."""
    return torch.cos(torch.deg2rad(predicted - degrees)).mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=25)
args = parser.parse_args()
torch.manual_seed(args.seed)
generator = torch.Generator().manual_seed(args.seed)
x, direction = weather(2500, generator)
x_valid, direction_valid = weather(800, generator)
target = encode(direction)

model = nn.Sequential(nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, target.shape[1]))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
for epoch in range(args.epochs):
    model.train()
    total, seen = 0.0, 0
    for index in torch.randperm(len(x)).split(50):
        loss = loss_fn(model(x[index]), target[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, seen = total + loss.item() * len(index), seen + len(index)
    model.eval()
    with torch.no_grad():
        score = agreement(decode(model(x_valid)), direction_valid)
    angle = math.degrees(math.acos(max(-1.0, min(1.0, score))))
    print(f"epoch {epoch}: loss {total / seen:.4f} cosine {score:.4f} (as of {angle:.0f} degrees)")
print(f"RESULT train_loss={total / seen:.5f} valid_metric={score:.5f}")
