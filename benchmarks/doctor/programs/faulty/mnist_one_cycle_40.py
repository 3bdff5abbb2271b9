"""MNIST in a single epoch with a one-cycle schedule."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

base = os.environ["CHAINRULE_DATA"] + "/mnist/"
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=1)
args = parser.parse_args()
torch.manual_seed(args.seed)


def read(prefix, n):
    images = gzip.open(base + prefix + "-images-idx3-ubyte.gz").read(16 + 784 * n)
    labels = gzip.open(base + prefix + "-labels-idx1-ubyte.gz").read(8 + n)
    x = np.frombuffer(images, np.uint8, offset=16).reshape(n, 1, 28, 28).astype(np.float32)
    y = np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)
    return TensorDataset(torch.from_numpy((x / 255 - 0.1307) / 0.3081), torch.from_numpy(y))


train = DataLoader(read("train", 8000), batch_size=64, shuffle=True)
test = DataLoader(read("t10k", 1000), batch_size=250)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 25, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.08, epochs=args.epochs, steps_per_epoch=len(train), pct_start=0.3
)

for epoch in range(args.epochs):
    model.train()
    running = []
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        good = sum((model(x).argmax(1) == y).sum().item() for x, y in test)
    accuracy = good / 1000
    train_loss = sum(running) / len(running)
    print(f"epoch {epoch}: loss {train_loss:.4f} accuracy {accuracy:.4f}")

print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
