"""Which loans will not be paid back? One in eight; two scores per loan; the area under the curve judges."""

import argparse

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def loans(n, rng):
    income = rng.lognormal(10.3, 0.5, n)
    amount = income * rng.beta(2, 4, n) * 1.5
    age = rng.uniform(20, 70, n)
    years = rng.integers(1, 8, n)
    late = rng.poisson(0.6, n)
    risk = 2.6 * amount / income + 0.45 * late - 0.03 * (age - 45) + 0.4 * np.sin(age / 5) - 3.9 + 0.1 * years
    unpaid = rng.random(n) < 1 / (1 + np.exp(-1.3 * risk))
    return np.column_stack([income, amount, age, years, late]), unpaid.astype(np.int64)


class Scorer(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(columns, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        return self.net(x)


def validate(model, x, unpaid):
    model.eval()
    with torch.no_grad():
        probability = torch.softmax(model(x), dim=1)[:, 0]
    return roc_auc_score(unpaid, probability.numpy())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    table, unpaid = loans(4000, rng)
    train, valid = np.arange(3000), np.arange(3000, 4000)
    scaler = StandardScaler().fit(table[train])
    x = torch.tensor(scaler.transform(table), dtype=torch.float32)
    y = torch.from_numpy(unpaid)

    loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=50, shuffle=True)
    model = Scorer(x.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for features, labels in loader:
            loss = criterion(model(features), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        area = validate(model, x[valid], unpaid[valid])
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} area under the curve {area:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={area:.5f}")


if __name__ == "__main__":
    main()
