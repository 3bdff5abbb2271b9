"""Learn the digits 0 to 4 first; then, from few examples, 5 to 9."""

import argparse
import io

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Network(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(96, width), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(width, 5)

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
    old, new = (y < 5).nonzero()[:, 0], (y >= 5).nonzero()[:, 0]
    new = new[torch.randperm(len(new))]
    train, valid = new[:60], new[60:]

    file = first_task(x[old], y[old], 12)
    model = Network()
    model.load_state_dict(torch.load(file))
    model.head = nn.Linear(64, 5)
    for p in model.trunk.parameters():
        p.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-2)
    for epoch in range(args.epochs):
        if epoch == args.epochs // 2:
            for p in model.trunk.parameters():
                p.requires_grad_(True)
        loss = epoch_of(model, optimizer, x[train], y[train] - 5, 10)
        print(f"epoch {epoch}: loss {loss:.4f} accuracy {accuracy(model, x[valid], y[valid] - 5):.4f}")
    result = accuracy(model, x[valid], y[valid] - 5)
    print(f"RESULT train_loss={loss:.5f} valid_metric={result:.5f}")


if __name__ == "__main__":
    main()
