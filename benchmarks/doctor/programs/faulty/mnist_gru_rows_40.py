"""A two-layer GRU reads MNIST from top to bottom; the mean of all states is classified."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=6)
args = parser.parse_args()
torch.manual_seed(args.seed)
root = os.path.join(os.environ["CHAINRULE_DATA"], "mnist")


def load(part, n):
    x = gzip.open(f"{root}/{part}-images-idx3-ubyte.gz").read(16 + n * 784)
    y = gzip.open(f"{root}/{part}-labels-idx1-ubyte.gz").read(8 + n)
    x = np.frombuffer(x, np.uint8, offset=16).reshape(n, 28, 28)
    y = np.frombuffer(y, np.uint8, offset=8)
    return torch.tensor(x / 255, dtype=torch.float32), torch.tensor(y, dtype=torch.int64)


class Rows(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(28, hidden, num_layers=2)
        self.fc = nn.Linear(hidden, 10)

    def forward(self, images):
        steps = images.transpose(0, 1)  # (rows, batch, columns)
        states, _ = self.gru(steps)
        return self.fc(states.mean(dim=0))


x, y = load("train", 3000)
xv, yv = load("t10k", 800)
model = Rows()
optimizer = torch.optim.Adam(model.parameters(), lr=8e-3, eps=1.0)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    order = torch.randperm(len(x))
    for start in range(0, len(x), 60):
        pick = order[start : start + 60]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[pick]), y[pick])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(pick)
    model.eval()
    with torch.no_grad():
        accuracy = (model(xv).argmax(1) == yv).float().mean().item()
    print(f"epoch {epoch}: loss {total / len(x):.4f}, accuracy {accuracy:.4f}")
print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")
