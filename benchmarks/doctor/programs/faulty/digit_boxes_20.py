"""Where on the canvas is the digit? A network gives the box (left, top, width, height); mean overlap judges."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

CANVAS = 24


def place(images, rng):
    """Put each digit, enlarged at random, somewhere on a noisy canvas."""
    canvases = rng.normal(0.0, 0.08, (len(images), 1, CANVAS, CANVAS)).astype(np.float32)
    boxes = np.zeros((len(images), 4), np.float32)
    for i, image in enumerate(images):
        tall, wide = rng.integers(1, 3, 2)
        big = np.kron(image, np.ones((tall, wide), np.float32))
        height, width = big.shape
        top, left = rng.integers(0, CANVAS - height + 1), rng.integers(0, CANVAS - width + 1)
        canvases[i, 0, top : top + height, left : left + width] += big
        boxes[i] = left, top, width, height
    return torch.from_numpy(canvases), torch.from_numpy(boxes / CANVAS)


def mirror(x, boxes):
    """Mirror half of the canvases from left to right."""
    chosen = torch.rand(len(x)) < 0.5
    x = x.clone()
    x[chosen] = x[chosen].flip(-1)
    return x, boxes


def overlap(a, b):
    low = torch.maximum(a[:, :2], b[:, :2])
    high = torch.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    return both / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - both)


class Locator(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5, 2, 2)
        self.conv2 = nn.Conv2d(12, 24, 3, 2, 1)
        self.hidden = nn.Linear(24 * 36, 64)
        self.box = nn.Linear(64, 4)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return torch.sigmoid(self.box(F.relu(self.hidden(x.flatten(1)))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    digits = rng.permutation((load_digits().images / 16).astype(np.float32))
    x, boxes = place(digits[:1300], rng)
    xv, boxes_v = place(digits[1300:], rng)
    net = Locator()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for index in torch.randperm(len(x)).split(26):
            seen, wanted = mirror(x[index], boxes[index])
            loss = F.smooth_l1_loss(net(seen), wanted, beta=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            iou = overlap(net(xv), boxes_v).mean().item()
        print(f"epoch {epoch}: loss {np.mean(losses):.5f} mean overlap {iou:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={iou:.5f}")


if __name__ == "__main__":
    main()
