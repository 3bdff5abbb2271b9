"""Two backward passes a step: up to the worst place nearby, the gradient there, back again, and then the step."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

RADIUS = 0.05


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(x))


def sharpness_step(net, optimizer, x, y):
    params = list(net.parameters())
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    with torch.no_grad():
        norm = torch.stack([p.grad.norm() for p in params]).norm() + 1e-12
        moves = [p.grad * (RADIUS / norm) for p in params]
        for p, move in zip(params, moves):
            p.add_(move)
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    with torch.no_grad():
        for p, move in zip(params, moves):
            p.sub_(move)
    optimizer.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y, xv, yv = x[order[:1300]], y[order[:1300]], x[order[1300:]], y[order[1300:]]
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.08, momentum=0.9)
    for epoch in range(args.epochs):
        losses = [sharpness_step(net, optimizer, x[i], y[i]) for i in torch.randperm(len(x)).split(32)]
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={sum(losses) / len(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
