"""Only the sign of the averaged gradient moves the weights (Lion); the weights shrink a little in each step."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class SignSteps(torch.optim.Optimizer):
    def __init__(self, params, lr=5e-4, short=0.9, long=0.99, shrink=0.3):
        super().__init__(params, {"lr": lr, "short": short, "long": long, "shrink": shrink})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["mean"] = torch.zeros_like(p)
                mean = state["mean"]
                direction = torch.sign(mean * group["short"] + p.grad * (1 - group["short"]))
                p.mul_(1 - group["lr"] * group["shrink"]).add_(direction, alpha=-group["lr"])
                mean.mul_(group["long"]).add_(p.grad, alpha=1 - group["long"])


def model_of(width):
    return nn.Sequential(
        nn.Linear(64, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 10)
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    order = torch.randperm(len(x))
    train, valid = order[:1400], order[1400:]
    model = model_of(96)
    optimizer = SignSteps(model.parameters())
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    for epoch in range(args.epochs):
        total = 0.0
        for index in train[torch.randperm(len(train))].split(35):
            loss = F.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        scheduler.step()
        with torch.no_grad():
            accuracy = (model(x[valid]).argmax(1) == y[valid]).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(train):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
