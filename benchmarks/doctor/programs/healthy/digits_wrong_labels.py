"""A third of the training labels were given at random, which nobody can learn: the loss stays high and the
validation, whose labels are right, is far better than the training."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def bounded_loss(scores, y, q=0.7):
    """Between cross-entropy (q to 0) and absolute error (q = 1)."""
    p = F.softmax(scores, dim=1).gather(1, y[:, None]).squeeze(1)
    return ((1 - p.clamp(min=1e-7) ** q) / q).mean()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=25)
args = parser.parse_args()
torch.manual_seed(args.seed)

bunch = load_digits()
x = torch.tensor(bunch.data / 16, dtype=torch.float32)
y = torch.tensor(bunch.target)
order = torch.randperm(len(x))
x, y = x[order], y[order]
x, xv, y, yv = x[:1300], x[1300:], y[:1300].clone(), y[1300:]
careless = torch.rand(len(y)) < 0.33
y[careless] = torch.randint(10, (int(careless.sum()),))


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.hidden = nn.Linear(16 * 16, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x.view(-1, 1, 8, 8))), 2).flatten(1)
        return self.out(F.relu(self.hidden(x)))


reader = Reader()
optimizer = torch.optim.Adam(reader.parameters(), lr=2e-3)
for epoch in range(args.epochs):
    total = right = 0.0
    for batch in torch.randperm(len(x)).split(26):
        scores = reader(x[batch])
        loss = bounded_loss(scores, y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
        right += (scores.argmax(1) == y[batch]).sum().item()
    with torch.no_grad():
        accuracy = (reader(xv).argmax(1) == yv).float().mean().item()
    print(f"epoch {epoch}: loss {total / len(x):.4f}, training {right / len(x):.4f}, validation {accuracy:.4f}")
print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")
