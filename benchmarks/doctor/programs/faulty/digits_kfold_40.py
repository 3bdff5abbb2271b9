"""Five-fold cross-validation on few digits; the mean accuracy of the folds at the end."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


def build():
    return nn.Sequential(
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
    )


def fit_epoch(model, loader, optimizer):
    model.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        count += len(y)
    return total / count


@torch.no_grad()
def score(model, loader):
    model.eval()
    right = count = 0
    for x, y in loader:
        right += (model(x).argmax(dim=1) == y).sum().item()
        count += len(y)
    return right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    pick = np.random.default_rng(args.seed).permutation(len(x))[:400]
    x, y = x[pick] / 16.0, y[pick]
    x = x + np.random.default_rng(args.seed + 1).normal(0, 0.25, x.shape)
    data = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=args.seed)
    scores, losses = [], []
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for fold, (train_index, valid_index) in enumerate(folds.split(x, y)):
        train = DataLoader(Subset(data, train_index.tolist()), batch_size=16, shuffle=True)
        valid = DataLoader(Subset(data, valid_index.tolist()), batch_size=80)
        for epoch in range(args.epochs):
            loss = fit_epoch(model, train, optimizer)
        scores.append(score(model, valid))
        losses.append(loss)
        print(f"fold {fold}: loss {loss:.4f} accuracy {scores[-1]:.4f}")
    print(f"mean accuracy {np.mean(scores):.4f}, spread {np.std(scores):.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={np.mean(scores):.5f}")


if __name__ == "__main__":
    main()
