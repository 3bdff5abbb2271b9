"""A sensor whose noise depends on where it is: the network gives mean and spread, and its loss goes below zero.
Judged by how near the share of readings within the 80 % band comes to 80 %."""

import argparse

import torch
from torch import nn

Z80 = 1.2816


def readings(n, generator):
    x = torch.rand(n, 2, generator=generator) * 4 - 2
    spread = 0.03 + 0.12 * torch.sigmoid(3 * x[:, 0])
    mean = torch.sin(2 * x[:, 0]) * 0.5 + 0.3 * x[:, 1]
    return x, mean + spread * torch.randn(n, generator=generator)


class MeanAndSpread(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.mean = nn.Linear(width, 1)
        self.log_spread = nn.Linear(width, 1)

    def forward(self, x):
        h = self.shared(x)
        return self.mean(h).squeeze(1), self.log_spread(h).squeeze(1).exp()


def main(seed, epochs):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = readings(2400, generator)
    xv, yv = readings(1500, generator)
    model = MeanAndSpread()
    loss_fn = nn.GaussianNLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(x)).split(60):
            mean, spread = model(x[index])
            loss = loss_fn(mean, y[index], spread**2)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            total += loss.item() * len(index)
        schedule.step()
        with torch.no_grad():
            mean, spread = model(xv)
        inside = ((yv - mean).abs() < Z80 * spread).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(x):.4f} inside the band {inside:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={1 - abs(inside - 0.8):.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    main(args.seed, args.epochs)
