"""What a customer spends, from the shop (hundreds of them, few visits each) and some numbers; the shop enters as the
mean of its earlier takings, drawn towards the mean of all."""

import argparse

import numpy as np
import torch
from sklearn.metrics import r2_score
from torch import nn

SHOPS = 900


def visits(n, rng):
    level = rng.normal(0, 1.0, SHOPS)
    shop = rng.integers(0, SHOPS, n)
    age, hour, weekend = rng.uniform(18, 80, n), rng.uniform(8, 20, n), rng.integers(0, 2, n)
    taste = np.sin(age / 12) + 0.5 * np.cos(hour / 2) + 0.4 * weekend
    spent = 30 + 8 * level[shop] + 9 * taste + rng.normal(0, 12, n)
    return shop, np.stack([age, hour, weekend], axis=1), spent


def shop_means(shop, spent, weight=1.0):
    """The mean of each shop, as if it had `weight` visits more of the common mean."""
    count = np.bincount(shop, minlength=SHOPS)
    total = np.bincount(shop, weights=spent, minlength=SHOPS)
    return (total + weight * spent.mean()) / (count + weight)


def others_mean(shop, spent, weight=1.0):
    """For each visit the mean of its shop's other visits."""
    count = np.bincount(shop, minlength=SHOPS)[shop] - 1
    total = np.bincount(shop, weights=spent, minlength=SHOPS)[shop] - spent
    return (total + weight * spent.mean()) / (count + weight)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    shop, table, spent = visits(3000, rng)
    cut = 2200
    encoded = shop_means(shop[:cut], spent[:cut])[shop]
    table = np.column_stack([table, encoded])
    table = (table - table[:cut].mean(0)) / table[:cut].std(0)
    middle, scale = spent[:cut].mean(), spent[:cut].std()
    x = torch.tensor(table, dtype=torch.float32)
    y = torch.tensor((spent - middle) / scale, dtype=torch.float32)

    net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    for epoch in range(args.epochs):
        losses = []
        for index in torch.randperm(cut).split(44):
            loss = nn.functional.mse_loss(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            predicted = net(x[cut:]).numpy() * scale + middle
        r2 = r2_score(spent[cut:], predicted)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} R2 {r2:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
