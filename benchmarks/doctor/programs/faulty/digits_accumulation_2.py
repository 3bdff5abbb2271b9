"""Gradients of eight small batches are added up before each step."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 8

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=15)
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 16
y = torch.tensor(digits.target)
order = torch.randperm(len(x))
cut = 1408
train = DataLoader(TensorDataset(x[order[:cut]], y[order[:cut]]), batch_size=8, shuffle=True)
valid_x, valid_y = x[order[cut:]], y[order[cut:]]

model = nn.Sequential(nn.Linear(64, 72), nn.ReLU(), nn.Linear(72, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.8)
criterion = nn.CrossEntropyLoss()

for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for i, (inputs, labels) in enumerate(train):
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        (loss / ACCUMULATE).backward()
        if (i + 1) % ACCUMULATE == 0:
            optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        accuracy = (model(valid_x).argmax(1) == valid_y).float().mean().item()
    train_loss = total / len(train)
    print(f"epoch {epoch}: loss {train_loss:.4f} accuracy {accuracy:.4f}")

print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
