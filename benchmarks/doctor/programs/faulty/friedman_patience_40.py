"""A regression that stops when the validation error has not improved for a while; the best state is restored."""

import argparse
import copy

import torch
from sklearn.datasets import make_friedman3
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Stopper:
    def __init__(self, patience):
        self.patience = patience
        self.best = float("inf")
        self.waited = 0
        self.state = None

    def check(self, error, model):
        if error < self.best:
            self.best = error
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.waited += 1
        return self.waited >= self.patience


class Regressor(nn.Module):
    def __init__(self, inputs, width=64):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def forward(self, x):
        return self.net(x).squeeze(1)


def data(seed):
    x, y = make_friedman3(n_samples=1400, noise=0.02, random_state=seed)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    x = (x - x[:800].mean(0)) / x[:800].std(0)
    y = (y - y[:800].mean()) / y[:800].std()
    return (x[:800], y[:800]), (x[800:1000], y[800:1000]), (x[1000:], y[1000:])


def mse(model, pair):
    model.eval()
    with torch.no_grad():
        return nn.functional.mse_loss(model(pair[0]), pair[1]).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=120)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train, valid, test = data(args.seed)
    loader = DataLoader(TensorDataset(*train), batch_size=16, shuffle=True)
    model = Regressor(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.004, momentum=0.9)
    stopper = Stopper(patience=8)
    for epoch in range(args.epochs):
        model.train()
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        error = mse(model, valid)
        print(f"epoch {epoch}: valid mse {error:.4f}, waited {stopper.waited}")
        if stopper.check(error, model):
            break
    model.load_state_dict(stopper.state)
    r2 = 1 - mse(model, test) / test[1].var(unbiased=False).item()
    print(f"RESULT train_loss={mse(model, train):.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
