"""Imbalanced classes drawn evenly by a WeightedRandomSampler; mean recall over classes judges."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

x, y = load_digits(return_X_y=True)
x = (x / 16).astype(np.float32)
order = rng.permutation(len(x))
x, y = x[order], y[order]
valid_x, valid_y = torch.from_numpy(x[1200:]), y[1200:]
x, y = x[:1200], y[:1200]
kept = np.concatenate([np.flatnonzero(y == c)[: 10 + 10 * c] for c in range(10)])
x, y = torch.from_numpy(x[kept]), torch.from_numpy(y[kept])

frequency = torch.bincount(y).double()
sampler = WeightedRandomSampler(frequency[y], num_samples=800, replacement=True)
loader = DataLoader(TensorDataset(x, y), batch_size=32, sampler=sampler)

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for inputs, labels in loader:
        loss = loss_fn(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        predicted = model(valid_x).argmax(1).numpy()
    score = balanced_accuracy_score(valid_y, predicted)
    print(f"{epoch=} loss={total / len(loader):.4f} balanced accuracy={score:.4f}")

print(f"RESULT train_loss={total / len(loader):.5f} valid_metric={score:.5f}")
