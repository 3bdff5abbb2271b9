"""No labels needed: tell by how many quarter turns an image was rotated."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn


def images(part, n):
    name = f"{os.environ['CHAINRULE_DATA']}/fashion_mnist/{part}-images-idx3-ubyte.gz"
    with gzip.open(name) as f:
        data = np.frombuffer(f.read(16 + n * 784), np.uint8, offset=16)
    x = torch.tensor(data, dtype=torch.float32).view(n, 1, 28, 28) / 255
    return nn.functional.avg_pool2d(x, 2)


def turn(x, generator):
    turns = torch.randint(0, 4, (len(x),), generator=generator)
    turned = torch.stack([torch.rot90(image, int(k), dims=(1, 2)) for image, k in zip(x, turns)])
    return turned, turns


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
torch.manual_seed(args.seed)
generator = torch.Generator().manual_seed(args.seed)
train, (xv, yv) = images("train", 2500), turn(images("t10k", 800), generator)

net = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(24, 24, 3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(24 * 49, 4),
)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(args.epochs):
    total = 0.0
    for part in train[torch.randperm(len(train), generator=generator)].split(50):
        x, y = turn(part, generator)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(part)
    with torch.no_grad():
        accuracy = (net(xv).argmax(1) == yv).float().mean().item()
    print(f"epoch {epoch}: loss {total / len(train):.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")
