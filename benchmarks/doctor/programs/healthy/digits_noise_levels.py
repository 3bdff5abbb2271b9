"""A small diffusion model of digits: the network guesses the noise in a picture. Judged by how near the cloud of
drawn pictures comes to that of real ones."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import sqrtm
from sklearn.datasets import load_digits
from torch import nn

STEPS = 60


class Denoiser(nn.Module):
    def __init__(self, width=192):
        super().__init__()
        self.when = nn.Embedding(STEPS, width)
        self.enter = nn.Linear(64, width)
        self.middle = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.leave = nn.Linear(width, 64)

    def forward(self, x, t):
        h = F.silu(self.enter(x) + self.when(t))
        for layer in self.middle:
            h = h + F.silu(layer(h + self.when(t)))
        return self.leave(h)


class Diffusion:
    def __init__(self):
        self.beta = torch.linspace(1e-3, 0.15, STEPS)
        self.alpha = 1 - self.beta
        self.kept = torch.cumprod(self.alpha, 0)

    def spoil(self, x, t, noise):
        kept = self.kept[t][:, None]
        return kept.sqrt() * x + (1 - kept).sqrt() * noise

    @torch.no_grad()
    def draw(self, model, n):
        x = torch.randn(n, 64)
        for t in range(STEPS - 1, -1, -1):
            noise = model(x, torch.full((n,), t))
            x = (x - self.beta[t] / (1 - self.kept[t]).sqrt() * noise) / self.alpha[t].sqrt()
            if t:
                x = x + self.beta[t].sqrt() * torch.randn_like(x)
        return x


def likeness(real, drawn):
    """One minus the Frechet distance of two clouds of pictures, in units of the variance of the real ones."""
    real, drawn = real.double().numpy(), drawn.double().numpy()
    c_real, c_drawn = np.cov(real.T), np.cov(drawn.T)
    both = sqrtm(c_real @ c_drawn + 1e-9 * np.eye(64)).real
    distance = ((real.mean(0) - drawn.mean(0)) ** 2).sum() + np.trace(c_real + c_drawn - 2 * both)
    return 1 - distance / np.trace(c_real)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=40)
args = parser.parse_args()
torch.manual_seed(args.seed)
x = torch.tensor(load_digits().data / 8 - 1, dtype=torch.float32)
x, real = x[:1200], x[1200:]

process, model = Diffusion(), Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
for epoch in range(args.epochs):
    losses = []
    for index in torch.randperm(len(x)).split(64):
        clean = x[index]
        t = torch.randint(STEPS, (len(clean),))
        noise = torch.randn_like(clean)
        loss = F.mse_loss(model(process.spoil(clean, t, noise), t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    schedule.step()
    if epoch % 20 == 19 or epoch == args.epochs - 1:
        score = likeness(real, process.draw(model, 1000))
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} likeness {score:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={score:.5f}")
