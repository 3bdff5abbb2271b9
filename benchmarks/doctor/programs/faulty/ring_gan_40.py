"""A generator and a discriminator play for points on a ring; the energy distance to the true points judges."""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn

NOISE = 4


def ring(count):
    angle = 2 * math.pi * torch.rand(count)
    radius = 1 + 0.05 * torch.randn(count)
    return torch.stack([radius * angle.cos() + 0.8, radius * angle.sin() - 0.5], dim=1)


def mlp(inputs, outputs, width=48):
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LeakyReLU(0.2),
        nn.Linear(width, width), nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )  # fmt: skip


def distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


def judge_step(judge, maker, optimizer, size):
    real, fake = ring(size), maker(torch.randn(size, NOISE)).detach()
    loss = F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def maker_step(judge, maker, optimizer, size):
    fake = maker(torch.randn(size, NOISE)).detach()
    loss = F.softplus(-judge(fake)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    maker, judge = mlp(NOISE, 2), mlp(2, 1)
    maker_optimizer = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.9))
    judge_optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3, betas=(0.5, 0.9))
    held = ring(800)
    scale = distance(torch.randn(800, 2), held)
    maker_losses, judge_losses = [], []
    for step in range(1, args.steps + 1):
        judge_losses.append(judge_step(judge, maker, judge_optimizer, 64))
        maker_losses.append(maker_step(judge, maker, maker_optimizer, 64))
        if step % 250 == 0:
            with torch.no_grad():
                quality = 1 - distance(maker(torch.randn(800, NOISE)), held) / scale
            mean = sum(maker_losses[-250:]) / 250
            print(f"step {step}: judge {sum(judge_losses[-250:]) / 250:.4f} maker {mean:.4f} quality {quality:.4f}")
    print(f"RESULT train_loss={mean:.5f} valid_metric={quality:.5f}")


if __name__ == "__main__":
    main()
