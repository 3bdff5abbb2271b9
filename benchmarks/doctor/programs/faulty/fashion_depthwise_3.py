"""Depthwise separable convolutions, trained on half-size Fashion-MNIST with clipping that is nearly always active."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn


def separable(inputs, outputs, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.Hardswish(),
    )


def read(part, n):
    root = os.environ["CHAINRULE_DATA"]
    raw = gzip.open(f"{root}/fashion_mnist/{part}-images-idx3-ubyte.gz").read(16 + n * 784)
    x = torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).copy()).view(n, 1, 28, 28)
    raw = gzip.open(f"{root}/fashion_mnist/{part}-labels-idx1-ubyte.gz").read(8 + n)
    y = torch.from_numpy(np.frombuffer(raw, np.uint8, offset=8).copy()).long()
    return nn.functional.avg_pool2d((x // 255).float(), 2), y


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
torch.manual_seed(args.seed)
(x, y), (xv, yv) = read("train", 4000), read("t10k", 1000)
mean, std = x.mean(), x.std()
x, xv = (x - mean) / std, (xv - mean) / std

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.Hardswish(),
    separable(16, 32, 2),
    separable(32, 64, 2),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(256, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
norms = []
for epoch in range(args.epochs):
    model.train()
    losses = []
    for index in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[index]), y[index])
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5).item())
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        accuracy = (model(xv).argmax(1) == yv).float().mean().item()
    clipped = np.mean(np.array(norms) > 0.5)
    print(f"epoch {epoch}: {np.mean(losses):.4f} {accuracy:.4f} share of clipped steps {clipped:.2f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")
