"""Two damaged views of each digit must find each other among all of the batch; labels serve only the nearest
neighbours that judge the embedding."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn


def view(x):
    """Shift by up to one pixel and change the brightness and some pixels."""
    pictures = F.pad(x.reshape(-1, 8, 8), (1, 1, 1, 1))
    dy, dx = np.random.randint(0, 3, 2)
    pictures = pictures[:, dy : dy + 8, dx : dx + 8].reshape(-1, 64)
    pictures = pictures * (0.7 + 0.6 * torch.rand(len(x), 1)) + 0.1 * torch.randn_like(pictures)
    return pictures * (torch.rand_like(pictures) > 0.2)


def agreement_loss(a, b, temperature=0.1):
    z = F.normalize(torch.cat([a, b]), dim=1)
    n = len(a)
    similarity = z @ z.T / temperature
    similarity = similarity.masked_fill(torch.eye(2 * n, dtype=torch.bool), -1e9)
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(similarity, partner)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    digits = load_digits()
    order = np.random.permutation(len(digits.target))
    x = torch.tensor(digits.data[order] / 16, dtype=torch.float32)
    y = digits.target[order]

    encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 6))
    head = nn.Sequential(nn.ReLU(), nn.Linear(6, 32))
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=2e-3)
    for epoch in range(args.epochs):
        losses = []
        for index in torch.randperm(1500).split(100):
            loss = agreement_loss(head(encoder(view(x[index]))), head(encoder(view(x[index]))))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 5 == 4 or epoch == args.epochs - 1:
            with torch.no_grad():
                codes = F.normalize(encoder(x), dim=1).numpy()
            neighbours = KNeighborsClassifier(5).fit(codes[:200], y[:200])
            accuracy = neighbours.score(codes[1500:], y[1500:])
            print(f"epoch {epoch}: loss {np.mean(losses):.4f} neighbour accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
