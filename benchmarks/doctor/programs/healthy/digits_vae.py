"""A small variational autoencoder of the digits; share of variance explained judges the reconstruction."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class VAE(nn.Module):
    def __init__(self, latent=6, hidden=64):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, latent)
        self.log_var = nn.Linear(hidden, latent)
        self.decode = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 64))

    def forward(self, x):
        h = self.encode(x)
        mean, log_var = self.mean(h), self.log_var(h)
        z = mean
        if self.training:
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decode(z), mean, log_var


def elbo(logits, x, mean, log_var):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kl = -0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum(1)
    return (reconstruction + kl).mean()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
torch.manual_seed(args.seed)

x = torch.tensor(load_digits().data / 16, dtype=torch.float32)
x = x[torch.randperm(len(x))]
train, valid = x[:1400], x[1400:]
variance = (valid - train.mean(0)).pow(2).mean().item()

model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for batch in train[torch.randperm(len(train))].split(35):
        logits, mean, log_var = model(batch)
        loss = elbo(logits, batch, mean, log_var)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    model.eval()
    with torch.no_grad():
        logits, _, _ = model(valid)
        explained = 1 - F.mse_loss(torch.sigmoid(logits), valid).item() / variance
    print(f"epoch {epoch}: bound {total / len(train):.4f} explained {explained:.4f}")
print(f"RESULT train_loss={total / len(train):.5f} valid_metric={explained:.5f}")
