"""Odd or even? A single score and the squared hinge, which is zero for most examples after some epochs."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset


class OddOrEven(Dataset):
    def __init__(self, images, digits):
        self.images = torch.tensor(images / 8 - 1, dtype=torch.float32)
        odd = torch.tensor(digits) % 2
        self.sign = 2.0 * odd - 1.0

    def __len__(self):
        return len(self.sign)

    def __getitem__(self, i):
        return self.images[i], self.sign[i]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3)
        self.fc1 = nn.Linear(12 * 36, 32)
        self.fc2 = nn.Linear(32, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x.unsqueeze(1)))
        return self.fc2(torch.relu(self.fc1(x.flatten(1)))).squeeze(1)


def squared_hinge(score, sign):
    return torch.clamp(1 - sign * score, min=0).square().mean()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    parts = train_test_split(digits.images, digits.target, test_size=0.3, random_state=args.seed)
    train = DataLoader(OddOrEven(parts[0], parts[2]), batch_size=32, shuffle=True)
    valid = DataLoader(OddOrEven(parts[1], parts[3]), batch_size=128)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(args.epochs):
        net.train()
        losses = []
        for image, sign in train:
            optimizer.zero_grad()
            loss = squared_hinge(net(image), sign)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            right = torch.cat([(net(image) > 0) == (sign > 0) for image, sign in valid])
        accuracy = right.float().mean().item()
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")
