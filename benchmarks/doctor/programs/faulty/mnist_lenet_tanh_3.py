"""LeNet-5 as of old: tanh, average pooling, plain SGD."""

import argparse
import gzip
import os
from collections import OrderedDict

import numpy as np
import torch
from torch import nn


def load_mnist(kind, n):
    path = os.path.join(os.environ["CHAINRULE_DATA"], "mnist", kind)
    with gzip.open(f"{path}-labels-idx1-ubyte.gz", "rb") as f:
        labels = np.frombuffer(f.read(), dtype=np.uint8, offset=8)[:n]
    with gzip.open(f"{path}-images-idx3-ubyte.gz", "rb") as f:
        images = np.frombuffer(f.read(16 + n * 784), dtype=np.uint8, offset=16).reshape(n, 28, 28)
    return images, labels


def to_tensors(images, labels):
    x = torch.tensor(images, dtype=torch.float32).unsqueeze(1)
    x = x / 127.5 - 1.0
    return x, torch.tensor(labels, dtype=torch.long)


def lenet():
    return nn.Sequential(
        OrderedDict(
            c1=nn.Conv2d(1, 6, 5, padding=2),
            t1=nn.Tanh(),
            s2=nn.AvgPool2d(2),
            c3=nn.Conv2d(6, 16, 5),
            t3=nn.Tanh(),
            s4=nn.AvgPool2d(2),
            flat=nn.Flatten(),
            f5=nn.Linear(400, 120),
            t5=nn.Tanh(),
            f6=nn.Linear(120, 84),
            t6=nn.Tanh(),
            out=nn.Linear(84, 10),
        )
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = to_tensors(*load_mnist("train", 3000))
    xv, yv = to_tensors(*load_mnist("t10k", 800))
    net = lenet()
    sgd = torch.optim.SGD(net.parameters(), lr=1e-4)
    for epoch in range(args.epochs):
        losses = []
        for batch in torch.randperm(len(x)).split(20):
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.item())
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: {np.mean(losses):.4f} {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
