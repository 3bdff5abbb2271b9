"""The loss is scaled as in mixed precision, with a factor that grows and shrinks; gradients are clipped."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.scores = nn.Linear(256, 10)

    def forward(self, x):
        return self.scores(self.features(x).flatten(1))


class Scaler:
    """Doubles its factor now and then, halves it and leaves the step out where a gradient is not finite."""

    def __init__(self, factor=2.0**14, wait=60):
        self.factor, self.wait, self.good = factor, wait, 0

    def scale(self, loss):
        return loss * self.factor

    def unscale(self, params):
        for p in params:
            p.grad /= self.factor

    def step(self, optimizer, params):
        if all(torch.isfinite(p.grad).all() for p in params):
            optimizer.step()
            self.good += 1
            if self.good % self.wait == 0:
                self.factor *= 2
        else:
            self.factor /= 2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16 - 0.3
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    train, valid = order[:1300], order[1300:]
    net, scaler = Net(), Scaler()
    params = list(net.parameters())
    optimizer = torch.optim.SGD(params, lr=0.05, momentum=0.9)
    for epoch in range(args.epochs):
        total = 0.0
        for index in train[torch.randperm(len(train))].split(50):
            loss = nn.functional.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale(params)
            nn.utils.clip_grad_norm_(params, 2.0)
            scaler.step(optimizer, params)
            total += loss.item() * len(index)
        with torch.no_grad():
            accuracy = (net(x[valid]).argmax(1) == y[valid]).float().mean().item()
        print(f"epoch {epoch}: factor {scaler.factor:.0f} loss {total / len(train):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
