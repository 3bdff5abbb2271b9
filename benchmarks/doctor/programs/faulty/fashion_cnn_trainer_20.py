"""Fashion-MNIST with two convolutions and batch normalization; a small Trainer class."""

import argparse
import gzip
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(os.environ["CHAINRULE_DATA"]) / "fashion_mnist"


def load(split, n):
    with gzip.open(ROOT / f"{split}-images-idx3-ubyte.gz") as f:
        images = np.frombuffer(f.read(16 + n * 784), np.uint8, offset=16).reshape(n, 1, 28, 28)
    with gzip.open(ROOT / f"{split}-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
    x = (torch.tensor(images, dtype=torch.float32) / 255 - 0.286) / 0.353
    return TensorDataset(x, torch.tensor(labels, dtype=torch.long))


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(24 * 7 * 7, 10)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(torch.flatten(x, 1))


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()

    def train(self, loader):
        self.model.train()
        losses = []
        for x, y in loader:
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def evaluate(self, loader):
        self.model.eval()
        with torch.no_grad():
            predictions = torch.cat([self.model(x).argmax(dim=1) for x, _ in loader])
        labels = loader.dataset.tensors[1]
        return (predictions == labels).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train_loader = DataLoader(load("train", 2500), batch_size=50, shuffle=True)
    test_loader = DataLoader(load("t10k", 800), batch_size=200, shuffle=True)
    trainer = Trainer(ConvNet(), lr=2e-3)
    for epoch in range(args.epochs):
        train_loss = trainer.train(train_loader)
        accuracy = trainer.evaluate(test_loader)
        print(f"epoch {epoch}: loss {train_loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
