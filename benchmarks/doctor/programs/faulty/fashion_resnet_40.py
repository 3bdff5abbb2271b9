"""A small residual network with group normalization on Fashion-MNIST."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import StepLR


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(4, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(4, outputs)
        self.skip = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        out = F.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        return F.relu(out + self.skip(x))


class SmallResNet(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.stages = nn.Sequential(
            Residual(width, width), Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2)
        )
        self.fc = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = self.stages(F.relu(self.stem(x)))
        return self.fc(x.mean(dim=(2, 3)))


def fashion(split, count):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")
    with gzip.open(f"{folder}/{split}-images-idx3-ubyte.gz") as f:
        f.read(16)
        x = np.frombuffer(f.read(count * 784), np.uint8).reshape(count, 1, 28, 28)
    with gzip.open(f"{folder}/{split}-labels-idx1-ubyte.gz") as f:
        f.read(8)
        y = np.frombuffer(f.read(count), np.uint8)
    return torch.tensor(x / 255.0, dtype=torch.float32) - 0.3, torch.tensor(y, dtype=torch.long)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = fashion("train", 2400)
    xv, yv = fashion("t10k", 600)
    model = SmallResNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.05)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x)).split(32):
            loss = F.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index) / len(x)
        scheduler.step()
        model.eval()
        with torch.no_grad():
            accuracy = torch.cat([model(part).argmax(1) for part in xv.split(200)]).eq(yv).float().mean().item()
        print(f"epoch {epoch}: lr {scheduler.get_last_lr()[0]:.5f} loss {total:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
