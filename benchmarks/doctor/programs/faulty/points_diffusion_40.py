"""A small diffusion model on points of two moons; samples are judged by their energy distance to held-out points."""

import argparse
import math

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import nn

STEPS = 40


def schedule():
    betas = torch.linspace(1e-3, 0.2, STEPS)
    alphas = 1 - betas
    return betas, alphas, torch.cumprod(alphas, dim=0)


def describe(t, size=16):
    frequency = torch.exp(-math.log(100.0) * torch.arange(size // 2) / (size // 2))
    angle = t[:, None].float() * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Denoiser(nn.Module):
    def __init__(self, width=96):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )

    def forward(self, x, t):
        return self.net(x)


@torch.no_grad()
def generate(model, count):
    betas, alphas, kept = schedule()
    x = torch.randn(count, 2)
    for t in reversed(range(STEPS)):
        noise = model(x, torch.full((count,), t))
        x = (x - betas[t] / (1 - kept[t]).sqrt() * noise) / alphas[t].sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn_like(x)
    return x


def energy(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


def moons(count, seed):
    x, _ = make_moons(count, noise=0.06, random_state=seed)
    return torch.tensor((x - [0.5, 0.25]) / [0.87, 0.5], dtype=torch.float32)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2500)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data, held = moons(2000, args.seed), moons(1000, args.seed + 100)
    _, _, kept = schedule()
    model = Denoiser()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for step in range(1, args.steps + 1):
        x = data[torch.randint(len(data), (128,))]
        t = torch.randint(STEPS, (128,))
        noise = torch.randn_like(x)
        noisy = kept[t, None].sqrt() * x + (1 - kept[t, None]).sqrt() * noise
        loss = nn.functional.mse_loss(model(noisy, t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 500 == 0:
            quality = 1 - energy(generate(model, 1000), held) / energy(torch.randn(1000, 2), held)
            print(f"step {step}: loss {np.mean(losses[-500:]):.4f} quality {quality:.4f}")
    print(f"RESULT train_loss={np.mean(losses[-500:]):.5f} valid_metric={quality:.5f}")


if __name__ == "__main__":
    main()
