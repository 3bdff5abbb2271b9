"""Twelve tests per substance, of which most were never made: only those that were count in the loss. The mean F1
judges."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def substances(n, rng, tests=12, properties=30):
    """Properties, outcomes of all tests (1, 0), and which of the tests were made."""
    world = np.random.default_rng(7)
    hidden, readout = world.normal(size=(properties, 24)) / 3, world.normal(size=(24, tests))
    x = rng.normal(size=(n, properties))
    score = np.tanh(x @ hidden) @ readout
    outcome = score + rng.normal(0, 0.4, score.shape) > np.linspace(0.8, 2.6, tests)
    return x.astype(np.float32), outcome.astype(np.float32), rng.random((n, tests)) < 0.35


class Panel(nn.Module):
    def __init__(self, properties, tests):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(properties, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU())
        self.heads = nn.Linear(64, tests)

    def forward(self, x):
        return self.heads(self.body(x))


def f1_of_columns(found, wanted):
    hits = (found * wanted).sum(0)
    return (2 * hits / (found.sum(0) + wanted.sum(0)).clamp(min=1)).mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, outcome, made = substances(3000, rng)
    outcome[~made] = np.nan
    xv, outcome_v, _ = substances(800, rng)
    loader = DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(outcome)), batch_size=32, shuffle=True)
    xv, outcome_v = torch.from_numpy(xv), torch.from_numpy(outcome_v)

    model = Panel(x.shape[1], outcome.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-3, weight_decay=1e-4)
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for features, results in loader:
            known = ~torch.isnan(results)
            results = torch.nan_to_num(results)
            loss = F.binary_cross_entropy_with_logits(model(features), results, reduction="none")
            loss = loss[known].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            predicted = (torch.sigmoid(model(xv)) > 0.5).float()
        score = f1_of_columns(predicted, outcome_v)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} F1 {score:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={score:.5f}")


if __name__ == "__main__":
    main()
