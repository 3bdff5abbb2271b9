"""Long recordings of a body sensor, cut into windows: in which of four states is the wearer?"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from torch import nn

LENGTH, HOP = 64, 8


def recording(rng, samples=12000):
    """A signal whose rhythm depends a little on the state, and much on the moment."""
    signal, state = np.zeros(samples), np.zeros(samples, int)
    start = 0
    while start < samples:
        stop = min(samples, start + int(rng.integers(150, 300)))
        kind = rng.integers(0, 4)
        rhythm = 0.12 + 0.05 * kind + rng.normal(0, 0.06)
        t = np.arange(stop - start)
        signal[start:stop] = rng.normal() + rng.uniform(0.5, 1.5) * np.sin(rhythm * t) + rng.normal(0, 0.3, len(t))
        state[start:stop] = kind
        start = stop
    return signal, state


def cut(signal, state):
    starts = np.arange(0, len(signal) - LENGTH, HOP)
    x = np.stack([signal[s : s + LENGTH] for s in starts])
    return x.astype(np.float32), state[starts + LENGTH // 2]


class WaveNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 24, 7, padding=3)
        self.conv2 = nn.Conv1d(24, 32, 5, padding=2)
        self.fc1 = nn.Linear(32 * 16, 64)
        self.fc2 = nn.Linear(64, 4)

    def forward(self, x):
        x = F.max_pool1d(F.relu(self.conv1(x[:, None])), 2)
        x = F.max_pool1d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    signal, state = recording(np.random.default_rng(args.seed))
    x, y = cut(signal, state)
    x, xv, y, yv = train_test_split(x, y, test_size=0.25, random_state=args.seed)
    x, xv, y, yv = (torch.from_numpy(a) for a in (x, xv, y, yv))
    net = WaveNetwork()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        net.train()
        total = 0.0
        for index in torch.randperm(len(x)).split(32):
            loss = F.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        net.eval()
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(x):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
