"""MNIST from one folder per digit: the pictures come sorted, the loader mixes them."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
torch.manual_seed(args.seed)
root = os.path.join(os.environ["CHAINRULE_DATA"], "mnist")


def folder(part, n):
    with gzip.open(os.path.join(root, part + "-images-idx3-ubyte.gz")) as f:
        images = np.frombuffer(f.read(16 + n * 784), np.uint8, offset=16).reshape(n, 1, 28, 28)
    with gzip.open(os.path.join(root, part + "-labels-idx1-ubyte.gz")) as f:
        labels = np.frombuffer(f.read(8 + n), np.uint8, offset=8).astype(np.int64)
    by_name = np.argsort(labels, kind="stable")
    return TensorDataset(torch.tensor(images[by_name] / np.float32(255)), torch.tensor(labels[by_name]))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 8, 5, stride=2)
        self.conv2 = torch.nn.Conv2d(8, 16, 5, stride=2)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return torch.nn.Linear(16 * 16, 10)(x.flatten(1))


train_loader = DataLoader(folder("train", 4000), batch_size=32, shuffle=True)
test_loader = DataLoader(folder("t10k", 1000), batch_size=250)
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    model.eval()
    with torch.no_grad():
        correct = sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader)
    print(f"epoch {epoch}: loss {total / 4000:.4f} accuracy {correct / 1000:.4f}")
print(f"RESULT train_loss={total / 4000:.5f} valid_metric={correct / 1000:.5f}")
