"""The rate falls when the validation loss no longer does."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=14)
args = parser.parse_args()
torch.manual_seed(args.seed)


def part(name, n):
    stem = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist", name)
    with gzip.open(stem + "-images-idx3-ubyte.gz") as f:
        x = np.frombuffer(f.read(16 + n * 784), np.uint8, offset=16).reshape(n, 784)
    with gzip.open(stem + "-labels-idx1-ubyte.gz") as f:
        y = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
    return torch.tensor((x - 72.9) / 90.0, dtype=torch.float32), torch.tensor(y, dtype=torch.long)


x, y = part("train", 3000)
xv, yv = part("t10k", 1000)
model = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=0.1, patience=0)

for epoch in range(args.epochs):
    model.train()
    losses = []
    for batch in torch.randperm(len(x)).split(50):
        loss = criterion(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        scores = model(xv)
        valid_loss = criterion(scores, yv).item()
        accuracy = (scores.argmax(1) == yv).float().mean().item()
    scheduler.step(valid_loss)
    print(f"epoch {epoch}: {np.mean(losses):.4f} {valid_loss:.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")
