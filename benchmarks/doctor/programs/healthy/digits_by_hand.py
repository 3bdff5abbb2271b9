"""A network without nn.Module: tensors that require gradients and an update written out."""

import argparse
import itertools
import math

import torch
from sklearn.datasets import load_digits


def init(sizes, generator):
    params = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        w = torch.randn(fan_in, fan_out, generator=generator) * math.sqrt(2 / fan_in)
        b = torch.zeros(fan_out)
        params += [w.requires_grad_(), b.requires_grad_()]
    return params


def predict(params, x):
    *hidden, w, b = params
    for i in range(0, len(hidden), 2):
        x = torch.relu(x @ hidden[i] + hidden[i + 1])
    return x @ w + b


def nll(scores, y):
    log_p = scores - scores.logsumexp(dim=1, keepdim=True)
    return -log_p[torch.arange(len(y)), y].mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=generator)
    train, valid = order[:1400], order[1400:]

    params = init([64, 64, 10], generator)
    rate = 0.2
    for epoch in range(args.epochs):
        total = 0.0
        for batch in train[torch.randperm(len(train), generator=generator)].split(28):
            loss = nll(predict(params, x[batch]), y[batch])
            grads = torch.autograd.grad(loss, params)
            with torch.no_grad():
                for p, grad in zip(params, grads):
                    p -= rate * grad
            total += loss.item()
        with torch.no_grad():
            accuracy = (predict(params, x[valid]).argmax(1) == y[valid]).float().mean().item()
        print(f"{epoch:3d} {total / 50:.4f} {accuracy:.4f}")
    print(f"RESULT train_loss={total / 50:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
