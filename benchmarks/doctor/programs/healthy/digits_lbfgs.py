"""Full-batch L-BFGS with a closure and a little weight penalty."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


def get_data(seed):
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x, y, test_size=400, random_state=seed)
    scaler = StandardScaler().fit(parts[0])
    xs = [torch.as_tensor(scaler.transform(p), dtype=torch.float32) for p in parts[:2]]
    ys = [torch.as_tensor(p) for p in parts[2:]]
    return xs[0], xs[1], ys[0], ys[1]


def run(seed, epochs):
    torch.manual_seed(seed)
    x, xv, y, yv = get_data(seed)
    net = nn.Sequential(nn.Linear(64, 40), nn.Tanh(), nn.Linear(40, 10))
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.8, max_iter=8, history_size=10)

    def closure():
        optimizer.zero_grad()
        penalty = sum((p**2).sum() for p in net.parameters() if p.dim() > 1)
        loss = F.cross_entropy(net(x), y) + 1e-4 * penalty
        loss.backward()
        return loss

    for epoch in range(epochs):
        value = optimizer.step(closure)
        with torch.no_grad():
            fit = F.cross_entropy(net(x), y).item()
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"outer step {epoch}: objective {value.item():.4f} fit {fit:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={fit:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    cli = parser.parse_args()
    run(cli.seed, cli.epochs)
