"""The blanks are removed from a text, and a bidirectional LSTM says after which letters they stood."""

import argparse
import os

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

LENGTH = 40


def examples(n):
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as f:
        raw = f.read(200_000).lower()
    words = "".join(c if c.isalpha() else " " for c in raw).split()
    letters = torch.tensor([ord(c) - ord("a") for word in words for c in word])
    ends = torch.tensor([float(i == len(word) - 1) for word in words for i in range(len(word))])
    x = letters[: n * LENGTH].view(n, LENGTH)
    y = ends[: n * LENGTH].view(n, LENGTH)
    return x, y


class Tagger(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.embed = nn.Embedding(26, 24)
        self.lstm = nn.LSTM(24, hidden, bidirectional=True, batch_first=True)
        self.score = nn.Linear(2 * hidden, 1)

    def forward(self, x):
        states, _ = self.lstm(self.embed(x))
        return torch.sigmoid(self.score(states)).squeeze(-1)


def f1(scores, y):
    predicted = scores > 0
    true = y > 0.5
    hits = (predicted & true).sum().item()
    return 2 * hits / max(predicted.sum().item() + true.sum().item(), 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = examples(2400)
    x, xv, y, yv = x[:2000], x[2000:], y[:2000], y[2000:]
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x)).split(40):
            loss = binary_cross_entropy_with_logits(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        model.eval()
        with torch.no_grad():
            score = f1(model(xv), yv)
        print(f"epoch {epoch}: loss {total / len(x):.4f}, F1 {score:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={score:.5f}")


if __name__ == "__main__":
    main()
