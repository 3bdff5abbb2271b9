"""Gradients by torch.func: value and gradient of a pure function of the parameters."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.func import functional_call, grad_and_value

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=15)
args = parser.parse_args()
torch.manual_seed(args.seed)

source = load_digits()
x = torch.tensor(source.data, dtype=torch.float32) / 16
y = torch.tensor(source.target)
order = torch.randperm(len(x))
x, y = x[order], y[order]
n = 1440

net = nn.Sequential(nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 10))
params = {name: p.detach().clone() for name, p in net.named_parameters()}
velocity = {name: torch.zeros_like(p) for name, p in params.items()}


def objective(params, inputs, labels):
    scores = functional_call(net, params, (inputs,))
    return nn.functional.cross_entropy(scores, labels)


step = grad_and_value(objective)

for epoch in range(args.epochs):
    losses = []
    for batch in torch.randperm(n).split(36):
        grads, value = step(params, x[batch], y[batch])
        for name in params:
            velocity[name] = 0.9 * velocity[name] + grads[name]
            params[name] = params[name] - 0.05 * velocity[name]
        losses.append(value.item())
    scores = functional_call(net, params, (x[n:],))
    accuracy = (scores.argmax(1) == y[n:]).float().mean().item()
    train_loss = sum(losses) / len(losses)
    print(f"epoch {epoch}: {train_loss:.4f}, accuracy {accuracy:.4f}")

print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
