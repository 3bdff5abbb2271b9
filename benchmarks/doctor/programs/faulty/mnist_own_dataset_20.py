"""MNIST with a data set class that standardizes each picture when it is asked for."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

MEAN, STD = 33.3, 78.6


class Digits(Dataset):
    def __init__(self, part, count):
        folder = os.path.join(os.environ["CHAINRULE_DATA"], "mnist")
        with gzip.open(f"{folder}/{part}-images-idx3-ubyte.gz") as f:
            pixels = np.frombuffer(f.read(16 + 784 * count), np.uint8, offset=16)
        with gzip.open(f"{folder}/{part}-labels-idx1-ubyte.gz") as f:
            labels = np.frombuffer(f.read(8 + count), np.uint8, offset=8)
        self.images = pixels.reshape(count, 1, 28, 28).astype(np.float32)
        self.labels = labels.astype(np.int64)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = self.images[i]
        image -= MEAN
        image /= STD
        return torch.from_numpy(image), int(self.labels[i])


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5, padding=2)
        self.c2 = nn.Conv2d(6, 16, 5)
        self.f1 = nn.Linear(16 * 25, 84)
        self.f2 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return self.f2(F.relu(self.f1(x.flatten(1))))


def run_epoch(net, loader, optimizer=None):
    net.train(optimizer is not None)
    total = right = seen = 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            scores = net(x)
            loss = F.cross_entropy(scores, y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(y)
            right += (scores.argmax(1) == y).sum().item()
            seen += len(y)
    return total / seen, right / seen


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(Digits("train", 3000), batch_size=50, shuffle=True)
    valid = DataLoader(Digits("t10k", 1000), batch_size=250)
    net = LeNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        train_loss, _ = run_epoch(net, train, optimizer)
        valid_loss, accuracy = run_epoch(net, valid)
        print(f"epoch {epoch}: train {train_loss:.4f} valid {valid_loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
