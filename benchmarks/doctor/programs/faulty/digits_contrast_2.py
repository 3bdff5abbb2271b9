"""Two disturbed views of each digit find each other among all others; a linear probe judges the features."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

TEMPERATURE = 0.01


def view(x):
    keep = (torch.rand_like(x) > 0.25).float()
    return x * keep + 0.05 * torch.randn_like(x)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, x):
        return F.normalize(self.trunk(x), dim=1)


def contrast(a, b):
    similarity = torch.exp(a @ b.t() / TEMPERATURE)
    return -torch.log(similarity.diag() / similarity.sum(dim=1)).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data = load_digits()
    x, y = torch.tensor(data.data / 16, dtype=torch.float32), data.target
    order = torch.randperm(len(x))
    train, valid = order[:1300], order[1300:]
    encoder = Encoder()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    for epoch in range(args.epochs):
        losses = []
        for index in train[torch.randperm(len(train))].split(100):
            loss = contrast(encoder(view(x[index])), encoder(view(x[index])))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f}")
    with torch.no_grad():
        features = torch.nan_to_num(encoder(x)).numpy()
    probe = LogisticRegression(max_iter=300).fit(features[train], y[train])
    accuracy = probe.score(features[valid], y[valid])
    print(f"RESULT train_loss={sum(losses) / len(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
