"""Cards with one to four digits on them: which digits are there? One output for each of the ten; the mean F1 judges."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from torch import nn


def deal(images, digits, n, rng):
    """Each of the four fields of a card is empty or shows a digit."""
    cards = rng.normal(0, 0.05, (n, 1, 16, 16))
    present = np.zeros((n, 10))
    for card in range(n):
        fields = rng.permutation(4)[: rng.integers(1, 5)]
        for field, i in zip(fields, rng.integers(0, len(images), len(fields))):
            row, column = 8 * (field // 2), 8 * (field % 2)
            cards[card, 0, row : row + 8, column : column + 8] += images[i]
            present[card, digits[i]] = 1
    return torch.tensor(cards, dtype=torch.float32), torch.tensor(present, dtype=torch.float32)


class CardReader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.conv3 = nn.Conv2d(24, 64, 4, stride=4)
        self.fc = nn.Linear(64 * 4, 128)
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.conv3(x)).flatten(1)
        return self.out(F.relu(self.fc(x)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    bunch = load_digits()
    order = rng.permutation(len(bunch.target))
    images, digits = bunch.images[order] / 16, bunch.target[order]
    x, y = deal(images[:1300], digits[:1300], 2500, rng)
    xv, yv = deal(images[1300:], digits[1300:], 600, rng)
    net = CardReader()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for index in torch.randperm(len(x)).split(50):
            loss = F.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            probability = torch.softmax(net(xv), dim=1)
        score = f1_score(yv.numpy(), (probability > 0.5).numpy(), average="macro", zero_division=0)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} F1 {score:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={score:.5f}")


if __name__ == "__main__":
    main()
