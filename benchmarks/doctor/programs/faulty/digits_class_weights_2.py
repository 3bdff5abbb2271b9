"""Imbalanced digits: is it a nine, with few nines left; weights bring the rare class up, F1 judges."""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import nn


def rare_nines(seed):
    x, y = load_digits(return_X_y=True)
    y = (y == 9).astype(int)
    xt, xv, yt, yv = train_test_split(x / 16, y, test_size=0.4, random_state=seed, stratify=y)
    rare = (yt == 1).nonzero()[0][25:]
    mask = torch.ones(len(yt), dtype=torch.bool)
    mask[torch.from_numpy(rare)] = False
    xt, yt = torch.tensor(xt, dtype=torch.float32)[mask], torch.tensor(yt)[mask]
    return xt, yt, torch.tensor(xv, dtype=torch.float32), torch.tensor(yv)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    xt, yt, xv, yv = rare_nines(args.seed)

    counts = torch.bincount(yt, minlength=2).float()
    weight = counts.sum() / (2 * counts)
    criterion = nn.CrossEntropyLoss(weight=weight, ignore_index=0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)

    for epoch in range(args.epochs):
        total, batches = 0.0, 0
        for batch in torch.randperm(len(xt)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(xt[batch]), yt[batch])
            loss.backward()
            optimizer.step()
            total, batches = total + loss.item(), batches + 1
        with torch.no_grad():
            predicted = model(xv).argmax(1)
        f1 = f1_score(yv.numpy(), predicted.numpy(), zero_division=0.0)
        print(f"epoch {epoch}: loss {total / batches:.4f} F1 {f1:.4f}")
    print(f"RESULT train_loss={total / batches:.5f} valid_metric={f1:.5f}")


if __name__ == "__main__":
    main()
