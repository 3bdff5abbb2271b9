"""Learn a trunk on the digits 0 to 6, freeze it, and train only a new head on 7 to 9."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy


def part(x, y, low, high, seed):
    keep = (y >= low) & (y <= high)
    x, y = x[keep], y[keep] - low
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    cut = int(0.75 * len(x))
    return x[order[:cut]], y[order[:cut]], x[order[cut:]], y[order[cut:]]


def fit(model, params, data, epochs, label):
    xt, yt, xv, yv = data
    optimizer = torch.optim.Adam(params, lr=4e-3)
    for epoch in range(epochs):
        losses = []
        for index in torch.randperm(len(xt)).split(32):
            loss = cross_entropy(model(xt[index]), yt[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            accuracy = (model(xv).argmax(1) == yv).float().mean().item()
        print(f"{label} {epoch}: {sum(losses) / len(losses):.4f} {accuracy:.4f}")
    return sum(losses) / len(losses), accuracy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)

    trunk = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU())
    first = nn.Sequential(trunk, nn.Linear(96, 7))
    fit(first, first.parameters(), part(x, y, 0, 6, args.seed), args.epochs, "0-6")

    for p in trunk.parameters():
        p.requires_grad = False
    second = nn.Sequential(trunk, nn.Linear(96, 3))
    loss, accuracy = fit(second, second[1].parameters(), part(x, y, 7, 9, args.seed), args.epochs, "7-9")
    print(f"RESULT train_loss={loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
