"""An autoencoder sees nothing but zeros; what it rebuilds badly is another digit. The area under the curve judges."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import nn


class Rebuild(nn.Module):
    def __init__(self, code=6):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, code))
        self.decode = nn.Sequential(nn.Linear(code, 40), nn.ReLU(), nn.Linear(40, 64), nn.Sigmoid())

    def forward(self, x):
        return self.decode(self.encode(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=150)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    digits = load_digits()
    pixels = torch.tensor(digits.data, dtype=torch.float32) / 16
    zeros = rng.permutation(np.flatnonzero(digits.target == 0))
    others = rng.permutation(np.flatnonzero(digits.target != 0))[:300]
    train, valid = zeros[:120], np.concatenate([zeros[120:], others])
    strange = digits.target[valid] != 0

    model = Rebuild()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for index in np.array_split(rng.permutation(train), 10):
            loss = nn.functional.mse_loss(model(pixels[index]), pixels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 15 == 14 or epoch == args.epochs - 1:
            model.eval()
            with torch.no_grad():
                error = (model(pixels[valid]) - pixels[valid]).pow(2).mean(1)
            area = roc_auc_score(strange, error.numpy())
            print(f"epoch {epoch}: loss {np.mean(losses):.5f} area {area:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={area:.5f}")


if __name__ == "__main__":
    main()
