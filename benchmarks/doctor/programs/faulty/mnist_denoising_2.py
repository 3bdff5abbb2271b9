"""A convolutional autoencoder that removes noise from digits; share of variance explained judges."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
torch.manual_seed(args.seed)


def digits(part, n):
    path = os.path.join(os.environ["CHAINRULE_DATA"], "mnist", f"{part}-images-idx3-ubyte.gz")
    with gzip.open(path) as f:
        raw = np.frombuffer(f.read(16 + 784 * n), np.uint8, offset=16)
    return torch.from_numpy(raw.reshape(n, 1, 28, 28) / np.float32(255))


def add_noise(x, generator=None):
    return (x + 0.4 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(24, 12, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(12, 1, 4, stride=2, padding=1),
        )

    def forward(self, x):
        return self.up(self.down(x))


train, valid = digits("train", 2000), digits("t10k", 500)
noisy_valid = add_noise(valid, torch.Generator().manual_seed(args.seed))
variance = (valid - train.mean(0)).square().mean().item()
model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.MSELoss()
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for clean in train[torch.randperm(len(train))].split(40):
        noisy = add_noise(clean)
        output = model(noisy)
        loss = criterion(output, noisy)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(clean)
    model.eval()
    with torch.no_grad():
        error = criterion(model(noisy_valid), valid).item()
    explained = 1 - error / variance
    print(f"epoch {epoch}: train {total / len(train):.4f} valid {error:.4f} explained {explained:.4f}")
print(f"RESULT train_loss={total / len(train):.5f} valid_metric={explained:.5f}")
