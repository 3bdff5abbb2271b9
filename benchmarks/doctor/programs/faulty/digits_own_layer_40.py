"""A dense layer with tanh as an autograd function of its own: forward and backward written out, the rest by PyTorch."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class DenseTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        out = torch.tanh(x @ weight + bias)
        ctx.save_for_backward(x, weight, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, weight, out = ctx.saved_tensors
        delta = grad
        return delta @ weight.t(), x.t() @ delta, delta.sum(0)


class Layer(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * (1.5 / inputs**0.5))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return DenseTanh.apply(x, self.weight, self.bias)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(Layer(64, 64), Layer(64, 64), Layer(64, 48))
        self.out = nn.Linear(48, 10)

    def forward(self, x):
        return self.out(self.hidden(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 8 - 1, dtype=torch.float32), torch.tensor(y)
    order = torch.randperm(len(x))
    train, valid = order[:1400], order[1400:]
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(args.epochs):
        losses = []
        for rows in train[torch.randperm(len(train))].split(35):
            loss = F.cross_entropy(net(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            accuracy = (net(x[valid]).argmax(dim=1) == y[valid]).float().mean().item()
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={sum(losses) / len(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
