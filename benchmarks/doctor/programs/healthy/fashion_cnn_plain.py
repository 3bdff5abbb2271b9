"""Fashion-MNIST without any normalization layer: strided convolutions, SGD with momentum."""

import argparse
import gzip
import os

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = os.path.join(os.environ["CHAINRULE_DATA"], "fashion_mnist")


def idx(name, count, size, skip):
    with gzip.open(os.path.join(FOLDER, name)) as file:
        return np.frombuffer(file.read(skip + count * size), dtype=np.uint8, offset=skip)


def images_and_labels(part, count):
    pixels = idx(f"{part}-images-idx3-ubyte.gz", count, 784, 16).reshape(-1, 1, 28, 28)
    labels = idx(f"{part}-labels-idx1-ubyte.gz", count, 1, 8)
    return torch.from_numpy(pixels / np.float32(255)), torch.from_numpy(labels.astype(np.int64))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 16, 5, stride=2, padding=2)
        self.conv2 = torch.nn.Conv2d(16, 32, 5, stride=2, padding=2)
        self.fc1 = torch.nn.Linear(32 * 7 * 7, 64)
        self.fc2 = torch.nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = images_and_labels("train", 3000)
    xv, yv = images_and_labels("t10k", 800)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(args.epochs):
        net.train()
        order = torch.randperm(len(x))
        total = 0.0
        for i in range(0, len(x), 50):
            batch = order[i : i + 50]
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        net.eval()
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch} loss {total / len(x):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
