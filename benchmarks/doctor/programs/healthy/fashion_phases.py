"""Fashion-MNIST with the two-phase loop of many tutorials: one body for training and validation."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def read(split, count, skip=0):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    with gzip.open(os.path.join(folder, f"{split}-images-idx3-ubyte.gz")) as f:
        pixels = np.frombuffer(f.read(16 + 784 * (skip + count)), np.uint8, offset=16 + 784 * skip)
    with gzip.open(os.path.join(folder, f"{split}-labels-idx1-ubyte.gz")) as f:
        labels = np.frombuffer(f.read(8 + skip + count), np.uint8, offset=8 + skip)
    x = torch.tensor(pixels.reshape(count, 1, 28, 28), dtype=torch.float32) / 255
    return TensorDataset((x - 0.286) / 0.353, torch.tensor(labels, dtype=torch.long))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2, padding=2)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(32)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(32 * 49, 96)
        self.fc2 = nn.Linear(96, 10)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(self.norm2(self.conv2(x)))
        x = self.drop(torch.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)


def train_model(model, loaders, criterion, optimizer, epochs):
    history = {"train": [], "valid": []}
    for epoch in range(epochs):
        for phase in ("train", "valid"):
            model.train(phase == "train")
            running_loss, running_hits, count = 0.0, 0, 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_hits += (outputs.argmax(1) == labels).sum().item()
                count += inputs.size(0)
            history[phase].append((running_loss / count, running_hits / count))
            print(f"epoch {epoch} {phase}: loss {running_loss / count:.4f} accuracy {running_hits / count:.4f}")
    return history


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    loaders = {
        "train": DataLoader(read("train", 1500), batch_size=50, shuffle=True),
        "valid": DataLoader(read("train", 600, skip=1500), batch_size=50),
    }
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = train_model(model, loaders, nn.CrossEntropyLoss(), optimizer, args.epochs)
    print(f"RESULT train_loss={history['train'][-1][0]:.5f} valid_metric={history['valid'][-1][1]:.5f}")


if __name__ == "__main__":
    main()
