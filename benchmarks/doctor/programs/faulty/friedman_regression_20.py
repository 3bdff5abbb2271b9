"""Regression on Friedman's function with standardized inputs and targets; R2 judges."""

import argparse

import torch
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    features, target = make_friedman1(n_samples=1500, n_features=10, noise=1.0, random_state=args.seed)
    x_train, x_test, y_train, y_test = train_test_split(features, target, test_size=0.3, random_state=args.seed)
    x_train = (x_train - x_train.mean(1, keepdims=True)) / x_train.std(1, keepdims=True)
    x_test = (x_test - x_test.mean(1, keepdims=True)) / x_test.std(1, keepdims=True)
    y_scaler = StandardScaler().fit(y_train[:, None])
    x_train = torch.tensor(x_train, dtype=torch.float32)
    x_test = torch.tensor(x_test, dtype=torch.float32)
    y_train = torch.tensor(y_scaler.transform(y_train[:, None])[:, 0], dtype=torch.float32)

    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)
    model = Regressor(x_train.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    criterion = nn.MSELoss()
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for x, y in loader:
            prediction = model(x)
            loss = criterion(prediction, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        model.eval()
        with torch.no_grad():
            scaled = model(x_test)
        predicted = y_scaler.inverse_transform(scaled.numpy()[:, None])[:, 0]
        r2 = r2_score(y_test, predicted)
        print(f"epoch {epoch:2d}: mse {total / len(y_train):.4f} R2 {r2:.4f}")
    print(f"RESULT train_loss={total / len(y_train):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
