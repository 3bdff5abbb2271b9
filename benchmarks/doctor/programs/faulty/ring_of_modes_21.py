"""A generator and a critic learn eight heaps of points on a circle; the share of drawn points near a heap, times the
share of heaps reached, judges."""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn

HEAPS, SPREAD = 8, 0.1


def centers():
    angle = torch.arange(HEAPS) * 2 * math.pi / HEAPS
    return torch.stack([angle.cos(), angle.sin()], 1) * 1.5


def real_points(n):
    return centers()[torch.randint(HEAPS, (n,))] + SPREAD * torch.randn(n, 2)


def mlp(inputs, outputs, width=64):
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )


def quality(points):
    distance, nearest = torch.cdist(points, centers()).min(1)
    close = distance < 4 * SPREAD
    share = torch.bincount(nearest[close], minlength=HEAPS) / len(points)
    reached = (share > 0.25 / HEAPS).float().mean()
    return (close.float().mean() * reached).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    generator, critic = mlp(8, 2), mlp(2, 1)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.99))
    c_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.99))
    ones, zeros = torch.ones(128, 1), torch.zeros(128, 1)
    noise = torch.randn(128, 8)
    losses, tail = [], []
    for step in range(1, args.steps + 1):
        fake = generator(noise)
        c_loss = F.binary_cross_entropy_with_logits(critic(real_points(128)), ones)
        c_loss = c_loss + F.binary_cross_entropy_with_logits(critic(fake.detach()), zeros)
        c_optimizer.zero_grad()
        c_loss.backward()
        c_optimizer.step()

        g_loss = F.binary_cross_entropy_with_logits(critic(fake), ones)
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        losses.append(g_loss.item())
        if step % 100 == 0:
            with torch.no_grad():
                tail = [*tail, quality(generator(torch.randn(1000, 8)))][-5:]
            train_loss = sum(losses[-100:]) / 100
            print(f"step {step}: critic {c_loss.item():.4f} generator {train_loss:.4f} quality {tail[-1]:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={sum(tail) / len(tail):.5f}")


if __name__ == "__main__":
    main()
