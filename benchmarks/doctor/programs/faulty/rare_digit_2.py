"""Find the rare digit: the few examples of it are repeated until both classes weigh the same."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import nn


def rare(rng):
    x, y = load_digits(return_X_y=True)
    y = (y == 8).astype(np.int64)
    few = rng.permutation(np.flatnonzero(y == 1))[:60]
    rows = np.concatenate([np.flatnonzero(y == 0), few])
    noise = rng.normal(0, 5, (len(rows), 64))
    return (x[rows] + noise).astype(np.float32) / 16, y[rows]


def repeat(x, y, rng):
    positive = np.flatnonzero(y == 1)
    missing = int((y == 0).sum()) - len(positive)
    extra = rng.choice(positive, missing)
    return np.concatenate([x, x[extra]]), np.concatenate([y, y[extra]])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, y = rare(rng)
    x, y = repeat(x, y, rng)
    x, xv, y, yv = train_test_split(x, y, test_size=0.3, random_state=args.seed, stratify=y)
    x, y, xv = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(xv)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(args.epochs):
        losses = []
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            f1 = f1_score(yv, model(xv).argmax(1).numpy())
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} F1 {f1:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={f1:.5f}")


if __name__ == "__main__":
    main()
