"""Learn the ten digits first; then, from few examples, whether a digit is even."""

import argparse
import io

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Network(nn.Module):
    def __init__(self, classes=10, width=64):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(96, width), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.trunk(x))


def epoch_of(model, optimizer, x, y, size):
    model.train()
    total = 0.0
    for index in torch.randperm(len(x)).split(size):
        loss = F.cross_entropy(model(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    return total / len(x)


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def first_task(x, y, epochs):
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        epoch_of(model, optimizer, x, y, 32)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    return file


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=16)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(digits.target)
    even = (y % 2 == 0).long()
    order = torch.randperm(len(x))
    old, train, valid = order[:1200], order[1200:1230], order[1230:]

    file = first_task(x[old], y[old], 12)
    model = Network()
    model.load_state_dict(torch.load(file))
    model.head = nn.Linear(64, 2)
    for layer in model.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    for p in model.trunk.parameters():
        p.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-2)
    for epoch in range(args.epochs):
        if epoch == args.epochs // 2:
            for p in model.trunk.parameters():
                p.requires_grad_(True)
            optimizer.add_param_group({"params": model.trunk.parameters(), "lr": 2e-4})
        loss = epoch_of(model, optimizer, x[train], even[train], 10)
        print(f"epoch {epoch}: loss {loss:.4f} accuracy {accuracy(model, x[valid], even[valid]):.4f}")
    result = accuracy(model, x[valid], even[valid])
    print(f"RESULT train_loss={loss:.5f} valid_metric={result:.5f}")


if __name__ == "__main__":
    main()
