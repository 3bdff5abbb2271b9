"""Iris with three classes, four inputs, eight hidden units, leave-a-part-out validation."""

import argparse

import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from torch import nn


def fit(x, y, epochs):
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(20):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return model, nn.functional.cross_entropy(model(x), y).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    features, target = load_iris(return_X_y=True)
    x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(target)
    losses, accuracies = [], []
    folds = StratifiedKFold(5, shuffle=True, random_state=args.seed)
    for fold, (train, valid) in enumerate(folds.split(features, target)):
        mean, std = x[train].mean(0), x[train].std(0)
        model, loss = fit((x[train] - mean) / std, y[train], args.epochs)
        with torch.no_grad():
            right = model((x[valid] - mean) / std).argmax(1) == y[valid]
        losses.append(loss)
        accuracies.append(right.float().mean().item())
        print(f"fold {fold}: loss {loss:.4f} accuracy {accuracies[-1]:.4f}")
    train_loss, accuracy = sum(losses) / 5, sum(accuracies) / 5
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
