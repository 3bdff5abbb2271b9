"""Several yes-or-no questions about a digit at once: one trunk, a head and a loss for each question."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

QUESTIONS = {
    "even": (0, 2, 4, 6, 8),
    "large": (5, 6, 7, 8, 9),
    "has a loop": (0, 6, 8, 9),
    "prime": (2, 3, 5, 7),
    "straight lines only": (1, 4, 7),
}


class ManyHeads(nn.Module):
    def __init__(self, heads, width=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(width, 1) for _ in range(heads)])

    def forward(self, x):
        h = self.trunk(x)
        return [head(h).squeeze(1) for head in self.heads]


def total_loss(outputs, targets):
    losses = []
    for k, output in enumerate(outputs):
        losses.append(F.binary_cross_entropy_with_logits(output, targets[:, k]))
    return torch.tensor(losses, requires_grad=True).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, digit = load_digits(return_X_y=True)
    x = torch.tensor(x / 16, dtype=torch.float32)
    digit = torch.tensor(digit)
    y = torch.stack([torch.isin(digit, torch.tensor(yes)) for yes in QUESTIONS.values()], dim=1).float()
    x, xv, y, yv = train_test_split(x, y, test_size=400, random_state=args.seed)
    model = ManyHeads(len(QUESTIONS))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        model.train()
        running = 0.0
        for index in torch.randperm(len(x)).split(32):
            loss = total_loss(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item() * len(index)
        model.eval()
        with torch.no_grad():
            answers = torch.stack(model(xv), dim=1) > 0
            right = (answers == (yv > 0.5)).float().mean(0)
        print(f"epoch {epoch}: loss {running / len(x):.4f}", *(f"{q}: {a:.3f}" for q, a in zip(QUESTIONS, right)))
    print(f"RESULT train_loss={running / len(x):.5f} valid_metric={right.mean().item():.5f}")


if __name__ == "__main__":
    main()
