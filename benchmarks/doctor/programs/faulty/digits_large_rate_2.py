"""Plain SGD with rate 1 on inputs in [0, 1]: large, and it works."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=15)
args = parser.parse_args()
torch.manual_seed(args.seed)

bunch = load_digits()
features = torch.from_numpy(bunch.data).float() / 16
target = torch.from_numpy(bunch.target)
permutation = torch.randperm(len(target))
train_idx, valid_idx = permutation[:1500], permutation[1500:]


class Classifier(nn.Module):
    def __init__(self, inputs=64, hidden=64, classes=10):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh())
        self.head = nn.Linear(hidden, classes)

    def forward(self, x):
        return self.head(self.body(x))


model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

for epoch in range(args.epochs):
    epoch_loss = 0.0
    chunks = train_idx[torch.randperm(len(train_idx))].chunk(10)
    for chunk in chunks:
        scores = model(features[chunk])
        loss = cross_entropy(scores, target[chunk], reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() / len(chunks)
    with torch.no_grad():
        predicted = model(features[valid_idx]).argmax(dim=1)
    accuracy = (predicted == target[valid_idx]).float().mean().item()
    print(f"epoch={epoch} loss={epoch_loss:.4f} accuracy={accuracy:.4f}")

print(f"RESULT train_loss={epoch_loss:.5f} valid_metric={accuracy:.5f}")
